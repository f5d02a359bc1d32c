//! What is in a file, as lines of JSON.

use std::fmt;

use serde_json::json;

use super::{Database, Direction, StoredMessage};

/// A line for each Session, subscription, queued message and Retained Message.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for client in &self.clients {
            let line = json!({
                "session": client.client_id,
                "user_name": client.user_name,
                "expires_at": client.expires_at,
                "session_expiry_interval": client.session_expiry_interval,
                "listener_port": client.listener_port,
                "last_packet_id": client.last_packet_id,
            });
            writeln!(f, "{line}")?;
        }
        for subscription in &self.subscriptions {
            let line = json!({
                "subscription": subscription.filter,
                "session": subscription.client_id,
                "qos": subscription.qos as u8,
                "options": subscription.options,
                "identifier": subscription.identifier,
            });
            writeln!(f, "{line}")?;
        }
        for queued in &self.queued {
            let line = json!({
                "queued": self.message(queued.number).map(shown),
                "session": queued.client_id,
                "qos": queued.qos as u8,
                "retain": queued.retain,
                "dup": queued.dup,
                "packet_id": queued.packet_id,
                "state": queued.state,
                "direction": match queued.direction {
                    Direction::In => "in",
                    Direction::Out => "out",
                },
                "property_bytes": queued.properties.len(),
            });
            writeln!(f, "{line}")?;
        }
        for number in &self.retained {
            let line = json!({ "retained": self.message(*number).map(shown) });
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

fn shown(message: &StoredMessage) -> serde_json::Value {
    json!({
        "topic": message.topic,
        "payload": String::from_utf8_lossy(&message.payload),
        "qos": message.qos as u8,
        "retain": message.retain,
        "expires_at": message.expires_at,
        "source": message.source_client_id,
        "source_user_name": message.source_user_name,
        "property_bytes": message.properties.len(),
    })
}
