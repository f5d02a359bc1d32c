//! The loop of one shard's thread: the reactor's sockets on one side, the shard on the other.
//!
//! It keeps to the calling contract of [`Shard`]. Without a log its shards append no records.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dunlin_core::{Command, Event, Input, LogRoom, Origin, PeerMessage, Shard, ShardId, Timestamp};
use dunlin_net::mailbox::Receiver;
use dunlin_net::{Accepted, Closed, Handler, Peer, Reactor, Refused, WriteState};
use dunlin_store::News;
use smallvec::SmallVec;

use super::auth::Authentication;
use super::clock::Clock;
use super::durable::{self, Journal};
use super::log::{self, Warnings};
use super::mail::{Mail, Post};
use super::report::{Report, ShardReport};

/// Letters that may wait at another shard. Beyond, this one reads no sockets until they are taken:
/// so its Clients feel what the other shard cannot keep up with.
const LETTERS: usize = 256;

/// How long a shard rests that waits for another.
const REST: Duration = Duration::from_micros(200);

/// Times that a turn looks again for something to write. What comes up later is for the next turn.
const FLUSHES: usize = 4;

/// How long connections may take to end when the broker stops.
const STOPPING: Duration = Duration::from_secs(2);

/// One shard and its reactor.
pub(super) struct Driver {
    reactor: Reactor,
    side: ShardSide,
    /// Without it, everything ends with the process.
    journal: Option<Journal>,
    letters: Receiver<Mail>,
    posts: Vec<Post>,
    report: Arc<Mutex<Report>>,
    // Kept for their memory.
    mail: Vec<Mail>,
    commands: Vec<Command>,
    events: Vec<Event>,
    dirty: Vec<dunlin_core::ConnectionId>,
}

/// What the reactor talks to.
struct ShardSide {
    shard: Shard,
    clock: Clock,
    /// The time of this turn, once it has been looked at.
    now: Option<Timestamp>,
    /// Connections that can be written to again.
    writable: Vec<dunlin_core::ConnectionId>,
    authentication: Arc<Authentication>,
    /// Where connections come from that have not come through CONNECT, and may move.
    origins: HashMap<dunlin_core::ConnectionId, Origin>,
    warnings: Warnings,
}

impl Driver {
    pub(super) fn new(
        shard: Shard,
        reactor: Reactor,
        letters: Receiver<Mail>,
        posts: Vec<Post>,
        clock: Clock,
        report: Arc<Mutex<Report>>,
        authentication: Arc<Authentication>,
    ) -> Self {
        Driver {
            reactor,
            side: ShardSide {
                shard,
                clock,
                now: None,
                writable: Vec::new(),
                authentication,
                origins: HashMap::new(),
                warnings: Warnings::default(),
            },
            journal: None,
            letters,
            posts,
            report,
            mail: Vec::new(),
            commands: Vec::new(),
            events: Vec::new(),
            dirty: Vec::new(),
        }
    }

    /// With a log to append to, if there is one.
    pub(super) fn with_journal(self, journal: Option<Journal>) -> Self {
        Driver { journal, ..self }
    }

    /// Runs until a letter says stop.
    pub(super) fn run(mut self) -> io::Result<()> {
        loop {
            self.side.now = None;
            if self.is_congested() {
                std::thread::sleep(REST);
            } else {
                self.reactor.turn(self.patience(), &mut self.side)?;
            }
            let stop = self.read_mail();
            self.finish_turn();
            if stop {
                return self.stop();
            }
        }
    }

    /// Whether another shard or the log has more to do than may wait for it.
    fn is_congested(&self) -> bool {
        if self.journal.as_ref().is_some_and(Journal::is_congested) {
            return true;
        }
        let own = self.side.shard.id().index();
        let others = self
            .posts
            .iter()
            .enumerate()
            .filter(|(shard, _)| *shard != own);
        others.into_iter().any(|(_, post)| post.backlog() > LETTERS)
    }

