//! `mosquitto.db`: an installation moves over, with all that its Clients have not got yet.

use std::collections::BTreeSet;

use dunlin_packet::QoS;

use crate::beside_mosquitto::Mosquitto;
use crate::client::{Client, Got};
use crate::server::{Directory, Server, dunlin, tool};

/// What a Mosquitto 2.0.11 has saved; see `src/mosquitto_db/tests.rs`.
const WRITTEN: &[u8] = include_bytes!("../fixtures/mosquitto-2.0.11.db");

const CONF: &str = "persistence true\npersistence_location data\n";

/// A directory with a configuration and a database, as Mosquitto has left it.
fn left(database: &[u8]) -> Directory {
    let directory = Directory::new();
    directory.write("m.conf", CONF);
    directory.write("data/mosquitto.db", "");
    std::fs::write(directory.path("data/mosquitto.db"), database).unwrap();
    directory
}

fn start(directory: &Directory) -> Server {
    Server::start(directory, &["-c", "m.conf", "-p", "0"])
}

#[test]
fn the_first_start_takes_it_over_and_leaves_it_as_it_is() {
    let directory = left(WRITTEN);
    let server = start(&directory);
    server.logs("taken over from data/mosquitto.db: 2 Sessions");
    let (mut alice, is_present) = Client::connect(server.port, "alice");
    assert!(is_present);
    let got = alice.take(3);
    let topics: Vec<_> = got.iter().map(|it| it.topic.as_str()).collect();
    assert_eq!(
        topics,
        ["home/kitchen/temp", "home/hall/temp", "home/cellar/temp"]
    );
    let hall = &got[1];
    assert_eq!((hall.qos, &*hall.payload), (QoS::AtLeastOnce, "{\"c\":19}"));
    let retained = server.tool(&["sub", "-v", "-t", "plain/#", "-C", "1", "-W", "20"]);
    assert_eq!(retained, "plain/retained zero\n");
    drop(alice);
    assert_eq!(server.terminate(), Some(0));
    let file = std::fs::read(directory.path("data/mosquitto.db")).unwrap();
    assert_eq!(file, WRITTEN);
    // The second start goes on from where the first has ended.
    let server = start(&directory);
    let (mut alice, is_present) = Client::connect(server.port, "alice");
    assert!(is_present);
    server.tool(&["pub", "-q", "1", "-t", "home/new/temp", "-m", "8"]);
    assert_eq!(alice.next().topic, "home/new/temp");
}

#[test]
fn a_damaged_one_is_refused_and_nothing_is_kept_of_it() {
    let directory = left(&WRITTEN[..WRITTEN.len() - 1]);
    let serve = dunlin(&directory, &["-c", "m.conf", "-p", "0"]);
    assert_eq!(serve.status.code(), Some(1));
    let told = String::from_utf8(serve.stderr).unwrap();
    let says = |part: &str| assert!(told.contains(part), "{told}");
    says("cannot take over data/mosquitto.db");
    says("the file ends within the chunk");
    // Whole again, it is taken over as if nothing had been.
    std::fs::write(directory.path("data/mosquitto.db"), WRITTEN).unwrap();
    start(&directory).logs("taken over");
}

#[test]
fn import_takes_it_over_for_a_configuration_of_our_own() {
    let directory = left(WRITTEN);
    let args = [
        "import",
        "m.conf",
        "--db",
        "data/mosquitto.db",
        "--data-dir",
        "own",
    ];
    let import = dunlin(&directory, &args);
    assert!(import.status.success(), "{import:?}");
    let told = String::from_utf8(import.stderr).unwrap();
    assert!(told.starts_with("into own: 2 Sessions"), "{told}");
    let toml = String::from_utf8(import.stdout).unwrap();
    directory.write("d.toml", &toml.replace("127.0.0.1:1883", "127.0.0.1:0"));
    let again = dunlin(&directory, &args);
    assert!(!again.status.success());
    let told = String::from_utf8(again.stderr).unwrap();
    assert!(told.contains("there is something in own already"), "{told}");
    let server = Server::start(&directory, &["-c", "d.toml", "--data-dir", "own"]);
    let (_, is_present) = Client::connect(server.port, "carol");
    assert!(is_present);
}

