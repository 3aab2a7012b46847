//! Payments as people see them: what they cost, whom they reach, and what happens when they do not.

use channel::Nano;
use node::io::{Command, CommandError, Effect};
use tests::{Id, Moment, Outcome, Plan, World, milli, talk::Talk, ton};

#[test]
fn a_payment_arrives_and_costs_exactly_its_amount() {
    let mut world = World::seeded(1);
    let [alice, bob] = world.line(["alice", "bob"], ton(10));

    let payment = world.pay(alice, &[bob], ton(1));

    assert_eq!(world.outcome(&payment), Outcome::Paid);
    assert_eq!(world.balance(alice, bob), ton(9));
    assert_eq!(world.balance(bob, alice), ton(11));
    assert_eq!(world.received(&payment).map(|received| received.amount), Some(ton(1)));
}

#[test]
fn a_relay_earns_its_fee_and_the_receiver_gets_the_whole_amount() {
    let mut world = World::seeded(2);
    let [alice, relay, bob] = world.line(["alice", "relay", "bob"], ton(10));

    let payment = world.pay(alice, &[relay, bob], ton(1));

    assert_eq!(world.outcome(&payment), Outcome::Paid);
    let fee = milli(5);
    assert_eq!(world.balance(alice, relay), milli(9_000 - 5));
    assert_eq!(world.balance(relay, alice), milli(11_000 + 5));
    assert_eq!(world.balance(relay, bob), ton(9));
    assert_eq!(world.balance(bob, relay), ton(11));
    assert_eq!(world.earned(relay), fee);
}

#[test]
fn every_relay_on_a_long_way_earns_what_it_asked_for() {
    let mut world = World::seeded(3);
    let [alice, ann, ben, bob] = world.line(["alice", "ann", "ben", "bob"], ton(10));

    let payment = world.pay(alice, &[ann, ben, bob], ton(2));

    assert_eq!(world.outcome(&payment), Outcome::Paid);
    assert_eq!(world.balance(bob, ben), ton(12));
    assert_eq!(world.earned(ben), milli(10));
    // Half a percent of two coins and of the second relay's fee.
    assert_eq!(world.earned(ann), Nano(10_050_000));
    assert_eq!(world.audit(&[payment]).map(|fates| fates.paid), Ok(1));
}

#[test]
fn whoever_dies_at_whatever_moment_a_payment_is_made_once_or_not_at_all() {
    let moments = [Moment::BeforeCommit, Moment::AfterCommit, Moment::AfterEffect];
    let words = [Talk::RequestLock, Talk::ProposeOpen, Talk::AskClose, Talk::ProposeClose];
    for victim in 0..3 {
        for moment in moments {
            for word in words {
                let mut world = World::seeded(4);
                let people = world.line(["alice", "relay", "bob"], ton(10));
                let [alice, relay, bob] = people;
                let payment = world.plan_payment(alice, &[relay, bob], ton(1));
                world.crash_when(people[victim], moment, move |effect| says(effect, word));
                world.tell(alice, Command::Pay(payment.order.clone()));
                world.run_for(30_000);

                world.start_if_off(people[victim]);
                world.run_for(30_000);
                // An owner who never got a reply orders again.
                let _ = world.order(&payment);

                let what = format!("{} dies {moment:?} at {word:?}", world.name(people[victim]));
                assert_eq!(world.outcome(&payment), Outcome::Paid, "{what}");
                assert_eq!(world.settle(), Ok(()), "{what}");
                assert_eq!(world.audit(&[payment]).map(|fates| fates.paid), Ok(1), "{what}");
            }
        }
    }
}

#[test]
fn a_relay_that_dies_after_paying_is_still_paid() {
    let mut world = World::seeded(5);
    let [alice, relay, bob] = world.line(["alice", "relay", "bob"], ton(10));

    world.crash_when(relay, Moment::AfterEffect, |effect| says(effect, Talk::ProposeClose));
    let payment = world.pay(alice, &[relay, bob], ton(1));
    world.run_for(20_000);
    assert_eq!(world.balance(bob, relay), ton(11), "the relay has paid before it died");
    world.start(relay);

    assert_eq!(world.outcome(&payment), Outcome::Paid);
    assert_eq!(world.settle(), Ok(()));
    assert_eq!(world.earned(relay), milli(5));
}

