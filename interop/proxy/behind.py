"""Clients behind a proxy, which says with the PROXY protocol who they are."""

import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time

from support import DEADLINE_SECONDS, unique

BEHIND = os.environ["DUNLIN_PROXIED_ADDRESS"]
LOG = pathlib.Path(os.environ["DUNLIN_LOG"])


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, as far as can be said."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def until(condition):
    """What `condition` gives, once that is something."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)
    return found


def reachable(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class BehindProxy:
    """Tests of one proxy, whose configuration has places for its ports and then for the broker."""

    NAME: str
    CONFIG: str
    PORTS: int

    @classmethod
    def command(cls, config: pathlib.Path) -> list:
        """How it is started, to run until it is ended."""
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.ports = free_ports(cls.PORTS)
        cls.folder = tempfile.TemporaryDirectory()
        config = pathlib.Path(cls.folder.name) / cls.NAME
        config.write_text(cls.CONFIG.format(*cls.ports, BEHIND))
        cls.process = subprocess.Popen(cls.command(config))
        for port in cls.ports:
            until(lambda: reachable(port))

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.wait()
        cls.folder.cleanup()

    def test_clients_behind_the_proxy_are_served_and_known(self):
        for port in self.ports:
            with self.subTest(port=port):
                topic, name = unique("proxy"), unique("behind")
                sub = subprocess.Popen(
                    ["mosquitto_sub", "-p", str(port), "-t", topic, "-C", "1", "-W", "10", "-i", name],
                    stdout=subprocess.PIPE,
                    text=True,
                )
                self.addCleanup(sub.stdout.close)
                until(lambda: f'client_id="{name}"' in LOG.read_text())
                done = subprocess.run(
                    ["mosquitto_pub", "-p", str(port), "-t", topic, "-m", "hi", "-q", "1", "-r"],
                    timeout=DEADLINE_SECONDS,
                    check=False,
                )
                self.assertEqual(done.returncode, 0)
                self.assertEqual(sub.communicate(timeout=DEADLINE_SECONDS)[0], "hi\n")

    def test_the_log_tells_the_clients_own_address(self):
        for port in self.ports:
            with self.subTest(port=port), socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00")
                self.assertEqual(client.recv(4), b"\x20\x02\x00\x00")
                own = re.escape("{}:{}".format(*client.getsockname()))
                until(lambda: re.search(rf"behind a proxy.* peer={own} ", LOG.read_text()))

    def test_who_comes_without_the_proxy_is_turned_away(self):
        host, port = BEHIND.rsplit(":", 1)
        with socket.create_connection((host, int(port)), DEADLINE_SECONDS) as client:
            client.sendall(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00")
            self.assertEqual(client.recv(4), b"")
