//! Mosquitto's `acl_file`.
//!
//! ```text
//! topic read news/#            before the first user: for Clients without a User Name
//! user alice
//! topic readwrite home/#       read, write, readwrite (if none is said) or deny
//! topic deny home/safe
//! pattern write dev/%c/state   for everybody; %u and %c stand for User Name and Client Identifier
//! ```
//!
//! As Mosquitto has it: the user's `topic` lines are asked first, then all `pattern` lines; within
//! each, `deny` comes before what allows. A Client whose User Name has no section has only the
//! patterns. Any filter may be subscribed to; each message is judged when it is delivered. A file
//! without a single rule allows nothing.

use std::collections::HashMap;
use std::sync::Arc;

use dunlin_packet::{InvalidTopicFilter, TopicFilter};
use thiserror::Error;

use super::permissions::{Permissions, Stage};
use super::rule::{Place, Rights, Rule};
use super::tree::{RuleTree, Substitute};
use crate::identity::Further;

/// The rules of an `acl_file`, compiled.
#[derive(Clone, Debug, Default)]
pub struct AclFile {
    anonymous: Arc<RuleTree>,
    users: HashMap<Box<str>, Arc<RuleTree>>,
    patterns: Arc<RuleTree>,
}

/// A line that cannot be read. Mosquitto refuses such a file, too.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}:{line}: {fault}")]
pub struct AclError {
    file: Arc<str>,
    line: usize,
    fault: Fault,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
enum Fault {
    #[error("{0} is not topic, pattern or user")]
    Keyword(String),
    #[error("no topic is given")]
    NoTopic,
    #[error("no user is named")]
    NoUser,
    #[error("{0} is not read, write, readwrite or deny")]
    Access(String),
    #[error("the topic {0} {1}")]
    Topic(String, InvalidTopicFilter),
}

/// A file while it is read.
struct Reader {
    file: Arc<str>,
    user: Option<Box<str>>,
    anonymous: RuleTree,
    users: HashMap<Box<str>, RuleTree>,
    patterns: RuleTree,
}

impl AclFile {
    /// Reads the text of a file; `name` is what [`Rule::place`] calls it.
    ///
    /// # Errors
    /// The first line that is not understood.
    pub fn parse(name: &str, text: &str) -> Result<Self, AclError> {
        let mut reader = Reader {
            file: name.into(),
            user: None,
            anonymous: RuleTree::default(),
            users: HashMap::new(),
            patterns: RuleTree::default(),
        };
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_end_matches(|c: char| c.is_ascii_whitespace());
            if line.starts_with('#') {
                continue;
            }
            reader.line(index + 1, line).map_err(|fault| AclError {
                file: reader.file.clone(),
                line: index + 1,
                fault,
            })?;
        }
        let users = reader.users.into_iter();
        Ok(AclFile {
            anonymous: Arc::new(reader.anonymous),
            users: users.map(|(user, tree)| (user, Arc::new(tree))).collect(),
            patterns: Arc::new(reader.patterns),
        })
    }

    /// The rules that a Client is under.
    pub fn permissions(&self, user_name: Option<Arc<str>>, client_id: &str) -> Permissions {
        let own = match &user_name {
            Some(user) => self.users.get(&**user),
            None => Some(&self.anonymous),
        };
        let mut stages = Vec::new();
        if let Some(own) = own.filter(|own| !own.is_empty()) {
            stages.push(Stage {
                trees: vec![own.clone()],
                plain_names_only: false,
            });
        }
        if !self.patterns.is_empty() {
            stages.push(Stage {
                trees: vec![self.patterns.clone()],
                plain_names_only: true,
            });
        }
        Permissions {
            stages,
            user_name,
            client_id: client_id.into(),
            any_subscription: true,
            further: Further::default(),
        }
    }

    /// All rules, for listings.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        let trees = [&self.anonymous, &self.patterns].into_iter();
        trees
            .chain(self.users.values())
            .flat_map(|tree| tree.rules())
    }
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) -> Result<(), Fault> {
        let (keyword, rest) = first_word(line);
        let substitute = match keyword {
            "" => return Ok(()),
            "user" if rest.is_empty() => return Err(Fault::NoUser),
            "user" => {
                self.user = Some(rest.into());
                return Ok(());
            }
            "topic" => Substitute::Nothing,
            "pattern" => Substitute::Names,
            other => return Err(Fault::Keyword(other.to_owned())),
        };
        let (allows, denies, filter) = access(rest)?;
        if let Err(error) = TopicFilter::parse(filter) {
            return Err(Fault::Topic(filter.to_owned(), error));
        }
        let rule = Rule {
            filter: filter.into(),
            allows,
            denies,
            place: Place::Line(self.file.clone(), number),
        };
        let tree = match (substitute, &self.user) {
            (Substitute::Names, _) => &mut self.patterns,
            (_, None) => &mut self.anonymous,
            (_, Some(user)) => self.users.entry(user.clone()).or_default(),
        };
        tree.insert(rule, substitute);
        Ok(())
    }
}

