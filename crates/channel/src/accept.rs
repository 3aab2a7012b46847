//! The peer's proposals: checked in the order of protocol.md 6.1, taken as a whole or not at all.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use crate::{
    amount::{Nano, Time},
    channel::{Change, Channel},
    key::SecretKey,
    proof::UpdateProof,
    propose::{AMOUNT_DECREASE, BUSY, COUNTERPARTY_INCORRECT, SEQNO_INCORRECT, owed},
    resolve::Verified,
    semichannel::{SemiBody, SignedSemi},
    tl::{Action, ProposeAction},
};

/// What one side may ask of the other.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Live conditionals on the peer's side.
    pub conditionals: u32,
    /// Smallest capacity.
    pub dust: Nano,
    /// Longest life of a conditional, seconds.
    pub lifetime_secs: u32,
}

/// A proposal that this channel can take. Nothing has happened until the caller adopts [`Accepted::channel`];
/// what concerns more than one channel is checked by the caller first.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub channel: Channel,
    /// Our re-signed state: the answer.
    pub answer: SignedSemi,
    /// What the peer did to its dictionary.
    pub change: Change,
    /// The peer's state shows that it has taken proposals of ours: their changes.
    pub concluded: Vec<Change>,
    pub want_response: bool,
    /// It was taken before; the answer is repeated and nothing changes.
    pub replay: bool,
}

/// The literal reason of a refusal (protocol.md 6.1, 6.4-6.7).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self(reason.into())
    }
}

macro_rules! refuse {
    ($($text:tt)*) => { return Err(Refusal(alloc::format!($($text)*))) };
}

impl Channel {
    /// Checks a proposal of the peer and computes what it leads to. The caller has checked that the peer owns the
    /// other key of this channel. `known` is the resolve that the caller holds for the conditional to be closed.
    pub fn accept(
        &self,
        now: Time,
        proposal: &ProposeAction,
        bounds: &Bounds,
        known: Option<&Verified>,
        key: &SecretKey,
    ) -> Result<Accepted, Refusal> {
        if self.chain.closed {
            refuse!("channel is currently not accepting new actions");
        }
        let signed = SignedSemi::from_cell(&proposal.state)
            .map_err(|_| Refusal::from("failed to verify passed state: malformed state"))?;
        if signed.state.channel_id != self.terms.open.channel_id {
            refuse!("failed to verify passed state: diff channel id");
        }
        // An all-zero signature never verifies: unsigned states exist only in our own fresh records (N7).
        if !signed.verify(&self.terms.their_key()) {
            refuse!("failed to verify passed state: invalid signature");
        }
        let (new, old) = (&signed.state.data, self.theirs.body());
        if new.sent < old.sent {
            refuse!("{AMOUNT_DECREASE}");
        }
        let proof = UpdateProof::parse(proposal.conditionals.as_ref(), &new.conditionals)
            .map_err(|error| Refusal(error.to_string()))?;
        if new.seqno == old.seqno && self.theirs.ready() {
            if new != old {
                refuse!(
                    "inconsistent state, this seqno with different content was already committed"
                );
            }
            return Ok(self.replayed());
        }
        if Some(new.seqno) != old.seqno.checked_add(1) {
            let want = old.seqno.saturating_add(1);
            refuse!("{SEQNO_INCORRECT} {}, want {want}", new.seqno);
        }

        let (mut next, concluded) = self.in_turn(&signed)?;
        let change = next.their_change(now, proposal, &signed.state.data, &proof, bounds, known)?;
        match signed.state.counterparty {
            None if next.ours.ready() => refuse!("counterparty state downgrade attempt"),
            Some(copy) if copy != *next.ours.body() => refuse!("{COUNTERPARTY_INCORRECT}"),
            None | Some(_) => {}
        }
        change
            .apply(&mut next.theirs.conditionals)
            .map_err(|_| Refusal::from("dictionary slot of this virtual key is taken"))?;
        if next.theirs.conditionals.hash() != new.conditionals {
            refuse!("incorrect resulting hash");
        }
        let held = next.theirs.conditionals.held();
        let left = next.their_balance_after(new, held);
        if left < 0 && (new.sent > old.sent || matches!(change, Change::Open(_))) {
            let missing = Nano(left.unsigned_abs());
            refuse!(
                "not enough available balance, you need {missing} more tunnel channel through me"
            );
        }

        next.theirs.signed = signed;
        next.ours.signed = SignedSemi::sign(next.our_state(*next.ours.body()), key);
        let want_response =
            matches!(proposal.action, Action::IncrementStates { want_response: true });
        if want_response && (next.chain.open || next.ours.body().seqno == 0) {
            next.increment = Some(false);
        }
        let next = next.resigned(key);
        let answer = next.ours.signed.clone();
        Ok(Accepted { channel: next, answer, change, concluded, want_response, replay: false })
    }

