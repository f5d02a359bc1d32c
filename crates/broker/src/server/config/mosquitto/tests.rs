//! Whole files, as people have them, and what becomes of them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use dunlin_auth::Anonymous;
use dunlin_core::MountPoint;
use dunlin_net::ClientCertificates;

use super::*;
use crate::server::config::error::Place;
use crate::server::config::{Config, ListenAddress, Protocol, UserNameFrom, meant, toml_file};

/// Files that are only in memory.
#[derive(Default)]
struct Pages(BTreeMap<PathBuf, String>);

impl Files for Pages {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.0
            .get(path)
            .cloned()
            .ok_or(io::ErrorKind::NotFound.into())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let within = |path: &&PathBuf| path.parent() == Some(directory);
        let found: Vec<_> = self.0.keys().filter(within).cloned().collect();
        match found.is_empty() {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(found),
        }
    }
}

fn pages(pages: &[(&str, &str)]) -> Pages {
    let page = |(path, text): &(&str, &str)| (PathBuf::from(path), (*text).to_owned());
    Pages(pages.iter().map(page).collect())
}

fn reading(text: &str) -> Reading {
    read(Path::new("m.conf"), &pages(&[("m.conf", text)]), None).unwrap()
}

fn refusals(reading: &Reading) -> Vec<(usize, String)> {
    let refused = reading
        .lines
        .iter()
        .filter_map(|line| match &line.judgement {
            Judgement::Refused(reason) => Some((line.number, reason.clone())),
            _ => None,
        });
    refused.collect()
}

fn config(text: &str) -> Config {
    let reading = reading(text);
    assert_eq!(refusals(&reading), [], "{text}");
    let config = meant::meant(&reading.settings, &Place::Nowhere).unwrap();
    // What import writes means the same.
    let mut again = Settings::default();
    toml_file::read(
        &toml_file::write(&reading.settings),
        Path::new("again"),
        &mut again,
    )
    .unwrap();
    let imported = meant::meant(&again, &Place::Nowhere).unwrap();
    assert_eq!(imported, config, "{}", toml_file::write(&reading.settings));
    config
}

fn addresses(config: &Config) -> Vec<String> {
    let listeners = config.listeners.iter();
    listeners.map(|it| it.address.to_string()).collect()
}

#[test]
fn an_empty_file_serves_this_machine_with_mosquittos_own_defaults() {
    let config = config("");
    assert_eq!(addresses(&config), ["127.0.0.1:1883"]);
    assert_eq!(config.listeners[0].access.anonymous, Anonymous::Everybody);
    let limits = &config.limits;
    assert_eq!((limits.in_flight, limits.receive_maximum), (20, 20));
    assert_eq!(
        (limits.queued_messages, limits.packet_size),
        (1_000, 2_000_000)
    );
    assert_eq!(
        (limits.topic_aliases_in, limits.session_expiry),
        (10, u32::MAX)
    );
    assert_eq!(
        config.sys_interval,
        Some(std::time::Duration::from_secs(10))
    );
}

#[test]
fn a_port_on_the_command_line_counts_where_no_listener_is() {
    let files = pages(&[
        ("a", "allow_anonymous true\n"),
        ("b", "listener 1884\n"),
        ("c", "max_qos 1\n"),
    ]);
    let port_of = |path: &str| {
        let reading = read(Path::new(path), &files, Some(7)).unwrap();
        reading.settings.listeners[0].address.clone().unwrap()
    };
    assert_eq!(port_of("a"), "127.0.0.1:7");
    assert_eq!(port_of("b"), "*:1884");
    assert_eq!(port_of("c"), "*:1883");
}

#[test]
fn a_listener_lets_this_machine_in_unless_more_is_said() {
    let cases = [
        ("listener 1883\n", Anonymous::ThisMachine),
        ("listener 1883 127.0.0.1\n", Anonymous::Everybody),
        (
            "listener 1883\nallow_anonymous true\n",
            Anonymous::Everybody,
        ),
        ("listener 1883\nallow_anonymous false\n", Anonymous::Nobody),
        ("listener 1883\npassword_file p\n", Anonymous::Nobody),
        ("listener 1883\nacl_file a\n", Anonymous::Nobody),
    ];
    for (text, expected) in cases {
        assert_eq!(
            config(text).listeners[0].access.anonymous,
            expected,
            "{text}"
        );
    }
}

#[test]
fn a_docker_container_for_zigbee2mqtt() {
    let config = config(
        "persistence true\npersistence_location /mosquitto/data\n\
         log_dest file /mosquitto/log/mosquitto.log\n\
         listener 1883\n## Authentication ##\nallow_anonymous false\n\
         password_file /mosquitto/config/password.txt\n",
    );
    assert_eq!(addresses(&config), ["*:1883"]);
    assert_eq!(
        config.data_dir.as_deref(),
        Some(Path::new("/mosquitto/data/dunlin"))
    );
    let access = &config.listeners[0].access;
    assert_eq!(
        access.password_file.as_deref(),
        Some(Path::new("/mosquitto/config/password.txt"))
    );
    assert_eq!(access.anonymous, Anonymous::Nobody);
}

