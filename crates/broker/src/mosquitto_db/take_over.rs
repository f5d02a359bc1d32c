//! What a database holds, as records of our own log.
//!
//! | in the database | here |
//! |---|---|
//! | a Session | [`Record::Session`], and [`Record::Detached`] since it lost its connection |
//! | a message to it, at QoS 1 or not sent yet | [`Record::Queued`] |
//! | at QoS 2 and sent | [`Record::Sending`]; [`Record::Releasing`] too, if PUBREC has come |
//! | a message from it, at QoS 2 and not released | [`Record::Received`]; and the message, on its way |
//!
//! Mosquitto passes a message of QoS 2 on when it is released, Dunlin when it comes. So one that waits
//! for its PUBREL is passed on when the records are restored, and never again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use dunlin_core::{
    Holder, LogId, Message, MessageId, Parked, Record, Route, SubscriptionIds, Timestamp, Told,
};
use dunlin_packet::{
    Frame, Packet, PacketId, PacketType, ProtocolVersion, Publish, QoS, SubscriptionOptions,
    TopicFilter,
};

use super::{Database, DatabaseError, Direction, QueuedMessage, StoredClient, StoredMessage};

/// The first number of a state in which PUBREC has come: a PUBREL is to be sent again (6), or PUBCOMP
/// is awaited (9).
const RELEASED: [u8; 2] = [6, 9];

/// States in which a message of QoS 2 has been sent, or may have been: it is to be sent (4), or PUBREC
/// is awaited (5).
const SENT: [u8; 2] = [4, 5];

/// A database as records, and what there is of everything.
#[derive(Debug, Default)]
pub(crate) struct TakenOver {
    /// In the order in which they go into the log.
    pub(crate) records: Vec<Record>,
    sessions: usize,
    subscriptions: usize,
    queued: usize,
    retained: usize,
    /// Messages at QoS 0 that waited.
    left_out: usize,
}

impl fmt::Display for TakenOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TakenOver {
            sessions,
            subscriptions,
            queued,
            retained,
            left_out,
            ..
        } = self;
        write!(
            f,
            "{sessions} Sessions, {subscriptions} subscriptions, {queued} messages that wait, {retained} Retained Messages"
        )?;
        match left_out {
            0 => Ok(()),
            _ => write!(f, "; without {left_out} messages that waited at QoS 0"),
        }
    }
}

impl Database {
    /// The records that make a broker go on from here. `source` says by which listener and how a Client
    /// has come in: see [`Holder::source`].
    ///
    /// # Errors
    /// The first thing that makes no sense.
    pub(crate) fn take_over(
        &self,
        now: Timestamp,
        source: impl Fn(&StoredClient) -> u64,
    ) -> Result<TakenOver, DatabaseError> {
        let stored = self
            .messages
            .iter()
            .map(|message| (message.number, message));
        let mut work = Work {
            database: self,
            stored: stored.collect(),
            last_number: 0,
            sessions: HashMap::new(),
            messages: HashMap::new(),
            taken: TakenOver::default(),
        };
        for client in &self.clients {
            work.session(client, now, source(client));
        }
        work.subscriptions()?;
        work.retained()?;
        for queued in &self.queued {
            work.queued(queued)?;
        }
        Ok(work.taken)
    }
}

/// A database on its way into records.
struct Work<'a> {
    database: &'a Database,
    stored: HashMap<u64, &'a StoredMessage>,
    last_number: u64,
    /// The Sessions that go on, by Client Identifier.
    sessions: HashMap<&'a str, LogId>,
    /// What has been recorded of the stored messages, by their numbers there.
    messages: HashMap<u64, Message>,
    taken: TakenOver,
}

impl<'a> Work<'a> {
    fn record(&mut self, record: Record) {
        self.taken.records.push(record);
    }

    /// A number that is not used for anything else. The six lowest bits of a name in the log are those
    /// of a shard: the first one.
    fn next_name(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number << 6
    }

    // ---------------------------------------------------------------- Sessions

