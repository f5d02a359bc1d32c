//! `docs/conformance.md` says what the registry says, and no statement is forgotten.

use std::collections::BTreeSet;

use dunlin_conformance::{cases, table};

#[test]
fn the_page_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/conformance.md");
    let page = std::fs::read_to_string(path).expect("docs/conformance.md is there");
    assert!(
        page == table::markdown(),
        "out of date: cargo run -p dunlin-conformance -- --table > docs/conformance.md"
    );
}

#[test]
fn every_statement_has_a_test_or_a_reason_and_not_both() {
    assert_eq!(table::gaps(), Vec::<String>::new());
}

#[test]
fn no_test_name_is_used_twice() {
    let mut seen = BTreeSet::new();
    for case in cases::all() {
        assert!(
            seen.insert(case.full_name()),
            "{} is there twice",
            case.full_name()
        );
    }
}
