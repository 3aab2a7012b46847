//! The contracts that a node is built with are those that `contracts/` compiled and tested.

#![allow(clippy::unwrap_used, clippy::panic)]

use channel::cell::hash;
use node::config::Codes;

#[test]
fn the_embedded_codes_have_the_hashes_that_the_contract_tests_checked() {
    let hashes = include_str!("../../../contracts/build/hashes.json");
    let codes = Codes::built_in().unwrap();
    for (name, code) in [("channel", &codes.channel), ("wallet", &codes.wallet)] {
        let entry = format!("\"{name}\": {{\n    \"hash\": \"{}\"", hex::encode(hash(code)));
        assert!(hashes.contains(&entry), "no {entry} in contracts/build/hashes.json");
    }
}
