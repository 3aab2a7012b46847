//! What costs nothing, in masses: everybody else is served as if it were not there.

use channel::{Deadline, Nano, garlic::Hop, key::SecretKey, propose::Intent};
use node::{config::Limits, io::Source};
use tests::{Adversary, Id, Outcome, Plan, World, milli, ton};

/// A relay whose limits a small flood can reach.
fn small_relay(world: &mut World) -> Id {
    let limits = Limits { strangers: 20, ..Plan::relay("relay").limits(&world.codes) };
    world.add(Plan { limits: Some(limits), ..Plan::relay("relay") })
}

/// Guests of `victim` with a key each, all from one place.
fn flood(world: &mut World, victim: Id, count: usize) -> Vec<Adversary> {
    (0..count)
        .map(|_| {
            let mut guest = Adversary::unknown(world, "guest", victim);
            world.comes_from(guest.id, Source(7));
            guest.dial(world);
            guest
        })
        .collect()
}

fn linked(world: &mut World, guests: &mut [Adversary]) -> usize {
    for guest in guests.iter_mut() {
        guest.listen(world, 1);
    }
    guests.iter().filter(|guest| guest.link.is_some()).count()
}

/// An honest node opens a channel with `relay` and pays over it.
fn is_served(world: &mut World, relay: Id) {
    let (alice, bob) = (world.add(Plan::user("alice")), world.add(Plan::user("bob")));
    world.open(alice, relay, ton(5), ton(5));
    world.open(bob, relay, ton(5), ton(5));
    let payment = world.pay(alice, &[relay, bob], milli(100));
    assert_eq!(world.outcome(&payment), Outcome::Paid);
}

#[test]
fn silent_links_keep_nobody_out_and_do_not_last() {
    let mut world = World::seeded(81);
    let relay = small_relay(&mut world);
    let mut guests = flood(&mut world, relay, 50);
    world.run_for(72_000);
    assert!(linked(&mut world, &mut guests) == 0, "they have had their time");

    // A flood that never ends: as many again while an honest node comes.
    let mut early = flood(&mut world, relay, 20);
    let mut honest = Adversary::unknown(&mut world, "honest", relay);
    honest.dial(&mut world);
    let mut late = flood(&mut world, relay, 60);
    honest.authenticate(&mut world);
    // Who was closed finds out later.
    world.run_for(15_000);
    let left = linked(&mut world, &mut early) + linked(&mut world, &mut late);
    assert!((1..=20).contains(&left), "{left}");
    is_served(&mut world, relay);
}

#[test]
fn nodes_without_a_channel_keep_nobody_out_and_do_not_stay() {
    let mut world = World::seeded(82);
    let relay = small_relay(&mut world);
    let mut honest = Adversary::meets(&mut world, "honest", relay);
    let mut guests = Vec::new();
    for _ in 0..60 {
        let mut guest = flood(&mut world, relay, 1).remove(0);
        guest.authenticate(&mut world);
        guests.push(guest);
    }
    honest.listen(&mut world, 15_000);
    assert!(honest.link.is_some(), "the first to come, and not of the crowd");
    assert_eq!(linked(&mut world, &mut guests), 19);
    is_served(&mut world, relay);

    // Who has a channel stays, who never opens one goes.
    world.run_for(15 * 60_000);
    honest.listen(&mut world, 1);
    assert_eq!((honest.link, linked(&mut world, &mut guests)), (None, 0));
    let online = world.snapshot(relay).expect("the relay is on").channels;
    assert!(online.iter().all(|channel| channel.online) && online.len() == 2);
}

fn channels(world: &World, id: Id) -> usize {
    world.machine(id).disk.keys().filter(|key| key.first() == Some(&b'c')).count()
}

#[test]
fn channels_that_nobody_pays_for_keep_nobody_out_and_are_forgotten() {
    let mut world = World::seeded(83);
    let limits = Plan::relay("relay").limits(&world.codes);
    let limits = Limits { channels: 4, channels_per_peer: 3, unfunded: 8, ..limits };
    let relay = world.add(Plan { limits: Some(limits), ..Plan::relay("relay") });
    let mut honest = Adversary::meets(&mut world, "honest", relay);
    honest.open_off_chain(&mut world);
    honest.exchange_first_states(&mut world);
    for _ in 0..10 {
        let mut guest = flood(&mut world, relay, 1).remove(0);
        guest.authenticate(&mut world);
        for _ in 0..3 {
            guest.open_off_chain(&mut world);
            guest.exchange_first_states(&mut world);
        }
        let fourth = guest.terms(&mut world);
        assert_eq!(guest.asks_for(&mut world, &fourth), "too many channels");
    }
    assert_eq!(channels(&world, relay), 8);

    // The one who was there before the flood is; so is one who comes now; and a restart changes nothing.
    honest.open_on_chain(&mut world, ton(1), ton(1));
    is_served(&mut world, relay);
    world.kill(relay);
    world.start(relay);
    world.run_for(60_000);
    assert_eq!(channels(&world, relay), 3 + 7);

    // A day later it is as if they had never been: on disk, in memory, and for the chain follower.
    world.run_for(25 * 3_600_000);
    assert_eq!(channels(&world, relay), 3);
    assert_eq!(world.snapshot(relay).expect("the relay is on").channels.len(), 3);
    assert_eq!(world.machine(relay).watched.len(), 3 + 1);
}

