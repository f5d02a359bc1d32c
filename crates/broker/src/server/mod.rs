//! The server process: one thread per shard, and the main thread that starts and stops them.

#[cfg(feature = "acme")]
mod acme;
#[cfg(not(feature = "acme"))]
#[path = "no_acme.rs"]
mod acme;
mod auth;
mod background;
mod bridges;
mod clock;
pub(crate) mod config;
pub(crate) mod control;
mod driver;
mod durable;
mod listeners;
mod log;
mod mail;
mod options;
mod pid_file;
mod privileges;
#[cfg(feature = "quic")]
mod quic;
#[cfg(not(feature = "quic"))]
#[path = "no_quic.rs"]
mod quic;
mod reload;
mod report;
mod sys;

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use dunlin_core::{Shard, ShardId};
use dunlin_net::{Admission, Place, Reactor, ReactorConfig};

pub(crate) use config::{Config, Loaded};
pub(crate) use options::ServerOptions;
use options::{Task, Verbosity};

use acme::Acme;
use auth::{Authentication, Rules, ShardPolicy};
use bridges::{Bridges, PreparedBridges, TrustBridges};
use control::{ControlDoor, Live};
use driver::Driver;
use durable::Durable;
use listeners::Listeners;
use log::Log;
use mail::{Mail, Post};
use pid_file::PidFile;
use reload::Running;
use report::Report;
use sys::SysThread;

/// What a configuration says of the Clients of each listener.
pub(crate) fn auth_realms(config: &Config) -> anyhow::Result<Vec<Arc<dunlin_auth::Realm>>> {
    Ok(Rules::read(config)?.realms)
}

/// Takes over the file of a Mosquitto into the data directory of this configuration, which must be
/// empty; gives what there was in it, in words.
pub(crate) fn import_database(config: &Config, database: &Path) -> anyhow::Result<String> {
    durable::import(database, config, &Rules::read(config)?.realms)
}

/// Does what the options say: as a rule, runs the broker until SIGINT or SIGTERM.
pub(crate) fn run(options: &ServerOptions) -> anyhow::Result<()> {
    let loaded = Loaded::read(options)?;
    let mut config = loaded.config.clone();
    match options.task {
        Task::Serve => {}
        Task::ServeInBackground => background::detach()?,
        Task::StartInBackground => return background::start(),
        Task::TestConfiguration => {
            println!("the configuration is right");
            return Ok(());
        }
    }
    let log = Log::start(&config.log, options.verbose)?;
    abort_on_panic();
    // Taken before anything else is started, so that no signal is missed.
    let signals = signal_hook::iterator::Signals::new([
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGUSR1,
        signal_hook::consts::SIGHUP,
    ])?;
    let descriptors = raise_descriptor_limit();
    config.data_dir = Durable::chosen_directory(&config)?;
    if let Some(data_dir) = &config.data_dir {
        privileges::make(data_dir, config.user.as_deref())?;
    }
    let mut listeners = Listeners::bind(&config)?;
    let pid_file = config.pid_file.as_deref().map(PidFile::write);
    let _pid_file = pid_file.transpose()?;
    let bridges = PreparedBridges::read(&config)?;
    let rules = Rules::read(&config)?;
    Authentication::warn_of_trust(&config);
    privileges::drop_to(config.user.as_deref(), &listeners.own_files())?;
    listeners.certificates().watch()?;
    let shards = Shards::start(&config, &listeners, descriptors, rules)?;
    log.publish_to(&shards.posts[0]);
    if options.verbose != Verbosity::Quiet {
        welcome(&listeners.places(), &config, shards.durable.as_ref())?;
    }
    listeners.release(&shards.posts, &shards.admission)?;
    let durability = shards.durable.as_ref().map_or("none", Durable::promise);
    let certificates = listeners.certificates().clone();
    let posts = shards.posts.clone();
    let sys = SysThread::start(config.sys_interval, durability, certificates, posts)?;
    let bridges = bridges.start(&shards.posts)?;
    let authentication = Arc::clone(&shards.authentication);
    let live = Live::new(&config, authentication, shards.posts.clone());
    let _control = ControlDoor::open(&config, Arc::clone(&live))?;
    let mut acme = Acme::default();
    acme.manage(listeners.managed())?;
    let running = Running {
        options: options.clone(),
        loaded,
        log,
        listeners,
        acme,
        sys,
        authentication: Arc::clone(&shards.authentication),
        admission: shards.admission.clone(),
        live,
        posts: shards.posts.clone(),
    };
    shards.serve(signals, running, bridges)
}

/// A broken invariant ends the process, whichever thread finds it: the start is what recovers.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}

/// The threads of all shards.
struct Shards {
    threads: Vec<JoinHandle<std::io::Result<()>>>,
    posts: Vec<Post>,
    report: Arc<Mutex<Report>>,
    authentication: Arc<Authentication>,
    admission: Admission,
    /// Without it, everything is in memory.
    durable: Option<Durable>,
}

