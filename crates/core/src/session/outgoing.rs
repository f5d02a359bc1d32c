//! What waits for a Client: a queue of what is not sent, and what is in flight.
//!
//! ```text
//!              QoS 1                                    QoS 2
//!   queue ──PUBLISH──▶ Published ──PUBACK──▶ done   queue ──PUBLISH──▶ Published ──PUBREC──▶ Released ──PUBCOMP──▶ done
//! ```
//!
//! Packet Identifiers are given out one after the other, so what is in flight is a ring in which
//! an identifier is found by its distance from the first; one that is done keeps its place until
//! all before it are done.
//!
//! A long queue holds only its first deliveries whole. Those behind are parked where the message is
//! in the log: they name it, and it is read back when their turn comes.

use std::collections::VecDeque;

use dunlin_packet::{PacketId, QoS, ReasonCode};

use super::delivery::{Delivery, GroupOrigin};
use super::named::Named;
use crate::journal::{MessageId, Parked};
use crate::limits::Limits;
use crate::message::Message;
use crate::time::Timestamp;
use crate::timers::Expiry;

/// How far a message in flight has come.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// Sent; PUBACK or PUBREC is awaited.
    Published(Delivery),
    /// QoS 2: the Client has it, PUBREL was sent; PUBCOMP is awaited.
    Released,
    /// Done; only keeps the place.
    Done,
}

/// A message in flight.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    pub(crate) stage: Stage,
}

/// A delivery behind those that are held whole.
enum Later {
    /// Its message is in the log.
    Named(Named),
    /// It is not, or not for this Session.
    Whole(Box<Delivery>),
}

impl Later {
    fn size(&self) -> usize {
        match self {
            Later::Named(named) => named.size(),
            Later::Whole(delivery) => delivery.size(),
        }
    }

    fn expires_at(&self) -> Timestamp {
        match self {
            Later::Named(named) => named.expires_at(),
            Later::Whole(delivery) => delivery.message.expires_at(),
        }
    }

    /// What it takes of memory.
    fn memory(&self) -> usize {
        match self {
            Later::Named(_) => Place::PARKED,
            Later::Whole(delivery) => delivery.size(),
        }
    }
}

/// Where a delivery waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In memory, in any case.
    Memory,
    /// In the log, where it is, once so many deliveries are in memory.
    Log { held: usize },
    /// In the log, where it is: nobody is there to take it.
    LogAlone,
}

impl Place {
    /// Bytes that a parked delivery takes of memory.
    pub(crate) const PARKED: usize = size_of::<Later>();
}

/// The queue and the messages in flight of one Session.
#[derive(Default)]
pub(crate) struct Outgoing {
    queue: VecDeque<Delivery>,
    /// What comes after the queue.
    later: VecDeque<Later>,
    /// Of these, how many have QoS 0.
    later_qos0: usize,
    /// Messages of parked deliveries are being read.
    reading: bool,
    /// Bytes of memory that are set aside for these.
    reserved: usize,
    /// Bytes of all that waits, parked or not.
    queued_bytes: usize,
    /// Bytes that this takes of memory.
    memory_bytes: usize,
    /// Of what waits; not of what is in flight.
    pub(crate) expiry: Expiry,
    /// All queued deliveries before this place have QoS 1 or 2.
    first_qos0: usize,
    /// Consecutive Packet Identifiers from `first`.
    in_flight: VecDeque<InFlight>,
    first: Option<PacketId>,
    /// Of those, how many have been sent on the present connection: all, but while what an earlier
    /// connection left is sent again.
    sent_here: usize,
    /// Of these, how many are not done.
    unacknowledged: usize,
}

/// What became of a delivery that was to be queued.
pub(crate) enum Queued {
    /// It waits.
    Kept,
    /// It waits, and this older one of QoS 0 had to go.
    Displaced(Delivery),
    /// The queue is full of messages that matter as much; it is given back.
    Full(Delivery),
}

/// What an acknowledgement means for the message it names.
pub(crate) enum Acknowledged {
    /// The Client has it (PUBACK, PUBREC): its end.
    Completed(Delivery),
    /// As before, and the exchange goes on: send PUBREL.
    Release(Delivery),
    /// PUBREC for one that the Client has: send PUBREL again.
    ReleaseAgain,
    /// PUBCOMP: the identifier is free again.
    Freed,
    /// No such Packet Identifier is in this stage.
    Unknown,
}

const IDENTIFIERS: usize = 65_535;