#[test]
fn the_web_socket_block_of_a_stock_file() {
    let config = config(
        "listener 8883\nprotocol websockets\ncafile /etc/ca.pem\ncertfile /etc/cert.pem\nkeyfile /etc/key.pem\n",
    );
    let listener = &config.listeners[0];
    assert!(listener.protocols.allows(Protocol::Wss));
    assert!(!listener.protocols.allows(Protocol::Ws));
    assert!(!listener.protocols.allows(Protocol::Mqtts));
    let tls = listener.tls.as_ref().unwrap();
    assert_eq!(tls.cafile.as_deref(), Some(Path::new("/etc/ca.pem")));
    assert_eq!(tls.client_certificates, ClientCertificates::NotAsked);
    assert_eq!(listener.access.anonymous, Anonymous::ThisMachine);
    assert_eq!(listener.origins, ["local"]);
}

#[test]
fn client_certificates_name_their_users() {
    let config = config(
        "listener 8883 0.0.0.0\ncafile ca\ncertfile c\nkeyfile k\ncrlfile crl\nrequire_certificate true\n\
         use_subject_as_username true\nuse_identity_as_username true\ntls_version tlsv1.3\n\
         listener 8884\ncapath d\ncertfile c2\nkeyfile k2\nuse_subject_as_username true\n",
    );
    let tls = config.listeners[0].tls.as_ref().unwrap();
    assert_eq!(tls.client_certificates, ClientCertificates::Required);
    assert_eq!(tls.user_name, UserNameFrom::CommonName);
    let tls = config.listeners[1].tls.as_ref().unwrap();
    assert_eq!(tls.user_name, UserNameFrom::Subject);
    assert_eq!(addresses(&config), ["0.0.0.0:8883", "*:8884"]);
}

#[test]
fn per_listener_settings_belong_to_their_listeners() {
    let text = "per_listener_settings true\n\
        listener 1883 127.0.0.1\nallow_anonymous true\nacl_file local.acl\n\
        listener 8883\npassword_file remote\nmax_connections 100\nmax_qos 1\nmount_point remote/\n";
    let config = config(text);
    let [local, remote] = &config.listeners[..] else {
        panic!("{:?}", config.listeners)
    };
    assert_eq!(local.access.anonymous, Anonymous::Everybody);
    assert_eq!(remote.access.anonymous, Anonymous::Nobody);
    assert_eq!(local.access.password_file, None);
    assert_eq!(remote.access.acl_file, None);
    assert_eq!(remote.max_connections, Some(100));
    assert_eq!(remote.mount_point, MountPoint::new("remote/").ok());
    // Without the first line, the same is meant for both.
    let text = text.replace("per_listener_settings true\n", "");
    let shared = self::config(&text);
    for listener in &shared.listeners {
        assert_eq!(listener.access.anonymous, Anonymous::Everybody);
        assert_eq!(
            listener.access.acl_file.as_deref(),
            Some(Path::new("local.acl"))
        );
        assert_eq!(
            listener.access.password_file.as_deref(),
            Some(Path::new("remote"))
        );
    }
}

#[test]
fn options_before_any_listener_open_one() {
    let config = config(
        "port 1884\nbind_address 127.0.0.1\nmax_connections 5\nlistener 1885\nlistener 0 /run/m.sock\n",
    );
    assert_eq!(
        addresses(&config),
        ["127.0.0.1:1884", "*:1885", "/run/m.sock"]
    );
    assert_eq!(config.listeners[0].max_connections, Some(5));
    assert_eq!(config.listeners[1].max_connections, None);
    assert!(matches!(
        config.listeners[2].address,
        ListenAddress::Unix(_)
    ));
}

#[test]
fn a_bridge_to_a_cloud() {
    let config = config(
        "connection cloud\naddress abc.iot.example.com:8883\nbridge_cafile root.pem\nbridge_certfile c.pem\n\
         bridge_keyfile k.pem\nbridge_protocol_version mqttv50\nbridge_insecure false\ncleansession true\n\
         remote_clientid house\nremote_username u\nremote_password p w\nstart_type automatic\nnotifications false\n\
         try_private false\nrestart_timeout 10 60\nkeepalive_interval 300\n\
         topic sensors/# out 1\ntopic # in 0 cloud/ house/\ntopic \"\" both 2 here there\n\
         connection second\naddress 192.0.2.1 [2001:db8::1]:1884 ::1:1885\ntopic a\nround_robin true\nstart_type lazy\nthreshold 3\n",
    );
    let [cloud, second] = &config.bridges[..] else {
        panic!("{:?}", config.bridges)
    };
    assert_eq!(cloud.addresses, ["abc.iot.example.com:8883"]);
    assert!(cloud.tls.is_wanted() && cloud.clean_session);
    assert_eq!(cloud.remote_password.as_deref(), Some("p w"));
    assert_eq!(cloud.topics.len(), 3);
    assert_eq!(
        (
            cloud.topics[1].local_prefix.as_str(),
            cloud.topics[1].remote_prefix.as_str()
        ),
        ("cloud/", "house/")
    );
    assert_eq!(
        second.addresses,
        ["192.0.2.1:1883", "[2001:db8::1]:1884", "[::1]:1885"]
    );
    assert_eq!(second.lazy_threshold, 3);
}

