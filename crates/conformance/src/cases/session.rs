//! Session State: Clean Start, Session Present, Session Expiry [3.1.2.4, 3.2.2.1.1, 4.1].

use crate::case::{Outcome, cases, ensure, fail};
use crate::client::Client;
use crate::scene::Scene;
use crate::wire::{self, Packet, Property, Publish};

cases! {
    ["MQTT-3.1.2-4", "MQTT-3.1.4-4", "MQTT311-3.1.2-6", "MQTT311-3.1.4-3"] clean_start_discards
        "Clean Start 1 discards the session: subscriptions and waiting messages are gone";
    ["MQTT-3.1.2-5", "MQTT311-3.1.2-4", "MQTT31-session"] resumes
        "Clean Start 0 resumes the session: its subscriptions still work";
    ["MQTT-3.1.2-6"] creates
        "Clean Start 0 without a session creates one";
    ["MQTT311-3.1.2-5", "MQTT-4.5.0-1", "MQTT311-4.5.0-1"] stores_for_absent_clients
        "QoS 1 and 2 messages for an absent Client are kept in its session";
    ["MQTT311-3.1.2-7"] retained_outlives_sessions
        "retained messages are no part of a session and outlive it";
    ["MQTT-3.1.2-23"] session_outlives_the_connection
        "a session with an expiry interval above 0 outlives its connection";
    ["MQTT-3.1.2.11/session-expiry-zero"] session_ends_with_the_connection
        "a session without expiry interval ends with its connection";
    ["MQTT-3.2.2-2", "MQTT311-3.2.2-1"] clean_start_is_never_present
        "Session Present is 0 after Clean Start 1";
    ["MQTT-3.2.2-3", "MQTT311-3.2.2-2", "MQTT311-3.2.2-3"] session_present_tells_the_truth
        "Session Present is 1 exactly where a session existed";
    ["MQTT-4.1.0-1", "MQTT311-4.1.0-1", "MQTT311-4.1.0-2"] state_lasts_as_long_as_the_connection
        "subscriptions last as long as the connection, also without a durable session";
    ["MQTT-4.1.0-2"] session_expires
        "a session is discarded after its expiry interval";
    ["MQTT-3.14.2/session-expiry"] disconnect_changes_the_expiry
        "DISCONNECT may change the expiry interval: to 0 ends the session at once";
    ["MQTT-3.14.2/session-expiry-from-zero"] disconnect_cannot_revive
        "a DISCONNECT that sets an expiry interval where CONNECT had none is a Protocol Error";
    ["MQTT-3.1.2/expiry-survives-takeover"] takeover_keeps_the_session
        "a takeover with Clean Start 0 keeps subscriptions";
}

fn durable_subscriber(scene: &Scene<'_>, topic: &str, qos: u8) -> Result<Client, crate::Failure> {
    let (mut client, present) = scene.connect_durable("sub")?;
    ensure!(!present, "a new Client Identifier found a session");
    client.subscribe(topic, qos)?;
    Ok(client)
}

fn session_present(connack: &Packet) -> bool {
    matches!(
        connack,
        Packet::ConnAck {
            session_present: 1,
            ..
        }
    )
}

fn clean_start_discards(scene: &Scene<'_>) -> Outcome {
    let (topic, marker) = (scene.topic("t"), scene.topic("marker"));
    durable_subscriber(scene, &topic, 1)?.disconnect()?;
    let mut publisher = scene.connect("pub")?;
    publisher.publish(Publish::new(&topic, "waiting").qos(1))?;
    let mut client = scene.connect("sub")?;
    client.subscribe(&marker, 1)?;
    publisher.publish(Publish::new(&topic, "not subscribed any more").qos(1))?;
    publisher.publish(Publish::new(&marker, "marker").qos(1))?;
    client.expect_payload("marker").map(|_| ())
}

fn resumes(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    durable_subscriber(scene, &topic, 1)?.disconnect()?;
    let (mut client, _) = scene.connect_durable("sub")?;
    scene
        .connect("pub")?
        .publish(Publish::new(&topic, "still subscribed").qos(1))?;
    client.expect_payload("still subscribed").map(|_| ())
}

fn creates(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let connect = scene.connect_packet("sub").resuming();
    let (mut client, connack) = scene.connect_with("sub", &connect)?;
    ensure!(
        !session_present(&connack),
        "a new Client Identifier found a session"
    );
    client.subscribe(&topic, 0)?;
    client.publish(Publish::new(&topic, "works"))?;
    client.expect_payload("works").map(|_| ())
}

