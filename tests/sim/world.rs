//! The world: machines on virtual time, and the one place where a step is committed and performed.
//!
//! A host of this world does what [`node::drive`] does: takes what waits, lets the node handle it, merges the steps,
//! commits once, then performs. A machine can die before the commit, after it, and between any two effects.

use channel::{amount::Time, contract::Address};
use node::{
    config::Codes,
    invitation::Contact,
    io::{Effect, Input, QueryId, Source, Step},
    node::Node,
};

use crate::{
    chain::Chain,
    faults::{Faults, Order},
    machine::{Body, Machine, Moment, Plan, Trap},
    queue::Queue,
    watch::Watchman,
    wire::{FlightId, WireId, Wires},
};

/// A machine of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub usize);

/// What can happen next.
pub(crate) enum Happening {
    /// A host has input for its node.
    Ready(Id),
    /// A node wanted to be woken.
    Wake {
        machine: Id,
        life: u32,
        due: u64,
    },
    Start(Id),
    QueryArrives(FlightId),
    AnswerArrives(FlightId),
    TimesOut(FlightId),
    /// An end of a wire finds out that it is broken.
    Down {
        wire: WireId,
        end: usize,
    },
    Dialled {
        from: Id,
        life: u32,
        contact: Contact,
    },
    Submitted(Vec<u8>),
    Block,
    /// A host looks at an account: because it changed, or because it looks now and then.
    Polled {
        machine: Id,
        life: u32,
        address: Address,
        again: bool,
    },
}

/// Whether a world tells what happens in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    Off,
    Print,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub steps: u64,
    pub inputs: u64,
    pub crashes: u64,
    pub cuts: u64,
    pub timeouts: u64,
    pub restores: u64,
}

pub struct World {
    pub seed: u64,
    pub rng: fastrand::Rng,
    pub(crate) queue: Queue<Happening>,
    pub(crate) machines: Vec<Machine>,
    pub(crate) wires: Wires,
    pub chain: Chain,
    pub codes: Codes,
    pub faults: Faults,
    pub order: Order,
    pub tally: Tally,
    /// Sees everything that crosses a wire and holds it against the money rules.
    pub watchman: Watchman,
    /// Pairs of machines that cannot reach each other.
    pub(crate) parted: Vec<(Id, Id)>,
    pub(crate) requests: u64,
    pub(crate) block_due: bool,
    /// Every so many steps a machine's disk is restored beside it and compared.
    pub check_every: u64,
    pub trace: Trace,
}

impl World {
    /// An empty world. The same seed gives the same history.
    pub fn seeded(seed: u64) -> Self {
        let codes = Codes::built_in().expect("the contracts of this repository are cells");
        Self {
            seed,
            rng: fastrand::Rng::with_seed(seed),
            queue: Queue::starting(Time(START_MS)),
            machines: Vec::new(),
            wires: Wires::default(),
            chain: Chain::rules(&codes),
            codes,
            faults: Faults::NONE,
            order: Order::CommitFirst,
            tally: Tally::default(),
            watchman: Watchman::default(),
            parted: Vec::new(),
            requests: 0,
            block_due: false,
            check_every: 48,
            trace: Trace::Off,
        }
    }

    /// As [`World::seeded`], on a chain that runs the contracts' real code.
    pub fn on_devnet(seed: u64) -> Self {
        let mut world = Self::seeded(seed);
        world.chain = Chain::devnet(&world.codes, world.now().seconds());
        world
    }

    pub fn now(&self) -> Time {
        self.queue.now()
    }

    /// What the clock of a machine shows.
    pub fn clock(&self, id: Id) -> Time {
        Time(self.now().0.saturating_add_signed(self.machine(id).plan.clock_ahead_ms))
    }

    /// Adds a machine and switches it on.
    pub fn add(&mut self, plan: Plan) -> Id {
        let id = self.add_puppet(plan);
        self.machines[id.0].body = Body::Off;
        self.start(id);
        id
    }

    /// Adds a machine that a story moves by hand.
    pub fn add_puppet(&mut self, plan: Plan) -> Id {
        let id = Id(self.machines.len());
        let mut seed = [0; 32];
        self.rng.fill(&mut seed);
        let mut machine = Machine::new(plan, seed);
        machine.body = Body::Puppet(Vec::new());
        self.machines.push(machine);
        id
    }

    pub fn machine(&self, id: Id) -> &Machine {
        &self.machines[id.0]
    }

    /// Its owner decides something else; read at the next start.
    pub fn change(&mut self, id: Id, change: impl FnOnce(&mut Plan)) {
        change(&mut self.machine_mut(id).plan);
    }

    /// From now on its links seem to come from there.
    pub fn comes_from(&mut self, id: Id, source: Source) {
        self.machine_mut(id).source = source;
    }

    /// Its owner writes another quarantine into the config, and starts it again.
    pub fn wants_quarantine(&mut self, id: Id, secs: Option<u32>) {
        self.kill(id);
        self.machine_mut(id).plan.quarantine_secs = secs;
        self.start(id);
    }

