//! SUBSCRIBE and SUBACK [3.8, 3.9].

use crate::case::{Outcome, cases, ensure};
use crate::scene::Scene;
use crate::wire::{self, Body, Property, Publish};

const NO_LOCAL: u8 = 0x04;

cases! {
    ["MQTT-3.8.1-1", "MQTT311-3.8.1-1"] reserved_flags
        "a SUBSCRIBE with other flags than 0010 closes the connection";
    ["MQTT-3.8.3-1", "MQTT311-3.8.3-1"] filter_is_utf8
        "a Topic Filter that is not UTF-8 is refused";
    ["MQTT-3.8.3-2", "MQTT311-3.8.3-3"] without_filter
        "a SUBSCRIBE without Topic Filter is refused";
    ["MQTT-3.8.3-3"] no_local
        "No Local: not to the connection that published";
    ["MQTT-3.8.3-4"] no_local_on_shared
        "No Local on a Shared Subscription is a Protocol Error";
    ["MQTT-3.8.3-5", "MQTT311-3.8.3-4"] reserved_option_bits
        "reserved bits in the Subscription Options, and QoS 3, are refused";
    ["MQTT-3.8.4-1", "MQTT311-3.8.4-1", "MQTT31-subscribe"] answered_by_suback
        "SUBSCRIBE is answered with SUBACK";
    ["MQTT-3.8.4-2", "MQTT311-3.8.4-2"] suback_repeats_the_id
        "SUBACK has the Packet Identifier of its SUBSCRIBE";
    ["MQTT-3.8.4-3"] replaces
        "the same filter again replaces the subscription: one copy, at the new QoS";
    ["MQTT311-3.8.4-3"] replaces_and_resends
        "the same filter again replaces the subscription and sends retained messages again";
    ["MQTT-3.8.4-4"] nothing_lost_while_replacing
        "no message is lost while a subscription is replaced";
    ["MQTT-3.8.4-5", "MQTT311-3.8.4-4"] many_filters
        "several filters in one SUBSCRIBE all take effect and have one SUBACK";
    ["MQTT-3.8.4-6", "MQTT311-3.8.4-5"] code_for_each_filter
        "SUBACK has a code for each filter, also for refused ones";
    ["MQTT-3.8.4-7"] code_is_the_granted_qos
        "the code is the granted QoS, and that is what arrives";
    ["MQTT-3.8.4-8", "MQTT311-3.8.4-6"] lower_qos_wins
        "a message arrives with the lower of published and granted QoS";
    ["MQTT-3.9.2-1", "MQTT-3.9.2-2"] suback_within_the_maximum
        "Reason String and User Properties do not make SUBACK larger than the Client allows";
    ["MQTT-3.9.3-1", "MQTT311-3.9.3-1"] codes_in_order
        "the codes in SUBACK are in the order of the filters";
    ["MQTT-3.9.3-2", "MQTT311-3.9.3-2"] codes_are_defined
        "the codes in SUBACK are among those that SUBACK defines";
}

fn reserved_flags(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    for first in [0x80, 0x81, 0x83, 0x86, 0x8a] {
        let mut client = scene.connect("c")?;
        let mut packet = wire::subscribe(scene.version(), 1, &[], &[(&topic, 0)]);
        packet[0] = first;
        client.send(&packet);
        client.expect_refusal(&[0x81, 0x82])?;
    }
    Ok(())
}

fn filter_is_utf8(scene: &Scene<'_>) -> Outcome {
    let head = Body::new().u16(1).properties(scene.version(), &[]);
    for filter in [&b"a/\xff"[..], b"\xed\xbf\xbf", b"a/\xc1\xbf/#"] {
        let mut client = scene.connect("c")?;
        client.send(&head.clone().binary(filter).u8(0).packet(0x82));
        client.expect_refusal(&[0x81, 0x82, 0x8f])?;
    }
    Ok(())
}

fn without_filter(scene: &Scene<'_>) -> Outcome {
    let head = Body::new().u16(1).properties(scene.version(), &[]);
    let without_options = head.clone().text(&scene.topic("t"));
    for body in [head, without_options] {
        let mut client = scene.connect("c")?;
        client.send(&body.packet(0x82));
        client.expect_refusal(&[0x81, 0x82])?;
    }
    Ok(())
}

