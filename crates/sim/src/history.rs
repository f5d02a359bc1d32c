//! What happened, as far as the promises are concerned: written down by the Clients and by the
//! world, read by the checkers.
//!
//! Every entry has a [`Moment`], a number that grows with each; so "before" can be told where the
//! virtual clock stands still.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_packet::{PacketId, QoS, SubscriptionOptions, TopicFilter, TopicName};

use crate::network::LinkNumber;

/// A place in the order of all that happened.
pub type Moment = u64;

/// Numbers messages by when they were first sent; goes into their payload.
pub type PublicationNumber = usize;

/// Numbers Sessions over the whole run.
pub type SessionNumber = usize;

/// What its publisher knows of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not acknowledged: it may or may not have been accepted.
    Unknown,
    /// Acknowledged with success.
    Accepted(Moment),
    /// Acknowledged with a Reason Code of 0x80 or more.
    Refused,
}

/// A message that a Client published, or its Will.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Who.
    pub client: usize,
    /// Topic Name.
    pub topic: String,
    /// With which QoS.
    pub qos: QoS,
    /// Whether to be retained.
    pub retain: bool,
    /// Bytes of payload; 0 clears the Retained Message.
    pub size: usize,
    /// Message Expiry Interval in seconds.
    pub expiry: Option<u32>,
    /// Whether it is a Will.
    pub will: bool,
    /// When it was sent first, or, a Will, accepted.
    pub sent: Moment,
    /// The virtual time of that.
    pub sent_at: u64,
    /// How often it was sent.
    pub transmissions: u32,
    /// What came back.
    pub outcome: Outcome,
    /// Counts crashes of the broker.
    pub era: u32,
}

/// A subscription that SUBACK confirmed.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Topic Filter.
    pub filter: String,
    /// What was asked for, with the QoS that was granted.
    pub options: SubscriptionOptions,
    /// When SUBSCRIBE was sent.
    pub wished: Moment,
    /// When SUBACK came.
    pub from: Moment,
    /// When the Client sent what ends it or makes it less, and when all that the shards had to say
    /// to each other before that was last heard.
    pub until: Option<(Moment, Moment)>,
}

/// A Session of the broker.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whose.
    pub client: usize,
    /// When it began.
    pub began: Moment,
    /// When it ended.
    pub ended: Option<Moment>,
    /// When all that the shards had to say to each other before that was last heard.
    ended_quiet: Moment,
    /// Whatever was asked for: filter, options, Subscription Identifier.
    pub wishes: Vec<(String, SubscriptionOptions, u32)>,
    /// When a SUBSCRIBE or UNSUBSCRIBE for a filter was sent last.
    touched: BTreeMap<String, Moment>,
    /// What was confirmed.
    pub grants: Vec<Grant>,
    /// Filters that an UNSUBSCRIBE was sent for.
    pub given_up: BTreeSet<String>,
}

/// A message that reached a Client, repeated QoS 2 packets left out.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// In which Session.
    pub session: SessionNumber,
    /// On which connection.
    pub link: LinkNumber,
    /// Which message; none with an empty payload.
    pub publication: Option<PublicationNumber>,
    /// Topic Name, an alias resolved.
    pub topic: String,
    /// With which QoS.
    pub qos: QoS,
    /// RETAIN.
    pub retain: bool,
    /// DUP.
    pub dup: bool,
    /// Packet Identifier.
    pub packet_id: Option<PacketId>,
    /// Subscription Identifiers.
    pub identifiers: Vec<u32>,
    /// When.
    pub at: Moment,
}

/// Where a replay begins.
#[derive(Clone, Copy, Debug)]
pub enum ReplayedFrom {
    /// With all that there is.
    First,
    /// After this position.
    After(u64),
    /// So many seconds ago.
    Since(u64),
}

/// A replay that a Client has asked for. Its Subscription Identifier is its place among all, from 1.
#[derive(Clone, Debug)]
pub struct Replay {
    /// On which connection.
    pub link: LinkNumber,
    /// As in SUBSCRIBE.
    pub text: String,
    /// The Topic Filter in that.
    pub filter: &'static str,
    /// Where it begins.
    pub from: ReplayedFrom,
    /// The virtual time of SUBSCRIBE.
    pub asked_at: u64,
    /// That of SUBACK.
    pub granted_at: Option<u64>,
    /// The Client has ended it.
    pub ended: bool,
    /// The positions of what came.
    pub positions: Vec<u64>,
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which checker found it.
    pub checker: &'static str,
    /// What was wrong.
    pub what: String,
}

/// Everything that was written down.
#[derive(Debug, Default)]
pub struct History {
    last: Moment,
    /// When all that shards had to say to each other was last heard.
    pub quiet: Moment,
    /// How often the broker has crashed.
    pub era: u32,
    /// The log has no room: what is not promised to be durable is not retained.
    pub log_is_full: bool,
    /// It had none at some time.
    pub log_was_full: bool,
    /// All messages.
    pub publications: Vec<Publication>,
    /// All Sessions.
    pub sessions: Vec<Session>,
    /// All that reached Clients.
    pub deliveries: Vec<Delivery>,
    /// All replays.
    pub replays: Vec<Replay>,
    /// Connections that their Client was told of.
    pub greeted: BTreeSet<LinkNumber>,
    /// When connections ended, for the broker.
    pub ends: BTreeMap<LinkNumber, Moment>,
    /// Promises that were seen broken while it happened.
    pub violations: Vec<Violation>,
}

