//! Topic Names and Topic Filters: their form, and which match [4.7].

use crate::case::{Outcome, cases, ensure};
use crate::scene::Scene;
use crate::wire::{self, Publish};

cases! {
    ["MQTT-4.7.1-1", "MQTT311-4.7.1-2"] multi_level_wildcard_position
        "# stands alone in the last level of a filter";
    ["MQTT-4.7.1-2", "MQTT311-4.7.1-3"] single_level_wildcard_position
        "+ stands alone in its level of a filter, in any level";
    ["MQTT-4.7.1/matching", "MQTT311-4.7.1/matching", "MQTT31-matching"] matching
        "filters match the topics they should, and no others";
    ["MQTT-4.7.2-1", "MQTT311-4.7.2-1"] dollar_topics
        "a filter that begins with a wildcard does not match topics that begin with $";
    ["MQTT-4.7.3-1", "MQTT311-4.7.3-1"] at_least_one_character
        "an empty Topic Name or Filter is refused";
    ["MQTT-4.7.3-2", "MQTT311-4.7.3-2"] null_character
        "U+0000 in a Topic Name or Filter is refused";
    ["MQTT-4.7.3-3", "MQTT311-4.7.3-3"] longest_name
        "a Topic Name of 65,535 bytes arrives whole or is refused";
    ["MQTT-4.7.3-4", "MQTT311-4.7.3-4"] no_normalisation
        "names that differ in case, slashes, spaces or normal form are different names";
}

/// An invalid filter has an error code in SUBACK or ends the connection.
fn expect_invalid(scene: &Scene<'_>, filter: &str) -> Outcome {
    let mut client = scene.connect("c")?;
    client.send(&wire::subscribe(scene.version(), 1, &[], &[(filter, 0)]));
    if let Ok(codes) = client.suback(1) {
        ensure!(
            codes.iter().all(|code| *code >= 0x80),
            "{filter:?} was granted: {codes:02x?}"
        );
        return Ok(());
    }
    client.expect_refusal(&[0x81, 0x82, 0x8f])
}

fn multi_level_wildcard_position(scene: &Scene<'_>) -> Outcome {
    for filter in ["a#", "#a", "a/#b", "a/b#", "#/a", "a/#/b", "##", "a/##"] {
        expect_invalid(scene, &scene.topic(filter))?;
    }
    scene
        .connect("c")?
        .subscribe(&scene.topic("a/#"), 0)
        .map(|_| ())
}

fn single_level_wildcard_position(scene: &Scene<'_>) -> Outcome {
    for filter in ["a+", "+a", "a/+b/c", "a/b+", "++", "a/+#"] {
        expect_invalid(scene, &scene.topic(filter))?;
    }
    let mut client = scene.connect("c")?;
    for filter in ["+", "+/a", "a/+", "a/+/b", "+/+/#"] {
        client.subscribe(&scene.topic(filter), 0)?;
    }
    client
        .subscribe("+/conformance/no/such/topic", 0)
        .map(|_| ())
}

/// Filter, topics that it matches, topics that it does not.
const MATCHING: [(&str, &[&str], &[&str]); 8] = [
    (
        "a/b",
        &["a/b"],
        &["a", "a/b/c", "a/bb", "a/B", "a/b/", "/a/b"],
    ),
    (
        "a/#",
        &["a", "a/", "a/b", "a/b/c", "a//"],
        &["aa", "b/a", "b"],
    ),
    ("a/+", &["a/b", "a/"], &["a", "a/b/c", "a/b/", "b/a"]),
    ("a/+/c", &["a/b/c", "a//c"], &["a/c", "a/b/b/c", "a/b/c/d"]),
    ("+/+", &["a/b", "/b", "a/", "/"], &["a", "a/b/c"]),
    ("/+", &["/a", "/"], &["a", "a/b", "/a/b"]),
    ("+", &["a", ""], &["a/b", "/a"]),
    ("a/+/#", &["a/b", "a/b/c", "a//"], &["a", "b/a"]),
];

