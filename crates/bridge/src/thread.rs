//! The loop of a bridge: sockets, deadlines, when to connect and when to give up.
//!
//! ```text
//!   Preparing ──subscribed here──▶ Waiting (lazy) ──threshold──┐
//!       ▲  └────────────────────────────────────────────────▶ Dialing ──▶ Linked
//!       │ lazy                                                  ▲   │        │
//!       └──────────────────────────── Resting ◀─────────────────┼───┴────────┘
//!                                         └─────────────────────┘ else
//! ```
//!
//! To prepare is to subscribe here once before anything else, so that the durable Session queues
//! what is published from the start. Then this broker is connected to again when the other one has
//! answered CONNECT.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dunlin_packet::{Packet, ReasonCode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::dial::{Attempt, Dialer, Progress};
use crate::hello::RECEIVE_MAXIMUM;
use crate::link::Link;
use crate::patience::{Backoff, Due, KeepAlive, chance};
use crate::relay::{Event, Fault, Relay, Side};
use crate::{Attach, BridgeCounters, BridgeSettings, Counted, Privacy, Start};

/// How long a broker may take for what is asked of it at the beginning.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// How often the first address is looked at, while another one is in use.
const FIRST_ADDRESS: Duration = Duration::from_secs(5);

/// How long the last words may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// The shortest time between two log lines about messages that did not pass.
const COMPLAINT: Duration = Duration::from_secs(10);

/// A bridge, before and while it runs.
pub(crate) struct BridgeThread {
    settings: Arc<BridgeSettings>,
    counters: Arc<BridgeCounters>,
    attach: Attach,
    /// Ends when the bridge is to stop.
    stopped: UnixStream,
    relay: Relay,
    dialer: Dialer,
    backoff: Backoff,
    stage: Stage,
    local: Option<Link>,
    /// Off, unless this broker wants it.
    keep_alive_here: KeepAlive,
    /// Whether to say that it is a bridge, at the next CONNECT.
    privacy: Privacy,
    /// The other broker has shown which is right.
    privacy_is_known: bool,
    /// The other broker has said more than could be taken.
    stalled: bool,
    complained: Option<Instant>,
    scratch: Vec<u8>,
}

/// Where a bridge is in its life.
enum Stage {
    /// This broker is told what to queue, until then.
    Preparing(Instant),
    /// Until enough messages wait.
    Waiting,
    /// Until then.
    Resting(Instant),
    /// A connection to the other broker comes about.
    Dialing(Attempt),
    /// It is there.
    Linked(Linked),
    /// Nothing is left to do.
    Over,
}

/// The connection to the other broker.
struct Linked {
    link: Link,
    keep_alive: KeepAlive,
    /// When CONNACK has to be there. `None`: it is.
    handshake: Option<Instant>,
    /// When a message passed last.
    busy: Instant,
    /// How many had passed then.
    passed: u64,
    first_address: FirstAddress,
}

/// Whether the address that is preferred is there again.
enum FirstAddress {
    /// To be looked at then.
    At(Instant),
    Dialing(Attempt),
}

/// Why a bridge begins again.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("cannot connect: {0}")]
    Dial(io::Error),
    #[error("TLS cannot begin: {0}")]
    Tls(rustls::Error),
    #[error("connection to the other broker lost: {0}")]
    Remote(io::Error),
    #[error("the other broker: {0}")]
    RemoteFault(Fault),
    #[error("connection to this broker lost: {0}")]
    Local(io::Error),
    #[error("this broker: {0}")]
    LocalFault(Fault),
    #[error("no answer to CONNECT")]
    NoConnAck,
    #[error("no answer to PINGREQ")]
    NoPingResp,
    #[error("no answer of this broker")]
    NoAnswerHere,
    #[error("nothing to do")]
    Idle,
    #[error("the first address is there again")]
    FirstAddress,
}

impl BridgeThread {
    pub(crate) fn new(
        settings: BridgeSettings,
        attach: Attach,
        stopped: UnixStream,
        counters: Arc<BridgeCounters>,
    ) -> Self {
        let settings = Arc::new(settings);
        Self {
            relay: Relay::new(Arc::clone(&settings), Arc::clone(&counters)),
            dialer: Dialer::new(&settings),
            backoff: Backoff::new(settings.restart),
            stage: Stage::Resting(Instant::now()),
            local: None,
            keep_alive_here: KeepAlive::new(Duration::ZERO, Instant::now()),
            privacy: settings.remote.privacy,
            privacy_is_known: settings.remote.version.has_properties(),
            stalled: false,
            complained: None,
            scratch: Vec::new(),
            settings,
            counters,
            attach,
            stopped,
        }
    }

