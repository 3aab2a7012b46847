//! The books: what must hold whenever a world has settled, and what must hold at every machine at any time.
//!
//! The law of money: nobody's node invents a coin or loses one. What the contracts hold is what both sides see; what
//! one side gains the other loses; a payment happened at all of its nodes or at none; a relay got its fee and never
//! less than it paid.

use channel::amount::Nano;
use node::{
    io::{Command, Effect, Input, Reply, RequestId},
    node::Node,
    summary::{PaymentState, Snapshot},
};

use crate::{
    chain::Chain,
    faults::Faults,
    story::{Payment, WHILE_MS, milli},
    world::{Id, World},
};

/// What became of the payments of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    pub paid: u64,
    pub failed: u64,
    /// The order never reached the payer's disk, or its node would not have it.
    pub refused: u64,
}

impl World {
    /// Faults end, everybody is there, and the world runs until nothing is open any more; deadlines pass if they must.
    pub fn settle(&mut self) -> Result<(), String> {
        self.faults = Faults::NONE;
        self.reunite();
        for id in self.ids() {
            if !self.machine(id).is_on() {
                self.start(id);
            }
        }
        if self.run_until_calm(5 * WHILE_MS, Self::is_settled) {
            return Ok(());
        }
        for _ in 0..3 {
            // Longer than any deadline that a route of this world has.
            self.sleep(4 * 86_400);
            if self.run_until_calm(5 * WHILE_MS, Self::is_settled) {
                return Ok(());
            }
        }
        Err(self.unsettled())
    }

    /// Nothing is promised, and each side of each channel says the same.
    pub fn is_settled(&mut self) -> bool {
        self.channel_troubles().is_empty()
            && self.payment_troubles().is_empty()
            && self.deposit_troubles().is_empty()
    }

    fn unsettled(&mut self) -> String {
        let mut troubles = self.channel_troubles();
        troubles.extend(self.payment_troubles());
        troubles.extend(self.deposit_troubles());
        format!("does not settle: {}", troubles.join("; "))
    }

    fn payment_troubles(&mut self) -> Vec<String> {
        let mut troubles = Vec::new();
        for id in self.ids() {
            let Some(snapshot) = self.snapshot(id) else { continue };
            for payment in &snapshot.payments {
                let open = match payment.state {
                    PaymentState::Reserved | PaymentState::Locked | PaymentState::Sent => true,
                    PaymentState::Settled | PaymentState::Returning | PaymentState::Failed => false,
                };
                if open {
                    let (name, state) = (self.name(id), payment.state);
                    troubles
                        .push(format!("a payment of {name} over {} is {state:?}", payment.amount));
                }
            }
        }
        troubles
    }

    /// Where the two sides of a channel differ, or money is not free.
    pub fn channel_troubles(&mut self) -> Vec<String> {
        let snapshots: Vec<(Id, Option<Snapshot>)> =
            self.ids().map(|id| (id, self.snapshot(id))).collect();
        let mut troubles = Vec::new();
        for (id, snapshot) in &snapshots {
            let Some(snapshot) = snapshot else { continue };
            for ours in &snapshot.channels {
                let peer = self.find(&ours.peer);
                let theirs = peer.and_then(|peer| snapshots[peer.0].1.as_ref()).and_then(|peer| {
                    peer.channels.iter().find(|theirs| theirs.address == ours.address)
                });
                let name =
                    format!("{} with {}", self.name(*id), peer.map_or("?", |p| self.name(p)));
                let Some(theirs) = theirs else {
                    troubles.push(format!("{name}: the other side knows no such channel"));
                    continue;
                };
                let mirrored = ours.balance == theirs.their_balance
                    && ours.deposited == theirs.their_deposited
                    && ours.sent == theirs.their_sent
                    && ours.seqno == theirs.their_seqno
                    && ours.conditionals == theirs.their_conditionals
                    && ours.phase == theirs.phase;
                if !mirrored {
                    troubles.push(format!("{name}: {ours:?} is not the mirror of {theirs:?}"));
                }
                if ours.conditionals > 0 || ours.locked > Nano::ZERO {
                    let (count, locked) = (ours.conditionals, ours.locked);
                    troubles.push(format!("{name}: {count} conditionals, {locked} locked"));
                }
            }
        }
        troubles
    }

    /// Holds the books of a settled world against the payments that people wanted.
    pub fn audit(&mut self, payments: &[Payment]) -> Result<Fates, String> {
        if let Some(violation) = self.watchman.violations.first() {
            return Err(violation.clone());
        }
        self.audit_chain()?;
        let mut fates = Fates::default();
        let mut due: Vec<i128> = vec![0; self.machines.len()];
        let mut fees: Vec<u128> = vec![0; self.machines.len()];
        for payment in payments {
            self.audit_payment(payment, &mut fates, &mut due, &mut fees)?;
        }
        for id in self.ids() {
            let Some(snapshot) = self.snapshot(id) else { continue };
            let mut gained = 0_i128;
            for channel in &snapshot.channels {
                let sum = channel.balance.0 + channel.their_balance.0;
                let deposits = channel.deposited.0 + channel.their_deposited.0;
                if sum != deposits {
                    let (sum, deposits) = (Nano(sum), Nano(deposits));
                    let name = self.name(id);
                    return Err(format!("{name}: balances {sum}, deposits {deposits}"));
                }
                gained += channel.balance.0 as i128 - channel.deposited.0 as i128;
            }
            let name = self.name(id);
            if gained != due[id.0] {
                return Err(format!("{name} gained {gained} nano, its payments say {}", due[id.0]));
            }
            if snapshot.earned.0 != fees[id.0] {
                let (earned, fees) = (snapshot.earned, Nano(fees[id.0]));
                return Err(format!(
                    "{name} says it earned {earned}, its relayed payments say {fees}"
                ));
            }
        }
        self.audit_rent()?;
        Ok(fates)
    }

