//! Opening a channel with another node off chain (protocol.md 6.11, 6.12), and the deposit that follows.
//!
//! The opener asks for terms, both compute the contract's address, the opener exchanges first signatures, and
//! only then does its wallet deploy the contract and top it up: before money is locked there, both sides hold a
//! signed state with which they can leave (safety.md N8).

use alloc::{string::String, vec::Vec};
use core::cmp::Reverse;

use channel::{
    amount::Nano,
    cell::hash,
    channel::{Channel, Side, Terms},
    contract::{
        Address, Currency, Init, OpenConfig, PaymentConfig, address, initial_data, state_init,
        top_up,
    },
    key::PublicKey,
    semichannel::ChannelId,
    tl::{Answer, ChannelConfig, OpenChannelOffchain, ProposeChannelConfig, Query},
};
use serde::{Deserialize, Serialize};

use crate::{
    io::{CommandError, Effect, Event, Reply, RequestId, Source},
    node::Node,
    records::{Kind, TopUp, encode},
    timers::Timer,
    turn::{Flight, Slot},
    wallet::{ContractMessage, Fate, MESSAGES_MAX, WALLET_FEES},
};

/// Version of the node protocol that is announced to the peer.
const NODE_VERSION: u32 = 2;
/// TON beyond the storage fee in the message that deploys; what is left over comes back.
const DEPLOY_EXTRA: Nano = Nano(250_000_000);
/// TON that the contract keeps of a top-up for handling it.
const TOP_UP_EXTRA: Nano = Nano(30_000_000);
const RETRY_MS: u64 = 2_000;
const SUBMIT_AGAIN_MS: u64 = 5_000;

/// A channel whose terms are not agreed yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Opening {
    pub(crate) deposit: Nano,
    /// The peer's wallet and our channel id, once the peer has agreed to the terms.
    pub(crate) agreed: Option<(Address, ChannelId)>,
}

impl Node {
    pub(crate) fn open_channel(&mut self, request: RequestId, peer: PublicKey, deposit: Nano) {
        let answer = self.try_open(peer, deposit);
        self.effect(Effect::Reply(request, answer));
    }

    fn try_open(&mut self, peer: PublicKey, deposit: Nano) -> Result<Reply, CommandError> {
        if peer == self.public {
            return Err(bad("a channel needs two nodes: this is our own key"));
        }
        // While an opening is not finished it is what the owner means: a channel that the peer has opened
        // meanwhile is another one, and the deposit must not end in both.
        if !self.openings.contains_key(&peer)
            && let Some(address) = self.channel_meant(&peer)
        {
            return self.want_deposit(&address, deposit);
        }
        if !self.contacts.contains_key(&peer) && self.links.of(&peer).is_none() {
            return Err(CommandError::UnknownPeer { peer });
        }
        let opening = self.openings.entry(peer).or_insert(Opening { deposit, agreed: None });
        opening.deposit = deposit;
        let record = encode(opening);
        self.write(Kind::Opening.key(&peer.0), Some(record));
        self.dial(peer);
        self.timers.set(Timer::Opening(peer), Some(self.now));
        Ok(Reply::Opening { channel: None })
    }

    /// Of several channels with one peer the one that a deposit was meant for before: the same wish again must
    /// never become a second deposit elsewhere.
    fn channel_meant(&self, peer: &PublicKey) -> Option<Address> {
        let live = |address: Address| {
            let slot = self.slots.get(&address)?;
            let Channel { ours, terms, chain, .. } = &slot.channel;
            let rank = (slot.top_up.is_some(), ours.deposited, chain.open, terms.we_left);
            (!chain.closed).then_some((rank, Reverse(address)))
        };
        let best = self.channels_with(peer).into_iter().filter_map(live).max();
        best.map(|(_, Reverse(address))| address)
    }

    /// The deposit of exactly this channel.
    pub(crate) fn top_up(
        &mut self,
        channel: &Address,
        deposit: Nano,
    ) -> Result<Reply, CommandError> {
        let slot = self.slots.get(channel).ok_or(CommandError::NotFound)?;
        if slot.channel.chain.closed {
            return Err(bad("this channel is closed: open another one"));
        }
        self.want_deposit(channel, deposit)
    }

