// An MQTT.js client that a test can wait for, and names of a test's own.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import mqtt from 'mqtt';

// The longest wait for anything; a healthy broker answers within milliseconds.
const DEADLINE_MS = 10_000;

// How to connect, if a test does not say.
const SCHEME = process.env.DUNLIN_SCHEME ?? 'mqtt';

// The authority of the broker's certificate.
const CA = process.env.DUNLIN_CA && readFileSync(process.env.DUNLIN_CA);

const FOREVER_SECONDS = 0xffffffff;

let lastNumber = 0;

// `word` made unique over tests and runs, short enough for a Client Identifier of MQTT 3.1.
export function unique(word) {
  lastNumber += 1;
  return `${word}-${process.pid.toString(16)}-${lastNumber}`;
}

export class Peer {
  // Session Present of the last CONNACK.
  sessionPresent = false;

  #client;
  #inbox = [];
  #wake = () => {};

  // Connects. `persistent` asks for a Session that outlives the connection, `will` is MQTT.js's.
  // `scheme` is mqtt, ws, mqtts or wss; `path` is for the latter of WebSocket.
  static async connect({
    version,
    clientId = unique('js'),
    persistent = false,
    will,
    scheme = SCHEME,
    path = '/mqtt',
  }) {
    const peer = new Peer();
    peer.#client = mqtt.connect(`${scheme}://${process.env.DUNLIN_ADDRESS}`, {
      path,
      ca: CA,
      protocolVersion: version,
      protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
      clientId,
      clean: !persistent,
      properties: persistent && version === 5 ? { sessionExpiryInterval: FOREVER_SECONDS } : {},
      reconnectPeriod: 0,
      will,
    });
    peer.#client.on('message', (topic, payload, packet) => peer.#arrived(topic, payload, packet));
    const [connack] = await once(peer.#client, 'connect', deadline());
    peer.sessionPresent = connack.sessionPresent;
    return peer;
  }

  // Subscribes with the same options to each filter; returns the Reason Codes.
  async subscribe(filters, options = { qos: 2 }) {
    const granted = await this.#client.subscribeAsync(filters, options);
    return granted.map(({ qos }) => qos);
  }

  async unsubscribe(filter) {
    await this.#client.unsubscribeAsync(filter);
  }

  // Publishes and waits until the QoS flow is complete.
  async publish(topic, payload, options = {}) {
    await this.#client.publishAsync(topic, payload, options);
  }

  // The next message, which must arrive within the deadline.
  async next() {
    if (this.#inbox.length === 0) {
      await new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('no message in time')), DEADLINE_MS);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#inbox.shift();
  }

  async take(count) {
    const messages = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  // All messages before the next one on `topic`, which a test publishes last: what has not arrived
  // by then was not sent.
  async until(topic) {
    const messages = [];
    for (;;) {
      const message = await this.next();
      if (message.topic === topic) return messages;
      messages.push(message);
    }
  }

  // Disconnects as a client should.
  async leave() {
    await this.#client.endAsync();
  }

  // Closes the connection without a DISCONNECT, as a power cut would.
  vanish() {
    this.#client.stream.destroy();
  }

  #arrived(topic, payload, { qos, retain, properties }) {
    this.#inbox.push({ topic, payload: payload.toString(), qos, retain, properties });
    this.#wake();
  }
}

function deadline() {
  return { signal: AbortSignal.timeout(DEADLINE_MS) };
}
