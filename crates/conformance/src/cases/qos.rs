//! The delivery protocols of QoS 0, 1 and 2, with the Server on both sides [4.3].

use crate::case::{Failure, Outcome, cases, ensure};
use crate::client::Client;
use crate::scene::Scene;
use crate::wire::{self, Property, Publish};

cases! {
    ["MQTT-4.3.1-1", "MQTT311-4.3.1-1"] qos_0_is_sent_once
        "QoS 0 is sent with DUP 0, once";
    ["MQTT-4.3.2-1"] qos_1_unused_id
        "as sender of QoS 1: a Packet Identifier that is not in use";
    ["MQTT-4.3.2-2"] qos_1_first_sending
        "as sender of QoS 1: QoS 1 and DUP 0 at first";
    ["MQTT-4.3.2-3"] qos_1_until_puback
        "as sender of QoS 1: unacknowledged until PUBACK, and no longer";
    ["MQTT311-4.3.2-1"] qos_1_until_puback
        "as sender of QoS 1: unused identifier, DUP 0 at first, unacknowledged until PUBACK";
    ["MQTT-4.3.2-4"] qos_1_puback
        "as receiver of QoS 1: PUBACK, and the message goes on";
    ["MQTT-4.3.2-5", "MQTT311-4.3.2-2"] qos_1_id_is_free_again
        "as receiver of QoS 1: after PUBACK the same identifier is a new message";
    ["MQTT-4.3.3-1"] qos_2_unused_id
        "as sender of QoS 2: a Packet Identifier that is not in use";
    ["MQTT-4.3.3-2"] qos_2_first_sending
        "as sender of QoS 2: QoS 2 and DUP 0 at first";
    ["MQTT-4.3.3-3"] qos_2_until_pubrec
        "as sender of QoS 2: the PUBLISH is unacknowledged until PUBREC";
    ["MQTT-4.3.3-4"] qos_2_pubrel
        "as sender of QoS 2: PUBREL after PUBREC";
    ["MQTT-4.3.3-5"] qos_2_until_pubcomp
        "as sender of QoS 2: the PUBREL is unacknowledged until PUBCOMP";
    ["MQTT-4.3.3-6", "MQTT311-4.3.3-1"] qos_2_no_publish_after_pubrel
        "as sender of QoS 2: after PUBREL only PUBREL is sent again, until PUBCOMP";
    ["MQTT-4.3.3-7"] qos_2_no_expiry_once_sent
        "as sender of QoS 2: a message does not expire once its PUBLISH was sent";
    ["MQTT-4.3.3-8"] qos_2_pubrec
        "as receiver of QoS 2: PUBREC";
    ["MQTT-4.3.3-9"] qos_2_refused_id_is_free
        "as receiver of QoS 2: after a PUBREC with an error the identifier is a new message";
    ["MQTT-4.3.3-10"] qos_2_repeats_are_ignored
        "as receiver of QoS 2: a repeated PUBLISH has a PUBREC and is not delivered again";
    ["MQTT-4.3.3-11"] qos_2_pubcomp
        "as receiver of QoS 2: PUBCOMP after PUBREL, also after a repeated one";
    ["MQTT-4.3.3-12"] qos_2_id_is_free_again
        "as receiver of QoS 2: after PUBCOMP the same identifier is a new message";
    ["MQTT311-4.3.3-2"] qos_2_as_receiver
        "as receiver of QoS 2: no repeat is delivered, after PUBCOMP the identifier is free";
    ["MQTT-4.3.3-13"] qos_2_goes_on_after_expiry
        "as receiver of QoS 2: the exchange goes on although the message has expired";
    ["MQTT-4.3.3/reconnect", "MQTT311-4.3.3/reconnect", "MQTT31-qos-2"] qos_2_over_a_reconnect
        "as receiver of QoS 2: a repeat after a reconnect is not delivered again";
}

fn qos_0_is_sent_once(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 2)?;
    publisher.publish(Publish::new(&topic, "once"))?;
    publisher.publish(Publish::new(&topic, "marker"))?;
    // The parser refuses DUP at QoS 0.
    let once = subscriber.expect_payload("once")?;
    ensure!(
        once.qos == 0,
        "published with QoS 0, came with QoS {}",
        once.qos
    );
    subscriber.expect_payload("marker").map(|_| ())
}

/// Six messages on their way to a durable subscriber that acknowledges none.
fn in_flight(scene: &Scene<'_>, qos: u8) -> Result<(Client, Vec<Publish>), Failure> {
    let topic = scene.topic("t");
    let (mut subscriber, _) = scene.connect_durable("sub")?;
    subscriber.subscribe(&topic, 2)?;
    let mut publisher = scene.connect("pub")?;
    let mut sent = Vec::new();
    for round in 0..6 {
        publisher.publish(Publish::new(&topic, format!("{round}")).qos(qos))?;
        sent.push(subscriber.publication()?);
    }
    Ok((subscriber, sent))
}

