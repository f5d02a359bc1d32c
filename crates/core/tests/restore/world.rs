//! Some shards and their log, which can be torn, checkpointed and damaged.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_core::{
    AllowAll, Command, ConnectionId, Counters, Durability, Input, LogRoom, Message, MessageId,
    PeerMessage, Reader, Record, Shard, ShardConfig, ShardId, Timestamp,
};
use dunlin_packet::{
    Connect, Frame, Framing, Packet, PacketId, Properties, PropertiesBuf, Property,
    ProtocolVersion, PubAck, PubComp, PubRec, PubRel, Publish, QoS, ReasonCode,
    SubscriptionOptions, TopicFilter, Will, encode_subscribe, encode_unsubscribe, split_frame,
};

pub(crate) const V5: ProtocolVersion = ProtocolVersion::V5;

/// Some shards, the log, and what each connection has been sent.
pub(crate) struct World {
    pub(crate) shards: Vec<Shard>,
    pub(crate) log: Vec<Record>,
    /// Messages of what has gone from the log, as far as they were needed.
    kept: Vec<Message>,
    /// Messages of the log that cannot be read.
    pub(crate) damaged: BTreeSet<MessageId>,
    /// Shards whose records do not become stable.
    pub(crate) unstable: BTreeSet<usize>,
    /// Whether what shards want to read is read.
    pub(crate) reading: bool,
    starting: bool,
    now: Timestamp,
    next: u32,
    sent: Vec<(usize, ConnectionId, Vec<u8>)>,
    talks: BTreeMap<(usize, usize), Vec<PeerMessage>>,
    held: BTreeSet<(usize, usize)>,
    reads: Vec<(usize, Reader, Vec<MessageId>)>,
    /// Where the checkpoint that is underway began, and the shards that have finished.
    checkpoint: Option<(usize, BTreeSet<usize>)>,
}

/// A connection: its shard, and its name there.
pub(crate) type Place = (usize, ConnectionId);

impl World {
    pub(crate) fn new(count: usize) -> Self {
        let mut world = World {
            shards: Vec::new(),
            log: Vec::new(),
            kept: Vec::new(),
            damaged: BTreeSet::new(),
            unstable: BTreeSet::new(),
            reading: true,
            starting: false,
            now: Timestamp::from_millis(1),
            next: 0,
            sent: Vec::new(),
            talks: BTreeMap::new(),
            held: BTreeSet::new(),
            reads: Vec::new(),
            checkpoint: None,
        };
        world.start(count);
        world
    }

    fn start(&mut self, count: usize) {
        self.sent.clear();
        self.talks.clear();
        self.held.clear();
        self.reads.clear();
        self.checkpoint = None;
        self.shards = (0..count)
            .map(|n| {
                let mut config = ShardConfig::new(ShardId::new(n), count, 7);
                config.durability = Durability::Log;
                Shard::new(config, Box::new(AllowAll))
            })
            .collect();
        for shard in &mut self.shards {
            self.log
                .iter()
                .for_each(|record| shard.restore(record.clone()));
            shard.restored(self.now);
        }
        // Shards know of each other's interests before anything is due.
        self.starting = true;
        self.settle();
        self.starting = false;
        self.settle();
    }

    /// The process is gone at once; it starts again with what is in the log.
    pub(crate) fn crash(&mut self) {
        self.crash_into(self.shards.len());
    }

    /// As [`crash`](Self::crash), with another number of shards then.
    pub(crate) fn crash_into(&mut self, count: usize) {
        self.unstable.clear();
        self.reading = true;
        self.start(count);
    }

    /// The clock says so many milliseconds, and what is due happens.
    pub(crate) fn at(&mut self, millis: u64) {
        self.now = Timestamp::from_millis(millis);
        for shard in &mut self.shards {
            shard.handle(self.now, Input::Due);
        }
        self.settle();
    }

    /// The log has no room for what is new.
    pub(crate) fn fill_log(&mut self) {
        for shard in &mut self.shards {
            shard.handle(self.now, Input::Room(LogRoom::Full));
        }
    }

    /// One shard does not hear another until [`release`](Self::release).
    pub(crate) fn hold(&mut self, from: usize, to: usize) {
        self.held.insert((from, to));
    }

    pub(crate) fn release(&mut self) {
        self.held.clear();
        self.settle();
    }

