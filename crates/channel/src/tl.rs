//! The messages that nodes send each other, as TL bytes.
//!
//! A query asks, an answer answers, and an action is what a query proposes or requests for a channel.
//! The first four bytes name the constructor. Reading is bounded in every direction: a peer chooses
//! each of these bytes.

mod action;
mod answer;
mod query;
mod wire;

pub use action::{
    Action, INSTRUCTION_SIZE_MAX, INSTRUCTIONS_MAX, InstructionContainer, OpenVirtual,
};
pub use answer::{Answer, ChannelConfig};
pub use query::{Authenticate, OpenChannelOffchain, ProposeAction, ProposeChannelConfig, Query};
pub(crate) use wire::{Reader, Writer};

use alloc::vec::Vec;

use crate::key::sha256;

/// What both sides sign to prove a node key to each other: the network ids of the two ends, the signer's
/// own first, and the time in unix seconds.
pub fn authenticate_hash(a: &[u8; 32], b: &[u8; 32], timestamp: i64) -> [u8; 32] {
    let mut writer = Writer::new(AUTHENTICATE_TO_SIGN);
    writer.int256(a);
    writer.int256(b);
    writer.long(timestamp);
    sha256(&[&writer.finish()])
}

/// The record under which a node key leads to its network address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// The short id of the node's ADNL key.
    pub adnl: [u8; 32],
}

impl NodeAddress {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(NODE_ADDRESS);
        writer.int256(&self.adnl);
        writer.finish()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TlError> {
        let mut reader = Reader::new(bytes);
        match reader.id()? {
            NODE_ADDRESS => {
                let adnl = reader.int256()?;
                reader.finish()?;
                Ok(Self { adnl })
            }
            id => Err(TlError::Constructor { id, place: "a node address" }),
        }
    }
}

/// Why bytes are not the message that they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlError {
    #[error("message ends too early")]
    Short,
    #[error("{0} bytes are left over after the message")]
    Trailing(usize),
    #[error("constructor {id:08x} is not allowed as {place}")]
    Constructor { id: u32, place: &'static str },
    #[error("field {field} has {found} elements or bytes, at most {limit} are allowed")]
    TooLong { field: &'static str, found: usize, limit: usize },
    #[error("field {0} is malformed")]
    Field(&'static str),
    #[error("field {field}: {error}")]
    Cell { field: &'static str, error: crate::cell::CellError },
    #[error("field {field}: {error}")]
    Amount { field: &'static str, error: crate::amount::AmountError },
}

const AUTHENTICATE_TO_SIGN: u32 = 0xf24a_3bc4;
const NODE_ADDRESS: u32 = 0x67fa_46d9;