    fn want_deposit(&mut self, address: &Address, deposit: Nano) -> Result<Reply, CommandError> {
        if let Some(slot) = self.slots.get_mut(address)
            && deposit > slot.channel.ours.deposited
        {
            if slot.top_up.is_some_and(|top_up| top_up.sent.is_some() && top_up.target != deposit) {
                return Err(bad("another top-up of this channel is on its way: wait for it"));
            }
            if slot.top_up.is_none_or(|top_up| top_up.target != deposit) {
                slot.top_up = Some(TopUp { target: deposit, sent: None });
            }
            self.write_channel(address);
            self.review_unfunded(address);
        }
        Ok(Reply::Opening { channel: self.channel_summary(address) })
    }

    /// Asks the peer for whatever the opening needs next.
    pub(crate) fn advance_opening(&mut self, peer: &PublicKey) {
        let Some(opening) = self.openings.get(peer).cloned() else { return };
        let Some(link) = self.links.of(peer) else { return };
        match opening.agreed {
            None => {
                let query = Query::ProposeChannelConfig(self.our_terms());
                self.query(link, &query, Flight::Config(*peer));
            }
            Some((wallet, id)) => {
                let open = self.open_config(*peer, wallet, id);
                let query = Query::OpenChannelOffchain(OpenChannelOffchain {
                    code_hash: hash(&self.config.codes.channel),
                    open_config: open.to_cell(),
                    node_version: NODE_VERSION,
                });
                self.query(link, &query, Flight::Offchain(*peer, id));
            }
        }
    }

    pub(crate) fn opening_later(&mut self, peer: &PublicKey) {
        if self.openings.contains_key(peer) {
            self.timers.set(Timer::Opening(*peer), Some(self.now.plus_ms(RETRY_MS)));
        }
    }

    fn our_terms(&self) -> ProposeChannelConfig {
        ProposeChannelConfig {
            jetton: [0; 32],
            ec_id: 0,
            excess_fee: self.config.storage_fee,
            quarantine_duration: self.config.closing.quarantine_duration,
            misbehavior_fine: self.config.closing.misbehavior_fine,
            conditional_close_duration: self.config.closing.conditional_close_duration,
            node_version: NODE_VERSION,
            code_hash: hash(&self.config.codes.channel),
        }
    }

    fn open_config(&self, peer: PublicKey, their_wallet: Address, id: ChannelId) -> OpenConfig {
        OpenConfig {
            key_a: self.public,
            key_b: peer,
            channel_id: id,
            closing: self.config.closing,
            payment: PaymentConfig {
                storage_fee: self.config.storage_fee,
                dest_a: self.wallet.address,
                dest_b: their_wallet,
                currency: Currency::Ton,
            },
        }
    }

    /// The peer's answer to our terms.
    pub(crate) fn terms_answered(&mut self, peer: &PublicKey, answer: &ChannelConfig) {
        // Asked twice, answered twice: the channel id that was chosen first may be with the peer already.
        let unanswered = |opening: &&Opening| opening.agreed.is_none();
        let Some(mut opening) = self.openings.get(peer).filter(unanswered).cloned() else { return };
        if !answer.ok {
            return self.opening_failed(peer, &answer.reason);
        }
        opening.agreed = Some((answer.wallet, self.fresh_channel_id(peer)));
        self.write(Kind::Opening.key(&peer.0), Some(encode(&opening)));
        self.openings.insert(*peer, opening);
        self.timers.set(Timer::Opening(*peer), Some(self.now));
    }

    /// First 12 bytes of the other key, then unix time; never one that this pair has used (safety.md N9).
    fn fresh_channel_id(&self, peer: &PublicKey) -> ChannelId {
        let mut seconds = self.clock.wall().seconds();
        loop {
            let mut id = [0; 16];
            for (to, from) in
                id.iter_mut().zip(peer.0.iter().take(12).chain(&seconds.to_le_bytes()))
            {
                *to = *from;
            }
            if !self.used_channel_id(peer, &ChannelId(id)) {
                return ChannelId(id);
            }
            seconds = seconds.wrapping_add(1);
        }
    }

