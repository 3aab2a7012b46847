//! What happened, for people and tests: transactions, messages and accounts as plain values, with
//! a one-line text for the log.

use core::fmt;

use tycho_types::models::{
    Account, AccountState, AccountStatus, BouncePhase, ComputePhase, IntAddr, Message, MsgInfo,
    Transaction, TxInfo,
};
use tycho_types::prelude::*;

use crate::error::Result;

/// The first four bytes of a hash or address, enough for a log.
pub struct Short<'a>(pub &'a [u8; 32]);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Nanoton written as TON, without trailing zeros.
pub struct Ton(pub u128);

impl fmt::Display for Ton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, nano) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let fraction = format!("{nano:09}");
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            digits => write!(f, "{whole}.{digits}"),
        }
    }
}

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// From outside the chain to an account.
    ExternalIn,
    /// Between accounts.
    Internal {
        /// It wants to come back if it cannot be processed.
        bounce: bool,
        /// It is such a message on its way back.
        bounced: bool,
    },
    /// From an account to nobody on the chain: a log entry.
    ExternalOut,
}

/// A message.
#[derive(Debug, Clone)]
pub struct MessageView {
    /// How it travels.
    pub kind: MessageKind,
    /// Representation hash of the message cell.
    pub hash: [u8; 32],
    /// The sending account, for internal messages and logs.
    pub source: Option<[u8; 32]>,
    /// The receiving account, for internal messages and those from outside.
    pub destination: Option<[u8; 32]>,
    /// Money it carries, in nanoton.
    pub value: u128,
    /// Nanoton paid to forward it that have not been handed out yet.
    pub forward_fee: u128,
    /// First 32 bits of the body (of the original body, if bounced).
    pub op: Option<u32>,
    /// The body as a cell of its own.
    pub body: Cell,
    /// Logical time at which it was made; 0 from outside.
    pub created_lt: u64,
}

impl MessageView {
    /// Reads a message cell.
    pub fn load(cell: &Cell) -> Result<Self> {
        let message = cell.parse::<Message<'_>>()?;
        let account = |address: &IntAddr| address.as_std().map(|std| std.address.0);
        let mut body = message.body;
        let mut view = Self {
            kind: MessageKind::ExternalIn,
            hash: cell.repr_hash().0,
            source: None,
            destination: None,
            value: 0,
            forward_fee: 0,
            op: None,
            body: CellBuilder::build_from(body)?,
            created_lt: 0,
        };
        match &message.info {
            MsgInfo::ExtIn(info) => view.destination = account(&info.dst),
            MsgInfo::Int(info) => {
                view.kind = MessageKind::Internal { bounce: info.bounce, bounced: info.bounced };
                view.source = account(&info.src);
                view.destination = account(&info.dst);
                view.value = info.value.tokens.into_inner();
                view.forward_fee = info.fwd_fee.into_inner();
                view.created_lt = info.created_lt;
                if info.bounced {
                    // A bounced body opens with 32 ones, then the original body.
                    body.load_u32().ok();
                }
            }
            MsgInfo::ExtOut(info) => {
                view.kind = MessageKind::ExternalOut;
                view.source = account(&info.src);
                view.created_lt = info.created_lt;
            }
        }
        view.op = body.load_u32().ok();
        Ok(view)
    }
}

impl fmt::Display for MessageView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            // Wallets put a signature where others put an op.
            MessageKind::ExternalIn => return f.write_str("external"),
            MessageKind::ExternalOut => f.write_str("log")?,
            MessageKind::Internal { bounced, .. } => {
                write!(f, "{}{} TON", if bounced { "bounced " } else { "" }, Ton(self.value))?;
            }
        }
        match self.op {
            Some(op) => write!(f, " op {op:#010x}"),
            None => Ok(()),
        }
    }
}

/// A transaction: one message on one account.
#[derive(Debug, Clone)]
pub struct TransactionView {
    /// The account.
    pub account: [u8; 32],
    /// Representation hash of the transaction cell.
    pub hash: [u8; 32],
    /// Logical time.
    pub lt: u64,
    /// Unix seconds of its block.
    pub now: u32,
    /// The message it processed.
    pub message: MessageView,
    /// Exit code of the code; `None` if none ran.
    pub exit_code: Option<i32>,
    /// Why no code ran, in words.
    pub skipped: Option<&'static str>,
    /// Result of the action phase; 0 is success, `None` if it did not come to that.
    pub action_code: Option<i32>,
    /// Neither state nor messages of the code took effect.
    pub aborted: bool,
    /// The message went back.
    pub bounced: bool,
    /// Gas units.
    pub gas_used: u64,
    /// Nanoton that left the chain's accounts: gas, rent, the first part of forwarding.
    pub fees: u128,
    /// Nanoton of the fees that are rent, for storage since the transaction before.
    pub rent: u128,
    /// Messages sent, in order.
    pub out: Vec<MessageView>,
    /// The account does not exist any more, or does now.
    pub status: (AccountStatus, AccountStatus),
    /// The transaction cell.
    pub cell: Cell,
}

