//! The first state: who owns what before the first block.
//!
//! The supply is always a thousand million TON. What the named accounts do not get belongs to the
//! faucet, a plain wallet contract whose key comes from the seed, like every other secret here.

use tycho_types::cell::Lazy;
use tycho_types::dict::AugDict;
use tycho_types::models::{
    Account, AccountState, BlockchainConfig, CurrencyCollection, DepthBalanceInfo, McStateExtra,
    OptionalAccount, ShardAccount, ShardAccounts, ShardDescription, ShardHashes, ShardIdent,
    ShardStateUnsplit, StateInit, StdAddr, StorageInfo, StorageUsed, ValidatorInfo,
};
use tycho_types::num::VarUint56;
use tycho_types::prelude::*;

use crate::block::StoredBlock;
use crate::config::{self, GLOBAL_ID, Prices};
use crate::error::{Error, Result};
use crate::wallet::Wallet;

/// All money there is, in nanoton.
///
/// Some clients parse the masterchain state wrongly for amounts outside of [2^56, 2^62) nanoton.
pub const SUPPLY: u128 = 1_000_000_000_000_000_000;

/// How a chain begins. The same genesis and the same calls give the same blocks, bit for bit.
#[derive(Debug, Clone)]
pub struct Genesis {
    /// Every key of the chain is derived from it.
    pub seed: [u8; 32],
    /// Unix seconds of the zerostate.
    pub now: u32,
    /// Contract code of the faucet and of the test wallets.
    pub wallet_code: Cell,
    /// Accounts besides the faucet.
    pub accounts: Vec<GenesisAccount>,
    /// What the basechain charges.
    pub prices: Prices,
}

/// An account of the first state.
#[derive(Debug, Clone)]
pub struct GenesisAccount {
    /// Address in the basechain.
    pub address: [u8; 32],
    /// Nanoton.
    pub balance: u128,
    /// An active contract: its code and data (cell of a `StateInit`); `None` for mere money.
    pub state_init: Option<Cell>,
}

impl Genesis {
    /// A chain on which the faucet owns everything, at the mainnet's prices.
    pub fn new(seed: [u8; 32], now: u32, wallet_code: Cell) -> Self {
        Self { seed, now, wallet_code, accounts: Vec::new(), prices: Prices::default() }
    }

    /// Adds `count` deployed test wallets with `nano` each; [`Genesis::wallet`] has their keys.
    pub fn with_wallets(mut self, count: u32, nano: u128) -> Result<Self> {
        for index in 0..count {
            let wallet = self.wallet(index)?;
            self.accounts.push(GenesisAccount {
                address: wallet.address(),
                balance: nano,
                state_init: Some(CellBuilder::build_from(wallet.state_init())?),
            });
        }
        Ok(self)
    }

    /// The test wallet number `index`.
    pub fn wallet(&self, index: u32) -> Result<Wallet> {
        Wallet::named(&self.seed, &format!("wallet {index}"), self.wallet_code.clone())
    }

    /// The faucet's wallet.
    pub fn faucet(&self) -> Result<Wallet> {
        Wallet::named(&self.seed, "faucet", self.wallet_code.clone())
    }

    /// The accounts with the faucet among them, which owns the rest of the supply.
    fn all_accounts(&self) -> Result<Vec<GenesisAccount>> {
        let given = self.accounts.iter().try_fold(0u128, |sum, a| sum.checked_add(a.balance));
        let rest = given.and_then(|given| SUPPLY.checked_sub(given)).ok_or_else(|| {
            Error::Genesis(format!("the accounts hold more than the supply of {SUPPLY} nanoton"))
        })?;
        let faucet = self.faucet()?;
        let mut accounts = self.accounts.clone();
        accounts.push(GenesisAccount {
            address: faucet.address(),
            balance: rest,
            state_init: Some(CellBuilder::build_from(faucet.state_init())?),
        });
        Ok(accounts)
    }
}

/// The two zerostates and the configuration that names them.
pub(crate) struct ZeroState {
    pub(crate) shard: StoredBlock,
    pub(crate) master: StoredBlock,
    pub(crate) config: BlockchainConfig,
}

