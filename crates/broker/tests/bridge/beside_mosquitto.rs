//! Bridges to and from Debian's Mosquitto.

use crate::broker::{Broker, Program, free_port};
use crate::messages::{
    bridge, nothing_circles, nothing_is_lost_or_doubled, pass_both_ways_at_every_qos,
    retained_messages_stay_retained,
};
use crate::tools::{Subscriber, publish, publish_numbers, wait_for_state};

const V5: &str = "bridge_protocol_version mqttv50";

#[test]
#[ignore = "needs Debian's mosquitto"]
fn messages_pass_both_ways_at_every_qos() {
    pass_both_ways_at_every_qos(Program::Mosquitto, "");
    pass_both_ways_at_every_qos(Program::Mosquitto, "bridge_protocol_version mqttv31");
    pass_both_ways_at_every_qos(Program::Mosquitto, V5);
}

#[test]
#[ignore = "needs Debian's mosquitto"]
fn no_message_circles() {
    nothing_circles(Program::Mosquitto, "");
    nothing_circles(Program::Mosquitto, V5);
}

#[test]
#[ignore = "needs Debian's mosquitto"]
fn retained_messages_are_retained_on_the_other_side() {
    retained_messages_stay_retained(Program::Mosquitto, "");
    retained_messages_stay_retained(Program::Mosquitto, V5);
}

#[test]
#[ignore = "needs Debian's mosquitto"]
fn a_wire_that_is_cut_loses_and_doubles_nothing() {
    nothing_is_lost_or_doubled(Program::Mosquitto, "");
}

#[test]
#[ignore = "needs Debian's mosquitto"]
fn a_mosquitto_that_is_stopped_and_started_misses_nothing() {
    let place = crate::broker::directory();
    // Started as root, it would become somebody who cannot write there.
    let keeps = format!(
        "user root\npersistence true\npersistence_location {}/\nmax_queued_messages 0",
        place.display()
    );
    let there = Broker::start(Program::Mosquitto, free_port(), &keeps);
    let port = there.port;
    let here = Broker::start(Program::Dunlin, free_port(), &bridge(port, "topic # out 2"));
    wait_for_state(port, "site1", "1");
    let durable = ["-c", "-i", "archive", "-q", "2", "-t", "+"];
    drop(Subscriber::new(port, &durable));
    publish_numbers(here.port, "before", "2", 20);
    there.stop();
    publish_numbers(here.port, "a", "1", 100);
    publish_numbers(here.port, "b", "2", 100);
    let there = Broker::start(Program::Mosquitto, port, &keeps);
    publish_numbers(here.port, "c", "2", 20);
    let archive = Subscriber::new(there.port, &durable);
    let sent = |topic, count| (0..count).map(move |n| format!("0 {topic} {n}"));
    let mut sent: Vec<String> = sent("before", 20)
        .chain(sent("a", 100))
        .chain(sent("b", 100))
        .chain(sent("c", 20))
        .collect();
    let mut seen = archive.take(sent.len());
    sent.sort();
    seen.sort();
    assert_eq!(seen, sent);
    assert!(archive.is_silent());
}

#[test]
#[ignore = "needs Debian's mosquitto"]
fn users_and_passwords_are_shown_there() {
    let place = crate::broker::directory();
    let file = place.join("passwords");
    let made = std::process::Command::new("mosquitto_passwd")
        .args(["-c", "-b"])
        .arg(&file)
        .args(["site", "secret"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    // Whoever names a user has to prove it, on a listener for everybody as well.
    let passwords = format!("password_file {}", file.display());
    let there = Broker::start(Program::Mosquitto, free_port(), &passwords);
    let user = |password: &str| format!("username site\npassword {password}\ntopic # out");
    let config = bridge(there.port, &user("wrong"));
    let here = Broker::start(Program::Dunlin, free_port(), &config);
    here.logs("bridge not connected: the other broker: the connection was refused");
    drop(here);
    let config = bridge(there.port, &user("secret"));
    let _here = Broker::start(Program::Dunlin, free_port(), &config);
    wait_for_state(there.port, "site1", "1");
}

/// The other way round: a Mosquitto with a bridge to Dunlin, as it says with the highest bit of the
/// protocol level.
#[test]
#[ignore = "needs Debian's mosquitto"]
fn a_bridge_of_mosquitto_is_understood() {
    let there = Broker::start(Program::Dunlin, free_port(), "");
    publish(there.port, &["-t", "old", "-m", "0", "-r", "-q", "1"]);
    let config = bridge(there.port, "topic # both 2");
    let here = Broker::start(Program::Mosquitto, free_port(), &config);
    wait_for_state(there.port, "site1", "1");
    let at_hq = Subscriber::new(there.port, &["-q", "2", "-t", "+/new"]);
    let at_site = Subscriber::new(here.port, &["-q", "2", "-t", "+/new"]);
    for qos in ["0", "1", "2"] {
        publish(here.port, &["-t", "a/new", "-m", qos, "-q", qos, "-r"]);
        assert_eq!(at_hq.next(), format!("0 a/new {qos}"));
        publish(there.port, &["-t", "b/new", "-m", qos, "-q", qos, "-r"]);
        assert_eq!(
            at_site.take(2),
            [format!("0 a/new {qos}"), format!("0 b/new {qos}")]
        );
        assert_eq!(at_hq.next(), format!("0 b/new {qos}"));
    }
    assert!(at_hq.is_silent() && at_site.is_silent());
    for port in [there.port, here.port] {
        let late = Subscriber::new(port, &["-t", "+/new", "-t", "old"]);
        let mut seen = late.take(3);
        seen.sort();
        assert_eq!(seen, ["1 a/new 2", "1 b/new 2", "1 old 0"]);
    }
}

/// What people have in front of a broker in the cloud.
#[test]
#[ignore = "needs Debian's mosquitto"]
fn a_home_reaches_its_cloud() {
    let lines = "cleansession false\nnotifications false\ntry_private false\nkeepalive_interval 60\n\
                 bridge_attempt_unsubscribe false\nstart_type automatic\n\
                 topic stat/# out 1 \"\" home/\ntopic cmnd/# in 1 \"\" home/";
    let there = Broker::start(Program::Mosquitto, free_port(), "");
    let here = Broker::start(Program::Dunlin, free_port(), &bridge(there.port, lines));
    here.logs("bridge connected");
    let at_home = Subscriber::new(here.port, &["-t", "cmnd/#"]);
    let in_cloud = Subscriber::new(there.port, &["-t", "home/#"]);
    publish(here.port, &["-t", "stat/lamp", "-m", "ON", "-q", "1"]);
    assert_eq!(in_cloud.next(), "0 home/stat/lamp ON");
    publish(
        there.port,
        &["-t", "home/cmnd/lamp", "-m", "OFF", "-q", "1"],
    );
    assert_eq!(at_home.next(), "0 cmnd/lamp OFF");
}

#[test]
#[ignore = "needs Debian's mosquitto"]
fn the_state_has_a_topic_of_its_own_if_wanted() {
    let lines = "notification_topic bridges/site1\nnotifications_local_only true\ntopic # out 1";
    let there = Broker::start(Program::Mosquitto, free_port(), "");
    let here = Broker::start(Program::Dunlin, free_port(), &bridge(there.port, lines));
    let at_site = Subscriber::new(here.port, &["-t", "bridges/#"]);
    at_site.until_payload("1");
}
