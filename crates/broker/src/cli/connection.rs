//! Flags that say where, as whom and with which Will to connect; the same for all tools.

use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use dunlin_client::{Acknowledgement, ConnectOptions, Message};
use dunlin_packet::{Property, ProtocolVersion, QoS, TopicName};

use super::failure::Failure;
use super::property::PropertySet;
use super::url::MqttUrl;

const DEFAULT_PORT: u16 = 1883;

/// Longest Client Identifier that every 3.1 server accepts.
const LONGEST_3_1_CLIENT_ID: usize = 23;

/// The flags as given.
#[derive(Debug, clap::Args)]
pub(crate) struct ConnectionArgs {
    /// Host to connect to [default: localhost]
    #[arg(short = 'h', long, value_name = "HOST")]
    host: Option<String>,
    /// Port to connect to [default: 1883]
    #[arg(short = 'p', long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// User, password, host, port and topic at once.
    #[arg(
        help = "User, password, host, port and topic: mqtt://[user[:password]@]host[:port]/topic",
        short = 'L',
        long,
        value_name = "URL"
    )]
    url: Option<String>,
    /// User name
    #[arg(short = 'u', long, value_name = "NAME")]
    username: Option<String>,
    /// Password
    #[arg(short = 'P', long = "pw", value_name = "PASSWORD")]
    password: Option<OsString>,
    /// Client identifier [default: chosen by the server]
    #[arg(short = 'i', long, value_name = "ID")]
    id: Option<String>,
    /// Client identifier made of this prefix and the process id
    #[arg(short = 'I', long, value_name = "PREFIX", conflicts_with = "id")]
    id_prefix: Option<String>,
    /// Keep alive in seconds: 5 to 65535, or 0 for none
    #[arg(short = 'k', long, value_name = "SECONDS", default_value = "60", value_parser = keep_alive)]
    keepalive: u16,
    /// Keep the session when the connection ends (no clean session); needs -i
    #[arg(short = 'c', long)]
    disable_clean_session: bool,
    /// How long the session outlives the connection, in seconds; -1 is forever (MQTT 5)
    #[arg(short = 'x', long, value_name = "SECONDS", value_parser = session_expiry)]
    session_expiry_interval: Option<u32>,
    /// MQTT version: mqttv31, mqttv311 or mqttv5 (also 31, 311, 5)
    #[arg(short = 'V', long, value_name = "VERSION", value_parser = protocol_version)]
    protocol_version: Option<ProtocolVersion>,
    /// Add a property (MQTT 5): PACKET is connect, publish, subscribe, unsubscribe, disconnect or
    /// will; a user-property has a NAME and a VALUE
    #[arg(short = 'D', long = "property", num_args = 3..=4, action = clap::ArgAction::Append,
          value_names = ["PACKET", "PROPERTY", "VALUE"])]
    properties: Vec<String>,
    /// Local address to connect from
    #[arg(short = 'A', value_name = "ADDRESS")]
    bind_address: Option<String>,
    /// Send small packets at once (turn Nagle's algorithm off)
    #[arg(long)]
    nodelay: bool,
    /// Messages in flight to the server at most
    #[arg(short = 'M', long, value_name = "COUNT", default_value = "20",
          value_parser = clap::value_parser!(u16).range(1..))]
    max_inflight: u16,
    /// Topic of the will
    #[arg(long, value_name = "TOPIC")]
    will_topic: Option<String>,
    /// Payload of the will
    #[arg(long, value_name = "PAYLOAD")]
    will_payload: Option<OsString>,
    /// Quality of service of the will
    #[arg(long, value_name = "QOS", default_value = "0", value_parser = qos)]
    will_qos: QoS,
    /// Retain the will
    #[arg(long)]
    will_retain: bool,
    /// Show every packet
    #[arg(short = 'd', long)]
    pub(crate) debug: bool,
    /// Show no errors
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Read more flags from a file; has to be the first flag
    #[arg(short = 'o', long = "options", value_name = "FILE")]
    options_file: Option<String>,
    /// Show this help
    #[arg(long, action = clap::ArgAction::HelpLong)]
    help: Option<bool>,
    /// Show the version
    #[arg(long, action = clap::ArgAction::Version)]
    version: Option<bool>,
}

/// The flags as meant.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) bind_address: Option<String>,
    pub(crate) nodelay: bool,
    pub(crate) debug: bool,
    pub(crate) options: ConnectOptions,
    /// For the packets that follow CONNECT.
    pub(crate) properties: PropertySet,
    /// The topic of `-L`.
    pub(crate) url_topic: Option<String>,
}

