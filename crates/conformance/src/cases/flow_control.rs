//! Receive Maximum and Maximum Packet Size, in both directions [3.1.2.11, 3.3.4, 4.9].

use crate::case::{Failure, Outcome, cases, ensure};
use crate::client::Client;
use crate::scene::Scene;
use crate::wire::{self, Body, Packet, Property, Publish};

cases! {
    ["MQTT-3.3.4-7"] client_exceeds_receive_maximum
        "more unacknowledged messages than the Server's Receive Maximum: closed, 0x93";
    ["MQTT-3.3.4-9", "MQTT-4.9.0-2"] server_keeps_receive_maximum
        "the Server has no more messages in flight than the Client's Receive Maximum";
    ["MQTT-3.3.4-10", "MQTT-4.9.0-3"] other_packets_go_on
        "with an exhausted send quota all packets but PUBLISH go on";
    ["MQTT-4.9.0-1"] quota_begins_above_zero
        "a Receive Maximum of 1 lets one message through at a time";
    ["MQTT-4.9/quota-returns"] quota_returns
        "PUBACK, PUBCOMP and a PUBREC with an error give quota back";
    ["MQTT-4.9/new-connection"] quota_of_a_new_connection
        "a reconnect begins with the Receive Maximum of its own CONNECT";
    ["MQTT-3.1.2-24"] packet_size_is_kept
        "the Server sends no packet larger than the Client's Maximum Packet Size";
    ["MQTT-3.1.2-25"] too_large_counts_as_sent
        "a message too large for the Client is dropped, and the next one comes";
    ["MQTT-3.2.2-15"] client_exceeds_packet_size
        "a packet larger than the Server's Maximum Packet Size closes the connection, 0x95";
    ["MQTT-3.1.2-28"] no_response_information
        "no Response Information for a Client that has not asked for it";
    ["MQTT-3.1.2-29"] no_problem_information
        "Request Problem Information 0: no Reason String or User Property in acknowledgements";
}

fn limited(scene: &Scene<'_>, property: Property) -> Result<Client, Failure> {
    let (mut client, _) =
        scene.connect_with("sub", &scene.connect_packet("sub").durable().with(property))?;
    client.subscribe(&scene.topic("t"), 2)?;
    Ok(client)
}

fn publish_many(scene: &Scene<'_>, qos: u8, count: usize) -> Outcome {
    let mut publisher = scene.connect("pub")?;
    (0..count).try_for_each(|n| {
        publisher.publish(Publish::new(&scene.topic("t"), format!("{n}")).qos(qos))
    })
}

fn client_exceeds_receive_maximum(scene: &Scene<'_>) -> Outcome {
    let (mut client, connack) = scene.connect_with("c", &scene.connect_packet("c"))?;
    let maximum = connack
        .properties()
        .iter()
        .find_map(|property| match property {
            Property::ReceiveMaximum(maximum) => Some(*maximum),
            _ => None,
        });
    // Without the property it is 65,535, and there are no more Packet Identifiers than that.
    let Some(maximum) = maximum.filter(|maximum| *maximum < u16::MAX) else {
        return Ok(());
    };
    let mut bytes = Vec::new();
    for id in 1..=maximum + 1 {
        bytes.extend(scene.publish_bytes(&Publish::new(&scene.topic("t"), "x").qos(2).id(id)));
    }
    client.send(&bytes);
    let ending = client.ending()?;
    ensure!(
        matches!(ending.code, None | Some(0x93)),
        "expected reason 0x93, came {ending:?}"
    );
    Ok(())
}

/// The publishes that arrive before a fence, unacknowledged.
fn arrived(client: &mut Client) -> Result<Vec<Publish>, Failure> {
    let packets = client.before_fence()?;
    Ok(packets
        .into_iter()
        .filter_map(|packet| match packet {
            Packet::Publish(publish) => Some(publish),
            _ => None,
        })
        .collect())
}

