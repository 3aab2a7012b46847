//! An account's past, one transaction hanging on the next by hash.
//!
//! The proven state of an account names its last transaction. Each transaction contains the hash of the one before, so
//! from a proven start backwards nothing can be left out, added or changed without a hash that does not fit.

use alloc::vec::Vec;

use tycho_types::{cell::Cell, models};

use crate::{ProofError, bag};

/// The most transactions taken from one answer.
const MOST: usize = 256;

/// A transaction by its place in the account's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub lt: u64,
    pub hash: [u8; 32],
}

/// A stretch of an account's past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Newest first, without gaps.
    pub transactions: Vec<Transaction>,
    /// The transaction before the oldest one here; ask for it next. `None` if there is none: the account began here.
    pub before: Option<Cursor>,
}

/// One transaction that was proven to have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub lt: u64,
    pub hash: [u8; 32],
    /// Unix seconds.
    pub time: u32,
    pub cell: Cell,
    /// The fields of `cell`.
    pub content: models::Transaction,
}

/// Checks a server's answer to [`Query::Transactions`](crate::Query::Transactions).
///
/// `from` is the transaction that was asked for: the last one of a verified account, or [`History::before`] of a
/// verified stretch. `bytes` is the bag of cells of the answer. A server may give fewer transactions than asked for,
/// but not none: that is [`ProofError::Gap`].
pub fn verify_transactions(
    from: Cursor,
    address: &[u8; 32],
    bytes: &[u8],
) -> Result<History, ProofError> {
    if bytes.is_empty() {
        return Err(ProofError::Gap(from.lt));
    }
    let mut transactions = Vec::new();
    let mut next = Some(from);
    for cell in bag::parse(bytes, 1, MOST)? {
        let expected = next.ok_or(ProofError::Hash("transaction"))?;
        let transaction = one(expected, address, cell)?;
        let (lt, hash) = (transaction.content.prev_trans_lt, transaction.content.prev_trans_hash.0);
        // Time runs one way; a chain that does not would be followed for ever.
        if lt >= transaction.lt {
            return Err(ProofError::Incomplete("transaction"));
        }
        next = (lt != 0).then_some(Cursor { lt, hash });
        transactions.push(transaction);
    }
    Ok(History { transactions, before: next })
}

fn one(expected: Cursor, address: &[u8; 32], cell: Cell) -> Result<Transaction, ProofError> {
    const WHAT: &str = "transaction";
    if cell.level() != 0 || cell.repr_hash().0 != expected.hash {
        return Err(ProofError::Hash(WHAT));
    }
    let content: models::Transaction = cell.parse().map_err(|_| ProofError::Incomplete(WHAT))?;
    if content.account.0 != *address {
        return Err(ProofError::OtherAccount);
    }
    if content.lt != expected.lt {
        return Err(ProofError::Incomplete(WHAT));
    }
    Ok(Transaction { lt: content.lt, hash: expected.hash, time: content.now, cell, content })
}
