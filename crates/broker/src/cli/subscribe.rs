//! `dunlin sub`: subscribe to topics and print the messages received.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use dunlin_client::{Closed, Event, Message, ReceivedMessage};
use dunlin_packet::{
    PacketId, ProtocolVersion, QoS, ReasonCode, RetainHandling, SubscriptionOptions,
};

use super::connection::{ConnectionArgs, Setup, qos, timeout};
use super::failure::Failure;
use super::filter::{MessageFilter, check_filter, percentage};
use super::link::{Link, Wake};
use super::output::{OutputArgs, Printer};

/// The command line.
#[derive(Debug, clap::Args)]
pub(crate) struct SubscribeArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Topic filter to subscribe to; may be repeated
    #[arg(short = 't', long = "topic", value_name = "FILTER", action = clap::ArgAction::Append)]
    topics: Vec<String>,
    /// Leave out messages whose topic matches this filter; may be repeated
    #[arg(short = 'T', long = "filter-out", value_name = "FILTER", action = clap::ArgAction::Append)]
    filter_out: Vec<String>,
    /// Topic filter to unsubscribe from; may be repeated
    #[arg(short = 'U', long = "unsubscribe", value_name = "FILTER", action = clap::ArgAction::Append)]
    unsubscribe: Vec<String>,
    /// Begin with past messages: a duration back from now (15m, 2h), a time (2026-11-23T10:00:00Z),
    /// `first`, or `@` and the log-position of the last message seen. The broker must retain them
    #[arg(long, value_name = "START", value_parser = since)]
    since: Option<String>,
    /// Quality of service to subscribe with
    #[arg(short = 'q', long, value_name = "QOS", default_value = "0", value_parser = qos)]
    qos: QoS,
    /// Exit after so many messages
    #[arg(short = 'C', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Exit after so many seconds, with code 27
    #[arg(short = 'W', value_name = "SECONDS", value_parser = timeout)]
    timeout: Option<Duration>,
    /// Exit when the server has answered the subscriptions
    #[arg(short = 'E')]
    exit_after_subscribe: bool,
    /// Do not print retained messages
    #[arg(short = 'R', conflicts_with = "retained_only")]
    no_retained: bool,
    /// Print retained messages only, and exit at the first other one
    #[arg(long)]
    retained_only: bool,
    /// Clear the retained messages received
    #[arg(long)]
    remove_retained: bool,
    /// Let messages keep their retain flag (MQTT 5)
    #[arg(long)]
    retain_as_published: bool,
    /// When the server sends retained messages: always, new or never (MQTT 5)
    #[arg(long, value_name = "WHEN", default_value = "always", value_parser = retain_handling)]
    retain_handling: RetainHandling,
    /// Print only this percentage of the messages, by chance
    #[arg(long, value_name = "PERCENT", value_parser = percentage)]
    random_filter: Option<u16>,
    /// Show one line per topic and update it in place
    #[arg(short = 'w', long, conflicts_with_all = ["format", "no_end_of_line"])]
    watch: bool,
}

/// Runs the tool.
pub(crate) fn run(args: SubscribeArgs) -> Result<(), Failure> {
    let quiet = args.connection.quiet;
    subscribe(args).map_err(|failure| failure.silenced(quiet))
}

fn subscribe(mut args: SubscribeArgs) -> Result<(), Failure> {
    let needs_5 = args.since.is_some()
        || args.retain_as_published
        || args.retain_handling != RetainHandling::SendAtSubscribe;
    let version = if needs_5 {
        ProtocolVersion::V5
    } else {
        ProtocolVersion::V3_1_1
    };
    let setup = args.connection.setup(version)?;
    args.topics.extend(setup.url_topic.clone());
    check(&args)?;
    if let Some(since) = &args.since {
        for topic in &mut args.topics {
            *topic = format!("$replay/{since}/{topic}");
        }
    }
    let printer = if args.watch {
        Printer::watch()
    } else {
        Printer::new(&args.output)?
    };
    let until = args.timeout.map(|timeout| Instant::now() + timeout);
    let mut link = Link::open(&setup)?;
    link.connected(until)?;
    let filter = MessageFilter {
        skip_retained: args.no_retained,
        left_out: std::mem::take(&mut args.filter_out),
        share: args.random_filter,
    };
    let remaining = args.count;
    let mut subscriber = Subscriber {
        args: &args,
        setup: &setup,
        link,
        filter,
        printer,
        remaining,
        cleared: HashSet::new(),
        unanswered: Vec::new(),
    };
    let outcome = subscriber.run(until);
    subscriber.link.disconnect();
    outcome
}

