//! PUBLISH: flags, Topic Name, and how it is answered [3.3].

use crate::case::{Outcome, cases, ensure};
use crate::scene::Scene;
use crate::wire::{self, Body, Packet, Property, Publish};

cases! {
    ["MQTT-3.3.1-2", "MQTT311-3.3.1-2"] duplicate_at_qos_0
        "DUP with QoS 0 is refused, or at least not passed on";
    ["MQTT-3.3.1-3", "MQTT311-3.3.1-3"] duplicate_is_not_passed_on
        "the DUP flag that comes in is not the one that goes out";
    ["MQTT-3.3.1-4", "MQTT311-3.3.1-4"] qos_3
        "a PUBLISH of QoS 3 closes the connection";
    ["MQTT-3.3.2-1", "MQTT311-3.3.2-1"] topic_name_is_utf8
        "the Topic Name comes first, whole, and in UTF-8";
    ["MQTT-3.3.2-2", "MQTT-4.7.0-1", "MQTT311-3.3.2-2", "MQTT311-4.7.1-1"] wildcard_in_topic_name
        "a Topic Name with a wildcard is refused";
    ["MQTT-3.3.2-3", "MQTT311-3.3.2-3"] topic_name_matches_the_filter
        "the Topic Name that arrives is the one published and matches the filter";
    ["MQTT-3.3.4-1", "MQTT311-3.3.4-1", "MQTT31-publish"] answered_by_qos
        "QoS 0 has no answer, QoS 1 PUBACK, QoS 2 PUBREC";
    ["MQTT-3.3.4-6"] no_subscription_identifier_from_clients
        "a Client's PUBLISH with a Subscription Identifier is refused";
    ["MQTT-3.3.2-19"] content_type_is_utf8
        "a Content Type that is not UTF-8 is refused";
    ["MQTT-3.3.2-13"] response_topic_is_utf8
        "a Response Topic that is not UTF-8 is refused";
    ["MQTT-3.3.2-14"] response_topic_without_wildcards
        "a Response Topic with a wildcard is refused";
    ["MQTT-3.3.2/empty-topic", "MQTT311-3.3.2/empty-topic"] empty_topic_name
        "an empty Topic Name (in 5.0: without Topic Alias) is refused";
    ["MQTT-3.3.3/payload", "MQTT311-3.3.3/payload"] payload_is_opaque
        "payloads of any bytes arrive unaltered, the empty one too";
}

fn duplicate_at_qos_0(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 0)?;
    publisher.send(&scene.publish_bytes(&Publish::new(&topic, "odd").duplicate()));
    let mut other = scene.connect("other")?;
    match publisher.fence() {
        Ok(()) => {
            publisher.publish(Publish::new(&topic, "marker"))?;
        }
        Err(_) => {
            publisher.expect_refusal(&[0x81, 0x82])?;
            other.publish(Publish::new(&topic, "marker"))?;
        }
    }
    // The parser refuses a PUBLISH of QoS 0 that has DUP set.
    while subscriber.message()?.text() != "marker" {}
    Ok(())
}

fn duplicate_is_not_passed_on(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 2)?;
    for qos in [1, 2] {
        publisher.publish(Publish::new(&topic, "again").qos(qos).duplicate())?;
        let message = subscriber.expect_payload("again")?;
        ensure!(message.dup == 0, "DUP was passed on at QoS {qos}");
    }
    Ok(())
}

fn qos_3(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    client.send(&scene.publish_bytes(&Publish::new(&scene.topic("t"), "x").qos(3).id(1)));
    client.expect_refusal(&[0x81, 0x82, 0x9b])
}

fn topic_name_is_utf8(scene: &Scene<'_>) -> Outcome {
    let v = scene.version();
    for packet in [
        Body::new()
            .binary(b"t/\xff")
            .properties(v, &[])
            .packet(0x30),
        Body::new().u16(9).raw(b"short").packet(0x30),
        Body::new().packet(0x30),
        Body::new().u8(0).packet(0x30),
    ] {
        let mut client = scene.connect("c")?;
        client.send(&packet);
        client.expect_refusal(&[0x81, 0x82, 0x90])?;
    }
    Ok(())
}

