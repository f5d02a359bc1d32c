//! The listening sockets of the process, what each serves, and the files of their TLS.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use dunlin_net::{
    Admission, ListenError, ListenerId, ListenerOptions, ListeningSocket, Origins, Place, Proxies,
    Reactor, TlsError, TlsServer, TlsSettings,
};

use super::config::{
    Config, Family, ListenAddress, ListenerConfig, Protocol, Protocols, TlsConfig, TlsVersion,
};
use super::mail::Post;
use super::quic::QuicDoor;

/// Connections that the kernel keeps for us until they are accepted.
const BACKLOG: u32 = 4096;

/// Who may use a Unix socket: its owner and its group.
const UNIX_MODE: u32 = 0o660;

/// How often files of certificates are looked at.
const WATCH: Duration = Duration::from_secs(10);

/// How long before its end a certificate is warned about, and how often.
const EXPIRY_WARNING: Duration = Duration::from_secs(30 * 86_400);
const WARNING_INTERVAL: Duration = Duration::from_secs(86_400);

/// All listening sockets. A listener of the configuration has several if it has several addresses.
pub(super) struct Listeners {
    doors: Vec<Door>,
    certificates: Vec<Certificates>,
    /// Files of Unix sockets.
    files: Vec<PathBuf>,
    quic: Vec<QuicDoor>,
}

struct Door {
    socket: ListeningSocket,
    options: Arc<ListenerOptions>,
}

/// The TLS files of one listener.
#[derive(Clone)]
struct Certificates {
    /// The place of the listener in the configuration.
    number: usize,
    listener: String,
    tls: TlsServer,
}

impl Listeners {
    /// Reads certificates and binds every address of the configuration. A listener's number is its
    /// place there.
    pub(super) fn bind(config: &Config) -> anyhow::Result<Self> {
        let mut listeners = Self {
            doors: Vec::new(),
            certificates: Vec::new(),
            files: Vec::new(),
            quic: Vec::new(),
        };
        for (number, listener) in config.listeners.iter().enumerate() {
            let id = ListenerId(u32::try_from(number).context("too many listeners")?);
            let options = listeners.options(id, listener)?;
            for socket in bind(&listener.address, config)? {
                if let Place::Path(path) = socket.place() {
                    listeners.files.push(path);
                }
                if listener.protocols.allows(Protocol::Quic) {
                    let door = QuicDoor::bind(&socket.place(), &options)?;
                    listeners.quic.push(door);
                }
                if options.protocols != dunlin_net::Protocols::of(&[]) {
                    let options = Arc::clone(&options);
                    listeners.doors.push(Door { socket, options });
                }
            }
        }
        Ok(listeners)
    }

    fn options(
        &mut self,
        id: ListenerId,
        listener: &ListenerConfig,
    ) -> anyhow::Result<Arc<ListenerOptions>> {
        let tls = listener
            .tls
            .as_ref()
            .map(|tls| TlsServer::load(settings(tls)))
            .transpose()
            .with_context(|| format!("listener {}", listener.name))?;
        self.certificates
            .extend(tls.clone().map(|tls| Certificates {
                number: id.0 as usize,
                listener: listener.name.clone(),
                tls,
            }));
        let proxies = match listener.proxy_protocol {
            true => Proxies::Always,
            false => Proxies::None,
        };
        let origins = match listener.origins.is_empty() {
            true => Origins::Any,
            false => Origins::Only(listener.origins.clone()),
        };
        Ok(Arc::new(ListenerOptions {
            protocols: protocols(listener.protocols),
            tls,
            proxies,
            origins,
            ..ListenerOptions::new(id)
        }))
    }

    /// Lets `reactor` accept connections from all of them, too.
    pub(super) fn listen(&self, reactor: &mut Reactor) -> anyhow::Result<()> {
        for door in &self.doors {
            let socket = door.socket.try_clone().context("cannot share a listener")?;
            reactor.listen(socket, Arc::clone(&door.options))?;
        }
        Ok(())
    }

