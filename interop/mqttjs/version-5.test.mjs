// What only MQTT 5.0 has, with MQTT.js.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Peer, unique } from './peer.mjs';

function scenario(name, body) {
  test(name, async (t) => {
    const peer = async () => {
      const connected = await Peer.connect({ version: 5 });
      t.after(() => connected.leave());
      return connected;
    };
    await body({ base: unique('mqttjs5'), alice: await peer(), bob: await peer() });
  });
}

scenario('a request is answered on its Response Topic', async ({ base, alice, bob }) => {
  const correlationData = Buffer.from([0, 0x42, 0xff]);
  await alice.subscribe(`${base}/replies`);
  await bob.subscribe(`${base}/requests`);
  await alice.publish(`${base}/requests`, 'question', {
    qos: 1,
    properties: { responseTopic: `${base}/replies`, correlationData },
  });
  const request = await bob.next();
  await bob.publish(request.properties.responseTopic, 'answer', {
    qos: 1,
    properties: { correlationData: request.properties.correlationData },
  });
  const response = await alice.next();
  assert.deepEqual([response.topic, response.payload], [`${base}/replies`, 'answer']);
  assert.deepEqual(response.properties.correlationData, correlationData);
});

scenario('properties of the publisher reach the subscriber', async ({ base, alice, bob }) => {
  await bob.subscribe(base);
  await alice.publish(base, 'grün', {
    qos: 1,
    properties: {
      payloadFormatIndicator: true,
      contentType: 'text/plain',
      userProperties: { colour: ['red', 'blue'], size: '9' },
      messageExpiryInterval: 3600,
    },
  });
  const { properties } = await bob.next();
  assert.equal(properties.payloadFormatIndicator, true);
  assert.equal(properties.contentType, 'text/plain');
  assert.deepEqual({ ...properties.userProperties }, { colour: ['red', 'blue'], size: '9' });
  assert.ok(properties.messageExpiryInterval <= 3600);
});

scenario('a Topic Alias stands for the topic', async ({ base, alice, bob }) => {
  await bob.subscribe(base);
  await alice.publish(base, 'first', { qos: 1, properties: { topicAlias: 1 } });
  await alice.publish('', 'second', { qos: 1, properties: { topicAlias: 1 } });
  const messages = await bob.take(2);
  assert.deepEqual(messages.map((m) => [m.topic, m.payload]), [[base, 'first'], [base, 'second']]);
});

scenario('the Subscription Identifier comes with the message', async ({ base, alice, bob }) => {
  await bob.subscribe(base, { qos: 1, properties: { subscriptionIdentifier: 321 } });
  await alice.publish(base, 'x', { qos: 1 });
  assert.deepEqual([(await bob.next()).properties.subscriptionIdentifier].flat(), [321]);
});

scenario('No Local keeps own messages away', async ({ base, alice, bob }) => {
  await alice.subscribe(base, { qos: 1, nl: true });
  await bob.subscribe(base, { qos: 1 });
  await alice.publish(base, 'from alice', { qos: 1 });
  assert.equal((await bob.next()).payload, 'from alice');
  await bob.publish(base, 'from bob', { qos: 1 });
  assert.equal((await alice.next()).payload, 'from bob');
});
