//! What one node asks another.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Action, Reader, TlError, Writer};
use crate::amount::Nano;
use crate::cell::Cell;
use crate::key::{PublicKey, Signature};

/// A question to another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    Ping { value: i64 },
    Authenticate(Authenticate),
    ProposeChannelConfig(ProposeChannelConfig),
    RequestAction { channel: [u8; 32], action: Action },
    ProposeAction(ProposeAction),
    OpenChannelOffchain(OpenChannelOffchain),
    RequestChannelLock { lock_id: i64, channel: [u8; 32], lock: bool },
    IsChannelUnlocked { lock_id: i64, channel: [u8; 32] },
}

/// A node key and the proof that the sender owns it; question and answer look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authenticate {
    pub key: PublicKey,
    /// Unix seconds.
    pub timestamp: i64,
    /// Over [`authenticate_hash`](super::authenticate_hash).
    pub signature: Signature,
}

/// The terms on which the sender would open a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposeChannelConfig {
    /// Account id of the jetton master, zeros for none.
    pub jetton: [u8; 32],
    /// Id of the extra currency, zero for none.
    pub ec_id: u32,
    pub excess_fee: Nano,
    /// Seconds.
    pub quarantine_duration: u32,
    pub misbehavior_fine: Nano,
    /// Seconds.
    pub conditional_close_duration: u32,
    pub node_version: u32,
    pub code_hash: [u8; 32],
}

/// An action together with the proposer's state that results from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposeAction {
    pub lock_id: i64,
    /// Account id of the channel's contract.
    pub channel: [u8; 32],
    pub action: Action,
    /// The proposer's new `SignedSemiChannel`.
    pub state: Cell,
    /// The update proof, absent when the new dictionary is empty.
    pub conditionals: Option<Cell>,
}

/// The configuration from which both sides compute the contract's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenChannelOffchain {
    pub code_hash: [u8; 32],
    /// `OpenConfigContainer`.
    pub open_config: Cell,
    pub node_version: u32,
}

impl Query {
    /// The boxed object.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ping { value } => {
                let mut writer = Writer::new(PING);
                writer.long(*value);
                writer.finish()
            }
            Self::Authenticate(authenticate) => authenticate.to_bytes(),
            Self::ProposeChannelConfig(config) => {
                let mut writer = Writer::new(PROPOSE_CHANNEL_CONFIG);
                writer.int256(&config.jetton);
                writer.int(config.ec_id);
                writer.amount(config.excess_fee);
                writer.int(config.quarantine_duration);
                writer.amount(config.misbehavior_fine);
                writer.int(config.conditional_close_duration);
                writer.int(config.node_version);
                writer.int256(&config.code_hash);
                writer.finish()
            }
            Self::RequestAction { channel, action } => {
                let mut writer = Writer::new(REQUEST_ACTION);
                writer.int256(channel);
                writer.object(&action.to_bytes());
                writer.finish()
            }
            Self::ProposeAction(propose) => {
                let mut writer = Writer::new(PROPOSE_ACTION);
                writer.long(propose.lock_id);
                writer.int256(&propose.channel);
                writer.object(&propose.action.to_bytes());
                writer.cell(&propose.state);
                writer.optional_cell(propose.conditionals.as_ref());
                writer.finish()
            }
            Self::OpenChannelOffchain(open) => {
                let mut writer = Writer::new(OPEN_CHANNEL_OFFCHAIN);
                writer.int256(&open.code_hash);
                writer.cell(&open.open_config);
                writer.int(open.node_version);
                writer.finish()
            }
            Self::RequestChannelLock { lock_id, channel, lock } => {
                let mut writer = Writer::new(REQUEST_CHANNEL_LOCK);
                writer.long(*lock_id);
                writer.int256(channel);
                writer.bool(*lock);
                writer.finish()
            }
            Self::IsChannelUnlocked { lock_id, channel } => {
                let mut writer = Writer::new(IS_CHANNEL_UNLOCKED);
                writer.long(*lock_id);
                writer.int256(channel);
                writer.finish()
            }
        }
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TlError> {
        let mut reader = Reader::new(bytes);
        let query = match reader.id()? {
            PING => Self::Ping { value: reader.long()? },
            AUTHENTICATE => Self::Authenticate(Authenticate::read(&mut reader)?),
            PROPOSE_CHANNEL_CONFIG => Self::ProposeChannelConfig(ProposeChannelConfig {
                jetton: reader.int256()?,
                ec_id: reader.int()?,
                excess_fee: reader.amount("excessFee")?,
                quarantine_duration: reader.int()?,
                misbehavior_fine: reader.amount("misbehaviorFine")?,
                conditional_close_duration: reader.int()?,
                node_version: reader.int()?,
                code_hash: reader.int256()?,
            }),
            REQUEST_ACTION => Self::RequestAction {
                channel: reader.int256()?,
                action: Action::read_requestable(&mut reader)?,
            },
            PROPOSE_ACTION => Self::ProposeAction(ProposeAction {
                lock_id: reader.long()?,
                channel: reader.int256()?,
                action: Action::read_proposable(&mut reader)?,
                state: reader.cell("state")?,
                conditionals: reader.optional_cell("conditionals")?,
            }),
            OPEN_CHANNEL_OFFCHAIN => Self::OpenChannelOffchain(OpenChannelOffchain {
                code_hash: reader.int256()?,
                open_config: reader.cell("openConfig")?,
                node_version: reader.int()?,
            }),
            REQUEST_CHANNEL_LOCK => Self::RequestChannelLock {
                lock_id: reader.long()?,
                channel: reader.int256()?,
                lock: reader.bool("lock")?,
            },
            IS_CHANNEL_UNLOCKED => {
                Self::IsChannelUnlocked { lock_id: reader.long()?, channel: reader.int256()? }
            }
            id => return Err(TlError::Constructor { id, place: "a query" }),
        };
        reader.finish()?;
        Ok(query)
    }
}

impl Authenticate {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut writer = Writer::new(AUTHENTICATE);
        writer.int256(&self.key.0);
        writer.long(self.timestamp);
        writer.bytes(&self.signature.0);
        writer.finish()
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, TlError> {
        Ok(Self {
            key: reader.key()?,
            timestamp: reader.long()?,
            signature: reader.signature("signature")?,
        })
    }
}

pub(super) const AUTHENTICATE: u32 = 0xaa45_8c9a;
const PING: u32 = 0xedb1_2e80;
const PROPOSE_CHANNEL_CONFIG: u32 = 0xd27a_1d0f;
const REQUEST_ACTION: u32 = 0x91d8_04db;
const PROPOSE_ACTION: u32 = 0x2913_bf8b;
const OPEN_CHANNEL_OFFCHAIN: u32 = 0xd7ab_4209;
const REQUEST_CHANNEL_LOCK: u32 = 0xdd3b_e0e1;
const IS_CHANNEL_UNLOCKED: u32 = 0x2035_2a4a;
