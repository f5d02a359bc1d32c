//! `dunlin pub`: publish messages on one topic and exit.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use dunlin_client::{Closed, Event, Message, RequestError};
use dunlin_packet::{ProtocolVersion, QoS, TopicName};

use super::connection::{ConnectionArgs, Setup, qos, seconds};
use super::failure::Failure;
use super::link::{Link, Wake};
use super::payload::{Lines, ONE_TYPE, PayloadArgs};

/// Bytes to gather before they are written.
const WRITE_SIZE: usize = 64 * 1024;

/// The command line.
#[derive(Debug, clap::Args)]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    payload: PayloadArgs,
    /// Publish each line of standard input as a message
    #[arg(short = 'l', long)]
    stdin_line: bool,
    /// Topic to publish to
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Quality of service
    #[arg(short = 'q', long, value_name = "QOS", default_value = "0", value_parser = qos)]
    qos: QoS,
    /// Retain the message
    #[arg(short = 'r', long)]
    retain: bool,
    /// Publish so many times (with -m, -n, -f and -s)
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// Seconds between repetitions
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    repeat_delay: Duration,
}

/// Runs the tool.
pub(crate) fn run(args: PublishArgs) -> Result<(), Failure> {
    let quiet = args.connection.quiet;
    let setup = args.connection.setup(ProtocolVersion::V3_1_1);
    setup
        .and_then(|setup| publish(args, &setup))
        .map_err(|failure| failure.silenced(quiet))
}

fn publish(args: PublishArgs, setup: &Setup) -> Result<(), Failure> {
    let Some(topic) = args.topic.as_ref().or(setup.url_topic.as_ref()) else {
        return Err(Failure::usage("Both topic and message must be supplied."));
    };
    if TopicName::parse(topic).is_err() {
        return Err(Failure::usage(format!(
            "Invalid publish topic '{topic}', does it contain '+' or '#'?"
        )));
    }
    let mut template = Message::new(topic, []);
    template.qos = args.qos;
    template.retain = args.retain;
    template.properties = setup.properties.publish.clone();
    let source = if args.stdin_line {
        if args.payload.count() > 0 {
            return Err(Failure::usage(ONE_TYPE));
        }
        Source::Lines {
            input: standard_input()?,
            lines: Lines::default(),
        }
    } else {
        Source::Repeated {
            payload: args.payload.read()?,
            left: args.repeat,
            delay: args.repeat_delay,
            due: Instant::now(),
        }
    };
    let mut link = Link::open(setup)?;
    link.connected(None)?;
    let mut publisher = Publisher {
        link,
        template,
        source,
        returned: VecDeque::new(),
        refusal: None,
    };
    publisher.run()?;
    publisher.link.disconnect();
    publisher.refusal.map_or(Ok(()), Err)
}

/// What is still to be published.
enum Source {
    Lines {
        /// Standard input without a buffer of its own, which would hide lines from `poll`.
        input: File,
        lines: Lines,
    },
    Repeated {
        payload: Vec<u8>,
        left: u64,
        delay: Duration,
        /// When the next one is to go out.
        due: Instant,
    },
}

struct Publisher {
    link: Link,
    /// The message but for its payload.
    template: Message,
    source: Source,
    /// Messages that a server lost with the session; they go first.
    returned: VecDeque<Message>,
    /// The last message that the server did not take.
    refusal: Option<Failure>,
}

impl Publisher {
    /// Publishes everything and waits until the server has answered for it, or for a signal.
    fn run(&mut self) -> Result<(), Failure> {
        loop {
            self.send_ready()?;
            if self.is_finished() {
                return Ok(());
            }
            let may_publish = self.may_publish();
            let input = match &self.source {
                Source::Lines { input, lines } if may_publish && !lines.has_ended() => {
                    Some(input.as_fd())
                }
                _ => None,
            };
            match self.link.wait(self.due(), input)? {
                Wake::Event(event) => self.handle(event)?,
                Wake::Input => self.read_lines()?,
                Wake::Time => {}
            }
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Published {
                packet_id, reason, ..
            } if reason.is_error() => {
                let what = format!("Publish {} failed", packet_id.get());
                self.refusal = Some(Failure::refused(&what, reason));
            }
            Event::Abandoned {
                message: Some(message),
                ..
            } => self.returned.push_back(message),
            // A pipeline that feeds lines goes on when the server is back; a single message fails.
            Event::Closed(closed) => match (&self.source, &closed) {
                (Source::Lines { .. }, Closed::Lost) => self.link.reconnect(None)?,
                _ => return Err(self.link.failure(&closed)),
            },
            _ => {}
        }
        Ok(())
    }

    /// Publishes all that is there, as far as the server lets us.
    fn send_ready(&mut self) -> Result<(), Failure> {
        while self.may_publish()
            && let Some(message) = self.next_message()
        {
            match self.link.client().publish(message) {
                Ok(_) => {}
                Err(RequestError::NotConnected) => break,
                Err(error) => return Err(Failure::usage(error.to_string())),
            }
            if self.link.client().output().len() >= WRITE_SIZE {
                self.link.flush();
            }
        }
        Ok(())
    }

    fn may_publish(&mut self) -> bool {
        let at_most_once = self.template.qos == QoS::AtMostOnce;
        let client = self.link.client();
        client.is_connected() && (at_most_once || client.send_quota() > 0)
    }

    fn next_message(&mut self) -> Option<Message> {
        if let Some(message) = self.returned.pop_front() {
            return Some(message);
        }
        let payload = match &mut self.source {
            Source::Lines { lines, .. } => lines.take()?,
            Source::Repeated { left: 0, .. } => return None,
            Source::Repeated {
                payload,
                left,
                delay,
                due,
            } => {
                if *due > Instant::now() {
                    return None;
                }
                *left -= 1;
                *due += *delay;
                if *left == 0 {
                    std::mem::take(payload)
                } else {
                    payload.clone()
                }
            }
        };
        Some(Message {
            payload,
            ..self.template.clone()
        })
    }

    fn read_lines(&mut self) -> Result<(), Failure> {
        let Source::Lines { input, lines } = &mut self.source else {
            return Ok(());
        };
        lines.fill(input).map_err(|error| unreadable(&error))
    }

    /// When the next repetition is to go out.
    fn due(&self) -> Option<Instant> {
        match self.source {
            Source::Repeated { left: 1.., due, .. } if due > Instant::now() => Some(due),
            _ => None,
        }
    }

    fn is_finished(&mut self) -> bool {
        let exhausted = match &self.source {
            Source::Lines { lines, .. } => lines.is_finished(),
            Source::Repeated { left, .. } => *left == 0,
        };
        exhausted && self.returned.is_empty() && self.link.client().is_idle()
    }
}

fn standard_input() -> Result<File, Failure> {
    let owned = io::stdin().as_fd().try_clone_to_owned();
    owned.map(File::from).map_err(|error| unreadable(&error))
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::usage(format!("Unable to read standard input: {error}"))
}