fn wildcard_in_topic_name(scene: &Scene<'_>) -> Outcome {
    for name in ["#", "+", "a/#", "a/+/b", "a+", "a#b"] {
        let mut client = scene.connect("c")?;
        client.send(&scene.publish_bytes(&Publish::new(&scene.topic(name), "x")));
        client.expect_refusal(&[0x81, 0x82, 0x90])?;
    }
    Ok(())
}

fn topic_name_matches_the_filter(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("a/b/c");
    for filter in ["a/b/c", "a/+/c", "a/#", "#"] {
        let mut subscriber = scene.connect(filter)?;
        subscriber.subscribe(&scene.topic(filter), 0)?;
        scene.connect("pub")?.publish(Publish::new(&topic, "x"))?;
        let message = subscriber.expect_payload("x")?;
        ensure!(
            message.topic == topic,
            "expected topic {topic:?}, came {:?}",
            message.topic
        );
    }
    Ok(())
}

fn answered_by_qos(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let mut client = scene.connect("c")?;
    client.publish(Publish::new(&topic, "0"))?;
    client.expect_silence()?;
    client.send(&scene.publish_bytes(&Publish::new(&topic, "1").qos(1).id(7)));
    client.puback(7)?;
    client.expect_silence()?;
    client.send(&scene.publish_bytes(&Publish::new(&topic, "2").qos(2).id(8)));
    client.pubrec(8)?;
    client.expect_silence()
}

fn no_subscription_identifier_from_clients(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 0)?;
    let publish = Publish::new(&topic, "x").with(Property::SubscriptionIdentifier(1));
    publisher.send(&scene.publish_bytes(&publish));
    publisher.expect_refusal(&[0x82, 0x81])?;
    scene
        .connect("other")?
        .publish(Publish::new(&topic, "marker"))?;
    subscriber.expect_payload("marker").map(|_| ())
}

/// PUBLISH with one property given as bytes.
fn refused_property(scene: &Scene<'_>, identifier: u8, value: &[u8], codes: &[u8]) -> Outcome {
    let block = Body::new().u8(identifier).binary(value).bytes();
    let mut client = scene.connect("c")?;
    let body = Body::new()
        .text(&scene.topic("t"))
        .var(block.len())
        .raw(&block);
    client.send(&body.packet(0x30));
    client.expect_refusal(codes)
}

fn content_type_is_utf8(scene: &Scene<'_>) -> Outcome {
    refused_property(scene, 0x03, b"\xff", &[0x81, 0x82])
}

fn response_topic_is_utf8(scene: &Scene<'_>) -> Outcome {
    refused_property(scene, 0x08, b"\xff", &[0x81, 0x82, 0x90])
}

fn response_topic_without_wildcards(scene: &Scene<'_>) -> Outcome {
    refused_property(scene, 0x08, b"answer/#", &[0x81, 0x82, 0x90])?;
    refused_property(scene, 0x08, b"answer/+/x", &[0x81, 0x82, 0x90])
}

fn empty_topic_name(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    client.send(&scene.publish_bytes(&Publish::new("", "x")));
    client.expect_refusal(&[0x81, 0x82, 0x90])
}

fn payload_is_opaque(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 1)?;
    let every_byte: Vec<u8> = (0..=255).collect();
    for payload in [&[][..], &[0][..], &every_byte, &[b'x'; 70_000]] {
        publisher.publish(Publish::new(&topic, payload).qos(1))?;
        let message = subscriber.message()?;
        ensure!(
            message.payload == payload,
            "a payload of {} bytes was altered",
            payload.len()
        );
    }
    publisher.send(&wire::PINGREQ);
    ensure!(
        publisher.receive()? == Packet::PingResp,
        "the publisher's connection is out of step"
    );
    Ok(())
}
