//! Replay: a Client reads the log from some point on by subscribing to
//! `$replay/{start}/{Topic Filter}`.
//!
//! What the log keeps for that is decided by [`ShardConfig::replayable`](crate::ShardConfig).
//! `start` is `first`, a time in the form of RFC 3339 (in UTC: a Topic Filter cannot have the `+` of
//! an offset), a duration back from now (`15m`), or `@` and
//! the position of a message: from the one after it on. Past messages come first, in the order of
//! the log, then new ones as they become stable there: it is one and the same reading, so
//! there is neither a gap nor a repetition between them. Two User Properties say where each message
//! is: `log-position` and `log-time`. The subscription ends with the connection.

use dunlin_packet::{QoS, TopicFilter};

use crate::message::Message;
use crate::session::SubscriptionIds;
use crate::time::Timestamp;

/// What the filters that ask for a replay begin with.
const PREFIX: &str = "$replay/";

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayStart {
    /// At the first message that there is.
    First,
    /// At the first message that was appended then or later.
    Time(Timestamp),
    /// After the message at this position.
    After(u64),
    /// Where the last part ended: [`Input::Replay`](crate::Input::Replay) said so.
    Cursor(u64),
}

/// A message of the log, and where it is.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// Its position, which grows along the log.
    pub position: u64,
    /// When it was appended.
    pub at: Timestamp,
    /// The message.
    pub message: Message,
}

/// A Topic Filter that asks for a replay, taken apart.
pub(crate) struct Asked<'a> {
    pub(crate) start: &'a str,
    /// The Topic Filter behind it.
    pub(crate) filter: TopicFilter<'a>,
}

impl<'a> Asked<'a> {
    /// None: the filter asks for no replay. An error: it does, in a wrong way.
    pub(crate) fn parse(text: &'a str) -> Option<Result<Self, WrongReplay>> {
        let (start, filter) = text.strip_prefix(PREFIX)?.split_once('/')?;
        let filter = TopicFilter::parse(filter).ok();
        let filter =
            filter.filter(|filter| filter.share().is_none() && !start.contains(['+', '#']));
        Some(
            filter
                .map(|filter| Asked { start, filter })
                .ok_or(WrongReplay),
        )
    }

    /// Where to begin, if it is `now`.
    pub(crate) fn start(&self, now: Timestamp) -> Result<ReplayStart, WrongReplay> {
        if self.start == "first" {
            return Ok(ReplayStart::First);
        }
        if let Some(position) = self.start.strip_prefix('@') {
            let position = position.parse().map_err(|_| WrongReplay)?;
            return Ok(ReplayStart::After(position));
        }
        if let Some(seconds) = duration(self.start) {
            return Ok(ReplayStart::Time(now.before_seconds(seconds)));
        }
        date_time(self.start)
            .map(ReplayStart::Time)
            .ok_or(WrongReplay)
    }
}

/// A filter that begins like one for a replay and is none.
#[derive(Debug)]
pub(crate) struct WrongReplay;

/// A Session's reading of the log.
pub(crate) struct Replay {
    /// The shard's number for it.
    pub(crate) id: u64,
    /// The filter as in SUBSCRIBE.
    pub(crate) text: Box<str>,
    /// The next part begins there.
    pub(crate) from: ReplayStart,
    /// The next part has been asked for.
    pub(crate) asked: bool,
    /// The QoS that was granted.
    pub(crate) qos: QoS,
    pub(crate) subscription_ids: SubscriptionIds,
}

impl Replay {
    /// Whether a topic is among those that were asked for.
    pub(crate) fn matches(&self, topic: &str) -> bool {
        let asked = Asked::parse(&self.text).and_then(Result::ok);
        let topic = dunlin_packet::TopicName::parse(topic);
        asked.is_some_and(|asked| topic.is_ok_and(|topic| asked.filter.matches(topic)))
    }
}

/// A whole number of seconds, minutes, hours or days, in seconds.
fn duration(text: &str) -> Option<u32> {
    let unit = match text.chars().next_back()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    text[..text.len() - 1]
        .parse::<u32>()
        .ok()?
        .checked_mul(unit)
}

