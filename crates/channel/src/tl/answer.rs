//! What a node says to a query. A refusal is an answer like any other, with a reason.

use alloc::string::String;
use alloc::vec::Vec;

use super::query::AUTHENTICATE;
use super::{Authenticate, Reader, TlError, Writer};
use crate::amount::Nano;
use crate::cell::Cell;

/// An answer to a [`Query`](super::Query).
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Pong {
        value: i64,
    },
    Authenticate(Authenticate),
    /// To a requested action or a lock. The signature is filled for cooperative close and commit only.
    Decision {
        agreed: bool,
        reason: String,
        signature: Vec<u8>,
    },
    /// To a proposed action: the responder's `SignedSemiChannel` when agreed.
    ProposalDecision {
        agreed: bool,
        reason: String,
        signed_state: Option<Cell>,
    },
    ChannelConfig(ChannelConfig),
    /// The contract's account id, zeros together with a reason when refused.
    OpenChannelOffchain {
        address: [u8; 32],
        reason: String,
    },
}

/// The answer to proposed terms.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelConfig {
    pub ok: bool,
    /// Account id of the responder's wallet, to which its share is paid out.
    pub wallet: [u8; 32],
    pub reason: String,
    /// Whether the responder relays payments in this coin, and on which terms.
    pub proxy_allowed: bool,
    pub proxy_min_fee: Nano,
    pub proxy_max_capacity: Nano,
    /// Percent of capacity and fee.
    pub proxy_percent_fee: f64,
}

impl Answer {
    /// The boxed object.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Pong { value } => {
                let mut writer = Writer::new(PONG);
                writer.long(*value);
                writer.finish()
            }
            Self::Authenticate(authenticate) => authenticate.to_bytes(),
            Self::Decision { agreed, reason, signature } => {
                let mut writer = Writer::new(DECISION);
                writer.bool(*agreed);
                writer.bytes(reason.as_bytes());
                writer.bytes(signature);
                writer.finish()
            }
            Self::ProposalDecision { agreed, reason, signed_state } => {
                let mut writer = Writer::new(PROPOSAL_DECISION);
                writer.bool(*agreed);
                writer.bytes(reason.as_bytes());
                writer.optional_cell(signed_state.as_ref());
                writer.finish()
            }
            Self::ChannelConfig(config) => {
                let mut writer = Writer::new(CHANNEL_CONFIG);
                writer.bool(config.ok);
                writer.int256(&config.wallet);
                writer.bytes(config.reason.as_bytes());
                writer.bool(config.proxy_allowed);
                writer.amount(config.proxy_min_fee);
                writer.amount(config.proxy_max_capacity);
                writer.long(i64::from_le_bytes(config.proxy_percent_fee.to_le_bytes()));
                writer.finish()
            }
            Self::OpenChannelOffchain { address, reason } => {
                let mut writer = Writer::new(OPEN_CHANNEL_OFFCHAIN_RESPONSE);
                writer.int256(address);
                writer.bytes(reason.as_bytes());
                writer.finish()
            }
        }
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TlError> {
        let mut reader = Reader::new(bytes);
        let answer = match reader.id()? {
            PONG => Self::Pong { value: reader.long()? },
            AUTHENTICATE => Self::Authenticate(Authenticate::read(&mut reader)?),
            DECISION => Self::Decision {
                agreed: reader.bool("agreed")?,
                reason: reader.string("reason")?,
                signature: reader.owned_bytes("signature", SIGNATURE_SIZE)?,
            },
            PROPOSAL_DECISION => Self::ProposalDecision {
                agreed: reader.bool("agreed")?,
                reason: reader.string("reason")?,
                signed_state: reader.optional_cell("signedState")?,
            },
            CHANNEL_CONFIG => Self::ChannelConfig(ChannelConfig {
                ok: reader.bool("ok")?,
                wallet: reader.int256()?,
                reason: reader.string("reason")?,
                proxy_allowed: reader.bool("proxyAllowed")?,
                proxy_min_fee: reader.amount("proxyMinFee")?,
                proxy_max_capacity: reader.amount("proxyMaxCap")?,
                proxy_percent_fee: f64::from_le_bytes(reader.long()?.to_le_bytes()),
            }),
            OPEN_CHANNEL_OFFCHAIN_RESPONSE => Self::OpenChannelOffchain {
                address: reader.int256()?,
                reason: reader.string("reason")?,
            },
            id => return Err(TlError::Constructor { id, place: "an answer" }),
        };
        reader.finish()?;
        Ok(answer)
    }
}

/// An Ed25519 signature, or nothing.
const SIGNATURE_SIZE: usize = 64;

const PONG: u32 = 0x607e_1802;
const DECISION: u32 = 0x9175_cfd6;
const PROPOSAL_DECISION: u32 = 0x2fb4_4153;
const CHANNEL_CONFIG: u32 = 0x896d_d46e;
const OPEN_CHANNEL_OFFCHAIN_RESPONSE: u32 = 0x997e_142a;