impl ConnectionArgs {
    /// Makes sense of the flags. `preferred` is the version to speak if the flags do not say.
    pub(crate) fn setup(&self, preferred: ProtocolVersion) -> Result<Setup, Failure> {
        let url = self.url.as_deref().map(MqttUrl::parse).transpose();
        let url = url.map_err(|error| Failure::usage(error.to_string()))?;
        let properties = PropertySet::parse(&self.properties)?;
        let implied = if self.properties.is_empty() {
            preferred
        } else {
            ProtocolVersion::V5
        };
        let version = self.protocol_version.unwrap_or(implied);
        let (from_url, url_password) = url
            .as_ref()
            .map_or((None, None), |url| (url.user_name, url.password));
        let mut options = ConnectOptions::new(version, self.client_id(version)?);
        options.clean_start = !self.disable_clean_session;
        options.keep_alive = self.keepalive;
        options.user_name = self.username.as_deref().or(from_url).map(str::to_owned);
        options.password = self.password.clone().map(OsString::into_encoded_bytes);
        options.password = options
            .password
            .or(url_password.map(|text| text.as_bytes().to_vec()));
        options.maximum_in_flight = self.max_inflight;
        options.acknowledgement = Acknowledgement::Manual;
        options.will = self.will(&properties)?;
        options.properties = self.connect_properties(&properties);
        Ok(Setup {
            host: self
                .host
                .as_deref()
                .or(url.as_ref().map(|u| u.host))
                .unwrap_or("localhost")
                .to_owned(),
            port: self
                .port
                .or(url.as_ref().and_then(|u| u.port))
                .unwrap_or(DEFAULT_PORT),
            bind_address: self.bind_address.clone(),
            nodelay: self.nodelay,
            debug: self.debug,
            options,
            properties,
            url_topic: url.map(|url| url.topic.to_owned()),
        })
    }

    fn client_id(&self, version: ProtocolVersion) -> Result<String, Failure> {
        if self.disable_clean_session && self.id.is_none() {
            return Err(Failure::usage(
                "You must provide a client id if you are using the -c option.",
            ));
        }
        Ok(match (&self.id, &self.id_prefix) {
            (Some(id), _) => id.clone(),
            (None, Some(prefix)) => format!("{prefix}{}", std::process::id()),
            (None, None) if version == ProtocolVersion::V3_1 => {
                // 3.1 does not let the server choose.
                let mut id = format!("dunlin-{:016x}", random());
                id.truncate(LONGEST_3_1_CLIENT_ID);
                id
            }
            (None, None) => String::new(),
        })
    }

    fn will(&self, properties: &PropertySet) -> Result<Option<Message>, Failure> {
        let Some(topic) = &self.will_topic else {
            if self.will_payload.is_some() || self.will_retain {
                return Err(Failure::usage("Will flags given, but no will topic."));
            }
            return Ok(None);
        };
        if TopicName::parse(topic).is_err() {
            return Err(Failure::usage(format!(
                "Invalid will topic '{topic}', does it contain '+' or '#'?"
            )));
        }
        let payload = self
            .will_payload
            .clone()
            .unwrap_or_default()
            .into_encoded_bytes();
        let mut will = Message::new(topic, payload);
        will.qos = self.will_qos;
        will.retain = self.will_retain;
        will.properties = properties.will.clone();
        Ok(Some(will))
    }

    /// CONNECT's properties: those of `-D`, and the session expiry that `-x` or `-c` ask for.
    fn connect_properties(&self, properties: &PropertySet) -> dunlin_packet::PropertiesBuf {
        let mut connect = properties.connect.clone();
        let forever = self.disable_clean_session.then_some(u32::MAX);
        if connect.as_properties().session_expiry_interval().is_none()
            && let Some(expiry) = self.session_expiry_interval.or(forever)
        {
            connect.push(Property::SessionExpiryInterval(expiry));
        }
        connect
    }
}

/// A number that differs from run to run.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// `-q` and its like.
pub(crate) fn qos(text: &str) -> Result<QoS, String> {
    let number: Option<u8> = text.parse().ok();
    number
        .and_then(|number| QoS::try_from(number).ok())
        .ok_or_else(|| format!("Invalid QoS given: {text}"))
}

fn keep_alive(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(seconds @ (0 | 5..)) => Ok(seconds),
        _ => Err("it must be 0 or between 5 and 65535 inclusive".to_owned()),
    }
}

/// A time in seconds, with or without a fraction.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "it must be a number of seconds".to_owned())
}

/// `-W`: a time that is not zero.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    match seconds(text) {
        Ok(timeout) if !timeout.is_zero() => Ok(timeout),
        _ => Err(format!("Invalid timeout \"{text}\"")),
    }
}

fn session_expiry(text: &str) -> Result<u32, String> {
    match text {
        "-1" | "∞" => Ok(u32::MAX),
        _ => text
            .parse()
            .map_err(|_| "it must be -1 or between 0 and 4294967295".to_owned()),
    }
}

fn protocol_version(text: &str) -> Result<ProtocolVersion, String> {
    match text {
        "mqttv31" | "31" => Ok(ProtocolVersion::V3_1),
        "mqttv311" | "311" => Ok(ProtocolVersion::V3_1_1),
        "mqttv5" | "5" => Ok(ProtocolVersion::V5),
        _ => Err("expected mqttv31, mqttv311 or mqttv5".to_owned()),
    }
}
