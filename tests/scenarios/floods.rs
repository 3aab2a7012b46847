//! What costs nothing, in masses: everybody else is served as if it were not there.

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
