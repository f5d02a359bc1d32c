//! The bridges of the configuration: from its words to what a bridge needs, their connections to
//! this broker, and their start and end.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use dunlin_bridge::{
    AddressOrder, Attach, Bridge, BridgeSettings, BridgeTls, Direction, HostName, LocalClient,
    Notifications, Privacy, RemoteClient, Restart, Rule, Start, TlsFiles,
};
use dunlin_core::{ConnectionId, Decision, Grant, Origin, Policy, Review};
use dunlin_net::Transport;
use dunlin_packet::{Connect, ProtocolVersion, QoS, ReasonCode};

use super::config::{
    BridgeConfig, BridgeDirection, BridgeNotifications, BridgeStart, BridgeTls as TlsConfig,
    BridgeTopic, BridgeVersion, Config, TlsVersion,
};
use super::mail::{Mail, Post};

/// What stands for a listener where a bridge of this process connects.
const LISTENER: u32 = Origin::WITHIN;

/// Marks the grant of a bridge.
const SOURCE: u64 = u64::MAX;

/// How long bridges may take to end, all together.
const STOPPING: Duration = Duration::from_secs(3);

/// What makes the bridges of the configuration; their files have been read.
pub(super) struct PreparedBridges(Vec<BridgeSettings>);

impl PreparedBridges {
    /// Reads what the configuration names.
    pub(super) fn read(config: &Config) -> anyhow::Result<Self> {
        let mut prepared = Vec::new();
        let mut client_ids = HashSet::new();
        for bridge in &config.bridges {
            let failed = || format!("bridge {}", bridge.name);
            ensure!(
                client_ids.insert(local_client_id(bridge)),
                "bridge {}: another one has its Client Identifier; give it a local_client_id",
                bridge.name
            );
            prepared.push(settings(bridge, config).with_context(failed)?);
        }
        Ok(PreparedBridges(prepared))
    }

    /// Starts them, once the shards run.
    pub(super) fn start(self, posts: &[Post]) -> anyhow::Result<Bridges> {
        let bridges = self.0.into_iter();
        let started = bridges.map(|settings| Bridge::start(settings, attach(posts)));
        let started: Result<Vec<_>, _> = started.collect();
        Ok(Bridges(started.context("cannot start a bridge")?))
    }
}

/// All bridges that run.
pub(super) struct Bridges(Vec<Bridge>);

impl Bridges {
    /// Ends all of them in order, while the shards still run.
    pub(super) fn stop(mut self) {
        self.0.iter_mut().for_each(Bridge::stop);
        let deadline = Instant::now() + STOPPING;
        for bridge in &self.0 {
            if !bridge.wait(deadline) {
                tracing::warn!(bridge = bridge.name(), "bridge does not stop; left alone");
            }
        }
    }
}

/// Sends the broker's end of a socket pair to a shard.
fn attach(posts: &[Post]) -> Attach {
    // Any shard will do: it passes the connection to the one whose Session it asks for.
    let post = posts[0].clone();
    Box::new(move |stream| {
        let transport = Transport::try_from(stream)?;
        let origin = Origin {
            listener: LISTENER,
            ..Origin::default()
        };
        let _ = post.send(&mut vec![Mail::Joined { transport, origin }]);
        Ok(())
    })
}

// ------------------------------------------------------------------------- who they are here

/// Lets the bridges of this process in, and nobody else by their names; leaves all others to the
/// policy behind it.
pub(super) struct TrustBridges<P> {
    others: P,
    client_ids: HashSet<String>,
    /// Connections of bridges that have not sent CONNECT.
    entering: HashSet<ConnectionId>,
}

impl<P: Policy> TrustBridges<P> {
    pub(super) fn new(config: &Config, others: P) -> Self {
        TrustBridges {
            others,
            client_ids: config.bridges.iter().map(local_client_id).collect(),
            entering: HashSet::new(),
        }
    }
}

impl<P: Policy> Policy for TrustBridges<P> {
    fn opened(&mut self, connection: ConnectionId, origin: &Origin) {
        if origin.listener == LISTENER {
            self.entering.insert(connection);
        } else {
            self.others.opened(connection, origin);
        }
    }

    fn client_id(&mut self, connection: ConnectionId, connect: &Connect<'_>) -> Option<String> {
        self.others.client_id(connection, connect)
    }

    fn connect(&mut self, connection: ConnectionId, connect: &Connect<'_>) -> Decision {
        if self.entering.remove(&connection) {
            return Decision::accept(Grant {
                user_name: connect.user_name.map(Into::into),
                source: SOURCE,
                ..Grant::default()
            });
        }
        if self.client_ids.contains(connect.client_id) {
            return Decision::refuse(ReasonCode::ClientIdentifierNotValid);
        }
        self.others.connect(connection, connect)
    }

