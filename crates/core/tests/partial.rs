//! Incomplete packets: what is kept of them is bounded, and those go who keep most of it waiting.

use dunlin_core::{
    AllowAll, ConnectionId, Ending, Event, Input, Limits, Shard, ShardConfig, ShardId, Timestamp,
};

const LIMIT: usize = 100;

/// One shard with `LIMIT` bytes for incomplete packets.
fn shard() -> Shard {
    let mut config = ShardConfig::new(ShardId::new(0), 1, 7);
    config.limits = Limits {
        partial_bytes: LIMIT,
        ..Limits::default()
    };
    Shard::new(config, Box::new(AllowAll))
}

/// A Client of 3.1.1 that is connected.
fn connect(shard: &mut Shard, number: u8) -> ConnectionId {
    let connection = ConnectionId::new(number.into(), 0);
    shard.handle(Timestamp::default(), Input::Opened { connection });
    let body = [b"\0\x04MQTT\x04\x02\0\0\0\x01".as_slice(), &[b'a' + number]].concat();
    let connect = [&[0x10, body.len() as u8], body.as_slice()].concat();
    receive(shard, connection, &connect);
    connection
}

fn receive(shard: &mut Shard, connection: ConnectionId, bytes: &[u8]) {
    let received = Input::Received { connection, bytes };
    shard.handle(Timestamp::default(), received);
}

/// All connections that have ended since the last call, and why.
fn endings(shard: &mut Shard) -> Vec<(ConnectionId, Ending)> {
    let mut events = Vec::new();
    shard.take_events(&mut events);
    let ending = |event| match event {
        Event::Disconnected {
            connection, ending, ..
        } => Some((connection, ending)),
        _ => None,
    };
    events.into_iter().filter_map(ending).collect()
}

#[test]
fn whoever_fills_the_room_leaves_it_to_those_who_need_little() {
    let mut shard = shard();
    let greedy = [0, 1].map(|number| connect(&mut shard, number));
    let modest = connect(&mut shard, 2);
    // A PUBLISH of 1000 bytes begins.
    let begin = [&[0x30, 0xE5, 0x07, 0, 1, b't'], [0; LIMIT].as_slice()].concat();
    receive(&mut shard, greedy[0], &begin[..LIMIT - 10]);
    receive(&mut shard, greedy[1], &begin[..10]);
    assert_eq!(endings(&mut shard), [], "there is room for that");
    receive(&mut shard, modest, &[0xC0]);
    assert_eq!(
        endings(&mut shard),
        [(greedy[0], Ending::ReceiveBuffersFull)]
    );
    receive(&mut shard, modest, &[0]);
    let answer = shard.output(modest).map_or(0, dunlin_core::Output::pending);
    assert_eq!(answer, 4 + 2, "CONNACK and PINGRESP");
}

#[test]
fn whoever_needs_most_goes_itself() {
    let mut shard = shard();
    let [first, second] = [0, 1].map(|number| connect(&mut shard, number));
    let begin = [&[0x30, 0xE5, 0x07, 0, 1, b't'], [0; 2 * LIMIT].as_slice()].concat();
    receive(&mut shard, first, &begin[..LIMIT / 2]);
    receive(&mut shard, second, &begin[..LIMIT]);
    assert_eq!(endings(&mut shard), [(second, Ending::ReceiveBuffersFull)]);
    // What it kept is free again.
    receive(&mut shard, first, &begin[..LIMIT / 2]);
    assert_eq!(endings(&mut shard), []);
}
