//! A random world from one seed: who is there, who pays whom, what breaks, and whether the books are right after it.

use std::{collections::BTreeMap, fmt};

use channel::amount::Nano;
use node::{
    config::Tunnel,
    io::{Command, CommandError, RouteHop},
};

use crate::{
    audit::Fates,
    faults::{Faults, Order},
    machine::Plan,
    story::{Payment, ton},
    world::{Id, Tally, World},
};

/// What one run, or many, went through.
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub worlds: u64,
    pub tally: Tally,
    pub fates: Fates,
    pub proposals: u64,
    pub repeated: u64,
    /// Why orders were not taken in.
    pub declined: BTreeMap<&'static str, u64>,
    /// Refusals by reason.
    pub refusals: BTreeMap<String, u64>,
}

/// Runs the world of `seed` to its end. `Err`: what is wrong with its books.
pub fn run(seed: u64, order: Order) -> Result<Run, String> {
    let mut chaos = Chaos::begin(seed, order);
    chaos.rage();
    chaos.end()
}

/// A world that is being shaken.
pub struct Chaos {
    pub world: World,
    /// Pairs that have a channel.
    channels: Vec<(Id, Id)>,
    payments: Vec<Payment>,
    /// Deposits that somebody wanted in a channel with somebody else; the first one is there from the beginning.
    deposits: BTreeMap<(Id, Id), Vec<Nano>>,
}

impl Chaos {
    /// People, channels and deposits.
    pub fn begin(seed: u64, order: Order) -> Self {
        let mut world = World::seeded(seed);
        // One opening in four is shaken too.
        if world.rng.u32(..4) == 0 {
            world.faults = Faults::ROUGH;
        }
        let clocks = if world.rng.bool() { 2_000 } else { 0 };
        let count = world.rng.usize(2..=5);
        let ids: Vec<Id> = (0..count)
            .map(|index| {
                let tunnel = some_tunnel(&mut world.rng);
                let clock_ahead_ms = world.rng.i64(-clocks..=clocks);
                let plan = Plan { tunnel, clock_ahead_ms, ..Plan::user(NAMES[index]) };
                world.add(plan)
            })
            .collect();
        // A tree, and now and then one edge more, so that there may be two ways.
        let mut channels = Vec::new();
        for index in 1..count {
            let other = world.rng.usize(..index);
            channels.push((ids[index], ids[other]));
        }
        if count > 2 && world.rng.bool() {
            let (a, b) = (world.rng.usize(..count), world.rng.usize(..count));
            let known =
                channels.iter().any(|pair| *pair == (ids[a], ids[b]) || *pair == (ids[b], ids[a]));
            if a != b && !known {
                channels.push((ids[a], ids[b]));
            }
        }
        let mut wanted = BTreeMap::new();
        for pair in &mut channels {
            if world.rng.bool() {
                *pair = (pair.1, pair.0);
            }
            let deposits = [ton(world.rng.u128(1..20)), ton(world.rng.u128(0..20))];
            world.open(pair.0, pair.1, deposits[0], deposits[1]);
            wanted.insert((pair.0, pair.1), vec![deposits[0]]);
            wanted.insert((pair.1, pair.0), vec![deposits[1]]);
        }
        world.order = order;
        Self { world, channels, payments: Vec::new(), deposits: wanted }
    }

