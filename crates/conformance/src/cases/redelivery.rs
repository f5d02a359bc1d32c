//! Sending again after a reconnect, and the order of messages [4.4, 4.6].

use crate::case::{Failure, Outcome, cases, ensure};
use crate::client::Client;
use crate::scene::Scene;
use crate::wire::{self, Packet, Publish, Version};

cases! {
    ["MQTT-3.3.1-1", "MQTT311-3.3.1-1"] duplicates_are_marked
        "a PUBLISH that is sent again has DUP 1";
    ["MQTT-4.4.0-1", "MQTT311-4.4.0-1", "MQTT31-redelivery"] sent_again_after_a_reconnect
        "after a reconnect PUBLISH and PUBREL come again with their identifiers";
    ["MQTT-4.4.0/only-then"] never_sent_again_otherwise
        "nothing is sent again on the same connection, nor once it was acknowledged";
    ["MQTT-4.4.0-2"] refused_is_acknowledged
        "a PUBACK or PUBREC with an error ends the delivery: it is not sent again";
    ["MQTT311-4.6.0-1", "MQTT-4.6.0/resend-order"] sent_again_in_order
        "what is sent again comes in the order of the first time";
    ["MQTT311-4.6.0-4", "MQTT-4.6.0/pubrel-order"] pubrel_in_order
        "PUBREL in the order of the PUBRECs";
    ["MQTT-4.6.0-5", "MQTT311-4.6.0-6"] order_per_topic_and_qos
        "messages of one topic and QoS arrive in the order of publication";
    ["MQTT-4.6.0-6", "MQTT311-4.6.0-5"] every_topic_is_ordered
        "every topic is ordered by default, also through queue and wildcard";
}

fn durable(scene: &Scene<'_>, qos: u8) -> Result<Client, Failure> {
    let (mut client, _) = scene.connect_durable("sub")?;
    client.subscribe(&scene.topic("#"), qos)?;
    Ok(client)
}

fn publish(scene: &Scene<'_>, qos: u8, payloads: &[&str]) -> Outcome {
    let mut publisher = scene.connect("pub")?;
    payloads.iter().try_for_each(|payload| {
        publisher.publish(Publish::new(&scene.topic("t"), payload).qos(qos))
    })
}

fn duplicates_are_marked(scene: &Scene<'_>) -> Outcome {
    for qos in [1, 2] {
        let mut client = durable(scene, qos)?;
        publish(scene, qos, &["x"])?;
        let first = client.publication()?;
        client.drop_connection();
        let (mut client, _) = scene.connect_durable("sub")?;
        let again = client.expect_payload("x")?;
        ensure!(
            (first.dup, again.dup) == (0, 1),
            "DUP {} and then {}",
            first.dup,
            again.dup
        );
        client.disconnect()?;
    }
    Ok(())
}

fn sent_again_after_a_reconnect(scene: &Scene<'_>) -> Outcome {
    let mut client = durable(scene, 2)?;
    publish(scene, 1, &["one"])?;
    publish(scene, 2, &["two", "three"])?;
    let (one, two, three) = (
        client.publication()?,
        client.publication()?,
        client.publication()?,
    );
    client.send(&wire::ack(wire::PUBREC, two.id));
    client.pubrel(two.id)?;
    client.drop_connection();
    let (mut client, present) = scene.connect_durable("sub")?;
    // CONNACK tells only since 3.1.1.
    ensure!(
        present || scene.version() == Version::V3_1,
        "the session is gone"
    );
    for _ in 0..3 {
        match client.receive()? {
            Packet::PubRel(ack) => ensure!(ack.id == two.id, "PUBREL of another identifier"),
            Packet::Publish(again) => {
                let first = if again.payload == one.payload {
                    &one
                } else {
                    &three
                };
                ensure!(
                    again == first.clone().duplicate(),
                    "expected {first:?}, came {again:?}"
                );
            }
            other => ensure!(false, "expected PUBLISH or PUBREL, came {other:?}"),
        }
    }
    client.expect_silence()
}

