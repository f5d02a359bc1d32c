//! `dunlin explain`.

use std::process::Command;

use crate::folder::Folder;

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
    let (text, yes) = explain(&config, &["-u", "bob", "publish", "a"]);
    assert!(!yes && text.contains("does not come in"), "{text}");
}
