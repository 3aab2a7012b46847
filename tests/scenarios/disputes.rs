//! What the chain shows of a channel: every form of it is read, and a channel that is fought over moves no value.

use channel::contract::Storage;
use node::io::CommandError;
use tests::{Adversary, Id, Manner, Outcome, Plan, World, story::WHILE_MS, ton};
use tycho_types::{
    models::{AccountState, ShardAccount},
    prelude::*,
};

use crate::lies::before_a_relay;

/// Alice pays bob through a relay; the channel between alice and the relay.
fn line() -> (World, [Id; 3], channel::contract::Address) {
    let mut world = World::seeded(51);
    let ids = world.line(["alice", "relay", "bob"], ton(10));
    let address = hex::decode(world.channel(ids[0], ids[1]).expect("an open channel").address);
    let address = address.expect("hex").try_into().expect("32 bytes");
    (world, ids, address)
}

#[test]
fn every_storage_that_the_official_emulator_left_is_read_and_written_again() {
    let code = channel::cell::hash(&node::config::Codes::built_in().expect("cells").channel);
    let (mut fresh, mut disputed, mut claimed, mut strange) = (0, 0, 0, 0);
    for account in recorded_accounts() {
        let Some(account) = account.load_account().expect("an account") else { continue };
        let AccountState::Active(state) = account.state else { continue };
        let (Some(found), Some(data)) = (state.code, state.data) else { continue };
        if found.repr_hash().0 != code {
            continue;
        }
        let storage = match Storage::from_cell(&data) {
            Ok(storage) => storage,
            // Terms with something behind them: the contract lets nobody open such a channel either.
            Err(_) if !data.as_slice().and_then(|mut data| data.load_bit()).expect("a bit") => {
                strange += 1;
                continue;
            }
            Err(error) => panic!("{error}: {}", Boc::encode_hex(&data)),
        };
        assert_eq!(storage.to_cell(), data);
        fresh += usize::from(!storage.initialized);
        disputed += usize::from(storage.quarantine.is_some());
        claimed += usize::from(storage.balance.claims.is_some());
    }
    let counted = (fresh > 50, disputed > 200, claimed > 5, strange < 10);
    let all = (true, true, true, true);
    assert_eq!(counted, all, "{fresh}, {disputed}, {claimed}, {strange}");
}

#[test]
fn a_dispute_stops_the_channel_and_the_owners_are_told() {
    let (mut world, [alice, relay, bob], address) = line();

    world.dispute(address);
    world.run_for(WHILE_MS);

    let payment = world.plan_payment(alice, &[relay, bob], ton(1));
    let order = world.order(&payment);
    assert!(matches!(order, Err(CommandError::NoChannel { .. })), "{order:?}");
    for id in [alice, relay] {
        let told = world.troubles(id);
        let said = told.iter().filter(|told| told.contains("closed on chain by one side alone"));
        assert_eq!(said.count(), 1, "{told:?}");
    }
}

#[test]
fn a_contract_that_cannot_be_read_stops_its_channel_and_the_owner_is_told() {
    let (mut world, [alice, relay, bob], address) = line();

    world.garble(address);
    world.run_for(WHILE_MS);

    let payment = world.plan_payment(alice, &[relay, bob], ton(1));
    let order = world.order(&payment);
    assert!(matches!(order, Err(CommandError::NoChannel { .. })), "{order:?}");
    let told = world.troubles(alice);
    assert!(told.iter().any(|told| told.contains("its contract cannot be read")), "{told:?}");
}

#[test]
fn what_was_only_planned_in_a_channel_fails_when_a_dispute_begins_in_it() {
    // Mallory is the master of the lock and does not answer.
    let (mut world, mallory, relay, _) = before_a_relay();
    let payment = world.plan_payment(relay, &[mallory.id], ton(1));
    assert!(world.order(&payment).is_ok());
    world.run_for(1_000);
    assert_eq!(world.standing(&payment), Outcome::Underway);

    world.dispute(mallory.address());
    world.run_for(WHILE_MS);

    assert!(matches!(world.standing(&payment), Outcome::Failed(_)));
    assert_eq!(world.payment(&payment).expect("known").locked_until, None);
}

#[test]
fn nothing_is_sent_in_a_channel_any_more_once_it_is_disputed() {
    let mut world = World::seeded(52);
    let alice = world.add(Plan::user("alice"));
    let mut mallory = Adversary::with_channel(&mut world, "mallory", alice, ton(1), ton(10));
    mallory.manner = Manner::Silent;
    for _ in 0..5 {
        let payment = world.plan_payment(alice, &[mallory.id], ton(1));
        assert!(world.order(&payment).is_ok());
    }
    mallory.listen(&mut world, 20_000);
    assert!(!mallory.proposals.is_empty());

    world.dispute(mallory.address());
    mallory.listen(&mut world, 5_000);
    mallory.proposals.clear();
    mallory.listen(&mut world, 60_000);

    assert_eq!(mallory.proposals.len(), 0);
    let channel = world.channel(alice, mallory.id).expect("a channel");
    assert_eq!(channel.balance.0 + channel.locked.0, ton(10).0, "what was signed stays reserved");
    assert!(channel.locked >= ton(1));
}

#[test]
fn nothing_is_signed_again_in_a_channel_that_is_disputed() {
    let mut world = World::seeded(53);
    let alice = world.add(Plan::user("alice"));
    let mut mallory = Adversary::with_channel(&mut world, "mallory", alice, ton(1), ton(10));
    // Once a proposal has gone through, several are on their way together.
    for _ in 0..4 {
        let payment = world.plan_payment(alice, &[mallory.id], ton(1));
        assert!(world.order(&payment).is_ok());
        mallory.listen(&mut world, 1_000);
    }
    mallory.manner = Manner::Silent;
    let payments = [ton(1), ton(2)].map(|amount| world.pay(alice, &[mallory.id], amount));
    mallory.listen(&mut world, 500);
    world.dispute(mallory.address());
    mallory.listen(&mut world, 3_000);
    let disk = world.machine(alice).disk.clone();

    mallory.refuse_late(&mut world, "no");
    mallory.listen(&mut world, 3_000);

    assert!(world.machine(alice).disk == disk, "the second proposal was signed again");
    let standing = payments.map(|payment| world.standing(&payment));
    assert_eq!(standing, [Outcome::Underway, Outcome::Underway], "mallory may claim with either");
    assert_eq!(world.channel(alice, mallory.id).map(|channel| channel.locked), Some(ton(7)));
}

/// Every account that the emulator has left after a message of the contract tests, and found before one.
fn recorded_accounts() -> Vec<ShardAccount> {
    let root =
        Boc::decode(include_bytes!("../../crates/devnet/tests/recorded.boc")).expect("cells");
    let mut slice = root.as_slice().expect("an ordinary cell");
    let _configs = Dict::<u8, Cell>::load_from(&mut slice).expect("configs");
    let cases = Dict::<u16, Cell>::load_from(&mut slice).expect("cases");
    let mut accounts = Vec::new();
    for case in cases.values() {
        let case = case.expect("a case");
        let mut refs = case.references();
        let before = refs.next().expect("the account before");
        accounts.push(before.parse().expect("an account"));
        let accepted = case.as_slice().and_then(|mut case| case.load_bit()).expect("a bit");
        if let (true, Some(after)) = (accepted, refs.nth(1)) {
            accounts.push(after.parse().expect("an account"));
        }
    }
    accounts
}
