"""A program as it is written for paho-mqtt 2 and MQTT 5.0: a command with a Response Topic, sent
through the module paho.mqtt.properties."""

import unittest

import paho.mqtt.client as mqtt
import paho.mqtt.properties as properties

from peer import Peer
from support import DEADLINE_SECONDS, broker, unique


class Commands(unittest.TestCase):
    def test_empty_command_is_answered_on_its_response_topic(self):
        base = unique("commands")
        device = Peer(mqtt.MQTTv5, unique("device"))
        device.connect()
        self.addCleanup(device.leave)
        device.subscribe(f"{base}/device/reboot")
        operator = Peer(mqtt.MQTTv5, unique("operator"))
        operator.connect()
        self.addCleanup(operator.leave)
        operator.subscribe(f"{base}/replies")

        wanted = properties.Properties(properties.PacketTypes.PUBLISH)
        wanted.ResponseTopic = f"{base}/replies"
        wanted.CorrelationData = b"req-42"
        operator.client.publish(f"{base}/device/reboot", "", properties=wanted)

        command = device.inbox.next()
        self.assertEqual(command.payload, b"")
        device.publish(
            command.properties.ResponseTopic,
            b"rebooting",
            1,
            CorrelationData=command.properties.CorrelationData,
        )
        reply = operator.inbox.next()
        self.assertEqual(reply.payload, b"rebooting")
        self.assertEqual(reply.properties.CorrelationData, b"req-42")

    def test_reason_code_tells_that_nobody_subscribed(self):
        reasons = []
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        client.on_publish = lambda _c, _u, _mid, reason, _p: reasons.append(reason.value)
        client.connect(*broker())
        client.loop_start()
        self.addCleanup(client.loop_stop)
        self.addCleanup(client.disconnect)
        client.publish(unique("nobody"), "x", qos=1).wait_for_publish(DEADLINE_SECONDS)
        self.assertEqual(reasons, [0x10])