    /// Leaves the sockets to the reactors: nobody is accepted any more once these stop listening.
    /// QUIC is served from now on, too.
    pub(super) fn release(&mut self, posts: &[Post], admission: &Admission) -> anyhow::Result<()> {
        self.doors.clear();
        let mut doors = self.quic.drain(..);
        doors.try_for_each(|door| door.serve(posts, admission))
    }

    /// Where they listen.
    pub(super) fn places(&self) -> Vec<Place> {
        self.doors.iter().map(|door| door.socket.place()).collect()
    }

    /// Reads all files of certificates again, and logs what comes of it. What is broken stays as it
    /// was.
    pub(super) fn reload_certificates(&self) {
        self.certificates.iter().for_each(Certificates::reload);
    }

    /// Takes over what `config` says about the TLS of its listeners, the same ones as before.
    pub(super) fn take_over(&self, config: &Config) {
        for one in &self.certificates {
            let listener = config.listeners.get(one.number);
            if let Some(tls) = listener.and_then(|listener| listener.tls.as_ref()) {
                one.log(one.tls.replace(settings(tls)));
            }
        }
    }

    /// Watches the files of certificates from a thread of its own, as long as the process runs.
    pub(super) fn watch_certificates(&self) -> anyhow::Result<()> {
        if self.certificates.is_empty() {
            return Ok(());
        }
        let certificates = self.certificates.clone();
        std::thread::Builder::new()
            .name("certificates".to_owned())
            .spawn(move || watch(&certificates))
            .context("cannot start a thread")?;
        Ok(())
    }
}

/// Unix sockets leave no file behind.
impl Drop for Listeners {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
    }
}

fn watch(certificates: &[Certificates]) {
    let mut warned: Option<SystemTime> = None;
    loop {
        let now = SystemTime::now();
        let since = |then| now.duration_since(then).unwrap_or_default();
        if warned.is_none_or(|then| since(then) >= WARNING_INTERVAL) {
            certificates.iter().for_each(|one| one.warn_of_expiry(now));
            warned = Some(now);
        }
        std::thread::sleep(WATCH);
        let changed = certificates
            .iter()
            .filter(|one| one.tls.files_have_changed());
        changed.for_each(Certificates::reload);
    }
}

impl Certificates {
    fn reload(&self) {
        self.log(self.tls.reload());
    }

    fn log(&self, outcome: Result<(), TlsError>) {
        let listener = &self.listener;
        match outcome {
            Ok(()) => tracing::info!(listener, "certificates read again"),
            Err(error) => {
                tracing::error!(listener, "certificates stay as they were: {error}");
            }
        }
    }

    fn warn_of_expiry(&self, now: SystemTime) {
        let validity = self.tls.validity();
        let listener = &self.listener;
        match validity.not_after.duration_since(now) {
            Err(_) => tracing::error!(listener, "the certificate has expired"),
            Ok(left) if left < EXPIRY_WARNING => {
                let days = left.as_secs() / 86_400;
                tracing::warn!(listener, days, "the certificate expires soon");
            }
            Ok(_) if now < validity.not_before => {
                tracing::error!(listener, "the certificate is not valid yet");
            }
            Ok(_) => {}
        }
    }
}

