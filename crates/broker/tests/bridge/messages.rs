//! What passes a bridge between two Dunlins, and what does not.

use crate::broker::{Broker, Program, free_port};
use crate::cut::Wire;
use crate::tools::{Subscriber, publish, publish_numbers, wait_for_state};

/// A site with a bridge to headquarters.
pub(crate) fn bridge(port: u16, lines: &str) -> String {
    format!(
        "connection hq\naddress 127.0.0.1:{port}\nremote_clientid site1\nrestart_timeout 1\n{lines}"
    )
}

pub(crate) struct Pair {
    pub(crate) there: Broker,
    pub(crate) here: Broker,
}

/// Two brokers; the second has a bridge to the first with these lines.
pub(crate) fn pair(program: Program, lines: &str) -> Pair {
    let there = Broker::start(program, free_port(), "");
    let here = Broker::start(Program::Dunlin, free_port(), &bridge(there.port, lines));
    wait_for_state(there.port, "site1", "1");
    Pair { there, here }
}

pub(crate) fn pass_both_ways_at_every_qos(program: Program, version: &str) {
    let lines = "topic # both 2 site/ hq/site1/\ntopic only/out out 2\ntopic only/in in 2";
    let Pair { there, here } = pair(program, &format!("{version}\n{lines}"));
    let at_hq = Subscriber::new(there.port, &["-q", "2", "-t", "#"]);
    let at_site = Subscriber::new(here.port, &["-q", "2", "-t", "#"]);
    for qos in ["0", "1", "2"] {
        publish(here.port, &["-t", "site/temp", "-m", qos, "-q", qos]);
        assert_eq!(at_site.next(), format!("0 site/temp {qos}"));
        assert_eq!(at_hq.next(), format!("0 hq/site1/temp {qos}"));
        publish(there.port, &["-t", "hq/site1/set", "-m", qos, "-q", qos]);
        assert_eq!(at_hq.next(), format!("0 hq/site1/set {qos}"));
        assert_eq!(at_site.next(), format!("0 site/set {qos}"));
    }
    publish(here.port, &["-t", "only/in", "-m", "stays", "-q", "1"]);
    publish(here.port, &["-t", "only/out", "-m", "goes", "-q", "1"]);
    assert_eq!(at_hq.next(), "0 only/out goes");
    publish(there.port, &["-t", "only/out", "-m", "stays", "-q", "1"]);
    publish(there.port, &["-t", "only/in", "-m", "comes", "-q", "1"]);
    at_site.until("0 only/in comes");
}

pub(crate) fn nothing_circles(program: Program, version: &str) {
    let Pair { there, here } = pair(program, &format!("{version}\ntopic # both 1"));
    let at_hq = Subscriber::new(there.port, &["-q", "1", "-t", "#"]);
    let at_site = Subscriber::new(here.port, &["-q", "1", "-t", "#"]);
    publish(here.port, &["-t", "a", "-m", "one", "-q", "1", "-r"]);
    assert_eq!(at_hq.next(), "0 a one");
    publish(there.port, &["-t", "b", "-m", "two", "-q", "1"]);
    assert_eq!(at_site.take(2), ["0 a one", "0 b two"]);
    assert_eq!(at_hq.next(), "0 b two");
    assert!(at_site.is_silent() && at_hq.is_silent());
}

pub(crate) fn retained_messages_stay_retained(program: Program, version: &str) {
    let there = Broker::start(program, free_port(), "");
    publish(there.port, &["-t", "in/old", "-m", "1", "-r"]);
    let lines = format!("{version}\ntopic in/# in 1\ntopic out/# out 1");
    let here = Broker::start(Program::Dunlin, free_port(), &bridge(there.port, &lines));
    wait_for_state(there.port, "site1", "1");
    publish(there.port, &["-t", "in/new", "-m", "2", "-r", "-q", "1"]);
    publish(here.port, &["-t", "out/new", "-m", "3", "-r", "-q", "1"]);
    publish(here.port, &["-t", "out/other", "-m", "4", "-q", "1"]);
    let watch = Subscriber::new(there.port, &["-t", "out/#"]);
    watch.until_payload("3");
    let at_hq = Subscriber::new(there.port, &["-t", "out/#"]);
    assert_eq!(at_hq.next(), "1 out/new 3");
    let watch = Subscriber::new(here.port, &["-t", "in/#"]);
    let mut seen = [watch.next(), watch.next()].map(|line| line[2..].to_owned());
    seen.sort();
    assert_eq!(seen, ["in/new 2", "in/old 1"]);
    let at_site = Subscriber::new(here.port, &["-t", "in/#"]);
    let mut seen = at_site.take(2);
    seen.sort();
    assert_eq!(seen, ["1 in/new 2", "1 in/old 1"]);
}

