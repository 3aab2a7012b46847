//! A relay between a payer and a payee who are one, know every resolve, and do whatever comes to their mind: promise
//! without a resolve, claim in parts and again, settle over less, take back, refuse, keep silent, keep the lock.
//!
//! The book is kept from outside: every state that the relay has ever signed for the payee is one that it may show
//! on chain, together with every resolve, until each promise in it is dead by the chain's time. The relay is safe
//! when the best of them takes no more than the payer has given and can still be made to give.

use channel::{
    Conditionals, Deadline, Nano, SignedSemi, UpdateProof,
    conditional::Conditional,
    garlic::Hop,
    key::SecretKey,
    propose::Intent,
    resolve::Resolve,
    tl::{Action, ProposeAction, Query},
};

use crate::{
    adversary::{Adversary, Manner},
    machine::Plan,
    story::ton,
    world::{Id, World},
};

pub struct Thieves {
    pub world: World,
    relay: Id,
    payer: Adversary,
    payee: Adversary,
    plots: Vec<Plot>,
    /// What the relay has signed for the payee: sent, and the dictionary.
    shown: Vec<(Nano, Conditionals)>,
    /// Of the proposals that the payee was sent, how many have been looked at, and those that cannot be told yet.
    read: usize,
    unread: Vec<ProposeAction>,
}

/// One virtual channel of theirs.
struct Plot {
    /// Of the virtual key.
    seed: [u8; 32],
    first: Hop,
    /// The last promise.
    out: Hop,
    /// The best resolve that the relay was shown, and whether the payer has paid.
    known: Option<Nano>,
    settled: bool,
}

impl Plot {
    /// What the relay was owed when the payer's promise ended, and would have had from the chain.
    fn owed_at_the_end(&self, now: u32) -> u128 {
        let ended = self.first.deadline.0 < now && !self.settled;
        self.known.filter(|_| ended).map_or(0, |known| known.0 + self.first.fee.0)
    }
}

/// What happened in one run, to see that it was not all refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loot {
    pub promised: u32,
    pub claimed: u32,
    pub settled: u32,
    pub taken_back: u32,
    /// The most that could go out while less had come in for good.
    pub at_risk: Nano,
}

impl Thieves {
    pub fn begin(seed: u64) -> Self {
        let mut world = World::seeded(seed);
        let relay = world.add(Plan::relay("relay"));
        let payer = Adversary::with_channel(&mut world, "payer", relay, DEPOSIT, DEPOSIT);
        let payee = Adversary::with_channel(&mut world, "payee", relay, DEPOSIT, DEPOSIT);
        let shown = vec![(Nano::ZERO, Conditionals::new())];
        Self { world, relay, payer, payee, plots: Vec::new(), shown, read: 0, unread: Vec::new() }
    }

    /// Plays a whole run. `Err`: what the relay can lose, and after which act.
    pub fn run(seed: u64) -> Result<Loot, String> {
        let mut this = Self::begin(seed);
        let (mut loot, mut acts) = (Loot::default(), Vec::new());
        for _ in 0..this.world.rng.u32(8..40) {
            let act = this.act(&mut loot);
            acts.push(format!("{} {act}", this.world.now().seconds()));
            let pause = this.world.rng.u64(..6_000);
            this.wait(pause);
            let loss = this.audit(&mut loot);
            loss.map_err(|loss| format!("seed {seed}: {loss} after {acts:#?}"))?;
        }
        Ok(loot)
    }

    fn act(&mut self, loot: &mut Loot) -> String {
        match self.world.rng.u32(..14) {
            0..=2 => self.promise(loot),
            3..=5 => self.claim(loot),
            6 | 7 => self.settle(loot),
            8 => self.take_back(loot),
            9 => self.give_up(),
            10 | 11 => self.change_manner(),
            12 => {
                self.world.crash(self.relay);
                "the relay dies".into()
            }
            _ => self.pass_time(),
        }
    }

