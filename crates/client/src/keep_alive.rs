//! When to send PINGREQ, and when to give the Server up.
//!
//! ```text
//!            idle for one interval            no PINGRESP for one interval
//!   Quiet ────────── PINGREQ ──────▶ Waiting ────────── timed out ─────────▶ (connection closed)
//!     ▲                                 │
//!     └──────────── PINGRESP ───────────┘
//! ```

use std::time::{Duration, Instant};

/// The client's half of Keep Alive [MQTT-3.1.2-20] for one Network Connection.
#[derive(Debug)]
pub(crate) struct KeepAlive {
    /// Longest silence allowed to us; `None` when Keep Alive is off.
    interval: Option<Duration>,
    last_sent: Instant,
    /// When the PINGREQ that is still unanswered was queued.
    waiting_since: Option<Instant>,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    PingReq,
    TimedOut,
}

impl KeepAlive {
    /// `seconds` is the Keep Alive of CONNECT, or the Server Keep Alive that overrides it; 0 is off.
    pub(crate) fn new(seconds: u16, now: Instant) -> Self {
        Self {
            interval: interval(seconds),
            last_sent: now,
            waiting_since: None,
        }
    }

    pub(crate) fn set_interval(&mut self, seconds: u16) {
        self.interval = interval(seconds);
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        self.last_sent = now;
    }

    pub(crate) fn ping_answered(&mut self) {
        self.waiting_since = None;
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        Some(self.waiting_since.unwrap_or(self.last_sent) + self.interval?)
    }

    /// What is due at `now`; `PingReq` starts the wait for its answer.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        match self.deadline() {
            Some(deadline) if deadline <= now => {
                if self.waiting_since.is_some() {
                    return Due::TimedOut;
                }
                self.waiting_since = Some(now);
                Due::PingReq
            }
            _ => Due::Nothing,
        }
    }
}

fn interval(seconds: u16) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_after_silence_and_gives_up_without_an_answer() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut keep_alive = KeepAlive::new(10, start);
        keep_alive.sent(at(3));
        assert_eq!(keep_alive.due(at(12)), Due::Nothing);
        assert_eq!(keep_alive.due(at(13)), Due::PingReq);
        keep_alive.sent(at(13));
        keep_alive.ping_answered();
        assert_eq!(keep_alive.due(at(22)), Due::Nothing);
        assert_eq!(keep_alive.due(at(23)), Due::PingReq);
        assert_eq!(keep_alive.deadline(), Some(at(33)));
        assert_eq!(keep_alive.due(at(33)), Due::TimedOut);
    }

    #[test]
    fn zero_turns_it_off() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(0, start);
        assert_eq!(keep_alive.deadline(), None);
        assert_eq!(
            keep_alive.due(start + Duration::from_secs(1 << 30)),
            Due::Nothing
        );
    }
}
