//! Records as bytes.
//!
//! A record is one byte that says which, and its fields in the order of [`Record`]. A number is a
//! varint (seven bits a byte, the lowest first), a text or payload its length as such a number and
//! its bytes. What may be missing has a bit among the flags, or is 0 where 0 means nothing.
//!
//! ```text
//!   kind  fields
//!    1    Message        flags, [expires_at], [publisher], topic, [properties], payload (the rest)
//!    2    Retained       as Message
//!    3    StillRetained  as Message
//!    4    Routed         message
//!    5    Numbered       number
//!    6    Session        session, told, expiry_interval, holder, client_id
//!    7    Attached       session, expiry_interval, holder
//!    8    Detached       session, at
//!    9    SessionEnded   session
//!   10    Will           session, 0 | 1, [expiry_interval + 1 | 0, delay_interval, as Message]
//!   11    Subscribed     session, options, id, filter
//!   12    Unsubscribed   session, filter
//!   13    Queued         session, parked
//!   14    Done           session, message
//!   15    Sending        session, packet_id, parked, group ("" for none)
//!   16    Releasing      session, packet_id
//!   17    Freed          session, packet_id
//!   18    Received       session, packet_id
//!   19    Released       session, packet_id
//!   20    Group          group, told, name
//!   21    GroupEnded     group
//!   22    GroupQueued    group, message, size
//!   23    GroupDone      group, message
//!   24    Adopted        session, parked, group
//!   25    Queued         session, when it expires, parked
//!   26    GroupQueued    group, message, size, when it expires
//!   27    StillDue       as Message
//!
//!   flags of a message   bits 0-1 QoS, 2 RETAIN, 3 expires, 4 crosses, 5 publisher, 6 properties
//!   parked               message, flags (bits 0-1 QoS, 2 RETAIN, from 3 on the number of
//!                        Subscription Identifiers), size, the identifiers
//!   holder               user name ("" for none), source
//! ```
//!
//! The identity of a message is not among the bytes: it is the key of its entry in the log.

use std::sync::Arc;

use dunlin_packet::{PacketId, Properties, QoS, SubscriptionOptions};

use super::{Holder, LogId, MessageId, Parked, Record, RecordedWill, Route, Told};
use crate::message::Message;
use crate::session::SubscriptionIds;
use crate::time::Timestamp;

/// Bytes that are no record: of another version, or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// There is no such kind of record.
    #[error("no record is of kind {0}")]
    Kind(u8),
    /// The bytes end within a field.
    #[error("a record ends too early")]
    Short,
    /// There are bytes after the last field.
    #[error("a record has bytes after its end")]
    Long,
    /// A field has a value that it cannot have.
    #[error("a record has a wrong {0}")]
    Value(&'static str),
}

const RETAIN: u64 = 1 << 2;
const EXPIRES: u64 = 1 << 3;
const CROSSES: u64 = 1 << 4;
const PUBLISHER: u64 = 1 << 5;
const PROPERTIES: u64 = 1 << 6;

impl Record {
    /// The identity of the message that the record holds: its key in the log, under which it is
    /// read back.
    pub fn key(&self) -> Option<MessageId> {
        let id = self.message()?.id();
        id.is_some().then_some(id)
    }

    /// The message that the record holds, if it is one to be read back.
    pub fn message(&self) -> Option<&Message> {
        match self {
            Record::Message { message, .. }
            | Record::Retained { message, .. }
            | Record::StillRetained { message }
            | Record::StillDue { message } => Some(message),
            _ => None,
        }
    }

