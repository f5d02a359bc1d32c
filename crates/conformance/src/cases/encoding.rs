//! Data representation and the form of every packet [1.5, 2].

use crate::case::{Outcome, cases, ensure};
use crate::scene::Scene;
use crate::wire::{self, Body, Packet, Property, Publish};

cases! {
    ["MQTT-1.5.4-1", "MQTT311-1.5.3-1"] ill_formed_utf8
        "ill-formed UTF-8 in a topic or filter closes the connection";
    ["MQTT-1.5.4-2", "MQTT311-1.5.3-2"] null_character
        "U+0000 in a topic, filter or Client Identifier closes the connection";
    ["MQTT-1.5.4-3", "MQTT311-1.5.3-3"] byte_order_mark_is_kept
        "U+FEFF is a character like any other and is not stripped";
    ["MQTT-1.5.5-1"] variable_byte_integers
        "lengths are in their shortest form on both sides of each step, and five bytes are refused";
    ["MQTT311-2.2.3/remaining-length"] variable_byte_integers
        "Remaining Length is right on both sides of each step, and five bytes are refused";
    ["MQTT-1.5.7-1"] string_pairs
        "both strings of a User Property must be well-formed";
    ["MQTT-2.1.2/direction", "MQTT311-2.2.1/direction"] wrong_direction
        "packets that only a Server sends, and packet type 0, are refused";
    ["MQTT-2.1.3-1", "MQTT311-2.2.2-1", "MQTT311-2.2.2-2"] reserved_flags
        "a fixed header with reserved flags of the wrong value closes the connection";
    ["MQTT-2.2.1-2", "MQTT311-2.3.1-5"] no_packet_id_at_qos_0
        "a QoS 0 PUBLISH has no Packet Identifier";
    ["MQTT-2.2.1/zero", "MQTT311-2.3.1-1"] packet_id_zero
        "Packet Identifier 0 is refused where one is needed";
    ["MQTT-2.2.1-4", "MQTT311-2.3.1-4"] server_packet_ids_are_unused
        "the Server's Packet Identifiers are not 0 and not in use";
    ["MQTT-2.2.1-5", "MQTT311-2.3.1-6"] acknowledgements_repeat_the_id
        "PUBACK, PUBREC, PUBREL and PUBCOMP have the Packet Identifier of their PUBLISH";
    ["MQTT-2.2.1-6", "MQTT311-2.3.1-7"] subscription_acknowledgements_repeat_the_id
        "SUBACK and UNSUBACK have the Packet Identifier of their request";
    ["MQTT-2.2.2-1"] property_length_is_present
        "packets without properties have a Property Length of 0";
    ["MQTT-2.2.2/duplicate"] repeated_property
        "a property that may appear once and appears twice is a Protocol Error";
    ["MQTT-2.2.2/not-allowed"] misplaced_property
        "a property that does not belong in the packet is refused";
    ["MQTT-2.2.2/truncated"] truncated_properties
        "a Property Length beyond the packet's end is refused";
}

const ILL_FORMED: [&[u8]; 7] = [
    b"\xff",
    b"a\x80",
    b"\xc3",
    b"\xc0\xaf",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
];

/// A topic and a filter with these bytes must both be refused.
fn refused_in_topics(scene: &Scene<'_>, bytes: &[u8]) -> Outcome {
    let topic = [scene.topic("t/").as_bytes(), bytes].concat();
    let v = scene.version();
    let publish = Body::new().binary(&topic).properties(v, &[]).packet(0x30);
    let subscribe = Body::new()
        .u16(1)
        .properties(v, &[])
        .binary(&topic)
        .u8(0)
        .packet(0x82);
    let unsubscribe = Body::new()
        .u16(1)
        .properties(v, &[])
        .binary(&topic)
        .packet(0xa2);
    for packet in [publish, subscribe, unsubscribe] {
        let mut client = scene.connect("c")?;
        client.send(&packet);
        client.expect_refusal(&[0x81, 0x82, 0x8f, 0x90])?;
    }
    Ok(())
}

fn ill_formed_utf8(scene: &Scene<'_>) -> Outcome {
    ILL_FORMED
        .iter()
        .try_for_each(|bytes| refused_in_topics(scene, bytes))
}

fn null_character(scene: &Scene<'_>) -> Outcome {
    refused_in_topics(scene, b"a\0b")?;
    let mut connect = scene.connect_packet("c").packet();
    let last = connect.len() - 1;
    connect[last] = 0;
    scene
        .send_first("c", &connect)?
        .expect_refusal(&[0x81, 0x82, 0x85])
}

