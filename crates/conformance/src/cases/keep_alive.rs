//! Keep Alive and PINGREQ [3.1.2.10, 3.12].

use std::time::{Duration, Instant};

use crate::case::{Outcome, cases, ensure};
use crate::scene::Scene;
use crate::wire::{self, Property, Publish};

cases! {
    ["MQTT-3.1.2-22", "MQTT-3.2.2-22", "MQTT311-3.1.2-24", "MQTT31-keep-alive"] silence_is_closed
        "a Client silent for one and a half times its Keep Alive is disconnected, none earlier";
    ["MQTT-3.1.2.10/any-packet", "MQTT311-3.1.2.10/any-packet"] any_packet_counts
        "every packet from the Client, not only PINGREQ, keeps the connection alive";
    ["MQTT-3.1.2.10/zero", "MQTT311-3.1.2.10/zero"] zero_turns_it_off
        "Keep Alive 0 turns the mechanism off";
    ["MQTT-3.12.4-1", "MQTT311-3.12.4-1", "MQTT31-ping"] ping_is_answered
        "PINGREQ is answered with PINGRESP";
}

fn silence_is_closed(scene: &Scene<'_>) -> Outcome {
    let connect = scene.connect_packet("silent").keep_alive(1);
    let (mut client, connack) = scene.connect_with("silent", &connect)?;
    let seconds = connack
        .properties()
        .iter()
        .find_map(|property| match property {
            Property::ServerKeepAlive(seconds) => Some(u64::from(*seconds)),
            _ => None,
        })
        .unwrap_or(1);
    let start = Instant::now();
    let ending = client.ending_within(Duration::from_secs(seconds * 3 / 2 + 8))?;
    let waited = start.elapsed();
    ensure!(
        waited >= Duration::from_millis(1_000 * seconds),
        "closed already after {waited:?}"
    );
    ensure!(
        matches!(ending.code, None | Some(0x8d)),
        "expected reason 0x8d, came {ending:?}"
    );
    Ok(())
}

fn any_packet_counts(scene: &Scene<'_>) -> Outcome {
    let connect = scene.connect_packet("busy").keep_alive(1);
    let (mut client, _) = scene.connect_with("busy", &connect)?;
    for _ in 0..6 {
        client.publish(Publish::new(&scene.topic("t"), "alive"))?;
        std::thread::sleep(Duration::from_millis(500));
    }
    client.fence()
}

fn zero_turns_it_off(scene: &Scene<'_>) -> Outcome {
    let connect = scene.connect_packet("patient").keep_alive(0);
    let (mut client, _) = scene.connect_with("patient", &connect)?;
    std::thread::sleep(Duration::from_millis(2_500));
    client.fence()
}

fn ping_is_answered(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    client.fence()?;
    client.send(&[wire::PINGREQ, wire::PINGREQ].concat());
    client.receive()?;
    client.receive()?;
    client.expect_silence()
}
