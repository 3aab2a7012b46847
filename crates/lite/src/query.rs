//! What a liteserver can be asked, and what it answers.
//!
//! Plain data and its bytes; nothing here is proven. Layouts: TON's `lite_api.tl`, each query inside
//! `liteServer.query data:bytes`.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use adnl::tl::{Reader, TlError, Writer};

const QUERY: u32 = 0x798c_06df;
const WAIT_MASTERCHAIN_SEQNO: u32 = 0xbaea_b892;
const GET_MASTERCHAIN_INFO: u32 = 0x89b5_e62e;
const GET_TIME: u32 = 0x16ad_5a34;
const GET_ACCOUNT_STATE: u32 = 0x6b89_0e25;
const GET_TRANSACTIONS: u32 = 0x1c40_e7a1;
const SEND_MESSAGE: u32 = 0x690a_d482;
const RUN_METHOD: u32 = 0x5cc6_5dd2;

const MASTERCHAIN_INFO: u32 = 0x8583_2881;
const CURRENT_TIME: u32 = 0xe953_000d;
const ACCOUNT_STATE: u32 = 0x7079_c751;
const TRANSACTION_LIST: u32 = 0x6f26_c60b;
const SEND_STATUS: u32 = 0x3950_e597;
const METHOD_RESULT: u32 = 0xa39a_616b;
const ERROR: u32 = 0xbba9_e148;

/// The workchain of ordinary accounts.
const BASE: u32 = 0;
/// The result of a get method, and no proofs.
const METHOD_MODE: u32 = 4;
/// Bytes of a block id on the wire.
const BLOCK_ID: usize = 4 + 8 + 4 + 32 + 32;

/// `tonNode.blockIdExt workchain:int shard:long seqno:int root_hash:int256 file_hash:int256`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockId {
    /// -1 for the masterchain.
    pub workchain: i32,
    /// The prefix of the shard's addresses with a one behind it; the top bit alone is all of a workchain.
    pub shard: u64,
    pub seqno: u32,
    /// Hash of the block's root cell. Everything that is proven is proven against this.
    pub root_hash: [u8; 32],
    /// Hash of the block's file.
    pub file_hash: [u8; 32],
}

impl BlockId {
    fn write(&self, writer: Writer) -> Writer {
        writer
            .raw(&self.workchain.to_le_bytes())
            .long(self.shard)
            .int(self.seqno)
            .int256(&self.root_hash)
            .int256(&self.file_hash)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, TlError> {
        Ok(Self {
            workchain: i32::from_le_bytes(reader.array()?),
            shard: reader.long()?,
            seqno: reader.int()?,
            root_hash: reader.int256()?,
            file_hash: reader.int256()?,
        })
    }
}

/// A question to a liteserver. Accounts are those of the base workchain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Which masterchain block is the latest. Answered by [`Answer::MasterchainInfo`].
    MasterchainInfo,
    /// The server's clock. Answered by [`Answer::Time`].
    Time,
    /// An account in the state after a masterchain block, with proofs. Answered by [`Answer::AccountState`].
    AccountState { block: BlockId, address: [u8; 32] },
    /// An account's transactions from one (lt and hash) backwards, up to `count` of them (TON's servers give 16 at
    /// most). Answered by [`Answer::Transactions`].
    Transactions { address: [u8; 32], lt: u64, hash: [u8; 32], count: u32 },
    /// Gives an external message (a bag of cells) to the network. Answered by [`Answer::Sent`].
    SendMessage(Vec<u8>),
    /// Runs a get method of an account; see [`method_id`]. `stack` is the bag of cells of a `VmStack` or empty.
    /// Answered by [`Answer::MethodResult`], which is **not proven**: it is the server's word.
    RunMethod { block: BlockId, address: [u8; 32], method: u64, stack: Vec<u8> },
}

impl Query {
    /// The bytes of the ADNL query.
    pub fn to_bytes(&self) -> Vec<u8> {
        wrap(self.write(Writer::new()))
    }

