// Publishing and subscribing with MQTT.js, in each protocol version.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Peer, unique } from './peer.mjs';

const NAMES = { 3: '3.1', 4: '3.1.1', 5: '5.0' };

for (const version of [3, 4, 5]) {
  describe(`MQTT ${NAMES[version]}`, () => scenarios(version));
}

function scenarios(version) {
  // A test with two connected clients and a topic of its own; `peer` connects further ones.
  function scenario(name, body) {
    test(name, async (t) => {
      const peer = async (options) => {
        const connected = await Peer.connect({ version, ...options });
        t.after(() => connected.leave());
        return connected;
      };
      await body({ base: unique('mqttjs'), alice: await peer(), bob: await peer(), peer });
    });
  }

  scenario('each QoS arrives with the lower of both QoS', async ({ base, alice, bob }) => {
    for (const granted of [0, 1, 2]) {
      const topic = `${base}/${granted}`;
      assert.deepEqual(await bob.subscribe(topic, { qos: granted }), [granted]);
      for (const qos of [0, 1, 2]) {
        await alice.publish(topic, 'hello', { qos });
        const message = await bob.next();
        assert.equal(message.payload, 'hello');
        assert.equal(message.qos, Math.min(qos, granted));
      }
    }
  });

  for (const qos of [0, 1, 2]) {
    scenario(`many messages at QoS ${qos} arrive in order`, async ({ base, alice, bob }) => {
      await bob.subscribe(base);
      const payloads = Array.from({ length: 300 }, (_, number) => `${number}`);
      // MQTT.js leaves it to the program to stay below the broker's Receive Maximum.
      for (let start = 0; start < payloads.length; start += 10) {
        const batch = payloads.slice(start, start + 10);
        await Promise.all(batch.map((payload) => alice.publish(base, payload, { qos })));
      }
      const received = await bob.take(payloads.length);
      assert.deepEqual(received.map((m) => m.payload), payloads);
    });
  }

  scenario('wildcards match as they should', async ({ base, alice, bob }) => {
    await bob.subscribe([`${base}/home/#`, `${base}/factory/+/status`, `${base}/end`]);
    const matching = ['home', 'home/hall/light', 'factory/press/status'];
    const others = ['homes', 'factory/status', 'factory/press/arm/status', 'factory/press/state'];
    for (const topic of [...matching, ...others, 'end']) {
      await alice.publish(`${base}/${topic}`, 'x', { qos: 1 });
    }
    const topics = (await bob.until(`${base}/end`)).map((m) => m.topic);
    assert.deepEqual(topics, matching.map((topic) => `${base}/${topic}`));
  });

  scenario('unsubscribe ends delivery', async ({ base, alice, bob }) => {
    await bob.subscribe([`${base}/a`, `${base}/end`]);
    await bob.unsubscribe(`${base}/a`);
    await alice.publish(`${base}/a`, 'x', { qos: 1 });
    await alice.publish(`${base}/end`, 'x', { qos: 1 });
    assert.deepEqual(await bob.until(`${base}/end`), []);
  });

  scenario('a retained message is set, replaced and cleared', async ({ base, alice, bob, peer }) => {
    const retained = { qos: 1, retain: true };
    await alice.publish(base, '20.0', retained);
    await alice.publish(base, '21.5', retained);
    await bob.subscribe(base);
    const kept = await bob.next();
    assert.deepEqual([kept.payload, kept.retain], ['21.5', true]);
    await alice.publish(base, '', retained);
    const cleared = await bob.next();
    assert.deepEqual([cleared.payload, cleared.retain], ['', false]);
    const carol = await peer();
    await carol.subscribe(base);
    await alice.publish(base, 'live', { qos: 1 });
    const live = await carol.next();
    assert.deepEqual([live.payload, live.retain], ['live', false]);
  });

  scenario('the will is published when the client vanishes', async ({ base, bob, peer }) => {
    await bob.subscribe(base);
    const will = { topic: base, payload: 'offline', qos: 1, retain: true };
    const device = await Peer.connect({ version, will });
    device.vanish();
    const seen = await bob.next();
    assert.deepEqual([seen.payload, seen.qos, seen.retain], ['offline', 1, false]);
    const carol = await peer();
    await carol.subscribe(base);
    const kept = await carol.next();
    assert.deepEqual([kept.payload, kept.retain], ['offline', true]);
  });

  scenario('the will is dropped when the client leaves', async ({ base, alice, bob }) => {
    await bob.subscribe(base);
    const will = { topic: base, payload: 'offline', qos: 1, retain: false };
    const device = await Peer.connect({ version, will });
    await device.leave();
    await alice.publish(base, 'end', { qos: 1 });
    assert.equal((await bob.next()).payload, 'end');
  });

  scenario('a shared subscription gives each message to one member', async (world) => {
    const { base, alice, peer } = world;
    const members = [await peer(), await peer(), await peer()];
    for (const member of members) {
      await member.subscribe([`$share/workers/${base}/jobs/+`, `${base}/end`]);
    }
    const jobs = Array.from({ length: 90 }, (_, number) => `job ${number}`);
    for (const [number, job] of jobs.entries()) {
      await alice.publish(`${base}/jobs/${number}`, job, { qos: 1 });
    }
    await alice.publish(`${base}/end`, 'end', { qos: 1 });
    const parts = await Promise.all(members.map((member) => member.until(`${base}/end`)));
    assert.deepEqual(parts.flat().map((m) => m.payload).sort(), jobs.sort());
  });

  scenario('a session keeps messages in order while offline', async ({ base, alice, peer }) => {
    const clientId = unique('js');
    const first = await Peer.connect({ version, clientId, persistent: true });
    await first.subscribe(base);
    await first.leave();
    const payloads = Array.from({ length: 100 }, (_, number) => `${number}`);
    for (const [number, payload] of payloads.entries()) {
      await alice.publish(base, payload, { qos: number < 50 ? 1 : 2 });
    }
    const again = await peer({ clientId, persistent: true });
    assert.equal(again.sessionPresent, version > 3);
    const received = await again.take(payloads.length);
    assert.deepEqual(received.map((m) => m.payload), payloads);
    assert.deepEqual(received.map((m) => m.qos), payloads.map((_, n) => (n < 50 ? 1 : 2)));
  });

  scenario('a clean session forgets', async ({ base, alice, peer }) => {
    const clientId = unique('js');
    const first = await Peer.connect({ version, clientId, persistent: true });
    await first.subscribe(base);
    await first.leave();
    await alice.publish(base, 'missed', { qos: 1 });
    const again = await peer({ clientId });
    assert.equal(again.sessionPresent, false);
    await again.subscribe(base);
    await alice.publish(base, 'live', { qos: 1 });
    assert.equal((await again.next()).payload, 'live');
  });
}
