//! The liteserver: `lite_api` queries in, answers out, both as TL bytes.
//!
//! Answering is a plain function of the chain; [`crate::Devnet`] puts it behind a socket. Whatever
//! comes in, something well formed goes out: the answer or `liteServer.error`.

mod accounts;
mod blocks;
mod links;
mod messages;
pub(crate) mod tcp;

use adnl::tl::{Reader, TlError, Writer};
use tycho_types::models::{BlockId, ShardIdent};
use tycho_types::prelude::*;

use crate::block::StoredBlock;
use crate::chain::Chain;
use crate::error::Error;

const QUERY: u32 = 0x798c_06df;
const ERROR: u32 = 0xbba9_e148;
const WAIT_MASTERCHAIN_SEQNO: u32 = 0xbaea_b892;

const FATAL: i32 = -400;
/// `workchainInvalid`, the workchain of nothing.
const NO_WORKCHAIN: i32 = i32::MIN;

/// Version that the server claims, and what it can do: proofs, account states, get methods.
const SERVER_VERSION: u32 = 0x101;
const SERVER_CAPABILITIES: u64 = 7;

type Answer = Result<Writer, Fault>;

/// Why a query is not answered.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("malformed query: {0}")]
    Tl(#[from] TlError),
    #[error("malformed query: {0}")]
    BadField(&'static str),
    #[error("unsupported query {0:08x}")]
    Unsupported(u32),
    #[error("{0}")]
    NotFound(String),
    /// In the words, and with the code, of the TON node.
    #[error("{text}")]
    AsTheNode { code: i32, text: String },
    #[error("timeout")]
    Timeout,
    #[error(transparent)]
    Chain(#[from] Error),
}

impl From<tycho_types::error::Error> for Fault {
    fn from(error: tycho_types::error::Error) -> Self {
        Self::Chain(error.into())
    }
}

impl Fault {
    /// What the TON node calls fatal to a query.
    fn fatal(text: impl Into<String>) -> Self {
        Self::AsTheNode { code: FATAL, text: text.into() }
    }

    /// Codes of the TON node.
    fn code(&self) -> u32 {
        match self {
            Self::Tl(_) | Self::BadField(_) | Self::Unsupported(_) => 621,
            Self::NotFound(_) => 651,
            Self::Timeout => 652,
            Self::AsTheNode { code, .. } => code.cast_unsigned(),
            Self::Chain(Error::Malformed(_)) => 621,
            Self::Chain(_) => 602,
        }
    }
}

/// A query that wants to wait first.
pub(crate) struct Wait {
    pub(crate) seqno: u32,
    pub(crate) timeout_ms: u32,
}

/// Reads the `waitMasterchainSeqno` in front of a query, if there is one.
pub(crate) fn wait_prefix(query: &[u8]) -> Option<Wait> {
    let mut reader = Reader::new(unwrap(query).ok()?);
    reader.expect(WAIT_MASTERCHAIN_SEQNO).ok()?;
    Some(Wait { seqno: reader.int().ok()?, timeout_ms: reader.int().ok()? })
}

/// Takes off `liteServer.query data:bytes`, in which queries travel.
fn unwrap(query: &[u8]) -> Result<&[u8], TlError> {
    let mut reader = Reader::new(query);
    match reader.int()? {
        QUERY => {
            let inner = reader.bytes()?;
            reader.finish()?;
            Ok(inner)
        }
        _ => Ok(query),
    }
}

impl Chain {
    /// Answers a liteserver query, bare or inside of `liteServer.query`.
    ///
    /// `waitMasterchainSeqno` in front of it does not wait here: a chain on its own has no time to
    /// pass, so a seqno not reached yet is a timeout.
    pub fn answer(&mut self, query: &[u8]) -> Vec<u8> {
        match self.dispatch(query) {
            Ok(answer) => answer.finish(),
            Err(fault) => {
                tracing::debug!(%fault, "liteserver query not answered");
                let text = fault.to_string();
                Writer::boxed(ERROR).int(fault.code()).bytes(text.as_bytes()).finish()
            }
        }
    }

    fn dispatch(&mut self, query: &[u8]) -> Answer {
        let mut q = Reader::new(unwrap(query)?);
        let mut id = q.int()?;
        if id == WAIT_MASTERCHAIN_SEQNO {
            let seqno = q.int()?;
            let _timeout_ms = q.int()?;
            if self.seqno() < seqno {
                return Err(Fault::Timeout);
            }
            if q.is_empty() {
                return Ok(Writer::new());
            }
            id = q.int()?;
        }
        let answer = match id {
            0x89b5_e62e => self.masterchain_info(),
            0x70a6_71df => self.masterchain_info_ext(&mut q),
            0x16ad_5a34 => Ok(Writer::boxed(0xe953_000d).int(self.now())),
            0x232b_940b => Ok(self.version()),
            0x6377_cf0d => self.block(&mut q),
            0xba6e_2eb6 => self.state(&mut q),
            0x21ec_069e => self.block_header(&mut q),
            0xfac8_f71e => self.lookup_block(&mut q),
            0x9c04_5ff8 => self.lookup_block_with_proof(&mut q),
            0x74d3_fd6b => self.all_shards(&mut q),
            0x46a2_f425 => self.shard_info(&mut q),
            0x911b_26b7 => self.config_all(&mut q),
            0x2a11_1c19 => self.config_params(&mut q),
            0xadfc_c7da => self.block_transactions(&mut q),
            0x0079_dd5c => self.block_transactions_ext(&mut q),
            0x8aea_9c44 => self.block_proof(&mut q),
            0x4ca6_0350 => self.shard_block_proof(&mut q),
            0x6b89_0e25 => self.account_state(&mut q),
            0x1c40_e7a1 => self.transactions_of(&mut q),
            0xd40f_24ea => self.one_transaction(&mut q),
            0x5cc6_5dd2 => self.run_method(&mut q),
            0x690a_d482 => self.send_message(&mut q),
            0xd122_b662 => libraries(&mut q),
            other => Err(Fault::Unsupported(other)),
        }?;
        q.finish()?;
        Ok(answer)
    }

    fn version(&self) -> Writer {
        Writer::boxed(0x5a04_91e5)
            .int(0)
            .int(SERVER_VERSION)
            .long(SERVER_CAPABILITIES)
            .int(self.now())
    }

    fn masterchain_info(&self) -> Answer {
        let last = self.last_master();
        let writer = Writer::boxed(0x8583_2881).block(&last.id).hash(last.state.repr_hash());
        Ok(self.zero_state_id(writer))
    }

    fn masterchain_info_ext(&self, q: &mut Reader<'_>) -> Answer {
        let mode = q.int()?;
        let last = self.last_master();
        let writer = Writer::boxed(0xa8cc_e0f5)
            .int(mode)
            .int(SERVER_VERSION)
            .long(SERVER_CAPABILITIES)
            .block(&last.id)
            .int(last.gen_utime)
            .int(self.now())
            .hash(last.state.repr_hash());
        Ok(self.zero_state_id(writer))
    }

    fn zero_state_id(&self, writer: Writer) -> Writer {
        let zero = &self.master[0].id;
        writer.workchain(-1).hash(&zero.root_hash).hash(&zero.file_hash)
    }

    /// The block with this id, if the chain has it.
    fn find(&self, id: &BlockId) -> Result<&StoredBlock, Fault> {
        let blocks = self.blocks(id.shard)?;
        let block = usize::try_from(id.seqno).ok().and_then(|seqno| blocks.get(seqno));
        match block {
            Some(block) if block.id == *id => Ok(block),
            Some(block) => {
                Err(Fault::NotFound(format!("block {id} is unknown: seqno is {}", block.id)))
            }
            None => Err(Fault::NotFound(format!("block {id} is unknown: seqno not reached"))),
        }
    }

    /// The masterchain block with this id.
    fn find_master(&self, id: &BlockId) -> Result<&StoredBlock, Fault> {
        if !id.shard.is_masterchain() {
            return Err(Fault::BadField("the block must be of the masterchain"));
        }
        self.find(id)
    }

    fn blocks(&self, shard: ShardIdent) -> Result<&[StoredBlock], Fault> {
        match shard {
            ShardIdent::MASTERCHAIN => Ok(&self.master),
            ShardIdent::BASECHAIN => Ok(&self.shard),
            other => Err(Fault::NotFound(format!("there is no shard {other}"))),
        }
    }

    /// The shard block that a masterchain block registered: the one of the same round.
    fn shard_of(&self, master: &StoredBlock) -> Result<&StoredBlock, Fault> {
        let seqno = usize::try_from(master.id.seqno).unwrap_or(usize::MAX);
        self.shard.get(seqno).ok_or_else(|| Fault::NotFound("no shard block".into()))
    }
}

/// There are no libraries on this chain.
fn libraries(q: &mut Reader<'_>) -> Answer {
    let count = q.count(32)?;
    q.take(count * 32)?;
    Ok(Writer::boxed(0x117a_b96b).int(0))
}

/// Types of `lite_api` on the way in.
trait ReadLite {
    fn hash(&mut self) -> Result<HashBytes, TlError>;
    fn workchain(&mut self) -> Result<i32, TlError>;
    fn block(&mut self) -> Result<BlockId, Fault>;
}

impl ReadLite for Reader<'_> {
    fn hash(&mut self) -> Result<HashBytes, TlError> {
        self.int256().map(HashBytes)
    }

    fn workchain(&mut self) -> Result<i32, TlError> {
        self.int().map(u32::cast_signed)
    }

    /// `tonNode.blockIdExt`
    fn block(&mut self) -> Result<BlockId, Fault> {
        let (workchain, prefix) = (self.workchain()?, self.long()?);
        let shard = ShardIdent::new(workchain, prefix).ok_or(Fault::BadField("shard"))?;
        Ok(BlockId { shard, seqno: self.int()?, root_hash: self.hash()?, file_hash: self.hash()? })
    }
}

/// Types of `lite_api` on the way out.
trait WriteLite {
    fn hash(self, hash: &HashBytes) -> Self;
    fn workchain(self, workchain: i32) -> Self;
    fn block(self, id: &BlockId) -> Self;
}

impl WriteLite for Writer {
    fn hash(self, hash: &HashBytes) -> Self {
        self.int256(&hash.0)
    }

    fn workchain(self, workchain: i32) -> Self {
        self.int(workchain.cast_unsigned())
    }

    fn block(self, id: &BlockId) -> Self {
        self.workchain(id.shard.workchain())
            .long(id.shard.prefix())
            .int(id.seqno)
            .hash(&id.root_hash)
            .hash(&id.file_hash)
    }
}
