//! Queries about accounts: their state with proofs, their transactions, their get methods.

use adnl::tl::{Reader, Writer};
use tycho_types::models::{BlockId, OptionalAccount, ShardStateUnsplit, Transaction};
use tycho_types::prelude::*;
use tycho_vm::Stack;

use super::{Answer, Fault, NO_WORKCHAIN, ReadLite, WriteLite};
use crate::block::{StoredBlock, next_lt};
use crate::chain::Chain;
use crate::error::{Error, Result};
use crate::exec::Moment;
use crate::{getter, proofs, shard};

/// Transactions per answer, as in the TON node.
const MAX_TRANSACTIONS: u32 = 16;
/// Exit code of a get method on an account without code.
const NO_CODE: i32 = -256;

/// An account as of a masterchain block, and how to check it.
struct Proven {
    shard: BlockId,
    shard_proof: Vec<u8>,
    proof: Vec<u8>,
    /// The account cell, if it exists.
    account: Option<Cell>,
}

impl Chain {
    pub(super) fn account_state(&self, q: &mut Reader<'_>) -> Answer {
        let (id, workchain, address) = (q.block()?, q.workchain()?, q.hash()?);
        let (_, proven) = self.proven(&id, workchain, address)?;
        Ok(Writer::boxed(0x7079_c751)
            .block(&id)
            .block(&proven.shard)
            .bytes(&proven.shard_proof)
            .bytes(&proven.proof)
            .bytes(&proven.account.map(Boc::encode).unwrap_or_default()))
    }

    /// Looks an account up in the state after a masterchain block, or after a shard block.
    fn proven(
        &self,
        id: &BlockId,
        workchain: i32,
        address: HashBytes,
    ) -> Result<(&StoredBlock, Proven), Fault> {
        let given = self.find(id)?;
        let (block, shard_proof) = match (workchain, id.shard.is_masterchain()) {
            (0, true) => (self.shard_of(given)?, proofs::boc(&proofs::shards_in_state(given)?)),
            (0, false) | (-1, true) => (given, Vec::new()),
            (-1, false) => return Err(Fault::BadField("the block must be of the masterchain")),
            (other, _) => return Err(Fault::NotFound(format!("there is no workchain {other}"))),
        };
        let state = block.state.parse::<ShardStateUnsplit>()?;
        let account = state.load_accounts()?.get(address)?;
        let proven = Proven {
            shard: block.id,
            shard_proof,
            proof: proofs::boc(&proofs::account(block, &address)?),
            account: account.map(|(_, account)| account.account.into_inner()),
        };
        Ok((block, proven))
    }

    pub(super) fn transactions_of(&self, q: &mut Reader<'_>) -> Answer {
        let (count, workchain, account) = (q.int()?, q.workchain()?, q.hash()?);
        let (mut lt, mut hash) = (q.long()?, q.hash()?);
        if workchain == NO_WORKCHAIN {
            return Err(Fault::fatal("invalid workchain specified"));
        }
        let (mut ids, mut cells) = (Vec::new(), Vec::new());
        for _ in 0..count.min(MAX_TRANSACTIONS) {
            let located = self.transactions.get(&(account, lt)).filter(|_| workchain == 0);
            let Some(located) = located else { break };
            if *located.cell.repr_hash() != hash {
                return Err(Fault::fatal("transaction hash mismatch"));
            }
            let transaction = located.cell.parse::<Transaction>()?;
            (lt, hash) = (transaction.prev_trans_lt, transaction.prev_trans_hash);
            let seqno = usize::try_from(located.seqno).unwrap_or(usize::MAX);
            ids.extend(self.shard.get(seqno).map(|block| block.id));
            cells.push(located.cell.clone());
        }
        if cells.is_empty() && count > 0 && lt > 0 {
            return Err(self.no_transaction(workchain, &account, lt));
        }
        let writer = Writer::boxed(0x6f26_c60b).int(ids.len() as u32);
        let writer = ids.iter().fold(writer, |writer, id| writer.block(id));
        Ok(writer.bytes(&proofs::boc(&cells)))
    }

