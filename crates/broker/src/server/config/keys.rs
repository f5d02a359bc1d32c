//! The table of keys: everything that can be configured, once.
//!
//! From it come the reader of `dunlin.toml`, the flags, the variables of the environment, the diff
//! of a reload, what `dunlin import` writes, docs/configuration.md, dunlin.example.toml and the
//! schema. A new setting is a field and a line here.

use super::field::Field;
use super::settings::{ListenerSettings, Settings};
use super::value::{Kind, Value};
use super::{
    BridgeConfig, BridgeDirection, BridgeNotifications, BridgeStart, BridgeTopic, BridgeVersion,
    Durability, LogLevel, Protocol, TlsVersion, UserNameFrom,
};

/// One thing that can be configured, in settings of type `S`.
pub(super) struct Key<S> {
    /// Its name, with the table it stands in: `limits.packet_size`.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) change: Change,
    /// What it means: one or two sentences. What holds without it is added where that is a value.
    pub(super) doc: &'static str,
    set: fn(&mut S, Value) -> Result<(), String>,
    get: fn(&S) -> Value,
}

/// When a changed value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// With a reload.
    Reload,
    /// When the process is started again.
    Restart,
}

impl<S> Key<S> {
    /// Sets the field.
    pub(super) fn set(&self, settings: &mut S, value: Value) -> Result<(), String> {
        (self.set)(settings, value)
    }

    /// The value of the field.
    pub(super) fn get(&self, settings: &S) -> Value {
        (self.get)(settings)
    }
}

/// The flag of the command line that sets the key at `path`, without its hyphens.
pub(super) fn flag(path: &str) -> String {
    path.replace(['.', '_'], "-")
}

/// The variable of the environment that sets the key at `path`.
pub(super) fn variable(path: &str) -> String {
    format!("DUNLIN_{}", path.replace('.', "_").to_uppercase())
}

macro_rules! key {
    ($path:literal, $kind:expr, $change:ident, $($field:ident).+, $doc:literal) => {
        Key {
            path: $path,
            kind: $kind,
            change: Change::$change,
            doc: $doc,
            set: |settings, value| {
                settings.$($field).+ = Field::read(value)?;
                Ok(())
            },
            get: |settings| settings.$($field).+.write(),
        }
    };
}

use Kind::*;

/// Any number.
const ANY: u64 = u64::MAX;
const U16: u64 = u16::MAX as u64;
const U32: u64 = u32::MAX as u64;

