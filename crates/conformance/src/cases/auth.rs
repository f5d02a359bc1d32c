//! Enhanced authentication and AUTH [3.15, 4.12].
//!
//! Which methods a broker supports is its own affair; these cases use one that none supports.

use crate::case::{Outcome, cases, ensure};
use crate::scene::Scene;
use crate::wire::{self, Packet, Property};

cases! {
    ["MQTT-3.1.4-2", "MQTT-4.12.0-1", "MQTT-4.12.0-4"] unknown_method_is_refused
        "a CONNECT with an unsupported Authentication Method is refused with 0x8C or 0x87";
    ["MQTT-4.12.0-6"] no_method_no_auth
        "no AUTH, and no Authentication Method in CONNACK, for a Client that has named none";
    ["MQTT-4.12.0-7"] auth_without_method
        "AUTH from a Client without Authentication Method is a Protocol Error";
    ["MQTT-4.12.1-1"] reauthentication_without_method
        "re-authentication needs the method of CONNECT";
    ["MQTT-3.15.1-1"] reserved_flags
        "the reserved flags of AUTH are 0";
    ["MQTT-3.15.2/reason-code"] undefined_reason_code
        "AUTH with an undefined Reason Code is refused";
    ["MQTT-3.1.2.11/authentication-data"] data_without_method
        "Authentication Data without Authentication Method is a Protocol Error";
}

fn method(name: &str) -> Property {
    Property::AuthenticationMethod(name.into())
}

fn unknown_method_is_refused(scene: &Scene<'_>) -> Outcome {
    let connect = scene.connect_packet("c").with(method("no such method"));
    scene
        .send_first("c", &connect.packet())?
        .expect_refusal(&[0x8c, 0x87])
}

fn no_method_no_auth(scene: &Scene<'_>) -> Outcome {
    let (mut client, connack) = scene.connect_with("c", &scene.connect_packet("c"))?;
    let named = connack
        .properties()
        .iter()
        .any(|property| property.identifier() == 0x15);
    ensure!(!named, "CONNACK names an Authentication Method");
    let arrived = client.before_fence()?;
    let auth = arrived
        .iter()
        .any(|packet| matches!(packet, Packet::Auth { .. }));
    ensure!(!auth, "the Server sent AUTH: {arrived:?}");
    Ok(())
}

fn auth_without_method(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    client.send(&wire::auth(0x18, &[method("m")]));
    client.expect_refusal(&[0x82, 0x8c, 0x87])
}

fn reauthentication_without_method(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    client.send(&wire::auth(0x19, &[method("m")]));
    client.expect_refusal(&[0x82, 0x8c, 0x87])
}

fn reserved_flags(scene: &Scene<'_>) -> Outcome {
    for flags in [1, 2, 4, 8] {
        let mut client = scene.connect("c")?;
        let mut packet = wire::auth(0x18, &[method("m")]);
        packet[0] |= flags;
        client.send(&packet);
        client.expect_refusal(&[0x81, 0x82])?;
    }
    Ok(())
}

fn undefined_reason_code(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    client.send(&wire::auth(0x42, &[method("m")]));
    client.expect_refusal(&[0x81, 0x82, 0x8c, 0x87])
}

fn data_without_method(scene: &Scene<'_>) -> Outcome {
    let connect = scene
        .connect_packet("c")
        .with(Property::AuthenticationData(vec![1]));
    scene
        .send_first("c", &connect.packet())?
        .expect_refusal(&[0x81, 0x82])
}