/// Binds an address. With 127.0.0.1, [::1] is bound as well where the machine has it, unless another
/// listener of the configuration does that.
fn bind(address: &ListenAddress, config: &Config) -> anyhow::Result<Vec<ListeningSocket>> {
    let is_own = |ip: Ipv6Addr, port| {
        let address = ListenAddress::Ip(SocketAddr::new(ip.into(), port));
        config.listeners.iter().any(|it| it.address == address)
    };
    match address {
        ListenAddress::Ip(address)
            if address.ip() == Ipv4Addr::LOCALHOST
                && !is_own(Ipv6Addr::LOCALHOST, address.port()) =>
        {
            bind_pair(*address, Ipv6Addr::LOCALHOST)
        }
        ListenAddress::Ip(address) => Ok(vec![dunlin_net::bind(*address, BACKLOG)?.into()]),
        ListenAddress::Everywhere(port, family) => {
            let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port));
            let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, *port));
            match family {
                Family::Any => bind_pair(v4, Ipv6Addr::UNSPECIFIED),
                Family::V4 => Ok(vec![dunlin_net::bind(v4, BACKLOG)?.into()]),
                Family::V6 => Ok(vec![dunlin_net::bind(v6, BACKLOG)?.into()]),
            }
        }
        ListenAddress::Host(host, port) => bind_host(host, *port),
        ListenAddress::Unix(path) => bind_unix(path),
    }
}

/// Binds an IPv4 address, and the same port of an IPv6 address if the machine has that.
fn bind_pair(first: SocketAddr, second: Ipv6Addr) -> anyhow::Result<Vec<ListeningSocket>> {
    let listener = dunlin_net::bind(first, BACKLOG)?;
    let twin = SocketAddr::new(second.into(), listener.local_addr()?.port());
    let mut sockets = vec![listener.into()];
    match dunlin_net::bind(twin, BACKLOG) {
        Ok(listener) => sockets.push(listener.into()),
        Err(error) => tracing::debug!("{twin} is not available: {error}"),
    }
    Ok(sockets)
}

fn bind_host(host: &str, port: u16) -> anyhow::Result<Vec<ListeningSocket>> {
    let found = (host, port).to_socket_addrs();
    let found = found.with_context(|| format!("{host} has no address"))?;
    let addresses: BTreeSet<SocketAddr> = found.collect();
    let mut sockets = Vec::new();
    let mut chosen = port;
    for mut address in addresses {
        address.set_port(chosen);
        match dunlin_net::bind(address, BACKLOG) {
            Ok(listener) => {
                chosen = listener.local_addr()?.port();
                sockets.push(listener.into());
            }
            // A name may have an address of a family that the machine has not.
            Err(ListenError::FamilyNotSupported { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if sockets.is_empty() {
        return Err(anyhow!(
            "{host} has no address that this machine can listen on"
        ));
    }
    Ok(sockets)
}

fn bind_unix(path: &std::path::Path) -> anyhow::Result<Vec<ListeningSocket>> {
    let path: PathBuf = std::path::absolute(path)?;
    let listener = dunlin_net::bind_unix(&path, UNIX_MODE, BACKLOG)?;
    Ok(vec![listener.into()])
}

fn protocols(wanted: Protocols) -> dunlin_net::Protocols {
    let same = [
        (Protocol::Mqtt, dunlin_net::Protocol::Mqtt),
        (Protocol::Mqtts, dunlin_net::Protocol::Mqtts),
        (Protocol::Ws, dunlin_net::Protocol::Ws),
        (Protocol::Wss, dunlin_net::Protocol::Wss),
    ];
    let allowed = same.iter().filter(|(ours, _)| wanted.allows(*ours));
    dunlin_net::Protocols::of(&allowed.map(|(_, theirs)| *theirs).collect::<Vec<_>>())
}

fn settings(tls: &TlsConfig) -> TlsSettings {
    TlsSettings {
        certificate: tls.certfile.clone(),
        key: tls.keyfile.clone(),
        authorities: tls.cafile.clone(),
        authorities_folder: tls.capath.clone(),
        revocations: tls.crlfile.clone(),
        client_certificates: tls.client_certificates,
        minimum_version: match tls.minimum_version {
            TlsVersion::V1_2 => dunlin_net::TlsVersion::V1_2,
            TlsVersion::V1_3 => dunlin_net::TlsVersion::V1_3,
        },
        ciphers: tls.ciphers.clone(),
        ciphers_tls13: tls.ciphers_tls13.clone(),
        key_log: tls.keylog.clone(),
    }
}
