//! The node itself: an input comes in, a step goes out.
//!
//! [`Node::handle`] never fails and never panics. Inside it is always the same way: what came in changes records
//! ([`Node::put_virtual`], [`Node::adopt`]), records say what is owed, and what is owed becomes effects of the
//! same step. What must be said again after a restart is found the same way: nothing is remembered beside.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    sync::Arc,
    vec::Vec,
};

use channel::{
    amount::{Nano, Time},
    channel::{Change, Channel},
    contract::Address,
    key::{PublicKey, SecretKey},
    propose::{Intent, Outcome, behind},
    semichannel::SignedSemi,
    tl::{Action, Answer},
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::{
    clock::Clock,
    config::{Config, Record},
    guests::Guests,
    history::History,
    invitation::Contact,
    io::{Effect, Event, Input, LinkEvent, LinkId, PaymentId, QueryId, Step},
    links::{Link, Links},
    opening::Opening,
    records::{self, Kind, NodeRecord, Parts, TopUp, decode, encode},
    timers::{Timer, Timers},
    turn::{Flight, Offer, Slot},
    virtuals::{LegState, Virtual, Work},
    wallet::{Outgoing, Wallet},
};

pub struct Node {
    pub(crate) config: Config,
    pub(crate) key: SecretKey,
    pub(crate) wallet_key: SecretKey,
    pub(crate) public: PublicKey,
    rng: ChaCha20Rng,
    pub(crate) clock: Clock,
    /// [`Clock::steady`].
    pub(crate) now: Time,
    pub(crate) links: Links,
    pub(crate) flights: BTreeMap<QueryId, (LinkId, Flight)>,
    pub(crate) next_query: u64,
    pub(crate) last_lock: i64,
    pub(crate) contacts: BTreeMap<PublicKey, Contact>,
    pub(crate) slots: BTreeMap<Address, Slot>,
    pub(crate) by_peer: BTreeMap<PublicKey, Vec<Address>>,
    pub(crate) virtuals: BTreeMap<PublicKey, Virtual>,
    pub(crate) payments: BTreeMap<PaymentId, PublicKey>,
    pub(crate) history: History,
    pub(crate) openings: BTreeMap<PublicKey, Opening>,
    pub(crate) unfunded: Guests<Address>,
    pub(crate) wallet: Wallet,
    pub(crate) timers: Timers,
    /// What ends on chain.
    pub(crate) deadlines: Timers,
    pub(crate) earned: Nano,
    step: Step,
    dirty: BTreeSet<Address>,
    pub(crate) dirty_asks: BTreeSet<PublicKey>,
    pub(crate) dirty_wallet: bool,
    /// Channels whose record changed in this step: the owner is told once.
    told: BTreeSet<Address>,
}

/// Records that this version cannot read, or that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    #[error("record {key} cannot be read")]
    Unreadable { key: String },
    #[error("the records belong to another node key, {found}: use its seed or another data folder")]
    OtherNode { found: PublicKey },
    #[error("the records are of version {found}, this program reads up to {known}: update it")]
    TooNew { found: u32, known: u32 },
    #[error("the dictionary of channel {channel} does not match its signed hash")]
    Dictionary { channel: String },
    #[error("the built-in contract code cannot be read")]
    Code,
}

const ASK_FIRST_MS: u64 = 2_000;
const ASK_LONGEST_MS: u64 = 30_000;
/// A promise that could not be signed by then binds nobody: the next node is away, or keeps the lock for itself.
const UNSIGNED_MS: u64 = 15_000;

