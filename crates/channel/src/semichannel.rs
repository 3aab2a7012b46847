//! The ledger of one side of a channel, and that ledger signed.
//!
//! A semichannel says how much its owner has given for good, which conditional payments it stands for,
//! and what the owner last knew of the other side's ledger. Layout: TL-B `semichannel#43685374`.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::amount::Nano;
use crate::cell::{self, Cell, CellError, Hash, Reader};
use crate::key::{PublicKey, SecretKey, Signature};

/// The 16 bytes that tell one channel from all others in everything that is signed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChannelId(pub [u8; 16]);

/// What one side has committed to, without the name of the channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SemiBody {
    /// Grows by one with every accepted proposal of the owner.
    pub seqno: u64,
    /// All that the owner has ever given unconditionally; it never falls.
    pub sent: Nano,
    /// Hash of the root of the owner's dictionary of conditionals, zero when that is empty.
    pub conditionals: Hash,
}

/// One side's ledger and its view of the other's: what a signature covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SemiChannel {
    pub channel_id: ChannelId,
    pub data: SemiBody,
    /// The other side's ledger as the owner knew it when signing.
    pub counterparty: Option<SemiBody>,
}

/// A semichannel with its owner's signature, or with [`Signature::ZERO`] while there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedSemi {
    pub signature: Signature,
    pub state: SemiChannel,
}

impl SemiBody {
    /// `seqno:uint64 sent:Coins conditionals_hash:bits256`
    pub fn to_cell(&self) -> Cell {
        cell::build(|builder| self.store(builder))
    }

    pub fn hash(&self) -> Hash {
        cell::hash(&self.to_cell())
    }

    pub fn from_cell(cell: &Cell) -> Result<Self, CellError> {
        let mut reader = Reader::new(cell)?;
        let body = Self::load(&mut reader)?;
        reader.finish()?;
        Ok(body)
    }

    pub(crate) fn store(
        &self,
        builder: &mut cell::CellBuilder,
    ) -> Result<(), tycho_types::error::Error> {
        builder.store_u64(self.seqno)?;
        cell::store_coins(builder, self.sent)?;
        builder.store_raw(&self.conditionals, 256)
    }

    pub(crate) fn load(reader: &mut Reader<'_>) -> Result<Self, CellError> {
        Ok(Self { seqno: reader.u64()?, sent: reader.coins()?, conditionals: reader.bytes()? })
    }
}

impl SemiChannel {
    pub fn to_cell(&self) -> Cell {
        cell::build(|builder| {
            builder.store_u32(TAG)?;
            builder.store_raw(&self.channel_id.0, 128)?;
            self.data.store(builder)?;
            builder.store_bit(self.counterparty.is_some())?;
            match &self.counterparty {
                Some(body) => builder.store_reference(body.to_cell()),
                None => Ok(()),
            }
        })
    }

    /// What the owner signs and the contract checks.
    pub fn hash(&self) -> Hash {
        cell::hash(&self.to_cell())
    }

    pub fn from_cell(cell: &Cell) -> Result<Self, CellError> {
        let mut reader = Reader::new(cell)?;
        reader.tag(TAG)?;
        let channel_id = ChannelId(reader.bytes()?);
        let data = SemiBody::load(&mut reader)?;
        let counterparty = match reader.bit()? {
            true => Some(SemiBody::from_cell(&reader.reference()?)?),
            false => None,
        };
        reader.finish()?;
        Ok(Self { channel_id, data, counterparty })
    }
}

impl SignedSemi {
    pub fn sign(state: SemiChannel, key: &SecretKey) -> Self {
        Self { signature: key.sign(&state.hash()), state }
    }

    /// True when `key` signed this state, as the contract judges it. The zero signature is never one, whatever
    /// the state.
    pub fn verify(&self, key: &PublicKey) -> bool {
        let hash = self.state.hash();
        !self.signature.is_zero() && key.verify_as_contract(&hash, &self.signature)
    }

    pub fn to_cell(&self) -> Cell {
        cell::build(|builder| {
            builder.store_raw(&self.signature.0, 512)?;
            builder.store_reference(self.state.to_cell())
        })
    }

    pub fn from_cell(cell: &Cell) -> Result<Self, CellError> {
        let mut reader = Reader::new(cell)?;
        let signature = reader.signature()?;
        let state = SemiChannel::from_cell(&reader.reference()?)?;
        reader.finish()?;
        Ok(Self { signature, state })
    }

    pub fn to_boc(&self) -> Vec<u8> {
        cell::to_boc(&self.to_cell())
    }

    pub fn from_boc(bytes: &[u8]) -> Result<Self, CellError> {
        Self::from_cell(&cell::parse_boc(bytes)?)
    }
}

impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

const TAG: u32 = 0x4368_5374;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsigned_state_never_passes_for_a_signed_one() {
        let state = SemiChannel {
            channel_id: ChannelId([1; 16]),
            data: SemiBody::default(),
            counterparty: None,
        };
        let key = SecretKey::from_seed([1; 32]);
        let unsigned = SignedSemi { signature: Signature::ZERO, state: state.clone() };
        assert!(!unsigned.verify(&key.public()));
        assert!(!unsigned.verify(&PublicKey([0; 32])));
        assert!(SignedSemi::sign(state, &key).verify(&key.public()));
    }

    #[test]
    fn a_signed_state_survives_its_bytes() {
        let data = SemiBody { seqno: 7, sent: Nano(300), conditionals: [9; 32] };
        let state = SemiChannel { channel_id: ChannelId([1; 16]), data, counterparty: Some(data) };
        let signed = SignedSemi::sign(state, &SecretKey::from_seed([1; 32]));
        assert_eq!(SignedSemi::from_boc(&signed.to_boc()), Ok(signed));
    }
}
