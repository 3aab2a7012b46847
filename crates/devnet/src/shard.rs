//! The shard block: every waiting message from outside, and at once the whole cascade of messages
//! that its transaction sets off, so that nothing is ever left under way between two blocks.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tycho_types::cell::{Lazy, LazyExotic, UsageTree, UsageTreeMode};
use tycho_types::dict::AugDict;
use tycho_types::merkle::MerkleUpdate;
use tycho_types::models::{
    AccountBlock, AccountBlocks, Block, BlockExtra, BlockInfo, CurrencyCollection,
    DepthBalanceInfo, HashUpdate, ImportFees, InMsg, InMsgDescr, InMsgExternal, InMsgFinal,
    IntAddr, IntermediateAddr, MsgEnvelope, MsgInfo, OptionalAccount, OutMsg, OutMsgDescr,
    OutMsgExternal, OutMsgImmediate, ShardAccount, ShardAccounts, ShardIdent, ShardStateUnsplit,
    StdAddr, Transaction, ValueFlow,
};
use tycho_types::num::Tokens;
use tycho_types::prelude::*;

use crate::block::{StoredBlock, next_lt, seal, sha256};
use crate::config::{GLOBAL_ID, version};
use crate::error::{Error, Result};
use crate::exec::{self, Config, Moment, Outcome};
use crate::view::Refusal;

/// Transactions that one message from outside may set off.
///
/// A real shard would spread a longer cascade over blocks; here the message is refused, so that
/// two contracts playing ping-pong cannot stop the chain.
pub const MAX_CASCADE: usize = 10_000;

/// What a block is built on.
pub(crate) struct Base<'a> {
    pub(crate) config: &'a Config,
    pub(crate) previous: &'a StoredBlock,
    pub(crate) master: &'a StoredBlock,
    pub(crate) now: u32,
    pub(crate) prev_key_block: u32,
    pub(crate) validator_list_hash: u32,
    pub(crate) validator: HashBytes,
}

/// A finished shard block.
pub(crate) struct ShardBlock {
    pub(crate) block: StoredBlock,
    /// Transaction cells in the order they happened.
    pub(crate) transactions: Vec<Cell>,
    pub(crate) refused: Vec<Refusal>,
}

/// Builds the block with every message of `externals` that its destination accepts.
pub(crate) fn build(base: &Base<'_>, externals: &[Cell]) -> Result<ShardBlock> {
    let mut left_out: HashMap<usize, String> = HashMap::new();
    loop {
        match attempt(base, externals, &left_out)? {
            Attempt::Done(block) => return Ok(*block),
            // States are persistent trees: starting over costs nothing but the time.
            Attempt::Again { without, reason } => {
                left_out.insert(without, reason);
            }
        }
    }
}

enum Attempt {
    Done(Box<ShardBlock>),
    Again { without: usize, reason: String },
}

/// A message on its way, and the external message it descends from.
struct Pending {
    message: Cell,
    sender: Option<Lazy<Transaction>>,
    root: usize,
}

fn attempt(
    base: &Base<'_>,
    externals: &[Cell],
    left_out: &HashMap<usize, String>,
) -> Result<Attempt> {
    // `OnLoad`: the update prunes in the new tree only what the old one was seen to hold.
    let usage = UsageTree::new(UsageTreeMode::OnLoad);
    // Must live until the update is made: a dropped root stops recording.
    let tracked = usage.track(&base.previous.state);
    let old = tracked.parse::<ShardStateUnsplit>()?;
    let mut collation = Collation::new(base, old.load_accounts()?);

    let mut queue = VecDeque::new();
    for (root, message) in externals.iter().enumerate() {
        match left_out.get(&root) {
            Some(reason) => collation.refuse(message, None, reason.clone())?,
            None => queue.push_back(Pending { message: message.clone(), sender: None, root }),
        }
    }
    let mut cascade = vec![0usize; externals.len()];
    while let Some(pending) = queue.pop_front() {
        let root = pending.root;
        cascade[root] += 1;
        if cascade[root] > MAX_CASCADE {
            let reason = format!("it sets off more than {MAX_CASCADE} transactions");
            return Ok(Attempt::Again { without: root, reason });
        }
        match collation.process(pending) {
            Ok(next) => queue.extend(next),
            Err(Error::Executor(reason)) => return Ok(Attempt::Again { without: root, reason }),
            Err(error) => return Err(error),
        }
    }
    let done = collation.finish(&old, usage)?;
    Ok(Attempt::Done(Box::new(done)))
}