fn server_keeps_receive_maximum(scene: &Scene<'_>) -> Outcome {
    for qos in [1, 2] {
        let mut client = limited(scene, Property::ReceiveMaximum(3))?;
        publish_many(scene, qos, 10)?;
        let mut in_flight = Vec::new();
        for _ in 0..3 {
            in_flight.push(client.publication()?);
        }
        for n in 3..10 {
            let more = arrived(&mut client)?;
            ensure!(
                more.is_empty(),
                "Receive Maximum 3, and a fourth came: {more:?}"
            );
            client.acknowledge(&in_flight.remove(0))?;
            let next = client.publication()?;
            ensure!(
                next.text() == format!("{n}"),
                "expected message {n}, came {:?}",
                next.text()
            );
            in_flight.push(next);
        }
        in_flight
            .iter()
            .try_for_each(|publish| client.acknowledge(publish))?;
        client.disconnect()?;
    }
    Ok(())
}

fn other_packets_go_on(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let mut client = limited(scene, Property::ReceiveMaximum(1))?;
    publish_many(scene, 1, 2)?;
    let held = client.publication()?;
    client.fence()?;
    client.subscribe(&scene.topic("other"), 0)?;
    client.unsubscribe(&[&scene.topic("other")])?;
    let mine = scene.topic("mine");
    client.publish(Publish::new(&mine, "x").qos(1))?;
    client.publish(Publish::new(&mine, "x").qos(2))?;
    client.acknowledge(&held)?;
    let next = client.expect_payload("1")?;
    ensure!(next.topic == topic, "another topic came: {next:?}");
    Ok(())
}

fn quota_begins_above_zero(scene: &Scene<'_>) -> Outcome {
    let mut client = limited(scene, Property::ReceiveMaximum(1))?;
    publish_many(scene, 2, 3)?;
    for n in 0..3 {
        let publish = client.publication()?;
        ensure!(
            publish.text() == format!("{n}"),
            "expected message {n}, came {publish:?}"
        );
        client.expect_silence()?;
        client.acknowledge(&publish)?;
    }
    Ok(())
}

fn quota_returns(scene: &Scene<'_>) -> Outcome {
    let mut client = limited(scene, Property::ReceiveMaximum(1))?;
    publish_many(scene, 2, 3)?;
    let first = client.publication()?;
    client.send(&wire::ack(wire::PUBREC, first.id));
    client.pubrel(first.id)?;
    let early = arrived(&mut client)?;
    ensure!(early.is_empty(), "PUBREC alone gave quota back: {early:?}");
    client.send(&wire::ack(wire::PUBCOMP, first.id));
    let second = client.publication()?;
    client.send(&wire::ack_with_code(wire::PUBREC, second.id, 0x80));
    client.expect_payload("2").map(|_| ())
}

fn quota_of_a_new_connection(scene: &Scene<'_>) -> Outcome {
    let client = limited(scene, Property::ReceiveMaximum(5))?;
    client.drop_connection();
    publish_many(scene, 1, 5)?;
    let connect = scene
        .connect_packet("sub")
        .durable()
        .with(Property::ReceiveMaximum(2));
    let (mut client, _) = scene.connect_with("sub", &connect)?;
    let held = [client.publication()?, client.publication()?];
    let more = arrived(&mut client)?;
    ensure!(
        more.is_empty(),
        "Receive Maximum 2, and a third came: {more:?}"
    );
    held.iter()
        .try_for_each(|publish| client.acknowledge(publish))?;
    (2..5).try_for_each(|n| client.expect_payload(format!("{n}")).map(|_| ()))
}

