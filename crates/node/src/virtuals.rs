//! Virtual channels as one node sees them: a promise that came in, one that went out, and what is owed for them.
//!
//! What a node still has to do is read off the record, never remembered beside it: [`Virtual::work`] is owed on
//! the outgoing channel, [`Virtual::ask`] to the previous hop.

use alloc::{string::String, vec::Vec};

use channel::{
    amount::{Deadline, Nano, Time},
    channel::dead_after,
    conditional::Conditional,
    contract::Address,
    key::PublicKey,
    resolve::{Resolve, Verified},
};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Clock,
    io::PaymentId,
    summary::{PaymentState, PaymentSummary, ReceivedSummary},
};

/// One hop of a virtual channel that this node takes part in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leg {
    pub(crate) channel: Address,
    pub(crate) conditional: Conditional,
    pub(crate) state: LegState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LegState {
    /// To be proposed; nothing was signed.
    Waiting,
    /// Signed and on disk: the peer may hold it, answer or no answer.
    Offered,
    Live,
    Paid,
    /// Refused or removed. Claimable on chain until then (safety.md N2, N3).
    Gone {
        until: Deadline,
    },
    /// Never signed, or dead on chain: nobody can claim it.
    Never,
}

/// A payment that started here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) id: PaymentId,
    pub(crate) to: PublicKey,
    pub(crate) amount: Nano,
    /// All the fees on the way.
    pub(crate) fee: Nano,
    /// Number of nodes on the way: names the last instruction key.
    pub(crate) hops: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Virtual {
    pub(crate) key: PublicKey,
    pub(crate) incoming: Option<Leg>,
    pub(crate) outgoing: Option<Leg>,
    pub(crate) resolve: Option<Verified>,
    /// The next hop has shown the resolve and wants to be paid.
    pub(crate) claimed: bool,
    /// The next hop wants the conditional removed.
    pub(crate) given_up: bool,
    /// `openVirtualAction` for the next hop, while it may have to be sent.
    pub(crate) action: Option<Vec<u8>>,
    /// At the receiver: the last instruction key.
    pub(crate) instruction: Option<PublicKey>,
    pub(crate) payment: Option<Payment>,
    pub(crate) reason: Option<String>,
    pub(crate) created: Time,
    pub(crate) finished: Option<Time>,
}

/// What is owed on the outgoing channel, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    Close,
    Remove,
    Open,
}

/// What the previous hop is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Close(Resolve),
    Remove,
}

impl Virtual {
    pub(crate) fn work(&self, clock: &Clock) -> Option<Work> {
        let leg = self.outgoing.as_ref()?;
        match leg.state {
            LegState::Waiting => Some(Work::Open),
            LegState::Live if self.claimed && self.may_pay(leg, clock) => Some(Work::Close),
            LegState::Live if self.given_up || expired(leg, clock) => Some(Work::Remove),
            LegState::Live
            | LegState::Offered
            | LegState::Paid
            | LegState::Gone { .. }
            | LegState::Never => None,
        }
    }

    /// After the deadline nobody can make us pay; a relay then pays only what it has been paid itself.
    fn may_pay(&self, leg: &Leg, clock: &Clock) -> bool {
        let covered = self.incoming.as_ref().is_none_or(|leg| leg.state == LegState::Paid);
        covered || leg.conditional.deadline.at() >= clock.most()
    }

    pub(crate) fn ask(&self, clock: &Clock) -> Option<Ask> {
        let leg = self.incoming.as_ref().filter(|leg| leg.state == LegState::Live)?;
        match self.resolve {
            Some(resolve) if self.covers_outgoing(&resolve, clock) => Some(Ask::Close(*resolve)),
            Some(_) => None,
            // The incoming promise is let go only when the outgoing one is dead on chain (N2).
            None => {
                let released = match &self.outgoing {
                    Some(next) => next.is_dead(clock),
                    None => leg.conditional.deadline.at() < clock.least(),
                };
                released.then_some(Ask::Remove)
            }
        }
    }

    /// Whether the incoming side may be settled over this resolve: the next hop can never make us pay more (N25).
    /// Whatever was paid there, older states of ours carry the whole promise until it is dead on chain (N26).
    pub(crate) fn covers_outgoing(&self, resolve: &Resolve, clock: &Clock) -> bool {
        self.outgoing
            .as_ref()
            .is_none_or(|next| resolve.amount >= next.conditional.capacity || next.is_dead(clock))
    }

    /// The same with its outgoing side in another state.
    pub(crate) fn outgoing_is(&self, state: LegState) -> Self {
        let outgoing = self.outgoing.clone().map(|leg| Leg { state, ..leg });
        Self { outgoing, ..self.clone() }
    }

    /// The same after its outgoing promise was refused or removed: it can be claimed until it is dead.
    pub(crate) fn gone(&self, reason: &str, now: Time) -> Self {
        let until = self.outgoing.as_ref().map(|leg| dead_after(leg.conditional.deadline));
        let state = match until.filter(|until| until.at() >= now) {
            Some(until) => LegState::Gone { until },
            None => LegState::Never,
        };
        Self {
            action: None,
            reason: self.reason.clone().or_else(|| Some(String::from(reason))),
            finished: self.finished.or(Some(now)),
            ..self.outgoing_is(state)
        }
    }

    /// The same after its outgoing promise was given up before it was signed: nobody can ever claim it.
    pub(crate) fn never_signed(&self, reason: &str, now: Time) -> Self {
        Self {
            action: None,
            reason: Some(String::from(reason)),
            finished: self.finished.or(Some(now)),
            ..self.outgoing_is(LegState::Never)
        }
    }

