//! Options that are refused, or have no effect, each with the reason; and the names of all options.

use super::general::{only, only_off};
use super::value::text;
use super::{Verdict, ignored, refused};

const PLUGIN: &str = "plugins are libraries for Mosquitto alone";
const PSK: &str = "the TLS library has no pre-shared keys: use certificates";
const ENGINE: &str = "engines are of OpenSSL alone: use a key in a PEM file";

/// Takes an option of this file; `None`: there is no such option.
pub(super) fn take(name: &str, value: &str) -> Option<Verdict> {
    let verdict = match name {
        "plugin"
        | "global_plugin"
        | "plugin_load"
        | "plugin_use"
        | "auth_plugin"
        | "auth_plugin_deny_special_chars" => refused(PLUGIN),
        name if name.starts_with("auth_opt_") || name.starts_with("plugin_opt_") => refused(PLUGIN),
        "psk_file" | "psk_hint" | "bridge_identity" | "bridge_psk" => refused(PSK),
        "tls_engine" | "tls_engine_kpass_sha1" => refused(ENGINE),
        "bridge_require_ocsp" => only(value, false, "OCSP is not asked"),
        "bridge_ciphers" | "bridge_ciphers_tls1.3" => {
            refused("a bridge chooses its cipher suites itself")
        }
        "bind_interface" => refused("listen on an address of the interface instead"),
        "http_dir" => refused("files are not served"),
        "accept_protocol_versions" => versions(value),
        "proxy_protocol_v2_require_tls" => only(
            value,
            false,
            "what the proxy says about TLS is not looked at",
        ),
        "disable_client_cert_date_checks" => only(
            value,
            false,
            "certificates that have expired are never valid",
        ),
        "enable_control_api" => only(value, false, "there is no $CONTROL API"),
        "clientid_prefixes" => refused("an ACL can say who may do what"),
        "upgrade_outgoing_qos" => only(value, false, "the QoS of a message is never raised"),
        "max_inflight_bytes" => only_off(
            value,
            "what is in flight is counted in messages: max_inflight_messages",
        ),
        "memory_limit" => only_off(value, "memory is bounded by the keys of [limits]"),
        "max_topic_alias_broker" => {
            ignored("limits.topic_aliases_out holds for all listeners; it is 10")
        }
        "autosave_interval" | "autosave_on_changes" => {
            ignored("what is acknowledged is stored at once")
        }
        "retain_expiry_interval" => ignored("expired messages go by themselves"),
        "set_tcp_nodelay" => ignored("nothing is ever held back to fill a TCP segment"),
        "allow_duplicate_messages" => {
            ignored("a Client gets a message once, whichever of its subscriptions match")
        }
        "retry_interval" | "store_clean_interval" => {
            ignored("it has no effect in Mosquitto either")
        }
        "packet_buffer_size" | "websockets_headers_size" | "websockets_log_level" => {
            ignored("it concerns the inside of Mosquitto")
        }
        _ => return None,
    };
    Some(text(value).and(verdict))
}

/// `accept_protocol_versions 3, 4, 5`
fn versions(value: &str) -> Verdict {
    let all = ["3", "4", "5"];
    let given: Vec<&str> = value.split(',').map(str::trim).collect();
    match all.iter().all(|version| given.contains(version)) {
        true => super::ACCEPTED,
        false => refused("every version is accepted on every listener"),
    }
}

/// All options, for what may have been meant by another.
#[rustfmt::skip]
pub(super) const NAMES: &[&str] = &[
    "accept_protocol_versions", "acl_file", "address", "addresses", "allow_anonymous", "allow_duplicate_messages",
    "allow_zero_length_clientid", "auth_plugin", "auth_plugin_deny_special_chars", "auto_id_prefix",
    "autosave_interval", "autosave_on_changes", "bind_address", "bind_interface", "bridge_alpn",
    "bridge_attempt_unsubscribe", "bridge_bind_address", "bridge_cafile", "bridge_capath", "bridge_certfile",
    "bridge_ciphers", "bridge_ciphers_tls1.3", "bridge_identity", "bridge_insecure", "bridge_keyfile",
    "bridge_max_packet_size", "bridge_max_topic_alias", "bridge_outgoing_retain", "bridge_protocol_version",
    "bridge_psk", "bridge_receive_maximum", "bridge_reload_type", "bridge_require_ocsp",
    "bridge_session_expiry_interval", "bridge_tcp_keepalive", "bridge_tcp_user_timeout", "bridge_tls_use_os_certs",
    "bridge_tls_version", "cafile", "capath", "certfile", "check_retain_source", "ciphers", "ciphers_tls1.3",
    "cleansession", "clientid", "clientid_prefixes", "connection", "connection_messages", "crlfile", "dhparamfile",
    "disable_client_cert_date_checks", "enable_control_api", "enable_proxy_protocol", "global_max_clients",
    "global_max_connections", "global_plugin", "http_dir", "idle_timeout", "include_dir", "keepalive_interval",
    "keyfile", "listener", "listener_allow_anonymous", "listener_auto_id_prefix", "local_cleansession",
    "local_clientid", "local_password", "local_username", "log_dest", "log_facility", "log_timestamp",
    "log_timestamp_format", "log_type", "max_connections", "max_inflight_bytes", "max_inflight_messages",
    "max_keepalive", "max_packet_size", "max_qos", "max_queued_bytes", "max_queued_messages", "max_topic_alias",
    "max_topic_alias_broker", "memory_limit", "message_size_limit", "mount_point", "notification_topic",
    "notifications", "notifications_local_only", "packet_buffer_size", "password", "password_file",
    "per_listener_settings", "persistence", "persistence_file", "persistence_location",
    "persistent_client_expiration", "pid_file", "plugin", "plugin_load", "plugin_use", "port", "protocol",
    "proxy_protocol_v2_require_tls", "psk_file", "psk_hint", "queue_qos0_messages", "remote_clientid",
    "remote_password", "remote_username", "require_certificate", "restart_timeout", "retain_available",
    "retain_expiry_interval", "retry_interval", "round_robin", "set_tcp_nodelay", "socket_domain", "start_type",
    "store_clean_interval", "sys_interval", "threshold", "tls_engine", "tls_engine_kpass_sha1", "tls_keyform",
    "tls_version", "topic", "try_private", "upgrade_outgoing_qos", "use_identity_as_username",
    "use_subject_as_username", "use_username_as_clientid", "user", "username", "websockets_headers_size",
    "websockets_log_level", "websockets_origin",
];
