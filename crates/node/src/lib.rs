//! Many channels as one node of the payment network. Pure: time, bytes, records and chain state come in as
//! arguments, a [`io::Step`] comes out.
//!
//! Start with [`io`] (all that enters and leaves) and [`drive`] (when it leaves).
#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod chain;
mod clock;
mod command;
pub mod config;
pub mod domain;
pub mod drive;
mod guests;
pub mod history;
pub mod invitation;
pub mod io;
mod links;
pub mod node;
mod opening;
mod records;
mod serve;
mod shares;
pub mod summary;
mod timers;
mod turn;
mod unfunded;
mod virtuals;
mod wallet;

#[cfg(test)]
mod restore_tests;