    /// Payments and accidents.
    pub fn rage(&mut self) {
        self.world.faults = match self.world.rng.u32(..8) {
            0 => Faults::NONE,
            _ => Faults::ROUGH,
        };
        let away = self.somebody_leaves();
        let acts = self.world.rng.u32(6..32);
        for _ in 0..acts {
            match self.world.rng.u32(..16) {
                0..=5 => self.somebody_pays(),
                // Many at once: proposals queue up, and a refused one has others on top of it.
                6 => (0..self.world.rng.u32(2..12)).for_each(|_| self.somebody_pays()),
                7 => self.somebody_insists(),
                8 => self.world.cut_any(),
                9 => {
                    let victim = self.anybody();
                    if Some(victim) != away {
                        self.world.crash(victim);
                    }
                }
                10 if self.world.parted.is_empty() => {
                    let (a, b) =
                        self.world.rng.choice(self.channels.clone()).unwrap_or((Id(0), Id(1)));
                    self.world.part(a, b);
                }
                11 | 12 => self.world.reunite(),
                // Shorter than what any deadline keeps in hand.
                13 => self.somebody_deposits(),
                14 if self.world.rng.u32(..4) == 0 => {
                    let secs = self.world.rng.u64(1..3_600);
                    self.world.sleep(secs);
                }
                _ => {}
            }
            let pause = self.world.rng.u64(..8_000);
            self.world.run_for(pause);
        }
        if away.is_some() {
            // Whoever holds a resolve has time to use it; whoever waits for the one who left waits until it is too
            // late. Without that time the chain would have to help, which it cannot yet.
            let faults = std::mem::replace(&mut self.world.faults, Faults::NONE);
            self.world.reunite();
            self.world.run_for(180_000);
            self.world.sleep(4 * 86_400);
            self.world.faults = faults;
            self.world.run_for(60_000);
        }
    }

    /// Peace, and the books.
    pub fn end(mut self) -> Result<Run, String> {
        self.world.settle()?;
        self.audit_deposits()?;
        let fates = self.world.audit(&self.payments)?;
        let mut declined = BTreeMap::new();
        for machine in &self.world.machines {
            let errors = machine.replies.values().filter_map(|reply| reply.as_ref().err());
            for error in errors {
                *declined.entry(kind(error)).or_default() += 1;
            }
        }
        Ok(Run {
            declined,
            worlds: 1,
            tally: self.world.tally,
            fates,
            proposals: self.world.watchman.proposals,
            repeated: self.world.watchman.repeated,
            refusals: std::mem::take(&mut self.world.watchman.refusals),
        })
    }

    fn anybody(&mut self) -> Id {
        Id(self.world.rng.usize(..self.world.machines.len()))
    }

    /// In one world of four somebody goes away for longer than any deadline. Whoever does that while others still
    /// owe it something can lose it without the chain's help, so it leaves with nothing open.
    fn somebody_leaves(&mut self) -> Option<Id> {
        if self.world.rng.u32(..4) != 0 {
            return None;
        }
        let id = self.anybody();
        self.world.switch_off(id);
        Some(id)
    }

    fn somebody_pays(&mut self) {
        let payer = self.anybody();
        let route = self.some_route(payer);
        if route.is_empty() {
            return;
        }
        let amount = match self.world.rng.u32(..4) {
            0 => Nano(self.world.rng.u128(1..1_000)),
            1 => Nano(self.world.rng.u128(1..ton(12).0)),
            _ => Nano(self.world.rng.u128(1..ton(2).0)),
        };
        let mut payment = self.world.plan_payment(payer, &route, amount);
        if self.world.rng.u32(..12) == 0 {
            cheapen(&mut payment.order.route);
        }
        self.world.tell(payer, Command::Pay(payment.order.clone()));
        self.payments.push(payment);
    }

    /// Puts more into a channel.
    fn somebody_deposits(&mut self) {
        let pairs: Vec<(Id, Id)> = self.deposits.keys().copied().collect();
        let Some((id, peer)) = self.world.rng.choice(pairs) else { return };
        let Some(targets) = self.deposits.get_mut(&(id, peer)) else { return };
        let last = targets.last().copied().unwrap_or_default();
        let deposit = Nano(last.0 + ton(self.world.rng.u128(1..5)).0);
        targets.push(deposit);
        let wallet = self.world.wallet_of(id);
        self.world.faucet(wallet, ton(6));
        let peer = self.world.machine(peer).key;
        self.world.tell(id, Command::OpenChannel { peer, deposit });
    }

