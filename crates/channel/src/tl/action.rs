//! What can be done to a channel: actions that change a signed state, and requests to change one.

use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Reader, TlError, Writer};
use crate::amount::Nano;
use crate::cell::Cell;
use crate::key::{PublicKey, Signature};
use crate::resolve::Resolve;

/// A change of a channel, proposed together with the state that results or requested from its payer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Adds a conditional to the proposer's dictionary.
    OpenVirtual(OpenVirtual),
    /// Pays a virtual channel: takes the conditional out and raises `sent` by what the resolve says.
    ConfirmClose { key: PublicKey, state: Resolve },
    /// Takes a conditional out without paying.
    RemoveVirtual { key: PublicKey },
    /// Asks the payer for [`Action::RemoveVirtual`].
    RequestRemoveVirtual { key: PublicKey },
    /// Moves a known part of a payment ahead of time; `prepay` is the new total.
    CommitVirtual { key: PublicKey, prepay: Nano },
    /// Asks the payer for [`Action::ConfirmClose`].
    CloseVirtual { key: PublicKey, state: Resolve },
    /// The contract's cooperative close message, signed by the asking side.
    CooperativeClose { request: Cell },
    /// The contract's cooperative commit message, signed by the asking side.
    CooperativeCommit { request: Cell },
    /// Signs the same ledger again under the next seqno.
    IncrementStates { want_response: bool },
    /// Pays for `amount` to stay deposited on the other side until `till`, unix seconds.
    RentCapacity { till: i64, amount: Nano },
}

/// A new virtual channel and the encrypted orders for every node along its route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenVirtual {
    /// The virtual key, the same on every hop.
    pub channel_key: PublicKey,
    /// The key that the receiving node agrees on a cipher with.
    pub instruction_key: PublicKey,
    pub instructions: Vec<InstructionContainer>,
    /// By the virtual key, over the boxed list alone.
    pub signature: Signature,
}

/// One encrypted order; only the node it is meant for can tell it from the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstructionContainer {
    /// sha256 of the plaintext, padding included.
    pub hash: [u8; 32],
    #[serde(with = "serde_bytes")]
    pub data: Vec<u8>,
}

impl Action {
    /// The boxed object.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(self.id());
        match self {
            Self::OpenVirtual(open) => {
                writer.int256(&open.channel_key.0);
                writer.int256(&open.instruction_key.0);
                open.write_list(&mut writer);
                writer.bytes(&open.signature.0);
            }
            Self::ConfirmClose { key, state } | Self::CloseVirtual { key, state } => {
                writer.int256(&key.0);
                writer.cell(&state.to_cell());
            }
            Self::RemoveVirtual { key } | Self::RequestRemoveVirtual { key } => {
                writer.int256(&key.0);
            }
            Self::CommitVirtual { key, prepay } => {
                writer.int256(&key.0);
                writer.amount(*prepay);
            }
            Self::CooperativeClose { request } | Self::CooperativeCommit { request } => {
                writer.cell(request);
            }
            Self::IncrementStates { want_response } => writer.bool(*want_response),
            Self::RentCapacity { till, amount } => {
                writer.long(*till);
                writer.amount(*amount);
            }
        }
        writer.finish()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TlError> {
        let mut reader = Reader::new(bytes);
        let action = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(action)
    }

    /// True when a peer may propose this together with a new state.
    pub fn is_proposable(&self) -> bool {
        match self {
            Self::OpenVirtual(_)
            | Self::ConfirmClose { .. }
            | Self::RemoveVirtual { .. }
            | Self::CommitVirtual { .. }
            | Self::CloseVirtual { .. }
            | Self::CooperativeCommit { .. }
            | Self::IncrementStates { .. }
            | Self::RentCapacity { .. } => true,
            Self::RequestRemoveVirtual { .. } | Self::CooperativeClose { .. } => false,
        }
    }

    /// True when a peer may request this without a state.
    pub fn is_requestable(&self) -> bool {
        match self {
            Self::ConfirmClose { .. }
            | Self::RemoveVirtual { .. }
            | Self::RequestRemoveVirtual { .. }
            | Self::CloseVirtual { .. }
            | Self::CooperativeClose { .. }
            | Self::CooperativeCommit { .. } => true,
            Self::OpenVirtual(_)
            | Self::CommitVirtual { .. }
            | Self::IncrementStates { .. }
            | Self::RentCapacity { .. } => false,
        }
    }

    pub(super) fn read_proposable(reader: &mut Reader<'_>) -> Result<Self, TlError> {
        let action = Self::read(reader)?;
        match action.is_proposable() {
            true => Ok(action),
            false => Err(TlError::Constructor { id: action.id(), place: "a proposed action" }),
        }
    }