fn no_local(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let mut client = scene.connect("c")?;
    client.subscribe(&topic, 1 | NO_LOCAL)?;
    client.publish(Publish::new(&topic, "mine").qos(1))?;
    scene
        .connect("other")?
        .publish(Publish::new(&topic, "another's").qos(1))?;
    client.expect_payload("another's").map(|_| ())
}

fn no_local_on_shared(scene: &Scene<'_>) -> Outcome {
    let filter = format!("$share/group/{}", scene.topic("t"));
    let mut client = scene.connect("c")?;
    client.send(&wire::subscribe(
        scene.version(),
        1,
        &[],
        &[(&filter, NO_LOCAL)],
    ));
    client.expect_refusal(&[0x82, 0x81])
}

fn reserved_option_bits(scene: &Scene<'_>) -> Outcome {
    let v5: &[u8] = &[0x03, 0x40, 0x80, 0xc1];
    let v3: &[u8] = &[0x03, 0x04, 0x08, 0x10, 0x80];
    for options in if scene.is_v5() { v5 } else { v3 } {
        let mut client = scene.connect("c")?;
        let filter = scene.topic("t");
        client.send(&wire::subscribe(
            scene.version(),
            1,
            &[],
            &[(&filter, *options)],
        ));
        client.expect_refusal(&[0x81, 0x82])?;
    }
    Ok(())
}

fn answered_by_suback(scene: &Scene<'_>) -> Outcome {
    scene
        .connect("c")?
        .subscribe(&scene.topic("t"), 0)
        .map(|_| ())
}

fn suback_repeats_the_id(scene: &Scene<'_>) -> Outcome {
    let v = scene.version();
    let (a, b) = (scene.topic("a"), scene.topic("b"));
    let mut client = scene.connect("c")?;
    let mut both = wire::subscribe(v, 0x1234, &[], &[(&a, 0)]);
    both.extend(wire::subscribe(v, 0x0001, &[], &[(&b, 1), (&a, 0)]));
    client.send(&both);
    ensure!(
        client.suback(0x1234)?.len() == 1,
        "SUBACK 0x1234 answers another SUBSCRIBE"
    );
    ensure!(
        client.suback(0x0001)?.len() == 2,
        "SUBACK 0x0001 answers another SUBSCRIBE"
    );
    Ok(())
}

fn replaces(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 0)?;
    let granted = subscriber.subscribe(&topic, 1)?;
    publisher.publish(Publish::new(&topic, "one").qos(1))?;
    publisher.publish(Publish::new(&topic, "two").qos(1))?;
    let message = subscriber.expect_payload("one")?;
    ensure!(
        message.qos == granted,
        "granted QoS {granted}, came with QoS {}",
        message.qos
    );
    subscriber.expect_payload("two").map(|_| ())
}

fn replaces_and_resends(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    scene.retain(&topic, "kept")?;
    let mut client = scene.connect("sub")?;
    for qos in [0, 1] {
        client.subscribe(&topic, qos)?;
        client.expect_retained("kept")?;
    }
    client.publish(Publish::new(&topic, "one").qos(1))?;
    client.publish(Publish::new(&topic, "two").qos(1))?;
    client.expect_payload("one")?;
    client.expect_payload("two").map(|_| ())
}

fn nothing_lost_while_replacing(scene: &Scene<'_>) -> Outcome {
    const MESSAGES: u16 = 15;
    let topic = scene.topic("t");
    let (mut subscriber, mut publisher) = scene.pair(&topic, 1)?;
    for id in 1..=MESSAGES {
        let publish = Publish::new(&topic, format!("{id}")).qos(1).id(id);
        publisher.send(&scene.publish_bytes(&publish));
        let again = wire::subscribe(scene.version(), 0x100 + id, &[], &[(&topic, 1)]);
        subscriber.send(&again);
    }
    for id in 1..=MESSAGES {
        publisher.puback(id)?;
        subscriber.expect_payload(format!("{id}"))?;
    }
    Ok(())
}

