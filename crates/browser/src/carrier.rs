//! Links of the node, carried as datagrams through WebSockets.
//!
//! One socket is one path of the ADNL endpoint, opened for one dial and closed with its link. The node dials the peers
//! of its channels; the relay of the invitation is kept connected before there is one, so that a page can say at once
//! whether it is there. Everything here is computation: sockets and the clock belong to the caller, who hands in what
//! happened and carries out what comes back.

use std::collections::{BTreeMap, VecDeque};

use adnl::{Endpoint, Event, Limits, PathId, PeerId};
use node::{
    invitation::Contact,
    io::{Input, LinkEvent, LinkId, QueryId, Source},
};

/// All connections of a page.
pub struct Carrier {
    endpoint: Endpoint,
    dials: BTreeMap<PathId, Dial>,
    links: BTreeMap<LinkId, Line>,
    by_peer: BTreeMap<PeerId, LinkId>,
    /// Queries of ours that are under way.
    asked: BTreeMap<adnl::QueryId, QueryId>,
    /// Queries of peers that may still be answered.
    heard: BTreeMap<QueryId, (PeerId, adnl::QueryId)>,
    kept: Option<Kept>,
    outputs: VecDeque<Output>,
    now: u64,
    paths: u64,
    names: u64,
}

/// What the host has to do.
#[derive(Debug)]
pub enum Output {
    /// Open a WebSocket to this address and call it this path.
    Open(PathId, String),
    /// Send one datagram as one binary message.
    Send(PathId, Vec<u8>),
    /// Close the socket of this path; nothing more is heard or said of it.
    Shut(PathId),
    /// Tell the node.
    Tell(Input),
}

/// A connection that is wanted but not there yet.
struct Dial {
    contact: Contact,
    /// Known once the socket is open.
    peer: Option<PeerId>,
    give_up_at: u64,
}

struct Line {
    peer: PeerId,
    public: [u8; 32],
    path: PathId,
    since: u64,
}

/// A node to be connected with whether the core wants it or not.
struct Kept {
    contact: Contact,
    /// When to dial it, if there is no connection then.
    at: u64,
    failures: u32,
}

impl Carrier {
    /// `seed` is that of the ADNL key, `entropy` fresh random bytes.
    pub fn new(seed: [u8; 32], entropy: [u8; 32]) -> Self {
        let limits = Limits { peers: PEERS, ..Limits::default() };
        Self {
            endpoint: Endpoint::new(seed, entropy, limits),
            dials: BTreeMap::new(),
            links: BTreeMap::new(),
            by_peer: BTreeMap::new(),
            asked: BTreeMap::new(),
            heard: BTreeMap::new(),
            kept: None,
            outputs: VecDeque::new(),
            now: 0,
            paths: 0,
            names: 0,
        }
    }

    /// Keeps a connection to this node up from now on.
    pub fn keep(&mut self, now_ms: u64, contact: Contact) {
        self.kept = Some(Kept { contact, at: now_ms, failures: 0 });
        self.tick(now_ms);
    }

    /// Connects to a node; a link to it or word that it is unreachable follows.
    pub fn dial(&mut self, now_ms: u64, contact: Contact) {
        self.now = now_ms;
        let Some(url) = contact.ws.clone() else {
            self.tell(Input::Unreachable(contact.node));
            return;
        };
        if self.dials.values().any(|dial| dial.contact == contact) {
            return;
        }
        // Two sockets to one key would be one peer of the endpoint: the later one is the one that is wanted.
        let same = |dial: &Dial| dial.contact.adnl == contact.adnl;
        let earlier: Vec<_> =
            self.dials.iter().filter(|(_, dial)| same(dial)).map(|(path, _)| *path).collect();
        for path in earlier {
            self.give_up(path);
        }
        let lines = self.links.values().filter(|line| line.public == contact.adnl.0);
        let linked: Vec<_> = lines.map(|line| line.peer).collect();
        for peer in linked {
            self.endpoint.disconnect(peer);
        }
        self.settle();
        self.paths += 1;
        let path = PathId(self.paths);
        self.dials.insert(path, Dial { contact, peer: None, give_up_at: now_ms + DIAL_MS });
        self.outputs.push_back(Output::Open(path, url));
    }

