// Headless Chromium with an empty profile, and a page that has MQTT.js in it.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // A name for this machine that does not sound like it.
  '--host-resolver-rules=MAP example.test 127.0.0.1',
];

const PAGE = '<!doctype html><title>MQTT</title><script src="/mqtt.js"></script>';

// Starts the browser. `page(host)` opens a page of its own, from that host; `close()` ends everything.
export async function start() {
  const profile = await mkdtemp(join(tmpdir(), 'dunlin-browser-'));
  const site = await serve();
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: FLAGS,
    userDataDir: profile,
    // The certificate comes from an authority that was made for the tests.
    acceptInsecureCerts: true,
  });
  return {
    async page(host = '127.0.0.1') {
      const page = await browser.newPage();
      await page.goto(`http://${host}:${site.address().port}/`);
      return page;
    },
    async close() {
      await browser.close();
      site.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

// Serves the page and the library, to this machine alone.
async function serve() {
  const library = await readFile(new URL('node_modules/mqtt/dist/mqtt.min.js', import.meta.url));
  const server = createServer((request, response) => {
    const isLibrary = request.url === '/mqtt.js';
    response.setHeader('Content-Type', isLibrary ? 'text/javascript' : 'text/html');
    response.end(isLibrary ? library : PAGE);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
