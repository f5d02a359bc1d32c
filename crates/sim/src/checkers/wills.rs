//! Wills: published exactly when due. That is when the connection has ended without DISCONNECT 0x00
//! and the Will Delay Interval has passed, or the Session has ended, whichever is first; and never
//! when the Client is back in time, or said 0x00.

use dunlin_packet::QoS;

use crate::history::History;
use crate::network::{Link, LinkNumber};

/// All Wills since the broker started.
#[derive(Debug, Default)]
pub struct Wills(Vec<Will>);

#[derive(Debug)]
struct Will {
    link: LinkNumber,
    client: usize,
    topic: String,
    publication: usize,
    /// In seconds.
    delay: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The connection lives.
    Armed,
    /// To be published at this time.
    Due(u64),
    /// Client and timer came at the same time: published or not.
    Either(u64),
    /// The broker has crashed. The Session is there again, and this Will perhaps; then it is
    /// published by this time.
    Restored(u64),
    /// The same, and it must be there: the Client had been told of its connection.
    Kept(u64),
    Published,
    /// Not to be published any more.
    Void,
}

impl Wills {
    /// A CONNECT was accepted: a Will of its own, and the end of one that waits.
    pub fn connected(&mut self, now: u64, number: LinkNumber, link: &Link, history: &History) {
        for will in self.0.iter_mut().filter(|will| will.client == link.client) {
            match will.state {
                State::Due(at) | State::Kept(at) if at > now => will.state = State::Void,
                State::Restored(_) => will.state = State::Void,
                State::Kept(at) if will.delay > 0 => will.state = State::Either(at),
                State::Due(at) if will.delay > 0 => will.state = State::Either(at),
                _ => {}
            }
        }
        if let Some(will) = &link.hello.will {
            self.0.push(Will {
                link: number,
                client: link.client,
                topic: history.publications[will.publication].topic.clone(),
                publication: will.publication,
                delay: will.delay,
                state: State::Armed,
            });
        }
    }

    /// A connection has ended; `expiry` is the Session Expiry Interval.
    pub fn disconnected(&mut self, now: u64, link: LinkNumber, expiry: u32, without_will: bool) {
        for will in self.0.iter_mut().filter(|will| will.link == link) {
            if will.state == State::Armed {
                will.state = match without_will {
                    true => State::Void,
                    false => State::Due(now + u64::from(will.delay.min(expiry)) * 1000),
                };
            }
        }
    }

    /// A Session has ended.
    pub fn session_ended(&mut self, now: u64, client: usize) {
        for will in self.0.iter_mut().filter(|will| will.client == client) {
            match &mut will.state {
                State::Due(at) | State::Kept(at) => *at = now.min(*at),
                State::Restored(_) => will.state = State::Either(now),
                _ => {}
            }
        }
    }

    /// The broker has crashed. Of a Session that is there again, `expiry` is its Session Expiry
    /// Interval; the Client knows of the connection `known`.
    pub fn crash(
        &mut self,
        now: u64,
        client: usize,
        expiry: Option<u32>,
        known: Option<LinkNumber>,
    ) {
        for will in self.0.iter_mut().filter(|will| will.client == client) {
            let Some(expiry) = expiry else {
                will.state = State::Void;
                continue;
            };
            let by = now + u64::from(will.delay.min(expiry)) * 1000;
            will.state = match will.state {
                State::Armed if known == Some(will.link) => State::Kept(by),
                // One that was published, or whose Client was back, may not have been so in the log.
                _ => State::Restored(by),
            };
        }
    }

    /// A Will was published.
    pub fn published(&mut self, now: u64, topic: &str, history: &mut History) {
        let Some(will) = self.0.iter_mut().find(|will| will.topic == topic) else {
            return history.violation("wills", format!("{topic} was nobody's Will"));
        };
        match will.state {
            State::Due(at) | State::Either(at) if at == now => {}
            State::Restored(by) | State::Kept(by) if now <= by => {}
            other => {
                let what = format!("{topic} is published at {now} ms, but it is {other:?}");
                history.violation("wills", what);
            }
        }
        will.state = State::Published;
        let moment = history.moment();
        let publication = &mut history.publications[will.publication];
        (publication.sent, publication.sent_at) = (moment, now);
        if publication.qos > QoS::AtMostOnce || !history.log_is_full {
            history.accepted(will.publication);
        }
    }

    /// All that one input has set off was seen.
    pub fn end_of_input(&mut self, now: u64, history: &mut History) {
        for will in &mut self.0 {
            if let State::Due(at) | State::Kept(at) = will.state
                && at < now
            {
                let what = format!("{} was due at {at} ms and is not published", will.topic);
                history.violation("wills", what);
                will.state = State::Void;
            }
        }
    }
}
