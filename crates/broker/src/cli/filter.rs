//! Which received messages a tool handles at all.

use dunlin_client::ReceivedMessage;
use dunlin_packet::{TopicFilter, TopicName};

use super::connection::random;
use super::failure::Failure;

/// What to let through.
#[derive(Debug, Default)]
pub(crate) struct MessageFilter {
    /// `-R`: nothing that was retained before we subscribed.
    pub(crate) skip_retained: bool,
    /// `-T`: Topic Filters of what is left out.
    pub(crate) left_out: Vec<String>,
    /// `--random-filter`: how many of 10,000 messages to take, by chance.
    pub(crate) share: Option<u16>,
}

/// All of them, as a share.
const WHOLE: u16 = 10_000;

impl MessageFilter {
    /// Whether to handle a message.
    pub(crate) fn accepts(&self, received: &ReceivedMessage) -> bool {
        let message = &received.message;
        let is_stale = self.skip_retained && message.retain;
        let is_left_out = self
            .left_out
            .iter()
            .any(|filter| match_topic(filter, &message.topic));
        !is_stale
            && !is_left_out
            && self
                .share
                .is_none_or(|share| random() % u64::from(WHOLE) < share.into())
    }
}

fn match_topic(filter: &str, topic: &str) -> bool {
    match (TopicFilter::parse(filter), TopicName::parse(topic)) {
        (Ok(filter), Ok(topic)) => filter.matches(topic),
        _ => false,
    }
}

/// `--random-filter`: a percentage, as hundredths of a percent.
pub(crate) fn percentage(text: &str) -> Result<u16, String> {
    let share = text
        .parse::<f64>()
        .ok()
        .filter(|percent| (0.01..=100.0).contains(percent));
    // In range and not negative, so nothing is cut off.
    share
        .map(|percent| (percent * 100.0).round() as u16)
        .ok_or_else(|| "it must be a percentage from 0.01 to 100".to_owned())
}

/// Refuses what is no Topic Filter.
pub(crate) fn check_filter(what: &str, filter: &str) -> Result<(), Failure> {
    TopicFilter::parse(filter).map(drop).map_err(|_| {
        Failure::usage(format!(
            "Invalid {what} topic '{filter}', are all '+' and '#' wildcards correct?"
        ))
    })
}

#[cfg(test)]
mod tests {
    use dunlin_client::Message;

    use super::*;

    fn received(topic: &str, retain: bool) -> ReceivedMessage {
        let message = Message {
            retain,
            ..Message::new(topic, "x")
        };
        ReceivedMessage {
            message,
            packet_id: None,
            dup: false,
        }
    }

    #[test]
    fn topics_and_retained_messages_are_left_out() {
        let filter = MessageFilter {
            left_out: vec!["a/+".to_owned()],
            ..Default::default()
        };
        assert!(!filter.accepts(&received("a/b", false)));
        assert!(filter.accepts(&received("a", true)));
        let filter = MessageFilter {
            skip_retained: true,
            ..Default::default()
        };
        assert!(!filter.accepts(&received("a", true)));
    }

    #[test]
    fn a_percentage_takes_its_share() {
        assert_eq!(percentage("12.5"), Ok(1250));
        assert!(percentage("0").is_err() && percentage("101").is_err() && percentage("x").is_err());
        let count = |share| {
            let filter = MessageFilter {
                share: Some(share),
                ..Default::default()
            };
            (0..1000)
                .filter(|_| filter.accepts(&received("a", false)))
                .count()
        };
        assert_eq!(count(WHOLE), 1000);
        assert!((300..700).contains(&count(WHOLE / 2)));
    }
}