/// Keys of the whole process.
#[rustfmt::skip]
pub(super) const PROCESS: &[Key<Settings>] = &[
    key!("listen", List, Restart, listen,
        "Addresses to listen on: `IP:PORT`, `HOST:PORT`, `*:PORT` for all addresses of the machine, or `unix:PATH`. Without this key and without a `[[listener]]`: `127.0.0.1:1883`."),
    key!("shards", CountOrNone(1, 64), Restart, shards,
        "Threads that serve Clients. `none`: one for each processor."),
    key!("data_dir", Path, Restart, data_dir,
        "Where Sessions, their queues and Retained Messages are kept, unless `durability` is `none`. Without it: `$STATE_DIRECTORY`, `/var/lib/dunlin` for root, or else `dunlin` in `$XDG_STATE_HOME` or `~/.local/state`."),
    key!("mosquitto_db", Path, Restart, mosquitto_db,
        "What a Mosquitto has saved: it is taken over when nothing is in `data_dir` yet. The file is read only, and need not be there."),
    key!("durability", Choice(Durability::WORDS), Restart, durability,
        "What an acknowledgement promises: `fsync`, that the message outlives a power cut; `os`, that it outlives the process; `none`, nothing: everything is in memory."),
    key!("data_limit", SizeOrNone(64 << 20), Restart, data_limit,
        "How much room the data may take on disk. Without room, what would have to be durable is refused with Quota exceeded. `none`: as much as the disk has."),
    key!("retention.filters", List, Restart, retention.filters,
        "Topic Filters of messages that can be read again with `$replay/`, for a while, whether a Session has needed them or not."),
    key!("retention.age", Time, Restart, retention.age,
        "How long these messages stay at least, if `retention.size` allows it."),
    key!("retention.size", Size(0), Restart, retention.size,
        "How much room the newest data may take so that these messages stay."),
    key!("sys_interval", Time, Reload, sys_interval,
        "How often the topics under `$SYS/broker` are published; 0 for never."),
    key!("user", Text, Restart, user,
        "The user to become when everything is bound, if started as root."),
    key!("pid_file", Path, Restart, pid_file,
        "Where the number of the process is written. `dunlin reload` looks there."),
    key!("control_socket", Path, Restart, control_socket,
        "A Unix socket where `dunlin explain` asks the broker. Without it: `control` in the data directory, if there is one."),
    key!("log.destinations", List, Restart, log.destinations,
        "Where log lines go: any of `stdout`, `stderr`, `syslog` (or `syslog:FACILITY`), `topic`, `file:PATH`."),
    key!("log.level", Choice(LogLevel::WORDS), Reload, log.level,
        "The least important lines that are written."),
    key!("log.connections", Flag, Reload, log.connections,
        "Whether each connection and its end is logged."),
    key!("log.subscriptions", Flag, Reload, log.subscriptions,
        "Whether each SUBSCRIBE and UNSUBSCRIBE is logged."),
    key!("log.timestamp", Text, Restart, log.timestamp,
        "What a line begins with: `utc`, `seconds` since 1970, `none`, or a format of strftime(3)."),
    key!("retain_available", Flag, Reload, limits.retain_available,
        "Whether messages may be retained; announced as Retain Available."),
    key!("queue_qos0_messages", Flag, Reload, limits.queue_qos0,
        "Whether messages of QoS 0 wait for Sessions without a connection."),
    key!("limits.connections", CountOrNone(1, ANY), Reload, admission.connections,
        "Connections at the same time; one more is closed at once. `none` (off): as many as there may be open files."),
    key!("limits.connections_per_address", CountOrNone(1, ANY), Reload, admission.connections_per_address,
        "Connections at the same time from one address, or one /64 of IPv6; one more is closed at once. `none`: off."),
    key!("limits.connect_rate", CountOrNone(1, U32), Reload, admission.connect_rate,
        "Connections that are accepted in a second; further ones wait in the kernel. `none`: off."),
    key!("limits.connect_rate_per_address", CountOrNone(1, U32), Reload, admission.connect_rate_per_address,
        "Connections that are accepted in a second from one address, or one /64 of IPv6; further ones are closed at once. `none`: off."),
    key!("limits.payload_size", SizeOrNone(0), Reload, limits.payload_size,
        "The largest payload of a message; a publisher of 5.0 of a larger one is told Implementation specific error. `none`: as large as a packet may be."),
    key!("limits.packet_size", Size(128), Reload, limits.packet_size,
        "The largest Control Packet that is accepted; announced as Maximum Packet Size."),
    key!("limits.receive_maximum", Count(1, U16), Reload, limits.receive_maximum,
        "Messages at QoS 2 that a Client may have sent and not released; announced as Receive Maximum."),
    key!("limits.in_flight", Count(1, U16), Reload, limits.in_flight,
        "Messages at QoS 1 and 2 in flight to a Client."),
    key!("limits.topic_aliases_in", Count(0, U16), Reload, limits.topic_aliases_in,
        "Topic Aliases that a Client may set; announced as Topic Alias Maximum."),
    key!("limits.topic_aliases_out", Count(0, U16), Reload, limits.topic_aliases_out,
        "Topic Aliases that the broker sets on a connection."),
    key!("limits.queued_messages", Count(0, ANY), Reload, limits.queued_messages,
        "Messages that wait in one Session."),
    key!("limits.queued_bytes", Size(0), Reload, limits.queued_bytes,
        "Bytes that wait in one Session."),
    key!("limits.output_bytes", Size(0), Reload, limits.output_bytes,
        "Bytes on their way to one connection, from which on messages wait in its Session."),
    key!("limits.output_bytes_hard", Size(0), Reload, limits.output_bytes_hard,
        "Bytes on their way to one connection, at which it is closed. At least twice `output_bytes` and `packet_size` together."),
    key!("limits.all_output_bytes", Size(0), Reload, limits.all_output_bytes,
        "Bytes on their way to all connections."),
    key!("limits.sessions", Count(0, ANY), Reload, limits.sessions,
        "Sessions."),
    key!("limits.subscriptions", Count(0, ANY), Reload, limits.subscriptions,
        "Subscriptions of one Session."),
    key!("limits.all_subscriptions", Count(0, ANY), Reload, limits.all_subscriptions,
        "Subscriptions of all Sessions."),
    key!("limits.topic_levels", Count(1, ANY), Reload, limits.topic_levels,
        "Topic Levels of a Topic Name."),
    key!("limits.retained_messages", Count(0, ANY), Reload, limits.retained_messages,
        "Retained Messages."),
    key!("limits.retained_bytes", Size(0), Reload, limits.retained_bytes,
        "Bytes of all Retained Messages."),
    key!("limits.group_messages", Count(0, ANY), Reload, limits.group_messages,
        "Messages that wait in one Shared Subscription."),
    key!("limits.group_bytes", Size(0), Reload, limits.group_bytes,
        "Bytes that wait in one Shared Subscription."),
    key!("limits.waiting_bytes", Size(0), Reload, limits.waiting_bytes,
        "Bytes that wait in all Sessions; in all Shared Subscriptions as many again."),
    key!("limits.partial_bytes", Size(0), Reload, limits.partial_bytes,
        "Bytes of incomplete packets of all connections."),
    key!("limits.session_expiry", SecondsOrNever(0, U32), Reload, limits.session_expiry,
        "How long a Session outlives its connection at most; `never` lets it live for ever."),
    key!("limits.keep_alive", SecondsOrNone(1, U16), Reload, limits.keep_alive,
        "The longest Keep Alive. `none`: whatever the Client says."),
    key!("limits.message_rate", CountOrNone(1, U32), Reload, limits.message_rate,
        "Messages in a second from one connection, and as many at once after some quiet; nothing is read from a faster Client until it may go on. `none`: off."),
    key!("limits.byte_rate", SizeOrNone(1), Reload, limits.byte_rate,
        "Bytes in a second from one connection; as above. `none`: off."),
    key!("limits.rate_patience", SecondsOrNever(0, U32), Reload, limits.rate_patience,
        "How long a Client may go on being faster than these, before it is disconnected with Message rate too high or Quota exceeded; `never`: it is not."),
    key!("limits.flapping_connects", CountOrNone(1, U32), Reload, limits.flapping_connects,
        "How often a Client may connect within `flapping_window`. Then it is refused with Banned for a while. `none`: off."),
    key!("limits.flapping_window", Time, Reload, limits.flapping_window,
        "What that is counted over."),
    key!("limits.flapping_ban", Time, Reload, limits.flapping_ban,
        "How long a Client is banned that has connected too often."),
    key!("limits.login_delay", Time, Reload, login_delay,
        "The longest that a refusal of wrong credentials takes, when many have come from one address. 0: refusals are told at once."),
    key!("limits.connect_timeout", Time, Reload, limits.connect_timeout,
        "How long a connection may take until its CONNECT is there, with the handshakes of TLS and WebSocket that come before."),
    key!("limits.close_timeout", Time, Reload, limits.close_timeout,
        "How long a closing connection may take to read what was written to it."),
    key!("bans.client_ids", List, Reload, bans.client_ids,
        "Client Identifiers that are refused with Banned. Those who are connected are disconnected by a reload."),
    key!("bans.user_names", List, Reload, bans.user_names,
        "User Names that are refused with Banned, as above."),
    key!("bans.addresses", List, Reload, bans.addresses,
        "Addresses, or ranges such as `192.0.2.0/24`, from which nobody is let in. Those who are connected are disconnected by a reload."),
];

