//! Malformed Packets, Protocol Errors, and the transport below [4.2, 4.13; in 3.1.1: 4.8, 7].

use crate::case::{Outcome, cases, ensure};
use crate::scene::Scene;
use crate::wire::{self, Body, Property, Publish, Version};

cases! {
    ["MQTT-4.2.0-1", "MQTT311-7.1.1-1"] a_stream_of_bytes
        "packets may be cut and joined in any way: the transport is a stream";
    ["MQTT-4.13.1-1", "MQTT311-4.8.0-1"] malformed_packets_close
        "Malformed Packets and Protocol Errors close the connection";
    ["MQTT-4.13.2-1"] error_codes_close
        "a CONNACK or DISCONNECT with an error is followed by a close";
    ["MQTT-4.13.2/others-unaffected", "MQTT311-4.8.0/others-unaffected"] others_are_unaffected
        "one Client's error does not disturb another";
    ["MQTT-2.2.2/value"] property_values
        "property values outside their range are refused";
    ["MQTT-4.13.1/trailing", "MQTT311-4.8.0/trailing"] trailing_bytes
        "bytes behind a packet's last field are refused";
}

fn a_stream_of_bytes(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let mut bytes = scene.connect_packet("c").packet();
    bytes.extend(wire::subscribe(scene.version(), 1, &[], &[(&topic, 1)]));
    bytes.extend(scene.publish_bytes(&Publish::new(&topic, "one").qos(1).id(2)));
    bytes.extend(scene.publish_bytes(&Publish::new(&topic, [b'x'; 300])));
    bytes.extend(wire::PINGREQ);
    for size in [1, 2, 7, bytes.len()] {
        let mut client = scene.open("c")?;
        for chunk in bytes.chunks(size) {
            client.send(chunk);
        }
        client.connected()?;
        client.suback(1)?;
        client.expect_payload("one")?;
        client.expect_payload([b'x'; 300])?;
        client.puback(2)?;
    }
    Ok(())
}

fn malformed(scene: &Scene<'_>) -> Vec<Vec<u8>> {
    let v = scene.version();
    let topic = scene.topic("t");
    let mut packets = vec![
        vec![0x00, 0x00],
        vec![0x30, 0x00],
        vec![0x30, 0x02, 0x00, 0x05],
        vec![0x32, 0x03, 0x00, 0x01, b'a'],
        vec![0x36, 0x02, 0x00, 0x00],
        vec![0x40, 0x00],
        vec![0x40, 0x01, 0x00],
        vec![0x62, 0x00],
        vec![0x82, 0x00],
        vec![0x82, 0x02, 0x00, 0x01],
        vec![0xa2, 0x00],
        vec![0x30, 0xff, 0xff, 0xff, 0xff, 0x7f],
        scene.connect_packet("again").packet(),
        Body::new()
            .u16(1)
            .properties(v, &[])
            .u16(99)
            .raw(topic.as_bytes())
            .u8(0)
            .packet(0x82),
    ];
    if v == Version::V5 {
        packets.push(vec![0xf0, 0x01, 0x18]);
        packets.push(Body::new().text(&topic).raw(&[0x80]).packet(0x30));
    }
    packets
}

fn malformed_packets_close(scene: &Scene<'_>) -> Outcome {
    for packet in malformed(scene) {
        let mut client = scene.connect("c")?;
        client.send(&packet);
        client.expect_refusal(&[0x81, 0x82, 0x90, 0x95, 0x8c])?;
    }
    Ok(())
}

fn error_codes_close(scene: &Scene<'_>) -> Outcome {
    for packet in malformed(scene) {
        let mut client = scene.connect("c")?;
        client.send(&packet);
        // Fails where anything follows a DISCONNECT, or no close does.
        client.ending()?;
    }
    let method = Property::AuthenticationMethod("no such method".into());
    let connect = scene.connect_packet("c").with(method);
    let ending = scene.send_first("c", &connect.packet())?.ending()?;
    ensure!(
        ending.code.is_none_or(|code| code >= 0x80),
        "expected an error, came {ending:?}"
    );
    Ok(())
}

fn others_are_unaffected(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 1)?;
    for packet in malformed(scene) {
        let mut client = scene.connect("c")?;
        client.subscribe(&topic, 1)?;
        client.send(&packet);
        client.ending()?;
        publisher.publish(Publish::new(&topic, "still here").qos(1))?;
        subscriber.expect_payload("still here")?;
    }
    Ok(())
}

fn property_values(scene: &Scene<'_>) -> Outcome {
    for property in [
        Property::ReceiveMaximum(0),
        Property::MaximumPacketSize(0),
        Property::RequestProblemInformation(2),
        Property::RequestResponseInformation(2),
    ] {
        let connect = scene.connect_packet("c").with(property);
        scene
            .send_first("c", &connect.packet())?
            .expect_refusal(&[0x81, 0x82])?;
    }
    Ok(())
}

fn trailing_bytes(scene: &Scene<'_>) -> Outcome {
    let v = scene.version();
    let topic = scene.topic("t");
    let mut packets = vec![
        vec![0xc0, 0x01, 0x00],
        Body::new()
            .u16(1)
            .properties(v, &[])
            .text(&topic)
            .u8(0)
            .u8(0)
            .packet(0x82),
        Body::new()
            .u16(1)
            .properties(v, &[])
            .text(&topic)
            .u8(0)
            .packet(0xa2),
    ];
    if v == Version::V5 {
        packets.push(Body::new().u16(1).u8(0).u8(0).u8(0).packet(wire::PUBREL));
        packets.push(Body::new().u8(0).u8(0).u8(0).packet(0xe0));
    } else {
        packets.push(vec![0xe0, 0x01, 0x00]);
    }
    for packet in packets {
        let mut client = scene.connect("c")?;
        client.send(&packet);
        client.expect_refusal(&[0x81, 0x82])?;
    }
    Ok(())
}