    /// What all shards have counted.
    pub(crate) fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        let shards = self.shards.iter();
        shards.for_each(|shard| sum.add(&shard.counters()));
        sum
    }

    /// Bytes of memory that all queues take.
    pub(crate) fn waiting_bytes(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| shard.gauges().waiting_bytes).sum()
    }

    // ------------------------------------------------------------------------- turns

    pub(crate) fn settle(&mut self) {
        for _ in 0..1000 {
            let mut quiet = true;
            for n in 0..self.shards.len() {
                quiet &= !self.turn(n);
            }
            if quiet {
                return;
            }
        }
        panic!("the shards do not come to rest");
    }

    /// One turn of a shard. True: something happened.
    fn turn(&mut self, n: usize) -> bool {
        let now = self.now;
        let mut busy = false;
        let is_due = self.shards[n].next_deadline().is_some_and(|at| at <= now);
        if is_due && !self.starting {
            self.shards[n].handle(now, Input::Due);
            busy = true;
        }
        let mut records = Vec::new();
        let count = self.shards[n].take_records(&mut records);
        if !self.unstable.contains(&n) {
            self.log.append(&mut records);
            self.shards[n].handle(now, Input::Committed { records: count });
        }
        if self.shards[n].take_checkpoint()
            && let Some((_, finished)) = &mut self.checkpoint
        {
            finished.insert(n);
        }
        busy |= self.read(n);
        busy |= self.write(n);
        let mut commands = Vec::new();
        self.shards[n].take_commands(&mut commands);
        let is_close = |command: &Command| matches!(command, Command::Close(_));
        assert!(
            commands.iter().all(is_close),
            "Clients connect to their home"
        );
        for to in 0..self.shards.len() {
            let talk = self.talks.entry((n, to)).or_default();
            self.shards[n].take_peer_messages(ShardId::new(to), talk);
            if !talk.is_empty() && !self.held.contains(&(n, to)) {
                let (from, mut messages) = (ShardId::new(n), std::mem::take(talk));
                let messages = &mut messages;
                self.shards[to].handle(now, Input::Peer { from, messages });
                busy = true;
            }
        }
        busy
    }

    fn read(&mut self, n: usize) -> bool {
        let mut reads = Vec::new();
        self.shards[n].take_reads(&mut reads);
        let reads = reads.into_iter();
        self.reads
            .extend(reads.map(|(reader, ids)| (n, reader, ids)));
        if !self.reading || self.reads.is_empty() {
            return false;
        }
        for (n, reader, ids) in std::mem::take(&mut self.reads) {
            let mut messages: Vec<_> = ids.iter().map(|id| (*id, self.message(*id))).collect();
            let messages = &mut messages;
            self.shards[n].handle(self.now, Input::Read { reader, messages });
        }
        true
    }

    fn write(&mut self, n: usize) -> bool {
        let mut dirty = Vec::new();
        self.shards[n].take_dirty(&mut dirty);
        let busy = !dirty.is_empty();
        for connection in dirty {
            let mut slices = Vec::new();
            if let Some(output) = self.shards[n].output(connection) {
                output.slices(&mut slices);
            }
            let sent: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            let bytes = sent.len();
            self.sent.push((n, connection, sent));
            self.shards[n].handle(self.now, Input::Written { connection, bytes });
        }
        busy
    }

    /// A message of the log.
    fn message(&self, id: MessageId) -> Option<Message> {
        let messages = self.log.iter().filter_map(Record::message);
        let found = messages
            .chain(&self.kept)
            .find(|message| message.id() == id)?;
        (!self.damaged.contains(&id)).then(|| found.clone())
    }

    // ------------------------------------------------------------------- checkpoints

    /// All shards begin to tell anew what is recorded.
    pub(crate) fn begin_checkpoint(&mut self) {
        self.settle();
        self.checkpoint = Some((self.log.len(), BTreeSet::new()));
        for shard in &mut self.shards {
            shard.handle(self.now, Input::Checkpoint);
        }
        self.settle();
    }

    /// Forgets what came before the checkpoint, if all shards have finished it: all but the messages
    /// that what came since names. False: they have not.
    pub(crate) fn end_checkpoint(&mut self) -> bool {
        self.settle();
        let is_over =
            |(_, finished): &mut (usize, BTreeSet<usize>)| finished.len() == self.shards.len();
        let Some((boundary, _)) = self.checkpoint.take_if(is_over) else {
            return false;
        };
        let needed: BTreeSet<_> = self.log[boundary..]
            .iter()
            .filter_map(Record::refers_to)
            .collect();
        let gone = self.log.drain(..boundary);
        self.kept
            .extend(gone.filter_map(|record| record.message().cloned()));
        self.kept.retain(|message| needed.contains(&message.id()));
        true
    }

    /// A whole checkpoint.
    pub(crate) fn checkpoint(&mut self) {
        self.begin_checkpoint();
        assert!(self.end_checkpoint(), "nothing holds it up");
    }
}