impl Node {
    /// Puts a node together from its records, of which those under [`crate::history::HISTORY`] may be left out;
    /// the first step says what is owed after the break.
    pub fn restore(
        config: Config,
        entropy: [u8; 32],
        now: Time,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<(Self, Step), Corrupt> {
        let key = SecretKey::from_seed(*config.node_seed);
        let wallet_key = SecretKey::from_seed(*config.wallet_seed);
        let wallet = Wallet::new(&config.codes.wallet, &wallet_key.public());
        let mut node = Self {
            public: key.public(),
            key,
            wallet_key,
            rng: ChaCha20Rng::from_seed(entropy),
            clock: Clock::starting(now),
            now,
            links: Links::default(),
            flights: BTreeMap::new(),
            next_query: 1,
            last_lock: 0,
            contacts: BTreeMap::new(),
            slots: BTreeMap::new(),
            by_peer: BTreeMap::new(),
            virtuals: BTreeMap::new(),
            payments: BTreeMap::new(),
            history: History::default(),
            openings: BTreeMap::new(),
            unfunded: Guests::default(),
            wallet: wallet.map_err(|_| Corrupt::Code)?,
            timers: Timers::default(),
            deadlines: Timers::default(),
            earned: Nano::ZERO,
            step: Step::default(),
            dirty: BTreeSet::new(),
            dirty_asks: BTreeSet::new(),
            dirty_wallet: false,
            told: BTreeSet::new(),
            config,
        };
        node.load(records)?;
        node.wake_up();
        let step = node.finish();
        Ok((node, step))
    }

    fn load(&mut self, records: impl IntoIterator<Item = Record>) -> Result<(), Corrupt> {
        let mut parts: BTreeMap<Address, Parts> = BTreeMap::new();
        let mut virtuals: Vec<Virtual> = Vec::new();
        let mut known = false;
        for (key, value) in records {
            let unreadable = || Corrupt::Unreadable { key: records::label(&key) };
            let name = key.get(1..).unwrap_or_default();
            let bytes32 = |bytes: Option<&[u8]>| -> Result<[u8; 32], Corrupt> {
                bytes.and_then(|b| b.try_into().ok()).ok_or_else(unreadable)
            };
            match Kind::of(&key).ok_or_else(unreadable)? {
                Kind::Node => {
                    let record: NodeRecord = decode(&key, &value)?;
                    if record.node != self.public {
                        return Err(Corrupt::OtherNode { found: record.node });
                    }
                    self.earned = record.earned;
                    known = true;
                }
                Kind::Channel => {
                    parts.entry(bytes32(Some(name))?).or_default().channel = Some(value);
                }
                Kind::Terms => {
                    parts.entry(bytes32(Some(name))?).or_default().terms = Some(value);
                }
                Kind::Conditional => {
                    let part = parts.entry(bytes32(name.get(..32))?).or_default();
                    let list = match name.get(32) {
                        Some(0) => &mut part.theirs,
                        Some(1) => &mut part.ours,
                        Some(_) | None => return Err(unreadable()),
                    };
                    list.push(decode(&key, &value)?);
                }
                Kind::Virtual => virtuals.push(decode(&key, &value)?),
                // Not needed to go on; a host need not read it at all.
                Kind::History => {}
                Kind::Reserve => {
                    let part = parts.entry(bytes32(name.get(..32))?).or_default();
                    part.reserves.push(decode(&key, &value)?);
                }
                Kind::Contact => {
                    let contact: Contact = decode(&key, &value)?;
                    self.contacts.insert(contact.node, contact);
                }
                Kind::Opening => {
                    let opening: Opening = decode(&key, &value)?;
                    self.openings.insert(PublicKey(bytes32(Some(name))?), opening);
                }
                Kind::Wallet => {
                    let outgoing: Outgoing = decode(&key, &value)?;
                    self.wallet.outgoing = Some(outgoing);
                }
            }
        }
        if !known {
            self.write_node();
        }
        let actions: BTreeMap<PublicKey, &Vec<u8>> =
            virtuals.iter().filter_map(|v| Some((v.key, v.action.as_ref()?))).collect();
        let action = |key: &PublicKey| Action::from_bytes(actions.get(key)?).ok();
        for (address, part) in parts {
            let written = part.reserves.clone();
            let (channel, top_up) = part.channel(address, action)?;
            // An older record held them: from now on each has one of its own.
            if channel.shadows.len() != written.len() {
                let writes = records::reserve_writes(&address, &written, &channel.shadows);
                self.step.writes.extend(writes);
                let record = records::encode_channel(&channel, top_up);
                self.write(Kind::Channel.key(&address), Some(record));
            }
            self.by_peer.entry(channel.terms.their_key()).or_default().push(address);
            self.slots.insert(address, Slot::new(channel, top_up));
        }
        for known in virtuals {
            self.index(known);
        }
        Ok(())
    }

    /// What a node does when it comes to life.
    fn wake_up(&mut self) {
        self.effect(Effect::Watch(self.wallet.address));
        self.enter_all_unfunded();
        let addresses: Vec<Address> = self.slots.keys().copied().collect();
        for address in addresses {
            // Closed ones too: a dispute goes on, and what one server said may have been a lie.
            self.effect(Effect::Watch(address));
            self.shadow_timer(&address);
        }
        let peers: Vec<PublicKey> = self.contacts.keys().copied().collect();
        for peer in peers {
            self.dial(peer);
        }
        self.dirty_wallet = true;
    }

    /// Takes one input. Total: a bad peer gets a refusal or a closed link, a bad command an error reply.
    pub fn handle(&mut self, now: Time, input: Input) -> Step {
        self.clock.tick(now);
        self.now = self.clock.steady();
        for timer in self.timers.due(self.now) {
            self.due(timer);
        }
        self.time_passes();
        match input {
            Input::Link(link, event) => self.link(link, event),
            Input::Unreachable(peer) => self.unreachable(peer),
            Input::Chain(view) => self.chain(view),
            Input::Unchanged { address, block, time } => self.unchanged(&address, block, time),
            Input::Command(request, command) => self.command(request, command),
            Input::Recalled { key, value } => self.recalled(&key, value.as_deref()),
            Input::Wake => {}
        }
        self.finish()
    }

    fn finish(&mut self) -> Step {
        loop {
            self.ask_all();
            if core::mem::take(&mut self.dirty_wallet) {
                self.advance_wallet();
            }
            let Some(address) = self.dirty.pop_first() else { break };
            self.advance(&address);
        }
        for address in core::mem::take(&mut self.told) {
            if let Some(summary) = self.channel_summary(&address) {
                self.effect(Effect::Notify(Event::Channel(summary)));
            }
        }
        // Of what ends on chain, only that waits for the host's clock which the chain is beyond already.
        let ends = self.deadlines.next().filter(|at| self.clock.most() >= *at);
        let waits = self.timers.next().map(|at| self.clock.as_wall(at));
        self.step.wake = ends.into_iter().chain(waits).min();
        core::mem::take(&mut self.step)
    }

    /// Something may have ended on chain.
    pub(crate) fn time_passes(&mut self) {
        for timer in self.deadlines.due(self.clock.least()) {
            self.due(timer);
        }
    }

    fn due(&mut self, timer: Timer) {
        match timer {
            Timer::Channel(address) => self.touch(&address),
            Timer::Shadow(address) => {
                let slot = self.slots.get(&address);
                if let Some(next) =
                    slot.and_then(|s| s.channel.without_dead_shadows(self.clock.least()))
                {
                    self.adopt(&address, next, &[], None);
                }
            }
            Timer::Ask(key) => self.ask_again(&key),
            Timer::Expiry(key) => {
                let known = self.virtuals.get(&key);
                if let Some(next) = known.and_then(|known| known.overdue(&self.clock)) {
                    self.put_virtual(next);
                } else if let Some(known) = self.virtuals.remove(&key) {
                    self.unindex(&known);
                    self.index(known);
                }
            }
            Timer::Unsigned(key) => {
                if let Some(known) = self.virtuals.get(&key).filter(|known| known.is_unsigned()) {
                    let reason = "the next node was not ready in time";
                    self.put_virtual(known.never_signed(reason, self.clock.wall()));
                }
            }
            Timer::Dial(peer) => self.dial(peer),
            Timer::Unfunded(address) => self.unfunded_time_over(&address),
            Timer::Opening(peer) => self.advance_opening(&peer),
            Timer::Ping(link) => self.ping(link),
            Timer::Guest(link) => self.guest_time_over(link),
            Timer::Wallet => self.dirty_wallet = true,
        }
    }

    fn link(&mut self, link: LinkId, event: LinkEvent) {
        match event {
            LinkEvent::Up { ours, theirs, dialled, source } => {
                self.link_up(link, Link { ours, theirs, dialled, source, peer: None });
            }
            LinkEvent::Query { id, bytes } => self.asked(link, id, &bytes),
            LinkEvent::Answer { id, bytes } => self.answered(link, id, &bytes),
            LinkEvent::TimedOut { id } => {
                if let Some((link, flight)) = self.flights.remove(&id) {
                    self.flight_lost(&flight);
                    if matches!(flight, Flight::Ping | Flight::Auth { .. }) {
                        self.drop_link(link);
                    }
                }
            }
            LinkEvent::Down => self.link_down(link),
        }
    }

    fn answered(&mut self, link: LinkId, id: QueryId, bytes: &[u8]) {
        if self.flights.get(&id).is_none_or(|(expected, _)| *expected != link) {
            return;
        }
        let Some((_, flight)) = self.flights.remove(&id) else { return };
        let answer = Answer::from_bytes(bytes);
        match (flight, answer) {
            (Flight::Auth { timestamp }, Ok(Answer::Authenticate(hello))) => {
                self.authenticated_with(link, timestamp, &hello);
            }
            (Flight::Lock(address), Ok(Answer::Decision { agreed, .. })) => {
                self.lock_decided(&address, agreed);
            }
            (
                Flight::Proposal(offer),
                Ok(Answer::ProposalDecision { agreed, reason, signed_state }),
            ) => {
                let state = signed_state.and_then(|cell| SignedSemi::from_cell(&cell).ok());
                match (agreed, state) {
                    (true, Some(state)) => self.proposal_agreed(&offer, &state),
                    (true, None) => self.flight_lost(&Flight::Proposal(offer)),
                    (false, _) => self.proposal_refused(&offer, &reason),
                }
            }
            (Flight::Ask(address, key), Ok(Answer::Decision { agreed, reason, .. })) => {
                if !agreed {
                    tracing::debug!(%key, reason, "request refused");
                }
                let slot = self.slots.get_mut(&address);
                if let Some(asking) = slot.and_then(|slot| slot.asks.get_mut(&key)) {
                    asking.flying = false;
                    self.ask_later(&address, &key);
                }
            }
            (Flight::Config(peer), Ok(Answer::ChannelConfig(terms))) => {
                self.terms_answered(&peer, &terms);
            }
            (Flight::Offchain(peer, id), Ok(Answer::OpenChannelOffchain { address, reason })) => {
                self.offchain_answered(&peer, &id, address, &reason)
            }
            (Flight::Ping, Ok(Answer::Pong { .. })) | (Flight::Unlock, Ok(_)) => {}
            (flight, _) => {
                // An answer of another kind, or none that can be read, counts as no answer.
                self.flight_lost(&flight);
            }
        }
    }

    /// Makes the most urgent proposal that can be made. False: there is none.
    pub(crate) fn propose_next(&mut self, address: &Address) -> bool {
        loop {
            let Some(slot) = self.slots.get(address) else { return false };
            if let Some(want_response) = slot.channel.increment {
                let intent = Intent::Increment { want_response };
                let Ok(mut next) = slot.channel.propose(self.clock.most(), &intent, &self.key)
                else {
                    return false;
                };
                next.increment = None;
                self.adopt(address, next, &[], None);
                return true;
            }
            let Some((work, key)) = slot.next_work() else { return false };
            let Some(known) = self.virtuals.get(&key).cloned() else { return false };
            if known.work(&self.clock) != Some(work) {
                // A deadline has passed since that was found out.
                self.unindex(&known);
                self.index(known);
                continue;
            }
            let intent = match (work, &known.outgoing, known.resolve) {
                (Work::Close, _, Some(resolve)) => Intent::Close { key, resolve },
                (Work::Open, Some(leg), _) => {
                    let action = known.action.as_ref().map(|bytes| Action::from_bytes(bytes));
                    let Some(Ok(Action::OpenVirtual(action))) = action else { return false };
                    Intent::Open { conditional: leg.conditional, action }
                }
                _ => Intent::Remove { key },
            };
            match slot.channel.propose(self.clock.most(), &intent, &self.key) {
                Ok(next) => {
                    self.adopt(address, next, &[], None);
                    if work == Work::Open {
                        self.put_virtual(known.outgoing_is(LegState::Offered));
                    }
                    return true;
                }
                Err(fault) if work == Work::Open => {
                    let reason = alloc::format!("{fault}");
                    self.put_virtual(known.never_signed(&reason, self.clock.wall()));
                }
                Err(fault) => {
                    tracing::warn!(%key, %fault, "cannot be proposed");
                    self.back_off(address, false);
                    return false;
                }
            }
        }
    }

    fn proposal_agreed(&mut self, offer: &Offer, state: &SignedSemi) {
        let Some(slot) = self.slots.get(&offer.channel) else { return };
        match slot.channel.agreed(state) {
            Some((next, changes)) => {
                self.adopt(&offer.channel, next, &changes, None);
                for change in &changes {
                    self.change_accepted(change);
                }
                self.offer_taken(&offer.channel);
            }
            // Concluded by a later answer or by the peer's own proposal, or an answer that does not fit.
            None => {
                if self.offer_landed(offer) {
                    self.back_off(&offer.channel, false);
                }
            }
        }
        self.touch(&offer.channel);
    }

    fn proposal_refused(&mut self, offer: &Offer, reason: &str) {
        let address = offer.channel;
        if !self.offer_landed(offer) {
            return;
        }
        self.touch(&address);
        let Some(slot) = self.slots.get_mut(&address) else { return };
        if slot.channel.chain.closed {
            // Those behind it would have to be signed again. As it is, all of them stay reserved.
            return;
        }
        slot.turn.narrow();
        if slot.channel.pending.first().is_some_and(|head| head.seqno() == offer.seqno) {
            slot.turn.verdict = Some(String::from(reason));
        } else {
            // Its turn has not come: it is sent again when the ones before it have their answer.
            let from = slot.turn.held_back.map_or(offer.seqno, |from| from.min(offer.seqno));
            slot.turn.held_back = Some(from);
        }
        self.pass_verdict(&address);
    }

    /// A refusal of our oldest proposal counts when no later one is on its way: if the peer has taken a later
    /// one, then the older as well, and what it refused was only a copy that came late.
    fn pass_verdict(&mut self, address: &Address) {
        let Some(slot) = self.slots.get_mut(address).filter(|slot| !slot.turn.flies()) else {
            return;
        };
        let Some(reason) = slot.turn.verdict.take() else { return };
        let (next, outcome) = slot.channel.refused(&reason, &self.key);
        self.adopt(address, next, &[], None);
        match outcome {
            Outcome::Later(reason) => {
                if behind(&reason)
                    && let Some(slot) = self.slots.get_mut(address)
                {
                    // The peer may be further than we know: it repeats its answer to the newest one it took.
                    slot.turn.held_back = None;
                }
                self.back_off(address, true);
            }
            Outcome::Refused(change, reason) => {
                self.offers_remade(address);
                self.refusal_of(address, &change, reason);
            }
        }
    }

    fn refusal_of(&mut self, address: &Address, change: &Change, reason: String) {
        let conditional = match change {
            Change::Open(conditional) => conditional,
            Change::Close(conditional, _) | Change::Remove(conditional) => {
                tracing::warn!(key = %conditional.key, reason, "proposal refused");
                return self.back_off(address, false);
            }
            Change::Nothing => {
                tracing::warn!(reason, "increment refused");
                if let Some(slot) = self.slots.get_mut(address) {
                    slot.channel.increment = Some(slot.channel.increment.unwrap_or(false));
                    self.write_channel(address);
                }
                return self.back_off(address, false);
            }
        };
        if let Some(known) = self.virtuals.get(&conditional.key) {
            self.put_virtual(known.gone(&reason, self.clock.wall()));
        }
    }

    /// The peer has taken a proposal of ours.
    pub(crate) fn change_accepted(&mut self, change: &Change) {
        let (key, state) = match change {
            Change::Nothing => return,
            Change::Open(conditional) => (conditional.key, LegState::Live),
            Change::Close(conditional, _) => (conditional.key, LegState::Paid),
            Change::Remove(conditional) => {
                if let Some(known) = self.virtuals.get(&conditional.key) {
                    self.put_virtual(known.gone("not taken up before its deadline", self.now));
                }
                return;
            }
        };
        let Some(known) = self.virtuals.get(&key).cloned() else { return };
        let mut next = known.outgoing_is(state);
        next.action = None;
        if state == LegState::Paid
            && let (Some(incoming), Some(outgoing)) = (&next.incoming, &next.outgoing)
        {
            let fee = incoming.conditional.fee.saturating_sub(outgoing.conditional.fee);
            self.earned = self.earned.checked_add(fee).unwrap_or(self.earned);
            self.write_node();
        }
        self.put_virtual(next);
    }

    /// Makes this the channel's state. The changes say which conditionals of which side came or went.
    pub(crate) fn adopt(
        &mut self,
        address: &Address,
        next: Channel,
        ours: &[Change],
        theirs: Option<&Change>,
    ) {
        let ours = ours.iter().map(|change| (change, true));
        for (change, side) in ours.chain(theirs.map(|change| (change, false))) {
            match change {
                Change::Open(conditional) => {
                    let key = records::conditional_key(address, side, &conditional.key);
                    self.write(key, Some(encode(conditional)));
                }
                Change::Close(conditional, _) | Change::Remove(conditional) => {
                    let key = records::conditional_key(address, side, &conditional.key);
                    self.write(key, None);
                }
                Change::Nothing => {}
            }
        }
        let Some(slot) = self.slots.get_mut(address) else { return };
        let was_ready = slot.channel.ready();
        if theirs.is_some() {
            slot.turn.refused.clear();
        }
        self.dirty_wallet |= next.ready() && !was_ready;
        self.set_channel(address, next);
        self.write_channel(address);
        self.touch(address);
    }

    /// Puts a channel in the place of what it was, and its reserves on disk as far as they differ.
    pub(crate) fn set_channel(&mut self, address: &Address, next: Channel) {
        let Some(slot) = self.slots.get_mut(address) else { return };
        let after = Arc::clone(&next.shadows);
        let before = core::mem::replace(&mut slot.channel, next).shadows;
        if !Arc::ptr_eq(&before, &after) {
            self.step.writes.extend(records::reserve_writes(address, &before, &after));
            self.shadow_timer(address);
        }
    }

    pub(crate) fn write_channel(&mut self, address: &Address) {
        let Some(slot) = self.slots.get(address) else { return };
        let record = records::encode_channel(&slot.channel, slot.top_up);
        self.write(Kind::Channel.key(address), Some(record));
        self.dirty_wallet |= slot_wants_wallet(self.slots.get(address));
        self.told.insert(*address);
    }

    fn write_node(&mut self) {
        let record = encode(&NodeRecord { node: self.public, earned: self.earned });
        self.write(Kind::Node.key(&[]), Some(record));
    }

    /// Stores a virtual channel and brings up to date what is owed for it.
    pub(crate) fn put_virtual(&mut self, next: Virtual) {
        let before = self.virtuals.remove(&next.key);
        if let Some(before) = &before {
            self.unindex(before);
        }
        self.write(Kind::Virtual.key(&next.key.0), Some(encode(&next)));
        let payment = next.payment_summary();
        if payment.is_some() && payment != before.as_ref().and_then(Virtual::payment_summary) {
            self.step.effects.extend(payment.map(|p| Effect::Notify(Event::Payment(p))));
        }
        let received = next.received_summary();
        if received.is_some() && received != before.as_ref().and_then(Virtual::received_summary) {
            self.step.effects.extend(received.map(|r| Effect::Notify(Event::Received(r))));
        }
        self.index(next);
    }

    pub(crate) fn unindex(&mut self, known: &Virtual) {
        if let Some(leg) = &known.outgoing
            && let Some(slot) = self.slots.get_mut(&leg.channel)
        {
            for work in [Work::Close, Work::Remove, Work::Open] {
                slot.work.remove(&(work, known.created, known.key));
            }
            if known.holds_place() {
                slot.shares.give_back(known.source());
            }
        }
        if let Some((address, held)) = known.reserve()
            && let Some(slot) = self.slots.get_mut(&address)
        {
            slot.reserved = slot.reserved.saturating_sub(held);
        }
    }

    /// Enters a virtual channel into everything that is derived from it.
    fn index(&mut self, known: Virtual) {
        let key = known.key;
        if let Some(leg) = &known.outgoing
            && let Some(slot) = self.slots.get_mut(&leg.channel)
        {
            if let Some(work) = known.work(&self.clock) {
                slot.work.insert((work, known.created, key));
            }
            if known.holds_place() {
                slot.shares.take(known.source());
            }
            if let Some((_, held)) = known.reserve() {
                slot.reserved = slot.reserved.checked_add(held).unwrap_or(slot.reserved);
            }
            let address = leg.channel;
            self.touch(&address);
        }
        if let Some(leg) = &known.incoming
            && let Some(slot) = self.slots.get_mut(&leg.channel)
        {
            if known.ask(&self.clock).is_some() {
                slot.asks.entry(key).or_insert_with(|| {
                    self.dirty_asks.insert(key);
                    Default::default()
                });
            } else if slot.asks.remove(&key).is_some() {
                self.timers.set(Timer::Ask(key), None);
            }
        }
        self.deadlines.set(Timer::Expiry(key), known.next_change(&self.clock));
        if known.is_unsigned() {
            self.timers.sooner(Timer::Unsigned(key), self.now.plus_ms(UNSIGNED_MS));
        } else {
            self.timers.set(Timer::Unsigned(key), None);
        }
        if let Some(payment) = &known.payment {
            self.payments.insert(payment.id, key);
        }
        self.virtuals.insert(key, known);
        self.retire(&key);
    }

    pub(crate) fn ask_later(&mut self, address: &Address, key: &PublicKey) {
        let slot = self.slots.get_mut(address);
        let Some(asking) = slot.and_then(|slot| slot.asks.get_mut(key)) else { return };
        let pause = ASK_FIRST_MS.saturating_mul(1_u64 << asking.tries.min(6)).min(ASK_LONGEST_MS);
        asking.tries = asking.tries.saturating_add(1);
        self.timers.set(Timer::Ask(*key), Some(self.now.plus_ms(pause)));
    }

    fn shadow_timer(&mut self, address: &Address) {
        let end = self.slots.get(address).and_then(|slot| slot.channel.next_shadow_end());
        self.deadlines.set(Timer::Shadow(*address), end);
    }

    pub(crate) fn channels_with(&self, peer: &PublicKey) -> Vec<Address> {
        self.by_peer.get(peer).cloned().unwrap_or_default()
    }

    pub(crate) fn touch(&mut self, address: &Address) {
        self.dirty.insert(*address);
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.step.effects.push(effect);
    }

    pub(crate) fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.step.writes.insert(key, value);
    }

    pub(crate) fn random_below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64().checked_rem(bound).unwrap_or(0)
    }

    pub(crate) fn fill_random(&mut self, bytes: &mut [u8]) {
        self.rng.fill_bytes(bytes);
    }
}

fn slot_wants_wallet(slot: Option<&Slot>) -> bool {
    slot.is_some_and(|slot| {
        matches!(slot.top_up, Some(TopUp { sent: None, .. })) && slot.channel.ready()
    })
}
