//! The answer to a question, from a configuration and, where a broker runs, from what it knows of the
//! Client.

use std::fmt::Write;
use std::sync::Arc;

use anyhow::{Context, bail};
use dunlin_auth::acl::{Permissions, Verdict};
use dunlin_auth::password::HashMemory;
use dunlin_auth::{Anonymous, Cause, Credentials, Identity, Method, Outcome, Realm, Source};
use dunlin_core::{Action, ClientState};
use dunlin_packet::{TopicFilter, TopicName};

use super::{Answer, Question, What};
use crate::server::config::{Config, ListenerConfig};

/// What a Client is called that has no name in the question.
const NAMELESS: &str = "client";

/// Answers. `realms` are those of the listeners, in their order; `client` is the one of the question's
/// Client Identifier, where a broker runs that has its Session.
///
/// # Errors
/// The question makes no sense.
pub(crate) fn answer(
    question: &Question,
    config: &Config,
    realms: &[Arc<Realm>],
    client: Option<ClientState>,
) -> anyhow::Result<Answer> {
    let client = client.filter(|client| question.is_about(client));
    let (listener, realm) = place(question, client.as_ref(), config, realms)?;
    let mut text = format!("listener {}\n", listener.name);
    let way = match &client {
        Some(client) => Way::of_client(question, client),
        None => ban(question, config).unwrap_or_else(|| way_in(question, listener, realm)),
    };
    let _ = writeln!(text, "{}", way.text);
    if let Some(mount_point) = &realm.mount_point {
        let _ = writeln!(
            text,
            "its topics begin with {mount_point}: rules see whole ones"
        );
    }
    let Some(identity) = way.identity else {
        if matches!(question.what, What::Connect) {
            return Ok(Answer {
                text,
                is_yes: false,
            });
        }
        bail!("{text}but the Client does not come in");
    };
    let permissions = match &client {
        Some(client) => client
            .grant
            .access
            .as_deref()
            .and_then(Permissions::of)
            .cloned(),
        None => realm.permissions(&identity, question.client_id()),
    };
    let whole = |action, topic: &str| {
        let mounted = realm
            .mount_point
            .as_ref()
            .and_then(|mount_point| match action {
                Action::Subscribe => mount_point.filter(topic),
                Action::Publish | Action::Receive => mount_point.topic(topic),
            });
        mounted.map_or_else(|| topic.to_owned(), Into::into)
    };
    let rules = |action, topic: &str| judge(permissions.as_ref(), action, topic);
    let limits = &config.limits;
    let (asked, (is_yes, why)) = match &question.what {
        What::Connect => return Ok(Answer { text, is_yes: true }),
        What::Publish { topic } => {
            TopicName::parse(topic).with_context(|| topic.clone())?;
            let mounted = whole(Action::Publish, topic);
            let (levels, most) = (topic.split('/').count(), limits.topic_levels);
            let judged = if levels > most {
                let why = format!(
                    "the connection is closed, as it has {levels} levels and limits.topic_levels is {most}"
                );
                (false, why)
            } else if dunlin_core::is_reserved(topic) {
                (
                    false,
                    "refused, as that topic is the broker's own".to_owned(),
                )
            } else {
                rules(Action::Publish, &mounted)
            };
            (format!("publish {mounted}"), judged)
        }
        What::Receive { topic } => {
            TopicName::parse(topic).with_context(|| topic.clone())?;
            let topic = whole(Action::Receive, topic);
            (format!("receive {topic}"), rules(Action::Receive, &topic))
        }
        What::Subscribe { filter } => {
            let parsed = TopicFilter::parse(filter).with_context(|| filter.clone())?;
            let behind = parsed.share().map_or(parsed, |(_, behind)| behind);
            let behind = whole(Action::Subscribe, behind.as_str());
            let (count, most) = (
                client.as_ref().map_or(0, |it| it.subscriptions),
                limits.subscriptions,
            );
            let judged = if count >= most {
                let why = format!(
                    "refused if it is new, as the Client has {count} subscriptions and limits.subscriptions is {most}"
                );
                (false, why)
            } else {
                rules(Action::Subscribe, &behind)
            };
            (format!("subscribe {behind}"), judged)
        }
    };
    let _ = writeln!(text, "{asked}: {why}");
    Ok(Answer { text, is_yes })
}

impl Question {
    fn client_id(&self) -> &str {
        self.client_id.as_deref().unwrap_or(NAMELESS)
    }

    /// Whether this Client is meant, as it is, and not what would be if it came in otherwise.
    fn is_about(&self, client: &ClientState) -> bool {
        let same_user = self.user_name.is_none()
            || self.user_name.as_deref() == client.grant.user_name.as_deref();
        client.is_connected && same_user && self.password.is_none()
    }

    fn credentials(&self) -> Credentials<'_> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Credentials {
            client_id: self.client_id(),
            user_name: self.user_name.as_deref(),
            password: self.password.as_deref().map(str::as_bytes),
            certificate: None,
            address: Some(self.address),
            now: now.map_or(0, |now| now.as_secs()),
        }
    }
}