/// Keys of a listener. All but `name`, `address` and `durability` stand outside of `[[listener]]` as well, and
/// then hold for every listener that does not say otherwise.
#[rustfmt::skip]
pub(super) const LISTENER: &[Key<ListenerSettings>] = &[
    key!("name", Text, Restart, name,
        "What logs and metrics call the listener; its address, if it has no name."),
    key!("address", Text, Restart, address,
        "Where to listen: as in `listen`."),
    key!("protocols", Choices(Protocol::WORDS), Reload, protocols,
        "What a connection may speak; its first bytes tell which it is. Without this key, all of them but `quic`, and those in TLS if there is a certificate. `quic` comes and goes with a restart only."),
    key!("allow_anonymous", Flag, Reload, allow_anonymous,
        "Whether Clients without a User Name are let in. Without this key: those on this machine, if nothing says who else may come in (`password_file`, `[auth]`, certificates)."),
    key!("password_file", Path, Reload, password_file,
        "Users and the hashes of their passwords, as `mosquitto_passwd` writes them."),
    key!("acl_file", Path, Reload, acl_file,
        "Who may publish and subscribe to what, in Mosquitto's format."),
    key!("allow_zero_length_client_id", Flag, Restart, allow_zero_length_client_id,
        "Whether a Client may leave the choice of its Client Identifier to the broker. Without this key: yes."),
    key!("auto_id_prefix", Text, Restart, auto_id_prefix,
        "What a Client Identifier begins with that the broker chose. Without this key: `auto-`."),
    key!("use_user_name_as_client_id", Flag, Restart, use_user_name_as_client_id,
        "Whether the User Name takes the place of the Client Identifier; Clients without one are refused. Without this key: no."),
    key!("max_connections", Count(1, ANY), Reload, max_connections,
        "Connections of the listener at the same time; one more is closed at once. Without this key: as many as `limits.connections` allows."),
    key!("max_qos", Count(0, 2), Restart, max_qos,
        "The highest QoS; announced as Maximum QoS. Without this key: 2."),
    key!("max_topic_alias", Count(0, U16), Restart, max_topic_alias,
        "Topic Aliases that a Client may set, instead of `limits.topic_aliases_in`."),
    key!("durability", Choice(Durability::WORDS), Restart, durability,
        "What acknowledgements promise the Clients of the listener. `none`: their Sessions are in memory, and PUBACK and PUBREC do not wait for the disk. Never more than the process promises; `os` is treated as what the process has. Without this key: as the process."),
    key!("mount_point", Text, Restart, mount_point,
        "What is put before every topic of the listener's Clients, and taken off on the way to them: `tenant/`, say. Nothing else reaches them. Rules (`acl_file`, `auth`) see whole topics."),
    key!("proxy_protocol", Flag, Reload, proxy_protocol,
        "Whether each connection begins with a PROXY protocol header, version 1 or 2. Only where nobody but the proxy can connect. Without this key: no."),
    key!("origins", List, Reload, origins,
        "Origins that a WebSocket handshake may come from, such as `https://example.org`; `local`: those of this machine. Without this key: `local` where Clients are let in for no other reason than that they are on this machine, else any."),
    key!("tls.certfile", Path, Reload, tls.certfile,
        "The certificate chain of the server, PEM."),
    key!("tls.keyfile", Path, Reload, tls.keyfile,
        "Its private key, PEM."),
    key!("tls.acme.domain", Text, Reload, tls.acme.domain,
        "A name of this server, for which a certificate is got and renewed by ACME, in the place of `tls.certfile`. Port 443 of that name must lead to a listener with this key. Its terms of service are agreed to."),
    key!("tls.acme.email", Text, Reload, tls.acme.email,
        "Where the authority that issues certificates may write to."),
    key!("tls.acme.directory", Text, Reload, tls.acme.directory,
        "The address of that authority's directory. Without this key: Let's Encrypt's."),
    key!("tls.acme.cafile", Path, Reload, tls.acme.cafile,
        "Authorities that vouch for that address, PEM. Without this key: those of the system."),
    key!("tls.cafile", Path, Reload, tls.cafile,
        "Authorities from which Clients' certificates may come, PEM."),
    key!("tls.capath", Path, Reload, tls.capath,
        "A directory with files of such authorities, `*.pem` and `*.crt`."),
    key!("tls.crlfile", Path, Reload, tls.crlfile,
        "Certificates of Clients that are not valid any more, PEM."),
    key!("tls.require_certificate", Flag, Reload, tls.require_certificate,
        "Whether a Client must show a certificate. Without this key: no."),
    key!("tls.request_certificate", Flag, Reload, tls.request_certificate,
        "Whether a Client is asked for a certificate that it need not have. One that is shown must be valid. Without this key: no."),
    key!("tls.minimum_version", Choice(TlsVersion::WORDS), Reload, tls.minimum_version,
        "The lowest version of TLS. Without this key: 1.2."),
    key!("tls.ciphers", List, Reload, tls.ciphers,
        "Cipher suites of TLS 1.2, by their OpenSSL or IANA names."),
    key!("tls.ciphers_tls13", List, Reload, tls.ciphers_tls13,
        "Cipher suites of TLS 1.3, by their IANA names."),
    key!("tls.user_name", Choice(UserNameFrom::WORDS), Reload, tls.user_name,
        "Where the User Name comes from: CONNECT, or a part of the Client's certificate; where that is not required, CONNECT without one. Without this key: `connect`."),
    key!("tls.keylog", Path, Reload, tls.keylog,
        "A file for the secrets of all connections, with which recordings of them can be decrypted. For debugging only."),
];

