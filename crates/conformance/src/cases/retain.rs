//! Retained messages, and how Subscription Options choose among them [3.3.1.3, 3.8.3.1].

use crate::case::{Failure, Outcome, cases, ensure};
use crate::client::Client;
use crate::scene::Scene;
use crate::wire::{self, Publish};

const RETAIN_AS_PUBLISHED: u8 = 0x08;
const ONLY_IF_NEW: u8 = 0x10;
const NEVER: u8 = 0x20;

cases! {
    ["MQTT-3.3.1-5"] replaces
        "a retained message replaces the one before";
    ["MQTT311-3.3.1-5"] stored_with_its_qos
        "a retained message is stored with its QoS";
    ["MQTT311-3.3.1-6"] replaces
        "a new subscription gets the last retained message of each topic";
    ["MQTT311-3.3.1-7"] qos_0_replaces
        "a retained message of QoS 0 discards the one before";
    ["MQTT-3.3.1-6", "MQTT311-3.3.1-10"] empty_removes
        "an empty payload with RETAIN is delivered and removes the retained message";
    ["MQTT-3.3.1-7", "MQTT311-3.3.1-11"] empty_is_not_stored
        "an empty payload is not stored as a retained message";
    ["MQTT-3.3.1-8", "MQTT311-3.3.1-12"] without_retain_nothing_changes
        "a message without RETAIN neither stores nor replaces nor removes";
    ["MQTT-3.3.1.3/new-subscription", "MQTT311-3.3.1-8", "MQTT31-retain"] marked_for_new_subscriptions
        "a retained message sent because of a new subscription has RETAIN 1";
    ["MQTT-3.3.1-9"] handling_0
        "Retain Handling 0: retained messages at every SUBSCRIBE";
    ["MQTT-3.3.1-10"] handling_1
        "Retain Handling 1: retained messages at a new subscription only";
    ["MQTT-3.3.1-11"] handling_2
        "Retain Handling 2: no retained messages";
    ["MQTT-3.8.3.1/retain-handling-3"] handling_3
        "Retain Handling 3 is a Protocol Error";
    ["MQTT-3.3.1-12", "MQTT311-3.3.1-9"] cleared_for_established_subscriptions
        "an established subscription (5.0: without Retain As Published) gets RETAIN 0";
    ["MQTT-3.3.1-13"] retain_as_published
        "Retain As Published keeps the flag as it was published";
    ["MQTT-3.3.1.3/wildcards", "MQTT311-3.3.1.3/wildcards"] wildcard_filters_get_all
        "a filter with wildcards gets the retained message of every matching topic";
}

/// Subscribes and shows that no retained message comes: a message of now has no such before it.
fn expect_none(scene: &Scene<'_>, client: &mut Client, topic: &str, options: u8) -> Outcome {
    client.subscribe(topic, options)?;
    client.fence()?;
    scene
        .connect("marker")?
        .publish(Publish::new(topic, "marker").qos(1))?;
    loop {
        let message = client.message()?;
        ensure!(
            message.retain == 0,
            "expected no retained message, came {:?}",
            message.text()
        );
        if message.text() == "marker" {
            return Ok(());
        }
    }
}

fn expect_one(client: &mut Client, topic: &str, options: u8, payload: &str) -> Outcome {
    client.subscribe(topic, options)?;
    client.expect_retained(payload).map(|_| ())
}

fn replaces(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    scene.retain(&topic, "first")?;
    scene.retain(&topic, "second")?;
    let mut client = scene.connect("sub")?;
    expect_one(&mut client, &topic, 1, "second")?;
    client.publish(Publish::new(&topic, "marker").qos(1))?;
    client.expect_payload("marker").map(|_| ())
}

fn stored_with_its_qos(scene: &Scene<'_>) -> Outcome {
    for qos in 0..=2 {
        let topic = scene.topic(&format!("{qos}"));
        let mut publisher = scene.connect("pub")?;
        publisher.publish(Publish::new(&topic, "kept").qos(qos).retained())?;
        // At QoS 0 only the message's own arrival tells that it was handled.
        let message = eventually_retained(scene, &topic, "kept")?;
        ensure!(
            message.qos == qos,
            "stored with QoS {qos}, came with QoS {}",
            message.qos
        );
    }
    Ok(())
}

/// Subscribes again and again until the retained message is there: nothing acknowledges QoS 0.
fn eventually_retained(scene: &Scene<'_>, topic: &str, payload: &str) -> Result<Publish, Failure> {
    let mut last = None;
    for _ in 0..50 {
        let mut client = scene.connect("late")?;
        client.subscribe(topic, 2)?;
        client.publish(Publish::new(topic, "marker"))?;
        let message = client.message()?;
        if message.text() == payload {
            return Ok(message);
        }
        last = Some(message);
    }
    Err(Failure::Unexpected(format!(
        "expected the retained {payload:?}, came {last:?}"
    )))
}