    /// How long the reactor may wait for something to happen.
    fn patience(&self) -> Option<Duration> {
        if self.side.shard.has_output() {
            return Some(Duration::ZERO);
        }
        let deadline = self.side.shard.next_deadline()?;
        Some(self.side.clock.now().until(deadline))
    }

    /// Hands the letters of other threads to the shard. True: it is to stop.
    fn read_mail(&mut self) -> bool {
        let mut mail = std::mem::take(&mut self.mail);
        self.letters.take(&mut mail);
        let mut stop = false;
        for letter in mail.drain(..) {
            match letter {
                Mail::Peer { from, mut messages } => {
                    self.side.tell(Input::Peer {
                        from,
                        messages: &mut messages,
                    });
                }
                Mail::Moved {
                    transport,
                    origin,
                    bytes,
                } => match self.reactor.attach(transport) {
                    Ok(id) => {
                        let connection = core_id(id);
                        self.side.tell(Input::Opened { connection });
                        if let Some(origin) = origin {
                            self.side.identify(connection, origin);
                        }
                        if !bytes.is_empty() {
                            let bytes = &bytes;
                            self.side.tell(Input::Received { connection, bytes });
                        }
                    }
                    Err(error) => tracing::warn!("a connection could not be moved: {error}"),
                },
                Mail::Joined { transport, origin } => match self.reactor.attach(transport) {
                    Ok(id) => {
                        let connection = core_id(id);
                        self.side.tell(Input::Opened { connection });
                        let origin = &origin;
                        self.side.tell(Input::Identified { connection, origin });
                        self.side.origins.insert(connection, origin.clone());
                    }
                    Err(error) => tracing::warn!("a bridge cannot be let in: {error}"),
                },
                Mail::Decided {
                    connection,
                    decision,
                    changes,
                } => {
                    let decision = *decision;
                    self.side.tell(Input::Decided {
                        connection,
                        decision,
                    });
                    if changes < self.side.authentication.changes() {
                        self.side.tell(Input::PolicyChanged);
                    }
                }
                Mail::PolicyChanged => self.side.tell(Input::PolicyChanged),
                Mail::Log(news) => self.hear_log(news),
                Mail::Report => {
                    if let Some(report) = self.enter_report() {
                        tracing::info!("counters\n{report}");
                    }
                }
                Mail::Measure(answers) => {
                    // Whoever asked may not wait any more.
                    let _ = answers.send(self.count());
                }
                Mail::Describe { client_id, answers } => {
                    if let Some(client) = self.side.shard.client(&client_id) {
                        let _ = answers.send(client);
                    }
                }
                Mail::Publish(messages) => {
                    for message in messages {
                        self.side.tell(Input::Publish { message });
                    }
                }
                Mail::Serve(options) => {
                    for options in &options {
                        self.reactor.set_options(options);
                    }
                }
                Mail::Ban(bans) => self.side.tell(Input::Bans { bans }),
                Mail::Limit(limits) => {
                    self.side.tell(Input::Limit { limits: &limits });
                    for id in self.reactor.banned() {
                        let connection = core_id(id);
                        self.side.tell(Input::Banned { connection });
                    }
                }
                Mail::Confirm(answers) => {
                    let _ = answers.send(());
                }
                Mail::Stop => stop = true,
            }
        }
        self.mail = mail;
        stop
    }

    /// Tells the shard what the log says.
    fn hear_log(&mut self, news: News) {
        match news {
            News::Committed { count } => self.side.tell(Input::Committed { records: count }),
            News::Checkpoint => self.side.tell(Input::Checkpoint),
            News::Found { tag, found } => {
                let journal = self.journal.as_mut();
                if let Some(reader) = journal.and_then(|journal| journal.reader(tag)) {
                    let messages = &mut durable::messages(&found);
                    self.side.tell(Input::Read { reader, messages });
                }
            }
            News::Past { tag, past } => {
                let journal = self.journal.as_mut();
                if let Some(reader) = journal.and_then(|journal| journal.reader(tag)) {
                    let (mut messages, next) = durable::replayed(&past);
                    self.side.tell(Input::Replay {
                        reader,
                        messages: &mut messages,
                        next,
                    });
                }
            }
            News::Full => self.hear_of_room(LogRoom::Full),
            News::Room => self.hear_of_room(LogRoom::Enough),
            News::Failed(error) => unreachable!("the process has ended: {error}"),
        }
    }

