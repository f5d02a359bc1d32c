//! Values of keys: what they may be, how they are read, and how they are written.

use toml::de::DeValue;

use super::quantity;

/// The value of a key, apart from how it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// None was given, or `none`.
    Nothing,
    Flag(bool),
    /// A count, bytes, seconds or milliseconds: its [`Kind`] says which.
    Number(u64),
    Text(String),
    List(Vec<String>),
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `true` or `false`.
    Flag,
    /// A number from the first to the second.
    Count(u64, u64),
    /// As above, or `none`.
    CountOrNone(u64, u64),
    /// Bytes, at least so many.
    Size(u64),
    /// As above, or `none`.
    SizeOrNone(u64),
    /// Whole seconds from the first to the second, or `never`, which stands for the second.
    SecondsOrNever(u64, u64),
    /// Whole seconds from the first to the second, or `none`.
    SecondsOrNone(u64, u64),
    /// Milliseconds.
    Time,
    /// Any text.
    Text,
    /// Text that is nobody's business: it is never shown.
    Secret,
    /// The path of a file or directory, from the working directory.
    Path,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts; in one text, they are separated by commas.
    List,
    /// A list of these words.
    Choices(&'static [&'static str]),
}

impl Kind {
    /// The value that a flag or a variable of the environment gives.
    pub(super) fn parse(self, text: &str) -> Result<Value, String> {
        let number = |result: Result<u64, String>| self.number(result?, text);
        match self {
            Kind::CountOrNone(..) | Kind::SizeOrNone(_) | Kind::SecondsOrNone(..)
                if text == "none" =>
            {
                Ok(Value::Nothing)
            }
            Kind::SecondsOrNever(_, most) if text == "never" => Ok(Value::Number(most)),
            Kind::Flag => match text {
                "true" | "yes" | "on" | "1" => Ok(Value::Flag(true)),
                "false" | "no" | "off" | "0" => Ok(Value::Flag(false)),
                _ => Err(format!("`{text}` is neither true nor false")),
            },
            Kind::Count(..) | Kind::CountOrNone(..) => number(
                text.replace('_', "")
                    .parse()
                    .map_err(|_| format!("`{text}` is not a whole number")),
            ),
            Kind::Size(_) | Kind::SizeOrNone(_) => number(quantity::parse_size(text)),
            Kind::Time => number(quantity::parse_time(text)),
            Kind::SecondsOrNever(..) | Kind::SecondsOrNone(..) => {
                let milliseconds = quantity::parse_time(text)?;
                if !milliseconds.is_multiple_of(1000) {
                    return Err(format!("`{text}` is not a whole number of seconds"));
                }
                number(Ok(milliseconds / 1000))
            }
            Kind::Text | Kind::Secret => Ok(Value::Text(text.to_owned())),
            Kind::Path if text.is_empty() => Err("a path cannot be empty".to_owned()),
            Kind::Path => Ok(Value::Text(text.to_owned())),
            Kind::Choice(words) => Ok(Value::Text(one_of(words, text)?)),
            Kind::List | Kind::Choices(_) => {
                let parts = text.split(',').map(str::trim);
                self.list(parts.filter(|part| !part.is_empty()))
            }
        }
    }

    /// The value that stands in a TOML file.
    pub(super) fn read(self, value: &DeValue<'_>) -> Result<Value, String> {
        match value {
            DeValue::Boolean(flag) if self == Kind::Flag => Ok(Value::Flag(*flag)),
            DeValue::Integer(integer) if self.is_number() => {
                let number = u64::from_str_radix(integer.as_str(), integer.radix());
                let number = number.map_err(|_| format!("{integer} is out of range"))?;
                self.parse(&number.to_string())
            }
            DeValue::Array(array) if matches!(self, Kind::List | Kind::Choices(_)) => {
                let texts = array.iter().map(|item| {
                    let text = item.get_ref().as_str();
                    text.ok_or_else(|| format!("{} is wanted", self.wanted()))
                });
                let texts: Vec<&str> = texts.collect::<Result<_, _>>()?;
                self.list(texts.into_iter())
            }
            DeValue::String(text) if self != Kind::Flag => self.parse(text),
            _ => Err(format!(
                "{} is wanted, not {}",
                self.wanted(),
                article(value)
            )),
        }
    }

