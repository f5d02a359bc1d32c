//! The authentication exchange of MQTT 5.0, with a policy that asks one question.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use dunlin_core::{
    Command, ConnectionId, Decision, Grant, Input, Policy, Refusal, Shard, ShardConfig, ShardId,
    Timestamp,
};
use dunlin_packet::{
    Auth, Connect, Framing, Packet, PropertiesBuf, Property, ProtocolVersion, ReasonCode,
    split_frame,
};

const V5: ProtocolVersion = ProtocolVersion::V5;
const METHOD: &str = "QUESTION";

/// Lets in whoever answers "42".
struct Question;

impl Policy for Question {
    fn connect(&mut self, _: ConnectionId, connect: &Connect<'_>) -> Decision {
        match connect.properties.authentication_method() {
            Some(METHOD) => Decision::Continue {
                data: b"6 * 7?".to_vec(),
            },
            Some(_) => Decision::refuse(ReasonCode::BadAuthenticationMethod),
            None => Decision::Refuse(Refusal {
                reason: ReasonCode::UseAnotherServer,
                reason_string: Some("only with a question".to_owned()),
                server_reference: Some("open.example:1883".to_owned()),
            }),
        }
    }

    fn authenticate(&mut self, _: ConnectionId, _: &str, data: &[u8]) -> Decision {
        match data {
            b"42" => Decision::Accept {
                data: Some(b"right".to_vec()),
                grant: Grant::default(),
            },
            b"" => Decision::Continue {
                data: b"6 * 7?".to_vec(),
            },
            _ => Decision::refuse(ReasonCode::NotAuthorized),
        }
    }
}

struct World {
    shard: Shard,
    now: Timestamp,
    closed: bool,
}

const CONNECTION: ConnectionId = ConnectionId::new(0, 0);

impl World {
    /// A connection whose CONNECT names this method; and what it is answered.
    fn connect(method: Option<&str>) -> (Self, Vec<String>) {
        let config = ShardConfig::new(ShardId::new(0), 1, 1);
        let mut world = World {
            shard: Shard::new(config, Box::new(Question)),
            now: Timestamp::from_millis(1),
            closed: false,
        };
        let connection = CONNECTION;
        world.shard.handle(world.now, Input::Opened { connection });
        let mut properties = PropertiesBuf::default();
        if let Some(method) = method {
            properties.push(Property::AuthenticationMethod(method));
        }
        let connect = Connect {
            version: V5,
            clean_start: true,
            keep_alive: 0,
            client_id: "alice",
            will: None,
            user_name: None,
            password: None,
            properties: properties.as_properties(),
        };
        let answer = world.say(&Packet::Connect(connect));
        (world, answer)
    }

    fn auth(&mut self, reason: ReasonCode, method: &str, data: &[u8]) -> Vec<String> {
        let mut properties = PropertiesBuf::default();
        properties.push(Property::AuthenticationMethod(method));
        properties.push(Property::AuthenticationData(data));
        let properties = properties.as_properties();
        self.say(&Packet::Auth(Auth { reason, properties }))
    }

    /// Sends a packet; gives what comes back, in short.
    fn say(&mut self, packet: &Packet<'_>) -> Vec<String> {
        let mut bytes = Vec::new();
        packet.encode(V5, &mut bytes);
        let (connection, bytes) = (CONNECTION, &bytes[..]);
        self.shard
            .handle(self.now, Input::Received { connection, bytes });
        self.hear()
    }

