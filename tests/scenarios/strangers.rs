//! Who somebody is, and how much they may make us keep: proofs of keys, limits on everything a peer can start.

use channel::{
    Deadline,
    garlic::Hop,
    key::{PublicKey, SecretKey, Signature},
    propose::Intent,
    tl::{Answer, Authenticate, OpenChannelOffchain, Query, authenticate_hash},
};
use node::{
    config::Limits,
    invitation::Contact,
    io::{Command, CommandError, Reply},
};
use tests::{Adversary, Plan, World, ton};

#[test]
fn a_proof_of_a_key_is_good_for_one_connection_and_some_minutes() {
    let mut world = World::seeded(51);
    let alice = world.add(Plan::user("alice"));
    let mut eve = Adversary::unknown(&mut world, "eve", alice);
    eve.dial(&mut world);
    let (ours, theirs) = eve.ids();
    let key = world.machine(eve.id).secret();
    let now = i64::from(world.now().seconds());
    let prove = |ids: [[u8; 32]; 2], timestamp: i64, key: &SecretKey| {
        let signature = key.sign(&authenticate_hash(&ids[0], &ids[1], timestamp));
        Query::Authenticate(Authenticate { key: key.public(), timestamp, signature })
    };

    // The neutral point has no owner: this signature fits every message.
    let (mut nobody, mut forged) = ([0; 32], [0; 64]);
    (nobody[0], forged[0]) = (1, 1);
    let (nobody, signature) = (PublicKey(nobody), Signature(forged));
    let hello = Authenticate { key: nobody, timestamp: now, signature };
    assert_eq!(eve.ask(&mut world, &Query::Authenticate(hello)), None, "nobody's key");
    for [node, adnl] in [[nobody, key.public()], [key.public(), nobody]] {
        let contact = Contact { node, adnl, ..world.machine(eve.id).contact() };
        let refused = world.command(alice, Command::AddContact(contact));
        assert!(matches!(refused, Err(CommandError::BadRequest { .. })), "{refused:?}");
    }

    let now = i64::from(world.now().seconds());
    let other = [[9; 32], theirs];
    assert_eq!(eve.ask(&mut world, &prove(other, now, &key)), None, "of another connection");
    let turned = [theirs, ours];
    assert_eq!(eve.ask(&mut world, &prove(turned, now, &key)), None, "our own turned round");
    let right = [ours, theirs];
    let now = i64::from(world.now().seconds());
    assert_eq!(eve.ask(&mut world, &prove(right, now - 310, &key)), None, "too old");
    let now = i64::from(world.now().seconds());
    assert_eq!(eve.ask(&mut world, &prove(right, now + 310, &key)), None, "not yet");
    let now = i64::from(world.now().seconds());
    let answer = eve.ask(&mut world, &prove(right, now, &key));

    // The answer proves the other key for this connection, the other way round.
    let Some(Answer::Authenticate(proof)) = answer else { panic!("{answer:?}") };
    assert_eq!(proof.key, world.machine(alice).key);
    let hash = authenticate_hash(&theirs, &ours, proof.timestamp);
    assert!(proof.key.verify(&hash, &proof.signature));
}

#[test]
fn nobody_can_answer_in_the_place_of_the_node_that_was_dialled() {
    let mut world = World::seeded(52);
    let (alice, bob) = (world.add(Plan::user("alice")), world.add(Plan::user("bob")));
    world.switch_off(bob);
    // Somebody has put an address of their own beside bob's key.
    let mut eve = Adversary::unknown(&mut world, "eve", alice);
    let mut contact = world.machine(eve.id).contact();
    contact.node = world.machine(bob).key;
    assert!(world.command(alice, Command::AddContact(contact)).is_ok());

    world.want_channel(alice, bob, ton(1));
    eve.listen(&mut world, 60_000);

    assert!(eve.met > 0, "alice has dialled");
    assert_eq!(eve.link, None, "and has hung up");
    assert_eq!(world.snapshot(alice).map(|snapshot| snapshot.channels.len()), Some(1));
    let channel = world.channel(alice, bob).expect("alice still wants her channel");
    assert!(!channel.online && channel.address.is_empty(), "{channel:?}");
}

#[test]
fn a_peer_cannot_make_a_node_keep_more_than_its_limits() {
    let mut world = World::seeded(53);
    let mut limits = Plan::user("alice").limits(&world.codes);
    (limits.channels_per_peer, limits.conditionals, limits.strangers) = (2, 3, 5);
    let alice = world.add(Plan { limits: Some(limits), ..Plan::user("alice") });

    // Connections of strangers: the sixth is closed at once.
    let strangers: Vec<Adversary> = (0..7)
        .map(|_| {
            let mut stranger = Adversary::unknown(&mut world, "stranger", alice);
            stranger.dial(&mut world);
            stranger
        })
        .collect();
    world.run_for(60_000);
    let open = strangers.into_iter().filter_map(|mut stranger| {
        stranger.listen(&mut world, 1);
        stranger.link
    });
    assert!(open.count() <= 5);

    // Channels with one peer.
    let mut world = World::seeded(54);
    let alice = world.add(Plan { limits: Some(limits), ..Plan::user("alice") });
    let mut mallory = Adversary::with_channel(&mut world, "mallory", alice, ton(10), ton(1));
    let first = mallory.channel().clone();
    mallory.open_off_chain(&mut world);
    let third = mallory.terms(&mut world);
    assert_eq!(mallory.asks_for(&mut world, &third), "too many channels");

    // Promises in one channel.
    mallory.channel = Some(first);
    for seed in 0..4 {
        let secret = SecretKey::from_seed([70 + seed; 32]);
        let deadline = Deadline(world.now().seconds() + 60_000);
        let fee = channel::Nano(0);
        let target = world.machine(alice).key;
        let hop = Hop { target, capacity: ton(1), fee, deadline };
        let (conditional, action) = mallory.orders(&secret, &[hop]);
        let answer = mallory.go(&mut world, &Intent::Open { conditional, action });
        let full = Err("too many virtual channels: at most 3".to_owned());
        assert_eq!(answer, if seed < 3 { Ok(()) } else { full });
    }
}

