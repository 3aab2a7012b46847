//! Links between machines, as an ADNL carrier gives them: queries with a time limit, answers, and silence.
//!
//! A carrier sends the datagrams of a query again until the answer is there or the time is up, and the other end
//! hands each query to its node once. So a query comes once, late, or not at all; its answer likewise; and an asker
//! that ran out of time cannot tell which. A broken link says nothing at once: each end finds out in its own time.

use std::collections::BTreeMap;

use node::io::{LinkId, QueryId};

use crate::world::Id;

/// How long a host waits for an answer (protocol.md 4.1), milliseconds.
pub const QUERY_TIMEOUT_MS: u64 = 7_000;
/// How often a carrier sends the datagrams of a query again.
pub const RESEND_MS: u64 = 250;

/// One connection of two machines, by the number it has in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WireId(pub u64);

/// A query on its way, by the number it has in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlightId(pub u64);

/// One end of a wire.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub machine: Id,
    /// The life of the machine that this end belongs to.
    pub life: u32,
    pub link: LinkId,
    /// The machine still believes in this end.
    pub open: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Wire {
    /// The end that dialled comes first.
    pub ends: [End; 2],
    /// The network has cut it: nothing passes any more, not even what is on its way.
    pub cut: bool,
}

/// A query, and what has become of it.
#[derive(Clone, Debug)]
pub struct Flight {
    pub wire: WireId,
    /// Which end of the wire asked.
    pub asker: usize,
    /// The asker's name for it.
    pub id: QueryId,
    pub bytes: Vec<u8>,
    pub answer: Option<Vec<u8>>,
    /// The datagrams of the query, then of the answer, were lost at first: they come only if the sender still lives.
    pub resent: [bool; 2],
    /// The asker has been told an answer, or that there is none.
    pub over: bool,
}

/// All wires and everything on them.
#[derive(Default)]
pub struct Wires {
    count: u64,
    wires: BTreeMap<WireId, Wire>,
    links: BTreeMap<LinkId, (WireId, usize)>,
    flights: BTreeMap<FlightId, Flight>,
    /// The answering side's name of a query.
    asked: BTreeMap<QueryId, FlightId>,
}

impl Wire {
    /// Both machines can talk over it.
    pub fn works(&self) -> bool {
        !self.cut && self.ends.iter().all(|end| end.open)
    }
}

impl Wires {
    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Joins two machines, each in its present life.
    pub fn join(&mut self, machines: [(Id, u32); 2]) -> WireId {
        let id = WireId(self.number());
        let ends = machines.map(|(machine, life)| End {
            machine,
            life,
            link: LinkId(self.number()),
            open: true,
        });
        for (index, end) in ends.iter().enumerate() {
            self.links.insert(end.link, (id, index));
        }
        self.wires.insert(id, Wire { ends, cut: false });
        id
    }

    pub fn get(&self, id: WireId) -> Option<&Wire> {
        self.wires.get(&id)
    }

    /// The wire under a link of a machine, and which end of it that is.
    pub fn of(&self, link: LinkId) -> Option<(WireId, usize)> {
        self.links.get(&link).copied()
    }

    /// Wires that have an end in this machine which it still believes in.
    pub fn at(&self, machine: Id) -> Vec<WireId> {
        let ours = |wire: &Wire| wire.ends.iter().any(|end| end.machine == machine && end.open);
        self.wires.iter().filter(|(_, wire)| ours(wire)).map(|(id, _)| *id).collect()
    }

    pub fn all(&self) -> Vec<WireId> {
        self.wires.keys().copied().collect()
    }

    /// From now on nothing passes. The ends do not know yet.
    pub fn cut(&mut self, id: WireId) {
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.cut = true;
        }
    }

    /// One end is told, or its machine is gone; what it sent before still arrives. Returns the end if it was open.
    pub fn close(&mut self, id: WireId, index: usize) -> Option<End> {
        let wire = self.wires.get_mut(&id)?;
        let end = &mut wire.ends[index];
        let told = std::mem::replace(&mut end.open, false).then_some(*end);
        if wire.ends.iter().all(|end| !end.open) {
            self.wires.remove(&id);
            self.flights.retain(|_, flight| flight.wire != id);
        }
        told
    }

    /// A query leaves an end.
    pub fn ask(&mut self, wire: WireId, asker: usize, id: QueryId, bytes: Vec<u8>) -> FlightId {
        let flight = FlightId(self.number());
        let query =
            Flight { wire, asker, id, bytes, answer: None, resent: [false; 2], over: false };
        self.flights.insert(flight, query);
        flight
    }

    pub fn flight(&mut self, id: FlightId) -> Option<&mut Flight> {
        self.flights.get_mut(&id)
    }

    /// A query reaches the other end: the name under which its host hands it over.
    pub fn arrive(&mut self, id: FlightId) -> QueryId {
        let name = QueryId(self.number());
        self.asked.insert(name, id);
        name
    }

    /// The other end answers a query: once, and only one that it was asked.
    pub fn answered(&mut self, name: QueryId) -> Option<FlightId> {
        self.asked.remove(&name)
    }

    /// Forgets a flight of which the asker has heard the last.
    pub fn land(&mut self, id: FlightId) {
        self.flights.remove(&id);
    }
}
