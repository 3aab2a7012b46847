//! One message on one account by the network's rules: storage, credit, compute, action and bounce
//! phases of a TON transaction, and get methods. Nothing here knows of blocks or sockets.
//!
//! The work is done by `tycho-executor` and `tycho-vm`; this file sets them to TON's dialect
//! (global version 12) and evens out three bookkeeping fields, after which transactions are equal
//! bit by bit to those of the C++ node.

use std::collections::BTreeMap;

use tycho_executor::{
    Executor, ExecutorInspector, ExecutorOutput, ExecutorParams, ParsedConfig, TxError,
};
use tycho_types::cell::Lazy;
use tycho_types::models::{
    AccountState, BlockId, BlockchainConfig, BlockchainConfigParams, ComputePhase, HashUpdate,
    Message, MsgInfo, OptionalAccount, ShardAccount, StdAddr, StorageExtra, TxInfo,
};
use tycho_types::prelude::*;

pub use crate::getter::get_method;

use crate::config;
use crate::error::{Error, Result};

/// The blockchain configuration, read once for many transactions.
pub struct Config {
    parsed: ParsedConfig,
}

impl Config {
    /// Reads a configuration; `now` chooses among storage prices.
    pub fn new(config: BlockchainConfig, now: u32) -> Result<Self> {
        Ok(Self { parsed: ParsedConfig::parse(config, now)? })
    }

    /// Reads a configuration that was made elsewhere, for example the mainnet's: `root` is the
    /// dictionary of its parameters.
    ///
    /// What the executor cannot read (parameters 12 and 43 in their newest forms) it gets in a
    /// plain form; contracts see the original.
    pub fn parse(root: Cell, now: u32) -> Result<Self> {
        let original = BlockchainConfig {
            params: BlockchainConfigParams::from_raw(root),
            ..BlockchainConfig::new_empty(HashBytes([0x55; 32]))
        };
        let mut readable = original.clone();
        let workchains = original.params.get_workchains();
        if workchains.and_then(|w| w.iter().try_for_each(|entry| entry.map(drop))).is_err() {
            let plain = config::workchains(now, (HashBytes::ZERO, HashBytes::ZERO))?;
            readable.params.set_workchains(&plain)?;
        }
        if original.params.contains_raw(43)? && original.params.get_size_limits().is_err() {
            readable.params.remove(43)?;
        }
        let mut parsed = ParsedConfig::parse(readable, now)?;
        parsed.raw = original;
        Ok(Self { parsed })
    }

    /// The configuration as contracts see it.
    pub fn raw(&self) -> &BlockchainConfig {
        &self.parsed.raw
    }

    pub(crate) fn parsed(&self) -> &ParsedConfig {
        &self.parsed
    }

    pub(crate) fn set_now(&mut self, now: u32) -> Result<()> {
        Ok(self.parsed.update_storage_prices(now)?)
    }
}

/// Where and when a message is processed.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Unix seconds of the block.
    pub now: u32,
    /// Logical time of the block, a multiple of 1 000 000.
    pub block_lt: u64,
    /// The least logical time the transaction may get.
    pub min_lt: u64,
    /// Random seed of the block.
    pub rand_seed: HashBytes,
    /// The masterchain block before, for contracts that ask.
    pub prev_mc_block: Option<BlockId>,
}

/// What became of a message.
pub enum Outcome {
    /// A transaction.
    Done(Box<ExecutorOutput>),
    /// No transaction: an external message that the account did not accept.
    NotAccepted {
        /// Exit code of the contract, when its code ran.
        exit_code: Option<i32>,
    },
}

/// Why an account did not take a message from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    #[error("the account does not exist: it needs money first")]
    Absent,
    #[error("the account has no code, and the message carries no StateInit to deploy")]
    NoCode,
    #[error("the StateInit in the message does not hash to the address")]
    OtherStateInit,
    #[error("the account is frozen")]
    Frozen,
    #[error("the account cannot pay for the message")]
    Poor,
    #[error("the contract ended with exit code {0} before it accepted the message")]
    ExitCode(i32),
}

impl NotTaken {
    /// Exit code of the contract, when its code ran.
    pub fn exit_code(self) -> Option<i32> {
        match self {
            Self::ExitCode(code) => Some(code),
            _ => None,
        }
    }
}

/// Processes `message` on `account` at `address`.
///
/// Fails only for input that is not a message, and for bugs: what contracts do wrong is part of a
/// transaction.
pub fn run(
    config: &Config,
    moment: Moment,
    address: &StdAddr,
    account: &ShardAccount,
    message: Cell,
) -> Result<Outcome> {
    let external = matches!(message.parse::<MsgInfo>()?, MsgInfo::ExtIn(_));
    let params = params(moment);
    let mut inspector = ExecutorInspector::default();
    let result = Executor::new(&params, &config.parsed)
        .with_min_lt(moment.min_lt)
        .begin_ordinary_ext(address, external, message, account, Some(&mut inspector))
        .and_then(|transaction| transaction.commit().map_err(TxError::Fatal));
    match result {
        Ok(mut output) => {
            as_the_node_writes_it(&mut output, address)?;
            Ok(Outcome::Done(Box::new(output)))
        }
        Err(TxError::Skipped) => Ok(Outcome::NotAccepted { exit_code: inspector.exit_code }),
        Err(TxError::Fatal(error)) => Err(Error::Executor(format!("{error:#}"))),
    }
}