    fn hear_of_room(&mut self, room: LogRoom) {
        if let Some(journal) = &mut self.journal {
            journal.set_room(room);
        }
        self.side.tell(Input::Room(room));
        // All shards hear it; one says it.
        if self.side.shard.id().index() == 0 {
            match room {
                LogRoom::Full => tracing::error!(
                    "there is no room left for the log: what would have to be durable is refused"
                ),
                LogRoom::Enough => tracing::warn!("there is room for the log again"),
            }
        }
    }

    /// Appends to the log what the shard has recorded.
    fn append(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.append(&mut self.side.shard);
        }
    }

    /// Carries out what the shard wants after its inputs.
    fn finish_turn(&mut self) {
        if self
            .side
            .shard
            .next_deadline()
            .is_some_and(|at| at <= self.side.now())
        {
            self.side.tell(Input::Due);
        }
        self.append();
        self.flush();
        self.carry_out_commands();
        // What was written may have led to more records: they come before what follows from them.
        self.append();
        self.post();
        self.side.shard.take_events(&mut self.events);
        self.side.forget_origins(&self.events);
        for event in &self.events {
            self.side.warnings.hear(event);
        }
        if !self.events.is_empty() && log::wants_events() {
            self.events.iter().for_each(log::event);
        }
    }

    /// One write for every connection that has something to be written.
    fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for _ in 0..FLUSHES {
            dirty.clear();
            self.side.shard.take_dirty(&mut dirty);
            dirty.append(&mut self.side.writable);
            if dirty.is_empty() {
                break;
            }
            for &connection in &dirty {
                self.write(connection);
            }
        }
        dirty.clear();
        self.dirty = dirty;
    }

    fn write(&mut self, connection: dunlin_core::ConnectionId) {
        let Some(output) = self.side.shard.output(connection) else {
            return;
        };
        let mut slices = SmallVec::<[IoSlice<'_>; 4]>::new();
        output.slices(&mut slices);
        let written = self.reactor.write(net_id(connection), &slices);
        if written.state == WriteState::Gone {
            // The reactor says in its next turn that the connection has ended.
            return;
        }
        let bytes = written.bytes;
        drop(slices);
        self.side.tell(Input::Written { connection, bytes });
    }

    fn carry_out_commands(&mut self) {
        let mut commands = std::mem::take(&mut self.commands);
        self.side.shard.take_commands(&mut commands);
        for command in commands.drain(..) {
            match command {
                Command::Close(id) => {
                    self.side.origins.remove(&id);
                    self.reactor.close(net_id(id));
                }
                Command::Abort(id) => {
                    self.side.origins.remove(&id);
                    self.reactor.abort(net_id(id));
                }
                Command::Pause(id) => self.reactor.pause(net_id(id)),
                Command::Resume(id) => self.reactor.resume(net_id(id)),
                Command::Move {
                    connection,
                    to,
                    bytes,
                } => {
                    if let Some(transport) = self.reactor.detach(net_id(connection)) {
                        let moved = Mail::Moved {
                            transport,
                            origin: self.side.origins.remove(&connection),
                            bytes,
                        };
                        let _ = self.posts[to.index()].send(&mut vec![moved]);
                    }
                }
            }
        }
        self.commands = commands;
    }

    /// Sends the other shards what this one said to them.
    fn post(&mut self) {
        let from = self.side.shard.id();
        for (number, post) in self.posts.iter().enumerate() {
            let mut messages: Vec<PeerMessage> = Vec::new();
            self.side
                .shard
                .take_peer_messages(ShardId::new(number), &mut messages);
            if !messages.is_empty() {
                let _ = post.send(&mut vec![Mail::Peer { from, messages }]);
            }
        }
    }

    /// What this shard has counted.
    fn count(&self) -> ShardReport {
        ShardReport {
            counters: self.side.shard.counters(),
            gauges: self.side.shard.gauges(),
            reactor: self.reactor.counters(),
        }
    }

    /// Enters this shard's counters; gives the report of all shards, if this was the last.
    fn enter_report(&mut self) -> Option<String> {
        let shard = self.count();
        let mut report = self.report.lock().ok()?;
        report
            .enter(self.side.shard.id().index(), shard)
            .then(|| report.to_string())
    }

    /// Ends all connections with DISCONNECT where the version has it, and then the loop.
    fn stop(mut self) -> io::Result<()> {
        self.reactor.stop_listening();
        self.side.tell(Input::Stop);
        let deadline = self.side.clock.now().after(STOPPING);
        self.finish_turn();
        while self.reactor.counters().open > 0 && self.side.clock.now() < deadline {
            self.side.now = None;
            self.reactor
                .turn(Some(Duration::from_millis(10)), &mut self.side)?;
            self.read_mail();
            self.finish_turn();
        }
        self.enter_report();
        Ok(())
    }
}

