//! What can be configured and is not served yet. Nothing is ignored silently: whoever asks for it is
//! told, and the process does not start.
//!
//! Whoever makes a part of the process serve a setting takes its line away here.

use super::{Config, ConfigError, ListenerConfig, Protocol, TlsIdentity};

/// Whether everything is served that is asked for.
pub(super) fn all(config: &Config) -> Result<(), ConfigError> {
    match first_unserved(config) {
        Some(key) => Err(ConfigError::NotServed { key }),
        None => Ok(()),
    }
}

/// The first setting that differs from what is served, by its key.
pub(super) fn first_unserved(config: &Config) -> Option<String> {
    config.listeners.iter().find_map(|listener| {
        let key = first_unserved_of(listener)?;
        Some(format!("{key} (listener {})", listener.name))
    })
}

fn first_unserved_of(listener: &ListenerConfig) -> Option<&'static str> {
    let allows = |protocol| listener.protocols.allows(protocol);
    let identity = listener.tls.as_ref().map(|tls| &tls.identity);
    let issues = matches!(identity, Some(TlsIdentity::Acme(_)));
    let plain = allows(Protocol::Mqtt) || allows(Protocol::Ws);
    first(&[
        (
            "protocols: quic, for which it is not built,",
            allows(Protocol::Quic) && !cfg!(feature = "quic"),
        ),
        (
            "tls.acme, for which it is not built,",
            issues && !cfg!(feature = "acme"),
        ),
        (
            "protocols: nothing but TLS",
            !plain && listener.tls.is_none(),
        ),
    ])
}

fn first(wanted: &[(&'static str, bool)]) -> Option<&'static str> {
    wanted.iter().find(|(_, is)| *is).map(|(key, _)| *key)
}
