//! User Name and Password in CONNECT: flags and fields must agree [3.1.2.8, 3.1.2.9].

use crate::case::{Outcome, cases, ensure, fail};
use crate::scene::Scene;
use crate::wire::Packet;

const USER_NAME: u8 = 0x80;
const PASSWORD: u8 = 0x40;

cases! {
    ["MQTT-3.1.2-16", "MQTT311-3.1.2-18"] user_name_without_flag
        "no User Name field while the User Name Flag is 0";
    ["MQTT-3.1.2-17", "MQTT311-3.1.2-19"] user_name_missing
        "a User Name field where the User Name Flag is 1";
    ["MQTT-3.1.2-18", "MQTT311-3.1.2-20"] password_without_flag
        "no Password field while the Password Flag is 0";
    ["MQTT-3.1.2-19", "MQTT311-3.1.2-21"] password_missing
        "a Password field where the Password Flag is 1";
    ["MQTT311-3.1.2-22"] password_flag_alone
        "in 3.1.1 the Password Flag needs the User Name Flag";
    ["MQTT-3.1.2.9/password-alone"] password_alone_is_well_formed
        "in 5.0 a Password may come without a User Name";
    ["MQTT-3.1.3-12", "MQTT311-3.1.3-11"] user_name_is_utf8
        "a User Name that is not UTF-8 is refused";
}

fn refused(scene: &Scene<'_>, packet: &[u8]) -> Outcome {
    scene.send_first("c", packet)?.expect_refusal(&[0x81, 0x82])
}

fn user_name_without_flag(scene: &Scene<'_>) -> Outcome {
    let connect = scene
        .connect_packet("c")
        .user_name("user")
        .flip_flags(USER_NAME);
    refused(scene, &connect.packet())
}

fn user_name_missing(scene: &Scene<'_>) -> Outcome {
    refused(
        scene,
        &scene.connect_packet("c").flip_flags(USER_NAME).packet(),
    )
}

fn password_without_flag(scene: &Scene<'_>) -> Outcome {
    let connect = scene.connect_packet("c").user_name("user").password("p");
    refused(scene, &connect.flip_flags(PASSWORD).packet())
}

fn password_missing(scene: &Scene<'_>) -> Outcome {
    let connect = scene
        .connect_packet("c")
        .user_name("user")
        .flip_flags(PASSWORD);
    refused(scene, &connect.packet())
}

fn password_flag_alone(scene: &Scene<'_>) -> Outcome {
    refused(scene, &scene.connect_packet("c").password("p").packet())
}

fn password_alone_is_well_formed(scene: &Scene<'_>) -> Outcome {
    let connect = scene.connect_packet("c").password("p");
    match scene.send_first("c", &connect.packet())?.receive()? {
        Packet::ConnAck {
            code: 0 | 0x86 | 0x87,
            ..
        } => Ok(()),
        other => fail!("expected CONNACK 0x00, 0x86 or 0x87, came {other:?}"),
    }
}

fn user_name_is_utf8(scene: &Scene<'_>) -> Outcome {
    let mut packet = scene.connect_packet("c").user_name("user~name").packet();
    let tilde = packet.iter().rposition(|byte| *byte == b'~');
    ensure!(tilde.is_some(), "the packet was built wrongly");
    packet[tilde.unwrap_or_default()] = 0xff;
    refused(scene, &packet)
}
