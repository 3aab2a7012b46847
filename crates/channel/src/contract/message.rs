//! The messages that a channel's contract understands, and the parts of them that are signed.
//!
//! The signed part is stored inline at the end of a message, but signed as a cell of its own. It names
//! the channel by its id and nothing else: not the contract, the network or a time.

use alloc::vec::Vec;

use tycho_types::dict::RawDict;
use tycho_types::error::Error;

use crate::amount::Nano;
use crate::cell::{self, Cell, CellBuilder, CellError, Hash, Reader};
use crate::conditional::slot;
use crate::conditionals::{Conditionals, key_bits};
use crate::key::{PublicKey, SecretKey, Signature};
use crate::resolve::Resolve;
use crate::semichannel::{ChannelId, SignedSemi};

/// Brings the contract to life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Init {
    pub channel_id: ChannelId,
}

/// Closes the channel at once, signed by both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CooperativeClose {
    pub channel_id: ChannelId,
    pub sent_a: Nano,
    pub sent_b: Nano,
    /// Both must be greater than the committed ones.
    pub seqno_a: u64,
    pub seqno_b: u64,
}

/// Writes the balances down and pays withdraws out, signed by both sides. The channel goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CooperativeCommit {
    pub channel_id: ChannelId,
    pub sent_a: Nano,
    pub sent_b: Nano,
    pub seqno_a: u64,
    pub seqno_b: u64,
    /// Totals over the contract's life, not differences.
    pub withdraw_a: Nano,
    pub withdraw_b: Nano,
}

/// Starts to close alone, with the newest state of each side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartClose {
    pub channel_id: ChannelId,
    pub a: SignedSemi,
    pub b: SignedSemi,
}

/// Shows newer states than those that the other side has started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    pub channel_id: ChannelId,
    pub a: SignedSemi,
    pub b: SignedSemi,
}

/// Claims conditionals of the other side after the quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    pub channel_id: ChannelId,
    /// Root of the dictionary of resolves by slot.
    pub resolves: Cell,
    /// Merkle proof of the other side's dictionary with the paths to all those slots.
    pub proof: Cell,
}

impl Init {
    pub fn signed(&self) -> Cell {
        cell::build(|builder| store_head(builder, 0x481e_bc44, &self.channel_id))
    }

    pub fn body(&self, is_a: bool, key: &SecretKey) -> Cell {
        signed_by_one(0x79ae_99b5, is_a, key, self.signed())
    }
}

/// Credits the value of the message that carries it to one side. Nobody signs it.
pub fn top_up(is_a: bool) -> Cell {
    cell::build(|builder| {
        builder.store_u32(0x593e_3893)?;
        builder.store_bit(is_a)
    })
}

/// Ends an uncooperative close once its times are over. Anybody may send it.
pub fn finish() -> Cell {
    cell::build(|builder| builder.store_u32(0x2543_2a91))
}

impl CooperativeClose {
    pub fn signed(&self) -> Cell {
        cell::build(|builder| {
            store_head(builder, CLOSE_SIGNED, &self.channel_id)?;
            cell::store_coins(builder, self.sent_a)?;
            cell::store_coins(builder, self.sent_b)?;
            builder.store_u64(self.seqno_a)?;
            builder.store_u64(self.seqno_b)
        })
    }

    /// What each side signs.
    pub fn hash(&self) -> Hash {
        cell::hash(&self.signed())
    }

    /// The message; a side that has not signed gives [`Signature::ZERO`].
    pub fn body(&self, signature_a: &Signature, signature_b: &Signature) -> Cell {
        signed_by_both(CLOSE, signature_a, signature_b, &self.signed())
    }

    /// Reads the message and the signatures of A and B, without checking them.
    pub fn from_body(cell: &Cell) -> Result<(Self, Signature, Signature), CellError> {
        let (mut reader, signature_a, signature_b) = read_both(cell, CLOSE)?;
        let close = Self {
            channel_id: load_head(&mut reader, CLOSE_SIGNED)?,
            sent_a: reader.coins()?,
            sent_b: reader.coins()?,
            seqno_a: reader.u64()?,
            seqno_b: reader.u64()?,
        };
        reader.finish()?;
        Ok((close, signature_a, signature_b))
    }
}

