//! What is seen of the broker from outside of its protocol: its events, gauges and outputs.

use dunlin_core::{Ending, Event};
use dunlin_packet::ReasonCode;

use super::World;
use crate::network::LinkNumber;
use crate::plan::LASTING;

impl World {
    /// Writes down what a shard says has happened.
    pub(super) fn observe(&mut self, seat: usize) {
        let (events, wills) = self.seats[seat].take_news();
        for event in events {
            self.trace
                .log(self.now, format_args!("shard {seat}: {event:?}"));
            self.witness(seat, event);
        }
        for topic in wills {
            self.trace.log(
                self.now,
                format_args!("shard {seat}: Will {topic} is published"),
            );
            let World {
                live, history, now, ..
            } = self;
            live.wills.published(*now, &topic, history);
        }
        let World {
            live, history, now, ..
        } = self;
        live.sessions.end_of_input(*now, history);
        live.wills.end_of_input(*now, history);
    }

    fn witness(&mut self, seat: usize, event: Event) {
        match event {
            Event::Connected {
                connection,
                session_present,
                session_expiry_interval,
                ..
            } => {
                if let Some(&link) = self.seats[seat].links.get(&connection) {
                    self.connected(link, session_present, session_expiry_interval);
                }
            }
            Event::Disconnected {
                connection,
                client_id,
                ending,
            } if !client_id.is_empty() => {
                if let Some(&link) = self.seats[seat].links.get(&connection) {
                    self.disconnected(link, &ending);
                }
            }
            Event::SessionEnded { client_id } => {
                let Some(client) = self.clients.iter().position(|it| it.name == *client_id) else {
                    return;
                };
                let World {
                    live, history, now, ..
                } = self;
                history.end_session(client);
                live.sessions.ended(*now, client);
                live.wills.session_ended(*now, client);
            }
            _ => {}
        }
    }

    fn connected(&mut self, link: LinkNumber, session_present: bool, expiry: u32) {
        let World {
            unnamed,
            live,
            history,
            links,
            clients,
            now,
            ..
        } = self;
        let known = &mut links[link];
        live.sessions
            .connected(*now, link, known, session_present, expiry, history);
        live.wills.connected(*now, link, known, history);
        known.session = history.session_of(known.client).filter(|_| session_present);
        if known.session.is_none() {
            let session = history.begin_session(known.client);
            known.session = Some(session);
            if expiry > 0 && clients[known.client].plan.listener == LASTING {
                unnamed.entry(known.client).or_default().push_back(session);
            }
        }
    }

    fn disconnected(&mut self, link: LinkNumber, ending: &Ending) {
        let World {
            live,
            history,
            links,
            now,
            plan,
            ..
        } = self;
        let moment = history.moment();
        history.ends.insert(link, moment);
        let said = matches!(ending, Ending::Disconnected(_));
        let expiry = links[link].disconnect_expiry.filter(|_| said);
        let expiry = expiry.map(|seconds| seconds.min(plan.limits.session_expiry));
        let expiry = live
            .sessions
            .disconnected(*now, link, &links[link], expiry, history);
        let without_will = *ending == Ending::Disconnected(ReasonCode::NormalDisconnection);
        live.wills.disconnected(*now, link, expiry, without_will);
    }

    pub(super) fn check_bounds(&mut self, seat: usize) {
        let World {
            live,
            history,
            seats,
            plan,
            ..
        } = self;
        let seat = &seats[seat];
        live.bounds
            .check(&seat.shard, seat.links.keys().copied(), plan, history);
    }
}