#[test]
fn a_node_has_no_more_channels_than_its_limit_whoever_asks() {
    let mut world = World::seeded(57);
    let limits = Limits { channels: 2, ..Plan::user("alice").limits(&world.codes) };
    let alice = world.add(Plan { limits: Some(limits), ..Plan::user("alice") });
    for name in ["mallory", "marvin"] {
        Adversary::with_channel(&mut world, name, alice, ton(1), ton(1));
    }
    let mut third = Adversary::meets(&mut world, "trudy", alice);
    let terms = third.terms(&mut world);
    assert_eq!(third.asks_for(&mut world, &terms), "too many channels");
}

#[test]
fn a_promise_lives_no_longer_than_the_limit() {
    let mut world = World::seeded(58);
    let limits = Limits { lifetime_secs: 60_000, ..Plan::user("alice").limits(&world.codes) };
    let alice = world.add(Plan { limits: Some(limits), ..Plan::user("alice") });
    let mut mallory = Adversary::with_channel(&mut world, "mallory", alice, ton(10), ton(1));
    let target = world.machine(alice).key;
    for (seed, secs, answer) in
        [(71, 60_060, Err("virtual channel deadline is too far".to_owned())), (72, 60_000, Ok(()))]
    {
        let deadline = Deadline(world.now().seconds() + secs);
        let hop = Hop { target, capacity: ton(1), fee: channel::Nano(0), deadline };
        let (conditional, action) = mallory.orders(&SecretKey::from_seed([seed; 32]), &[hop]);
        assert_eq!(mallory.go(&mut world, &Intent::Open { conditional, action }), answer);
    }
}

#[test]
fn a_channel_with_terms_that_are_not_ours_or_an_id_of_old_is_refused() {
    let mut world = World::seeded(55);
    let alice = world.add(Plan::user("alice"));
    let mut mallory = Adversary::meets(&mut world, "mallory", alice);
    mallory.open_off_chain(&mut world);
    let used = mallory.channel().terms.open;

    // Rule N9: another contract under an id that this pair has signed for.
    let mut sibling = used;
    sibling.payment.dest_a = [7; 32];
    assert_eq!(mallory.asks_for(&mut world, &sibling), "this channel id was used before");
    assert_eq!(
        mallory.asks_for(&mut world, &used),
        "",
        "the same channel again is the same channel"
    );

    let good = mallory.terms(&mut world);
    let mut bad = good;
    bad.payment.dest_b = [7; 32];
    assert_eq!(
        mallory.asks_for(&mut world, &bad),
        "verification not passed",
        "our share to somebody else"
    );
    let mut bad = good;
    bad.closing.quarantine_duration = 1;
    assert_eq!(mallory.asks_for(&mut world, &bad), "verification not passed");
    let mut bad = good;
    bad.key_a = world.machine(alice).key;
    assert_eq!(mallory.asks_for(&mut world, &bad), "authorized key mismatch");
    let mut bad = good;
    bad.key_b = mallory.key.public();
    assert_eq!(mallory.asks_for(&mut world, &bad), "unknown keys");

    let asked = Query::OpenChannelOffchain(OpenChannelOffchain {
        code_hash: [1; 32],
        open_config: good.to_cell(),
        node_version: 2,
    });
    let Some(Answer::OpenChannelOffchain { reason, .. }) = mallory.ask(&mut world, &asked) else {
        panic!("no answer")
    };
    assert_eq!(reason, "unknown payment channel code");
}

#[test]
fn a_payer_can_prove_a_payment_and_nobody_else_can() {
    let mut world = World::seeded(56);
    let [alice, relay, bob] = world.line(["alice", "relay", "bob"], ton(10));
    let payment = world.pay(alice, &[relay, bob], ton(1));
    world.outcome(&payment);
    let received = world.received(&payment).expect("bob was paid");

    let digest = [3; 32];
    let prove = Command::ProvePayment { id: payment.order.id, digest };
    let Ok(Reply::Proof { channel, instruction, signature }) = world.command(alice, prove.clone())
    else {
        panic!("no proof")
    };

    assert_eq!((channel, instruction), (received.key, received.instruction));
    assert!(received.instruction.verify(&digest, &signature));
    for other in [relay, bob] {
        assert!(world.command(other, prove.clone()).is_err());
    }
}
