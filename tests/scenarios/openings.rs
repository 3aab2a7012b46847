//! Channels on their way to being channels: one wish is one channel and one deposit, and one id is one channel.

use channel::{amount::Nano, contract::Address};
use node::{io::Command, summary::ChannelSummary};
use tests::{Adversary, Id, Plan, World, story::WHILE_MS, ton};

/// Alice wants a channel with mallory, who has agreed to the terms and not yet to the channel.
fn half_way(seed: u64, deposit: Nano) -> (World, Id, Adversary) {
    let mut world = World::seeded(seed);
    let alice = world.add(Plan::user("alice"));
    let mut mallory = Adversary::unknown(&mut world, "mallory", alice);
    let wallet = world.wallet(alice);
    world.faucet(wallet, ton(20));
    let contact = world.machine(mallory.id).contact();
    assert!(world.command(alice, Command::AddContact(contact)).is_ok());
    world.want_channel(alice, mallory.id, deposit);
    mallory.listen(&mut world, 5_000);
    assert!(mallory.wanted.is_some(), "alice has asked for the channel");
    (world, alice, mallory)
}

fn channels(world: &mut World, id: Id) -> Vec<ChannelSummary> {
    world.snapshot(id).expect("the machine is on").channels
}

fn address(channel: &ChannelSummary) -> Address {
    let mut address = [0; 32];
    hex::decode_to_slice(&channel.address, &mut address).expect("an address");
    address
}

/// Two channels of one pair under one id would take each other's states, and with them each other's money.
#[test]
fn the_id_of_an_unfinished_opening_is_taken() {
    let (mut world, alice, mut mallory) = half_way(61, ton(5));
    let id = mallory.wanted.expect("alice's terms").channel_id;

    let mut twin = mallory.terms(&mut world);
    twin.channel_id = id;
    assert_eq!(mallory.asks_for(&mut world, &twin), "this channel id was used before");

    // Nor does a restart forget it.
    world.kill(alice);
    world.start(alice);
    mallory.listen(&mut world, 20_000);
    assert_eq!(mallory.asks_for(&mut world, &twin), "this channel id was used before");

    // And alice's own channel comes to be.
    mallory.opens = true;
    mallory.listen(&mut world, 10_000);
    let channels = channels(&mut world, alice);
    assert_eq!(channels.len(), 1);
    assert!(!channels[0].address.is_empty(), "{channels:?}");
}

#[test]
fn a_deposit_wanted_in_an_unfinished_opening_goes_nowhere_else() {
    let (mut world, alice, mut mallory) = half_way(62, ton(5));
    mallory.open_off_chain(&mut world);
    mallory.exchange_first_states(&mut world);

    // The owner is impatient and says it again.
    world.want_channel(alice, mallory.id, ton(5));
    mallory.listen(&mut world, 2 * WHILE_MS);
    let theirs = hex::encode(mallory.address());
    let channels = channels(&mut world, alice);
    let other = channels.iter().find(|channel| channel.address == theirs).expect("their channel");
    assert_eq!(other.deposited, Nano::ZERO, "alice never wanted a deposit there");
}

#[test]
fn wanting_a_channel_twice_opens_one() {
    for seed in 63..73 {
        let mut world = World::seeded(seed);
        let (alice, bob) = (world.add(Plan::user("alice")), world.add(Plan::user("bob")));
        world.introduce(alice, bob);
        let peer = world.machine(bob).key;
        for _ in 0..2 {
            world.tell(alice, Command::OpenChannel { peer, deposit: ton(1) });
            world.run_for(3);
        }
        // The link is there by now: said again, it is asked again at once.
        world.run_until(10_000, |world| world.machine(alice).told.len() > 1);
        world.tell(alice, Command::OpenChannel { peer, deposit: ton(1) });
        world.run_for(WHILE_MS);
        assert_eq!((channels(&mut world, alice).len(), channels(&mut world, bob).len()), (1, 1));
    }
}

#[test]
fn of_two_channels_with_one_peer_the_named_one_is_topped_up() {
    let mut world = World::seeded(74);
    let (alice, bob) = (world.add(Plan::user("alice")), world.add(Plan::user("bob")));
    world.introduce(alice, bob);
    for (id, peer) in [(alice, bob), (bob, alice)] {
        let wallet = world.wallet(id);
        world.faucet(wallet, ton(20));
        let peer = world.machine(peer).key;
        world.tell(id, Command::OpenChannel { peer, deposit: ton(2) });
    }
    world.run_for(2 * WHILE_MS);
    let both = channels(&mut world, alice);
    let deposits = |channels: &[ChannelSummary]| {
        let mut all: Vec<_> = channels.iter().map(|c| (c.deposited, c.their_deposited)).collect();
        all.sort();
        all
    };
    assert_eq!(deposits(&both), [(ton(0), ton(2)), (ton(2), ton(0))], "each has opened one");

    // Said again, also after a restart, it is the same wish.
    for _ in 0..2 {
        world.want_channel(alice, bob, ton(2));
        world.run_for(WHILE_MS);
        assert_eq!(deposits(&channels(&mut world, alice)), deposits(&both));
        world.kill(alice);
        world.start(alice);
        world.run_for(WHILE_MS);
    }

    let bobs = both.iter().find(|channel| channel.deposited == ton(0)).expect("bob's channel");
    let top_up = Command::TopUp { channel: address(bobs), deposit: ton(3) };
    assert!(world.command(alice, top_up).is_ok());
    world.run_for(WHILE_MS);
    let after = channels(&mut world, alice);
    assert_eq!(deposits(&after), [(ton(2), ton(0)), (ton(3), ton(2))]);
    let unknown = Command::TopUp { channel: [9; 32], deposit: ton(3) };
    assert_eq!(world.command(alice, unknown).err(), Some(node::io::CommandError::NotFound));
}