/// Transactions of one account in this block.
struct AccountHistory {
    transactions: AugDict<u64, CurrencyCollection, Lazy<Transaction>>,
    old_hash: HashBytes,
    new_hash: HashBytes,
    /// The least logical time for the next one.
    next_lt: u64,
}

/// A block in the making.
struct Collation<'a> {
    base: &'a Base<'a>,
    start_lt: u64,
    end_lt: u64,
    rand_seed: HashBytes,
    accounts: ShardAccounts,
    histories: BTreeMap<HashBytes, AccountHistory>,
    in_msgs: InMsgDescr,
    out_msgs: OutMsgDescr,
    transactions: Vec<Cell>,
    refused: Vec<Refusal>,
}

impl<'a> Collation<'a> {
    fn new(base: &'a Base<'a>, accounts: ShardAccounts) -> Self {
        let start_lt = next_lt(base.previous.end_lt.max(base.master.end_lt));
        Self {
            base,
            start_lt,
            end_lt: start_lt + 1,
            rand_seed: rand_seed(base.previous),
            accounts,
            histories: BTreeMap::new(),
            in_msgs: InMsgDescr::new(),
            out_msgs: OutMsgDescr::new(),
            transactions: Vec::new(),
            refused: Vec::new(),
        }
    }

    fn refuse(&mut self, message: &Cell, exit_code: Option<i32>, reason: String) -> Result<()> {
        let account = match message.parse::<MsgInfo>()? {
            MsgInfo::ExtIn(info) => info.dst.as_std().map(|a| a.address.0).unwrap_or_default(),
            _ => Default::default(),
        };
        let hash = message.repr_hash().0;
        self.refused.push(Refusal { hash, account, exit_code, reason });
        Ok(())
    }

    /// Runs one message and returns those it caused.
    fn process(&mut self, pending: Pending) -> Result<Vec<Pending>> {
        let Pending { message, sender, root } = pending;
        let info = message.parse::<MsgInfo>()?;
        let (destination, created_lt) = match &info {
            MsgInfo::ExtIn(info) => (&info.dst, 0),
            MsgInfo::Int(info) => (&info.dst, info.created_lt),
            MsgInfo::ExtOut(_) => {
                self.export_log(message, sender)?;
                return Ok(Vec::new());
            }
        };
        let address = match destination {
            IntAddr::Std(address) if address.workchain == 0 => address.clone(),
            // Prices make it unpayable (see `config`), so this takes a bug to reach.
            other => return Err(Error::Inconsistent(format!("a message left for {other}"))),
        };
        let account = match self.accounts.get(address.address)? {
            Some((_, account)) => account,
            None => absent_account()?,
        };
        let history_lt = self.histories.get(&address.address).map_or(0, |h| h.next_lt);
        let moment = Moment {
            now: self.base.now,
            block_lt: self.start_lt,
            min_lt: (created_lt + 1).max(self.start_lt + 1).max(history_lt),
            rand_seed: self.rand_seed,
            prev_mc_block: Some(self.base.master.id),
        };
        let output = match exec::run(self.base.config, moment, &address, &account, message.clone())?
        {
            Outcome::Done(output) => output,
            Outcome::NotAccepted { exit_code } => {
                let cause = exec::why_not_accepted(exit_code, &address, &account, &message);
                self.refuse(&message, exit_code, cause.to_string())?;
                return Ok(Vec::new());
            }
        };
        let transaction = output.transaction;
        match sender {
            None => self.import_external(message, &transaction)?,
            Some(sender) => self.pass_on(message, &info, sender, &transaction)?,
        }
        let next_lt = output.transaction_meta.next_lt;
        self.record(&address, &account, &output.new_state, &transaction, next_lt)?;
        let next = output.transaction_meta.out_msgs.into_iter().map(|message| Pending {
            message: message.into_inner(),
            sender: Some(transaction.clone()),
            root,
        });
        Ok(next.collect())
    }