/// Why an external message was not accepted.
pub(crate) fn why_not_accepted(
    exit_code: Option<i32>,
    address: &StdAddr,
    account: &ShardAccount,
    message: &Cell,
) -> NotTaken {
    if let Some(code) = exit_code {
        return NotTaken::ExitCode(code);
    }
    let state_init = message.parse::<Message<'_>>().ok().and_then(|message| message.init);
    let hash = state_init.and_then(|init| CellBuilder::build_from(init).ok());
    let fits = hash.map(|cell| *cell.repr_hash() == address.address);
    let state = account.load_account().ok().flatten().map(|account| account.state);
    match (state, fits) {
        (None, _) => NotTaken::Absent,
        (Some(AccountState::Uninit), None) => NotTaken::NoCode,
        (Some(AccountState::Uninit), Some(false)) => NotTaken::OtherStateInit,
        (Some(AccountState::Frozen(_)), _) => NotTaken::Frozen,
        (Some(_), _) => NotTaken::Poor,
    }
}

/// `Default` of these is another network's dialect: every flag matters.
fn params(moment: Moment) -> ExecutorParams {
    ExecutorParams {
        libraries: Dict::new(),
        rand_seed: moment.rand_seed,
        block_unixtime: moment.now,
        block_lt: moment.block_lt,
        prev_mc_block_id: moment.prev_mc_block,
        vm_modifiers: Default::default(),
        disable_delete_frozen_accounts: true,
        charge_action_fees_on_fail: true,
        full_body_in_bounced: false,
        strict_extra_currency: true,
        authority_marks_enabled: false,
    }
}

/// Cells below which the node does not store the hash of an account's storage dictionary.
const STORAGE_DICT_MIN_CELLS: u64 = 26;

/// The C++ node never sets two flags of the compute phase, writes a zero `result_arg` as absent,
/// and stores the hash of the storage dictionary in big accounts.
fn as_the_node_writes_it(output: &mut ExecutorOutput, address: &StdAddr) -> Result<()> {
    let mut transaction = output.transaction.load()?;
    let mut info = transaction.load_info()?;
    if let TxInfo::Ordinary(info) = &mut info {
        if let ComputePhase::Executed(phase) = &mut info.compute_phase {
            phase.msg_state_used = false;
            phase.account_activated = false;
        }
        if let Some(phase) = &mut info.action_phase
            && phase.result_arg == Some(0)
        {
            phase.result_arg = None;
        }
    }
    transaction.info = Lazy::new(&info)?;

    if let Some(mut account) = output.new_state.load_account()? {
        let big = account.storage_stat.used.cells.into_inner() >= STORAGE_DICT_MIN_CELLS;
        account.storage_stat.storage_extra = if big && !address.is_masterchain() {
            StorageExtra::DictHash(storage_dict_hash(&account.state)?)
        } else {
            StorageExtra::None
        };
        output.new_state.account = Lazy::new(&OptionalAccount(Some(account)))?;
    }
    let old = transaction.state_update.load()?.old;
    let new = *output.new_state.account.repr_hash();
    transaction.state_update = Lazy::new(&HashUpdate { old, new })?;
    output.transaction = Lazy::new(&transaction)?;
    output.new_state.last_trans_hash = *output.transaction.repr_hash();
    Ok(())
}

/// Hash of the dictionary cell hash -> (references to it, Merkle depth), over all distinct cells
/// below an account's storage root.
fn storage_dict_hash(state: &AccountState) -> Result<HashBytes> {
    fn visit(cell: &DynCell, seen: &mut BTreeMap<HashBytes, (u32, u8)>) -> u8 {
        if let Some((count, depth)) = seen.get_mut(cell.repr_hash()) {
            *count += 1;
            return *depth;
        }
        seen.insert(*cell.repr_hash(), (1, 0));
        let below = cell.references().map(|child| visit(child, seen)).max().unwrap_or(0);
        let merkle = matches!(cell.cell_type(), CellType::MerkleProof | CellType::MerkleUpdate);
        let depth = (below + u8::from(merkle)).min(3);
        seen.insert(*cell.repr_hash(), (1, depth));
        depth
    }
    let root = CellBuilder::build_from(state)?;
    let mut seen = BTreeMap::new();
    for child in root.references() {
        visit(child, &mut seen);
    }
    let mut dict = RawDict::<256>::new();
    for (hash, (count, depth)) in seen {
        let mut value = CellBuilder::new();
        value.store_u32(count)?;
        value.store_small_uint(depth, 2)?;
        let key = CellBuilder::build_from(hash)?;
        dict.set(key.as_slice()?, value.build()?.as_slice()?)?;
    }
    Ok(dict.root().as_ref().map(|root| *root.repr_hash()).unwrap_or_default())
}
