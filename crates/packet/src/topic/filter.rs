//! Topic Filters: what a Client subscribes to.

use super::{MAX_LEN, TopicName};

const SHARE_PREFIX: &str = "$share/";

/// A Topic Filter: 1 to 65,535 bytes of UTF-8 without U+0000, its wildcards where they may stand, and whole where it is
/// shared (`$share/NAME/FILTER`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter<'a>(&'a str);

/// The name of a group of Sessions that share a Subscription: not empty, without `/`, `+`, `#`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareName<'a>(&'a str);

/// Why a string is not a [`TopicFilter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTopicFilter {
    /// No characters.
    #[error("is empty")]
    Empty,
    /// More than 65,535 bytes.
    #[error("is longer than 65,535 bytes")]
    TooLong,
    /// Contains U+0000.
    #[error("contains U+0000")]
    NullCharacter,
    /// `#` that is not the last level, or not alone in it.
    #[error("has a # that is not alone in the last level")]
    MultiLevelWildcard,
    /// `+` that is not alone in its level.
    #[error("has a + that is not alone in its level")]
    SingleLevelWildcard,
    /// `$share/` with an empty Share Name, or with a wildcard in it.
    #[error("has no valid Share Name")]
    ShareName,
    /// `$share/NAME` without `/FILTER`.
    #[error("has nothing after its Share Name")]
    ShareWithoutFilter,
}

impl InvalidTopicFilter {
    /// The violated statement of 5.0, as [`Malformed::statement`](crate::Malformed::statement).
    pub fn statement(self) -> &'static str {
        match self {
            Self::Empty => "MQTT-4.7.3-1",
            Self::TooLong => "MQTT-4.7.3-3",
            Self::NullCharacter => "MQTT-4.7.3-2",
            Self::MultiLevelWildcard => "MQTT-4.7.1-1",
            Self::SingleLevelWildcard => "MQTT-4.7.1-2",
            Self::ShareName => "MQTT-4.8.2-1",
            Self::ShareWithoutFilter => "MQTT-4.8.2-2",
        }
    }
}

impl<'a> TopicFilter<'a> {
    /// Checks the rules of Topic Filters, and of Shared Subscriptions where the text starts with `$share/`.
    ///
    /// # Errors
    ///
    /// The first rule that `text` breaks.
    pub fn parse(text: &'a str) -> Result<Self, InvalidTopicFilter> {
        if text.is_empty() {
            return Err(InvalidTopicFilter::Empty);
        }
        if text.len() > MAX_LEN {
            return Err(InvalidTopicFilter::TooLong);
        }
        if text.as_bytes().contains(&0) {
            return Err(InvalidTopicFilter::NullCharacter);
        }
        check_wildcards(match text.strip_prefix(SHARE_PREFIX) {
            Some(shared) => split_share(shared)?.1,
            None => text,
        })?;
        Ok(Self(text))
    }

    /// The Topic Filter as text, with `$share/NAME/` where it is shared.
    #[inline]
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The Topic Levels: what stands between the slashes, possibly nothing.
    #[inline]
    pub fn levels(self) -> impl Iterator<Item = &'a str> {
        self.0.split('/')
    }

    /// Whether it contains `+` or `#`.
    pub fn has_wildcard(self) -> bool {
        self.0.contains(['+', '#'])
    }

    /// Share Name and the filter that the group shares; `None` where it is not a Shared Subscription.
    pub fn share(self) -> Option<(ShareName<'a>, TopicFilter<'a>)> {
        let (name, filter) = split_share(self.0.strip_prefix(SHARE_PREFIX)?).ok()?;
        Some((ShareName(name), TopicFilter(filter)))
    }

    /// Whether a message with this Topic Name is for this filter; a shared filter matches as the one inside does.
    ///
    /// This is the definition, in its plainest form, that faster matchers are tested against: `sport/#` matches
    /// `sport`, and no leading wildcard matches a Topic Name that starts with `$` `[MQTT-4.7.2-1]`.
    pub fn matches(self, topic: TopicName<'_>) -> bool {
        let filter = self.share().map_or(self, |(_, filter)| filter);
        if topic.is_dollar() && filter.0.starts_with(['+', '#']) {
            return false;
        }
        let mut topic_levels = topic.levels();
        for level in filter.levels() {
            if level == "#" {
                return true;
            }
            match topic_levels.next() {
                Some(_) if level == "+" => {}
                Some(topic_level) if topic_level == level => {}
                _ => return false,
            }
        }
        topic_levels.next().is_none()
    }
}

