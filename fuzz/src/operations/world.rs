//! Shards, and all that a driver does for them, one step at a time and in any order that the
//! calling contract allows.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use dunlin_core::{
    AllowAll, Command, ConnectionId, Counters, Durability, Input as ShardInput, Limits, Output,
    PeerMessage, Shard, ShardConfig, ShardId, Timestamp,
};

use super::input::Input;
use super::packets;
use super::seat::Seat;

/// Connections that are open at a time.
const SEATS: usize = 8;

/// Rounds in which the shards come to rest.
const ROUNDS: usize = 5_000;

pub(super) struct World {
    limits: Limits,
    shards: Vec<Shard>,
    now: u64,
    /// All connections that there have been.
    seats: Vec<Seat>,
    /// By shard and index of the connection: which seat has this name.
    names: Vec<Vec<Option<usize>>>,
    generation: u32,
    /// Letters on their way, by sender and receiver.
    mail: Vec<Vec<VecDeque<PeerMessage>>>,
    /// By shard: records appended to the log.
    appended: Vec<u64>,
}

fn limits(input: &mut Input<'_>) -> Limits {
    Limits {
        retain_available: true,
        queue_qos0: false,
        payload_size: None,
        packet_size: 128,
        receive_maximum: 3,
        in_flight: 2,
        topic_aliases_in: 2,
        topic_aliases_out: 2,
        queued_messages: 4,
        queued_bytes: 1000,
        output_bytes: 200,
        output_bytes_hard: 600,
        all_output_bytes: 500,
        sessions: 4,
        subscriptions: 4,
        all_subscriptions: 8,
        topic_levels: 4,
        retained_messages: 3,
        retained_bytes: 400,
        group_messages: 3,
        group_bytes: 600,
        waiting_bytes: 1500,
        partial_bytes: 150,
        session_expiry: 100,
        keep_alive: input.once_in(2).then_some(10),
        message_rate: None,
        byte_rate: None,
        rate_patience: 1,
        flapping_connects: None,
        flapping_window: Duration::from_secs(1),
        flapping_ban: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(1),
        close_timeout: Duration::from_secs(1),
    }
}

impl World {
    pub(super) fn new(input: &mut Input<'_>) -> Self {
        let limits = limits(input);
        let count = input.below(3) + 1;
        let durability = input.one_of(&[Durability::Memory, Durability::Log]);
        let shard = |n| {
            let config = ShardConfig {
                limits: limits.clone(),
                durability,
                ..ShardConfig::new(ShardId::new(n), count, 7)
            };
            Shard::new(config, Box::new(AllowAll))
        };
        World {
            shards: (0..count).map(shard).collect(),
            now: 1,
            seats: Vec::new(),
            names: vec![Vec::new(); count],
            generation: 0,
            mail: vec![vec![VecDeque::new(); count]; count],
            appended: vec![0; count],
            limits,
        }
    }

    // --------------------------------------------------------------------- operations

    /// One operation of the input's choice.
    pub(super) fn operate(&mut self, input: &mut Input<'_>) {
        match input.below(24) {
            0 | 1 => self.open(input),
            2..=10 => self.with_seat(input, |world, seat, input| {
                let bytes = world.packet(seat, input);
                world.send(seat, &bytes);
            }),
            11 => self.with_seat(input, Self::send_half),
            12 if input.once_in(4) => self.with_seat(input, |world, seat, input| {
                let count = input.below(16);
                world.send(seat, input.bytes(count));
            }),
            12..=14 => self.with_seat(input, Self::answer),
            15 => self.with_seat(input, |world, seat, _| world.lose(seat)),
            16 => self.with_seat(input, |world, seat, input| {
                let count = usize::from(input.byte());
                world.write(seat, count);
            }),
            17 | 18 => {
                let shard = input.below(self.shards.len());
                self.turn(shard);
            }
            19 | 20 => self.deliver(input),
            21 => self.commit(input),
            22 => self.pass_time(input),
            _ => match input.once_in(32) {
                true => self.stop(),
                false => self.settle(),
            },
        }
    }

