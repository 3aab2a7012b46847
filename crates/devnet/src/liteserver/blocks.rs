//! Queries about blocks: their bytes, headers, transactions, shards and the configuration.

use adnl::tl::{Reader, Writer};
use tycho_types::models::{Block, ShardIdent, ShardStateUnsplit};
use tycho_types::prelude::*;

use super::{Answer, Fault, NO_WORKCHAIN, ReadLite, WriteLite};
use crate::block::StoredBlock;
use crate::chain::Chain;
use crate::error::Result;
use crate::{master, proofs};

const BLOCK_HEADER: u32 = 0x752d_8219;
const CONFIG_INFO: u32 = 0xae7b_272f;
/// Transactions per answer, as in the TON node.
const MAX_TRANSACTIONS: usize = 256;

/// What `lookupBlock` looks for.
pub(super) struct Lookup {
    shard: ShardIdent,
    by: By,
}

enum By {
    Seqno(u32),
    Lt(u64),
    Utime(u32),
}

impl Lookup {
    /// Reads `id:tonNode.blockId`, with `between` before the two optional fields.
    pub(super) fn read<T>(
        q: &mut Reader<'_>,
        between: impl FnOnce(&mut Reader<'_>) -> Result<T, Fault>,
    ) -> Result<(Self, T), Fault> {
        let mode = q.int()?;
        let (workchain, prefix, seqno) = (q.workchain()?, q.long()?, q.int()?);
        let extra = between(q)?;
        let lt = if mode & 2 != 0 { Some(q.long()?) } else { None };
        let utime = if mode & 4 != 0 { Some(q.int()?) } else { None };
        let by = match (lt, utime) {
            (Some(lt), _) => By::Lt(lt),
            (None, Some(utime)) => By::Utime(utime),
            (None, None) => By::Seqno(seqno),
        };
        // A prefix may name any part of the one shard.
        let shard = match workchain {
            -1 => ShardIdent::MASTERCHAIN,
            0 if prefix != 0 => ShardIdent::BASECHAIN,
            _ => return Err(Fault::BadField("shard")),
        };
        Ok((Self { shard, by }, extra))
    }

    /// The block with the seqno, or the first that reaches the logical or unix time.
    pub(super) fn find<'a>(&self, chain: &'a Chain) -> Result<&'a StoredBlock, Fault> {
        let blocks = chain.blocks(self.shard)?;
        let index = match self.by {
            By::Seqno(seqno) => usize::try_from(seqno).unwrap_or(usize::MAX),
            By::Lt(lt) => blocks.partition_point(|block| block.end_lt < lt).max(1),
            By::Utime(utime) => blocks.partition_point(|block| block.gen_utime < utime).max(1),
        };
        let found = blocks.get(index).filter(|block| block.id.seqno > 0);
        found.ok_or_else(|| Fault::NotFound("block not found".into()))
    }

    /// The block before proves that no earlier one reaches the time.
    pub(super) fn by_time(&self) -> bool {
        !matches!(self.by, By::Seqno(_))
    }
}

/// A transaction as `listBlockTransactions` orders them: by account, then by logical time.
struct Listed {
    account: HashBytes,
    lt: u64,
    cell: Cell,
}

/// The part of a block's transactions that was asked for.
struct Page {
    listed: Vec<Listed>,
    incomplete: bool,
    proof: Vec<u8>,
}

impl Chain {
    pub(super) fn block(&self, q: &mut Reader<'_>) -> Answer {
        let block = self.find(&q.block()?)?;
        if block.id.seqno == 0 {
            return Err(Fault::NotFound("seqno 0 is a state: ask getState".into()));
        }
        Ok(Writer::boxed(0xa574_ed6c).block(&block.id).bytes(&block.boc))
    }

    pub(super) fn state(&self, q: &mut Reader<'_>) -> Answer {
        let block = self.find(&q.block()?)?;
        if block.id.seqno != 0 {
            return Err(Fault::NotFound("only states of seqno 0 are handed out".into()));
        }
        Ok(Writer::boxed(0xabad_dc0c)
            .block(&block.id)
            .hash(&block.id.root_hash)
            .hash(&block.id.file_hash)
            .bytes(&block.boc))
    }

    pub(super) fn block_header(&self, q: &mut Reader<'_>) -> Answer {
        let (id, mode) = (q.block()?, q.int()?);
        let block = self.find(&id)?;
        Ok(header_answer(block, mode)?)
    }

    pub(super) fn lookup_block(&self, q: &mut Reader<'_>) -> Answer {
        let (lookup, ()) = Lookup::read(q, |_| Ok(()))?;
        Ok(header_answer(lookup.find(self)?, 0)?)
    }

    pub(super) fn all_shards(&self, q: &mut Reader<'_>) -> Answer {
        let master = self.find_master(&q.block()?)?;
        let state = master.state.parse::<ShardStateUnsplit>()?;
        let shards = CellBuilder::build_from(&master::extra(&state)?.shards)?;
        let proof = match master.id.seqno {
            0 => proofs::boc(&proofs::shards_in_state(master)?),
            _ => Boc::encode(proofs::shards_in_block(master)?),
        };
        Ok(Writer::boxed(0x098f_e72d).block(&master.id).bytes(&proof).bytes(&Boc::encode(shards)))
    }

