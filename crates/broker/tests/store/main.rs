//! The data directory: what the start says of it, and `dunlin store`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that is gone after the test.
struct Data(PathBuf);

impl Data {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("store-{}-{number}", std::process::id());
        Data(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a name of our own")
    }

    /// What `dunlin store` says of it, with this exit code.
    fn store(&self, command: &str, code: i32) -> String {
        let output = dunlin(&["store", command, self.path()]);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).expect("text");
        assert_eq!(output.status.code(), Some(code), "{text}");
        text
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `dunlin` with these arguments, to its end.
fn dunlin(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dunlin"));
    command.env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR"));
    command.args(args).output().expect("dunlin starts")
}

/// A running broker; killed when dropped.
struct Broker {
    child: Child,
    port: String,
    /// The line in which it introduces itself.
    title: String,
}

impl Broker {
    fn start(data: &Data) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dunlin"))
            .args(["-p", "0", "--data-dir", data.path()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("dunlin starts");
        let stdout = child.stdout.take().expect("piped");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let title = lines.next().expect("it introduces itself");
        let port = lines
            .find_map(|line| Some(line.strip_prefix("listening on 127.0.0.1:")?.to_owned()))
            .expect("it says where it listens");
        // Lets it go on writing.
        std::thread::spawn(move || lines.for_each(drop));
        Broker { child, port, title }
    }

    fn tool(&self, args: &[&str]) {
        let output = dunlin(&[&[args[0], "-p", &self.port], &args[1..]].concat());
        assert!(output.status.success(), "{output:?}");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_start_says_where_data_is_and_that_it_is_taken() {
    let data = Data::new();
    let broker = Broker::start(&data);
    let title = format!("data in {}, fsync", data.path());
    assert!(broker.title.ends_with(&title), "{}", broker.title);
    let second = dunlin(&["-p", "0", "--data-dir", data.path()]);
    assert!(!second.status.success());
    let error = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        error.contains(data.path()) && error.contains("in use by another process"),
        "{error}"
    );
    assert!(data.store("stat", 1).contains("in use by another process"));
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let data = Data::new();
    std::fs::write(&data.0, "a file").expect("a folder for temporary files");
    let refused = dunlin(&["-p", "0", "--data-dir", data.path()]);
    assert!(data.store("check", 1).contains("is no directory"));
    std::fs::remove_file(&data.0).expect("it is there");
    assert!(!refused.status.success());
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        error.contains(data.path()) && error.contains("--durability none"),
        "{error}"
    );
}

#[test]
fn what_is_in_the_directory_is_shown_and_checked() {
    let data = Data::new();
    let broker = Broker::start(&data);
    broker.tool(&["sub", "-i", "phone", "-c", "-q", "1", "-t", "home/#", "-E"]);
    broker.tool(&["pub", "-q", "1", "-t", "home/door", "-m", "open"]);
    broker.tool(&["pub", "-q", "1", "-r", "-t", "state", "-m", "on"]);
    drop(broker);
    let dump = data.store("dump", 0);
    let lines: Vec<serde_json::Value> = dump
        .lines()
        .map(|line| serde_json::from_str(line).expect("lines of JSON"))
        .collect();
    assert_eq!(lines.len(), 3, "{dump}");
    assert_eq!(lines[0]["session"], "phone");
    assert_eq!(lines[0]["subscriptions"][0]["filter"], "home/#");
    assert_eq!(lines[1]["session"], "phone");
    assert_eq!(lines[1]["waiting"]["topic"], "home/door");
    assert_eq!(lines[1]["waiting"]["payload"], "open");
    assert_eq!(lines[2]["retained"]["topic"], "state");
    assert!(data.store("check", 0).contains("are whole"));
    let stat = data.store("stat", 0);
    assert!(
        stat.contains("1 Sessions with 1 messages that wait"),
        "{stat}"
    );
    // The second start vouches for what the first has written: now what is wrong is damage.
    let broker = Broker::start(&data);
    broker.tool(&["pub", "-q", "1", "-r", "-t", "state", "-m", "off"]);
    drop(broker);
    let file = data.0.join("00000001.log");
    let mut bytes = std::fs::read(&file).expect("there is a first file");
    bytes[4096 + 40] ^= 1;
    std::fs::write(&file, &bytes).expect("it can be written");
    let report = data.store("check", 1);
    assert!(
        report.contains("one bit is wrong in the frame at 00000001.log:4096"),
        "{report}"
    );
    bytes[4096 + 40] ^= 2;
    std::fs::write(&file, &bytes).expect("it can be written");
    let report = data.store("check", 1);
    assert!(
        report.contains("damaged from 00000001.log:4096"),
        "{report}"
    );
}