    /// The socket of a path is open.
    pub fn opened(&mut self, now_ms: u64, path: PathId) {
        self.now = now_ms;
        if let Some(dial) = self.dials.get_mut(&path) {
            dial.peer = Some(self.endpoint.connect(now_ms, dial.contact.adnl.0, path));
        }
        self.settle();
    }

    /// The socket of a path is closed, or could not be opened.
    pub fn closed(&mut self, now_ms: u64, path: PathId) {
        self.now = now_ms;
        self.give_up(path);
        let lost: Vec<_> =
            self.links.values().filter(|line| line.path == path).map(|line| line.peer).collect();
        for peer in lost {
            self.endpoint.disconnect(peer);
        }
        self.settle();
    }

    /// A binary message arrived.
    pub fn datagram(&mut self, now_ms: u64, path: PathId, bytes: &[u8]) {
        self.now = now_ms;
        self.endpoint.receive(now_ms, path, bytes);
        self.settle();
    }

    pub fn query(&mut self, now_ms: u64, link: LinkId, id: QueryId, bytes: &[u8]) {
        match self.links.get(&link) {
            Some(line) => {
                let asked = self.endpoint.query(now_ms, line.peer, bytes, QUERY_MS);
                self.asked.insert(asked, id);
                self.settle();
            }
            None => self.tell(Input::Link(link, LinkEvent::TimedOut { id })),
        }
    }

    pub fn answer(&mut self, now_ms: u64, id: QueryId, bytes: &[u8]) {
        if let Some((peer, query)) = self.heard.remove(&id) {
            self.endpoint.answer(now_ms, peer, query, bytes);
            self.settle();
        }
    }

    /// Drops a link for the node, which needs no word of it.
    pub fn close(&mut self, now_ms: u64, link: LinkId) {
        self.now = now_ms;
        if let Some(line) = self.links.remove(&link) {
            self.by_peer.remove(&line.peer);
            self.endpoint.disconnect(line.peer);
            self.lost(&line);
            self.settle();
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now_ms: u64) {
        self.now = now_ms;
        let late: Vec<_> = self
            .dials
            .iter()
            .filter(|(_, dial)| dial.give_up_at <= now_ms)
            .map(|(path, _)| *path)
            .collect();
        for path in late {
            self.give_up(path);
        }
        self.endpoint.tick(now_ms);
        self.settle();
        if let Some(kept) = self.kept.as_mut().filter(|kept| kept.at <= now_ms) {
            kept.at = u64::MAX;
            let contact = kept.contact.clone();
            if !self.links.values().any(|line| line.public == contact.adnl.0) {
                self.dial(now_ms, contact);
            }
        }
    }

    /// When to call [`Carrier::tick`] next, in unix ms.
    pub fn wake(&self) -> Option<u64> {
        let dials = self.dials.values().map(|dial| dial.give_up_at);
        let kept = self.kept.iter().map(|kept| kept.at);
        dials.chain(self.endpoint.wake()).chain(kept).min()
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn tell(&mut self, input: Input) {
        self.outputs.push_back(Output::Tell(input));
    }

    fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    /// A dial leads nowhere.
    fn give_up(&mut self, path: PathId) {
        if let Some(dial) = self.dials.remove(&path) {
            if let Some(peer) = dial.peer {
                self.endpoint.disconnect(peer);
            }
            self.outputs.push_back(Output::Shut(path));
            self.tell(Input::Unreachable(dial.contact.node));
            self.try_again(&dial.contact.adnl.0, 0);
        }
    }

    /// A link is gone; its socket goes with it.
    fn lost(&mut self, line: &Line) {
        let path = line.path;
        if !self.links.values().any(|other| other.path == path) && !self.dials.contains_key(&path) {
            self.outputs.push_back(Output::Shut(path));
        }
        self.try_again(&line.public, self.now.saturating_sub(line.since));
    }

    /// Dials the kept node again, later each time that it did not last.
    fn try_again(&mut self, public: &[u8; 32], lasted: u64) {
        if let Some(kept) = self.kept.as_mut().filter(|kept| kept.contact.adnl.0 == *public) {
            kept.failures = if lasted < DIAL_MS { kept.failures.saturating_add(1) } else { 0 };
            kept.at = self.now + (PAUSE_MS << kept.failures.min(5)).min(PAUSE_MAX_MS);
        }
    }

    /// Takes everything that the endpoint has to say.
    fn settle(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            self.happened(event);
        }
        while let Some((path, bytes)) = self.endpoint.poll_transmit() {
            self.outputs.push_back(Output::Send(path, bytes));
        }
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Connected { peer, public, id, path } => self.connected(peer, public, id, path),
            Event::Query { peer, id, bytes } => {
                let Some(link) = self.by_peer.get(&peer).copied() else { return };
                let name = QueryId(self.name());
                self.heard.insert(name, (peer, id));
                if self.heard.len() > HEARD_MAX {
                    // The endpoint takes no answer for these any more.
                    self.heard.pop_first();
                }
                self.tell(Input::Link(link, LinkEvent::Query { id: name, bytes }));
            }
            Event::Answer { peer, id, bytes } => {
                if let Some(id) = self.asked.remove(&id)
                    && let Some(link) = self.by_peer.get(&peer).copied()
                {
                    self.tell(Input::Link(link, LinkEvent::Answer { id, bytes }));
                }
            }
            Event::TimedOut { peer, id } => {
                if let Some(id) = self.asked.remove(&id)
                    && let Some(link) = self.by_peer.get(&peer).copied()
                {
                    self.tell(Input::Link(link, LinkEvent::TimedOut { id }));
                }
            }
            Event::Disconnected { peer } => self.disconnected(peer),
        }
    }

