//! A few endpoints, virtual time, and the network between them. The same seed gives the same run.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};

use crate::{Endpoint, Event, Limits, PathId, PeerId, QueryId};

/// Unix ms at which all runs start.
pub(super) const START: u64 = 1_700_000_000_000;

/// Chances in percent, delays in ms.
#[derive(Clone, Copy)]
pub(super) struct Link {
    pub(super) lost: u32,
    pub(super) repeated: u32,
    pub(super) cut: u32,
    pub(super) changed: u32,
    pub(super) delay: (u64, u64),
}

pub(super) const GOOD: Link = Link { lost: 0, repeated: 0, cut: 0, changed: 0, delay: (5, 5) };
pub(super) const BAD: Link = Link { lost: 20, repeated: 20, cut: 5, changed: 5, delay: (1, 120) };

pub(super) struct Side {
    pub(super) endpoint: Endpoint,
    /// Where it can be reached. Others see its datagrams come from here.
    pub(super) address: PathId,
    pub(super) events: Vec<Event>,
    /// Queries that were delivered, to see that none is run twice.
    ran: BTreeSet<(PeerId, QueryId)>,
    /// Ms after which queries are answered; `None` for never.
    pub(super) answers_after: Option<u64>,
}

/// Ms, and a counter that tells apart what happens in the same one.
type Moment = (u64, u64);
/// Side, peer, query and its bytes.
type OwedAnswer = (usize, PeerId, QueryId, Vec<u8>);

pub(super) struct World {
    pub(super) now: u64,
    pub(super) sides: Vec<Side>,
    pub(super) link: Link,
    pub(super) random: fastrand::Rng,
    /// Every datagram that was sent: from, to, bytes.
    pub(super) seen: Vec<(PathId, PathId, Vec<u8>)>,
    flying: BTreeMap<Moment, (PathId, PathId, Vec<u8>)>,
    answers: BTreeMap<Moment, OwedAnswer>,
    counter: u64,
}

impl World {
    /// Sides 0, 1, ... with seeds 1, 2, ... at addresses 1, 2, ... .
    pub(super) fn new(count: u8, link: Link, seed: u64) -> Self {
        let sides = (1..=count).map(|n| Side::new(n, seed)).collect();
        Self {
            now: START,
            sides,
            link,
            random: fastrand::Rng::with_seed(seed),
            seen: Vec::new(),
            flying: BTreeMap::new(),
            answers: BTreeMap::new(),
            counter: 0,
        }
    }

    pub(super) fn connect(&mut self, from: usize, to: usize) -> PeerId {
        let (public, path) = (self.sides[to].endpoint.public(), self.sides[to].address);
        self.sides[from].endpoint.connect(self.now, public, path)
    }

    pub(super) fn query(&mut self, from: usize, peer: PeerId, bytes: &[u8]) -> QueryId {
        self.sides[from].endpoint.query(self.now, peer, bytes, 10_000)
    }

    /// Puts a datagram in front of whoever has this address, now.
    pub(super) fn inject(&mut self, from: PathId, to: PathId, datagram: &[u8]) {
        if let Some(side) = self.sides.iter_mut().find(|side| side.address == to) {
            side.endpoint.receive(self.now, from, datagram);
        }
        self.settle();
    }

    /// The side loses everything and starts again with the same key.
    pub(super) fn restart(&mut self, side: usize) {
        let (address, n) = (self.sides[side].address, side as u8 + 1);
        self.counter += 1;
        self.sides[side] = Side { address, ..Side::new(n, self.counter << 32) };
    }

