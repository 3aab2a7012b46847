//! Whose turn it is on a channel, and what is on its way there (protocol.md 7.1).
//!
//! Left is the master of the lock; right asks for it before it proposes. All of this lives in memory only: the
//! lock spares both sides refusals, it does not protect money. Locks belong to one channel, the same id may be
//! taken and given back twice, and a lock that nobody uses runs out (safety.md N16).

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use channel::{
    amount::{Nano, Time},
    channel::{Change, Channel},
    contract::Address,
    key::PublicKey,
    propose::BUSY,
    semichannel::ChannelId,
    tl::{Answer, Query},
};

use crate::{
    io::{Effect, LinkId, QueryId},
    node::Node,
    records::TopUp,
    shares::Shares,
    timers::Timer,
    virtuals::Work,
};

/// How long left waits for a right side that holds the lock and says nothing.
const LEASE_MS: u64 = 10_000;
/// How long left starts nothing new after it had to turn right away.
const COURTESY_MS: u64 = 100;
/// Proposals pending at once, at the most.
const WINDOW_MAX: usize = 64;
/// Proposals under one lock; then the other side gets its turn.
const PROPOSALS_PER_LOCK: u32 = 64;

/// One channel and what is going on around it.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) channel: Channel,
    pub(crate) top_up: Option<TopUp>,
    /// Chain time since when a deposit that has left the wallet should show, and how often it did not.
    pub(crate) deposit_since: Option<u32>,
    pub(crate) deposits_lost: u32,
    pub(crate) turn: Turn,
    /// Virtual channels that owe a proposal here, most urgent first, then oldest.
    pub(crate) work: BTreeSet<(Work, Time, PublicKey)>,
    /// Virtual channels whose previous hop is behind this channel and has to be asked.
    pub(crate) asks: BTreeMap<PublicKey, Asking>,
    /// Kept free for proposals that are still to be made.
    pub(crate) reserved: Nano,
    /// Who holds the places for promises here.
    pub(crate) shares: Shares,
}

/// A request to the previous hop that is repeated until the conditional is gone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asking {
    pub(crate) flying: bool,
    pub(crate) tries: u32,
}

#[derive(Debug)]
pub(crate) struct Turn {
    lock: Lock,
    /// A request of ours for the lock has no answer yet.
    asking: bool,
    /// Pending proposals that are on their way.
    flying: BTreeSet<u64>,
    /// Proposals from this seqno on wait until it is the oldest.
    pub(crate) held_back: Option<u64>,
    /// Why the peer will not have our oldest proposal, until it is sure that it has taken no later one.
    pub(crate) verdict: Option<String>,
    /// How many proposals may be pending at once: grows while they arrive in order, shrinks when not.
    window: usize,
    /// Proposals made before this number were replaced; answers to them mean nothing any more.
    generation: u64,
    not_before: Option<Time>,
    fails: u32,
    used: u32,
    /// Left only: the lock that right holds.
    pub(crate) foreign: Option<(i64, Time)>,
    /// Left only: right has asked in vain; nothing new is started until then, so that it gets its turn.
    courtesy: Option<Time>,
    /// Proposals of the peer for its next seqno that were refused for good. Copies of them die with the links
    /// of this process, so they need not outlive it.
    pub(crate) refused: Vec<Refused>,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            lock: Lock::Free,
            asking: false,
            flying: BTreeSet::new(),
            held_back: None,
            verdict: None,
            window: 1,
            generation: 0,
            not_before: None,
            fails: 0,
            used: 0,
            foreign: None,
            courtesy: None,
            refused: Vec::new(),
        }
    }
}

impl Turn {
    pub(crate) fn flies(&self) -> bool {
        !self.flying.is_empty()
    }

    /// Something did not go straight through: less at once.
    pub(crate) fn narrow(&mut self) {
        self.window = (self.window / 2).max(1);
    }
}