/// Keys of a `[[bridge]]`.
#[rustfmt::skip]
pub(super) const BRIDGE: &[Key<BridgeConfig>] = &[
    key!("name", Text, Restart, name, "The name of the bridge."),
    key!("addresses", List, Restart, addresses,
        "Servers to connect to, as `HOST:PORT`: the first that answers."),
    key!("round_robin", Flag, Restart, round_robin,
        "Whether all addresses are equal. Otherwise the first is gone back to whenever it answers."),
    key!("bind_address", Text, Restart, bind_address, "The local address to connect from."),
    key!("start", Choice(BridgeStart::WORDS), Restart, start,
        "When to connect: always, when messages wait, or once."),
    key!("lazy_threshold", Count(1, U32), Restart, lazy_threshold,
        "Messages that must wait before a lazy bridge connects."),
    key!("lazy_idle_timeout", Time, Restart, lazy_idle_timeout,
        "How long a lazy bridge stays without messages."),
    key!("restart_base", Time, Restart, restart_base,
        "How long to wait at least before connecting again."),
    key!("restart_cap", Time, Restart, restart_cap,
        "How long to wait at most, after many failures."),
    key!("version", Choice(BridgeVersion::WORDS), Restart, version, "The version of MQTT."),
    key!("try_private", Flag, Restart, try_private,
        "Whether to tell a Mosquitto at the other end that this is a bridge (3.x)."),
    key!("remote_client_id", Text, Restart, remote_client_id,
        "The Client Identifier there. Without this key: the name, a dot and the host's name."),
    key!("remote_user_name", Text, Restart, remote_user_name, "The User Name there."),
    key!("remote_password", Secret, Restart, remote_password, "The Password there."),
    key!("local_client_id", Text, Restart, local_client_id,
        "The Client Identifier here. Without this key: `local.` and the remote one."),
    key!("local_user_name", Text, Restart, local_user_name, "The User Name here."),
    key!("local_password", Secret, Restart, local_password, "The Password here."),
    key!("clean_session", Flag, Restart, clean_session,
        "Whether the Session there ends with the connection."),
    key!("local_clean_session", Flag, Restart, local_clean_session,
        "Whether what waits here is forgotten with the connection. Without this key: as `clean_session`."),
    key!("keep_alive", Time, Restart, keep_alive, "The Keep Alive, at least 5 s."),
    key!("notifications", Choice(BridgeNotifications::WORDS), Restart, notifications,
        "Where the state of the bridge is published, retained, as `1` or `0`."),
    key!("notification_topic", Text, Restart, notification_topic,
        "On which topic. Without this key: `$SYS/broker/connection/CLIENT/state`, with the remote Client Identifier."),
    key!("attempt_unsubscribe", Flag, Restart, attempt_unsubscribe,
        "Whether topics that are only sent are unsubscribed from there."),
    key!("outgoing_retain", Flag, Restart, outgoing_retain,
        "Whether messages are sent with RETAIN."),
    key!("max_packet_size", SizeOrNone(20), Restart, max_packet_size,
        "The largest packet that is sent."),
    key!("tls.cafile", Path, Restart, tls.cafile,
        "Authorities from which the server's certificate may come, PEM. Any key of `tls` but `insecure`, `alpn` and `minimum_version` makes the bridge speak TLS."),
    key!("tls.capath", Path, Restart, tls.capath, "A directory with files of such authorities."),
    key!("tls.use_os_certs", Flag, Restart, tls.use_os_certs,
        "Whether the authorities count that the system trusts."),
    key!("tls.certfile", Path, Restart, tls.certfile, "The certificate to show, PEM."),
    key!("tls.keyfile", Path, Restart, tls.keyfile, "Its private key, PEM."),
    key!("tls.insecure", Flag, Restart, tls.insecure,
        "Whether the server's certificate may be for another host."),
    key!("tls.alpn", Text, Restart, tls.alpn, "The protocol to ask for in the TLS handshake."),
    key!("tls.minimum_version", Choice(TlsVersion::WORDS), Restart, tls.minimum_version,
        "The lowest version of TLS."),
];

/// Keys of a `[[bridge.topic]]`.
#[rustfmt::skip]
pub(super) const TOPIC: &[Key<BridgeTopic>] = &[
    key!("pattern", Text, Restart, pattern,
        "A Topic Filter. Empty: the two prefixes are topics that stand for each other."),
    key!("direction", Choice(BridgeDirection::WORDS), Restart, direction,
        "Which way messages go."),
    key!("qos", Count(0, 2), Restart, qos, "The highest QoS."),
    key!("local_prefix", Text, Restart, local_prefix,
        "What topics here have before the pattern."),
    key!("remote_prefix", Text, Restart, remote_prefix,
        "What topics there have before the pattern."),
];

/// The keys of listeners that may stand outside of `[[listener]]`.
pub(super) fn inherited() -> impl Iterator<Item = &'static Key<ListenerSettings>> {
    LISTENER
        .iter()
        .filter(|key| !matches!(key.path, "name" | "address" | "durability"))
}
