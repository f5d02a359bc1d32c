//! `listener`, and what belongs to one.

use std::path::PathBuf;

use super::reader::{Listeners, Reader};
use super::value::{as_number, flag, number, number_within, text, word};
use super::{ACCEPTED, Verdict, changed, ignored, refused};
use crate::server::config::address;
use crate::server::config::settings::ListenerSettings;
use crate::server::config::{Family, ListenAddress, Protocol, TlsVersion, UserNameFrom};

/// A listener as it is being read.
#[derive(Debug)]
pub(super) struct Listener {
    port: Option<u16>,
    /// An address, a host name or the path of a Unix socket.
    host: Option<String>,
    family: Family,
    websockets: bool,
    /// `use_identity_as_username`, which counts before the next.
    identity: bool,
    subject: bool,
    pub(super) settings: ListenerSettings,
}

impl Default for Listener {
    fn default() -> Self {
        Listener {
            port: None,
            host: None,
            family: Family::Any,
            websockets: false,
            identity: false,
            subject: false,
            settings: ListenerSettings::default(),
        }
    }
}

/// Whether only this machine is listened to, as nothing was said about listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Local {
    Only,
    No,
}

/// Takes an option of this file; `None`: it is of another.
pub(super) fn take(reader: &mut Reader<'_>, name: &str, value: &str) -> Option<Verdict> {
    if name == "listener" {
        return Some(begin(&mut reader.listeners, value));
    }
    if name == "port" || name == "bind_address" {
        return Some(standard(reader, name, value));
    }
    let owner = Some(reader.listeners.own.len());
    plain(reader.listeners.current(), name, value)
        .or_else(|| protocol(reader.listeners.current(), name, value))
        .or_else(|| files(reader, name, value, owner))
        .or_else(|| tls(reader.listeners.current(), name, value))
}

/// `listener PORT [ADDRESS]`
fn begin(listeners: &mut Listeners, value: &str) -> Verdict {
    let port = number_within(value, 0, 65_535)?;
    let host = value.split_once(' ').map(|(_, host)| host.trim_start());
    let mut listener = Listener {
        port: u16::try_from(port).ok(),
        ..Listener::default()
    };
    match (port, host) {
        (0, None) => return refused("a listener with port 0 needs the path of a Unix socket"),
        // The path may have spaces in it, an address may not.
        (0, Some(path)) => listener.host = Some(path.to_owned()),
        (_, Some(host)) => listener.host = host.split(' ').next().map(str::to_owned),
        (_, None) => {}
    }
    listeners.own.push(listener);
    as_number(value, port)
}

/// `port` and `bind_address`, which belong to the listener that is there without a `listener`.
fn standard(reader: &mut Reader<'_>, name: &str, value: &str) -> Verdict {
    let listener = &mut reader.listeners.standard;
    if name == "port" {
        listener.port = u16::try_from(number_within(value, 1, 65_535)?).ok();
        return as_number(value, i64::from(listener.port.unwrap_or(0)));
    }
    listener.host = Some(text(value)?);
    reader.once(name, None)?;
    ACCEPTED
}

/// Options with a number, a flag or a word.
fn plain(listener: &mut Listener, name: &str, value: &str) -> Option<Verdict> {
    let settings = &mut listener.settings;
    Some(match name {
        "listener_allow_anonymous" => flag(value).and_then(|flag| {
            settings.allow_anonymous = Some(flag);
            ACCEPTED
        }),
        "listener_auto_id_prefix" => text(value).and_then(|prefix| {
            settings.auto_id_prefix = Some(prefix);
            ACCEPTED
        }),
        "max_connections" => number(value).and_then(|count| {
            // 0 and less mean that there is no bound.
            settings.max_connections = usize::try_from(count).ok().filter(|count| *count > 0);
            as_number(value, count)
        }),
        "max_qos" => number_within(value, 0, 2).and_then(|qos| {
            settings.max_qos = u16::try_from(qos).ok();
            as_number(value, qos)
        }),
        "max_topic_alias" => number_within(value, 0, 65_535).and_then(|count| {
            settings.max_topic_alias = u16::try_from(count).ok();
            as_number(value, count)
        }),
        "mount_point" => text(value).and_then(|prefix| {
            if prefix.contains(['+', '#']) {
                return refused("a mount_point has no wildcards");
            }
            settings.mount_point = Some(prefix);
            ACCEPTED
        }),
        "use_username_as_clientid" => flag(value).and_then(|flag| {
            settings.use_user_name_as_client_id = Some(flag);
            ACCEPTED
        }),
        _ => return None,
    })
}