impl<'a> ShareName<'a> {
    /// The Share Name as text.
    #[inline]
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// Splits what follows `$share/` into Share Name and filter.
fn split_share(shared: &str) -> Result<(&str, &str), InvalidTopicFilter> {
    let (name, filter) = shared.split_once('/').unwrap_or((shared, ""));
    if name.is_empty() || name.contains(['+', '#']) {
        Err(InvalidTopicFilter::ShareName)
    } else if filter.is_empty() {
        Err(InvalidTopicFilter::ShareWithoutFilter)
    } else {
        Ok((name, filter))
    }
}

fn check_wildcards(filter: &str) -> Result<(), InvalidTopicFilter> {
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains('#') && (level != "#" || levels.peek().is_some()) {
            return Err(InvalidTopicFilter::MultiLevelWildcard);
        }
        if level.contains('+') && level != "+" {
            return Err(InvalidTopicFilter::SingleLevelWildcard);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(filter: &str, topic: &str) -> bool {
        TopicFilter::parse(filter)
            .unwrap()
            .matches(TopicName::parse(topic).unwrap())
    }

    #[test]
    fn wildcards_stand_alone_in_their_level() {
        for text in [
            "#",
            "+",
            "a/#",
            "+/+",
            "/+",
            "+/a/#",
            "/#",
            "a//+",
            "$SYS/#",
            "$share",
            "$shared/a",
        ] {
            assert_eq!(TopicFilter::parse(text).map(TopicFilter::as_str), Ok(text));
        }
        for text in ["a#", "#/a", "##", "a/#b", "#/", "a/b#/c"] {
            assert_eq!(
                TopicFilter::parse(text),
                Err(InvalidTopicFilter::MultiLevelWildcard),
                "{text}"
            );
        }
        for text in ["a+", "+a", "++", "a/+b/c", "a/b+"] {
            assert_eq!(
                TopicFilter::parse(text),
                Err(InvalidTopicFilter::SingleLevelWildcard),
                "{text}"
            );
        }
    }

    #[test]
    fn other_rules_are_named_too() {
        let too_long = "x".repeat(MAX_LEN + 1);
        assert_eq!(TopicFilter::parse(""), Err(InvalidTopicFilter::Empty));
        assert_eq!(
            TopicFilter::parse(&too_long),
            Err(InvalidTopicFilter::TooLong)
        );
        assert_eq!(
            TopicFilter::parse("a\0"),
            Err(InvalidTopicFilter::NullCharacter)
        );
    }

    #[test]
    fn a_share_has_a_name_and_a_filter() {
        let (name, filter) = TopicFilter::parse("$share/group/+/a/#")
            .unwrap()
            .share()
            .unwrap();
        assert_eq!((name.as_str(), filter.as_str()), ("group", "+/a/#"));
        let (_, filter) = TopicFilter::parse("$share/g//").unwrap().share().unwrap();
        assert_eq!(filter.as_str(), "/");
        for text in ["a", "$share", "$shared/g/a", "a/$share/g/x"] {
            assert_eq!(TopicFilter::parse(text).unwrap().share(), None, "{text}");
        }
        for text in [
            "$share/",
            "$share//a",
            "$share/g+/a",
            "$share/#/a",
            "$share/+",
        ] {
            assert_eq!(
                TopicFilter::parse(text),
                Err(InvalidTopicFilter::ShareName),
                "{text}"
            );
        }
        for text in ["$share/g", "$share/g/"] {
            assert_eq!(
                TopicFilter::parse(text),
                Err(InvalidTopicFilter::ShareWithoutFilter),
                "{text}"
            );
        }
        let inner = TopicFilter::parse("$share/g/a#");
        assert_eq!(inner, Err(InvalidTopicFilter::MultiLevelWildcard));
    }

    /// The examples of sections 4.7.1 to 4.7.3.
    #[test]
    fn filters_match_as_the_specification_says() {
        for (filter, topic) in [
            ("sport/tennis/player1/#", "sport/tennis/player1"),
            ("sport/tennis/player1/#", "sport/tennis/player1/ranking"),
            (
                "sport/tennis/player1/#",
                "sport/tennis/player1/score/wimbledon",
            ),
            ("sport/#", "sport"),
            ("#", "a/b"),
            ("sport/tennis/+", "sport/tennis/player1"),
            ("sport/+", "sport/"),
            ("+/+", "/finance"),
            ("/+", "/finance"),
            ("$SYS/#", "$SYS/a"),
            ("$SYS/monitor/+", "$SYS/monitor/Clients"),
            ("a/+", "a/$b"),
            ("$share/g/a/+", "a/b"),
            ("a//b", "a//b"),
        ] {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in [
            ("sport/tennis/+", "sport/tennis/player1/ranking"),
            ("sport/+", "sport"),
            ("+", "/finance"),
            ("#", "$SYS/a"),
            ("+/monitor/Clients", "$SYS/monitor/Clients"),
            ("$share/g/#", "$SYS/a"),
            ("a", "A"),
            ("a", "a/"),
            ("a/b", "a"),
            ("a/#", "ab"),
        ] {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
    }
}