#[test]
fn a_deposit_that_had_to_wait_for_coins_goes_into_a_channel_that_the_peer_still_knows() {
    let mut world = World::seeded(86);
    let (alice, bob) = (world.add(Plan::user("alice")), world.add(Plan::user("bob")));
    world.introduce(alice, bob);
    world.want_channel(alice, bob, ton(3));
    world.run_for(25 * 3_600_000);
    assert_eq!((channels(&world, alice), channels(&world, bob)), (1, 0), "bob has forgotten it");

    let wallet = world.wallet(alice);
    world.faucet(wallet, ton(10));
    world.run_for(10 * 60_000);
    let payment = world.pay(alice, &[bob], ton(1));
    assert_eq!(world.outcome(&payment), Outcome::Paid);
    let open = world.channel(alice, bob).expect("alice's channel");
    assert_eq!(
        (open.deposited, open.address),
        (ton(3), world.channel(bob, alice).unwrap().address)
    );

    world.run_for(50 * 3_600_000);
    assert_eq!((channels(&world, alice), channels(&world, bob)), (1, 1));
}

/// The record of such a channel may be forgotten and made again under the same id, so nothing that was signed in
/// its first life may be worth anything in the second.
#[test]
fn before_its_contract_is_open_a_channel_has_one_state_of_each_side() {
    let mut world = World::seeded(84);
    let alice = world.add(Plan::user("alice"));
    let mut mallory = Adversary::meets(&mut world, "mallory", alice);
    mallory.open_off_chain(&mut world);
    mallory.exchange_first_states(&mut world);
    let seqnos = |mallory: &Adversary| {
        let channel = mallory.channel();
        (channel.ours.body().seqno, channel.theirs.body().seqno)
    };
    mallory.listen(&mut world, 5_000);
    assert_eq!(seqnos(&mallory), (1, 1));
    let more = mallory.honest();
    assert_eq!(mallory.propose(&mut world, &more).map(|_| ()), Err("channel is busy".to_owned()));
    mallory.listen(&mut world, 60_000);
    assert_eq!(seqnos(&mallory), (1, 1));

    mallory.open_on_chain(&mut world, ton(1), ton(1));
    let increment = Intent::Increment { want_response: true };
    assert_eq!(mallory.go(&mut world, &increment), Ok(()));
    mallory.listen(&mut world, 10_000);
    assert_eq!(seqnos(&mallory), (2, 2));
}

#[test]
fn a_peer_whose_channels_are_closed_may_open_another() {
    let mut world = World::seeded(85);
    let limits = Limits { channels_per_peer: 1, ..Plan::user("alice").limits(&world.codes) };
    let alice = world.add(Plan { limits: Some(limits), ..Plan::user("alice") });
    let mut bob = Adversary::with_channel(&mut world, "bob", alice, ton(1), ton(1));
    let second = bob.terms(&mut world);
    assert_eq!(bob.asks_for(&mut world, &second), "too many channels");
    world.dispute(bob.address());
    bob.listen(&mut world, 60_000);
    assert_eq!(bob.asks_for(&mut world, &second), "");
}

/// Promises of next to nothing from `mallory` along `route`, as many as are taken; the first refusal.
fn promises(
    world: &mut World,
    mallory: &mut Adversary,
    route: &[(Id, Nano)],
    count: u8,
) -> (usize, Vec<String>) {
    let mut refusals = Vec::new();
    for n in 0..count {
        let last = world.now().seconds() + 64_860;
        let after = |index: usize| (route.len() - 1 - index) as u32 * 54_060;
        let hops: Vec<Hop> = (route.iter().enumerate())
            .map(|(index, (id, fee))| Hop {
                target: world.machine(*id).key,
                capacity: Nano(1),
                fee: *fee,
                deadline: Deadline(last + after(index)),
            })
            .collect();
        let (conditional, action) =
            mallory.open_orders(&SecretKey::from_seed([100 + n; 32]), &hops);
        if let Err(reason) = mallory.go(world, &Intent::Open { conditional, action }) {
            refusals.push(reason);
        }
        mallory.listen(world, 1_000);
    }
    (usize::from(count) - refusals.len(), refusals)
}

#[test]
fn a_promise_that_this_node_could_never_claim_is_refused() {
    let mut world = World::seeded(87);
    let alice = world.add(Plan::user("alice"));
    let mut mallory = Adversary::with_channel(&mut world, "mallory", alice, ton(10), ton(1));
    let (taken, refusals) = promises(&mut world, &mut mallory, &[(alice, Nano(0))], 1);
    assert_eq!((taken, refusals), (0, vec!["final state is required here".to_owned()]));
}

/// The payee is mallory, too, and never claims: between two honest relays her promises wait for their deadlines.
#[test]
fn promises_that_nobody_claims_leave_room_for_those_of_others() {
    let mut world = World::seeded(88);
    let limits = Limits { conditionals: 12, ..Plan::relay("").limits(&world.codes) };
    let relay = |name| Plan { limits: Some(limits), ..Plan::relay(name) };
    let (first, second) = (world.add(relay("first")), world.add(relay("second")));
    let (alice, bob) = (world.add(Plan::user("alice")), world.add(Plan::user("bob")));
    for (a, b) in [(first, second), (alice, first), (second, bob)] {
        world.open(a, b, ton(10), ton(10));
    }
    let mut payer = Adversary::with_channel(&mut world, "payer", first, ton(10), ton(10));
    let payee = Adversary::with_channel(&mut world, "payee", second, ton(10), ton(10)).id;

    let route = [(first, milli(2)), (second, milli(1)), (payee, Nano(0))];
    let (taken, refusals) = promises(&mut world, &mut payer, &route, 12);
    assert_eq!(taken, 5, "{refusals:?}");
    assert_eq!(refusals[0], "too many virtual channels from this one wait there");

    for _ in 0..3 {
        let payment = world.pay(alice, &[first, second, bob], milli(100));
        assert_eq!(world.outcome(&payment), Outcome::Paid);
    }
}
