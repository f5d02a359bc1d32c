"""A paho-mqtt client that a test can wait for; the same for paho-mqtt 1.6 and 2."""

import queue
import socket

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from support import DEADLINE_SECONDS, Inbox, Message, broker

FOREVER_SECONDS = 0xFFFFFFFF


def properties(packet_type: int, **values) -> Properties:
    """MQTT 5 properties by the names that paho gives them."""
    result = Properties(packet_type)
    for name, value in values.items():
        setattr(result, name, value)
    return result


def new_client(client_id: str, protocol: int, **options) -> mqtt.Client:
    """A client with the current kind of callbacks, where there is a choice."""
    if hasattr(mqtt, "CallbackAPIVersion"):
        options["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION2
    return mqtt.Client(client_id=client_id, protocol=protocol, **options)


class Peer:
    """A client with a network thread of its own.

    `persistent` asks for a Session that outlives the connection: Clean Session 0, or Clean Start 0
    with a Session Expiry Interval. `will` holds the arguments of will_set.
    """

    def __init__(self, protocol: int, client_id: str, persistent=False, will: dict | None = None):
        self.inbox = Inbox()
        self._protocol = protocol
        self._persistent = persistent
        self._connected = queue.Queue()
        self._subscribed = queue.Queue()
        self._unsubscribed = queue.Queue()
        self._disconnected = queue.Queue()
        clean = {} if self._is_5() else {"clean_session": not persistent}
        # A peer that lost its connection stays away, so that a test sees each loss once.
        self.client = new_client(client_id, protocol, reconnect_on_failure=False, **clean)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = lambda *_: self._disconnected.put(None)
        self.client.on_subscribe = self._on_subscribe
        self.client.on_unsubscribe = lambda *_: self._unsubscribed.put(None)
        self.client.on_message = self._on_message
        if will is not None:
            self.client.will_set(**will)

    def _is_5(self) -> bool:
        return self._protocol == mqtt.MQTTv5

    def connect(self) -> bool:
        """Connects, and returns whether the broker had a Session."""
        options = {}
        if self._is_5():
            options["clean_start"] = not self._persistent
            if self._persistent:
                expiry = properties(PacketTypes.CONNECT, SessionExpiryInterval=FOREVER_SECONDS)
                options["properties"] = expiry
        self.client.connect(*broker(), keepalive=60, **options)
        self.client.loop_start()
        return self._connected.get(timeout=DEADLINE_SECONDS)

    def subscribe(self, *filters: str, qos: int = 2, **options) -> list[int]:
        """Subscribes and returns the Reason Codes; `options` are those of MQTT 5."""
        if self._is_5():
            wanted = [(f, SubscribeOptions(qos=qos, **options)) for f in filters]
        else:
            wanted = [(f, qos) for f in filters]
        self.client.subscribe(wanted)
        return self._subscribed.get(timeout=DEADLINE_SECONDS)

    def unsubscribe(self, topic_filter: str):
        """Unsubscribes and waits for the UNSUBACK."""
        self.client.unsubscribe(topic_filter)
        self._unsubscribed.get(timeout=DEADLINE_SECONDS)

    def publish(self, topic: str, payload, qos: int = 0, retain: bool = False, **values):
        """Publishes and waits until the QoS flow is complete; `values` are MQTT 5 properties."""
        if values:
            values = {"properties": properties(PacketTypes.PUBLISH, **values)}
        info = self.client.publish(topic, payload, qos, retain, **values)
        info.wait_for_publish(DEADLINE_SECONDS)
        assert info.is_published(), f"{topic}: not acknowledged within {DEADLINE_SECONDS} s"

    def leave(self):
        """Disconnects as a client should."""
        self.client.disconnect()
        self.client.loop_stop()

    def wait_until_disconnected(self):
        """Waits until the broker has closed the connection."""
        self._disconnected.get(timeout=DEADLINE_SECONDS)

    def vanish(self):
        """Closes the connection without a DISCONNECT, as a power cut would."""
        self.client.loop_stop()
        connection = self.client.socket()
        if connection is not None:
            connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    # The callbacks of the two generations differ after the fourth argument.

    def _on_connect(self, _client, _userdata, flags, reason, *_):
        value = getattr(reason, "value", reason)
        if value != 0:
            return  # the deadline of connect() tells
        present = flags["session present"] if isinstance(flags, dict) else flags.session_present
        self._connected.put(bool(present))

    def _on_subscribe(self, _client, _userdata, _mid, reasons, *_):
        self._subscribed.put([getattr(reason, "value", reason) for reason in reasons])

    def _on_message(self, _client, _userdata, message):
        received = Message(message.topic, message.payload, message.qos, bool(message.retain))
        self.inbox.put(PeerMessage(received, getattr(message, "properties", None)))


class PeerMessage(Message):
    """A message with the MQTT 5 properties it came with."""

    def __new__(cls, message: Message, message_properties):
        self = super().__new__(cls, *message)
        self.properties = message_properties
        return self
