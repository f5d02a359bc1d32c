//! `connection`, and what belongs to one.

use std::time::Duration;

use super::listener::tls_version;
use super::reader::Reader;
use super::value::{as_number, flag, number, number_within, text, word};
use super::{ACCEPTED, Verdict, changed, ignored, refused};
use crate::server::config::{
    BridgeConfig, BridgeDirection, BridgeNotifications, BridgeStart, BridgeTopic, BridgeVersion,
};

/// Takes an option of this file; `None`: it is of another.
pub(super) fn take(reader: &mut Reader<'_>, name: &str, value: &str) -> Option<Verdict> {
    if name == "connection" {
        return Some(begin(reader, value));
    }
    let owner = reader.settings.bridges.len();
    let once = TEXTS.contains(&name);
    let mut nobody = BridgeConfig::default();
    let bridge = reader.settings.bridges.last_mut().unwrap_or(&mut nobody);
    let verdict = texts(bridge, name, value)
        .or_else(|| flags(bridge, name, value))
        .or_else(|| numbers(bridge, name, value))
        .or_else(|| words(bridge, name, value))?;
    if owner == 0 {
        return Some(refused("it belongs after a connection"));
    }
    if once && let Err(reason) = reader.once(remote(name), Some(owner)) {
        return Some(Err(reason));
    }
    Some(verdict)
}

/// Options with a text, which can be given once.
const TEXTS: [&str; 16] = [
    "bridge_alpn",
    "bridge_bind_address",
    "bridge_cafile",
    "bridge_capath",
    "bridge_certfile",
    "bridge_keyfile",
    "clientid",
    "remote_clientid",
    "local_clientid",
    "local_password",
    "local_username",
    "notification_topic",
    "password",
    "remote_password",
    "username",
    "remote_username",
];

/// The name of an option that has an older one.
fn remote(name: &str) -> &str {
    match name {
        "clientid" => "remote_clientid",
        "password" => "remote_password",
        "username" => "remote_username",
        name => name,
    }
}

fn begin(reader: &mut Reader<'_>, value: &str) -> Verdict {
    let name = text(value)?;
    let bridges = &mut reader.settings.bridges;
    if bridges.iter().any(|bridge| bridge.name == name) {
        return Err(format!("there is a connection {name} already"));
    }
    bridges.push(BridgeConfig {
        name,
        ..BridgeConfig::default()
    });
    ACCEPTED
}

fn texts(bridge: &mut BridgeConfig, name: &str, value: &str) -> Option<Verdict> {
    let tls = &mut bridge.tls;
    let paths = match name {
        "bridge_cafile" => Some(&mut tls.cafile),
        "bridge_capath" => Some(&mut tls.capath),
        "bridge_certfile" => Some(&mut tls.certfile),
        "bridge_keyfile" => Some(&mut tls.keyfile),
        _ => None,
    };
    if let Some(field) = paths {
        return Some(text(value).and_then(|path| {
            *field = Some(path.into());
            ACCEPTED
        }));
    }
    let field = match remote(name) {
        "bridge_alpn" => &mut tls.alpn,
        "bridge_bind_address" => &mut bridge.bind_address,
        "remote_clientid" => &mut bridge.remote_client_id,
        "remote_username" => &mut bridge.remote_user_name,
        "remote_password" => &mut bridge.remote_password,
        "local_clientid" => &mut bridge.local_client_id,
        "local_username" => &mut bridge.local_user_name,
        "local_password" => &mut bridge.local_password,
        "notification_topic" => &mut bridge.notification_topic,
        _ => return None,
    };
    Some(text(value).and_then(|text| {
        *field = Some(text);
        ACCEPTED
    }))
}

