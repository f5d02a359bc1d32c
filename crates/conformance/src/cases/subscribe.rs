//! SUBSCRIBE and SUBACK [3.8, 3.9].

use crate::case::{Failure, Outcome, cases, ensure};
use crate::client::Client;
use crate::scene::Scene;
use crate::wire::{self, Body, Packet, Property, Publish};

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
        let message = client.expect_payload("kept")?;
        ensure!(
            message.retain == 1,
            "a retained message came without RETAIN"
        );
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