    pub(crate) fn machine_mut(&mut self, id: Id) -> &mut Machine {
        &mut self.machines[id.0]
    }

    pub fn ids(&self) -> impl Iterator<Item = Id> + use<> {
        (0..self.machines.len()).map(Id)
    }

    pub(crate) fn chance(&mut self, in_a_million: u32) -> bool {
        in_a_million > 0 && self.rng.u32(..1_000_000) < in_a_million
    }

    // ---- time -------------------------------------------------------------------------------------------------

    /// Lets the world run for `ms` milliseconds.
    pub fn run_for(&mut self, ms: u64) {
        let until = self.now().plus_ms(ms);
        while let Some(happening) = self.queue.next(until) {
            self.happen(happening);
        }
    }

    /// Runs until `done` says so, at most for `ms` milliseconds. Tells whether it did.
    pub fn run_until(&mut self, ms: u64, mut done: impl FnMut(&Self) -> bool) -> bool {
        let until = self.now().plus_ms(ms);
        while !done(self) {
            let Some(happening) = self.queue.next(until) else { return done(self) };
            self.happen(happening);
        }
        true
    }

    /// Everybody sleeps for a long time: links break, timers come late.
    pub fn sleep(&mut self, secs: u64) {
        for wire in self.wires.all() {
            self.cut(wire);
        }
        self.queue.sleep(secs * 1000);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Ready(id) => {
                let inputs = std::mem::take(&mut self.machine_mut(id).inbox);
                self.take(id, inputs);
            }
            Happening::Wake { machine, life, due } => {
                let sleeper = self.machine_mut(machine);
                if sleeper.life == life && sleeper.wake == Some(due) {
                    sleeper.wake = None;
                    self.feed(machine, Input::Wake);
                }
            }
            Happening::Start(id) => {
                let machine = self.machine(id);
                if !machine.is_on() && !machine.away {
                    self.start(id);
                }
            }
            Happening::QueryArrives(flight) => self.query_arrives(flight),
            Happening::AnswerArrives(flight) => self.answer_arrives(flight),
            Happening::TimesOut(flight) => self.times_out(flight),
            Happening::Down { wire, end } => self.goes_down(wire, end),
            Happening::Dialled { from, life, contact } => self.dialled(from, life, &contact),
            Happening::Submitted(boc) => self.submitted(boc),
            Happening::Block => self.block(),
            Happening::Polled { machine, life, address, again } => {
                self.polled(machine, life, address, again);
            }
        }
    }

    // ---- one machine ------------------------------------------------------------------------------------------

    /// Switches a machine on: its node comes back from its disk.
    pub fn start(&mut self, id: Id) {
        let mut entropy = [0; 32];
        self.rng.fill(&mut entropy);
        let now = self.clock(id);
        let machine = &mut self.machines[id.0];
        machine.life += 1;
        machine.away = false;
        machine.shown.clear();
        let records = machine.records();
        match Node::restore(machine.config(&self.codes), entropy, now, records) {
            Ok((node, step)) => {
                machine.body = Body::Node(Box::new(node));
                self.conclude(id, step);
            }
            Err(corrupt) => panic!("seed {}: {} cannot start: {corrupt}", self.seed, self.name(id)),
        }
    }

    /// The machine dies: what is not on its disk is gone, and its links with it.
    pub fn kill(&mut self, id: Id) {
        let machine = self.machine_mut(id);
        if !machine.is_on() {
            return;
        }
        machine.body = Body::Off;
        machine.inbox.clear();
        machine.recalled.clear();
        machine.watched.clear();
        machine.wake = None;
        machine.trap = None;
        for wire in self.wires.at(id) {
            self.leave(wire, id);
        }
    }

    /// From now on a story moves this machine by hand, with the keys that it has.
    pub fn possess(&mut self, id: Id) {
        self.kill(id);
        let machine = self.machine_mut(id);
        machine.life += 1;
        machine.body = Body::Puppet(Vec::new());
    }

    /// Dies, and starts again by itself a little later.
    pub(crate) fn crash(&mut self, id: Id) {
        self.tally.crashes += 1;
        self.note(|world| format!("{} dies", world.name(id)));
        self.kill(id);
        let pause = self.rng.u64(50..20_000);
        self.queue.after(pause, Happening::Start(id));
    }

    /// Switches off for good, until a story starts it again.
    pub fn switch_off(&mut self, id: Id) {
        self.kill(id);
        self.machine_mut(id).away = true;
    }

    /// The machine dies at the next effect like this one. What it does then is up to the story.
    pub fn crash_when(&mut self, id: Id, moment: Moment, when: impl Fn(&Effect) -> bool + 'static) {
        self.machine_mut(id).trap = Some(Trap { moment, when: Box::new(when) });
    }

    /// Hands an input to a machine's host; the node takes it with whatever else waits by then.
    pub(crate) fn feed(&mut self, id: Id, input: Input) {
        let machine = self.machine_mut(id);
        let first = machine.inbox.is_empty();
        match (&mut machine.body, input) {
            (Body::Off, _) => {}
            (Body::Puppet(heard), Input::Link(link, event)) => heard.push((link, event)),
            (Body::Puppet(_), _) => {}
            (Body::Node(_), input) => {
                machine.inbox.push(input);
                if first {
                    let pause = self.rng.u64(0..=self.faults.busy_ms);
                    self.queue.after(pause, Happening::Ready(id));
                }
            }
        }
    }

    /// A batch of inputs, one commit, then the effects.
    pub(crate) fn take(&mut self, id: Id, inputs: Vec<Input>) {
        let now = self.clock(id);
        let Body::Node(node) = &mut self.machines[id.0].body else { return };
        let mut step: Option<Step> = None;
        for input in inputs {
            self.tally.inputs += 1;
            let next = node.handle(now, input);
            match &mut step {
                Some(step) => step.merge(next),
                None => step = Some(next),
            }
        }
        if let Some(step) = step {
            self.conclude(id, step);
        }
    }

    fn conclude(&mut self, id: Id, step: Step) {
        self.tally.steps += 1;
        let wake = step.wake;
        let writes = step.writes().clone();
        let effects = step.committed();
        let trap = self.trapped(id, &effects);

        let lived = match self.order {
            Order::CommitFirst => {
                self.survives(id, trap, Moment::BeforeCommit)
                    && self.commit(id, writes)
                    && self.survives(id, trap, Moment::AfterCommit)
                    && self.perform_all(id, effects, trap)
            }
            Order::EffectsFirst => {
                self.perform_all(id, effects, trap)
                    && self.survives(id, trap, Moment::BeforeCommit)
                    && self.commit(id, writes)
                    && self.survives(id, trap, Moment::AfterCommit)
            }
        };
        if !lived {
            return;
        }
        self.wake_at(id, wake);
        let recalled = std::mem::take(&mut self.machine_mut(id).recalled);
        if !recalled.is_empty() {
            return self.take(id, recalled);
        }
        if self.check_every > 0 && self.tally.steps.is_multiple_of(self.check_every) {
            self.check_disk(id);
        }
    }

    fn trapped(&mut self, id: Id, effects: &[Effect]) -> Option<(Moment, usize)> {
        let trap = self.machine(id).trap.as_ref()?;
        let index = effects.iter().position(|effect| (trap.when)(effect))?;
        Some((trap.moment, index))
    }

    /// Asks fate whether the machine gets past this moment.
    fn survives(&mut self, id: Id, trap: Option<(Moment, usize)>, moment: Moment) -> bool {
        let chance = match moment {
            Moment::BeforeCommit => self.faults.crash_before_commit,
            Moment::AfterCommit => self.faults.crash_after_commit,
            Moment::AfterEffect => self.faults.crash_between_effects,
        };
        if trap.is_some_and(|(at, _)| at == moment) {
            self.note(|world| format!("{} is made to die", world.name(id)));
            self.tally.crashes += 1;
            self.switch_off(id);
            return false;
        }
        if self.chance(chance) {
            self.crash(id);
            return false;
        }
        true
    }

    fn commit(&mut self, id: Id, writes: node::io::Writes) -> bool {
        let disk = &mut self.machine_mut(id).disk;
        for (key, value) in writes {
            match value {
                Some(value) => disk.insert(key, value),
                None => disk.remove(&key),
            };
        }
        true
    }

    fn perform_all(&mut self, id: Id, effects: Vec<Effect>, trap: Option<(Moment, usize)>) -> bool {
        for (index, effect) in effects.into_iter().enumerate() {
            if index > 0 && !self.survives(id, None, Moment::AfterEffect) {
                return false;
            }
            self.perform(id, effect);
            let last = trap.is_some_and(|(at, last)| at == Moment::AfterEffect && index == last);
            if last && !self.survives(id, trap, Moment::AfterEffect) {
                return false;
            }
        }
        true
    }

    fn wake_at(&mut self, id: Id, wake: Option<Time>) {
        let now = self.now();
        let ahead = self.machine(id).plan.clock_ahead_ms;
        let due = wake.map(|wake| wake.0.saturating_add_signed(-ahead).max(now.0 + 1));
        let machine = self.machine_mut(id);
        if machine.wake == due {
            return;
        }
        machine.wake = due;
        let life = machine.life;
        if let Some(due) = due {
            // A host's timer comes late, never early.
            let late = self.rng.u64(0..20);
            self.queue.at(Time(due + late), Happening::Wake { machine: id, life, due });
        }
    }

    pub fn name(&self, id: Id) -> &'static str {
        self.machine(id).plan.name
    }

    pub(crate) fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace == Trace::Print {
            let at = self.now().0 - START_MS;
            println!("{:>9}.{:03} {}", at / 1000, at % 1000, line(self));
        }
    }

    pub fn find(&self, key: &channel::key::PublicKey) -> Option<Id> {
        self.ids().find(|id| self.machine(*id).key == *key)
    }

    pub(crate) fn next_query(&mut self) -> QueryId {
        self.requests += 1;
        QueryId(self.requests)
    }
}

/// When every world begins: a Tuesday in 2026.
pub const START_MS: u64 = 1_790_000_000_000;