    pub(super) fn shard_info(&self, q: &mut Reader<'_>) -> Answer {
        let id = q.block()?;
        let (workchain, prefix, exact) = (q.workchain()?, q.long()?, q.boolean()?);
        if workchain == NO_WORKCHAIN {
            return Err(Fault::fatal("requested shard is invalid"));
        }
        let master = self.find_master(&id)?;
        // One shard holds the whole basechain: it is what every prefix is found in, and is found
        // exactly under its own.
        let found = match (workchain, prefix) {
            (_, 0) | (-1, _) => false,
            (_, prefix) => !exact || prefix == ShardIdent::PREFIX_FULL,
        };
        let state = master.state.parse::<ShardStateUnsplit>()?;
        let shards = master::extra(&state)?.shards;
        let leaf = match found {
            true => shards.get_workchain_shards(workchain)?.map(Cell::from),
            false => None,
        };
        let writer = Writer::boxed(0x9fe6_cd84).block(&id);
        let writer = match &leaf {
            Some(_) => writer.block(&self.shard_of(master)?.id),
            None => writer.workchain(NO_WORKCHAIN).long(0).int(0).raw(&[0; 64]),
        };
        Ok(writer
            .bytes(&proofs::boc(&proofs::shards_in_state(master)?))
            .bytes(&leaf.map(Boc::encode).unwrap_or_default()))
    }

    pub(super) fn config_all(&self, q: &mut Reader<'_>) -> Answer {
        let (mode, id) = (q.int()?, q.block()?);
        self.config_answer(mode, self.find_master(&id)?, None)
    }

    pub(super) fn config_params(&self, q: &mut Reader<'_>) -> Answer {
        let (mode, id) = (q.int()?, q.block()?);
        let count = q.count(4)?;
        let params = (0..count).map(|_| q.int()).collect::<Result<Vec<_>, _>>()?;
        self.config_answer(mode, self.find_master(&id)?, Some(&params))
    }

    fn config_answer(&self, mode: u32, master: &StoredBlock, params: Option<&[u32]>) -> Answer {
        let [header, config] = proofs::config(master, params)?;
        Ok(Writer::boxed(CONFIG_INFO)
            .int(mode)
            .block(&master.id)
            .bytes(&Boc::encode(header))
            .bytes(&Boc::encode(config)))
    }

    pub(super) fn block_transactions(&self, q: &mut Reader<'_>) -> Answer {
        let (id, mode, count) = (q.block()?, q.int()?, q.int()?);
        let page = self.page(q, self.find(&id)?, mode, count)?;
        let mut writer = Writer::boxed(0xbd8c_ad2b)
            .block(&id)
            .int(count)
            .boolean(page.incomplete)
            .int(page.listed.len() as u32);
        for listed in &page.listed {
            writer = writer.int(mode & 7);
            if mode & 1 != 0 {
                writer = writer.hash(&listed.account);
            }
            if mode & 2 != 0 {
                writer = writer.long(listed.lt);
            }
            if mode & 4 != 0 {
                writer = writer.hash(listed.cell.repr_hash());
            }
        }
        Ok(writer.bytes(&page.proof))
    }

    pub(super) fn block_transactions_ext(&self, q: &mut Reader<'_>) -> Answer {
        let (id, mode, count) = (q.block()?, q.int()?, q.int()?);
        let page = self.page(q, self.find(&id)?, mode, count)?;
        let cells = page.listed.into_iter().map(|listed| listed.cell).collect::<Vec<_>>();
        Ok(Writer::boxed(0xfb8f_fce4)
            .block(&id)
            .int(count)
            .boolean(page.incomplete)
            .bytes(&proofs::boc(&cells))
            .bytes(&page.proof))
    }

    /// Bits of `mode`: 7 `after` follows, 6 reverse order, 5 with proof.
    fn page(
        &self,
        q: &mut Reader<'_>,
        block: &StoredBlock,
        mode: u32,
        count: u32,
    ) -> Result<Page, Fault> {
        let after = if mode & 0x80 != 0 { Some((q.hash()?, q.long()?)) } else { None };
        let reverse = mode & 0x40 != 0;
        if block.id.seqno == 0 {
            return Err(Fault::NotFound("seqno 0 has no transactions".into()));
        }
        let mut listed = list(block)?;
        if reverse {
            listed.reverse();
        }
        if let Some(after) = after {
            listed.retain(|item| match reverse {
                true => (item.account, item.lt) < after,
                false => (item.account, item.lt) > after,
            });
        }
        let limit = usize::try_from(count).unwrap_or(usize::MAX).min(MAX_TRANSACTIONS);
        let incomplete = listed.len() > limit;
        listed.truncate(limit);
        let proof = match mode & 0x20 {
            0 => Vec::new(),
            _ => Boc::encode(proofs::transactions(block)?),
        };
        Ok(Page { listed, incomplete, proof })
    }
}

fn header_answer(block: &StoredBlock, mode: u32) -> Result<Writer> {
    let proof = Boc::encode(proofs::header(block)?);
    Ok(Writer::boxed(BLOCK_HEADER).block(&block.id).int(mode).bytes(&proof))
}

fn list(block: &StoredBlock) -> Result<Vec<Listed>> {
    let mut listed = Vec::new();
    let extra = block.root.parse::<Block>()?.load_extra()?;
    for entry in extra.account_blocks.load()?.iter() {
        let (account, _, transactions) = entry?;
        for entry in transactions.transactions.iter() {
            let (lt, _, transaction) = entry?;
            listed.push(Listed { account, lt, cell: transaction.into_inner() });
        }
    }
    Ok(listed)
}
