//! Messages of the past, as `dunlin sub --since` shows them.

use crate::harness::Broker;

/// A folder that is gone after the test.
struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_replay_goes_on_into_the_present_and_over_a_restart() {
    let name = format!("replay-{}", std::process::id());
    let folder = Folder(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
    let folder_flag = folder.0.display().to_string();
    let flags = [
        "--durability",
        "fsync",
        "--data-dir",
        &folder_flag,
        "--retention-filters",
        "past/#",
    ];
    let flags: Vec<String> = flags.map(str::to_owned).into();
    let broker = Broker::start_with(0, &flags);
    for n in 1..=5 {
        let (topic, payload) = (format!("past/{n}"), n.to_string());
        broker.publish(&["-q", "1", "-t", &topic, "-m", &payload]);
        broker.publish(&["-q", "1", "-t", "present", "-m", "not retained"]);
    }
    // The process ends as if by SIGKILL, and another one goes on.
    drop(broker);
    let broker = Broker::start_with(0, &flags);
    let show = ["-F", "%t %p %P", "-q", "1"];
    let all = ["--since", "first", "-t", "#", "-C", "6"];
    let reader = broker.subscribe(&[&all[..], &show].concat());
    broker.publish(&["-q", "1", "-t", "past/6", "-m", "6"]);
    let lines = reader.finish();
    assert_eq!(lines.len(), 6, "{lines:?}");
    for (n, line) in (1..).zip(&lines) {
        let begins = format!("past/{n} {n} log-position:");
        assert!(line.starts_with(&begins), "{line}");
    }
    // Whoever stopped after the third goes on with the fourth.
    let third = &lines[2];
    let (_, position) = third.split_once("log-position:").expect("it was seen");
    let (position, _) = position.split_once(' ').expect("the time follows");
    let since = format!("@{position}");
    let rest = ["--since", &since, "-t", "past/+", "-C", "3", "-F", "%p"];
    assert_eq!(broker.run("sub", &rest).succeeded(), "4\n5\n6\n");
    // Nothing is retained that no filter of the configuration matches.
    let hour = [
        "--since", "1h", "-t", "past/1", "-t", "present", "-C", "1", "-F", "%t",
    ];
    assert_eq!(broker.run("sub", &hour).succeeded(), "past/1\n");
}