/// The wire is cut again and again; at QoS 2 each message comes once, at QoS 1 at least once.
pub(crate) fn nothing_is_lost_or_doubled(program: Program, version: &str) {
    const COUNT: usize = 400;
    let there = Broker::start(program, free_port(), "max_queued_messages 0");
    let wire = Wire::to(there.port);
    let lines = format!("{version}\ntopic out/# out 2\ntopic in/# in 2");
    let here = Broker::start(Program::Dunlin, free_port(), &bridge(wire.port, &lines));
    wait_for_state(there.port, "site1", "1");
    let at_hq = Subscriber::new(there.port, &["-q", "2", "-t", "out/#"]);
    let at_site = Subscriber::new(here.port, &["-q", "2", "-t", "in/#"]);
    let (site, hq) = (here.port, there.port);
    for (near, topic, far) in [(site, "out", &at_hq), (hq, "in", &at_site)] {
        for qos in ["1", "2"] {
            let topic = format!("{topic}/{qos}");
            let seen = std::thread::scope(|scope| {
                scope.spawn(|| publish_numbers(near, &topic, qos, COUNT));
                let mut seen = Vec::new();
                let last = format!("0 {topic} {}", COUNT - 1);
                let mut cuts = 0;
                while seen.last() != Some(&last) {
                    seen.push(far.next());
                    if seen.len() > (cuts + 1) * COUNT / 4 {
                        cuts += 1;
                        wire.cut();
                    }
                }
                seen
            });
            let sent: Vec<String> = (0..COUNT).map(|n| format!("0 {topic} {n}")).collect();
            // The end of what came before may be repeated.
            let mut seen: Vec<String> = seen;
            seen.retain(|message| message.contains(&topic));
            let missing = sent.iter().find(|one| !seen.contains(one));
            assert_eq!(missing, None, "{topic}");
            if qos == "2" {
                assert!(seen == sent, "{topic}: {} of {COUNT}", seen.len());
            }
        }
    }
}

#[test]
fn messages_pass_both_ways_at_every_qos() {
    pass_both_ways_at_every_qos(Program::Dunlin, "");
}

#[test]
fn messages_pass_both_ways_at_every_qos_in_5() {
    pass_both_ways_at_every_qos(Program::Dunlin, "bridge_protocol_version mqttv50");
}

#[test]
fn no_message_circles() {
    nothing_circles(Program::Dunlin, "");
    nothing_circles(Program::Dunlin, "bridge_protocol_version mqttv50");
}

#[test]
fn retained_messages_are_retained_on_the_other_side() {
    retained_messages_stay_retained(Program::Dunlin, "");
    retained_messages_stay_retained(Program::Dunlin, "bridge_protocol_version mqttv50");
}

#[test]
fn a_wire_that_is_cut_loses_and_doubles_nothing() {
    nothing_is_lost_or_doubled(Program::Dunlin, "");
}

#[test]
fn properties_pass_in_5() {
    let lines = "bridge_protocol_version mqttv50\ntopic # out 1";
    let Pair { there, here } = pair(Program::Dunlin, lines);
    let args = ["-V", "5", "-F", "%C %P %p", "-t", "#"];
    let at_hq = Subscriber::new(there.port, &args);
    let args = ["-V", "5", "-t", "a", "-m", "x", "-q", "1"];
    let properties = ["-D", "publish", "content-type", "text/plain"];
    let user = ["-D", "publish", "user-property", "k", "v"];
    publish(here.port, &[&args[..], &properties, &user].concat());
    assert_eq!(at_hq.next(), "text/plain k:v x");
}
