//! Clients of different protocol versions on one broker.

use crate::case::{Failure, Outcome, cases, ensure};
use crate::client::Client;
use crate::scene::Scene;
use crate::wire::{Connect, Property, Publish, Version, Will, user};

cases! {
    ["MQTT-versions/messages"] messages_cross
        "messages pass between Clients of 3.1, 3.1.1 and 5.0, properties only where they exist";
    ["MQTT-versions/retained"] retained_messages_cross
        "a retained message of one version is there for the others";
    ["MQTT-versions/takeover"] takeover_crosses
        "a Client that comes back with another version takes its session over";
    ["MQTT-versions/will"] wills_cross
        "a Will of one version reaches the others";
}

const ALL: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5];

fn connect(scene: &Scene<'_>, version: Version, name: &str) -> Result<Client, Failure> {
    let name = format!("{name}{}", version as u8);
    let connect = Connect::new(version, &scene.client_id(&name));
    Ok(scene.connect_with(&name, &connect)?.0)
}

fn messages_cross(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    for from in ALL {
        for to in ALL {
            let mut subscriber = connect(scene, to, "sub")?;
            subscriber.subscribe(&topic, 2)?;
            let mut publisher = connect(scene, from, "pub")?;
            for qos in 0..=2 {
                publisher.publish(Publish::new(&topic, "x").qos(qos).with(user("a", "b")))?;
                let message = subscriber.expect_payload("x")?;
                ensure!(
                    message.qos == qos,
                    "{from:?} to {to:?}: QoS {qos} became {}",
                    message.qos
                );
                let kept = message.properties == [user("a", "b")];
                let both = from.has_properties() && to.has_properties();
                ensure!(
                    kept == both,
                    "{from:?} to {to:?}: properties {:?}",
                    message.properties
                );
            }
        }
    }
    Ok(())
}

fn retained_messages_cross(scene: &Scene<'_>) -> Outcome {
    for from in ALL {
        let topic = scene.topic(&format!("{}", from as u8));
        let mut publisher = connect(scene, from, "pub")?;
        publisher.publish(Publish::new(&topic, "kept").qos(1).retained())?;
        for to in ALL {
            let mut subscriber = connect(scene, to, "sub")?;
            subscriber.subscribe(&topic, 1)?;
            subscriber.expect_retained("kept")?;
        }
    }
    Ok(())
}

fn takeover_crosses(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let durable = |version| Connect::new(version, &scene.client_id("same")).durable();
    let (mut old, _) = scene.connect_with("old", &durable(Version::V3_1_1))?;
    old.subscribe(&topic, 1)?;
    let (mut new, _) = scene.connect_with("new", &durable(Version::V5))?;
    old.expect_refusal(&[])?;
    scene
        .connect("pub")?
        .publish(Publish::new(&topic, "x").qos(1))?;
    new.expect_payload("x").map(|_| ())
}

fn wills_cross(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    for from in ALL {
        let mut watchers = Vec::new();
        for to in ALL {
            let mut watcher = connect(scene, to, "watcher")?;
            watcher.subscribe(&topic, 0)?;
            watchers.push(watcher);
        }
        let will = Will::new(&topic, "gone").with(Property::ContentType("c".into()));
        let mortal = Connect::new(from, &scene.client_id("mortal")).will(will);
        scene.connect_with("mortal", &mortal)?.0.drop_connection();
        for watcher in &mut watchers {
            watcher.expect_payload("gone")?;
        }
    }
    Ok(())
}
