//! MQTT over QUIC: one bidirectional stream per connection, ALPN `mqtt`.
//!
//! A QUIC connection cannot move between reactors, as they do: many share one UDP socket. So it
//! lives in a thread of its own, and arrives at a reactor as a byte pipe, a pair of Unix sockets.
//!
//! ```text
//!   UDP ──► quinn, in a thread with Tokio ──► one end ═══ the other end ──► Transport ──► a Reactor
//! ```

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Connection, Endpoint, EndpointConfig, IdleTimeout, TokioRuntime, TransportConfig, VarInt,
};
use rustls::pki_types::CertificateDer;

use crate::{
    Address, Admission, Carrier, ListenerId, Peer, Permit, TlsServer, TlsSession, TlsVersion,
    Transport,
};

/// QUIC connections at the same time.
const CONNECTIONS: usize = 10_000;

/// How long a handshake, and then the first stream, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Without a sign of life for that long, a connection is lost; we give one three times as often.
const IDLE: Duration = Duration::from_secs(60);

/// Bytes that a client may send before they are taken.
const WINDOW: u32 = 256 * 1024;

/// QUIC could not be served.
#[derive(Debug, thiserror::Error)]
pub enum QuicError {
    /// The certificate or the suites are of no use for QUIC.
    #[error("QUIC cannot use this TLS: {0}")]
    Tls(String),
    /// The socket, or the thread.
    #[error("QUIC cannot be served: {0}")]
    Failed(#[from] io::Error),
}

/// Serves MQTT over QUIC on `socket` from a thread of its own, as long as the process runs. Each
/// connection that `admission` lets in is given to `deliver` with who is at its other end; attach it to
/// a reactor.
///
/// # Errors
/// [`QuicError`].
pub fn serve(
    socket: UdpSocket,
    listener: ListenerId,
    tls: TlsServer,
    admission: Admission,
    deliver: impl Fn(Transport, Peer) + Send + Sync + 'static,
) -> Result<(), QuicError> {
    socket.set_nonblocking(true)?;
    let local = socket.local_addr()?;
    let config = server_config(&tls)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let endpoint = {
        let _guard = runtime.enter();
        let (settings, tokio) = (EndpointConfig::default(), Arc::new(TokioRuntime));
        Endpoint::new(settings, Some(config), socket, tokio)?
    };
    let door = Arc::new(Door {
        listener,
        local,
        tls,
        admission,
        deliver,
    });
    thread::Builder::new()
        .name("quic".to_owned())
        .spawn(move || runtime.block_on(accept(endpoint, door)))?;
    Ok(())
}

struct Door<F> {
    listener: ListenerId,
    local: SocketAddr,
    tls: TlsServer,
    admission: Admission,
    deliver: F,
}

/// The listener's TLS, as QUIC needs it.
fn server_config(tls: &TlsServer) -> Result<quinn::ServerConfig, QuicError> {
    let mut config = (*tls.config()).clone();
    config.alpn_protocols = vec![b"mqtt".to_vec()];
    let config = QuicServerConfig::try_from(config);
    let config = config.map_err(|error| QuicError::Tls(error.to_string()))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(config));
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(u64::from(WINDOW))
        .keep_alive_interval(Some(IDLE / 3))
        .max_idle_timeout(IdleTimeout::try_from(IDLE).ok());
    config.transport_config(Arc::new(transport));
    Ok(config)
}

async fn accept<F: Fn(Transport, Peer) + Send + Sync + 'static>(
    endpoint: Endpoint,
    door: Arc<Door<F>>,
) {
    while let Some(incoming) = endpoint.accept().await {
        if endpoint.open_connections() >= CONNECTIONS {
            incoming.refuse();
            continue;
        }
        // Whoever has not shown that the address is its own has to, when many come at once.
        if endpoint.open_connections() >= CONNECTIONS / 2 && !incoming.remote_address_validated() {
            let _ = incoming.retry();
            continue;
        }
        let from = Some(Address::Ip(incoming.remote_address()));
        let Ok(permit) = door.admission.admit(door.listener, from, Instant::now()) else {
            incoming.refuse();
            continue;
        };
        // Files may have been read again meanwhile.
        let Ok(config) = server_config(&door.tls) else {
            incoming.refuse();
            continue;
        };
        if let Ok(connecting) = incoming.accept_with(Arc::new(config)) {
            let door = Arc::clone(&door);
            tokio::spawn(async move {
                let connected = tokio::time::timeout(PATIENCE, connecting).await;
                if let Ok(Ok(connection)) = connected {
                    // What goes wrong with a connection is the end of it, and of nothing else.
                    let _ = carry(&connection, &door, permit).await;
                    connection.close(VarInt::from_u32(0), b"");
                }
            });
        }
    }
}

/// Makes a pipe of the first stream of `connection`, and carries bytes until either end is done.
async fn carry<F: Fn(Transport, Peer)>(
    connection: &Connection,
    door: &Door<F>,
    permit: Permit,
) -> io::Result<()> {
    let accepted = tokio::time::timeout(PATIENCE, connection.accept_bi()).await;
    let (mut to_client, mut from_client) = accepted??;
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let ours = tokio::net::UnixStream::from_std(ours)?;
    let transport = Transport::from_pipe(theirs)?.with_permit(permit);
    (door.deliver)(transport, peer(connection, door));
    let (mut from_broker, mut to_broker) = ours.into_split();
    // When the client has ended its stream, or is lost, the pipe ends with this task.
    let inwards = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_broker).await;
    });
    let outcome = tokio::io::copy(&mut from_broker, &mut to_client).await;
    if to_client.finish().is_ok() {
        // The last packet is to arrive before the connection ends.
        let _ = tokio::time::timeout(PATIENCE, to_client.stopped()).await;
    }
    inwards.abort();
    outcome.map(|_| ())
}

fn peer<F>(connection: &Connection, door: &Door<F>) -> Peer {
    let shown = connection.peer_identity();
    let shown = shown.and_then(|shown| shown.downcast::<Vec<CertificateDer<'static>>>().ok());
    let certificate = shown.and_then(|chain| Some(Arc::from(chain.first()?.as_ref())));
    Peer {
        listener: door.listener,
        address: Address::Ip(connection.remote_address()),
        local: Address::Ip(door.local),
        proxy: None,
        carrier: Carrier::Quic,
        tls: Some(TlsSession {
            version: TlsVersion::V1_3,
            certificate,
        }),
    }
}
