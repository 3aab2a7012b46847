//! Walking down Merkle proofs by hand.
//!
//! A proof is a tree whose branches that nobody needs are replaced by their hashes. Its root hash is that of the whole
//! tree, so whatever is found in it is really there. The cell library's models refuse such trees, so each level is
//! read here field by field. Layouts: TON's `block.tlb`.

use thiserror::Error;
use tycho_types::{
    cell::{Cell, CellSlice, CellType, DynCell},
    error::Error as CellError,
};

use crate::{bag, query::BlockId};

/// Why an answer is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    #[error("the bag of cells is refused: {0}")]
    Bag(&'static str),
    #[error("the answer is for block {got}, asked was for block {asked}")]
    OtherBlock { asked: u32, got: u32 },
    #[error("the {0} does not have the hash that it should have")]
    Hash(&'static str),
    #[error("the proof leaves out or garbles the {0}")]
    Incomplete(&'static str),
    #[error("the answer names another shard block than the masterchain does")]
    OtherShard,
    #[error("the state is that of another account")]
    OtherAccount,
    #[error("the account exists but its state was not given")]
    Withheld,
    #[error("a state was given for an account that does not exist")]
    Invented,
    #[error("the transactions break off before lt {0}")]
    Gap(u64),
}

/// The content of a Merkle proof, which must be that of a tree with this root hash.
pub(crate) fn content(
    proof: &Cell,
    hash: &[u8; 32],
    what: &'static str,
) -> Result<Cell, ProofError> {
    if proof.cell_type() != CellType::MerkleProof {
        return Err(ProofError::Incomplete(what));
    }
    let content = proof.reference_cloned(0).ok_or(ProofError::Incomplete(what))?;
    if content.hash(0).0 != *hash {
        return Err(ProofError::Hash(what));
    }
    Ok(content)
}

/// Reads an ordinary cell. A pruned branch, or any other special cell, is not there for us.
pub(crate) fn read<'a, T>(
    cell: Option<&'a DynCell>,
    what: &'static str,
    read: impl FnOnce(&mut CellSlice<'a>) -> Result<T, CellError>,
) -> Result<T, ProofError> {
    let missing = ProofError::Incomplete(what);
    let mut slice = cell.ok_or(missing.clone())?.as_slice().map_err(|_| missing.clone())?;
    read(&mut slice).map_err(|_| missing)
}

/// What a block's header says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Unix seconds.
    pub(crate) time: u32,
    /// Root hash of the state after the block.
    pub(crate) state: [u8; 32],
}

/// Checks the two proofs that lead into a block's state: its header, which must have the block's hash and say what
/// the block's id says, and the state, which must have the hash that the header gives. Returns header and state.
pub(crate) fn state_of(block: &BlockId, bytes: &[u8]) -> Result<(Header, Cell), ProofError> {
    let [header, state]: [Cell; 2] = bag::parse(bytes, 2, 2)?
        .try_into()
        .map_err(|_| ProofError::Bag("it should have two roots"))?;
    let header = read_header(block, &content(&header, &block.root_hash, "block header")?)?;
    let state = content(&state, &header.state, "state")?;
    Ok((header, state))
}

/// ```text
/// block#11ef55aa global_id:int32 info:^BlockInfo value_flow:^ValueFlow
///   state_update:^(MERKLE_UPDATE ShardState) extra:^BlockExtra = Block;
/// ```
fn read_header(block: &BlockId, root: &Cell) -> Result<Header, ProofError> {
    const WHAT: &str = "block header";
    let tag = read(Some(root.as_ref()), WHAT, |slice| slice.load_u32())?;
    let (seqno, workchain, shard, time) = read(root.reference(0), WHAT, read_info)?;
    if tag != 0x11ef_55aa {
        return Err(ProofError::Incomplete(WHAT));
    }
    if (seqno, workchain, shard) != (block.seqno, block.workchain, block.shard) {
        return Err(ProofError::OtherBlock { asked: block.seqno, got: seqno });
    }

    // !merkle_update#04 old_hash:bits256 new_hash:bits256 old_depth:uint16 new_depth:uint16 old:^X new:^X
    let update = root.reference(2).ok_or(ProofError::Incomplete(WHAT))?;
    if update.cell_type() != CellType::MerkleUpdate {
        return Err(ProofError::Incomplete(WHAT));
    }
    let state = update
        .as_slice_allow_exotic()
        .get_u256(8 + 256)
        .map_err(|_| ProofError::Incomplete(WHAT))?;
    Ok(Header { time, state: state.0 })
}

/// ```text
/// block_info#9bc7a987 version:uint32 not_master:(## 1) after_merge:(## 1) before_split:(## 1)
///   after_split:(## 1) want_split:Bool want_merge:Bool key_block:Bool vert_seqno_incr:(## 1)
///   flags:(## 8) seq_no:# vert_seq_no:# shard:ShardIdent gen_utime:uint32 ...
/// ```
fn read_info(slice: &mut CellSlice<'_>) -> Result<(u32, i32, u64, u32), CellError> {
    if slice.load_u32()? != 0x9bc7_a987 {
        return Err(CellError::InvalidTag);
    }
    slice.skip_first(32 + 8 + 8, 0)?;
    let seqno = slice.load_u32()?;
    slice.skip_first(32, 0)?;
    let (workchain, shard) = read_shard(slice)?;
    Ok((seqno, workchain, shard, slice.load_u32()?))
}

/// `shard_ident$00 shard_pfx_bits:(#<= 60) workchain_id:int32 shard_prefix:uint64`; the shard as ids write it, with a
/// one behind the prefix.
fn read_shard(slice: &mut CellSlice<'_>) -> Result<(i32, u64), CellError> {
    let bits = slice.load_u8()?;
    let workchain = i32::from_be_bytes(slice.load_u32()?.to_be_bytes());
    let prefix = slice.load_u64()?;
    let end = 0x8000_0000_0000_0000_u64.checked_shr(bits.into()).filter(|_| bits <= 60);
    Ok((workchain, prefix | end.ok_or(CellError::InvalidData)?))
}