    /// An id counts from the moment when it is told to the peer, whether a channel has come of it or not.
    fn used_channel_id(&self, peer: &PublicKey, id: &ChannelId) -> bool {
        let opening = self.openings.get(peer).and_then(|opening| opening.agreed);
        opening.is_some_and(|(_, chosen)| chosen == *id) || self.id_of_channel(peer, id)
    }

    fn id_of_channel(&self, peer: &PublicKey, id: &ChannelId) -> bool {
        self.channels_with(peer)
            .iter()
            .filter_map(|address| self.slots.get(address))
            .any(|slot| slot.channel.terms.open.channel_id == *id)
    }

    /// The peer has made its record, or says why not.
    pub(crate) fn offchain_answered(
        &mut self,
        peer: &PublicKey,
        asked: &ChannelId,
        theirs: Address,
        reason: &str,
    ) {
        let Some(opening) = self.openings.get(peer).cloned() else { return };
        let Some((wallet, id)) = opening.agreed.filter(|(_, id)| id == asked) else { return };
        if !reason.is_empty() {
            return self.opening_failed(peer, reason);
        }
        if self.id_of_channel(peer, &id) {
            return self.opening_failed(peer, "a channel of theirs has its id");
        }
        let open = self.open_config(*peer, wallet, id);
        let terms = self.terms(open, true);
        if terms.address != theirs {
            return self.opening_failed(peer, "their side address is different");
        }
        self.openings.remove(peer);
        self.write(Kind::Opening.key(&peer.0), None);
        let target = opening.deposit;
        let address = terms.address;
        self.add_channel(terms, (target > Nano::ZERO).then_some(TopUp { target, sent: None }));
        self.enter_unfunded(address, Source(0));
    }

    fn opening_failed(&mut self, peer: &PublicKey, reason: &str) {
        self.openings.remove(peer);
        self.write(Kind::Opening.key(&peer.0), None);
        let reason = alloc::format!("node {peer} did not open the channel: {reason}");
        self.effect(Effect::Notify(Event::Trouble { reason }));
    }

    fn terms(&self, open: OpenConfig, we_left: bool) -> Terms {
        let data = initial_data(&open);
        Terms {
            address: address(&self.config.codes.channel, &data),
            open,
            we_left,
            buffer_secs: self.config.buffer_secs,
            min_safe_secs: self.config.min_safe_secs,
        }
    }

    fn add_channel(&mut self, terms: Terms, top_up: Option<TopUp>) {
        let address = terms.address;
        let peer = terms.their_key();
        self.write(Kind::Terms.key(&address), Some(crate::records::encode_terms(&terms)));
        self.slots.insert(address, Slot::new(Channel::new(terms), top_up));
        self.by_peer.entry(peer).or_default().push(address);
        self.write_channel(&address);
        self.effect(Effect::Watch(address));
        self.touch(&address);
    }

    /// A peer asks whether our terms are its own.
    pub(crate) fn terms_asked(&self, asked: &ProposeChannelConfig) -> Answer {
        let refuse = |reason: String| {
            Answer::ChannelConfig(ChannelConfig {
                ok: false,
                wallet: [0; 32],
                reason,
                proxy_allowed: false,
                proxy_min_fee: Nano::ZERO,
                proxy_max_capacity: Nano::ZERO,
                proxy_percent_fee: 0.0,
            })
        };
        let (jetton, extra) = (asked.jetton != [0; 32], asked.ec_id != 0);
        if jetton && extra {
            return refuse("both extra currency and jetton are set".into());
        }
        if jetton {
            return refuse("jetton currency is not whitelisted".into());
        }
        if extra {
            return refuse("extra currency is not whitelisted".into());
        }
        let closing = &self.config.closing;
        if asked.quarantine_duration != closing.quarantine_duration
            || asked.conditional_close_duration != closing.conditional_close_duration
            || asked.misbehavior_fine != closing.misbehavior_fine
        {
            return refuse(alloc::format!(
                "node wants different channel config: quarantine {}, cond close {}, fine {}; if you want to deploy",
                closing.quarantine_duration,
                closing.conditional_close_duration,
                closing.misbehavior_fine,
            ));
        }
        let tunnel = self.config.tunnel;
        Answer::ChannelConfig(ChannelConfig {
            ok: true,
            wallet: self.wallet.address,
            reason: String::new(),
            proxy_allowed: tunnel.is_some(),
            proxy_min_fee: tunnel.map_or(Nano::ZERO, |t| t.min_fee),
            proxy_max_capacity: tunnel.map_or(Nano::ZERO, |t| t.max_capacity),
            proxy_percent_fee: tunnel.map_or(0.0, |t| f64::from(t.fee_ppm) / 10_000.0),
        })
    }

