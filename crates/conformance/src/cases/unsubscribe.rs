//! UNSUBSCRIBE and UNSUBACK [3.10, 3.11].

use crate::case::{Outcome, cases, ensure};
use crate::scene::Scene;
use crate::wire::{self, Body, Packet, Property, Publish};

cases! {
    ["MQTT-3.10.1-1", "MQTT311-3.10.1-1"] reserved_flags
        "an UNSUBSCRIBE with other flags than 0010 closes the connection";
    ["MQTT-3.10.3-1", "MQTT311-3.10.3-1"] filter_is_utf8
        "a Topic Filter that is not UTF-8 is refused";
    ["MQTT-3.10.3-2", "MQTT311-3.10.3-2"] without_filter
        "an UNSUBSCRIBE without Topic Filter is refused";
    ["MQTT-3.10.4-1", "MQTT311-3.10.4-1"] compared_by_character
        "only the filter with the same characters is removed, not one that matches";
    ["MQTT-3.10.4-2", "MQTT311-3.10.4-2", "MQTT31-unsubscribe"] stops_delivery
        "no new messages after UNSUBACK";
    ["MQTT-3.10.4-3", "MQTT311-3.10.4-3"] completes_what_it_began
        "a delivery that has begun is completed, also over a reconnect";
    ["MQTT-3.10.4-4", "MQTT311-3.10.4-4"] answered_by_unsuback
        "UNSUBSCRIBE is answered with UNSUBACK";
    ["MQTT-3.10.4-5", "MQTT311-3.10.4-5"] answered_without_subscription
        "UNSUBACK has the request's identifier and comes also where nothing was subscribed";
    ["MQTT-3.10.4-6", "MQTT311-3.10.4-6"] many_filters
        "several filters in one UNSUBSCRIBE all take effect and have one UNSUBACK";
    ["MQTT-3.11.2-1", "MQTT-3.11.2-2"] unsuback_within_the_maximum
        "Reason String and User Properties do not make UNSUBACK larger than the Client allows";
    ["MQTT-3.11.3-1"] codes_in_order
        "the codes in UNSUBACK are in the order of the filters";
    ["MQTT-3.11.3-2"] codes_are_defined
        "0x00 for a removed subscription, 0x11 where there was none";
}

fn reserved_flags(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    for first in [0xa0, 0xa1, 0xa3, 0xa6, 0xaa] {
        let mut client = scene.connect("c")?;
        let mut packet = wire::unsubscribe(scene.version(), 1, &[&topic]);
        packet[0] = first;
        client.send(&packet);
        client.expect_refusal(&[0x81, 0x82])?;
    }
    Ok(())
}

fn filter_is_utf8(scene: &Scene<'_>) -> Outcome {
    let head = Body::new().u16(1).properties(scene.version(), &[]);
    for filter in [&b"a/\xff"[..], b"\xed\xbf\xbf"] {
        let mut client = scene.connect("c")?;
        client.send(&head.clone().binary(filter).packet(0xa2));
        client.expect_refusal(&[0x81, 0x82, 0x8f])?;
    }
    Ok(())
}

fn without_filter(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    client.send(&wire::unsubscribe(scene.version(), 1, &[]));
    client.expect_refusal(&[0x81, 0x82])
}

fn compared_by_character(scene: &Scene<'_>) -> Outcome {
    let (wild, exact) = (scene.topic("a/+"), scene.topic("a/b"));
    let mut client = scene.connect("c")?;
    client.subscribe(&wild, 0)?;
    client.unsubscribe(&[
        &exact,
        &scene.topic("#"),
        &scene.topic("a/#"),
        &scene.topic("A/+"),
    ])?;
    client.publish(Publish::new(&exact, "still"))?;
    client.expect_payload("still").map(|_| ())
}

