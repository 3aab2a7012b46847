//! What the chain shows: the wallet, the contracts of channels, and how late it is there.

use alloc::{string::String, vec::Vec};

use channel::{
    contract::{Address, Storage},
    key::PublicKey,
};

use crate::{
    clock::{Head, Skew},
    io::{AccountView, ChainView, Effect, Event},
    node::Node,
    records::TopUp,
    virtuals::Work,
    wallet::Outgoing,
};

/// Chain time within which a message of the wallet has reached the channel, however busy the chain is.
const DEPOSIT_SECS: u32 = 600;
const DEPOSIT_TRIES: u32 = 3;

impl Node {
    pub(crate) fn chain(&mut self, view: ChainView) {
        self.head_is(Head { block: view.block, time: view.time });
        if view.address == self.wallet.address {
            let before = self.wallet.balance;
            if let Some(fate) = self.wallet.observed(self.clock.wall(), view.time, &view.account) {
                self.wallet_settled(fate);
            }
            if before != self.wallet.balance {
                self.wallet.warned = false;
                self.wallet_changed();
            }
            self.dirty_wallet |= self.wallet.free();
            return;
        }
        let Some(slot) = self.slots.get(&view.address) else { return };
        let seen = match &view.account {
            AccountView::Inactive { .. } => Ok(None),
            AccountView::Active { data, .. } => Storage::from_cell(data).map(Some),
        };
        let (next, why) = match seen {
            Ok(storage) => {
                let disputed = storage.is_some_and(|storage| storage.quarantine.is_some());
                let why = if disputed {
                    String::from("it is being closed on chain by one side alone")
                } else {
                    String::from("its contract has been closed")
                };
                (slot.channel.observed(self.clock.wall(), view.time, storage.as_ref()), why)
            }
            Err(error) => {
                let why = alloc::format!("its contract cannot be read ({error}): update this node");
                (slot.channel.unreadable(self.clock.wall(), view.time), why)
            }
        };
        let stops = next.chain.closed && !slot.channel.chain.closed;
        self.channel_observed(&view.address, next);
        if stops {
            self.channel_stopped(&view.address, &why);
        }
        self.review_deposit(&view.address, view.time);
        self.dirty_wallet |= self.wallet.free();
    }

    /// A watched account is in this block as it was told last.
    pub(crate) fn unchanged(&mut self, address: &Address, block: u32, time: u32) {
        self.head_is(Head { block, time });
        if *address != self.wallet.address {
            self.review_deposit(address, time);
        } else if let Some(fate) = self.wallet.unchanged(time) {
            self.wallet_settled(fate);
        }
        self.dirty_wallet |= self.wallet.free();
    }

    /// It is this late on chain.
    fn head_is(&mut self, head: Head) {
        if self.clock.head_is(head) {
            // What was told before came from a chain that does not exist. Everything is looked at again.
            self.wallet.forget_view();
            for slot in self.slots.values_mut() {
                slot.channel.chain.time = 0;
            }
            let channels: Vec<Address> = self.slots.keys().copied().collect();
            for address in channels.into_iter().chain([self.wallet.address]) {
                self.effect(Effect::Watch(address));
            }
        }
        self.time_passes();
        if let Some(Skew { ahead_secs, chain, ours }) = self.clock.skew_news() {
            let clocks = alloc::format!("it shows {ours}, the chain's newest block {chain}");
            let reason = match ahead_secs {
                Some(secs) if secs > 0 => alloc::format!(
                    "the clock of this machine is {secs} s ahead of the chain ({clocks}): set it right"
                ),
                Some(secs) => alloc::format!(
                    "the clock of this machine is {} s behind the chain ({clocks}): set it right",
                    secs.unsigned_abs()
                ),
                None => alloc::format!("the clock of this machine is right again ({clocks})"),
            };
            self.effect(Effect::Notify(Event::Trouble { reason }));
        }
    }

    /// A deposit whose message has left the wallet and that does not show in the channel for long has come back,
    /// or never went: it is sent again, and given up in the end.
    fn review_deposit(&mut self, address: &Address, time: u32) {
        let on_its_way = |outgoing: &Outgoing| outgoing.channels.contains(address);
        if self.wallet.outgoing.as_ref().is_some_and(on_its_way) {
            return;
        }
        let Some(slot) = self.slots.get_mut(address) else { return };
        let Some(TopUp { target, sent: Some(_) }) = slot.top_up else {
            slot.deposit_since = None;
            return;
        };
        let since = *slot.deposit_since.get_or_insert(time);
        if time <= since.saturating_add(DEPOSIT_SECS) {
            return;
        }
        slot.deposit_since = None;
        slot.deposits_lost = slot.deposits_lost.saturating_add(1);
        if slot.deposits_lost < DEPOSIT_TRIES {
            slot.top_up = Some(TopUp { target, sent: None });
        } else {
            slot.deposits_lost = 0;
            slot.top_up = None;
            let peer = slot.channel.terms.their_key();
            let reason = alloc::format!(
                "the deposit of {target} TON in the channel with {peer} was sent {DEPOSIT_TRIES} times and did \
                 not arrive; it is not tried again: look at the wallet and order it anew"
            );
            self.effect(Effect::Notify(Event::Trouble { reason }));
        }
        self.write_channel(address);
    }

    /// No value moves in this channel any more. What was only planned in it fails at once: nothing of it was signed,
    /// so nothing of it can be claimed.
    fn channel_stopped(&mut self, address: &Address, why: &str) {
        let Some(slot) = self.slots.get(address) else { return };
        let peer = slot.channel.terms.their_key();
        let planned = slot.work.iter().filter(|(work, ..)| *work == Work::Open);
        let planned: Vec<PublicKey> = planned.map(|(_, _, key)| *key).collect();
        let reason = alloc::format!("channel with {peer} does not pay any more: {why}");
        for key in planned {
            if let Some(known) = self.virtuals.get(&key).cloned() {
                self.put_virtual(known.never_signed(&reason, self.clock.wall()));
            }
        }
        self.effect(Effect::Notify(Event::Trouble { reason }));
    }
}