/// A time in the form of RFC 3339, as `2026-03-01T12:30:00.5Z` or with an offset as `-01:00`.
fn date_time(text: &str) -> Option<Timestamp> {
    if !text.is_ascii() || text.len() < 20 {
        return None;
    }
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        all_digits.then(|| digits.parse().ok())?
    };
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    let bytes = text.as_bytes();
    let is_written_so = separators.iter().all(|(at, byte)| bytes[*at] == *byte)
        && matches!(bytes[10], b'T' | b't' | b' ');
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let is_real = (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !is_written_so || !is_real {
        return None;
    }
    let rest = &text[19..];
    let digits = rest.strip_prefix('.').map_or(0, |fraction| {
        fraction.bytes().take_while(u8::is_ascii_digit).count()
    });
    let (millis, zone) = match digits {
        0 => (0, rest),
        _ => {
            let fraction = rest[1..=digits].bytes().chain(*b"00").take(3);
            let millis = fraction.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
            (millis, &rest[digits + 1..])
        }
    };
    let seconds = days_before(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let seconds = seconds - offset(zone)?;
    u64::try_from(seconds * 1000 + millis)
        .ok()
        .map(Timestamp::from_millis)
}

/// The offset of a time zone in seconds.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    let two_digits = |text: &str| -> Option<i64> {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().ok())?
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let leap_days = |year: i64| (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let years = (year - 1970) * 365 + leap_days(year) - leap_days(1970);
    let months: i64 = (1..month).map(|month| days_of(year, month)).sum();
    years + months + day - 1
}

/// A time as RFC 3339 writes it, in UTC and with milliseconds.
pub(crate) fn rfc_3339(at: Timestamp) -> String {
    let millis = at.as_millis();
    let (days, of_day) = ((millis / 86_400_000) as i64, millis % 86_400_000);
    // Never later than the year meant, and at most one too early.
    let mut year = 1970 + days / 366;
    while days_before(year + 1, 1, 1) <= days {
        year += 1;
    }
    let mut month = 12;
    while days_before(year, month, 1) > days {
        month -= 1;
    }
    let day = days - days_before(year, month, 1) + 1;
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, milli) = (of_day / 1000 % 60, of_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(text: &str) -> Option<ReplayStart> {
        let text = format!("$replay/{text}/a/#");
        let asked = Asked::parse(&text)?.ok()?;
        asked.start(Timestamp::from_millis(10_000_000)).ok()
    }

    #[test]
    fn a_start_is_a_word_a_time_a_duration_or_a_position() {
        let time = |millis| Some(ReplayStart::Time(Timestamp::from_millis(millis)));
        assert_eq!(start("first"), Some(ReplayStart::First));
        assert_eq!(start("@77"), Some(ReplayStart::After(77)));
        assert_eq!(start("15m"), time(10_000_000 - 900_000));
        assert_eq!(start("2d"), time(0));
        assert_eq!(start("1970-01-02T00:00:01Z"), time(86_401_000));
        assert_eq!(start("2000-03-01T00:00:00.25-01:30"), time(951_874_200_250));
        assert_eq!(start("2026-11-23T22:58:00-00:00"), time(1_795_474_680_000));
        let wrong = [
            "last",
            "15",
            "m",
            "99999999d",
            "@",
            "@-1",
            "2026-02-29T00:00:00Z",
            "2026-11-23",
            "2026-11-23T24:00:00Z",
            "2026-11-23T00:00:00",
            "2026-11-23T00:00:00.Z",
            "+",
            "",
            "2026-11-23T00:00:00+1:00",
            "2026-11-23T00:00:00Zürich",
        ];
        for text in wrong {
            assert_eq!(start(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_is_written_as_it_is_read() {
        let times = [
            0,
            951_782_400_000,
            951_868_799_999,
            1_795_474_680_001,
            4_102_444_800_000,
        ];
        for millis in times {
            let at = Timestamp::from_millis(millis);
            assert_eq!(date_time(&rfc_3339(at)), Some(at), "{}", rfc_3339(at));
        }
        let leap_day = Timestamp::from_millis(951_782_400_000);
        assert_eq!(rfc_3339(leap_day), "2000-02-29T00:00:00.000Z");
    }

    #[test]
    fn other_filters_ask_for_no_replay() {
        assert!(Asked::parse("a/$replay/first/b").is_none());
        assert!(Asked::parse("$replay/first").is_none());
        assert!(Asked::parse("$replay/first/").is_some_and(|asked| asked.is_err()));
        assert!(Asked::parse("$replay/+/a").is_some_and(|asked| asked.is_err()));
        assert!(Asked::parse("$replay/first/$share/g/a").is_some_and(|asked| asked.is_err()));
    }
}