#[test]
fn a_payment_that_the_receiver_refuses_comes_back_when_its_deadline_has_passed() {
    let mut world = World::seeded(6);
    let (alice, relay) = (world.add(Plan::user("alice")), world.add(Plan::relay("relay")));
    let mut limits = world.machine(alice).config(&world.codes).limits;
    limits.dust = ton(2);
    let bob = world.add(Plan { limits: Some(limits), ..Plan::user("bob") });
    world.open(alice, relay, ton(10), ton(10));
    world.open(relay, bob, ton(10), ton(10));

    let payment = world.pay(alice, &[relay, bob], ton(1));
    world.run_for(60_000);
    assert_eq!(
        world.standing(&payment),
        Outcome::Underway,
        "the relay has to wait, so alice has to"
    );
    assert_eq!(world.received(&payment), None);

    assert_eq!(world.settle(), Ok(()));
    assert!(matches!(world.standing(&payment), Outcome::Failed(_)));
    assert_eq!(world.balance(alice, relay), ton(10));
    assert_eq!(world.balance(relay, bob), ton(10));
    assert_eq!(world.audit(&[payment]).map(|fates| fates.failed), Ok(1));
}

#[test]
fn the_same_order_again_is_the_same_payment() {
    let mut world = World::seeded(7);
    let [alice, relay, bob] = world.line(["alice", "relay", "bob"], ton(10));

    let payment = world.pay(alice, &[relay, bob], ton(1));
    for _ in 0..3 {
        assert!(world.order(&payment).is_ok());
    }
    assert_eq!(world.outcome(&payment), Outcome::Paid);
    world.kill(alice);
    world.start(alice);
    assert!(world.order(&payment).is_ok());
    world.run_for(60_000);

    assert_eq!(world.balance(bob, relay), ton(11));
    assert_eq!(world.audit(std::slice::from_ref(&payment)).map(|fates| fates.paid), Ok(1));

    let mut other = payment;
    other.order.amount = ton(3);
    assert_eq!(world.order(&other).err(), Some(CommandError::Duplicate));
}

#[test]
fn a_payment_that_nobody_takes_up_comes_back_when_its_deadline_has_passed() {
    let mut world = World::seeded(8);
    let [alice, relay, bob] = world.line(["alice", "relay", "bob"], ton(10));

    // Bob is gone, but the relay still believes in its link to him.
    world.switch_off(bob);
    let payment = world.pay(alice, &[relay, bob], ton(1));
    world.run_for(60_000);
    assert_eq!(world.standing(&payment), Outcome::Underway);
    assert_eq!(world.balance(alice, relay), milli(9_000 - 5));

    world.sleep(4 * 86_400);
    world.run_for(120_000);

    assert!(matches!(world.standing(&payment), Outcome::Failed(_)));
    assert_eq!(world.balance(alice, relay), ton(10));
    world.start(bob);
    assert_eq!(world.settle(), Ok(()));
    assert_eq!(world.balance(relay, bob), ton(10));
}

#[test]
fn a_receiver_who_is_known_to_be_offline_is_refused_at_once() {
    let mut world = World::seeded(9);
    let [alice, relay, bob] = world.line(["alice", "relay", "bob"], ton(10));
    world.switch_off(bob);
    world.run_for(30_000);

    let payment = world.pay(alice, &[relay, bob], ton(1));

    let offline = Outcome::Returning("destination node is offline".to_owned());
    assert_eq!(world.outcome(&payment), offline);
    world.switch_off(relay);
    world.run_for(30_000);
    let (direct, peer) = (world.plan_payment(alice, &[relay], ton(1)), world.machine(relay).key);
    assert_eq!(world.order(&direct).err(), Some(CommandError::Offline { peer }));
}

#[test]
fn nobody_pays_what_they_do_not_have() {
    let mut world = World::seeded(10);
    let [alice, bob] = world.line(["alice", "bob"], ton(10));
    let carol = world.add(Plan::user("carol"));

    let all = world.pay(alice, &[bob], ton(6));
    let more = world.plan_payment(alice, &[bob], ton(6));
    let available = ton(4);
    let short = CommandError::InsufficientBalance { needed: ton(6), available };
    assert_eq!(world.order(&more).err(), Some(short), "even while the first is still on its way");
    assert_eq!(world.outcome(&all), Outcome::Paid);

    let most = world.plan_payment(alice, &[bob], ton(21));
    let answer = world.order(&most).err();
    assert!(matches!(answer, Some(CommandError::CapacityTooSmall { .. })), "{answer:?}");

    let stranger = world.plan_payment(alice, &[carol], ton(1));
    let peer = world.machine(carol).key;
    assert_eq!(world.order(&stranger).err(), Some(CommandError::NoChannel { peer }));
}

