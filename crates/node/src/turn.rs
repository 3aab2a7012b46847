//! Whose turn it is on a channel, and what is on its way there (protocol.md 7.1).
//!
//! Left is the master of the lock; right asks for it before it proposes. All of this lives in memory only: the
//! lock spares both sides refusals, it does not protect money. Locks belong to one channel, the same id may be
//! taken and given back twice, and a lock that nobody uses runs out (safety.md N16).

use alloc::collections::BTreeMap;

use channel::{
    amount::{Nano, Time},
    channel::Channel,
    contract::Address,
    key::PublicKey,
    propose::BUSY,
    tl::{Answer, Query},
};

use crate::{
    io::{Effect, LinkId, QueryId},
    node::Node,
    records::TopUp,
    timers::Timer,
    virtuals::Work,
};

/// How long left waits for a right side that holds the lock and says nothing.
const LEASE_MS: u64 = 10_000;
/// Proposals under one lock; then the other side gets its turn.
const PROPOSALS_PER_LOCK: u32 = 16;

/// One channel and what is going on around it.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) channel: Channel,
    pub(crate) top_up: Option<TopUp>,
    pub(crate) turn: Turn,
    /// Virtual channels that owe a proposal here, most urgent first, then oldest.
    pub(crate) work: alloc::collections::BTreeSet<(Work, Time, PublicKey)>,
    /// Virtual channels whose previous hop is behind this channel and has to be asked.
    pub(crate) asks: BTreeMap<PublicKey, Asking>,
    /// Kept free for proposals that are still to be made.
    pub(crate) reserved: Nano,
}

/// A request to the previous hop that is repeated until the conditional is gone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asking {
    pub(crate) flying: bool,
    pub(crate) tries: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Turn {
    lock: Lock,
    /// A lock request or a proposal of ours has no answer yet.
    flying: bool,
    not_before: Option<Time>,
    fails: u32,
    used: u32,
    /// Left only: the lock that right holds.
    pub(crate) foreign: Option<(i64, Time)>,
    /// The peer's last proposal that was refused for good. Copies of it die with the links of this process,
    /// so it need not outlive it.
    pub(crate) refused: Option<Refused>,
}

#[derive(Clone, Debug)]
pub(crate) struct Refused {
    /// Hash of the signed state.
    pub(crate) state: [u8; 32],
    pub(crate) reason: alloc::string::String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lock {
    #[default]
    Free,
    Wanted(i64),
    Held(i64),
}

/// A query of ours without an answer.
#[derive(Clone, Debug)]
pub(crate) enum Flight {
    Auth { timestamp: i64 },
    Ping,
    Lock(Address),
    Unlock,
    Proposal(Address),
    Ask(Address, PublicKey),
    Config(PublicKey),
    Offchain(PublicKey),
}

impl Slot {
    pub(crate) fn new(channel: Channel, top_up: Option<TopUp>) -> Self {
        Self {
            channel,
            top_up,
            turn: Turn::default(),
            work: Default::default(),
            asks: BTreeMap::new(),
            reserved: Nano::ZERO,
        }
    }

    /// What a new payment may use.
    pub(crate) fn available(&self) -> Nano {
        self.channel.our_balance().saturating_sub(self.reserved)
    }
}

impl Node {
    pub(crate) fn query(&mut self, link: LinkId, query: &Query, flight: Flight) {
        let id = QueryId(self.next_query);
        self.next_query = self.next_query.saturating_add(1);
        self.flights.insert(id, (link, flight));
        self.effect(Effect::Query { link, id, bytes: query.to_bytes() });
    }

    /// Takes the next step on a channel, if there is one to take.
    pub(crate) fn advance(&mut self, address: &Address) {
        let Some(slot) = self.slots.get(address) else { return };
        let peer = slot.channel.terms.their_key();
        let Some(link) = self.links.of(&peer) else { return };
        let turn = &slot.turn;
        if turn.flying {
            return;
        }
        let blocked = [turn.not_before, turn.foreign.map(|(_, until)| until)];
        if let Some(at) = blocked.into_iter().flatten().filter(|at| *at > self.now).max() {
            self.timers.sooner(Timer::Channel(*address), at);
            return;
        }
        if slot.channel.pending.is_none() && !self.has_work(slot) {
            self.release(address, link);
            return;
        }
        let (we_left, lock) = (slot.channel.terms.we_left, turn.lock);
        let held = match lock {
            _ if we_left => self.fresh_lock(),
            Lock::Held(_) if turn.used >= PROPOSALS_PER_LOCK => {
                self.release(address, link);
                return self.ask_for_lock(address, link, None);
            }
            Lock::Held(id) => id,
            Lock::Wanted(id) => return self.ask_for_lock(address, link, Some(id)),
            Lock::Free => return self.ask_for_lock(address, link, None),
        };
        if self.slots.get(address).is_some_and(|s| s.channel.pending.is_none()) {
            self.propose_next(address);
        }
        let Some(slot) = self.slots.get_mut(address) else { return };
        let Some(proposal) = slot.channel.proposal(held) else {
            return self.release(address, link);
        };
        slot.turn.flying = true;
        slot.turn.used = slot.turn.used.saturating_add(1);
        self.query(link, &Query::ProposeAction(proposal), Flight::Proposal(*address));
    }