    fn record(
        &mut self,
        address: &StdAddr,
        before: &ShardAccount,
        after: &ShardAccount,
        transaction: &Lazy<Transaction>,
        next_lt: u64,
    ) -> Result<()> {
        let address = address.address;
        let loaded = transaction.load()?;
        let history = self.histories.entry(address).or_insert_with(|| AccountHistory {
            transactions: AugDict::new(),
            old_hash: *before.account.repr_hash(),
            new_hash: HashBytes::ZERO,
            next_lt: 0,
        });
        history.transactions.set(loaded.lt, loaded.total_fees, transaction.clone())?;
        history.new_hash = *after.account.repr_hash();
        history.next_lt = next_lt;
        self.end_lt = self.end_lt.max(next_lt);
        match after.load_account()? {
            Some(account) => {
                let info = DepthBalanceInfo { split_depth: 0, balance: account.balance };
                self.accounts.set(address, info, after)?;
            }
            None => {
                self.accounts.remove(address)?;
            }
        }
        self.transactions.push(transaction.inner().clone());
        Ok(())
    }

    fn import_external(&mut self, message: Cell, transaction: &Lazy<Transaction>) -> Result<()> {
        let hash = *message.repr_hash();
        let in_msg = InMsg::External(InMsgExternal {
            in_msg: Lazy::from_raw(message)?,
            transaction: transaction.clone(),
        });
        self.in_msgs.set(hash, ImportFees::default(), in_msg)?;
        Ok(())
    }

    /// A message that one account sent and another processed within this block.
    fn pass_on(
        &mut self,
        message: Cell,
        info: &MsgInfo,
        sender: Lazy<Transaction>,
        transaction: &Lazy<Transaction>,
    ) -> Result<()> {
        let fwd_fee = match info {
            MsgInfo::Int(info) => info.fwd_fee,
            _ => Tokens::ZERO,
        };
        let hash = *message.repr_hash();
        let envelope = Lazy::new(&MsgEnvelope {
            cur_addr: IntermediateAddr::FULL_DEST_SAME_WORKCHAIN,
            next_addr: IntermediateAddr::FULL_DEST_SAME_WORKCHAIN,
            fwd_fee_remaining: fwd_fee,
            message: Lazy::from_raw(message)?,
        })?;
        let in_msg = InMsg::Immediate(InMsgFinal {
            in_msg_envelope: envelope.clone(),
            transaction: transaction.clone(),
            fwd_fee,
        });
        self.in_msgs.set(hash, in_msg.compute_fees()?, &in_msg)?;
        let out_msg = OutMsg::Immediate(OutMsgImmediate {
            out_msg_envelope: envelope,
            transaction: sender,
            reimport: Lazy::new(&in_msg)?,
        });
        self.out_msgs.set(hash, out_msg.compute_exported_value()?, &out_msg)?;
        Ok(())
    }

    fn export_log(&mut self, message: Cell, sender: Option<Lazy<Transaction>>) -> Result<()> {
        let hash = *message.repr_hash();
        let Some(transaction) = sender else {
            return Err(Error::Inconsistent("a log entry without a sender".into()));
        };
        let out_msg =
            OutMsg::External(OutMsgExternal { out_msg: Lazy::from_raw(message)?, transaction });
        self.out_msgs.set(hash, CurrencyCollection::ZERO, out_msg)?;
        Ok(())
    }