fn matching(scene: &Scene<'_>) -> Outcome {
    let mut publisher = scene.connect("pub")?;
    for (index, (filter, matched, unmatched)) in MATCHING.iter().enumerate() {
        let name = |topic: &str| scene.topic(&format!("{index}/{topic}"));
        let mut client = scene.connect("sub")?;
        client.subscribe(&name(filter), 0)?;
        for topic in *unmatched {
            publisher.publish(Publish::new(&name(topic), format!("not {topic:?}")))?;
        }
        for topic in *matched {
            publisher.publish(Publish::new(&name(topic), *topic))?;
            let came = client.message()?;
            ensure!(
                came.payload == topic.as_bytes(),
                "filter {filter:?}: expected topic {topic:?}, came {:?}",
                came.text()
            );
        }
    }
    Ok(())
}

fn dollar_topics(scene: &Scene<'_>) -> Outcome {
    let rest = scene.topic("t");
    let (hidden, plain) = (format!("$conformance/{rest}"), format!("plain/{rest}"));
    let mut client = scene.connect("sub")?;
    client.subscribe_all(&[(&format!("+/{rest}"), 0), ("#", 0), ("+/#", 0)])?;
    // A Server may refuse such topics; the marker comes from someone else.
    let mut offender = scene.connect("offender")?;
    offender.send(&scene.publish_bytes(&Publish::new(&hidden, "hidden")));
    let _ = offender.fence();
    scene
        .connect("pub")?
        .publish(Publish::new(&plain, "marker"))?;
    loop {
        // `#` also brings what other Clients of the broker publish.
        let message = client.message()?;
        ensure!(
            !message.topic.starts_with('$'),
            "a wildcard matched {:?}",
            message.topic
        );
        if message.topic == plain {
            return Ok(());
        }
    }
}

fn at_least_one_character(scene: &Scene<'_>) -> Outcome {
    expect_invalid(scene, "")?;
    let mut client = scene.connect("c")?;
    client.send(&scene.publish_bytes(&Publish::new("", "x")));
    client.expect_refusal(&[0x81, 0x82, 0x90])
}

fn null_character(scene: &Scene<'_>) -> Outcome {
    let name = scene.topic("a\0b");
    for packet in [
        scene.publish_bytes(&Publish::new(&name, "x")),
        wire::subscribe(scene.version(), 1, &[], &[(&name, 0)]),
    ] {
        let mut client = scene.connect("c")?;
        client.send(&packet);
        client.expect_refusal(&[0x81, 0x82, 0x8f, 0x90])?;
    }
    Ok(())
}

fn longest_name(scene: &Scene<'_>) -> Outcome {
    let start = scene.topic("");
    let longest = format!("{start}{}", "n".repeat(65_535 - start.len()));
    let mut subscriber = scene.connect("sub")?;
    subscriber.subscribe(&format!("{start}#"), 0)?;
    let mut publisher = scene.connect("pub")?;
    publisher.send(&scene.publish_bytes(&Publish::new(&longest, "x")));
    if publisher.fence().is_ok() {
        let message = subscriber.expect_payload("x")?;
        ensure!(
            message.topic == longest,
            "a name of {} bytes came",
            message.topic.len()
        );
        return Ok(());
    }
    publisher.expect_refusal(&[0x81, 0x82, 0x90, 0x95])
}

fn no_normalisation(scene: &Scene<'_>) -> Outcome {
    let names = [
        "A/b",
        "a/b",
        "a/b ",
        " a/b",
        "a//b",
        "/a/b",
        "a/b/",
        "a/./b",
        "\u{e9}",
        "e\u{301}",
        "a%2fb",
        "\u{1f980}",
    ];
    let mut client = scene.connect("c")?;
    for name in names {
        client.subscribe(&scene.topic(name), 0)?;
        for other in names {
            if other != name {
                client.publish(Publish::new(&scene.topic(other), "another name"))?;
            }
        }
        client.publish(Publish::new(&scene.topic(name), name))?;
        let message = client.expect_payload(name)?;
        ensure!(
            message.topic == scene.topic(name),
            "the name came as {:?}",
            message.topic
        );
        client.unsubscribe(&[&scene.topic(name)])?;
    }
    Ok(())
}