fn flags(bridge: &mut BridgeConfig, name: &str, value: &str) -> Option<Verdict> {
    let field = match name {
        "bridge_attempt_unsubscribe" => &mut bridge.attempt_unsubscribe,
        "bridge_outgoing_retain" => &mut bridge.outgoing_retain,
        "bridge_insecure" => &mut bridge.tls.insecure,
        "bridge_tls_use_os_certs" => &mut bridge.tls.use_os_certs,
        "cleansession" => &mut bridge.clean_session,
        "round_robin" => &mut bridge.round_robin,
        "try_private" => &mut bridge.try_private,
        "local_cleansession" => {
            return Some(flag(value).and_then(|flag| {
                bridge.local_clean_session = Some(flag);
                ACCEPTED
            }));
        }
        "notifications" | "notifications_local_only" => {
            return Some(notifications(bridge, name, value));
        }
        _ => return None,
    };
    Some(flag(value).and_then(|flag| {
        *field = flag;
        ACCEPTED
    }))
}

fn notifications(bridge: &mut BridgeConfig, name: &str, value: &str) -> Verdict {
    use BridgeNotifications::{Both, Local, Off};
    bridge.notifications = match (name, flag(value)?, bridge.notifications) {
        ("notifications", false, _) => Off,
        ("notifications", true, Off) => Both,
        ("notifications_local_only", true, Both) => Local,
        ("notifications_local_only", false, Local) => Both,
        (_, _, as_before) => as_before,
    };
    ACCEPTED
}

fn numbers(bridge: &mut BridgeConfig, name: &str, value: &str) -> Option<Verdict> {
    let seconds = |seconds: i64| Duration::from_secs(seconds.unsigned_abs());
    Some(match name {
        "keepalive_interval" => number_within(value, i64::MIN, 65_535).and_then(|interval| {
            bridge.keep_alive = seconds(interval.max(5));
            match interval < 5 {
                true => changed("it is taken for 5, as Mosquitto does"),
                false => ACCEPTED,
            }
        }),
        "idle_timeout" => number(value).and_then(|timeout| {
            bridge.lazy_idle_timeout = seconds(timeout.max(1));
            as_number(value, timeout)
        }),
        "threshold" => number_within(value, i64::MIN, i64::from(u32::MAX)).and_then(|count| {
            bridge.lazy_threshold = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
            as_number(value, count)
        }),
        "bridge_max_packet_size" => {
            number_within(value, 0, i64::from(u32::MAX)).and_then(|bytes| {
                bridge.max_packet_size = u32::try_from(bytes).ok().filter(|bytes| *bytes > 0);
                as_number(value, bytes)
            })
        }
        "restart_timeout" => restart(bridge, value),
        "bridge_tcp_keepalive" | "bridge_tcp_user_timeout" => text(value)
            .and_then(|_| ignored("MQTT's own Keep Alive finds a connection that is dead")),
        "bridge_receive_maximum" | "bridge_max_topic_alias" | "bridge_session_expiry_interval" => {
            text(value).and_then(|_| {
                ignored("a bridge keeps to limits.in_flight, and to its cleansession")
            })
        }
        "bridge_reload_type" => text(value).and_then(|_| ignored("bridges are not reloaded")),
        _ => return None,
    })
}

/// `restart_timeout CONSTANT` or `restart_timeout BASE CAP`
fn restart(bridge: &mut BridgeConfig, value: &str) -> Verdict {
    let base = number(value)?.max(1);
    let cap = match value.split_once(' ') {
        Some((_, cap)) => number(cap.trim_start())?.max(1),
        None => base,
    };
    if cap < base {
        return refused("the second number is lower than the first");
    }
    bridge.restart_base = Duration::from_secs(base.unsigned_abs());
    bridge.restart_cap = Duration::from_secs(cap.unsigned_abs());
    as_number(value, base)
}