    pub(super) fn read_requestable(reader: &mut Reader<'_>) -> Result<Self, TlError> {
        let action = Self::read(reader)?;
        match action.is_requestable() {
            true => Ok(action),
            false => Err(TlError::Constructor { id: action.id(), place: "a requested action" }),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, TlError> {
        Ok(match reader.id()? {
            OPEN_VIRTUAL => Self::OpenVirtual(OpenVirtual {
                channel_key: reader.key()?,
                instruction_key: reader.key()?,
                instructions: read_list(reader)?,
                signature: reader.signature("signature")?,
            }),
            CONFIRM_CLOSE => {
                Self::ConfirmClose { key: reader.key()?, state: reader.resolve("state")? }
            }
            REMOVE_VIRTUAL => Self::RemoveVirtual { key: reader.key()? },
            REQUEST_REMOVE_VIRTUAL => Self::RequestRemoveVirtual { key: reader.key()? },
            COMMIT_VIRTUAL => {
                Self::CommitVirtual { key: reader.key()?, prepay: reader.amount("prepayAmount")? }
            }
            CLOSE_VIRTUAL => {
                Self::CloseVirtual { key: reader.key()?, state: reader.resolve("state")? }
            }
            COOPERATIVE_CLOSE => {
                Self::CooperativeClose { request: reader.cell("signedCloseRequest")? }
            }
            COOPERATIVE_COMMIT => {
                Self::CooperativeCommit { request: reader.cell("signedCommitRequest")? }
            }
            INCREMENT_STATES => {
                Self::IncrementStates { want_response: reader.bool("wantResponse")? }
            }
            RENT_CAPACITY => {
                Self::RentCapacity { till: reader.long()?, amount: reader.amount("amount")? }
            }
            id => return Err(TlError::Constructor { id, place: "an action" }),
        })
    }

    fn id(&self) -> u32 {
        match self {
            Self::OpenVirtual(_) => OPEN_VIRTUAL,
            Self::ConfirmClose { .. } => CONFIRM_CLOSE,
            Self::RemoveVirtual { .. } => REMOVE_VIRTUAL,
            Self::RequestRemoveVirtual { .. } => REQUEST_REMOVE_VIRTUAL,
            Self::CommitVirtual { .. } => COMMIT_VIRTUAL,
            Self::CloseVirtual { .. } => CLOSE_VIRTUAL,
            Self::CooperativeClose { .. } => COOPERATIVE_CLOSE,
            Self::CooperativeCommit { .. } => COOPERATIVE_COMMIT,
            Self::IncrementStates { .. } => INCREMENT_STATES,
            Self::RentCapacity { .. } => RENT_CAPACITY,
        }
    }
}

impl OpenVirtual {
    /// What the virtual key signs: the list as a boxed object.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(INSTRUCTIONS_TO_SIGN);
        self.write_list(&mut writer);
        writer.finish()
    }

    fn write_list(&self, writer: &mut Writer) {
        writer.int(u32::try_from(self.instructions.len()).unwrap_or(u32::MAX));
        for container in &self.instructions {
            writer.int256(&container.hash);
            writer.bytes(&container.data);
        }
    }
}

fn read_list(reader: &mut Reader<'_>) -> Result<Vec<InstructionContainer>, TlError> {
    let count = reader.count("instructions", 36, INSTRUCTIONS_MAX)?;
    let mut list = Vec::with_capacity(count);
    for _ in 0..count {
        list.push(InstructionContainer {
            hash: reader.int256()?,
            data: reader.owned_bytes("instruction data", INSTRUCTION_SIZE_MAX)?,
        });
    }
    Ok(list)
}

/// As TL bytes, so that what is stored can be sent again without a difference.
impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: Vec<u8> = serde_bytes::deserialize(deserializer)?;
        Self::from_bytes(&bytes).map_err(serde::de::Error::custom)
    }
}

/// The most orders that one action may carry, stubs included.
pub const INSTRUCTIONS_MAX: usize = 32;

/// The most bytes of one encrypted order; the network's own nodes stay below 800.
pub const INSTRUCTION_SIZE_MAX: usize = 1024;

const OPEN_VIRTUAL: u32 = 0x359c_6460;
const CONFIRM_CLOSE: u32 = 0x805d_ebe1;
const REMOVE_VIRTUAL: u32 = 0x3c17_2f75;
const REQUEST_REMOVE_VIRTUAL: u32 = 0xe1a1_37fe;
const COMMIT_VIRTUAL: u32 = 0xe99b_1727;
const CLOSE_VIRTUAL: u32 = 0xcb58_0055;
const COOPERATIVE_CLOSE: u32 = 0x3eaa_4d3b;
const COOPERATIVE_COMMIT: u32 = 0x84a3_04bd;
const INCREMENT_STATES: u32 = 0xec2d_10a4;
const RENT_CAPACITY: u32 = 0x059d_28be;
const INSTRUCTIONS_TO_SIGN: u32 = 0xec54_f98b;
