//! Shared Subscriptions [4.8.2].

use std::time::{Duration, Instant};

use crate::case::{Failure, Outcome, cases, ensure};
use crate::client::Client;
use crate::scene::Scene;
use crate::wire::{self, Packet, Publish};

cases! {
    ["MQTT-4.8.2-1"] has_a_share_name
        "a shared filter needs a ShareName of at least one character";
    ["MQTT-4.8.2-2"] share_name_and_filter
        "a ShareName has no wildcard and is followed by a Topic Filter";
    ["MQTT-4.8.2-3"] granted_qos
        "a message arrives with no more than the QoS granted to that member";
    ["MQTT-4.8.2-4"] qos_2_stays_with_its_member
        "a QoS 2 delivery that was broken off is completed to the same member";
    ["MQTT-4.8.2-5"] qos_2_goes_to_nobody_else
        "a QoS 2 delivery whose member's session ends goes to nobody else";
    ["MQTT-4.8.2-6"] refused_goes_to_nobody_else
        "a message that a member refuses goes to nobody else";
    ["MQTT-4.8.2/one-member"] one_member_each
        "each message goes to exactly one member of each group";
    ["MQTT-4.8.2/retained"] no_retained_messages
        "a Shared Subscription gets no retained messages when it is made";
    ["MQTT-4.8.2/unsubscribe"] members_leave
        "a member that unsubscribes or disconnects gets nothing more, the others do";
    ["MQTT-4.8.2/no-member-no-copy"] non_shared_is_separate
        "a normal subscription to the same filter has a copy of its own";
}

fn shared(scene: &Scene<'_>, group: &str) -> String {
    format!("$share/{group}/{}", scene.topic("t"))
}

fn expect_invalid(scene: &Scene<'_>, filter: &str) -> Outcome {
    let mut client = scene.connect("c")?;
    client.send(&wire::subscribe(scene.version(), 1, &[], &[(filter, 0)]));
    if let Ok(codes) = client.suback(1) {
        ensure!(
            codes.iter().all(|code| *code >= 0x80),
            "{filter:?} was granted: {codes:02x?}"
        );
        return Ok(());
    }
    client.expect_refusal(&[0x81, 0x82, 0x8f])
}

fn has_a_share_name(scene: &Scene<'_>) -> Outcome {
    expect_invalid(scene, &format!("$share//{}", scene.topic("t")))?;
    expect_invalid(scene, "$share/")?;
    scene
        .connect("c")?
        .subscribe(&shared(scene, "g"), 0)
        .map(|_| ())
}

fn share_name_and_filter(scene: &Scene<'_>) -> Outcome {
    for filter in [
        "$share/g",
        "$share/g/",
        "$share/+/t",
        "$share/#/t",
        "$share/a+b/t",
        "$share/a#/t",
    ] {
        expect_invalid(scene, filter)?;
    }
    expect_invalid(scene, &format!("$share/g/{}", scene.topic("a/#/b")))
}

fn granted_qos(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let mut publisher = scene.connect("pub")?;
    for requested in 0..=2 {
        let mut member = scene.connect("member")?;
        let granted = member.subscribe(&shared(scene, "g"), requested)?;
        for published in 0..=2 {
            publisher.publish(Publish::new(&topic, "x").qos(published))?;
            let qos = member.expect_payload("x")?.qos;
            ensure!(
                qos == granted.min(published),
                "published with QoS {published}, granted {granted}, came with {qos}"
            );
        }
        member.disconnect()?;
    }
    Ok(())
}

fn durable_member(scene: &Scene<'_>, name: &str) -> Result<Client, Failure> {
    let (mut member, _) = scene.connect_durable(name)?;
    member.subscribe(&shared(scene, "g"), 2)?;
    Ok(member)
}

/// A message at this QoS is on its way to the durable member `first`; then `second` joins.
fn one_chosen(scene: &Scene<'_>, qos: u8) -> Result<(Client, Publish, Client), Failure> {
    let mut first = durable_member(scene, "first")?;
    scene
        .connect("pub")?
        .publish(Publish::new(&scene.topic("t"), "chosen").qos(qos))?;
    let chosen = first.publication()?;
    let second = durable_member(scene, "second")?;
    Ok((first, chosen, second))
}

/// Shows that `member` has been given nothing but what is published now.
fn expect_only_marker(scene: &Scene<'_>, member: &mut Client) -> Outcome {
    member.fence()?;
    scene
        .connect("pub")?
        .publish(Publish::new(&scene.topic("t"), "marker").qos(1))?;
    member.expect_payload("marker").map(|_| ())
}

fn qos_2_stays_with_its_member(scene: &Scene<'_>) -> Outcome {
    let (first, chosen, mut second) = one_chosen(scene, 2)?;
    first.drop_connection();
    second.expect_silence()?;
    let (mut first, _) = scene.connect_durable("first")?;
    let again = first.expect_payload("chosen")?;
    ensure!(
        again.id == chosen.id,
        "expected identifier {}, came {}",
        chosen.id,
        again.id
    );
    second.expect_silence()
}

