//! What a client must be able to do in every protocol version.

use crate::peer::{Message, Peer, Setup, Version, unique};

fn peer<V: Version>() -> Peer<V> {
    Peer::connect(&Setup::new())
}

fn payloads(messages: &[Message]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message.payload.as_str())
        .collect()
}

pub fn each_qos_arrives_with_the_lower_of_both_qos<V: Version>() {
    let (mut alice, mut bob) = (peer::<V>(), peer::<V>());
    let base = unique("qos");
    for granted in 0..=2 {
        let topic = format!("{base}/{granted}");
        assert_eq!(bob.subscribe(&topic, granted), granted);
        for qos in 0..=2 {
            alice.publish(&Message::new(&topic, "hello", qos));
            assert_eq!(bob.next(), Message::new(&topic, "hello", qos.min(granted)));
        }
    }
}

pub fn many_messages_arrive_in_order<V: Version>() {
    let (mut alice, mut bob) = (peer::<V>(), peer::<V>());
    let topic = unique("order");
    bob.subscribe(&topic, 2);
    for qos in 0..=2 {
        let sent: Vec<_> = (0..200)
            .map(|number| Message::new(&topic, number, qos))
            .collect();
        for message in &sent {
            alice.publish(message);
        }
        assert_eq!(bob.take(sent.len()), sent);
    }
}

pub fn wildcards_match_as_they_should<V: Version>() {
    let (mut alice, mut bob) = (peer::<V>(), peer::<V>());
    let base = unique("wildcards");
    for filter in ["home/#", "factory/+/status", "end"] {
        bob.subscribe(&format!("{base}/{filter}"), 1);
    }
    let matching = ["home", "home/hall/light", "factory/press/status"];
    let others = [
        "homes",
        "factory/status",
        "factory/press/arm/status",
        "factory/press/state",
    ];
    for topic in matching.iter().chain(&others).chain(&["end"]) {
        alice.publish(&Message::new(&format!("{base}/{topic}"), topic, 1));
    }
    assert_eq!(payloads(&bob.until(&format!("{base}/end"))), matching);
}

pub fn a_retained_message_is_set_replaced_and_cleared<V: Version>() {
    let (mut alice, mut bob, mut carol) = (peer::<V>(), peer::<V>(), peer::<V>());
    let topic = unique("retained");
    alice.publish(&Message::new(&topic, "20.0", 1).retained());
    alice.publish(&Message::new(&topic, "21.5", 1).retained());
    bob.subscribe(&topic, 1);
    assert_eq!(bob.next(), Message::new(&topic, "21.5", 1).retained());
    alice.publish(&Message::new(&topic, "", 1).retained());
    assert_eq!(bob.next(), Message::new(&topic, "", 1));
    carol.subscribe(&topic, 1);
    alice.publish(&Message::new(&topic, "live", 1));
    assert_eq!(carol.next(), Message::new(&topic, "live", 1));
}

pub fn the_will_is_published_when_the_client_vanishes<V: Version>() {
    let mut bob = peer::<V>();
    let topic = unique("will");
    bob.subscribe(&topic, 1);
    let will = Message::new(&topic, "offline", 1);
    let setup = Setup {
        will: Some(will.clone().retained()),
        ..Setup::new()
    };
    Peer::<V>::connect(&setup).vanish();
    assert_eq!(bob.next(), will);
    let mut carol = peer::<V>();
    carol.subscribe(&topic, 1);
    assert_eq!(carol.next(), will.retained());
}

pub fn the_will_is_dropped_when_the_client_leaves<V: Version>() {
    let (mut alice, mut bob) = (peer::<V>(), peer::<V>());
    let topic = unique("will");
    bob.subscribe(&topic, 1);
    let setup = Setup {
        will: Some(Message::new(&topic, "offline", 1)),
        ..Setup::new()
    };
    Peer::<V>::connect(&setup).leave();
    alice.publish(&Message::new(&topic, "end", 1));
    assert_eq!(bob.next().payload, "end");
}

pub fn a_shared_subscription_gives_each_message_to_one_member<V: Version>() {
    let mut alice = peer::<V>();
    let base = unique("shared");
    let end = format!("{base}/end");
    let mut members = [peer::<V>(), peer::<V>(), peer::<V>()];
    for member in &mut members {
        member.subscribe(&format!("$share/workers/{base}/jobs/+"), 1);
        member.subscribe(&end, 1);
    }
    let mut sent: Vec<_> = (0..60)
        .map(|number| format!("{base}/jobs/{number}"))
        .collect();
    for topic in &sent {
        alice.publish(&Message::new(topic, "job", 1));
    }
    alice.publish(&Message::new(&end, "end", 1));
    let done = members.iter_mut().flat_map(|member| member.until(&end));
    let mut done: Vec<_> = done.map(|message| message.topic).collect();
    done.sort();
    sent.sort();
    assert_eq!(done, sent);
}

pub fn a_session_keeps_messages_in_order_while_offline<V: Version>() {
    let mut alice = peer::<V>();
    let topic = unique("session");
    let setup = Setup {
        persistent: true,
        ..Setup::new()
    };
    let mut first = Peer::<V>::connect(&setup);
    assert!(!first.session_present());
    first.subscribe(&topic, 2);
    first.leave();
    let qos = |number| if number < 50 { 1 } else { 2 };
    let sent: Vec<_> = (0..100).map(|n| Message::new(&topic, n, qos(n))).collect();
    for message in &sent {
        alice.publish(message);
    }
    let mut again = Peer::<V>::connect(&setup);
    assert!(again.session_present());
    assert_eq!(again.take(sent.len()), sent);
}

pub fn a_session_gets_again_what_it_did_not_acknowledge<V: Version>() {
    let mut alice = peer::<V>();
    let topic = unique("session");
    let setup = Setup {
        persistent: true,
        acknowledging: false,
        ..Setup::new()
    };
    let mut first = Peer::<V>::connect(&setup);
    first.subscribe(&topic, 1);
    let sent: Vec<_> = (0..10)
        .map(|number| Message::new(&topic, number, 1))
        .collect();
    for message in &sent {
        alice.publish(message);
    }
    assert_eq!(first.take(sent.len()), sent);
    first.vanish();
    let mut again = Peer::<V>::connect(&Setup {
        acknowledging: true,
        ..setup
    });
    assert!(again.session_present());
    assert_eq!(again.take(sent.len()), sent);
}
