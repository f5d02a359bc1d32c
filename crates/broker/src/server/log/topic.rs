//! Log lines as messages, under the names that Mosquitto gave them.

use dunlin_core::Message;
use dunlin_packet::QoS;
use tracing::{Level, Metadata};

use super::{CONNECTIONS, SUBSCRIPTIONS, UNSUBSCRIPTIONS};
use crate::server::mail::{Mail, Post};

/// What every topic begins with.
const ROOT: &str = "$SYS/broker/log";

/// Letters that may wait for the shard. Beyond, lines are lost here: a shard that cannot keep up is
/// not helped by reading about it.
const LETTERS: usize = 1024;

/// What Mosquitto calls a kind of line. `None`: of the kind that is not published, as there would be
/// a line about publishing it.
pub(super) fn kind(metadata: &Metadata<'_>) -> Option<&'static str> {
    Some(match (metadata.target(), *metadata.level()) {
        (CONNECTIONS, _) => "N",
        (SUBSCRIPTIONS, _) => "M/subscribe",
        (UNSUBSCRIPTIONS, _) => "M/unsubscribe",
        (_, Level::ERROR) => "E",
        (_, Level::WARN) => "W",
        (_, Level::INFO) => "I",
        _ => return None,
    })
}

/// Publishes a line.
pub(super) fn publish(post: &Post, kind: &str, line: &[u8]) {
    if post.backlog() > LETTERS {
        return;
    }
    let topic = format!("{ROOT}/{kind}");
    let message = Message::new(&topic, line.trim_ascii_end(), QoS::ExactlyOnce, false);
    let _ = post.send(&mut vec![Mail::Publish(vec![message])]);
}