/// The listener: the one that is asked for, or that the Client came in by, or the first.
fn place<'a>(
    question: &Question,
    client: Option<&ClientState>,
    config: &'a Config,
    realms: &'a [Arc<Realm>],
) -> anyhow::Result<(&'a ListenerConfig, &'a Realm)> {
    let source = client.and_then(|client| Source::from_number(client.grant.source));
    let number = match (&question.listener, source) {
        (Some(name), _) => config
            .listeners
            .iter()
            .position(|it| it.name == *name || it.address.to_string() == *name),
        (None, Some(source)) => Some(usize::from(source.listener)),
        (None, None) => Some(0),
    };
    let found = number.and_then(|number| config.listeners.get(number).zip(realms.get(number)));
    let (listener, realm) = found.context("there is no such listener")?;
    Ok((listener, realm))
}

/// How a Client comes in; without an identity, it does not.
struct Way {
    text: String,
    identity: Option<Identity>,
}

impl Way {
    /// That of a Client that is in.
    fn of_client(question: &Question, client: &ClientState) -> Self {
        let grant = &client.grant;
        let source = Source::from_number(grant.source);
        let method = source.map_or(Method::Anonymous, |source| source.method);
        let mut text = format!("{} is connected", question.client_id());
        if let Some(user_name) = &grant.user_name {
            let _ = write!(text, " as {user_name}");
        }
        let _ = write!(text, ", known by {}", method.name());
        let permissions = grant.access.as_deref().and_then(Permissions::of);
        let roles = permissions.map_or(&[][..], Permissions::further_roles);
        if !roles.is_empty() {
            let _ = write!(text, ", which gives it the roles {}", roles.join(", "));
        }
        let identity = Identity::new(grant.user_name.clone(), method);
        Way {
            text,
            identity: Some(identity),
        }
    }
}

/// What the configuration says against a Client before anybody asks who it is, if it does.
fn ban(question: &Question, config: &Config) -> Option<Way> {
    let banned = &config.admission.banned;
    let (client_id, user_name) = (question.client_id(), question.user_name.as_deref());
    let key = if banned.iter().any(|range| range.contains(question.address)) {
        "bans.addresses"
    } else if config.bans.apply_to(client_id, None) {
        "bans.client_ids"
    } else if config.bans.apply_to(client_id, user_name) {
        "bans.user_names"
    } else {
        return None;
    };
    let who = user_name.unwrap_or(client_id);
    Some(Way {
        text: format!("{who}: is refused, as {key} has it"),
        identity: None,
    })
}

fn way_in(question: &Question, listener: &ListenerConfig, realm: &Realm) -> Way {
    let name = question.user_name.as_deref();
    let who = name.unwrap_or("a Client without User Name");
    let refused = |cause: Cause| Way {
        text: format!("{who}: is refused, as it {cause}"),
        identity: None,
    };
    let accepted = |identity: Identity, how: String| Way {
        text: format!("{who}: comes in{how}"),
        identity: Some(identity),
    };
    let by = |method, how: String| accepted(Identity::new(name.map(Arc::from), method), how);
    if realm.name_from.is_some() {
        let how = " by certificate, whose name is the User Name (tls.user_name)";
        return by(Method::Certificate, how.to_owned());
    }
    if question.password.is_some() {
        let checked = match realm.authenticate(&question.credentials()) {
            Outcome::Accepted(identity) => Ok(identity),
            Outcome::Refused(cause) => Err(cause),
            Outcome::Slow(check) => check.run(&mut HashMemory::default()),
        };
        return match checked {
            Ok(identity) => {
                let how = format!(", known by {}", identity.method.name());
                accepted(identity, how)
            }
            Err(cause) => refused(cause),
        };
    }
    let known = |name| realm.passwords.as_ref().and_then(|users| users.get(name));
    if name.and_then(known).is_some() {
        let file = match &listener.access.password_file {
            Some(path) => format!("{} or auth.users", path.display()),
            None => "auth.users".to_owned(),
        };
        return by(
            Method::Password,
            format!(" by password, which is in {file}"),
        );
    }
    match (name, &realm.http, &realm.jwt) {
        (Some(_), Some(http), _) => return by(Method::Http, format!(" if {http:?} says so")),
        (Some(_), None, Some(_)) => {
            return by(Method::Token, " with a token of auth.jwt".to_owned());
        }
        _ => {}
    }
    match realm.authenticate(&question.credentials()) {
        Outcome::Accepted(identity) => {
            let why = match (realm.anonymous, name) {
                (Anonymous::ThisMachine, _) => {
                    "it is on this machine, and nothing says who may come in"
                }
                (_, Some(_)) => {
                    "nobody knows any users here, and everybody is let in (allow_anonymous)"
                }
                (_, None) => "everybody is let in here without a User Name (allow_anonymous)",
            };
            accepted(identity, format!(", as {why}"))
        }
        Outcome::Refused(cause) => refused(cause),
        Outcome::Slow(_) => by(Method::Http, " if the HTTP server says so".to_owned()),
    }
}

/// What the rules say, and in words.
fn judge(permissions: Option<&Permissions>, action: Action, topic: &str) -> (bool, String) {
    let Some(permissions) = permissions else {
        return (true, "allowed, as there are no rules".to_owned());
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
    (verdict.is_allowed(), why)
}