#[test]
fn an_interruption_leaves_all_of_it_or_nothing() {
    let directory = left(WRITTEN);
    let import = |into| {
        dunlin(
            &directory,
            &["import", "--db", "data/mosquitto.db", "--data-dir", into],
        )
    };
    let dump = || {
        let dump = dunlin(&directory, &["store", "dump", "cut"]);
        assert!(dump.status.success(), "{dump:?}");
        String::from_utf8(dump.stdout).unwrap().lines().count()
    };
    assert!(import("whole").status.success());
    let name = "00000001.log";
    let whole = std::fs::read(directory.path("whole").join(name)).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    directory.write("cut/.keep", "");
    let mut counts = Vec::new();
    for cut in (0..=end).step_by(61).chain([end]) {
        std::fs::write(directory.path("cut").join(name), &whole[..cut]).unwrap();
        counts.push(dump());
    }
    // Alice, what waits for her, carol, and what is retained.
    assert_eq!(counts.last(), Some(&7));
    assert!(
        counts.iter().all(|count| [0, 7].contains(count)),
        "{counts:?}"
    );
    // From where nothing was left, it begins again.
    std::fs::write(directory.path("cut").join(name), &whole[..end / 2]).unwrap();
    assert!(import("cut").status.success());
    assert_eq!(dump(), 7);
}

#[test]
fn version_5_is_taken_over_too() {
    let mut file = b"\x00\xB5\x00mosquitto db".to_vec();
    file.extend([0, 0, 0, 0, 0, 0, 0, 5]);
    let mut chunk = |kind: u32, parts: &[&[u8]]| {
        let body = parts.concat();
        file.extend(kind.to_be_bytes());
        file.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        file.extend(body);
    };
    let number = 77_u64.to_le_bytes();
    // Kind, numbering of messages; a message of QoS 1 with topic `a/b`; a Session that does not
    // expire; its subscription; the message in its queue, and retained.
    chunk(1, &[&number, &[1, 0, 4, 0]]);
    let sizes = [0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0];
    chunk(2, &[&number, &[0; 8], &sizes, &[1, 1], b"a/b", b"hi"]);
    chunk(6, &[&[0; 8], &[0xFF; 4], &[0, 1, 0, 3], b"dan"]);
    chunk(5, &[&[0; 4], &[0, 3, 0, 3], &[1, 0, 0, 0], b"dan", b"a/+"]);
    chunk(3, &[&number, &[0, 1, 0, 3], &[1, 11, 0, 1], b"dan"]);
    chunk(4, &[&number]);
    let directory = left(&file);
    let server = start(&directory);
    let (mut dan, is_present) = Client::connect(server.port, "dan");
    assert!(is_present);
    let first = dan.next();
    assert_eq!((&*first.topic, &*first.payload), ("a/b", "hi"));
    server.tool(&["pub", "-t", "a/c", "-q", "1", "-m", "new"]);
    assert_eq!(dan.next().topic, "a/c");
    let retained = server.tool(&["sub", "-v", "-t", "#", "-C", "1", "-W", "20"]);
    assert_eq!(retained, "a/b hi\n");
}

// ---------------------------------------------------------------------- beside Mosquitto

/// A Mosquitto in the directory that keeps its data where Dunlin will look for it.
fn mosquitto(directory: &Directory) -> Mosquitto {
    std::fs::create_dir_all(directory.path("data")).unwrap();
    let data = directory.path("data").display().to_string();
    Mosquitto::start(directory, &CONF.replace("data", &format!("{data}/")))
}

/// What a Client has got, as far as it is told apart here.
fn payloads(got: &[Got]) -> Vec<&str> {
    got.iter().map(|it| it.payload.as_str()).collect()
}

