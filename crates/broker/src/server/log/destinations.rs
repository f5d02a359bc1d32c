//! Where log lines go.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::topic;
use crate::server::config::LogDestination;
use crate::server::mail::Post;

/// The socket of the system's log.
const SYSLOG: &str = "/dev/log";

/// All destinations; clones are the same.
#[derive(Clone)]
pub(super) struct Destinations(Arc<Mutex<Vec<Destination>>>);

enum Destination {
    Stdout,
    Stderr,
    File {
        path: PathBuf,
        file: File,
    },
    Syslog {
        socket: UnixDatagram,
        facility: u8,
    },
    /// The shard that publishes lines, once there is one.
    Topic(Option<Post>),
}

impl Destinations {
    /// Opens files and sockets.
    ///
    /// # Errors
    /// One of them cannot be opened.
    pub(super) fn open(wanted: &[LogDestination]) -> anyhow::Result<Self> {
        let opened = wanted
            .iter()
            .map(open)
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Destinations(Arc::new(Mutex::new(opened))))
    }

    /// There is a shard that publishes lines.
    pub(super) fn publish_to(&self, post: &Post) {
        let mut destinations = self.0.lock().expect("a writer of log lines does not panic");
        for destination in destinations.iter_mut() {
            if let Destination::Topic(known) = destination {
                *known = Some(post.clone());
            }
        }
    }

    /// Opens files anew: they may have been moved away. What cannot be opened stays as it is.
    pub(super) fn reopen(&self) {
        let mut destinations = self.0.lock().expect("a writer of log lines does not panic");
        for destination in destinations.iter_mut() {
            if let Destination::File { path, file } = destination
                && let Ok(anew) = open_file(path)
            {
                *file = anew;
            }
        }
    }
}

fn open(wanted: &LogDestination) -> anyhow::Result<Destination> {
    Ok(match wanted {
        LogDestination::Stdout => Destination::Stdout,
        LogDestination::Stderr => Destination::Stderr,
        LogDestination::File(path) => Destination::File {
            file: open_file(path)
                .with_context(|| format!("cannot open the log file {}", path.display()))?,
            path: path.clone(),
        },
        LogDestination::Syslog { facility } => {
            let socket = UnixDatagram::unbound().context("cannot open a socket")?;
            socket
                .connect(SYSLOG)
                .with_context(|| format!("cannot reach the system's log at {SYSLOG}"))?;
            let facility = *facility;
            Destination::Syslog { socket, facility }
        }
        LogDestination::Topic => Destination::Topic(None),
    })
}

fn open_file(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).open(path)
}

/// A line on its way to all destinations. What cannot be written is lost: there is nowhere to tell.
pub(super) struct Line {
    destinations: Destinations,
    level: Level,
    /// What Mosquitto calls its kind.
    kind: Option<&'static str>,
}

impl<'a> MakeWriter<'a> for Destinations {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        self.line(Level::INFO, None)
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line {
        self.line(*metadata.level(), topic::kind(metadata))
    }
}

impl Destinations {
    fn line(&self, level: Level, kind: Option<&'static str>) -> Line {
        let destinations = self.clone();
        Line {
            destinations,
            level,
            kind,
        }
    }
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut destinations = self
            .destinations
            .0
            .lock()
            .map_err(|_| io::Error::other("a writer has failed"))?;
        for destination in destinations.iter_mut() {
            let _ = match destination {
                Destination::Stdout => io::stdout().lock().write_all(line),
                Destination::Stderr => io::stderr().lock().write_all(line),
                Destination::File { file, .. } => file.write_all(line),
                Destination::Topic(post) => {
                    if let (Some(post), Some(kind)) = (post, self.kind) {
                        topic::publish(post, kind, line);
                    }
                    Ok(())
                }
                Destination::Syslog { socket, facility } => {
                    let priority = u16::from(*facility) * 8 + severity(self.level);
                    let mut datagram =
                        format!("<{priority}>dunlin[{}]: ", std::process::id()).into_bytes();
                    datagram.extend_from_slice(line.trim_ascii_end());
                    socket.send(&datagram).map(drop)
                }
            };
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The severity of the system's log.
fn severity(level: Level) -> u16 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_moved_away_is_written_anew_after_reopening() {
        let directory = std::env::temp_dir().join(format!("dunlin-log-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (path, moved) = (directory.join("log"), directory.join("log.1"));
        let destinations = Destinations::open(&[LogDestination::File(path.clone())]).unwrap();
        destinations.make_writer().write_all(b"one\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        destinations.make_writer().write_all(b"two\n").unwrap();
        destinations.reopen();
        destinations.make_writer().write_all(b"three\n").unwrap();
        assert_eq!(std::fs::read(&moved).unwrap(), b"one\ntwo\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"three\n");
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_told() {
        let path = PathBuf::from("/nonexistent/log");
        let error = Destinations::open(&[LogDestination::File(path)])
            .err()
            .unwrap();
        assert!(error.to_string().contains("/nonexistent/log"));
    }
}
