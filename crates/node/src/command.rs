//! What the owner can do: pay, prove a payment, look.

use alloc::vec::Vec;

use channel::{
    amount::{Deadline, Nano},
    channel::Channel,
    conditional::Conditional,
    contract::Address,
    garlic::{self, Hop},
    key::{PublicKey, SecretKey, derive},
    tl::Action,
};

use crate::{
    history::RECENT,
    io::{Command, CommandError, Effect, Event, PayOrder, PaymentId, Reply, RequestId},
    node::Node,
    opening::bad,
    records::{Kind, encode},
    summary::{ChannelPhase, ChannelSummary, PaymentSummary, Snapshot, WalletSummary},
    virtuals::{Leg, LegState, Payment, Virtual},
};

/// Hops in one payment at the most.
const HOPS_MAX: usize = 8;
/// Length of the instruction list whatever the route (safety.md N21).
const INSTRUCTIONS: usize = 8;
/// Seconds that the last hop's conditional lives beyond the safety gap (protocol.md 8.7).
const LAST_HOP_SECS: u32 = 10_800;
impl Node {
    pub(crate) fn command(&mut self, request: RequestId, command: Command) {
        match self.to_recall(&command) {
            Some(key) => self.recall(key, request, command),
            None => self.carry_out(request, command),
        }
    }

    /// Everything that a command is about is in hand.
    pub(crate) fn carry_out(&mut self, request: RequestId, command: Command) {
        let answer = match command {
            Command::OpenChannel { peer, deposit } => {
                return self.open_channel(request, peer, deposit);
            }
            Command::TopUp { channel, deposit } => self.top_up(&channel, deposit),
            Command::AddContact(contact) => {
                if contact.node == self.public {
                    Err(bad("this invitation is our own"))
                } else if contact.node.is_weak() || contact.adnl.is_weak() {
                    Err(bad(
                        "a key of this invitation is nobody's: anybody could pass for its node",
                    ))
                } else {
                    let (peer, record) = (contact.node, encode(&contact));
                    self.write(Kind::Contact.key(&peer.0), Some(record));
                    self.contacts.insert(peer, contact);
                    self.dial(peer);
                    Ok(Reply::Done)
                }
            }
            Command::Pay(order) => self.pay(&order),
            Command::Payment(id) => {
                self.payment(&id).map(Reply::Payment).ok_or(CommandError::NotFound)
            }
            Command::Received(key) => {
                let known = self.virtuals.get(&key).and_then(Virtual::received_summary);
                known.map(Reply::Received).ok_or(CommandError::NotFound)
            }
            Command::Sign { domain, text } => {
                let signature = self.key.sign(&domain.digest(&text));
                Ok(Reply::Signature { key: self.public, signature })
            }
            Command::ProvePayment { id, digest } => self.prove(&id, &digest),
            Command::Snapshot => Ok(Reply::Snapshot(self.snapshot())),
        };
        self.effect(Effect::Reply(request, answer));
    }

    fn payment(&self, id: &PaymentId) -> Option<PaymentSummary> {
        self.virtuals.get(self.payments.get(id)?)?.payment_summary()
    }

