//! `dunlin rr`: publish a request, print the response and exit.

use std::time::{Duration, Instant};

use dunlin_client::{Event, Message, ReceivedMessage};
use dunlin_packet::{
    Property, ProtocolVersion, QoS, RetainHandling, SubscriptionOptions, TopicName,
};

use super::connection::{ConnectionArgs, Setup, qos, timeout};
use super::failure::Failure;
use super::filter::{MessageFilter, check_filter};
use super::link::{Link, Wake};
use super::output::{OutputArgs, Printer};
use super::payload::PayloadArgs;

/// The command line.
#[derive(Debug, clap::Args)]
pub(crate) struct RequestArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    payload: PayloadArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Topic to publish the request to
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Topic to wait for the response on
    #[arg(short = 'e', long = "response-topic", value_name = "TOPIC")]
    response_topic: Option<String>,
    /// Quality of service of request and response
    #[arg(short = 'q', long, value_name = "QOS", default_value = "0", value_parser = qos)]
    qos: QoS,
    /// Retain the request
    #[arg(short = 'r', long)]
    retain: bool,
    /// Do not take a retained message as the response
    #[arg(short = 'R')]
    no_retained: bool,
    /// Give up after so many seconds, with code 27
    #[arg(short = 'W', value_name = "SECONDS", value_parser = timeout)]
    timeout: Option<Duration>,
    /// Print how long the response took
    #[arg(long)]
    latency: bool,
}

/// Runs the tool.
pub(crate) fn run(args: RequestArgs) -> Result<(), Failure> {
    let quiet = args.connection.quiet;
    request(args).map_err(|failure| failure.silenced(quiet))
}

fn request(args: RequestArgs) -> Result<(), Failure> {
    let setup = args.connection.setup(ProtocolVersion::V5)?;
    let topic = args.topic.as_ref().or(setup.url_topic.as_ref());
    let (Some(topic), Some(response_topic)) = (topic, &args.response_topic) else {
        return Err(Failure::usage(
            "All of topic, message, and response topic must be supplied.",
        ));
    };
    if TopicName::parse(topic).is_err() {
        return Err(Failure::usage(format!(
            "Invalid publish topic '{topic}', does it contain '+' or '#'?"
        )));
    }
    check_filter("response", response_topic)?;
    let mut message = Message::new(topic, args.payload.read()?);
    message.qos = args.qos;
    message.retain = args.retain;
    message.properties = setup.properties.publish.clone();
    if message
        .properties
        .as_properties()
        .response_topic()
        .is_none()
    {
        message
            .properties
            .push(Property::ResponseTopic(response_topic));
    }
    let printer = Printer::new(&args.output)?;
    let until = args.timeout.map(|timeout| Instant::now() + timeout);
    let mut link = Link::open(&setup)?;
    link.connected(until)?;
    let filter = MessageFilter {
        skip_retained: args.no_retained,
        ..Default::default()
    };
    let mut exchange = Exchange {
        link,
        filter,
        printer,
        request: Some(message),
        sent: None,
        latency: args.latency,
    };
    let outcome = exchange.run(response_topic, args.qos, &setup, until);
    exchange.link.disconnect();
    outcome
}

/// One request and the wait for its response.
struct Exchange {
    link: Link,
    filter: MessageFilter,
    printer: Printer,
    /// What to publish once the subscription stands.
    request: Option<Message>,
    /// When it was published.
    sent: Option<Instant>,
    latency: bool,
}

impl Exchange {
    fn run(
        &mut self,
        response_topic: &str,
        qos: QoS,
        setup: &Setup,
        until: Option<Instant>,
    ) -> Result<(), Failure> {
        let options = SubscriptionOptions {
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::SendAtSubscribe,
        };
        let client = self.link.client();
        client
            .subscribe(&[(response_topic, options)], &setup.properties.subscribe)
            .map_err(|error| Failure::usage(error.to_string()))?;
        loop {
            match self.link.wait(until, None)? {
                Wake::Event(Event::Message(received)) => {
                    if self.receive(&received)? {
                        return Ok(());
                    }
                }
                Wake::Event(event) => self.handle(event)?,
                Wake::Time => return Err(Failure::timed_out()),
                Wake::Input => {}
            }
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Subscribed { reasons, .. } if reasons[0].is_error() => {
                Err(Failure::refused("The subscription was denied", reasons[0]))
            }
            Event::Subscribed { .. } => self.publish(),
            Event::Published { reason, .. } if reason.is_error() => {
                Err(Failure::refused("The request was refused", reason))
            }
            Event::Closed(closed) => Err(self.link.failure(&closed)),
            _ => Ok(()),
        }
    }

    fn publish(&mut self) -> Result<(), Failure> {
        let Some(request) = self.request.take() else {
            return Ok(());
        };
        self.sent = Some(Instant::now());
        let published = self.link.client().publish(request);
        published
            .map(drop)
            .map_err(|error| Failure::usage(error.to_string()))
    }

    /// Prints a response; whether it was one.
    fn receive(&mut self, received: &ReceivedMessage) -> Result<bool, Failure> {
        let is_response = self.filter.accepts(received);
        if is_response {
            let latency = self
                .sent
                .map(|sent| sent.elapsed())
                .filter(|_| self.latency);
            self.printer.print(received)?;
            if let Some(latency) = latency {
                self.printer
                    .print_line(&format!("Latency: {:.6} s", latency.as_secs_f64()))?;
            }
        }
        if let Some(packet_id) = received.packet_id {
            self.link.client().acknowledge(packet_id);
        }
        Ok(is_response)
    }
}