/// Where a replay begins, as it can stand in a Topic Filter.
fn since(text: &str) -> Result<String, String> {
    match text.contains(['/', '+', '#']) || text.is_empty() {
        true => Err("write 15m, 2026-11-23T10:00:00Z, first or @POSITION".to_owned()),
        false => Ok(text.to_owned()),
    }
}

fn check(args: &SubscribeArgs) -> Result<(), Failure> {
    if args.topics.is_empty() && args.unsubscribe.is_empty() {
        return Err(Failure::usage("You must specify a topic to subscribe to."));
    }
    for topic in &args.topics {
        check_filter("subscription", topic)?;
    }
    for topic in &args.unsubscribe {
        check_filter("unsubscribe", topic)?;
    }
    for topic in &args.filter_out {
        check_filter("filter", topic)?;
    }
    Ok(())
}

struct Subscriber<'a> {
    args: &'a SubscribeArgs,
    setup: &'a Setup,
    link: Link,
    filter: MessageFilter,
    printer: Printer,
    /// Messages still to be printed; unlimited if `None`.
    remaining: Option<u64>,
    /// Topics that were cleared, and whose clearing has not come back to us.
    cleared: HashSet<String>,
    /// SUBSCRIBE and UNSUBSCRIBE packets without an answer.
    unanswered: Vec<PacketId>,
}

/// Whether to go on.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Continue,
    Finish,
}

