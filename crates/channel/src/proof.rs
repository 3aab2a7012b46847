//! What a proposer shows of its new dictionary: the path to the one entry that changed.
//!
//! A Merkle proof lets the receiver see the new entry, or that it is gone, without the rest. The
//! receiver still applies the change to its own full copy and compares hashes; the proof alone convinces
//! nobody of anything.

use alloc::vec::Vec;

use tycho_types::cell::{CellBuilder, DynCell};
use tycho_types::error::Error;

use crate::cell::{self, Cell, Hash, Reader};
use crate::conditional::{self, Conditional};
use crate::conditionals::{Broken, Conditionals, Edge, KEY_BITS, Meets, find};
use crate::key::PublicKey;

/// What an action did to the dictionary, and hence what its proof has to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// An entry was added or changed: its path and its leaf.
    Open(PublicKey),
    /// An entry was removed: the path that shows that it is not there.
    Absent(PublicKey),
    /// The dictionary is as it was: the root cell.
    Nothing,
}

impl Conditionals {
    /// The update proof of this, the new, dictionary; `None` when it is empty.
    pub fn prove(&self, touched: &Touched) -> Option<Cell> {
        match touched {
            Touched::Open(key) | Touched::Absent(key) => self.prove_keys(&[*key]),
            Touched::Nothing => self.prove_keys(&[]),
        }
    }

    /// A Merkle proof with the paths to all `keys`; `None` when the dictionary is empty.
    pub fn prove_keys(&self, keys: &[PublicKey]) -> Option<Cell> {
        let root = self.root()?;
        let slots: Vec<u32> = keys.iter().map(conditional::slot).collect();
        keep_paths(root, &slots, KEY_BITS).and_then(|body| merkle_proof(root, body)).ok()
    }
}

/// The part of a peer's new dictionary that it has shown, checked against the hash that it signed.
#[derive(Clone, Debug)]
pub struct UpdateProof(Option<Cell>);

impl UpdateProof {
    /// The receiver's checks. No proof at all is one of the empty dictionary.
    pub fn parse(proof: Option<&Cell>, signed_hash: &Hash) -> Result<Self, ProofError> {
        let Some(proof) = proof else {
            return match signed_hash {
                [0, rest @ ..] if rest.iter().all(|byte| *byte == 0) => Ok(Self(None)),
                _ => Err(ProofError::Missing),
            };
        };

        let slice = proof.as_slice_allow_exotic();
        if !proof.is_exotic() || slice.size_refs() != 1 || slice.size_bits() != 280 {
            return Err(ProofError::NotAProof);
        }
        let mut reader = Reader::from_slice(slice);
        let not_a_proof = |_| ProofError::NotAProof;
        if reader.small(8).map_err(not_a_proof)? != MERKLE_PROOF {
            return Err(ProofError::NotAProof);
        }
        let hash: Hash = reader.bytes().map_err(not_a_proof)?;
        let depth = u16::from_be_bytes(reader.bytes().map_err(not_a_proof)?);
        let body = reader.reference().map_err(not_a_proof)?;
        if hash != *signed_hash {
            return Err(ProofError::Hash);
        }
        if depth != body.depth(0) {
            return Err(ProofError::Depth);
        }
        if body.hash(0).0 != hash {
            return Err(ProofError::Body);
        }
        Ok(Self(Some(body)))
    }

    /// The entry of `key` in the new dictionary, `None` when the proof shows that there is none.
    /// An error when the proof does not show either.
    pub fn get(&self, key: &PublicKey) -> Result<Option<Conditional>, ProofError> {
        let Some(body) = &self.0 else {
            return Ok(None);
        };
        let found = find(body.as_ref(), conditional::slot(key)).map_err(ProofError::Dictionary)?;
        Ok(found.filter(|found| found.key == *key))
    }
}

/// Why an update proof does not show what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("update proof can be empty only when hash is zero")]
    Missing,
    #[error("incorrect update proof: not a merkle proof cell")]
    NotAProof,
    #[error("incorrect update proof: incorrect proof hash")]
    Hash,
    #[error("incorrect update proof: incorrect proof depth")]
    Depth,
    #[error("incorrect update proof: incorrect proof")]
    Body,
    #[error("failed to load update proof dict: {0}")]
    Dictionary(Broken),
}

/// Copies this cell and the ways to `slots` below it, and cuts off what branches away. Cells without
/// children stay whole: cutting them off would save nothing.
fn keep_paths(cell: &Cell, slots: &[u32], remaining: u16) -> Result<Cell, Error> {
    let mut onward: [Vec<u32>; 2] = Default::default();
    let mut below = 0;
    if !slots.is_empty() {
        let edge = Edge::read(cell.as_ref(), remaining).map_err(|_| Error::InvalidCell)?;
        below = edge.remaining.saturating_sub(1);
        for slot in slots {
            if let Meets::Fork(branch) = edge.meet(*slot)
                && let Some(onward) = onward.get_mut(usize::from(branch))
            {
                onward.push(*slot);
            }
        }
    }

    let mut builder = CellBuilder::new();
    builder.store_cell_data(cell.as_ref())?;
    for (index, child) in cell.references().cloned().enumerate() {
        builder.store_reference(match onward.get(index) {
            Some(slots) if !slots.is_empty() => keep_paths(&child, slots, below)?,
            _ if child.reference_count() == 0 => child,
            _ => prune(child.as_ref())?,
        })?;
    }
    builder.build()
}

/// Exotic cell `01 || level mask 01 || hash || depth` in the place of an ordinary one.
fn prune(cell: &DynCell) -> Result<Cell, Error> {
    let mut builder = CellBuilder::new();
    builder.set_exotic(true);
    builder.store_raw(&[PRUNED_BRANCH, 1], 16)?;
    builder.store_raw(&cell.hash(0).0, 256)?;
    builder.store_u16(cell.depth(0))?;
    builder.build()
}

/// Exotic cell `03 || hash || depth` of the whole tree, over the part of it that is shown.
fn merkle_proof(whole: &Cell, body: Cell) -> Result<Cell, Error> {
    let mut builder = CellBuilder::new();
    builder.set_exotic(true);
    builder.store_u8(MERKLE_PROOF)?;
    builder.store_raw(&cell::hash(whole), 256)?;
    builder.store_u16(whole.repr_depth())?;
    builder.store_reference(body)?;
    builder.build()
}

const PRUNED_BRANCH: u8 = 1;
const MERKLE_PROOF: u8 = 3;
