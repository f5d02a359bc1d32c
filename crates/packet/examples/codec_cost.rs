//! What reading and writing one packet costs, in nanoseconds: `cargo run --release -p dunlin-packet --example codec_cost`.
//!
//! A run reads or writes a buffer of packets that fits into the first-level cache; the least of several runs counts, as
//! that is the one that nothing else disturbed.

use std::hint::black_box;
use std::time::Instant;

use dunlin_packet::{
    Framing, Packet, PacketId, Properties, PropertiesBuf, Property, ProtocolVersion, PubAck,
    Publish, PublishHead, QoS, ReasonCode, split_frame,
};

const PACKETS: usize = 100;
const ROUNDS: usize = 1_000;
const RUNS: usize = 30;

fn main() {
    let payload = [b'x'; 64];
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MessageExpiryInterval(3600));
    properties.push(Property::ContentType("application/json"));
    properties.push(Property::UserProperty("origin", "line-3"));

    let publish = Publish {
        dup: false,
        retain: false,
        qos: QoS::AtMostOnce,
        topic: "factory/line-3/robot-17/torque",
        packet_id: None,
        properties: Properties::EMPTY,
        payload: &payload,
    };
    let at_least_once = Publish {
        qos: QoS::AtLeastOnce,
        packet_id: PacketId::new(1000),
        ..publish
    };
    let with_properties = Publish {
        properties: properties.as_properties(),
        ..at_least_once
    };
    let puback = PubAck::new(PacketId::FIRST, ReasonCode::Success);

    println!(
        "topic of {} bytes, payload of {}",
        publish.topic.len(),
        payload.len()
    );
    println!("{:38} {:>10} {:>10}", "ns per packet", "decode", "encode");
    let (v3, v5) = (ProtocolVersion::V3_1_1, ProtocolVersion::V5);
    measure("PUBLISH 3.1.1 QoS 0", v3, Packet::Publish(publish));
    measure("PUBLISH 3.1.1 QoS 1", v3, Packet::Publish(at_least_once));
    measure("PUBLISH 5.0 QoS 0", v5, Packet::Publish(publish));
    measure(
        "PUBLISH 5.0 QoS 1, three properties",
        v5,
        Packet::Publish(with_properties),
    );
    measure("PUBACK 3.1.1", v3, Packet::PubAck(puback));
    measure("PUBACK 5.0", v5, Packet::PubAck(puback));
    measure_head(v3, &publish);
}

fn measure(name: &str, version: ProtocolVersion, packet: Packet<'_>) {
    let mut stream = Vec::new();
    (0..PACKETS).for_each(|_| packet.encode(version, &mut stream));

    let decode = least(|| {
        let mut rest = black_box(&stream[..]);
        while let Ok(Framing::Complete { frame, length }) = split_frame(rest, 1 << 20) {
            black_box(&Packet::decode(version, frame))
                .as_ref()
                .expect("well-formed");
            rest = &rest[length..];
        }
    });
    let mut out = Vec::with_capacity(stream.len());
    let encode = least(|| {
        out.clear();
        for _ in 0..PACKETS {
            black_box(&packet).encode(version, &mut out);
        }
        black_box(&out);
    });
    println!("{name:38} {decode:>10.1} {encode:>10.1}");
}

fn measure_head(version: ProtocolVersion, publish: &Publish<'_>) {
    let head = PublishHead {
        dup: publish.dup,
        retain: publish.retain,
        qos: publish.qos,
        topic: publish.topic.as_bytes(),
        packet_id: publish.packet_id,
        message_expiry_interval: None,
        topic_alias: None,
        subscription_identifiers: &[],
        forwarded: publish.properties,
        payload_len: publish.payload.len(),
    };
    let mut out = Vec::new();
    let encode = least(|| {
        out.clear();
        for _ in 0..PACKETS {
            black_box(&head).encode(version, &mut out);
        }
        black_box(&out);
    });
    println!(
        "{:38} {:>10} {encode:>10.1}",
        "PUBLISH head 3.1.1 QoS 0", ""
    );
}

/// Nanoseconds per packet of the fastest run; `round` handles [`PACKETS`] of them.
fn least(mut round: impl FnMut()) -> f64 {
    let run = |_| {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| round());
        start.elapsed().as_nanos() as f64 / (ROUNDS * PACKETS) as f64
    };
    (0..RUNS).map(run).fold(f64::INFINITY, f64::min)
}
