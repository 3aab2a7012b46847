//! What hosts do for their nodes: carry queries and answers, dial, watch the chain.

use channel::contract::Address;
use node::{
    invitation::Contact,
    io::{AccountView, ChainView, Effect, Input, LinkEvent, QueryId},
};

use crate::{
    chain::Chain,
    machine::Body,
    talk::Talk,
    wire::{FlightId, QUERY_TIMEOUT_MS, RESEND_MS, WireId},
    world::{Happening, Id, World},
};

impl World {
    pub(crate) fn perform(&mut self, id: Id, effect: Effect) {
        match effect {
            Effect::Query { link, id: query, bytes } => self.ask(id, link, query, bytes),
            Effect::Answer { link: _, id: query, bytes } => self.answer(id, query, bytes),
            Effect::Dial(contact) => {
                let pause = self.rng.u64(10..500);
                let life = self.machine(id).life;
                self.queue.after(pause, Happening::Dialled { from: id, life, contact });
            }
            Effect::Close(link) => {
                if let Some((wire, _)) = self.wires.of(link) {
                    self.leave(wire, id);
                }
            }
            Effect::Submit(boc) => {
                if !self.chance(self.faults.external_lost) {
                    let pause = self.rng.u64(50..1_500);
                    self.queue.after(pause, Happening::Submitted(boc));
                }
            }
            Effect::Watch(address) => {
                let fresh = self.machine_mut(id).watched.insert(address);
                self.machine_mut(id).shown.remove(&address);
                self.poll(id, address, fresh);
            }
            Effect::Recall(key) => {
                let value = self.machine(id).disk.get(&key).cloned();
                self.machine_mut(id).recalled.push(Input::Recalled { key, value });
            }
            Effect::Unwatch(address) => drop(self.machine_mut(id).watched.remove(&address)),
            Effect::Reply(request, reply) => {
                self.machine_mut(id).replies.insert(request, reply);
            }
            Effect::Notify(event) => self.machine_mut(id).told.push(event),
        }
    }

    // ---- links ------------------------------------------------------------------------------------------------

    /// How long a datagram and its repetitions take, and whether it took repetitions.
    fn travel(&mut self) -> (u64, bool) {
        if self.chance(self.faults.stall) {
            // A datagram that was sent in the last moment and stood in a queue on its way.
            return (QUERY_TIMEOUT_MS + self.rng.u64(..4_000), true);
        }
        let mut ms = self.rng.u64(1..=self.faults.latency_ms);
        let mut resent = false;
        while self.chance(self.faults.datagram_lost) {
            ms += RESEND_MS;
            resent = true;
        }
        (ms, resent)
    }

    /// A query leaves a machine.
    pub(crate) fn ask(&mut self, from: Id, link: node::io::LinkId, id: QueryId, bytes: Vec<u8>) {
        let Some((wire, end)) = self.wires.of(link) else { return };
        let Some(to) = self.wires.get(wire).map(|wire| wire.ends[1 - end].machine) else { return };
        self.note(|world| {
            let (from, to) = (world.name(from), world.name(to));
            format!("{from} -> {to} {id:?} {:?} ({} bytes)", Talk::of(&bytes), bytes.len())
        });
        self.saw_query(from, to, &bytes);
        let flight = self.wires.ask(wire, end, id, bytes);
        self.queue.after(QUERY_TIMEOUT_MS, Happening::TimesOut(flight));
        let (travel, resent) = self.travel();
        if let Some(flight) = self.wires.flight(flight) {
            flight.resent[0] = resent;
        }
        self.queue.after(travel, Happening::QueryArrives(flight));
        if self.chance(self.faults.cut) {
            let pause = self.rng.u64(..self.faults.latency_ms);
            // Breaks while the query is on its way, or just behind it.
            self.queue.after(pause, Happening::Down { wire, end: self.rng.usize(..2) });
        }
    }

    pub(crate) fn query_arrives(&mut self, id: FlightId) {
        let Some(flight) = self.wires.flight(id) else { return };
        let (wire, asker, bytes) = (flight.wire, flight.asker, flight.bytes.clone());
        let lost = flight.resent[0];
        let Some(wire) = self.wires.get(wire) else { return };
        let end = wire.ends[1 - asker];
        if wire.cut || !end.open || lost && !wire.ends[asker].open {
            return;
        }
        let name = self.wires.arrive(id);
        let event = LinkEvent::Query { id: name, bytes };
        self.feed(end.machine, Input::Link(end.link, event));
    }

