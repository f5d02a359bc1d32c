//! Many rules in one tree: a question costs one walk down the levels of a topic.
//!
//! The rules `a/+/c`, `a/#` and `%u/in` make
//!
//! ```text
//!   root ─ a ─ +  ─ c     (ends: rule 1)
//!    │     └─ rest: rule 2
//!    └─ {%u/in}           (ends: rule 3)
//! ```
//!
//! From the first level on that has `%u` or `%c` in it, a filter is a *template* up to its next
//! wildcard: a name may contain `/`, so that it stands for more than one level.

use super::rule::{Rights, Rule};

/// What the rules found say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) allows: Rights,
    pub(crate) denies: Rights,
}

/// The names that stand for `%u` and `%c`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    pub(crate) user: Option<&'a str>,
    pub(crate) client: &'a str,
}

/// Rules by the levels of their filters.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuleTree {
    nodes: Vec<Node>,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// By level, in order.
    literals: Vec<(Box<str>, usize)>,
    plus: Option<usize>,
    templates: Vec<(Template, usize)>,
    /// Rules whose filter ends here.
    ends: Marks,
    /// Rules whose filter goes on with `#`.
    rest: Marks,
}

/// Rules at one place: what they say, and their numbers.
#[derive(Clone, Debug, Default)]
struct Marks {
    found: Found,
    rules: Vec<usize>,
}

/// One or more levels, known when the names are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    User,
    Client,
}

impl RuleTree {
    /// Adds a rule, whose filter is a valid Topic Filter.
    pub(crate) fn insert(&mut self, rule: Rule, substitute: Substitute) {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let filter = rule.filter.clone();
        let mut node = 0;
        let mut rest = Some(&*filter);
        while let Some(text) = rest {
            let (level, next) = split_level(text);
            if level == "#" {
                break;
            }
            rest = next;
            node = if level == "+" {
                self.child(node, |node| &mut node.plus)
            } else if substitute == Substitute::Names && has_name(level) {
                let length = text.len() - wildcard_part(text).len();
                rest = text.get(length + 1..);
                self.template(node, &text[..length])
            } else {
                self.literal(node, level)
            };
        }
        let number = self.rules.len();
        let marks = match rest {
            Some(_) => &mut self.nodes[node].rest,
            None => &mut self.nodes[node].ends,
        };
        marks.found.add(rule.allows, rule.denies);
        marks.rules.push(number);
        self.rules.push(rule);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// All rules, in the order in which they were added.
    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What all rules say whose filter matches a topic, which may be a Topic Filter: of that, every
    /// topic must match.
    pub(crate) fn find(&self, topic: &str, names: Names<'_>) -> Found {
        let mut found = Found::default();
        self.visit(topic, names, &mut |marks| {
            found.add(marks.found.allows, marks.found.denies);
        });
        found
    }

    /// The rules themselves, as [`find`](Self::find).
    pub(crate) fn find_rules(&self, topic: &str, names: Names<'_>) -> Vec<&Rule> {
        let mut numbers = Vec::new();
        self.visit(topic, names, &mut |marks| {
            numbers.extend_from_slice(&marks.rules)
        });
        numbers.sort_unstable();
        numbers.iter().map(|&number| &self.rules[number]).collect()
    }

    fn visit(&self, topic: &str, names: Names<'_>, see: &mut impl FnMut(&Marks)) {
        if let Some(root) = self.nodes.first() {
            // No wildcard at the beginning matches what begins with $. [MQTT-4.7.2-1]
            let wildcards = !topic.starts_with('$');
            self.walk(root, Some(topic), wildcards, names, see);
        }
    }

    fn walk(
        &self,
        node: &Node,
        rest: Option<&str>,
        wildcards: bool,
        names: Names<'_>,
        see: &mut impl FnMut(&Marks),
    ) {
        if wildcards && !node.rest.rules.is_empty() {
            see(&node.rest);
        }
        let Some(text) = rest else {
            if !node.ends.rules.is_empty() {
                see(&node.ends);
            }
            return;
        };
        let (level, next) = split_level(text);
        let known = |(known, _): &(Box<str>, usize)| (**known).cmp(level);
        if let Ok(at) = node.literals.binary_search_by(known) {
            let (_, child) = node.literals[at];
            self.walk(&self.nodes[child], next, true, names, see);
        }
        if let Some(child) = node.plus
            && wildcards
            && level != "#"
        {
            self.walk(&self.nodes[child], next, true, names, see);
        }
        for (template, child) in &node.templates {
            if let Some(next) = template.strip_from(text, names) {
                self.walk(&self.nodes[*child], next, true, names, see);
            }
        }
    }

    fn child(&mut self, node: usize, place: impl Fn(&mut Node) -> &mut Option<usize>) -> usize {
        let new = self.nodes.len();
        let child = *place(&mut self.nodes[node]).get_or_insert(new);
        if child == new {
            self.nodes.push(Node::default());
        }
        child
    }

    fn literal(&mut self, node: usize, level: &str) -> usize {
        let new = self.nodes.len();
        let literals = &mut self.nodes[node].literals;
        match literals.binary_search_by(|(known, _)| (**known).cmp(level)) {
            Ok(at) => literals[at].1,
            Err(at) => {
                literals.insert(at, (level.into(), new));
                self.nodes.push(Node::default());
                new
            }
        }
    }

    fn template(&mut self, node: usize, text: &str) -> usize {
        let new = self.nodes.len();
        let template = Template::parse(text);
        let templates = &mut self.nodes[node].templates;
        if let Some((_, known)) = templates.iter().find(|(known, _)| *known == template) {
            return *known;
        }
        templates.push((template, new));
        self.nodes.push(Node::default());
        new
    }
}

/// Whether `%u` and `%c` stand for names in a filter, or for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Substitute {
    Names,
    Nothing,
}

