//! Our own proposals: made, sent again as they were, and concluded by the peer's answer.

use alloc::{string::String, sync::Arc, vec::Vec};

use crate::{
    amount::{Nano, Time},
    cell::Cell,
    channel::{Change, Channel, Pending, Shadow},
    conditional::Conditional,
    conditionals::Conditionals,
    key::{PublicKey, SecretKey},
    proof::Touched,
    resolve::{Resolve, Verified},
    semichannel::{SemiBody, SemiChannel, SignedSemi},
    tl::{Action, OpenVirtual, ProposeAction},
};

/// What we want to propose.
#[derive(Clone, Debug)]
pub enum Intent {
    /// New signatures, no value.
    Increment {
        want_response: bool,
    },
    Open {
        conditional: Conditional,
        action: OpenVirtual,
    },
    /// Pay what the resolve says and drop the conditional.
    Close {
        key: PublicKey,
        resolve: Verified,
    },
    Remove {
        key: PublicKey,
    },
}

/// Why a proposal of ours cannot be made. The channel is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("both sides must have signed and the contract must be open before value moves")]
    NotUsable,
    #[error("a conditional needs a capacity above zero and no prepay")]
    BadConditional,
    #[error("{needed} needed, {available} available")]
    InsufficientBalance { needed: Nano, available: Nano },
    #[error("the dictionary slot of this virtual key is taken")]
    SlotTaken,
    #[error("no such conditional")]
    NoConditional,
    #[error("the resolve is for more than the capacity")]
    BadResolve,
    #[error("the deadline is too close or has passed")]
    DeadlinePassed,
    #[error("a counter is at its end")]
    Overflow,
}

/// How the peer's answer to our proposal ended it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The peer will not have it. What it could claim with it stays reserved until it cannot any more.
    Refused(Change, String),
    /// Not now: send the same again later.
    Later(String),
}

/// The one refusal that asks to try again (protocol.md 6.2).
pub const BUSY: &str = "channel is busy";
/// The order of the checks (protocol.md 6.1) lets this answer an old seqno too.
pub const AMOUNT_DECREASE: &str = "amount decrease is not allowed";
/// An earlier proposal of ours has not arrived yet, or this one came late.
pub const SEQNO_INCORRECT: &str = "incorrect state seqno";
/// A refusal that passes when our proposal is signed again over the peer's newest ledger.
pub const COUNTERPARTY_INCORRECT: &str = "counterparty state is incorrect";

impl Channel {
    /// Makes and signs a proposal. It leaves by [`Channel::proposal`], after it is durable.
    pub fn propose(&self, now: Time, intent: &Intent, key: &SecretKey) -> Result<Self, Fault> {
        let (newest, conditionals) = self.newest();
        let (mut sent, mut conditionals) = (newest.sent, conditionals.clone());
        let (action, change) = match intent {
            Intent::Increment { want_response } => {
                (Action::IncrementStates { want_response: *want_response }, Change::Nothing)
            }
            Intent::Open { conditional, action } => {
                self.may_open(now, conditional)?;
                conditionals.insert(*conditional).map_err(|_| Fault::SlotTaken)?;
                (Action::OpenVirtual(action.clone()), Change::Open(*conditional))
            }
            Intent::Close { key, resolve } => {
                let conditional = conditionals.remove(key).ok_or(Fault::NoConditional)?;
                if resolve.amount > conditional.capacity {
                    return Err(Fault::BadResolve);
                }
                let owed = owed(&conditional, resolve).ok_or(Fault::Overflow)?;
                sent = sent.checked_add(owed).ok_or(Fault::Overflow)?;
                let action = Action::ConfirmClose { key: *key, state: **resolve };
                (action, Change::Close(conditional, **resolve))
            }
            Intent::Remove { key } => {
                let conditional = conditionals.remove(key).ok_or(Fault::NoConditional)?;
                (Action::RemoveVirtual { key: *key }, Change::Remove(conditional))
            }
        };
        let mut channel = self.clone();
        channel.stack(action, change, sent, conditionals, key)?;
        Ok(channel)
    }

