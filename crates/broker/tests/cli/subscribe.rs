//! Which messages are shown, how, and when a subscriber ends.

use crate::harness::Broker;

#[test]
fn messages_are_shown_as_the_flags_say() {
    let broker = Broker::get();
    broker.publish(&["-r", "-q", "1", "-t", "show/a", "-m", r#"{"k": 1}"#]);
    let show = |args: &[&str]| {
        let fixed = ["-t", "show/a", "-C", "1", "-q", "1"];
        broker.run("sub", &[&fixed, args].concat()).succeeded()
    };
    assert_eq!(show(&[]), "{\"k\": 1}\n");
    assert_eq!(show(&["-N"]), "{\"k\": 1}");
    assert_eq!(show(&["-v"]), "show/a {\"k\": 1}\n");
    assert_eq!(
        show(&["-F", "%r %q %l %10.4t|%x"]),
        "1 1 8       show|7b226b223a20317d\n"
    );
    let json = show(&["-F", "%J"]);
    assert!(json.starts_with("{\"tst\":\"20"), "{json}");
    assert!(
        json.contains(r#""topic":"show/a","qos":1,"retain":1,"payloadlen":8,"#),
        "{json}"
    );
    assert!(json.ends_with("\"payload\":{\"k\":1}}\n"), "{json}");
    assert!(show(&["-w"]).contains("show/a {\"k\": 1}"));
}

#[test]
fn retained_messages_can_be_left_out_sought_and_cleared() {
    let broker = Broker::get();
    for topic in ["keep/1", "keep/2"] {
        broker.publish(&["-r", "-t", topic, "-m", "old"]);
    }
    let subscriber = broker.subscribe(&["-t", "keep/#", "-R", "-C", "1", "-v"]);
    broker.publish(&["-t", "keep/1", "-m", "new"]);
    assert_eq!(subscriber.finish(), ["keep/1 new"]);

    let args = ["-t", "keep/#", "-T", "keep/1", "-C", "1", "-v"];
    assert_eq!(broker.run("sub", &args).succeeded(), "keep/2 old\n");

    let mut subscriber = broker.subscribe(&["-t", "keep/#", "--retained-only", "-F", "%p"]);
    let first = [subscriber.next_line(), subscriber.next_line()];
    assert_eq!(first, [Some("old".to_owned()), Some("old".to_owned())]);
    broker.publish(&["-t", "keep/1", "-m", "new"]);
    assert!(subscriber.finish().is_empty());

    broker
        .run("sub", &["-t", "keep/#", "--remove-retained", "-C", "2"])
        .succeeded();
    let left = broker.run("sub", &["-t", "keep/#", "-W", "0.2"]);
    assert_eq!(left.output(), "");
    left.failed(27);
}

#[test]
fn retained_messages_can_be_declined_at_subscribe() {
    let broker = Broker::get();
    broker.publish(&["-r", "-t", "decline", "-m", "old"]);
    let args = ["-t", "decline", "--retain-handling", "never", "-C", "1"];
    let subscriber = broker.subscribe(&args);
    broker.publish(&["-t", "decline", "-m", "new"]);
    assert_eq!(subscriber.finish(), ["new"]);
    let args = [
        "-t",
        "decline",
        "--retain-as-published",
        "-C",
        "2",
        "-F",
        "%p %r",
    ];
    let mut subscriber = broker.subscribe(&args);
    assert_eq!(subscriber.next_line().as_deref(), Some("old 1"));
    broker.publish(&["-r", "-t", "decline", "-m", "newest"]);
    assert_eq!(subscriber.finish(), ["newest 1"]);
}

#[test]
fn a_subscriber_can_end_by_itself() {
    let broker = Broker::get();
    let timed_out = broker.run("sub", &["-t", "end", "-W", "0.1"]);
    assert_eq!(timed_out.failed(27), "Timed out\n");
    assert_eq!(
        broker
            .run("sub", &["-t", "end", "-U", "other", "-E"])
            .succeeded(),
        ""
    );
}

#[test]
fn a_session_keeps_what_was_not_shown() {
    let broker = Broker::get();
    let session = ["-t", "session", "-q", "1", "-c", "-i", "session-keeper"];
    broker
        .run("sub", &[&session[..], &["-E"]].concat())
        .succeeded();
    for payload in ["1", "2", "3"] {
        broker.publish(&["-t", "session", "-q", "1", "-m", payload]);
    }
    for payload in ["1\n", "2\n", "3\n"] {
        let shown = broker.run("sub", &[&session[..], &["-C", "1"]].concat());
        assert_eq!(shown.succeeded(), payload);
    }
    broker
        .run("sub", &["-t", "session", "-i", "session-keeper", "-E"])
        .succeeded();
}

#[test]
fn the_will_tells_a_crash_from_a_goodbye() {
    let broker = Broker::get();
    let mut witness = broker.subscribe(&["-t", "will/#", "-v"]);
    let will = |name: &str| {
        let topic = format!("will/{name}");
        broker.subscribe(&[
            "-t",
            "unused",
            "--will-topic",
            &topic,
            "--will-payload",
            "gone",
            "--will-qos",
            "1",
        ])
    };
    will("goodbye").interrupt();
    will("crash").kill();
    assert_eq!(witness.next_line().as_deref(), Some("will/crash gone"));
    assert!(witness.interrupt().is_empty());
}

#[test]
fn a_subscriber_comes_back_when_the_broker_does() {
    let broker = Broker::start(0);
    let port = broker.port;
    let mut subscriber = broker.subscribe(&["-t", "back", "-C", "1", "--quiet"]);
    drop(broker);
    let broker = Broker::start(port);
    subscriber.wait_for("received SUBACK");
    broker.publish(&["-t", "back", "-m", "again"]);
    assert_eq!(subscriber.finish(), ["again"]);
}

#[test]
fn two_members_of_a_group_share_its_messages() {
    let broker = Broker::get();
    let member = || broker.subscribe(&["-t", "$share/group/share/#", "-q", "1"]);
    let (mut first, mut second) = (member(), member());
    let payloads: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let args = ["-t", "share/a", "-q", "1", "-l"];
    broker
        .run_with_input("pub", &args, payloads.join("\n").as_bytes())
        .succeeded();
    // The last message of all goes to one of them, and each ends with what it has got.
    let mut got = Vec::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for member in [&mut first, &mut second] {
            let sender = sender.clone();
            scope.spawn(move || {
                while let Some(line) = member.next_line() {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        got.extend(receiver.iter().take(100));
        drop(receiver);
        // Wakes both readers, who then find that nobody listens.
        broker.publish(&["-t", "share/a", "-q", "1", "-m", "end", "--repeat", "200"]);
    });
    got.sort_by_key(|payload| payload.parse::<u32>().ok());
    assert_eq!(got, payloads);
    first.kill();
    second.kill();
}
