//! Our own proposals: made, sent again as they were, and concluded by the peer's answer.

use alloc::{string::String, sync::Arc};

use crate::{
    amount::{Nano, Time},
    cell::Cell,
    channel::{Change, Channel, Pending},
    conditional::Conditional,
    key::{PublicKey, SecretKey},
    proof::Touched,
    resolve::Resolve,
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
        resolve: Resolve,
    },
    Remove {
        key: PublicKey,
    },
}

/// Why a proposal of ours cannot be made. The channel is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("another proposal waits for its answer")]
    Busy,
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
    #[error("the resolve does not fit the conditional")]
    BadResolve,
    #[error("the deadline is too close or has passed")]
    DeadlinePassed,
    #[error("a counter is at its end")]
    Overflow,
}

/// How the peer's answer to our proposal ended it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Both sides hold the new state.
    Accepted(Change),
    /// The peer will not have it. What it could claim with it stays reserved until it cannot any more.
    Refused(Change, String),
    /// Not now: send the same again later.
    Later(String),
}

/// The one refusal that asks to try again (protocol.md 6.2).
pub const BUSY: &str = "channel is busy";
/// A refusal that passes when our proposal is signed again over the peer's newest ledger.
pub const COUNTERPARTY_INCORRECT: &str = "counterparty state is incorrect";

impl Channel {
    /// Makes and signs a proposal. It leaves by [`Channel::proposal`], after it is durable.
    pub fn propose(&self, now: Time, intent: &Intent, key: &SecretKey) -> Result<Self, Fault> {
        if self.pending.is_some() {
            return Err(Fault::Busy);
        }
        let mut conditionals = self.ours.conditionals.clone();
        let mut sent = self.ours.body().sent;
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
                if resolve.amount > conditional.capacity || !resolve.verify(key) {
                    return Err(Fault::BadResolve);
                }
                let owed = owed(&conditional, resolve).ok_or(Fault::Overflow)?;
                sent = sent.checked_add(owed).ok_or(Fault::Overflow)?;
                let action = Action::ConfirmClose { key: *key, state: *resolve };
                (action, Change::Close(conditional, *resolve))
            }
            Intent::Remove { key } => {
                let conditional = conditionals.remove(key).ok_or(Fault::NoConditional)?;
                (Action::RemoveVirtual { key: *key }, Change::Remove(conditional))
            }
        };
        let seqno = self.ours.body().seqno.checked_add(1).ok_or(Fault::Overflow)?;
        let data = SemiBody { seqno, sent, conditionals: conditionals.hash() };
        let next = SignedSemi::sign(self.our_state(data), key);
        let pending = Pending { action, change, next, conditionals };
        Ok(Self { pending: Some(Arc::new(pending)), ..self.clone() })
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

    /// The proposal that waits for an answer, ready to be sent; the same bytes each time (safety.md N22).
    pub fn proposal(&self, lock_id: i64) -> Option<ProposeAction> {
        let pending = self.pending.as_ref()?;
        Some(ProposeAction {
            lock_id,
            channel: self.terms.address,
            action: pending.action.clone(),
            state: pending.next.to_cell(),
            conditionals: pending.proof(),
        })
    }

    /// Takes the peer's agreement. `None`: it does not fit our proposal, which goes on waiting.
    pub fn agreed(&self, signed: &SignedSemi) -> Option<(Self, Change)> {
        let pending = self.pending.as_ref()?;
        let fits = signed.state.channel_id == self.terms.open.channel_id
            && signed.state.data == *self.theirs.body()
            && signed.state.counterparty == Some(pending.next.state.data);
        if !fits || !signed.verify(&self.terms.their_key()) {
            return None;
        }
        let mut next = self.concluded(pending);
        next.theirs.signed = signed.clone();
        Some((next, pending.change.clone()))
    }

    /// Our proposal has become our state.
    pub(crate) fn concluded(&self, pending: &Pending) -> Self {
        let mut next = self.clone();
        next.ours.signed = pending.next.clone();
        next.ours.conditionals = pending.conditionals.clone();
        next.pending = None;
        if let Change::Remove(conditional) = &pending.change {
            // The states before this one still carry it, validly signed.
            next.shadows = self.with_shadow(conditional);
        }
        next
    }

    /// Takes the peer's refusal.
    pub fn refused(&self, reason: &str, key: &SecretKey) -> (Self, Outcome) {
        let Some(pending) = self.pending.as_ref() else {
            return (self.clone(), Outcome::Later(reason.into()));
        };
        if reason == BUSY || reason == COUNTERPARTY_INCORRECT {
            return (self.resigned(key), Outcome::Later(reason.into()));
        }
        let mut next = self.clone();
        next.pending = None;
        if let Change::Open(conditional) = &pending.change {
            // The peer holds this state, signed. It may claim with it while the contract lets it.
            next.shadows = self.with_shadow(conditional);
            next.increment = Some(next.increment.unwrap_or(false));
        }
        (next, Outcome::Refused(pending.change.clone(), reason.into()))
    }

    /// The same proposal over the peer's newest ledger. Its own ledger, the part that counts, stays as it was.
    pub(crate) fn resigned(&self, key: &SecretKey) -> Self {
        let Some(pending) = self.pending.as_ref() else { return self.clone() };
        let state = self.our_state(pending.next.state.data);
        if state == pending.next.state {
            return self.clone();
        }
        let next = SignedSemi::sign(state, key);
        let pending = Pending { next, ..Pending::clone(pending) };
        Self { pending: Some(Arc::new(pending)), ..self.clone() }
    }
}

impl Pending {
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