impl Shards {
    fn start(
        config: &Config,
        listeners: &Listeners,
        descriptors: usize,
        rules: Rules,
    ) -> anyhow::Result<Self> {
        let count = config.shards;
        let seed = random_seed()?;
        let admission = Admission::new(config.admission.clone());
        let report = Arc::new(Mutex::new(Report::new(count, admission.clone())));
        let reactor_config = ReactorConfig {
            maximum_connections: (descriptors.saturating_sub(64) / count).max(16),
            ..ReactorConfig::default()
        };
        let mut reactors = Vec::new();
        let mut posts = Vec::new();
        let mut boxes = Vec::new();
        for _ in 0..count {
            let reactor = Reactor::new(reactor_config.clone()).context("cannot start a reactor")?;
            let reactor = reactor.with_admission(admission.clone());
            let (post, letters) = dunlin_net::mailbox::mailbox(reactor.waker());
            reactors.push(reactor);
            posts.push(post);
            boxes.push(letters);
        }
        let authentication = Authentication::start(rules, posts.clone())?;
        let shard = |id| {
            let policy = ShardPolicy::new(id, Arc::clone(&authentication));
            let policy = TrustBridges::new(config, policy);
            config.shard(id, seed, Box::new(policy))
        };
        let mut shards: Vec<Shard> = (0..count).map(ShardId::new).map(shard).collect();
        let (durable, journals, clock) =
            Durable::open(config, &mut shards, &posts, &authentication.realms())?;
        let mut threads = Vec::new();
        let places = reactors.into_iter().zip(boxes);
        let shards = shards.into_iter().zip(journals);
        for ((mut reactor, letters), (shard, journal)) in places.zip(shards) {
            listeners.listen(&mut reactor)?;
            let name = format!("shard-{}", shard.id());
            let driver = Driver::new(
                shard,
                reactor,
                letters,
                posts.clone(),
                clock,
                Arc::clone(&report),
                Arc::clone(&authentication),
            )
            .with_journal(journal);
            let thread = std::thread::Builder::new()
                .name(name)
                .spawn(move || driver.run());
            threads.push(thread.context("cannot start a thread")?);
        }
        Ok(Shards {
            threads,
            posts,
            report,
            authentication,
            admission,
            durable,
        })
    }

    /// Waits for signals, and stops all shards at the first that asks for it.
    fn serve(
        self,
        mut signals: signal_hook::iterator::Signals,
        mut running: Running,
        bridges: Bridges,
    ) -> anyhow::Result<()> {
        for signal in signals.forever() {
            if signal == signal_hook::consts::SIGHUP {
                running.reload();
                continue;
            }
            if signal == signal_hook::consts::SIGUSR1 {
                self.ask_for_report();
                continue;
            }
            tracing::info!("stopping");
            break;
        }
        bridges.stop();
        drop(running);
        for post in &self.posts {
            let _ = post.send(&mut vec![Mail::Stop]);
        }
        for thread in self.threads {
            thread
                .join()
                .map_err(|_| anyhow!("a shard has failed"))?
                .context("a shard has failed")?;
        }
        self.durable.map_or(Ok(()), Durable::stop)?;
        let report = self
            .report
            .lock()
            .map_err(|_| anyhow!("a shard has failed"))?;
        tracing::info!("stopped\n{report}");
        Ok(())
    }

    fn ask_for_report(&self) {
        if let Some(durable) = &self.durable {
            tracing::info!("log: {:?}", durable.statistics());
        }
        for post in &self.posts {
            let _ = post.send(&mut vec![Mail::Report]);
        }
    }
}

/// Says where the broker listens and what to try.
fn welcome(places: &[Place], config: &Config, durable: Option<&Durable>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let shards = match config.shards {
        1 => "1 shard".to_owned(),
        n => format!("{n} shards"),
    };
    let data = match durable {
        Some(durable) => format!("{}, {}", durable.directory().display(), durable.promise()),
        None => "memory".to_owned(),
    };
    let version = env!("CARGO_PKG_VERSION");
    writeln!(
        out,
        "Dunlin {version}, MQTT 3.1, 3.1.1 and 5.0, {shards}, data in {data}"
    )?;
    if let Some(taken_over) = durable.and_then(Durable::taken_over) {
        writeln!(out, "taken over from {taken_over}")?;
    }
    for place in places {
        writeln!(out, "listening on {place}")?;
    }
    let first = places.iter().find_map(|place| match place {
        Place::Ip(address) => Some(address),
        Place::Path(_) => None,
    });
    if let Some(first) = first {
        let port = match first.port() {
            1883 => String::new(),
            port => format!(" -p {port}"),
        };
        writeln!(out, "\nTry it, in two terminals:")?;
        writeln!(
            out,
            "  mosquitto_sub{port} -t 'home/#' -v       (or: dunlin sub{port} -t 'home/#' -v)"
        )?;
        writeln!(
            out,
            "  mosquitto_pub{port} -t home/hello -m hi  (or: dunlin pub{port} -t home/hello -m hi)"
        )?;
    }
    out.flush()
}

/// Allows this process all the open files that it may have; gives their number.
fn raise_descriptor_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    now.and_then(|n| usize::try_from(n).ok()).unwrap_or(1 << 20)
}

fn random_seed() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("no random numbers: {error}"))?;
    Ok(u64::from_le_bytes(bytes))
}