/// One proposal on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) channel: Address,
    pub(crate) seqno: u64,
    generation: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Refused {
    /// Hash of the signed state.
    pub(crate) state: [u8; 32],
    pub(crate) reason: String,
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
    Proposal(Offer),
    Ask(Address, PublicKey),
    Config(PublicKey),
    Offchain(PublicKey, ChannelId),
}

impl Slot {
    pub(crate) fn new(channel: Channel, top_up: Option<TopUp>) -> Self {
        Self {
            channel,
            top_up,
            deposit_since: None,
            deposits_lost: 0,
            turn: Turn::default(),
            work: Default::default(),
            asks: BTreeMap::new(),
            reserved: Nano::ZERO,
            shares: Shares::default(),
        }
    }

    /// Whether this channel owes its peer a proposal that is not made yet.
    pub(crate) fn has_work(&self) -> bool {
        self.channel.increment.is_some() || self.next_work().is_some()
    }

    /// The most urgent proposal that is owed and not pending yet.
    pub(crate) fn next_work(&self) -> Option<(Work, PublicKey)> {
        let next = self.work.iter().find(|(_, _, key)| !self.is_pending(key));
        next.map(|(work, _, key)| (*work, *key))
    }

    /// Whether a proposal about this virtual channel has no answer yet.
    pub(crate) fn is_pending(&self, key: &PublicKey) -> bool {
        self.channel.pending.iter().any(|pending| match &pending.change {
            Change::Nothing => false,
            Change::Open(conditional)
            | Change::Close(conditional, _)
            | Change::Remove(conditional) => conditional.key == *key,
        })
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

    /// Takes the next steps on a channel, if there are any to take.
    pub(crate) fn advance(&mut self, address: &Address) {
        let Some(slot) = self.slots.get_mut(address) else { return };
        let Slot { channel, turn, .. } = slot;
        turn.flying.retain(|seqno| channel.pending.iter().any(|p| p.seqno() == *seqno));
        let Some(link) = self.links.of(&channel.terms.their_key()) else { return };
        // Nothing is said or signed in a channel that has stopped: the chain decides what its states are worth.
        if turn.asking || channel.chain.closed {
            return;
        }
        let blocked = [turn.not_before, turn.foreign.map(|(_, until)| until)];
        if let Some(at) = blocked.into_iter().flatten().filter(|at| *at > self.now).max() {
            self.timers.sooner(Timer::Channel(*address), at);
            return;
        }
        let (idle, held, used) = (channel.pending.is_empty(), turn.lock, turn.used);
        let lock = match held {
            _ if idle && !slot.has_work() => return self.release(address, link),
            _ if slot.channel.terms.we_left => self.fresh_lock(),
            Lock::Held(_) if idle && used >= PROPOSALS_PER_LOCK => {
                self.release(address, link);
                return self.ask_for_lock(address, link, None);
            }
            Lock::Held(id) => id,
            Lock::Wanted(id) => return self.ask_for_lock(address, link, Some(id)),
            Lock::Free => return self.ask_for_lock(address, link, None),
        };
        while self.may_start(address) && self.propose_next(address) {}
        self.send_pending(address, link, lock);
    }

    /// Whether one more proposal may be made now.
    fn may_start(&mut self, address: &Address) -> bool {
        let Some(slot) = self.slots.get(address) else { return false };
        if let Some(until) = slot.turn.courtesy.filter(|until| *until > self.now) {
            self.timers.sooner(Timer::Channel(*address), until);
            return false;
        }
        let turn = &slot.turn;
        let right_done = !slot.channel.terms.we_left && turn.used >= PROPOSALS_PER_LOCK;
        slot.has_work() && slot.channel.pending.len() < turn.window && !right_done
    }

    /// Sends what is pending and not on its way, oldest first.
    fn send_pending(&mut self, address: &Address, link: LinkId, lock: i64) {
        let Some(slot) = self.slots.get_mut(address) else { return };
        let Slot { channel, turn, .. } = slot;
        let head = channel.pending.first().map(|pending| pending.seqno());
        let generation = turn.generation;
        let mut proposals = Vec::new();
        for seqno in channel.pending.iter().map(|pending| pending.seqno()) {
            let waits = turn.held_back.is_some_and(|from| seqno >= from) && Some(seqno) != head;
            if waits || turn.flying.contains(&seqno) {
                continue;
            }
            let Some(proposal) = channel.proposal(seqno, lock) else { continue };
            turn.flying.insert(seqno);
            turn.used = turn.used.saturating_add(1);
            proposals.push((proposal, Offer { channel: *address, seqno, generation }));
        }
        if head.is_none_or(|head| turn.held_back.is_some_and(|from| from < head)) {
            turn.held_back = None;
        }
        let idle = channel.pending.is_empty();
        for (proposal, offer) in proposals {
            self.query(link, &Query::ProposeAction(proposal), Flight::Proposal(offer));
        }
        if idle {
            self.release(address, link);
        }
    }

    fn fresh_lock(&mut self) -> i64 {
        let nanos =
            i64::try_from(self.clock.wall().0.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
        self.last_lock = nanos.max(self.last_lock.saturating_add(1));
        self.last_lock
    }

    fn ask_for_lock(&mut self, address: &Address, link: LinkId, id: Option<i64>) {
        let id = id.unwrap_or_else(|| self.fresh_lock());
        let Some(slot) = self.slots.get_mut(address) else { return };
        slot.turn.lock = Lock::Wanted(id);
        slot.turn.asking = true;
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
        slot.turn.asking = false;
        if let (Lock::Wanted(id), true) = (slot.turn.lock, agreed) {
            slot.turn.lock = Lock::Held(id);
            slot.turn.used = 0;
            slot.turn.fails = 0;
        } else {
            self.back_off(address, true);
        }
        self.touch(address);
    }

    /// An answer to this proposal is here. False: the proposal is not pending any more.
    pub(crate) fn offer_landed(&mut self, offer: &Offer) -> bool {
        let Some(slot) = self.slots.get_mut(&offer.channel) else { return false };
        slot.turn.generation == offer.generation
            && slot.channel.pending.iter().any(|p| p.seqno() == offer.seqno)
            && slot.turn.flying.remove(&offer.seqno)
    }

    /// Proposals go through: more may be under way at once.
    pub(crate) fn offer_taken(&mut self, address: &Address) {
        let Some(slot) = self.slots.get_mut(address) else { return };
        slot.turn.window = slot.turn.window.saturating_add(1).min(WINDOW_MAX);
        slot.turn.fails = 0;
        slot.turn.not_before = None;
        slot.turn.verdict = None;
    }

    /// What was pending was made again: everything has to be sent again.
    pub(crate) fn offers_remade(&mut self, address: &Address) {
        let Some(slot) = self.slots.get_mut(address) else { return };
        slot.turn.generation = slot.turn.generation.saturating_add(1);
        slot.turn.flying.clear();
        slot.turn.held_back = None;
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
            Flight::Lock(address) => {
                if let Some(slot) = self.slots.get_mut(address) {
                    slot.turn.asking = false;
                }
                self.back_off(address, false);
            }
            Flight::Proposal(offer) => {
                if self.offer_landed(offer) {
                    if let Some(slot) = self.slots.get_mut(&offer.channel) {
                        slot.turn.narrow();
                        slot.turn.verdict = None;
                        slot.turn.held_back = None;
                    }
                    self.back_off(&offer.channel, false);
                }
            }
            Flight::Ask(address, key) => {
                let slot = self.slots.get_mut(address);
                if let Some(asking) = slot.and_then(|slot| slot.asks.get_mut(key)) {
                    asking.flying = false;
                    self.ask_later(address, key);
                }
            }
            Flight::Config(peer) | Flight::Offchain(peer, _) => self.opening_later(peer),
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
        if other || !slot.channel.pending.is_empty() {
            slot.turn.courtesy = Some(now.plus_ms(COURTESY_MS));
            return refusal(BUSY);
        }
        slot.turn.courtesy = None;
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
