"""mosquitto_rr asks, a mosquitto_sub and a mosquitto_pub answer."""

import threading
import unittest

from support import unique
from tools import Subscriber, publish, run


class RequestResponse(unittest.TestCase):
    def setUp(self):
        base = unique("rr")
        self.requests, self.replies = f"{base}/requests", f"{base}/replies"

    def ask(self, version: str, answer, *options: str) -> str:
        """Sends "question" with mosquitto_rr, calls `answer(payload)` on its arrival, and returns
        what mosquitto_rr printed."""
        responder = Answering(version, self.requests)
        with responder:
            thread = threading.Thread(target=lambda: answer(responder.inbox.next().payload))
            thread.start()
            try:
                return run(
                    "mosquitto_rr", version, "-t", self.requests, "-e", self.replies,
                    "-m", "question", "-q", "1", "-W", "8", *options,
                )  # fmt: skip
            finally:
                thread.join()

    def test_version_5_carries_response_topic_and_correlation_data(self):
        def answer(request):
            topic, correlation, payload = request.split(" ")
            self.assertEqual((topic, payload), (self.replies, "question"))
            publish(
                "mqttv5", topic, "answer", "-q", "1",
                "-D", "publish", "correlation-data", correlation,
            )  # fmt: skip

        printed = self.ask(
            "mqttv5", answer, "-D", "publish", "correlation-data", "req-42", "-F", "%D %p"
        )
        self.assertEqual(printed, "req-42 answer\n")

    def test_version_311_answers_on_the_agreed_topic(self):
        def answer(request):
            self.assertEqual(request, "  question")
            publish("mqttv311", self.replies, "answer", "-q", "1")

        self.assertEqual(self.ask("mqttv311", answer), "answer\n")


class Answering(Subscriber):
    """A subscriber whose payloads begin with Response Topic and Correlation Data."""

    FORMAT = "=> %q %r %t %R %D %p"


class Properties(unittest.TestCase):
    """What a publisher says about its message reaches the subscriber unchanged."""

    class Describing(Subscriber):
        FORMAT = "=> %q %r %t %C|%F|%P|%p"

    def test_content_type_format_and_user_properties(self):
        topic = unique("properties")
        with self.Describing("mqttv5", topic) as alice:
            publish(
                "mqttv5", topic, "{}", "-q", "1",
                "-D", "publish", "content-type", "application/json",
                "-D", "publish", "payload-format-indicator", "1",
                "-D", "publish", "user-property", "colour", "red",
                "-D", "publish", "user-property", "colour", "blue",
            )  # fmt: skip
            described = alice.inbox.next().payload
        self.assertEqual(described, "application/json|1|colour:red colour:blue|{}")
