//! Queries by which a client comes to trust a block: from a key block it knows, by signatures and
//! by the lists of earlier blocks that every masterchain state keeps.

use adnl::tl::{Reader, Writer};
use tycho_types::prelude::*;

use super::blocks::Lookup;
use super::{Answer, Fault, ReadLite, WriteLite};
use crate::block::StoredBlock;
use crate::chain::Chain;
use crate::error::Result;
use crate::proofs;

const LINK_BACK: u32 = 0xef7e_1bef;
const LINK_FORWARD: u32 = 0x520f_ce1c;
const SIGNATURE_SET: u32 = 0xf644_a6e6;
/// The one block that carries the validator set.
const KEY_BLOCK: usize = 1;

impl Chain {
    /// A chain of links from a known masterchain block to another one: at most one back to the
    /// key block and one forward.
    pub(super) fn block_proof(&self, q: &mut Reader<'_>) -> Answer {
        let mode = q.int()?;
        let known = self.find_master(&q.block()?)?;
        let target = match mode & 1 {
            0 => self.last_master(),
            _ => self.find_master(&q.block()?)?,
        };
        let mut steps = Vec::new();
        let mut from = known;
        if target.id.seqno > from.id.seqno && !from.key_block {
            let key_block = &self.master[KEY_BLOCK];
            steps.push(link_back(from, key_block)?);
            from = key_block;
        }
        if target.id.seqno > from.id.seqno {
            steps.push(link_forward(from, target)?);
        } else if target.id.seqno < from.id.seqno {
            steps.push(link_back(from, target)?);
        }
        let writer = Writer::boxed(0x8ed0_d2c1)
            .boolean(true)
            .block(&known.id)
            .block(&target.id)
            .int(steps.len() as u32);
        Ok(steps.into_iter().fold(writer, |writer, step| writer.raw(&step.finish())))
    }

    /// Proof of a shard block by the masterchain block that registered it.
    pub(super) fn shard_block_proof(&self, q: &mut Reader<'_>) -> Answer {
        let block = self.find(&q.block()?)?;
        let master = self.registering(block)?;
        Ok(Writer::boxed(0x1d62_a07a)
            .block(&master.id)
            .int(1)
            .block(&block.id)
            .bytes(&Boc::encode(proofs::shards_in_block(master)?)))
    }

    /// `lookupBlock` whose answer can be checked against a masterchain block the client knows.
    pub(super) fn lookup_block_with_proof(&self, q: &mut Reader<'_>) -> Answer {
        let (lookup, known) = Lookup::read(q, |q| q.block())?;
        let known = self.find_master(&known)?;
        let block = lookup.find(self)?;
        let master = match block.id.shard.is_masterchain() {
            true => block,
            false => self.registering(block)?,
        };
        let [client_header, client_state] = match known.id.seqno.cmp(&master.id.seqno) {
            std::cmp::Ordering::Less => {
                return Err(Fault::NotFound("the block is newer than the one you know".into()));
            }
            std::cmp::Ordering::Equal => Default::default(),
            std::cmp::Ordering::Greater => proofs::back_link(known, master)?.map(Boc::encode),
        };
        let writer = Writer::boxed(0x9978_6be7)
            .block(&block.id)
            .int(0)
            .block(&master.id)
            .bytes(&client_header)
            .bytes(&client_state);
        let writer = match block.id.shard.is_masterchain() {
            true => writer.int(0),
            false => {
                let link = Boc::encode(proofs::shards_in_block(master)?);
                writer.int(1).block(&block.id).bytes(&link)
            }
        };
        let blocks = self.blocks(block.id.shard)?;
        let before = usize::try_from(block.id.seqno).unwrap_or(usize::MAX).saturating_sub(1);
        let previous = match blocks.get(before) {
            Some(previous) if lookup.by_time() && before > 0 => {
                Boc::encode(proofs::header(previous)?)
            }
            _ => Vec::new(),
        };
        Ok(writer.bytes(&Boc::encode(proofs::header(block)?)).bytes(&previous))
    }

    fn registering(&self, block: &StoredBlock) -> Result<&StoredBlock, Fault> {
        let seqno = usize::try_from(block.registered_in).unwrap_or(usize::MAX);
        let found = self.master.get(seqno).filter(|_| seqno > 0);
        found.ok_or_else(|| Fault::NotFound("no masterchain block registered it".into()))
    }
}

fn link_back(from: &StoredBlock, to: &StoredBlock) -> Result<Writer> {
    let [header, state] = proofs::back_link(from, to)?;
    Ok(Writer::boxed(LINK_BACK)
        .boolean(to.key_block)
        .block(&from.id)
        .block(&to.id)
        .bytes(&Boc::encode(proofs::header(to)?))
        .bytes(&Boc::encode(header))
        .bytes(&Boc::encode(state)))
}

fn link_forward(from: &StoredBlock, to: &StoredBlock) -> Result<Writer> {
    let writer = Writer::boxed(LINK_FORWARD)
        .boolean(to.key_block)
        .block(&from.id)
        .block(&to.id)
        .bytes(&Boc::encode(proofs::header(to)?))
        .bytes(&Boc::encode(proofs::validators(from)?))
        .int(SIGNATURE_SET)
        .int(to.validator_list_hash)
        .int(0);
    Ok(match &to.signature {
        Some((node, signature)) => writer.int(1).hash(node).bytes(signature),
        None => writer.int(0),
    })
}
