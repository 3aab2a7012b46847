//! A machine whose clock is wrong, and a server that lies about the chain: neither alone frees or binds any money, and
//! what goes wrong ends when they are right again (safety.md N13, N24, N27).

use channel::{Deadline, Nano, garlic::Hop, key::SecretKey, tl::Action};
use node::io::{AccountView, ChainView};
use tests::{Outcome, Plan, World, milli, story::WHILE_MS, ton};

use crate::lies::{before_a_relay, behind_a_relay};

const DAY_MS: i64 = 86_400_000;

#[test]
fn a_clock_that_reads_five_days_ahead_for_a_moment_lets_nothing_go() {
    let (mut world, alice, relay, mut mallory) = behind_a_relay();
    let payment = world.pay(alice, &[relay, mallory.id], ton(1));
    mallory.listen(&mut world, 10_000);
    let key = mallory.promised().expect("the relay passes it on").key;
    // The relay takes its promise back: the state with it is still in mallory's hands.
    assert_eq!(mallory.request(&mut world, Action::RequestRemoveVirtual { key }), Ok(()));
    mallory.listen(&mut world, 10_000);
    assert_eq!(mallory.promised(), None);

    for stays in [1_000, 120_000] {
        world.set_clock(relay, 5 * DAY_MS);
        world.run_for(stays);
        world.set_clock(relay, 0);
        mallory.listen(&mut world, 60_000);
        assert_eq!(
            world.standing(&payment),
            Outcome::Underway,
            "the relay can still be made to pay"
        );
        assert_eq!(world.channel(relay, alice).map(|channel| channel.their_conditionals), Some(1));
        assert!(world.balance(relay, mallory.id) < ton(10), "it is still reserved");
    }

    mallory.listen(&mut world, 75_000_000);
    assert_ne!(world.standing(&payment), Outcome::Underway);
    assert_eq!(world.channel(relay, alice).map(|channel| channel.their_conditionals), Some(0));
    assert_eq!(world.balance(relay, mallory.id), ton(10), "in the end it is free");
}

#[test]
fn a_clock_that_reads_five_days_ahead_is_told_and_takes_no_promise_that_is_too_short() {
    let (mut world, alice, relay, _) = behind_a_relay();
    world.set_clock(relay, 5 * DAY_MS);
    world.run_for(120_000);

    let told = world.troubles(relay);
    assert!(told.iter().any(|told| told.contains("ahead of the chain")), "{told:?}");
    let payment = world.plan_payment(alice, &[relay], ton(1));
    assert!(world.order(&payment).is_ok());
    assert_ne!(world.outcome(&payment), Outcome::Paid);

    world.set_clock(relay, 0);
    world.run_for(120_000);
    let told = world.troubles(relay);
    assert!(told.iter().any(|told| told.contains("is right again")), "{told:?}");
    let payment = world.pay(alice, &[relay], ton(1));
    assert_eq!(world.outcome(&payment), Outcome::Paid);
}

#[test]
fn a_clock_that_was_wrong_for_a_moment_keeps_nobody_away() {
    for hours in [3, -3] {
        let mut world = World::seeded(71);
        let [alice, bob] = world.line(["alice", "bob"], ton(10));
        world.set_clock(bob, hours * 3_600_000);
        world.run_for(5_000);
        world.set_clock(bob, 0);
        world.cut_between(alice, bob);
        world.run_for(60_000);

        let payment = world.plan_payment(alice, &[bob], ton(1));
        assert!(world.order(&payment).is_ok(), "{hours} h");
        assert_eq!(world.outcome(&payment), Outcome::Paid, "{hours} h");
    }
}

#[test]
fn nodes_whose_clocks_differ_by_minutes_pay_each_other() {
    for ahead_ms in [240_000, -240_000] {
        let mut world = World::seeded(72);
        let alice = world.add(Plan { clock_ahead_ms: ahead_ms, ..Plan::user("alice") });
        let bob = world.add(Plan::user("bob"));
        world.open(alice, bob, ton(10), ton(10));
        for (payer, payee) in [(alice, bob), (bob, alice)] {
            let payment = world.pay(payer, &[payee], ton(1));
            assert_eq!(world.outcome(&payment), Outcome::Paid, "{ahead_ms} ms");
        }
    }
}