fn stops_delivery(scene: &Scene<'_>) -> Outcome {
    let (topic, marker) = (scene.topic("t"), scene.topic("marker"));
    let (mut subscriber, mut publisher) = scene.pair(&topic, 1)?;
    subscriber.subscribe(&marker, 1)?;
    subscriber.unsubscribe(&[&topic])?;
    publisher.publish(Publish::new(&topic, "unwanted").qos(1))?;
    publisher.publish(Publish::new(&marker, "marker").qos(1))?;
    subscriber.expect_payload("marker").map(|_| ())
}

fn completes_what_it_began(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, _) = scene.connect_durable("sub")?;
    subscriber.subscribe(&topic, 2)?;
    let mut publisher = scene.connect("pub")?;
    publisher.publish(Publish::new(&topic, "one").qos(1))?;
    publisher.publish(Publish::new(&topic, "two").qos(2))?;
    let (one, two) = (subscriber.publication()?, subscriber.publication()?);
    subscriber.unsubscribe(&[&topic])?;
    subscriber.drop_connection();
    let (mut subscriber, _) = scene.connect_durable("sub")?;
    for first in [one, two] {
        let again = subscriber.message()?;
        ensure!(
            (again.id, &again.payload) == (first.id, &first.payload),
            "expected {first:?} again, came {again:?}"
        );
    }
    Ok(())
}

fn answered_by_unsuback(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let mut client = scene.connect("c")?;
    client.subscribe(&topic, 0)?;
    client.send(&wire::unsubscribe(scene.version(), 0x4321, &[&topic]));
    client.unsuback(0x4321).map(|_| ())
}

fn answered_without_subscription(scene: &Scene<'_>) -> Outcome {
    let mut client = scene.connect("c")?;
    client.send(&wire::unsubscribe(
        scene.version(),
        0xfedc,
        &[&scene.topic("t")],
    ));
    client.unsuback(0xfedc).map(|_| ())
}

fn many_filters(scene: &Scene<'_>) -> Outcome {
    let topics: Vec<String> = (0..4).map(|n| scene.topic(&format!("{n}"))).collect();
    let filters: Vec<(&str, u8)> = topics.iter().map(|topic| (topic.as_str(), 0)).collect();
    let mut client = scene.connect("c")?;
    client.subscribe_all(&filters)?;
    client.unsubscribe(&[&topics[0], &topics[1], &topics[2]])?;
    client.expect_silence()?;
    for topic in &topics {
        client.publish(Publish::new(topic, topic))?;
    }
    client.expect_payload(&topics[3]).map(|_| ())
}

fn unsuback_within_the_maximum(scene: &Scene<'_>) -> Outcome {
    let connect = scene
        .connect_packet("small")
        .with(Property::MaximumPacketSize(48));
    let (mut client, _) = scene.connect_with("small", &connect)?;
    client.unsubscribe(&[&scene.topic("never subscribed")])?;
    ensure!(
        client.largest() <= 48,
        "a packet of {} bytes, the maximum is 48",
        client.largest()
    );
    Ok(())
}

fn codes_in_order(scene: &Scene<'_>) -> Outcome {
    let (a, b, c) = (scene.topic("a"), scene.topic("b"), scene.topic("c"));
    let mut client = scene.connect("c")?;
    client.subscribe(&b, 0)?;
    let codes = client.unsubscribe(&[&a, &b, &c])?;
    ensure!(
        codes == [0x11, 0x00, 0x11],
        "expected [11, 00, 11], came {codes:02x?}"
    );
    Ok(())
}

fn codes_are_defined(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let mut client = scene.connect("c")?;
    client.subscribe(&topic, 0)?;
    for expected in [0x00, 0x11] {
        let codes = client.unsubscribe(&[&topic])?;
        ensure!(
            codes == [expected],
            "expected 0x{expected:02x}, came {codes:02x?}"
        );
    }
    ensure!(
        client.before_fence()? == Vec::<Packet>::new(),
        "more than UNSUBACK came"
    );
    Ok(())
}
