//! What servers of the chain can do to a node that believes them: delay it, and no more.

use channel::{
    amount::Nano,
    contract::{Address, Quarantine, Storage},
};
use node::{
    io::{AccountView, ChainView},
    summary::ChannelPhase,
};
use tests::{Id, Outcome, World, story::WHILE_MS, ton};

/// Alice and bob, each with ten coins in their channel, and its address.
fn two() -> (World, [Id; 2], Address) {
    let mut world = World::seeded(61);
    let ids = world.line(["alice", "bob"], ton(10));
    let address = hex::decode(world.channel(ids[0], ids[1]).expect("an open channel").address);
    let address = address.expect("hex").try_into().expect("32 bytes");
    (world, ids, address)
}

/// What an honest server says now.
fn truth(world: &World, address: Address) -> ChainView {
    world.chain.view(address, world.now().seconds())
}

/// The same with something else in the contract.
fn with(mut view: ChainView, change: impl FnOnce(&mut Storage)) -> ChainView {
    let AccountView::Active { data, .. } = &mut view.account else { panic!("an open channel") };
    let mut storage = Storage::from_cell(data).expect("a channel");
    change(&mut storage);
    *data = storage.to_cell();
    view
}

fn phase(world: &mut World, id: Id, peer: Id) -> ChannelPhase {
    world.channel(id, peer).expect("a channel").phase
}

#[test]
fn an_older_proof_changes_nothing() {
    let (mut world, [alice, bob], address) = two();
    let old = truth(&world, address);
    let wallet = world.wallet(alice);
    world.faucet(wallet, ton(10));
    world.run_for(WHILE_MS);
    world.want_channel(alice, bob, ton(12));
    let deposited = |world: &mut World| {
        let channel = world.channel(bob, alice).expect("a channel");
        channel.their_deposited
    };
    assert!(world.run_until_calm(WHILE_MS, |world| deposited(world) == ton(12)));

    world.show(bob, old.clone());
    world.run_for(1_000);
    assert_eq!(deposited(&mut world), ton(12));

    let late = ChainView { time: u32::MAX, ..truth(&world, address) };
    world.show(bob, late);
    world.show(bob, old.clone());
    world.run_for(1_000);
    assert_eq!(deposited(&mut world), ton(12), "nor after one that is too new to be true");

    world.kill(bob);
    world.start(bob);
    world.show(bob, old);
    world.run_for(50);
    assert_eq!(deposited(&mut world), ton(12), "nor after a restart");
}

#[test]
fn a_proof_from_the_end_of_time_blinds_nobody() {
    for restart in [false, true] {
        for (block, time) in [(u32::MAX, None), (u32::MAX, Some(u32::MAX)), (1, Some(u32::MAX))] {
            let (mut world, [alice, bob], address) = two();
            let view = truth(&world, address);
            let time = time.unwrap_or(view.time);
            world.show(alice, ChainView { block, time, ..view });
            world.run_for(10_000);
            if restart {
                world.kill(alice);
                world.start(alice);
                world.run_for(10_000);
            }

            world.dispute(address);
            world.run_for(WHILE_MS);

            assert_eq!(phase(&mut world, alice, bob), ChannelPhase::Closed, "{block} {time}");
        }
    }
}

#[test]
fn what_one_server_said_of_a_channel_is_forgotten_when_the_chain_goes_on_without_it() {
    let lies: [fn(&mut Storage); 2] = [
        |storage| {
            let nothing = Default::default();
            storage.quarantine = Some(Quarantine {
                state_a: nothing,
                state_b: nothing,
                starts: 1,
                committed_by_a: true,
                challenged: false,
                marks: None,
            });
        },
        |storage| storage.initialized = false,
    ];
    for lie in lies {
        let (mut world, [alice, bob], address) = two();
        let view = with(truth(&world, address), lie);
        world.show(alice, view);
        world.run_for(1_000);
        assert_eq!(phase(&mut world, alice, bob), ChannelPhase::Closed);

        world.kill(alice);
        world.start(alice);
        world.run_for(WHILE_MS);

        assert_eq!(phase(&mut world, alice, bob), ChannelPhase::Open);
        let payment = world.pay(alice, &[bob], ton(1));
        assert_eq!(world.outcome(&payment), Outcome::Paid);
    }
}

#[test]
fn a_channel_that_has_agreed_on_anything_on_chain_is_not_open_again_after_a_dispute() {
    let (mut world, [alice, bob], address) = two();
    world.dispute(address);
    world.run_for(WHILE_MS);
    let after = with(truth(&world, address), |storage| {
        storage.quarantine = None;
        storage.committed_seqno_a = 3;
        storage.balance.deposit_a = Nano(1);
    });
    world.show(alice, after);
    world.run_for(1_000);
    assert_eq!(phase(&mut world, alice, bob), ChannelPhase::Closed);
}
