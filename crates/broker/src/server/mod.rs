//! The server process: one thread per shard, and the main thread that starts and stops them.

mod clock;
pub(crate) mod config;
mod driver;
mod log;
mod mail;
mod options;
mod report;

use std::io::Write;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use dunlin_core::ShardId;
use dunlin_net::{ListenerId, ListenerOptions, Reactor, ReactorConfig};

pub(crate) use config::{Config, ListenAddress};
pub(crate) use options::ServerOptions;

use clock::Clock;
use driver::Driver;
use mail::{Mail, Post};
use report::Report;

/// Connections that the kernel keeps for us until they are accepted.
const BACKLOG: u32 = 4096;

/// Runs the broker until SIGINT or SIGTERM.
pub(crate) fn run(options: &ServerOptions) -> anyhow::Result<()> {
    log::init(options.verbose);
    abort_on_panic();
    let config = Config::load(options)?;
    // Taken before anything else is started, so that no signal is missed.
    let signals = signal_hook::iterator::Signals::new([
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGUSR1,
    ])?;
    let descriptors = raise_descriptor_limit();
    let listeners = bind_all(&config)?;
    let addresses: Vec<_> = listeners
        .iter()
        .map(TcpListener::local_addr)
        .collect::<Result<_, _>>()?;
    let shards = Shards::start(&config, listeners, descriptors)?;
    welcome(&addresses, &config)?;
    shards.serve(signals)
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
}

impl Shards {
    fn start(
        config: &Config,
        listeners: Vec<TcpListener>,
        descriptors: usize,
    ) -> anyhow::Result<Self> {
        let count = config.shards;
        let clock = Clock::start();
        let seed = random_seed()?;
        let report = Arc::new(Mutex::new(Report::new(count)));
        let reactor_config = ReactorConfig {
            maximum_connections: (descriptors.saturating_sub(64) / count).max(16),
            ..ReactorConfig::default()
        };
        let mut reactors = Vec::new();
        let mut posts = Vec::new();
        let mut boxes = Vec::new();
        for _ in 0..count {
            let reactor = Reactor::new(reactor_config.clone()).context("cannot start a reactor")?;
            let (post, letters) = dunlin_net::mailbox::mailbox(reactor.waker());
            reactors.push(reactor);
            posts.push(post);
            boxes.push(letters);
        }
        let mut threads = Vec::new();
        for (number, (mut reactor, letters)) in reactors.into_iter().zip(boxes).enumerate() {
            for (n, listener) in listeners.iter().enumerate() {
                let listener = listener.try_clone().context("cannot share a listener")?;
                let options = ListenerOptions::new(ListenerId(n as u32));
                reactor.listen(listener, Arc::new(options))?;
            }
            let id = ShardId::new(number);
            let shard = config.shard(id, seed);
            let driver = Driver::new(
                shard,
                reactor,
                letters,
                posts.clone(),
                clock,
                Arc::clone(&report),
            );
            let name = format!("shard-{number}");
            let thread = std::thread::Builder::new()
                .name(name)
                .spawn(move || driver.run());
            threads.push(thread.context("cannot start a thread")?);
        }
        Ok(Shards {
            threads,
            posts,
            report,
        })
    }

    /// Waits for signals, and stops all shards at the first that asks for it.
    fn serve(self, mut signals: signal_hook::iterator::Signals) -> anyhow::Result<()> {
        for signal in signals.forever() {
            if signal == signal_hook::consts::SIGUSR1 {
                self.ask_for_report();
                continue;
            }
            tracing::info!("stopping");
            break;
        }
        for post in &self.posts {
            let _ = post.send(&mut vec![Mail::Stop]);
        }
        for thread in self.threads {
            thread
                .join()
                .map_err(|_| anyhow!("a shard has failed"))?
                .context("a shard has failed")?;
        }
        let report = self
            .report
            .lock()
            .map_err(|_| anyhow!("a shard has failed"))?;
        tracing::info!("stopped\n{report}");
        Ok(())
    }

    fn ask_for_report(&self) {
        for post in &self.posts {
            let _ = post.send(&mut vec![Mail::Report]);
        }
    }
}

/// Binds every address of the configuration. With loopback's IPv4 address its IPv6 address is
/// bound as well, where the machine has one.
fn bind_all(config: &Config) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for listener in &config.listeners {
        let ListenAddress::Ip(address) = listener.address else {
            return Err(anyhow!("{} is not an IP address", listener.address));
        };
        let listener = dunlin_net::bind(address, BACKLOG)?;
        let port = listener.local_addr()?.port();
        listeners.push(listener);
        if address.ip() == IpAddr::from([127, 0, 0, 1]) {
            let twin = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port);
            match dunlin_net::bind(twin, BACKLOG) {
                Ok(listener) => listeners.push(listener),
                Err(error) => tracing::debug!("{twin} is not available: {error}"),
            }
        }
    }
    Ok(listeners)
}

/// Says where the broker listens and what to try.
fn welcome(addresses: &[SocketAddr], config: &Config) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let shards = match config.shards {
        1 => "1 shard".to_owned(),
        n => format!("{n} shards"),
    };
    let version = env!("CARGO_PKG_VERSION");
    writeln!(
        out,
        "Dunlin {version}, MQTT 3.1, 3.1.1 and 5.0, {shards}, data in memory"
    )?;
    for address in addresses {
        writeln!(out, "listening on {address}")?;
    }
    if let Some(first) = addresses.first() {
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
