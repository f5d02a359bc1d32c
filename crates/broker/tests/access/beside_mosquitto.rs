//! The same files and the same Clients, for Dunlin and for Mosquitto: both must say the same.
//!
//! `cargo xtask test access-mosquitto` runs these.

use std::net::TcpListener;

use dunlin_packet::ReasonCode;

use crate::client::{Client, Who};
use crate::folder::Folder;
use crate::server::Server;

/// What a Client tries.
#[derive(Clone, Copy, Debug)]
enum Try {
    /// To publish to a topic.
    Publish(&'static str),
    /// To receive what somebody else publishes there.
    Receive(&'static str),
    /// To receive what is retained there.
    Retained(&'static str),
}
use Try::{Publish, Receive, Retained};

/// Lines of an `acl_file`; User Name and Client Identifier; what is tried.
type Case = (
    &'static str,
    &'static [(Option<&'static str>, &'static str)],
    &'static [Try],
);

const CASES: &[Case] = &[
    // Without a rule, nothing is allowed.
    (
        "# nothing\n",
        &[(None, "c"), (Some("u"), "c")],
        &[Publish("a"), Receive("a")],
    ),
    // The section before the first user is for those without a name.
    (
        "topic read a/#\ntopic write b\nuser u\ntopic c\n",
        &[(None, "c"), (Some("u"), "c"), (Some("v"), "c")],
        &[
            Publish("a/b"),
            Receive("a/b"),
            Receive("a"),
            Publish("b"),
            Receive("b"),
            Publish("c"),
            Receive("c"),
        ],
    ),
    // Wildcards.
    (
        "topic +/b\ntopic x/+/y\ntopic z/#\ntopic /\n",
        &[(None, "c")],
        &[
            Publish("a/b"),
            Publish("a/b/c"),
            Publish("/b"),
            Publish("x/1/y"),
            Publish("x//y"),
            Publish("x/y"),
            Publish("z"),
            Publish("z/"),
            Publish("z/1/2"),
            Publish("/"),
            Publish("//"),
            Receive("q/b"),
            Retained("z/r"),
        ],
    ),
    // Denials come first, wherever they stand.
    (
        "user u\ntopic home/#\ntopic deny home/safe\ntopic deny home/+/key\ntopic home/safe\n",
        &[(Some("u"), "c")],
        &[
            Publish("home/a"),
            Publish("home/safe"),
            Publish("home/safe/x"),
            Receive("home/1/key"),
            Receive("home/1"),
            Retained("home/safe"),
        ],
    ),
    // Patterns: for everybody, after the user's own.
    (
        "user u\ntopic own\npattern write d/%c/s\npattern read i/%u/#\npattern deny d/bad/s\npattern x/%u-%c\n",
        &[
            (None, "c1"),
            (Some("u"), "c1"),
            (Some("v"), "c/2"),
            (Some("v/w"), "bad"),
            (Some("+"), "c1"),
            (None, "#"),
        ],
        &[
            Publish("own"),
            Publish("d/c1/s"),
            Publish("d/c/2/s"),
            Publish("d/bad/s"),
            Receive("i/u/a"),
            Receive("i/v/w/a"),
            Receive("i//a"),
            Publish("x/u-c1"),
            Publish("x/-c1"),
            Receive("x/v/w-bad"),
        ],
    ),
    // A denial in a pattern does not count for what the user's section allows.
    (
        "user u\ntopic a/#\npattern deny a/b\npattern a/#\n",
        &[(Some("u"), "c"), (Some("v"), "c"), (None, "c")],
        &[Publish("a/b"), Publish("a/c"), Receive("a/b")],
    ),
    // Patterns without a name in them.
    (
        "pattern read p/#\n",
        &[(None, "c"), (Some("u"), "c")],
        &[Publish("p/a"), Receive("p/a")],
    ),
    // %u in a topic line is a text.
    (
        "user u\ntopic t/%u\n",
        &[(Some("u"), "c")],
        &[Publish("t/u"), Publish("t/%u")],
    ),
    // Spaces in topics, many spaces before them, the access's name as a topic.
    (
        "topic readwrite   a b/c\ntopic read\ntopic write  deny\n",
        &[(None, "c")],
        &[
            Publish("a b/c"),
            Publish("a"),
            Publish("read"),
            Receive("read"),
            Publish("deny"),
            Receive("deny"),
        ],
    ),
    // Topics with $.
    (
        "topic #\ntopic $own/#\ntopic read $SYS/#\n",
        &[(None, "c")],
        &[
            Publish("$own/a"),
            Receive("$own/a"),
            Publish("$other/a"),
            Publish("$SYS/a"),
            Publish("a/$x"),
        ],
    ),
    (
        "topic +/a\ntopic $x\n",
        &[(None, "c")],
        &[
            Publish("$y/a"),
            Publish("$x"),
            Publish("$x/a"),
            Publish("b/a"),
        ],
    ),
    // The same user twice: one section.
    (
        "user u\ntopic a\nuser v\ntopic b\nuser u\ntopic c\n",
        &[(Some("u"), "c"), (Some("v"), "c")],
        &[Publish("a"), Publish("b"), Publish("c")],
    ),
    // Names with spaces and letters of all kinds.
    (
        "user a b\ntopic x\nuser ü\ntopic y\n",
        &[(Some("a b"), "c"), (Some("a"), "c"), (Some("ü"), "c")],
        &[Publish("x"), Publish("y")],
    ),
];

/// What comes of everything that a Client tries.
fn outcomes(server: &Server, who: Who<'_>, tries: &[Try]) -> Vec<String> {
    let (mut client, reason) = Client::try_connect(server.address, who);
    if reason != ReasonCode::Success {
        return vec![format!("refused with {reason:?}")];
    }
    tries
        .iter()
        .map(|it| format!("{it:?}: {}", outcome(server, &mut client, *it)))
        .collect()
}

fn outcome(server: &Server, client: &mut Client, it: Try) -> String {
    // May do everything, and tells by a topic that everybody may read that it is done.
    let admin = || {
        let who = Who {
            user_name: Some("admin"),
            ..Who::client("admin-client")
        };
        Client::connect(server.address, who)
    };
    match it {
        Publish(topic) => {
            let reason = client.publish(topic);
            (!reason.is_error()).to_string()
        }
        Receive(topic) => {
            client.subscribe(topic);
            client.topics_until_now();
            admin().publish(topic);
            (!client.topics_until_now().is_empty()).to_string()
        }
        Retained(topic) => {
            admin().publish_with(topic, true);
            client.subscribe(topic);
            (!client.topics_until_now().is_empty()).to_string()
        }
    }
}

/// A user for the tests themselves, who may do everything.
const ADMIN: &str = "user admin\ntopic #\ntopic $own/#\ntopic $x/#\n";

/// With a mount point, rules are about whole topics, and those are seen by nobody.
const MOUNTED: &[Case] = &[
    (
        "topic t/a/#\ntopic b\ntopic deny t/a/no\n",
        &[(None, "c")],
        &[
            Publish("a/1"),
            Publish("a/no"),
            Publish("b"),
            Publish("t/a/1"),
            Receive("a/1"),
            Receive("a/no"),
            Receive("b"),
            Retained("a/r"),
        ],
    ),
    (
        "topic #\ntopic $SYS/#\n",
        &[(None, "c")],
        &[
            Publish("$SYS/a"),
            Receive("$SYS/a"),
            Retained("$SYS/broker/version"),
        ],
    ),
];

#[test]
#[ignore = "needs mosquitto: cargo xtask test access-mosquitto"]
fn rules_mean_the_same() {
    same_rules(CASES, "", "");
}

#[test]
#[ignore = "needs mosquitto: cargo xtask test access-mosquitto"]
fn rules_mean_the_same_under_a_mount_point() {
    same_rules(MOUNTED, "mount_point t/\n", "mount_point = 't/'\n");
}

/// Tries all cases with these further lines of the configurations.
fn same_rules(cases: &[Case], their_lines: &str, our_lines: &str) {
    for (acl, clients, tries) in cases {
        let text = match acl.starts_with('#') {
            true => (*acl).to_owned(),
            false => format!("{acl}{ADMIN}"),
        };
        let of = |start: fn(Folder, &str) -> Server, config: &str| {
            let folder = Folder::new();
            let acl = folder.write("acl", &text);
            let server = start(folder, &config.replace("ACL", &acl));
            let clients = clients.iter().map(|(user_name, client_id)| {
                let who = Who {
                    user_name: *user_name,
                    ..Who::client(client_id)
                };
                (user_name, client_id, outcomes(&server, who, tries))
            });
            clients.collect::<Vec<_>>()
        };
        let theirs = of(
            Server::mosquitto,
            &format!("{their_lines}allow_anonymous true\nacl_file ACL"),
        );
        let ours = of(
            Server::start,
            &format!("{our_lines}allow_anonymous = true\nacl_file = 'ACL'\nshards = 1"),
        );
        assert_eq!(ours, theirs, "{acl}");
    }
}

/// Files as an installation has them; `PORT` is its port.
const INSTALLATION: [(&str, &str); 3] = [
    (
        "mosquitto.conf",
        "# Place your local configuration in conf.d\nuser root\npersistence true\npersistence_location ./\n\
         log_dest stderr\nlog_type error\nlog_type warning\nlistener PORT\nallow_anonymous false\n\
         include_dir conf.d\n",
    ),
    (
        "conf.d/access.conf",
        "password_file passwords\nacl_file acl\nmax_packet_size 1000\nmax_queued_messages 100\n",
    ),
    (
        "acl",
        "topic read news/#\nuser paul\ntopic home/#\ntopic deny home/safe\n\
         pattern write dev/%c/state\npattern read dev/%c/command\n",
    ),
];

/// What its Clients see.
fn life(server: &Server) -> Vec<String> {
    let tries = [
        Publish("home/a"),
        Publish("home/safe"),
        Publish("dev/c/state"),
        Publish("dev/d/state"),
        Publish("news/a"),
    ];
    let clients = [
        Who::user("paul", "a pbkdf2"),
        Who::user("sven", "a sha512"),
        Who::user("paul", "wrong"),
        Who::user("nobody", "a pbkdf2"),
        Who::client("c"),
    ];
    let clients = clients.map(|who| Who {
        client_id: "c",
        ..who
    });
    let mut seen: Vec<_> = clients.map(|who| outcomes(server, who, &tries)).concat();
    let mut paul = Client::connect(server.address, clients[0]);
    let mut sven = Client::connect(
        server.address,
        Who {
            client_id: "d",
            ..clients[1]
        },
    );
    for filter in ["#", "home/#", "$SYS/broker/version"] {
        seen.push(format!("{filter}: {}", paul.subscribe(filter)));
    }
    sven.publish("dev/d/state");
    sven.publish("home/of/paul");
    paul.publish("home/of/paul");
    seen.push(format!("{:?}", paul.topics_until_now()));
    paul.publish_with("home/kept", true);
    let mut again = Client::connect(
        server.address,
        Who {
            client_id: "e",
            ..clients[0]
        },
    );
    again.subscribe("home/+");
    // Retained Messages of another shard may come after the answer to a PINGREQ.
    seen.push(again.next_topic());
    seen
}

#[test]
#[ignore = "needs mosquitto: cargo xtask test access-mosquitto"]
fn an_installation_moves_by_another_command() {
    let users = [
        ("paul", "a pbkdf2", "sha512-pbkdf2"),
        ("sven", "a sha512", "sha512"),
    ];
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr();
    let address = port.unwrap();
    let folder = Folder::new();
    std::fs::create_dir(folder.path("conf.d")).unwrap();
    for (name, text) in INSTALLATION {
        folder.write(name, &text.replace("PORT", &address.port().to_string()));
    }
    folder.passwords("passwords", &users);
    let mosquitto = Server::command("mosquitto", folder, address);
    let theirs = life(&mosquitto);
    let (theirs_end, folder) = mosquitto.stop();
    let dunlin = Server::command(env!("CARGO_BIN_EXE_dunlin"), folder, address);
    let ours = life(&dunlin);
    let (ours_end, _folder) = dunlin.stop();
    assert_eq!(ours, theirs);
    assert_eq!((ours_end, theirs_end), (Some(0), Some(0)));
}

#[test]
#[ignore = "needs mosquitto: cargo xtask test access-mosquitto"]
fn password_files_mean_the_same() {
    let users = [
        ("paul", "a pbkdf2", "sha512-pbkdf2"),
        ("sven", "a sha512", "sha512"),
    ];
    let tried = [
        Who::user("paul", "a pbkdf2"),
        Who::user("paul", "x"),
        Who::user("sven", "a sha512"),
        Who::user("sven", ""),
        Who::user("nobody", "a sha512"),
        Who::client("nameless"),
        Who {
            password: None,
            ..Who::user("paul", "")
        },
    ];
    for anonymous in [true, false] {
        let of = |start: fn(Folder, &str) -> Server, config: &str| {
            let folder = Folder::new();
            let passwords = folder.passwords("passwords", &users);
            let config = config.replace("FILE", &passwords);
            let server = start(folder, &config.replace("ANONYMOUS", &anonymous.to_string()));
            tried.map(|who| Client::try_connect(server.address, who).1)
        };
        let theirs = of(
            Server::mosquitto,
            "allow_anonymous ANONYMOUS\npassword_file FILE",
        );
        let ours = of(
            Server::start,
            "allow_anonymous = ANONYMOUS\npassword_file = 'FILE'",
        );
        assert_eq!(ours, theirs, "allow_anonymous {anonymous}");
    }
}
