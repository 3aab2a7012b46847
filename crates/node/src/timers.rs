//! One deadline per thing, and the earliest of all. A node has two such tables: of waits, by its steady clock, and
//! of what ends on chain, by the least that the chain's time can be.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use channel::{amount::Time, contract::Address, key::PublicKey};

use crate::io::LinkId;

/// What can become due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Try the channel's next step again, or take the turn back.
    Channel(Address),
    /// An old state of ours on this channel dies on chain.
    Shadow(Address),
    /// Ask the previous hop again.
    Ask(PublicKey),
    /// A conditional of this virtual channel dies.
    Expiry(PublicKey),
    /// What this virtual channel promises could not be signed in time.
    Unsigned(PublicKey),
    /// This channel was never paid for.
    Unfunded(Address),
    /// Dial this node.
    Dial(PublicKey),
    /// Go on with the opening of a channel with this node.
    Opening(PublicKey),
    /// See whether the peer is still there.
    Ping(LinkId),
    /// A guest on this link has had its time.
    Guest(LinkId),
    /// Send the wallet's message again.
    Wallet,
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    at: BTreeMap<Timer, Time>,
    order: BTreeSet<(Time, Timer)>,
}

impl Timers {
    /// Sets or moves a deadline; `None` takes it away.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Time>) {
        if let Some(old) = self.at.remove(&timer) {
            self.order.remove(&(old, timer));
        }
        if let Some(at) = at {
            self.at.insert(timer, at);
            self.order.insert((at, timer));
        }
    }

    /// As [`Timers::set`], but never moves a deadline back.
    pub(crate) fn sooner(&mut self, timer: Timer, at: Time) {
        if self.at.get(&timer).is_none_or(|old| at < *old) {
            self.set(timer, Some(at));
        }
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Everything due now, taken out.
    pub(crate) fn due(&mut self, now: Time) -> Vec<Timer> {
        let mut due = Vec::new();
        while let Some((at, timer)) = self.order.first().copied() {
            if at > now {
                break;
            }
            self.set(timer, None);
            due.push(timer);
        }
        due
    }
}