impl Found {
    fn add(&mut self, allows: Rights, denies: Rights) {
        self.allows = self.allows.union(allows);
        self.denies = self.denies.union(denies);
    }
}

impl Template {
    fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("%u").into_iter().chain(rest.find("%c")).min() {
            if at > 0 {
                parts.push(Part::Text(rest[..at].into()));
            }
            let is_user = rest[at..].starts_with("%u");
            parts.push(if is_user { Part::User } else { Part::Client });
            rest = &rest[at + 2..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Template(parts)
    }

    /// What follows this in a topic: `None` if it does not begin with it, `Some(None)` if nothing
    /// follows.
    fn strip_from<'a>(&self, topic: &'a str, names: Names<'_>) -> Option<Option<&'a str>> {
        let mut rest = topic;
        for part in &self.0 {
            let text = match part {
                Part::Text(text) => text,
                Part::User => names.user?,
                Part::Client => names.client,
            };
            rest = rest.strip_prefix(text)?;
        }
        match rest {
            "" => Some(None),
            _ => rest.strip_prefix('/').map(Some),
        }
    }
}

/// The first level, and what follows the slash after it.
fn split_level(text: &str) -> (&str, Option<&str>) {
    match text.split_once('/') {
        Some((level, rest)) => (level, Some(rest)),
        None => (text, None),
    }
}

fn has_name(level: &str) -> bool {
    level.contains("%u") || level.contains("%c")
}

/// The end of a filter from the slash before its first wildcard on; empty if it has none.
fn wildcard_part(text: &str) -> &str {
    let wildcard = |at: &usize| {
        let level = split_level(&text[at + 1..]).0;
        level == "+" || level == "#"
    };
    let slashes = text.match_indices('/').map(|(at, _)| at);
    slashes
        .into_iter()
        .find(wildcard)
        .map_or("", |at| &text[at..])
}

#[cfg(test)]
mod tests {
    use dunlin_packet::{TopicFilter, TopicName};

    use super::super::rule::Place;
    use super::*;

    fn tree(filters: &[&str]) -> RuleTree {
        let mut tree = RuleTree::default();
        for filter in filters {
            let rule = Rule {
                filter: (*filter).into(),
                allows: Rights::ALL,
                denies: Rights::NONE,
                place: Place::Role("r".into()),
            };
            tree.insert(rule, Substitute::Names);
        }
        tree
    }

    fn matching(tree: &RuleTree, topic: &str, user: Option<&str>, client: &str) -> Vec<String> {
        let rules = tree.find_rules(topic, Names { user, client });
        rules.iter().map(|rule| rule.filter.to_string()).collect()
    }

    #[test]
    fn it_agrees_with_the_definition_of_matching() {
        let filters = [
            "#", "+", "a", "a/#", "a/+", "+/b", "a/b", "/", "/#", "+/+", "a//b", "$x/#", "$x",
            "a/+/c/#",
        ];
        let tree = tree(&filters);
        let topics = [
            "a", "a/b", "b", "/", "/a", "a/", "a//b", "a/b/c", "a/b/c/d", "$x", "$x/a", "$y",
            "a/$x",
        ];
        for topic in topics {
            let name = TopicName::parse(topic).unwrap();
            let expected: Vec<_> = filters
                .iter()
                .filter(|filter| TopicFilter::parse(filter).unwrap().matches(name))
                .map(|filter| (*filter).to_owned())
                .collect();
            assert_eq!(matching(&tree, topic, None, "c"), expected, "{topic}");
        }
    }

    #[test]
    fn a_filter_is_covered_by_one_that_matches_all_that_it_matches() {
        let cases = [
            ("a/#", vec!["a", "a/b", "a/+", "a/#", "a/+/#"]),
            ("a/+", vec!["a/b", "a/+"]),
            ("+/b", vec!["a/b", "+/b"]),
            ("#", vec!["#", "+", "+/#", "a"]),
            ("a/b", vec!["a/b"]),
        ];
        let asked = ["#", "+", "+/#", "a", "a/b", "a/+", "a/#", "a/+/#", "+/b"];
        for (rule, covered) in cases {
            let tree = tree(&[rule]);
            for filter in asked {
                let is = !matching(&tree, filter, None, "c").is_empty();
                let should = covered.contains(&filter) || rule == "#" && !filter.starts_with('$');
                assert_eq!(is, should, "{rule} covers {filter}");
            }
        }
    }

    #[test]
    fn names_stand_where_they_are_meant() {
        let tree = tree(&["u/%u/#", "c/%c", "%u-%c/x/+/y", "both/%u/%c/in"]);
        let of = |topic, user, client| matching(&tree, topic, user, client);
        assert_eq!(of("u/alice/a", Some("alice"), "1"), ["u/%u/#"]);
        assert_eq!(of("u/alice", Some("alice"), "1"), ["u/%u/#"]);
        assert!(of("u/bob/a", Some("alice"), "1").is_empty());
        assert!(of("u//a", None, "1").is_empty());
        assert_eq!(of("c/a/b", None, "a/b"), ["c/%c"], "a name with a slash");
        assert!(of("c/a/b", None, "a").is_empty());
        assert_eq!(of("alice-1/x/z/y", Some("alice"), "1"), ["%u-%c/x/+/y"]);
        assert_eq!(of("both/a/1/in", Some("a"), "1"), ["both/%u/%c/in"]);
        assert!(of("both/a/2/in", Some("a"), "1").is_empty());
    }
}