impl CooperativeCommit {
    pub fn signed(&self) -> Cell {
        cell::build(|builder| {
            store_head(builder, COMMIT_SIGNED, &self.channel_id)?;
            cell::store_coins(builder, self.sent_a)?;
            cell::store_coins(builder, self.sent_b)?;
            builder.store_u64(self.seqno_a)?;
            builder.store_u64(self.seqno_b)?;
            cell::store_coins(builder, self.withdraw_a)?;
            cell::store_coins(builder, self.withdraw_b)
        })
    }

    /// What each side signs.
    pub fn hash(&self) -> Hash {
        cell::hash(&self.signed())
    }

    /// The message; a side that has not signed gives [`Signature::ZERO`].
    pub fn body(&self, signature_a: &Signature, signature_b: &Signature) -> Cell {
        signed_by_both(COMMIT, signature_a, signature_b, &self.signed())
    }

    /// Reads the message and the signatures of A and B, without checking them.
    pub fn from_body(cell: &Cell) -> Result<(Self, Signature, Signature), CellError> {
        let (mut reader, signature_a, signature_b) = read_both(cell, COMMIT)?;
        let commit = Self {
            channel_id: load_head(&mut reader, COMMIT_SIGNED)?,
            sent_a: reader.coins()?,
            sent_b: reader.coins()?,
            seqno_a: reader.u64()?,
            seqno_b: reader.u64()?,
            withdraw_a: reader.coins()?,
            withdraw_b: reader.coins()?,
        };
        reader.finish()?;
        Ok((commit, signature_a, signature_b))
    }
}

impl StartClose {
    pub fn signed(&self) -> Cell {
        two_states(0x8c62_3692, &self.channel_id, &self.a, &self.b)
    }

    pub fn body(&self, by_a: bool, key: &SecretKey) -> Cell {
        signed_by_one(0x8175_e15d, by_a, key, self.signed())
    }
}

impl Challenge {
    pub fn signed(&self) -> Cell {
        two_states(0xb8a2_1379, &self.channel_id, &self.a, &self.b)
    }

    pub fn body(&self, by_a: bool, key: &SecretKey) -> Cell {
        signed_by_one(0x9a77_c0db, by_a, key, self.signed())
    }
}

impl Settle {
    /// Claims each of these resolves against the other side's dictionary.
    ///
    /// `None` when a key has no entry there: the contract would refuse the whole message. The same goes
    /// for a resolve that its conditional refuses, which is for the caller to have checked.
    pub fn new(
        channel_id: ChannelId,
        theirs: &Conditionals,
        resolves: &[(PublicKey, Resolve)],
    ) -> Option<Self> {
        let mut dictionary = RawDict::<32>::new();
        for (key, resolve) in resolves {
            theirs.get(key)?;
            let mut value = CellBuilder::new();
            resolve.store(&mut value).ok()?;
            dictionary.add(key_bits(slot(key)).as_data_slice(), &value).ok()?;
        }
        let keys: Vec<PublicKey> = resolves.iter().map(|(key, _)| *key).collect();
        Some(Self {
            channel_id,
            resolves: dictionary.into_root()?,
            proof: theirs.prove_keys(&keys)?,
        })
    }

    pub fn signed(&self) -> Cell {
        cell::build(|builder| {
            store_head(builder, 0x1458_8aab, &self.channel_id)?;
            builder.store_bit_one()?;
            builder.store_reference(self.resolves.clone())?;
            builder.store_reference(self.proof.clone())
        })
    }

    pub fn body(&self, from_a: bool, key: &SecretKey) -> Cell {
        signed_by_one(0x56c3_9b4c, from_a, key, self.signed())
    }
}

