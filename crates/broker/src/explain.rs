//! `dunlin explain`: what a configuration says to a CONNECT, a PUBLISH, a SUBSCRIBE or a delivery, and
//! which part of it says so. It asks the same code as the broker does.
//!
//! ```text
//! $ dunlin explain -c dunlin.toml -u alice publish home/safe
//! listener 127.0.0.1:1883
//! alice: comes in by password, which is in /etc/dunlin/passwords or auth.users
//! publish home/safe: refused, by acl:3: deny publish, receive home/safe
//! ```

use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use dunlin_auth::acl::Verdict;
use dunlin_auth::{Anonymous, Cause, Credentials, Identity, Method, Outcome, Realm};
use dunlin_core::Action;
use dunlin_packet::{TopicFilter, TopicName};

use crate::server::ServerOptions;
use crate::server::auth_realms;
use crate::server::config::{ListenerConfig, Loaded};

/// Who does it, and where.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The configuration: dunlin.toml or a mosquitto.conf
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The listener, by its name or address; the first if not given
    #[arg(short, long, value_name = "NAME")]
    listener: Option<String>,
    /// The User Name
    #[arg(short, long)]
    user_name: Option<String>,
    /// The Password, to try it
    #[arg(short = 'P', long)]
    password: Option<String>,
    /// The Client Identifier
    #[arg(short = 'i', long, default_value = "client")]
    client_id: String,
    /// The address that the Client comes from
    #[arg(short, long, default_value = "127.0.0.1")]
    address: IpAddr,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Whether the Client is let in
    Connect,
    /// Whether it may publish to a topic
    Publish {
        /// The Topic Name
        topic: String,
    },
    /// Whether it is sent messages of a topic
    Receive {
        /// The Topic Name
        topic: String,
    },
    /// Whether it may subscribe to a filter
    Subscribe {
        /// The Topic Filter, shared or not
        filter: String,
    },
}

/// The answer in words, and whether it is yes.
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) is_yes: bool,
}

/// Finds out.
///
/// # Errors
/// When the configuration cannot be read, or the question makes no sense.
pub(crate) fn explain(question: &Explain) -> anyhow::Result<Answer> {
    let options = ServerOptions {
        config: question.config.clone(),
        ..ServerOptions::default()
    };
    let config = Loaded::read(&options)?.config;
    let realms = auth_realms(&config)?;
    let named = |listener: &ListenerConfig| match &question.listener {
        Some(name) => listener.name == *name || listener.address.to_string() == *name,
        None => true,
    };
    let found = config.listeners.iter().zip(&realms);
    let (listener, realm) = found
        .into_iter()
        .find(|(listener, _)| named(listener))
        .context("there is no such listener")?;
    let mut text = format!("listener {}\n", listener.name);
    let way = way_in(question, listener, realm);
    let _ = writeln!(text, "{}", way.text);
    if let Some(mount_point) = &realm.mount_point {
        let _ = writeln!(
            text,
            "its topics begin with {mount_point}: rules see whole ones"
        );
    }
    let is_yes = match &question.what {
        What::Connect => way.is_yes,
        What::Publish { topic } => {
            TopicName::parse(topic).with_context(|| topic.clone())?;
            let levels = topic.split('/').count();
            if levels > config.limits.topic_levels {
                let most = config.limits.topic_levels;
                let _ = writeln!(
                    text,
                    "publish {topic}: the connection is closed, as it has {levels} levels and limits.topic_levels is {most}"
                );
                false
            } else if dunlin_core::is_reserved(topic) {
                let _ = writeln!(
                    text,
                    "publish {topic}: refused, as that topic is the broker's own"
                );
                false
            } else {
                judge(&mut text, question, &way, realm, Action::Publish, topic)
            }
        }
        What::Receive { topic } => {
            TopicName::parse(topic).with_context(|| topic.clone())?;
            judge(&mut text, question, &way, realm, Action::Receive, topic)
        }
        What::Subscribe { filter } => {
            let parsed = TopicFilter::parse(filter).with_context(|| filter.clone())?;
            let behind = parsed.share().map_or(parsed, |(_, behind)| behind);
            let behind = behind.as_str();
            judge(&mut text, question, &way, realm, Action::Subscribe, behind)
        }
    };
    if !way.is_yes && !matches!(question.what, What::Connect) {
        bail!("{text}but the Client does not come in");
    }
    Ok(Answer { text, is_yes })
}

/// How a Client comes in, if it does.
struct Way {
    text: String,
    is_yes: bool,
    method: Method,
}

