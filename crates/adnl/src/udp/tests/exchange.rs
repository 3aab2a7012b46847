//! Queries and answers when nobody is malicious, only the network is bad.

use alloc::{vec, vec::Vec};

use super::world::{BAD, GOOD, Link, World, answer_to};
use crate::{Event, PeerId};

#[test]
fn a_query_is_answered_and_everything_after_goes_through_the_channel() {
    let mut world = World::new(2, GOOD, 1);
    let b = world.connect(0, 1);
    let first = world.query(0, b, b"first");
    world.run(100);
    assert_eq!(world.answers_to(0, first), [answer_to(b"first")]);
    assert_eq!(world.connected(0), Some(b));

    let since = world.seen.len();
    let a = world.connected(1).unwrap();
    let second = world.query(0, b, b"second");
    let back = world.query(1, a, b"back");
    world.run(100);
    assert_eq!(world.answers_to(0, second), [answer_to(b"second")]);
    assert_eq!(world.answers_to(1, back), [answer_to(b"back")]);
    assert_eq!(world.outside_channels(since), 0);
    assert_eq!(world.seen.len() - since, 4);
}

#[test]
fn both_sides_hear_of_each_other_without_saying_anything() {
    for seed in 0..50 {
        let mut world = World::new(2, BAD, seed);
        world.connect(0, 1);
        world.run(60_000);
        assert!(world.connected(0).is_some() && world.connected(1).is_some(), "seed {seed}");
        assert_eq!(world.count(1, |event| matches!(event, Event::Connected { .. })), 1);
    }
}

#[test]
fn two_sides_that_connect_at_the_same_moment_find_one_connection() {
    for seed in 0..50 {
        let mut world = World::new(2, BAD, seed);
        let (b, a) = (world.connect(0, 1), world.connect(1, 0));
        let (there, back) = (world.query(0, b, b"there"), world.query(1, a, b"back"));
        world.run(10_000);
        assert_eq!(world.answers_to(0, there), [answer_to(b"there")], "seed {seed}");
        assert_eq!(world.answers_to(1, back), [answer_to(b"back")], "seed {seed}");
        for side in 0..2 {
            assert_eq!(world.sides[side].events.len(), 3, "connected, query, answer");
        }
    }
}

#[test]
fn over_bad_links_every_query_runs_once_and_is_answered_once() {
    for seed in 0..100 {
        let mut world = World::new(3, BAD, seed);
        let (b, c) = (world.connect(0, 1), world.connect(0, 2));
        let mut asked = Vec::new();
        for n in 0..20_u8 {
            for peer in [b, c] {
                asked.push((0, world.query(0, peer, &[n]), vec![n]));
            }
            if let Some(a) = world.connected(1) {
                asked.push((1, world.query(1, a, &[n, n]), vec![n, n]));
            }
            world.run(50);
        }
        world.run(11_000);
        for (side, query, bytes) in asked {
            // One answer, or very rarely none within the time: never two, never a wrong one.
            let answers = world.answers_to(side, query);
            match world.timed_out(side, query) {
                0 => assert_eq!(answers, [answer_to(&bytes)], "seed {seed}"),
                1 => panic!("40 attempts were not enough with seed {seed}"),
                _ => panic!("timed out twice with seed {seed}"),
            }
        }
    }
}

#[test]
fn long_messages_cross_bad_links_in_parts() {
    let lossy = Link { lost: 10, repeated: 10, cut: 2, changed: 2, delay: (1, 60) };
    for (seed, length) in (0..20).flat_map(|seed| [(seed, 1025), (seed, 8_000), (seed, 65_000)]) {
        let mut world = World::new(2, lossy, seed);
        let b = world.connect(0, 1);
        let bytes: Vec<u8> = (0..length).map(|_| world.random.u8(..)).collect();
        let query = world.query(0, b, &bytes);
        world.run(10_000);
        assert_eq!(world.answers_to(0, query), [answer_to(&bytes)], "seed {seed}, {length} bytes");
    }
}

#[test]
fn a_message_above_the_limit_is_never_sent_and_times_out_at_once() {
    let mut world = World::new(2, GOOD, 1);
    let b = world.connect(0, 1);
    world.run(100);
    let since = world.seen.len();
    let query = world.query(0, b, &vec![0; 65_536]);
    world.run(0);
    assert_eq!((world.timed_out(0, query), world.seen.len()), (1, since));
}

#[test]
fn a_slow_answer_is_waited_for_and_the_query_still_runs_once() {
    let mut world = World::new(2, GOOD, 1);
    world.sides[1].answers_after = Some(8_000);
    let b = world.connect(0, 1);
    world.run(100);
    let since = world.seen.len();
    let query = world.query(0, b, b"take your time");
    world.run(9_000);
    assert_eq!(world.answers_to(0, query), [answer_to(b"take your time")]);
    // The peer says that it is alive, so nothing is said outside the channel meanwhile.
    assert_eq!(world.outside_channels(since), 0);
}

#[test]
fn without_an_answer_a_query_is_sent_every_250_ms_and_times_out_once() {
    let mut world = World::new(2, GOOD, 1);
    world.sides[1].answers_after = None;
    let b = world.connect(0, 1);
    world.run(100);
    let from = world.sides[0].address;
    let since = world.seen.len();
    let query = world.query(0, b, b"anybody?");
    world.run(9_999);
    assert_eq!(world.timed_out(0, query), 0);
    assert_eq!(world.seen[since..].iter().filter(|(sender, _, _)| *sender == from).count(), 40);
    world.run(10_000);
    assert_eq!(world.timed_out(0, query), 1);
}

#[test]
fn an_answer_that_got_lost_is_sent_again_and_only_the_first_one_counts() {
    let mut world = World::new(2, GOOD, 1);
    let b = world.connect(0, 1);
    world.run(100);
    let query = world.query(0, b, b"question");
    world.run(5);
    world.link.lost = 100;
    world.run(10);
    let (peer, id) = world.sides[1]
        .events
        .iter()
        .find_map(|event| match event {
            Event::Query { peer, id, .. } => Some((*peer, *id)),
            _ => None,
        })
        .unwrap();
    world.sides[1].endpoint.answer(world.now, peer, id, b"second thoughts");
    world.link.lost = 0;
    world.run(1000);
    assert_eq!(world.answers_to(0, query), [answer_to(b"question")]);
}

#[test]
fn queries_to_nobody_and_connections_to_no_key_end_at_once() {
    let mut world = World::new(1, GOOD, 1);
    let query = world.query(0, PeerId(77), b"hello?");
    let own = world.sides[0].endpoint.public();
    let address = world.sides[0].address;
    let itself = world.sides[0].endpoint.connect(world.now, own, address);
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    let nobody = world.sides[0].endpoint.connect(world.now, off_curve, address);
    world.run(1000);
    assert_eq!(
        world.sides[0].events,
        [
            Event::TimedOut { peer: PeerId(77), id: query },
            Event::Disconnected { peer: itself },
            Event::Disconnected { peer: nobody },
        ]
    );
    assert!(world.seen.is_empty());
}