    /// A payment happened everywhere along its route, or nowhere.
    fn audit_payment(
        &mut self,
        payment: &Payment,
        fates: &mut Fates,
        due: &mut [i128],
        fees: &mut [u128],
    ) -> Result<(), String> {
        let Some(summary) = self.payment(payment) else {
            fates.refused += 1;
            return Ok(());
        };
        let receiver = payment.route[payment.route.len() - 1];
        let received = self.received_under(receiver, summary.key);
        let settled = received.as_ref().filter(|received| received.settled);
        let amount = payment.order.amount;
        match (summary.state, settled) {
            (PaymentState::Settled, Some(received)) if received.amount == amount => {
                fates.paid += 1;
                let mut all = amount.0;
                for (id, hop) in payment.route.iter().zip(&payment.order.route) {
                    due[id.0] += hop.fee.0 as i128;
                    fees[id.0] += hop.fee.0;
                    all += hop.fee.0;
                }
                due[receiver.0] += amount.0 as i128;
                due[payment.payer.0] -= all as i128;
                Ok(())
            }
            (PaymentState::Failed | PaymentState::Returning, None) => {
                fates.failed += 1;
                Ok(())
            }
            (state, _) => {
                let payer = self.name(payment.payer);
                let receiver = self.name(receiver);
                Err(format!("{payer} says {state:?}, {receiver} says {received:?}"))
            }
        }
    }

    /// No coin was made or lost on chain, and both sides of a channel see the deposits that its contract holds.
    fn audit_chain(&mut self) -> Result<(), String> {
        if let Chain::Rules(ledger) = &self.chain {
            let (accounted, minted) = (Nano(ledger.accounted()), Nano(ledger.minted));
            if accounted != minted {
                return Err(format!(
                    "the chain holds {accounted} of {minted} that the faucet made"
                ));
            }
        }
        match self.deposit_troubles().first() {
            Some(trouble) => Err(trouble.clone()),
            None => Ok(()),
        }
    }

    /// Where a node sees other deposits than the contract has, or its wallet is still at it.
    fn deposit_troubles(&mut self) -> Vec<String> {
        let mut troubles = Vec::new();
        for id in self.ids() {
            let Some(snapshot) = self.snapshot(id) else { continue };
            let name = self.name(id);
            if snapshot.wallet.busy {
                troubles.push(format!("the wallet of {name} waits for the chain"));
            }
            for channel in &snapshot.channels {
                let mut address = [0; 32];
                if hex::decode_to_slice(&channel.address, &mut address).is_err() {
                    continue;
                }
                let on_chain = self.chain.deposits(address).map_or(0, |[a, b]| a.0 + b.0);
                let seen = channel.deposited.0 + channel.their_deposited.0;
                if on_chain != seen {
                    let (on_chain, seen) = (Nano(on_chain), Nano(seen));
                    troubles.push(format!("{name} sees {seen}, the contract has {on_chain}"));
                }
            }
        }
        troubles
    }

    /// No contract holds more than the deposits and its rent: coins beyond that are out of everybody's reach.
    fn audit_rent(&mut self) -> Result<(), String> {
        for id in self.ids() {
            let Some(snapshot) = self.snapshot(id) else { continue };
            for channel in &snapshot.channels {
                let mut address = [0; 32];
                if hex::decode_to_slice(&channel.address, &mut address).is_ok() {
                    let surplus = self.chain.surplus(address);
                    if surplus > milli(260) {
                        let name = self.name(id);
                        return Err(format!("{name}: {surplus} got stuck in the contract"));
                    }
                }
            }
        }
        Ok(())
    }

    /// What a machine would be if it died right now must be what it is: its disk holds all that its node knows.
    pub(crate) fn check_disk(&mut self, id: Id) {
        if !self.machine(id).is_on() {
            return;
        }
        let Some(mut live) = self.snapshot(id) else { return };
        let now = self.clock(id);
        let machine = self.machine(id);
        let records = machine.records();
        let config = machine.config(&self.codes);
        let restored = Node::restore(config, [7; 32], now, records);
        let (mut twin, _step) = match restored {
            Ok(twin) => twin,
            Err(corrupt) => {
                panic!("seed {}: {} would not start: {corrupt}", self.seed, self.name(id))
            }
        };
        self.tally.restores += 1;
        let step = twin.handle(now, Input::Command(RequestId(0), Command::Snapshot));
        let reply = step.committed().into_iter().find_map(|effect| match effect {
            Effect::Reply(_, Ok(Reply::Snapshot(snapshot))) => Some(snapshot),
            _ => None,
        });
        let Some(mut twin) = reply else { panic!("seed {}: a twin gives no snapshot", self.seed) };
        for snapshot in [&mut live, &mut twin] {
            // What only the outside can tell: who is connected, and what the chain says at the moment.
            snapshot.wallet.balance = None;
            for channel in &mut snapshot.channels {
                channel.online = false;
            }
        }
        if live != twin {
            let (name, differ) = (self.name(id), difference(&live, &twin));
            panic!("seed {}: {name} would come back another: {differ}", self.seed);
        }
    }
}

/// The lines in which two snapshots differ, live before restored.
fn difference(live: &Snapshot, twin: &Snapshot) -> String {
    let (live, twin) = (format!("{live:#?}"), format!("{twin:#?}"));
    let pairs = live.lines().zip(twin.lines()).filter(|(a, b)| a != b);
    let lines = pairs.take(8).map(|(a, b)| format!("{} / {}", a.trim(), b.trim()));
    lines.collect::<Vec<_>>().join(", ")
}