fn packet_size_is_kept(scene: &Scene<'_>) -> Outcome {
    const MAXIMUM: usize = 300;
    let mut client = limited(scene, Property::MaximumPacketSize(MAXIMUM as u32))?;
    let topic = scene.topic("t");
    let mut publisher = scene.connect("pub")?;
    for qos in 0..=2 {
        let overhead = scene
            .publish_bytes(&Publish::new(&topic, "").qos(qos).id(1))
            .len()
            + 1;
        let fits = vec![b'f'; MAXIMUM - overhead];
        let too_large = vec![b'l'; MAXIMUM - overhead + 1];
        publisher.publish(Publish::new(&topic, &too_large).qos(qos))?;
        publisher.publish(Publish::new(&topic, &fits).qos(qos))?;
        client.expect_payload(&fits)?;
    }
    ensure!(
        client.largest() == MAXIMUM,
        "{} bytes, the maximum is {MAXIMUM}",
        client.largest()
    );
    Ok(())
}

fn too_large_counts_as_sent(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let connect = scene
        .connect_packet("sub")
        .durable()
        .with(Property::MaximumPacketSize(300))
        .with(Property::ReceiveMaximum(1));
    let (mut client, _) = scene.connect_with("sub", &connect)?;
    client.subscribe(&topic, 2)?;
    let mut publisher = scene.connect("pub")?;
    for qos in [1, 2] {
        for _ in 0..3 {
            publisher.publish(Publish::new(&topic, [b'l'; 400]).qos(qos))?;
        }
        publisher.publish(Publish::new(&topic, "small").qos(qos))?;
        client.expect_payload("small")?;
    }
    client.fence()?;
    client.drop_connection();
    let (mut client, _) = scene.connect_with("sub", &connect)?;
    client.expect_silence()
}

fn client_exceeds_packet_size(scene: &Scene<'_>) -> Outcome {
    /// Larger packets are not worth the time.
    const WORTH_SENDING: u32 = 16 << 20;
    let (mut client, connack) = scene.connect_with("c", &scene.connect_packet("c"))?;
    let maximum = connack
        .properties()
        .iter()
        .find_map(|property| match property {
            Property::MaximumPacketSize(maximum) => Some(*maximum),
            _ => None,
        });
    let Some(maximum) = maximum.filter(|maximum| *maximum <= WORTH_SENDING) else {
        return Ok(());
    };
    let body = Body::new().text(&scene.topic("t")).u8(0);
    let payload = vec![b'x'; maximum as usize];
    client.send(&body.raw(&payload).packet(0x30));
    client.expect_refusal(&[0x95])
}

fn no_response_information(scene: &Scene<'_>) -> Outcome {
    let asked_for_none = scene
        .connect_packet("c")
        .with(Property::RequestResponseInformation(0));
    for connect in [asked_for_none, scene.connect_packet("c")] {
        let (_client, connack) = scene.connect_with("c", &connect)?;
        let given = connack
            .properties()
            .iter()
            .any(|property| property.identifier() == 0x1a);
        ensure!(!given, "Response Information came unasked: {connack:?}");
    }
    Ok(())
}

fn no_problem_information(scene: &Scene<'_>) -> Outcome {
    let connect = scene
        .connect_packet("c")
        .with(Property::RequestProblemInformation(0));
    let (mut client, _) = scene.connect_with("c", &connect)?;
    let v = scene.version();
    let nobody = scene.topic("nobody");
    client.send(&scene.publish_bytes(&Publish::new(&nobody, "x").qos(1).id(1)));
    client.send(&scene.publish_bytes(&Publish::new(&nobody, "x").qos(2).id(2)));
    client.send(&wire::ack(wire::PUBREL, 2));
    client.send(&wire::ack(wire::PUBREL, 0x7777));
    client.send(&wire::unsubscribe(v, 3, &[&nobody]));
    client.send(&wire::subscribe(v, 4, &[], &[(&nobody, 0)]));
    for packet in client.before_fence()? {
        ensure!(
            packet.properties().is_empty(),
            "properties came unasked: {packet:?}"
        );
    }
    client.send(&wire::subscribe(v, 5, &[], &[(&scene.topic("a/#/b"), 0)]));
    if let Packet::SubAck { properties, .. } = client.receive()? {
        ensure!(
            properties.is_empty(),
            "properties came unasked: {properties:?}"
        );
    }
    Ok(())
}