#[test]
fn a_server_that_lies_about_the_newest_block_blinds_nobody_for_long() {
    for restarts in [false, true] {
        let mut world = World::seeded(73);
        let [alice, bob] = world.line(["alice", "bob"], ton(10));
        let address = world.channel(alice, bob).expect("a channel").address;
        let address = hex::decode(address).expect("hex").try_into().expect("32 bytes");
        let account = AccountView::Inactive { balance: Nano(0) };
        let time = world.now().seconds();
        world.show(alice, ChainView { address, block: u32::MAX, time, account });
        world.run_for(100);
        let payment = world.plan_payment(alice, &[bob], ton(1));
        assert!(world.order(&payment).is_err(), "the lie was heard");
        if restarts {
            world.kill(alice);
            world.start(alice);
        }
        world.run_for(180_000);

        let payment = world.pay(alice, &[bob], ton(1));
        assert_eq!(world.outcome(&payment), Outcome::Paid, "restarts: {restarts}");
        world.dispute(address);
        world.run_for(WHILE_MS);
        let payment = world.plan_payment(alice, &[bob], ton(1));
        assert!(world.order(&payment).is_err(), "and a dispute is seen");
    }
}

#[test]
fn a_server_that_says_it_is_much_later_frees_no_reserve() {
    let (mut world, alice, relay, mut mallory) = behind_a_relay();
    let payment = world.pay(alice, &[relay, mallory.id], ton(1));
    mallory.listen(&mut world, 10_000);
    let wallet = world.wallet(relay);
    let mut lie = world.chain.view(wallet, world.now().seconds());
    lie.time += 5 * 86_400;
    lie.block += 100;
    world.show(relay, lie);
    mallory.listen(&mut world, 30_000);

    assert_eq!(world.standing(&payment), Outcome::Underway);
    assert_eq!(world.channel(relay, alice).map(|channel| channel.their_conditionals), Some(1));
    assert!(mallory.promised().is_some());
}

#[test]
fn the_gap_of_a_relay_is_that_of_its_channel_and_not_of_todays_settings() {
    let (mut world, mut mallory, relay, bob) = before_a_relay();
    world.kill(relay);
    world.change(relay, |plan| plan.quarantine_secs = Some(60));
    world.start(relay);
    world.run_for(WHILE_MS);
    mallory.dial(&mut world);
    mallory.authenticate(&mut world);
    let last = world.now().seconds() + 54_060;
    let hop =
        |target, fee, deadline| Hop { target, capacity: ton(1), fee, deadline: Deadline(deadline) };
    let (relays, bobs) = (world.machine(relay).key, world.machine(bob).key);
    let hops = [hop(relays, milli(5), last + 21_720), hop(bobs, Nano(0), last)];
    let (conditional, orders) = mallory.orders(&SecretKey::from_seed([75; 32]), &hops);

    let lie = mallory.promise(conditional, orders);
    let refusal = mallory.propose(&mut world, &lie).map(|_| ());

    let late = "next deadline too late (not enough safety gap)";
    assert_eq!(refusal, Err(late.to_owned()), "closing this channel takes 43,200 s");
}

#[test]
fn a_deposit_that_came_back_is_sent_again_and_given_up_with_a_word_in_the_end() {
    for bounces in [1, 99] {
        let mut world = World::seeded(76);
        let [alice, bob] = world.line(["alice", "bob"], ton(10));
        let wallet = world.wallet(alice);
        world.faucet(wallet, ton(6));
        world.run_for(WHILE_MS);
        world.bounce_deposits(bounces);
        world.want_channel(alice, bob, ton(12));
        world.run_for(3_600_000);

        let deposited = world.channel(alice, bob).map(|channel| channel.deposited);
        let told = world.troubles(alice);
        let told = told.iter().any(|told| told.contains("did not arrive"));
        if bounces == 1 {
            assert_eq!((deposited, told), (Some(ton(12)), false));
        } else {
            assert_eq!((deposited, told), (Some(ton(10)), true));
        }
    }
}

#[test]
fn a_message_that_expired_while_the_chain_stood_still_is_made_anew() {
    let mut world = World::seeded(77);
    let [alice, bob] = world.line(["alice", "bob"], ton(10));
    let wallet = world.wallet(alice);
    world.faucet(wallet, ton(6));
    world.run_for(WHILE_MS);
    world.stop_chain_for(80);
    world.want_channel(alice, bob, ton(12));
    world.run_for(600_000);

    assert_eq!(world.channel(alice, bob).map(|channel| channel.deposited), Some(ton(12)));
}
