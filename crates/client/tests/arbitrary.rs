//! Whatever a server sends, a client neither panics nor grows without bound.

mod script;

use dunlin_client::{Client, ConnectOptions};
use dunlin_packet::{PropertiesBuf, Property, ProtocolVersion, QoS};
use script::{bytes, message, properties};

/// Packets to begin with; most fit some state of the client.
const PACKETS: [&str; 16] = [
    "20 02 00 00",
    "20 02 01 00",
    "20 03 00 00 00",
    "20 06 01 00 03 21 00 01",
    "30 04 00 01 74 00",
    "32 06 00 01 74 00 01 00",
    "34 06 00 01 74 00 02 00",
    "40 02 00 01",
    "50 02 00 02",
    "62 02 00 02",
    "70 02 00 02",
    "90 03 00 03 00",
    "90 04 00 03 00 00",
    "b0 02 00 03",
    "d0 00",
    "e0 00",
];

/// A reproducible sequence (xorshift).
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// One life of a client: requests of its own between packets that are sometimes damaged.
fn live(seed: u64) {
    let mut choices = Choices(seed * 2 + 1);
    let versions = [
        ProtocolVersion::V3_1,
        ProtocolVersion::V3_1_1,
        ProtocolVersion::V5,
    ];
    let mut options = ConnectOptions::new(versions[choices.below(3)], "c");
    options.clean_start = choices.below(2) == 0;
    options.properties = properties(&[Property::ReceiveMaximum(3), Property::TopicAliasMaximum(1)]);
    let mut client = Client::new(options).expect("valid options");
    let mut now = std::time::Instant::now();
    client.connect(now);
    for _ in 0..40 {
        match choices.below(8) {
            0 => {
                let _ = client.publish(message("t", "x", QoS::AtLeastOnce));
                let _ = client.publish(message("t", "x", QoS::ExactlyOnce));
            }
            1 => {
                let _ = client.unsubscribe(&["a"], &PropertiesBuf::default());
            }
            2 => {
                now += std::time::Duration::from_secs(30);
                client.handle_time(now);
            }
            3 if choices.below(4) == 0 => {
                client.handle_close();
                client.connect(now);
            }
            _ => {
                let mut packet = bytes(PACKETS[choices.below(PACKETS.len())]);
                if choices.below(4) == 0 {
                    let index = choices.below(packet.len());
                    packet[index] = choices.below(256) as u8;
                }
                client.handle_bytes(&packet);
            }
        }
        assert!(client.output().len() < 1000, "seed {seed}");
        client.transmitted(client.output().len(), now);
        while client.poll_event().is_some() {}
        if client.wants_close() {
            client.handle_close();
            client.connect(now);
        }
    }
}

#[test]
fn any_bytes_are_survived() {
    (0..20_000).for_each(live);
}
