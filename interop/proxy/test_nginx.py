"""nginx in front of the broker. As a client of the PROXY protocol it knows version 1 alone."""

import pathlib
import unittest

from behind import BehindProxy


class Nginx(BehindProxy, unittest.TestCase):
    NAME = "nginx.conf"
    PORTS = 1
    CONFIG = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
pid pid;
error_log stderr;
events {{}}
stream {{
    server {{
        listen 127.0.0.1:{0};
        proxy_pass {1};
        proxy_protocol on;
    }}
}}
"""

    @classmethod
    def command(cls, config: pathlib.Path) -> list:
        return ["nginx", "-p", config.parent, "-c", config]
