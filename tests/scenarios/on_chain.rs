//! The same stories on a local chain that runs the contracts' real code: the rules above are the code's rules.

use tests::{Faults, Outcome, World, milli, ton};

#[test]
fn channels_open_and_payments_go_through_on_a_chain_with_real_contracts() {
    let mut world = World::on_devnet(31);
    let [alice, relay, bob] = world.line(["alice", "relay", "bob"], ton(10));

    let payment = world.pay(alice, &[relay, bob], ton(1));

    assert_eq!(world.outcome(&payment), Outcome::Paid);
    assert_eq!(world.balance(bob, relay), ton(11));
    assert_eq!(world.earned(relay), milli(5));
    assert_eq!(world.settle(), Ok(()));
    assert_eq!(world.audit(&[payment]).map(|fates| fates.paid), Ok(1));
}

#[test]
fn a_channel_on_real_contracts_survives_lost_messages_crashes_and_a_second_deposit() {
    for seed in 0..8 {
        let mut world = World::on_devnet(seed);
        world.faults = Faults::ROUGH;
        let [alice, bob] = world.line(["alice", "bob"], ton(3));
        let wallet = world.wallet(alice);
        world.faucet(wallet, ton(5));
        world.run_for(10_000);

        world.want_channel(alice, bob, ton(7));

        let deposited = world.run_until_calm(600_000, |world| {
            world.channel(bob, alice).is_some_and(|channel| channel.their_deposited == ton(7))
        });
        assert!(deposited, "seed {seed}");
        assert_eq!(world.settle(), Ok(()), "seed {seed}");
        let books = world.audit(&[]).map(|fates| fates.paid);
        assert_eq!(books, Ok(0), "seed {seed}");
    }
}