impl World {
    // ----------------------------------------------------------------------- Clients

    /// Connects a Client whose Session outlives the connection by 1000 s.
    pub(crate) fn connect(&mut self, client_id: &str) -> Place {
        self.connect_for(client_id, 1000, None)
    }

    /// Connects a Client with a Session Expiry Interval, and perhaps a Will. With an interval of 0,
    /// the Session begins anew too.
    pub(crate) fn connect_for(
        &mut self,
        client_id: &str,
        expiry: u32,
        will: Option<Will<'_>>,
    ) -> Place {
        let home = self.shards[0].home_of_session(client_id).index();
        let connection = ConnectionId::new(self.next, 0);
        self.next += 1;
        let mut properties = PropertiesBuf::default();
        properties.push(Property::SessionExpiryInterval(expiry));
        let connect = Connect {
            version: V5,
            clean_start: expiry == 0,
            keep_alive: 0,
            client_id,
            will,
            user_name: None,
            password: None,
            properties: properties.as_properties(),
        };
        self.shards[home].handle(self.now, Input::Opened { connection });
        self.say((home, connection), &Packet::Connect(connect));
        (home, connection)
    }

    pub(crate) fn say(&mut self, place: Place, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(V5, &mut bytes);
        self.say_bytes(place, &bytes);
    }

    fn say_bytes(&mut self, (shard, connection): Place, bytes: &[u8]) {
        self.shards[shard].handle(self.now, Input::Received { connection, bytes });
        self.settle();
    }

    /// Subscribes with QoS 2; gives what the connection is sent then, SUBACK first.
    pub(crate) fn subscribe(&mut self, place: Place, filter: &str) -> Vec<String> {
        self.heard(place);
        self.ask_to_subscribe(place, filter);
        let mut heard = self.heard(place);
        assert!(heard.remove(0).starts_with("SubAck"));
        heard
    }

    /// Sends SUBSCRIBE.
    pub(crate) fn ask_to_subscribe(&mut self, place: Place, filter: &str) {
        let filter = TopicFilter::parse(filter).unwrap();
        let filters = [(filter, SubscriptionOptions::new(QoS::ExactlyOnce))];
        let mut bytes = Vec::new();
        encode_subscribe(V5, id(1), Properties::EMPTY, &filters, &mut bytes);
        self.say_bytes(place, &bytes);
    }

    pub(crate) fn unsubscribe(&mut self, place: Place, filter: &str) {
        let filters = [TopicFilter::parse(filter).unwrap()];
        let mut bytes = Vec::new();
        encode_unsubscribe(V5, id(1), Properties::EMPTY, &filters, &mut bytes);
        self.say_bytes(place, &bytes);
    }

    pub(crate) fn publish(&mut self, place: Place, topic: &str, payload: &str, qos: QoS, n: u16) {
        self.publish_bytes(place, topic, payload.as_bytes(), qos, n, false);
    }

    /// Publishes with QoS 1 and 2 by turns, and goes through all steps of QoS 2.
    pub(crate) fn publish_nth(&mut self, place: Place, topic: &str, payload: &str, n: u16) {
        if n.is_multiple_of(2) {
            self.publish(place, topic, payload, QoS::ExactlyOnce, n);
            self.say(place, &pubrel(n));
        } else {
            self.publish(place, topic, payload, QoS::AtLeastOnce, n);
        }
    }

    pub(crate) fn retain(&mut self, place: Place, topic: &str, payload: &str, n: u16) {
        self.publish_bytes(place, topic, payload.as_bytes(), QoS::AtLeastOnce, n, true);
    }

    fn publish_bytes(
        &mut self,
        place: Place,
        topic: &str,
        payload: &[u8],
        qos: QoS,
        packet_id: u16,
        retain: bool,
    ) {
        let publish = Publish {
            dup: false,
            retain,
            qos,
            topic,
            packet_id: PacketId::new(packet_id),
            properties: Properties::EMPTY,
            payload,
        };
        self.say(place, &Packet::Publish(publish));
    }