fn words(bridge: &mut BridgeConfig, name: &str, value: &str) -> Option<Verdict> {
    Some(match name {
        "address" | "addresses" => addresses(bridge, value),
        "topic" => topic(value).and_then(|topic| {
            bridge.topics.push(topic);
            ACCEPTED
        }),
        "start_type" => word(value).and_then(|start| {
            bridge.start = match start {
                "automatic" => BridgeStart::Automatic,
                "lazy" => BridgeStart::Lazy,
                "once" => BridgeStart::Once,
                other => return Err(format!("`{other}` is not one of automatic, lazy, once")),
            };
            ACCEPTED
        }),
        "bridge_protocol_version" => word(value).and_then(|version| {
            bridge.version = match version {
                "mqttv31" => BridgeVersion::V3_1,
                "mqttv311" => BridgeVersion::V3_1_1,
                "mqttv50" => BridgeVersion::V5,
                other => {
                    return Err(format!(
                        "`{other}` is not one of mqttv31, mqttv311, mqttv50"
                    ));
                }
            };
            ACCEPTED
        }),
        "bridge_tls_version" => word(value).and_then(|version| {
            let (minimum, verdict) = tls_version(version)?;
            bridge.tls.minimum_version = minimum;
            verdict
        }),
        _ => return None,
    })
}

/// `address HOST[:PORT] …`
fn addresses(bridge: &mut BridgeConfig, value: &str) -> Verdict {
    for word in text(value)?.split_whitespace() {
        let (host, port) = match word.rsplit_once(':') {
            Some((host, port)) => (host, number_within(port, 1, 65_535)?),
            None => (word, 1883),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let address = match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        bridge.addresses.push(address);
    }
    ACCEPTED
}

/// `topic PATTERN [DIRECTION [QOS [LOCAL [REMOTE]]]]`
fn topic(value: &str) -> Result<BridgeTopic, String> {
    let mut words = value.split(' ').filter(|word| !word.is_empty());
    let placeholder = |word: &str| {
        if word == "\"\"" {
            String::new()
        } else {
            word.to_owned()
        }
    };
    let pattern = placeholder(words.next().ok_or("a value is missing")?);
    let direction = match words.next() {
        None | Some("out") => BridgeDirection::Out,
        Some("in") => BridgeDirection::In,
        Some("both") => BridgeDirection::Both,
        Some(other) => return Err(format!("`{other}` is not one of out, in, both")),
    };
    let qos = match words.next() {
        Some(qos) => u16::try_from(number_within(qos, 0, 2)?).unwrap_or(0),
        None => 0,
    };
    let local_prefix = words.next().map(placeholder).unwrap_or_default();
    let remote_prefix = words.next().map(placeholder).unwrap_or_default();
    let topic = BridgeTopic {
        pattern,
        direction,
        qos,
        local_prefix,
        remote_prefix,
    };
    check_topic(&topic).map(|()| topic)
}

/// Whether pattern and prefixes make filters on both sides.
fn check_topic(topic: &BridgeTopic) -> Result<(), String> {
    let BridgeTopic {
        pattern,
        local_prefix,
        remote_prefix,
        ..
    } = topic;
    let prefixes = [local_prefix, remote_prefix];
    if pattern.is_empty() && prefixes.iter().any(|prefix| prefix.is_empty()) {
        return Err("without a pattern, both prefixes are needed".to_owned());
    }
    for prefix in prefixes {
        if prefix.contains(['+', '#']) {
            return Err(format!("the prefix {prefix} has a wildcard"));
        }
        let whole = format!("{prefix}{pattern}");
        if dunlin_packet::TopicFilter::parse(&whole).is_err() {
            return Err(format!("{whole} is not a Topic Filter"));
        }
    }
    Ok(())
}

/// What follows from all lines of a bridge.
pub(super) fn check(bridge: &BridgeConfig) -> Result<(), String> {
    let name = &bridge.name;
    if bridge.addresses.is_empty() {
        return Err(format!("the connection {name} has no address"));
    }
    if bridge.topics.is_empty() {
        return Err(format!("the connection {name} has no topic"));
    }
    if bridge.tls.certfile.is_some() != bridge.tls.keyfile.is_some() {
        return Err(format!(
            "the connection {name} needs both bridge_certfile and bridge_keyfile, or none"
        ));
    }
    Ok(())
}