/// Sets up a payer, a relay and a receiver.
type People = fn(&mut World) -> (Id, Id, Id);

#[test]
fn a_relay_refuses_what_it_would_lose_by() {
    let cases: [(&str, People); 3] = [
        ("min fee to open channel is 0.005 TON", |world| {
            let [alice, relay, bob] = world.line(["alice", "relay", "bob"], ton(10));
            (alice, relay, bob)
        }),
        ("tunneling of such coin is not allowed through this node", |world| {
            let people = ["alice", "relay", "bob"].map(|name| world.add(Plan::user(name)));
            let [alice, relay, bob] = people;
            world.open(alice, relay, ton(10), ton(10));
            world.open(relay, bob, ton(10), ton(10));
            (alice, relay, bob)
        }),
        ("no active channel with", |world| {
            let (alice, bob) = (world.add(Plan::user("alice")), world.add(Plan::user("bob")));
            let relay = world.add(Plan::relay("relay"));
            world.open(alice, relay, ton(10), ton(10));
            world.open(relay, bob, milli(500), ton(10));
            (alice, relay, bob)
        }),
    ];
    for (reason, people) in cases {
        let mut world = World::seeded(11);
        let (alice, relay, bob) = people(&mut world);
        let mut payment = world.plan_payment(alice, &[relay, bob], ton(1));
        if reason.starts_with("min fee") {
            payment.order.route[0].fee = milli(4);
        }
        assert!(world.order(&payment).is_ok());
        let outcome = world.outcome(&payment);
        let Outcome::Returning(found) = outcome else { panic!("{reason}: {outcome:?}") };
        assert!(found.starts_with(reason), "{found:?} should be {reason:?}");
        assert_eq!(world.settle(), Ok(()));
        assert_eq!(world.audit(&[payment]).map(|fates| fates.failed), Ok(1));
    }
}

#[test]
fn both_sides_of_a_channel_can_pay_at_the_same_time() {
    let mut world = World::seeded(12);
    let [alice, bob] = world.line(["alice", "bob"], ton(10));

    let payments: Vec<_> = (0..20)
        .map(|turn| {
            let (payer, receiver) = if turn % 2 == 0 { (alice, bob) } else { (bob, alice) };
            let payment = world.plan_payment(payer, &[receiver], milli(100 + turn));
            world.tell(payer, Command::Pay(payment.order.clone()));
            payment
        })
        .collect();
    world.run_for(30_000);

    assert_eq!(world.settle(), Ok(()));
    assert_eq!(world.audit(&payments).map(|fates| fates.paid), Ok(20));
}

#[test]
fn a_channel_opens_although_most_messages_to_the_chain_are_lost() {
    let mut world = World::seeded(13);
    world.faults.external_lost = 800_000;
    let (alice, bob) = (world.add(Plan::user("alice")), world.add(Plan::user("bob")));

    world.open(alice, bob, ton(10), ton(3));

    assert_eq!(world.balance(alice, bob), ton(10));
    assert_eq!(world.balance(bob, alice), ton(3));
    assert!(world.audit(&[]).is_ok());
}

#[test]
fn a_deposit_waits_until_the_wallet_can_pay_it() {
    let mut world = World::seeded(14);
    let (alice, bob) = (world.add(Plan::user("alice")), world.add(Plan::user("bob")));
    world.introduce(alice, bob);
    world.want_channel(alice, bob, ton(10));
    world.run_for(60_000);
    assert_eq!(world.channel(alice, bob).map(|channel| channel.deposited), Some(ton(0)));
    assert!(world.troubles(alice).iter().any(|trouble| trouble.contains("add coins")));

    let wallet = world.wallet(alice);
    world.faucet(wallet, ton(11));
    world.run_for(60_000);

    assert_eq!(world.balance(alice, bob), ton(10));
}

#[test]
fn nodes_that_want_different_closing_terms_open_no_channel() {
    let mut world = World::seeded(15);
    let alice = world.add(Plan::user("alice"));
    let bob = world.add(Plan { quarantine_secs: Some(60), ..Plan::user("bob") });
    world.introduce(alice, bob);

    world.want_channel(alice, bob, ton(1));
    world.run_for(60_000);

    assert_eq!(world.channel(alice, bob), None);
    let told = world.troubles(alice);
    assert!(told.iter().any(|trouble| trouble.contains("different channel config")), "{told:?}");
}

fn says(effect: &Effect, word: Talk) -> bool {
    matches!(effect, Effect::Query { bytes, .. } if Talk::of(bytes) == word)
}
