//! Options of the whole broker.

use std::path::PathBuf;
use std::time::Duration;

use super::defaults::LARGEST_PACKET;
use super::reader::{Reader, access};
use super::value::{as_number, duration, flag, number, number_within, text, word};
use super::{ACCEPTED, Verdict, changed, refused};

/// Whether and where state is kept.
#[derive(Default)]
pub(super) struct Persistence {
    wanted: bool,
    location: Option<PathBuf>,
    file: Option<PathBuf>,
}

impl Persistence {
    /// Our directory: within that of Mosquitto, as the files are others.
    pub(super) fn directory(&self) -> Option<PathBuf> {
        let location = self.location.clone().unwrap_or_default();
        self.wanted.then(|| location.join("dunlin"))
    }

    /// What Mosquitto has saved.
    pub(super) fn database(&self) -> Option<PathBuf> {
        let location = self.location.clone().unwrap_or_default();
        let name = self.file.clone().unwrap_or("mosquitto.db".into());
        self.wanted.then(|| location.join(name))
    }
}

/// Takes an option of this file; `None`: it is of another.
pub(super) fn take(reader: &mut Reader<'_>, name: &str, value: &str) -> Option<Verdict> {
    Some(match name {
        "per_listener_settings" => per_listener_settings(reader, value),
        "allow_anonymous" => flag(value).and_then(|flag| {
            access(reader).allow_anonymous = Some(flag);
            ACCEPTED
        }),
        "password_file" => path(reader, name, value, |access, path| {
            access.password_file = Some(path);
        }),
        "acl_file" => path(reader, name, value, |access, path| {
            access.acl_file = Some(path);
        }),
        "allow_zero_length_clientid" => flag(value).and_then(|flag| {
            access(reader).allow_zero_length_client_id = Some(flag);
            ACCEPTED
        }),
        "auto_id_prefix" => text(value).and_then(|prefix| {
            access(reader).auto_id_prefix = Some(prefix);
            ACCEPTED
        }),
        "user" => user(reader, value),
        "pid_file" => text(value).and_then(|path| {
            reader.once(name, None)?;
            reader.settings.pid_file = Some(path.into());
            ACCEPTED
        }),
        "sys_interval" => number_within(value, 0, 65_535).and_then(|seconds| {
            reader.settings.sys_interval = Duration::from_secs(seconds.unsigned_abs());
            as_number(value, seconds)
        }),
        "persistence" => flag(value).and_then(|wanted| {
            reader.persistence.wanted = wanted;
            match wanted {
                true => changed("what is acknowledged is stored at once, in a directory `dunlin` at persistence_location"),
                false => ACCEPTED,
            }
        }),
        "persistence_location" => text(value).and_then(|path| {
            reader.once(name, None)?;
            reader.persistence.location = Some(path.into());
            ACCEPTED
        }),
        "persistence_file" => text(value).and_then(|file| {
            reader.once(name, None)?;
            reader.persistence.file = Some(file.into());
            changed("it is read at the first start, and never written")
        }),
        "check_retain_source" => flag(value).and_then(|check| match check {
            true => ACCEPTED,
            false => changed("who published a Retained Message is always checked"),
        }),
        _ => return limit(reader, name, value),
    })
}

/// Takes a limit.
fn limit(reader: &mut Reader<'_>, name: &str, value: &str) -> Option<Verdict> {
    let settings = &mut reader.settings;
    let limits = &mut settings.limits;
    Some(match name {
        "max_inflight_messages" => number_within(value, i64::MIN, 65_535).and_then(|count| {
            let unbounded = |count: i64| u16::try_from(count).ok().filter(|count| *count > 0);
            limits.in_flight = unbounded(count).unwrap_or(u16::MAX);
            limits.receive_maximum = limits.in_flight;
            as_number(value, count)
        }),
        "max_queued_messages" => number(value).and_then(|count| {
            limits.queued_messages = or_unbounded(count);
            as_number(value, count)
        }),
        "max_queued_bytes" => number(value).and_then(|bytes| {
            limits.queued_bytes = or_unbounded(bytes);
            as_number(value, bytes)
        }),
        "max_packet_size" => number(value).and_then(|bytes| {
            limits.packet_size = match u32::try_from(bytes) {
                Ok(bytes) if bytes >= 20 => bytes.min(LARGEST_PACKET),
                _ => return Err(format!("{bytes} is too small: at least 20")),
            };
            as_number(value, bytes)
        }),
        "max_keepalive" => number_within(value, 0, 65_535).and_then(|seconds| {
            limits.keep_alive = match seconds {
                0 | 65_535 => None,
                1..10 => return Err(format!("{seconds} is too small: 0, or at least 10")),
                seconds => u16::try_from(seconds).ok(),
            };
            as_number(value, seconds)
        }),
        "message_size_limit" => number_within(value, 0, 268_435_455).and_then(|bytes| {
            limits.payload_size = u32::try_from(bytes).ok().filter(|bytes| *bytes > 0);
            as_number(value, bytes)
        }),
        "retain_available" => flag(value).and_then(|flag| {
            limits.retain_available = flag;
            ACCEPTED
        }),
        "queue_qos0_messages" => flag(value).and_then(|flag| {
            limits.queue_qos0 = flag;
            ACCEPTED
        }),
        "persistent_client_expiration" => duration(value).and_then(|seconds| {
            limits.session_expiry = seconds;
            ACCEPTED
        }),
        "global_max_connections" => number(value).and_then(|count| {
            let bound = usize::try_from(count).ok().filter(|count| *count > 0);
            settings.admission.connections = bound;
            as_number(value, count)
        }),
        "global_max_clients" => number(value).and_then(|count| {
            if let Ok(count) = usize::try_from(count) {
                limits.sessions = count;
            }
            as_number(value, count)
        }),
        _ => return None,
    })
}

/// 0 and less mean that there is no bound.
fn or_unbounded(count: i64) -> usize {
    match usize::try_from(count) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(count) => count,
    }
}

fn per_listener_settings(reader: &mut Reader<'_>, value: &str) -> Verdict {
    let wanted = flag(value)?;
    reader.listeners.per_listener = wanted;
    let late = !reader.listeners.own.is_empty();
    match wanted && late {
        true => changed("it counts from here on; it belongs before the first listener"),
        false => ACCEPTED,
    }
}

fn user(reader: &mut Reader<'_>, value: &str) -> Verdict {
    reader.once("user", None)?;
    let user = text(value)?;
    reader.settings.user = (user != "root").then_some(user);
    ACCEPTED
}

/// A file that says who may do what.
fn path(
    reader: &mut Reader<'_>,
    name: &str,
    value: &str,
    set: impl FnOnce(&mut crate::server::config::settings::ListenerSettings, PathBuf),
) -> Verdict {
    let path = text(value)?;
    let listeners = &reader.listeners;
    let owner = listeners.per_listener.then_some(listeners.own.len());
    reader.once(name, owner)?;
    set(access(reader), path.into());
    ACCEPTED
}

/// A flag that must have one value.
pub(super) fn only(value: &str, wanted: bool, reason: &str) -> Verdict {
    match flag(value)? == wanted {
        true => ACCEPTED,
        false => refused(reason),
    }
}

/// A number that must be 0 or less, which turns something off.
pub(super) fn only_off(value: &str, reason: &str) -> Verdict {
    word(value)?;
    match number(value)? <= 0 {
        true => ACCEPTED,
        false => refused(reason),
    }
}