    /// Runs until it is stopped.
    pub(crate) fn run(mut self) {
        if let Err(end) = self.prepare() {
            self.begin_again(end);
        }
        loop {
            if let Err(end) = self.turn() {
                self.begin_again(end);
            }
            if self.wait() {
                break;
            }
        }
        self.say_goodbye();
        let count = |what| self.counters.get(what);
        tracing::info!(
            bridge = self.settings.name,
            sent = count(Counted::Sent),
            received = count(Counted::Received),
            refused = count(Counted::Refused),
            dropped = count(Counted::Dropped),
            "bridge stopped"
        );
    }

    // ------------------------------------------------------------------- one turn

    fn turn(&mut self) -> Result<(), End> {
        let now = Instant::now();
        self.keep_time(now)?;
        self.read_local()?;
        self.read_remote()?;
        self.take_events()?;
        self.watch_first_address(now)?;
        self.flush(now)
    }

    /// Does what is due.
    fn keep_time(&mut self, now: Instant) -> Result<(), End> {
        if self.local.is_some() {
            match self.keep_alive_here.due(now) {
                Due::TimedOut => return Err(End::NoAnswerHere),
                Due::PingReq => self.relay.leg(Side::Local).send(&Packet::PingReq),
                Due::Nothing => {}
            }
        }
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Preparing(until) if until <= now => return Err(End::NoAnswerHere),
            Stage::Waiting if self.relay.flow(Side::Local).held() >= self.threshold() => {
                self.dial(now)?;
            }
            Stage::Resting(until) if until <= now => match self.settings.start {
                Start::Lazy { .. } => self.prepare()?,
                Start::Automatic | Start::Once => self.dial(now)?,
            },
            Stage::Dialing(attempt) => match self.dialer.progress(attempt, now) {
                Ok(Progress::Waiting(attempt)) => self.stage = Stage::Dialing(attempt),
                Ok(Progress::Connected(stream)) => self.connect(stream, now)?,
                Err(error) => return Err(End::Dial(error)),
            },
            Stage::Linked(mut linked) => {
                let due = self.keep_alive(&mut linked, now);
                self.stage = Stage::Linked(linked);
                due?;
            }
            stage => self.stage = stage,
        }
        Ok(())
    }

    fn keep_alive(&mut self, linked: &mut Linked, now: Instant) -> Result<(), End> {
        if linked.handshake.is_some_and(|until| until <= now) {
            return Err(End::NoConnAck);
        }
        match linked.keep_alive.due(now) {
            Due::TimedOut => return Err(End::NoPingResp),
            Due::PingReq if linked.handshake.is_none() => {
                self.relay.leg(Side::Remote).send(&Packet::PingReq);
            }
            Due::PingReq | Due::Nothing => {}
        }
        let passed = self.counters.get(Counted::Sent) + self.counters.get(Counted::Received);
        if passed != linked.passed || !self.relay.is_idle() {
            (linked.passed, linked.busy) = (passed, now);
        }
        match self.settings.start {
            Start::Lazy { idle_timeout, .. } if linked.busy + idle_timeout <= now => Err(End::Idle),
            _ => Ok(()),
        }
    }

    fn threshold(&self) -> usize {
        match self.settings.start {
            Start::Lazy { threshold, .. } => threshold.clamp(1, usize::from(RECEIVE_MAXIMUM)),
            Start::Automatic | Start::Once => 0,
        }
    }

    fn read_local(&mut self) -> Result<(), End> {
        let Some(link) = &mut self.local else {
            return Ok(());
        };
        while self.relay.wants_bytes(Side::Local) {
            link.read(&mut self.scratch).map_err(End::Local)?;
            if self.scratch.is_empty() {
                break;
            }
            self.keep_alive_here.received();
            let taken = self.relay.receive(Side::Local, &self.scratch);
            taken.map_err(End::LocalFault)?;
        }
        Ok(())
    }

    fn read_remote(&mut self) -> Result<(), End> {
        let Stage::Linked(linked) = &mut self.stage else {
            return Ok(());
        };
        self.stalled = true;
        while self.relay.wants_bytes(Side::Remote) {
            linked.link.read(&mut self.scratch).map_err(End::Remote)?;
            if self.scratch.is_empty() {
                self.stalled = false;
                break;
            }
            linked.keep_alive.received();
            let taken = self.relay.receive(Side::Remote, &self.scratch);
            taken.map_err(End::RemoteFault)?;
        }
        Ok(())
    }

    fn flush(&mut self, now: Instant) -> Result<(), End> {
        if let Some(link) = &mut self.local {
            let output = &mut self.relay.leg(Side::Local).output;
            if link.write(output).map_err(End::Local)? > 0 {
                self.keep_alive_here.sent(now);
            }
        }
        if let Stage::Linked(linked) = &mut self.stage {
            let output = &mut self.relay.leg(Side::Remote).output;
            if linked.link.write(output).map_err(End::Remote)? > 0 {
                linked.keep_alive.sent(now);
            }
        }
        Ok(())
    }

    // ------------------------------------------------------------------- what has happened

    fn take_events(&mut self) -> Result<(), End> {
        while let Some(event) = self.relay.events.pop_front() {
            match event {
                Event::Accepted(Side::Remote) => self.accepted()?,
                Event::Accepted(Side::Local) => {
                    let seconds = self.relay.leg(Side::Local).keep_alive.unwrap_or(0);
                    let interval = Duration::from_secs(seconds.into());
                    self.keep_alive_here = KeepAlive::new(interval, Instant::now());
                }
                Event::Settled(side) => self.settled(side)?,
                Event::FilterRefused(side, filter, reason) => tracing::warn!(
                    bridge = self.settings.name,
                    broker = name(side),
                    filter,
                    reason,
                    "bridge may not subscribe"
                ),
                Event::MessageRefused(side, reason) => {
                    self.complain(side, reason, "bridge: message refused");
                }
                Event::Dropped(side, reason) => {
                    self.complain(side, reason, "bridge: message dropped");
                }
            }
        }
        Ok(())
    }

    /// The other broker has let the bridge in.
    fn accepted(&mut self) -> Result<(), End> {
        tracing::info!(
            bridge = self.settings.name,
            address = self.dialer.address(),
            session_present = self.relay.leg(Side::Remote).session_present,
            "bridge connected"
        );
        self.counters.count(Counted::Connected);
        self.backoff.succeed();
        self.privacy_is_known = true;
        if let Stage::Linked(linked) = &mut self.stage {
            linked.handshake = None;
            if let Some(seconds) = self.relay.leg(Side::Remote).keep_alive {
                let interval = Duration::from_secs(u64::from(seconds));
                linked.keep_alive.set_interval(interval);
            }
        }
        if self.local.is_none() {
            self.connect_here()?;
        }
        Ok(())
    }

    /// A broker has answered all that was asked of it.
    fn settled(&mut self, side: Side) -> Result<(), End> {
        if side == Side::Remote || !matches!(self.stage, Stage::Preparing(_)) {
            return Ok(());
        }
        match self.settings.start {
            Start::Lazy { .. } => self.stage = Stage::Waiting,
            Start::Automatic | Start::Once => {
                self.local = None;
                self.relay.close();
                self.stage = Stage::Resting(Instant::now());
            }
        }
        Ok(())
    }

    fn complain(&mut self, side: Side, reason: ReasonCode, what: &'static str) {
        let now = Instant::now();
        if self.complained.is_none_or(|then| then + COMPLAINT <= now) {
            self.complained = Some(now);
            let broker = name(side);
            tracing::warn!(bridge = self.settings.name, broker, ?reason, "{what}");
        }
    }

    // ------------------------------------------------------------------- beginning

    /// Connects to this broker alone.
    fn prepare(&mut self) -> Result<(), End> {
        self.connect_here()?;
        self.stage = Stage::Preparing(Instant::now() + HANDSHAKE);
        Ok(())
    }

    fn connect_here(&mut self) -> Result<(), End> {
        let (ours, theirs) = UnixStream::pair().map_err(End::Local)?;
        ours.set_nonblocking(true).map_err(End::Local)?;
        (self.attach)(theirs).map_err(End::Local)?;
        self.local = Some(Link::Local(ours));
        self.keep_alive_here = KeepAlive::new(Duration::ZERO, Instant::now());
        self.relay.connect_here();
        Ok(())
    }

    fn dial(&mut self, now: Instant) -> Result<(), End> {
        tracing::debug!(
            bridge = self.settings.name,
            address = self.dialer.address(),
            "bridge connects"
        );
        let attempt = self.dialer.dial(now).map_err(End::Dial)?;
        self.stage = Stage::Dialing(attempt);
        Ok(())
    }

    /// A TCP connection is there.
    fn connect(&mut self, stream: std::net::TcpStream, now: Instant) -> Result<(), End> {
        let link = match &self.settings.tls {
            None => Link::Plain(stream),
            Some(tls) => {
                let session = tls.connect(self.dialer.host()).map_err(End::Tls)?;
                Link::Tls(Box::new(session), stream)
            }
        };
        self.relay.connect_there(self.privacy);
        let interval = Duration::from_secs(self.settings.remote.keep_alive.into());
        self.stage = Stage::Linked(Linked {
            link,
            keep_alive: KeepAlive::new(interval, now),
            handshake: Some(now + HANDSHAKE),
            busy: now,
            passed: 0,
            first_address: FirstAddress::At(now + FIRST_ADDRESS),
        });
        Ok(())
    }

    /// Goes back to the address that is preferred, when it is there again.
    fn watch_first_address(&mut self, now: Instant) -> Result<(), End> {
        let Stage::Linked(linked) = &mut self.stage else {
            return Ok(());
        };
        if !self.dialer.prefers_another() || linked.handshake.is_some() {
            return Ok(());
        }
        let later = FirstAddress::At(now + FIRST_ADDRESS);
        let watch = std::mem::replace(&mut linked.first_address, later);
        let progress = match watch {
            FirstAddress::At(then) if then > now => {
                linked.first_address = FirstAddress::At(then);
                return Ok(());
            }
            FirstAddress::At(_) => self.dialer.dial_first(now).map(Progress::Waiting),
            FirstAddress::Dialing(attempt) => self.dialer.progress(attempt, now),
        };
        match progress {
            Ok(Progress::Connected(_)) => Err(End::FirstAddress),
            Ok(Progress::Waiting(attempt)) => {
                linked.first_address = FirstAddress::Dialing(attempt);
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    // ------------------------------------------------------------------- end

    /// Gives both connections up, and decides when to begin again.
    fn begin_again(&mut self, end: End) {
        let bridge = &self.settings.name;
        let address = self.dialer.address();
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let was_accepted = matches!(&stage, Stage::Linked(linked) if linked.handshake.is_none());
        let is_orderly = matches!(end, End::Idle | End::FirstAddress);
        if is_orderly {
            tracing::info!(bridge, address, "bridge disconnected: {end}");
            if let Stage::Linked(linked) = stage {
                self.relay.say_goodbye(Side::Remote);
                farewell(linked.link, &mut self.relay.leg(Side::Remote).output);
            }
        } else if was_accepted {
            tracing::warn!(bridge, address, "bridge disconnected: {end}");
        } else {
            tracing::warn!(bridge, address, "bridge not connected: {end}");
        }
        // Without DISCONNECT: the Will says that the bridge is down.
        self.local = None;
        self.relay.close();
        if was_accepted {
            self.dialer.ended();
        } else {
            self.dialer.failed();
        }
        let was_too_private = !was_accepted && self.was_too_private(&end);
        self.stage = match self.settings.start {
            _ if is_orderly || was_too_private => Stage::Resting(Instant::now()),
            Start::Once if was_accepted || !matches!(end, End::Local(_) | End::LocalFault(_)) => {
                Stage::Over
            }
            _ => Stage::Resting(Instant::now() + self.backoff.next(chance())),
        };
    }

    /// Whether a connection has ended because the other broker does not know bridges; the next
    /// attempt is plain then. One that ends without an answer is tried either way in turns.
    fn was_too_private(&mut self, end: &End) -> bool {
        if self.privacy_is_known || self.settings.remote.privacy == Privacy::Plain {
            return false;
        }
        let refused = Fault::Refused(ReasonCode::UnsupportedProtocolVersion);
        match end {
            End::RemoteFault(fault) if *fault == refused && self.privacy == Privacy::Tried => {
                self.privacy = Privacy::Plain;
                self.privacy_is_known = true;
                true
            }
            End::Remote(_) | End::RemoteFault(_) | End::NoConnAck => {
                self.privacy = match self.privacy {
                    Privacy::Tried => Privacy::Plain,
                    Privacy::Plain => Privacy::Tried,
                };
                false
            }
            _ => false,
        }
    }

    fn say_goodbye(&mut self) {
        if let Stage::Linked(linked) = std::mem::replace(&mut self.stage, Stage::Over) {
            self.relay.say_goodbye(Side::Remote);
            farewell(linked.link, &mut self.relay.leg(Side::Remote).output);
        }
        if let Some(link) = self.local.take() {
            self.relay.say_goodbye(Side::Local);
            farewell(link, &mut self.relay.leg(Side::Local).output);
        }
    }

    // ------------------------------------------------------------------- waiting

    /// Waits until something can be done. True: the bridge is to stop.
    fn wait(&mut self) -> bool {
        let patience = self.deadline().map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            Timespec::try_from(left).unwrap_or(Timespec {
                tv_sec: 3600,
                tv_nsec: 0,
            })
        });
        let mut watched = vec![PollFd::new(&self.stopped, PollFlags::IN)];
        if let Some(link) = &self.local {
            watched.push(interest(&self.relay, Side::Local, link));
        }
        match &self.stage {
            Stage::Dialing(attempt) => watched.push(PollFd::new(attempt, PollFlags::OUT)),
            Stage::Linked(linked) => {
                watched.push(interest(&self.relay, Side::Remote, &linked.link));
                if let FirstAddress::Dialing(attempt) = &linked.first_address {
                    watched.push(PollFd::new(attempt, PollFlags::OUT));
                }
            }
            _ => {}
        }
        // Interrupted or not: the next turn looks at everything.
        let _ = poll(&mut watched, patience.as_ref());
        !watched[0].revents().is_empty()
    }

    /// When to go on at the latest.
    fn deadline(&self) -> Option<Instant> {
        // TLS may have decrypted what was not taken: the socket does not tell.
        if self.stalled && self.relay.wants_bytes(Side::Remote) {
            return Some(Instant::now());
        }
        let stage = match &self.stage {
            Stage::Preparing(until) | Stage::Resting(until) => Some(*until),
            Stage::Dialing(attempt) => Some(attempt.deadline()),
            Stage::Linked(linked) => {
                let idle = match self.settings.start {
                    Start::Lazy { idle_timeout, .. } => Some(linked.busy + idle_timeout),
                    Start::Automatic | Start::Once => None,
                };
                let first_address = match &linked.first_address {
                    FirstAddress::At(then) if self.dialer.prefers_another() => Some(*then),
                    FirstAddress::At(_) => None,
                    FirstAddress::Dialing(attempt) => Some(attempt.deadline()),
                };
                let times = [
                    linked.handshake,
                    linked.keep_alive.deadline(),
                    idle,
                    first_address,
                ];
                times.into_iter().flatten().min()
            }
            Stage::Waiting if self.relay.flow(Side::Local).held() >= self.threshold() => {
                Some(Instant::now())
            }
            Stage::Waiting | Stage::Over => None,
        };
        let here = self.local.as_ref().and(self.keep_alive_here.deadline());
        stage.into_iter().chain(here).min()
    }
}

