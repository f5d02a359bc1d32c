//! Overlapping subscriptions and Subscription Identifiers [3.3.4, 3.8.2.1.2].

use crate::case::{Failure, Outcome, cases, ensure};
use crate::client::Client;
use crate::scene::Scene;
use crate::wire::{self, Packet, Property, Publish};

cases! {
    ["MQTT-3.8.2.1.2/zero"] identifier_zero
        "Subscription Identifier 0 is a Protocol Error";
    ["MQTT-3.3.4-2", "MQTT311-3.3.5-1"] overlapping_subscriptions
        "overlapping subscriptions: delivered with the highest of their QoS";
    ["MQTT-3.3.4-3"] identifiers_come_back
        "a message names the identifiers of its subscriptions";
    ["MQTT-3.3.4-4"] identifiers_in_one_copy
        "one copy for overlapping subscriptions names all their identifiers";
    ["MQTT-3.3.4-5"] identifiers_in_several_copies
        "several copies for overlapping subscriptions each name their own identifier";
    ["MQTT-3.8.4/identifier-replaced"] identifier_is_replaced
        "replacing a subscription replaces its identifier";
    ["MQTT-3.8.2.1.2/largest"] largest_identifier
        "the largest Subscription Identifier works, also after a reconnect";
}

fn subscribe_as(
    client: &mut Client,
    filter: &str,
    options: u8,
    identifier: u32,
) -> Result<u8, Failure> {
    let id = client.fresh_id();
    let property = [Property::SubscriptionIdentifier(identifier)];
    client.send(&wire::subscribe(
        client.version(),
        id,
        &property,
        &[(filter, options)],
    ));
    let codes = client.suback(id)?;
    ensure!(
        codes.len() == 1 && codes[0] < 0x80,
        "SUBSCRIBE {filter:?} refused: {codes:02x?}"
    );
    Ok(codes[0])
}

fn identifiers(publish: &Publish) -> Vec<u32> {
    let mut identifiers: Vec<u32> = publish
        .properties
        .iter()
        .filter_map(|property| match property {
            Property::SubscriptionIdentifier(identifier) => Some(*identifier),
            _ => None,
        })
        .collect();
    identifiers.sort_unstable();
    identifiers
}

fn identifier_zero(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    let zero = [Property::SubscriptionIdentifier(0)];
    client.send(&wire::subscribe(
        scene.version(),
        1,
        &zero,
        &[(&scene.topic("t"), 0)],
    ));
    client.expect_refusal(&[0x82, 0x81])
}

/// Every copy that arrives of one message, published now; the broker may send one or several.
fn copies(
    scene: &Scene<'_>,
    client: &mut Client,
    publish: Publish,
) -> Result<Vec<Publish>, Failure> {
    let marker = Publish::new(&scene.topic("t/marker"), "marker").qos(publish.qos);
    let mut publisher = scene.connect("pub")?;
    publisher.publish(publish)?;
    publisher.publish(marker)?;
    let mut copies = Vec::new();
    loop {
        let message = client.message()?;
        if message.text() == "marker" {
            return Ok(copies);
        }
        copies.push(message);
    }
}

fn overlapping_subscriptions(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    client.subscribe_all(&[(&scene.topic("t/+"), 0), (&scene.topic("t/a"), 2)])?;
    client.subscribe(&scene.topic("#"), 1)?;
    let publish = Publish::new(&scene.topic("t/a"), "x").qos(2);
    let copies = copies(scene, &mut client, publish)?;
    let highest = copies.iter().map(|copy| copy.qos).max();
    ensure!(
        highest == Some(2),
        "granted QoS 0, 1 and 2, the highest to come was {highest:?}"
    );
    ensure!(
        copies.len() <= 3,
        "3 subscriptions, {} copies",
        copies.len()
    );
    Ok(())
}

/// Two overlapping subscriptions with identifiers, one without, and what each copy names.
fn named_copies(scene: &Scene<'_>) -> Result<Vec<Vec<u32>>, Failure> {
    let mut client = scene.connect("c")?;
    subscribe_as(&mut client, &scene.topic("t/+"), 0, 7)?;
    subscribe_as(&mut client, &scene.topic("t/a"), 0, 300)?;
    client.subscribe(&scene.topic("#"), 0)?;
    let publish = Publish::new(&scene.topic("t/a"), "x");
    Ok(copies(scene, &mut client, publish)?
        .iter()
        .map(identifiers)
        .collect())
}

fn identifiers_come_back(scene: &Scene<'_>) -> Outcome {
    let named = named_copies(scene)?;
    let mut all = named.concat();
    all.sort_unstable();
    ensure!(
        all == [7, 300],
        "expected identifiers 7 and 300, came {named:?}"
    );
    Ok(())
}

fn identifiers_in_one_copy(scene: &Scene<'_>) -> Outcome {
    let named = named_copies(scene)?;
    ensure!(
        named.len() > 1 || named == [[7, 300]],
        "one copy with identifiers {named:?}"
    );
    Ok(())
}

fn identifiers_in_several_copies(scene: &Scene<'_>) -> Outcome {
    let named = named_copies(scene)?;
    let own = named.iter().all(|identifiers| identifiers.len() <= 1);
    ensure!(
        named.len() == 1 || own,
        "several copies with identifiers {named:?}"
    );
    Ok(())
}

fn identifier_is_replaced(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t/a");
    let mut client = scene.connect("c")?;
    client.subscribe(&scene.topic("t/marker"), 0)?;
    subscribe_as(&mut client, &topic, 0, 1)?;
    for expected in [2, 3] {
        subscribe_as(&mut client, &topic, 0, expected)?;
        let copies = copies(scene, &mut client, Publish::new(&topic, "x"))?;
        let named: Vec<_> = copies.iter().map(identifiers).collect();
        ensure!(
            named == [[expected]],
            "expected identifier {expected}, came {named:?}"
        );
    }
    client.subscribe(&topic, 0)?;
    let copies = copies(scene, &mut client, Publish::new(&topic, "x"))?;
    ensure!(
        copies.iter().all(|copy| identifiers(copy).is_empty()),
        "an identifier stays"
    );
    Ok(())
}

fn largest_identifier(scene: &Scene<'_>) -> Outcome {
    const LARGEST: u32 = 268_435_455;
    let topic = scene.topic("t");
    let (mut client, _) = scene.connect_durable("c")?;
    subscribe_as(&mut client, &topic, 1, LARGEST)?;
    client.disconnect()?;
    scene
        .connect("pub")?
        .publish(Publish::new(&topic, "x").qos(1))?;
    let (mut client, _) = scene.connect_durable("c")?;
    let message = client.expect_payload("x")?;
    ensure!(
        identifiers(&message) == [LARGEST],
        "expected {LARGEST}, came {message:?}"
    );
    ensure!(
        client.before_fence()? == Vec::<Packet>::new(),
        "more than one copy came"
    );
    Ok(())
}
