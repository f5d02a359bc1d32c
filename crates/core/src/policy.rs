//! The door for authentication and authorisation: decisions that are made outside of core.
//!
//! A [`Policy`] says who a Client is. What it may do from then on is its [`Grant`], which stays with
//! the Session: [`Grant::allows`] is asked for every PUBLISH, every subscription, every delivery
//! (of a Retained Message, from a Shared Subscription, and of what has waited, too) and every Will.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use dunlin_packet::{Connect, ReasonCode};

use crate::id::ConnectionId;
use crate::mount::MountPoint;
use crate::time::Timestamp;

/// Who may connect, and what a Client may do then.
///
/// One per shard. It decides from what it holds in memory; what takes longer it begins elsewhere,
/// answers [`Decision::Pending`], and the driver says [`Input::Decided`](crate::Input::Decided)
/// later.
pub trait Policy: Send {
    /// A connection comes from here. Said before its CONNECT, if the driver knows.
    fn opened(&mut self, connection: ConnectionId, origin: &Origin) {
        let _ = (connection, origin);
    }

    /// What a Client is called, if its CONNECT does not say it with its Client Identifier. Asked first
    /// of all, as the Session's home depends on it; so nothing is known of the Client but what it says.
    fn client_id(&mut self, connection: ConnectionId, connect: &Connect<'_>) -> Option<String> {
        let _ = (connection, connect);
        None
    }

    /// Judges a CONNECT. With an Authentication Method in it this begins an exchange.
    fn connect(&mut self, connection: ConnectionId, connect: &Connect<'_>) -> Decision;

    /// Judges the next AUTH of an exchange that [`Decision::Continue`] keeps open, or that a Client
    /// begins anew with Re-authenticate (0x19).
    fn authenticate(&mut self, connection: ConnectionId, method: &str, data: &[u8]) -> Decision;

    /// The connection has ended, or belongs to another shard; what was kept for it can go.
    fn closed(&mut self, connection: ConnectionId) {
        let _ = connection;
    }

    /// What has become of a grant, after [`Input::PolicyChanged`](crate::Input::PolicyChanged); or of
    /// one that another process gave, of which only user name and source are known.
    fn review(&mut self, client_id: &str, grant: &Grant) -> Review {
        let _ = (client_id, grant);
        Review::Keep
    }
}

/// Where a Network Connection comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The listener that it came in by, in the driver's numbering.
    pub listener: u32,
    /// The Client's address; none where it has none (a Unix socket).
    pub address: Option<IpAddr>,
    /// The certificate (DER) by which the Client has proved to the TLS layer who it is.
    pub certificate: Option<Arc<[u8]>>,
}

impl Origin {
    /// In the place of a listener: the connection was made within this process. Its Client is trusted
    /// not to abuse it.
    pub const WITHIN: u32 = u32::MAX;
}

/// What a Client wants to do with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Publish to a Topic Name, itself or by its Will.
    Publish,
    /// Receive a message with a Topic Name.
    Receive,
    /// Subscribe to a Topic Filter; of a Shared Subscription, the one behind its ShareName.
    Subscribe,
}

/// The rules that one Client is under. Asked for every message: it must be quick.
pub trait Access: Any + fmt::Debug + Send + Sync {
    /// Whether they allow an action. The text is a Topic Filter for [`Action::Subscribe`], else a
    /// Topic Name.
    fn allows(&self, action: Action, topic: &str) -> bool;
}

/// What authentication has found out about a Client, and what the Client may do.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Who it is; `None`: nobody has asked.
    pub user_name: Option<Arc<str>>,
    /// What stands before all its topics.
    pub mount_point: Option<MountPoint>,
    /// The rules, which see whole topics; `None`: everything is allowed.
    pub access: Option<Arc<dyn Access>>,
    /// The connection ends then with Maximum connect time (0xA0).
    pub expires_at: Timestamp,
    /// For the policy's own use: what it has to know again in [`Policy::review`].
    pub source: u64,
}

impl Default for Grant {
    fn default() -> Self {
        Grant {
            user_name: None,
            mount_point: None,
            access: None,
            expires_at: Timestamp::NEVER,
            source: 0,
        }
    }
}

