//! The native host of a payment node: it gives the pure core a disk, a network, a chain and a clock.
//!
//! The core runs on a thread of its own and is the only one that decides anything. Everything else here
//! carries bytes to it and from it: [`store`] to the disk, `carrier` to peers over ADNL, `chain` to a
//! liteserver, `http` to the owner and to web pages. [`shop`] is a paid web service in front of a node.
//!
//! [`Daemon::start`] runs a whole node inside any program; the binary `rill` is a thin shell around it.

mod carrier;
mod chain;
pub mod client;
pub mod config;
mod daemon;
pub mod fetch;
mod host;
mod http;
pub mod shop;
pub mod store;

pub use daemon::{Daemon, Ended, StartError};
pub use host::{CommandFailed, Handle, now};
