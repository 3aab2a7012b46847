//! What the owner decides once: keys, terms of channels, prices of relaying, limits.

use alloc::vec::Vec;

use channel::{
    amount::Nano,
    cell::{Cell, CellError, parse_boc},
    contract::ClosingConfig,
};
use zeroize::Zeroizing;

/// Everything a node is told at start. Two nodes only open channels whose closing terms are equal.
pub struct Config {
    /// Seed of the node key: the identity in channels.
    pub node_seed: Zeroizing<[u8; 32]>,
    /// Seed of the wallet that pays for contract messages.
    pub wallet_seed: Zeroizing<[u8; 32]>,
    pub codes: Codes,
    /// Quarantine, fine and settle window of channels, fixed in their contract.
    pub closing: ClosingConfig,
    /// TON that stays in the contract for its rent.
    pub storage_fee: Nano,
    /// Seconds that a node keeps in hand to get a message on chain.
    pub buffer_secs: u32,
    /// Seconds that a conditional must live beyond a whole uncooperative close.
    pub min_safe_secs: u32,
    /// Terms for relaying; `None`: this node does not relay.
    pub tunnel: Option<Tunnel>,
    pub limits: Limits,
}

/// Price of relaying one payment: the larger of both, on next capacity + next fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    pub min_fee: Nano,
    /// Millionths.
    pub fee_ppm: u32,
    pub max_capacity: Nano,
}

/// What a peer can make us store or do, at the most (safety.md N18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Channels with one peer, and in all.
    pub channels_per_peer: u32,
    pub channels: u32,
    /// Channels that peers have opened and that are not on chain yet; they do not count among the others.
    pub unfunded: u32,
    /// Live conditionals on one side of a channel.
    pub conditionals: u32,
    /// Smallest capacity of a conditional.
    pub dust: Nano,
    /// Longest life of a conditional, seconds.
    pub lifetime_secs: u32,
    /// Links that have not proved a node key; and as many on which nodes without an open channel have proved theirs.
    pub strangers: u32,
}

/// Compiled contracts of `contracts/`.
#[derive(Clone, Debug)]
pub struct Codes {
    pub channel: Cell,
    pub wallet: Cell,
}

impl Codes {
    /// The contracts that this version was built with.
    pub fn built_in() -> Result<Self, CellError> {
        Ok(Self {
            channel: parse_boc(include_bytes!("../../../contracts/build/channel.code.boc"))?,
            wallet: parse_boc(include_bytes!("../../../contracts/build/wallet.code.boc"))?,
        })
    }
}

impl Config {
    /// The network's usual terms (protocol.md 9.1) with no relaying.
    pub fn new(node_seed: [u8; 32], wallet_seed: [u8; 32], codes: Codes) -> Self {
        Self {
            node_seed: Zeroizing::new(node_seed),
            wallet_seed: Zeroizing::new(wallet_seed),
            codes,
            closing: ClosingConfig {
                quarantine_duration: 21_600,
                misbehavior_fine: Nano(3_000_000_000),
                conditional_close_duration: 10_800,
            },
            storage_fee: Nano(250_000_000),
            buffer_secs: 10_800,
            min_safe_secs: 60,
            tunnel: None,
            limits: Limits {
                channels_per_peer: 4,
                channels: 10_000,
                unfunded: 256,
                conditionals: 1_000,
                dust: Nano(1),
                // A route of eight nodes on these terms takes a little more than four days.
                lifetime_secs: 7 * 86_400,
                strangers: 1_000,
            },
        }
    }
}

impl Tunnel {
    /// What this node takes for passing on `next` (capacity and fee of the next hop together).
    pub fn fee(&self, next: Nano) -> Option<Nano> {
        let share = next.0.checked_mul(u128::from(self.fee_ppm))?.checked_div(1_000_000)?;
        Some(Nano(share.max(self.min_fee.0)))
    }
}

/// A record: key and value.
pub type Record = (Vec<u8>, Vec<u8>);
