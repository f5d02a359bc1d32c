//! The listening sockets of the process, and what each serves.

mod bind;
mod certificates;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use dunlin_net::{
    Admission, ListenerId, ListenerOptions, ListeningSocket, Origins, Place, Proxies, Reactor,
    TlsServer, TlsSettings,
};

use super::config::{Config, ListenerConfig, Protocol, Protocols, TlsConfig, TlsVersion};
use super::mail::{Mail, Post};
use super::quic::QuicDoor;
pub(super) use certificates::Certificates;
use certificates::OfListener;

/// All listening sockets. A listener of the configuration has several if it has several addresses.
pub(super) struct Listeners {
    doors: Vec<Door>,
    /// What each listener serves, by its number.
    served: Vec<Served>,
    certificates: Certificates,
    /// Files of Unix sockets.
    files: Vec<PathBuf>,
    quic: Vec<QuicDoor>,
}

struct Door {
    socket: ListeningSocket,
    listener: usize,
}

/// What one listener serves, and what that was made of.
#[derive(Clone)]
struct Served {
    config: ListenerConfig,
    options: Arc<ListenerOptions>,
}

/// What all listeners are to serve once somebody has decided so.
pub(super) struct Prepared(Vec<Served>);

impl Listeners {
    /// Reads certificates and binds every address of the configuration. A listener's number is its
    /// place there.
    pub(super) fn bind(config: &Config) -> anyhow::Result<Self> {
        let served = config.listeners.iter().enumerate();
        let served = served.map(|(number, listener)| Served::new(number, listener));
        let mut listeners = Self {
            doors: Vec::new(),
            served: served.collect::<anyhow::Result<_>>()?,
            certificates: Certificates::default(),
            files: Vec::new(),
            quic: Vec::new(),
        };
        for (number, listener) in config.listeners.iter().enumerate() {
            let options = &listeners.served[number].options;
            for socket in bind::bind(&listener.address, config)? {
                if let Place::Path(path) = socket.place() {
                    listeners.files.push(path);
                }
                if listener.protocols.allows(Protocol::Quic) {
                    let door = QuicDoor::bind(&socket.place(), options)?;
                    listeners.quic.push(door);
                }
                if options.protocols != dunlin_net::Protocols::of(&[]) {
                    let listener = number;
                    listeners.doors.push(Door { socket, listener });
                }
            }
        }
        listeners.watch_certificates();
        Ok(listeners)
    }

    /// Lets `reactor` accept connections from all of them, too.
    pub(super) fn listen(&self, reactor: &mut Reactor) -> anyhow::Result<()> {
        for door in &self.doors {
            let socket = door.socket.try_clone().context("cannot share a listener")?;
            let options = &self.served[door.listener].options;
            reactor.listen(socket, Arc::clone(options))?;
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

    /// The files of their TLS.
    pub(super) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Reads all that `config` says of what its listeners serve, the same ones as before.
    ///
    /// # Errors
    /// Something cannot be read. Nothing has changed then, nor does it before
    /// [`take_over`](Self::take_over).
    pub(super) fn prepare(&self, config: &Config) -> anyhow::Result<Prepared> {
        let all = self.served.iter().zip(&config.listeners);
        let prepared = all.map(|(served, listener)| served.prepare(listener));
        Ok(Prepared(prepared.collect::<anyhow::Result<_>>()?))
    }

    /// Serves what was prepared to connections that come from now on.
    pub(super) fn take_over(&mut self, Prepared(prepared): Prepared, posts: &[Post]) {
        let all = self.served.iter().zip(prepared);
        self.served = all
            .map(|(before, after)| before.followed_by(after))
            .collect();
        self.watch_certificates();
        let options = || self.served.iter().map(|it| Arc::clone(&it.options));
        for post in posts {
            let _ = post.send(&mut vec![Mail::Serve(options().collect())]);
        }
    }

    fn watch_certificates(&self) {
        let with_tls = self.served.iter().filter_map(|served| {
            Some(OfListener {
                listener: served.config.name.clone(),
                tls: served.options.tls.clone()?,
            })
        });
        self.certificates.set(with_tls.collect());
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

impl Served {
    fn new(number: usize, listener: &ListenerConfig) -> anyhow::Result<Self> {
        let id = ListenerId(u32::try_from(number).context("too many listeners")?);
        let tls = listener.tls.as_ref();
        let tls = tls.map(|tls| TlsServer::load(settings(tls))).transpose();
        let tls = tls.with_context(|| format!("listener {}", listener.name))?;
        Ok(Self {
            config: listener.clone(),
            options: options(id, listener, tls),
        })
    }

    /// What is served with another configuration. Files are read if others are named.
    fn prepare(&self, listener: &ListenerConfig) -> anyhow::Result<Self> {
        let id = self.options.id;
        if listener.tls != self.config.tls {
            return Self::new(id.0 as usize, listener);
        }
        Ok(Self {
            config: listener.clone(),
            options: options(id, listener, self.options.tls.clone()),
        })
    }

    /// What is served from now on: `after`, but with the same TLS server, if there was one. Others
    /// know it.
    fn followed_by(&self, after: Served) -> Served {
        let (Some(before), Some(fresh)) = (&self.options.tls, &after.options.tls) else {
            return after;
        };
        before.adopt(fresh);
        let options = ListenerOptions {
            tls: Some(before.clone()),
            ..(*after.options).clone()
        };
        Served {
            options: Arc::new(options),
            ..after
        }
    }
}

fn options(
    id: ListenerId,
    listener: &ListenerConfig,
    tls: Option<TlsServer>,
) -> Arc<ListenerOptions> {
    let proxies = match listener.proxy_protocol {
        true => Proxies::Always,
        false => Proxies::None,
    };
    let origins = match listener.origins.is_empty() {
        true => Origins::Any,
        false => Origins::Only(listener.origins.clone()),
    };
    Arc::new(ListenerOptions {
        protocols: protocols(listener.protocols),
        tls,
        proxies,
        origins,
        ..ListenerOptions::new(id)
    })
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
