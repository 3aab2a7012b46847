//! A TON chain in one process: real contract code in a real virtual machine, real blocks and
//! proofs, and a clock you can move.
//!
//! [`Chain`] is the chain itself: it does nothing until it is told to, and the same calls give the
//! same blocks. [`Devnet`] gives it a running clock, block production and a liteserver on a socket.
//! Neither knows what contracts are for.

mod block;
mod chain;
mod config;
mod devnet;
mod error;
pub mod exec;
mod external;
mod genesis;
mod getter;
mod liteserver;
mod master;
mod proofs;
mod shard;
mod view;
mod wallet;

pub use chain::Chain;
pub use config::{GLOBAL_ID, GLOBAL_VERSION, Prices};
pub use devnet::{Devnet, DevnetConfig};
pub use error::{Error, Result};
pub use exec::NotTaken;
pub use external::{MAX_EXTERNAL_BYTES, Unreadable};
pub use genesis::{Genesis, GenesisAccount, SUPPLY};
pub use getter::{GetMethod, StackItem, method_id};
pub use shard::MAX_CASCADE;
pub use view::{
    AccountView, MessageKind, MessageView, Refusal, Round, Short, Ton, TransactionView,
};
pub use wallet::{SUBWALLET, Transfer, Wallet};