#[test]
fn files_of_a_directory_are_read_in_order_and_include_no_further() {
    let files = pages(&[
        ("m.conf", "include_dir d\nmax_qos 0\n"),
        ("d/b.conf", "listener 4\n"),
        ("d/A.conf", "listener 2\n"),
        ("d/a.conf", "listener 3\ninclude_dir d\n"),
        ("d/00.conf", "listener 1\n"),
        ("d/notes.txt", "this is not read"),
    ]);
    let reading = read(Path::new("m.conf"), &files, None).unwrap();
    assert_eq!(refusals(&reading), []);
    let addresses: Vec<_> = reading
        .settings
        .listeners
        .iter()
        .map(|it| it.address.as_deref().unwrap())
        .collect();
    assert_eq!(addresses, ["*:1", "*:2", "*:3", "*:4"]);
    assert_eq!(reading.settings.listeners[3].max_qos, Some(0));
    let missing = read(
        Path::new("m.conf"),
        &pages(&[("m.conf", "include_dir d\n")]),
        None,
    )
    .unwrap();
    assert_eq!(refusals(&missing).len(), 1);
}

#[test]
fn limits_have_the_same_meaning() {
    let config = config(
        "max_inflight_messages 0\nmax_queued_messages 50\nmax_queued_bytes 4096\nmax_packet_size 300000000\n\
         message_size_limit 100\nretain_available false\nqueue_qos0_messages true\n\
         max_keepalive 120\npersistent_client_expiration 2w\nsys_interval 0\n",
    );
    let limits = &config.limits;
    assert_eq!(
        (
            limits.in_flight,
            limits.queued_messages,
            limits.queued_bytes
        ),
        (65_535, 50, 4_096)
    );
    assert_eq!(
        (limits.packet_size, limits.keep_alive),
        (268_435_460, Some(120))
    );
    assert_eq!(limits.session_expiry, 1_209_600);
    assert_eq!(
        (
            limits.payload_size,
            limits.retain_available,
            limits.queue_qos0
        ),
        (Some(100), false, true)
    );
    assert_eq!(config.sys_interval, None);
}

#[test]
fn every_refused_line_is_told_with_its_reason() {
    for (text, part) in [
        ("listner 1883\n", "did you mean listener?"),
        ("listener\t1883\n", "there is no option"),
        (" # note\n", "there is no option #"),
        ("allow_anonymous yes\n", "neither true nor false"),
        ("allow_anonymous\n", "missing"),
        ("acl_file a\nacl_file b\n", "twice"),
        ("listener 1\ncertfile a\ncertfile b\n", "twice"),
        ("max_qos 3\n", "out of range"),
        ("max_packet_size 10\n", "too small"),
        ("max_inflight_messages 70000\n", "out of range"),
        ("mount_point a/#\n", "wildcards"),
        ("protocol websocket\n", "not one of"),
        ("listener 0\n", "Unix socket"),
        ("listener 70000\n", "out of range"),
        ("log_dest file\n", "missing"),
        ("log_facility 9\n", "out of range"),
        ("plugin /usr/lib/x.so\n", "plugins"),
        ("auth_opt_host x\n", "plugins"),
        ("psk_hint h\n", "pre-shared"),
        ("topic # both\n", "after a connection"),
        ("connection a\n", "no address"),
        ("connection a\naddress h\n", "no topic"),
        ("connection a\naddress h:99999\n", "out of range"),
        ("connection a\naddress h\ntopic # both 3\n", "out of range"),
        ("connection a\naddress h\ntopic # sideways\n", "not one of"),
        (
            "connection a\naddress h\ntopic # both 1 a\n",
            "not a Topic Filter",
        ),
        (
            "connection a\naddress h\ntopic \"\" both 1 a \"\"\n",
            "both prefixes",
        ),
        (
            "connection a\naddress h\ntopic #\nconnection a\naddress h\ntopic #\n",
            "already",
        ),
        (
            "connection a\naddress h\ntopic #\nusername x\nremote_username y\n",
            "twice",
        ),
        ("listener 1\ncertfile c\n", "no keyfile"),
    ] {
        let refusals = refusals(&reading(text));
        assert!(
            refusals.iter().any(|(_, reason)| reason.contains(part)),
            "{text:?}: {refusals:?}"
        );
    }
    let lines: Vec<_> = refusals(&reading("user a\nfoo 1\n\nbar 2\n"))
        .into_iter()
        .map(|(line, _)| line)
        .collect();
    assert_eq!(lines, [2, 4]);
}