fn qos_0_replaces(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    scene.retain(&topic, "old")?;
    let mut publisher = scene.connect("pub")?;
    publisher.publish(Publish::new(&topic, "new").retained())?;
    for _ in 0..50 {
        let mut client = scene.connect("late")?;
        client.subscribe(&topic, 0)?;
        client.publish(Publish::new(&topic, "marker"))?;
        // The new one may be dropped at will, the old one must go.
        if client.message()?.text() != "old" {
            return Ok(());
        }
    }
    Err(Failure::Unexpected("the old retained message stays".into()))
}

fn empty_removes(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    scene.retain(&topic, "kept")?;
    let mut live = scene.connect("live")?;
    expect_one(&mut live, &topic, 0, "kept")?;
    scene.retain(&topic, "")?;
    let message = live.expect_payload("")?;
    ensure!(
        message.retain == 0,
        "an established subscription got RETAIN 1"
    );
    expect_none(scene, &mut scene.connect("late")?, &topic, 0)
}

fn empty_is_not_stored(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    scene.retain(&topic, "")?;
    expect_none(scene, &mut scene.connect("late")?, &topic, 0)
}

fn without_retain_nothing_changes(scene: &Scene<'_>) -> Outcome {
    let (kept, bare) = (scene.topic("kept"), scene.topic("bare"));
    scene.retain(&kept, "kept")?;
    let mut publisher = scene.connect("pub")?;
    publisher.publish(Publish::new(&kept, "passing").qos(1))?;
    publisher.publish(Publish::new(&kept, "").qos(1))?;
    publisher.publish(Publish::new(&bare, "passing").qos(1))?;
    expect_none(scene, &mut scene.connect("late")?, &bare, 0)?;
    expect_one(&mut scene.connect("late")?, &kept, 0, "kept")
}

fn marked_for_new_subscriptions(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    scene.retain(&topic, "kept")?;
    expect_one(&mut scene.connect("late")?, &topic, 0, "kept")
}

fn handling_0(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    scene.retain(&topic, "kept")?;
    let mut client = scene.connect("sub")?;
    expect_one(&mut client, &topic, 0, "kept")?;
    expect_one(&mut client, &topic, 0, "kept")
}

fn handling_1(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    scene.retain(&topic, "kept")?;
    let mut client = scene.connect("sub")?;
    expect_one(&mut client, &topic, ONLY_IF_NEW, "kept")?;
    expect_none(scene, &mut client, &topic, ONLY_IF_NEW)?;
    client.unsubscribe(&[&topic])?;
    expect_one(&mut client, &topic, ONLY_IF_NEW, "kept")
}

fn handling_2(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    scene.retain(&topic, "kept")?;
    expect_none(scene, &mut scene.connect("sub")?, &topic, NEVER)
}

fn handling_3(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("sub")?;
    let filter = scene.topic("t");
    client.send(&wire::subscribe(
        scene.version(),
        1,
        &[],
        &[(&filter, 0x30)],
    ));
    client.expect_refusal(&[0x82, 0x81])
}

fn cleared_for_established_subscriptions(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 1)?;
    publisher.publish(Publish::new(&topic, "kept").qos(1).retained())?;
    let message = subscriber.expect_payload("kept")?;
    ensure!(
        message.retain == 0,
        "an established subscription got RETAIN 1"
    );
    Ok(())
}

fn retain_as_published(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, RETAIN_AS_PUBLISHED)?;
    publisher.publish(Publish::new(&topic, "kept").qos(1).retained())?;
    let kept = subscriber.expect_payload("kept")?;
    publisher.publish(Publish::new(&topic, "passing").qos(1))?;
    let passing = subscriber.expect_payload("passing")?;
    ensure!(
        (kept.retain, passing.retain) == (1, 0),
        "published with RETAIN 1 and 0, came with {} and {}",
        kept.retain,
        passing.retain
    );
    Ok(())
}

fn wildcard_filters_get_all(scene: &Scene<'_>) -> Outcome {
    let names = ["a", "a/b", "c"];
    for name in names {
        scene.retain(&scene.topic(name), name)?;
    }
    let mut client = scene.connect("sub")?;
    client.subscribe(&scene.topic("#"), 0)?;
    let mut came = Vec::new();
    while came.len() < names.len() {
        let message = client.message()?;
        if message.retain == 1 {
            came.push(message.text());
        }
    }
    came.sort();
    ensure!(came == names, "expected {names:?}, came {came:?}");
    Ok(())
}
