//! A block as the chain keeps it, and the hashing all blocks share.

use sha2::{Digest, Sha256};
use tycho_types::models::{BlockId, BlockRef, ShardIdent};
use tycho_types::prelude::*;

/// Logical times of blocks start at multiples of this.
const LT_ALIGN: u64 = 1_000_000;

/// A block (a zerostate, for seqno 0) with what was derived from it.
#[derive(Clone)]
pub(crate) struct StoredBlock {
    pub(crate) id: BlockId,
    /// Block root; for seqno 0 the zerostate itself.
    pub(crate) root: Cell,
    /// The serialization that `id.file_hash` is the hash of.
    pub(crate) boc: Vec<u8>,
    /// State after the block.
    pub(crate) state: Cell,
    pub(crate) start_lt: u64,
    pub(crate) end_lt: u64,
    pub(crate) gen_utime: u32,
    pub(crate) key_block: bool,
    /// Short id of the signer, and the signature; masterchain only.
    pub(crate) signature: Option<(HashBytes, [u8; 64])>,
    pub(crate) validator_list_hash: u32,
    /// The masterchain block that registered a shard block.
    pub(crate) registered_in: u32,
}

impl StoredBlock {
    /// A zerostate.
    pub(crate) fn zero(shard: ShardIdent, state: Cell, now: u32) -> Self {
        let (id, boc) = seal(shard, 0, &state);
        Self {
            id,
            root: state.clone(),
            boc,
            state,
            start_lt: 0,
            end_lt: 0,
            gen_utime: now,
            key_block: true,
            signature: None,
            validator_list_hash: 0,
            registered_in: 0,
        }
    }

    pub(crate) fn reference(&self) -> BlockRef {
        BlockRef {
            end_lt: self.end_lt,
            seqno: self.id.seqno,
            root_hash: self.id.root_hash,
            file_hash: self.id.file_hash,
        }
    }
}

/// Serializes a block and names it by its two hashes.
pub(crate) fn seal(shard: ShardIdent, seqno: u32, root: &Cell) -> (BlockId, Vec<u8>) {
    let boc = Boc::encode(root);
    let id = BlockId { shard, seqno, root_hash: *root.repr_hash(), file_hash: sha256(&boc) };
    (id, boc)
}

/// The logical time at which a block after `previous` starts.
pub(crate) fn next_lt(previous: u64) -> u64 {
    (previous / LT_ALIGN + 1) * LT_ALIGN
}

pub(crate) fn sha256(bytes: &[u8]) -> HashBytes {
    HashBytes(Sha256::digest(bytes).into())
}
