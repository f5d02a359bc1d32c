//! How received messages are shown: payload only, `-v`, `-F` or `-w`.

use std::collections::HashMap;
use std::io::{self, BufWriter, Stdout, Write};

use dunlin_client::ReceivedMessage;
use jiff::ZonedDateTime;

use super::failure::Failure;
use super::format::{RenderError, Template};

/// The flags as given.
#[derive(Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Print the topic before each payload
    #[arg(short = 'v', long)]
    verbose: bool,
    /// Print each message in this format, for example '%I %t %p' or '%j' for JSON
    #[arg(short = 'F', long, value_name = "FORMAT")]
    format: Option<String>,
    /// Do not end each message with a new line
    #[arg(short = 'N')]
    no_end_of_line: bool,
    /// Spread JSON output over several lines
    #[arg(long)]
    pretty: bool,
}

/// Prints messages to standard output.
pub(crate) struct Printer {
    style: Style,
    /// After each message.
    end: &'static [u8],
    output: BufWriter<Stdout>,
}

enum Style {
    Payload,
    Verbose,
    Template(Template),
    Watch(Watch),
}

impl Printer {
    /// What the flags ask for.
    pub(crate) fn new(args: &OutputArgs) -> Result<Self, Failure> {
        let style = match &args.format {
            Some(format) => Style::Template(
                Template::parse(format, args.pretty)
                    .map_err(|error| Failure::usage(error.to_string()))?,
            ),
            None if args.verbose => Style::Verbose,
            None => Style::Payload,
        };
        let end: &[u8] = if args.no_end_of_line { b"" } else { b"\n" };
        Ok(Self {
            style,
            end,
            output: BufWriter::new(io::stdout()),
        })
    }

    /// One line of the screen per topic, updated in place.
    pub(crate) fn watch() -> Self {
        let style = Style::Watch(Watch::default());
        Self {
            style,
            end: b"",
            output: BufWriter::new(io::stdout()),
        }
    }

    /// Prints a message that has just arrived.
    pub(crate) fn print(&mut self, received: &ReceivedMessage) -> Result<(), Failure> {
        let mut text = Vec::new();
        match &mut self.style {
            Style::Payload => append(&mut text, &received.message.payload, self.end),
            Style::Verbose => verbose(&mut text, received, self.end),
            Style::Watch(watch) => watch.update(&mut text, received),
            Style::Template(template) => {
                match template.render(received, &ZonedDateTime::now(), &mut text) {
                    Ok(()) => text.extend_from_slice(self.end),
                    Err(error @ RenderError::PayloadNotJson(_)) => {
                        eprintln!("Error: {error}");
                        return Ok(());
                    }
                }
            }
        }
        self.write(&text)
    }

    /// Prints a line of our own.
    pub(crate) fn print_line(&mut self, line: &str) -> Result<(), Failure> {
        self.write(format!("{line}\n").as_bytes())
    }

    fn write(&mut self, text: &[u8]) -> Result<(), Failure> {
        let written = self
            .output
            .write_all(text)
            .and_then(|()| self.output.flush());
        written.map_err(|error| match error.kind() {
            // As in `dunlin sub ... | head -1`.
            io::ErrorKind::BrokenPipe => Failure::interrupted(),
            _ => Failure::usage(format!("Unable to write to standard output: {error}")),
        })
    }
}

/// An empty payload leaves no trace, not even an empty line.
fn append(text: &mut Vec<u8>, payload: &[u8], end: &[u8]) {
    if !payload.is_empty() {
        text.extend_from_slice(payload);
        text.extend_from_slice(end);
    }
}

fn verbose(text: &mut Vec<u8>, received: &ReceivedMessage, end: &[u8]) {
    let message = &received.message;
    let payload: &[u8] = match (message.payload.as_slice(), end) {
        ([], []) => return,
        ([], _) => b"(null)",
        (payload, _) => payload,
    };
    text.extend_from_slice(message.topic.as_bytes());
    text.push(b' ');
    append(text, payload, end);
}

/// `-w`: where on the screen each topic has its line.
#[derive(Debug, Default)]
struct Watch {
    rows: HashMap<String, usize>,
}

impl Watch {
    /// Goes to the topic's row and writes it anew; the first message clears the screen.
    fn update(&mut self, text: &mut Vec<u8>, received: &ReceivedMessage) {
        const CLEAR_SCREEN: &str = "\x1b[2J";
        const CLEAR_LINE: &str = "\x1b[K";
        let message = &received.message;
        if self.rows.is_empty() {
            text.extend_from_slice(CLEAR_SCREEN.as_bytes());
        }
        let next = self.rows.len() + 1;
        let row = *self.rows.entry(message.topic.clone()).or_insert(next);
        let last = self.rows.len() + 1;
        let payload = String::from_utf8_lossy(&message.payload);
        let payload = payload.lines().next().unwrap_or("(null)");
        let line = format!(
            "\x1b[{row};1H{} {payload}{CLEAR_LINE}\x1b[{last};1H",
            message.topic
        );
        text.extend_from_slice(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use dunlin_client::Message;

    use super::*;

    fn received(topic: &str, payload: &str) -> ReceivedMessage {
        ReceivedMessage {
            message: Message::new(topic, payload),
            packet_id: None,
            dup: false,
        }
    }

    #[test]
    fn empty_payloads_show_in_verbose_lines_only() {
        let print = |payload: &str, end: &[u8]| {
            let mut text = Vec::new();
            verbose(&mut text, &received("t", payload), end);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(print("x", b"\n"), "t x\n");
        assert_eq!(print("", b"\n"), "t (null)\n");
        assert_eq!(print("", b""), "");
        let mut text = Vec::new();
        append(&mut text, b"", b"\n");
        assert!(text.is_empty());
    }

    #[test]
    fn watched_topics_keep_their_rows() {
        let mut watch = Watch::default();
        let mut show = |topic, payload| {
            let mut text = Vec::new();
            watch.update(&mut text, &received(topic, payload));
            String::from_utf8(text).unwrap()
        };
        assert!(show("a", "1").contains("\x1b[1;1Ha 1"));
        assert!(show("b", "1").contains("\x1b[2;1Hb 1"));
        assert!(show("a", "2\nmore").contains("\x1b[1;1Ha 2\x1b[K"));
    }
}