    /// Begins a Session, unless it has ended by now.
    fn session(&mut self, client: &'a StoredClient, now: Timestamp, source: u64) {
        let expiry_interval = client.session_expiry_interval;
        let interval = u64::from(expiry_interval) * 1000;
        let at = match client.expires_at {
            0 => now,
            end => Timestamp::from_millis(end.saturating_mul(1000).saturating_sub(interval)),
        };
        if at.after_seconds(expiry_interval) <= now || client.client_id.is_empty() {
            return;
        }
        let session = LogId::from_u64(self.next_name());
        let user_name = Some(client.user_name.as_str()).filter(|name| !name.is_empty());
        self.record(Record::Session {
            session,
            client_id: client.client_id.as_str().into(),
            expiry_interval,
            holder: Holder {
                user_name: user_name.map(Arc::from),
                source,
            },
            told: Told::First,
        });
        self.record(Record::Detached {
            session,
            at: at.min(now),
        });
        self.sessions.insert(&client.client_id, session);
        self.taken.sessions = self.sessions.len();
    }

    /// Subscribes the Sessions, and begins the Shared Subscriptions among that.
    fn subscriptions(&mut self) -> Result<(), DatabaseError> {
        let mut groups = BTreeSet::new();
        for subscription in &self.database.subscriptions {
            let Some(&session) = self.sessions.get(&*subscription.client_id) else {
                continue;
            };
            let filter = subscription.filter.as_str();
            let wrong = || DatabaseError::Filter(filter.to_owned());
            TopicFilter::parse(filter).map_err(|_| wrong())?;
            let options = subscription.options & 0b0011_1100 | subscription.qos as u8;
            let options = SubscriptionOptions::from_byte(options).map_err(|_| wrong())?;
            groups.extend(filter.strip_prefix("$share/"));
            self.record(Record::Subscribed {
                session,
                filter: filter.into(),
                options,
                id: subscription.identifier,
            });
            self.taken.subscriptions += 1;
        }
        for name in groups {
            let group = LogId::from_u64(self.next_name());
            self.record(Record::Group {
                group,
                name: name.into(),
                told: Told::First,
            });
        }
        Ok(())
    }

    // ---------------------------------------------------------------- messages

    /// Keeps what is retained; but not what a broker says of itself.
    fn retained(&mut self) -> Result<(), DatabaseError> {
        let mut topics = HashSet::new();
        for number in &self.database.retained {
            let stored = self.stored(*number)?;
            if stored.topic.starts_with("$SYS/") || !topics.insert(&stored.topic) {
                continue;
            }
            let id = match stored.qos {
                QoS::AtMostOnce => MessageId::NONE,
                _ => MessageId::from_u64(self.next_name()),
            };
            let message = message(stored, id)?;
            self.messages.insert(*number, message.clone());
            self.record(Record::Retained {
                message,
                route: Route::default(),
            });
            self.taken.retained += 1;
        }
        Ok(())
    }

    /// A message of a queue, or in flight.
    fn queued(&mut self, queued: &QueuedMessage) -> Result<(), DatabaseError> {
        let Some(&session) = self.sessions.get(&*queued.client_id) else {
            return Ok(());
        };
        match queued.direction {
            Direction::In => self.received(session, queued),
            Direction::Out if queued.qos == QoS::AtMostOnce => {
                self.taken.left_out += 1;
                Ok(())
            }
            Direction::Out => self.due(session, queued),
        }
    }

    /// A message of QoS 2 that its Client has not released.
    fn received(&mut self, session: LogId, queued: &QueuedMessage) -> Result<(), DatabaseError> {
        let Some(packet_id) = PacketId::new(queued.packet_id) else {
            return Ok(());
        };
        let id = MessageId::from_u64(self.next_name());
        let message = message(self.stored(queued.number)?, id)?;
        let route = Route {
            crosses: true,
            publisher: session,
        };
        self.record(match message.retain() {
            true => Record::Retained { message, route },
            false => Record::Message { message, route },
        });
        self.record(Record::Received { session, packet_id });
        Ok(())
    }