    /// Like [`Query::to_bytes`], answered only once the masterchain has reached `seqno`, or with an error after
    /// `timeout_ms`.
    pub fn to_bytes_at(&self, seqno: u32, timeout_ms: u32) -> Vec<u8> {
        wrap(self.write(Writer::boxed(WAIT_MASTERCHAIN_SEQNO).int(seqno).int(timeout_ms)))
    }

    fn write(&self, writer: Writer) -> Writer {
        match self {
            Self::MasterchainInfo => writer.int(GET_MASTERCHAIN_INFO),
            Self::Time => writer.int(GET_TIME),
            Self::AccountState { block, address } => {
                block.write(writer.int(GET_ACCOUNT_STATE)).int(BASE).int256(address)
            }
            Self::Transactions { address, lt, hash, count } => writer
                .int(GET_TRANSACTIONS)
                .int(*count)
                .int(BASE)
                .int256(address)
                .long(*lt)
                .int256(hash),
            Self::SendMessage(message) => writer.int(SEND_MESSAGE).bytes(message),
            Self::RunMethod { block, address, method, stack } => block
                .write(writer.int(RUN_METHOD).int(METHOD_MODE))
                .int(BASE)
                .int256(address)
                .long(*method)
                .bytes(stack),
        }
    }

    /// Whether the answer is of the kind that this query has. An error answers every query.
    pub fn fits(&self, answer: &Answer) -> bool {
        match answer {
            Answer::MasterchainInfo { .. } => matches!(self, Self::MasterchainInfo),
            Answer::Time(_) => matches!(self, Self::Time),
            Answer::AccountState(_) => matches!(self, Self::AccountState { .. }),
            Answer::Transactions { .. } => matches!(self, Self::Transactions { .. }),
            Answer::Sent { .. } => matches!(self, Self::SendMessage(_)),
            Answer::MethodResult { .. } => matches!(self, Self::RunMethod { .. }),
            Answer::Error { .. } => true,
        }
    }
}

fn wrap(query: Writer) -> Vec<u8> {
    Writer::boxed(QUERY).bytes(&query.finish()).finish()
}

/// An answer as the server gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    MasterchainInfo {
        last: BlockId,
        /// Hash of the state after that block.
        state: [u8; 32],
        /// Root and file hash of the chain's first state: which network this is.
        zero_state: ([u8; 32], [u8; 32]),
    },
    /// Unix seconds.
    Time(u32),
    /// To be checked by [`verify_account`](crate::verify_account).
    AccountState(AccountState),
    /// To be checked by [`verify_transactions`](crate::verify_transactions).
    Transactions {
        /// The blocks that hold the transactions. Not proven.
        blocks: Vec<BlockId>,
        /// Bag of cells with one root for each transaction, the newest first. Empty if there is none.
        transactions: Vec<u8>,
    },
    /// The server has passed the message on. That it will be executed nobody knows.
    Sent { status: u32 },
    /// `exit_code` 0 and 1 are success; `stack` is the bag of cells of a `VmStack`.
    MethodResult { block: BlockId, exit_code: i32, stack: Vec<u8> },
    /// The server could not or would not answer.
    Error { code: i32, message: String },
}

/// `liteServer.accountState`: where an account is, its state, and the proofs that lead there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountState {
    /// The masterchain block that was asked for.
    pub block: BlockId,
    /// The latest block of the account's shard in that block's state.
    pub shard_block: BlockId,
    /// From `block` to `shard_block`: two roots.
    pub shard_proof: Vec<u8>,
    /// From `shard_block` to the account's hash: two roots.
    pub proof: Vec<u8>,
    /// The account itself. Empty if there is none.
    pub state: Vec<u8>,
}

