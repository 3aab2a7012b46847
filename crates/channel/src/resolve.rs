//! The amount that a virtual channel pays in the end, signed by its virtual key.
//!
//! The signature covers the amount and nothing else, so a virtual key is used for one payment only.
//! Of several resolves under one key the greatest is the valid one. Layout: protocol `VirtualChannelState`.

use alloc::vec::Vec;
use core::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::amount::Nano;
use crate::cell::{self, Cell, CellError, Reader};
use crate::key::{PublicKey, SecretKey, Signature};

/// An amount under the signature of a virtual key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolve {
    pub amount: Nano,
    pub signature: Signature,
}

/// A resolve whose signature was found good for the virtual key that it is kept under: by [`Resolve::verified`],
/// or before it went into a record of ours. Signatures are dear, and a resolve passes a node up to three times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Verified(Resolve);

impl Deref for Verified {
    type Target = Resolve;

    fn deref(&self) -> &Resolve {
        &self.0
    }
}

impl Resolve {
    pub fn sign(amount: Nano, virtual_key: &SecretKey) -> Self {
        Self { amount, signature: virtual_key.sign(&payload(amount)) }
    }

    /// Whether the conditional of this key takes it, which runs in the contract.
    pub fn verify(&self, virtual_key: &PublicKey) -> bool {
        let signature = &self.signature;
        self.amount <= Nano::MAX && virtual_key.verify_as_contract(&payload(self.amount), signature)
    }

    /// `None`: the signature is not one of this key over the amount.
    pub fn verified(&self, virtual_key: &PublicKey) -> Option<Verified> {
        self.verify(virtual_key).then_some(Verified(*self))
    }

    /// `signature:bits512 amount:Coins`, then zero bits to a whole byte.
    pub fn to_cell(&self) -> Cell {
        cell::build(|builder| self.store(builder))
    }

    pub fn from_cell(cell: &Cell) -> Result<Self, CellError> {
        let mut reader = Reader::new(cell)?;
        let signature = reader.signature()?;
        let amount = reader.coins()?;
        if reader.small(4)? != 0 {
            return Err(CellError::NotCanonical("the padding of a resolve"));
        }
        reader.finish()?;
        Ok(Self { amount, signature })
    }

    pub fn to_boc(&self) -> Vec<u8> {
        cell::to_boc(&self.to_cell())
    }

    pub fn from_boc(bytes: &[u8]) -> Result<Self, CellError> {
        Self::from_cell(&cell::parse_boc(bytes)?)
    }

    pub(crate) fn store(
        &self,
        builder: &mut cell::CellBuilder,
    ) -> Result<(), tycho_types::error::Error> {
        builder.store_raw(&self.signature.0, 512)?;
        cell::store_coins(builder, self.amount)?;
        builder.store_small_uint(0, 4)
    }
}

/// The bytes that are signed: the cell's bits after the signature.
fn payload(amount: Nano) -> Vec<u8> {
    let amount = amount.min(Nano::MAX).to_be_minimal();
    let mut nibble = u8::try_from(amount.len()).unwrap_or(15);
    let mut bytes = Vec::with_capacity(16);
    for byte in amount {
        bytes.push((nibble << 4) | (byte >> 4));
        nibble = byte & 15;
    }
    bytes.push(nibble << 4);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolve_is_good_for_its_amount_and_its_key_only() {
        let (key, other) = (SecretKey::from_seed([3; 32]), SecretKey::from_seed([4; 32]));
        let resolve = Resolve::sign(Nano(5), &key);
        assert!(resolve.verify(&key.public()));
        assert!(!resolve.verify(&other.public()));
        assert!(!Resolve { amount: Nano(6), ..resolve }.verify(&key.public()));
        assert!(!Resolve { signature: Signature::ZERO, ..resolve }.verify(&key.public()));
        assert!(
            !Resolve { amount: Nano(u128::MAX), ..Resolve::sign(Nano::MAX, &key) }
                .verify(&key.public())
        );
    }
}