impl History {
    /// The next moment.
    pub fn moment(&mut self) -> Moment {
        self.last += 1;
        self.last
    }

    /// A promise is broken.
    pub fn violation(&mut self, checker: &'static str, what: String) {
        self.violations.push(Violation { checker, what });
    }

    /// A message is about to be sent for the first time.
    pub fn publish(&mut self, publication: Publication) -> PublicationNumber {
        self.publications.push(publication);
        self.publications.len() - 1
    }

    /// A message was acknowledged with success.
    pub fn accepted(&mut self, number: PublicationNumber) {
        let moment = self.moment();
        let outcome = &mut self.publications[number].outcome;
        if *outcome == Outcome::Unknown {
            *outcome = Outcome::Accepted(moment);
        }
    }

    /// A Session begins.
    pub fn begin_session(&mut self, client: usize) -> SessionNumber {
        let began = self.moment();
        self.sessions.push(Session {
            client,
            began,
            ended: None,
            ended_quiet: 0,
            wishes: Vec::new(),
            touched: BTreeMap::new(),
            grants: Vec::new(),
            given_up: BTreeSet::new(),
        });
        self.sessions.len() - 1
    }

    /// The latest Session of a Client, if it has not ended.
    pub fn session_of(&self, client: usize) -> Option<SessionNumber> {
        let is_it = |session: &Session| session.client == client && session.ended.is_none();
        self.sessions.iter().rposition(is_it)
    }

    /// A SUBSCRIBE is about to be sent: what it makes less of, ends. Gives when that was.
    pub fn wish(
        &mut self,
        session: SessionNumber,
        filter: &str,
        options: SubscriptionOptions,
        id: u32,
    ) -> Moment {
        let (moment, quiet) = (self.moment(), self.quiet);
        let session = &mut self.sessions[session];
        session.wishes.push((filter.to_owned(), options, id));
        session.touched.insert(filter.to_owned(), moment);
        for grant in session.grants_of(filter) {
            if options.qos < grant.options.qos || options.no_local != grant.options.no_local {
                grant.until = grant.until.or(Some((moment, quiet)));
            }
        }
        moment
    }

    /// SUBACK came for what was sent at `wished`.
    pub fn grant(
        &mut self,
        session: SessionNumber,
        filter: String,
        options: SubscriptionOptions,
        wished: Moment,
    ) {
        let from = self.moment();
        let session = &mut self.sessions[session];
        // What was sent since then may be less, and in force already.
        if session.touched.get(&filter) == Some(&wished) {
            session.grants.push(Grant {
                filter,
                options,
                wished,
                from,
                until: None,
            });
        }
    }

    /// An UNSUBSCRIBE is about to be sent.
    pub fn give_up(&mut self, session: SessionNumber, filter: &str) {
        let (moment, quiet) = (self.moment(), self.quiet);
        let session = &mut self.sessions[session];
        session.touched.insert(filter.to_owned(), moment);
        session.given_up.insert(filter.to_owned());
        for grant in session.grants_of(filter) {
            grant.until = grant.until.or(Some((moment, quiet)));
        }
    }

    /// A Client's Session ends.
    pub fn end_session(&mut self, client: usize) {
        let moment = self.moment();
        if let Some(session) = self.session_of(client) {
            self.sessions[session].ended = Some(moment);
            self.sessions[session].ended_quiet = self.quiet;
        }
    }

    /// The broker has crashed before it was sure that a Session had ended: it is there again. What came
    /// after its end is not promised to it.
    pub fn revive(&mut self, number: SessionNumber) {
        let session = &mut self.sessions[number];
        if let Some(ended) = session.ended.take() {
            let until = Some((ended, session.ended_quiet));
            for grant in &mut session.grants {
                grant.until = grant.until.or(until);
            }
        }
    }

    /// The broker has crashed. Nobody was told that a Will is accepted: it may be lost. So may what
    /// Clients have published by the listener without durability.
    pub fn crash(&mut self, is_passing: impl Fn(usize) -> bool) {
        self.era += 1;
        for publication in &mut self.publications {
            let is_promised = !publication.will && !is_passing(publication.client);
            if !is_promised && matches!(publication.outcome, Outcome::Accepted(_)) {
                publication.outcome = Outcome::Unknown;
            }
        }
    }
}

impl Session {
    fn grants_of(&mut self, filter: &str) -> impl Iterator<Item = &mut Grant> {
        self.grants
            .iter_mut()
            .filter(move |grant| grant.filter == filter)
    }
}

impl Grant {
    /// Whether messages to a topic are for it.
    pub fn matches(&self, topic: &str) -> bool {
        matches(&self.filter, topic)
    }
}

/// Whether a filter matches a topic.
pub fn matches(filter: &str, topic: &str) -> bool {
    TopicFilter::parse(filter).is_ok_and(|filter| filter.matches(TopicName::from_validated(topic)))
}

impl Publication {
    /// Whether it could have expired until `now`.
    pub fn may_have_expired(&self, now: u64) -> bool {
        self.expiry
            .is_some_and(|seconds| self.sent_at + u64::from(seconds) * 1000 <= now)
    }
}
