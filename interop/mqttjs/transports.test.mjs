// MQTT.js over each transport that the broker serves on one port.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Peer, unique } from './peer.mjs';

const SCHEMES = process.env.DUNLIN_CA ? ['mqtt', 'ws', 'mqtts', 'wss'] : ['mqtt', 'ws'];

for (const version of [3, 4, 5]) {
  test(`clients of different transports reach each other in version ${version}`, async (t) => {
    const base = unique('transports');
    const peers = [];
    for (const scheme of SCHEMES) {
      const peer = await Peer.connect({ version, scheme, path: '/mqtt' });
      t.after(() => peer.leave());
      await peer.subscribe(`${base}/#`, { qos: 2 });
      peers.push(peer);
    }
    for (const [number, peer] of peers.entries()) {
      await peer.publish(`${base}/${number}`, `from ${SCHEMES[number]}`, { qos: number % 3 });
    }
    for (const peer of peers) {
      const payloads = (await peer.take(SCHEMES.length)).map(({ payload }) => payload);
      assert.deepEqual(payloads.sort(), SCHEMES.map((scheme) => `from ${scheme}`).sort());
    }
  });
}

for (const scheme of SCHEMES) {
  test(`payloads of any size pass over ${scheme}`, async (t) => {
    const topic = unique(`sizes-${scheme}`);
    const peer = await Peer.connect({ version: 4, scheme });
    t.after(() => peer.leave());
    await peer.subscribe(topic, { qos: 1 });
    for (const size of [0, 1, 110, 125, 126, 65_520, 65_536, 200_000, 1_000_000]) {
      await peer.publish(topic, 'x'.repeat(size), { qos: 1 });
      assert.equal((await peer.next()).payload.length, size);
    }
  });

  test(`any path and any of the two subprotocols is served over ${scheme}`, async (t) => {
    for (const [path, version] of [['/', 4], ['/mqtt', 3], ['/some/where?a=b', 5]]) {
      const peer = await Peer.connect({ version, scheme, path });
      await peer.leave();
    }
  });
}
