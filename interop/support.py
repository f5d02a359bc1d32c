"""What every Python suite needs: where the broker is, how long to wait, names of its own."""

import collections
import itertools
import os
import queue
import time

# The longest wait for anything; a healthy broker answers within milliseconds.
DEADLINE_SECONDS = 10

Message = collections.namedtuple("Message", "topic payload qos retain")

_numbers = itertools.count(1)


def broker() -> tuple[str, int]:
    """Host and port of the broker under test, from DUNLIN_ADDRESS."""
    host, port = os.environ["DUNLIN_ADDRESS"].rsplit(":", 1)
    return host, int(port)


def unique(word: str) -> str:
    """`word` made unique over tests and runs, short enough for a Client Identifier of MQTT 3.1."""
    return f"{word}-{os.getpid():x}-{next(_numbers)}"


class Inbox:
    """Messages in the order of their arrival, filled by one thread and read by the test."""

    def __init__(self):
        self._queue = queue.Queue()

    def put(self, message: Message):
        self._queue.put(message)

    def next(self) -> Message:
        """The next message, which must arrive within the deadline."""
        try:
            return self._queue.get(timeout=DEADLINE_SECONDS)
        except queue.Empty:
            raise AssertionError(f"no message within {DEADLINE_SECONDS} s") from None

    def take(self, count: int) -> list[Message]:
        """The next `count` messages."""
        return [self.next() for _ in range(count)]

    def until(self, topic: str) -> list[Message]:
        """All messages before the next one on `topic`, which a test publishes last: what has not
        arrived by then was not sent."""
        return list(iter_until(self.next, topic))


def iter_until(next_message, topic: str):
    """Yields messages until one is on `topic`."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (message := next_message()).topic != topic:
        assert time.monotonic() < deadline, f"nothing on {topic} within {DEADLINE_SECONDS} s"
        yield message