    pub(super) fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        self.settle();
        loop {
            let wakes = self.sides.iter().filter_map(|side| side.endpoint.wake());
            let flying = self.flying.keys().next().map(|key| key.0);
            let answers = self.answers.keys().next().map(|key| key.0);
            let next = wakes.chain(flying).chain(answers).min().unwrap_or(u64::MAX);
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            self.counter += 1;
            self.step();
            self.settle();
        }
        self.now = end;
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= now) {
            let (from, to, datagram) = entry.remove();
            if let Some(side) = self.sides.iter_mut().find(|side| side.address == to) {
                side.endpoint.receive(now, from, &datagram);
            }
        }
        while let Some(entry) = self.answers.first_entry().filter(|entry| entry.key().0 <= now) {
            let (side, peer, id, bytes) = entry.remove();
            self.sides[side].endpoint.answer(now, peer, id, &answer_to(&bytes));
        }
        for side in &mut self.sides {
            side.endpoint.tick(now);
            assert!(
                side.endpoint.wake().is_none_or(|wake| wake > now),
                "what was due has been done"
            );
        }
    }

    /// Moves what the endpoints have to say onto the links and their events into the lists.
    fn settle(&mut self) {
        for at in 0..self.sides.len() {
            while let Some(event) = self.sides[at].endpoint.poll_event() {
                if let Event::Query { peer, id, bytes } = &event {
                    assert!(self.sides[at].ran.insert((*peer, *id)), "a query ran twice");
                    if let Some(after) = self.sides[at].answers_after {
                        self.counter += 1;
                        self.answers.insert(
                            (self.now + after, self.counter),
                            (at, *peer, *id, bytes.clone()),
                        );
                    }
                }
                self.sides[at].events.push(event);
            }
            while let Some((to, datagram)) = self.sides[at].endpoint.poll_transmit() {
                assert!(datagram.len() <= 1440, "a datagram of {} bytes", datagram.len());
                let from = self.sides[at].address;
                self.seen.push((from, to, datagram.clone()));
                self.carry(from, to, datagram);
            }
        }
    }

    fn carry(&mut self, from: PathId, to: PathId, datagram: Vec<u8>) {
        let link = self.link;
        let copies = 1 + u32::from(self.chance(link.repeated));
        for _ in 0..copies {
            if self.chance(link.lost) {
                continue;
            }
            let mut copy = datagram.clone();
            if self.chance(link.cut) {
                copy.truncate(self.random.usize(..copy.len()));
            }
            if self.chance(link.changed) && !copy.is_empty() {
                let at = self.random.usize(..copy.len());
                copy[at] ^= 1 << self.random.u8(..8);
            }
            self.counter += 1;
            let arrives = self.now + self.random.u64(link.delay.0..=link.delay.1);
            self.flying.insert((arrives, self.counter), (from, to, copy));
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.u32(..100) < percent
    }

    /// The last connection that a side was told of.
    pub(super) fn connected(&self, side: usize) -> Option<PeerId> {
        self.sides[side].events.iter().rev().find_map(|event| match event {
            Event::Connected { peer, .. } => Some(*peer),
            _ => None,
        })
    }

    /// All answers that a side has got to one query.
    pub(super) fn answers_to(&self, side: usize, query: QueryId) -> Vec<Vec<u8>> {
        let answer = |event: &Event| match event {
            Event::Answer { id, bytes, .. } if *id == query => Some(bytes.clone()),
            _ => None,
        };
        self.sides[side].events.iter().filter_map(answer).collect()
    }

    pub(super) fn timed_out(&self, side: usize, query: QueryId) -> usize {
        self.count(side, |event| matches!(event, Event::TimedOut { id, .. } if *id == query))
    }

    pub(super) fn count(&self, side: usize, which: impl Fn(&Event) -> bool) -> usize {
        self.sides[side].events.iter().filter(|event| which(event)).count()
    }

    /// How many datagrams from here on would go outside a channel.
    pub(super) fn outside_channels(&self, since: usize) -> usize {
        let ids: Vec<_> = self.sides.iter().map(|side| side.endpoint.id()).collect();
        self.seen[since..]
            .iter()
            .filter(|(_, _, datagram)| ids.iter().any(|id| datagram.starts_with(id)))
            .count()
    }
}

impl Side {
    fn new(n: u8, seed: u64) -> Self {
        let mut entropy = [n; 32];
        entropy[..8].copy_from_slice(&seed.to_le_bytes());
        Self {
            endpoint: Endpoint::new([n; 32], entropy, Limits::default()),
            address: PathId(n.into()),
            events: vec![],
            ran: BTreeSet::new(),
            answers_after: Some(0),
        }
    }
}

/// What every side answers.
pub(super) fn answer_to(query: &[u8]) -> Vec<u8> {
    [b"answer to ", query].concat()
}