impl Answer {
    pub fn parse(bytes: &[u8]) -> Result<Self, TlError> {
        let mut reader = Reader::new(bytes);
        let answer = match reader.int()? {
            MASTERCHAIN_INFO => read_masterchain_info(&mut reader)?,
            CURRENT_TIME => Self::Time(reader.int()?),
            ACCOUNT_STATE => Self::AccountState(AccountState::read(&mut reader)?),
            TRANSACTION_LIST => {
                let count = reader.count(BLOCK_ID)?;
                let blocks =
                    (0..count).map(|_| BlockId::read(&mut reader)).collect::<Result<_, _>>()?;
                Self::Transactions { blocks, transactions: reader.bytes()?.to_vec() }
            }
            SEND_STATUS => Self::Sent { status: reader.int()? },
            METHOD_RESULT => read_method_result(&mut reader)?,
            ERROR => Self::Error {
                code: i32::from_le_bytes(reader.array()?),
                message: String::from_utf8_lossy(reader.bytes()?).to_string(),
            },
            other => return Err(TlError::Constructor(other)),
        };
        reader.finish()?;
        Ok(answer)
    }
}

/// `last:tonNode.blockIdExt state_root_hash:int256 init:tonNode.zeroStateIdExt`
fn read_masterchain_info(reader: &mut Reader<'_>) -> Result<Answer, TlError> {
    let (last, state) = (BlockId::read(reader)?, reader.int256()?);
    reader.int()?;
    Ok(Answer::MasterchainInfo { last, state, zero_state: (reader.int256()?, reader.int256()?) })
}

impl AccountState {
    fn read(reader: &mut Reader<'_>) -> Result<Self, TlError> {
        Ok(Self {
            block: BlockId::read(reader)?,
            shard_block: BlockId::read(reader)?,
            shard_proof: reader.bytes()?.to_vec(),
            proof: reader.bytes()?.to_vec(),
            state: reader.bytes()?.to_vec(),
        })
    }
}

/// ```text
/// mode:# id:tonNode.blockIdExt shardblk:tonNode.blockIdExt shard_proof:mode.0?bytes proof:mode.0?bytes
///   state_proof:mode.1?bytes init_c7:mode.3?bytes lib_extras:mode.4?bytes exit_code:int result:mode.2?bytes
/// ```
fn read_method_result(reader: &mut Reader<'_>) -> Result<Answer, TlError> {
    let mode = reader.int()?;
    let (block, _shard_block) = (BlockId::read(reader)?, BlockId::read(reader)?);
    for flag in [1, 1, 2, 8, 16] {
        if mode & flag != 0 {
            reader.bytes()?;
        }
    }
    let exit_code = i32::from_le_bytes(reader.array()?);
    let stack = if mode & 4 != 0 { reader.bytes()?.to_vec() } else { Vec::new() };
    Ok(Answer::MethodResult { block, exit_code, stack })
}

