//! From what was written to what is meant.

use std::ops::Not;

use dunlin_auth::Anonymous;
use dunlin_core::{Bans, Limits, MountPoint, ShardId};
use dunlin_net::{AddressRange, AdmissionRules, ClientCertificates, ListenerId};
use dunlin_packet::{QoS, TopicFilter};

use super::address;
use super::error::{ConfigError, Place, Problem};
use super::keys;
use super::settings::{AcmeSettings, BanSettings, ListenerSettings, Settings, TlsSettings};
use super::value::Value;
use super::{
    AccessConfig, AcmeConfig, AuthenticationConfig, Config, ListenerConfig, Protocols,
    RetentionConfig, TlsConfig, TlsIdentity,
};

/// The authority that issues certificates where no other one is named.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// The configuration that `settings` mean. `file` is where they were written, for the errors.
pub(super) fn meant(settings: &Settings, file: &Place) -> Result<Config, ConfigError> {
    let wrong = |problem| ConfigError::at(file.clone(), problem);
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let shards = settings.shards.unwrap_or_else(processors);
    let shards = shards.clamp(1, ShardId::MAXIMUM);
    let listeners = listeners(settings).map_err(wrong)?;
    Ok(Config {
        admission: admission(settings, &listeners).map_err(wrong)?,
        listeners,
        shards,
        limits: limits(&settings.limits, shards),
        bans: bans(&settings.bans).into(),
        data_dir: settings.data_dir.clone(),
        mosquitto_db: settings.mosquitto_db.clone(),
        durability: settings.durability,
        data_limit: settings.data_limit,
        retention: retention(&settings.retention).map_err(wrong)?,
        sys_interval: (!settings.sys_interval.is_zero()).then_some(settings.sys_interval),
        log: settings.log.clone(),
        authentication: settings.authentication.clone(),
        login_delay: settings.login_delay,
        bridges: settings.bridges.clone(),
        user: settings.user.clone(),
        pid_file: settings.pid_file.clone(),
        control_socket: settings.control_socket.clone(),
    })
}

fn retention(retention: &RetentionConfig) -> Result<RetentionConfig, Problem> {
    let is_wrong = |filter: &&String| {
        let parsed = TopicFilter::parse(filter);
        parsed.is_ok_and(|filter| filter.share().is_none()).not()
    };
    match retention.filters.iter().find(is_wrong) {
        None => Ok(retention.clone()),
        Some(filter) => Err(Problem::Value {
            key: "retention.filters".to_owned(),
            wrong: format!("`{filter}` is no Topic Filter that can be used here"),
        }),
    }
}

/// All listeners: those of `listen`, and those with tables of their own.
fn listeners(settings: &Settings) -> Result<Vec<ListenerConfig>, Problem> {
    let standard = || vec![address::show(&address::loopback(1883))];
    let addresses = match &settings.listen {
        Some(addresses) => addresses.clone(),
        None if settings.listeners.is_empty() => standard(),
        None => Vec::new(),
    };
    let plain = addresses.into_iter().map(|address| ListenerSettings {
        address: Some(address),
        ..ListenerSettings::default()
    });
    plain
        .chain(settings.listeners.iter().cloned())
        .map(|listener| {
            let listener = inherit(listener, &settings.defaults);
            listener_meant(listener, &settings.authentication)
        })
        .collect()
}

/// Whose names are not let in.
fn bans(written: &BanSettings) -> Bans {
    let set = |names: &[String]| names.iter().map(|name| name.as_str().into()).collect();
    Bans {
        client_ids: set(&written.client_ids),
        user_names: set(&written.user_names),
    }
}

/// How many connections are let in, how fast, and from where.
fn admission(settings: &Settings, listeners: &[ListenerConfig]) -> Result<AdmissionRules, Problem> {
    let bounds = &settings.admission;
    let banned = settings.bans.addresses.iter().map(|range| {
        range
            .parse::<AddressRange>()
            .map_err(|wrong| Problem::Value {
                key: "bans.addresses".to_owned(),
                wrong: wrong.to_string(),
            })
    });
    let of_listeners = (0..).zip(listeners).filter_map(|(number, listener)| {
        let maximum = listener.max_connections?;
        Some((ListenerId(number), maximum))
    });
    Ok(AdmissionRules {
        connections: bounds.connections,
        connections_of_listener: of_listeners.collect(),
        connections_per_address: bounds.connections_per_address,
        connect_rate: bounds.connect_rate,
        connect_rate_per_address: bounds.connect_rate_per_address,
        banned: banned.collect::<Result<_, _>>()?,
    })
}

/// A listener with what it does not say itself taken from the defaults.
fn inherit(mut listener: ListenerSettings, defaults: &ListenerSettings) -> ListenerSettings {
    for key in keys::inherited() {
        let inherited = key.get(defaults);
        if key.get(&listener) == Value::Nothing && inherited != Value::Nothing {
            key.set(&mut listener, inherited)
                .expect("what a field gives it takes");
        }
    }
    listener
}

