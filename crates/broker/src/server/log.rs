//! From events to lines on standard error.

use dunlin_core::{Ending, Event};

use super::options::Verbosity;

/// Begins to log; must be called once.
pub(super) fn init(verbosity: Verbosity) {
    let level = match verbosity {
        Verbosity::Normal => tracing::Level::INFO,
        Verbosity::Verbose => tracing::Level::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
}

/// Whether anybody reads what [`event`] writes.
pub(super) fn wants_events() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

/// Writes an event. Never payloads, and of the Client's words only names.
pub(super) fn event(event: &Event) {
    match event {
        Event::Connected {
            connection,
            client_id,
            user_name,
            version,
            session_present,
            keep_alive,
            session_expiry_interval,
        } => tracing::debug!(
            %connection, client_id = &**client_id, user_name = user_name.as_deref(), ?version, session_present, keep_alive,
            session_expiry_interval, "connected"
        ),
        Event::Refused {
            connection,
            client_id,
            reason,
        } => {
            tracing::debug!(%connection, client_id = &**client_id, %reason, "CONNECT refused");
        }
        Event::Disconnected {
            connection,
            client_id,
            ending,
        } => {
            let statement = statement(ending);
            tracing::debug!(%connection, client_id = &**client_id, %ending, statement, "disconnected");
        }
        Event::Subscribed {
            client_id,
            filter,
            reason,
        } => {
            tracing::debug!(client_id = &**client_id, filter = &**filter, %reason, "subscribe");
        }
        Event::Unsubscribed { client_id, filter } => {
            tracing::debug!(client_id = &**client_id, filter = &**filter, "unsubscribed");
        }
        Event::SessionEnded { client_id } => {
            tracing::debug!(client_id = &**client_id, "session ended");
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