fn expect_unused_ids(scene: &Scene<'_>, qos: u8) -> Outcome {
    let (mut subscriber, sent) = in_flight(scene, qos)?;
    let mut ids: Vec<u16> = sent.iter().map(|publish| publish.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ensure!(
        ids.len() == sent.len(),
        "an identifier was used twice: {ids:?}"
    );
    sent.iter()
        .try_for_each(|publish| subscriber.acknowledge(publish))
}

fn qos_1_unused_id(scene: &Scene<'_>) -> Outcome {
    expect_unused_ids(scene, 1)
}

fn qos_2_unused_id(scene: &Scene<'_>) -> Outcome {
    expect_unused_ids(scene, 2)
}

fn expect_first_sending(scene: &Scene<'_>, qos: u8) -> Outcome {
    for publish in in_flight(scene, qos)?.1 {
        ensure!(
            (publish.qos, publish.dup) == (qos, 0),
            "expected QoS {qos}, DUP 0: {publish:?}"
        );
    }
    Ok(())
}

fn qos_1_first_sending(scene: &Scene<'_>) -> Outcome {
    expect_first_sending(scene, 1)
}

fn qos_2_first_sending(scene: &Scene<'_>) -> Outcome {
    expect_first_sending(scene, 2)
}

/// Everything unacknowledged comes again, with DUP and its identifier; returned unacknowledged.
fn expect_again(scene: &Scene<'_>, sent: &[Publish]) -> Result<Client, Failure> {
    let (mut subscriber, _) = scene.connect_durable("sub")?;
    for publish in sent {
        let again = subscriber.publication()?;
        let expected = publish.clone().duplicate();
        ensure!(again == expected, "expected {expected:?}, came {again:?}");
    }
    Ok(subscriber)
}

fn expect_nothing_left(scene: &Scene<'_>) -> Outcome {
    let (mut subscriber, _) = scene.connect_durable("sub")?;
    subscriber.fence()?;
    scene
        .connect("pub")?
        .publish(Publish::new(&scene.topic("t"), "marker").qos(1))?;
    subscriber.expect_payload("marker").map(|_| ())
}

fn qos_1_until_puback(scene: &Scene<'_>) -> Outcome {
    let (subscriber, sent) = in_flight(scene, 1)?;
    subscriber.drop_connection();
    let mut subscriber = expect_again(scene, &sent)?;
    sent.iter()
        .try_for_each(|publish| subscriber.acknowledge(publish))?;
    subscriber.fence()?;
    subscriber.drop_connection();
    expect_nothing_left(scene)
}

fn qos_1_puback(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 1)?;
    publisher.publish(Publish::new(&topic, "taken over").qos(1).id(0x1001))?;
    subscriber.expect_payload("taken over").map(|_| ())
}

fn qos_1_id_is_free_again(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 1)?;
    publisher.publish(Publish::new(&topic, "first").qos(1).id(5))?;
    publisher.publish(Publish::new(&topic, "second").qos(1).id(5).duplicate())?;
    subscriber.expect_payload("first")?;
    subscriber.expect_payload("second").map(|_| ())
}

fn qos_2_until_pubrec(scene: &Scene<'_>) -> Outcome {
    let (subscriber, sent) = in_flight(scene, 2)?;
    subscriber.drop_connection();
    let mut subscriber = expect_again(scene, &sent)?;
    sent.iter()
        .try_for_each(|publish| subscriber.acknowledge(publish))?;
    subscriber.fence()?;
    subscriber.drop_connection();
    expect_nothing_left(scene)
}

/// Every message has its PUBREC and PUBREL; PUBCOMP is owed.
fn released(scene: &Scene<'_>) -> Result<(Client, Vec<Publish>), Failure> {
    let (mut subscriber, sent) = in_flight(scene, 2)?;
    for publish in &sent {
        subscriber.send(&wire::ack(wire::PUBREC, publish.id));
        subscriber.pubrel(publish.id)?;
    }
    Ok((subscriber, sent))
}

fn qos_2_pubrel(scene: &Scene<'_>) -> Outcome {
    released(scene).map(|_| ())
}

fn qos_2_until_pubcomp(scene: &Scene<'_>) -> Outcome {
    let (subscriber, sent) = released(scene)?;
    subscriber.drop_connection();
    let (mut subscriber, _) = scene.connect_durable("sub")?;
    for publish in &sent {
        subscriber.pubrel(publish.id)?;
        subscriber.send(&wire::ack(wire::PUBCOMP, publish.id));
    }
    subscriber.fence()?;
    subscriber.drop_connection();
    let (mut subscriber, _) = scene.connect_durable("sub")?;
    subscriber.expect_silence()
}