/// The number of a get method: `crc16(name) | 0x10000`.
pub fn method_id(name: &str) -> u64 {
    let crc = name.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    });
    u64::from(crc) | 0x1_0000
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// CRC-32 (IEEE, reflected) of a schema line: how TL names constructors.
    fn crc32(line: &str) -> u32 {
        !line.bytes().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
            })
        })
    }

    fn block() -> BlockId {
        BlockId { workchain: -1, shard: 1 << 63, seqno: 7, root_hash: [1; 32], file_hash: [2; 32] }
    }

    #[test]
    fn constructor_ids_are_the_checksums_of_their_schema_lines() {
        for (id, line) in [
            (QUERY, "liteServer.query data:bytes = Object"),
            (
                WAIT_MASTERCHAIN_SEQNO,
                "liteServer.waitMasterchainSeqno seqno:int timeout_ms:int = Object",
            ),
            (GET_MASTERCHAIN_INFO, "liteServer.getMasterchainInfo = liteServer.MasterchainInfo"),
            (GET_TIME, "liteServer.getTime = liteServer.CurrentTime"),
            (
                GET_ACCOUNT_STATE,
                "liteServer.getAccountState id:tonNode.blockIdExt account:liteServer.accountId = liteServer.AccountState",
            ),
            (
                GET_TRANSACTIONS,
                "liteServer.getTransactions count:# account:liteServer.accountId lt:long hash:int256 = liteServer.TransactionList",
            ),
            (SEND_MESSAGE, "liteServer.sendMessage body:bytes = liteServer.SendMsgStatus"),
            (
                RUN_METHOD,
                "liteServer.runSmcMethod mode:# id:tonNode.blockIdExt account:liteServer.accountId method_id:long params:bytes = liteServer.RunMethodResult",
            ),
            (
                MASTERCHAIN_INFO,
                "liteServer.masterchainInfo last:tonNode.blockIdExt state_root_hash:int256 init:tonNode.zeroStateIdExt = liteServer.MasterchainInfo",
            ),
            (CURRENT_TIME, "liteServer.currentTime now:int = liteServer.CurrentTime"),
            (
                ACCOUNT_STATE,
                "liteServer.accountState id:tonNode.blockIdExt shardblk:tonNode.blockIdExt shard_proof:bytes proof:bytes state:bytes = liteServer.AccountState",
            ),
            (
                TRANSACTION_LIST,
                "liteServer.transactionList ids:vector tonNode.blockIdExt transactions:bytes = liteServer.TransactionList",
            ),
            (SEND_STATUS, "liteServer.sendMsgStatus status:int = liteServer.SendMsgStatus"),
            (
                METHOD_RESULT,
                "liteServer.runMethodResult mode:# id:tonNode.blockIdExt shardblk:tonNode.blockIdExt shard_proof:mode.0?bytes proof:mode.0?bytes state_proof:mode.1?bytes init_c7:mode.3?bytes lib_extras:mode.4?bytes exit_code:int result:mode.2?bytes = liteServer.RunMethodResult",
            ),
            (ERROR, "liteServer.error code:int message:string = liteServer.Error"),
        ] {
            assert_eq!(id, crc32(line), "{line}");
        }
    }

    #[test]
    fn the_query_for_the_time_equals_a_recorded_one() {
        // From a session of an independent implementation (tonstack/adnl-rs) with a liteserver.
        assert_eq!(hex::encode(Query::Time.to_bytes()), "df068c7904345aad16000000");
        let answer = hex::decode("0d0053e9a3ac3062").unwrap();
        assert_eq!(Answer::parse(&answer), Ok(Answer::Time(0x6230_aca3)));
    }

    #[test]
    fn a_query_that_waits_carries_the_seqno_in_front() {
        let mut reader_bytes = Query::Time.to_bytes_at(9, 1000);
        assert_eq!(reader_bytes.split_off(4), {
            let inner =
                Writer::boxed(WAIT_MASTERCHAIN_SEQNO).int(9).int(1000).int(GET_TIME).finish();
            Writer::new().bytes(&inner).finish()
        });
    }

    #[test]
    fn get_methods_have_the_numbers_that_compilers_give_them() {
        assert_eq!(method_id("seqno"), 85_143);
        assert_eq!(method_id("get_wallet_data"), 97_026);
    }

    #[test]
    fn answers_of_every_kind_are_read_and_every_truncation_is_refused() {
        let id = |writer| block().write(writer);
        let answers = [
            id(Writer::boxed(MASTERCHAIN_INFO)).raw(&[3; 32]).int(u32::MAX).raw(&[4; 64]),
            Writer::boxed(CURRENT_TIME).int(5),
            id(id(Writer::boxed(ACCOUNT_STATE)))
                .bytes(b"shard proof")
                .bytes(b"proof")
                .bytes(b"state"),
            id(id(Writer::boxed(TRANSACTION_LIST).int(2))).bytes(b"transactions"),
            Writer::boxed(SEND_STATUS).int(1),
            id(id(Writer::boxed(METHOD_RESULT).int(7)))
                .bytes(b"")
                .bytes(b"")
                .bytes(b"")
                .int(11)
                .bytes(b"stack"),
            Writer::boxed(ERROR).int(651).bytes("block not found \u{fffd}".as_bytes()),
        ];
        for bytes in answers.map(Writer::finish) {
            Answer::parse(&bytes).unwrap();
            for length in 0..bytes.len() {
                assert!(Answer::parse(&bytes[..length]).is_err());
            }
            assert!(Answer::parse(&[bytes, vec![0]].concat()).is_err());
        }
        let many = Writer::boxed(TRANSACTION_LIST).int(u32::MAX).bytes(b"").finish();
        assert!(Answer::parse(&many).is_err());
    }
}
