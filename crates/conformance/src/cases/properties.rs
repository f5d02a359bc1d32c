//! Properties of a PUBLISH on their way through the Server [3.3.2.3].

use crate::case::{Outcome, cases, ensure};
use crate::scene::Scene;
use crate::wire::{Property, Publish, user};

cases! {
    ["MQTT-3.3.2-4"] payload_format_indicator
        "the Payload Format Indicator arrives unaltered";
    ["MQTT-3.3.2-5"] expired_is_not_delivered
        "a message whose expiry interval has passed is not delivered";
    ["MQTT-3.3.2-6"] expiry_counts_down
        "the Message Expiry Interval that arrives is less by the time spent waiting";
    ["MQTT-3.3.2.3.3/retained"] retained_messages_expire
        "a retained message expires too";
    ["MQTT-3.3.2-15"] response_topic
        "the Response Topic arrives unaltered";
    ["MQTT-3.3.2-16"] correlation_data
        "Correlation Data arrives unaltered";
    ["MQTT-3.3.2-17"] user_properties
        "all User Properties arrive unaltered, equal names too";
    ["MQTT-3.3.2-18"] user_property_order
        "User Properties arrive in their order";
    ["MQTT-3.3.2-20"] content_type
        "the Content Type arrives unaltered";
    ["MQTT-3.3.2.3/retained", "MQTT-3.3.2.3/queued"] properties_are_kept_with_the_message
        "a retained and a queued message keep their properties";
}

fn passes(scene: &Scene<'_>, properties: &[Property]) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 2)?;
    for qos in 0..=2 {
        let publish = Publish {
            properties: properties.to_vec(),
            ..Publish::new(&topic, "x")
        };
        publisher.publish(publish.qos(qos))?;
        let came = subscriber.expect_payload("x")?.properties;
        ensure!(
            came == properties,
            "QoS {qos}: expected {properties:?}, came {came:?}"
        );
    }
    Ok(())
}

fn payload_format_indicator(scene: &Scene<'_>) -> Outcome {
    passes(scene, &[Property::PayloadFormatIndicator(1)])
}

fn response_topic(scene: &Scene<'_>) -> Outcome {
    passes(scene, &[Property::ResponseTopic("answers/to here".into())])
}

fn correlation_data(scene: &Scene<'_>) -> Outcome {
    passes(scene, &[Property::CorrelationData(vec![0, 1, 0xff, 0xfe])])
}

fn content_type(scene: &Scene<'_>) -> Outcome {
    passes(
        scene,
        &[Property::ContentType("text/plain; charset=utf-8".into())],
    )
}

fn user_properties(scene: &Scene<'_>) -> Outcome {
    passes(
        scene,
        &[user("name", "value"), user("name", "value"), user("", "")],
    )
}

fn user_property_order(scene: &Scene<'_>) -> Outcome {
    let properties = [
        user("z", "1"),
        user("a", "2"),
        user("m", "3"),
        user("a", "1"),
    ];
    passes(scene, &properties)
}

fn interval(publish: &Publish) -> Option<u32> {
    publish
        .properties
        .iter()
        .find_map(|property| match property {
            Property::MessageExpiryInterval(seconds) => Some(*seconds),
            _ => None,
        })
}

/// Time for an interval of one second to pass, also where the broker counts whole seconds.
fn let_a_second_pass() {
    std::thread::sleep(std::time::Duration::from_millis(2_100));
}

fn expired_is_not_delivered(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, _) = scene.connect_durable("sub")?;
    subscriber.subscribe(&topic, 1)?;
    subscriber.disconnect()?;
    let mut publisher = scene.connect("pub")?;
    let short = Publish::new(&topic, "short-lived").with(Property::MessageExpiryInterval(1));
    publisher.publish(short.qos(1))?;
    publisher.publish(Publish::new(&topic, "marker").qos(1))?;
    let_a_second_pass();
    let (mut subscriber, _) = scene.connect_durable("sub")?;
    subscriber.expect_payload("marker").map(|_| ())
}

fn expiry_counts_down(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, _) = scene.connect_durable("sub")?;
    subscriber.subscribe(&topic, 1)?;
    let mut publisher = scene.connect("pub")?;
    let publish = Publish::new(&topic, "x")
        .with(Property::MessageExpiryInterval(100))
        .qos(1);
    publisher.publish(publish.clone())?;
    let at_once = interval(&subscriber.expect_payload("x")?);
    ensure!(
        at_once.is_some_and(|seconds| (95..=100).contains(&seconds)),
        "published with 100 s, came at once with {at_once:?}"
    );
    subscriber.disconnect()?;
    publisher.publish(publish)?;
    let_a_second_pass();
    let (mut subscriber, _) = scene.connect_durable("sub")?;
    let waited = interval(&subscriber.expect_payload("x")?);
    ensure!(
        waited.is_some_and(|seconds| (90..=98).contains(&seconds)),
        "published with 100 s, came 2 s later with {waited:?}"
    );
    Ok(())
}

fn retained_messages_expire(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let mut client = scene.connect("c")?;
    let short = Publish::new(&topic, "short-lived").with(Property::MessageExpiryInterval(1));
    client.publish(short.qos(1).retained())?;
    let_a_second_pass();
    client.subscribe(&topic, 0)?;
    client.publish(Publish::new(&topic, "marker"))?;
    client.expect_payload("marker").map(|_| ())
}

fn properties_are_kept_with_the_message(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let properties = vec![
        Property::PayloadFormatIndicator(1),
        Property::ContentType("c".into()),
        Property::ResponseTopic("r".into()),
        Property::CorrelationData(vec![1]),
        user("b", "1"),
        user("a", "2"),
    ];
    let (mut queued, _) = scene.connect_durable("queued")?;
    queued.subscribe(&topic, 1)?;
    queued.disconnect()?;
    let publish = Publish {
        properties: properties.clone(),
        ..Publish::new(&topic, "x")
    };
    scene.connect("pub")?.publish(publish.qos(1).retained())?;
    let (mut queued, _) = scene.connect_durable("queued")?;
    let mut late = scene.connect("late")?;
    late.subscribe(&topic, 1)?;
    for client in [&mut queued, &mut late] {
        let came = client.expect_payload("x")?.properties;
        for property in &properties {
            ensure!(
                came.contains(property),
                "{property:?} is missing in {came:?}"
            );
        }
    }
    Ok(())
}
