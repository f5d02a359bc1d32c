// Who is let in: with a user name and a password, and by nothing but a stock block of a mosquitto.conf.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { after, before, test } from 'node:test';
import mqtt from 'mqtt';
import { start } from './browser.mjs';
import { attempt, roundTrip } from './in-page.mjs';

const PROTECTED = process.env.DUNLIN_PROTECTED_ADDRESS;
const STOCK = process.env.DUNLIN_STOCK_ADDRESS;
const PAYLOADS = [
  ['first', 0],
  ['second', 1],
  ['third', 2],
];

let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

// Waits until the broker's log says this.
async function logged(pattern) {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
    if (pattern.test(await readFile(process.env.DUNLIN_STOCK_LOG, 'utf8'))) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`the log does not say ${pattern}`);
}

for (const scheme of ['ws', 'wss']) {
  test(`a password counts over ${scheme}`, { skip: !PROTECTED }, async (t) => {
    const page = await browser.page();
    t.after(() => page.close());
    const url = `${scheme}://${PROTECTED}/mqtt`;
    const alice = { username: 'alice', password: 'secret' };
    for (const [protocolVersion, refused] of [
      [4, 5],
      [5, 0x87],
    ]) {
      const right = { ...alice, protocolVersion };
      assert.deepEqual(await page.evaluate(roundTrip, url, right, PAYLOADS), PAYLOADS);
      const tries = [{ ...right, password: 'Secret' }, { ...right, username: 'bob' }, { protocolVersion }];
      for (const wrong of tries) {
        assert.equal(await page.evaluate(attempt, url, wrong), refused, JSON.stringify(wrong));
      }
    }
  });
}

test('a stock block of a mosquitto.conf serves a page of this machine', { skip: !STOCK }, async (t) => {
  const page = await browser.page();
  t.after(() => page.close());
  const received = await page.evaluate(roundTrip, `wss://${STOCK}/mqtt`, {}, PAYLOADS);
  assert.deepEqual(received, PAYLOADS);
});

test('and no page of another one', { skip: !STOCK }, async (t) => {
  const page = await browser.page('example.test');
  t.after(() => page.close());
  assert.equal(await page.evaluate(attempt, `wss://${STOCK}/mqtt`, {}), 'closed');
  await logged(/Origin is not allowed/);
});

test('and no Client of another one', { skip: !STOCK }, async () => {
  const addresses = Object.values(networkInterfaces()).flat();
  const other = addresses.find(({ internal, family }) => !internal && family === 'IPv4');
  assert(other, 'this machine has another address than loopback');
  const [, port] = STOCK.split(':');
  const options = { rejectUnauthorized: false, protocolVersion: 5 };
  globalThis.mqtt = mqtt;
  assert.equal(await attempt(`wss://127.0.0.1:${port}/mqtt`, options), 'connected');
  // Whoever connects to an address of its own machine comes from that address.
  assert.equal(await attempt(`wss://${other.address}:${port}/mqtt`, options), 0x87);
  await logged(new RegExp(`WARN.*allow_anonymous.*${other.address}`));
});