/// Builds the state of seqno 0 for a validator with this public key and short id.
pub(crate) fn zero_state(
    genesis: &Genesis,
    validator: HashBytes,
    short_id: HashBytes,
) -> Result<ZeroState> {
    let now = genesis.now;
    let mut accounts = ShardAccounts::new();
    for account in genesis.all_accounts()? {
        let address = HashBytes(account.address);
        if accounts.contains_key(address)? {
            return Err(Error::Genesis(format!("account {address} is listed twice")));
        }
        let balance = CurrencyCollection::new(account.balance);
        let state = shard_account(account, now)?;
        accounts.set(address, DepthBalanceInfo { split_depth: 0, balance }, state)?;
    }

    let mut state = empty_state(ShardIdent::BASECHAIN, now)?;
    state.total_balance = accounts.root_extra().balance.clone();
    state.accounts = Lazy::new(&accounts)?;
    let total = state.total_balance.clone();
    let shard = StoredBlock::zero(ShardIdent::BASECHAIN, CellBuilder::build_from(&state)?, now);

    let hashes = (shard.id.root_hash, shard.id.file_hash);
    let config = config::build(now, &genesis.prices, hashes, validator, short_id)?;
    let mut state = empty_state(ShardIdent::MASTERCHAIN, now)?;
    state.custom = Some(Lazy::new(&McStateExtra {
        shards: shard_hashes(&shard, 0)?,
        config: config.clone(),
        validator_info: ValidatorInfo {
            validator_list_hash_short: 0,
            catchain_seqno: 0,
            nx_cc_updated: true,
        },
        prev_blocks: AugDict::new(),
        after_key_block: true,
        last_key_block: None,
        block_create_stats: None,
        global_balance: total,
    })?);
    let master = StoredBlock::zero(ShardIdent::MASTERCHAIN, CellBuilder::build_from(&state)?, now);
    Ok(ZeroState { shard, master, config })
}

/// The shard table of a masterchain block: one shard, whose newest block is `top`.
pub(crate) fn shard_hashes(top: &StoredBlock, registered_in: u32) -> Result<ShardHashes> {
    let fees_collected;
    let funds_created;
    if top.id.seqno == 0 {
        (fees_collected, funds_created) = Default::default();
    } else {
        let flow = top.root.parse::<tycho_types::models::Block>()?.load_value_flow()?;
        (fees_collected, funds_created) = (flow.fees_collected, flow.created);
    }
    let description = ShardDescription {
        seqno: top.id.seqno,
        reg_mc_seqno: registered_in,
        start_lt: top.start_lt,
        end_lt: top.end_lt,
        root_hash: top.id.root_hash,
        file_hash: top.id.file_hash,
        before_split: false,
        before_merge: false,
        want_split: false,
        want_merge: false,
        nx_cc_updated: false,
        next_catchain_seqno: 0,
        next_validator_shard: ShardIdent::PREFIX_FULL,
        min_ref_mc_seqno: registered_in.saturating_sub(1),
        gen_utime: top.gen_utime,
        split_merge_at: None,
        fees_collected,
        funds_created,
    };
    Ok(ShardHashes::from_shards([(&ShardIdent::BASECHAIN, &description)])?)
}

fn shard_account(genesis: GenesisAccount, now: u32) -> Result<ShardAccount> {
    let state = match &genesis.state_init {
        Some(cell) => AccountState::Active(cell.parse::<StateInit>()?),
        None => AccountState::Uninit,
    };
    let mut account = Account {
        address: StdAddr::new(0, HashBytes(genesis.address)).into(),
        storage_stat: StorageInfo {
            used: StorageUsed::ZERO,
            storage_extra: Default::default(),
            last_paid: now,
            due_payment: None,
        },
        last_trans_lt: 0,
        balance: CurrencyCollection::new(genesis.balance),
        state,
    };
    let storage =
        CellBuilder::build_from((account.last_trans_lt, &account.balance, &account.state))?;
    let stats = storage.as_ref().compute_unique_stats(usize::MAX).ok_or_else(|| {
        Error::Genesis(format!("the state of account {} is too big", HashBytes(genesis.address)))
    })?;
    account.storage_stat.used = StorageUsed {
        cells: VarUint56::new(stats.cell_count),
        bits: VarUint56::new(stats.bit_count),
    };
    Ok(ShardAccount {
        account: Lazy::new(&OptionalAccount(Some(account)))?,
        last_trans_hash: HashBytes::ZERO,
        last_trans_lt: 0,
    })
}

fn empty_state(shard: ShardIdent, now: u32) -> Result<ShardStateUnsplit> {
    Ok(ShardStateUnsplit {
        global_id: GLOBAL_ID,
        shard_ident: shard,
        seqno: 0,
        vert_seqno: 0,
        gen_utime: now,
        gen_lt: 0,
        min_ref_mc_seqno: u32::MAX,
        out_msg_queue_info: empty_queue()?,
        before_split: false,
        accounts: Lazy::new(&ShardAccounts::new())?,
        overload_history: 0,
        underload_history: 0,
        total_balance: CurrencyCollection::ZERO,
        total_validator_fees: CurrencyCollection::ZERO,
        libraries: Dict::new(),
        master_ref: None,
        custom: None,
    })
}

/// `OutMsgQueueInfo` of a shard whose messages all arrive in the block that sends them.
fn empty_queue() -> Result<Cell> {
    let mut queue = CellBuilder::new();
    queue.store_bit_zero()?; // out_queue: empty
    queue.store_u64(0)?; // out_queue: the least logical time in it
    queue.store_bit_zero()?; // proc_info: empty
    queue.store_bit_zero()?; // extra: none
    Ok(queue.build()?)
}