impl Grant {
    /// Whether the rules allow an action; see [`Access::allows`]. Nothing outside of the mount point
    /// is allowed.
    #[inline]
    pub fn allows(&self, action: Action, topic: &str) -> bool {
        let mount_point = self.mount_point.as_ref();
        if mount_point.is_some_and(|mount_point| mount_point.rest(topic).is_none()) {
            return false;
        }
        let allowed = |access: &Arc<dyn Access>| access.allows(action, topic);
        self.access.as_ref().is_none_or(allowed)
    }
}

/// What becomes of a grant when rules have changed.
#[derive(Clone, Debug)]
pub enum Review {
    /// It stays as it is.
    Keep,
    /// This one takes its place.
    Replace(Grant),
    /// The Client is known no more, or by other credentials: its connection ends with Not
    /// authorized (0x87).
    End,
}

/// What comes of a CONNECT or an AUTH.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Let in.
    Accept {
        /// The last Authentication Data of the exchange, if it was one: goes into CONNACK or the
        /// final AUTH.
        data: Option<Vec<u8>>,
        /// What the Client may do.
        grant: Grant,
    },
    /// Send this Authentication Data and wait for the next AUTH. (0x18)
    Continue {
        /// The next Authentication Data.
        data: Vec<u8>,
    },
    /// Known later: [`Input::Decided`](crate::Input::Decided) follows. Nothing more is read from the
    /// Client until then.
    Pending,
    /// Refused.
    Refuse(Refusal),
}

impl Decision {
    /// Let in, without an exchange.
    pub const fn accept(grant: Grant) -> Self {
        Decision::Accept { data: None, grant }
    }

    /// Refused with nothing but a Reason Code.
    pub const fn refuse(reason: ReasonCode) -> Self {
        Decision::Refuse(Refusal::new(reason))
    }
}

/// Why a CONNECT or an AUTH is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 0x80 or more.
    pub reason: ReasonCode,
    /// For a person to read.
    pub reason_string: Option<String>,
    /// Another Server to use, with Use another server (0x9C) and Server moved (0x9D).
    pub server_reference: Option<String>,
}

impl Refusal {
    /// A refusal with nothing but a Reason Code.
    pub const fn new(reason: ReasonCode) -> Self {
        Refusal {
            reason,
            reason_string: None,
            server_reference: None,
        }
    }
}

/// Everybody may do everything; no Authentication Method is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Policy for AllowAll {
    fn connect(&mut self, _: ConnectionId, connect: &Connect<'_>) -> Decision {
        match connect.properties.authentication_method() {
            // [MQTT-4.12.0-1]
            Some(_) => Decision::refuse(ReasonCode::BadAuthenticationMethod),
            None => Decision::accept(Grant::default()),
        }
    }

    fn authenticate(&mut self, _: ConnectionId, _: &str, _: &[u8]) -> Decision {
        Decision::refuse(ReasonCode::BadAuthenticationMethod)
    }
}

/// Whether a Topic Name is the broker's own, which no Client publishes to: its counters, and what
/// stands for something else in a Topic Filter. A bridge tells its state there.
pub fn is_reserved(topic: &str) -> bool {
    let Some(name) = topic.strip_prefix('$') else {
        return false;
    };
    match name.split_once('/').map_or((name, ""), |split| split) {
        ("SYS", rest) => !is_bridge_state(rest),
        ("share" | "replay", _) => true,
        _ => false,
    }
}

/// `broker/connection/{name}/state`.
fn is_bridge_state(topic: &str) -> bool {
    let name = topic.strip_prefix("broker/connection/");
    let name = name.and_then(|rest| rest.strip_suffix("/state"));
    name.is_some_and(|name| !name.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brokers_own_topics_are_reserved() {
        for topic in ["$SYS", "$SYS/broker/uptime", "$share/g/a", "$replay/1/a"] {
            assert!(is_reserved(topic), "{topic}");
        }
        for topic in [
            "a/$SYS",
            "$SYSTEM/a",
            "$own",
            "$SYS/broker/connection/b1/state",
        ] {
            assert!(!is_reserved(topic), "{topic}");
        }
    }
}