    /// Acknowledges messages until no more come; gives their payloads in order.
    pub(crate) fn drain(&mut self, place: Place) -> Vec<String> {
        let mut payloads = Vec::new();
        loop {
            let mut answers = Vec::new();
            for packet in self.heard(place) {
                let words: Vec<&str> = packet.split(' ').collect();
                let number = |word: &str| word.trim_start_matches("id=").parse().unwrap();
                match words[..] {
                    ["Publish", payload, "qos=1", packet_id, ..] => {
                        payloads.push(payload.to_owned());
                        answers.push(puback(number(packet_id)));
                    }
                    ["Publish", payload, "qos=2", packet_id, ..] => {
                        payloads.push(payload.to_owned());
                        answers.push(pubrec(number(packet_id)));
                    }
                    ["PubRel", packet_id] => answers.push(pubcomp(number(packet_id))),
                    _ => {}
                }
            }
            if answers.is_empty() {
                return payloads;
            }
            for answer in answers {
                self.say(place, &answer);
            }
        }
    }

    pub(crate) fn lose(&mut self, (shard, connection): Place) {
        self.shards[shard].handle(self.now, Input::Lost { connection });
        self.settle();
    }

    /// What a connection has been sent since this was asked last, in short.
    pub(crate) fn heard(&mut self, (shard, connection): Place) -> Vec<String> {
        let mut bytes = Vec::new();
        self.sent.retain(|(n, id, sent)| {
            let its = (*n, *id) == (shard, connection);
            if its {
                bytes.extend_from_slice(sent);
            }
            !its
        });
        let mut heard = Vec::new();
        let mut rest = &bytes[..];
        while let Ok(Framing::Complete { frame, length }) = split_frame(rest, u32::MAX) {
            heard.push(show(frame));
            rest = &rest[length..];
        }
        heard
    }
}

fn show(frame: Frame<'_>) -> String {
    match Packet::decode(V5, frame).unwrap() {
        Packet::ConnAck(connack) => format!("ConnAck present={}", connack.session_present),
        Packet::Publish(publish) => {
            let payload = String::from_utf8_lossy(publish.payload);
            let (qos, dup) = (publish.qos as u8, if publish.dup { " dup" } else { "" });
            let id = publish.packet_id.map_or(0, PacketId::get);
            format!("Publish {payload} qos={qos} id={id}{dup}")
        }
        Packet::PubAck(ack) => format!("PubAck {}", ack.packet_id.get()),
        Packet::PubRec(ack) => format!("PubRec {}", ack.packet_id.get()),
        Packet::PubRel(ack) => format!("PubRel {}", ack.packet_id.get()),
        Packet::PubComp(ack) => format!("PubComp {}", ack.packet_id.get()),
        other => format!("{other:?}"),
    }
}

pub(crate) fn id(n: u16) -> PacketId {
    PacketId::new(n).unwrap()
}

pub(crate) fn puback(n: u16) -> Packet<'static> {
    Packet::PubAck(PubAck::new(id(n), ReasonCode::Success))
}

pub(crate) fn pubrec(n: u16) -> Packet<'static> {
    Packet::PubRec(PubRec::new(id(n), ReasonCode::Success))
}

pub(crate) fn pubrel(n: u16) -> Packet<'static> {
    Packet::PubRel(PubRel::new(id(n), ReasonCode::Success))
}

pub(crate) fn pubcomp(n: u16) -> Packet<'static> {
    Packet::PubComp(PubComp::new(id(n), ReasonCode::Success))
}

/// Client Identifiers that live on the first and on the last shard.
pub(crate) fn names(world: &World) -> (String, String) {
    let other = if world.shards.len() == 1 {
        "other"
    } else {
        "c"
    };
    let last = world.shards.len() - 1;
    (named(world, 0, "c"), named(world, last, other))
}

/// A name that begins so and has its home in a shard: of a Client, a topic or a group.
pub(crate) fn named(world: &World, shard: usize, prefix: &str) -> String {
    let home = |name: &str| world.shards[0].home_of_session(name).index();
    let mut names = (0..).map(|n| format!("{prefix}{n}"));
    names.find(|name| home(name) == shard).unwrap()
}
