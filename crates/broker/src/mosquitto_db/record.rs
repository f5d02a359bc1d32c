//! What chunks hold.

use dunlin_packet::QoS;

use super::Problem;
use super::bytes::Bytes;

/// A message that a queue or a retained topic refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredMessage {
    pub(crate) number: u64,
    /// Seconds since 1970; 0: never.
    pub(crate) expires_at: u64,
    /// Who published it; empty for the broker itself.
    pub(crate) source_client_id: String,
    pub(crate) source_user_name: String,
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// As in a PUBLISH packet of 5.0, with their length before them; empty: none.
    pub(crate) properties: Vec<u8>,
}

/// A Session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredClient {
    pub(crate) client_id: String,
    pub(crate) user_name: String,
    /// When it ends, in seconds since 1970; 0: as `session_expiry_interval` says.
    pub(crate) expires_at: u64,
    /// In seconds; 4,294,967,295 is for ever.
    pub(crate) session_expiry_interval: u32,
    pub(crate) last_packet_id: u16,
    /// The port by which the Client connected last; 0 where the format does not say.
    pub(crate) listener_port: u16,
}

/// A message in a queue, or in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueuedMessage {
    /// The stored message.
    pub(crate) number: u64,
    pub(crate) client_id: String,
    /// 0 while it has none.
    pub(crate) packet_id: u16,
    pub(crate) qos: QoS,
    /// Where it stands in its flow, as Mosquitto numbers that; 11 is queued.
    pub(crate) state: u8,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    pub(crate) direction: Direction,
    /// As in a PUBLISH packet of 5.0, with their length before them: Subscription Identifiers.
    pub(crate) properties: Vec<u8>,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the Client: it has published it at QoS 2, and not released it.
    In,
    /// To the Client.
    Out,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredSubscription {
    pub(crate) client_id: String,
    pub(crate) filter: String,
    pub(crate) qos: QoS,
    /// Subscription Options as in SUBSCRIBE, without the QoS.
    pub(crate) options: u8,
    /// The Subscription Identifier; 0: none.
    pub(crate) identifier: u32,
}

fn qos(byte: u8) -> Result<QoS, Problem> {
    QoS::try_from(byte).map_err(|_| Problem::QoS(byte))
}

impl StoredMessage {
    pub(super) fn read(mut body: Bytes<'_>) -> Result<Self, Problem> {
        let number = body.u64_little()?;
        let expires_at = body.u64_little()?;
        let payload_length = body.u32()?;
        let _source_packet_id = body.u16()?;
        let client_id_length = body.u16()?;
        let user_name_length = body.u16()?;
        let topic_length = body.u16()?;
        let _source_port = body.u16()?;
        let qos = qos(body.u8()?)?;
        let retain = body.u8()? != 0;
        Ok(StoredMessage {
            number,
            expires_at,
            source_client_id: body.text(client_id_length)?,
            source_user_name: body.text(user_name_length)?,
            topic: body.text(topic_length)?,
            payload: body.take(payload_length as usize)?.to_vec(),
            qos,
            retain,
            properties: body.rest().to_vec(),
        })
    }
}

impl StoredClient {
    pub(super) fn read(mut body: Bytes<'_>, version: u32) -> Result<Self, Problem> {
        let expires_at = body.u64_little()?;
        let session_expiry_interval = body.u32()?;
        let last_packet_id = body.u16()?;
        let client_id_length = body.u16()?;
        let (mut listener_port, mut user_name_length) = (0, 0);
        if version >= 6 {
            listener_port = body.u16()?;
            user_name_length = body.u16()?;
            let _padding = body.u32()?;
        }
        Ok(StoredClient {
            client_id: body.text(client_id_length)?,
            user_name: body.text(user_name_length)?,
            expires_at,
            session_expiry_interval,
            last_packet_id,
            listener_port,
        })
    }
}

impl QueuedMessage {
    pub(super) fn read(mut body: Bytes<'_>) -> Result<Self, Problem> {
        let number = body.u64_little()?;
        let packet_id = body.u16()?;
        let client_id_length = body.u16()?;
        let qos = qos(body.u8()?)?;
        let state = body.u8()?;
        let retain_dup = body.u8()?;
        let direction = match body.u8()? {
            0 => Direction::In,
            1 => Direction::Out,
            other => return Err(Problem::Direction(other)),
        };
        Ok(QueuedMessage {
            number,
            client_id: body.text(client_id_length)?,
            packet_id,
            qos,
            state,
            retain: retain_dup & 0xF0 != 0,
            dup: retain_dup & 0x0F != 0,
            direction,
            properties: body.rest().to_vec(),
        })
    }
}

impl StoredSubscription {
    pub(super) fn read(mut body: Bytes<'_>) -> Result<Self, Problem> {
        let identifier = body.u32()?;
        let client_id_length = body.u16()?;
        let filter_length = body.u16()?;
        let qos = qos(body.u8()?)?;
        let options = body.u8()?;
        let _padding = body.u16()?;
        Ok(StoredSubscription {
            client_id: body.text(client_id_length)?,
            filter: body.text(filter_length)?,
            qos,
            options,
            identifier,
        })
    }
}
