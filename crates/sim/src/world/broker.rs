//! The broker's side of the world: what the process around the shards does with them.

use dunlin_core::{Command, ConnectionId, Input, Origin, ShardId};

use super::World;
use crate::network::{LinkNumber, Place};

impl World {
    /// Gives a shard an input, and sees what comes of it.
    pub(super) fn tell(&mut self, seat: usize, input: Input<'_>) {
        self.seats[seat].handle(self.now, input);
        self.expect_turn(seat);
        self.observe(seat);
    }

    fn expect_turn(&mut self, seat: usize) {
        if self.seats[seat].turn_at.is_none() {
            let late = if self.rng.percent(80) {
                0
            } else {
                self.rng.between(0, 2)
            };
            self.seats[seat].turn_at = Some(self.now + late);
        }
    }

    pub(super) fn arrive(&mut self, number: LinkNumber) {
        let Place::Moving { to, bytes, .. } =
            std::mem::replace(&mut self.links[number].place, Place::Closed)
        else {
            return;
        };
        let connection = self.seats[to].name(number);
        self.trace.log(
            self.now,
            format_args!("shard {to}: link {number} opened as {connection}"),
        );
        self.links[number].place = Place::At(to, connection);
        self.tell(to, Input::Opened { connection });
        let origin = &Origin {
            listener: self.clients[self.links[number].client].plan.listener,
            ..Origin::default()
        };
        self.tell(to, Input::Identified { connection, origin });
        if !bytes.is_empty() {
            self.tell(
                to,
                Input::Received {
                    connection,
                    bytes: &bytes,
                },
            );
        }
    }

    pub(super) fn up(&mut self, number: LinkNumber) {
        let later = self.now + self.delay();
        let link = &mut self.links[number];
        let Place::At(seat, connection) = link.place else {
            return;
        };
        let bytes = link.up.take(&mut self.rng, later);
        self.trace.log(
            self.now,
            format_args!("shard {seat}: {} bytes from link {number}", bytes.len()),
        );
        self.tell(
            seat,
            Input::Received {
                connection,
                bytes: &bytes,
            },
        );
    }

    pub(super) fn tell_broker(&mut self, number: LinkNumber) {
        self.links[number].broker_told_at = None;
        let Place::At(seat, connection) = self.links[number].place else {
            return;
        };
        self.trace
            .log(self.now, format_args!("shard {seat}: link {number} lost"));
        self.tell(seat, Input::Lost { connection });
        self.seats[seat].release(connection);
        self.let_go(number);
    }

    /// The broker has no part in a connection any more.
    fn let_go(&mut self, number: LinkNumber) {
        let link = &mut self.links[number];
        link.place = Place::Closed;
        link.blocked_until = None;
        link.broker_told_at = None;
    }

    pub(super) fn due(&mut self, seat: usize) {
        self.trace.log(self.now, format_args!("shard {seat}: due"));
        self.tell(seat, Input::Due);
        // Work that is due at once may need what this has put out to be taken.
        self.seats[seat].turn_at = Some(self.now);
    }

    pub(super) fn hear(&mut self, from: usize, to: usize) {
        let later = self.now + self.delay();
        let talk = &mut self.talks[from * self.plan.shards + to];
        let count = 1 + self.rng.below(talk.messages.len());
        let mut messages: Vec<_> = talk.messages.drain(..count).collect();
        talk.ready_at = later;
        self.trace.log(
            self.now,
            format_args!("shard {to}: hears from {from} {messages:?}"),
        );
        let from = ShardId::new(from);
        self.tell(
            to,
            Input::Peer {
                from,
                messages: &mut messages,
            },
        );
    }

    // ---------------------------------------------------------------------------- turns

    /// Does what the calling contract asks for after a number of inputs.
    pub(super) fn turn(&mut self, seat: usize) {
        self.seats[seat].turn_at = None;
        let mut records = Vec::new();
        let count = self.seats[seat].shard.take_records(&mut records);
        if !records.is_empty() {
            self.trace
                .log(self.now, format_args!("shard {seat}: appends {records:?}"));
        }
        self.name_sessions(&records);
        self.log.append(seat, &mut records, count);
        if self.seats[seat].shard.take_checkpoint() {
            self.log.finish_checkpoint(seat);
        }
        self.expect_log();
        let mut reads = Vec::new();
        self.seats[seat].shard.take_reads(&mut reads);
        for (reader, messages) in reads {
            let at = self.now + self.delay();
            self.reads.push((seat, reader, messages, at));
        }
        self.take_replays(seat);
        let mut dirty = Vec::new();
        self.seats[seat].shard.take_dirty(&mut dirty);
        for connection in dirty {
            self.write(seat, connection);
        }
        let mut commands = Vec::new();
        self.seats[seat].shard.take_commands(&mut commands);
        for command in commands {
            self.obey(seat, command);
        }
        for to in 0..self.plan.shards {
            let ready_at = self.now + self.delay();
            let talk = &mut self.talks[seat * self.plan.shards + to];
            if talk.messages.is_empty() {
                talk.ready_at = ready_at;
            }
            let shard = &mut self.seats[seat].shard;
            shard.take_peer_messages(ShardId::new(to), &mut talk.messages);
        }
        self.check_bounds(seat);
    }