fn never_sent_again_otherwise(scene: &Scene<'_>) -> Outcome {
    let mut client = durable(scene, 2)?;
    publish(scene, 1, &["one"])?;
    let one = client.publication()?;
    for _ in 0..3 {
        client.fence()?;
    }
    client.expect_silence()?;
    publish(scene, 1, &["two"])?;
    client.acknowledge(&one)?;
    client.expect_payload("two")?;
    client.fence()?;
    client.drop_connection();
    let (mut client, _) = scene.connect_durable("sub")?;
    client.expect_silence()
}

fn refused_is_acknowledged(scene: &Scene<'_>) -> Outcome {
    let mut client = durable(scene, 2)?;
    publish(scene, 1, &["one"])?;
    publish(scene, 2, &["two"])?;
    let (one, two) = (client.publication()?, client.publication()?);
    client.send(&wire::ack_with_code(wire::PUBACK, one.id, 0x83));
    client.send(&wire::ack_with_code(wire::PUBREC, two.id, 0x83));
    client.expect_silence()?;
    client.drop_connection();
    let (mut client, _) = scene.connect_durable("sub")?;
    client.fence()?;
    publish(scene, 1, &["marker"])?;
    client.expect_payload("marker").map(|_| ())
}

const SEVERAL: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

fn sent_again_in_order(scene: &Scene<'_>) -> Outcome {
    for qos in [1, 2] {
        let mut client = durable(scene, qos)?;
        publish(scene, qos, &SEVERAL)?;
        for expected in SEVERAL {
            let came = client.publication()?.text();
            ensure!(came == expected, "expected {expected:?}, came {came:?}");
        }
        client.drop_connection();
        let (mut client, _) = scene.connect_durable("sub")?;
        for expected in SEVERAL {
            client.expect_payload(expected)?;
        }
        client.disconnect()?;
    }
    Ok(())
}

fn pubrel_in_order(scene: &Scene<'_>) -> Outcome {
    let mut client = durable(scene, 2)?;
    publish(scene, 2, &SEVERAL)?;
    let mut ids = Vec::new();
    for _ in SEVERAL {
        ids.push(client.publication()?.id);
    }
    // Not the order of publication, so that it is PUBREC that decides.
    ids.rotate_left(3);
    for id in &ids {
        client.send(&wire::ack(wire::PUBREC, *id));
    }
    for id in &ids {
        match client.receive()? {
            Packet::PubRel(ack) if ack.id == *id => client.send(&wire::ack(wire::PUBCOMP, *id)),
            other => ensure!(false, "expected PUBREL {id}, came {other:?}"),
        }
    }
    Ok(())
}

fn order_per_topic_and_qos(scene: &Scene<'_>) -> Outcome {
    const MESSAGES: u16 = 40;
    let topic = scene.topic("t");
    for qos in 0..=2 {
        let mut subscriber = scene.connect("sub")?;
        subscriber.subscribe(&topic, 2)?;
        let mut publisher = scene.connect("pub")?;
        // In bursts that fit into any Receive Maximum, not one by one.
        for burst in 0..MESSAGES / 10 {
            for n in burst * 10..burst * 10 + 10 {
                let publish = Publish::new(&topic, format!("{n}")).qos(qos);
                let publish = if qos > 0 { publish.id(n + 1) } else { publish };
                publisher.send(&scene.publish_bytes(&publish));
            }
            for id in burst * 10 + 1..=burst * 10 + 10 {
                match qos {
                    1 => drop(publisher.puback(id)?),
                    2 => {
                        publisher.pubrec(id)?;
                        publisher.send(&wire::ack(wire::PUBREL, id));
                        publisher.pubcomp(id)?;
                    }
                    _ => {}
                }
            }
        }
        for n in 0..MESSAGES {
            subscriber.expect_payload(format!("{n}"))?;
        }
    }
    Ok(())
}

fn every_topic_is_ordered(scene: &Scene<'_>) -> Outcome {
    durable(scene, 1)?.disconnect()?;
    publish(scene, 1, &SEVERAL)?;
    let (mut client, _) = scene.connect_durable("sub")?;
    for expected in SEVERAL {
        client.expect_payload(expected)?;
    }
    publish(scene, 1, &SEVERAL)?;
    for expected in SEVERAL {
        client.expect_payload(expected)?;
    }
    Ok(())
}