    /// A peer has opened a channel with us, off chain.
    pub(crate) fn opened_by(&mut self, peer: &PublicKey, asked: &OpenChannelOffchain) -> Answer {
        match self.try_opened_by(peer, asked) {
            Ok(address) => Answer::OpenChannelOffchain { address, reason: String::new() },
            Err(reason) => Answer::OpenChannelOffchain { address: [0; 32], reason: reason.into() },
        }
    }

    fn try_opened_by(
        &mut self,
        peer: &PublicKey,
        asked: &OpenChannelOffchain,
    ) -> Result<Address, &'static str> {
        let open =
            OpenConfig::from_cell(&asked.open_config).map_err(|_| "verification not passed")?;
        if open.key_b != self.public {
            return Err("unknown keys");
        }
        if open.key_a != *peer {
            return Err("authorized key mismatch");
        }
        if asked.code_hash != hash(&self.config.codes.channel) {
            return Err("unknown payment channel code");
        }
        let payment = &open.payment;
        let fits = open.closing == self.config.closing
            && payment.storage_fee == self.config.storage_fee
            && payment.dest_b == self.wallet.address
            && payment.currency == Currency::Ton;
        if !fits {
            return Err("verification not passed");
        }
        let id = open.channel_id;
        let terms = self.terms(open, false);
        if self.slots.contains_key(&terms.address) {
            return Ok(terms.address);
        }
        if self.used_channel_id(peer, &id) {
            return Err("this channel id was used before");
        }
        let limits = &self.config.limits;
        let many = |count: usize, limit: u32| u32::try_from(count).is_ok_and(|count| count < limit);
        let live = |address: &Address| {
            self.slots.get(address).is_some_and(|slot| !slot.channel.chain.closed)
        };
        let theirs = self.channels_with(peer).iter().filter(|address| live(address)).count();
        if !many(theirs, limits.channels_per_peer) || !many(self.funded_channels(), limits.channels)
        {
            return Err("too many channels");
        }
        let address = terms.address;
        let link = self.links.of(peer).and_then(|link| self.links.all.get(&link));
        let source = link.map_or(Source(0), |link| link.source);
        self.add_channel(terms, None);
        self.enter_unfunded(address, source);
        Ok(address)
    }

    /// Sends what the wallet owes the chain: a message on its way again, or the next top-ups.
    pub(crate) fn advance_wallet(&mut self) {
        if let Some(outgoing) = &self.wallet.outgoing {
            let boc = outgoing.boc.clone();
            self.effect(Effect::Submit(boc));
            self.timers.set(Timer::Wallet, Some(self.now.plus_ms(SUBMIT_AGAIN_MS)));
            return;
        }
        if !self.wallet.free() {
            return;
        }
        let mut messages: Vec<ContractMessage> = Vec::new();
        let mut channels: Vec<Address> = Vec::new();
        let mut total = WALLET_FEES;
        let wanted: Vec<Address> = self
            .slots
            .iter()
            .filter(|(_, slot)| {
                slot.top_up.is_some_and(|top_up| top_up.sent.is_none()) && slot.channel.ready()
            })
            .map(|(address, _)| *address)
            .collect();
        for address in wanted {
            let Some(new) = self.top_up_messages(&address) else { continue };
            if messages.len().saturating_add(new.len()) > MESSAGES_MAX {
                break;
            }
            let sum = new.iter().try_fold(total, |sum, message| sum.checked_add(message.value));
            let Some(sum) = sum else { continue };
            if self.wallet.balance.unwrap_or(Nano::ZERO) < sum {
                self.warn_wallet(sum);
                break;
            }
            if self.reopen_if_stale(&address) {
                continue;
            }
            total = sum;
            messages.extend(new);
            channels.push(address);
        }
        if channels.is_empty() {
            return;
        }
        let signed = self.wallet.sign(
            self.clock.chain_by_now(),
            &messages,
            channels.clone(),
            &self.wallet_key,
        );
        let Ok(outgoing) = signed else { return };
        for address in &channels {
            if let Some(top_up) = self.slots.get_mut(address).and_then(|s| s.top_up.as_mut()) {
                top_up.sent = Some(outgoing.seqno);
            }
            self.write_channel(address);
        }
        self.wallet.warned = false;
        self.write(Kind::Wallet.key(&[]), Some(encode(&outgoing)));
        self.wallet.outgoing = Some(outgoing);
        self.wallet_changed();
        self.advance_wallet();
    }

    fn warn_wallet(&mut self, needed: Nano) {
        if core::mem::replace(&mut self.wallet.warned, true) {
            return;
        }
        let has = self.wallet.balance.unwrap_or(Nano::ZERO);
        let reason = alloc::format!(
            "the wallet holds {has} TON, {needed} TON are needed for the deposit and its fees: add coins"
        );
        self.effect(Effect::Notify(Event::Trouble { reason }));
    }

    /// Deploy and first top-up, or just a top-up; values of protocol.md 8.4.
    fn top_up_messages(&self, address: &Address) -> Option<Vec<ContractMessage>> {
        let slot = self.slots.get(address)?;
        let missing = slot.top_up?.target.checked_sub(slot.channel.ours.deposited)?;
        let terms = &slot.channel.terms;
        let mut messages = Vec::new();
        if !slot.channel.chain.open {
            let code = &self.config.codes.channel;
            let data = initial_data(&terms.open);
            messages.push(ContractMessage {
                to: *address,
                value: self.config.storage_fee.checked_add(DEPLOY_EXTRA)?,
                // If the other side deploys at the same time, the second message comes back whole.
                bounce: true,
                state_init: Some(state_init(code, &data)),
                body: Init { channel_id: terms.open.channel_id }.body(terms.we_left, &self.key),
            });
        }
        messages.push(ContractMessage {
            to: *address,
            value: missing.checked_add(TOP_UP_EXTRA)?,
            bounce: true,
            state_init: None,
            body: top_up(terms.we_left),
        });
        Some(messages)
    }

    /// The wallet's message has happened or never will.
    pub(crate) fn wallet_settled(&mut self, fate: Fate) {
        if let Fate::Expired(outgoing) = &fate {
            for address in &outgoing.channels {
                let slot = self.slots.get_mut(address);
                if let Some(top_up) = slot.and_then(|slot| slot.top_up.as_mut())
                    && top_up.sent == Some(outgoing.seqno)
                {
                    top_up.sent = None;
                    self.write_channel(address);
                }
            }
        }
        self.write(Kind::Wallet.key(&[]), None);
        self.timers.set(Timer::Wallet, None);
    }

    /// What the chain shows of a channel.
    pub(crate) fn channel_observed(&mut self, address: &Address, next: Channel) {
        let Some(slot) = self.slots.get(address) else { return };
        // A newer proof of the same is not worth a write: whatever is older than it and says something else is older
        // than the one on disk too.
        let shown = |channel: &Channel| {
            let of = |side: &Side| (side.deposited, side.withdrawn);
            (channel.chain.open, channel.chain.closed, of(&channel.ours), of(&channel.theirs))
        };
        let same = shown(&next) == shown(&slot.channel);
        self.set_channel(address, next);
        let Some(slot) = self.slots.get_mut(address) else { return };
        if slot.top_up.is_some_and(|top_up| slot.channel.ours.deposited >= top_up.target) {
            slot.top_up = None;
        }
        if !same {
            self.write_channel(address);
            self.touch(address);
            self.review_unfunded(address);
        }
    }
}

pub(crate) fn bad(reason: &str) -> CommandError {
    CommandError::BadRequest { reason: reason.into() }
}
