//! What a peer asks of us, and what we answer (protocol.md 4.2).

use alloc::string::{String, ToString};

use channel::{
    accept::{Accepted, Bounds, Refusal},
    amount::Nano,
    channel::{Change, Terms},
    conditional::Conditional,
    contract::Address,
    garlic::{self, Instruction},
    key::PublicKey,
    propose::{BUSY, passing},
    resolve::Resolve,
    semichannel::SignedSemi,
    tl::{Action, Answer, OpenVirtual, ProposeAction, Query},
};

use crate::{
    io::{Effect, LinkId, QueryId},
    node::Node,
    turn::{Refused, Slot, agreement, refusal},
    virtuals::{Ask, Leg, LegState, Virtual},
};

/// Refused states of one seqno that are remembered; a peer makes few, and only for one seqno at a time.
const REFUSALS_MAX: usize = 32;

impl Node {
    /// A query that cannot be understood, or comes from a stranger, gets no answer.
    pub(crate) fn asked(&mut self, link: LinkId, id: QueryId, bytes: &[u8]) {
        let Ok(query) = Query::from_bytes(bytes) else {
            tracing::debug!(len = bytes.len(), "query not understood");
            return;
        };
        let peer = self.links.peer(link);
        let answer = match (query, peer) {
            (Query::Ping { value }, _) => Some(Answer::Pong { value }),
            (Query::Authenticate(hello), _) => self.authenticated_by(link, &hello),
            (Query::ProposeChannelConfig(terms), _) => Some(self.terms_asked(&terms)),
            (Query::OpenChannelOffchain(open), Some(peer)) => Some(self.opened_by(&peer, &open)),
            (Query::RequestChannelLock { lock_id, channel, lock }, Some(peer)) => {
                Some(self.lock_requested(&peer, &channel, lock_id, lock))
            }
            (Query::IsChannelUnlocked { lock_id, channel }, Some(peer)) => {
                Some(self.unlock_asked(&peer, &channel, lock_id))
            }
            (Query::ProposeAction(proposal), Some(peer)) => Some(self.proposed(&peer, &proposal)),
            (Query::RequestAction { channel, action }, Some(peer)) => {
                Some(match self.requested(&peer, &channel, &action) {
                    Ok(()) => agreement(),
                    Err(reason) => refusal(&reason),
                })
            }
            (
                Query::OpenChannelOffchain(_)
                | Query::RequestChannelLock { .. }
                | Query::IsChannelUnlocked { .. }
                | Query::ProposeAction(_)
                | Query::RequestAction { .. },
                None,
            ) => None,
        };
        if let Some(answer) = answer {
            self.effect(Effect::Answer { link, id, bytes: answer.to_bytes() });
        }
    }

    fn proposed(&mut self, peer: &PublicKey, proposal: &ProposeAction) -> Answer {
        match self.try_proposed(peer, proposal) {
            Ok(state) => Answer::ProposalDecision {
                agreed: true,
                reason: String::new(),
                signed_state: Some(state.to_cell()),
            },
            Err(Refusal(reason)) => {
                tracing::debug!(%peer, reason, "proposal refused");
                self.remember_refusal(peer, proposal, &reason);
                Answer::ProposalDecision { agreed: false, reason, signed_state: None }
            }
        }
    }

    fn try_proposed(
        &mut self,
        peer: &PublicKey,
        proposal: &ProposeAction,
    ) -> Result<SignedSemi, Refusal> {
        let address = proposal.channel;
        let Some(slot) = self.slots.get(&address) else {
            return Err("failed to acquire channel lock: not found".into());
        };
        if slot.channel.terms.their_key() != *peer {
            return Err("incorrect channel key".into());
        }
        if !self.lock_allows(&address, proposal.lock_id) {
            return Err(BUSY.into());
        }
        if let Some(reason) = self.refused_before(&address, proposal) {
            return Err(Refusal(reason));
        }
        let bounds = Bounds {
            conditionals: self.config.limits.conditionals,
            dust: self.config.limits.dust,
            lifetime_secs: self.config.limits.lifetime_secs,
        };
        let Some(slot) = self.slots.get(&address) else {
            return Err("failed to acquire channel lock: not found".into());
        };
        let known = if let Action::ConfirmClose { key, .. } = &proposal.action {
            self.virtuals.get(key).and_then(|known| known.resolve.as_ref())
        } else {
            None
        };
        let accepted =
            slot.channel.accept(self.clock.most(), proposal, &bounds, known, &self.key)?;
        if accepted.replay {
            return Ok(accepted.answer);
        }
        // Everything is decided before anything is changed: a refusal below leaves the node as it was.
        let changed = match (&accepted.change, &proposal.action) {
            (Change::Open(conditional), Action::OpenVirtual(open)) => {
                Some(self.promised(&address, *conditional, open, &accepted)?)
            }
            (Change::Close(conditional, resolve), _) => {
                Some(self.paid_by(&address, conditional, resolve)?)
            }
            (Change::Remove(conditional), _) => Some(self.taken_back(&address, conditional)?),
            (Change::Nothing | Change::Open(_), _) => None,
        };
        let Accepted { channel, answer, change, concluded, .. } = accepted;
        self.adopt(&address, channel, &concluded, Some(&change));
        for change in &concluded {
            self.change_accepted(change);
        }
        if let Some(changed) = changed {
            self.put_virtual(changed);
        }
        Ok(answer)
    }

