//! MQTT over QUIC: UDP sockets beside those of TCP, and their connections to the shards, one after
//! the other. Built with the feature `quic` only.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail};
use dunlin_net::{Admission, ListenerId, ListenerOptions, Peer, Place, TlsServer, Transport};

use super::driver::origin;
use super::mail::{Mail, Post};

/// A socket for QUIC, and what is served there.
pub(super) struct QuicDoor {
    socket: UdpSocket,
    listener: ListenerId,
    tls: TlsServer,
}

impl QuicDoor {
    /// Binds the UDP port of `place`.
    pub(super) fn bind(place: &Place, options: &ListenerOptions) -> anyhow::Result<Self> {
        let (Place::Ip(address), Some(tls)) = (place, &options.tls) else {
            bail!("{place}: QUIC needs an IP address and a certificate");
        };
        let socket = UdpSocket::bind(address);
        Ok(Self {
            socket: socket.with_context(|| format!("cannot listen on {address} over UDP"))?,
            listener: options.id,
            tls: tls.clone(),
        })
    }

    /// Gives its connections to the shards, from now on and as long as the process runs.
    pub(super) fn serve(self, posts: &[Post], admission: &Admission) -> anyhow::Result<()> {
        let posts = posts.to_vec();
        let next = AtomicUsize::new(0);
        let deliver = move |transport: Transport, peer: Peer| {
            let shard = next.fetch_add(1, Ordering::Relaxed) % posts.len();
            let arrived = Mail::Moved {
                transport,
                origin: Some(origin(peer)),
                bytes: Vec::new(),
            };
            let _ = posts[shard].send(&mut vec![arrived]);
        };
        if let Ok(address) = self.socket.local_addr() {
            tracing::info!(%address, "serving QUIC");
        }
        let admission = admission.clone();
        dunlin_net::quic::serve(self.socket, self.listener, self.tls, admission, deliver)?;
        Ok(())
    }
}
