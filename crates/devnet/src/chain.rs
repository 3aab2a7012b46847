//! The chain: a list of rounds over a genesis, a pool of waiting messages, and a clock that its
//! owner moves. No sockets, no threads, no time of its own.

use std::collections::HashMap;

use ed25519_dalek::SigningKey;
use tycho_types::models::{ShardAccount, ShardIdent, ShardStateUnsplit};
use tycho_types::prelude::*;

use crate::block::{StoredBlock, next_lt};
use crate::error::{Error, Result};
use crate::exec::{self, Config, Moment, Outcome};
use crate::external::External;
use crate::genesis::{Genesis, zero_state};
use crate::getter::{self, GetMethod, StackItem};
use crate::view::{AccountView, Round, TransactionView};
use crate::wallet::{Transfer, Wallet, derive};
use crate::{master, shard};

/// For how long a payment of the faucet may wait for its block, in seconds of the chain.
const FAUCET_PATIENCE: u32 = 3_600;

/// A TON chain: one shard of the basechain and the masterchain over it.
pub struct Chain {
    pub(crate) key: SigningKey,
    pub(crate) short_id: HashBytes,
    pub(crate) config: Config,
    /// Masterchain blocks by seqno.
    pub(crate) master: Vec<StoredBlock>,
    /// Shard blocks by seqno.
    pub(crate) shard: Vec<StoredBlock>,
    /// Where each transaction is, by account and logical time.
    pub(crate) transactions: HashMap<(HashBytes, u64), Located>,
    pub(crate) now: u32,
    /// Short hashes of the validator set: masterchain, basechain.
    validator_hashes: (u32, u32),
    waiting: Vec<Cell>,
    payments: Vec<Transfer>,
    faucet: Wallet,
}

/// A transaction and the shard block it is in.
pub(crate) struct Located {
    pub(crate) seqno: u32,
    pub(crate) cell: Cell,
}

impl Chain {
    /// Begins a chain. Equal geneses give equal chains.
    pub fn genesis(genesis: Genesis) -> Result<Self> {
        let key = SigningKey::from_bytes(&derive(&genesis.seed, "validator"));
        let public = key.verifying_key().to_bytes();
        let short_id = HashBytes(adnl::key::short_id(&public));
        let zero = zero_state(&genesis, HashBytes(public), short_id)?;
        let set = zero.config.get_current_validator_set()?;
        let catchain = zero.config.params.get_catchain_config()?;
        let subset_hash = |shard| {
            let subset = set.compute_subset(shard, &catchain, 0);
            subset.map(|(_, hash)| hash).ok_or_else(|| Error::Genesis("no validators".into()))
        };
        let validator_hashes =
            (subset_hash(ShardIdent::MASTERCHAIN)?, subset_hash(ShardIdent::BASECHAIN)?);
        Ok(Self {
            key,
            short_id,
            config: Config::new(zero.config, genesis.now)?,
            master: vec![zero.master],
            shard: vec![zero.shard],
            transactions: HashMap::new(),
            now: genesis.now,
            validator_hashes,
            waiting: Vec::new(),
            payments: Vec::new(),
            faucet: genesis.faucet()?,
        })
    }

    /// Seqno of the last round.
    pub fn seqno(&self) -> u32 {
        self.last_master().id.seqno
    }

    /// The latest time the chain was told, in unix seconds.
    pub fn now(&self) -> u32 {
        self.now
    }

    /// Tells the time without making a block. Messages are checked against it.
    pub fn advance(&mut self, now: u32) -> Result<()> {
        if now < self.now {
            return Err(Error::ClockBack { asked: now, at: self.now });
        }
        self.now = now;
        self.config.set_now(now)
    }

    /// How many messages and payments wait for the next round.
    pub fn waiting(&self) -> usize {
        self.waiting.len() + self.payments.len()
    }

    /// Takes an external message (a BoC) for the next round.
    ///
    /// It is tried out on the account as it is now; a message that the account would not accept is
    /// refused with the exit code. A message that waits already is taken silently.
    pub fn send(&mut self, boc: &[u8]) -> Result<()> {
        let External { cell: message, to: address } = External::read(boc)?;
        if self.waiting.iter().any(|waiting| waiting.repr_hash() == message.repr_hash()) {
            return Ok(());
        }
        let account = match self.shard_account(address.address)? {
            Some(account) => account,
            None => shard::absent_account()?,
        };
        match exec::run(&self.config, self.moment(), &address, &account, message.clone())? {
            Outcome::Done(_) => {
                self.waiting.push(message);
                Ok(())
            }
            Outcome::NotAccepted { exit_code } => Err(Error::Refused {
                account: address.address.0,
                cause: exec::why_not_accepted(exit_code, &address, &account, &message),
            }),
        }
    }

    /// Makes the faucet pay in the next round. The transfer does not bounce.
    pub fn pay(&mut self, to: [u8; 32], nano: u128) {
        self.payments.push(Transfer::plain(to, nano));
    }

