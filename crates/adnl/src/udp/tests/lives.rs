//! Connections that end and begin again: restarts, silence, moves.

use super::world::{BAD, GOOD, World, answer_to};
use crate::{Event, PathId, PeerId};

/// Two connected sides, 0 having dialled 1.
fn connected(seed: u64) -> (World, PeerId) {
    let mut world = World::new(2, GOOD, seed);
    let b = world.connect(0, 1);
    world.run(1000);
    assert!(world.connected(0).is_some() && world.connected(1).is_some());
    (world, b)
}

/// A peer that the host wants: it dials again as soon as the connection is gone.
fn ask_until_answered(world: &mut World, seed: u64) {
    for _ in 0..10 {
        let b = world.connect(0, 1);
        let query = world.query(0, b, b"again");
        world.run(3000);
        if world.answers_to(0, query) == [answer_to(b"again")] {
            return;
        }
    }
    panic!("no answer after ten attempts with seed {seed}");
}

#[test]
fn a_peer_that_restarts_is_a_new_connection_on_both_sides() {
    let (mut world, b) = connected(1);
    world.restart(1);
    let lost = world.query(0, b, b"lost");
    world.run(3000);
    // What was asked of the earlier life is given up, not asked again: the new one knows nothing of it.
    assert_eq!(
        (world.timed_out(0, lost), world.count(1, |event| matches!(event, Event::Query { .. }))),
        (1, 0)
    );
    assert_eq!(world.count(0, |event| *event == Event::Disconnected { peer: b }), 1);
    let again = world.connected(0).unwrap();
    assert_ne!(again, b);

    let since = world.seen.len();
    let query = world.query(0, again, b"again");
    world.run(100);
    assert_eq!(world.answers_to(0, query), [answer_to(b"again")]);
    assert_eq!(world.outside_channels(since), 0);
}

#[test]
fn the_side_that_dialled_may_restart_at_any_time_even_within_a_second() {
    for after in [0, 1, 300, 999, 1000, 5000] {
        let (mut world, b) = connected(1);
        world.run(after);
        world.restart(0);
        let again = world.connect(0, 1);
        let query = world.query(0, again, b"again");
        world.run(1000);
        assert_eq!(world.answers_to(0, query), [answer_to(b"again")], "after {after} ms");
        let disconnected = |event: &Event| matches!(event, Event::Disconnected { .. });
        assert_eq!((world.count(1, disconnected), world.count(0, disconnected)), (1, 0));
        assert_eq!(b, PeerId(1));
    }
}

#[test]
fn over_bad_links_too_a_restart_of_either_side_heals() {
    for seed in 0..60 {
        let mut world = World::new(2, BAD, seed);
        ask_until_answered(&mut world, seed);
        for _ in 0..3 {
            let side = world.random.usize(..2);
            let pause = world.random.u64(..3000);
            world.run(pause);
            world.restart(side);
            ask_until_answered(&mut world, seed);
        }
    }
}

#[test]
fn five_minutes_of_silence_end_a_connection_and_traffic_begins_another() {
    let (mut world, b) = connected(1);
    world.run(290_000);
    assert_eq!(world.count(0, |event| matches!(event, Event::Disconnected { .. })), 0);
    let query = world.query(0, b, b"still there?");
    world.run(299_000);
    assert_eq!(world.answers_to(0, query).len(), 1);
    assert_eq!(world.count(0, |event| matches!(event, Event::Disconnected { .. })), 0);
    world.run(1100);
    for side in 0..2 {
        assert_eq!(world.count(side, |event| matches!(event, Event::Disconnected { .. })), 1);
        assert_eq!(world.sides[side].endpoint.wake(), None);
    }
    ask_until_answered(&mut world, 1);
}

#[test]
fn a_peer_that_was_forgotten_and_goes_on_talking_connects_again() {
    let (mut world, b) = connected(1);
    let a = world.connected(1).unwrap();
    world.sides[1].endpoint.disconnect(a);
    let query = world.query(0, b, b"are you there?");
    world.run(5000);
    assert_eq!(world.timed_out(0, query), 1);
    let again = world.connected(0).unwrap();
    let query = world.query(0, again, b"again");
    world.run(100);
    assert_eq!(world.answers_to(0, query), [answer_to(b"again")]);
    assert!(world.connected(1).unwrap() != a && again != b);
}

#[test]
fn disconnecting_times_out_what_was_open_and_says_nothing_afterwards() {
    let (mut world, b) = connected(1);
    let query = world.query(0, b, b"never mind");
    world.sides[0].endpoint.disconnect(b);
    world.sides[0].endpoint.disconnect(b);
    let events = world.sides[0].events.len();
    world.run(400_000);
    assert_eq!(
        world.sides[0].events[events..],
        [Event::TimedOut { peer: b, id: query }, Event::Disconnected { peer: b }]
    );
}

#[test]
fn a_peer_that_nobody_reaches_is_given_up_after_five_minutes() {
    let mut world = World::new(2, GOOD, 1);
    world.link.lost = 100;
    let b = world.connect(0, 1);
    world.run(299_999);
    assert!(world.sides[0].events.is_empty());
    world.run(1);
    assert_eq!(world.sides[0].events, [Event::Disconnected { peer: b }]);
    assert!(world.seen.len() < 90, "{} attempts", world.seen.len());
}

#[test]
fn a_peer_that_moves_is_answered_at_its_new_place() {
    let (mut world, b) = connected(1);
    world.sides[0].address = PathId(99);
    let query = world.query(0, b, b"I have moved");
    world.run(100);
    assert_eq!(world.answers_to(0, query), [answer_to(b"I have moved")]);
    // And the other way: a host that knows better says so.
    world.sides[1].address = PathId(98);
    assert_eq!(world.connect(0, 1), b);
    let query = world.query(0, b, b"you have moved");
    world.run(100);
    assert_eq!(world.answers_to(0, query), [answer_to(b"you have moved")]);
}
