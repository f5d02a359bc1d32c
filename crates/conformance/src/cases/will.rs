//! The Will Message: when it is published, how, and when it is not [3.1.2.5, 3.1.3.2].

use std::time::{Duration, Instant};

use crate::case::{Failure, Outcome, cases, ensure};
use crate::client::Client;
use crate::scene::Scene;
use crate::wire::{self, Property, Publish, Will, user};

const WILL_FLAG: u8 = 0x04;

cases! {
    ["MQTT-3.1.2-7", "MQTT311-3.1.2-8", "MQTT31-will"] published_on_connection_loss
        "the Will is published when the connection closes without DISCONNECT";
    ["MQTT-3.1.2-8"] published_with_the_session_end
        "the Will is published at the end of the session, where that comes before its delay";
    ["MQTT-3.1.2.5/protocol-error", "MQTT311-3.1.2.5/protocol-error"] published_on_protocol_error
        "the Will is published when the Server closes because of a Protocol Error";
    ["MQTT-3.1.2.5/takeover", "MQTT311-3.1.2.5/takeover"] published_on_takeover
        "the Will is published when another connection takes over";
    ["MQTT-3.1.2.5/keep-alive", "MQTT311-3.1.2.5/keep-alive"] published_on_keep_alive
        "the Will is published when the keep alive runs out";
    ["MQTT-3.1.2-9", "MQTT311-3.1.2-9"] fields_missing
        "the Will fields must be there where the Will Flag is 1";
    ["MQTT311-3.1.2-11"] fields_without_flag
        "no Will fields while the Will Flag is 0";
    ["MQTT-3.1.2-10", "MQTT311-3.1.2-10"] published_once
        "the Will is gone from the session once it was published";
    ["MQTT-3.14.4-3", "MQTT311-3.14.4-3"] removed_by_disconnect
        "a normal DISCONNECT removes the Will";
    ["MQTT-3.14.2/disconnect-with-will"] published_on_disconnect_with_will
        "DISCONNECT 0x04 asks for the Will";
    ["MQTT311-3.1.2-12"] none_without_flag
        "no Will Message where the Will Flag was 0";
    ["MQTT-3.1.2-11", "MQTT311-3.1.2-13"] qos_without_flag
        "Will QoS must be 0 while the Will Flag is 0";
    ["MQTT-3.1.2-12", "MQTT311-3.1.2-14"] qos_values
        "Will QoS 0, 1 and 2 are kept, 3 is refused";
    ["MQTT-3.1.2-13", "MQTT311-3.1.2-15"] retain_without_flag
        "Will Retain must be 0 while the Will Flag is 0";
    ["MQTT-3.1.2-14", "MQTT311-3.1.2-16"] not_retained
        "a Will without Will Retain is not retained";
    ["MQTT-3.1.2-15", "MQTT311-3.1.2-17"] retained
        "a Will with Will Retain is retained";
    ["MQTT-3.1.3-9"] reconnect_cancels
        "no Will where the Client is back before the Will Delay Interval";
    ["MQTT-3.1.3.2/will-delay"] delayed
        "the Will waits for the Will Delay Interval";
    ["MQTT-3.1.3-10"] user_properties_in_order
        "the Will Message carries the Will's properties, User Properties in their order";
    ["MQTT-3.1.3-11", "MQTT311-3.1.3-10"] topic_is_utf8
        "a Will Topic that is not UTF-8 is refused";
}

fn watcher(scene: &Scene<'_>, topic: &str, options: u8) -> Result<Client, Failure> {
    let mut watcher = scene.connect("watcher")?;
    watcher.subscribe(topic, options)?;
    Ok(watcher)
}

fn mortal(scene: &Scene<'_>, will: Will) -> Result<Client, Failure> {
    Ok(scene
        .connect_with("mortal", &scene.connect_packet("mortal").will(will))?
        .0)
}

