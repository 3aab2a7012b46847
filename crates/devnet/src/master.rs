//! The masterchain block of a round: it registers the round's shard block, carries the
//! configuration in its first (key) block, and is signed by the one validator.

use ed25519_dalek::{Signer, SigningKey};
use tycho_types::cell::{Lazy, LazyExotic, UsageTree, UsageTreeMode};
use tycho_types::models::{
    Block, BlockExtra, BlockInfo, BlockSignature, BlockchainConfig, KeyBlockRef, KeyMaxLt,
    McBlockExtra, McStateExtra, ShardFeeCreated, ShardFees, ShardIdent, ShardIdentFull,
    ShardStateUnsplit, Signature, ValidatorInfo, ValueFlow,
};
use tycho_types::prelude::*;

use crate::block::{StoredBlock, next_lt, seal};
use crate::config::{GLOBAL_ID, version};
use crate::error::{Error, Result};
use crate::genesis::shard_hashes;
use crate::shard::{rand_seed, update_state};

/// What a masterchain block is built on.
pub(crate) struct Base<'a> {
    pub(crate) previous: &'a StoredBlock,
    pub(crate) shard: &'a StoredBlock,
    pub(crate) config: &'a BlockchainConfig,
    pub(crate) now: u32,
    pub(crate) prev_key_block: u32,
    pub(crate) validator_list_hash: u32,
    pub(crate) key: &'a SigningKey,
    pub(crate) short_id: HashBytes,
}

/// Builds and signs the block.
pub(crate) fn build(base: &Base<'_>) -> Result<StoredBlock> {
    let Base { previous, shard, now, validator_list_hash, .. } = *base;
    let seqno = previous.id.seqno + 1;
    // Seqno 1 is the key block that light clients start from.
    let key_block = seqno == 1;
    let start_lt = next_lt(previous.end_lt.max(shard.end_lt));
    let end_lt = start_lt + 1;

    let usage = UsageTree::new(UsageTreeMode::OnLoad);
    // Must live until the update is made: a dropped root stops recording.
    let tracked = usage.track(&previous.state);
    let old = tracked.parse::<ShardStateUnsplit>()?;
    let old_extra = extra(&old)?;

    let shards = shard_hashes(shard, seqno)?;
    let shard_flow = shard.root.parse::<Block>()?.load_value_flow()?;
    let fees = ShardFeeCreated { fees: shard_flow.fees_collected, create: shard_flow.created };
    let mut shard_fees = ShardFees::new();
    shard_fees.set(ShardIdentFull::from(ShardIdent::BASECHAIN), &fees, &fees)?;
    let value_flow = ValueFlow {
        from_prev_block: old.total_balance.clone(),
        to_next_block: old.total_balance.clone(),
        fees_imported: fees.fees.clone(),
        fees_collected: fees.fees.clone(),
        ..Default::default()
    };
    if !value_flow.validate()? {
        return Err(Error::Inconsistent(format!("money appears or vanishes: {value_flow:?}")));
    }

    let mut prev_blocks = old_extra.prev_blocks.clone();
    prev_blocks.set(
        previous.id.seqno,
        KeyMaxLt { has_key_block: previous.key_block, max_end_lt: previous.end_lt },
        KeyBlockRef { is_key_block: previous.key_block, block_ref: previous.reference() },
    )?;
    let new_extra = McStateExtra {
        shards: shards.clone(),
        validator_info: ValidatorInfo {
            validator_list_hash_short: validator_list_hash,
            catchain_seqno: 0,
            nx_cc_updated: false,
        },
        prev_blocks,
        after_key_block: key_block,
        last_key_block: match previous.key_block && previous.id.seqno > 0 {
            true => Some(previous.reference()),
            false => old_extra.last_key_block.clone(),
        },
        ..old_extra
    };
    let state = ShardStateUnsplit {
        seqno,
        gen_utime: now,
        gen_lt: end_lt,
        min_ref_mc_seqno: previous.id.seqno,
        total_validator_fees: old.total_validator_fees.checked_add(&fees.fees)?,
        custom: Some(Lazy::new(&new_extra)?),
        ..old.clone()
    };
    let (state, state_update) = update_state(&previous.state, &state, usage)?;

    let mut info = BlockInfo {
        seqno,
        shard: ShardIdent::MASTERCHAIN,
        key_block,
        gen_utime: now,
        start_lt,
        end_lt,
        gen_validator_list_hash_short: validator_list_hash,
        min_ref_mc_seqno: previous.id.seqno,
        prev_key_block_seqno: base.prev_key_block,
        ..Default::default()
    };
    info.set_gen_software(Some(version()));
    info.set_prev_ref_single(&previous.reference());
    let block_extra = McBlockExtra {
        shards,
        fees: shard_fees,
        prev_block_signatures: signatures(previous)?,
        recover_create_msg: None,
        mint_msg: None,
        config: key_block.then(|| base.config.clone()),
    };
    let root = CellBuilder::build_from(&Block {
        global_id: GLOBAL_ID,
        info: Lazy::new(&info)?,
        value_flow: Lazy::new(&value_flow)?,
        state_update: LazyExotic::clone(&state_update),
        out_msg_queue_updates: None,
        extra: Lazy::new(&BlockExtra {
            rand_seed: rand_seed(previous),
            created_by: HashBytes(base.key.verifying_key().to_bytes()),
            custom: Some(Lazy::new(&block_extra)?),
            ..Default::default()
        })?,
    })?;
    let (id, boc) = seal(ShardIdent::MASTERCHAIN, seqno, &root);
    let signature = base.key.sign(&Block::build_data_for_sign(&id)).to_bytes();
    Ok(StoredBlock {
        id,
        root,
        boc,
        state,
        start_lt,
        end_lt,
        gen_utime: now,
        key_block,
        signature: Some((base.short_id, signature)),
        validator_list_hash,
        registered_in: seqno,
    })
}

/// The part of a masterchain state that other states do not have.
pub(crate) fn extra(state: &ShardStateUnsplit) -> Result<McStateExtra> {
    let extra = state.load_custom()?;
    extra.ok_or_else(|| Error::Inconsistent("a masterchain state without its extra".into()))
}

fn signatures(block: &StoredBlock) -> Result<Dict<u16, BlockSignature>> {
    let mut signatures = Dict::new();
    if let Some((node_id_short, signature)) = block.signature {
        let signature = Signature(signature);
        signatures.set(0, BlockSignature { node_id_short, signature })?;
    }
    Ok(signatures)
}
