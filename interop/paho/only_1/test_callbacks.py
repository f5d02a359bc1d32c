"""Programs as they are written for paho-mqtt 1.6: `mqtt.Client()` and on_connect with four
arguments, against this broker."""

import threading
import unittest

import paho.mqtt.client as mqtt

from support import DEADLINE_SECONDS, Inbox, Message, broker, unique


class Dashboard:
    """Subscribes in on_connect, and runs loop_forever in a thread, as such a program does."""

    def __init__(self, *filters: str):
        self.inbox = Inbox()
        self.result_code = None
        self._filters = filters
        self._ready = threading.Event()
        self.client = mqtt.Client()
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = self._on_message
        self.client.connect(*broker())
        self._thread = threading.Thread(target=self.client.loop_forever)
        self._thread.start()

    def _on_connect(self, client, userdata, flags, rc):
        self.result_code = rc
        self._waiting_for = {client.subscribe(f)[1] for f in self._filters}

    def _on_subscribe(self, client, userdata, mid, granted_qos):
        self._waiting_for.discard(mid)
        if not self._waiting_for:
            self._ready.set()

    def _on_message(self, client, userdata, msg):
        self.inbox.put(Message(msg.topic, msg.payload.decode(), msg.qos, bool(msg.retain)))

    def __enter__(self):
        assert self._ready.wait(DEADLINE_SECONDS), "no SUBACK"
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self._thread.join(DEADLINE_SECONDS)


class Callbacks(unittest.TestCase):
    def setUp(self):
        self.base = unique("callbacks")

    def test_readings_reach_a_dashboard_with_two_wildcards(self):
        with Dashboard(f"{self.base}/home/#", f"{self.base}/factory/+/status") as dashboard:
            self.assertEqual(dashboard.result_code, 0)
            sensor = mqtt.Client()
            sensor.connect(*broker())
            sensor.loop_start()
            sensor.publish(f"{self.base}/home/hall/temperature", "24.3")
            sensor.publish(f"{self.base}/factory/press/status", "running")
            received = {(m.topic, m.payload) for m in dashboard.inbox.take(2)}
            sensor.disconnect()
            sensor.loop_stop()
        expected = {
            (f"{self.base}/home/hall/temperature", "24.3"),
            (f"{self.base}/factory/press/status", "running"),
        }
        self.assertEqual(received, expected)

    def test_presence_by_retained_status_and_will(self):
        status = f"{self.base}/device/status"
        device = mqtt.Client(client_id=unique("device"))
        device.will_set(topic=status, payload="offline", qos=1, retain=True)
        device.connect(*broker())
        # No loop runs: this PUBLISH is sent before the program has read the CONNACK.
        device.publish(status, "online", qos=1, retain=True)
        with Dashboard(status) as dashboard:
            self.assertEqual(dashboard.inbox.next().payload, "online")
            device.socket().close()
            self.assertEqual(dashboard.inbox.next().payload, "offline")
        with Dashboard(status) as late:
            self.assertEqual(late.inbox.next(), Message(status, "offline", 0, True))

    def test_setpoint_is_there_for_who_comes_later_until_cleared(self):
        setpoint = f"{self.base}/thermostat/setpoint"
        panel = mqtt.Client()
        panel.connect(*broker())
        panel.loop_start()
        panel.publish(setpoint, "21.5", qos=1, retain=True).wait_for_publish(DEADLINE_SECONDS)
        with Dashboard(setpoint) as dashboard:
            self.assertEqual(dashboard.inbox.next(), Message(setpoint, "21.5", 0, True))
        panel.publish(setpoint, "", qos=1, retain=True).wait_for_publish(DEADLINE_SECONDS)
        with Dashboard(setpoint) as dashboard:
            panel.publish(setpoint, "22.0", qos=1).wait_for_publish(DEADLINE_SECONDS)
            self.assertEqual(dashboard.inbox.next(), Message(setpoint, "22.0", 0, False))
        panel.disconnect()
        panel.loop_stop()
