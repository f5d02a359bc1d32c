"""mosquitto_pub, mosquitto_sub and mosquitto_rr as objects that a test can wait for.

With DUNLIN_TOOLS=PATH the tests use `PATH pub`, `PATH sub` and `PATH rr` instead, which claim to
understand the same options.
"""

import os
import queue
import subprocess
import threading

from support import DEADLINE_SECONDS, Inbox, Message, broker


def publish(version: str, topic: str, payload: str | None, *options: str):
    """Runs mosquitto_pub to its end; None stands for an empty payload."""
    content = ("-n",) if payload is None else ("-m", payload)
    run("mosquitto_pub", version, "-t", topic, *content, *options)


def publish_lines(version: str, topic: str, payloads: list[str], *options: str):
    """Publishes each payload over one connection."""
    text = "".join(f"{payload}\n" for payload in payloads)
    run("mosquitto_pub", version, "-t", topic, "-l", *options, text=text)


def run(tool: str, version: str, *options: str, text: str = "") -> str:
    """Runs a tool to its end and returns what it printed; it must succeed."""
    command = [*program(tool), *connection(version), *options]
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=DEADLINE_SECONDS
    )
    assert done.returncode == 0, f"{command}: {done.returncode}, {done.stdout}{done.stderr}"
    return done.stdout


def program(tool: str) -> list[str]:
    own = os.environ.get("DUNLIN_TOOLS")
    return [own, tool.removeprefix("mosquitto_")] if own else [tool]


def connection(version: str) -> list[str]:
    host, port = broker()
    return ["-h", host, "-p", str(port), "-V", version]


class Subscriber:
    """A mosquitto_sub that has its subscriptions once the constructor returns."""

    # Marks a printed message among the debug output, which tells of the SUBACK.
    FORMAT = "=> %q %r %t %p"

    def __init__(self, version: str, *filters: str, qos: int = 2, options: tuple = ()):
        topics = [word for topic_filter in filters for word in ("-t", topic_filter)]
        self._start(
            [*program("mosquitto_sub"), *connection(version), "-d", "-F", self.FORMAT, "-q", str(qos)]
            + topics
            + list(options)
        )

    def _start(self, command: list[str]):
        self.inbox = Inbox()
        # Debug output would otherwise stay in the tool's buffer.
        self._process = subprocess.Popen(
            ["stdbuf", "-oL", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._subscribed = queue.Queue()
        self._printed = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            granted = self._subscribed.get(timeout=DEADLINE_SECONDS)
        except queue.Empty:
            granted = None
        if granted is None:
            self.kill()
            raise AssertionError(f"{command} did not subscribe: {self._printed}")

    def _read(self):
        for line in self._process.stdout:
            line = line.rstrip("\n")
            self._printed.append(line)
            if line.startswith("=> "):
                _, qos, retain, topic, payload = line.split(" ", 4)
                self.inbox.put(Message(topic, payload, int(qos), retain == "1"))
            elif " received SUBACK" in line:
                self._subscribed.put(line)
        self._subscribed.put(None)

    def wait(self):
        """Waits until the tool ends by itself."""
        self._process.wait(timeout=DEADLINE_SECONDS)

    def kill(self):
        """Ends the tool without a DISCONNECT, as a power cut would."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