    /// Appends the record's bytes.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let mut out = Writer(into);
        match self {
            Record::Message { message, route } => out.kind(1).message(message, *route),
            Record::Retained { message, route } => out.kind(2).message(message, *route),
            Record::StillRetained { message } => out.kind(3).message(message, Route::default()),
            Record::StillDue { message } => out.kind(27).message(message, Route::default()),
            Record::Routed { message } => out.kind(4).number(message.as_u64()),
            Record::Numbered { number } => out.kind(5).number(*number),
            Record::Session {
                session,
                client_id,
                expiry_interval,
                holder,
                told,
            } => {
                out.kind(6).number(session.as_u64());
                out.told(*told);
                out.number((*expiry_interval).into());
                out.holder(holder);
                out.text(client_id);
            }
            Record::Attached {
                session,
                expiry_interval,
                holder,
            } => {
                out.kind(7).number(session.as_u64());
                out.number((*expiry_interval).into());
                out.holder(holder);
            }
            Record::Detached { session, at } => {
                out.kind(8).number(session.as_u64());
                out.number(at.as_millis());
            }
            Record::SessionEnded { session } => out.kind(9).number(session.as_u64()),
            Record::Will { session, will } => {
                out.kind(10).number(session.as_u64());
                out.will(will.as_deref());
            }
            Record::Subscribed {
                session,
                filter,
                options,
                id,
            } => {
                out.kind(11).number(session.as_u64());
                out.byte(options.to_byte());
                out.number((*id).into());
                out.text(filter);
            }
            Record::Unsubscribed { session, filter } => {
                out.kind(12).number(session.as_u64());
                out.text(filter);
            }
            Record::Queued { session, parked } if parked.expires_at != Timestamp::NEVER => {
                out.kind(25).number(session.as_u64());
                out.number(parked.expires_at.as_millis());
                out.parked(parked);
            }
            Record::Queued { session, parked } => {
                out.kind(13).number(session.as_u64());
                out.parked(parked);
            }
            Record::Done { session, message } => {
                out.kind(14).number(session.as_u64());
                out.number(message.as_u64());
            }
            Record::Sending {
                session,
                packet_id,
                parked,
                group,
            } => {
                out.kind(15).number(session.as_u64());
                out.number(packet_id.get().into());
                out.parked(parked);
                out.text(group.as_deref().unwrap_or_default());
            }
            Record::Releasing { session, packet_id } => out.kind(16).exchange(*session, *packet_id),
            Record::Freed { session, packet_id } => out.kind(17).exchange(*session, *packet_id),
            Record::Received { session, packet_id } => out.kind(18).exchange(*session, *packet_id),
            Record::Released { session, packet_id } => out.kind(19).exchange(*session, *packet_id),
            Record::Group { group, name, told } => {
                out.kind(20).number(group.as_u64());
                out.told(*told);
                out.text(name);
            }
            Record::GroupEnded { group } => out.kind(21).number(group.as_u64()),
            Record::GroupQueued {
                group,
                message,
                size,
                expires_at,
            } => {
                let expires = *expires_at != Timestamp::NEVER;
                out.kind(if expires { 26 } else { 22 });
                out.number(group.as_u64());
                out.number(message.as_u64());
                out.number((*size).into());
                if expires {
                    out.number(expires_at.as_millis());
                }
            }
            Record::GroupDone { group, message } => {
                out.kind(23).number(group.as_u64());
                out.number(message.as_u64());
            }
            Record::Adopted {
                session,
                parked,
                group,
            } => {
                out.kind(24).number(session.as_u64());
                out.parked(parked);
                out.text(group);
            }
        }
    }

    /// The record of an entry of the log, whose key is that of its message.
    ///
    /// # Errors
    /// When the bytes are not those of a record.
    pub fn decode(key: Option<MessageId>, bytes: &[u8]) -> Result<Self, CodecError> {
        let mut from = Reader(bytes);
        let id = key.unwrap_or_default();
        let record = match from.byte()? {
            1 => {
                let (message, route) = from.message(id)?;
                Record::Message { message, route }
            }
            2 => {
                let (message, route) = from.message(id)?;
                Record::Retained { message, route }
            }
            3 => {
                let (message, _) = from.message(id)?;
                Record::StillRetained { message }
            }
            27 => {
                let (message, _) = from.message(id)?;
                Record::StillDue { message }
            }
            4 => Record::Routed {
                message: from.message_id()?,
            },
            5 => Record::Numbered {
                number: from.number()?,
            },
            6 => {
                let session = from.log_id()?;
                let told = from.told()?;
                Record::Session {
                    session,
                    told,
                    expiry_interval: from.number32()?,
                    holder: from.holder()?,
                    client_id: from.text()?.into(),
                }
            }
            7 => Record::Attached {
                session: from.log_id()?,
                expiry_interval: from.number32()?,
                holder: from.holder()?,
            },
            8 => Record::Detached {
                session: from.log_id()?,
                at: Timestamp::from_millis(from.number()?),
            },
            9 => Record::SessionEnded {
                session: from.log_id()?,
            },
            10 => Record::Will {
                session: from.log_id()?,
                will: from.will()?,
            },
            11 => {
                let session = from.log_id()?;
                let options = from.byte()?;
                Record::Subscribed {
                    session,
                    options: SubscriptionOptions::from_byte(options)
                        .map_err(|_| CodecError::Value("Subscription Options"))?,
                    id: from.number32()?,
                    filter: from.text()?.into(),
                }
            }
            12 => Record::Unsubscribed {
                session: from.log_id()?,
                filter: from.text()?.into(),
            },
            13 => Record::Queued {
                session: from.log_id()?,
                parked: from.parked()?,
            },
            14 => Record::Done {
                session: from.log_id()?,
                message: from.message_id()?,
            },
            15 => {
                let (session, packet_id) = from.exchange()?;
                let parked = from.parked()?;
                let group = from.text()?;
                Record::Sending {
                    session,
                    packet_id,
                    parked,
                    group: (!group.is_empty()).then(|| group.into()),
                }
            }
            16 => {
                let (session, packet_id) = from.exchange()?;
                Record::Releasing { session, packet_id }
            }
            17 => {
                let (session, packet_id) = from.exchange()?;
                Record::Freed { session, packet_id }
            }
            18 => {
                let (session, packet_id) = from.exchange()?;
                Record::Received { session, packet_id }
            }
            19 => {
                let (session, packet_id) = from.exchange()?;
                Record::Released { session, packet_id }
            }
            20 => {
                let group = from.log_id()?;
                let told = from.told()?;
                let name = from.group()?;
                Record::Group { group, name, told }
            }
            21 => Record::GroupEnded {
                group: from.log_id()?,
            },
            kind @ (22 | 26) => Record::GroupQueued {
                group: from.log_id()?,
                message: from.message_id()?,
                size: from.number32()?,
                expires_at: match kind {
                    22 => Timestamp::NEVER,
                    _ => Timestamp::from_millis(from.number()?),
                },
            },
            23 => Record::GroupDone {
                group: from.log_id()?,
                message: from.message_id()?,
            },
            24 => Record::Adopted {
                session: from.log_id()?,
                parked: from.parked()?,
                group: from.group()?,
            },
            25 => {
                let session = from.log_id()?;
                let expires_at = Timestamp::from_millis(from.number()?);
                let parked = from.parked()?;
                Record::Queued {
                    session,
                    parked: Parked {
                        expires_at,
                        ..parked
                    },
                }
            }
            other => return Err(CodecError::Kind(other)),
        };
        match from.0 {
            [] => Ok(record),
            _ => Err(CodecError::Long),
        }
    }
}

struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn kind(&mut self, kind: u8) -> &mut Self {
        self.byte(kind);
        self
    }

    fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn told(&mut self, told: Told) {
        self.byte(match told {
            Told::First => 0,
            Told::Anew => 1,
        });
    }

    fn holder(&mut self, holder: &Holder) {
        self.text(holder.user_name.as_deref().unwrap_or_default());
        self.number(holder.source);
    }

    fn exchange(&mut self, session: LogId, packet_id: PacketId) {
        self.number(session.as_u64());
        self.number(packet_id.get().into());
    }

    fn parked(&mut self, parked: &Parked) {
        let ids = parked.subscription_ids.as_slice();
        let retain = if parked.retain { RETAIN } else { 0 };
        self.number(parked.message.as_u64());
        self.number((ids.len() as u64) << 3 | retain | parked.qos as u64);
        self.number(parked.size.into());
        ids.iter().for_each(|id| self.number((*id).into()));
    }

    fn message(&mut self, message: &Message, route: Route) {
        let properties = message.properties().as_bytes();
        let expires = message.expires_at() != Timestamp::NEVER;
        let flags = [
            (message.retain(), RETAIN),
            (expires, EXPIRES),
            (route.crosses, CROSSES),
            (route.publisher.is_some(), PUBLISHER),
            (!properties.is_empty(), PROPERTIES),
        ];
        let set = flags.iter().filter(|(set, _)| *set);
        self.number(message.qos() as u64 | set.map(|(_, flag)| flag).sum::<u64>());
        if expires {
            self.number(message.expires_at().as_millis());
        }
        if route.publisher.is_some() {
            self.number(route.publisher.as_u64());
        }
        self.text(message.topic());
        if !properties.is_empty() {
            self.bytes(properties);
        }
        self.0.extend_from_slice(message.payload());
    }

    fn will(&mut self, will: Option<&RecordedWill>) {
        let Some(will) = will else {
            return self.byte(0);
        };
        self.byte(1);
        let expiry = will.expiry_interval;
        self.number(expiry.map_or(0, |seconds| u64::from(seconds) + 1));
        self.number(will.delay_interval.into());
        self.message(&will.message, Route::default());
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, CodecError> {
        let (&first, rest) = self.0.split_first().ok_or(CodecError::Short)?;
        self.0 = rest;
        Ok(first)
    }

    fn number(&mut self) -> Result<u64, CodecError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(CodecError::Value("number"))
    }

    fn number32(&mut self) -> Result<u32, CodecError> {
        u32::try_from(self.number()?).map_err(|_| CodecError::Value("number"))
    }

    fn log_id(&mut self) -> Result<LogId, CodecError> {
        self.number().map(LogId::from_u64)
    }

    fn message_id(&mut self) -> Result<MessageId, CodecError> {
        self.number().map(MessageId::from_u64)
    }

    fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let length = usize::try_from(self.number()?).map_err(|_| CodecError::Short)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(CodecError::Short)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<&'a str, CodecError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| CodecError::Value("text"))
    }

    /// `{ShareName}/{filter}`.
    fn group(&mut self) -> Result<Arc<str>, CodecError> {
        let name = self.text()?;
        match name.contains('/') {
            true => Ok(name.into()),
            false => Err(CodecError::Value("Shared Subscription")),
        }
    }

    fn told(&mut self) -> Result<Told, CodecError> {
        match self.byte()? {
            0 => Ok(Told::First),
            1 => Ok(Told::Anew),
            _ => Err(CodecError::Value("first or anew")),
        }
    }

    fn holder(&mut self) -> Result<Holder, CodecError> {
        let user_name = self.text()?;
        Ok(Holder {
            user_name: (!user_name.is_empty()).then(|| user_name.into()),
            source: self.number()?,
        })
    }

    fn packet_id(&mut self) -> Result<PacketId, CodecError> {
        let id = u16::try_from(self.number()?).ok().and_then(PacketId::new);
        id.ok_or(CodecError::Value("Packet Identifier"))
    }

    fn exchange(&mut self) -> Result<(LogId, PacketId), CodecError> {
        Ok((self.log_id()?, self.packet_id()?))
    }

    fn qos(flags: u64) -> Result<QoS, CodecError> {
        match flags & 3 {
            0 => Ok(QoS::AtMostOnce),
            1 => Ok(QoS::AtLeastOnce),
            2 => Ok(QoS::ExactlyOnce),
            _ => Err(CodecError::Value("QoS")),
        }
    }

    fn parked(&mut self) -> Result<Parked, CodecError> {
        let message = self.message_id()?;
        let flags = self.number()?;
        let size = self.number32()?;
        let mut subscription_ids = SubscriptionIds::None;
        for _ in 0..flags >> 3 {
            subscription_ids.push(self.number32()?);
        }
        Ok(Parked {
            message,
            size,
            qos: Self::qos(flags)?,
            retain: flags & RETAIN != 0,
            expires_at: Timestamp::NEVER,
            subscription_ids,
        })
    }

    /// Takes all that is left.
    fn message(&mut self, id: MessageId) -> Result<(Message, Route), CodecError> {
        let flags = self.number()?;
        let qos = Self::qos(flags)?;
        let expires_at = match flags & EXPIRES {
            0 => Timestamp::NEVER,
            _ => Timestamp::from_millis(self.number()?),
        };
        let publisher = match flags & PUBLISHER {
            0 => LogId::NONE,
            _ => self.log_id()?,
        };
        let topic = self.text()?;
        if topic.is_empty() || topic.len() > usize::from(u16::MAX) {
            return Err(CodecError::Value("Topic Name"));
        }
        let properties = match flags & PROPERTIES {
            0 => Properties::EMPTY,
            _ => Properties::from_validated(self.bytes()?),
        };
        let payload = std::mem::take(&mut self.0);
        let retain = flags & RETAIN != 0;
        let message = Message::restored(topic, properties, payload, qos, retain, expires_at, id);
        let route = Route {
            crosses: flags & CROSSES != 0,
            publisher,
        };
        Ok((message, route))
    }

    fn will(&mut self) -> Result<Option<Box<RecordedWill>>, CodecError> {
        match self.byte()? {
            0 => Ok(None),
            1 => {
                let expiry = self.number()?;
                let delay_interval = self.number32()?;
                let (message, _) = self.message(MessageId::NONE)?;
                let expiry_interval = match expiry.checked_sub(1) {
                    None => None,
                    Some(seconds) => Some(
                        u32::try_from(seconds).map_err(|_| CodecError::Value("expiry interval"))?,
                    ),
                };
                Ok(Some(Box::new(RecordedWill {
                    message,
                    expiry_interval,
                    delay_interval,
                })))
            }
            _ => Err(CodecError::Value("Will")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: u64) -> Message {
        let mut properties = dunlin_packet::PropertiesBuf::default();
        properties.push(dunlin_packet::Property::ContentType("text"));
        Message::restored(
            "a/b",
            properties.as_properties(),
            b"payload",
            QoS::AtLeastOnce,
            true,
            Timestamp::from_millis(1_700_000_000_000),
            MessageId::from_u64(id),
        )
    }

    /// One of every kind.
    fn all() -> Vec<Record> {
        let session = LogId::from_u64(300);
        let group = LogId::from_u64(77);
        let packet_id = PacketId::new(500).unwrap();
        let route = Route {
            crosses: true,
            publisher: session,
        };
        let plain = Message::new("t", b"", QoS::AtMostOnce, false);
        let parked = Parked {
            message: MessageId::from_u64(1 << 40),
            size: 70_000,
            qos: QoS::ExactlyOnce,
            retain: true,
            expires_at: Timestamp::NEVER,
            subscription_ids: SubscriptionIds::Many(Box::new(vec![1, 268_435_455])),
        };
        let one = Parked {
            subscription_ids: SubscriptionIds::One(9),
            retain: false,
            ..parked.clone()
        };
        let holder = Holder {
            user_name: Some("ann".into()),
            source: 3,
        };
        let will = RecordedWill {
            message: plain.clone(),
            expiry_interval: Some(0),
            delay_interval: u32::MAX,
        };
        let (name, filter): (Arc<str>, Box<str>) = ("g/a/#".into(), "a/+".into());
        vec![
            Record::Message {
                message: message(64),
                route,
            },
            Record::Retained {
                message: plain,
                route: Route::default(),
            },
            Record::StillRetained {
                message: message(65),
            },
            Record::StillDue {
                message: message(66),
            },
            Record::Routed {
                message: MessageId::from_u64(u64::MAX),
            },
            Record::Numbered { number: 0 },
            Record::Session {
                session,
                client_id: "c".into(),
                expiry_interval: u32::MAX,
                holder: Holder::default(),
                told: Told::First,
            },
            Record::Attached {
                session,
                expiry_interval: 0,
                holder,
            },
            Record::Detached {
                session,
                at: Timestamp::from_millis(5),
            },
            Record::SessionEnded { session },
            Record::Will {
                session,
                will: Some(Box::new(will)),
            },
            Record::Will {
                session,
                will: None,
            },
            Record::Subscribed {
                session,
                filter: filter.clone(),
                options: SubscriptionOptions::from_byte(0b0010_1110).unwrap(),
                id: 7,
            },
            Record::Unsubscribed { session, filter },
            Record::Queued {
                session,
                parked: Parked {
                    expires_at: Timestamp::from_millis(1_700_000_000_000),
                    ..one.clone()
                },
            },
            Record::Queued {
                session,
                parked: one,
            },
            Record::Adopted {
                session,
                parked: parked.clone(),
                group: name.clone(),
            },
            Record::Done {
                session,
                message: MessageId::from_u64(64),
            },
            Record::Sending {
                session,
                packet_id,
                parked,
                group: Some(name.clone()),
            },
            Record::Releasing { session, packet_id },
            Record::Freed { session, packet_id },
            Record::Received { session, packet_id },
            Record::Released { session, packet_id },
            Record::Group {
                group,
                name,
                told: Told::Anew,
            },
            Record::GroupEnded { group },
            Record::GroupQueued {
                group,
                message: MessageId::from_u64(64),
                size: 1,
                expires_at: Timestamp::NEVER,
            },
            Record::GroupQueued {
                group,
                message: MessageId::from_u64(64),
                size: 1,
                expires_at: Timestamp::from_millis(1_700_000_000_000),
            },
            Record::GroupDone {
                group,
                message: MessageId::from_u64(64),
            },
        ]
    }

    /// Everything that a record says, with its message in full.
    fn show(record: &Record) -> String {
        let message = record.message().map(|message| {
            let properties = message.properties().as_bytes().to_vec();
            (
                message.payload().to_vec(),
                properties,
                message.expires_at(),
                message.id(),
            )
        });
        format!("{record:?} {message:?}")
    }

    #[test]
    fn a_record_comes_back_from_its_bytes() {
        for record in all() {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            let decoded = Record::decode(record.key(), &bytes).unwrap();
            assert_eq!(show(&decoded), show(&record));
        }
    }

    #[test]
    fn half_a_record_is_none_and_no_bytes_make_it_panic() {
        for record in all() {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            // A payload ends where its entry ends; everything else says how long it is.
            let payload = record
                .message()
                .map_or(0, |message| message.payload().len());
            let is_will = matches!(record, Record::Will { .. });
            for length in 0..bytes.len() - payload {
                let half = Record::decode(record.key(), &bytes[..length]);
                assert!(half.is_err() || is_will, "{length} bytes of {record:?}");
            }
            for at in 0..bytes.len() {
                let mut flipped = bytes.clone();
                flipped[at] ^= 0xff;
                let _ = Record::decode(record.key(), &flipped);
            }
        }
    }

    #[test]
    fn the_bytes_of_version_1_are_read() {
        let queued = [13, 0xac, 0x02, 0x40, 0x0a, 0xb0, 0x02, 9];
        let decoded = Record::decode(None, &queued).unwrap();
        let expected = "Queued { session: LogId(300), parked: Parked { message: MessageId(64), \
                        size: 304, qos: ExactlyOnce, retain: false, \
                        expires_at: Timestamp(18446744073709551615), \
                        subscription_ids: One(9) } }";
        assert_eq!(format!("{decoded:?}"), expected);
    }
}
