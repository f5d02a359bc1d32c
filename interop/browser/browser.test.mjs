// What a page does with MQTT.js, over WebSocket with and without TLS.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from './browser.mjs';
import { roundTrip } from './in-page.mjs';

const ADDRESS = process.env.DUNLIN_ADDRESS;
const SCHEMES = process.env.DUNLIN_CA ? ['ws', 'wss'] : ['ws'];

let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

for (const scheme of SCHEMES) {
  for (const version of [3, 4, 5]) {
    test(`a page publishes and receives over ${scheme}, version ${version}`, async (t) => {
      const page = await browser.page();
      t.after(() => page.close());
      const payloads = [
        ['first', 0],
        ['second', 1],
        ['third', 2],
        ['long '.repeat(40_000), 1],
      ];
      const options = {
        protocolVersion: version,
        protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
        username: 'somebody',
        password: 'something',
      };
      const url = `${scheme}://${ADDRESS}/mqtt`;
      const received = await page.evaluate(roundTrip, url, options, payloads);
      assert.deepEqual(received, payloads);
    });
  }

  test(`the browser gives the connection no extension over ${scheme}`, async (t) => {
    const page = await browser.page();
    t.after(() => page.close());
    const agreed = await page.evaluate(async (url) => {
      const socket = new WebSocket(url, ['mqtt']);
      await new Promise((resolve, reject) => {
        socket.onopen = resolve;
        socket.onerror = () => reject(new Error('no WebSocket'));
      });
      const closed = new Promise((resolve) => {
        socket.onclose = ({ code, wasClean }) => resolve({ code, wasClean });
      });
      const { protocol, extensions } = socket;
      socket.send('text, which is not MQTT');
      return { protocol, extensions, ...(await closed) };
    }, `${scheme}://${ADDRESS}/`);
    assert.deepEqual(agreed, { protocol: 'mqtt', extensions: '', code: 1003, wasClean: true });
  });
}
