//! The Client Identifier [3.1.3.1].

use crate::case::{Outcome, cases, ensure, fail};
use crate::scene::Scene;
use crate::wire::{Connect, Packet, Property, Publish};

cases! {
    ["MQTT-3.1.3-2", "MQTT311-3.1.3-2"] identifies_the_session
        "two Client Identifiers are two sessions, one identifier is one session";
    ["MQTT-3.1.3-3", "MQTT311-3.1.3-3"] is_present
        "a CONNECT without the Client Identifier field is refused";
    ["MQTT-3.1.3-4", "MQTT311-3.1.3-4"] is_utf8
        "a Client Identifier that is not UTF-8 is refused";
    ["MQTT-3.1.3-5", "MQTT311-3.1.3-5"] letters_and_digits
        "1 to 23 letters and digits are allowed";
    ["MQTT-3.1.3-6", "MQTT311-3.1.3-6"] empty_is_made_unique
        "Clients without an identifier do not disturb one another";
    ["MQTT-3.1.3-7", "MQTT-3.2.2-16"] assigned_is_returned
        "an assigned identifier is returned, is new, and can be used to come back";
    ["MQTT311-3.1.3-7", "MQTT311-3.1.3-8"] empty_needs_clean_session
        "an empty identifier with Clean Session 0: return code 2 and a close";
    ["MQTT-3.1.3-8", "MQTT311-3.1.3-9"] rejected_is_closed
        "a very long identifier is accepted, or refused as such and closed";
}

fn identifies_the_session(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut first, _) = scene.connect_durable("a")?;
    first.subscribe(&topic, 1)?;
    first.disconnect()?;
    let (other, present) = scene.connect_durable("b")?;
    ensure!(!present, "another Client Identifier found a session");
    other.disconnect()?;
    let (_again, present) = scene.connect_durable("a")?;
    ensure!(present, "the Client Identifier did not find its session");
    Ok(())
}

fn is_present(scene: &Scene<'_>) -> Outcome {
    let body = Connect::new(scene.version(), "").body().bytes();
    let packet = crate::wire::Body::new()
        .raw(&body[..body.len() - 2])
        .packet(0x10);
    scene
        .send_first("c", &packet)?
        .expect_refusal(&[0x81, 0x82])
}

fn is_utf8(scene: &Scene<'_>) -> Outcome {
    let mut packet = scene.connect_packet("c").packet();
    let last = packet.len() - 1;
    packet[last] = 0xff;
    scene
        .send_first("c", &packet)?
        .expect_refusal(&[0x81, 0x82, 0x85])
}

fn letters_and_digits(scene: &Scene<'_>) -> Outcome {
    for id in [
        "0123456789abcdefghijklm",
        "nopqrstuvwxyzABCDEFGHIJ",
        "KLMNOPQRSTUVWXYZ",
        "x",
    ] {
        let mut client = scene.open(id)?;
        client.connect(&Connect::new(scene.version(), id))?;
    }
    Ok(())
}

fn empty_is_made_unique(scene: &Scene<'_>) -> Outcome {
    let mut one = scene.open("one")?;
    one.connect(&Connect::new(scene.version(), ""))?;
    let mut two = scene.open("two")?;
    two.connect(&Connect::new(scene.version(), ""))?;
    one.fence()?;
    two.fence()
}

fn assigned(connack: &Packet) -> Result<String, crate::Failure> {
    for property in connack.properties() {
        if let Property::AssignedClientIdentifier(id) = property {
            return Ok(id.clone());
        }
    }
    fail!("expected an Assigned Client Identifier, came {connack:?}")
}

fn assigned_is_returned(scene: &Scene<'_>) -> Outcome {
    let nameless = || Connect::new(scene.version(), "").durable();
    let (mut one, first) = scene.connect_with("one", &nameless())?;
    let (_two, second) = scene.connect_with("two", &nameless())?;
    let (first, second) = (assigned(&first)?, assigned(&second)?);
    ensure!(
        !first.is_empty() && first != second,
        "assigned {first:?} and then {second:?}"
    );

    let topic = scene.topic("t");
    one.subscribe(&topic, 1)?;
    one.disconnect()?;
    scene
        .connect("pub")?
        .publish(Publish::new(&topic, "kept").qos(1))?;
    let back = Connect::new(scene.version(), &first).durable();
    let (mut one, connack) = scene.connect_with("one", &back)?;
    ensure!(
        matches!(
            connack,
            Packet::ConnAck {
                session_present: 1,
                ..
            }
        ),
        "the assigned identifier does not lead back to its session"
    );
    one.expect_payload("kept").map(|_| ())
}

fn empty_needs_clean_session(scene: &Scene<'_>) -> Outcome {
    let connect = Connect::new(scene.version(), "").resuming();
    let ending = scene.send_first("c", &connect.packet())?.ending()?;
    ensure!(
        ending.code == Some(2),
        "expected CONNACK 2 and a close, came {ending:?}"
    );
    Ok(())
}

fn rejected_is_closed(scene: &Scene<'_>) -> Outcome {
    let long = "i".repeat(65_535);
    let mut client = scene.open("c")?;
    client.send(&Connect::new(scene.version(), &long).packet());
    let rejected = if scene.is_v5() { 0x85 } else { 0x02 };
    match client.receive() {
        Ok(Packet::ConnAck { code: 0, .. }) => Ok(()),
        Ok(Packet::ConnAck { code, .. }) if code == rejected => client.expect_refusal(&[]),
        Ok(other) => fail!("expected CONNACK 0x00 or 0x{rejected:02x}, came {other:?}"),
        // Closing at once is allowed for a packet that is too large for the broker.
        Err(_) => client.expect_refusal(&[]),
    }
}