/// The same Client comes back, so that what its end caused has happened, and sends a marker.
fn expect_no_will(scene: &Scene<'_>, watcher: &mut Client, topic: &str) -> Outcome {
    scene
        .connect("mortal")?
        .publish(Publish::new(topic, "marker"))?;
    watcher.expect_payload("marker").map(|_| ())
}

fn published_on_connection_loss(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = watcher(scene, &topic, 0)?;
    mortal(scene, Will::new(&topic, "gone"))?.drop_connection();
    watcher.expect_payload("gone").map(|_| ())
}

fn published_with_the_session_end(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = watcher(scene, &topic, 0)?;
    let will = Will::new(&topic, "gone").with(Property::WillDelayInterval(3_600));
    // The session ends with the connection: the delay does not count.
    mortal(scene, will)?.drop_connection();
    watcher.expect_payload("gone").map(|_| ())
}

fn published_on_protocol_error(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = watcher(scene, &topic, 0)?;
    let mut client = mortal(scene, Will::new(&topic, "gone"))?;
    client.send(&[0x36, 0x02, 0x00, 0x00]);
    client.ending()?;
    watcher.expect_payload("gone").map(|_| ())
}

fn published_on_takeover(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = watcher(scene, &topic, 0)?;
    let mut first = mortal(scene, Will::new(&topic, "gone"))?;
    let _second = scene.connect("mortal")?;
    first.ending()?;
    watcher.expect_payload("gone").map(|_| ())
}

fn published_on_keep_alive(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = watcher(scene, &topic, 0)?;
    let connect = scene
        .connect_packet("mortal")
        .will(Will::new(&topic, "gone"))
        .keep_alive(1);
    let (_silent, _) = scene.connect_with("mortal", &connect)?;
    watcher.expect_payload("gone").map(|_| ())
}

fn fields_missing(scene: &Scene<'_>) -> Outcome {
    let connect = scene.connect_packet("c").flip_flags(WILL_FLAG);
    scene
        .send_first("c", &connect.packet())?
        .expect_refusal(&[0x81, 0x82])
}

fn fields_without_flag(scene: &Scene<'_>) -> Outcome {
    let will = Will::new(&scene.topic("will"), "gone");
    let connect = scene.connect_packet("c").will(will).flip_flags(WILL_FLAG);
    scene
        .send_first("c", &connect.packet())?
        .expect_refusal(&[])
}

fn published_once(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = watcher(scene, &topic, 0)?;
    let with_will = scene
        .connect_packet("mortal")
        .durable()
        .will(Will::new(&topic, "gone"));
    scene
        .connect_with("mortal", &with_will)?
        .0
        .drop_connection();
    watcher.expect_payload("gone")?;
    scene.connect_durable("mortal")?.0.drop_connection();
    expect_no_will(scene, &mut watcher, &topic)
}

fn removed_by_disconnect(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = watcher(scene, &topic, 0)?;
    mortal(scene, Will::new(&topic, "gone"))?.disconnect()?;
    expect_no_will(scene, &mut watcher, &topic)
}

fn published_on_disconnect_with_will(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = watcher(scene, &topic, 0)?;
    let mut client = mortal(scene, Will::new(&topic, "gone"))?;
    client.send(&wire::disconnect(0x04, &[]));
    client.expect_refusal(&[])?;
    watcher.expect_payload("gone").map(|_| ())
}

fn none_without_flag(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = watcher(scene, &topic, 0)?;
    let mut first = mortal(scene, Will::new(&topic, "gone"))?;
    let second = scene.connect("mortal")?;
    first.ending()?;
    watcher.expect_payload("gone")?;
    second.drop_connection();
    expect_no_will(scene, &mut watcher, &topic)
}

fn qos_without_flag(scene: &Scene<'_>) -> Outcome {
    for bits in [0x08, 0x10] {
        let connect = scene.connect_packet("c").flip_flags(bits);
        scene
            .send_first("c", &connect.packet())?
            .expect_refusal(&[0x81, 0x82])?;
    }
    Ok(())
}

