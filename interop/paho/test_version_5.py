"""What only MQTT 5.0 has, with paho-mqtt."""

import unittest

import paho.mqtt.client as mqtt
from paho.mqtt.subscribeoptions import SubscribeOptions

from peer import Peer
from support import Message, unique


class Version5(unittest.TestCase):
    def setUp(self):
        self.base = unique("paho5")
        self.alice = self.peer()
        self.bob = self.peer()

    def peer(self) -> Peer:
        peer = Peer(mqtt.MQTTv5, unique("p"))
        peer.connect()
        self.addCleanup(peer.leave)
        return peer

    def test_request_and_response(self):
        self.alice.subscribe(f"{self.base}/replies")
        self.bob.subscribe(f"{self.base}/requests")
        self.alice.publish(
            f"{self.base}/requests",
            b"question",
            1,
            ResponseTopic=f"{self.base}/replies",
            CorrelationData=b"\x00req-42\xff",
        )
        request = self.bob.inbox.next()
        self.bob.publish(
            request.properties.ResponseTopic,
            b"answer",
            1,
            CorrelationData=request.properties.CorrelationData,
        )
        response = self.alice.inbox.next()
        self.assertEqual(response, Message(f"{self.base}/replies", b"answer", 1, False))
        self.assertEqual(response.properties.CorrelationData, b"\x00req-42\xff")

    def test_properties_of_the_publisher_reach_the_subscriber(self):
        self.bob.subscribe(self.base)
        pairs = [("colour", "red"), ("size", "9"), ("colour", "blue")]
        self.alice.publish(
            self.base,
            "grün".encode(),
            1,
            PayloadFormatIndicator=1,
            ContentType="text/plain",
            UserProperty=pairs,
            MessageExpiryInterval=3600,
        )
        received = self.bob.inbox.next().properties
        self.assertEqual(received.PayloadFormatIndicator, 1)
        self.assertEqual(received.ContentType, "text/plain")
        self.assertEqual(received.UserProperty, pairs)
        self.assertLessEqual(received.MessageExpiryInterval, 3600)

    def test_topic_alias_stands_for_the_topic(self):
        self.bob.subscribe(self.base)
        self.alice.publish(self.base, b"first", 1, TopicAlias=1)
        self.alice.publish("", b"second", 1, TopicAlias=1)
        messages = self.bob.inbox.take(2)
        self.assertEqual([m.topic for m in messages], [self.base] * 2)
        self.assertEqual([m.payload for m in messages], [b"first", b"second"])

    def test_no_local_keeps_own_messages_away(self):
        self.alice.subscribe(self.base, noLocal=True)
        self.bob.subscribe(self.base)
        self.alice.publish(self.base, b"from alice", 1)
        self.assertEqual(self.bob.inbox.next().payload, b"from alice")
        self.bob.publish(self.base, b"from bob", 1)
        self.assertEqual(self.alice.inbox.next().payload, b"from bob")

    def test_retain_as_published_keeps_the_flag(self):
        self.bob.subscribe(self.base, retainAsPublished=True)
        self.alice.publish(self.base, b"x", 1, retain=True)
        self.assertTrue(self.bob.inbox.next().retain)
        self.alice.publish(self.base, b"", 1, retain=True)

    def test_retain_handling(self):
        self.alice.publish(self.base, b"kept", 1, retain=True)
        do_not_send = SubscribeOptions.RETAIN_DO_NOT_SEND
        self.bob.subscribe(self.base, retainHandling=do_not_send)
        self.alice.publish(self.base, b"live", 1)
        self.assertEqual(self.bob.inbox.next().payload, b"live")
        if_new = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
        self.bob.subscribe(self.base, retainHandling=if_new)
        self.alice.publish(self.base, b"live again", 1)
        self.assertEqual(self.bob.inbox.next().payload, b"live again")
        carol = self.peer()
        carol.subscribe(self.base, retainHandling=if_new)
        self.assertEqual(carol.inbox.next().payload, b"kept")
        self.alice.publish(self.base, b"", 1, retain=True)