impl Outgoing {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty() && self.later.is_empty()
    }

    /// Whether something is to be sent before anything new.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.queue.is_empty() || !self.later.is_empty() || self.is_resending()
    }

    /// Whether something that an earlier connection left is still to be sent again.
    pub(crate) fn is_resending(&self) -> bool {
        self.sent_here < self.in_flight.len()
    }

    /// Bytes that the queue takes of memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Whether one more may be in flight.
    pub(crate) fn may_send(&self, quota: usize) -> bool {
        self.unacknowledged < quota && self.in_flight.len() < IDENTIFIERS && !self.is_resending()
    }

    /// Appends to the queue, within the limits.
    pub(crate) fn enqueue(&mut self, delivery: Delivery, place: Place, limits: &Limits) -> Queued {
        let size = delivery.size();
        let displaced = match self.is_full(size, limits).then(|| self.take_oldest_qos0()) {
            None => None,
            Some(None) => return Queued::Full(delivery),
            Some(oldest) => oldest,
        };
        if self.queued_bytes + size > limits.queued_bytes {
            // One small message was not enough room for a large one.
            if let Some((place, oldest)) = displaced {
                self.put_back(place, oldest);
            }
            return Queued::Full(delivery);
        }
        self.append(delivery, place);
        displaced.map_or(Queued::Kept, |(_, oldest)| Queued::Displaced(oldest))
    }

    /// Whether a delivery of this size is one too many.
    pub(crate) fn is_full(&self, size: usize, limits: &Limits) -> bool {
        self.queue.len() + self.later.len() >= limits.queued_messages
            || self.queued_bytes + size > limits.queued_bytes
    }

    fn append(&mut self, delivery: Delivery, place: Place) {
        let size = delivery.size();
        self.queued_bytes += size;
        self.expiry.note(delivery.message.expires_at());
        let park = match place {
            Place::Memory => false,
            Place::Log { held } => !self.later.is_empty() || self.queue.len() >= held,
            Place::LogAlone => true,
        };
        if park {
            self.append_later(Later::Named(delivery.parked().into()));
        } else if self.later.is_empty() {
            self.memory_bytes += size;
            self.queue.push_back(delivery);
        } else {
            self.append_later(Later::Whole(Box::new(delivery)));
        }
    }

    fn append_later(&mut self, later: Later) {
        self.memory_bytes += later.memory();
        self.later_qos0 += usize::from(is_qos0(&later));
        self.later.push_back(later);
    }

    /// The oldest delivery of QoS 0, and its place in the whole queue.
    fn take_oldest_qos0(&mut self) -> Option<(usize, Delivery)> {
        let from = self.first_qos0.min(self.queue.len());
        let found = self
            .queue
            .range(from..)
            .position(|waiting| waiting.qos == QoS::AtMostOnce);
        self.first_qos0 = found.map_or(self.queue.len(), |n| from + n);
        if let Some(at) = found.map(|n| from + n) {
            let oldest = self.queue.remove(at)?;
            self.queued_bytes -= oldest.size();
            self.memory_bytes -= oldest.size();
            return Some((at, oldest));
        }
        if self.later_qos0 == 0 {
            return None;
        }
        let at = self.later.iter().position(is_qos0)?;
        let later = self.later.remove(at)?;
        self.forget_later(&later);
        match later {
            Later::Whole(delivery) => Some((self.queue.len() + at, *delivery)),
            Later::Named(_) => None,
        }
    }

    fn put_back(&mut self, place: usize, delivery: Delivery) {
        self.queued_bytes += delivery.size();
        if place > self.queue.len() || !self.later.is_empty() && place == self.queue.len() {
            let later = Later::Whole(Box::new(delivery));
            self.memory_bytes += later.memory();
            self.later_qos0 += 1;
            self.later.insert(place - self.queue.len(), later);
        } else {
            self.memory_bytes += delivery.size();
            self.queue.insert(place, delivery);
        }
    }

    /// Takes one that has left it out of the accounts of `later`.
    fn forget_later(&mut self, later: &Later) {
        self.queued_bytes -= later.size();
        self.memory_bytes -= later.memory();
        self.later_qos0 -= usize::from(is_qos0(later));
    }

    /// The first in the queue; none also if it has still to be read.
    pub(crate) fn front(&mut self) -> Option<&Delivery> {
        if self.queue.is_empty() {
            self.bring_forward();
        }
        self.queue.front()
    }

    /// Moves what is whole from the front of `later` into the queue.
    fn bring_forward(&mut self) {
        while let Some(later) = self.later.pop_front_if(|it| matches!(it, Later::Whole(_))) {
            self.forget_later(&later);
            if let Later::Whole(delivery) = later {
                self.queued_bytes += delivery.size();
                self.memory_bytes += delivery.size();
                self.queue.push_back(*delivery);
            }
        }
        if self.later.is_empty() && self.later.capacity() > OutgoingPool::CAPACITY {
            self.later = VecDeque::new();
        }
    }

    /// Takes the first out of the queue.
    pub(crate) fn dequeue(&mut self) -> Option<Delivery> {
        let delivery = self.queue.pop_front()?;
        self.queued_bytes -= delivery.size();
        self.memory_bytes -= delivery.size();
        self.first_qos0 = self.first_qos0.saturating_sub(1);
        Some(delivery)
    }

    // --------------------------------------------------------------------- expiry

    /// Takes out what has expired while it waited.
    pub(crate) fn take_expired(&mut self, now: Timestamp) -> Vec<Delivery> {
        let mut expired = Vec::new();
        if !self.expiry.may_have_come(now) {
            return expired;
        }
        for delivery in std::mem::take(&mut self.queue) {
            if delivery.message.expires_at() > now {
                self.queue.push_back(delivery);
            } else {
                self.queued_bytes -= delivery.size();
                self.memory_bytes -= delivery.size();
                expired.push(delivery);
            }
        }
        self.first_qos0 = 0;
        for later in std::mem::take(&mut self.later) {
            if later.expires_at() > now {
                self.later.push_back(later);
                continue;
            }
            self.forget_later(&later);
            expired.push(match later {
                Later::Named(named) => named.absent(),
                Later::Whole(delivery) => *delivery,
            });
        }
        let queue = self.queue.iter().map(|it| it.message.expires_at());
        let left = queue.chain(self.later.iter().map(Later::expires_at));
        self.expiry.reset(left.min().unwrap_or(Timestamp::NEVER));
        expired
    }

    // ------------------------------------------------------------------ read back

    /// The messages that are to be read now, if any: of what is in flight and has to be sent again,
    /// or the next of the queue, at most `count` and as many as `budget` bytes hold, but one at least.
    pub(crate) fn begin_reading(&mut self, count: usize, budget: usize) -> Option<Vec<MessageId>> {
        if self.reading {
            return None;
        }
        let absent = |it: &InFlight| match &it.stage {
            Stage::Published(delivery) if delivery.message.is_absent() => {
                Some(delivery.message.id())
            }
            _ => None,
        };
        let mut wanted: Vec<_> = self.in_flight.iter().filter_map(absent).collect();
        if wanted.is_empty() && self.queue.len() < count.div_ceil(2) {
            let mut reserved = 0;
            for later in self.later.iter().take(count) {
                let Later::Named(named) = later else { break };
                reserved += named.size();
                if reserved > budget && !wanted.is_empty() {
                    reserved -= named.size();
                    break;
                }
                wanted.push(named.message);
            }
            self.reserved = reserved;
            self.memory_bytes += reserved;
        }
        self.reading = !wanted.is_empty();
        self.reading.then_some(wanted)
    }

    /// Whether something in flight has to be read before anything can be sent.
    pub(crate) fn has_absent(&self) -> bool {
        let absent = |it: &InFlight| matches!(&it.stage, Stage::Published(delivery) if delivery.message.is_absent());
        self.is_resending() && self.in_flight.iter().any(absent)
    }

    /// What was asked for has been read. Gives the deliveries whose message is lost.
    pub(crate) fn read(&mut self, messages: Vec<(MessageId, Option<Message>)>) -> Vec<Delivery> {
        self.reading = false;
        self.memory_bytes -= std::mem::take(&mut self.reserved);
        let mut lost = Vec::new();
        for (id, message) in messages {
            if let Some(delivery) = self.absent_in_flight(id) {
                match message {
                    Some(message) => delivery.message = message,
                    None => lost.push(delivery.clone()),
                }
                continue;
            }
            let is_next =
                |later: &mut Later| matches!(later, Later::Named(named) if named.message == id);
            let Some(later) = self.later.pop_front_if(is_next) else {
                continue;
            };
            self.forget_later(&later);
            let Later::Named(named) = later else {
                continue;
            };
            match message {
                Some(message) => {
                    let delivery = named.with(message);
                    self.queued_bytes += delivery.size();
                    self.memory_bytes += delivery.size();
                    self.queue.push_back(delivery);
                }
                None => lost.push(named.absent()),
            }
        }
        self.in_flight.iter_mut().for_each(|it| {
            if matches!(&it.stage, Stage::Published(delivery) if lost.iter().any(|lost| delivery.is_same(lost))) {
                it.stage = Stage::Done;
            }
        });
        self.forget_done();
        lost
    }

    fn absent_in_flight(&mut self, id: MessageId) -> Option<&mut Delivery> {
        self.in_flight
            .iter_mut()
            .find_map(|it| match &mut it.stage {
                Stage::Published(delivery)
                    if delivery.message.is_absent() && delivery.message.id() == id =>
                {
                    Some(delivery)
                }
                _ => None,
            })
    }

    // ------------------------------------------------------------------ in flight

    /// Notes that a delivery is now in flight under `packet_id`, the one after the last.
    pub(crate) fn sent(&mut self, packet_id: PacketId, delivery: Delivery) {
        if self.in_flight.is_empty() {
            self.first = Some(packet_id);
        }
        debug_assert_eq!(self.place(packet_id), Some(self.in_flight.len()));
        self.in_flight.push_back(InFlight {
            stage: Stage::Published(delivery),
        });
        self.sent_here += 1;
        self.unacknowledged += 1;
    }

    /// There is a new connection, on which nothing has been sent. `[MQTT-4.4.0-1]`
    pub(crate) fn begin_resending(&mut self) {
        self.sent_here = 0;
        self.unacknowledged = 0;
    }

    /// The next that is to be sent again, as far as the quota allows.
    pub(crate) fn next_to_resend(&mut self, quota: usize) -> Option<(PacketId, Stage)> {
        while let Some(InFlight { stage }) = self.in_flight.get(self.sent_here) {
            let stage = match stage {
                Stage::Done => {
                    self.sent_here += 1;
                    continue;
                }
                _ if self.unacknowledged >= quota => return None,
                stage => stage.clone(),
            };
            let packet_id = self.in_flight().nth(self.sent_here)?.0;
            self.sent_here += 1;
            self.unacknowledged += 1;
            return Some((packet_id, stage));
        }
        None
    }

    /// The distance of an identifier from the first in flight.
    fn place(&self, packet_id: PacketId) -> Option<usize> {
        let (first, id) = (usize::from(self.first?.get()), usize::from(packet_id.get()));
        Some(if id >= first {
            id - first
        } else {
            id + IDENTIFIERS - first
        })
    }

    /// PUBACK.
    pub(crate) fn puback(&mut self, packet_id: PacketId) -> Acknowledged {
        self.acknowledge(packet_id, QoS::AtLeastOnce, Stage::Done)
    }

    /// PUBREC.
    pub(crate) fn pubrec(&mut self, packet_id: PacketId, reason: ReasonCode) -> Acknowledged {
        if reason.is_error() {
            return self.acknowledge(packet_id, QoS::ExactlyOnce, Stage::Done);
        }
        if let Some(InFlight {
            stage: Stage::Released,
        }) = self.find(packet_id)
        {
            return Acknowledged::ReleaseAgain;
        }
        match self.acknowledge(packet_id, QoS::ExactlyOnce, Stage::Released) {
            Acknowledged::Completed(delivery) => Acknowledged::Release(delivery),
            unknown => unknown,
        }
    }

    /// PUBCOMP.
    pub(crate) fn pubcomp(&mut self, packet_id: PacketId) -> Acknowledged {
        match self.find(packet_id) {
            Some(InFlight {
                stage: stage @ Stage::Released,
            }) => {
                *stage = Stage::Done;
                self.note_done(packet_id);
                Acknowledged::Freed
            }
            _ => Acknowledged::Unknown,
        }
    }

    fn acknowledge(&mut self, packet_id: PacketId, qos: QoS, next: Stage) -> Acknowledged {
        let Some(InFlight { stage }) = self.find(packet_id) else {
            return Acknowledged::Unknown;
        };
        match std::mem::replace(stage, next) {
            Stage::Published(delivery) if delivery.qos == qos => {
                if matches!(stage, Stage::Done) {
                    self.note_done(packet_id);
                }
                Acknowledged::Completed(delivery)
            }
            other => {
                *stage = other;
                Acknowledged::Unknown
            }
        }
    }

    fn find(&mut self, packet_id: PacketId) -> Option<&mut InFlight> {
        let place = self.place(packet_id)?;
        self.in_flight.get_mut(place)
    }

    /// One more is done.
    fn note_done(&mut self, packet_id: PacketId) {
        if self
            .place(packet_id)
            .is_some_and(|place| place < self.sent_here)
        {
            self.unacknowledged -= 1;
        }
        self.forget_done();
    }

    /// Frees the places of those that are done and have none before them.
    fn forget_done(&mut self) {
        while let Some(InFlight { stage: Stage::Done }) = self.in_flight.front() {
            self.in_flight.pop_front();
            self.sent_here = self.sent_here.saturating_sub(1);
            self.first = self.first.map(PacketId::next);
        }
    }

    /// All that is in flight, oldest first, with its Packet Identifier.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = (PacketId, &InFlight)> {
        let ids = std::iter::successors(self.first, |id| Some(id.next()));
        ids.zip(&self.in_flight)
    }

    /// Takes out of the queue and of what is in flight all that `give_back` names, oldest first; it
    /// is told of each whether it is in flight. In flight, only what has not been acknowledged at
    /// all is asked about. Only for a Session without connection: the quota is not looked after.
    pub(crate) fn take_back(
        &mut self,
        give_back: impl Fn(&Delivery, bool) -> bool,
    ) -> Vec<Delivery> {
        let mut taken = Vec::new();
        for in_flight in &mut self.in_flight {
            if matches!(&in_flight.stage, Stage::Published(delivery) if give_back(delivery, true))
                && let Stage::Published(delivery) =
                    std::mem::replace(&mut in_flight.stage, Stage::Done)
            {
                taken.push(delivery);
            }
        }
        self.forget_done();
        if self.queue.iter().any(|delivery| give_back(delivery, false)) {
            for delivery in std::mem::take(&mut self.queue) {
                if give_back(&delivery, false) {
                    self.queued_bytes -= delivery.size();
                    self.memory_bytes -= delivery.size();
                    taken.push(delivery);
                } else {
                    self.queue.push_back(delivery);
                }
            }
            self.first_qos0 = 0;
        }
        let is_wanted =
            |later: &Later| matches!(later, Later::Whole(delivery) if give_back(delivery, false));
        if self.later.iter().any(is_wanted) {
            for later in std::mem::take(&mut self.later) {
                if is_wanted(&later) {
                    self.forget_later(&later);
                    if let Later::Whole(delivery) = later {
                        taken.push(*delivery);
                    }
                } else {
                    self.later.push_back(later);
                }
            }
        }
        taken
    }

    /// The deliveries of a membership belong to the Session alone from now on. Gives those that the
    /// log does not have as its own yet: all but QoS 2 that was sent.
    pub(crate) fn adopt(&mut self, membership: u64) -> Vec<Parked> {
        let mut adopted = Vec::new();
        let mut adopt = |delivery: &mut Delivery, in_flight: bool| {
            let of_it = |origin: &mut Box<GroupOrigin>| origin.membership == membership;
            if delivery.origin.take_if(of_it).is_some()
                && delivery.qos > QoS::AtMostOnce
                && delivery.message.id().is_some()
                && !(in_flight && delivery.qos == QoS::ExactlyOnce)
            {
                adopted.push(delivery.parked());
            }
        };
        for it in &mut self.in_flight {
            if let Stage::Published(delivery) = &mut it.stage {
                adopt(delivery, true);
            }
        }
        self.queue.iter_mut().for_each(|it| adopt(it, false));
        for later in &mut self.later {
            if let Later::Whole(delivery) = later {
                adopt(delivery, false);
            }
        }
        adopted
    }

    /// Parks what can be: nobody is there to take it.
    pub(crate) fn park(&mut self, is_in_log: impl Fn(&Delivery) -> bool) {
        // What is being read will be parked again at once.
        self.memory_bytes -= std::mem::take(&mut self.reserved);
        let queue = std::mem::take(&mut self.queue);
        for delivery in queue.into_iter().rev() {
            self.memory_bytes -= delivery.size();
            let later = if is_in_log(&delivery) {
                Later::Named(delivery.parked().into())
            } else {
                Later::Whole(Box::new(delivery))
            };
            self.memory_bytes += later.memory();
            self.later_qos0 += usize::from(is_qos0(&later));
            self.later.push_front(later);
        }
        self.first_qos0 = 0;
    }

    // ------------------------------------------------------------------- restored

    /// A message of the log was due.
    pub(crate) fn restore_parked(&mut self, parked: Parked) {
        let later = Later::Named(parked.into());
        self.queued_bytes += later.size();
        self.expiry.note(later.expires_at());
        self.append_later(later);
    }

    /// A message was due no more.
    pub(crate) fn restore_done(&mut self, message: MessageId) {
        self.remove_later(|later| matches!(later, Later::Named(named) if named.message == message));
    }

    fn remove_later(&mut self, is_it: impl Fn(&Later) -> bool) {
        if let Some(at) = self.later.iter().position(is_it)
            && let Some(later) = self.later.remove(at)
        {
            self.forget_later(&later);
        }
    }

    /// A message was taken from the queue to be sent. The same one may wait there several times, for
    /// one subscription each.
    pub(crate) fn restore_taken(&mut self, taken: &Parked) {
        let is_it = |later: &Later| {
            matches!(later, Later::Named(named) if named.message == taken.message
                && named.subscription_ids == taken.subscription_ids)
        };
        self.remove_later(is_it);
    }

    /// An exchange of QoS 2 has ended.
    pub(crate) fn restore_freed(&mut self, packet_id: PacketId) {
        if let Some(in_flight) = self.find(packet_id)
            && !matches!(in_flight.stage, Stage::Done)
        {
            in_flight.stage = Stage::Done;
            self.note_done(packet_id);
        }
    }

    /// A message of QoS 2 was in flight.
    pub(crate) fn restore_sent(&mut self, packet_id: PacketId, parked: Parked) {
        let absent = Message::absent(parked.message);
        self.restore_in_flight(packet_id, Stage::Published(Delivery::of(parked, absent)));
    }

    /// The Client had a message of QoS 2. That it was sent may not be in the log, if the message was
    /// not either.
    pub(crate) fn restore_released(&mut self, packet_id: PacketId) {
        self.restore_in_flight(packet_id, Stage::Released);
    }

    /// Those between the ones that are restored were of QoS 1, and are in the queue again.
    fn restore_in_flight(&mut self, packet_id: PacketId, stage: Stage) {
        if self.in_flight.is_empty() {
            self.first = Some(packet_id);
        }
        let done = || InFlight { stage: Stage::Done };
        let mut place = self.place(packet_id).unwrap_or_default();
        let before = IDENTIFIERS - place;
        if place >= self.in_flight.len() && before < place - self.in_flight.len() {
            (0..before).for_each(|_| self.in_flight.push_front(done()));
            self.first = Some(packet_id);
            place = 0;
        }
        while self.in_flight.len() <= place {
            self.in_flight.push_back(done());
        }
        let last = std::mem::replace(&mut self.in_flight[place].stage, stage);
        self.unacknowledged += usize::from(matches!(last, Stage::Done));
        self.sent_here = self.in_flight.len();
    }

    /// The Packet Identifier after the last one in flight.
    pub(crate) fn next_packet_id(&self) -> Option<PacketId> {
        self.in_flight()
            .last()
            .map(|(packet_id, _)| packet_id.next())
    }

    /// The deliveries that have not reached the Client and are whole: in flight, or in the queue.
    pub(crate) fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        let published = self
            .in_flight
            .iter()
            .filter_map(|in_flight| match &in_flight.stage {
                Stage::Published(delivery) => Some(delivery),
                Stage::Released | Stage::Done => None,
            });
        let later = self.later.iter().filter_map(|later| match later {
            Later::Whole(delivery) => Some(&**delivery),
            Later::Named(_) => None,
        });
        published.chain(&self.queue).chain(later)
    }

    /// How many deliveries have not reached the Client.
    pub(crate) fn due(&self) -> usize {
        let is_named = |later: &&Later| matches!(later, Later::Named(_));
        self.deliveries().count() + self.later.iter().filter(is_named).count()
    }

    /// The queue, oldest first, with what is in the log only named; the rest is left out.
    pub(crate) fn queued(&self, is_in_log: impl Fn(&Delivery) -> bool) -> Vec<Parked> {
        let park = |delivery: &Delivery| is_in_log(delivery).then(|| delivery.parked());
        let later = self.later.iter().filter_map(|later| match later {
            Later::Named(named) => Some(named.into()),
            Later::Whole(delivery) => park(delivery),
        });
        self.queue.iter().filter_map(park).chain(later).collect()
    }

    /// Everything that was due and has not ended, taken out; whole where it was.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Delivery> {
        self.queued_bytes = 0;
        self.memory_bytes = 0;
        self.sent_here = 0;
        self.unacknowledged = 0;
        self.first_qos0 = 0;
        self.later_qos0 = 0;
        self.reading = false;
        self.reserved = 0;
        self.expiry.reset(Timestamp::NEVER);
        let in_flight = std::mem::take(&mut self.in_flight).into_iter();
        let published = in_flight.filter_map(|in_flight| match in_flight.stage {
            Stage::Published(delivery) => Some(delivery),
            Stage::Released | Stage::Done => None,
        });
        let later = std::mem::take(&mut self.later).into_iter();
        let later = later.map(|later| match later {
            Later::Whole(delivery) => *delivery,
            Later::Named(named) => named.absent(),
        });
        published
            .chain(std::mem::take(&mut self.queue))
            .chain(later)
    }
}

