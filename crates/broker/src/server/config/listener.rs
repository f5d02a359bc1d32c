//! Where Clients connect, with what protocol, and what holds for those who come that way.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use dunlin_auth::Anonymous;
use dunlin_core::{MountPoint, Terms};
use dunlin_net::ClientCertificates;
use dunlin_packet::QoS;

use super::Durability;
use super::field::choice;

/// One place to listen, as meant: everything that it takes from the rest of the configuration is
/// in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenerConfig {
    /// What logs and metrics call it; the address, if it was given no name.
    pub(crate) name: String,
    pub(crate) address: ListenAddress,
    /// What its first bytes may be.
    pub(crate) protocols: Protocols,
    /// How it speaks TLS. `None`: it cannot, and TLS is refused whatever `protocols` says.
    pub(crate) tls: Option<TlsConfig>,
    /// Whether each connection begins with the PROXY protocol, version 1 or 2, which says who is
    /// behind it. Only for a listener that nobody but the proxy reaches.
    pub(crate) proxy_protocol: bool,
    /// Origins that a WebSocket handshake may come from, such as `https://example.org`. `local`: from this
    /// machine. Empty: any, and none.
    pub(crate) origins: Vec<String>,
    /// Who may come in.
    pub(crate) access: AccessConfig,
    /// Connections of this listener at the same time, in all shards together. `None`: only the
    /// bounds of the process count.
    pub(crate) max_connections: Option<usize>,
    /// The highest QoS that its Clients may publish with and subscribe to; announced as Maximum QoS.
    pub(crate) max_qos: QoS,
    /// Topic Aliases that its Clients may use, instead of `limits.topic_aliases_in`.
    pub(crate) max_topic_alias: Option<u16>,
    /// What acknowledgements promise here, if the process promises as much.
    pub(crate) durability: Durability,
    /// What is put before every topic of its Clients, and taken off again on the way to them.
    pub(crate) mount_point: Option<MountPoint>,
}

/// The address of a listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListenAddress {
    /// An IP address and a TCP port; port 0 takes any free one. With 127.0.0.1, [::1] is bound as
    /// well where the machine has it.
    Ip(SocketAddr),
    /// A host name, every address of which is bound, and a TCP port.
    Host(String, u16),
    /// A port on every address of this machine: IPv4 and IPv6, or one of them.
    Everywhere(u16, Family),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// Which version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Both, as far as the machine has them.
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl ListenAddress {
    /// Whether only this machine can reach it.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            ListenAddress::Ip(address) => address.ip().is_loopback(),
            ListenAddress::Host(host, _) => {
                host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
            }
            ListenAddress::Everywhere(..) => false,
            ListenAddress::Unix(_) => true,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Ip(address) => write!(f, "{address}"),
            ListenAddress::Host(host, port) => write!(f, "{host}:{port}"),
            ListenAddress::Everywhere(port, _) => write!(f, "*:{port}"),
            ListenAddress::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What a connection may speak: MQTT itself or in WebSocket frames, each in TLS or not; and QUIC,
/// for which a UDP socket is bound to the same port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Protocols(u8);

/// One way to speak MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Protocol {
    /// Plain MQTT.
    Mqtt = 1,
    /// MQTT in TLS.
    Mqtts = 2,
    /// WebSocket.
    Ws = 4,
    /// WebSocket in TLS.
    Wss = 8,
    /// MQTT over QUIC.
    Quic = 16,
}

impl Protocols {
    /// All that comes over TCP; the first bytes tell them apart.
    pub(crate) const ANY: Protocols = Protocols(15);

    /// Exactly these.
    pub(crate) fn of(protocols: &[Protocol]) -> Self {
        Protocols(protocols.iter().fold(0, |set, one| set | *one as u8))
    }

    /// Whether a connection may speak `protocol`.
    pub(crate) const fn allows(self, protocol: Protocol) -> bool {
        self.0 & protocol as u8 != 0
    }
}

