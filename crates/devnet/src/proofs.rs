//! Merkle proofs, cut the way a TON liteserver cuts them: what a client needs to check an answer
//! against a block's root hash, and the rest of the tree pruned to hashes.

use std::collections::HashSet;
use std::hash::RandomState;

use tycho_types::boc::ser::BocHeader;
use tycho_types::cell::{UsageTree, UsageTreeMode};
use tycho_types::merkle::MerkleProof;
use tycho_types::models::{Block, BlockchainConfigParams, McStateExtra, ShardStateUnsplit};
use tycho_types::prelude::*;

use crate::block::StoredBlock;
use crate::error::{Error, Result};
use crate::master::extra;

/// Several roots in one BoC.
pub(crate) fn boc(roots: &[Cell]) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some((first, rest)) = roots.split_first() {
        let mut header = BocHeader::<RandomState>::with_root(first.as_ref());
        rest.iter().for_each(|root| header.add_root(root.as_ref()));
        header.encode(&mut out);
    }
    out
}

/// Proof of a block's header: its info, and the state update's root, whose pruned children hold
/// the hashes of both states. Of a zerostate: its root.
pub(crate) fn header(block: &StoredBlock) -> Result<Cell> {
    let root = &block.root;
    let mut keep = HashSet::from([*root.repr_hash()]);
    if block.id.seqno > 0 {
        let child = |index| {
            let missing = || Error::Inconsistent("a block without its parts".into());
            root.reference_cloned(index).ok_or_else(missing)
        };
        let info = child(0)?;
        keep.insert(*info.repr_hash());
        keep.extend(info.references().map(|reference| *reference.repr_hash()));
        keep.insert(*child(2)?.repr_hash());
    }
    Ok(CellBuilder::build_from(MerkleProof::create(root.as_ref(), keep).build()?)?)
}

/// Proof of everything that `read` looks at.
fn recorded(root: &Cell, read: impl FnOnce(&Cell) -> Result<()>) -> Result<Cell> {
    let usage = UsageTree::new(UsageTreeMode::OnDataAccess);
    let tracked = usage.track(root);
    read(&tracked)?;
    Ok(CellBuilder::build_from(MerkleProof::create(root.as_ref(), usage).build()?)?)
}

fn touch(cell: &DynCell) {
    let _ = cell.data();
    cell.references().for_each(touch);
}

/// Proof of an account in the state of `block`, or of its absence: header, then state.
pub(crate) fn account(block: &StoredBlock, address: &HashBytes) -> Result<[Cell; 2]> {
    let state = recorded(&block.state, |root| {
        root.parse::<ShardStateUnsplit>()?.load_accounts()?.get(address)?;
        Ok(())
    })?;
    Ok([header(block)?, state])
}

/// Proof of the shard table in the state of a masterchain block: header, then state.
pub(crate) fn shards_in_state(master: &StoredBlock) -> Result<[Cell; 2]> {
    let state = recorded(&master.state, |root| {
        let extra = extra(&root.parse::<ShardStateUnsplit>()?)?;
        extra.shards.iter().try_for_each(|shard| shard.map(drop))?;
        Ok(())
    })?;
    Ok([header(master)?, state])
}

/// Proof of the shard table in a masterchain block itself.
pub(crate) fn shards_in_block(master: &StoredBlock) -> Result<Cell> {
    recorded(&master.root, |root| {
        let block = root.parse::<Block>()?;
        block.load_info()?;
        let extra = block.load_extra()?.load_custom()?;
        let extra = extra.ok_or_else(|| Error::Inconsistent("no masterchain extra".into()))?;
        extra.shards.iter().try_for_each(|shard| shard.map(drop))?;
        Ok(())
    })
}

/// Proof of configuration parameters (`None`: of all) in the state of a masterchain block.
pub(crate) fn config(master: &StoredBlock, only: Option<&[u32]>) -> Result<[Cell; 2]> {
    let state = recorded(&master.state, |root| {
        let state = root.parse::<ShardStateUnsplit>()?;
        let extra = extra(&state)?;
        touch_what_clients_read(&state, &extra)?;
        match only {
            None => {
                for entry in extra.config.params.as_dict().iter() {
                    touch(entry?.1.as_ref());
                }
            }
            Some(params) => touch_params(&extra.config.params, params)?,
        }
        Ok(())
    })?;
    Ok([header(master)?, state])
}

