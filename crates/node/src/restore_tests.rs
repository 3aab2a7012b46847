//! What happens when the records are not what this program left behind.

use alloc::{vec, vec::Vec};

use channel::{
    amount::Time,
    key::{PublicKey, SecretKey},
};

use crate::{
    config::{Codes, Config, Record},
    invitation::Contact,
    io::{Command, Input, RequestId},
    node::{Corrupt, Node},
};

fn restore(seed: u8, records: Vec<Record>) -> Result<(Node, crate::io::Step), Corrupt> {
    let config = Config::new([seed; 32], [9; 32], Codes::built_in().unwrap());
    Node::restore(config, [0; 32], Time(1_800_000_000_000), records)
}

fn key(seed: u8) -> PublicKey {
    SecretKey::from_seed([seed; 32]).public()
}

fn records(step: &crate::io::Step) -> Vec<Record> {
    step.writes().iter().map(|(k, v)| (k.clone(), v.clone().unwrap())).collect()
}

#[test]
fn records_of_another_node_key_are_refused() {
    let (_, step) = restore(1, vec![]).unwrap();
    let found = SecretKey::from_seed([1; 32]).public();
    assert_eq!(restore(2, records(&step)).err(), Some(Corrupt::OtherNode { found }));
}

#[test]
fn records_of_a_newer_version_are_not_touched() {
    let (_, step) = restore(1, vec![]).unwrap();
    let mut newer = records(&step);
    newer[0].1[0] = 200;
    assert_eq!(restore(1, newer).err(), Some(Corrupt::TooNew { found: 200, known: 1 }));
}

#[test]
fn an_unknown_or_broken_record_is_named() {
    let unknown = vec![(vec![b'x', 0x12], vec![1])];
    let named = |key: &str| Some(Corrupt::Unreadable { key: key.into() });
    assert_eq!(restore(1, unknown).err(), named("x:12"));
    let (mut node, step) = restore(1, vec![]).unwrap();
    let contact = Contact { node: key(7), adnl: key(8), udp: "h:1".into(), ws: None };
    let command = Command::AddContact(contact);
    let next = node.handle(Time(1_800_000_000_001), Input::Command(RequestId(1), command));
    let mut all = records(&step);
    all.extend(records(&next));
    assert!(restore(1, all.clone()).is_ok());
    let broken = all.last_mut().unwrap();
    broken.1.truncate(10);
    let key = crate::records::label(&broken.0);
    assert_eq!(restore(1, all).err(), named(&key));
}