    fn connected(&mut self, peer: PeerId, public: [u8; 32], theirs: [u8; 32], path: PathId) {
        if self.by_peer.contains_key(&peer) {
            return;
        }
        let ours_to_dial = self.dials.get(&path).is_some_and(|dial| dial.peer == Some(peer));
        let dialled = if ours_to_dial { self.dials.remove(&path) } else { None };
        let link = LinkId(self.name());
        self.links.insert(link, Line { peer, public, path, since: self.now });
        self.by_peer.insert(peer, link);
        let ours = self.endpoint.id();
        let dialled = dialled.map(|dial| dial.contact.node);
        // Each relay is a place of its own; a page is dialled by nobody else.
        let source = Source(path.0);
        self.tell(Input::Link(link, LinkEvent::Up { ours, theirs, dialled, source }));
    }

    fn disconnected(&mut self, peer: PeerId) {
        if let Some(link) = self.by_peer.remove(&peer) {
            let line = self.links.remove(&link);
            self.tell(Input::Link(link, LinkEvent::Down));
            if let Some(line) = line {
                self.lost(&line);
            }
        }
        let dial = self.dials.iter().find(|(_, dial)| dial.peer == Some(peer));
        if let Some(path) = dial.map(|(path, _)| *path) {
            self.give_up(path);
        }
    }
}

/// A page talks to a handful of relays.
const PEERS: usize = 64;
/// Until a link must be up.
const DIAL_MS: u64 = 10_000;
/// Until a query of ours is given up.
const QUERY_MS: u64 = 7_000;
const HEARD_MAX: usize = 4_096;
/// Before the kept node is dialled again.
const PAUSE_MS: u64 = 500;
const PAUSE_MAX_MS: u64 = 10_000;

#[cfg(test)]
mod tests {
    use channel::key::{PublicKey, SecretKey};

    use super::*;

    const NODE: PublicKey = PublicKey([9; 32]);

    /// A carrier, the relay's endpoint behind one WebSocket, and what the node was told.
    struct Wire {
        now: u64,
        carrier: Carrier,
        relay: Endpoint,
        open: Vec<PathId>,
        told: Vec<Input>,
        asked: Vec<String>,
    }

    impl Wire {
        fn new() -> Self {
            Self {
                now: 1_700_000_000_000,
                carrier: Carrier::new([1; 32], [2; 32]),
                relay: Endpoint::new([3; 32], [4; 32], Limits::default()),
                open: Vec::new(),
                told: Vec::new(),
                asked: Vec::new(),
            }
        }

        fn contact(&self) -> Contact {
            let adnl = PublicKey(self.relay.public());
            let ws = Some("ws://relay.example/adnl".into());
            Contact { node: NODE, adnl, udp: String::new(), ws }
        }

