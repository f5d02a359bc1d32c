//! CONNACK: first, once, and true [3.2].

use crate::case::{Outcome, cases, ensure, fail};
use crate::scene::Scene;
use crate::wire::{self, Connect, Packet, Property, Publish, Will};

cases! {
    ["MQTT-3.2.0-1", "MQTT311-3.2.0-1"] comes_first
        "CONNACK is the first packet, also where messages wait";
    ["MQTT-3.2.0-2"] comes_once
        "no second CONNACK on a connection, whatever the Client sends";
    ["MQTT-3.2.2-1"] reserved_bits
        "bits 7 to 1 of the Connect Acknowledge Flags are 0";
    ["MQTT-3.2.2-6", "MQTT311-3.2.2-4"] refusal_has_no_session
        "a refusing CONNACK has Session Present 0";
    ["MQTT-3.2.2-7", "MQTT311-3.2.2-5"] refusal_is_closed
        "a refusing CONNACK is the last packet";
    ["MQTT-3.2.2-8"] code_is_defined
        "the code in a CONNACK is one that CONNACK defines";
    ["MQTT311-3.2.2-6"] close_without_code
        "where no return code fits, the connection closes without CONNACK";
    ["MQTT-3.2.2-9"] maximum_qos_is_true
        "QoS 1 and 2 work, unless a Maximum QoS says that they do not";
    ["MQTT-3.2.2-10"] subscriptions_of_any_qos
        "SUBSCRIBE may ask for QoS 0, 1 and 2, whatever the Maximum QoS";
    ["MQTT-3.2.2-12"] will_qos_within_maximum
        "a Will QoS above the Maximum QoS is refused, others are accepted";
    ["MQTT-3.2.2-13"] will_retain_if_available
        "a Will with Will Retain is refused exactly where Retain Available is 0";
    ["MQTT-3.2.2-19"] no_reason_string_beyond_the_maximum
        "a Reason String does not make CONNACK larger than the Client's Maximum Packet Size";
    ["MQTT-3.2.2-20"] no_user_property_beyond_the_maximum
        "User Properties do not make CONNACK larger than the Client's Maximum Packet Size";
    ["MQTT-3.2.2.3/limits"] limits_are_not_zero
        "Receive Maximum and Maximum Packet Size in CONNACK are not 0";
}

fn refusable(scene: &Scene<'_>) -> Connect {
    if scene.is_v5() {
        let method = Property::AuthenticationMethod("no such method".into());
        scene.connect_packet("refused").durable().with(method)
    } else {
        Connect::new(scene.version(), "").resuming()
    }
}

fn comes_first(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut client, _) = scene.connect_durable("sub")?;
    client.subscribe(&topic, 1)?;
    client.disconnect()?;
    scene
        .connect("pub")?
        .publish(Publish::new(&topic, "waiting").qos(1))?;
    let mut bytes = scene.connect_packet("sub").durable().packet();
    bytes.extend(wire::PINGREQ);
    let mut client = scene.send_first("sub", &bytes)?;
    client.connected()?;
    client.expect_payload("waiting").map(|_| ())
}

fn comes_once(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    client.send(&scene.connect_packet("c").packet());
    let ending = client.ending()?;
    let again = ending
        .before
        .iter()
        .any(|packet| matches!(packet, Packet::ConnAck { .. }));
    ensure!(!again, "a second CONNACK came");
    Ok(())
}

fn reserved_bits(scene: &Scene<'_>) -> Outcome {
    // The parser refuses a CONNACK with other flags, here and in every other case.
    let (client, _) = scene.connect_durable("c")?;
    client.disconnect()?;
    scene.connect_durable("c").map(|_| ())
}

fn refusal_has_no_session(scene: &Scene<'_>) -> Outcome {
    if scene.is_v5() {
        scene.connect_durable("refused")?.0.disconnect()?;
    }
    match scene
        .send_first("refused", &refusable(scene).packet())?
        .receive()
    {
        Ok(Packet::ConnAck {
            session_present: 1,
            code,
            ..
        }) => {
            fail!("CONNACK 0x{code:02x} with Session Present 1")
        }
        Ok(Packet::ConnAck { code: 0, .. }) => fail!("expected a refusal, came CONNACK 0"),
        _ => Ok(()),
    }
}