    /// A state that was refused stays refused: a copy of it that comes late must not be taken after its owner
    /// has given it up and signed another one under the same seqno.
    fn refused_before(&self, address: &Address, proposal: &ProposeAction) -> Option<String> {
        let refused = &self.slots.get(address)?.turn.refused;
        let state = channel::cell::hash(&proposal.state);
        refused.iter().find(|refused| refused.state == state).map(|refused| refused.reason.clone())
    }

    fn remember_refusal(&mut self, peer: &PublicKey, proposal: &ProposeAction, reason: &str) {
        let Some(slot) = self.slots.get_mut(&proposal.channel) else { return };
        let next = slot.channel.theirs.body().seqno.checked_add(1);
        let about_next = SignedSemi::from_cell(&proposal.state)
            .is_ok_and(|signed| Some(signed.state.data.seqno) == next);
        if !passing(reason) && about_next && slot.channel.terms.their_key() == *peer {
            let state = channel::cell::hash(&proposal.state);
            let refused = &mut slot.turn.refused;
            refused.retain(|refused| refused.state != state);
            refused.push(Refused { state, reason: reason.to_string() });
            if refused.len() > REFUSALS_MAX {
                refused.remove(0);
            }
        }
    }

    /// A new promise: for us, or to be passed on (protocol.md 6.4).
    fn promised(
        &self,
        address: &Address,
        conditional: Conditional,
        open: &OpenVirtual,
        accepted: &Accepted,
    ) -> Result<Virtual, Refusal> {
        if self.virtuals.contains_key(&conditional.key) {
            return Err("this virtual channel key was already used before".into());
        }
        let instruction = garlic::open(open, &self.key)
            .map_err(|error| Refusal(alloc::format!("failed to decrypt instruction: {error}")))?;
        if instruction.expected_fee != conditional.fee
            || instruction.expected_capacity != conditional.capacity
            || instruction.expected_deadline != conditional.deadline
        {
            return Err("incorrect values, not equals to expected".into());
        }
        let incoming = Leg { channel: *address, conditional, state: LegState::Live };
        let fresh = Virtual {
            key: conditional.key,
            incoming: Some(incoming),
            outgoing: None,
            resolve: None,
            claimed: false,
            given_up: false,
            action: None,
            instruction: None,
            payment: None,
            reason: None,
            created: self.clock.wall(),
            finished: None,
        };
        if instruction.next_target == self.public {
            return self.for_us(fresh, &conditional, &instruction, open);
        }
        self.pass_on(fresh, &conditional, &instruction, open, accepted)
    }

    fn for_us(
        &self,
        fresh: Virtual,
        conditional: &Conditional,
        instruction: &Instruction,
        open: &OpenVirtual,
    ) -> Result<Virtual, Refusal> {
        // Nobody can give us a resolve later, so without one the promise could only wait for its deadline.
        let Some(promised) = &instruction.final_state else {
            return Err("final state is required here".into());
        };
        let Some(resolve) = promised.verified(&conditional.key) else {
            return Err("final state is incorrect".into());
        };
        if promised.amount != conditional.capacity {
            return Err("final state should use full capacity".into());
        }
        Ok(Virtual {
            resolve: Some(resolve),
            instruction: Some(open.instruction_key),
            finished: Some(self.clock.wall()),
            ..fresh
        })
    }