/// What a rule allows and denies, and its filter, which may have spaces in it.
fn access(text: &str) -> Result<(Rights, Rights, &str), Fault> {
    let (first, rest) = first_word(text);
    if first.is_empty() {
        return Err(Fault::NoTopic);
    }
    let (read, write) = (Rights::RECEIVE, Rights::PUBLISH);
    if rest.is_empty() {
        return Ok((read.union(write), Rights::NONE, first));
    }
    let (allows, denies) = match first {
        "read" => (read, Rights::NONE),
        "write" => (write, Rights::NONE),
        "readwrite" => (read.union(write), Rights::NONE),
        "deny" => (Rights::NONE, read.union(write)),
        other => return Err(Fault::Access(other.to_owned())),
    };
    Ok((allows, denies, rest))
}

/// A word, and what follows the spaces after it.
fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches(' ');
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    use dunlin_core::{Access, Action};

    use super::super::permissions::Verdict;
    use super::*;

    const FILE: &str = "\
# a file with everything in it
topic read news/#
topic deny news/internal/#

user alice
topic readwrite  home/#
topic deny home/safe
topic with spaces/not allowed here
";

    fn judge(text: &str, user: Option<&str>, client: &str, action: Action, topic: &str) -> bool {
        let file = AclFile::parse("acl", text).unwrap();
        let permissions = file.permissions(user.map(Arc::from), client);
        let allowed = permissions.allows(action, topic);
        assert_eq!(permissions.explain(action, topic).is_allowed(), allowed);
        allowed
    }

    #[test]
    fn lines_that_make_no_sense_are_named() {
        let error = |text| AclFile::parse("acl", text).unwrap_err().to_string();
        assert_eq!(
            error(FILE),
            "acl:8: with is not read, write, readwrite or deny"
        );
        assert_eq!(error("\ntopic"), "acl:2: no topic is given");
        assert_eq!(error("user"), "acl:1: no user is named");
        assert_eq!(error("usr a"), "acl:1: usr is not topic, pattern or user");
        assert!(error("topic read a#").starts_with("acl:1: the topic a# has a #"));
    }

    #[test]
    fn sections_and_denials() {
        let text = FILE.rsplit_once("topic with").unwrap().0;
        let may = |user, action, topic| judge(text, user, "c", action, topic);
        use Action::{Publish, Receive, Subscribe};
        assert!(may(None, Receive, "news/a"));
        assert!(!may(None, Publish, "news/a"));
        assert!(!may(None, Receive, "news/internal/a"));
        assert!(!may(Some("alice"), Receive, "news/a"), "not anonymous");
        assert!(may(Some("alice"), Publish, "home/a"));
        assert!(!may(Some("alice"), Publish, "home/safe"));
        assert!(may(Some("alice"), Publish, "home/safe/a"));
        assert!(may(Some("alice"), Subscribe, "#"), "judged at delivery");
        assert!(!may(Some("bob"), Publish, "home/a"), "no section");
    }

    #[test]
    fn patterns_are_for_everybody_and_names_are_not_wildcards() {
        let text = "user a/b\ntopic own\npattern write dev/%c/state\npattern read inbox/%u/#\n";
        let may = |user, client, action, topic| judge(text, user, client, action, topic);
        use Action::{Publish, Receive};
        assert!(may(None, "d1", Publish, "dev/d1/state"));
        assert!(!may(None, "d1", Publish, "dev/d2/state"));
        assert!(!may(None, "+", Publish, "dev/+/state"));
        assert!(may(Some("eve"), "x", Receive, "inbox/eve/1"));
        assert!(!may(None, "x", Receive, "inbox//1"), "nobody's inbox");
        assert!(!may(Some("#"), "x", Receive, "inbox/eve"));
        assert!(may(Some("a/b"), "x", Publish, "own"), "before the patterns");
        assert!(may(Some("a/b"), "x", Receive, "inbox/a/b/c"));
    }

    #[test]
    fn a_file_without_rules_allows_nothing() {
        let text = "# nothing\n\nuser a\n";
        assert!(!judge(text, Some("a"), "c", Action::Publish, "x"));
        assert!(!judge(text, None, "c", Action::Receive, "x"));
    }

    #[test]
    fn the_deciding_line_is_told() {
        let text = "user a\ntopic deny x/y\ntopic x/#\n";
        let file = AclFile::parse("acl", text).unwrap();
        let permissions = file.permissions(Some("a".into()), "c");
        let verdict = |topic| match permissions.explain(Action::Publish, topic) {
            Verdict::Allowed(rule) | Verdict::Denied(rule) => rule.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(verdict("x/y"), "acl:2: deny publish, receive x/y");
        assert_eq!(verdict("x/z"), "acl:3: allow publish, receive x/#");
        assert_eq!(verdict("z"), "NoRule");
    }
}
