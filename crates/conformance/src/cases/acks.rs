//! PUBACK, PUBREC, PUBREL and PUBCOMP as packets [3.4 to 3.7].

use crate::case::{Failure, Outcome, cases, ensure};
use crate::client::Client;
use crate::scene::Scene;
use crate::wire::{self, Property, Publish};

cases! {
    ["MQTT-3.4.2-1"] puback_code
        "PUBACK has one of its Reason Codes, with and without subscribers";
    ["MQTT-3.4.2-2", "MQTT-3.4.2-3"] puback_within_the_maximum
        "Reason String and User Properties do not make PUBACK larger than the Client allows";
    ["MQTT-3.5.2-1"] pubrec_code
        "PUBREC has one of its Reason Codes, with and without subscribers";
    ["MQTT-3.5.2-2", "MQTT-3.5.2-3"] pubrec_within_the_maximum
        "Reason String and User Properties do not make PUBREC larger than the Client allows";
    ["MQTT-3.6.1-1", "MQTT311-3.6.1-1"] pubrel_flags
        "a PUBREL with other flags than 0010 closes the connection";
    ["MQTT-3.6.2-1"] pubrel_code
        "PUBREL has one of its Reason Codes, also for an unknown Packet Identifier";
    ["MQTT-3.6.2-2", "MQTT-3.6.2-3"] pubrel_within_the_maximum
        "Reason String and User Properties do not make PUBREL larger than the Client allows";
    ["MQTT-3.7.2-1"] pubcomp_code
        "PUBCOMP has one of its Reason Codes, also for an unknown Packet Identifier";
    ["MQTT-3.7.2.1/unknown"] unknown_pubrel_is_named
        "PUBCOMP says 0x92 for an unknown Packet Identifier";
    ["MQTT-3.7.2-2", "MQTT-3.7.2-3"] pubcomp_within_the_maximum
        "Reason String and User Properties do not make PUBCOMP larger than the Client allows";
    ["MQTT311-3.6.4/unknown"] unknown_pubrel_is_completed
        "a PUBREL of an unknown Packet Identifier is answered with PUBCOMP";
    ["MQTT-3.4.2/forms"] every_form_is_understood
        "acknowledgements with and without Reason Code and Property Length are understood";
}

/// What a test of sizes allows; CONNACK has to fit too.
const MAXIMUM: u32 = 48;

fn bounded(scene: &Scene<'_>) -> Result<Client, Failure> {
    let connect = scene
        .connect_packet("small")
        .with(Property::MaximumPacketSize(MAXIMUM));
    Ok(scene.connect_with("small", &connect)?.0)
}

fn expect_small(client: &Client) -> Outcome {
    ensure!(
        client.largest() <= MAXIMUM as usize,
        "a packet of {} bytes, the maximum is {MAXIMUM}",
        client.largest()
    );
    Ok(())
}

fn puback_code(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let mut client = scene.connect("c")?;
    client.publish(Publish::new(&topic, "nobody").qos(1))?;
    client.subscribe(&topic, 0)?;
    client.publish(Publish::new(&topic, "somebody").qos(1))
}

fn puback_within_the_maximum(scene: &Scene<'_>) -> Outcome {
    let mut client = bounded(scene)?;
    client.publish(Publish::new(&scene.topic("nobody"), "x").qos(1))?;
    expect_small(&client)
}

fn pubrec_code(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let mut client = scene.connect("c")?;
    client.publish(Publish::new(&topic, "nobody").qos(2))?;
    client.subscribe(&topic, 0)?;
    client.publish(Publish::new(&topic, "somebody").qos(2))
}

fn pubrec_within_the_maximum(scene: &Scene<'_>) -> Outcome {
    let mut client = bounded(scene)?;
    client.publish(Publish::new(&scene.topic("nobody"), "x").qos(2))?;
    expect_small(&client)
}

fn pubrel_flags(scene: &Scene<'_>) -> Outcome {
    for first in [0x60, 0x61, 0x63, 0x66, 0x6a] {
        let mut client = scene.connect("c")?;
        client.send(&scene.publish_bytes(&Publish::new(&scene.topic("t"), "x").qos(2).id(1)));
        client.pubrec(1)?;
        client.send(&wire::ack(first, 1));
        client.expect_refusal(&[0x81, 0x82])?;
    }
    Ok(())
}

/// PUBREC for a message that the Server never sent; it may answer or keep silent.
fn unknown_pubrec(client: &mut Client) -> Outcome {
    client.send(&wire::ack(wire::PUBREC, 0x7777));
    client.fence()
}

fn pubrel_code(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 2)?;
    publisher.publish(Publish::new(&topic, "x").qos(2))?;
    subscriber.expect_payload("x")?;
    unknown_pubrec(&mut subscriber)
}

fn pubrel_within_the_maximum(scene: &Scene<'_>) -> Outcome {
    let mut client = bounded(scene)?;
    unknown_pubrec(&mut client)?;
    expect_small(&client)
}

fn pubcomp_code(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    client.send(&wire::ack(wire::PUBREL, 0x7777));
    client.pubcomp(0x7777)?;
    client.publish(Publish::new(&scene.topic("t"), "x").qos(2))
}

fn unknown_pubrel_is_named(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    client.send(&wire::ack(wire::PUBREL, 0x7777));
    let pubcomp = client.pubcomp(0x7777)?;
    ensure!(
        pubcomp.code == 0x92,
        "expected PUBCOMP 0x92, came {pubcomp:?}"
    );
    Ok(())
}

fn pubcomp_within_the_maximum(scene: &Scene<'_>) -> Outcome {
    let mut client = bounded(scene)?;
    client.send(&wire::ack(wire::PUBREL, 0x7777));
    client.pubcomp(0x7777)?;
    expect_small(&client)
}

fn unknown_pubrel_is_completed(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    client.send(&wire::ack(wire::PUBREL, 0x7777));
    client.pubcomp(0x7777).map(|_| ())
}

fn every_form_is_understood(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 2)?;
    let long = |first, id| {
        let properties = [Property::ReasonString("why".into()), wire::user("a", "b")];
        wire::Body::new()
            .u16(id)
            .u8(0)
            .properties(scene.version(), &properties)
            .packet(first)
    };
    let forms: [&dyn Fn(u8, u16) -> Vec<u8>; 3] = [
        &wire::ack,
        &|first, id| wire::ack_with_code(first, id, 0),
        &long,
    ];
    for form in forms {
        publisher.publish(Publish::new(&topic, "1").qos(1))?;
        let one = subscriber.publication()?;
        subscriber.send(&form(wire::PUBACK, one.id));
        publisher.publish(Publish::new(&topic, "2").qos(2))?;
        let two = subscriber.publication()?;
        subscriber.send(&form(wire::PUBREC, two.id));
        subscriber.pubrel(two.id)?;
        subscriber.send(&form(wire::PUBCOMP, two.id));
        publisher.send(&scene.publish_bytes(&Publish::new(&topic, "3").qos(2).id(0x300)));
        publisher.pubrec(0x300)?;
        publisher.send(&form(wire::PUBREL, 0x300));
        publisher.pubcomp(0x300)?;
        subscriber.expect_payload("3")?;
    }
    Ok(())
}