    /// Where the TON node looks for a transaction, as far as it gets: a block that spans the
    /// logical time, and the transaction in it.
    fn no_transaction(&self, workchain: i32, account: &HashBytes, lt: u64) -> Fault {
        let end_lt = match workchain {
            -1 => self.last_master().end_lt,
            0 => self.last_shard().end_lt,
            _ => 0,
        };
        if lt <= end_lt {
            return Fault::fatal("cannot locate transaction in block with specified logical time");
        }
        let (prefix, _) = account.0.split_first_chunk().unwrap_or((&[0; 8], &[]));
        let prefix = u64::from_be_bytes(*prefix);
        Fault::fatal(format!(
            "cannot compute block with specified transaction: \
             cannot find block ({workchain},{prefix:016x}) lt={lt}: lt not in db"
        ))
    }

    pub(super) fn one_transaction(&self, q: &mut Reader<'_>) -> Answer {
        let (id, _workchain, account, lt) = (q.block()?, q.workchain()?, q.hash()?, q.long()?);
        let block = self.find(&id)?;
        if block.id.seqno == 0 {
            return Err(Fault::NotFound("seqno 0 has no transactions".into()));
        }
        let found = proofs::transaction(block, &account, lt)?;
        let (proof, cell) = match found {
            Some((proof, cell)) => (Boc::encode(proof), Boc::encode(cell)),
            None => Default::default(),
        };
        Ok(Writer::boxed(0x0ede_ed47).block(&id).bytes(&proof).bytes(&cell))
    }

    /// Bits of `mode`: 0 proofs, 1 state proof, 2 result; 3 and 4 (the environment of the call and
    /// libraries) are not offered.
    pub(super) fn run_method(&self, q: &mut Reader<'_>) -> Answer {
        let (mode, id, workchain, address) = (q.int()?, q.block()?, q.workchain()?, q.hash()?);
        let (method, arguments) = (q.long()?, q.bytes()?);
        if mode & !7 != 0 {
            return Err(Fault::BadField("mode: only bits 0 to 2 are supported"));
        }
        let method = u32::try_from(method).map_err(|_| Fault::BadField("method_id"))?;
        let (block, proven) = self.proven(&id, workchain, address)?;
        let mut writer = Writer::boxed(0xa39a_616b).int(mode).block(&id).block(&proven.shard);
        if mode & 1 != 0 {
            writer = writer.bytes(&proven.shard_proof).bytes(&proven.proof);
        }
        if mode & 2 != 0 {
            let state = proven.account.as_ref().map(proofs::whole).transpose()?;
            writer = writer.bytes(&state.map(Boc::encode).unwrap_or_default());
        }
        let (exit_code, result) = self.call(block, proven.account, method, arguments)?;
        writer = writer.int(exit_code.cast_unsigned());
        if mode & 4 != 0 {
            writer = writer.bytes(&result);
        }
        Ok(writer)
    }

    /// Exit code, and the stack as a BoC.
    fn call(
        &self,
        block: &StoredBlock,
        account: Option<Cell>,
        method: u32,
        arguments: &[u8],
    ) -> Result<(i32, Vec<u8>), Fault> {
        let arguments = match arguments {
            [] => Vec::new(),
            boc => {
                let malformed = |error| Error::Malformed(format!("stack: {error}"));
                let cell = Boc::decode(boc).map_err(|error| malformed(error.to_string()))?;
                cell.parse::<Stack>().map_err(|error| malformed(error.to_string()))?.items
            }
        };
        let account = account.map(|cell| cell.parse::<OptionalAccount>()).transpose()?;
        let Some(OptionalAccount(Some(account))) = account else {
            return Ok((NO_CODE, Vec::new()));
        };
        let block_lt = next_lt(block.end_lt);
        let moment = Moment {
            now: block.gen_utime,
            block_lt,
            min_lt: block_lt + 1,
            rand_seed: shard::rand_seed(block),
            prev_mc_block: Some(self.last_master().id),
        };
        match getter::run_raw(&self.config, moment, &account, method, arguments) {
            Ok((exit_code, _, stack)) => {
                Ok((exit_code, Boc::encode(CellBuilder::build_from(stack)?)))
            }
            Err(Error::NoCode(_)) => Ok((NO_CODE, Vec::new())),
            Err(error) => Err(error.into()),
        }
    }
}
