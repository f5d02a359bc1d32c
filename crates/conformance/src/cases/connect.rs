//! CONNECT: its place, its form, and what a Server does with it [3.1].

use crate::case::{Outcome, cases, ensure};
use crate::scene::Scene;
use crate::wire::{self, Body, Connect, Packet, Publish, Version};

cases! {
    ["MQTT-3.1.0-1", "MQTT311-3.1.0-1"] connect_comes_first
        "a connection that begins with anything but CONNECT is closed";
    ["MQTT-3.1.0-2", "MQTT311-3.1.0-2"] connect_comes_once
        "a second CONNECT is a Protocol Error";
    ["MQTT-3.1.2-1", "MQTT311-3.1.2-1"] unknown_protocol_name
        "a CONNECT with another protocol name is not accepted";
    ["MQTT-3.1.2-2"] unknown_protocol_version
        "a CONNECT with version 6 is not accepted";
    ["MQTT311-3.1.2-2"] unknown_protocol_level
        "a CONNECT with level 2 is answered with return code 1 and closed";
    ["MQTT-3.1.2-3", "MQTT311-3.1.2-3"] reserved_connect_flag
        "the reserved Connect Flag must be 0";
    ["MQTT-3.1.3-1", "MQTT311-3.1.3-1"] payload_order
        "Client Identifier, Will, User Name and Password are read in this order";
    ["MQTT-3.1.4-1", "MQTT311-3.1.4-1"] malformed_connect
        "a CONNECT that ends early or late is closed; in 3.1.1 without CONNACK";
    ["MQTT-3.1.4-3", "MQTT311-3.1.4-2"] taken_over
        "a second connection with the same Client Identifier ends the first";
    ["MQTT-3.1.4-5", "MQTT311-3.1.4-4", "MQTT31-connect"] accepted
        "a correct CONNECT is answered with CONNACK 0";
    ["MQTT-3.1.4-6", "MQTT311-3.1.4-5"] nothing_after_a_refusal
        "packets behind a refused CONNECT are not processed";
    ["MQTT-3.1.4/pipelined", "MQTT311-3.1.4/pipelined"] pipelined
        "a Client need not wait for CONNACK before it sends more";
    ["MQTT-3.1.2.11/forbidden-property"] forbidden_property
        "a property that does not belong in CONNECT is refused";
}

fn connect_comes_first(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let v = scene.version();
    let firsts = [
        scene.publish_bytes(&Publish::new(&topic, "x")),
        wire::subscribe(v, 1, &[], &[(&topic, 0)]),
        wire::unsubscribe(v, 1, &[&topic]),
        wire::PINGREQ.to_vec(),
        wire::DISCONNECT.to_vec(),
        wire::ack(wire::PUBACK, 1),
    ];
    for first in firsts {
        scene
            .send_first("first", &first)?
            .expect_refusal(&[0x81, 0x82])?;
    }
    Ok(())
}

fn connect_comes_once(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("twice")?;
    client.send(&scene.connect_packet("twice").packet());
    client.expect_refusal(&[0x82])
}

fn unknown_protocol_name(scene: &Scene<'_>) -> Outcome {
    let connect = scene
        .connect_packet("c")
        .protocol("MQTX", scene.version() as u8);
    scene
        .send_first("c", &connect.packet())?
        .expect_refusal(&[0x01, 0x84])
}

fn unknown_protocol_version(scene: &Scene<'_>) -> Outcome {
    let connect = scene.connect_packet("c").protocol("MQTT", 6);
    scene
        .send_first("c", &connect.packet())?
        .expect_refusal(&[0x01, 0x84])
}

fn unknown_protocol_level(scene: &Scene<'_>) -> Outcome {
    let connect = scene.connect_packet("c").protocol("MQTT", 2);
    let ending = scene.send_first("c", &connect.packet())?.ending()?;
    ensure!(
        ending.code == Some(1),
        "expected CONNACK 1 and a close, came {ending:?}"
    );
    Ok(())
}

