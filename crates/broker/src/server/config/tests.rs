//! The configuration from end to end: file, environment, command line, and what comes of them.

use std::path::Path;

use dunlin_auth::Anonymous;

use super::error::Place;
use super::settings::Settings;
use super::*;

fn settings(text: &str) -> Result<Settings, String> {
    let mut settings = Settings::default();
    toml_file::read(text, Path::new("d.toml"), &mut settings)
        .map(|()| settings)
        .map_err(|error| error.to_string())
}

fn config(text: &str) -> Result<Config, String> {
    meant::meant(&settings(text)?, &Place::Nowhere).map_err(|error| error.to_string())
}

#[test]
fn without_a_file_it_serves_loopback() {
    let config = config("").unwrap();
    assert_eq!(config.listeners.len(), 1);
    assert_eq!(config.listeners[0].address.to_string(), "127.0.0.1:1883");
    assert_eq!(config.listeners[0].access.anonymous, Anonymous::Everybody);
    assert_eq!(config.listeners[0].origins, ["local"]);
    assert_eq!(served::first_unserved(&config), None);
}

#[test]
fn a_limit_of_the_process_is_shared_out() {
    let config = config("shards = 4\n[limits]\nsessions = 10\nqueued_messages = 7").unwrap();
    let limits = config.limits;
    assert_eq!((limits.sessions, limits.queued_messages), (3, 7));
}

#[test]
fn strangers_are_let_in_only_on_purpose() {
    let first = |text: &str| config(text).unwrap().listeners.remove(0);
    for listen in [
        "listen = ['*:1883']",
        "[[listener]]\naddress = 'example.org:1883'",
        "proxy_protocol = true",
    ] {
        let trusting = first(listen);
        assert_eq!(trusting.access.anonymous, Anonymous::ThisMachine);
        assert_eq!(trusting.origins, ["local"]);
        let open = first(&format!("allow_anonymous = true\n{listen}"));
        assert_eq!(open.access.anonymous, Anonymous::Everybody);
        assert!(open.origins.is_empty());
        for said in [
            "allow_anonymous = false",
            "password_file = 'p'",
            "acl_file = 'a'",
            "auth.roles.r.publish = ['a']",
            "auth.jwt.secret = 's'",
            "tls = { certfile = 'c', keyfile = 'k', cafile = 'a', require_certificate = true }",
        ] {
            let closed = first(&format!("{said}\n{listen}"));
            assert_eq!(closed.access.anonymous, Anonymous::Nobody, "{said}");
        }
    }
}

#[test]
fn users_end_anonymous_access_from_loopback() {
    let config = config("password_file = 'p'").unwrap();
    assert_eq!(config.listeners[0].access.anonymous, Anonymous::Nobody);
}

#[test]
fn a_reload_that_trusts_this_machine_does_not_trust_all_pages() {
    let loaded = |text: &str| {
        let settings = settings(text).unwrap();
        Loaded {
            config: meant::meant(&settings, &Place::Nowhere).unwrap(),
            settings,
            file: Place::Nowhere,
        }
    };
    let trusting = loaded("listen = ['*:1']");
    for before in ["allow_anonymous = true", "password_file = 'p'"] {
        let mut running = loaded(&format!("listen = ['*:1']\n{before}"));
        running.take_over(&trusting).unwrap();
        let listener = &running.config.listeners[0];
        assert_eq!(listener.access.anonymous, Anonymous::ThisMachine);
        assert_eq!(listener.origins, ["local"]);
    }
}

#[test]
fn listeners_take_what_they_do_not_say_from_outside() {
    let config = config(
        "max_qos = 1\nacl_file = 'all'\n[tls]\ncertfile = 'c'\nkeyfile = 'k'\n\
         [[listener]]\naddress = '127.0.0.1:1'\n\
         [[listener]]\naddress = '127.0.0.1:2'\nmax_qos = 2\ntls.cafile = 'ca'\nacl_file = 'own'",
    )
    .unwrap();
    let [first, second] = &config.listeners[..] else {
        panic!("{:?}", config.listeners)
    };
    assert_eq!(first.max_qos as u8, 1);
    assert_eq!(second.max_qos as u8, 2);
    assert_eq!(first.access.acl_file.as_deref(), Some(Path::new("all")));
    assert_eq!(second.access.acl_file.as_deref(), Some(Path::new("own")));
    let tls = second.tls.as_ref().unwrap();
    let files = TlsIdentity::Files {
        certfile: "c".into(),
        keyfile: "k".into(),
    };
    assert_eq!(tls.identity, files);
    assert_eq!(tls.cafile.as_deref(), Some(Path::new("ca")));
}

#[test]
fn quantities_are_read_with_units_and_without() {
    let config = config(
        "[limits]\npacket_size = '4MiB'\nqueued_bytes = 1000\nsession_expiry = '1d'\n\
         connect_timeout = 3\nkeep_alive = '2min'",
    )
    .unwrap();
    let limits = config.limits;
    assert_eq!((limits.packet_size, limits.queued_bytes), (4 << 20, 1000));
    assert_eq!(
        (limits.session_expiry, limits.keep_alive),
        (86_400, Some(120))
    );
    assert_eq!(limits.connect_timeout, Duration::from_secs(3));
    assert_eq!(
        settings("limits.session_expiry = 'never'")
            .unwrap()
            .limits
            .session_expiry,
        u32::MAX
    );
}