fn qos_2_goes_to_nobody_else(scene: &Scene<'_>) -> Outcome {
    let (mut first, _, mut second) = one_chosen(scene, 2)?;
    let end = [wire::Property::SessionExpiryInterval(0)];
    first.send(&wire::disconnect(0, &end));
    first.expect_refusal(&[])?;
    expect_only_marker(scene, &mut second)
}

fn refused_goes_to_nobody_else(scene: &Scene<'_>) -> Outcome {
    for (qos, first_byte) in [(1, wire::PUBACK), (2, wire::PUBREC)] {
        let (mut first, chosen, mut second) = one_chosen(scene, qos)?;
        first.send(&wire::ack_with_code(first_byte, chosen.id, 0x83));
        first.expect_silence()?;
        first.unsubscribe(&[&shared(scene, "g")])?;
        expect_only_marker(scene, &mut second)?;
        second.unsubscribe(&[&shared(scene, "g")])?;
    }
    Ok(())
}

fn payloads(packets: Vec<Packet>) -> Vec<String> {
    packets
        .into_iter()
        .filter_map(|packet| match packet {
            Packet::Publish(publish) => Some(publish.text()),
            _ => None,
        })
        .collect()
}

fn one_member_each(scene: &Scene<'_>) -> Outcome {
    const MESSAGES: usize = 12;
    let mut groups = Vec::new();
    for (group, names) in [("g", &["g1", "g2", "g3"][..]), ("h", &["h1", "h2"])] {
        let mut members = Vec::new();
        for name in names {
            let mut member = scene.connect(name)?;
            member.subscribe(&shared(scene, group), 0)?;
            members.push(member);
        }
        groups.push((group, members));
    }
    let mut publisher = scene.connect("pub")?;
    let expected: Vec<String> = (0..MESSAGES).map(|n| format!("{n:02}")).collect();
    for payload in &expected {
        publisher.publish(Publish::new(&scene.topic("t"), payload))?;
    }
    for (group, mut members) in groups {
        let mut came = collect(&mut members, MESSAGES)?;
        came.sort();
        ensure!(
            came == expected,
            "group {group}: expected each once, came {came:?}"
        );
    }
    Ok(())
}

/// What the members get until it is `count` messages, and one look further for more.
fn collect(members: &mut [Client], count: usize) -> Result<Vec<String>, Failure> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut came = Vec::new();
    let mut complete = false;
    while !complete && Instant::now() < deadline {
        complete = came.len() >= count;
        for member in &mut *members {
            came.extend(payloads(member.before_fence()?));
        }
    }
    Ok(came)
}

fn no_retained_messages(scene: &Scene<'_>) -> Outcome {
    scene.retain(&scene.topic("t"), "kept")?;
    let mut member = scene.connect("member")?;
    member.subscribe(&shared(scene, "g"), 1)?;
    member.fence()?;
    scene
        .connect("pub")?
        .publish(Publish::new(&scene.topic("t"), "marker").qos(1))?;
    loop {
        let message = member.message()?;
        ensure!(
            message.retain == 0,
            "a retained message came: {:?}",
            message.text()
        );
        if message.text() == "marker" {
            return Ok(());
        }
    }
}

fn members_leave(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let mut publisher = scene.connect("pub")?;
    let mut stays = scene.connect("stays")?;
    stays.subscribe(&shared(scene, "g"), 1)?;
    let mut leaves = scene.connect("leaves")?;
    leaves.subscribe(&shared(scene, "g"), 1)?;
    let mut ends = scene.connect("ends")?;
    ends.subscribe(&shared(scene, "g"), 1)?;
    let codes = leaves.unsubscribe(&[&shared(scene, "g")])?;
    ensure!(codes == [0], "expected UNSUBACK 0, came {codes:02x?}");
    ends.disconnect()?;
    for n in 0..6 {
        publisher.publish(Publish::new(&topic, format!("{n}")).qos(1))?;
        stays.expect_payload(format!("{n}"))?;
    }
    let came = payloads(leaves.before_fence()?);
    ensure!(came.is_empty(), "a member that left got {came:?}");
    Ok(())
}

fn non_shared_is_separate(scene: &Scene<'_>) -> Outcome {
    let topic = scene.topic("t");
    let (mut normal, mut publisher) = scene.pair(&topic, 1)?;
    let mut member = scene.connect("member")?;
    member.subscribe(&shared(scene, "g"), 1)?;
    for n in 0..4 {
        publisher.publish(Publish::new(&topic, format!("{n}")).qos(1))?;
        normal.expect_payload(format!("{n}"))?;
        member.expect_payload(format!("{n}"))?;
    }
    Ok(())
}