/// What a listener needs to speak TLS 1.2 and 1.3. Files are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsConfig {
    pub(crate) identity: TlsIdentity,
    /// Certificates of the authorities that Clients' certificates must come from.
    pub(crate) cafile: Option<PathBuf>,
    /// A directory with more of these, in files that end in `.pem` or `.crt`.
    pub(crate) capath: Option<PathBuf>,
    /// Certificates that are not valid any more.
    pub(crate) crlfile: Option<PathBuf>,
    /// Whether a Client must, or may, show a certificate.
    pub(crate) client_certificates: ClientCertificates,
    /// The lowest version.
    pub(crate) minimum_version: TlsVersion,
    /// Names of cipher suites of TLS 1.2, by preference. Empty: the default ones.
    pub(crate) ciphers: Vec<String>,
    /// Names of cipher suites of TLS 1.3, by preference. Empty: the default ones.
    pub(crate) ciphers_tls13: Vec<String>,
    /// What of the Client's certificate is its User Name.
    pub(crate) user_name: UserNameFrom,
    /// Where to write the secrets of each connection, to decrypt recordings of it. For debugging only.
    pub(crate) keylog: Option<PathBuf>,
}

impl TlsConfig {
    /// Whether nobody comes in without a certificate that says who it is.
    pub(crate) fn identifies(&self) -> bool {
        match self.client_certificates {
            ClientCertificates::Required => true,
            ClientCertificates::NotAsked => self.user_name != UserNameFrom::Connect,
            ClientCertificates::Optional => false,
        }
    }
}

/// Where the server's certificate and its key come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TlsIdentity {
    Files {
        /// The chain, the server's own certificate first.
        certfile: PathBuf,
        keyfile: PathBuf,
    },
    /// An authority issues the certificate, and renews it.
    Acme(AcmeConfig),
}

/// A certificate that is issued by ACME (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AcmeConfig {
    /// For which name: letters, digits, hyphens and dots, in lower case.
    pub(crate) domain: String,
    /// Where the authority may write to.
    pub(crate) email: Option<String>,
    /// The address of the authority's directory.
    pub(crate) directory: String,
    /// Who vouches for that address. `None`: whom the system trusts.
    pub(crate) cafile: Option<PathBuf>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TlsVersion {
    #[default]
    V1_2,
    V1_3,
}

/// Where the User Name of a Client comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum UserNameFrom {
    /// Its CONNECT.
    #[default]
    Connect,
    /// The Common Name in its certificate; the password file is not asked.
    CommonName,
    /// The whole subject of its certificate, as in `CN=a,O=b`; the password file is not asked.
    Subject,
    /// The first Subject Alternative Name of its certificate; the password file is not asked.
    SubjectAlternativeName,
}

/// Who may connect through a listener, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessConfig {
    /// Which Clients may come in without being known.
    pub(crate) anonymous: Anonymous,
    /// Users with the hashes of their passwords, as `mosquitto_passwd` writes them.
    pub(crate) password_file: Option<PathBuf>,
    /// Permissions, in Mosquitto's format.
    pub(crate) acl_file: Option<PathBuf>,
    /// Whether a Client may leave its Client Identifier to the server.
    pub(crate) allow_zero_length_client_id: bool,
    /// What a Client Identifier begins with that the server chose; `None`: the server's default.
    pub(crate) auto_id_prefix: Option<String>,
    /// Whether the User Name takes the place of the Client Identifier.
    pub(crate) use_user_name_as_client_id: bool,
}

impl AccessConfig {
    /// What a Client Identifier begins with that the server chose.
    pub(crate) fn auto_id_prefix(&self) -> &str {
        let prefix = self.auto_id_prefix.as_deref();
        prefix.unwrap_or(Terms::CLIENT_ID_PREFIX)
    }
}

impl Default for AccessConfig {
    fn default() -> Self {
        AccessConfig {
            anonymous: Anonymous::Nobody,
            password_file: None,
            acl_file: None,
            allow_zero_length_client_id: true,
            auto_id_prefix: None,
            use_user_name_as_client_id: false,
        }
    }
}

choice!(Protocol { Mqtt = "mqtt", Mqtts = "mqtts", Ws = "ws", Wss = "wss", Quic = "quic" });
choice!(TlsVersion { V1_2 = "1.2", V1_3 = "1.3" });
choice!(UserNameFrom {
    Connect = "connect",
    CommonName = "common_name",
    Subject = "subject",
    SubjectAlternativeName = "subject_alternative_name",
});
