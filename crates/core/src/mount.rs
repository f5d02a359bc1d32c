//! What stands before every topic of some Clients, and is not seen by them.
//!
//! Within the broker all topics are whole. So a Topic Name and a Topic Filter get the mount point
//! where they come out of a packet (PUBLISH, SUBSCRIBE, UNSUBSCRIBE, the Will of a CONNECT), and a
//! Topic Name loses it where it goes into a PUBLISH. Rules see the whole topic, as in Mosquitto.

use std::fmt;
use std::sync::Arc;

use dunlin_packet::TopicFilter;

use crate::replay::Asked;

/// The longest that a text may be in a packet, in bytes.
const LONGEST: usize = u16::MAX as usize;

/// What is put before the topics of a Client: `tenant-1/`, say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPoint(Arc<str>);

/// A mount point that is no beginning of a Topic Name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a mount point is not empty, and has no `+`, `#` and U+0000 in it")]
pub struct WrongMountPoint;

impl MountPoint {
    /// A mount point. It needs no `/` at its end; but without one, no filter of its Clients can begin
    /// with a wildcard.
    ///
    /// # Errors
    /// [`WrongMountPoint`]
    pub fn new(prefix: &str) -> Result<Self, WrongMountPoint> {
        let fits = !prefix.is_empty() && prefix.len() < LONGEST;
        match fits && !prefix.contains(['+', '#', '\0']) {
            true => Ok(MountPoint(prefix.into())),
            false => Err(WrongMountPoint),
        }
    }

    /// The whole name of a Client's topic. `None`: it is too long.
    pub fn topic(&self, name: &str) -> Option<String> {
        (self.0.len() + name.len() <= LONGEST).then(|| format!("{}{name}", self.0))
    }

    /// What a Client's Topic Filter means: behind `$share/NAME/` and `$replay/START/`, if it begins so.
    /// `None`: it means nothing.
    pub fn filter(&self, text: &str) -> Option<String> {
        let filter = TopicFilter::parse(text).ok()?;
        let behind = match Asked::parse(text) {
            Some(asked) => asked.ok()?.filter,
            None => filter.share().map_or(filter, |(_, behind)| behind),
        };
        let (before, behind) = text.split_at(text.len() - behind.as_str().len());
        let whole = format!("{before}{}{behind}", self.0);
        (whole.len() <= LONGEST && TopicFilter::parse(&whole).is_ok()).then_some(whole)
    }

    /// The rest of a topic, as its Client sees it. `None`: the topic is outside.
    #[inline]
    pub(crate) fn rest<'a>(&self, topic: &'a str) -> Option<&'a str> {
        let rest = topic.strip_prefix(&*self.0)?;
        (!rest.is_empty()).then_some(rest)
    }
}

impl fmt::Display for MountPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_mounted_behind_what_is_no_topic() {
        let mount = MountPoint::new("t/").unwrap();
        for (text, whole) in [
            ("a/+", Some("t/a/+")),
            ("#", Some("t/#")),
            ("$SYS/#", Some("t/$SYS/#")),
            ("$share/g/a/#", Some("$share/g/t/a/#")),
            ("$replay/1h/a", Some("$replay/1h/t/a")),
            ("$share/g/", None),
            ("a/#/b", None),
            ("$replay/1h/a#", None),
        ] {
            assert_eq!(mount.filter(text).as_deref(), whole, "{text}");
        }
        let bare = MountPoint::new("t").unwrap();
        assert_eq!(bare.filter("/a").as_deref(), Some("t/a"));
        assert_eq!(bare.filter("#"), None);
    }

    #[test]
    fn only_what_is_under_it_has_a_rest() {
        let mount = MountPoint::new("t/").unwrap();
        assert_eq!(mount.topic("a").as_deref(), Some("t/a"));
        assert_eq!(mount.topic(&"a".repeat(LONGEST - 1)), None);
        for (topic, rest) in [("t/a", Some("a")), ("t/", None), ("t", None), ("u/a", None)] {
            assert_eq!(mount.rest(topic), rest, "{topic}");
        }
        for wrong in ["", "a/#", "+", "a\0"] {
            assert_eq!(MountPoint::new(wrong), Err(WrongMountPoint));
        }
    }
}
