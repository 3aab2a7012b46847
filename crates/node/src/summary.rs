//! What a person is shown: plain data for pages, consoles and JSON. Amounts become decimal strings of nano,
//! keys lower-case hex, in every human-readable format.

use alloc::{string::String, vec::Vec};

use channel::{
    amount::{Deadline, Nano, Time},
    key::PublicKey,
};
use serde::Serialize;

use crate::io::PaymentId;

/// How far a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelPhase {
    /// Terms are being agreed, or the first states exchanged.
    Opening,
    /// Both sides have signed; the contract is not on chain yet.
    Ready,
    /// The contract is on chain: value can move.
    Open,
    /// Cooperatively closed or in dispute: no value moves any more.
    Closed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelSummary {
    /// Raw account id in workchain 0, hex. Empty while the terms are not agreed.
    pub address: String,
    pub peer: PublicKey,
    pub phase: ChannelPhase,
    /// The peer is connected and has proved its key.
    pub online: bool,
    /// What we can spend now.
    pub balance: Nano,
    pub their_balance: Nano,
    /// Promised in conditionals of ours, not spendable now.
    pub locked: Nano,
    pub their_locked: Nano,
    pub deposited: Nano,
    pub their_deposited: Nano,
    pub sent: Nano,
    pub their_sent: Nano,
    pub seqno: u64,
    pub their_seqno: u64,
    pub conditionals: u32,
    pub their_conditionals: u32,
}

/// How a payment stands. `Returning` and `Failed` name the reason in [`PaymentSummary::reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Durable here, not yet accepted by the first node.
    Reserved,
    /// The first node has accepted it; the amount is locked until the deadline.
    Locked,
    /// The receiver holds its resolve and every hop up to us was shown it.
    Sent,
    /// The first node has been paid: nothing is left to do.
    Settled,
    /// Refused or expired, and nobody can claim it any more: the amount is spendable again.
    Failed,
    /// Refused or given back, but the promise was signed, and whoever holds it can claim it until
    /// [`PaymentSummary::locked_until`]. Then it becomes `Failed`; who pays anew before may have paid twice.
    Returning,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PaymentSummary {
    #[serde(serialize_with = "hex_id")]
    pub id: PaymentId,
    /// The virtual key.
    pub key: PublicKey,
    pub to: PublicKey,
    pub amount: Nano,
    pub fee: Nano,
    pub state: PaymentState,
    pub reason: Option<String>,
    pub started: Time,
    /// When the proof that the receiver was paid came, or the refusal.
    pub finished: Option<Time>,
    /// The amount is not spendable before this time unless the payment is settled.
    pub locked_until: Option<Deadline>,
}

/// A payment that arrived here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceivedSummary {
    /// The virtual key.
    pub key: PublicKey,
    pub amount: Nano,
    /// The public half of the payer's last instruction key.
    pub instruction: PublicKey,
    pub at: Time,
    /// The amount is in `sent` of the previous hop; before that it is held by a conditional and its resolve.
    pub settled: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WalletSummary {
    /// Raw account id in workchain 0, hex.
    pub address: String,
    /// `None` until the chain was seen.
    pub balance: Option<Nano>,
    /// A message of ours is on its way to the chain.
    pub busy: bool,
}

/// Everything at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    pub node: PublicKey,
    pub wallet: WalletSummary,
    /// The open ones first.
    pub channels: Vec<ChannelSummary>,
    /// Payments of ours, newest first, at most 200.
    pub payments: Vec<PaymentSummary>,
    /// Payments received, newest first, at most 200.
    pub received: Vec<ReceivedSummary>,
    /// What relaying has earned in all.
    pub earned: Nano,
}

fn hex_id<S: serde::Serializer>(id: &PaymentId, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&hex::encode(id.0))
}
