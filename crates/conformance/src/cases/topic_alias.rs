//! Topic Alias, in both directions [3.3.2.3.4].

use crate::case::{Failure, Outcome, cases, ensure};
use crate::client::Client;
use crate::scene::Scene;
use crate::wire::{Packet, Property, Publish};

cases! {
    ["MQTT-3.3.2-7"] belongs_to_its_connection
        "a Topic Alias does not outlive its connection";
    ["MQTT-3.3.2-8"] zero
        "Topic Alias 0 is refused";
    ["MQTT-3.3.2-9"] above_the_maximum
        "a Topic Alias above the Server's maximum is refused";
    ["MQTT-3.3.2-12"] every_value_up_to_the_maximum
        "every Topic Alias from 1 to the Server's maximum works";
    ["MQTT-3.3.2.3.4/unknown"] unknown
        "an unknown Topic Alias without Topic Name is a Protocol Error";
    ["MQTT-3.3.2.3.4/changed"] changed
        "a Topic Alias with another Topic Name is given its new meaning";
    ["MQTT-3.3.2-11", "MQTT-3.1.2-26"] server_keeps_the_clients_maximum
        "the Server sends no Topic Alias above the Client's maximum, and each one means something";
    ["MQTT-3.1.2-27"] server_sends_none_unasked
        "the Server sends no Topic Alias to a Client that has not allowed any";
}

/// A publisher and the Server's Topic Alias Maximum.
fn publisher(scene: &Scene<'_>) -> Result<(Client, u16), Failure> {
    let (client, connack) = scene.connect_with("pub", &scene.connect_packet("pub"))?;
    Ok((client, maximum(&connack)))
}

fn maximum(connack: &Packet) -> u16 {
    connack
        .properties()
        .iter()
        .find_map(|property| match property {
            Property::TopicAliasMaximum(maximum) => Some(*maximum),
            _ => None,
        })
        .unwrap_or(0)
}

fn aliased(topic: &str, payload: &str, alias: u16) -> Publish {
    Publish::new(topic, payload).with(Property::TopicAlias(alias))
}

fn belongs_to_its_connection(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut client, _) = scene.connect_durable("pub")?;
    let alias_allowed = publisher(scene)?.1 > 0;
    if alias_allowed {
        client = scene.connect_durable("pub")?.0;
        client.publish(aliased(&topic, "x", 1).qos(1))?;
    }
    client.drop_connection();
    let (mut client, _) = scene.connect_durable("pub")?;
    client.send(&scene.publish_bytes(&aliased("", "x", 1)));
    client.expect_refusal(&[0x82, 0x94])
}

fn zero(scene: &Scene<'_>) -> Outcome {
    let (mut client, _) = publisher(scene)?;
    client.send(&scene.publish_bytes(&aliased(&scene.topic("t"), "x", 0)));
    client.expect_refusal(&[0x94, 0x82, 0x81])
}

fn above_the_maximum(scene: &Scene<'_>) -> Outcome {
    let (mut client, maximum) = publisher(scene)?;
    let Some(beyond) = maximum.checked_add(1) else {
        return Ok(());
    };
    client.send(&scene.publish_bytes(&aliased(&scene.topic("t"), "x", beyond)));
    client.expect_refusal(&[0x94, 0x82])
}

fn every_value_up_to_the_maximum(scene: &Scene<'_>) -> Outcome {
    let (mut client, maximum) = publisher(scene)?;
    let mut subscriber = scene.connect("sub")?;
    subscriber.subscribe(&scene.topic("#"), 0)?;
    let mut aliases = vec![1, maximum / 2, maximum];
    aliases.retain(|alias| (1..=maximum).contains(alias));
    aliases.dedup();
    for alias in &aliases {
        let topic = scene.topic(&format!("{alias}"));
        client.publish(aliased(&topic, "with name", *alias))?;
        subscriber.expect_payload("with name")?;
    }
    for alias in &aliases {
        client.publish(aliased("", "without name", *alias))?;
        let topic = subscriber.expect_payload("without name")?.topic;
        let expected = scene.topic(&format!("{alias}"));
        ensure!(
            topic == expected,
            "alias {alias} means {expected:?}, came {topic:?}"
        );
    }
    Ok(())
}

fn unknown(scene: &Scene<'_>) -> Outcome {
    let (mut client, _) = publisher(scene)?;
    client.send(&scene.publish_bytes(&aliased("", "x", 1)));
    client.expect_refusal(&[0x82, 0x94])
}

fn changed(scene: &Scene<'_>) -> Outcome {
    let (mut client, maximum) = publisher(scene)?;
    if maximum == 0 {
        return Ok(());
    }
    let mut subscriber = scene.connect("sub")?;
    subscriber.subscribe(&scene.topic("#"), 0)?;
    client.publish(aliased(&scene.topic("old"), "1", 1))?;
    client.publish(aliased(&scene.topic("new"), "2", 1))?;
    client.publish(aliased("", "3", 1))?;
    subscriber.expect_payload("1")?;
    subscriber.expect_payload("2")?;
    let topic = subscriber.expect_payload("3")?.topic;
    ensure!(
        topic == scene.topic("new"),
        "expected the new topic, came {topic:?}"
    );
    Ok(())
}

fn server_keeps_the_clients_maximum(scene: &Scene<'_>) -> Outcome {
    let connect = scene
        .connect_packet("sub")
        .with(Property::TopicAliasMaximum(2));
    let (mut subscriber, _) = scene.connect_with("sub", &connect)?;
    subscriber.subscribe(&scene.topic("#"), 0)?;
    let mut publisher = scene.connect("pub")?;
    let mut names: [String; 3] = Default::default();
    for round in 0..12 {
        let topic = scene.topic(&format!("{}", round % 4));
        publisher.publish(Publish::new(&topic, "x"))?;
        let message = subscriber.expect_payload("x")?;
        let alias = message
            .properties
            .iter()
            .find_map(|property| match property {
                Property::TopicAlias(alias) => Some(usize::from(*alias)),
                _ => None,
            });
        let mut name = message.topic;
        if let Some(alias) = alias {
            ensure!(
                (1..=2).contains(&alias),
                "Topic Alias {alias}, the maximum is 2"
            );
            if name.is_empty() {
                name.clone_from(&names[alias]);
            } else {
                names[alias].clone_from(&name);
            }
        }
        ensure!(
            name == topic,
            "expected topic {topic:?}, came {name:?} (alias {alias:?})"
        );
    }
    Ok(())
}

fn server_sends_none_unasked(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 0)?;
    for _ in 0..4 {
        publisher.publish(Publish::new(&topic, "x"))?;
        let message = subscriber.expect_payload("x")?;
        let aliased = message
            .properties
            .iter()
            .any(|property| property.identifier() == 0x23);
        ensure!(
            !aliased && message.topic == topic,
            "a Topic Alias came: {message:?}"
        );
    }
    Ok(())
}
