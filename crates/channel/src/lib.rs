//! What two parties of a payment channel and its contract must agree on, byte for byte.
//!
//! A channel is two one-directional ledgers, the semichannels. Each side signs its own, together with
//! a copy of what it last knew of the other's; the contract on chain reads the same cells when the two
//! do not part as friends. This crate holds those cells, the messages that carry them and the rules by
//! which one signed state may follow another.
//!
//! Nothing here reads a clock, opens a socket or draws a random number: same input, same output.
//!
//! | module | holds |
//! |---|---|
//! | [`amount`] | money, time and deadlines |
//! | [`key`] | keys, signatures, key agreement, key derivation |
//! | [`cell`] | cells and bags of cells as this network writes them |
//! | [`semichannel`] | the signed ledger of one side |
//! | [`conditional`], [`conditionals`] | one conditional payment; the dictionary of all of them |
//! | [`proof`] | what a proposer shows of its new dictionary |
//! | [`resolve`] | the signed amount that a conditional pays |
//! | [`tl`] | the messages between nodes |
//! | [`garlic`] | the encrypted orders along a route |
//! | [`contract`] | configuration, storage and messages of the contract |
//! | [`channel`] | one channel as a value: both ledgers, balances, what the contract holds |
//! | [`propose`], [`accept`] | our proposals and the peer's |
#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::panic
    )
)]
extern crate alloc;

pub mod accept;
pub mod amount;
pub mod cell;
pub mod channel;
pub mod conditional;
pub mod conditionals;
pub mod contract;
pub mod garlic;
pub mod key;
pub mod proof;
pub mod propose;
pub mod resolve;
pub mod semichannel;
mod text;
pub mod tl;

pub use amount::{Deadline, Nano, Time};
pub use cell::{Cell, Hash};
pub use conditional::Conditional;
pub use conditionals::{Conditionals, SlotTaken};
pub use key::{PublicKey, SecretKey, Signature};
pub use proof::{ProofError, Touched, UpdateProof};
pub use resolve::{Resolve, Verified};
pub use semichannel::{ChannelId, SemiBody, SemiChannel, SignedSemi};