    /// Address of the faucet's wallet.
    pub fn faucet(&self) -> [u8; 32] {
        self.faucet.address()
    }

    /// Makes a shard block of all waiting messages and the masterchain block over it.
    ///
    /// `now` is in unix seconds and must not be before the chain's time. Every waiting message is
    /// used up: it is in `transactions` or in `refused`. If the call fails with anything but
    /// [`Error::ClockBack`], it has met a bug: no block was made, and the waiting messages are gone.
    pub fn produce(&mut self, now: u32) -> Result<Round> {
        self.advance(now)?;
        let mut externals = self.sign_payments()?;
        externals.append(&mut self.waiting);

        let prev_key_block = self.seqno().min(1);
        let made = shard::build(
            &shard::Base {
                config: &self.config,
                previous: self.last_shard(),
                master: self.last_master(),
                now,
                prev_key_block,
                validator_list_hash: self.validator_hashes.1,
                validator: HashBytes(self.key.verifying_key().to_bytes()),
            },
            &externals,
        )?;
        let master = master::build(&master::Base {
            previous: self.last_master(),
            shard: &made.block,
            config: self.config.raw(),
            now,
            prev_key_block,
            validator_list_hash: self.validator_hashes.0,
            key: &self.key,
            short_id: self.short_id,
        })?;
        let transactions =
            made.transactions.iter().map(TransactionView::load).collect::<Result<Vec<_>>>()?;

        let seqno = made.block.id.seqno;
        for view in &transactions {
            let located = Located { seqno, cell: view.cell.clone() };
            self.transactions.insert((HashBytes(view.account), view.lt), located);
        }
        self.shard.push(made.block);
        self.master.push(master);
        Ok(Round { seqno, now, transactions, refused: made.refused })
    }

    /// An account as of the last round; `None` if it does not exist.
    pub fn account(&self, address: &[u8; 32]) -> Option<AccountView> {
        let account = self.shard_account(HashBytes(*address)).ok()??;
        let state = account.load_account().ok()??;
        Some(AccountView::new(&state, account.last_trans_lt, account.last_trans_hash))
    }

    /// The last transactions of an account, the newest first, at most `limit`.
    pub fn history(&self, address: &[u8; 32], limit: usize) -> Result<Vec<TransactionView>> {
        let mut history = Vec::new();
        let Some(account) = self.account(address) else { return Ok(history) };
        let mut lt = account.last_lt;
        while history.len() < limit
            && let Some(located) = self.transactions.get(&(HashBytes(*address), lt))
        {
            lt = located.cell.parse::<tycho_types::models::Transaction>()?.prev_trans_lt;
            history.push(TransactionView::load(&located.cell)?);
        }
        Ok(history)
    }

    /// Runs a get method on the account as of the last round, at the chain's time.
    pub fn get_method(
        &self,
        address: &[u8; 32],
        name: &str,
        arguments: Vec<StackItem>,
    ) -> Result<GetMethod> {
        let account = self.shard_account(HashBytes(*address))?;
        let state = match account {
            Some(account) => account.load_account()?,
            None => None,
        };
        let state = state.ok_or(Error::NoCode(*address))?;
        let id = getter::method_id(name);
        getter::get_method(&self.config, self.moment(), &state, id, arguments)
    }

    /// The raw account, as it is stored in the last shard state.
    pub fn shard_account(&self, address: HashBytes) -> Result<Option<ShardAccount>> {
        let state = self.last_shard().state.parse::<ShardStateUnsplit>()?;
        Ok(state.load_accounts()?.get(address)?.map(|(_, account)| account))
    }

    /// The blockchain configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn last_master(&self) -> &StoredBlock {
        &self.master[self.master.len() - 1]
    }

    pub(crate) fn last_shard(&self) -> &StoredBlock {
        &self.shard[self.shard.len() - 1]
    }

    /// The moment of the next block, if it were made now.
    pub(crate) fn moment(&self) -> Moment {
        let block_lt = next_lt(self.last_shard().end_lt.max(self.last_master().end_lt));
        Moment {
            now: self.now,
            block_lt,
            min_lt: block_lt + 1,
            rand_seed: shard::rand_seed(self.last_shard()),
            prev_mc_block: Some(self.last_master().id),
        }
    }

    /// One message per payment, with ascending seqnos.
    fn sign_payments(&mut self) -> Result<Vec<Cell>> {
        let payments = std::mem::take(&mut self.payments);
        if payments.is_empty() {
            return Ok(Vec::new());
        }
        let account = self.account(&self.faucet.address());
        let data = account.and_then(|account| account.data);
        let seqno = Wallet::seqno(&data.ok_or(Error::NoCode(self.faucet.address()))?)?;
        let valid_until = self.now.saturating_add(FAUCET_PATIENCE);
        (seqno..)
            .zip(&payments)
            .map(|(seqno, payment)| {
                let boc = self.faucet.sign(seqno, valid_until, std::slice::from_ref(payment))?;
                Ok(External::read(&boc)?.cell)
            })
            .collect()
    }
}