    fn finish(self, old: &ShardStateUnsplit, usage: UsageTree) -> Result<ShardBlock> {
        let Base { previous, master, now, .. } = *self.base;
        let seqno = previous.id.seqno + 1;

        let mut account_blocks = AccountBlocks::new();
        for (address, history) in self.histories {
            let fees = history.transactions.root_extra().clone();
            let block = AccountBlock {
                account: address,
                transactions: history.transactions,
                state_update: Lazy::new(&HashUpdate {
                    old: history.old_hash,
                    new: history.new_hash,
                })?,
            };
            account_blocks.set(address, fees, block)?;
        }
        let mut fees = account_blocks.root_extra().clone();
        fees.try_add_assign_tokens(self.in_msgs.root_extra().fees_collected)?;
        let total = self.accounts.root_extra().balance.clone();
        let value_flow = ValueFlow {
            from_prev_block: old.total_balance.clone(),
            to_next_block: total.clone(),
            imported: self.in_msgs.root_extra().value_imported.clone(),
            exported: self.out_msgs.root_extra().clone(),
            fees_collected: fees.clone(),
            ..Default::default()
        };
        if !value_flow.validate()? {
            return Err(Error::Inconsistent(format!("money appears or vanishes: {value_flow:?}")));
        }

        let state = ShardStateUnsplit {
            seqno,
            gen_utime: now,
            gen_lt: self.end_lt,
            min_ref_mc_seqno: master.id.seqno,
            accounts: Lazy::new(&self.accounts)?,
            total_balance: total,
            total_validator_fees: old.total_validator_fees.checked_add(&fees)?,
            master_ref: Some(master.reference()),
            ..old.clone()
        };
        let (state, state_update) = update_state(&previous.state, &state, usage)?;

        let mut info = BlockInfo {
            seqno,
            shard: ShardIdent::BASECHAIN,
            gen_utime: now,
            start_lt: self.start_lt,
            end_lt: self.end_lt,
            gen_validator_list_hash_short: self.base.validator_list_hash,
            min_ref_mc_seqno: master.id.seqno,
            prev_key_block_seqno: self.base.prev_key_block,
            master_ref: Some(Lazy::new(&master.reference())?),
            ..Default::default()
        };
        info.set_gen_software(Some(version()));
        info.set_prev_ref_single(&previous.reference());
        let extra = BlockExtra {
            in_msg_description: Lazy::new(&self.in_msgs)?,
            out_msg_description: Lazy::new(&self.out_msgs)?,
            account_blocks: Lazy::new(&account_blocks)?,
            rand_seed: self.rand_seed,
            created_by: self.base.validator,
            custom: None,
        };
        let root = CellBuilder::build_from(&Block {
            global_id: GLOBAL_ID,
            info: Lazy::new(&info)?,
            value_flow: Lazy::new(&value_flow)?,
            state_update,
            out_msg_queue_updates: None,
            extra: Lazy::new(&extra)?,
        })?;
        let (id, boc) = seal(ShardIdent::BASECHAIN, seqno, &root);
        let block = StoredBlock {
            id,
            root,
            boc,
            state,
            start_lt: self.start_lt,
            end_lt: self.end_lt,
            gen_utime: now,
            key_block: false,
            signature: None,
            validator_list_hash: self.base.validator_list_hash,
            registered_in: master.id.seqno + 1,
        };
        Ok(ShardBlock { block, transactions: self.transactions, refused: self.refused })
    }
}

/// The account that nobody has ever sent anything to.
pub(crate) fn absent_account() -> Result<ShardAccount> {
    Ok(ShardAccount {
        account: Lazy::new(&OptionalAccount::EMPTY)?,
        last_trans_hash: HashBytes::ZERO,
        last_trans_lt: 0,
    })
}

/// Random seed of the block after `previous`: known in advance, which a devnet may be.
pub(crate) fn rand_seed(previous: &StoredBlock) -> HashBytes {
    sha256(&[b"rand".as_slice(), previous.id.root_hash.as_slice()].concat())
}

/// Makes the state update of a block, and the new state by applying it, which proves it right.
///
/// The applied state is also free of the usage wrappers that cells of `new` still carry.
pub(crate) fn update_state(
    old: &Cell,
    new: &ShardStateUnsplit,
    usage: UsageTree,
) -> Result<(Cell, LazyExotic<MerkleUpdate>)> {
    let new = CellBuilder::build_from(new)?;
    let update = MerkleUpdate::create(old.as_ref(), new.as_ref(), usage).build()?;
    let applied = update.apply(old)?;
    if applied.repr_hash() != new.repr_hash() {
        return Err(Error::Inconsistent("the state update does not apply".into()));
    }
    Ok((applied, LazyExotic::new(&update)?))
}