fn is_qos0(later: &Later) -> bool {
    matches!(later, Later::Whole(delivery) if delivery.qos == QoS::AtMostOnce)
}

/// Empty queues for whoever needs one next; an idle Session holds none.
#[derive(Default)]
#[expect(
    clippy::vec_box,
    reason = "the boxes move to and from Sessions, which stay small"
)]
pub(crate) struct OutgoingPool(Vec<Box<Outgoing>>);

impl OutgoingPool {
    const KEPT: usize = 256;
    const CAPACITY: usize = 256;

    pub(crate) fn take(&mut self) -> Box<Outgoing> {
        self.0.pop().unwrap_or_default()
    }

    pub(crate) fn put(&mut self, mut outgoing: Box<Outgoing>) {
        debug_assert!(outgoing.is_empty());
        outgoing.begin_resending();
        outgoing.reading = false;
        outgoing.memory_bytes -= std::mem::take(&mut outgoing.reserved);
        outgoing.expiry.reset(Timestamp::NEVER);
        let queues = outgoing.queue.capacity().max(outgoing.later.capacity());
        let small = queues.max(outgoing.in_flight.capacity()) <= Self::CAPACITY;
        if self.0.len() < Self::KEPT && small {
            self.0.push(outgoing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::delivery::SubscriptionIds;
    use super::*;
    use crate::message::Message;

    /// Seed 5824: as if 65,532 others were in flight between them.
    #[test]
    fn what_was_in_flight_is_restored_in_any_order() {
        let id = |n| PacketId::new(n).unwrap();
        let parked = Parked {
            message: MessageId::from_u64(64),
            size: 1,
            qos: QoS::ExactlyOnce,
            retain: false,
            expires_at: Timestamp::NEVER,
            subscription_ids: SubscriptionIds::None,
        };
        for (first, then, expected) in [
            (8, 5, vec![5, 6, 7, 8]),
            (5, 8, vec![5, 6, 7, 8]),
            (1, 65_535, vec![65_535, 1]),
            (65_535, 2, vec![65_535, 1, 2]),
        ] {
            let mut outgoing = Outgoing::default();
            outgoing.restore_sent(id(first), parked.clone());
            outgoing.restore_released(id(then));
            let ids: Vec<_> = outgoing.in_flight().map(|(id, _)| id.get()).collect();
            assert_eq!(ids, expected);
            let is_sent = |(_, it): (_, &InFlight)| matches!(it.stage, Stage::Published(_));
            assert_eq!(
                outgoing.in_flight().position(is_sent),
                ids.iter().position(|id| *id == first)
            );
            assert!(matches!(outgoing.pubcomp(id(then)), Acknowledged::Freed));
            assert_eq!(outgoing.unacknowledged, 1);
        }
    }

    fn delivery(n: u8, qos: QoS) -> Delivery {
        Delivery {
            message: Message::new("t", &[n], qos, false),
            qos,
            retain: false,
            subscription_ids: SubscriptionIds::None,
            origin: None,
        }
    }

    fn id(n: u16) -> PacketId {
        PacketId::new(n).unwrap()
    }

    fn payloads(outgoing: &mut Outgoing) -> Vec<u8> {
        std::iter::from_fn(|| outgoing.dequeue())
            .map(|d| d.message.payload()[0])
            .collect()
    }

    #[test]
    fn a_full_queue_gives_up_its_oldest_qos_0_or_else_the_new_one() {
        let limits = Limits {
            queued_messages: 3,
            ..Limits::default()
        };
        let mut outgoing = Outgoing::default();
        for (n, qos) in [
            (1, QoS::AtLeastOnce),
            (2, QoS::AtMostOnce),
            (3, QoS::AtMostOnce),
        ] {
            assert!(matches!(
                outgoing.enqueue(delivery(n, qos), Place::Memory, &limits),
                Queued::Kept
            ));
        }
        for n in [4, 5] {
            let queued = outgoing.enqueue(delivery(n, QoS::AtLeastOnce), Place::Memory, &limits);
            assert!(matches!(queued, Queued::Displaced(_)), "{n}");
        }
        let queued = outgoing.enqueue(delivery(6, QoS::ExactlyOnce), Place::Memory, &limits);
        assert!(matches!(queued, Queued::Full(_)));
        assert_eq!(payloads(&mut outgoing), [1, 4, 5]);
        assert_eq!((outgoing.queued_bytes, outgoing.memory_bytes), (0, 0));
    }

    #[test]
    fn what_goes_for_too_large_a_message_comes_back_to_its_place() {
        let limits = Limits {
            queued_bytes: 2 * delivery(0, QoS::AtMostOnce).size(),
            ..Limits::default()
        };
        let mut outgoing = Outgoing::default();
        for (n, qos) in [(1, QoS::AtLeastOnce), (2, QoS::AtMostOnce)] {
            let queued = outgoing.enqueue(delivery(n, qos), Place::Memory, &limits);
            assert!(matches!(queued, Queued::Kept));
        }
        let mut large = delivery(3, QoS::AtLeastOnce);
        large.message = Message::new("t", &[3; 500], QoS::AtLeastOnce, false);
        assert!(matches!(
            outgoing.enqueue(large, Place::Memory, &limits),
            Queued::Full(_)
        ));
        assert_eq!(payloads(&mut outgoing), [1, 2]);
    }

    #[test]
    fn identifiers_are_found_across_the_wrap_and_out_of_order() {
        let mut outgoing = Outgoing::default();
        let ids = [id(65_534), id(65_535), id(1), id(2)];
        for (n, id) in ids.into_iter().enumerate() {
            outgoing.sent(id, delivery(n as u8, QoS::AtLeastOnce));
        }
        for (id, n) in [(id(1), 2), (id(65_534), 0), (id(2), 3), (id(65_535), 1)] {
            match outgoing.puback(id) {
                Acknowledged::Completed(delivery) => assert_eq!(delivery.message.payload(), [n]),
                _ => panic!("{id:?} is in flight"),
            }
            assert!(
                matches!(outgoing.puback(id), Acknowledged::Unknown),
                "only once"
            );
        }
        assert!(outgoing.is_empty());
        assert!(matches!(outgoing.puback(id(3)), Acknowledged::Unknown));
    }

    #[test]
    fn qos_2_goes_through_its_stages_and_takes_no_other_acknowledgement() {
        let mut outgoing = Outgoing::default();
        outgoing.sent(id(7), delivery(1, QoS::ExactlyOnce));
        assert!(matches!(outgoing.puback(id(7)), Acknowledged::Unknown));
        assert!(matches!(outgoing.pubcomp(id(7)), Acknowledged::Unknown));
        let pubrec = |outgoing: &mut Outgoing| outgoing.pubrec(id(7), ReasonCode::Success);
        assert!(matches!(pubrec(&mut outgoing), Acknowledged::Release(_)));
        assert!(matches!(pubrec(&mut outgoing), Acknowledged::ReleaseAgain));
        assert!(
            !outgoing.may_send(1),
            "until PUBCOMP it counts against the quota"
        );
        assert!(matches!(outgoing.pubcomp(id(7)), Acknowledged::Freed));
        assert!(outgoing.is_empty());
    }

    #[test]
    fn what_is_taken_back_leaves_the_rest_in_order() {
        let mut outgoing = Outgoing::default();
        for n in 1..=3 {
            outgoing.sent(id(n), delivery(n as u8, QoS::AtLeastOnce));
        }
        for n in 4..=6 {
            outgoing.enqueue(
                delivery(n, QoS::AtLeastOnce),
                Place::Memory,
                &Limits::default(),
            );
        }
        let taken = outgoing.take_back(|d, _| d.message.payload()[0] % 2 == 1);
        let taken: Vec<_> = taken.iter().map(|d| d.message.payload()[0]).collect();
        assert_eq!(taken, [1, 3, 5]);
        let flying: Vec<_> = outgoing.in_flight().map(|(id, _)| id.get()).collect();
        assert_eq!(flying, [2, 3], "3 keeps its place until 2 is done");
        assert_eq!(payloads(&mut outgoing), [4, 6]);
    }
}
