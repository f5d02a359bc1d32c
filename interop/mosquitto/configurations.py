"""Records which configurations a Mosquitto on this machine accepts.

    python3 configurations.py path/to/dunlin > ../../crates/broker/tests/fixtures/mosquitto/verdicts.txt

Each line is what Mosquitto says (accepted or refused), what Dunlin says, and the configuration with ; for the ends of
lines. Mosquitto has no way to look at a file without using it, so it is started, and ended again if it lives on; what
it needs beside the file (certificates, password files) is left out, as its absence would end it.
"""

import os
import subprocess
import sys
import tempfile

LISTENER = "listener 18901 127.0.0.1;"
BRIDGE = LISTENER + "connection a;address 127.0.0.1:18902;topic #;"

CONFIGURATIONS = [
    "",
    "listener\t18901",
    "  " + LISTENER,
    LISTENER + "  # c",
    LISTENER + "   ",
    LISTENER + "#",
    LISTENER + "max_qos abc",
    LISTENER + "max_qos 3",
    LISTENER + "max_qos -1",
    LISTENER + "max_connections -2",
    LISTENER + "max_connections 10 # ten",
    LISTENER + "max_inflight_messages -1",
    LISTENER + "max_inflight_messages 70000",
    LISTENER + "max_inflight_messages 65535",
    LISTENER + "max_packet_size 10",
    LISTENER + "max_packet_size 20",
    LISTENER + "max_packet_size 0",
    LISTENER + "max_queued_messages -1",
    LISTENER + "max_queued_bytes 0",
    LISTENER + "max_keepalive 5",
    LISTENER + "max_keepalive 10",
    LISTENER + "max_keepalive 0",
    LISTENER + "max_keepalive 70000",
    LISTENER + "max_topic_alias 70000",
    LISTENER + "max_topic_alias 65535",
    LISTENER + "message_size_limit 100",
    LISTENER + "message_size_limit -1",
    LISTENER + "sys_interval 10s",
    LISTENER + "sys_interval -1",
    LISTENER + "sys_interval 0",
    LISTENER + "sys_interval 99999999",
    LISTENER + "allow_anonymous TRUE",
    LISTENER + "allow_anonymous yes",
    LISTENER + "allow_anonymous 1 ",
    LISTENER + "allow_anonymous 0",
    LISTENER + "allow_anonymous",
    LISTENER + "allow_anonymous true;allow_anonymous false",
    LISTENER + "allow_anonymous true # yes",
    LISTENER + "acl_file",
    LISTENER + "acl_file a;acl_file b",
    LISTENER + "cafile /nonexistent",
    LISTENER + "certfile /nonexistent",
    LISTENER + "mount_point a/#",
    LISTENER + "mount_point a/",
    LISTENER + "protocol websocket",
    LISTENER + "protocol MQTT",
    LISTENER + "protocol mqtt",
    LISTENER + "socket_domain ipv5",
    LISTENER + "log_type foo",
    LISTENER + "log_type all debug",
    LISTENER + "log_type none",
    LISTENER + "log_dest foo",
    LISTENER + "log_dest file",
    LISTENER + "log_dest none",
    LISTENER + "log_dest stdout stderr",
    LISTENER + "log_facility 9",
    LISTENER + "log_facility 7",
    LISTENER + "log_timestamp_format %Y",
    LISTENER + "log_timestamp false",
    LISTENER + "connection_messages true",
    LISTENER + "persistent_client_expiration 2m",
    LISTENER + "persistent_client_expiration 2x",
    LISTENER + "persistent_client_expiration d",
    LISTENER + "persistent_client_expiration 1y",
    LISTENER + "user root;user root",
    LISTENER + "retry_interval 20",
    LISTENER + "autosave_interval -1",
    LISTENER + "autosave_on_changes true",
    LISTENER + "persistence_file x.db",
    LISTENER + "allow_duplicate_messages false",
    LISTENER + "clientid_prefixes a",
    LISTENER + "set_tcp_nodelay true;queue_qos0_messages true;retain_available false",
    LISTENER + "upgrade_outgoing_qos true",
    LISTENER + "upgrade_outgoing_qos false",
    LISTENER + "memory_limit 100000000",
    LISTENER + "max_inflight_bytes 10",
    LISTENER + "check_retain_source false",
    LISTENER + "allow_zero_length_clientid false;auto_id_prefix x-",
    LISTENER + "use_username_as_clientid true",
    LISTENER + "use_identity_as_username true",
    LISTENER + "require_certificate true",
    LISTENER + "tls_version tlsv1.1",
    LISTENER + "tls_version tlsv1.3",
    LISTENER + "psk_hint h",
    LISTENER + "plugin_opt_x y",
    LISTENER + "auth_opt_x y",
    LISTENER + "plugin /nonexistent.so",
    LISTENER + "http_dir /tmp",
    LISTENER + "websockets_log_level 7",
    LISTENER + "websockets_headers_size 4096",
    LISTENER + "include_dir /nonexistent",
    LISTENER + "per_listener_settings true",
    "per_listener_settings true;" + LISTENER + "allow_anonymous true;listener 18903 127.0.0.1;allow_anonymous false",
    "listener 0",
    "listener 70000",
    "listener abc",
    "listener",
    "listener 18901 127.0.0.1 extra",
    "port 18901;bind_address 127.0.0.1",
    "port 18901;port 18903;bind_address 127.0.0.1",
    "port 70000",
    "bind_address 127.0.0.1;bind_address 127.0.0.1",
    LISTENER + "unknown_option 1",
    LISTENER + "connection a",
    LISTENER + "connection a;address 127.0.0.1:18902",
    BRIDGE,
    BRIDGE + "connection a;address 127.0.0.1:18902;topic #",
    BRIDGE + "connection b;address 127.0.0.1:18902;topic #",
    LISTENER + "connection a b;address 127.0.0.1:18902;topic #",
    LISTENER + "connection a;address 127.0.0.1:99999;topic #",
    LISTENER + "connection a;address 127.0.0.1:18902 127.0.0.1;topic #",
    BRIDGE + "topic a both 3",
    BRIDGE + "topic a both 2",
    BRIDGE + "topic a sideways",
    BRIDGE + "topic # both 1 a",
    BRIDGE + "topic # both 1 a/ b/",
    BRIDGE + 'topic # both 1 "" b/',
    BRIDGE + 'topic "" both 1 a b',
    BRIDGE + 'topic "" both 1 a ""',
    BRIDGE + "topic a/#/b out",
    "topic # both",
    BRIDGE + "keepalive_interval 4",
    BRIDGE + "start_type manual",
    BRIDGE + "start_type lazy;threshold 5;idle_timeout 30",
    BRIDGE + "start_type once",
    BRIDGE + "bridge_protocol_version mqttv5",
    BRIDGE + "bridge_protocol_version mqttv50",
    BRIDGE + "restart_timeout 10 5",
    BRIDGE + "restart_timeout 5 10",
    BRIDGE + "restart_timeout 20",
    BRIDGE + "remote_password x",
    BRIDGE + "username x;remote_username y",
    BRIDGE + "username x;password y;clientid z",
    BRIDGE + "local_username x;local_password y;local_clientid z",
    BRIDGE + "notifications maybe",
    BRIDGE + "notifications true;notifications_local_only true;notification_topic a/b",
    BRIDGE + "cleansession true;local_cleansession false;round_robin true;try_private false",
    BRIDGE + "bridge_attempt_unsubscribe false;bridge_outgoing_retain false;bridge_max_packet_size 100",
]


def mosquitto_accepts(path):
    process = subprocess.Popen(["mosquitto", "-c", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(0.3)
        return False
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
        return True


def dunlin_accepts(dunlin, path):
    """What a later version may serve is not a fault of the file."""
    report = subprocess.run([dunlin, "check", path], capture_output=True, text=True).stdout
    refused = [line for line in report.splitlines() if line.startswith("refused") and path in line]
    return not refused


def main():
    with tempfile.TemporaryDirectory() as directory:
        # Mosquitto reads it as another user.
        os.chmod(directory, 0o777)
        path = os.path.join(directory, "m.conf")
        for configuration in CONFIGURATIONS:
            with open(path, "w") as file:
                file.write(configuration.replace(";", "\n") + "\n")
            word = {True: "accepted", False: "refused"}
            print(word[mosquitto_accepts(path)], word[dunlin_accepts(sys.argv[1], path)], configuration, sep=" | ")


if __name__ == "__main__":
    main()
