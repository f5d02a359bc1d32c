//! `-F`: a text with places for the parts of a message.
//!
//! | | |
//! |---|---|
//! | `%` + flags + letter | a part of the message, see [`Part`]; the flags are `0` (pad with zeros), `-` (left-aligned), a width and, after a dot, a maximum width |
//! | `@` + letter | the time of arrival, as `strftime` writes `%` + letter; `@N` is nanoseconds |
//! | `\` + letter | `\n`, `\t`, `\r`, `\v`, `\a`, `\e`, `\0`, `\\` |
//!
//! JSON (`%j`, `%J`) is in `json`.

mod json;

use dunlin_client::ReceivedMessage;
use jiff::ZonedDateTime;
use jiff::fmt::strtime;

/// A format that has been understood.
#[derive(Debug)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
    pretty: bool,
}

/// Why a format cannot be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("Incomplete format specifier.")]
    Incomplete,
    #[error("Invalid format specifier '{0}'.")]
    UnknownPart(char),
    #[error("Invalid time specifier '{0}'.")]
    UnknownTime(char),
    #[error("Invalid escape specifier '{0}'.")]
    UnknownEscape(char),
}

/// Why a message cannot be shown in a format.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenderError {
    #[error("Message payload is not valid JSON on topic {0}.")]
    PayloadNotJson(String),
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Part(Part, Padding),
    /// What `strftime` gets.
    Time(String),
    Nanoseconds,
}

/// A part of a message, named by its letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// `A`
    TopicAlias,
    /// `C`
    ContentType,
    /// `D`
    CorrelationData,
    /// `E`
    MessageExpiryInterval,
    /// `F`
    PayloadFormatIndicator,
    /// `I`: time in ISO 8601
    IsoTime,
    /// `j`: JSON with the payload as a string
    JsonString,
    /// `J`: JSON with the payload as a value
    JsonValue,
    /// `l`
    PayloadLength,
    /// `m`: 0 at QoS 0
    PacketId,
    /// `P`: as name:value, separated by spaces
    UserProperties,
    /// `p`
    Payload,
    /// `q`
    Qos,
    /// `R`
    ResponseTopic,
    /// `r`
    Retain,
    /// `S`
    SubscriptionIdentifiers,
    /// `t`
    Topic,
    /// `U`: time in seconds since 1970 with nanoseconds
    UnixTime,
    /// `X`
    UpperHexPayload,
    /// `x`
    LowerHexPayload,
}

impl Part {
    fn from_letter(letter: char) -> Result<Self, TemplateError> {
        Ok(match letter {
            'A' => Self::TopicAlias,
            'C' => Self::ContentType,
            'D' => Self::CorrelationData,
            'E' => Self::MessageExpiryInterval,
            'F' => Self::PayloadFormatIndicator,
            'I' => Self::IsoTime,
            'j' => Self::JsonString,
            'J' => Self::JsonValue,
            'l' => Self::PayloadLength,
            'm' => Self::PacketId,
            'P' => Self::UserProperties,
            'p' => Self::Payload,
            'q' => Self::Qos,
            'R' => Self::ResponseTopic,
            'r' => Self::Retain,
            'S' => Self::SubscriptionIdentifiers,
            't' => Self::Topic,
            'U' => Self::UnixTime,
            'X' => Self::UpperHexPayload,
            'x' => Self::LowerHexPayload,
            _ => return Err(TemplateError::UnknownPart(letter)),
        })
    }

    /// Whether the width applies.
    fn is_padded(self) -> bool {
        use Part::*;
        !matches!(
            self,
            JsonString | JsonValue | Qos | Retain | UnixTime | UserProperties | CorrelationData
        )
    }

    /// Whether padding may be zeros.
    fn is_zero_padded(self) -> bool {
        !matches!(
            self,
            Self::ContentType | Self::IsoTime | Self::ResponseTopic | Self::Topic
        )
    }

    /// Whether the maximum width applies.
    fn is_cut(self) -> bool {
        matches!(
            self,
            Self::ContentType | Self::IsoTime | Self::ResponseTopic | Self::Topic
        )
    }
}

/// How a part fills its place; widths in characters.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Padding {
    zeros: bool,
    left_aligned: bool,
    width: usize,
    maximum: Option<usize>,
}

/// Widest place that a format can ask for.
const WIDEST: usize = 10_000;

