//! What a node keeps when it lives long: no more after many payments than after a few.

use node::io::{Command, CommandError, PayOrder, Reply};
use tests::{Adversary, Id, Manner, Outcome, Payment, Plan, World, milli, ton};

/// Length of the one record that is written with every proposal on the only channel of `id`.
fn channel_record(world: &World, id: Id) -> usize {
    let mut records = world.machine(id).disk.iter().filter(|(key, _)| key.first() == Some(&b'c'));
    records.next().map(|(_, value)| value.len()).expect("a channel")
}

#[test]
fn what_is_written_with_a_message_does_not_grow_with_what_was_refused_before() {
    let mut world = World::seeded(91);
    let alice = world.add(Plan::user("alice"));
    let mut mallory = Adversary::with_channel(&mut world, "mallory", alice, ton(1), ton(10));
    let mut refuse = |world: &mut World, count| {
        for _ in 0..count {
            mallory.manner = Manner::Refuse("no");
            world.pay(alice, &[mallory.id], milli(10));
            mallory.listen(world, 1_000);
            // What follows a refusal, she takes.
            mallory.manner = Manner::Agree;
            mallory.listen(world, 4_000);
        }
        mallory.id
    };
    refuse(&mut world, 5);
    let few = channel_record(&world, alice);
    let peer = refuse(&mut world, 55);
    let many = channel_record(&world, alice);
    let channel = world.channel(alice, peer).expect("alice's channel");
    assert_eq!((channel.balance, channel.locked), (milli(9_400), milli(600)));
    assert!(many < few + 16, "{few} bytes after 5, {many} after 60");
}

/// How many records a machine's node reads at its start, and their bytes.
fn in_hand(world: &World, id: Id) -> (usize, usize) {
    let records = world.machine(id).records();
    (records.len(), records.values().map(Vec::len).sum())
}

#[test]
fn a_node_keeps_in_hand_no_more_after_many_payments_than_after_some() {
    let mut world = World::seeded(92);
    let [alice, relay, bob] = world.line(["alice", "relay", "bob"], ton(10));
    world.check_every = 1_000;
    let pay = |world: &mut World, count| -> Vec<Payment> {
        let pay = |world: &mut World| {
            let payment = world.pay(alice, &[relay, bob], milli(1));
            world.run_for(500);
            payment
        };
        let payments = (0..count).map(|_| pay(world)).collect();
        world.run_for(20_000);
        payments
    };
    let payments = pay(&mut world, 260);
    let some = [alice, relay, bob].map(|id| in_hand(&world, id));
    pay(&mut world, 500);
    let many = [alice, relay, bob].map(|id| in_hand(&world, id));
    for (some, many) in some.into_iter().zip(many) {
        assert_eq!(some.0, many.0, "records");
        assert!(many.1 < some.1 + 2_000, "{some:?} {many:?}");
    }

    // What is not in hand is known all the same, also after a restart.
    for _ in 0..2 {
        for payment in [&payments[0], &payments[259]] {
            assert_eq!(world.outcome(payment), Outcome::Paid);
            let shown = world.snapshot(alice).expect("alice is on").payments;
            assert_eq!(shown.len(), 200, "the newest");
            assert!(shown.iter().all(|shown| shown.id != payment.order.id), "not in hand");

            let before = world.balance(alice, relay);
            let again = world.order(payment).map(|reply| matches!(reply, Reply::Payment(_)));
            assert_eq!(again, Ok(true), "the same order is the same payment");
            let other = PayOrder { amount: milli(2), ..payment.order.clone() };
            let other = world.command(alice, Command::Pay(other));
            assert_eq!(other.err(), Some(CommandError::Duplicate));
            world.run_for(10_000);
            assert_eq!(world.balance(alice, relay), before);

            let received = world.received(payment).expect("bob was paid");
            assert_eq!((received.amount, received.settled), (milli(1), true));
            let prove = Command::ProvePayment { id: payment.order.id, digest: [5; 32] };
            let Ok(Reply::Proof { instruction, signature, .. }) = world.command(alice, prove)
            else {
                panic!("no proof")
            };
            assert_eq!(instruction, received.instruction);
            assert!(instruction.verify(&[5; 32], &signature));
        }
        for id in [alice, relay, bob] {
            world.kill(id);
            world.start(id);
        }
        world.run_for(30_000);
    }
}

#[test]
fn two_orders_under_one_new_id_are_one_payment() {
    let mut world = World::seeded(93);
    let [alice, relay, bob] = world.line(["alice", "relay", "bob"], ton(10));
    let payment = world.plan_payment(alice, &[relay, bob], ton(1));
    // Both wait for the same look into the past.
    for _ in 0..2 {
        world.tell(alice, Command::Pay(payment.order.clone()));
    }
    world.run_for(1_000);
    assert_eq!(world.outcome(&payment), Outcome::Paid);
    assert_eq!(world.balance(bob, relay), ton(11));
}