    /// Each side has in a channel what it wanted there last, or earlier if its order was lost: never anything else.
    fn audit_deposits(&mut self) -> Result<(), String> {
        for ((id, peer), targets) in self.deposits.clone() {
            let Some(channel) = self.world.channel(id, peer) else { continue };
            if !targets.contains(&channel.deposited) {
                let (name, peer) = (self.world.name(id), self.world.name(peer));
                let found = channel.deposited;
                return Err(format!(
                    "{name} has {found} with {peer}, it wanted one of {targets:?}"
                ));
            }
        }
        Ok(())
    }

    /// Orders a payment again, as somebody does who did not see what became of it.
    fn somebody_insists(&mut self) {
        if let Some(payment) = self.world.rng.choice(self.payments.clone()) {
            self.world.tell(payment.payer, Command::Pay(payment.order));
        }
    }

    /// A way along channels that meets nobody twice.
    fn some_route(&mut self, payer: Id) -> Vec<Id> {
        let length = self.world.rng.usize(1..=4);
        let (mut at, mut route) = (payer, Vec::new());
        for _ in 0..length {
            let next: Vec<Id> = self
                .channels
                .iter()
                .filter_map(|(a, b)| if *a == at { Some(*b) } else { (*b == at).then_some(*a) })
                .filter(|id| *id != payer && !route.contains(id))
                .collect();
            let Some(id) = self.world.rng.choice(next) else { break };
            route.push(id);
            at = id;
        }
        route
    }
}

impl Run {
    pub fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        let (sum, tally) = (&mut self.tally, &other.tally);
        sum.steps += tally.steps;
        sum.inputs += tally.inputs;
        sum.crashes += tally.crashes;
        sum.cuts += tally.cuts;
        sum.timeouts += tally.timeouts;
        sum.restores += tally.restores;
        self.fates.paid += other.fates.paid;
        self.fates.failed += other.fates.failed;
        self.fates.refused += other.fates.refused;
        self.proposals += other.proposals;
        self.repeated += other.repeated;
        for (reason, count) in &other.declined {
            *self.declined.entry(reason).or_default() += count;
        }
        for (reason, count) in &other.refusals {
            *self.refusals.entry(reason.clone()).or_default() += count;
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worlds, tally, fates, proposals, repeated, declined, refusals } = self;
        writeln!(
            f,
            "{worlds} worlds, {} steps of {} inputs, {} crashes, {} cut links, {} queries timed out, {} disks compared",
            tally.steps, tally.inputs, tally.crashes, tally.cuts, tally.timeouts, tally.restores
        )?;
        writeln!(
            f,
            "payments: {} paid, {} failed, {} not taken in; {proposals} proposals, {repeated} of them repeats",
            fates.paid, fates.failed, fates.refused
        )?;
        for (reason, count) in declined {
            writeln!(f, "  declined {count:>6}  {reason}")?;
        }
        for (reason, count) in refusals {
            writeln!(f, "  refused {count:>7}  {reason}")?;
        }
        Ok(())
    }
}

fn some_tunnel(rng: &mut fastrand::Rng) -> Option<Tunnel> {
    let tunnel = Tunnel {
        min_fee: Nano(rng.u128(0..3_000_000)),
        fee_ppm: rng.u32(..10_000),
        max_capacity: ton(rng.u128(5..50)),
    };
    (rng.u32(..8) != 0).then_some(tunnel)
}

fn kind(error: &CommandError) -> &'static str {
    match error {
        CommandError::UnknownPeer { .. } => "unknown peer",
        CommandError::Offline { .. } => "first node is offline",
        CommandError::NoChannel { .. } => "no channel",
        CommandError::InsufficientBalance { .. } => "not enough balance",
        CommandError::CapacityTooSmall { .. } => "capacity too small",
        CommandError::BadRequest { .. } => "bad request",
        CommandError::Duplicate => "another order under this id",
        CommandError::NotFound => "not found",
    }
}

/// A payer who would like to pay less than the relays want.
fn cheapen(hops: &mut [RouteHop]) {
    for hop in hops {
        hop.fee = Nano(hop.fee.0 / 2);
    }
}

const NAMES: [&str; 5] = ["anna", "boris", "clara", "dmitri", "elena"];
