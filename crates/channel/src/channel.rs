//! One channel: two signed ledgers, the conditionals behind them, and what the contract holds.
//!
//! A [`Channel`] is a value: every change gives a new one and leaves the old as it was, so that an error half-way
//! changes nothing. Copies are cheap, the dictionaries share their cells. Our own proposals are in `propose.rs`,
//! the peer's in `accept.rs`.

use alloc::{sync::Arc, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    amount::{Deadline, Nano, Time},
    conditional::Conditional,
    conditionals::{Conditionals, SlotTaken},
    contract::{Address, OpenConfig, Storage},
    key::{PublicKey, Signature},
    resolve::Resolve,
    semichannel::{SemiBody, SemiChannel, SignedSemi},
    tl::Action,
};

/// What was fixed when the channel was opened.
#[derive(Clone, Debug)]
pub struct Terms {
    pub address: Address,
    pub open: OpenConfig,
    /// We own `key_a`: we are left, and the master of the lock.
    pub we_left: bool,
    /// Seconds that the owner keeps in hand to get a message on chain.
    pub buffer_secs: u32,
    /// Least further life of a conditional, seconds.
    pub min_safe_secs: u32,
}

impl Terms {
    pub fn our_key(&self) -> PublicKey {
        if self.we_left { self.open.key_a } else { self.open.key_b }
    }

    pub fn their_key(&self) -> PublicKey {
        if self.we_left { self.open.key_b } else { self.open.key_a }
    }

    /// Seconds from the decision to close alone to the end of the time to settle, at the longest: what protocol.md
    /// calls SafeOnchainClosePeriod, with the quarantine as long as challenges can make it.
    pub fn safe_close_secs(&self) -> u32 {
        self.buffer_secs.saturating_add(self.open.closing.longest_secs())
    }

    /// Seconds that a promise in this channel must have left to be of use, and so the least time between it and one
    /// that is made because of it.
    pub fn gap_secs(&self) -> u32 {
        self.safe_close_secs().saturating_add(self.min_safe_secs)
    }
}

/// One direction: the ledger that its owner signs, and what the contract holds for the owner.
#[derive(Clone, Debug)]
pub struct Side {
    pub signed: SignedSemi,
    pub conditionals: Conditionals,
    pub deposited: Nano,
    pub withdrawn: Nano,
}

impl Side {
    /// The owner has signed at least once.
    pub fn ready(&self) -> bool {
        !self.signed.signature.is_zero()
    }

    pub fn body(&self) -> &SemiBody {
        &self.signed.state.data
    }
}

/// What a proposal does to the dictionary of its proposer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    Nothing,
    Open(Conditional),
    Close(Conditional, Resolve),
    Remove(Conditional),
}

impl Change {
    /// Does the same to a dictionary. Removing what is not there changes nothing.
    pub fn apply(&self, conditionals: &mut Conditionals) -> Result<(), SlotTaken> {
        match self {
            Self::Nothing => {}
            Self::Open(conditional) => conditionals.insert(*conditional)?,
            Self::Close(conditional, _) | Self::Remove(conditional) => {
                conditionals.remove(&conditional.key);
            }
        }
        Ok(())
    }
}

/// A proposal of ours that may be accepted at any moment: it is on disk before it leaves, and stays until the
/// peer has answered it (safety.md N1).
#[derive(Clone, Debug)]
pub struct Pending {
    pub action: Action,
    pub change: Change,
    pub next: SignedSemi,
    /// Our dictionary after the change.
    pub conditionals: Conditionals,
}

/// Money that an old or refused state of ours can still claim on chain, beyond what the newest one gives (safety.md
/// N2, N3, N26).
///
/// Our own newer state alone corrects nothing: a contract counts what a side has signed only if the other side shows
/// or acknowledges it, and the network's first contract lets whoever begins show any state of ours that it holds.
/// So the peer can take the best of all that it holds: `sent`, and of each promise that is not dead the whole, for it
/// may have kept a resolve back. One state and never several: what each gives differs from the newest by
///
/// * a promise that was removed or refused: all of it, until it is dead;
/// * a promise that was closed: what was not paid of it, until it is dead; nothing if all of it was paid, which is how
///   honest payments end, so that they cost no room;
/// * a payment that was refused: what it pays, for ever, until a later one for the same key is taken.
///
/// The sum of these is therefore never less than what any one state gives more than the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shadow {
    pub key: PublicKey,
    pub held: Nano,
    /// From here on the contract refuses the claim, margin included.
    pub until: Deadline,
}

impl Shadow {
    /// A refused payment: the `sent` of a signed state has no deadline.
    pub(crate) fn payment(key: PublicKey, paid: Nano) -> Self {
        Self { key, held: paid, until: Deadline(u32::MAX) }
    }

    pub(crate) fn is_payment_of(&self, key: &PublicKey) -> bool {
        self.key == *key && self.until == Deadline(u32::MAX)
    }
}