fn stores_for_absent_clients(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    durable_subscriber(scene, &topic, 2)?.disconnect()?;
    let mut publisher = scene.connect("pub")?;
    publisher.publish(Publish::new(&topic, "one").qos(1))?;
    publisher.publish(Publish::new(&topic, "two").qos(2))?;
    let (mut client, _) = scene.connect_durable("sub")?;
    client.expect_payload("one")?;
    client.expect_payload("two").map(|_| ())
}

fn retained_outlives_sessions(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut client, _) = scene.connect_durable("c")?;
    client.publish(Publish::new(&topic, "kept").qos(1).retained())?;
    client.disconnect()?;
    let mut client = scene.connect("c")?;
    client.subscribe(&topic, 0)?;
    client.expect_payload("kept").map(|_| ())
}

fn session_outlives_the_connection(scene: &Scene<'_>) -> Outcome {
    durable_subscriber(scene, &scene.topic("t"), 1)?.drop_connection();
    let (_client, present) = scene.connect_durable("sub")?;
    ensure!(present, "the session did not outlive its connection");
    Ok(())
}

fn session_ends_with_the_connection(scene: &Scene<'_>) -> Outcome {
    scene.connect("c")?.disconnect()?;
    let (_client, connack) = scene.connect_with("c", &scene.connect_packet("c").resuming())?;
    ensure!(
        !session_present(&connack),
        "a session without expiry interval outlived its connection"
    );
    Ok(())
}

fn clean_start_is_never_present(scene: &Scene<'_>) -> Outcome {
    durable_subscriber(scene, &scene.topic("t"), 1)?.disconnect()?;
    let (_client, connack) = scene.connect_with("sub", &scene.connect_packet("sub"))?;
    ensure!(
        !session_present(&connack),
        "Session Present 1 after Clean Start 1"
    );
    Ok(())
}

fn session_present_tells_the_truth(scene: &Scene<'_>) -> Outcome {
    let (client, present) = scene.connect_durable("c")?;
    ensure!(!present, "Session Present 1 for a new Client Identifier");
    client.disconnect()?;
    let (_client, present) = scene.connect_durable("c")?;
    ensure!(present, "Session Present 0 where a session existed");
    Ok(())
}

fn state_lasts_as_long_as_the_connection(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 1)?;
    for round in 0..3 {
        subscriber.fence()?;
        publisher.publish(Publish::new(&topic, format!("{round}")).qos(1))?;
        subscriber.expect_payload(format!("{round}"))?;
    }
    Ok(())
}

fn session_expires(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let connect = scene
        .connect_packet("sub")
        .resuming()
        .with(Property::SessionExpiryInterval(1));
    let (mut client, _) = scene.connect_with("sub", &connect)?;
    client.subscribe(&topic, 1)?;
    client.disconnect()?;
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    let (_client, connack) = scene.connect_with("sub", &connect)?;
    ensure!(
        !session_present(&connack),
        "the session is there 2.5 s after its end, interval 1 s"
    );
    Ok(())
}

fn disconnect_changes_the_expiry(scene: &Scene<'_>) -> Outcome {
    let mut client = durable_subscriber(scene, &scene.topic("t"), 1)?;
    client.send(&wire::disconnect(0, &[Property::SessionExpiryInterval(0)]));
    client.expect_refusal(&[])?;
    let (_client, present) = scene.connect_durable("sub")?;
    ensure!(
        !present,
        "the session outlived a DISCONNECT with Session Expiry Interval 0"
    );
    Ok(())
}

fn disconnect_cannot_revive(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    client.send(&wire::disconnect(0, &[Property::SessionExpiryInterval(60)]));
    client.expect_refusal(&[0x82])?;
    let (_client, connack) = scene.connect_with("c", &scene.connect_packet("c").resuming())?;
    ensure!(
        !session_present(&connack),
        "the session outlived its connection"
    );
    Ok(())
}

fn takeover_keeps_the_session(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let mut first = durable_subscriber(scene, &topic, 1)?;
    let (mut second, present) = scene.connect_durable("sub")?;
    first.expect_refusal(&[0x8e])?;
    if !present {
        fail!("a takeover with Clean Start 0 lost the session");
    }
    scene
        .connect("pub")?
        .publish(Publish::new(&topic, "to the second").qos(1))?;
    second.expect_payload("to the second").map(|_| ())
}
