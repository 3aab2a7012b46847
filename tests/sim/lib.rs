//! A deterministic world for payment nodes: virtual time, bad links, machines that die, a chain with the ledger's
//! rules. One seed, one history.
//!
//! Read `story` for the words that tests use, `world` for the loop, `audit` and `watch` for what must hold.

pub mod adversary;
pub mod audit;
pub mod chain;
pub mod chaos;
pub mod faults;
mod forgery;
mod host;
pub mod ledger;
pub mod machine;
pub mod queue;
pub mod story;
pub mod talk;
pub mod thieves;
pub mod watch;
pub mod wire;
pub mod world;

pub use adversary::{Adversary, Manner};
pub use faults::{Faults, Order};
pub use machine::{Moment, Plan};
pub use story::{Outcome, Payment, milli, ton};
pub use world::{Id, World};