    fn authenticate(&mut self, connection: ConnectionId, method: &str, data: &[u8]) -> Decision {
        self.others.authenticate(connection, method, data)
    }

    fn closed(&mut self, connection: ConnectionId) {
        self.entering.remove(&connection);
        self.others.closed(connection);
    }

    fn review(&mut self, client_id: &str, grant: &Grant) -> Review {
        match grant.source {
            SOURCE if self.client_ids.contains(client_id) => Review::Keep,
            SOURCE => Review::End,
            _ => self.others.review(client_id, grant),
        }
    }
}

// ------------------------------------------------------------------------- what they are made of

fn remote_client_id(bridge: &BridgeConfig) -> String {
    bridge.remote_client_id.clone().unwrap_or_else(|| {
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy();
        format!("{host}.{}", bridge.name)
    })
}

fn local_client_id(bridge: &BridgeConfig) -> String {
    let chosen = bridge.local_client_id.clone();
    chosen.unwrap_or_else(|| format!("local.{}", remote_client_id(bridge)))
}

fn settings(bridge: &BridgeConfig, config: &Config) -> anyhow::Result<BridgeSettings> {
    ensure!(!bridge.addresses.is_empty(), "there is no address");
    ensure!(!bridge.topics.is_empty(), "there is no topic");
    let clean_here = bridge.local_clean_session.unwrap_or(bridge.clean_session);
    let topic = bridge.notification_topic.clone();
    let topic = topic
        .unwrap_or_else(|| format!("$SYS/broker/connection/{}/state", remote_client_id(bridge)));
    let told = bridge.notifications != BridgeNotifications::Off;
    let rules: anyhow::Result<Vec<Rule>> = bridge.topics.iter().map(rule).collect();
    let tls = bridge.tls.is_wanted().then(|| tls(&bridge.tls));
    Ok(BridgeSettings {
        name: bridge.name.clone(),
        addresses: bridge.addresses.clone(),
        order: match bridge.round_robin {
            true => AddressOrder::RoundRobin,
            false => AddressOrder::FirstPreferred,
        },
        bind_address: bridge.bind_address.clone(),
        tls: tls.transpose()?.map(Arc::new),
        start: match bridge.start {
            BridgeStart::Automatic => Start::Automatic,
            BridgeStart::Once => Start::Once,
            BridgeStart::Lazy => Start::Lazy {
                threshold: bridge.lazy_threshold as usize,
                idle_timeout: bridge.lazy_idle_timeout,
            },
        },
        restart: Restart {
            base: bridge.restart_base,
            cap: bridge.restart_cap,
        },
        remote: RemoteClient {
            version: match bridge.version {
                BridgeVersion::V3_1 => ProtocolVersion::V3_1,
                BridgeVersion::V3_1_1 => ProtocolVersion::V3_1_1,
                BridgeVersion::V5 => ProtocolVersion::V5,
            },
            privacy: match bridge.try_private {
                true => Privacy::Tried,
                false => Privacy::Plain,
            },
            client_id: remote_client_id(bridge),
            user_name: bridge.remote_user_name.clone(),
            password: bridge.remote_password.clone(),
            clean_start: bridge.clean_session,
            keep_alive: u16::try_from(bridge.keep_alive.as_secs()).unwrap_or(u16::MAX),
        },
        local: LocalClient {
            client_id: local_client_id(bridge),
            user_name: bridge.local_user_name.clone(),
            clean_start: clean_here,
            topic_levels: config.limits.topic_levels,
        },
        notifications: told.then(|| Notifications {
            topic,
            remote: bridge.notifications == BridgeNotifications::Both,
        }),
        topics: rules?,
        attempt_unsubscribe: bridge.attempt_unsubscribe,
        outgoing_retain: bridge.outgoing_retain,
        maximum_packet_size: bridge.max_packet_size,
    })
}

fn rule(topic: &BridgeTopic) -> anyhow::Result<Rule> {
    let direction = match topic.direction {
        BridgeDirection::Out => Direction::Out,
        BridgeDirection::In => Direction::In,
        BridgeDirection::Both => Direction::Both,
    };
    let qos = match topic.qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    };
    let (here, there) = (&topic.local_prefix, &topic.remote_prefix);
    Ok(Rule::new(&topic.pattern, direction, qos, here, there)?)
}

fn tls(tls: &TlsConfig) -> anyhow::Result<BridgeTls> {
    let files = TlsFiles {
        authorities: tls.cafile.clone(),
        authorities_folder: tls.capath.clone(),
        system_authorities: tls.use_os_certs,
        identity: tls.certfile.clone().zip(tls.keyfile.clone()),
        host_name: match tls.insecure {
            true => HostName::Any,
            false => HostName::Checked,
        },
        alpn: tls.alpn.clone(),
        only_tls13: tls.minimum_version == TlsVersion::V1_3,
    };
    Ok(BridgeTls::load(&files)?)
}
