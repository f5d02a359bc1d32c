// What runs in a page, where `mqtt` is MQTT.js.

// Connects, subscribes, publishes `payloads` and gives what comes back.
export async function roundTrip(url, options, payloads) {
  const client = mqtt.connect(url, {
    clientId: `page-${Math.random().toString(16).slice(2, 10)}`,
    reconnectPeriod: 0,
    connectTimeout: 8000,
    ...options,
  });
  const topic = `browser/${Math.random()}`;
  const received = [];
  try {
    await new Promise((resolve, reject) => {
      client.on('connect', resolve);
      client.on('error', reject);
      client.on('close', () => reject(new Error('closed')));
    });
    const all = new Promise((resolve) => {
      client.on('message', (_, payload, { qos }) => {
        received.push([payload.toString(), qos]);
        if (received.length === payloads.length) resolve();
      });
    });
    await client.subscribeAsync(topic, { qos: 2 });
    for (const [payload, qos] of payloads) await client.publishAsync(topic, payload, { qos });
    await all;
    return received;
  } finally {
    client.end(true);
  }
}

// Tries to connect: 'connected', the number in CONNACK, or 'closed' if none comes.
export async function attempt(url, options) {
  const client = mqtt.connect(url, { reconnectPeriod: 0, connectTimeout: 8000, ...options });
  try {
    return await new Promise((resolve) => {
      client.on('connect', () => resolve('connected'));
      client.on('error', ({ code }) => typeof code === 'number' && resolve(code));
      client.on('close', () => resolve('closed'));
    });
  } finally {
    client.end(true);
  }
}
