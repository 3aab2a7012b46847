//! Somebody who reads every datagram, keeps them, changes them, and sends what he likes.

use alloc::{vec, vec::Vec};

use super::world::{BAD, GOOD, START, World, answer_to};
use crate::{
    Endpoint, Event, Limits, PathId,
    key::LocalKey,
    udp::{
        message,
        packet::{Draft, Started},
        sealed::seal_to_key,
    },
};

const ELSEWHERE: PathId = PathId(666);

/// A run with queries both ways, and everything that was sent in it.
fn eavesdropped() -> World {
    let mut world = World::new(2, GOOD, 1);
    let b = world.connect(0, 1);
    world.query(0, b, b"from a");
    world.run(100);
    let a = world.connected(1).unwrap();
    world.query(1, a, &vec![7; 5000]);
    world.run(100);
    world
}

fn events(world: &World) -> Vec<usize> {
    world.sides.iter().map(|side| side.events.len()).collect()
}

#[test]
fn recorded_datagrams_do_nothing_and_move_nobody() {
    let mut world = eavesdropped();
    let before = events(&world);
    for (_, to, datagram) in world.seen.clone() {
        for _ in 0..3 {
            world.inject(ELSEWHERE, to, &datagram);
        }
    }
    world.run(1000);
    assert_eq!(events(&world), before);
    let a = world.connected(1).unwrap();
    let query = world.query(1, a, b"still the right place?");
    world.run(100);
    assert_eq!(world.answers_to(1, query).len(), 1);
}

#[test]
fn recorded_datagrams_do_nothing_to_a_later_life_of_the_receiver() {
    for restart in [true, false] {
        for pause in [0, 500, 2_000, 400_000] {
            let mut world = eavesdropped();
            world.run(pause);
            if restart {
                world.restart(1);
            } else if let Some(a) = world.connected(1) {
                world.sides[1].endpoint.disconnect(a);
            }
            world.run(0);
            // The real one is gone; only its recorded words are left.
            world.sides[0].address = PathId(1000);
            let before = events(&world);
            for _ in 0..3 {
                for (_, to, datagram) in world.seen.clone() {
                    world.inject(ELSEWHERE, to, &datagram);
                    world.run(70);
                }
            }
            world.run(20_000);
            assert_eq!(events(&world), before);
            assert_eq!(world.sides[1].endpoint.wake(), None, "the stranger was forgotten");
        }
    }
}

#[test]
fn changed_datagrams_do_nothing() {
    let recorded = eavesdropped().seen;
    let mut random = fastrand::Rng::with_seed(5);
    for (_, to, datagram) in recorded {
        let mut world = eavesdropped();
        let before = events(&world);
        for _ in 0..200 {
            let mut changed = datagram.clone();
            match random.u8(..4) {
                0 => changed.truncate(random.usize(..changed.len())),
                1 => changed.extend((0..random.usize(1..50)).map(|_| random.u8(..))),
                _ => {
                    let at = random.usize(..changed.len());
                    changed[at] ^= 1 << random.u8(..8);
                }
            }
            world.inject(ELSEWHERE, to, &changed);
        }
        assert_eq!(events(&world), before);
    }
}

#[test]
fn garbage_of_any_length_does_nothing() {
    let mut world = eavesdropped();
    let before = events(&world);
    let mut random = fastrand::Rng::with_seed(9);
    let (a, b) = (world.sides[0].endpoint.id(), world.sides[1].endpoint.id());
    for _ in 0..3000 {
        let length = random.usize(..1500);
        let garbage: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
        world.inject(ELSEWHERE, PathId(1), &garbage);
        world.inject(ELSEWHERE, PathId(1), &[&a[..], &garbage].concat());
        world.inject(ELSEWHERE, PathId(2), &[&b[..], &garbage].concat());
    }
    assert_eq!(events(&world), before);
    let dropped = world.sides[0].endpoint.dropped();
    assert!(dropped.garbage >= 3000 && dropped.unknown >= 2900, "{dropped:?}");
}

#[test]
fn nobody_reads_or_speaks_for_another() {
    let mut world = eavesdropped();
    // Side 2 has every datagram and its own key, which is not the receiver's.
    let mut other = Endpoint::new([3; 32], [9; 32], Limits::default());
    for (from, _, datagram) in &world.seen {
        other.receive(world.now, *from, datagram);
    }
    assert_eq!(other.poll_event(), None);
    assert_eq!(other.poll_transmit(), None);

    // A packet in a's name, but signed with another key.
    let (a, mallory) =
        (LocalKey::from_seed(&[1; 32]).public(), LocalKey::from_seed(&[3; 32]).public());
    let before = events(&world);
    let query = message::query(&[5; 32], b"pay him everything");
    for (seed, signer, name) in [([3; 32], mallory, a), ([1; 32], a, mallory)] {
        let mut contents = Plain::new(seed, 1 << 50, vec![query.clone()]).contents();
        let at = contents.windows(32).position(|window| window == signer).unwrap();
        contents[at..at + 32].copy_from_slice(&name);
        encrypt_and_send(&mut world, &contents);
    }
    assert_eq!(events(&world), before);
    assert_eq!(world.sides[1].endpoint.dropped().forged, 2);
}