#[test]
#[ignore = "needs mosquitto: cargo xtask test configuration-mosquitto"]
fn clients_go_on_where_they_were() {
    let directory = Directory::new();
    directory.write("m.conf", CONF);
    let mosquitto = mosquitto(&directory);
    let port = mosquitto.port;
    let publish = |qos: &str, topic: &str, payload: &str| {
        tool(port, &["pub", "-q", qos, "-t", topic, "-m", payload]);
    };
    // `far` is away; `slow` has 3 messages in flight at each QoS, has answered one of QoS 2 by PUBREC;
    // `half` has published at QoS 2 and not released it.
    let (mut far, _) = Client::connect(port, "far");
    far.subscribe("far/#", QoS::ExactlyOnce);
    far.subscribe("half/#", QoS::ExactlyOnce);
    drop(far);
    let (mut slow, _) = Client::connect(port, "slow");
    slow.subscribe("slow/#", QoS::ExactlyOnce);
    for n in 0..3 {
        publish("2", "slow/2", &format!("two {n}"));
    }
    let in_flight: Vec<_> = (0..3).map(|_| slow.next()).collect();
    assert_eq!(payloads(&in_flight), ["two 0", "two 1", "two 2"]);
    let first = in_flight[0].packet_id.unwrap();
    slow.received(first);
    assert_eq!(slow.next_release(), first);
    for n in 0..3 {
        publish("1", "slow/1", &format!("one {n}"));
    }
    let unanswered: Vec<_> = (0..3).map(|_| slow.next()).collect();
    assert_eq!(payloads(&unanswered), ["one 0", "one 1", "one 2"]);
    drop(slow);
    let (mut half, _) = Client::connect(port, "half");
    half.publish("half/a", "once", false);
    drop(half);
    for n in 0..50 {
        publish("1", "far/1", &format!("one {n}"));
        publish("2", "far/2", &format!("two {n}"));
    }
    tool(
        port,
        &["pub", "-r", "-q", "1", "-t", "kept", "-m", "for ever"],
    );
    tool(port, &["pub", "-r", "-t", "kept/0", "-m", "at QoS 0"]);
    mosquitto.stop();

    let server = start(&directory);
    let kept = server.tool(&["sub", "-v", "-t", "kept/#", "-C", "2", "-W", "20"]);
    let kept: BTreeSet<&str> = kept.lines().collect();
    assert_eq!(kept, BTreeSet::from(["kept for ever", "kept/0 at QoS 0"]));
    let (mut far, is_present) = Client::connect(server.port, "far");
    assert!(is_present);
    let got = far.take(101);
    let of = |got: &[Got], topic: &str| -> Vec<String> {
        let of_topic = got.iter().filter(|it| it.topic == topic);
        of_topic.map(|it| it.payload.clone()).collect()
    };
    let numbers = |word: &str, range: std::ops::Range<u32>| -> Vec<String> {
        range.map(|n| format!("{word} {n}")).collect()
    };
    assert_eq!(of(&got, "far/1"), numbers("one", 0..50));
    assert_eq!(of(&got, "far/2"), numbers("two", 0..50));
    assert_eq!(of(&got, "half/a"), ["once"]);
    let (mut slow, is_present) = Client::connect(server.port, "slow");
    assert!(is_present);
    // The one that was answered by PUBREC is released, and does not come again.
    assert_eq!(slow.next_release(), first);
    slow.completed(first);
    let got = slow.take(5);
    assert_eq!(of(&got, "slow/2"), numbers("two", 1..3));
    assert_eq!(of(&got, "slow/1"), numbers("one", 0..3));
    let of_qos_2 = got.iter().filter(|it| it.qos == QoS::ExactlyOnce);
    assert!(of_qos_2.eq(&in_flight[1..]));
    // Published again it is known, and it has been passed on.
    let (mut half, is_present) = Client::connect(server.port, "half");
    assert!(is_present);
    half.publish("half/a", "once", true);
    half.release();
    server.tool(&["pub", "-q", "2", "-t", "far/end", "-m", "end"]);
    assert_eq!(far.take(1)[0].topic, "far/end");
    server.tool(&["pub", "-q", "2", "-t", "slow/end", "-m", "end"]);
    assert_eq!(slow.take(1)[0].topic, "slow/end");
}