/// The contract as last proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnChain {
    /// Chain time of the newest proof, unix seconds; 0: never seen.
    pub time: u32,
    /// The contract is initialised and not in dispute.
    pub open: bool,
    /// It was initialised once and is not any more, or a dispute runs, or it cannot be read: no value moves.
    pub closed: bool,
}

#[derive(Clone, Debug)]
pub struct Channel {
    pub terms: Arc<Terms>,
    pub ours: Side,
    pub theirs: Side,
    /// Proposals of ours without an answer, oldest first, each made on top of the one before.
    pub pending: Vec<Arc<Pending>>,
    pub shadows: Arc<[Shadow]>,
    pub chain: OnChain,
    /// An increment is owed to the peer: `Some(want_response)`.
    pub increment: Option<bool>,
}

/// Seconds by which the clock of the chain may differ from ours.
pub const CHAIN_MARGIN_SECS: u32 = 300;

impl Channel {
    /// A fresh record: nobody has signed, nothing is on chain.
    pub fn new(terms: Terms) -> Self {
        let side = || Side {
            signed: SignedSemi {
                signature: Signature::ZERO,
                state: SemiChannel {
                    channel_id: terms.open.channel_id,
                    data: SemiBody::default(),
                    counterparty: Some(SemiBody::default()),
                },
            },
            conditionals: Conditionals::new(),
            deposited: Nano::ZERO,
            withdrawn: Nano::ZERO,
        };
        Self {
            ours: side(),
            theirs: side(),
            pending: Vec::new(),
            shadows: Arc::from([]),
            chain: OnChain::default(),
            increment: terms.we_left.then_some(true),
            terms: Arc::new(terms),
        }
    }

    /// Both sides have signed: each can leave alone.
    pub fn ready(&self) -> bool {
        self.ours.ready() && self.theirs.ready()
    }

    /// Value may move (safety.md N8, N10).
    pub fn usable(&self) -> bool {
        self.ready() && self.chain.open && !self.chain.closed
    }

    /// What we can spend: never counts a state of ours that is still open or could come back.
    pub fn our_balance(&self) -> Nano {
        // What a pending proposal would free does not count before it is accepted; what it promises does.
        let now = self.balance_of(&self.ours, &self.theirs, self.ours.conditionals.held());
        let reserved = i128::try_from(self.offered().saturating_add(self.shadowed()));
        positive(now.saturating_sub(reserved.unwrap_or(i128::MAX)))
    }

    /// Promised by proposals that have no answer yet.
    fn offered(&self) -> u128 {
        self.pending.iter().fold(0, |sum, pending| match &pending.change {
            Change::Open(conditional) => {
                sum.saturating_add(conditional.held().unwrap_or_default().0)
            }
            Change::Nothing | Change::Close(..) | Change::Remove(_) => sum,
        })
    }

    fn shadowed(&self) -> u128 {
        self.shadows.iter().fold(0, |sum, shadow| sum.saturating_add(shadow.held.0))
    }

    /// Our ledger and dictionary with everything pending.
    pub(crate) fn newest(&self) -> (&SemiBody, &Conditionals) {
        match self.pending.last() {
            Some(pending) => (&pending.next.state.data, &pending.conditionals),
            None => (self.ours.body(), &self.ours.conditionals),
        }
    }

    /// What the peer can spend, by the states that it has signed.
    pub fn their_balance(&self) -> Nano {
        positive(self.their_balance_after(self.theirs.body(), self.theirs.conditionals.held()))
    }

    /// The peer's balance if it had signed `body` with `held` promised; negative if it could not afford that.
    pub(crate) fn their_balance_after(&self, body: &SemiBody, held: Nano) -> i128 {
        let signed = SignedSemi {
            signature: Signature::ZERO,
            state: SemiChannel { data: *body, ..self.theirs.signed.state.clone() },
        };
        self.balance_of(&Side { signed, ..self.theirs.clone() }, &self.ours, held)
    }

    /// Protocol.md section 1: other.sent + deposited - withdrawn - sent - held.
    fn balance_of(&self, side: &Side, other: &Side, held: Nano) -> i128 {
        let n = |nano: Nano| i128::try_from(nano.0).unwrap_or(i128::MAX);
        n(other.body().sent)
            .saturating_add(n(side.deposited))
            .saturating_sub(n(side.withdrawn))
            .saturating_sub(n(side.body().sent))
            .saturating_sub(n(held))
    }

    /// Everything of ours that cannot be spent now: promised, in a proposal, or claimable by an old state.
    pub fn our_locked(&self) -> Nano {
        let held = self.ours.conditionals.held().0;
        Nano(held.saturating_add(self.offered()).saturating_add(self.shadowed()))
    }

