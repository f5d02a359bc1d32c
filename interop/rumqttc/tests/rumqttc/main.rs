//! rumqttc, in its modules for MQTT 3.1.1 and 5.0, against the broker at `DUNLIN_ADDRESS`.
//!
//! `peer` is a client that a test drives step by step, `v4` and `v5` fit the two modules of rumqttc
//! to it, `scenarios` holds what both must do, and `version_5` what only MQTT 5.0 has.

mod peer;
mod scenarios;
mod v4;
mod v5;
mod version_5;

/// The scenarios as tests, once per protocol version.
macro_rules! in_both_versions {
    ($($scenario:ident),* $(,)?) => {
        mod version_311 {
            $(#[test] fn $scenario() { crate::scenarios::$scenario::<crate::v4::Version311>(); })*
        }
        mod version_50 {
            $(#[test] fn $scenario() { crate::scenarios::$scenario::<crate::v5::Version50>(); })*
        }
    };
}

in_both_versions! {
    each_qos_arrives_with_the_lower_of_both_qos,
    many_messages_arrive_in_order,
    wildcards_match_as_they_should,
    a_retained_message_is_set_replaced_and_cleared,
    the_will_is_published_when_the_client_vanishes,
    the_will_is_dropped_when_the_client_leaves,
    a_shared_subscription_gives_each_message_to_one_member,
    a_session_keeps_messages_in_order_while_offline,
    a_session_gets_again_what_it_did_not_acknowledge,
}