fn store_head(builder: &mut CellBuilder, tag: u32, id: &ChannelId) -> Result<(), Error> {
    builder.store_u32(tag)?;
    builder.store_raw(&id.0, 128)
}

fn load_head(reader: &mut Reader<'_>, tag: u32) -> Result<ChannelId, CellError> {
    reader.tag(tag)?;
    Ok(ChannelId(reader.bytes()?))
}

fn two_states(tag: u32, id: &ChannelId, a: &SignedSemi, b: &SignedSemi) -> Cell {
    cell::build(|builder| {
        store_head(builder, tag, id)?;
        builder.store_reference(a.to_cell())?;
        builder.store_reference(b.to_cell())
    })
}

fn signed_by_one(tag: u32, is_a: bool, key: &SecretKey, signed: Cell) -> Cell {
    let signature = key.sign(&cell::hash(&signed));
    cell::build(|builder| {
        builder.store_u32(tag)?;
        builder.store_bit(is_a)?;
        builder.store_raw(&signature.0, 512)?;
        builder.store_slice(signed.as_slice_allow_exotic())
    })
}

fn signed_by_both(tag: u32, a: &Signature, b: &Signature, signed: &Cell) -> Cell {
    cell::build(|builder| {
        builder.store_u32(tag)?;
        for signature in [a, b] {
            builder.store_reference(cell::build(|cell| cell.store_raw(&signature.0, 512)))?;
        }
        builder.store_slice(signed.as_slice_allow_exotic())
    })
}

/// The reader stands at the signed part afterwards.
fn read_both(cell: &Cell, tag: u32) -> Result<(Reader<'_>, Signature, Signature), CellError> {
    let mut reader = Reader::new(cell)?;
    reader.tag(tag)?;
    let mut signature = || {
        let cell = reader.reference()?;
        let mut inner = Reader::new(&cell)?;
        let signature = inner.signature()?;
        inner.finish()?;
        Ok::<_, CellError>(signature)
    };
    let (a, b) = (signature()?, signature()?);
    Ok((reader, a, b))
}

const CLOSE: u32 = 0xd2b1_eeeb;
const CLOSE_SIGNED: u32 = 0x8243_e9a3;
const COMMIT: u32 = 0x076b_fdf1;
const COMMIT_SIGNED: u32 = 0x4a39_0cac;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::Deadline;
    use crate::conditional::Conditional;
    use crate::proof::UpdateProof;

    #[test]
    fn a_settle_message_shows_every_conditional_that_it_claims() {
        let keys = [3, 4, 5].map(|seed| SecretKey::from_seed([seed; 32]));
        let mut theirs = Conditionals::new();
        for key in &keys {
            let conditional = Conditional {
                key: key.public(),
                capacity: Nano(10),
                fee: Nano(1),
                prepay: Nano(0),
                deadline: Deadline(1),
            };
            theirs.insert(conditional).unwrap();
        }
        let id = ChannelId([1; 16]);
        let claims: Vec<_> =
            keys.iter().skip(1).map(|key| (key.public(), Resolve::sign(Nano(7), key))).collect();

        let settle = Settle::new(id, &theirs, &claims).unwrap();
        let proof = UpdateProof::parse(Some(&settle.proof), &theirs.hash()).unwrap();
        for (key, _) in &claims {
            assert_eq!(proof.get(key), Ok(theirs.get(key)));
        }
        assert_eq!(signed_hash(&settle.body(true, &keys[0])), cell::hash(&settle.signed()));

        theirs.remove(&keys[2].public());
        assert_eq!(Settle::new(id, &theirs, &claims), None);
    }

    /// As the contract reads it: what follows the signature is a cell of its own.
    fn signed_hash(body: &Cell) -> Hash {
        let mut rest = body.as_slice().unwrap();
        rest.skip_first(32 + 1 + 512, 0).unwrap();
        cell::hash(&cell::build(|builder| builder.store_slice(rest)))
    }
}