/// `auth`: what holds beyond what the listener names.
fn listener_meant(
    listener: ListenerSettings,
    auth: &AuthenticationConfig,
) -> Result<ListenerConfig, Problem> {
    let written = listener.address.ok_or(Problem::NoAddress)?;
    let value = |key: &str, wrong| Problem::Value {
        key: key.to_owned(),
        wrong,
    };
    let address = address::parse(&written).map_err(|wrong| value("address", wrong))?;
    let proxy_protocol = listener.proxy_protocol.unwrap_or(false);
    let tls = tls(listener.tls).map_err(|wrong| value("tls", wrong))?;
    let mount_point = listener.mount_point.as_deref().map(MountPoint::new);
    let mount_point = mount_point
        .transpose()
        .map_err(|wrong| value("mount_point", wrong.to_string()))?;
    let identified = tls.as_ref().is_some_and(TlsConfig::identifies);
    let has_users = listener.password_file.is_some() || auth.knows_users() || identified;
    let has_rules = listener.acl_file.is_some() || !auth.roles.is_empty();
    let is_reached_from_elsewhere = !address.is_local() || proxy_protocol;
    let anonymous = match listener.allow_anonymous {
        Some(true) => Anonymous::Everybody,
        Some(false) => Anonymous::Nobody,
        None if has_users => Anonymous::Nobody,
        None if !is_reached_from_elsewhere => Anonymous::Everybody,
        // Whoever writes rules for users means more than this machine.
        None if has_rules => Anonymous::Nobody,
        None => Anonymous::ThisMachine,
    };
    // Trust in this machine is no trust in the web pages that somebody looks at on it.
    let trusts_the_machine = anonymous != Anonymous::Nobody && listener.allow_anonymous.is_none();
    let origins = match listener.origins {
        None if trusts_the_machine => vec!["local".to_owned()],
        origins => origins.unwrap_or_default(),
    };
    let protocols = match &listener.protocols {
        Some(protocols) => Protocols::of(protocols),
        None => Protocols::ANY,
    };
    Ok(ListenerConfig {
        name: listener.name.unwrap_or_else(|| address.to_string()),
        protocols,
        tls,
        proxy_protocol,
        origins,
        access: AccessConfig {
            anonymous,
            password_file: listener.password_file,
            acl_file: listener.acl_file,
            allow_zero_length_client_id: listener.allow_zero_length_client_id.unwrap_or(true),
            auto_id_prefix: listener.auto_id_prefix,
            use_user_name_as_client_id: listener.use_user_name_as_client_id.unwrap_or(false),
        },
        max_connections: listener.max_connections,
        max_qos: match listener.max_qos {
            Some(0) => QoS::AtMostOnce,
            Some(1) => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        },
        max_topic_alias: listener.max_topic_alias,
        durability: listener.durability.unwrap_or_default(),
        mount_point,
        address,
    })
}

/// How a listener speaks TLS, if it has a certificate.
fn tls(tls: TlsSettings) -> Result<Option<TlsConfig>, String> {
    let identity = match (tls.certfile, tls.keyfile, acme(tls.acme)?) {
        (Some(certfile), Some(keyfile), None) => TlsIdentity::Files { certfile, keyfile },
        (None, None, Some(acme)) => TlsIdentity::Acme(acme),
        (None, None, None) => return Ok(None),
        (Some(_), None, None) => return Err("certfile needs a keyfile".to_owned()),
        (None, Some(_), None) => return Err("keyfile needs a certfile".to_owned()),
        (_, _, Some(_)) => return Err("acme takes the place of certfile and keyfile".to_owned()),
    };
    let wanted = |key: Option<bool>| key.unwrap_or(false);
    let client_certificates = match wanted(tls.require_certificate) {
        true => ClientCertificates::Required,
        false if wanted(tls.request_certificate) => ClientCertificates::Optional,
        false => ClientCertificates::NotAsked,
    };
    let asks = client_certificates != ClientCertificates::NotAsked;
    if asks && tls.cafile.is_none() && tls.capath.is_none() {
        return Err("Clients' certificates need a cafile or a capath".to_owned());
    }
    Ok(Some(TlsConfig {
        identity,
        cafile: tls.cafile,
        capath: tls.capath,
        crlfile: tls.crlfile,
        client_certificates,
        minimum_version: tls.minimum_version.unwrap_or_default(),
        ciphers: tls.ciphers.unwrap_or_default(),
        ciphers_tls13: tls.ciphers_tls13.unwrap_or_default(),
        user_name: tls.user_name.unwrap_or_default(),
        keylog: tls.keylog,
    }))
}

/// The certificate that is to be issued, if there is one.
fn acme(acme: AcmeSettings) -> Result<Option<AcmeConfig>, String> {
    let Some(domain) = acme.domain else {
        return match acme == AcmeSettings::default() {
            true => Ok(None),
            false => Err("acme needs a domain".to_owned()),
        };
    };
    let domain = domain.to_ascii_lowercase();
    let is_label = |label: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(known)
    };
    if domain.len() > 253 || !domain.split('.').all(is_label) {
        return Err(format!("acme.domain: {domain:?} is no name of a server"));
    }
    let directory = acme.directory.unwrap_or_else(|| LETS_ENCRYPT.to_owned());
    if !directory.starts_with("https://") {
        return Err(format!("acme.directory: {directory:?} is no https address"));
    }
    Ok(Some(AcmeConfig {
        domain,
        email: acme.email,
        directory,
        cafile: acme.cafile,
    }))
}

/// The limits of one shard: bounds that are meant for the whole process are shared out.
fn limits(written: &Limits, shards: usize) -> Limits {
    let mut limits = written.clone();
    // However much a Client is sent at once, it may answer while it reads.
    let largest_packet = limits.packet_size as usize;
    let least = limits.output_bytes.saturating_add(largest_packet);
    limits.output_bytes_hard = limits.output_bytes_hard.max(least.saturating_mul(2));
    for total in [
        &mut limits.all_output_bytes,
        &mut limits.sessions,
        &mut limits.all_subscriptions,
        &mut limits.retained_messages,
        &mut limits.retained_bytes,
        &mut limits.waiting_bytes,
        &mut limits.partial_bytes,
    ] {
        *total = total.div_ceil(shards);
    }
    limits
}