/// What to wait for on a connection.
fn interest<'a>(relay: &Relay, side: Side, link: &'a Link) -> PollFd<'a> {
    let mut flags = PollFlags::empty();
    if relay.wants_bytes(side) {
        flags |= PollFlags::IN;
    }
    if link.takes(relay.output(side)) {
        flags |= PollFlags::OUT;
    }
    PollFd::from_borrowed_fd(link.as_fd(), flags)
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Local => "this one",
        Side::Remote => "the other one",
    }
}

/// Writes the last words, and waits until the broker has read them: what is closed with unread bytes
/// may be lost on the way.
fn farewell(mut link: Link, output: &mut Vec<u8>) {
    let until = Instant::now() + GOODBYE;
    let mut scratch = Vec::new();
    let mut finished = false;
    loop {
        if !finished {
            match link.write(output) {
                Err(_) => return,
                Ok(_) if output.is_empty() && !link.wants_write() => {
                    link.finish();
                    finished = true;
                }
                Ok(_) => {}
            }
        }
        if link.read(&mut scratch).is_err() {
            return;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        if !scratch.is_empty() {
            continue;
        }
        let mut flags = PollFlags::IN;
        if !finished {
            flags |= PollFlags::OUT;
        }
        let patience = Timespec::try_from(left).ok();
        let mut watched = [PollFd::from_borrowed_fd(link.as_fd(), flags)];
        let _ = poll(&mut watched, patience.as_ref());
    }
}
