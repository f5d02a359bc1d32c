//! CONNECT: a Client asks for a Session (section 3.1).

use std::fmt;

use crate::property::Place;
use crate::read::Reader;
use crate::{Frame, Malformed, PacketType, Properties, ProtocolVersion, QoS, TopicName, write};

const CLEAN_START: u8 = 0b0000_0010;
const WILL: u8 = 0b0000_0100;
const WILL_QOS: u8 = 0b0001_1000;
const WILL_RETAIN: u8 = 0b0010_0000;
const PASSWORD: u8 = 0b0100_0000;
const USER_NAME: u8 = 0b1000_0000;

/// In the protocol level of a 3.x CONNECT: the Client is a bridge. Not in the specification; Mosquitto's way.
const BRIDGE: u8 = 0b1000_0000;

/// A Client asks for a Session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The version that all packets of this Network Connection have.
    pub version: ProtocolVersion,
    /// Forget an earlier Session. In 3.x the Clean Session flag.
    pub clean_start: bool,
    /// The longest silence that the Client announces, in seconds; 0 for any.
    pub keep_alive: u16,
    /// Client Identifier; may be empty.
    pub client_id: &'a str,
    /// What the Server publishes for the Client when the connection breaks.
    pub will: Option<Will<'a>>,
    /// User Name.
    pub user_name: Option<&'a str>,
    /// Password, or any other credential; in 3.x only with a User Name `[MQTT311-3.1.2-22]`.
    pub password: Option<&'a [u8]>,
    /// Empty in 3.x.
    pub properties: Properties<'a>,
}

/// What the Server publishes for a Client whose connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Will<'a> {
    /// A valid Topic Name.
    pub topic: &'a str,
    /// At most 65,535 bytes.
    pub payload: &'a [u8],
    /// QoS to publish at.
    pub qos: QoS,
    /// Whether to publish it as a Retained Message.
    pub retain: bool,
    /// The Will Properties; empty in 3.x.
    pub properties: Properties<'a>,
}

impl<'a> Connect<'a> {
    /// Reads the body of a CONNECT, which says its own version; the parameter is ignored.
    ///
    /// # Errors
    ///
    /// Whatever makes the packet malformed by itself, and a version that does not exist.
    pub fn decode(_version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, Malformed> {
        let mut reader = Reader::new(frame.body);
        let version = protocol_version(&mut reader)?;
        let flags = reader.byte()?;
        check_flags(version, flags)?;
        let keep_alive = reader.two_byte_integer()?;
        let properties = reader.properties(version, Place::Connect)?;
        let client_id = reader.utf8_string()?;
        let will = match flags & WILL {
            0 => None,
            _ => Some(Will::decode(version, flags, &mut reader)?),
        };
        let user_name = is_there(version, flags & USER_NAME, &reader)
            .then(|| reader.utf8_string())
            .transpose()?;
        let password = is_there(version, flags & PASSWORD, &reader)
            .then(|| reader.binary_data())
            .transpose()?;
        reader.finish()?;
        Ok(Self {
            version,
            clean_start: flags & CLEAN_START != 0,
            keep_alive,
            client_id,
            will,
            user_name,
            password,
            properties,
        })
    }

    /// The version that the body of a CONNECT asks for, whatever is wrong with the rest of it: the one that a refusal
    /// is written in.
    ///
    /// # Errors
    ///
    /// A body too short, an unknown protocol name, a version that does not exist.
    pub fn protocol_version(body: &[u8]) -> Result<ProtocolVersion, Malformed> {
        protocol_version(&mut Reader::new(body))
    }

    /// Whether the body of a CONNECT says with the highest bit of its protocol level that a bridge has sent it: one
    /// that wants the RETAIN flag of a message to stay, and nothing back of what it has sent. Only 3.x needs it; in
    /// 5.0 these are Subscription Options.
    pub fn is_from_bridge(body: &[u8]) -> bool {
        let mut reader = Reader::new(body);
        reader.binary_data().is_ok() && matches!(reader.byte(), Ok(level) if level & BRIDGE != 0)
    }

    /// Appends the whole packet, and says in it that a bridge sends it; see [`Connect::is_from_bridge`]. A 5.0 packet
    /// is as [`Connect::encode`] makes it.
    ///
    /// # Panics
    ///
    /// Where a field has more than 65,535 bytes.
    pub fn encode_as_bridge(&self, out: &mut Vec<u8>) {
        let start = out.len();
        self.encode(self.version, out);
        if !self.version.has_properties() {
            let length = out[start + 1..]
                .iter()
                .take_while(|byte| **byte & 0x80 != 0);
            let body = start + 1 + length.count() + 1;
            let name = usize::from(out[body + 1]);
            out[body + 2 + name] |= BRIDGE;
        }
    }

    /// Appends the whole packet in its own version; the parameter is ignored.
    ///
    /// # Panics
    ///
    /// Where a field has more than 65,535 bytes.
    pub fn encode(&self, _version: ProtocolVersion, out: &mut Vec<u8>) {
        write::packet(PacketType::Connect, out, |out| {
            let name = match self.version {
                ProtocolVersion::V3_1 => "MQIsdp",
                ProtocolVersion::V3_1_1 | ProtocolVersion::V5 => "MQTT",
            };
            write::utf8_string(name, out);
            write::byte(self.version as u8, out);
            write::byte(self.flags(), out);
            write::two_byte_integer(self.keep_alive, out);
            write::properties(self.version, self.properties, out);
            write::utf8_string(self.client_id, out);
            if let Some(will) = &self.will {
                write::properties(self.version, will.properties, out);
                write::utf8_string(will.topic, out);
                write::binary_data(will.payload, out);
            }
            if let Some(user_name) = self.user_name {
                write::utf8_string(user_name, out);
            }
            if let Some(password) = self.password {
                write::binary_data(password, out);
            }
        });
    }

    fn flags(&self) -> u8 {
        let will = self.will.map_or(0, |will| {
            WILL | (will.qos as u8) << 3 | if will.retain { WILL_RETAIN } else { 0 }
        });
        will | if self.clean_start { CLEAN_START } else { 0 }
            | self.user_name.map_or(0, |_| USER_NAME)
            | self.password.map_or(0, |_| PASSWORD)
    }
}

/// All but the password, of which only its presence shows.
impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("user_name", &self.user_name)
            .field("password", &self.password.map(|_| format_args!("..")))
            .field("properties", &self.properties)
            .finish()
    }
}