    /// What a shard wants to read is there.
    pub(super) fn read(&mut self, read: usize) {
        let (seat, reader, ids, _) = self.reads.remove(read);
        let mut messages = self.log.read(&ids);
        self.trace
            .log(self.now, format_args!("shard {seat}: reads {messages:?}"));
        let messages = &mut messages;
        self.tell(seat, Input::Read { reader, messages });
    }

    fn take_replays(&mut self, seat: usize) {
        let (mut begun, mut ended) = (Vec::new(), Vec::new());
        let shard = &mut self.seats[seat].shard;
        shard.take_replay_reads(&mut begun);
        shard.take_ended_replays(&mut ended);
        for (reader, start) in begun {
            let at = self.now + self.delay();
            self.replays.push((seat, reader, start, Some(at)));
        }
        self.replays
            .retain(|(of, reader, ..)| *of != seat || !ended.contains(reader));
    }

    /// A replay is read on, if there is something new.
    pub(super) fn replay(&mut self, replay: usize) {
        let (seat, reader, start, _) = self.replays[replay];
        let Some((mut messages, next)) = self.log.replay(start) else {
            self.replays[replay].3 = None;
            return;
        };
        self.replays.remove(replay);
        self.trace
            .log(self.now, format_args!("shard {seat}: replays {messages:?}"));
        let messages = &mut messages;
        self.tell(
            seat,
            Input::Replay {
                reader,
                messages,
                next,
            },
        );
    }

    /// There may be something new for replays that wait.
    pub(super) fn wake_replays(&mut self) {
        let at = self.now + self.delay();
        for (.., wakes_at) in &mut self.replays {
            wakes_at.get_or_insert(at);
        }
    }

    pub(super) fn write_again(&mut self, number: LinkNumber) {
        self.links[number].blocked_until = None;
        if let Place::At(seat, connection) = self.links[number].place {
            self.write(seat, connection);
            self.expect_turn(seat);
        }
    }

    /// Writes what waits for a connection, as far as its pipe takes it.
    fn write(&mut self, seat: usize, connection: ConnectionId) {
        let Some(&number) = self.seats[seat].links.get(&connection) else {
            return;
        };
        let arrival = self.now + self.delay();
        let waiting = self.seats[seat].bytes_to_write(connection);
        let link = &mut self.links[number];
        let room = link.capacity.saturating_sub(link.down.len());
        let mut count = waiting.len().min(room);
        if count > 0 && self.rng.percent(10) {
            count = self.rng.below(count + 1);
        }
        link.down.push(&waiting[..count], arrival);
        self.tell(
            seat,
            Input::Written {
                connection,
                bytes: count,
            },
        );
        // One call may not have taken everything, even if all of it went out.
        if count < waiting.len() || !self.seats[seat].bytes_to_write(connection).is_empty() {
            self.links[number].blocked_until = Some(arrival.max(self.now + 1));
        }
    }

    fn obey(&mut self, seat: usize, command: Command) {
        let (Command::Close(id)
        | Command::Abort(id)
        | Command::Pause(id)
        | Command::Resume(id)
        | Command::Move { connection: id, .. }) = &command;
        let Some(&number) = self.seats[seat].links.get(id) else {
            return;
        };
        self.trace.log(
            self.now,
            format_args!("shard {seat}: link {number}: {command:?}"),
        );
        match command {
            Command::Close(id) => {
                self.seats[seat].release(id);
                self.let_go(number);
            }
            // Its policy decides at once.
            Command::Pause(_) | Command::Resume(_) => {}
            Command::Abort(id) => {
                self.seats[seat].release(id);
                self.let_go(number);
                self.links[number].down.cut();
            }
            Command::Move {
                connection,
                to,
                bytes,
            } => {
                self.seats[seat].release(connection);
                self.let_go(number);
                let (to, at) = (to.index(), self.now + self.delay());
                self.links[number].place = Place::Moving { to, bytes, at };
            }
        }
    }
}