    /// An answer leaves a machine.
    pub(crate) fn answer(&mut self, from: Id, name: QueryId, bytes: Vec<u8>) {
        let Some(id) = self.wires.answered(name) else { return };
        let Some(flight) = self.wires.flight(id) else { return };
        let (wire, asker, query) = (flight.wire, flight.asker, flight.bytes.clone());
        flight.answer = Some(bytes.clone());
        let Some(wire) = self.wires.get(wire) else { return };
        let to = wire.ends[asker].machine;
        self.note(|world| {
            let (from, to) = (world.name(from), world.name(to));
            let reason = crate::talk::reason(&bytes).unwrap_or_default();
            format!("{from} => {to} answers {:?} {reason}", Talk::of(&query))
        });
        self.saw_answer(from, to, &query, &bytes);
        let (travel, resent) = self.travel();
        if let Some(flight) = self.wires.flight(id) {
            flight.resent[1] = resent;
        }
        self.queue.after(travel, Happening::AnswerArrives(id));
        if self.chance(self.faults.cut) {
            let pause = self.rng.u64(..self.faults.latency_ms);
            let wire = self.wires.flight(id).map(|flight| flight.wire);
            if let Some(wire) = wire {
                self.queue.after(pause, Happening::Down { wire, end: self.rng.usize(..2) });
            }
        }
    }

    pub(crate) fn answer_arrives(&mut self, id: FlightId) {
        let Some(flight) = self.wires.flight(id) else { return };
        let Some(bytes) = flight.answer.clone().filter(|_| !flight.over) else { return };
        let (wire, asker, name) = (flight.wire, flight.asker, flight.id);
        let lost = flight.resent[1];
        let Some(wire) = self.wires.get(wire) else { return };
        let end = wire.ends[asker];
        if wire.cut || !end.open || lost && !wire.ends[1 - asker].open {
            return;
        }
        self.note(|world| format!("{} hears the answer of {name:?}", world.name(end.machine)));
        self.wires.land(id);
        let event = LinkEvent::Answer { id: name, bytes };
        self.feed(end.machine, Input::Link(end.link, event));
    }

    pub(crate) fn times_out(&mut self, id: FlightId) {
        let Some(flight) = self.wires.flight(id) else { return };
        flight.over = true;
        let (wire, asker, name) = (flight.wire, flight.asker, flight.id);
        let Some(wire) = self.wires.get(wire) else { return };
        let end = wire.ends[asker];
        if end.open {
            self.tally.timeouts += 1;
            self.feed(end.machine, Input::Link(end.link, LinkEvent::TimedOut { id: name }));
        }
    }

    /// Breaks a wire; both ends find out later, each in its own time.
    pub fn cut(&mut self, wire: WireId) {
        let Some(open) = self.wires.get(wire).filter(|wire| wire.works()) else { return };
        let ends = open.ends;
        self.tally.cuts += 1;
        self.wires.cut(wire);
        for (index, end) in ends.iter().enumerate() {
            if end.open {
                let pause = self.rng.u64(0..12_000);
                self.queue.after(pause, Happening::Down { wire, end: index });
            }
        }
    }

    /// One machine lets go of a wire; the other end finds out later.
    pub(crate) fn leave(&mut self, wire: WireId, id: Id) {
        let Some(open) = self.wires.get(wire) else { return };
        let Some(ours) = open.ends.iter().position(|end| end.machine == id) else { return };
        let _ = self.wires.close(wire, ours);
        let pause = self.rng.u64(0..12_000);
        self.queue.after(pause, Happening::Down { wire, end: 1 - ours });
    }

    pub(crate) fn goes_down(&mut self, wire: WireId, index: usize) {
        let Some(open) = self.wires.get(wire) else { return };
        if open.works() {
            self.cut(wire);
        }
        if let Some(end) = self.wires.close(wire, index) {
            self.feed(end.machine, Input::Link(end.link, LinkEvent::Down));
        }
    }

    pub(crate) fn dialled(&mut self, from: Id, life: u32, contact: &Contact) {
        if self.machine(from).life != life || !self.machine(from).is_on() {
            return;
        }
        let target = self.ids().find(|id| self.machine(*id).adnl == contact.adnl);
        let parted =
            |to: Id| self.parted.contains(&(from, to)) || self.parted.contains(&(to, from));
        let reached = target.filter(|to| self.machine(*to).is_on() && !parted(*to));
        let fails = self.chance(self.faults.dial_fails);
        let Some(to) = reached.filter(|_| !fails) else {
            self.feed(from, Input::Unreachable(contact.node));
            return;
        };
        // One ADNL endpoint knows a peer once: what it still held of an earlier link with it is over.
        for old in self.wires.at(to) {
            let dead = self.wires.get(old).is_some_and(|wire| {
                !wire.works() && wire.ends.iter().any(|end| end.machine == from)
            });
            if dead {
                for end in 0..2 {
                    if self.wires.get(old).is_some_and(|wire| wire.ends[end].machine == to) {
                        self.goes_down(old, end);
                    }
                }
            }
        }
        let wire = self.wires.join([(from, life), (to, self.machine(to).life)]);
        let Some(ends) = self.wires.get(wire).map(|wire| wire.ends) else { return };
        let ids = [self.machine(from).adnl_id(), self.machine(to).adnl_id()];
        self.note(|world| format!("{} and {} are linked", world.name(from), world.name(to)));
        for (index, end) in ends.iter().enumerate() {
            let dialled = (index == 0).then_some(contact.node);
            let source = self.machine(ends[1 - index].machine).source;
            let up = LinkEvent::Up { ours: ids[index], theirs: ids[1 - index], dialled, source };
            self.feed(end.machine, Input::Link(end.link, up));
        }
    }