    fn pay(&mut self, order: &PayOrder) -> Result<Reply, CommandError> {
        let (Some(first), Some(last)) = (order.route.first(), order.route.last()) else {
            return Err(bad("the route is empty"));
        };
        if let Some(known) = self.payment(&order.id) {
            return order.is_same_as(known);
        }
        if order.route.len() > HOPS_MAX {
            return Err(bad("the route is too long: 8 nodes at most"));
        }
        if order.amount == Nano::ZERO {
            return Err(bad("the amount is zero"));
        }
        if order.route.iter().any(|hop| hop.node == self.public) {
            return Err(bad("the route leads through this node itself"));
        }
        let too_big = || bad("amount and fees are too big");
        let fees = order.route.iter().try_fold(Nano::ZERO, |sum, hop| sum.checked_add(hop.fee));
        let fee = fees.ok_or_else(too_big)?;
        let needed = order.amount.checked_add(fee).ok_or_else(too_big)?;
        let address = self.channel_to_pay(&first.node, needed)?;
        let gap = self.slots.get(&address).map(|slot| slot.channel.terms.gap_secs());
        let hops = self.hops(order, gap.unwrap_or_default()).ok_or_else(too_big)?;

        let virtual_key = self.virtual_key(&order.id);
        let keys: Vec<SecretKey> =
            (0_u8..).zip(&hops).map(|(i, _)| self.instruction_key(&order.id, i)).collect();
        let mut fill = |bytes: &mut [u8]| self.fill_random(bytes);
        let open = garlic::build(&virtual_key, &hops, &keys, INSTRUCTIONS, true, &mut fill)
            .map_err(|error| bad(&alloc::format!("{error}")))?;
        let Some(hop) = hops.first() else { return Err(bad("the route is empty")) };
        let conditional = Conditional {
            key: virtual_key.public(),
            capacity: hop.capacity,
            fee: hop.fee,
            prepay: Nano::ZERO,
            deadline: hop.deadline,
        };
        let outgoing = Leg { channel: address, conditional, state: LegState::Waiting };
        let id = order.id;
        self.put_virtual(Virtual {
            key: conditional.key,
            incoming: None,
            outgoing: Some(outgoing),
            resolve: None,
            claimed: false,
            given_up: false,
            action: Some(Action::OpenVirtual(open).to_bytes()),
            instruction: None,
            payment: Some(Payment {
                id,
                to: last.node,
                amount: order.amount,
                fee,
                hops: u8::try_from(hops.len()).unwrap_or(u8::MAX),
            }),
            reason: None,
            created: self.clock.wall(),
            finished: None,
        });
        self.payment(&id).map(Reply::Payment).ok_or(CommandError::NotFound)
    }

    /// Capacity, fee and deadline of every hop; the fees of all later nodes travel with the amount. Of the channels
    /// behind the first we do not know the terms: nodes of one network use the same.
    fn hops(&self, order: &PayOrder, gap: u32) -> Option<Vec<Hop>> {
        let now = Deadline(self.clock.most().seconds());
        let mut deadline = now.plus_secs(LAST_HOP_SECS).plus_secs(gap);
        let mut fee = Nano::ZERO;
        let mut hops = Vec::new();
        for hop in order.route.iter().rev() {
            fee = fee.checked_add(hop.fee)?;
            hops.push(Hop { target: hop.node, capacity: order.amount, fee, deadline });
            deadline = deadline.plus_secs(gap);
        }
        hops.reverse();
        Some(hops)
    }

    /// The channel that can carry the payment, or the clearest reason why none can.
    fn channel_to_pay(&self, peer: &PublicKey, needed: Nano) -> Result<Address, CommandError> {
        let usable: Vec<Address> = self
            .channels_with(peer)
            .into_iter()
            .filter(|a| self.slots.get(a).is_some_and(|slot| slot.channel.usable()))
            .collect();
        if usable.is_empty() {
            return Err(CommandError::NoChannel { peer: *peer });
        }
        if self.links.of(peer).is_none() {
            return Err(CommandError::Offline { peer: *peer });
        }
        let slots = || usable.iter().filter_map(|a| Some((a, self.slots.get(a)?)));
        if let Some((address, _)) = slots().find(|(_, slot)| slot.available() >= needed) {
            return Ok(*address);
        }
        let capacity = slots().map(|(_, slot)| capacity(&slot.channel)).max().unwrap_or_default();
        if capacity < needed {
            return Err(CommandError::CapacityTooSmall { needed, capacity });
        }
        let available = slots().map(|(_, slot)| slot.available()).max().unwrap_or_default();
        Err(CommandError::InsufficientBalance { needed, available })
    }

    fn virtual_key(&self, id: &PaymentId) -> SecretKey {
        SecretKey::from_seed(derive(&self.config.node_seed, "rill:virtual:v1", &[&id.0]))
    }

    fn instruction_key(&self, id: &PaymentId, hop: u8) -> SecretKey {
        let context: [&[u8]; 2] = [&id.0, &[hop]];
        SecretKey::from_seed(derive(&self.config.node_seed, "rill:instruction:v1", &context))
    }