/// Proof of the validator set in a key block (or zerostate), for the link to a later block.
pub(crate) fn validators(key_block: &StoredBlock) -> Result<Cell> {
    recorded(&key_block.root, |root| {
        let config = if key_block.id.seqno == 0 {
            let state = root.parse::<ShardStateUnsplit>()?;
            let extra = extra(&state)?;
            touch_what_clients_read(&state, &extra)?;
            Some(extra.config)
        } else {
            let block = root.parse::<Block>()?;
            let info = block.load_info()?;
            info.load_prev_ref()?;
            info.load_master_ref()?;
            let _ = block.state_update.inner().data();
            block.load_extra()?.load_custom()?.and_then(|extra| extra.config)
        };
        let config = config.ok_or_else(|| Error::Inconsistent("not a key block".into()))?;
        touch_params(&config.params, &[28, 34])
    })
}

/// Proof that the state of `from` lists the earlier masterchain block `to`.
pub(crate) fn back_link(from: &StoredBlock, to: &StoredBlock) -> Result<[Cell; 2]> {
    let state = recorded(&from.state, |root| {
        let state = root.parse::<ShardStateUnsplit>()?;
        let extra = extra(&state)?;
        touch_what_clients_read(&state, &extra)?;
        extra.prev_blocks.get(to.id.seqno)?;
        Ok(())
    })?;
    Ok([header(from)?, state])
}

/// Proof of one transaction in a block, and its cell.
pub(crate) fn transaction(
    block: &StoredBlock,
    account: &HashBytes,
    lt: u64,
) -> Result<Option<(Cell, Cell)>> {
    let find = |root: &Cell| -> Result<Option<Cell>> {
        let block = root.parse::<Block>()?;
        block.load_info()?;
        let blocks = block.load_extra()?.account_blocks.load()?;
        let Some((_, account)) = blocks.get(account)? else { return Ok(None) };
        Ok(account.transactions.get(lt)?.map(|(_, transaction)| transaction.into_inner()))
    };
    let Some(cell) = find(&block.root)? else { return Ok(None) };
    let proof = recorded(&block.root, |root| find(root).map(drop))?;
    Ok(Some((proof, cell)))
}

/// Proof of all transactions of a block.
pub(crate) fn transactions(block: &StoredBlock) -> Result<Cell> {
    recorded(&block.root, |root| {
        let block = root.parse::<Block>()?;
        block.load_info()?;
        for entry in block.load_extra()?.account_blocks.load()?.iter() {
            entry?.2.transactions.iter().try_for_each(|entry| entry.map(drop))?;
        }
        Ok(())
    })
}

/// Proof of a whole account state against its own root.
pub(crate) fn whole(cell: &Cell) -> Result<Cell> {
    recorded(cell, |root| {
        touch(root.as_ref());
        Ok(())
    })
}

fn touch_params(config: &BlockchainConfigParams, params: &[u32]) -> Result<()> {
    for param in params {
        if let Some(value) = config.as_dict().get(*param)? {
            touch(value.as_ref());
        }
    }
    Ok(())
}

/// The C++ client reads more of a masterchain state than it asked for: the shard table, the last
/// 16 blocks, 16 multiples of a hundred, the last key block and five parameters.
fn touch_what_clients_read(state: &ShardStateUnsplit, extra: &McStateExtra) -> Result<()> {
    let recent = state.seqno.saturating_sub(16)..state.seqno;
    let last = state.seqno.saturating_sub(1);
    let hundreds = (0..=last / 100).rev().take(16).map(|hundred| hundred * 100);
    let key_block = extra.last_key_block.as_ref().map(|block| block.seqno);
    for seqno in recent.chain(hundreds).chain(key_block) {
        extra.prev_blocks.get(seqno)?;
    }
    extra.shards.iter().try_for_each(|shard| shard.map(drop))?;
    touch_params(&extra.config.params, &[0, 8, 12, 28, 34])
}