    fn fresh_lock(&mut self) -> i64 {
        let nanos = i64::try_from(self.now.0.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
        self.last_lock = nanos.max(self.last_lock.saturating_add(1));
        self.last_lock
    }

    fn ask_for_lock(&mut self, address: &Address, link: LinkId, id: Option<i64>) {
        let id = id.unwrap_or_else(|| self.fresh_lock());
        let Some(slot) = self.slots.get_mut(address) else { return };
        slot.turn.lock = Lock::Wanted(id);
        slot.turn.flying = true;
        let query = Query::RequestChannelLock { lock_id: id, channel: *address, lock: true };
        self.query(link, &query, Flight::Lock(*address));
    }

    /// Gives the lock back when there is nothing left to do.
    fn release(&mut self, address: &Address, link: LinkId) {
        let Some(slot) = self.slots.get_mut(address) else { return };
        slot.turn.used = 0;
        let (Lock::Held(id) | Lock::Wanted(id)) = core::mem::take(&mut slot.turn.lock) else {
            return;
        };
        let query = Query::RequestChannelLock { lock_id: id, channel: *address, lock: false };
        self.query(link, &query, Flight::Unlock);
    }

    /// The answer to our request for the lock.
    pub(crate) fn lock_decided(&mut self, address: &Address, agreed: bool) {
        let Some(slot) = self.slots.get_mut(address) else { return };
        slot.turn.flying = false;
        if let (Lock::Wanted(id), true) = (slot.turn.lock, agreed) {
            slot.turn.lock = Lock::Held(id);
            slot.turn.used = 0;
            slot.turn.fails = 0;
        } else {
            self.back_off(address, true);
        }
        self.touch(address);
    }

    /// The proposal has its answer, whatever it is.
    pub(crate) fn proposal_landed(&mut self, address: &Address, progress: bool) {
        if let Some(slot) = self.slots.get_mut(address) {
            slot.turn.flying = false;
            if progress {
                slot.turn.fails = 0;
                slot.turn.not_before = None;
            }
        }
        self.touch(address);
    }

    /// Waits before the next try: a moment if the channel was busy, longer if something is wrong.
    pub(crate) fn back_off(&mut self, address: &Address, busy: bool) {
        let (first, longest) = if busy { (10, 2_000) } else { (500, 10_000) };
        let random = self.random_below(first);
        let Some(slot) = self.slots.get_mut(address) else { return };
        slot.turn.fails = slot.turn.fails.saturating_add(1);
        let pause = first.saturating_mul(1_u64 << slot.turn.fails.min(10)).min(longest);
        let at = self.now.plus_ms(pause.saturating_add(random));
        slot.turn.not_before = Some(at);
        self.timers.set(Timer::Channel(*address), Some(at));
    }

    /// A query got no answer, or its link is gone.
    pub(crate) fn flight_lost(&mut self, flight: &Flight) {
        match flight {
            Flight::Lock(address) | Flight::Proposal(address) => {
                if let Some(slot) = self.slots.get_mut(address) {
                    slot.turn.flying = false;
                }
                self.back_off(address, false);
            }
            Flight::Ask(address, key) => {
                let slot = self.slots.get_mut(address);
                if let Some(asking) = slot.and_then(|slot| slot.asks.get_mut(key)) {
                    asking.flying = false;
                    self.ask_later(address, key);
                }
            }
            Flight::Config(peer) | Flight::Offchain(peer) => self.opening_later(peer),
            Flight::Auth { .. } | Flight::Ping | Flight::Unlock => {}
        }
    }

    /// Left's answer to a request for the lock.
    pub(crate) fn lock_requested(
        &mut self,
        peer: &PublicKey,
        address: &Address,
        id: i64,
        lock: bool,
    ) -> Answer {
        if id <= 0 {
            return refusal("id must be positive");
        }
        let now = self.now;
        let Some(slot) = self.slots.get_mut(address) else {
            return refusal("failed to get channel: not found");
        };
        if slot.channel.terms.their_key() != *peer {
            return refusal("unauthorized channel");
        }
        if !slot.channel.terms.we_left {
            return refusal("not a lock master");
        }
        let held = slot.turn.foreign.filter(|(_, until)| *until > now);
        if !lock {
            // Only the lock that is named is given back; giving it back twice is harmless.
            if held.is_some_and(|(holder, _)| holder == id) {
                slot.turn.foreign = None;
                self.touch(address);
            }
            return agreement();
        }
        let other = held.is_some_and(|(holder, _)| holder != id);
        if other || slot.turn.flying || slot.channel.pending.is_some() {
            return refusal(BUSY);
        }
        slot.turn.foreign = Some((id, now.plus_ms(LEASE_MS)));
        agreement()
    }

    /// Right's answer to "have you finished?": the truth about its own lock.
    pub(crate) fn unlock_asked(&self, peer: &PublicKey, address: &Address, id: i64) -> Answer {
        if id <= 0 {
            return refusal("id must be positive");
        }
        let Some(slot) = self.slots.get(address) else {
            return refusal("failed to get channel: not found");
        };
        if slot.channel.terms.their_key() != *peer {
            return refusal("unauthorized channel");
        }
        match slot.turn.lock {
            Lock::Held(held) | Lock::Wanted(held) if held == id => refusal("still locked"),
            Lock::Held(_) | Lock::Wanted(_) | Lock::Free => agreement(),
        }
    }

    /// Left takes a proposal only under the lock that it gave, or under none; taking it renews the lease.
    pub(crate) fn lock_allows(&mut self, address: &Address, id: i64) -> bool {
        let now = self.now;
        let Some(slot) = self.slots.get_mut(address) else { return false };
        match slot.turn.foreign {
            Some((holder, until)) if until > now => {
                if holder == id {
                    slot.turn.foreign = Some((holder, now.plus_ms(LEASE_MS)));
                }
                holder == id
            }
            Some(_) | None => true,
        }
    }
}

pub(crate) fn agreement() -> Answer {
    Answer::Decision { agreed: true, reason: Default::default(), signature: Default::default() }
}

pub(crate) fn refusal(reason: &str) -> Answer {
    Answer::Decision { agreed: false, reason: reason.into(), signature: Default::default() }
}
