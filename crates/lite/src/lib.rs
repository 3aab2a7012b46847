//! The light client: asks liteservers about the chain and believes only what it can check.
//!
//! A liteserver is somebody else's machine. Its answer about an account comes with Merkle proofs, cut-out pieces of
//! blocks and states whose hashes lead from a masterchain block down to the account ([`account`]), and past
//! transactions hang on the account's last one by hash ([`transactions`]). [`client`] speaks the protocol over any
//! stream of bytes: a TCP socket, or a WebSocket proxy that carries one.
//!
//! Assumed for now: that the latest masterchain block which a liteserver names is really the chain's. Everything
//! below that block's hash is checked.
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

pub mod account;
mod bag;
pub mod client;
mod proof;
pub mod query;
pub mod transactions;

pub use account::{AccountStatus, AccountView, verify_account};
pub use client::{Event, LiteClient, QueryId};
pub use proof::ProofError;
pub use query::{AccountState, Answer, BlockId, Query};
pub use transactions::{Cursor, History, Transaction, verify_transactions};