impl<'a> Will<'a> {
    fn decode(
        version: ProtocolVersion,
        flags: u8,
        reader: &mut Reader<'a>,
    ) -> Result<Self, Malformed> {
        let properties = reader.properties(version, Place::Will)?;
        let topic = TopicName::parse(reader.unchecked_string()?)?.as_str();
        let payload = reader.binary_data()?;
        let qos = QoS::try_from((flags & WILL_QOS) >> 3).map_err(|_| Malformed::WillQoS)?;
        Ok(Self {
            topic,
            payload,
            qos,
            retain: flags & WILL_RETAIN != 0,
            properties,
        })
    }
}

fn protocol_version(reader: &mut Reader<'_>) -> Result<ProtocolVersion, Malformed> {
    let name = reader.binary_data()?;
    if name != b"MQTT" && name != b"MQIsdp" {
        return Err(Malformed::ProtocolName);
    }
    match (name, reader.byte()?) {
        (b"MQIsdp", 0x03 | 0x83) => Ok(ProtocolVersion::V3_1),
        (b"MQTT", 0x04 | 0x84) => Ok(ProtocolVersion::V3_1_1),
        (b"MQTT", 5) => Ok(ProtocolVersion::V5),
        (_, level) => Err(Malformed::UnsupportedProtocolVersion(level)),
    }
}

fn check_flags(version: ProtocolVersion, flags: u8) -> Result<(), Malformed> {
    if flags & 1 != 0 && version > ProtocolVersion::V3_1 {
        Err(Malformed::ConnectFlagReserved)
    } else if flags & WILL_QOS == WILL_QOS {
        Err(Malformed::WillQoS)
    } else if flags & (WILL | WILL_QOS) != 0 && flags & WILL == 0 {
        Err(Malformed::WillQoSWithoutWill)
    } else if flags & (WILL | WILL_RETAIN) == WILL_RETAIN {
        Err(Malformed::WillRetainWithoutWill)
    } else if flags & (PASSWORD | USER_NAME) == PASSWORD && !version.has_properties() {
        Err(Malformed::PasswordWithoutUserName)
    } else {
        Ok(())
    }
}

/// Whether a field that a flag announces is to be read. In 3.1 the Remaining Length wins over the flags: User Name and
/// Password may be missing at the end.
fn is_there(version: ProtocolVersion, flag: u8, reader: &Reader<'_>) -> bool {
    flag != 0 && !(version == ProtocolVersion::V3_1 && reader.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(version: ProtocolVersion) -> Connect<'static> {
        Connect {
            version,
            clean_start: true,
            keep_alive: 60,
            client_id: "site",
            will: None,
            user_name: None,
            password: None,
            properties: Properties::EMPTY,
        }
    }

    fn body(bytes: &[u8]) -> &[u8] {
        &bytes[2..]
    }

    #[test]
    fn a_bridge_says_so_in_the_protocol_level() {
        for (version, level) in [
            (ProtocolVersion::V3_1, 0x83),
            (ProtocolVersion::V3_1_1, 0x84),
        ] {
            let mut bytes = Vec::new();
            connect(version).encode_as_bridge(&mut bytes);
            assert!(bytes.contains(&level), "{bytes:?}");
            assert!(Connect::is_from_bridge(body(&bytes)));
            assert_eq!(Connect::protocol_version(body(&bytes)), Ok(version));
        }
    }

    #[test]
    fn others_and_those_of_version_5_do_not() {
        let mut bytes = Vec::new();
        connect(ProtocolVersion::V5).encode_as_bridge(&mut bytes);
        assert!(!Connect::is_from_bridge(body(&bytes)));
        bytes.clear();
        connect(ProtocolVersion::V3_1_1).encode(ProtocolVersion::V3_1_1, &mut bytes);
        assert!(!Connect::is_from_bridge(body(&bytes)));
        assert!(!Connect::is_from_bridge(&[0, 9, 1]));
        let level_of_no_version = b"\0\x04MQTT\x85";
        assert!(Connect::protocol_version(level_of_no_version).is_err());
    }
}
