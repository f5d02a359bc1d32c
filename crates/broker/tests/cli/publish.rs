//! What can be published, and how.

use crate::harness::Broker;

const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];

#[test]
fn messages_arrive_in_every_version_at_every_quality_of_service() {
    let broker = Broker::get();
    for version in VERSIONS {
        for qos in ["0", "1", "2"] {
            let topic = format!("matrix/{version}/{qos}");
            let subscriber = broker.subscribe(&[
                "-V", version, "-t", &topic, "-q", qos, "-C", "1", "-F", "%t %p %q",
            ]);
            broker.publish(&["-V", version, "-t", &topic, "-q", qos, "-m", "hi"]);
            assert_eq!(subscriber.finish(), [format!("{topic} hi {qos}")]);
        }
    }
}

#[test]
fn the_payload_comes_from_wherever_the_flags_say() {
    let broker = Broker::get();
    let topic = "payload/source";
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("payload");
    std::fs::write(&file, "from a file").expect("a writable directory");
    let subscriber = broker.subscribe(&["-t", topic, "-C", "8", "-F", "[%p]", "-q", "2"]);
    broker.publish(&["-t", topic, "-m", "-5"]);
    broker.publish(&["-t", topic, "-n"]);
    broker.publish(&["-t", topic, "-f", &file.display().to_string()]);
    broker
        .run_with_input("pub", &["-t", topic, "-s"], b"all of it")
        .succeeded();
    let lines = b"one\ntwo\r\n\nthree";
    broker
        .run_with_input("pub", &["-t", topic, "-q", "2", "-l"], lines)
        .succeeded();
    assert_eq!(
        subscriber.finish(),
        [
            "[-5]",
            "[]",
            "[from a file]",
            "[all of it]",
            "[one]",
            "[two]",
            "[]",
            "[three]"
        ]
    );
}

#[test]
fn many_lines_keep_their_order_with_a_small_window() {
    let broker = Broker::get();
    let lines: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    for qos in ["1", "2"] {
        let topic = format!("payload/lines/{qos}");
        let subscriber = broker.subscribe(&["-t", &topic, "-q", qos, "-C", "500"]);
        let args = ["-t", &topic, "-q", qos, "-M", "3", "-l"];
        broker
            .run_with_input("pub", &args, lines.join("\n").as_bytes())
            .succeeded();
        assert_eq!(subscriber.finish(), lines);
    }
}

#[test]
fn a_message_can_be_repeated() {
    let broker = Broker::get();
    let subscriber = broker.subscribe(&["-t", "repeat", "-C", "3"]);
    broker.publish(&[
        "-t",
        "repeat",
        "-m",
        "x",
        "--repeat",
        "3",
        "--repeat-delay",
        "0.01",
    ]);
    assert_eq!(subscriber.finish(), ["x", "x", "x"]);
}

#[test]
fn properties_are_passed_on() {
    let broker = Broker::get();
    let args = [
        "-V",
        "5",
        "-t",
        "property",
        "-C",
        "1",
        "-F",
        "%C|%R|%D|%P|%E",
    ];
    let subscriber = broker.subscribe(&args);
    let mut args = vec!["-t", "property", "-m", "x"];
    for property in [
        "content-type text",
        "response-topic answer",
        "correlation-data 7",
        "user-property a 1",
        "user-property a 2",
        "message-expiry-interval 1000",
    ] {
        args.extend(["-D", "publish"]);
        args.extend(property.split(' '));
    }
    broker.publish(&args);
    assert_eq!(subscriber.finish(), ["text|answer|7|a:1 a:2|1000"]);
}

#[test]
fn flags_can_come_from_a_file_and_a_url() {
    let broker = Broker::get();
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("options");
    std::fs::write(&file, "# defaults\n-t options/file\n-m two words\n").expect("a directory");
    let subscriber = broker.subscribe(&["-t", "options/#", "-C", "2", "-v"]);
    let mut command = crate::harness::dunlin();
    command
        .arg("pub")
        .arg("-o")
        .arg(&file)
        .args(["-p", &broker.port.to_string()]);
    assert!(command.status().expect("the tool starts").success());
    let url = format!("mqtt://localhost:{}/options/url", broker.port);
    broker.publish(&["-L", &url, "-m", "x"]);
    assert_eq!(
        subscriber.finish(),
        ["options/file two words", "options/url x"]
    );
}