    fn open(&mut self, input: &mut Input<'_>) {
        let shard = input.below(self.shards.len());
        if self.seats.iter().filter(|seat| seat.alive).count() < SEATS {
            let seat = self.seats.len();
            let id = self.name(shard, seat);
            self.seats.push(Seat::new(shard, id));
            self.handle(shard, ShardInput::Opened { connection: id });
        }
    }

    /// The lowest index that is free, as reactors give them out.
    fn name(&mut self, shard: usize, seat: usize) -> ConnectionId {
        let names = &mut self.names[shard];
        let index = names
            .iter()
            .position(Option::is_none)
            .unwrap_or(names.len());
        names.resize(names.len().max(index + 1), None);
        names[index] = Some(seat);
        self.generation += 1;
        ConnectionId::new(index as u32, self.generation)
    }

    /// Does something with a connection that is open, if there is any.
    fn with_seat(
        &mut self,
        input: &mut Input<'_>,
        act: impl FnOnce(&mut Self, usize, &mut Input<'_>),
    ) {
        let open = |seat: &usize| self.seats[*seat].alive;
        let alive: Vec<usize> = (0..self.seats.len()).filter(open).collect();
        if !alive.is_empty() {
            let seat = input.one_of(&alive);
            act(self, seat, input);
        }
    }

    /// A packet that makes sense, and now and then one at the wrong time.
    fn packet(&self, seat: usize, input: &mut Input<'_>) -> Vec<u8> {
        let seat = &self.seats[seat];
        let in_order = !input.once_in(32);
        if seat.is_introduced() == in_order {
            packets::after_connect(seat.version(), input)
        } else {
            packets::connect(input)
        }
    }

    fn send(&mut self, seat: usize, bytes: &[u8]) {
        let Seat { shard, id, .. } = self.seats[seat];
        let mut all = std::mem::take(&mut self.seats[seat].held_back);
        all.extend_from_slice(bytes);
        if all.is_empty() {
            return;
        }
        self.seats[seat].note_sent(&all, self.limits.packet_size);
        self.receive(shard, id, &all);
    }

    fn receive(&mut self, shard: usize, connection: ConnectionId, bytes: &[u8]) {
        self.handle(shard, ShardInput::Received { connection, bytes });
        // A connection is read once in a turn, and what comes of that is done before the next.
        self.carry_out_commands(shard);
    }

    fn send_half(&mut self, seat: usize, input: &mut Input<'_>) {
        let bytes = self.packet(seat, input);
        let (first, second) = bytes.split_at(input.below(bytes.len()));
        self.send(seat, first);
        self.seats[seat].held_back = second.to_vec();
    }

    /// The Client does what is due to one of the messages that it has.
    fn answer(&mut self, seat: usize, input: &mut Input<'_>) {
        let waiting: Vec<_> = self.seats[seat].unanswered().collect();
        if !waiting.is_empty() {
            let (packet_id, qos, released) = input.one_of(&waiting);
            let version = self.seats[seat].version();
            let bytes = packets::answer(version, packet_id, qos, released);
            self.send(seat, &bytes);
        }
    }

    fn lose(&mut self, seat: usize) {
        let Seat { shard, id, .. } = self.seats[seat];
        self.handle(shard, ShardInput::Lost { connection: id });
        self.seats[seat].alive = false;
        self.names[shard][id.index()] = None;
    }

    /// The Client takes up to `count` bytes of what waits for it. True: it has taken some.
    fn write(&mut self, seat: usize, count: usize) -> bool {
        let Seat { shard, id, .. } = self.seats[seat];
        let Some(output) = self.shards[shard].output(id) else {
            return false;
        };
        let mut slices = Vec::new();
        output.slices(&mut slices);
        let mut bytes: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        bytes.truncate(count);
        self.seats[seat].receive(&bytes);
        let written = ShardInput::Written {
            connection: id,
            bytes: bytes.len(),
        };
        self.handle(shard, written);
        !bytes.is_empty()
    }

    /// All that a driver does after the inputs of a turn. True: there was something.
    fn turn(&mut self, shard: usize) -> bool {
        let mut any = self.append_records(shard);
        let mut dirty = Vec::new();
        self.shards[shard].take_dirty(&mut dirty);
        for id in dirty {
            if let Some(seat) = self.seat(shard, id) {
                any |= self.write(seat, usize::MAX);
            }
        }
        any |= self.carry_out_commands(shard);
        for to in 0..self.shards.len() {
            let mut messages = Vec::new();
            self.shards[shard].take_peer_messages(ShardId::new(to), &mut messages);
            any |= !messages.is_empty();
            self.mail[shard][to].extend(messages);
        }
        self.shards[shard].take_events(&mut Vec::new());
        any | self.shards[shard].has_output()
    }

    fn append_records(&mut self, shard: usize) -> bool {
        let mut records = Vec::new();
        self.appended[shard] = self.shards[shard].take_records(&mut records);
        !records.is_empty()
    }

    fn carry_out_commands(&mut self, shard: usize) -> bool {
        let mut commands = Vec::new();
        self.shards[shard].take_commands(&mut commands);
        let any = !commands.is_empty();
        for command in commands {
            match command {
                Command::Close(id) | Command::Abort(id) => {
                    if let Some(seat) = self.seat(shard, id) {
                        self.seats[seat].alive = false;
                        self.names[shard][id.index()] = None;
                    }
                }
                // Its policy decides at once.
                Command::Pause(_) | Command::Resume(_) => {}
                Command::Move {
                    connection,
                    to,
                    bytes,
                } => {
                    if let Some(seat) = self.seat(shard, connection) {
                        self.names[shard][connection.index()] = None;
                        self.move_to(seat, to.index(), &bytes);
                    }
                }
            }
        }
        any
    }

    fn move_to(&mut self, seat: usize, shard: usize, bytes: &[u8]) {
        let id = self.name(shard, seat);
        (self.seats[seat].shard, self.seats[seat].id) = (shard, id);
        self.handle(shard, ShardInput::Opened { connection: id });
        self.receive(shard, id, bytes);
    }

    /// The connection that has this name now.
    fn seat(&self, shard: usize, id: ConnectionId) -> Option<usize> {
        let seat = (*self.names[shard].get(id.index())?)?;
        (self.seats[seat].id == id).then_some(seat)
    }

    /// Some of what one shard said reaches another.
    fn deliver(&mut self, input: &mut Input<'_>) {
        let from = input.below(self.shards.len());
        let to = input.below(self.shards.len());
        let count = input.below(8) + 1;
        self.deliver_some(from, to, count);
    }

    fn deliver_some(&mut self, from: usize, to: usize, count: usize) -> bool {
        let mail = &mut self.mail[from][to];
        let mut messages: Vec<_> = mail.drain(..count.min(mail.len())).collect();
        let any = !messages.is_empty();
        let (from, messages) = (ShardId::new(from), &mut messages);
        if any {
            self.handle(to, ShardInput::Peer { from, messages });
        }
        any
    }

    /// Some of the log becomes stable.
    fn commit(&mut self, input: &mut Input<'_>) {
        let shard = input.below(self.shards.len());
        self.append_records(shard);
        let records = self.appended[shard].saturating_sub(input.below(4) as u64);
        self.handle(shard, ShardInput::Committed { records });
    }

    fn pass_time(&mut self, input: &mut Input<'_>) {
        self.now += input.one_of(&[1, 1, 1, 300, 500, 1_000, 2_500, 6_000, 20_000, 150_000]);
        let shard = input.below(self.shards.len());
        self.handle(shard, ShardInput::Due);
    }

    fn stop(&mut self) {
        for shard in 0..self.shards.len() {
            self.handle(shard, ShardInput::Stop);
        }
    }

    fn handle(&mut self, shard: usize, input: ShardInput<'_>) {
        self.shards[shard].handle(Timestamp::from_millis(self.now), input);
    }

    /// Everything that is underway arrives, and all that waits is taken.
    pub(super) fn settle(&mut self) {
        for _ in 0..ROUNDS {
            let mut any = false;
            for shard in 0..self.shards.len() {
                let now = Timestamp::from_millis(self.now);
                if self.shards[shard]
                    .next_deadline()
                    .is_some_and(|at| at <= now)
                {
                    any = true;
                    self.handle(shard, ShardInput::Due);
                }
                any |= self.turn(shard);
                let records = self.appended[shard];
                self.handle(shard, ShardInput::Committed { records });
                for from in 0..self.shards.len() {
                    any |= self.deliver_some(from, shard, usize::MAX);
                }
            }
            any |= (0..self.seats.len())
                .filter(|seat| self.seats[*seat].alive)
                .collect::<Vec<_>>()
                .into_iter()
                .fold(false, |any, seat| self.write(seat, usize::MAX) | any);
            if !any {
                return;
            }
        }
        panic!("the shards do not come to rest");
    }

    // ------------------------------------------------------------------------- checks

    /// What is true at any time.
    pub(super) fn check(&self) {
        self.waiting();
        let limits = &self.limits;
        for shard in &self.shards {
            let gauges = shard.gauges();
            assert!(gauges.sessions <= limits.sessions, "{gauges:?}");
            assert!(gauges.sessions_connected <= gauges.sessions, "{gauges:?}");
            assert!(
                gauges.subscriptions <= limits.all_subscriptions,
                "{gauges:?}"
            );
            let groups = gauges.groups * limits.group_messages;
            // What a member gives back may come on top.
            let returned = limits.sessions * usize::from(limits.in_flight) * self.shards.len();
            assert!(gauges.group_waiting <= groups + returned, "{gauges:?}");
            assert!(gauges.waiting_bytes <= limits.waiting_bytes, "{gauges:?}");
            assert!(gauges.retained <= limits.retained_messages, "{gauges:?}");
        }
        // The bound is looked at after a packet; what answers it, and what follows, may exceed it.
        let most = limits.output_bytes_hard + limits.output_bytes + limits.packet_size as usize;
        for seat in self.seats.iter().filter(|seat| seat.alive) {
            let output = self.shards[seat.shard].output(seat.id);
            let pending = output.map_or(0, Output::pending);
            assert!(pending <= most, "{pending} bytes wait");
        }
    }

    /// Deliveries that have not ended, in all shards.
    fn waiting(&self) -> u64 {
        let mut all = Counters::default();
        self.shards
            .iter()
            .for_each(|shard| all.add(&shard.counters()));
        let ended = all.delivered + all.expired + all.dropped.iter().sum::<u64>();
        all.due
            .checked_sub(ended)
            .unwrap_or_else(|| panic!("more deliveries ended than were due: {all:?}"))
    }

    /// What is true when nothing is underway.
    pub(super) fn check_settled(&self) {
        let mut known = BTreeSet::new();
        for seat in self.seats.iter().filter(|seat| seat.alive) {
            assert!(!seat.must_end(), "it is open, and must not be");
            if let Some(client_id) = seat.accepted_as() {
                assert!(known.insert(client_id), "{client_id} is connected twice");
            }
        }
        let alive = self.seats.iter().filter(|seat| seat.alive).count();
        let open = |shard: &Shard| {
            let counters = shard.counters();
            counters.connections_opened - counters.connections_closed
        };
        assert_eq!(alive as u64, self.shards.iter().map(open).sum::<u64>());
    }

    /// All connections are lost, and all Sessions expire: nothing is left.
    pub(super) fn end(&mut self) {
        for seat in 0..self.seats.len() {
            if self.seats[seat].alive {
                self.lose(seat);
            }
        }
        // A Will may be due at the end of a Session, and what it sets off later.
        for _ in 0..3 {
            self.settle();
            self.now += 1_000_000;
        }
        self.settle();
        for shard in &self.shards {
            let gauges = shard.gauges();
            let left = (gauges.sessions, gauges.subscriptions, gauges.groups);
            assert_eq!(left, (0, 0, 0), "{gauges:?}");
            let waiting = (gauges.group_waiting, gauges.waiting_bytes);
            assert_eq!(waiting, (0, 0), "{gauges:?}");
        }
        assert_eq!(self.waiting(), 0, "deliveries that nobody will ever get");
    }
}