impl Subscriber<'_> {
    /// Subscribes and prints until a flag, the user or an error ends it.
    fn run(&mut self, until: Option<Instant>) -> Result<(), Failure> {
        self.request()?;
        loop {
            let next = match self.link.wait(until, None)? {
                Wake::Event(event) => self.handle(event, until)?,
                Wake::Time => return Err(Failure::timed_out()),
                Wake::Input => Next::Continue,
            };
            if next == Next::Finish {
                return Ok(());
            }
        }
    }

    /// Sends what the flags ask for: one SUBSCRIBE, and one UNSUBSCRIBE.
    fn request(&mut self) -> Result<(), Failure> {
        let options = SubscriptionOptions {
            qos: self.args.qos,
            no_local: false,
            retain_as_published: self.args.retain_as_published,
            retain_handling: self.args.retain_handling,
        };
        let filters: Vec<_> = self
            .args
            .topics
            .iter()
            .map(|topic| (topic.as_str(), options))
            .collect();
        let ended: Vec<_> = self.args.unsubscribe.iter().map(String::as_str).collect();
        let properties = &self.setup.properties;
        self.unanswered.clear();
        if !filters.is_empty() {
            let sent = self
                .link
                .client()
                .subscribe(&filters, &properties.subscribe);
            self.unanswered
                .push(sent.map_err(|error| Failure::usage(error.to_string()))?);
        }
        if !ended.is_empty() {
            let sent = self
                .link
                .client()
                .unsubscribe(&ended, &properties.unsubscribe);
            self.unanswered
                .push(sent.map_err(|error| Failure::usage(error.to_string()))?);
        }
        Ok(())
    }

    fn handle(&mut self, event: Event, until: Option<Instant>) -> Result<Next, Failure> {
        match event {
            Event::Message(received) => self.receive(&received),
            Event::Subscribed {
                packet_id, reasons, ..
            } => {
                if reasons.iter().all(|reason| reason.is_error()) {
                    let what = "All subscription requests were denied";
                    return Err(Failure::refused(what, reasons[0]));
                }
                self.warn_denied(&reasons);
                Ok(self.answered(packet_id))
            }
            Event::Unsubscribed { packet_id, .. } => Ok(self.answered(packet_id)),
            // After a reconnect.
            Event::Connected { .. } => self.request().map(|()| Next::Continue),
            Event::Closed(closed) => self.closed(&closed, until),
            _ => Ok(Next::Continue),
        }
    }

    fn answered(&mut self, packet_id: PacketId) -> Next {
        self.unanswered.retain(|id| *id != packet_id);
        if self.args.exit_after_subscribe && self.unanswered.is_empty() {
            Next::Finish
        } else {
            Next::Continue
        }
    }

    fn warn_denied(&self, reasons: &[ReasonCode]) {
        if self.args.connection.quiet {
            return;
        }
        for (topic, reason) in self.args.topics.iter().zip(reasons) {
            if reason.is_error() {
                eprintln!("Warning: subscription to '{topic}' was denied: {reason}");
            }
        }
    }

    /// Handles one message, and acknowledges it afterwards: what `-C` leaves unprinted stays with
    /// the server.
    fn receive(&mut self, received: &ReceivedMessage) -> Result<Next, Failure> {
        let next = self.show(received)?;
        if let Some(packet_id) = received.packet_id {
            self.link.client().acknowledge(packet_id);
        }
        Ok(next)
    }

    fn show(&mut self, received: &ReceivedMessage) -> Result<Next, Failure> {
        if self.is_echo(received) {
            return Ok(Next::Continue);
        }
        if self.args.retained_only && !received.message.retain {
            return Ok(Next::Finish);
        }
        if !self.filter.accepts(received) {
            return Ok(Next::Continue);
        }
        if self.args.remove_retained && received.message.retain {
            self.clear(&received.message.topic)?;
        }
        self.printer.print(received)?;
        if let Some(remaining) = &mut self.remaining {
            *remaining -= 1;
        }
        Ok(if self.remaining == Some(0) {
            Next::Finish
        } else {
            Next::Continue
        })
    }

    /// Removes the Retained Message of a topic.
    fn clear(&mut self, topic: &str) -> Result<(), Failure> {
        let mut empty = Message::new(topic, []);
        empty.retain = true;
        self.cleared.insert(topic.to_owned());
        self.link
            .client()
            .publish(empty)
            .map(drop)
            .map_err(|error| Failure::usage(format!("Unable to clear '{topic}': {error}")))
    }

    /// Whether this is only our own clearing of a topic, coming back to us as a subscriber.
    fn is_echo(&mut self, received: &ReceivedMessage) -> bool {
        let message = &received.message;
        !message.retain && message.payload.is_empty() && self.cleared.remove(&message.topic)
    }

    /// A connection that was lost is made again; a refusal is final.
    fn closed(&mut self, closed: &Closed, until: Option<Instant>) -> Result<Next, Failure> {
        let is_final = match closed {
            Closed::Lost | Closed::KeepAliveTimeout | Closed::ConnAckTimeout => false,
            Closed::ByServer { reason, .. } => *reason == ReasonCode::SessionTakenOver,
            Closed::ByClient | Closed::Refused { .. } | Closed::Fault(_) => true,
        };
        let failure = self.link.failure(closed);
        if is_final {
            return Err(failure);
        }
        if !self.args.connection.quiet {
            failure.report();
        }
        self.link.reconnect(until).map(|()| Next::Continue)
    }
}

fn retain_handling(text: &str) -> Result<RetainHandling, String> {
    match text {
        "always" | "0" => Ok(RetainHandling::SendAtSubscribe),
        "new" | "1" => Ok(RetainHandling::SendIfNew),
        "never" | "2" => Ok(RetainHandling::DoNotSend),
        _ => Err("expected always, new or never".to_owned()),
    }
}