    fn pass_on(
        &self,
        fresh: Virtual,
        conditional: &Conditional,
        instruction: &Instruction,
        open: &OpenVirtual,
        accepted: &Accepted,
    ) -> Result<Virtual, Refusal> {
        let Some(tunnel) = self.config.tunnel else {
            return Err("tunneling of such coin is not allowed through this node".into());
        };
        let fits = |terms: &Terms| {
            instruction.next_deadline <= conditional.deadline.minus_secs(terms.gap_secs())
        };
        if !fits(&accepted.channel.terms) {
            return Err("next deadline too late (not enough safety gap)".into());
        }
        if instruction.next_capacity > conditional.capacity {
            return Err("capacity cannot increase".into());
        }
        let too_big = || Refusal::from("too big next capacity+fee");
        let next = Conditional {
            key: conditional.key,
            capacity: instruction.next_capacity,
            fee: instruction.next_fee,
            prepay: Nano::ZERO,
            deadline: instruction.next_deadline,
        };
        if next.capacity == Nano::ZERO {
            return Err("invalid capacity".into());
        }
        let held = next.held().filter(|held| *held <= tunnel.max_capacity).ok_or_else(too_big)?;
        let wanted = tunnel.fee(held).ok_or_else(too_big)?;
        if conditional.fee.checked_sub(next.fee).is_none_or(|ours| ours < wanted) {
            return Err(Refusal(alloc::format!("min fee to open channel is {wanted} TON")));
        }
        let Some(next_key) = instruction.next_instruction_key else {
            return Err("failed to decrypt instruction: no next key".into());
        };
        let channels = self.channels_with(&instruction.next_target);
        if channels.is_empty() {
            return Err("destination channel is not belongs to this node".into());
        }
        if self.links.of(&instruction.next_target).is_none() {
            return Err("destination node is offline".into());
        }
        // A payment that comes back to the channel it came from would count on its own promise.
        let source = accepted.channel.terms.address;
        let found = channels.into_iter().find(|address| {
            *address != source
                && self.slots.get(address).is_some_and(|slot| {
                    let channel = &slot.channel;
                    channel.usable() && fits(&channel.terms) && slot.available() >= held
                })
        });
        let Some(out) = found else {
            return Err(Refusal(alloc::format!(
                "no active channel with {} to tunnel requested capacity",
                instruction.next_target
            )));
        };
        let reserved = |slot: &Slot| slot.channel.shadows.iter().any(|old| old.key == next.key);
        if self.slots.get(&out).is_some_and(reserved) {
            return Err("this virtual channel key was already used before".into());
        }
        let (channels, places) = (self.funded_channels(), self.config.limits.conditionals);
        let room = |slot: &Slot| slot.shares.has_room_for(source, channels, places);
        if !self.slots.get(&out).is_some_and(room) {
            return Err("too many virtual channels from this one wait there".into());
        }
        let action = Action::OpenVirtual(garlic::forward(open, next_key));
        Ok(Virtual {
            outgoing: Some(Leg { channel: out, conditional: next, state: LegState::Waiting }),
            action: Some(action.to_bytes()),
            ..fresh
        })
    }

    /// The previous hop pays us by its own ledger (protocol.md 6.6, receiver of confirmClose).
    fn paid_by(
        &self,
        address: &Address,
        conditional: &Conditional,
        resolve: &Resolve,
    ) -> Result<Virtual, Refusal> {
        let known = self.incoming(address, &conditional.key)?;
        match &known.resolve {
            None => return Err("resolve is unknown on node side".into()),
            Some(best) if best.amount > resolve.amount => {
                return Err("outdated virtual channel state".into());
            }
            Some(_) if !known.covers_outgoing(resolve, &self.clock) => {
                return Err("the next node can still claim more".into());
            }
            Some(_) => {}
        }
        let mut paid = known.clone();
        if paid.resolve.is_none_or(|best| best.amount < resolve.amount) {
            // What was paid for may be claimed by the next hop.
            paid.resolve = resolve.verified(&conditional.key);
        }
        if let Some(leg) = paid.incoming.as_mut() {
            leg.state = LegState::Paid;
        }
        Ok(paid)
    }

    /// The previous hop takes its promise back (protocol.md 6.7).
    fn taken_back(&self, address: &Address, conditional: &Conditional) -> Result<Virtual, Refusal> {
        let known = self.incoming(address, &conditional.key)?;
        if !known.may_remove_incoming(&self.clock) {
            return Err("virtual channel is not expired".into());
        }
        let mut gone = known.clone();
        if let Some(leg) = gone.incoming.as_mut() {
            leg.state = LegState::Never;
        }
        Ok(gone)
    }

    fn incoming(&self, address: &Address, key: &PublicKey) -> Result<&Virtual, Refusal> {
        self.virtuals
            .get(key)
            .filter(|known| known.incoming.as_ref().is_some_and(|leg| leg.channel == *address))
            .ok_or_else(|| Refusal::from("virtual channel is not found"))
    }