    fn replayed(&self) -> Accepted {
        Accepted {
            channel: self.clone(),
            answer: self.ours.signed.clone(),
            change: Change::Nothing,
            concluded: Vec::new(),
            want_response: false,
            replay: true,
        }
    }

    /// Whose turn it is when proposals of ours are on their way too. Their copy of our ledger tells which of
    /// them they have taken; while there are others, left goes first, and right signs its own again over the
    /// new state.
    fn in_turn(&self, signed: &SignedSemi) -> Result<(Self, Vec<Change>), Refusal> {
        let copy = signed.state.counterparty.as_ref();
        let taken = copy.and_then(|copy| self.taken(copy)).unwrap_or(0);
        if self.terms.we_left && taken < self.pending.len() {
            return Err(BUSY.into());
        }
        Ok(self.concluded(taken))
    }

    /// The action's own checks, as far as they concern this channel alone.
    fn their_change(
        &self,
        now: Time,
        proposal: &ProposeAction,
        new: &SemiBody,
        proof: &UpdateProof,
        bounds: &Bounds,
        known: Option<&Verified>,
    ) -> Result<Change, Refusal> {
        let absent = |key, reason: &str| match proof.get(key) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(Refusal(reason.into())),
            Err(error) => Err(Refusal(error.to_string())),
        };
        let gained = Nano(new.sent.0.saturating_sub(self.theirs.body().sent.0));
        match &proposal.action {
            Action::IncrementStates { .. } => {
                if gained != Nano::ZERO && !self.usable() {
                    refuse!("value cannot move before both sides have signed");
                }
                // Until the contract is there a record may be forgotten and made again, so there must be nothing
                // to forget: one state of each side, over no value.
                if self.theirs.body().seqno > 0 && !self.chain.open {
                    return Err(BUSY.into());
                }
                Ok(Change::Nothing)
            }
            Action::OpenVirtual(open) => {
                if !self.usable() {
                    refuse!("channel is not active");
                }
                let found = proof.get(&open.channel_key);
                let Ok(Some(conditional)) = found else {
                    refuse!("failed to find virtual channel in their new state");
                };
                if conditional.key.is_weak() {
                    refuse!("virtual channel key is weak");
                }
                if conditional.capacity < bounds.dust.max(Nano(1)) {
                    refuse!("invalid capacity");
                }
                if conditional.prepay != Nano::ZERO {
                    refuse!("prepay must be zero in a new virtual channel");
                }
                let least = now.plus_secs(self.terms.gap_secs().into());
                if conditional.deadline.at() < least {
                    let close = i64::from(self.terms.safe_close_secs());
                    let safe = i64::from(conditional.deadline.0)
                        .saturating_sub(i64::from(now.seconds()))
                        .saturating_sub(close);
                    let min = self.terms.min_safe_secs;
                    refuse!("safe virtual channel deadline is less than acceptable: {safe}, {min}");
                }
                if conditional.deadline.at() > now.plus_secs(bounds.lifetime_secs.into()) {
                    refuse!("virtual channel deadline is too far");
                }
                if self.theirs.conditionals.slot_taken(&conditional.key) {
                    refuse!(
                        "channel with this key is already exists and has different configuration"
                    );
                }
                if self.theirs.conditionals.len() >= bounds.conditionals {
                    refuse!("too many virtual channels: at most {}", bounds.conditionals);
                }
                Ok(Change::Open(conditional))
            }
            Action::ConfirmClose { key, state } => {
                absent(key, "condition should be removed to close")?;
                let Some(conditional) = self.theirs.conditionals.get(key) else {
                    refuse!("virtual channel is not found");
                };
                if known.is_none_or(|known| **known != *state) && !state.verify(key) {
                    refuse!("incorrect channel state signature");
                }
                if state.amount > conditional.capacity {
                    refuse!("amount cannot be > capacity");
                }
                let need = owed(&conditional, state).ok_or(Refusal::from("amount is too big"))?;
                if gained < need {
                    refuse!("incorrect amount unlocked: {gained} instead of {need}");
                }
                Ok(Change::Close(conditional, *state))
            }
            Action::RemoveVirtual { key } => {
                absent(key, "condition should be removed to unlock")?;
                let Some(conditional) = self.theirs.conditionals.get(key) else {
                    refuse!("virtual channel is not found");
                };
                Ok(Change::Remove(conditional))
            }
            Action::CommitVirtual { .. }
            | Action::RentCapacity { .. }
            | Action::CooperativeCommit { .. }
            | Action::CooperativeClose { .. }
            | Action::CloseVirtual { .. }
            | Action::RequestRemoveVirtual { .. } => {
                refuse!("this action is not supported here as a proposal")
            }
        }
    }
}
