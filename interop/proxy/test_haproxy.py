"""HAProxy in front of the broker, with both versions of the PROXY protocol."""

import pathlib
import unittest

from behind import BehindProxy


class HAProxy(BehindProxy, unittest.TestCase):
    NAME = "haproxy.cfg"
    PORTS = 2
    CONFIG = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen version_1
    bind 127.0.0.1:{0}
    server broker {2} send-proxy
listen version_2
    bind 127.0.0.1:{1}
    server broker {2} send-proxy-v2
"""

    @classmethod
    def command(cls, config: pathlib.Path) -> list:
        return ["haproxy", "-db", "-q", "-f", config]