    /// Takes over what a proof of the chain time `time` shows of the contract; `now` is our own clock. Older proofs
    /// change nothing.
    pub fn observed(&self, now: Time, time: u32, storage: Option<&Storage>) -> Self {
        let Some(newest) = newest_proof(self.chain.time, time, now) else { return self.clone() };
        let mut next = self.clone();
        next.chain.time = newest;
        match storage {
            Some(storage) if storage.initialized => {
                let disputed = storage.quarantine.is_some();
                // Agreements and the end of a dispute leave their seqnos for good: where there are none, nothing of
                // the kind has happened, and whoever said so before was wrong.
                let untouched = storage.committed_seqno_a == 0 && storage.committed_seqno_b == 0;
                next.chain.open = !disputed;
                next.chain.closed = disputed || (self.chain.closed && !untouched);
                let (a, b) = if self.terms.we_left {
                    (&mut next.ours, &mut next.theirs)
                } else {
                    (&mut next.theirs, &mut next.ours)
                };
                (a.deposited, a.withdrawn) =
                    (storage.balance.deposit_a, storage.balance.withdraw_a);
                (b.deposited, b.withdrawn) =
                    (storage.balance.deposit_b, storage.balance.withdraw_b);
            }
            Some(_) | None => {
                next.chain.closed = self.chain.closed || self.chain.open;
                next.chain.open = false;
            }
        }
        next
    }

    /// The contract stands on chain in a form that this version cannot read: whatever it says, no value moves here.
    pub fn unreadable(&self, now: Time, time: u32) -> Self {
        let Some(newest) = newest_proof(self.chain.time, time, now) else { return self.clone() };
        let mut next = self.clone();
        next.chain = OnChain { time: newest, open: false, closed: true };
        next
    }

    /// Forgets shadows that the contract would refuse by now.
    pub fn without_dead_shadows(&self, now: Time) -> Option<Self> {
        let dead = |s: &Shadow| s.until.at() < now;
        if !self.shadows.iter().any(dead) {
            return None;
        }
        let shadows = self.shadows.iter().filter(|s| !dead(s)).copied().collect();
        Some(Self { shadows, ..self.clone() })
    }

    /// When the next shadow may be forgotten.
    pub fn next_shadow_end(&self) -> Option<Time> {
        self.shadows.iter().map(|s| s.until.at().plus_ms(1)).min()
    }

    /// Keeps back what states of ours with this conditional give away beyond the `paid` that came of it ([`Shadow`]).
    pub(crate) fn with_shadow(&self, conditional: &Conditional, paid: Nano) -> Arc<[Shadow]> {
        let held = conditional.held().unwrap_or(Nano::MAX).saturating_sub(paid);
        let until = dead_after(conditional.deadline);
        self.shadowed_by(Shadow { key: conditional.key, held, until })
    }

    pub(crate) fn shadowed_by(&self, shadow: Shadow) -> Arc<[Shadow]> {
        // Of several tries to pay for one key, at most one can ever count.
        let same = |other: &Shadow| other.key == shadow.key && other.until == shadow.until;
        let most = self.shadows.iter().filter(|other| same(other)).map(|other| other.held).max();
        let shadow = Shadow { held: shadow.held.max(most.unwrap_or_default()), ..shadow };
        let others = self.shadows.iter().filter(|other| !same(other)).copied();
        others.chain((shadow.held != Nano::ZERO).then_some(shadow)).collect()
    }
}

/// What counts as the time of the newest proof after one of `time` has come, `seen` being that of the newest so far.
/// `None`: this one is older.
///
/// How new a proof is, is a server's word. One from the future is heeded, since it may be our clock that is wrong and
/// a dispute must be seen; but no later proof is taken for old because of it.
pub fn newest_proof(seen: u32, time: u32, now: Time) -> Option<u32> {
    let latest = now.seconds().saturating_add(CHAIN_MARGIN_SECS);
    let seen = if seen <= latest { seen } else { 0 };
    let counts = if time <= latest { time } else { seen };
    (time >= seen).then_some(counts)
}

/// When a conditional with this deadline is dead on chain terms, for sure (safety.md N2).
pub fn dead_after(deadline: Deadline) -> Deadline {
    deadline.plus_secs(CHAIN_MARGIN_SECS)
}

fn positive(value: i128) -> Nano {
    Nano(u128::try_from(value).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_from_the_future_counts_when_the_clock_comes_to_it_and_not_before() {
        let now = |secs| Deadline(secs).at();
        assert_eq!(newest_proof(0, 1_000, now(1_000)), Some(1_000));
        assert_eq!(newest_proof(1_000, 1_000, now(1_000)), Some(1_000));
        assert_eq!(newest_proof(1_000, 999, now(1_000)), None);
        assert_eq!(newest_proof(1_000, 1_300, now(1_000)), Some(1_300));
        assert_eq!(newest_proof(1_000, 1_301, now(1_000)), Some(1_000));
        // What counted while our clock was ahead does not count when it is right again.
        assert_eq!(newest_proof(90_000, 90_000, now(90_000)), Some(90_000));
        assert_eq!(newest_proof(90_000, 1_000, now(1_000)), Some(1_000));
    }
}
