//! `dunlin explain`.

use std::process::Command;

use dunlin_packet::ReasonCode;

use crate::client::{Client, Who};
use crate::folder::Folder;
use crate::server::Server;

/// The answer, and whether it is yes.
fn explain(config: &str, question: &[&str]) -> (String, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .args(["explain", "-c", config])
        .args(question)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.success())
}

#[test]
fn it_names_the_rule_and_the_way_in() {
    let folder = Folder::new();
    let acl = folder.write("acl", "user alice\ntopic home/#\ntopic deny home/safe\n");
    let passwords = folder.passwords("passwords", &[("alice", "right", "sha512")]);
    let text =
        format!("listen = ['127.0.0.1:0']\nacl_file = '{acl}'\npassword_file = '{passwords}'");
    let config = folder.write("dunlin.toml", &text);
    let mounted = format!("{text}\nmount_point = 'home/'");
    let mounted = folder.write("mounted.toml", &mounted);
    let cases: [(&[&str], &str, bool); 9] = [
        (
            &["-u", "alice", "publish", "home/a"],
            "acl:2: allow publish, receive home/#",
            true,
        ),
        (
            &["-u", "alice", "publish", "home/safe"],
            "acl:3: deny publish, receive home/safe",
            false,
        ),
        (
            &["-u", "alice", "receive", "x"],
            "no rule says anything",
            false,
        ),
        (
            &["-u", "alice", "subscribe", "$share/g/#"],
            "judged when it is delivered",
            true,
        ),
        (
            &["-u", "alice", "publish", "$SYS/a"],
            "the broker's own",
            false,
        ),
        (
            &["-u", "alice", "connect"],
            "comes in by password, which is in",
            true,
        ),
        (
            &["-u", "alice", "-P", "right", "connect"],
            "known by password",
            true,
        ),
        (
            &["-u", "alice", "-P", "wrong", "connect"],
            "has shown a wrong password",
            false,
        ),
        (&["connect"], "allow_anonymous is off", false),
    ];
    for (question, part, is_yes) in cases {
        let (text, yes) = explain(&config, question);
        assert!(text.contains(part), "{question:?}: {text}");
        assert_eq!(yes, is_yes, "{question:?}: {text}");
    }
    let open = folder.write("open.toml", "listen = ['*:0']");
    let (text, yes) = explain(&open, &["connect"]);
    assert!(yes && text.contains("on this machine"), "{text}");
    let (text, yes) = explain(&open, &["-a", "192.0.2.7", "connect"]);
    assert!(!yes && text.contains("not on this machine"), "{text}");
    let (text, yes) = explain(&mounted, &["-u", "alice", "publish", "a"]);
    assert!(yes && text.contains("publish home/a: allowed"), "{text}");
    let (text, yes) = explain(&config, &["-u", "bob", "publish", "a"]);
    assert!(!yes && text.contains("does not come in"), "{text}");
}

#[test]
fn it_names_the_ban() {
    let folder = Folder::new();
    let config =
        "[bans]\naddresses = ['192.0.2.0/24']\nclient_ids = ['mallory']\nuser_names = ['eve']\n";
    let config = folder.write("dunlin.toml", config);
    for (who, key) in [
        (["-a", "192.0.2.7"], "bans.addresses"),
        (["-i", "mallory"], "bans.client_ids"),
        (["-u", "eve"], "bans.user_names"),
    ] {
        let question = [who[0], who[1], "connect"];
        let (text, yes) = explain(&config, &question);
        assert!(!yes && text.contains(key), "{text}");
    }
    assert!(explain(&config, &["-i", "alice", "connect"]).1);
}

/// The answer of a broker that runs.
fn ask(server: &Server, question: &[&str]) -> (String, bool) {
    let config = server.folder.path("dunlin.toml").display().to_string();
    explain(&config, &[&["--running"], question].concat())
}

#[test]
fn a_broker_that_runs_says_the_same_as_its_configuration() {
    let folder = Folder::new();
    let acl = folder.write("acl", "user alice\ntopic home/#\n");
    let passwords = folder.passwords("passwords", &[("alice", "right", "sha512")]);
    let control = folder.path("control").display().to_string();
    let config = format!(
        "acl_file = '{acl}'\npassword_file = '{passwords}'\ncontrol_socket = '{control}'\n\
         listen = ['127.0.0.1:0']\nlimits.subscriptions = 1"
    );
    let server = Server::start(folder, &config);
    let path = server.folder.path("dunlin.toml").display().to_string();
    let questions: [&[&str]; 8] = [
        &["connect"],
        &["-u", "alice", "connect"],
        &["-u", "alice", "-P", "right", "connect"],
        &["-u", "alice", "-P", "wrong", "connect"],
        &["-u", "alice", "-i", "nobody", "publish", "home/a"],
        &["-u", "alice", "publish", "garden"],
        &["-u", "alice", "receive", "no/wildcards/#"],
        &["-u", "bob", "publish", "a"],
    ];
    let listener = |text: String| {
        text.split_once('\n')
            .map_or(text.clone(), |it| it.1.to_owned())
    };
    for question in questions {
        let (alone, running) = (explain(&path, question), ask(&server, question));
        assert_eq!(listener(running.0), listener(alone.0), "{question:?}");
        assert_eq!(running.1, alone.1, "{question:?}");
    }
    // What holds is what was read last, and not what the file says now.
    server.folder.write("acl", "user alice\ntopic garden\n");
    let garden = ["-u", "alice", "publish", "garden"];
    assert!(!ask(&server, &garden).1);
    server.reload();
    assert!(ask(&server, &garden).1);
    // The socket is for its owner.
    let mode = std::fs::metadata(&control).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
        0o600
    );
    let (_, folder) = server.stop();
    assert!(!folder.path("control").exists());
    let (text, yes) = explain(&path, &["--running", "connect"]);
    assert!(!yes && text.contains("no broker answers"), "{text}");
}

#[test]
fn a_broker_that_runs_knows_its_clients() {
    let folder = Folder::new();
    let acl = folder.write("acl", "user alice\ntopic home/#\n");
    let control = folder.path("control").display().to_string();
    let config = format!(
        "acl_file = '{acl}'\ncontrol_socket = '{control}'\nallow_anonymous = true\nlimits.subscriptions = 1"
    );
    let server = Server::start(folder, &config);
    let who = Who {
        user_name: Some("alice"),
        ..Who::client("lamp")
    };
    let mut lamp = Client::connect(server.address, who);
    let (text, yes) = ask(&server, &["-i", "lamp", "publish", "home/a"]);
    assert!(text.contains("lamp is connected as alice"), "{text}");
    assert!(yes && text.contains("acl:2"), "{text}");
    // Somebody else of that name is not this Client.
    let (text, yes) = ask(&server, &["-i", "lamp", "-u", "bob", "publish", "home/a"]);
    assert!(!yes && !text.contains("is connected"), "{text}");
    assert!(ask(&server, &["-i", "lamp", "subscribe", "a"]).1);
    assert_eq!(lamp.subscribe("a"), 0);
    let (text, yes) = ask(&server, &["-i", "lamp", "subscribe", "b"]);
    assert!(!yes && text.contains("limits.subscriptions is 1"), "{text}");
    assert_eq!(lamp.subscribe("b"), ReasonCode::QuotaExceeded as u8);
    drop(lamp);
    server.wait_for(&["disconnected", "lamp"]);
    let (text, _) = ask(&server, &["-i", "lamp", "connect"]);
    assert!(!text.contains("is connected"), "{text}");
}
