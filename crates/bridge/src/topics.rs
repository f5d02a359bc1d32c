//! Which topics pass, and what they are called on the other side.
//!
//! A rule has a pattern and a prefix for each side: `local_prefix + pattern` is the filter here,
//! `remote_prefix + pattern` the one there. The first rule with a prefix whose filter matches a
//! topic takes its own side's prefix off and puts the other's on; a topic that no such rule matches
//! keeps its name.

use std::borrow::Cow;

use dunlin_packet::{QoS, TopicFilter, TopicName};

use crate::relay::Side;

/// Which way messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the other broker.
    Out,
    /// From the other broker.
    In,
    /// Both ways.
    Both,
}

impl Direction {
    /// Whether messages that come from this side pass.
    pub(crate) fn takes(self, from: Side) -> bool {
        match from {
            Side::Local => self != Direction::In,
            Side::Remote => self != Direction::Out,
        }
    }
}

/// What passes, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    direction: Direction,
    qos: QoS,
    local: Place,
    remote: Place,
}

/// A rule on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    prefix: String,
    filter: String,
}

/// A rule of which no filters can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// Prefix and pattern together are no Topic Filter.
    #[error("{0:?} is no Topic Filter")]
    Filter(String),
    /// A prefix with a wildcard cannot be taken off or put on.
    #[error("the prefix {0:?} has a wildcard")]
    Wildcard(String),
}

impl Rule {
    /// A rule for messages whose topic matches `pattern` behind the prefix of their side. An empty
    /// pattern makes topics of the prefixes themselves.
    ///
    /// # Errors
    /// [`InvalidRule`]
    pub fn new(
        pattern: &str,
        direction: Direction,
        qos: QoS,
        local_prefix: &str,
        remote_prefix: &str,
    ) -> Result<Self, InvalidRule> {
        let place = |prefix: &str| {
            let filter = format!("{prefix}{pattern}");
            if prefix.contains(['+', '#']) {
                return Err(InvalidRule::Wildcard(prefix.to_owned()));
            }
            if TopicFilter::parse(&filter).is_err() {
                return Err(InvalidRule::Filter(filter));
            }
            Ok(Place {
                prefix: prefix.to_owned(),
                filter,
            })
        };
        Ok(Rule {
            direction,
            qos,
            local: place(local_prefix)?,
            remote: place(remote_prefix)?,
        })
    }

    pub(crate) fn direction(&self) -> Direction {
        self.direction
    }

    pub(crate) fn qos(&self) -> QoS {
        self.qos
    }

    /// The filter on a side.
    pub(crate) fn filter(&self, side: Side) -> &str {
        &self.place(side).filter
    }

    fn place(&self, side: Side) -> &Place {
        match side {
            Side::Local => &self.local,
            Side::Remote => &self.remote,
        }
    }

    fn has_prefix(&self) -> bool {
        !self.local.prefix.is_empty() || !self.remote.prefix.is_empty()
    }

    fn matches(&self, from: Side, topic: TopicName<'_>) -> bool {
        let filter = TopicFilter::parse(self.filter(from));
        filter.is_ok_and(|filter| filter.matches(topic))
    }
}

/// What a topic from one side is called on the other. `None`: nothing that could be a Topic Name.
pub(crate) fn translate<'a>(rules: &[Rule], from: Side, topic: &'a str) -> Option<Cow<'a, str>> {
    let name = TopicName::parse(topic).ok()?;
    let rule = rules
        .iter()
        .filter(|rule| rule.direction.takes(from) && rule.has_prefix())
        .find(|rule| rule.matches(from, name));
    let Some(rule) = rule else {
        return Some(Cow::Borrowed(topic));
    };
    // `a/#` matches `a` as well, which the prefix `a/` is not in.
    let rest = topic.strip_prefix(&rule.place(from).prefix);
    let rest = rest.unwrap_or(topic);
    let there = &rule.place(from.other()).prefix;
    let topic = match there.is_empty() {
        true => Cow::Borrowed(rest),
        false => Cow::Owned(format!("{there}{rest}")),
    };
    TopicName::parse(&topic).is_ok().then_some(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(pattern: &str, direction: Direction, local: &str, remote: &str) -> Rule {
        Rule::new(pattern, direction, QoS::AtLeastOnce, local, remote).unwrap()
    }

    #[test]
    fn prefixes_are_taken_off_here_and_put_on_there() {
        let rules = [rule("#", Direction::Both, "site/", "hq/site1/")];
        let there = translate(&rules, Side::Local, "site/temp").unwrap();
        assert_eq!(there, "hq/site1/temp");
        let here = translate(&rules, Side::Remote, "hq/site1/temp").unwrap();
        assert_eq!(here, "site/temp");
    }

    #[test]
    fn the_first_rule_with_a_prefix_counts_and_others_leave_the_name() {
        let rules = [
            rule("#", Direction::Out, "", ""),
            rule("a/#", Direction::In, "", "wrong/"),
            rule("a/#", Direction::Out, "", "first/"),
            rule("a/b", Direction::Out, "", "second/"),
        ];
        let to = |topic| translate(&rules, Side::Local, topic).unwrap();
        assert_eq!(to("a/b"), "first/a/b");
        assert_eq!(to("b/a"), "b/a");
    }

    #[test]
    fn without_a_pattern_one_topic_stands_for_another() {
        let rules = [rule("", Direction::Both, "here", "far/away")];
        assert_eq!(translate(&rules, Side::Local, "here").unwrap(), "far/away");
        assert_eq!(translate(&rules, Side::Remote, "far/away").unwrap(), "here");
    }

    #[test]
    fn what_would_be_no_topic_does_not_pass() {
        let rules = [rule("#", Direction::Out, "a/", "")];
        assert_eq!(translate(&rules, Side::Local, "a/"), None);
        assert_eq!(translate(&rules, Side::Local, "a").unwrap(), "a");
        assert!(Rule::new("#", Direction::In, QoS::AtMostOnce, "a", "").is_err());
        assert!(Rule::new("b", Direction::In, QoS::AtMostOnce, "+/", "").is_err());
    }
}