fn way_in(question: &Explain, listener: &ListenerConfig, realm: &Realm) -> Way {
    let name = question.user_name.as_deref();
    let who = name.unwrap_or("a Client without User Name");
    let way = |is_yes, method, text: String| Way {
        text: format!("{who}: {text}"),
        is_yes,
        method,
    };
    if realm.name_from.is_some() {
        let text = "comes in by certificate, whose name is the User Name (tls.user_name)";
        return way(true, Method::Certificate, text.to_owned());
    }
    let known = |name| realm.passwords.as_ref().and_then(|users| users.get(name));
    let file = match &listener.access.password_file {
        Some(path) => format!("{} or auth.users", path.display()),
        None => "auth.users".to_owned(),
    };
    if let Some(password) = &question.password {
        return tried(question, realm, password, way);
    }
    if name.and_then(known).is_some() {
        let text = format!("comes in by password, which is in {file}");
        return way(true, Method::Password, text);
    }
    if name.is_some() && (realm.jwt.is_some() || realm.http.is_some()) {
        let (method, text) = match &realm.http {
            Some(http) => (Method::Http, format!("comes in if {http:?} says so")),
            None => (
                Method::Token,
                "comes in with a token of auth.jwt".to_owned(),
            ),
        };
        return way(true, method, text);
    }
    let outcome = realm.authenticate(&credentials(question, None));
    match outcome {
        Outcome::Accepted(identity) => {
            let why = match (realm.anonymous, name) {
                (Anonymous::ThisMachine, _) => {
                    "it is on this machine, and nothing says who may come in"
                }
                (_, Some(_)) => "allow_anonymous is on and nobody knows any users",
                (_, None) => "allow_anonymous is on",
            };
            way(true, identity.method, format!("comes in, as {why}"))
        }
        Outcome::Refused(cause) => way(
            false,
            Method::Anonymous,
            format!("is refused, as it {cause}"),
        ),
        Outcome::Slow(_) => way(true, Method::Http, "is asked about over HTTP".to_owned()),
    }
}

/// What comes of a password.
fn tried(
    question: &Explain,
    realm: &Realm,
    password: &str,
    way: impl Fn(bool, Method, String) -> Way,
) -> Way {
    let checked: Result<Identity, Cause> =
        match realm.authenticate(&credentials(question, Some(password))) {
            Outcome::Accepted(identity) => Ok(identity),
            Outcome::Refused(cause) => Err(cause),
            Outcome::Slow(check) => check.run(),
        };
    match checked {
        Ok(identity) => {
            let method = identity.method;
            way(
                true,
                method,
                format!("comes in, known by {}", method.name()),
            )
        }
        Err(cause) => way(
            false,
            Method::Anonymous,
            format!("is refused, as it {cause}"),
        ),
    }
}

fn credentials<'a>(question: &'a Explain, password: Option<&'a str>) -> Credentials<'a> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Credentials {
        client_id: &question.client_id,
        user_name: question.user_name.as_deref(),
        password: password.map(str::as_bytes),
        certificate: None,
        address: Some(question.address),
        now: now.map_or(0, |now| now.as_secs()),
    }
}

/// Says what the rules say; whether they allow it.
fn judge(
    text: &mut String,
    question: &Explain,
    way: &Way,
    realm: &Realm,
    action: Action,
    topic: &str,
) -> bool {
    let mount_point = realm.mount_point.as_ref();
    let whole = mount_point.and_then(|mount_point| match action {
        Action::Subscribe => mount_point.filter(topic),
        _ => mount_point.topic(topic),
    });
    let topic = whole.as_deref().unwrap_or(topic);
    let user_name = question.user_name.as_deref().map(Arc::from);
    let identity = Identity::new(user_name, way.method);
    let word = match action {
        Action::Publish => "publish",
        Action::Receive => "receive",
        Action::Subscribe => "subscribe",
    };
    let Some(permissions) = realm.permissions(&identity, &question.client_id) else {
        let _ = writeln!(text, "{word} {topic}: allowed, as there are no rules");
        return true;
    };
    let verdict = permissions.explain(action, topic);
    let why = match &verdict {
        Verdict::Allowed(rule) => format!("allowed, by {rule}"),
        Verdict::Denied(rule) => format!("refused, by {rule}"),
        Verdict::NoRule => "refused, as no rule says anything about it".to_owned(),
        Verdict::AnySubscription => {
            "allowed; each message is judged when it is delivered (dunlin explain receive)"
                .to_owned()
        }
        Verdict::WildcardInName => {
            "refused, as there are patterns, and + or # is in the User Name or Client Identifier"
                .to_owned()
        }
    };
    let _ = writeln!(text, "{word} {topic}: {why}");
    verdict.is_allowed()
}