    /// Signs a proposal on top of what is pending now: our ledger with this `sent` and this dictionary.
    fn stack(
        &mut self,
        action: Action,
        change: Change,
        sent: Nano,
        conditionals: Conditionals,
        key: &SecretKey,
    ) -> Result<(), Fault> {
        let seqno = self.newest().0.seqno.checked_add(1).ok_or(Fault::Overflow)?;
        let data = SemiBody { seqno, sent, conditionals: conditionals.hash() };
        let next = SignedSemi::sign(self.our_state(data), key);
        self.pending.push(Arc::new(Pending { action, change, next, conditionals }));
        Ok(())
    }

    fn may_open(&self, now: Time, conditional: &Conditional) -> Result<(), Fault> {
        if !self.usable() {
            return Err(Fault::NotUsable);
        }
        if conditional.capacity == Nano::ZERO || conditional.prepay != Nano::ZERO {
            return Err(Fault::BadConditional);
        }
        if conditional.deadline.at() <= now {
            return Err(Fault::DeadlinePassed);
        }
        let needed = conditional.held().ok_or(Fault::Overflow)?;
        let available = self.our_balance();
        if needed > available {
            return Err(Fault::InsufficientBalance { needed, available });
        }
        Ok(())
    }

    /// Our ledger `data` with the copy of theirs that goes with it.
    pub(crate) fn our_state(&self, data: SemiBody) -> SemiChannel {
        let counterparty = Some(*self.theirs.body());
        SemiChannel { channel_id: self.terms.open.channel_id, data, counterparty }
    }

    /// The pending proposal with this seqno, ready to be sent; the same bytes each time (safety.md N22).
    pub fn proposal(&self, seqno: u64, lock_id: i64) -> Option<ProposeAction> {
        let pending = self.pending.iter().find(|pending| pending.seqno() == seqno)?;
        Some(ProposeAction {
            lock_id,
            channel: self.terms.address,
            action: pending.action.clone(),
            state: pending.next.to_cell(),
            conditionals: pending.proof(),
        })
    }

    /// Takes the peer's agreement to a proposal, and with it to all before. `None`: it fits none of ours.
    pub fn agreed(&self, signed: &SignedSemi) -> Option<(Self, Vec<Change>)> {
        let concluded = self.taken(signed.state.counterparty.as_ref()?)?;
        let fits = signed.state.channel_id == self.terms.open.channel_id
            && signed.state.data == *self.theirs.body();
        if !fits || !signed.verify(&self.terms.their_key()) {
            return None;
        }
        let (mut next, changes) = self.concluded(concluded);
        next.theirs.signed = signed.clone();
        Some((next, changes))
    }

    /// How many pending proposals the peer has taken if it copies this ledger of ours.
    pub(crate) fn taken(&self, copy: &SemiBody) -> Option<usize> {
        let index = self.pending.iter().position(|pending| pending.next.state.data == *copy)?;
        index.checked_add(1)
    }

    /// The first `count` proposals have become our state.
    pub(crate) fn concluded(&self, count: usize) -> (Self, Vec<Change>) {
        let mut next = self.clone();
        let mut changes = Vec::new();
        for pending in next.pending.drain(..count.min(self.pending.len())) {
            next.ours.signed = pending.next.clone();
            next.ours.conditionals = pending.conditionals.clone();
            changes.push(pending.change.clone());
        }
        for change in &changes {
            match change {
                Change::Remove(conditional) => {
                    next.shadows = next.with_shadow(conditional, Nano::ZERO);
                }
                Change::Close(conditional, resolve) => {
                    // What an earlier try has signed for this key is part of what is paid now.
                    let paid = owed(conditional, resolve).unwrap_or_default();
                    let others = |shadow: &&Shadow| !shadow.is_payment_of(&conditional.key);
                    next.shadows = next.shadows.iter().filter(others).copied().collect();
                    next.shadows = next.with_shadow(conditional, paid);
                }
                Change::Open(_) | Change::Nothing => {}
            }
        }
        (next, changes)
    }

