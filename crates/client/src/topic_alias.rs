//! Topic Alias mappings of one Network Connection, one type per direction [MQTT-3.3.2-7].

use std::collections::HashMap;

use crate::ServerFault;

/// Aliases that the Server gave to Topic Names.
#[derive(Debug)]
pub(crate) struct InboundAliases {
    maximum: u16,
    topics: HashMap<u16, String>,
}

impl InboundAliases {
    /// Accepts aliases 1 to `maximum`.
    pub(crate) fn new(maximum: u16) -> Self {
        Self {
            maximum,
            topics: HashMap::new(),
        }
    }

    /// The Topic Name of a PUBLISH, given what the packet says; remembers a new mapping.
    pub(crate) fn resolve(
        &mut self,
        topic: &str,
        alias: Option<u16>,
    ) -> Result<String, ServerFault> {
        let Some(alias) = alias else {
            return Ok(topic.to_owned());
        };
        if alias > self.maximum {
            return Err(ServerFault::TopicAliasAboveMaximum {
                alias,
                maximum: self.maximum,
            });
        }
        if topic.is_empty() {
            return self
                .topics
                .get(&alias)
                .cloned()
                .ok_or(ServerFault::TopicAliasUnknown(alias));
        }
        self.topics.insert(alias, topic.to_owned());
        Ok(topic.to_owned())
    }
}

/// Aliases that we gave to Topic Names, first come, first served.
#[derive(Debug)]
pub(crate) struct OutboundAliases {
    maximum: u16,
    aliases: HashMap<String, u16>,
}

/// How to write a Topic Name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TopicForm {
    /// The name alone; no alias is left for it.
    Name,
    /// The name, and the alias that stands for it from now on.
    NameAndAlias(u16),
    /// The alias alone.
    Alias(u16),
}

impl OutboundAliases {
    /// Hands out aliases 1 to `maximum`; none with 0.
    pub(crate) fn new(maximum: u16) -> Self {
        Self {
            maximum,
            aliases: HashMap::new(),
        }
    }

    /// How to write `topic` in the next PUBLISH.
    pub(crate) fn choose(&self, topic: &str) -> TopicForm {
        if let Some(alias) = self.aliases.get(topic) {
            return TopicForm::Alias(*alias);
        }
        match u16::try_from(self.aliases.len() + 1) {
            Ok(alias) if alias <= self.maximum => TopicForm::NameAndAlias(alias),
            _ => TopicForm::Name,
        }
    }

    /// A PUBLISH with `topic` in this form is on its way, so the Server will know the mapping.
    pub(crate) fn sent(&mut self, topic: &str, form: &TopicForm) {
        if let TopicForm::NameAndAlias(alias) = form {
            self.aliases.insert(topic.to_owned(), *alias);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbound_alias_stands_for_the_last_topic_given() {
        let mut aliases = InboundAliases::new(2);
        assert_eq!(aliases.resolve("a", Some(1)).as_deref(), Ok("a"));
        assert_eq!(aliases.resolve("", Some(1)).as_deref(), Ok("a"));
        assert_eq!(aliases.resolve("b", Some(1)).as_deref(), Ok("b"));
        assert_eq!(aliases.resolve("", Some(1)).as_deref(), Ok("b"));
        assert_eq!(
            aliases.resolve("", Some(2)),
            Err(ServerFault::TopicAliasUnknown(2))
        );
        assert_eq!(
            aliases.resolve("c", Some(3)),
            Err(ServerFault::TopicAliasAboveMaximum {
                alias: 3,
                maximum: 2
            })
        );
    }

    #[test]
    fn outbound_aliases_run_out() {
        let mut aliases = OutboundAliases::new(1);
        assert_eq!(aliases.choose("a"), TopicForm::NameAndAlias(1));
        assert_eq!(aliases.choose("b"), TopicForm::NameAndAlias(1));
        aliases.sent("a", &TopicForm::NameAndAlias(1));
        assert_eq!(aliases.choose("a"), TopicForm::Alias(1));
        assert_eq!(aliases.choose("b"), TopicForm::Name);
    }
}