        /// Carries datagrams until nothing moves; sockets that are asked for open at once.
        fn run(&mut self) {
            loop {
                let mut moved = false;
                while let Some(output) = self.carrier.poll() {
                    moved = true;
                    match output {
                        Output::Open(path, url) => {
                            self.asked.push(url);
                            self.open.push(path);
                            self.carrier.opened(self.now, path);
                        }
                        Output::Send(path, bytes) => {
                            assert!(self.open.contains(&path), "sent into a closed socket");
                            self.relay.receive(self.now, path, &bytes);
                        }
                        Output::Shut(path) => self.open.retain(|open| *open != path),
                        Output::Tell(input) => self.told.push(input),
                    }
                }
                while let Some((path, bytes)) = self.relay.poll_transmit() {
                    moved = true;
                    if self.open.contains(&path) {
                        self.carrier.datagram(self.now, path, &bytes);
                    }
                }
                if !moved {
                    return;
                }
            }
        }

        fn link(&mut self) -> LinkId {
            let up = self.told.iter().rev().find_map(|input| match input {
                Input::Link(link, LinkEvent::Up { .. }) => Some(*link),
                _ => None,
            });
            up.expect("no link is up")
        }

        fn later(&mut self, ms: u64) {
            self.now += ms;
            self.carrier.tick(self.now);
            self.relay.tick(self.now);
        }
    }

    fn connected() -> (Wire, LinkId) {
        let mut wire = Wire::new();
        wire.carrier.dial(wire.now, wire.contact());
        wire.run();
        let link = wire.link();
        (wire, link)
    }

    #[test]
    fn a_dial_leads_to_a_link_with_both_proven_ids() {
        let (wire, _) = connected();
        assert_eq!(wire.asked, ["ws://relay.example/adnl"]);
        let [Input::Link(_, LinkEvent::Up { ours, theirs, dialled, .. })] = &wire.told[..] else {
            panic!("{:?}", wire.told);
        };
        assert_eq!(*ours, wire.carrier.endpoint.id());
        assert_eq!(*theirs, wire.relay.id());
        assert_eq!(*dialled, Some(NODE));
    }

    #[test]
    fn queries_and_answers_find_each_other_in_both_directions() {
        let (mut wire, link) = connected();
        let sizes = [1, 1_000, 8_000];
        for (name, size) in (0..).zip(sizes) {
            wire.carrier.query(wire.now, link, QueryId(name), &vec![7; size]);
        }
        wire.run();
        let mut heard = Vec::new();
        let mut peer_of_carrier = None;
        while let Some(event) = wire.relay.poll_event() {
            if let Event::Query { peer, id, bytes } = event {
                peer_of_carrier = Some(peer);
                heard.push(bytes.len());
                wire.relay.answer(wire.now, peer, id, &bytes);
            }
        }
        assert_eq!(heard, sizes);
        wire.relay.query(wire.now, peer_of_carrier.unwrap(), b"hello", 5_000);
        wire.run();

        let mut answers = Vec::new();
        for input in core::mem::take(&mut wire.told) {
            match input {
                Input::Link(_, LinkEvent::Answer { id, bytes }) => {
                    answers.push((id.0, bytes.len()))
                }
                Input::Link(_, LinkEvent::Query { id, bytes }) => {
                    assert_eq!(bytes, b"hello");
                    wire.carrier.answer(wire.now, id, b"hello yourself");
                }
                _ => {}
            }
        }
        assert_eq!(answers, [(0, 1), (1, 1_000), (2, 8_000)]);
        wire.run();
        let answered = core::iter::from_fn(|| wire.relay.poll_event()).any(
            |event| matches!(event, Event::Answer { bytes, .. } if bytes == b"hello yourself"),
        );
        assert!(answered);
    }

    #[test]
    fn a_socket_that_closes_takes_its_link_and_queries_with_it() {
        let (mut wire, link) = connected();
        wire.told.clear();
        wire.carrier.query(wire.now, link, QueryId(5), b"lost");
        let path = wire.open.pop().unwrap();
        wire.carrier.closed(wire.now, path);
        while let Some(output) = wire.carrier.poll() {
            if let Output::Tell(input) = output {
                wire.told.push(input);
            }
        }
        let [Input::Link(_, LinkEvent::TimedOut { id }), Input::Link(down, LinkEvent::Down)] =
            &wire.told[..]
        else {
            panic!("{:?}", wire.told);
        };
        assert_eq!((id.0, *down), (5, link));

        wire.carrier.dial(wire.now, wire.contact());
        wire.run();
        assert_ne!(wire.link(), link, "the id of a link came back");
    }