    fn promise(&mut self, loot: &mut Loot) -> String {
        let mut seed = [0; 32];
        self.world.rng.fill(&mut seed);
        let secret = SecretKey::from_seed(seed);
        let capacity = match self.world.rng.u32(..4) {
            0 => Nano(self.world.rng.u128(1..1_000)),
            _ => Nano(self.world.rng.u128(1..ton(4).0)),
        };
        let now = self.world.now().seconds();
        let out = Hop {
            target: self.world.machine(self.payee.id).key,
            capacity,
            fee: Nano::ZERO,
            deadline: Deadline(now + self.world.rng.u32(43_300..70_000)),
        };
        let first = Hop {
            target: self.world.machine(self.relay).key,
            capacity,
            fee: Nano((capacity.0 / 200).max(1_000_000)),
            deadline: out.deadline.plus_secs(54_060 + self.world.rng.u32(..2_000)),
        };
        let hops = [first, out];
        let (conditional, action) = if self.world.rng.u32(..4) == 0 {
            self.payer.orders(&secret, &hops)
        } else {
            self.payer.open_orders(&secret, &hops)
        };
        let done = self.propose(&Intent::Open { conditional, action });
        loot.promised += u32::from(done.is_ok());
        self.plots.push(Plot { seed, first, out, known: None, settled: false });
        format!("promises {capacity}: {done:?}")
    }

    /// A virtual channel of theirs, and an amount for it.
    fn some_plot(&mut self) -> Option<(usize, SecretKey, Nano)> {
        let index = self.world.rng.choice(0..self.plots.len())?;
        let plot = &self.plots[index];
        let capacity = plot.out.capacity;
        let amount = match self.world.rng.u32(..3) {
            0 => capacity,
            1 => Nano(1),
            _ => Nano(self.world.rng.u128(1..=capacity.0)),
        };
        Some((index, SecretKey::from_seed(plot.seed), amount))
    }

    fn claim(&mut self, loot: &mut Loot) -> String {
        let Some((index, secret, amount)) = self.some_plot() else {
            return "nothing to claim".into();
        };
        let state = Resolve::sign(amount, &secret);
        let action = Action::CloseVirtual { key: secret.public(), state };
        self.reach();
        let done = self.payee.request(&mut self.world, action);
        if done.is_ok() {
            loot.claimed += 1;
            let plot = &mut self.plots[index];
            plot.known = plot.known.max(Some(amount));
        }
        format!("claims {amount}: {done:?}")
    }

    /// Over anything, or over what was claimed last.
    fn settle(&mut self, loot: &mut Loot) -> String {
        let Some((mut index, mut secret, mut amount)) = self.some_plot() else {
            return "nothing to settle".into();
        };
        let claimed = self.plots.iter().rposition(|plot| plot.known.is_some() && !plot.settled);
        if let Some(last) = claimed.filter(|_| self.world.rng.bool()) {
            index = last;
            secret = SecretKey::from_seed(self.plots[last].seed);
            amount = self.plots[last].known.unwrap_or(amount);
        }
        let key = secret.public();
        let resolve = Resolve::sign(amount, &secret).verified(&key).expect("our own signature");
        let done = self.propose(&Intent::Close { key, resolve });
        loot.settled += u32::from(done.is_ok());
        self.plots[index].settled |= done.is_ok();
        format!("settles over {amount}: {done:?}")
    }

    fn take_back(&mut self, loot: &mut Loot) -> String {
        let Some((_, secret, _)) = self.some_plot() else { return "nothing to take back".into() };
        let done = self.propose(&Intent::Remove { key: secret.public() });
        loot.taken_back += u32::from(done.is_ok());
        format!("takes back: {done:?}")
    }

    fn give_up(&mut self) -> String {
        let Some((_, secret, _)) = self.some_plot() else { return "nothing to give up".into() };
        self.reach();
        let action = Action::RequestRemoveVirtual { key: secret.public() };
        let done = self.payee.request(&mut self.world, action);
        format!("gives up: {done:?}")
    }

    fn change_manner(&mut self) -> String {
        self.payee.manner = match self.world.rng.u32(..5) {
            0 => Manner::Refuse("no"),
            1 => Manner::RefusePayment("no"),
            2 => Manner::Silent,
            _ => Manner::Agree,
        };
        self.payee.keeps_lock = self.world.rng.u32(..5) == 0;
        format!("{:?}, keeps the lock: {}", self.payee.manner, self.payee.keeps_lock)
    }

    /// Some hours, or to just before or after something ends.
    fn pass_time(&mut self) -> String {
        let now = self.world.now().seconds();
        let ends = self.plots.iter().map(|plot| plot.out.deadline.0).filter(|end| *end > now + 700);
        let ends: Vec<u32> = ends.collect();
        let secs = match self.world.rng.choice(ends) {
            Some(end) if self.world.rng.bool() => end - now + self.world.rng.u32(..900) - 450,
            _ => self.world.rng.u32(1..30_000),
        };
        self.world.sleep(u64::from(secs));
        format!("{secs} s pass")
    }