fn many_filters(scene: &Scene<'_>) -> Outcome {
    let topics: Vec<String> = (0..5).map(|n| scene.topic(&format!("{n}"))).collect();
    let filters: Vec<(&str, u8)> = topics.iter().map(|topic| (topic.as_str(), 0)).collect();
    let mut client = scene.connect("c")?;
    client.subscribe_all(&filters)?;
    client.expect_silence()?;
    for topic in &topics {
        client.publish(Publish::new(topic, topic))?;
        client.expect_payload(topic)?;
    }
    Ok(())
}

fn code_for_each_filter(scene: &Scene<'_>) -> Outcome {
    let (good, other) = (scene.topic("good"), scene.topic("other"));
    let bad = scene.topic("a/#/b");
    let mut client = scene.connect("c")?;
    client.subscribe_all(&[(&good, 0), (&other, 2)])?;
    let id = client.fresh_id();
    client.send(&wire::subscribe(
        scene.version(),
        id,
        &[],
        &[(&good, 0), (&bad, 0), (&other, 0)],
    ));
    // An invalid filter may also close the connection.
    if let Ok(codes) = client.suback(id) {
        ensure!(codes.len() == 3, "3 filters, SUBACK with {codes:02x?}");
        ensure!(
            codes[1] >= 0x80,
            "an invalid filter was granted: {codes:02x?}"
        );
        ensure!(
            codes[0] < 0x80 && codes[2] < 0x80,
            "a valid filter was refused: {codes:02x?}"
        );
        return Ok(());
    }
    client.expect_refusal(&[0x81, 0x82, 0x8f])
}

/// Publishes at every QoS to a subscription for each QoS, and checks what arrives.
fn expect_lower_qos(scene: &Scene<'_>) -> Outcome {
    for requested in 0..=2 {
        let topic = scene.topic(&format!("{requested}"));
        let mut client = scene.connect("c")?;
        let granted = client.subscribe(&topic, requested)?;
        ensure!(
            granted <= requested,
            "asked for QoS {requested}, granted {granted}"
        );
        for published in 0..=2 {
            client.publish(Publish::new(&topic, "x").qos(published))?;
            let qos = client.expect_payload("x")?.qos;
            ensure!(
                qos == granted.min(published),
                "published with QoS {published}, granted {granted}, came with {qos}"
            );
        }
    }
    Ok(())
}

fn code_is_the_granted_qos(scene: &Scene<'_>) -> Outcome {
    expect_lower_qos(scene)
}

fn lower_qos_wins(scene: &Scene<'_>) -> Outcome {
    expect_lower_qos(scene)
}

fn suback_within_the_maximum(scene: &Scene<'_>) -> Outcome {
    let connect = scene
        .connect_packet("small")
        .with(Property::MaximumPacketSize(48));
    let (mut client, _) = scene.connect_with("small", &connect)?;
    let bad = scene.topic("a/#/b");
    client.send(&wire::subscribe(scene.version(), 1, &[], &[(&bad, 0)]));
    match client.suback(1) {
        Ok(_) => {}
        Err(_) => client.expect_refusal(&[0x81, 0x82, 0x8f])?,
    }
    ensure!(
        client.largest() <= 48,
        "a packet of {} bytes, the maximum is 48",
        client.largest()
    );
    Ok(())
}

fn codes_in_order(scene: &Scene<'_>) -> Outcome {
    let names: Vec<String> = (0..6).map(|n| scene.topic(&format!("{n}"))).collect();
    let asked = [2, 0, 1, 0, 2, 1];
    let filters: Vec<(&str, u8)> = names.iter().map(String::as_str).zip(asked).collect();
    let codes = scene.connect("c")?.subscribe_all(&filters)?;
    let fits = codes.iter().zip(asked).all(|(code, asked)| *code <= asked);
    ensure!(fits, "asked for QoS {asked:?}, SUBACK with {codes:02x?}");
    Ok(())
}

fn codes_are_defined(scene: &Scene<'_>) -> Outcome {
    // The parser refuses any other code, here and in every other case.
    let good = scene.topic("good");
    let mut client = scene.connect("c")?;
    for qos in 0..=2 {
        client.subscribe(&good, qos)?;
    }
    client.send(&wire::subscribe(
        scene.version(),
        0x99,
        &[],
        &[("a/#/b", 0)],
    ));
    match client.suback(0x99) {
        Ok(_) => Ok(()),
        Err(_) => client.expect_refusal(&[0x81, 0x82, 0x8f]),
    }
}