impl Template {
    /// Understands a format.
    pub(crate) fn parse(format: &str, pretty: bool) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut letters = format.chars();
        while let Some(letter) = letters.next() {
            let piece = match letter {
                '%' => parse_part(&mut letters)?,
                '@' => parse_time(&mut letters)?,
                '\\' => Piece::Literal(parse_escape(&mut letters)?.to_string()),
                _ => Piece::Literal(letter.to_string()),
            };
            match piece {
                Piece::Literal(text) => literal.push_str(&text),
                piece => {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    pieces.push(piece);
                }
            }
        }
        pieces.push(Piece::Literal(literal));
        pieces.retain(|piece| *piece != Piece::Literal(String::new()));
        Ok(Self { pieces, pretty })
    }

    /// Appends a message that arrived at `now` to `out`.
    ///
    /// # Errors
    /// If the payload has to be JSON and is not. What was appended is to be thrown away then.
    pub(crate) fn render(
        &self,
        received: &ReceivedMessage,
        now: &ZonedDateTime,
        out: &mut Vec<u8>,
    ) -> Result<(), RenderError> {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Time(specifier) => out.extend_from_slice(time(specifier, now).as_bytes()),
                Piece::Nanoseconds => {
                    out.extend_from_slice(format!("{:09}", now.subsec_nanosecond()).as_bytes());
                }
                Piece::Part(part, padding) => {
                    let value = self.value(*part, received, now)?;
                    pad(&value, *part, *padding, out);
                }
            }
        }
        Ok(())
    }

    fn value(
        &self,
        part: Part,
        received: &ReceivedMessage,
        now: &ZonedDateTime,
    ) -> Result<Vec<u8>, RenderError> {
        let message = &received.message;
        let properties = message.properties.as_properties();
        Ok(match part {
            Part::TopicAlias => number(properties.topic_alias()),
            Part::ContentType => properties.content_type().unwrap_or_default().into(),
            Part::CorrelationData => properties.correlation_data().unwrap_or_default().into(),
            Part::MessageExpiryInterval => number(properties.message_expiry_interval()),
            Part::PayloadFormatIndicator => number(properties.payload_format_indicator()),
            Part::IsoTime => time("%Y-%m-%dT%H:%M:%S%z", now).into(),
            Part::JsonString => {
                json::render(received, now, json::Payload::Text, self.pretty)?.into()
            }
            Part::JsonValue => {
                json::render(received, now, json::Payload::Value, self.pretty)?.into()
            }
            Part::PayloadLength => message.payload.len().to_string().into(),
            Part::PacketId => received
                .packet_id
                .map_or(0, |id| id.get())
                .to_string()
                .into(),
            Part::UserProperties => {
                let pairs = properties.user_properties();
                let pairs: Vec<_> = pairs
                    .map(|(name, value)| format!("{name}:{value}"))
                    .collect();
                pairs.join(" ").into()
            }
            Part::Payload => message.payload.clone(),
            Part::Qos => (message.qos as u8).to_string().into(),
            Part::ResponseTopic => properties.response_topic().unwrap_or_default().into(),
            Part::Retain => u8::from(message.retain).to_string().into(),
            Part::SubscriptionIdentifiers => {
                let identifiers = properties.subscription_identifiers();
                let identifiers: Vec<_> = identifiers.map(|id| id.to_string()).collect();
                identifiers.join(" ").into()
            }
            Part::Topic => message.topic.clone().into(),
            Part::UnixTime => unix_time(now).into(),
            Part::UpperHexPayload => hex(&message.payload).to_uppercase().into(),
            Part::LowerHexPayload => hex(&message.payload).into(),
        })
    }
}

fn parse_part(letters: &mut std::str::Chars<'_>) -> Result<Piece, TemplateError> {
    let mut padding = Padding::default();
    let mut next = || letters.next().ok_or(TemplateError::Incomplete);
    let mut letter = next()?;
    if letter == '%' {
        return Ok(Piece::Literal("%".to_owned()));
    }
    while let '0' | '-' = letter {
        padding.zeros |= letter == '0';
        padding.left_aligned |= letter == '-';
        letter = next()?;
    }
    while let Some(digit) = letter.to_digit(10) {
        padding.width = WIDEST.min(padding.width * 10 + digit as usize);
        letter = next()?;
    }
    if letter == '.' {
        let mut maximum = 0;
        letter = next()?;
        while let Some(digit) = letter.to_digit(10) {
            maximum = WIDEST.min(maximum * 10 + digit as usize);
            letter = next()?;
        }
        padding.maximum = Some(maximum);
    }
    Ok(Piece::Part(Part::from_letter(letter)?, padding))
}

fn parse_time(letters: &mut std::str::Chars<'_>) -> Result<Piece, TemplateError> {
    match letters.next().ok_or(TemplateError::Incomplete)? {
        '@' => Ok(Piece::Literal("@".to_owned())),
        'N' => Ok(Piece::Nanoseconds),
        letter => {
            let specifier = format!("%{letter}");
            match strtime::format(&specifier, &ZonedDateTime::now()) {
                Ok(_) => Ok(Piece::Time(specifier)),
                Err(_) => Err(TemplateError::UnknownTime(letter)),
            }
        }
    }
}

fn parse_escape(letters: &mut std::str::Chars<'_>) -> Result<char, TemplateError> {
    Ok(match letters.next().ok_or(TemplateError::Incomplete)? {
        '\\' => '\\',
        '0' => '\0',
        'a' => '\x07',
        'e' => '\x1b',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        letter => return Err(TemplateError::UnknownEscape(letter)),
    })
}

fn time(specifier: &str, now: &ZonedDateTime) -> String {
    // Specifiers are tried when the format is parsed.
    strtime::format(specifier, now).unwrap_or_default()
}

fn unix_time(now: &ZonedDateTime) -> String {
    let timestamp = now.timestamp();
    format!(
        "{}.{:09}",
        timestamp.as_second(),
        timestamp.subsec_nanosecond()
    )
}

fn number(value: Option<impl ToString>) -> Vec<u8> {
    value
        .map(|value| value.to_string())
        .unwrap_or_default()
        .into()
}

fn hex(payload: &[u8]) -> String {
    payload.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Appends `value`, cut and padded as its part allows.
fn pad(value: &[u8], part: Part, padding: Padding, out: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(value);
    let (value, length) = match padding.maximum {
        Some(maximum) if part.is_cut() => {
            let end = text
                .char_indices()
                .nth(maximum)
                .map_or(text.len(), |(index, _)| index);
            (&text.as_bytes()[..end], text[..end].chars().count())
        }
        _ => (value, text.chars().count()),
    };
    let missing = if part.is_padded() {
        padding.width.saturating_sub(length)
    } else {
        0
    };
    if padding.left_aligned {
        out.extend_from_slice(value);
        out.extend(std::iter::repeat_n(b' ', missing));
    } else {
        let filler = if padding.zeros && part.is_zero_padded() {
            b'0'
        } else {
            b' '
        };
        out.extend(std::iter::repeat_n(filler, missing));
        out.extend_from_slice(value);
    }
}

#[cfg(test)]
mod tests;
