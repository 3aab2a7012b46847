//! What happens when the records are not what this program left behind.

use alloc::{collections::BTreeMap, vec, vec::Vec};

use std::time::{Duration, Instant};

use channel::{
    amount::{Deadline, Nano, Time},
    channel::{Channel, Shadow, Terms},
    conditional::Conditional,
    contract::{ClosingConfig, Currency, OpenConfig, PaymentConfig},
    key::{PublicKey, SecretKey, Signature, sha256},
    resolve::Resolve,
    semichannel::ChannelId,
    tl::{Authenticate, Query, authenticate_hash},
};

use crate::{
    config::{Codes, Config, Record},
    invitation::Contact,
    io::{Command, Effect, Input, LinkEvent, LinkId, QueryId, RequestId, Source},
    node::{Corrupt, Node},
    records::{Kind, encode_channel_v1, encode_terms},
    turn::Slot,
    virtuals::{Leg, LegState, Virtual},
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

fn channel() -> Channel {
    let open = OpenConfig {
        key_a: key(1),
        key_b: key(2),
        channel_id: ChannelId([3; 16]),
        closing: ClosingConfig {
            quarantine_duration: 600,
            misbehavior_fine: Nano(1),
            conditional_close_duration: 600,
        },
        payment: PaymentConfig {
            storage_fee: Nano(1),
            dest_a: [4; 32],
            dest_b: [5; 32],
            currency: Currency::Ton,
        },
    };
    let terms = Terms { address: [6; 32], open, we_left: true, buffer_secs: 0, min_safe_secs: 60 };
    Channel::new(terms)
}

/// A channel as version 1 wrote it, with its reserves inside.
#[test]
fn reserves_of_an_older_record_are_kept_and_get_records_of_their_own() {
    let mut channel = channel();
    channel.chain.open = true;
    channel.ours.deposited = Nano(100);
    let reserve = |seed, held| Shadow { key: key(seed), held, until: Deadline(1_900_000_000) };
    channel.shadows = [reserve(7, Nano(10)), reserve(8, Nano(20))].into();
    let old = vec![
        (Kind::Terms.key(&[6; 32]), encode_terms(&channel.terms)),
        (Kind::Channel.key(&[6; 32]), encode_channel_v1(&channel)),
    ];

    let (node, step) = restore(1, old.clone()).unwrap();
    let balance = |node: &Node| node.slots[&[6; 32]].channel.our_balance();
    assert_eq!(balance(&node), Nano(70));
    let mut disk = BTreeMap::from_iter(old);
    disk.extend(records(&step));
    assert_eq!(disk.keys().filter(|key| key[0] == b'r').count(), 2);
    assert_eq!(disk[&Kind::Channel.key(&[6; 32])][0], 2, "the record is a new one");

    let (node, step) = restore(1, disk.into_iter().collect()).unwrap();
    assert_eq!(balance(&node), Nano(70));
    assert!(step.writes().is_empty(), "once is enough: {:?}", step.writes());
}

/// Constructor id of a request as it stands on the wire.
const REQUEST_ACTION: [u8; 4] = [0xdb, 0x04, 0xd8, 0x91];

/// How long it takes until `count` claims are asked again when a peer comes back: the best of three.
fn coming_back(count: u32) -> Duration {
    let peer = key(2);
    let again = || {
        let (mut node, _) = restore(1, vec![]).unwrap();
        node.slots.insert([6; 32], Slot::new(channel(), None));
        node.by_peer.insert(peer, vec![[6; 32]]);
        // The resolve is not looked at.
        let resolve = Resolve { amount: Nano(1), signature: Signature([1; 64]) };
        let resolve = postcard::from_bytes(&postcard::to_allocvec(&resolve).unwrap()).unwrap();
        for n in 0..count {
            let key = PublicKey(sha256(&[&n.to_le_bytes()]));
            let deadline = Deadline(1_900_000_000);
            let (capacity, fee, prepay) = (Nano(1), Nano(0), Nano(0));
            let conditional = Conditional { key, capacity, fee, prepay, deadline };
            let incoming = Leg { channel: [6; 32], conditional, state: LegState::Live };
            node.put_virtual(Virtual {
                key,
                incoming: Some(incoming),
                outgoing: None,
                resolve: Some(resolve),
                claimed: false,
                given_up: false,
                action: None,
                instruction: Some(key),
                payment: None,
                reason: None,
                created: node.now,
                finished: Some(node.now),
            });
        }
        let link = LinkId(1);
        let up = LinkEvent::Up { ours: [1; 32], theirs: [2; 32], dialled: None, source: Source(1) };
        let step = node.handle(Time(1_800_000_000_001), Input::Link(link, up));
        assert!(step.committed().len() > 1, "what was put in before comes with it");
        let timestamp = 1_800_000_000;
        let hash = authenticate_hash(&[2; 32], &[1; 32], timestamp);
        let signature = SecretKey::from_seed([2; 32]).sign(&hash);
        let hello = Query::Authenticate(Authenticate { key: peer, timestamp, signature });
        let event = LinkEvent::Query { id: QueryId(1), bytes: hello.to_bytes() };
        let start = Instant::now();
        let step = node.handle(Time(1_800_000_000_002), Input::Link(link, event));
        let took = start.elapsed();
        let asked = |effect: &&Effect| matches!(effect, Effect::Query { bytes, .. } if bytes.starts_with(&REQUEST_ACTION));
        let asked = step.committed().iter().filter(asked).count();
        assert_eq!(asked, count as usize);
        took
    };
    (0..3).map(|_| again()).min().unwrap()
}

#[test]
fn a_peer_that_comes_back_costs_as_much_as_what_is_to_be_asked_of_it() {
    let (few, many) = (coming_back(3_000), coming_back(30_000));
    assert!(many < few * 30, "{few:?} for 3,000, {many:?} for 30,000");
}