    /// Proposes until there is an answer: what was signed once is not signed again in another way.
    fn propose(&mut self, intent: &Intent) -> Result<(), String> {
        for _ in 0..8 {
            self.reach();
            let done = self.payer.go(&mut self.world, intent);
            if !done.as_ref().is_err_and(|reason| reason == "(None)") {
                return done;
            }
        }
        Err("no answer".into())
    }

    /// Both are linked to the relay, which is up.
    fn reach(&mut self) {
        while !self.world.machine(self.relay).is_on() {
            self.wait(1_000);
        }
        for thief in [&mut self.payer, &mut self.payee] {
            thief.listen(&mut self.world, 1);
            if thief.link.is_none() {
                thief.dial(&mut self.world);
                thief.authenticate(&mut self.world);
            }
        }
    }

    fn wait(&mut self, ms: u64) {
        let until = self.world.now().plus_ms(ms);
        while self.world.now() < until {
            self.payer.listen(&mut self.world, 250);
            self.payee.listen(&mut self.world, 250);
        }
    }

    fn audit(&mut self, loot: &mut Loot) -> Result<(), String> {
        self.read_states();
        let now = self.world.now().seconds();
        let alive = |dictionary: &Conditionals| {
            let alive = dictionary.iter().filter(|promise| promise.deadline.0 >= now);
            alive.filter_map(|promise| promise.held()).fold(0, |sum, held| sum + held.0)
        };
        let goes = self.shown.iter().map(|(sent, promises)| sent.0 + alive(promises)).max();
        let goes = goes.unwrap_or(0);
        let given = &self.payer.channel().ours;
        let owed = self.plots.iter().map(|plot| plot.owed_at_the_end(now)).sum::<u128>();
        let comes = given.body().sent.0 + alive(&given.conditionals) + owed;
        loot.at_risk = loot.at_risk.max(Nano(goes.saturating_sub(given.body().sent.0)));
        if goes > comes {
            let (goes, comes) = (Nano(goes), Nano(comes));
            return Err(format!("{goes} can go out, {comes} can come in"));
        }
        let shown = self.world.channel(self.relay, self.payee.id).map_or(0, |c| c.balance.0);
        if shown + goes > DEPOSIT.0 {
            let (shown, goes) = (Nano(shown), Nano(goes));
            return Err(format!("{goes} of {DEPOSIT} can go out, {shown} is shown as free"));
        }
        Ok(())
    }

    /// Takes down every state that has reached the payee since the last look, agreed to or not. One may come before
    /// the one on top of which it was made.
    fn read_states(&mut self) {
        for bytes in &self.payee.proposals[self.read..] {
            if let Ok(Query::ProposeAction(proposal)) = Query::from_bytes(bytes) {
                self.unread.push(proposal);
            }
        }
        self.read = self.payee.proposals.len();
        while let Some((at, state)) = self.next_state() {
            self.unread.remove(at);
            if !self.shown.contains(&state) {
                self.shown.push(state);
            }
        }
    }

    /// Where among the unread states there is one whose dictionary can be told, and what it says.
    fn next_state(&self) -> Option<(usize, (Nano, Conditionals))> {
        let told = |proposal: &ProposeAction| {
            let state = SignedSemi::from_cell(&proposal.state).expect("a node signs states");
            let body = state.state.data;
            let known = |promises: &Conditionals| promises.hash() == body.conditionals;
            let dictionaries = || self.shown.iter().map(|(_, promises)| promises);
            let next = dictionaries().find(|promises| known(promises)).cloned().or_else(|| {
                dictionaries().filter_map(|promises| changed(promises, proposal)).find(known)
            })?;
            Some((body.sent, next))
        };
        self.unread.iter().enumerate().find_map(|(at, proposal)| Some((at, told(proposal)?)))
    }
}

/// The dictionary after a proposal that was made on top of this one.
fn changed(before: &Conditionals, proposal: &ProposeAction) -> Option<Conditionals> {
    let mut next = before.clone();
    match &proposal.action {
        Action::OpenVirtual(open) => next.insert(promised(proposal, open)?).ok()?,
        Action::ConfirmClose { key, .. } | Action::RemoveVirtual { key } => {
            next.remove(key)?;
        }
        _ => {}
    }
    Some(next)
}

fn promised(proposal: &ProposeAction, open: &channel::tl::OpenVirtual) -> Option<Conditional> {
    let state = SignedSemi::from_cell(&proposal.state).ok()?;
    let hash = &state.state.data.conditionals;
    UpdateProof::parse(proposal.conditionals.as_ref(), hash).ok()?.get(&open.channel_key).ok()?
}

/// Of each side in both channels.
const DEPOSIT: Nano = Nano(10_000_000_000);
