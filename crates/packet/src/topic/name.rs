//! Topic Names: what a message is published to.

use super::MAX_LEN;

/// A Topic Name: 1 to 65,535 bytes of UTF-8 without U+0000 and without wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(&'a str);

/// Why a string is not a [`TopicName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTopic {
    /// No characters.
    #[error("is empty")]
    Empty,
    /// More than 65,535 bytes.
    #[error("is longer than 65,535 bytes")]
    TooLong,
    /// Contains `+` or `#`.
    #[error("contains a wildcard")]
    Wildcard,
    /// Contains U+0000.
    #[error("contains U+0000")]
    NullCharacter,
}

impl InvalidTopic {
    /// The violated statement of 5.0, as [`Malformed::statement`](crate::Malformed::statement).
    pub fn statement(self) -> &'static str {
        match self {
            Self::Empty => "MQTT-4.7.3-1",
            Self::TooLong => "MQTT-4.7.3-3",
            Self::Wildcard => "MQTT-4.7.0-1",
            Self::NullCharacter => "MQTT-4.7.3-2",
        }
    }
}

impl<'a> TopicName<'a> {
    /// Checks the rules of Topic Names.
    ///
    /// # Errors
    ///
    /// The first rule that `text` breaks.
    #[inline]
    pub fn parse(text: &'a str) -> Result<Self, InvalidTopic> {
        if text.is_empty() {
            return Err(InvalidTopic::Empty);
        }
        if text.len() > MAX_LEN {
            return Err(InvalidTopic::TooLong);
        }
        check_characters(text)?;
        Ok(Self(text))
    }

    /// Takes a Topic Name that was validated before, such as that of a decoded PUBLISH.
    #[inline]
    pub fn from_validated(text: &'a str) -> Self {
        Self(text)
    }

    /// The Topic Name as text.
    #[inline]
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The Topic Levels: what stands between the slashes, possibly nothing.
    #[inline]
    pub fn levels(self) -> impl Iterator<Item = &'a str> {
        self.0.split('/')
    }

    /// Whether it starts with `$`, so that no leading wildcard matches it `[MQTT-4.7.2-1]`.
    #[inline]
    pub fn is_dollar(self) -> bool {
        self.0.starts_with('$')
    }
}

/// No wildcard, no U+0000.
#[inline]
fn check_characters(text: &str) -> Result<(), InvalidTopic> {
    if !contains_forbidden(text.as_bytes()) {
        Ok(())
    } else if text.contains('\0') {
        Err(InvalidTopic::NullCharacter)
    } else {
        Err(InvalidTopic::Wildcard)
    }
}

/// Whether there is a `+`, a `#` or a zero. Every PUBLISH comes through here, hence eight bytes at a time; the last
/// eight may overlap those before.
#[inline]
fn contains_forbidden(bytes: &[u8]) -> bool {
    match bytes.last_chunk() {
        Some(&last) => {
            let (words, _) = bytes.as_chunks();
            words.iter().any(|&word| word_contains_forbidden(word)) || word_contains_forbidden(last)
        }
        None => bytes.iter().any(|byte| matches!(byte, b'+' | b'#' | 0)),
    }
}

#[inline]
fn word_contains_forbidden(word: [u8; 8]) -> bool {
    const fn all(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    /// Some byte is zero exactly where subtracting one from every byte sets a highest bit that was not set before.
    const fn contains_zero(word: u64) -> bool {
        word.wrapping_sub(all(0x01)) & !word & all(0x80) != 0
    }
    // `+` and `#` differ in one bit.
    const DIFFERENCE: u8 = b'+' ^ b'#';
    let word = u64::from_ne_bytes(word);
    contains_zero(word) || contains_zero((word | all(DIFFERENCE)) ^ all(b'+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_but_wildcards_and_null_is_a_topic_name() {
        for text in [
            "a",
            "/",
            "//",
            " ",
            "a b",
            "$SYS/x",
            "a/$b",
            "\u{1F600}",
            "\u{1}",
            "\u{FEFF}",
        ] {
            assert_eq!(TopicName::parse(text).map(TopicName::as_str), Ok(text));
        }
    }

    #[test]
    fn the_first_broken_rule_is_named() {
        let too_long = "x".repeat(MAX_LEN + 1);
        for (text, invalid) in [
            ("", InvalidTopic::Empty),
            ("+", InvalidTopic::Wildcard),
            ("a/#", InvalidTopic::Wildcard),
            ("some/long/topic/name+", InvalidTopic::Wildcard),
            ("a\0#", InvalidTopic::NullCharacter),
            (&too_long, InvalidTopic::TooLong),
        ] {
            assert_eq!(TopicName::parse(text), Err(invalid), "{text:.9}");
        }
        assert!(TopicName::parse(&too_long[1..]).is_ok());
    }

    #[test]
    fn a_forbidden_character_is_found_wherever_it_stands() {
        for length in 1..40 {
            for position in 0..length {
                for (forbidden, invalid) in [
                    ("+", InvalidTopic::Wildcard),
                    ("#", InvalidTopic::Wildcard),
                    ("\0", InvalidTopic::NullCharacter),
                ] {
                    let mut text = "x".repeat(length);
                    assert!(TopicName::parse(&text).is_ok());
                    text.replace_range(position..=position, forbidden);
                    assert_eq!(TopicName::parse(&text), Err(invalid), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn levels_may_be_empty() {
        let topic = TopicName::parse("/a//b/").unwrap();
        assert_eq!(topic.levels().collect::<Vec<_>>(), ["", "a", "", "b", ""]);
    }
}
