//! What the records of a log come to.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write};

use dunlin_core::{LogId, Message, MessageId, Record};
use dunlin_packet::PacketId;
use serde_json::{Value, json};

/// Sessions, Shared Subscriptions and Retained Messages.
#[derive(Default)]
pub(super) struct Contents {
    sessions: BTreeMap<u64, Session>,
    groups: BTreeMap<u64, Group>,
    retained: BTreeMap<String, Message>,
    /// Messages of the part that is replayed.
    messages: BTreeMap<u64, Message>,
    /// Records that could not be read.
    pub(super) unknown: u64,
}

#[derive(Default)]
struct Session {
    client_id: String,
    expiry_interval: u32,
    user_name: Option<String>,
    subscriptions: BTreeMap<String, Value>,
    has_will: bool,
    /// Messages that are due, and their QoS.
    waiting: BTreeMap<u64, u8>,
    /// Which of them is sent at QoS 2 under which Packet Identifier.
    sending: BTreeMap<PacketId, u64>,
}

#[derive(Default)]
struct Group {
    name: String,
    waiting: BTreeMap<u64, ()>,
}

impl Contents {
    /// Takes the next record of the log.
    pub(super) fn take(&mut self, record: Record) {
        match record {
            Record::Message { message, .. } | Record::StillDue { message } => self.keep(message),
            Record::Retained { message, .. } | Record::StillRetained { message } => {
                self.keep(message.clone());
                let topic = message.topic().to_owned();
                match message.payload().is_empty() {
                    true => drop(self.retained.remove(&topic)),
                    false => drop(self.retained.insert(topic, message)),
                }
            }
            Record::Session {
                session,
                client_id,
                expiry_interval,
                holder,
                ..
            } => {
                let known = Session {
                    client_id: client_id.into(),
                    expiry_interval,
                    user_name: holder.user_name.as_deref().map(str::to_owned),
                    ..Session::default()
                };
                self.sessions.insert(session.as_u64(), known);
            }
            Record::SessionEnded { session } => drop(self.sessions.remove(&session.as_u64())),
            Record::Group { group, name, .. } => {
                let name = name.to_string();
                let waiting = BTreeMap::new();
                self.groups.insert(group.as_u64(), Group { name, waiting });
            }
            Record::GroupEnded { group } => drop(self.groups.remove(&group.as_u64())),
            Record::GroupQueued { group, message, .. } => {
                if let Some(group) = self.groups.get_mut(&group.as_u64()) {
                    group.waiting.insert(message.as_u64(), ());
                }
            }
            Record::GroupDone { group, message } => {
                if let Some(group) = self.groups.get_mut(&group.as_u64()) {
                    group.waiting.remove(&message.as_u64());
                }
            }
            other => self.take_of_session(other),
        }
    }

    fn take_of_session(&mut self, record: Record) {
        let change =
            |sessions: &mut BTreeMap<u64, Session>, id: LogId, change: &dyn Fn(&mut Session)| {
                if let Some(session) = sessions.get_mut(&id.as_u64()) {
                    change(session);
                }
            };
        let sessions = &mut self.sessions;
        match record {
            Record::Attached {
                session,
                expiry_interval,
                ..
            } => change(sessions, session, &|it| {
                it.expiry_interval = expiry_interval
            }),
            Record::Will { session, will } => {
                change(sessions, session, &|it| it.has_will = will.is_some());
            }
            Record::Subscribed {
                session,
                filter,
                options,
                id,
            } => {
                let subscription =
                    json!({ "filter": &*filter, "qos": options.qos as u8, "id": id });
                change(sessions, session, &|it| {
                    it.subscriptions
                        .insert(filter.to_string(), subscription.clone());
                });
            }
            Record::Unsubscribed { session, filter } => change(sessions, session, &|it| {
                it.subscriptions.remove(&*filter);
            }),
            Record::Queued { session, parked }
            | Record::Adopted {
                session, parked, ..
            } => change(sessions, session, &|it| {
                it.waiting.insert(parked.message.as_u64(), parked.qos as u8);
            }),
            Record::Sending {
                session,
                packet_id,
                parked,
                ..
            } => change(sessions, session, &|it| {
                let message = parked.message.as_u64();
                it.waiting.insert(message, parked.qos as u8);
                it.sending.insert(packet_id, message);
            }),
            // The Client has it.
            Record::Releasing { session, packet_id } => change(sessions, session, &|it| {
                if let Some(message) = it.sending.remove(&packet_id) {
                    it.waiting.remove(&message);
                }
            }),
            Record::Done { session, message } => change(sessions, session, &|it| {
                it.waiting.remove(&message.as_u64());
            }),
            _ => {}
        }
    }

    fn keep(&mut self, message: Message) {
        if message.id() != MessageId::NONE {
            self.messages.insert(message.id().as_u64(), message);
        }
    }

    /// How much there is of everything, in a line.
    pub(super) fn totals(&self) -> impl Display {
        let of_sessions = self.sessions.values().map(|session| session.waiting.len());
        let of_groups = self.groups.values().map(|group| group.waiting.len());
        format!(
            "{} Sessions with {} messages that wait, {} Shared Subscriptions with {}, {} Retained \
             Messages",
            self.sessions.len(),
            of_sessions.sum::<usize>(),
            self.groups.len(),
            of_groups.sum::<usize>(),
            self.retained.len(),
        )
    }

    /// A line of JSON for each thing there is.
    pub(super) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        for session in self.sessions.values() {
            let line = json!({
                "session": session.client_id,
                "expiry_interval": session.expiry_interval,
                "user_name": session.user_name,
                "will": session.has_will,
                "subscriptions": session.subscriptions.values().collect::<Vec<_>>(),
            });
            writeln!(out, "{line}")?;
            for (id, qos) in &session.waiting {
                let line = json!({
                    "waiting": self.message(*id),
                    "qos": qos,
                    "session": session.client_id,
                });
                writeln!(out, "{line}")?;
            }
        }
        for group in self.groups.values() {
            writeln!(out, "{}", json!({ "shared_subscription": group.name }))?;
            for id in group.waiting.keys() {
                let line = json!({
                    "waiting": self.message(*id),
                    "shared_subscription": group.name,
                });
                writeln!(out, "{line}")?;
            }
        }
        for message in self.retained.values() {
            writeln!(out, "{}", json!({ "retained": shown(message) }))?;
        }
        Ok(())
    }

    /// A message that waits. In a part of the log that is there to be read back only, its name is
    /// all that is known here.
    fn message(&self, id: u64) -> Value {
        match self.messages.get(&id) {
            Some(message) => shown(message),
            None => json!({ "id": id }),
        }
    }
}

fn shown(message: &Message) -> Value {
    let payload = String::from_utf8_lossy(message.payload());
    json!({
        "id": message.id().as_u64(),
        "topic": message.topic(),
        "payload": payload,
        "qos": message.qos() as u8,
    })
}