fn refusal_is_closed(scene: &Scene<'_>) -> Outcome {
    let codes: &[u8] = if scene.is_v5() { &[0x8c, 0x87] } else { &[2] };
    scene
        .send_first("refused", &refusable(scene).packet())?
        .expect_refusal(codes)
}

fn code_is_defined(scene: &Scene<'_>) -> Outcome {
    // The parser refuses a CONNACK with any other code, here and in every other case.
    for connect in [refusable(scene), scene.connect_packet("c").flip_flags(1)] {
        scene.send_first("refused", &connect.packet())?.ending()?;
    }
    Ok(())
}

fn close_without_code(scene: &Scene<'_>) -> Outcome {
    let connect = scene.connect_packet("c").flip_flags(1);
    scene
        .send_first("c", &connect.packet())?
        .expect_refusal(&[])
}

fn maximum_qos(connack: &Packet) -> u8 {
    connack
        .properties()
        .iter()
        .find_map(|property| match property {
            Property::MaximumQoS(qos) => Some(*qos),
            _ => None,
        })
        .unwrap_or(2)
}

fn maximum_qos_is_true(scene: &Scene<'_>) -> Outcome {
    let (mut client, connack) = scene.connect_with("c", &scene.connect_packet("c"))?;
    for qos in 0..=maximum_qos(&connack) {
        client.publish(Publish::new(&scene.topic("t"), "x").qos(qos))?;
    }
    client.fence()
}

fn subscriptions_of_any_qos(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    for qos in 0..=2 {
        client.subscribe(&scene.topic(&format!("{qos}")), qos)?;
    }
    Ok(())
}

fn will_qos_within_maximum(scene: &Scene<'_>) -> Outcome {
    let (_probe, connack) = scene.connect_with("probe", &scene.connect_packet("probe"))?;
    let maximum = maximum_qos(&connack);
    for qos in 0..=2 {
        let will = Will::new(&scene.topic("will"), "gone").qos(qos);
        let connect = scene.connect_packet("c").will(will);
        if qos <= maximum {
            scene.connect_with("c", &connect)?.0.disconnect()?;
        } else {
            scene
                .send_first("c", &connect.packet())?
                .expect_refusal(&[0x9b])?;
        }
    }
    Ok(())
}

fn will_retain_if_available(scene: &Scene<'_>) -> Outcome {
    let (_probe, connack) = scene.connect_with("probe", &scene.connect_packet("probe"))?;
    let will = Will::new(&scene.topic("will"), "gone").retained();
    let connect = scene.connect_packet("c").will(will);
    if connack.properties().contains(&Property::RetainAvailable(0)) {
        scene
            .send_first("c", &connect.packet())?
            .expect_refusal(&[0x9a])
    } else {
        scene.connect_with("c", &connect)?.0.disconnect()
    }
}

fn no_reason_string_beyond_the_maximum(scene: &Scene<'_>) -> Outcome {
    let connect = refusable(scene).with(Property::MaximumPacketSize(8));
    let mut client = scene.send_first("refused", &connect.packet())?;
    client.ending()?;
    ensure!(
        client.largest() <= 8,
        "CONNACK of {} bytes, the maximum is 8",
        client.largest()
    );
    Ok(())
}

fn no_user_property_beyond_the_maximum(scene: &Scene<'_>) -> Outcome {
    // An accepting CONNACK cannot be refused by the Client, so it may well not be sent at all.
    let connect = scene
        .connect_packet("c")
        .with(Property::MaximumPacketSize(64));
    let mut client = scene.send_first("c", &connect.packet())?;
    let _ = client.receive();
    ensure!(
        client.largest() <= 64,
        "CONNACK of {} bytes, the maximum is 64",
        client.largest()
    );
    Ok(())
}

fn limits_are_not_zero(scene: &Scene<'_>) -> Outcome {
    let (_client, connack) = scene.connect_with("c", &scene.connect_packet("c"))?;
    for zero in [Property::ReceiveMaximum(0), Property::MaximumPacketSize(0)] {
        ensure!(
            !connack.properties().contains(&zero),
            "CONNACK announces {zero:?}"
        );
    }
    Ok(())
}