    /// The next hop wants to be paid, or to be let go (protocol.md 6.6, 6.7).
    fn requested(
        &mut self,
        peer: &PublicKey,
        address: &Address,
        action: &Action,
    ) -> Result<(), String> {
        let slot = self.slots.get(address).ok_or("failed to get channel: not found")?;
        if slot.channel.terms.their_key() != *peer {
            return Err("unauthorized channel".to_string());
        }
        if slot.channel.chain.closed {
            return Err("channel is currently not accepting new actions".to_string());
        }
        match action {
            Action::CloseVirtual { key, state } => self.close_requested(address, key, state),
            Action::RequestRemoveVirtual { key } => self.removal_requested(address, key),
            Action::OpenVirtual(_)
            | Action::ConfirmClose { .. }
            | Action::RemoveVirtual { .. }
            | Action::CommitVirtual { .. }
            | Action::IncrementStates { .. }
            | Action::RentCapacity { .. }
            | Action::CooperativeClose { .. }
            | Action::CooperativeCommit { .. } => {
                Err("this action is not supported here as a request".to_string())
            }
        }
    }

    fn close_requested(
        &mut self,
        address: &Address,
        key: &PublicKey,
        resolve: &Resolve,
    ) -> Result<(), String> {
        let (known, leg) = self.promise_to(address, key)?;
        let resolve = resolve.verified(key).ok_or("incorrect channel state signature")?;
        if resolve.amount > leg.conditional.capacity {
            return Err("amount cannot be > capacity".to_string());
        }
        if leg.conditional.deadline.at() < self.clock.most() {
            return Err("virtual channel is expired".to_string());
        }
        let settled = known.incoming.as_ref().is_some_and(|leg| leg.state == LegState::Paid);
        if settled && known.resolve.is_none_or(|best| best.amount < resolve.amount) {
            return Err("an earlier state was settled already".to_string());
        }
        let mut claimed = known.clone();
        // The highest amount wins; a lower one is tolerated and changes nothing (protocol.md 6.6).
        if claimed.resolve.is_none_or(|best| best.amount < resolve.amount) {
            claimed.resolve = Some(resolve);
        }
        claimed.claimed = true;
        claimed.finished = claimed.finished.or(Some(self.clock.wall()));
        if claimed != *known {
            self.put_virtual(claimed);
        }
        Ok(())
    }

    fn removal_requested(&mut self, address: &Address, key: &PublicKey) -> Result<(), String> {
        let (known, _) = self.promise_to(address, key)?;
        if known.claimed {
            return Err("resolve is known: ask to close".to_string());
        }
        if !known.given_up {
            let given_up = Virtual { given_up: true, ..known.clone() };
            self.put_virtual(given_up);
        }
        Ok(())
    }

    /// Our promise on this channel, whether its acceptance has reached us yet or not.
    fn promise_to(&self, address: &Address, key: &PublicKey) -> Result<(&Virtual, &Leg), String> {
        self.virtuals
            .get(key)
            .and_then(|known| Some((known, known.outgoing.as_ref()?)))
            .filter(|(_, leg)| {
                leg.channel == *address && matches!(leg.state, LegState::Live | LegState::Offered)
            })
            .ok_or_else(|| "failed to find virtual channel: not found".to_string())
    }

    /// Asks the previous hop for what is owed there, if anything still is.
    pub(crate) fn ask(&mut self, key: &PublicKey) {
        let Some(known) = self.virtuals.get(key) else { return };
        let (Some(ask), Some(leg)) = (known.ask(&self.clock), known.incoming.as_ref()) else {
            return;
        };
        let address = leg.channel;
        let action = match ask {
            Ask::Close(resolve) => Action::CloseVirtual { key: *key, state: resolve },
            Ask::Remove => Action::RequestRemoveVirtual { key: *key },
        };
        let Some(slot) = self.slots.get_mut(&address) else { return };
        let Some(link) = self.links.of(&slot.channel.terms.their_key()) else { return };
        let Some(asking) = slot.asks.get_mut(key).filter(|asking| !asking.flying) else { return };
        asking.flying = true;
        let query = Query::RequestAction { channel: address, action };
        self.query(link, &query, crate::turn::Flight::Ask(address, *key));
    }

    /// All of `keys` that are ours to ask about; used when a peer comes back.
    pub(crate) fn ask_again(&mut self, key: &PublicKey) {
        self.dirty_asks.insert(*key);
    }

    pub(crate) fn ask_all(&mut self) {
        for key in core::mem::take(&mut self.dirty_asks) {
            self.ask(&key);
        }
    }
}