fn reserved_connect_flag(scene: &Scene<'_>) -> Outcome {
    let connect = scene.connect_packet("c").flip_flags(0x01);
    scene
        .send_first("c", &connect.packet())?
        .expect_refusal(&[0x81, 0x82])
}

fn payload_order(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = scene.connect("watcher")?;
    watcher.subscribe(&topic, 0)?;
    let connect = scene
        .connect_packet("full")
        .will(wire::Will::new(&topic, "gone"))
        .user_name("user name")
        .password("password");
    let (client, _) = scene.connect_with("full", &connect)?;
    client.drop_connection();
    watcher.expect_payload("gone").map(|_| ())
}

fn malformed_connect(scene: &Scene<'_>) -> Outcome {
    let body = scene.connect_packet("c").body().bytes();
    let malformed = [
        body[..body.len() - 1].to_vec(),
        body[..9].to_vec(),
        body[..4].to_vec(),
        Vec::new(),
        [&body[..], &[0]].concat(),
    ];
    for bytes in malformed {
        let packet = Body::new().raw(&bytes).packet(0x10);
        let ending = scene.send_first("c", &packet)?.ending()?;
        ensure!(
            ending.before.is_empty(),
            "expected a close after {packet:02x?}, came {ending:?}"
        );
        let allowed: &[u8] = if scene.is_v5() {
            &[0x81, 0x82, 0x84, 0x85]
        } else {
            &[]
        };
        ensure!(
            ending.code.is_none_or(|code| allowed.contains(&code)),
            "{packet:02x?}: expected a close with a reason among {allowed:02x?}, came {ending:?}"
        );
    }
    Ok(())
}

fn taken_over(scene: &Scene<'_>) -> Outcome {
    let mut first = scene.connect("same")?;
    let mut second = scene.connect("same")?;
    first.expect_refusal(&[0x8e])?;
    second.fence()
}

fn accepted(scene: &Scene<'_>) -> Outcome {
    scene.connect("c")?.fence()
}

fn nothing_after_a_refusal(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 0)?;
    let mut bytes = scene.connect_packet("refused").flip_flags(0x01).packet();
    bytes.extend(scene.publish_bytes(&Publish::new(&topic, "from a refused client")));
    scene
        .send_first("refused", &bytes)?
        .expect_refusal(&[0x81, 0x82])?;
    publisher.publish(Publish::new(&topic, "marker"))?;
    subscriber.expect_payload("marker").map(|_| ())
}

fn pipelined(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let mut bytes = scene.connect_packet("eager").packet();
    bytes.extend(wire::subscribe(scene.version(), 1, &[], &[(&topic, 0)]));
    bytes.extend(scene.publish_bytes(&Publish::new(&topic, "early")));
    let mut client = scene.send_first("eager", &bytes)?;
    client.connected()?;
    client.suback(1)?;
    client.expect_payload("early").map(|_| ())
}

fn forbidden_property(scene: &Scene<'_>) -> Outcome {
    for property in [
        wire::Property::TopicAlias(1),
        wire::Property::ReasonString("no".into()),
        wire::Property::WillDelayInterval(1),
        wire::Property::MessageExpiryInterval(1),
    ] {
        let connect: Connect = scene.connect_packet("c").with(property);
        scene
            .send_first("c", &connect.packet())?
            .expect_refusal(&[0x81, 0x82])?;
    }
    let unknown = Body::new()
        .text("MQTT")
        .u8(Version::V5 as u8)
        .u8(2)
        .u16(60)
        .raw(&[2, 0x7f, 0])
        .text(&scene.client_id("c"))
        .packet(0x10);
    let mut client = scene.send_first("c", &unknown)?;
    let ending = client.ending()?;
    ensure!(
        !ending
            .before
            .iter()
            .any(|packet| matches!(packet, Packet::ConnAck { .. })),
        "an unknown property was accepted"
    );
    Ok(())
}
