//! Channels that peers have opened with us and that are not on chain: anybody can have any number of them for
//! nothing, so they have a place of their own, a time, and go first (safety.md N30).
//!
//! To forget one costs nobody anything. Before its contract is open each side signs once, and no value: all that
//! was ever signed for it is what any channel under this id begins with, in this life of the record or in the next.
//!
//! So a channel that waits is one that the peer may not know any more, and a deposit in it would be lost to both
//! until it is taken back on chain. The opener pays only into one that it has just opened: when a wish had to wait
//! for coins, it is opened again under a new id.

use alloc::vec::Vec;

use channel::{amount::Deadline, channel::Channel, contract::Address};

use crate::{
    io::{Effect, Source},
    node::Node,
    opening::Opening,
    records::{Kind, TopUp, encode},
    timers::Timer,
    turn::Slot,
};

/// How long such a channel is remembered while there is room. Whoever opens one deploys it within minutes.
const UNFUNDED_MS: u64 = 24 * 3_600_000;
/// As long as that, and more, its opener remembers one that it has given up: the peer may have paid for it.
const GIVEN_UP_MS: u64 = 48 * 3_600_000;
/// How long after its opening a channel may be deployed.
const FRESH_SECS: u32 = 600;

impl Node {
    /// Whether there is nothing behind this channel, neither money nor a wish of our owner.
    fn is_unfunded(slot: &Slot) -> bool {
        let chain = &slot.channel.chain;
        !chain.open && !chain.closed && slot.top_up.is_none()
    }

    /// All channels but those that peers have opened for nothing.
    pub(crate) fn funded_channels(&self) -> usize {
        self.slots.len().saturating_sub(self.unfunded.len())
    }

    /// Gives a channel without money its time, and makes room for it if a peer has opened it.
    pub(crate) fn enter_unfunded(&mut self, address: Address, source: Source) {
        let Some(slot) = self.slots.get(&address).filter(|slot| Self::is_unfunded(slot)) else {
            return;
        };
        if slot.channel.terms.we_left {
            let end = self.now.plus_ms(GIVEN_UP_MS);
            return self.timers.set(Timer::Unfunded(address), Some(end));
        }
        self.unfunded.enter(address, source);
        self.timers.set(Timer::Unfunded(address), Some(self.now.plus_ms(UNFUNDED_MS)));
        while let Some(first) = self.unfunded.too_many(self.config.limits.unfunded) {
            self.unfunded_time_over(&first);
        }
    }

    /// The channel may have been paid for: then it is here to stay.
    pub(crate) fn review_unfunded(&mut self, address: &Address) {
        if !self.slots.get(address).is_some_and(Self::is_unfunded) {
            self.unfunded.leave(address);
            self.timers.set(Timer::Unfunded(*address), None);
        }
    }

    pub(crate) fn unfunded_time_over(&mut self, address: &Address) {
        self.unfunded.leave(address);
        if self.slots.get(address).is_some_and(Self::is_unfunded) {
            self.forget_channel(address);
        }
    }

    /// Opens anew what waited too long to be deployed: a wish that had no coins, or a chain that stood still.
    /// True: this channel is not the one any more.
    pub(crate) fn reopen_if_stale(&mut self, address: &Address) -> bool {
        let Some(slot) = self.slots.get_mut(address) else { return true };
        let Channel { terms, chain, .. } = &slot.channel;
        // We made the id: it ends with the time at which we did.
        let [.., a, b, c, d] = terms.open.channel_id.0;
        let made = Deadline(u32::from_le_bytes([a, b, c, d]));
        if !terms.we_left || chain.open || made.plus_secs(FRESH_SECS).at() >= self.clock.wall() {
            return false;
        }
        let peer = terms.their_key();
        let Some(TopUp { target: deposit, sent: None }) = slot.top_up.take() else { return false };
        let opening = self.openings.entry(peer).or_insert(Opening { deposit, agreed: None });
        opening.deposit = opening.deposit.max(deposit);
        let record = encode(opening);
        self.write(Kind::Opening.key(&peer.0), Some(record));
        self.write_channel(address);
        self.enter_unfunded(*address, Source(0));
        self.dial(peer);
        self.timers.set(Timer::Opening(peer), Some(self.now));
        true
    }

    /// After a start nobody knows any more where these came from.
    pub(crate) fn enter_all_unfunded(&mut self) {
        let all: Vec<Address> = self.slots.keys().copied().collect();
        for address in all {
            self.enter_unfunded(address, Source(0));
        }
    }

    /// As if the channel had never been.
    fn forget_channel(&mut self, address: &Address) {
        let Some(slot) = self.slots.remove(address) else { return };
        let peer = slot.channel.terms.their_key();
        if let Some(addresses) = self.by_peer.get_mut(&peer) {
            addresses.retain(|other| other != address);
            if addresses.is_empty() {
                self.by_peer.remove(&peer);
            }
        }
        for timer in [Timer::Channel(*address), Timer::Unfunded(*address)] {
            self.timers.set(timer, None);
        }
        self.deadlines.set(Timer::Shadow(*address), None);
        for kind in [Kind::Channel, Kind::Terms] {
            self.write(kind.key(address), None);
        }
        self.effect(Effect::Unwatch(*address));
    }
}