    /// Whether the payer may take the incoming conditional back.
    pub(crate) fn may_remove_incoming(&self, clock: &Clock) -> bool {
        let Some(leg) = &self.incoming else { return false };
        leg.conditional.deadline.at() < clock.least() || self.ask(clock) == Some(Ask::Remove)
    }

    /// Nothing is owed any more and nothing can be claimed: not by us, and by nobody from us.
    pub(crate) fn is_over(&self, clock: &Clock) -> bool {
        let received = self.incoming.as_ref().is_none_or(|leg| match leg.state {
            LegState::Paid | LegState::Never => true,
            LegState::Waiting | LegState::Offered | LegState::Live | LegState::Gone { .. } => false,
        });
        let given = self.outgoing.as_ref().is_none_or(|leg| match leg.state {
            LegState::Paid | LegState::Never => true,
            LegState::Gone { until } => until.at() < clock.least(),
            LegState::Waiting | LegState::Offered | LegState::Live => false,
        });
        received && given
    }

    /// When [`Virtual::work`] or [`Virtual::ask`] may change next by the passing of time alone, in the time of
    /// [`Clock::least`].
    pub(crate) fn next_change(&self, clock: &Clock) -> Option<Time> {
        if self.overdue(clock).is_some() {
            return Some(clock.least());
        }
        let outgoing = self.outgoing.as_ref().and_then(|leg| match leg.state {
            LegState::Live | LegState::Offered | LegState::Paid => {
                Some(dead_after(leg.conditional.deadline))
            }
            LegState::Gone { until } => Some(until),
            LegState::Waiting | LegState::Never => None,
        });
        let incoming = self.incoming.as_ref().filter(|leg| leg.state == LegState::Live);
        [outgoing, incoming.map(|leg| leg.conditional.deadline)]
            .into_iter()
            .flatten()
            .map(|deadline| deadline.at().plus_ms(1))
            .filter(|at| *at > clock.least())
            .min()
    }

    /// Whether its promise was not signed yet.
    pub(crate) fn is_unsigned(&self) -> bool {
        self.outgoing.as_ref().is_some_and(|leg| leg.state == LegState::Waiting)
    }

    /// What becomes of the outgoing promise by the passing of time alone.
    pub(crate) fn overdue(&self, clock: &Clock) -> Option<Self> {
        let leg = self.outgoing.as_ref().filter(|leg| leg.is_dead(clock))?;
        match leg.state {
            LegState::Offered => {
                // The proposal may still be sent: its orders stay.
                let gone = self.gone("the next node did not answer", clock.wall());
                Some(Self { action: self.action.clone(), ..gone })
            }
            LegState::Gone { .. } => Some(self.outgoing_is(LegState::Never)),
            LegState::Waiting | LegState::Live | LegState::Paid | LegState::Never => None,
        }
    }

    /// Where the promise came from; `None`: from us.
    pub(crate) fn source(&self) -> Option<Address> {
        self.incoming.as_ref().map(|leg| leg.channel)
    }

    /// Whether the outgoing promise keeps a place from others: in the dictionary, or among the reserves.
    pub(crate) fn holds_place(&self) -> bool {
        let unsettled = self.incoming.as_ref().is_some_and(|leg| leg.state == LegState::Live);
        self.outgoing.as_ref().is_some_and(|leg| match leg.state {
            LegState::Waiting | LegState::Offered | LegState::Live => true,
            LegState::Gone { .. } => unsettled,
            LegState::Paid | LegState::Never => false,
        })
    }

    /// What the outgoing channel must keep free for a proposal that is not made yet.
    pub(crate) fn reserve(&self) -> Option<(Address, Nano)> {
        let leg = self.outgoing.as_ref().filter(|leg| leg.state == LegState::Waiting)?;
        Some((leg.channel, leg.conditional.held()?))
    }

    pub(crate) fn payment_summary(&self) -> Option<PaymentSummary> {
        let (payment, leg) = (self.payment.as_ref()?, self.outgoing.as_ref()?);
        let (state, locked_until) = match leg.state {
            LegState::Waiting | LegState::Offered => (PaymentState::Reserved, None),
            LegState::Live if self.claimed => (PaymentState::Sent, None),
            LegState::Live => (PaymentState::Locked, Some(leg.conditional.deadline)),
            LegState::Paid => (PaymentState::Settled, None),
            LegState::Gone { until } => (PaymentState::Returning, Some(until)),
            LegState::Never => (PaymentState::Failed, None),
        };
        Some(PaymentSummary {
            id: payment.id,
            key: self.key,
            to: payment.to,
            amount: payment.amount,
            fee: payment.fee,
            state,
            reason: self.reason.clone(),
            started: self.created,
            finished: self.finished,
            locked_until,
        })
    }

    pub(crate) fn received_summary(&self) -> Option<ReceivedSummary> {
        let leg = self.incoming.as_ref().filter(|_| self.outgoing.is_none())?;
        let (resolve, instruction) = (self.resolve?, self.instruction?);
        Some(ReceivedSummary {
            key: self.key,
            amount: resolve.amount,
            instruction,
            at: self.created,
            settled: leg.state == LegState::Paid,
        })
    }
}

fn expired(leg: &Leg, clock: &Clock) -> bool {
    dead_after(leg.conditional.deadline).at() < clock.least()
}

impl Leg {
    /// Nobody can claim it on chain any more, or ever could.
    fn is_dead(&self, clock: &Clock) -> bool {
        match self.state {
            LegState::Never => true,
            LegState::Waiting => false,
            LegState::Gone { until } => until.at() < clock.least(),
            LegState::Offered | LegState::Live | LegState::Paid => expired(self, clock),
        }
    }
}