    fn hear(&mut self) -> Vec<String> {
        let mut dirty = Vec::new();
        self.shard.take_dirty(&mut dirty);
        let mut bytes: Vec<u8> = Vec::new();
        for connection in dirty {
            let mut slices = Vec::new();
            self.shard.output(connection).unwrap().slices(&mut slices);
            bytes.extend(slices.iter().flat_map(|slice| slice.iter()));
            let written = Input::Written {
                connection,
                bytes: bytes.len(),
            };
            self.shard.handle(self.now, written);
        }
        let mut commands = Vec::new();
        self.shard.take_commands(&mut commands);
        self.closed |= commands.contains(&Command::Close(CONNECTION));
        let mut heard = Vec::new();
        let mut rest = &bytes[..];
        while let Ok(Framing::Complete { frame, length }) = split_frame(rest, u32::MAX) {
            heard.push(show(&Packet::decode(V5, frame).unwrap()));
            rest = &rest[length..];
        }
        heard
    }
}

fn show(packet: &Packet<'_>) -> String {
    let (name, reason, properties) = match packet {
        Packet::ConnAck(connack) => ("CONNACK", connack.reason, connack.properties),
        Packet::Auth(auth) => ("AUTH", auth.reason, auth.properties),
        Packet::Disconnect(disconnect) => ("DISCONNECT", disconnect.reason, disconnect.properties),
        other => return format!("{other:?}"),
    };
    let method = properties.authentication_method().unwrap_or("-");
    let data = properties.authentication_data().unwrap_or_default();
    let data = String::from_utf8_lossy(data);
    let server = properties.server_reference().unwrap_or_default();
    format!("{name} {:#04x} {method} {data}{server}", reason as u8)
}

#[test]
fn the_right_answer_opens_the_connection() {
    let (mut world, answer) = World::connect(Some(METHOD));
    assert_eq!(answer, ["AUTH 0x18 QUESTION 6 * 7?"]);
    let answer = world.auth(ReasonCode::ContinueAuthentication, METHOD, b"42");
    assert_eq!(answer, ["CONNACK 0x00 QUESTION right"]);
    assert!(!world.closed);
}

#[test]
fn a_wrong_answer_and_an_unknown_method_are_refused() {
    let (mut world, _) = World::connect(Some(METHOD));
    let answer = world.auth(ReasonCode::ContinueAuthentication, METHOD, b"41");
    assert_eq!(answer, ["CONNACK 0x87 - "]);
    assert!(world.closed);
    let (world, answer) = World::connect(Some("OTHER"));
    assert_eq!(answer, ["CONNACK 0x8c - "]);
    assert!(world.closed);
}

#[test]
fn a_refusal_can_name_another_server() {
    let (world, answer) = World::connect(None);
    assert_eq!(answer, ["CONNACK 0x9c - open.example:1883"]);
    assert!(world.closed);
}

#[test]
fn the_exchange_takes_nothing_else() {
    let (mut world, _) = World::connect(Some(METHOD));
    world.auth(ReasonCode::ContinueAuthentication, "OTHER", b"42");
    assert!(world.closed, "another method");
    let (mut world, _) = World::connect(Some(METHOD));
    world.say(&Packet::PingReq);
    assert!(world.closed, "another packet");
    let (mut world, _) = World::connect(Some(METHOD));
    world.now = world.now.after_seconds(11);
    world.shard.handle(world.now, Input::Due);
    world.hear();
    assert!(world.closed, "no answer in time");
}

#[test]
fn a_client_can_authenticate_again() {
    let (mut world, _) = World::connect(Some(METHOD));
    world.auth(ReasonCode::ContinueAuthentication, METHOD, b"42");
    let answer = world.auth(ReasonCode::ReAuthenticate, METHOD, b"");
    assert_eq!(answer, ["AUTH 0x18 QUESTION 6 * 7?"]);
    assert_eq!(
        world.say(&Packet::PingReq),
        ["PingResp"],
        "other packets go on"
    );
    let answer = world.auth(ReasonCode::ContinueAuthentication, METHOD, b"42");
    assert_eq!(answer, ["AUTH 0x00 QUESTION right"]);
    let answer = world.auth(ReasonCode::ReAuthenticate, METHOD, b"41");
    assert_eq!(answer, ["DISCONNECT 0x87 - "]);
    assert!(world.closed);
}