fn qos_2_no_publish_after_pubrel(scene: &Scene<'_>) -> Outcome {
    let (subscriber, sent) = released(scene)?;
    subscriber.drop_connection();
    let (mut subscriber, _) = scene.connect_durable("sub")?;
    for publish in &sent {
        subscriber.pubrel(publish.id)?;
        subscriber.send(&wire::ack(wire::PUBCOMP, publish.id));
    }
    subscriber.expect_silence()?;
    scene
        .connect("pub")?
        .publish(Publish::new(&scene.topic("t"), "marker").qos(2))?;
    subscriber.expect_payload("marker").map(|_| ())
}

fn qos_2_no_expiry_once_sent(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, _) = scene.connect_durable("sub")?;
    subscriber.subscribe(&topic, 2)?;
    let publish = Publish::new(&topic, "sent").with(Property::MessageExpiryInterval(1));
    scene.connect("pub")?.publish(publish.qos(2))?;
    let first = subscriber.publication()?;
    subscriber.drop_connection();
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    let (mut subscriber, _) = scene.connect_durable("sub")?;
    let again = subscriber.expect_payload("sent")?;
    ensure!(
        again.id == first.id,
        "expected identifier {}, came {}",
        first.id,
        again.id
    );
    Ok(())
}

/// Sends a QoS 2 PUBLISH with this identifier and waits for its PUBREC.
fn begin(client: &mut Client, publish: &Publish) -> Result<u8, Failure> {
    let bytes = wire::publish(client.version(), publish);
    client.send(&bytes);
    Ok(client.pubrec(publish.id)?.code)
}

fn finish(client: &mut Client, id: u16) -> Result<u8, Failure> {
    client.send(&wire::ack(wire::PUBREL, id));
    Ok(client.pubcomp(id)?.code)
}

fn qos_2_pubrec(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    begin(
        &mut client,
        &Publish::new(&scene.topic("t"), "x").qos(2).id(0x2002),
    )
    .map(|_| ())
}

fn qos_2_refused_id_is_free(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 2)?;
    // A Server may check this and refuse; one that does not has nothing to show here.
    let not_text = Publish::new(&topic, [0xff]).with(Property::PayloadFormatIndicator(1));
    if begin(&mut publisher, &not_text.qos(2).id(3))? >= 0x80 {
        publisher.publish(Publish::new(&topic, "new").qos(2).id(3))?;
        subscriber.expect_payload("new")?;
    }
    Ok(())
}

fn qos_2_repeats_are_ignored(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 2)?;
    let publish = Publish::new(&topic, "once").qos(2).id(9);
    begin(&mut publisher, &publish)?;
    for _ in 0..3 {
        begin(&mut publisher, &publish.clone().duplicate())?;
    }
    finish(&mut publisher, 9)?;
    publisher.publish(Publish::new(&topic, "marker").qos(2))?;
    subscriber.expect_payload("once")?;
    subscriber.expect_payload("marker").map(|_| ())
}

fn qos_2_pubcomp(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    begin(
        &mut client,
        &Publish::new(&scene.topic("t"), "x").qos(2).id(0x3003),
    )?;
    let code = finish(&mut client, 0x3003)?;
    ensure!(code == 0, "expected PUBCOMP 0, came 0x{code:02x}");
    finish(&mut client, 0x3003).map(|_| ())
}

fn qos_2_id_is_free_again(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 2)?;
    for payload in ["first", "second"] {
        begin(&mut publisher, &Publish::new(&topic, payload).qos(2).id(4))?;
        finish(&mut publisher, 4)?;
        subscriber.expect_payload(payload)?;
    }
    Ok(())
}

fn qos_2_as_receiver(scene: &Scene<'_>) -> Outcome {
    qos_2_repeats_are_ignored(scene)?;
    qos_2_id_is_free_again(scene)
}

fn qos_2_goes_on_after_expiry(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    let publish = Publish::new(&scene.topic("t"), "x").with(Property::MessageExpiryInterval(1));
    begin(&mut client, &publish.qos(2).id(6))?;
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    finish(&mut client, 6).map(|_| ())
}

fn qos_2_over_a_reconnect(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let mut subscriber = scene.connect("sub")?;
    subscriber.subscribe(&topic, 2)?;
    let (mut publisher, _) = scene.connect_durable("pub")?;
    let publish = Publish::new(&topic, "once").qos(2).id(9);
    begin(&mut publisher, &publish)?;
    publisher.drop_connection();
    let (mut publisher, _) = scene.connect_durable("pub")?;
    begin(&mut publisher, &publish.duplicate())?;
    finish(&mut publisher, 9)?;
    publisher.publish(Publish::new(&topic, "marker").qos(2))?;
    subscriber.expect_payload("once")?;
    subscriber.expect_payload("marker").map(|_| ())
}