    /// Takes the peer's refusal of our oldest proposal. Those behind it are made again on what is left.
    pub fn refused(&self, reason: &str, key: &SecretKey) -> (Self, Outcome) {
        let Some((head, rest)) = self.pending.split_first() else {
            return (self.clone(), Outcome::Later(reason.into()));
        };
        if passing(reason) {
            return (self.resigned(key), Outcome::Later(reason.into()));
        }
        let mut next = self.clone();
        next.pending = Vec::new();
        // The peer holds this state, signed. It may claim with it while the contract lets it.
        match &head.change {
            Change::Open(conditional) => {
                next.shadows = self.with_shadow(conditional, Nano::ZERO);
            }
            Change::Close(conditional, resolve) => {
                let paid = owed(conditional, resolve).unwrap_or_default();
                next.shadows = self.shadowed_by(Shadow::payment(conditional.key, paid));
            }
            Change::Remove(_) | Change::Nothing => {}
        }
        for pending in rest {
            next.make_again(pending, key);
        }
        if next.pending.is_empty() && head.change != Change::Nothing {
            next.increment = Some(next.increment.unwrap_or(false));
        }
        (next, Outcome::Refused(head.change.clone(), reason.into()))
    }

    /// Makes a proposal again on top of what is pending now.
    fn make_again(&mut self, pending: &Pending, key: &SecretKey) {
        let (newest, conditionals) = self.newest();
        let (mut sent, mut conditionals) = (newest.sent, conditionals.clone());
        // What is opened lay beside all the others before, so its slot is free without one of them.
        let _ = pending.change.apply(&mut conditionals);
        if let Change::Close(conditional, resolve) = &pending.change {
            let gained = owed(conditional, resolve).unwrap_or_default();
            sent = sent.checked_add(gained).unwrap_or(sent);
        }
        let Pending { action, change, .. } = pending.clone();
        // It had a higher seqno before, so there is one.
        let _ = self.stack(action, change, sent, conditionals, key);
    }

    /// The same proposals over the peer's newest ledger. Ours, the part that counts, stays as it was.
    pub(crate) fn resigned(&self, key: &SecretKey) -> Self {
        let mut channel = self.clone();
        for pending in &mut channel.pending {
            let state = self.our_state(pending.next.state.data);
            if state != pending.next.state {
                let next = SignedSemi::sign(state, key);
                *pending = Arc::new(Pending { next, ..Pending::clone(pending) });
            }
        }
        channel
    }
}

/// A refusal that says nothing about the proposal itself: it came at a wrong moment, or the peer is further
/// than we know. An honest peer says [`AMOUNT_DECREASE`] only to a state that is older than the one it holds.
pub fn passing(reason: &str) -> bool {
    reason == BUSY || reason == COUNTERPARTY_INCORRECT || behind(reason)
}

/// A refusal from which we learn that the peer holds another state than we thought.
pub fn behind(reason: &str) -> bool {
    reason == AMOUNT_DECREASE || reason.starts_with(SEQNO_INCORRECT)
}

impl Pending {
    pub fn seqno(&self) -> u64 {
        self.next.state.data.seqno
    }

    /// What the peer needs to see of the new dictionary (protocol.md 3.6).
    fn proof(&self) -> Option<Cell> {
        self.conditionals.prove(&match &self.change {
            Change::Nothing => Touched::Nothing,
            Change::Open(conditional) => Touched::Open(conditional.key),
            Change::Close(conditional, _) | Change::Remove(conditional) => {
                Touched::Absent(conditional.key)
            }
        })
    }
}

/// What a resolve moves: amount + fee - prepay (protocol.md 3.4).
pub fn owed(conditional: &Conditional, resolve: &Resolve) -> Option<Nano> {
    let sum = resolve.amount.checked_add(conditional.fee)?;
    Some(sum.checked_sub(conditional.prepay).unwrap_or(Nano::ZERO))
}
