//! Topic Names and Topic Filters (section 4.7), Shared Subscriptions (section 4.8.2).

mod filter;
mod name;

pub use filter::{InvalidTopicFilter, ShareName, TopicFilter};
pub use name::{InvalidTopic, TopicName};

/// The longest Topic Name or Topic Filter in bytes `[MQTT-4.7.3-3]`.
const MAX_LEN: usize = 65_535;