fn byte_order_mark_is_kept(scene: &Scene<'_>) -> Outcome {
    let plain = scene.topic("t");
    let marked = scene.topic("\u{feff}t");
    let (mut subscriber, mut publisher) = scene.pair(&marked, 0)?;
    publisher.publish(Publish::new(&plain, "without"))?;
    publisher.publish(Publish::new(&marked, "with"))?;
    let message = subscriber.expect_payload("with")?;
    ensure!(
        message.topic == marked,
        "the topic came back as {:?}",
        message.topic
    );
    Ok(())
}

fn variable_byte_integers(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 0)?;
    for total in [127, 128, 129, 16_383, 16_384, 16_385] {
        let overhead = wire::publish(scene.version(), &Publish::new(&topic, "")).len() - 2;
        let payload = vec![b'x'; total - overhead];
        publisher.publish(Publish::new(&topic, &payload))?;
        subscriber.expect_payload(&payload)?;
    }
    publisher.send(&[0x30, 0x80, 0x80, 0x80, 0x80, 0x01]);
    publisher.expect_refusal(&[0x81, 0x82, 0x95])
}

fn string_pairs(scene: &Scene<'_>) -> Outcome {
    for (name, value) in [
        (&b"\xff"[..], &b"v"[..]),
        (b"n", b"\xed\xa0\x80"),
        (b"n", b"\0"),
    ] {
        let pair = Body::new().u8(0x26).binary(name).binary(value).bytes();
        let mut client = scene.connect("c")?;
        let packet = Body::new()
            .text(&scene.topic("t"))
            .var(pair.len())
            .raw(&pair)
            .packet(0x30);
        client.send(&packet);
        client.expect_refusal(&[0x81, 0x82])?;
    }
    Ok(())
}

fn wrong_direction(scene: &Scene<'_>) -> Outcome {
    let mut packets = vec![
        vec![0x00, 0x00],
        vec![0x20, 0x02, 0x00, 0x00],
        vec![0x90, 0x03, 0x00, 0x01, 0x00],
        vec![0xb0, 0x02, 0x00, 0x01],
        vec![0xd0, 0x00],
    ];
    if !scene.is_v5() {
        packets.push(vec![0xf0, 0x00]);
    }
    for packet in packets {
        let mut client = scene.connect("c")?;
        client.send(&packet);
        client.expect_refusal(&[0x81, 0x82])?;
    }
    Ok(())
}

fn reserved_flags(scene: &Scene<'_>) -> Outcome {
    let v = scene.version();
    let topic = scene.topic("t");
    let connect = scene.connect_packet("first").packet();
    for flags in [1, 2, 4, 8] {
        let mut first = connect.clone();
        first[0] ^= flags;
        scene
            .send_first("first", &first)?
            .expect_refusal(&[0x81, 0x82])?;
    }
    for mut packet in [
        wire::ack(wire::PUBACK, 1),
        wire::ack(wire::PUBREC, 1),
        wire::ack(wire::PUBREL, 1),
        wire::ack(wire::PUBCOMP, 1),
        wire::subscribe(v, 1, &[], &[(&topic, 0)]),
        wire::unsubscribe(v, 1, &[&topic]),
        wire::PINGREQ.to_vec(),
        wire::DISCONNECT.to_vec(),
    ] {
        for flags in [1, 2, 8] {
            packet[0] ^= flags;
            let mut client = scene.connect("c")?;
            client.send(&packet);
            client.expect_refusal(&[0x81, 0x82])?;
            packet[0] ^= flags;
        }
    }
    Ok(())
}

fn no_packet_id_at_qos_0(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 2)?;
    publisher.publish(Publish::new(&topic, "exact"))?;
    let message = subscriber.expect_payload("exact")?;
    ensure!(
        message.qos == 0,
        "a QoS 0 message came with QoS {}",
        message.qos
    );
    Ok(())
}

fn packet_id_zero(scene: &Scene<'_>) -> Outcome {
    let v = scene.version();
    let topic = scene.topic("t");
    for packet in [
        scene.publish_bytes(&Publish::new(&topic, "x").qos(1)),
        scene.publish_bytes(&Publish::new(&topic, "x").qos(2)),
        wire::subscribe(v, 0, &[], &[(&topic, 0)]),
        wire::unsubscribe(v, 0, &[&topic]),
    ] {
        let mut client = scene.connect("c")?;
        client.send(&packet);
        client.expect_refusal(&[0x81, 0x82])?;
    }
    Ok(())
}

fn server_packet_ids_are_unused(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 2)?;
    let mut in_use = Vec::new();
    for round in 0..10 {
        publisher.publish(Publish::new(&topic, "x").qos(1 + round % 2))?;
        let id = subscriber.publication()?.id;
        ensure!(
            !in_use.contains(&id),
            "Packet Identifier {id} is in use: {in_use:?}"
        );
        in_use.push(id);
    }
    Ok(())
}