    /// A message of QoS 1 or 2 that a Client is to get.
    fn due(&mut self, session: LogId, queued: &QueuedMessage) -> Result<(), DatabaseError> {
        let message = self.message(queued.number)?;
        let parked = Parked {
            message: message.id(),
            size: u32::try_from(message.size()).unwrap_or(u32::MAX),
            qos: queued.qos.min(message.qos()),
            retain: queued.retain,
            subscription_ids: subscription_ids(queued)?,
            expires_at: message.expires_at(),
        };
        self.taken.queued += 1;
        let is = |states: [u8; 2]| states.contains(&queued.state);
        let packet_id = PacketId::new(queued.packet_id);
        let sent =
            packet_id.filter(|_| queued.qos == QoS::ExactlyOnce && (is(SENT) || is(RELEASED)));
        let Some(packet_id) = sent else {
            self.record(Record::Queued { session, parked });
            return Ok(());
        };
        self.record(Record::Sending {
            session,
            packet_id,
            parked,
            group: None,
        });
        if is(RELEASED) {
            self.record(Record::Releasing { session, packet_id });
        }
        Ok(())
    }

    /// A stored message that waits for somebody; recorded when it is first needed.
    fn message(&mut self, number: u64) -> Result<Message, DatabaseError> {
        if let Some(known) = self.messages.get(&number)
            && known.id().is_some()
        {
            return Ok(known.clone());
        }
        let id = MessageId::from_u64(self.next_name());
        let message = message(self.stored(number)?, id)?;
        self.messages.insert(number, message.clone());
        self.record(Record::Message {
            message: message.clone(),
            route: Route::default(),
        });
        Ok(message)
    }

    fn stored(&self, number: u64) -> Result<&'a StoredMessage, DatabaseError> {
        let stored = self.stored.get(&number).copied();
        stored.ok_or(DatabaseError::NoMessage { number })
    }
}

/// A stored message as one of ours.
fn message(stored: &StoredMessage, id: MessageId) -> Result<Message, DatabaseError> {
    let number = stored.number;
    let body = publish_body(&stored.topic, &stored.properties, &stored.payload);
    let publish = decode(&body).map_err(|wrong| DatabaseError::Message { number, wrong })?;
    let expires_at = match stored.expires_at {
        0 => Timestamp::NEVER,
        seconds => Timestamp::from_millis(seconds.saturating_mul(1000)),
    };
    let (topic, properties) = (publish.topic, publish.properties);
    let (payload, qos, retain) = (publish.payload, stored.qos, stored.retain);
    Ok(Message::restored(
        topic, properties, payload, qos, retain, expires_at, id,
    ))
}

fn subscription_ids(queued: &QueuedMessage) -> Result<SubscriptionIds, DatabaseError> {
    let number = queued.number;
    let body = publish_body("t", &queued.properties, &[]);
    let publish = decode(&body).map_err(|wrong| DatabaseError::Message { number, wrong })?;
    let mut ids = SubscriptionIds::None;
    publish
        .properties
        .subscription_identifiers()
        .for_each(|id| ids.push(id));
    Ok(ids)
}

/// The body of a PUBLISH of 5.0 at QoS 0: so the reader of packets judges the parts.
fn publish_body(topic: &str, properties: &[u8], payload: &[u8]) -> Vec<u8> {
    let length =
        u16::try_from(topic.len()).expect("the length of a topic in the file has two bytes");
    let mut body = length.to_be_bytes().to_vec();
    body.extend_from_slice(topic.as_bytes());
    match properties {
        [] => body.push(0),
        properties => body.extend_from_slice(properties),
    }
    body.extend_from_slice(payload);
    body
}

fn decode(body: &[u8]) -> Result<Publish<'_>, dunlin_packet::Malformed> {
    let frame = Frame {
        packet_type: PacketType::Publish,
        flags: 0,
        body,
    };
    match Packet::decode(ProtocolVersion::V5, frame)? {
        Packet::Publish(publish) if publish.topic.is_empty() => {
            Err(dunlin_packet::Malformed::TopicNameMissing)
        }
        Packet::Publish(publish) => Ok(publish),
        _ => unreachable!("a PUBLISH frame holds a PUBLISH"),
    }
}
