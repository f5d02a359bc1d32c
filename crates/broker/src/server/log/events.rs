//! From events of the core to log lines.

use dunlin_core::{Ending, Event};

use super::{CONNECTIONS, SUBSCRIPTIONS, UNSUBSCRIPTIONS};

/// Whether anybody reads what [`event`] writes.
pub(in crate::server) fn wants_events() -> bool {
    tracing::enabled!(target: CONNECTIONS, tracing::Level::INFO)
        || tracing::enabled!(target: SUBSCRIPTIONS, tracing::Level::INFO)
}

/// Writes an event. Never payloads, and of the Client's words only names.
pub(in crate::server) fn event(event: &Event) {
    match event {
        Event::Connected {
            connection,
            client_id,
            user_name,
            version,
            session_present,
            keep_alive,
            session_expiry_interval,
        } => tracing::info!(target: CONNECTIONS,
            %connection, client_id = &**client_id, user_name = user_name.as_deref(), ?version, session_present, keep_alive,
            session_expiry_interval, "connected"
        ),
        Event::Refused {
            connection,
            client_id,
            reason,
        } => {
            tracing::info!(target: CONNECTIONS, %connection, client_id = &**client_id, %reason, "CONNECT refused");
        }
        Event::Disconnected {
            connection,
            client_id,
            ending,
        } => {
            let statement = statement(ending);
            tracing::info!(target: CONNECTIONS, %connection, client_id = &**client_id, %ending, statement, "disconnected");
        }
        Event::Subscribed {
            client_id,
            filter,
            reason,
        } => {
            tracing::info!(target: SUBSCRIPTIONS, client_id = &**client_id, filter = &**filter, %reason, "subscribe");
        }
        Event::Unsubscribed { client_id, filter } => {
            tracing::info!(target: UNSUBSCRIPTIONS, client_id = &**client_id, filter = &**filter, "unsubscribed");
        }
        Event::SessionEnded { client_id } => {
            tracing::info!(target: CONNECTIONS, client_id = &**client_id, "session ended");
        }
        _ => {}
    }
}

/// The statement of the specification that a Client has broken.
fn statement(ending: &Ending) -> Option<&'static str> {
    match ending {
        Ending::Malformed(malformed) => Some(malformed.statement()),
        Ending::Violation(violation) => Some(violation.statement()),
        _ => None,
    }
}
