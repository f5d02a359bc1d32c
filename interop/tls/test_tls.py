"""TLS with paho-mqtt, with Mosquitto's tools, and with whatever else knocks at the port."""

import os
import socket
import ssl
import subprocess
import unittest

import paho.mqtt.client as mqtt

from support import DEADLINE_SECONDS, Inbox, Message, broker, unique

CA = os.environ["DUNLIN_CA"]
CERTIFICATE = os.environ["DUNLIN_CERTIFICATE"]
KEY = os.environ["DUNLIN_KEY"]


def certified() -> tuple[str, int]:
    """Host and port of the listener that asks for certificates."""
    host, port = os.environ["DUNLIN_CERTIFIED_ADDRESS"].rsplit(":", 1)
    return host, int(port)


class Peer:
    """A connected paho client, with its messages."""

    def __init__(self, case, address, transport="tcp", with_certificate=False, version=None):
        self.inbox = Inbox()
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=unique("tls"),
            transport=transport,
            protocol=mqtt.MQTTv5,
        )
        own = {"certfile": CERTIFICATE, "keyfile": KEY} if with_certificate else {}
        self.client.tls_set(ca_certs=CA, **own)
        if version:
            context = ssl.create_default_context(cafile=CA)
            context.minimum_version = context.maximum_version = version
            self.client._ssl_context = context
        connected, subscribed = Inbox(), Inbox()
        self._subscribed = subscribed
        self.client.on_connect = lambda *_: connected.put(True)
        self.client.on_subscribe = lambda *_: subscribed.put(True)
        self.client.on_message = lambda _, __, m: self.inbox.put(
            Message(m.topic, m.payload, m.qos, m.retain)
        )
        self.client.connect(*address)
        self.client.loop_start()
        case.addCleanup(self.client.loop_stop)
        case.addCleanup(self.client.disconnect)
        connected.next()

    def subscribe(self, topic):
        self.client.subscribe(topic, qos=2)
        self._subscribed.next()

    def publish(self, topic, payload, qos):
        self.client.publish(topic, payload, qos=qos).wait_for_publish(DEADLINE_SECONDS)


def round_trip(peer):
    topic = unique("tls")
    peer.subscribe(topic)
    for qos, payload in enumerate([b"", b"x" * 20_000, b"y" * 300_000]):
        peer.publish(topic, payload, qos)
        assert peer.inbox.next() == Message(topic, payload, qos, False)


def tool(*arguments):
    """Runs a program; its exit code and what it printed."""
    done = subprocess.run(
        arguments, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )
    return done.returncode, done.stdout + done.stderr


class Paho(unittest.TestCase):
    def test_round_trip(self):
        round_trip(Peer(self, broker()))

    def test_round_trip_in_each_version_of_tls(self):
        for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
            with self.subTest(version=version):
                round_trip(Peer(self, broker(), version=version))

    def test_round_trip_over_websocket(self):
        round_trip(Peer(self, broker(), transport="websockets"))

    def test_round_trip_with_a_certificate(self):
        round_trip(Peer(self, certified(), with_certificate=True))
        round_trip(Peer(self, certified(), transport="websockets", with_certificate=True))

    def test_a_certificate_does_no_harm_where_none_is_asked_for(self):
        round_trip(Peer(self, broker(), with_certificate=True))

    def test_without_a_certificate_nobody_is_let_in_where_one_is_asked_for(self):
        context = ssl.create_default_context(cafile=CA)
        with self.assertRaisesRegex(ssl.SSLError, "(?i)certificate.required"):
            with socket.create_connection(certified(), DEADLINE_SECONDS) as raw:
                with context.wrap_socket(raw, server_hostname="localhost") as stream:
                    stream.recv(1)

    def test_messages_pass_between_tls_and_plain_tcp(self):
        secure = Peer(self, broker())
        topic = unique("tls")
        secure.subscribe(topic)
        host, port = broker()
        code, output = tool("mosquitto_pub", "-h", host, "-p", str(port), "-t", topic, "-m", "hi")
        self.assertEqual(code, 0, output)
        self.assertEqual(secure.inbox.next().payload, b"hi")


class Mosquitto(unittest.TestCase):
    def publish(self, address, *options):
        host, port = address
        where = ["-h", host, "-p", str(port), "-t", unique("tls"), "-m", "hi"]
        return tool("mosquitto_pub", *where, *options)

    def test_publishes_over_tls(self):
        for version in ["tlsv1.2", "tlsv1.3"]:
            code, output = self.publish(broker(), "--cafile", CA, "--tls-version", version)
            self.assertEqual(code, 0, output)

    def test_publishes_with_a_certificate_and_not_without(self):
        own = ["--cert", CERTIFICATE, "--key", KEY]
        code, output = self.publish(certified(), "--cafile", CA, *own)
        self.assertEqual(code, 0, output)
        code, output = self.publish(certified(), "--cafile", CA)
        self.assertNotEqual(code, 0, output)

    def test_does_not_trust_without_the_authority(self):
        code, output = self.publish(broker(), "--capath", "/nonexistent")
        self.assertNotEqual(code, 0, output)


class Versions(unittest.TestCase):
    def test_older_versions_are_refused(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(broker(), DEADLINE_SECONDS) as raw:
            with self.assertRaises(ssl.SSLError):
                context.wrap_socket(raw)

    def test_sessions_are_resumed(self):
        context = ssl.create_default_context(cafile=CA)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        session = None
        for expected in [False, True]:
            with socket.create_connection(broker(), DEADLINE_SECONDS) as raw:
                stream = context.wrap_socket(raw, server_hostname="localhost", session=session)
                self.assertEqual(stream.session_reused, expected)
                session = stream.session