    // ---- chain ------------------------------------------------------------------------------------------------

    pub(crate) fn submitted(&mut self, boc: Vec<u8>) {
        let now = self.now().seconds();
        if let Some(refusal) = self.chain.submit(boc, now) {
            self.note(|_| format!("chain: {refusal}"));
        }
        self.expect_block();
    }

    pub(crate) fn expect_block(&mut self) {
        if !self.block_due {
            self.block_due = true;
            let pause = self.rng.u64(1_000..5_000);
            self.queue.after(pause, Happening::Block);
        }
    }

    pub(crate) fn block(&mut self) {
        self.block_due = false;
        let now = self.now().seconds();
        let (changed, said) = self.chain.block(now);
        for line in said {
            self.note(|_| format!("chain: {line}"));
        }
        for address in changed {
            for id in self.ids() {
                if self.machine(id).watched.contains(&address) {
                    self.poll(id, address, false);
                }
            }
        }
        if self.chain.is_busy() {
            self.expect_block();
        }
    }

    /// A host looks at a watched account, after the time that this takes.
    fn poll(&mut self, machine: Id, address: Address, again: bool) {
        let life = self.machine(machine).life;
        let pause = self.rng.u64(100..3_000);
        self.queue.after(pause, Happening::Polled { machine, life, address, again });
    }

    pub(crate) fn polled(&mut self, machine: Id, life: u32, address: Address, again: bool) {
        let watched = self.machine(machine).watched.contains(&address);
        if self.machine(machine).life != life || !self.machine(machine).is_on() || !watched {
            return;
        }
        let view = self.chain.view(address, self.now().seconds());
        let shown = match &view.account {
            AccountView::Inactive { balance } => (*balance, None),
            AccountView::Active { balance, data, .. } => {
                (*balance, Some(channel::cell::hash(data)))
            }
        };
        let before = self.machine_mut(machine).shown.insert(address, shown);
        let input = if before == Some(shown) {
            Input::Unchanged { address, block: view.block, time: view.time }
        } else {
            Input::Chain(view)
        };
        self.feed(machine, input);
        if again {
            let pause = self.rng.u64(30_000..60_000);
            let look = Happening::Polled { machine, life, address, again };
            self.queue.after(pause, look);
        }
    }

    /// Coins from the faucet.
    pub fn faucet(&mut self, address: Address, amount: channel::amount::Nano) {
        self.chain.faucet(address, amount);
        self.expect_block();
    }

    /// Somebody starts to close a channel without its other side; only where rules are enough.
    pub fn dispute(&mut self, address: Address) {
        let now = self.now().seconds();
        self.chain.dispute(address, now);
        self.expect_block();
    }

    /// From now on the clock of a machine is ahead of the world's by this much.
    pub fn set_clock(&mut self, id: Id, ahead_ms: i64) {
        self.machine_mut(id).plan.clock_ahead_ms = ahead_ms;
        self.feed(id, Input::Wake);
    }

    /// The chain throws back the next top-ups; only where rules are enough.
    pub fn bounce_deposits(&mut self, count: u32) {
        if let Chain::Rules(ledger) = &mut self.chain {
            ledger.bouncing = count;
        }
    }

    /// The chain takes no message from outside for a while; only where rules are enough.
    pub fn stop_chain_for(&mut self, secs: u32) {
        let until = self.now().seconds() + secs;
        if let Chain::Rules(ledger) = &mut self.chain {
            ledger.deaf_until = until;
        }
    }

    /// Puts something that is no channel into a channel's contract; only where rules are enough.
    pub fn garble(&mut self, address: Address) {
        self.chain.garble(address);
        self.expect_block();
    }

    /// Has a machine's host prove this of an account, whatever the chain says.
    pub fn show(&mut self, id: Id, view: ChainView) {
        self.machine_mut(id).shown.remove(&view.address);
        self.feed(id, Input::Chain(view));
    }

    /// What a puppet has heard since it was asked last.
    pub fn heard(&mut self, id: Id) -> Vec<(node::io::LinkId, LinkEvent)> {
        match &mut self.machine_mut(id).body {
            Body::Puppet(heard) => std::mem::take(heard),
            Body::Node(_) | Body::Off => Vec::new(),
        }
    }
}
