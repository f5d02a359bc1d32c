//! DISCONNECT, in both directions [3.14].

use crate::case::{Outcome, cases, ensure};
use crate::scene::Scene;
use crate::wire::{self, Packet, Property, Publish};

cases! {
    ["MQTT-3.14.0-1"] not_before_connack
        "the Server sends no DISCONNECT before a CONNACK of success";
    ["MQTT-3.14.1-1", "MQTT311-3.14.1-1"] reserved_flags
        "a DISCONNECT with reserved flags is malformed and does not remove the Will";
    ["MQTT-3.14.2-1"] code_is_defined
        "the Server's DISCONNECT has a Reason Code that DISCONNECT defines for Servers";
    ["MQTT-3.14.2-2"] no_session_expiry
        "the Server's DISCONNECT has no Session Expiry Interval";
    ["MQTT-3.14.2-3", "MQTT-3.14.2-4"] within_the_maximum
        "Reason String and User Properties do not make DISCONNECT larger than the Client allows";
    ["MQTT-3.14.4-1"] last_packet
        "nothing follows the Server's DISCONNECT";
    ["MQTT-3.14.4-2"] closes
        "the Server closes after its DISCONNECT";
    ["MQTT-3.14.4/closes", "MQTT311-3.14.4/closes"] closes_after_the_clients
        "the Server closes after the Client's DISCONNECT";
    ["MQTT-3.14.2/forms"] every_form_is_understood
        "DISCONNECT with and without Reason Code and properties ends normally";
}

/// Things a Client must not do after CONNECT, for which a Server may send DISCONNECT.
fn offences(scene: &Scene<'_>) -> [Vec<u8>; 3] {
    [
        scene.connect_packet("offender").packet(),
        scene.publish_bytes(&Publish::new("a/#", "x")),
        vec![0x36, 0x02, 0x00, 0x00],
    ]
}

fn not_before_connack(scene: &Scene<'_>) -> Outcome {
    let method = Property::AuthenticationMethod("no such method".into());
    for first in [
        wire::PINGREQ.to_vec(),
        vec![0x36, 0x02, 0x00, 0x00],
        scene.connect_packet("c").flip_flags(1).packet(),
        scene.connect_packet("c").with(method).packet(),
    ] {
        let mut client = scene.send_first("c", &first)?;
        if let Ok(packet) = client.receive() {
            let refusal = matches!(packet, Packet::ConnAck { code: 0x80.., .. });
            ensure!(refusal, "expected CONNACK or a close, came {packet:?}");
        }
    }
    Ok(())
}

fn reserved_flags(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = scene.connect("watcher")?;
    watcher.subscribe(&topic, 0)?;
    for first in [0xe1, 0xe2, 0xe8] {
        let connect = scene
            .connect_packet("c")
            .will(wire::Will::new(&topic, "gone"));
        let (mut client, _) = scene.connect_with("c", &connect)?;
        client.send(&[first, 0x00]);
        client.expect_refusal(&[0x81, 0x82])?;
        watcher.expect_payload("gone")?;
    }
    Ok(())
}

fn code_is_defined(scene: &Scene<'_>) -> Outcome {
    // The parser refuses a DISCONNECT with any other code, here and in every other case.
    for offence in offences(scene) {
        let mut client = scene.connect("offender")?;
        client.send(&offence);
        client.expect_refusal(&[0x81, 0x82, 0x90, 0x9b])?;
    }
    Ok(())
}

fn no_session_expiry(scene: &Scene<'_>) -> Outcome {
    // The parser refuses a DISCONNECT with this property, here and in every other case.
    let (mut client, _) = scene.connect_durable("offender")?;
    client.send(&scene.connect_packet("offender").packet());
    client.expect_refusal(&[0x82])
}

fn within_the_maximum(scene: &Scene<'_>) -> Outcome {
    for offence in offences(scene) {
        let connect = scene
            .connect_packet("offender")
            .with(Property::MaximumPacketSize(48));
        let (mut client, _) = scene.connect_with("offender", &connect)?;
        client.send(&offence);
        client.ending()?;
        ensure!(
            client.largest() <= 48,
            "{} bytes, the maximum is 48",
            client.largest()
        );
    }
    Ok(())
}

fn last_packet(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let mut publisher = scene.connect("pub")?;
    for offence in offences(scene) {
        let mut client = scene.connect("offender")?;
        client.subscribe(&topic, 0)?;
        for _ in 0..50 {
            publisher.publish(Publish::new(&topic, "x"))?;
        }
        client.send(&[&offence[..], &wire::PINGREQ].concat());
        // Fails if anything follows a DISCONNECT.
        client.ending()?;
    }
    Ok(())
}

fn closes(scene: &Scene<'_>) -> Outcome {
    for offence in offences(scene) {
        let mut client = scene.connect("offender")?;
        client.send(&offence);
        client.ending()?;
    }
    Ok(())
}

fn closes_after_the_clients(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    client.send(&wire::DISCONNECT);
    client.expect_refusal(&[])
}

fn every_form_is_understood(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = scene.connect("watcher")?;
    watcher.subscribe(&topic, 0)?;
    let properties = [
        Property::ReasonString("enough".into()),
        wire::user("a", "b"),
    ];
    for form in [
        wire::DISCONNECT.to_vec(),
        vec![0xe0, 0x01, 0x00],
        wire::disconnect(0x00, &[]),
        wire::disconnect(0x00, &properties),
    ] {
        let connect = scene
            .connect_packet("c")
            .will(wire::Will::new(&topic, "gone"));
        let (mut client, _) = scene.connect_with("c", &connect)?;
        client.send(&form);
        client.expect_refusal(&[])?;
    }
    scene
        .connect("c")?
        .publish(Publish::new(&topic, "marker"))?;
    watcher.expect_payload("marker").map(|_| ())
}
