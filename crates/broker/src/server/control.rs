//! The door for questions from this machine: a Unix socket that only the broker's own user and root
//! can use.
//!
//! A connection asks one [`Question`], a line of JSON, and gets a line back. Questions are answered one
//! after the other by a thread of its own, which may be slow; no shard waits for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock, mpsc};
use std::time::Duration;

use anyhow::{Context, anyhow};
use dunlin_core::ClientState;

use super::auth::Authentication;
use super::config::Config;
use super::durable::Durable;
use super::mail::{Mail, Post};
use crate::explain::{Answer, Question, answer};

/// The name of the socket in the data directory.
const NAME: &str = "control";

/// The longest question, in bytes.
const QUESTION: u64 = 1 << 18;

/// How long a part of an exchange may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Questions that the kernel keeps for us.
const BACKLOG: u32 = 16;

/// Where the broker with this configuration can be asked.
///
/// # Errors
/// It cannot.
pub(crate) fn place(config: &Config) -> anyhow::Result<PathBuf> {
    let within = |directory: PathBuf| directory.join(NAME);
    let chosen = match &config.control_socket {
        Some(path) => Some(path.clone()),
        None => Durable::chosen_directory(config)?.map(within),
    };
    chosen.context("a broker without a data directory can be asked if it has a control_socket")
}

/// Asks a broker that runs.
///
/// # Errors
/// None answers, or it says that the question makes no sense.
pub(crate) fn ask(socket: &Path, question: &Question) -> anyhow::Result<Answer> {
    let asked = || -> anyhow::Result<String> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE * 2))?;
        writeln!(stream, "{}", serde_json::to_string(question)?)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = asked().with_context(|| format!("no broker answers at {}", socket.display()))?;
    let answer: Result<Answer, String> = serde_json::from_str(&answer)?;
    answer.map_err(|error| anyhow!(error))
}

/// What answers take into account.
pub(super) struct Live {
    config: RwLock<Arc<Config>>,
    authentication: Arc<Authentication>,
    posts: Vec<Post>,
}

impl Live {
    pub(super) fn new(
        config: &Config,
        authentication: Arc<Authentication>,
        posts: Vec<Post>,
    ) -> Arc<Self> {
        Arc::new(Live {
            config: RwLock::new(Arc::new(config.clone())),
            authentication,
            posts,
        })
    }

    /// Another configuration holds from now on.
    pub(super) fn take_over(&self, config: &Config) {
        *self.config.write().expect("nobody panics while holding it") = Arc::new(config.clone());
    }

    fn answer(&self, question: &Question) -> anyhow::Result<Answer> {
        let config = self
            .config
            .read()
            .expect("nobody panics while holding it")
            .clone();
        let client = question.client_id.as_deref().and_then(|id| self.client(id));
        answer(question, &config, &self.authentication.realms(), client)
    }

    /// The Client of this name, if it has a Session here and its shard answers in time.
    fn client(&self, client_id: &str) -> Option<ClientState> {
        let (answers, known) = mpsc::channel();
        for post in &self.posts {
            let (client_id, answers) = (client_id.into(), answers.clone());
            let _ = post.send(&mut vec![Mail::Describe { client_id, answers }]);
        }
        drop(answers);
        known.recv_timeout(PATIENCE).ok()
    }
}

/// The socket; gone with this.
pub(super) struct ControlDoor(PathBuf);

impl ControlDoor {
    /// Answers questions from now on. Without a place for its socket there is none.
    ///
    /// # Errors
    /// The place that is configured cannot be used.
    pub(super) fn open(config: &Config, live: Arc<Live>) -> anyhow::Result<Option<Self>> {
        let Ok(path) = place(config) else {
            return Ok(None);
        };
        let opened = dunlin_net::bind_unix(&path, 0o600, BACKLOG);
        let listener = match opened {
            Ok(listener) => listener,
            Err(error) if config.control_socket.is_none() => {
                tracing::warn!("questions cannot be asked: {error}");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        listener.set_nonblocking(false)?;
        std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || serve(&listener, &live))
            .context("cannot start a thread")?;
        Ok(Some(ControlDoor(path)))
    }
}

impl Drop for ControlDoor {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn serve(listener: &UnixListener, live: &Live) {
    for stream in listener.incoming() {
        if let Err(error) = stream.map_err(Into::into).and_then(|it| exchange(it, live)) {
            tracing::debug!("a question could not be answered: {error:#}");
        }
    }
}

fn exchange(mut stream: UnixStream, live: &Live) -> anyhow::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new((&stream).take(QUESTION)).read_line(&mut line)?;
    let question = serde_json::from_str(&line)?;
    let answer = live.answer(&question).map_err(|error| format!("{error:#}"));
    Ok(serde_json::to_writer(&mut stream, &answer)?)
}
