"""Publishing and subscribing with paho-mqtt, in each protocol version."""

import unittest

import paho.mqtt.client as mqtt

from peer import Peer
from support import Message, unique


class Scenarios:
    protocol: int

    def setUp(self):
        self.base = unique("paho")
        self.alice = self.peer()
        self.bob = self.peer()

    def peer(self, client_id: str | None = None, **options) -> Peer:
        """A connected client, which leaves when the test ends."""
        peer = self.offline_peer(client_id, **options)
        peer.connect()
        self.addCleanup(peer.leave)
        return peer

    def offline_peer(self, client_id: str | None = None, **options) -> Peer:
        return Peer(self.protocol, client_id or unique("p"), **options)

    def test_each_qos_arrives_with_the_lower_of_both_qos(self):
        for granted in (0, 1, 2):
            topic = f"{self.base}/{granted}"
            self.assertEqual(self.bob.subscribe(topic, qos=granted), [granted])
            for qos in (0, 1, 2):
                self.alice.publish(topic, b"hello", qos)
                expected = Message(topic, b"hello", min(qos, granted), False)
                self.assertEqual(self.bob.inbox.next(), expected)

    def test_payload_is_passed_on_byte_by_byte(self):
        payload = bytes(range(256)) * 400
        self.bob.subscribe(self.base)
        for qos in (0, 1, 2):
            self.alice.publish(self.base, payload, qos)
            self.assertEqual(self.bob.inbox.next().payload, payload)

    def test_many_messages_arrive_in_order(self):
        self.bob.subscribe(self.base)
        for qos in (0, 1, 2):
            payloads = [b"%d" % number for number in range(500)]
            for payload in payloads[:-1]:
                self.alice.client.publish(self.base, payload, qos)
            self.alice.publish(self.base, payloads[-1], qos)
            self.assertEqual([m.payload for m in self.bob.inbox.take(500)], payloads)

    def test_wildcards(self):
        self.bob.subscribe(f"{self.base}/home/#", f"{self.base}/factory/+/status", f"{self.base}/end")
        matching = ("home", "home/hall/light", "factory/press/status")
        other = ("homes", "factory/status", "factory/press/arm/status", "factory/press/state")
        for topic in matching + other + ("end",):
            self.alice.publish(f"{self.base}/{topic}", b"x", 1)
        topics = [message.topic for message in self.bob.inbox.until(f"{self.base}/end")]
        self.assertEqual(topics, [f"{self.base}/{topic}" for topic in matching])

    def test_unsubscribe_ends_delivery(self):
        self.bob.subscribe(f"{self.base}/a", f"{self.base}/end")
        self.bob.unsubscribe(f"{self.base}/a")
        self.alice.publish(f"{self.base}/a", b"x", 1)
        self.alice.publish(f"{self.base}/end", b"x", 1)
        self.assertEqual(self.bob.inbox.until(f"{self.base}/end"), [])

    def test_retained_message_is_set_replaced_and_cleared(self):
        self.alice.publish(self.base, b"20.0", 1, retain=True)
        self.alice.publish(self.base, b"21.5", 1, retain=True)
        self.bob.subscribe(self.base)
        self.assertEqual(self.bob.inbox.next(), Message(self.base, b"21.5", 1, True))
        self.alice.publish(self.base, b"", 1, retain=True)
        self.assertEqual(self.bob.inbox.next(), Message(self.base, b"", 1, False))
        carol = self.peer()
        carol.subscribe(self.base)
        self.alice.publish(self.base, b"live", 1)
        self.assertEqual(carol.inbox.next(), Message(self.base, b"live", 1, False))

    def test_will_is_published_when_the_client_vanishes(self):
        self.bob.subscribe(self.base)
        will = {"topic": self.base, "payload": b"offline", "qos": 1, "retain": True}
        device = self.offline_peer(will=will)
        device.connect()
        device.vanish()
        self.assertEqual(self.bob.inbox.next(), Message(self.base, b"offline", 1, False))
        carol = self.peer()
        carol.subscribe(self.base)
        self.assertEqual(carol.inbox.next(), Message(self.base, b"offline", 1, True))

    def test_will_is_dropped_when_the_client_leaves(self):
        self.bob.subscribe(self.base)
        device = self.offline_peer(will={"topic": self.base, "payload": b"offline", "qos": 1})
        device.connect()
        device.leave()
        self.alice.publish(self.base, b"end", 1)
        self.assertEqual(self.bob.inbox.next().payload, b"end")

    def test_shared_subscription_gives_each_message_to_one_member(self):
        members = [self.peer() for _ in range(3)]
        for member in members:
            member.subscribe(f"$share/workers/{self.base}/jobs/+", f"{self.base}/end")
        jobs = [b"%d" % number for number in range(90)]
        for number, job in enumerate(jobs):
            self.alice.publish(f"{self.base}/jobs/{number}", job, 1)
        self.alice.publish(f"{self.base}/end", b"end", 1)
        parts = [member.inbox.until(f"{self.base}/end") for member in members]
        self.assertEqual(sorted(m.payload for part in parts for m in part), sorted(jobs))

    def test_shared_subscription_spreads_the_work(self):
        members = [self.peer() for _ in range(3)]
        for member in members:
            member.subscribe(f"$share/workers/{self.base}/jobs", f"{self.base}/end")
        for number in range(90):
            self.alice.publish(f"{self.base}/jobs", b"%d" % number, 1)
        self.alice.publish(f"{self.base}/end", b"end", 1)
        shares = [len(member.inbox.until(f"{self.base}/end")) for member in members]
        self.assertEqual(sum(shares), 90)
        self.assertNotIn(0, shares)

    def test_session_keeps_messages_in_order_while_offline(self):
        client_id = unique("s")
        first = self.offline_peer(client_id, persistent=True)
        self.assertFalse(first.connect())
        first.subscribe(self.base)
        first.leave()
        payloads = [b"%d" % number for number in range(100)]
        for number, payload in enumerate(payloads):
            self.alice.publish(self.base, payload, 1 if number < 50 else 2)
        again = self.offline_peer(client_id, persistent=True)
        self.addCleanup(again.leave)
        session_present = again.connect()
        self.assertEqual(session_present, self.protocol != mqtt.MQTTv31)
        messages = again.inbox.take(len(payloads))
        self.assertEqual([m.payload for m in messages], payloads)
        self.assertEqual([m.qos for m in messages], [1] * 50 + [2] * 50)

    def test_clean_session_forgets(self):
        client_id = unique("s")
        first = self.offline_peer(client_id, persistent=True)
        first.connect()
        first.subscribe(self.base)
        first.leave()
        self.alice.publish(self.base, b"missed", 1)
        again = self.offline_peer(client_id)
        self.assertFalse(again.connect())
        self.addCleanup(again.leave)
        again.subscribe(self.base)
        self.alice.publish(self.base, b"live", 1)
        self.assertEqual(again.inbox.next().payload, b"live")

    def test_second_connection_takes_the_client_identifier_over(self):
        client_id = unique("s")
        first = self.peer(client_id)
        second = self.peer(client_id)
        first.wait_until_disconnected()
        second.subscribe(self.base)
        self.alice.publish(self.base, b"hello", 1)
        self.assertEqual(second.inbox.next().payload, b"hello")


class Version31(Scenarios, unittest.TestCase):
    protocol = mqtt.MQTTv31


class Version311(Scenarios, unittest.TestCase):
    protocol = mqtt.MQTTv311


class Version5(Scenarios, unittest.TestCase):
    protocol = mqtt.MQTTv5