#[test]
fn every_wrong_key_is_told_with_its_line_and_what_was_meant() {
    let error = settings("lisen = []\n\n[limits]\nin_flight = 0\npaket_size = 1\n").unwrap_err();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(
        lines[0],
        "d.toml:1: there is no key lisen; did you mean listen?"
    );
    assert_eq!(
        lines[1],
        "d.toml:4: limits.in_flight: 0 is out of range: from 1 to 65535"
    );
    assert_eq!(
        lines[2],
        "d.toml:5: there is no key limits.paket_size; did you mean limits.packet_size?"
    );
}

#[test]
fn what_is_wrong_is_told_without_secrets() {
    for text in [
        "[auth.jwt]\nsecret = 'hunter2' x",
        "[auth.jwt]\nsecret = ['hunter2']",
        "[auth]\njwt = 'hunter2'",
        "[auth.http]\nheaders = \"hunter2\"",
        "[[bridge]]\nremote_password = ['hunter2']",
        "[[bridge]]\nremote_password = hunter2",
    ] {
        let error = config(text).unwrap_err();
        assert!(error.starts_with("d.toml:2: "), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn values_of_the_wrong_kind_are_refused() {
    for text in [
        "shards = 0",
        "shards = 65",
        "shards = 'many'",
        "allow_anonymous = 'yes, please'",
        "allow_anonymous = 1",
        "limits.packet_size = 1.5",
        "limits.packet_size = -1",
        "limits.packet_size = 127",
        "limits.packet_size = '8GiB'",
        "limits.session_expiry = '1500ms'",
        "durability = 'perhaps'",
        "listen = [1883]",
        "listener = 'x'",
        "listener = [1]",
        "[[listener]]\nadress = 'x'",
        "[[listener]]\nlimits.packet_size = 1000",
        "[[bridge]]\n[[bridge.topic]]\nqos = 3",
        "protocols = ['mqtt', 'http']",
        "limits = 3",
        "log.destinations = ['file:']",
    ] {
        assert!(settings(text).is_err(), "{text}");
    }
    for text in ["[[listener]]", "tls.certfile = 'c'", "listen = ['1883']"] {
        assert!(config(text).is_err(), "{text}");
    }
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let directory = std::env::temp_dir().join(format!("dunlin-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("d.toml");
    std::fs::write(
        &path,
        "[limits]\nin_flight = 1\nsessions = 1\nqueued_messages = 1\n",
    )
    .unwrap();
    let options = ServerOptions {
        config: Some(path),
        keys: vec![("limits.in_flight", "3".to_owned())],
        ..ServerOptions::default()
    };
    let environment = [
        ("DUNLIN_LIMITS_IN_FLIGHT", "2"),
        ("DUNLIN_LIMITS_SESSIONS", "2"),
        ("DUNLIN_SOMETHING_ELSE", "2"),
        ("PATH", "/bin"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let written = source::read(&options, environment.into_iter()).unwrap();
    let limits = written.settings.limits;
    assert_eq!(
        (limits.in_flight, limits.sessions, limits.queued_messages),
        (3, 2, 1)
    );
    let wrong = [("DUNLIN_SHARDS".to_owned(), "0".to_owned())];
    let error = source::read(&options, wrong.into_iter())
        .err()
        .unwrap()
        .to_string();
    assert!(error.starts_with("DUNLIN_SHARDS: "), "{error}");
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let text = "shards = 2\nallow_anonymous = true\nlisten = ['*:1883']\n\
        [limits]\npacket_size = '1KiB'\nkeep_alive = 9\nsession_expiry = 'never'\n\
        [tls]\nuser_name = 'subject'\n\
        [log]\ndestinations = ['file:/a \"b\"', 'syslog:17']\n\
        [[listener]]\naddress = 'unix:/run/d'\nprotocols = ['mqtt']\n[listener.tls]\ncafile = 'c'\n\
        [[listener]]\naddress = '*:1'\n\
        [[bridge]]\nname = 'cloud'\naddresses = ['h:1']\ntls.cafile = 'x'\n\
        [[bridge.topic]]\npattern = '#'\nqos = 1\n[[bridge.topic]]\ndirection = 'in'\n\
        [[bridge]]\nname = 'other'\n";
    let written = settings(text).unwrap();
    let again = toml_file::write(&written);
    assert_eq!(settings(&again).unwrap(), written, "{again}");
}

#[test]
fn a_reload_says_what_changes_and_what_needs_a_restart() {
    let old = settings("shards = 1\nlisten = []\n[limits]\nin_flight = 5\n[[listener]]\naddress = 'h:1'\n[[bridge]]\nname = 'b'\nremote_password = 'x'").unwrap();
    let new = settings("shards = 2\nlisten = []\n[limits]\nin_flight = 6\nsessions = 9\n[[listener]]\naddress = 'h:1'\nmax_qos = 1\n[[listener]]\naddress = 'h:2'\n[[bridge]]\nname = 'b'\nremote_password = 'y'").unwrap();
    let shown: Vec<_> = changes::between(&old, &new)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        shown,
        [
            "shards: 1 -> 2 (needs a restart)",
            "limits.in_flight: 5 -> 6",
            "limits.sessions: 4000000 -> 9",
            "listener h:1: max_qos: \"none\" -> 1 (needs a restart)",
            "listener h:2 is new (needs a restart)",
            "bridge b (needs a restart)",
        ]
    );
    let mut running = old.clone();
    changes::take_over(&mut running, &new);
    assert_eq!(
        (
            running.shards,
            running.limits.in_flight,
            running.limits.sessions
        ),
        (Some(1), 6, 9)
    );
    assert_eq!(changes::between(&running, &new).len(), 4);
    assert_eq!(changes::between(&running, &running), []);
}
