//! `dunlin explain`: what happens to a CONNECT, a PUBLISH, a SUBSCRIBE or a delivery, and which part
//! of the configuration decides that. It asks the same code as the broker does.
//!
//! ```text
//! $ dunlin explain -c dunlin.toml -u alice publish home/safe
//! listener 127.0.0.1:1883
//! alice: comes in by password, which is in /etc/dunlin/passwords or auth.users
//! publish home/safe: refused, by acl:3: deny publish, receive home/safe
//! ```
//!
//! A [`Question`] is answered from a configuration alone, or by a broker that runs
//! ([`control`](crate::server::control)): it knows its Clients, and what has changed since it read
//! its configuration. Both find the [`answer`] in the same way.

mod answer;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use crate::server::config::Loaded;
use crate::server::{ServerOptions, auth_realms, control};
pub(crate) use answer::answer;

/// What to find out, and where.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The configuration: dunlin.toml or a mosquitto.conf
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask the broker that runs with this configuration
    #[arg(short, long)]
    running: bool,
    /// Ask the broker with this control_socket
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    control_socket: Option<PathBuf>,
    #[command(flatten)]
    question: Question,
}

/// Who does it, and what.
#[derive(Debug, Args, Serialize, Deserialize)]
pub(crate) struct Question {
    /// The listener, by its name or address; without it the one of the Client that is connected, or
    /// the first
    #[arg(short, long, value_name = "NAME")]
    listener: Option<String>,
    /// The User Name
    #[arg(short, long)]
    user_name: Option<String>,
    /// The Password, to try it
    #[arg(short = 'P', long)]
    password: Option<String>,
    /// The Client Identifier
    #[arg(short = 'i', long)]
    pub(crate) client_id: Option<String>,
    /// The address that the Client comes from
    #[arg(short, long, default_value = "127.0.0.1")]
    address: IpAddr,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand, Serialize, Deserialize)]
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
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) is_yes: bool,
}

/// Finds out.
///
/// # Errors
/// When the configuration cannot be read, no broker answers, or the question makes no sense.
pub(crate) fn explain(explain: &Explain) -> anyhow::Result<Answer> {
    if let Some(socket) = &explain.control_socket {
        return control::ask(socket, &explain.question);
    }
    let options = ServerOptions {
        config: explain.config.clone(),
        ..ServerOptions::default()
    };
    let config = Loaded::read(&options)?.config;
    if explain.running {
        return control::ask(&control::place(&config)?, &explain.question);
    }
    let realms = auth_realms(&config)?;
    answer(&explain.question, &config, &realms, None)
}