    /// The last instruction key is known to the receiver and its private half to the payer alone.
    fn prove(&self, id: &PaymentId, digest: &[u8; 32]) -> Result<Reply, CommandError> {
        let key = self.payments.get(id).ok_or(CommandError::NotFound)?;
        let known = self.virtuals.get(key).and_then(|known| known.payment.as_ref());
        Ok(self.proof(*key, known.ok_or(CommandError::NotFound)?, digest))
    }

    pub(crate) fn proof(&self, channel: PublicKey, payment: &Payment, digest: &[u8; 32]) -> Reply {
        let secret = self.instruction_key(&payment.id, payment.hops.saturating_sub(1));
        Reply::Proof { channel, instruction: secret.public(), signature: secret.sign(digest) }
    }

    fn snapshot(&self) -> Snapshot {
        let mut channels: Vec<ChannelSummary> =
            self.slots.keys().filter_map(|address| self.channel_summary(address)).collect();
        channels.extend(self.openings.keys().map(|peer| ChannelSummary::opening(*peer)));
        channels.sort_by_key(|channel| channel.phase != ChannelPhase::Open);
        let mut payments: Vec<_> =
            self.virtuals.values().filter_map(Virtual::payment_summary).collect();
        payments.sort_by_key(|p| core::cmp::Reverse(p.started));
        payments.truncate(RECENT);
        let mut received: Vec<_> =
            self.virtuals.values().filter_map(Virtual::received_summary).collect();
        received.sort_by_key(|r| core::cmp::Reverse(r.at));
        received.truncate(RECENT);
        Snapshot {
            node: self.public,
            wallet: self.wallet_summary(),
            channels,
            payments,
            received,
            earned: self.earned,
        }
    }

    fn wallet_summary(&self) -> WalletSummary {
        WalletSummary {
            address: hex::encode(self.wallet.address),
            balance: self.wallet.balance,
            busy: self.wallet.outgoing.is_some(),
        }
    }

    pub(crate) fn wallet_changed(&mut self) {
        let summary = self.wallet_summary();
        self.effect(Effect::Notify(Event::Wallet(summary)));
    }

    pub(crate) fn channel_summary(&self, address: &Address) -> Option<ChannelSummary> {
        let slot = self.slots.get(address)?;
        let channel = &slot.channel;
        let peer = channel.terms.their_key();
        let phase = if channel.chain.closed {
            ChannelPhase::Closed
        } else if !channel.ready() {
            ChannelPhase::Opening
        } else if !channel.chain.open {
            ChannelPhase::Ready
        } else {
            ChannelPhase::Open
        };
        Some(ChannelSummary {
            address: hex::encode(address),
            peer,
            phase,
            online: self.links.of(&peer).is_some(),
            balance: slot.available(),
            their_balance: channel.their_balance(),
            locked: channel.our_locked().checked_add(slot.reserved).unwrap_or_default(),
            their_locked: channel.theirs.conditionals.held(),
            deposited: channel.ours.deposited,
            their_deposited: channel.theirs.deposited,
            sent: channel.ours.body().sent,
            their_sent: channel.theirs.body().sent,
            seqno: channel.ours.body().seqno,
            their_seqno: channel.theirs.body().seqno,
            conditionals: channel.ours.conditionals.len(),
            their_conditionals: channel.theirs.conditionals.len(),
        })
    }
}

impl ChannelSummary {
    /// A channel whose terms are not agreed yet.
    fn opening(peer: PublicKey) -> Self {
        Self {
            address: Default::default(),
            peer,
            phase: ChannelPhase::Opening,
            online: false,
            balance: Nano::ZERO,
            their_balance: Nano::ZERO,
            locked: Nano::ZERO,
            their_locked: Nano::ZERO,
            deposited: Nano::ZERO,
            their_deposited: Nano::ZERO,
            sent: Nano::ZERO,
            their_sent: Nano::ZERO,
            seqno: 0,
            their_seqno: 0,
            conditionals: 0,
            their_conditionals: 0,
        }
    }
}

/// All the money in the channel: the most that one side can ever have.
fn capacity(channel: &Channel) -> Nano {
    let deposits = channel.ours.deposited.checked_add(channel.theirs.deposited);
    deposits.unwrap_or(Nano::ZERO)
}