fn acknowledgements_repeat_the_id(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 2)?;
    // The client waits for acknowledgements of exactly these identifiers.
    publisher.publish(Publish::new(&topic, "one").qos(1).id(0xabcd))?;
    publisher.publish(Publish::new(&topic, "two").qos(2).id(0xffff))?;
    subscriber.expect_payload("one")?;
    subscriber.expect_payload("two").map(|_| ())
}

fn subscription_acknowledgements_repeat_the_id(scene: &Scene<'_>) -> Outcome {
    let v = scene.version();
    let topic = scene.topic("t");
    let mut client = scene.connect("c")?;
    for id in [1, 0x8001, 0xffff] {
        client.send(&wire::subscribe(v, id, &[], &[(&topic, 0)]));
        client.suback(id)?;
        client.send(&wire::unsubscribe(v, id, &[&topic]));
        client.unsuback(id)?;
    }
    Ok(())
}

fn property_length_is_present(scene: &Scene<'_>) -> Outcome {
    // The parser insists on Property Length in CONNACK, PUBLISH, SUBACK and UNSUBACK.
    let topic = scene.topic("t");
    let mut client = scene.connect("c")?;
    client.subscribe(&topic, 0)?;
    client.publish(Publish::new(&topic, "bare"))?;
    let message = client.expect_payload("bare")?;
    ensure!(
        message.properties.is_empty(),
        "properties from nowhere: {message:?}"
    );
    client.unsubscribe(&[&topic]).map(|_| ())
}

fn repeated_property(scene: &Scene<'_>) -> Outcome {
    let v = scene.version();
    let topic = scene.topic("t");
    for twice in [
        Property::PayloadFormatIndicator(0),
        Property::MessageExpiryInterval(60),
        Property::ContentType("c".into()),
        Property::ResponseTopic("r".into()),
        Property::CorrelationData(vec![1]),
        Property::TopicAlias(1),
    ] {
        let mut client = scene.connect("c")?;
        let publish = Publish::new(&topic, "x").with(twice.clone()).with(twice);
        client.send(&scene.publish_bytes(&publish));
        client.expect_refusal(&[0x82, 0x81])?;
    }
    let mut client = scene.connect("c")?;
    let identifiers = [
        Property::SubscriptionIdentifier(1),
        Property::SubscriptionIdentifier(2),
    ];
    client.send(&wire::subscribe(v, 1, &identifiers, &[(&topic, 0)]));
    client.expect_refusal(&[0x82, 0x81])?;
    for twice in [
        Property::SessionExpiryInterval(1),
        Property::ReceiveMaximum(10),
        Property::MaximumPacketSize(1_000),
        Property::TopicAliasMaximum(1),
        Property::RequestProblemInformation(1),
        Property::RequestResponseInformation(1),
    ] {
        let connect = scene.connect_packet("c").with(twice.clone()).with(twice);
        scene
            .send_first("c", &connect.packet())?
            .expect_refusal(&[0x82, 0x81])?;
    }
    Ok(())
}

fn misplaced_property(scene: &Scene<'_>) -> Outcome {
    let v = scene.version();
    let topic = scene.topic("t");
    let expiry = [Property::SessionExpiryInterval(1)];
    let publish = Publish::new(&topic, "x").with(Property::SessionExpiryInterval(1));
    let alias = [Property::TopicAlias(1)];
    for packet in [
        scene.publish_bytes(&publish),
        wire::subscribe(v, 1, &expiry, &[(&topic, 0)]),
        Body::new()
            .u16(1)
            .properties(v, &expiry)
            .text(&topic)
            .packet(0xa2),
        Body::new()
            .u16(1)
            .u8(0)
            .properties(v, &expiry)
            .packet(wire::PUBREL),
        wire::disconnect(0, &alias),
    ] {
        let mut client = scene.connect("c")?;
        client.send(&packet);
        client.expect_refusal(&[0x81, 0x82])?;
    }
    Ok(())
}

fn truncated_properties(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    for block in [
        &[5_u8, 0x01][..],
        &[1, 0x02],
        &[2, 0x01],
        &[0xff, 0xff, 0xff, 0x7f],
    ] {
        let mut client = scene.connect("c")?;
        client.send(&Body::new().text(&topic).raw(block).packet(0x30));
        let ending = client.ending()?;
        let pings = ending
            .before
            .iter()
            .filter(|packet| **packet == Packet::PingResp)
            .count();
        ensure!(
            ending.before.len() == pings,
            "expected a close, came first {ending:?}"
        );
    }
    Ok(())
}