/// Options that say what is spoken on the socket.
fn protocol(listener: &mut Listener, name: &str, value: &str) -> Option<Verdict> {
    Some(match name {
        "protocol" => word(value).and_then(|protocol| match protocol {
            "mqtt" => {
                listener.websockets = false;
                ACCEPTED
            }
            "websockets" => {
                listener.websockets = true;
                ACCEPTED
            }
            "http_api" => refused("there is no HTTP API of Mosquitto's kind"),
            "mqttsn" => refused("MQTT-SN is not spoken"),
            other => Err(format!("`{other}` is not one of mqtt, websockets")),
        }),
        "socket_domain" => word(value).and_then(|domain| {
            listener.family = match domain {
                "ipv4" => Family::V4,
                "ipv6" => Family::V6,
                other => return Err(format!("`{other}` is not one of ipv4, ipv6")),
            };
            ACCEPTED
        }),
        "enable_proxy_protocol" => number_within(value, 1, 2).and_then(|_| {
            listener.settings.proxy_protocol = Some(true);
            ACCEPTED
        }),
        "websockets_origin" => text(value).and_then(|origin| {
            listener
                .settings
                .origins
                .get_or_insert_default()
                .push(origin);
            ACCEPTED
        }),
        _ => return None,
    })
}

/// Options with a path.
fn files(
    reader: &mut Reader<'_>,
    name: &str,
    value: &str,
    owner: Option<usize>,
) -> Option<Verdict> {
    let tls = &mut reader.listeners.current().settings.tls;
    let field: &mut Option<PathBuf> = match name {
        "certfile" => &mut tls.certfile,
        "keyfile" => &mut tls.keyfile,
        "cafile" => &mut tls.cafile,
        "capath" => &mut tls.capath,
        "crlfile" => &mut tls.crlfile,
        _ => return None,
    };
    let path = match text(value) {
        Ok(path) => path,
        Err(reason) => return Some(Err(reason)),
    };
    *field = Some(path.into());
    Some(reader.once(name, owner).and(ACCEPTED))
}

/// Other options of TLS.
fn tls(listener: &mut Listener, name: &str, value: &str) -> Option<Verdict> {
    let settings = &mut listener.settings.tls;
    Some(match name {
        "require_certificate" => flag(value).and_then(|flag| {
            settings.require_certificate = Some(flag);
            ACCEPTED
        }),
        "use_identity_as_username" => flag(value).and_then(|flag| {
            listener.identity = flag;
            ACCEPTED
        }),
        "use_subject_as_username" => flag(value).and_then(|flag| {
            listener.subject = flag;
            ACCEPTED
        }),
        "ciphers" => text(value).and_then(|ciphers| {
            settings.ciphers = Some(ciphers.split(':').map(str::to_owned).collect());
            changed("only suites that TLS 1.2 has with forward secrecy and AEAD count")
        }),
        "ciphers_tls1.3" => text(value).and_then(|ciphers| {
            settings.ciphers_tls13 = Some(ciphers.split(':').map(str::to_owned).collect());
            ACCEPTED
        }),
        "tls_version" => word(value).and_then(|version| {
            let (minimum, verdict) = tls_version(version)?;
            settings.minimum_version = Some(minimum);
            verdict
        }),
        "tls_keyform" => word(value).and_then(|form| match form {
            "pem" => ACCEPTED,
            _ => refused("only keys in PEM files are read"),
        }),
        "dhparamfile" => text(value).and_then(|_| {
            ignored("keys are exchanged over elliptic curves, which need no parameters")
        }),
        _ => return None,
    })
}