#[test]
fn a_stranger_that_never_listens_can_ask_nothing_and_is_soon_forgotten() {
    let mut world = World::new(2, GOOD, 1);
    world.run(0);
    for seqno in 1..100 {
        let query = message::query(&[seqno as u8; 32], b"do something");
        Plain::new([9; 32], seqno, vec![query]).send(&mut world);
        world.run(60);
    }
    assert!(world.sides[1].events.is_empty());
    world.run(10_000);
    assert_eq!(world.sides[1].endpoint.wake(), None);
}

#[test]
fn strangers_do_not_crowd_out_those_who_are_connected() {
    let mut world = World::new(2, GOOD, 1);
    let limits = Limits { peers: 10, ..Limits::default() };
    world.sides[1].endpoint = Endpoint::new([2; 32], [8; 32], limits);
    let b = world.connect(0, 1);
    world.run(100);
    for n in 0..200_u32 {
        let mut seed = [77; 32];
        seed[..4].copy_from_slice(&n.to_le_bytes());
        Plain::new(seed, 1, vec![message::nop()]).send(&mut world);
        assert!(world.sides[1].endpoint.peers.len() <= 10);
    }
    let query = world.query(0, b, b"still here");
    world.run(100);
    assert_eq!(world.answers_to(0, query), [answer_to(b"still here")]);
}

#[test]
fn a_peer_with_a_real_key_and_nonsense_to_say_breaks_nothing() {
    for seed in 0..40 {
        let mut world = World::new(2, BAD, seed);
        let b = world.connect(0, 1);
        world.run(500);
        let mut random = fastrand::Rng::with_seed(seed);
        let mallory = LocalKey::from_seed(&[3; 32]).public();
        for n in 1..100 {
            let messages = (0..random.usize(1..4)).map(|_| nonsense(&mut random)).collect();
            let seqno = if random.bool() { n } else { 1 << random.u32(..63) };
            let mut packet = Plain::new([3; 32], seqno, messages);
            if random.u8(..4) == 0 {
                packet.started = Started { sender: random.u32(..), receiver: random.u32(..) };
            }
            packet.send(&mut world);
        }
        let from_mallory =
            |event: &Event| matches!(event, Event::Connected { public, .. } if *public == mallory);
        assert_eq!(world.count(1, from_mallory), 0);
        let query = world.query(0, b, b"and the others go on");
        world.run(10_000);
        assert_eq!(world.answers_to(0, query), [answer_to(b"and the others go on")], "seed {seed}");
    }
}

/// A message that parses, or almost.
fn nonsense(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut id = [0; 32];
    random.fill(&mut id);
    let some: Vec<u8> = (0..random.usize(..200)).map(|_| random.u8(..)).collect();
    match random.u8(..8) {
        0 => message::create_channel(&id, random.u32(..)),
        1 => message::create_channel(&LocalKey::from_seed(&id).public(), random.u32(..)),
        2 => message::confirm_channel(&LocalKey::from_seed(&id).public(), &id, random.u32(..)),
        3 => message::query(&id, &some),
        4 => message::answer(&id, &some),
        5 => message::part(&id, random.u32(..), random.u32(..), &some),
        6 => message::pong(random.u64(..)),
        _ => some,
    }
}

/// A packet to side 1 before it is signed and encrypted.
struct Plain {
    seed: [u8; 32],
    messages: Vec<Vec<u8>>,
    seqno: u64,
    started: Started,
}

impl Plain {
    fn new(seed: [u8; 32], seqno: u64, messages: Vec<Vec<u8>>) -> Self {
        let started = Started { sender: (START / 1000) as u32, receiver: 0 };
        Self { seed, messages, seqno, started }
    }

    fn contents(&self) -> Vec<u8> {
        let messages: Vec<&[u8]> = self.messages.iter().map(Vec::as_slice).collect();
        let random = (&[1; 7][..], &[2; 7][..]);
        let draft = Draft {
            messages: &messages,
            seqno: self.seqno,
            confirm: 0,
            address_version: None,
            random,
        };
        draft.signed(&LocalKey::from_seed(&self.seed), self.started)
    }

    fn send(&self, world: &mut World) {
        encrypt_and_send(world, &self.contents());
    }
}

fn encrypt_and_send(world: &mut World, contents: &[u8]) {
    let receiver = world.sides[1].endpoint.public();
    let datagram = seal_to_key(&receiver, &LocalKey::from_seed(&[99; 32]), contents).unwrap();
    world.inject(ELSEWHERE, PathId(2), &datagram);
}