    /// Whether it may be written as a number.
    fn is_number(self) -> bool {
        matches!(
            self,
            Kind::Count(..)
                | Kind::CountOrNone(..)
                | Kind::Size(_)
                | Kind::SizeOrNone(_)
                | Kind::SecondsOrNever(..)
                | Kind::SecondsOrNone(..)
                | Kind::Time
        )
    }

    /// A number within the bounds of the kind.
    fn number(self, number: u64, text: &str) -> Result<Value, String> {
        let (least, most) = self.bounds();
        if (least..=most).contains(&number) {
            return Ok(Value::Number(number));
        }
        Err(match (least, most) {
            (least, u64::MAX) => format!(
                "{text} is too small: at least {} is needed",
                self.show(&Value::Number(least))
            ),
            (least, most) => format!(
                "{text} is out of range: from {} to {}",
                self.show(&Value::Number(least)),
                self.show(&Value::Number(most))
            ),
        })
    }

    fn bounds(self) -> (u64, u64) {
        match self {
            Kind::Count(least, most)
            | Kind::CountOrNone(least, most)
            | Kind::SecondsOrNever(least, most)
            | Kind::SecondsOrNone(least, most) => (least, most),
            Kind::Size(least) | Kind::SizeOrNone(least) => (least, u64::MAX),
            _ => (0, u64::MAX),
        }
    }

    fn list<'a>(self, parts: impl Iterator<Item = &'a str>) -> Result<Value, String> {
        let part = |part: &str| match self {
            Kind::Choices(words) => one_of(words, part),
            _ => Ok(part.to_owned()),
        };
        parts.map(part).collect::<Result<_, _>>().map(Value::List)
    }

    /// A value as it stands in a TOML file.
    pub(super) fn show(self, value: &Value) -> String {
        match value {
            Value::Nothing => "\"none\"".to_owned(),
            Value::Flag(flag) => flag.to_string(),
            Value::Number(number) => match self {
                Kind::Size(_) | Kind::SizeOrNone(_) => quoted(&quantity::show_size(*number)),
                Kind::Time => quoted(&quantity::show_time(*number)),
                Kind::SecondsOrNever(_, most) if *number == most => quoted("never"),
                Kind::SecondsOrNever(..) | Kind::SecondsOrNone(..) => {
                    quoted(&quantity::show_time(number.saturating_mul(1000)))
                }
                _ => number.to_string(),
            },
            Value::Text(text) => quoted(text),
            Value::List(list) => {
                let list: Vec<_> = list.iter().map(|text| quoted(text)).collect();
                format!("[{}]", list.join(", "))
            }
        }
    }

    /// What is to be written, in words.
    pub(super) fn wanted(self) -> String {
        match self {
            Kind::Flag => "true or false".to_owned(),
            Kind::Count(0, u64::MAX) => "a number".to_owned(),
            Kind::Count(least, u64::MAX) => format!("a number, at least {least}"),
            Kind::Count(least, most) => format!("a number from {least} to {most}"),
            Kind::CountOrNone(least, most) => {
                format!("{} or \"none\"", Kind::Count(least, most).wanted())
            }
            Kind::Size(0) => "a size".to_owned(),
            Kind::Size(least) => format!("a size, at least {}", quantity::show_size(least)),
            Kind::SizeOrNone(least) => format!("{} or \"none\"", Kind::Size(least).wanted()),
            Kind::Time => "a time".to_owned(),
            Kind::SecondsOrNever(..) => "a time or \"never\"".to_owned(),
            Kind::SecondsOrNone(..) => "a time or \"none\"".to_owned(),
            Kind::Text | Kind::Secret => "a string".to_owned(),
            Kind::Path => "a path".to_owned(),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::List => "a list of strings".to_owned(),
            Kind::Choices(words) => format!("a list of {}", words.join(", ")),
        }
    }
}

fn one_of(words: &[&str], text: &str) -> Result<String, String> {
    match words.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is not one of {}", words.join(", "))),
    }
}

fn article(value: &DeValue<'_>) -> String {
    match value.type_str() {
        kind @ ("integer" | "array") => format!("an {kind}"),
        kind => format!("a {kind}"),
    }
}

/// A text as a TOML string.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