#[test]
fn what_has_no_effect_or_another_is_told() {
    let reading = reading(
        "autosave_interval 60\npersistence true\nmax_connections 10s\nlistener 1883\nallow_anonymous true\n\
         connection c\naddress h\ntopic #\nremote_password secret\n",
    );
    let word = |line: &JudgedLine| match line.judgement {
        Judgement::Accepted => "accepted",
        Judgement::Changed(_) => "changed",
        Judgement::Ignored(_) => "ignored",
        Judgement::Refused(_) => "refused",
    };
    let words: Vec<_> = reading.lines.iter().map(word).collect();
    assert_eq!(words[..4], ["ignored", "changed", "changed", "accepted"]);
    assert!(
        reading
            .lines
            .iter()
            .all(|line| !line.text.contains("secret"))
    );
}

#[test]
fn every_name_is_an_option() {
    for name in elsewhere::NAMES {
        for value in ["1", "true", "x", ""] {
            for refusal in refusals(&reading(&format!("{name} {value}\n"))) {
                assert!(
                    !refusal.1.contains("there is no option"),
                    "{name}: {refusal:?}"
                );
            }
        }
    }
}

/// With values of every kind behind every name, in random order, nothing panics, and what is
/// accepted can be meant and written.
#[test]
fn random_files_are_read_without_panic() {
    let values = [
        "",
        "0",
        "1",
        "-1",
        "true",
        "false",
        "1883",
        "1883 localhost",
        "0 /s",
        "x",
        "file f",
        "\"\" both 1 a b",
        "# in 2 l/ r/",
        "tlsv1.2",
        "::1:1",
        "5 9",
        "é",
        "\u{0}",
        "99999999999999999999",
        "3,4,5",
    ];
    let mut random = 7_u64;
    let mut next = |bound: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) as usize % bound
    };
    for _ in 0..3_000 {
        let mut text = String::new();
        for _ in 0..next(12) {
            let name = elsewhere::NAMES[next(elsewhere::NAMES.len())];
            text.push_str(&format!("{name} {}\n", values[next(values.len())]));
        }
        let reading = reading(&text);
        if refusals(&reading).is_empty() {
            let written = toml_file::write(&reading.settings);
            let mut again = Settings::default();
            let read = toml_file::read(&written, Path::new("again"), &mut again);
            assert!(read.is_ok(), "{text}\n{written}\n{}", read.unwrap_err());
            let _ = meant::meant(&reading.settings, &Place::Nowhere);
        }
    }
}

/// What Mosquitto 2.0.11 accepts and refuses, recorded by interop/mosquitto/configurations.py.
const VERDICTS: &str = include_str!("../../../../tests/fixtures/mosquitto/verdicts.txt");

#[test]
fn the_same_is_accepted_as_by_mosquitto_but_for_what_is_not_there() {
    let mut stricter = Vec::new();
    for line in VERDICTS.lines() {
        let (theirs, rest) = line.split_once(" | ").unwrap();
        let (_, text) = rest.split_once(" | ").unwrap();
        let ours = refusals(&reading(&text.replace(';', "\n"))).is_empty();
        // Our reading is a later version's, which takes this.
        let later = text.contains("max_keepalive 0");
        match (theirs == "accepted", ours) {
            (true, false) => stricter.push(text.rsplit(';').next().unwrap()),
            (false, true) => assert!(later, "Mosquitto refuses {text}"),
            _ => {}
        }
    }
    assert_eq!(
        stricter,
        [
            "certfile /nonexistent",
            "clientid_prefixes a",
            "upgrade_outgoing_qos true",
            "memory_limit 100000000",
            "max_inflight_bytes 10",
            "psk_hint h",
            "http_dir /tmp",
            "topic a/#/b out",
        ]
    );
}

#[test]
fn files_as_people_have_them_are_read() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mosquitto");
    let mut refused = Vec::new();
    for path in super::files::included(&Disk, &directory).unwrap() {
        let reading = read(&path, &Disk, None).unwrap();
        match refusals(&reading).len() {
            0 => drop(meant::meant(&reading.settings, &Place::Nowhere).unwrap()),
            count => {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                refused.push((name, count));
            }
        }
    }
    assert_eq!(
        refused,
        [
            ("mistakes.conf".to_owned(), 4),
            ("plugin.conf".to_owned(), 2)
        ]
    );
}
