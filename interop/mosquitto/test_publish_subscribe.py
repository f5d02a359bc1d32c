"""mosquitto_pub and mosquitto_sub, in each protocol version."""

import unittest

from support import Message, unique
from tools import Subscriber, publish, publish_lines, run


class Scenarios:
    version: str

    def setUp(self):
        self.base = unique("mosquitto")

    def subscriber(self, *filters, **options) -> Subscriber:
        filters = [f"{self.base}/{topic_filter}" for topic_filter in filters]
        return Subscriber(self.version, *filters, **options)

    def publish(self, topic, payload, *options):
        publish(self.version, f"{self.base}/{topic}", payload, *options)

    def test_each_qos_arrives_with_its_qos(self):
        with self.subscriber("qos/+") as alice:
            for qos in (0, 1, 2):
                self.publish(f"qos/{qos}", "hello", "-q", str(qos))
                expected = Message(f"{self.base}/qos/{qos}", "hello", qos, False)
                self.assertEqual(alice.inbox.next(), expected)

    def test_qos_is_lowered_to_what_was_granted(self):
        with self.subscriber("t", qos=1) as alice:
            self.publish("t", "hello", "-q", "2")
            self.assertEqual(alice.inbox.next().qos, 1)

    def test_many_lines_at_qos_0_arrive_in_order(self):
        self.check_many_lines("0")

    def test_many_lines_at_qos_1_arrive_in_order(self):
        self.check_many_lines("1")

    def test_many_lines_at_qos_2_arrive_in_order(self):
        self.check_many_lines("2")

    def check_many_lines(self, qos: str):
        lines = [f"line {number}" for number in range(300)]
        with self.subscriber("lines") as alice:
            publish_lines(self.version, f"{self.base}/lines", lines, "-q", qos)
            self.assertEqual([m.payload for m in alice.inbox.take(len(lines))], lines)

    def test_plus_stands_for_one_level(self):
        with self.subscriber("home/+/temperature", "end") as alice:
            for topic in (
                "home/kitchen/temperature",
                "home/kitchen/oven/temperature",
                "home/temperature",
                "home/hall/temperature",
            ):
                self.publish(topic, "20", "-q", "1")
            self.publish("end", "end", "-q", "1")
            topics = [message.topic for message in alice.inbox.until(f"{self.base}/end")]
        rooms = [f"{self.base}/home/{room}/temperature" for room in ("kitchen", "hall")]
        self.assertEqual(topics, rooms)

    def test_hash_stands_for_the_parent_and_all_below(self):
        with self.subscriber("home/#", "end") as alice:
            for topic in ("home", "home/a", "home/a/b/c", "homes", "other/home"):
                self.publish(topic, "x", "-q", "1")
            self.publish("end", "end", "-q", "1")
            topics = [message.topic for message in alice.inbox.until(f"{self.base}/end")]
        self.assertEqual(topics, [f"{self.base}/{topic}" for topic in ("home", "home/a", "home/a/b/c")])

    def test_retained_message_is_set_replaced_and_cleared(self):
        topic = f"{self.base}/setpoint"
        self.publish("setpoint", "20.0", "-q", "1", "-r")
        self.publish("setpoint", "21.5", "-q", "1", "-r")
        with self.subscriber("setpoint") as alice:
            self.assertEqual(alice.inbox.next(), Message(topic, "21.5", 1, True))
            self.publish("setpoint", "22.0", "-q", "1", "-r")
            self.assertEqual(alice.inbox.next(), Message(topic, "22.0", 1, False))
        self.publish("setpoint", None, "-q", "1", "-r")
        with self.subscriber("setpoint") as bob:
            self.publish("setpoint", "live", "-q", "1")
            self.assertEqual(bob.inbox.next(), Message(topic, "live", 1, False))

    def test_will_of_a_killed_client_is_published(self):
        will = ("--will-topic", f"{self.base}/status", "--will-payload", "offline", "--will-qos", "1")
        with self.subscriber("status") as watcher:
            device = self.subscriber("commands", options=(*will, "--will-retain"))
            device.kill()
            expected = Message(f"{self.base}/status", "offline", 1, False)
            self.assertEqual(watcher.inbox.next(), expected)
        with self.subscriber("status") as late:
            self.assertEqual(late.inbox.next(), expected._replace(retain=True))

    def test_will_of_a_client_that_leaves_is_not_published(self):
        will = ("--will-topic", f"{self.base}/status", "--will-payload", "offline", "--will-qos", "1")
        with self.subscriber("status") as watcher:
            with self.subscriber("commands", options=(*will, "-C", "1")) as device:
                self.publish("commands", "leave", "-q", "1")
                device.wait()
            self.publish("status", "end", "-q", "1")
            self.assertEqual(watcher.inbox.next().payload, "end")

    def test_shared_subscription_gives_each_message_to_one_member(self):
        jobs = [f"job {number}" for number in range(60)]
        shared = f"$share/workers/{self.base}/jobs"
        members = [Subscriber(self.version, shared, f"{self.base}/end") for _ in range(3)]
        try:
            publish_lines(self.version, f"{self.base}/jobs", jobs, "-q", "1")
            self.publish("end", "end", "-q", "1")
            done = [member.inbox.until(f"{self.base}/end") for member in members]
        finally:
            for member in members:
                member.kill()
        self.assertEqual(sorted(m.payload for part in done for m in part), sorted(jobs))

    def test_offline_messages_wait_for_the_session(self):
        session = ("-c", "-i", unique("sub"))
        topic = f"{self.base}/news"
        run("mosquitto_sub", self.version, "-t", topic, "-q", "2", "-E", *session)
        payloads = [f"news {number}" for number in range(20)]
        publish_lines(self.version, topic, payloads[:10], "-q", "1")
        publish_lines(self.version, topic, payloads[10:], "-q", "2")
        with self.subscriber("news", options=session) as alice:
            messages = alice.inbox.take(20)
            self.assertEqual([m.payload for m in messages], payloads)
            self.assertEqual([m.qos for m in messages], [1] * 10 + [2] * 10)

    def test_clean_session_forgets(self):
        client_id = ("-i", unique("sub"))
        topic = f"{self.base}/news"
        run("mosquitto_sub", self.version, "-t", topic, "-q", "1", "-E", "-c", *client_id)
        self.publish("news", "missed", "-q", "1")
        with self.subscriber("news", options=client_id) as alice:
            self.publish("news", "live", "-q", "1")
            self.assertEqual(alice.inbox.next().payload, "live")


class Version31(Scenarios, unittest.TestCase):
    version = "mqttv31"


class Version311(Scenarios, unittest.TestCase):
    version = "mqttv311"


class Version5(Scenarios, unittest.TestCase):
    version = "mqttv5"