fn qos_values(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = watcher(scene, &topic, 2)?;
    for qos in 0..=2 {
        mortal(scene, Will::new(&topic, "gone").qos(qos))?.drop_connection();
        let will = watcher.expect_payload("gone")?;
        ensure!(
            will.qos == qos,
            "a Will of QoS {qos} came with QoS {}",
            will.qos
        );
    }
    let connect = scene
        .connect_packet("c")
        .will(Will::new(&topic, "gone").qos(3));
    scene
        .send_first("c", &connect.packet())?
        .expect_refusal(&[0x81, 0x82])
}

fn retain_without_flag(scene: &Scene<'_>) -> Outcome {
    let connect = scene.connect_packet("c").flip_flags(0x20);
    scene
        .send_first("c", &connect.packet())?
        .expect_refusal(&[0x81, 0x82])
}

fn not_retained(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = watcher(scene, &topic, 0)?;
    mortal(scene, Will::new(&topic, "gone").qos(1))?.drop_connection();
    watcher.expect_payload("gone")?;
    let mut late = scene.connect("late")?;
    late.subscribe(&topic, 0)?;
    scene
        .connect("pub")?
        .publish(Publish::new(&topic, "marker"))?;
    late.expect_payload("marker").map(|_| ())
}

fn retained(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = watcher(scene, &topic, 0)?;
    mortal(scene, Will::new(&topic, "gone").qos(1).retained())?.drop_connection();
    watcher.expect_payload("gone")?;
    let mut late = scene.connect("late")?;
    late.subscribe(&topic, 0)?;
    late.expect_retained("gone").map(|_| ())
}

fn reconnect_cancels(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = watcher(scene, &topic, 0)?;
    let will = Will::new(&topic, "gone").with(Property::WillDelayInterval(1));
    let connect = scene.connect_packet("mortal").durable().will(will);
    scene.connect_with("mortal", &connect)?.0.drop_connection();
    let (mut back, _) = scene.connect_durable("mortal")?;
    std::thread::sleep(Duration::from_millis(2_000));
    back.publish(Publish::new(&topic, "marker"))?;
    watcher.expect_payload("marker").map(|_| ())
}

fn delayed(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = watcher(scene, &topic, 0)?;
    let will = Will::new(&topic, "gone").with(Property::WillDelayInterval(1));
    let connect = scene.connect_packet("mortal").durable().will(will);
    let (mortal, _) = scene.connect_with("mortal", &connect)?;
    let lost = Instant::now();
    mortal.drop_connection();
    watcher.expect_payload("gone")?;
    let waited = lost.elapsed();
    // A Server that counts whole seconds may be up to one early.
    ensure!(
        waited > Duration::from_millis(100),
        "no delay at all: the Will came after {waited:?}"
    );
    Ok(())
}

fn user_properties_in_order(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will");
    let mut watcher = watcher(scene, &topic, 0)?;
    let properties = [
        Property::PayloadFormatIndicator(1),
        Property::ContentType("text".into()),
        Property::ResponseTopic("answer".into()),
        Property::CorrelationData(vec![1, 2]),
    ];
    let users = [user("b", "1"), user("a", "2"), user("b", "3")];
    let will = properties
        .iter()
        .chain(&users)
        .fold(Will::new(&topic, "gone"), |will, property| {
            will.with(property.clone())
        });
    mortal(scene, will)?.drop_connection();
    let came = watcher.expect_payload("gone")?.properties;
    for property in &properties {
        ensure!(
            came.contains(property),
            "{property:?} is missing in {came:?}"
        );
    }
    let order: Vec<_> = came
        .into_iter()
        .filter(|p| p.identifier() == 0x26)
        .collect();
    ensure!(
        order == users,
        "expected User Properties {users:?}, came {order:?}"
    );
    Ok(())
}

fn topic_is_utf8(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("will~");
    let mut packet = scene
        .connect_packet("c")
        .will(Will::new(&topic, "gone"))
        .packet();
    for byte in &mut packet {
        if *byte == b'~' {
            *byte = 0xff;
        }
    }
    scene
        .send_first("c", &packet)?
        .expect_refusal(&[0x81, 0x82, 0x90])
}