    #[test]
    fn a_relay_that_says_nothing_is_unreachable_after_a_while() {
        let mut wire = Wire::new();
        let mut contact = wire.contact();
        contact.adnl = SecretKey::from_seed([8; 32]).public();
        wire.carrier.dial(wire.now, contact);
        wire.run();
        assert!(wire.told.is_empty());
        wire.later(DIAL_MS);
        wire.run();
        assert!(matches!(wire.told[..], [Input::Unreachable(NODE)]));
        assert!(wire.open.is_empty(), "the socket stays open");
    }

    #[test]
    fn a_relay_without_a_socket_address_or_with_a_bad_key_is_unreachable_at_once() {
        let mut wire = Wire::new();
        let contact = Contact { ws: None, ..wire.contact() };
        wire.carrier.dial(wire.now, contact);
        let contact = Contact { adnl: PublicKey([0; 32]), ..wire.contact() };
        wire.carrier.dial(wire.now, contact);
        wire.run();
        assert!(matches!(wire.told[..], [Input::Unreachable(NODE), Input::Unreachable(NODE)]));
    }

    #[test]
    fn a_link_that_the_node_drops_closes_its_socket_and_is_not_heard_of_again() {
        let (mut wire, link) = connected();
        wire.told.clear();
        wire.carrier.close(wire.now, link);
        wire.run();
        assert!(wire.open.is_empty());
        wire.carrier.query(wire.now, link, QueryId(1), b"?");
        wire.run();
        assert!(matches!(wire.told[..], [Input::Link(_, LinkEvent::TimedOut { id: QueryId(1) })]));
    }

    #[test]
    fn a_second_dial_of_the_same_relay_replaces_the_first() {
        let mut wire = Wire::new();
        wire.carrier.dial(wire.now, wire.contact());
        wire.carrier.dial(wire.now, wire.contact());
        wire.run();
        let ups = wire.told.iter().filter(|i| matches!(i, Input::Link(_, LinkEvent::Up { .. })));
        assert_eq!(ups.count(), 1);
        assert_eq!(wire.open.len(), 1);
    }

    #[test]
    fn a_dial_of_a_relay_that_is_connected_makes_a_new_link_for_the_old_one() {
        let (mut wire, link) = connected();
        wire.told.clear();
        wire.carrier.dial(wire.now, wire.contact());
        wire.run();
        assert!(matches!(wire.told[0], Input::Link(down, LinkEvent::Down) if down == link));
        assert_ne!(wire.link(), link);
        assert_eq!(wire.open.len(), 1);
    }

    #[test]
    fn the_relay_that_is_kept_is_dialled_without_the_node_and_again_whenever_it_is_lost() {
        let mut wire = Wire::new();
        wire.carrier.keep(wire.now, wire.contact());
        wire.run();
        for _ in 0..3 {
            let link = wire.link();
            let path = wire.open.pop().unwrap();
            wire.carrier.closed(wire.now, path);
            wire.run();
            assert!(wire.open.is_empty());
            wire.later(PAUSE_MAX_MS);
            wire.run();
            assert_ne!(wire.link(), link);
        }
        assert_eq!(wire.asked.len(), 4);
    }

    #[test]
    fn the_relay_that_is_kept_is_not_dialled_while_the_node_is_connected_to_it() {
        let (mut wire, _) = connected();
        wire.carrier.keep(wire.now, wire.contact());
        wire.later(PAUSE_MAX_MS);
        wire.run();
        assert_eq!(wire.asked.len(), 1);
    }

    #[test]
    fn garbage_from_a_socket_changes_nothing() {
        let (mut wire, link) = connected();
        wire.told.clear();
        let path = wire.open[0];
        for length in [0, 1, 31, 32, 33, 64, 100, 1_500, 70_000] {
            wire.carrier.datagram(wire.now, path, &vec![0xa5; length]);
        }
        let mut aimed = wire.carrier.endpoint.id().to_vec();
        aimed.extend([1; 200]);
        wire.carrier.datagram(wire.now, path, &aimed);
        wire.run();
        assert!(wire.told.is_empty());
        wire.carrier.query(wire.now, link, QueryId(1), b"still there?");
        wire.run();
        let heard = core::iter::from_fn(|| wire.relay.poll_event())
            .any(|event| matches!(event, Event::Query { .. }));
        assert!(heard);
    }
}
