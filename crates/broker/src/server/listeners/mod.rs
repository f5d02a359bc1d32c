//! The listening sockets of the process, and what each serves.

mod bind;
mod certificates;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use dunlin_net::{
    Admission, ListenerId, ListenerOptions, ListeningSocket, Origins, Place, Proxies, Reactor,
    TlsServer, TlsSettings,
};

use super::acme::{self, Managed};
use super::config::{
    Config, ListenerConfig, Protocol, Protocols, TlsConfig, TlsIdentity, TlsVersion,
};
use super::mail::{Mail, Post};
use super::quic::QuicDoor;
pub(super) use certificates::Certificates;
use certificates::OfListener;

/// Why a certificate cannot be issued after a reload.
const NO_DIRECTORY: &str = "a restart is needed: there is no data directory for certificates";

/// All listening sockets. A listener of the configuration has several if it has several addresses.
pub(super) struct Listeners {
    doors: Vec<Door>,
    /// What each listener serves, by its number.
    served: Vec<Served>,
    /// Where certificates are kept that are issued to us.
    data_dir: Option<PathBuf>,
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
        let data_dir = config.data_dir.clone();
        let served = served.map(|(number, it)| Served::new(number, it, data_dir.as_deref()));
        let mut listeners = Self {
            doors: Vec::new(),
            served: served.collect::<anyhow::Result<_>>()?,
            data_dir,
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

    /// The certificates that are issued to us: each once, with all servers that show it.
    pub(super) fn managed(&self) -> Vec<Managed> {
        let mut all: Vec<Managed> = Vec::new();
        for served in &self.served {
            let (Some(tls), Some(server)) = (&served.config.tls, &served.options.tls) else {
                continue;
            };
            let TlsIdentity::Acme(config) = &tls.identity else {
                continue;
            };
            match all.iter_mut().find(|managed| managed.config == *config) {
                Some(managed) => managed.servers.push(server.clone()),
                None => all.push(Managed {
                    config: config.clone(),
                    file: server.certificate_file(),
                    servers: vec![server.clone()],
                }),
            }
        }
        all
    }

    /// Files and folders of ours that whoever the process becomes must own.
    pub(super) fn own_files(&self) -> Vec<PathBuf> {
        let files = self.managed().into_iter().map(|managed| managed.file);
        let with_folders = files.flat_map(|file| {
            let folders = file.ancestors().skip(1).take(2).map(Path::to_owned);
            let folders: Vec<_> = folders.collect();
            folders.into_iter().chain([file])
        });
        with_folders.collect()
    }

    /// Reads all that `config` says of what its listeners serve, the same ones as before.
    ///
    /// # Errors
    /// Something cannot be read. Nothing has changed then, nor does it before
    /// [`take_over`](Self::take_over).
    pub(super) fn prepare(&self, config: &Config) -> anyhow::Result<Prepared> {
        let all = self.served.iter().zip(&config.listeners);
        let data_dir = self.data_dir.as_deref();
        let prepared = all.map(|(served, listener)| served.prepare(listener, data_dir));
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
    fn new(
        number: usize,
        listener: &ListenerConfig,
        data_dir: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let id = ListenerId(u32::try_from(number).context("too many listeners")?);
        let load = |tls| Ok(TlsServer::load(settings(tls, data_dir)?)?);
        let tls: anyhow::Result<_> = listener.tls.as_ref().map(load).transpose();
        let tls = tls.with_context(|| format!("listener {}", listener.name))?;
        Ok(Self {
            config: listener.clone(),
            options: options(id, listener, tls),
        })
    }

    /// What is served with another configuration. Files are read if others are named.
    fn prepare(&self, listener: &ListenerConfig, data_dir: Option<&Path>) -> anyhow::Result<Self> {
        let id = self.options.id;
        if listener.tls != self.config.tls {
            return Self::new(id.0 as usize, listener, data_dir);
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

/// Where key and chain are, and what else there is to be known. The file of a certificate that is
/// issued is made if it is not there.
fn settings(tls: &TlsConfig, data_dir: Option<&Path>) -> anyhow::Result<TlsSettings> {
    let (certificate, key) = match &tls.identity {
        TlsIdentity::Files { certfile, keyfile } => (certfile.clone(), keyfile.clone()),
        TlsIdentity::Acme(acme) => {
            let file = acme::file(data_dir.context(NO_DIRECTORY)?, acme)?;
            (file.clone(), file)
        }
    };
    Ok(TlsSettings {
        certificate,
        key,
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
    })
}
