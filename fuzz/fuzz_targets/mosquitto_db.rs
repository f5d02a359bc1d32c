#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dunlin_broker::fuzzing::mosquitto_db(bytes));