impl ShardSide {
    fn tell(&mut self, input: Input<'_>) {
        let now = self.now();
        self.shard.handle(now, input);
    }

    /// A connection that is open, or has ended, does not move.
    fn forget_origins(&mut self, events: &[Event]) {
        if self.origins.is_empty() {
            return;
        }
        for event in events {
            if let Event::Connected { connection, .. }
            | Event::Refused { connection, .. }
            | Event::Disconnected { connection, .. } = event
            {
                self.origins.remove(connection);
            }
        }
    }

    fn now(&mut self) -> Timestamp {
        *self.now.get_or_insert_with(|| self.clock.now())
    }

    fn identify(&mut self, connection: dunlin_core::ConnectionId, origin: Origin) {
        self.tell(Input::Identified {
            connection,
            origin: &origin,
        });
        self.origins.insert(connection, origin);
    }
}

/// What the policy is told of a peer.
pub(super) fn origin(peer: Peer) -> Origin {
    Origin {
        listener: peer.listener.0,
        address: peer.address.ip().map(|address| address.ip()),
        certificate: peer.tls.and_then(|session| session.certificate),
    }
}

impl Handler for ShardSide {
    fn accepted(&mut self, connection: dunlin_net::ConnectionId, accepted: &Accepted) {
        tracing::debug!(connection = %connection, peer = %accepted.peer, "connection opened");
        self.tell(Input::Opened {
            connection: core_id(connection),
        });
    }

    fn introduced(&mut self, connection: dunlin_net::ConnectionId, peer: Peer) {
        if let Some(proxy) = peer.proxy {
            tracing::debug!(connection = %connection, peer = %peer.address, %proxy, "behind a proxy");
        }
        self.identify(core_id(connection), origin(peer));
    }

    fn received(&mut self, connection: dunlin_net::ConnectionId, bytes: &[u8]) {
        self.tell(Input::Received {
            connection: core_id(connection),
            bytes,
        });
    }

    fn writable(&mut self, connection: dunlin_net::ConnectionId) {
        self.writable.push(core_id(connection));
    }

    fn closed(&mut self, connection: dunlin_net::ConnectionId, cause: &Closed) {
        self.origins.remove(&core_id(connection));
        match cause {
            Closed::Layer(error) => {
                tracing::debug!(connection = %connection, "connection ended: {error}");
            }
            Closed::Denied(denial) => self.warnings.turned_away(denial),
            _ => {}
        }
        self.tell(Input::Lost {
            connection: core_id(connection),
        });
    }

    fn woken(&mut self) {}

    fn refused(&mut self, _: dunlin_net::ListenerId, cause: &Refused) {
        self.warnings.turned_away(cause);
    }
}

fn core_id(id: dunlin_net::ConnectionId) -> dunlin_core::ConnectionId {
    dunlin_core::ConnectionId::new(id.index(), id.generation())
}

fn net_id(id: dunlin_core::ConnectionId) -> dunlin_net::ConnectionId {
    dunlin_net::ConnectionId::new(id.index() as u32, id.generation())
}