/// The lowest version of TLS that is meant.
pub(super) fn tls_version(version: &str) -> Result<(TlsVersion, Verdict), String> {
    match version {
        "tlsv1.3" => Ok((TlsVersion::V1_3, ACCEPTED)),
        "tlsv1.2" => Ok((TlsVersion::V1_2, ACCEPTED)),
        "tlsv1.1" | "tlsv1" | "tlsv1.0" => Ok((
            TlsVersion::V1_2,
            changed("TLS 1.2 is the lowest version that is spoken"),
        )),
        other => Err(format!("`{other}` is not one of tlsv1.2, tlsv1.3")),
    }
}

/// All listeners that are meant. Without any, it is `port` of this machine alone; otherwise `port` has
/// no effect, as in Mosquitto.
pub(super) fn finish(
    listeners: Listeners,
    port: Option<u16>,
) -> (Result<Vec<ListenerSettings>, String>, Local) {
    let Listeners {
        mut standard,
        mut own,
        ..
    } = listeners;
    if own.is_empty() && !standard.is_wanted() {
        let address = address::loopback(port.unwrap_or(1883));
        let mut settings = standard.settings;
        settings.address = Some(address::show(&address));
        settings.protocols = Some(vec![Protocol::Mqtt]);
        return (Ok(vec![settings]), Local::Only);
    }
    if standard.is_wanted() {
        standard.port = standard.port.or(Some(1883));
        own.insert(0, standard);
    }
    (own.into_iter().map(Listener::meant).collect(), Local::No)
}

impl Listener {
    /// Whether enough was said of the listener without a `listener` for Mosquitto to open it: options
    /// that have a value other than theirs without a configuration, but for some of them.
    fn is_wanted(&self) -> bool {
        let ListenerSettings {
            max_connections,
            max_qos,
            mount_point,
            use_user_name_as_client_id,
            tls,
            ..
        } = &self.settings;
        let of_sockets = self.port.is_some() || self.host.is_some() || self.family != Family::Any;
        let of_clients = max_connections.is_some()
            || max_qos.is_some_and(|qos| qos != 2)
            || mount_point.is_some()
            || *use_user_name_as_client_id == Some(true);
        let of_tls = tls.certfile.is_some()
            || tls.keyfile.is_some()
            || tls.cafile.is_some()
            || tls.capath.is_some()
            || tls.crlfile.is_some()
            || tls.ciphers.is_some()
            || tls.ciphers_tls13.is_some()
            || tls.require_certificate == Some(true)
            || self.identity
            || self.subject;
        of_sockets || of_clients || of_tls || self.websockets
    }

    fn meant(self) -> Result<ListenerSettings, String> {
        let mut settings = self.settings;
        let port = self.port.unwrap_or(1883);
        let address = match (port, self.host) {
            (0, path) => ListenAddress::Unix(path.unwrap_or_default().into()),
            (port, None) => ListenAddress::Everywhere(port, self.family),
            (port, Some(host)) if host == "*" => ListenAddress::Everywhere(port, self.family),
            (port, Some(host)) => address::of_host(&host, port),
        };
        settings.address = Some(address::show(&address));
        let tls = &mut settings.tls;
        let encrypted = match (tls.certfile.is_some(), tls.keyfile.is_some()) {
            (true, true) => true,
            (false, false) => false,
            // Mosquitto would listen there without encryption.
            (true, false) => {
                return Err(format!(
                    "the listener {address} has a certfile, and no keyfile"
                ));
            }
            (false, true) => {
                return Err(format!(
                    "the listener {address} has a keyfile, and no certfile"
                ));
            }
        };
        if encrypted {
            tls.user_name = match (self.identity, self.subject) {
                (true, _) => Some(UserNameFrom::CommonName),
                (false, true) => Some(UserNameFrom::Subject),
                (false, false) => None,
            };
        } else {
            *tls = Default::default();
        }
        settings.protocols = Some(vec![match (self.websockets, encrypted) {
            (false, false) => Protocol::Mqtt,
            (false, true) => Protocol::Mqtts,
            (true, false) => Protocol::Ws,
            (true, true) => Protocol::Wss,
        }]);
        Ok(settings)
    }
}
