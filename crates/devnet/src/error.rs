//! What can go wrong on a local chain, sorted by who has to act: the sender of a message, the
//! caller of the library, or nobody because the chain itself is broken.

use tycho_types::error::Error as CellError;

use crate::exec::NotTaken;
use crate::external::Unreadable;
use crate::view::{Short, Ton};

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not an external message the chain can read.
    #[error("malformed message: {0}")]
    Unreadable(#[from] Unreadable),
    /// What a get method or a wallet was given makes no sense.
    #[error("malformed: {0}")]
    Malformed(String),
    /// The message is well formed, but its destination does not take it.
    #[error("external message to {} refused: {cause}", Short(.account))]
    Refused {
        /// The account in the basechain.
        account: [u8; 32],
        /// Why.
        cause: NotTaken,
    },
    /// `produce` or `advance` with a time before the last one.
    #[error("the clock moves forward only: asked for {asked}, the chain is at {at}")]
    ClockBack {
        /// Unix seconds of the call.
        asked: u32,
        /// Unix seconds of the chain.
        at: u32,
    },
    /// The clock was to be moved beyond what clients can read.
    #[error(
        "the clock cannot be moved by {seconds} seconds: it is {at} now and ends at {}",
        i32::MAX
    )]
    WarpTooFar {
        /// By how much.
        seconds: u32,
        /// Unix seconds of the chain.
        at: u32,
    },
    /// The genesis description contradicts itself.
    #[error("bad genesis: {0}")]
    Genesis(String),
    /// A get method on an account that has no code.
    #[error("account {} has no code: nothing to run", Short(.0))]
    NoCode([u8; 32]),
    /// A cell that does not hold what its place demands.
    #[error("cell: {0}")]
    Cell(#[from] CellError),
    /// The transaction executor gave up.
    #[error("executor: {0}")]
    Executor(String),
    /// A block that contradicts itself; always a bug of this crate.
    #[error("inconsistent block: {0}")]
    Inconsistent(String),
    /// A payment of the faucet got into no block.
    #[error("the faucet's transfer of {} TON to {} failed", Ton(*.nano), Short(.to))]
    Faucet {
        /// The receiver.
        to: [u8; 32],
        /// Nanoton.
        nano: u128,
    },
    /// A socket failed.
    #[error("network: {0}")]
    Io(#[from] std::io::Error),
    /// The devnet was stopped while the caller waited.
    #[error("the devnet has stopped")]
    Stopped,
}

/// Shorthand of this crate.
pub type Result<T, E = Error> = core::result::Result<T, E>;