impl TransactionView {
    /// Reads a transaction cell.
    pub fn load(cell: &Cell) -> Result<Self> {
        let transaction = cell.parse::<Transaction>()?;
        let in_msg = transaction.in_msg.as_ref().ok_or(tycho_types::error::Error::InvalidData)?;
        let mut view = Self {
            account: transaction.account.0,
            hash: cell.repr_hash().0,
            lt: transaction.lt,
            now: transaction.now,
            message: MessageView::load(in_msg)?,
            exit_code: None,
            skipped: None,
            action_code: None,
            aborted: false,
            bounced: false,
            gas_used: 0,
            fees: transaction.total_fees.tokens.into_inner(),
            rent: 0,
            out: Vec::new(),
            status: (transaction.orig_status, transaction.end_status),
            cell: cell.clone(),
        };
        for message in transaction.out_msgs.values() {
            view.out.push(MessageView::load(&message?)?);
        }
        if let TxInfo::Ordinary(info) = transaction.load_info()? {
            view.aborted = info.aborted;
            view.rent =
                info.storage_phase.map_or(0, |phase| phase.storage_fees_collected.into_inner());
            view.bounced = matches!(info.bounce_phase, Some(BouncePhase::Executed(_)));
            view.action_code = info.action_phase.map(|phase| phase.result_code);
            match info.compute_phase {
                ComputePhase::Executed(phase) => {
                    view.exit_code = Some(phase.exit_code);
                    view.gas_used = phase.gas_used.into_inner();
                }
                ComputePhase::Skipped(phase) => view.skipped = Some(skip_reason(phase.reason)),
            }
        }
        Ok(view)
    }

    /// Code ran to its end (or none was asked for) and every action was carried out.
    pub fn succeeded(&self) -> bool {
        !self.aborted
    }
}

fn skip_reason(reason: tycho_types::models::ComputePhaseSkipReason) -> &'static str {
    use tycho_types::models::ComputePhaseSkipReason::{BadState, NoGas, NoState, Suspended};
    match reason {
        NoState => "no code",
        BadState => "wrong StateInit",
        NoGas => "no money for gas",
        Suspended => "suspended",
    }
}

impl fmt::Display for TransactionView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Short(&self.account))?;
        match &self.message.source {
            Some(source) => write!(f, " <- {} {}", Short(source), self.message)?,
            None => write!(f, " <- {}", self.message)?,
        }
        match (self.exit_code, self.skipped) {
            (Some(code), _) => write!(f, " | exit {code} gas {}", self.gas_used)?,
            (None, Some(reason)) => write!(f, " | {reason}")?,
            (None, None) => {}
        }
        match self.action_code {
            None | Some(0) => {}
            Some(code) => write!(f, " action {code}")?,
        }
        write!(f, " fees {}", Ton(self.fees))?;
        match self.status {
            (before, after) if before == after => {}
            (before, after) => write!(f, " {} -> {}", status(before), status(after))?,
        }
        for (i, message) in self.out.iter().enumerate() {
            f.write_str(if i == 0 { " | " } else { ", " })?;
            match &message.destination {
                Some(destination) => write!(f, "-> {} {message}", Short(destination))?,
                None => write!(f, "-> {message}")?,
            }
        }
        Ok(())
    }
}

fn status(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Uninit => "uninit",
        AccountStatus::Frozen => "frozen",
        AccountStatus::Active => "active",
        AccountStatus::NotExists => "absent",
    }
}

/// A message from outside that got into no block.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Representation hash of the message cell.
    pub hash: [u8; 32],
    /// Where it wanted to go.
    pub account: [u8; 32],
    /// Exit code of the contract, when its code ran.
    pub exit_code: Option<i32>,
    /// Why, in words.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <- external refused: {}", Short(&self.account), self.reason)
    }
}

/// One round: a shard block and the masterchain block over it.
#[derive(Debug, Clone)]
pub struct Round {
    /// Seqno of both blocks.
    pub seqno: u32,
    /// Unix seconds of both blocks.
    pub now: u32,
    /// All transactions, in the order they happened.
    pub transactions: Vec<TransactionView>,
    /// Messages from outside that waited and got into no block.
    pub refused: Vec<Refusal>,
}

/// An account as of the last block.
#[derive(Debug, Clone)]
pub struct AccountView {
    /// Nanoton.
    pub balance: u128,
    /// Active, uninit or frozen.
    pub status: AccountStatus,
    /// Code of an active account.
    pub code: Option<Cell>,
    /// Representation hash of the code.
    pub code_hash: Option<[u8; 32]>,
    /// Storage of an active account.
    pub data: Option<Cell>,
    /// Logical time of the last transaction; 0 if there was none.
    pub last_lt: u64,
    /// Hash of the last transaction; zero if there was none.
    pub last_hash: [u8; 32],
}

impl AccountView {
    pub(crate) fn new(account: &Account, last_lt: u64, last_hash: HashBytes) -> Self {
        let (code, data) = match &account.state {
            AccountState::Active(state) => (state.code.clone(), state.data.clone()),
            AccountState::Uninit | AccountState::Frozen(_) => (None, None),
        };
        Self {
            balance: account.balance.tokens.into_inner(),
            status: account.state.status(),
            code_hash: code.as_ref().map(|code| code.repr_hash().0),
            code,
            data,
            last_lt,
            last_hash: last_hash.0,
        }
    }
}
