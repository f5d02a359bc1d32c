//! `dunlin rr`.

use crate::harness::Broker;

#[test]
fn the_response_is_printed() {
    let broker = Broker::get();
    let responder = broker.subscribe(&["-V", "5", "-t", "rr/ask", "-C", "1", "-F", "%R %p"]);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let args = [
                "-t",
                "rr/ask",
                "-e",
                "rr/answer",
                "-m",
                "how?",
                "-v",
                "--latency",
            ];
            broker.run("rr", &args).succeeded()
        });
        assert_eq!(responder.finish(), ["rr/answer how?"]);
        broker.publish(&["-t", "rr/answer", "-m", "so"]);
        let printed = asking.join().expect("no panic");
        let mut lines = printed.lines();
        assert_eq!(lines.next(), Some("rr/answer so"));
        assert!(
            lines
                .next()
                .is_some_and(|line| line.starts_with("Latency: 0.")),
            "{printed}"
        );
    });
}

#[test]
fn no_response_is_a_timeout() {
    let broker = Broker::get();
    let args = [
        "-t",
        "rr/nobody",
        "-e",
        "rr/nothing",
        "-m",
        "x",
        "-W",
        "0.1",
    ];
    assert_eq!(broker.run("rr", &args).failed(27), "Timed out\n");
    let args = ["-t", "rr/nobody", "-m", "x"];
    assert!(broker.run("rr", &args).failed(1).contains("response topic"));
}
