//! A file that Mosquitto 2.0.11 has written, and what can be wrong with one.

use dunlin_core::Timestamp;
use dunlin_packet::QoS;

use super::*;
use crate::fuzzing::{self, restored};

/// Three Sessions: alice subscribes to `home/+/temp` at QoS 1, bob of 5.0 to `home/#` at QoS 2 with
/// Subscription Identifier 7, carol expires never; three messages for the first two, and two that
/// are retained.
const WRITTEN: &[u8] = include_bytes!("../../tests/fixtures/mosquitto-2.0.11.db");

#[test]
fn what_mosquitto_has_written_is_read() {
    let database = Database::read(WRITTEN).unwrap();
    assert_eq!(database.version, 6);
    let clients: Vec<_> = database
        .clients
        .iter()
        .map(|it| (it.client_id.as_str(), it.session_expiry_interval))
        .collect();
    assert_eq!(
        clients,
        [("alice", u32::MAX), ("bob", 3600), ("carol", u32::MAX)]
    );
    assert_eq!(database.clients[2].user_name, "caroline");
    assert_eq!(database.clients[0].listener_port, 18895);
    let filters: Vec<_> = database
        .subscriptions
        .iter()
        .map(|it| {
            (
                it.client_id.as_str(),
                it.filter.as_str(),
                it.qos,
                it.options,
                it.identifier,
            )
        })
        .collect();
    assert_eq!(
        filters,
        [
            ("alice", "home/+/temp", QoS::AtLeastOnce, 0, 0),
            ("bob", "home/#", QoS::ExactlyOnce, 8, 7)
        ]
    );
    let topics = |numbers: &[u64]| -> Vec<String> {
        numbers
            .iter()
            .map(|number| database.message(*number).unwrap().topic.clone())
            .collect()
    };
    assert_eq!(
        topics(&database.retained),
        ["home/kitchen/temp", "plain/retained"]
    );
    let of_bob: Vec<_> = database
        .queued
        .iter()
        .filter(|it| it.client_id == "bob")
        .collect();
    let numbers: Vec<u64> = of_bob.iter().map(|it| it.number).collect();
    assert_eq!(
        topics(&numbers),
        ["home/kitchen/temp", "home/hall/temp", "home/cellar/temp"]
    );
    assert!(of_bob[0].retain && !of_bob[1].retain);
    assert_eq!(of_bob[1].qos, QoS::ExactlyOnce);
    assert_eq!((of_bob[1].state, of_bob[1].direction), (11, Direction::Out));
    assert_eq!(of_bob[1].properties, [2, 0x0B, 7]);
    let hall = database.message(numbers[1]).unwrap();
    assert_eq!(hall.payload, br#"{"c":19}"#);
    assert!(hall.expires_at > 0 && !hall.properties.is_empty());
    let cellar = database.message(numbers[2]).unwrap();
    assert_eq!(
        (
            cellar.source_client_id.as_str(),
            cellar.source_user_name.as_str()
        ),
        ("publisher", "pete")
    );
}

#[test]
fn version_5_has_a_shorter_record_of_sessions() {
    let mut file = MAGIC.to_vec();
    file.extend([0, 0, 0, 0, 0, 0, 0, 5]);
    file.extend([0, 0, 0, 6, 0, 0, 0, 19]);
    file.extend(100_u64.to_le_bytes());
    file.extend(60_u32.to_be_bytes());
    file.extend([0, 9, 0, 3]);
    file.extend(b"dan");
    // A chunk of a kind that nobody knows.
    file.extend([0, 0, 0, 99, 0, 0, 0, 1, 7]);
    let database = Database::read(&file).unwrap();
    let dan = &database.clients[0];
    assert_eq!(
        (dan.client_id.as_str(), dan.expires_at, dan.last_packet_id),
        ("dan", 100, 9)
    );
    file[22] = 4;
    assert_eq!(Database::read(&file), Err(DatabaseError::Version(4)));
}

#[test]
fn a_file_that_is_cut_off_or_changed_anywhere_is_no_panic() {
    assert_eq!(Database::read(b"SQLite"), Err(DatabaseError::NotADatabase));
    for end in 0..WRITTEN.len() {
        let cut = Database::read(&WRITTEN[..end]);
        assert!(cut.is_err() || cut.unwrap().queued.len() <= 6, "{end}");
    }
    for place in 0..WRITTEN.len() {
        for value in [0, 1, 0x7F, 0xFF] {
            let mut changed = WRITTEN.to_vec();
            changed[place] = value;
            if let Ok(database) = Database::read(&changed) {
                let _ = database.to_string();
            }
        }
    }
}

#[test]
fn what_is_shown_is_json_with_a_line_for_each_thing() {
    let shown = Database::read(WRITTEN).unwrap().to_string();
    let lines: Vec<serde_json::Value> = shown
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3 + 2 + 6 + 2);
    assert_eq!(lines[0]["session"], "alice");
    assert_eq!(lines[12]["retained"]["payload"], "zero");
}

#[test]
fn what_mosquitto_has_written_is_taken_over() {
    let database = Database::read(WRITTEN).unwrap();
    // While the Session of bob lasts, and after that.
    let now = Timestamp::from_millis((database.clients[1].expires_at - 60) * 1000);
    let taken = database.take_over(now, |_| 0).unwrap();
    assert_eq!(
        taken.to_string(),
        "3 Sessions, 2 subscriptions, 6 messages that wait, 2 Retained Messages"
    );
    let gauges = restored(taken, now);
    assert_eq!(
        (gauges.sessions, gauges.subscriptions, gauges.retained),
        (3, 2, 2)
    );
    let later = now.after_seconds(61);
    let taken = database.take_over(later, |_| 0).unwrap();
    assert_eq!(restored(taken, later).sessions, 2);
}

#[test]
fn what_is_not_there_or_makes_no_sense_is_told() {
    let database = Database::read(WRITTEN).unwrap();
    let now = Timestamp::from_millis(1);
    let fails = |change: &dyn Fn(&mut Database)| {
        let mut changed = database.clone();
        change(&mut changed);
        changed.take_over(now, |_| 0).unwrap_err().to_string()
    };
    let error = fails(&|it| it.messages.clear());
    assert!(error.ends_with("is needed and not there"), "{error}");
    let error = fails(&|it| it.subscriptions[0].filter = "a/#/b".to_owned());
    assert!(error.contains("a/#/b"), "{error}");
    let error = fails(&|it| {
        it.messages
            .iter_mut()
            .for_each(|it| it.topic = "+".to_owned())
    });
    assert!(error.contains("Topic Name"), "{error}");
    let error = fails(&|it| {
        it.messages
            .iter_mut()
            .for_each(|it| it.properties = vec![9, 9])
    });
    assert!(error.starts_with("message "), "{error}");
}

#[test]
fn a_changed_file_is_taken_over_or_refused_and_no_panic() {
    for place in 0..WRITTEN.len() {
        for value in [0, 1, 4, 9, 0x7F, 0xFF] {
            let mut changed = WRITTEN.to_vec();
            changed[place] = value;
            fuzzing::mosquitto_db(&changed);
        }
    }
}
