//! An account's transactions, from the proven last one backwards.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::{TON, UNINIT, World};
use lite::{Cursor, History, ProofError, verify_transactions};
use tycho_types::{
    boc::Boc,
    cell::{Cell, CellBuilder},
    models::Transaction,
};

/// A wallet with some history, and its last transaction.
fn busy() -> (World, [u8; 32], Cursor) {
    let mut world = World::new(1);
    for n in 1..6 {
        world.pay(0, UNINIT, n * TON);
    }
    let address = world.wallets[0].address();
    let view = world.verified(address).unwrap();
    (world, address, Cursor { lt: view.lt, hash: view.last_trans_hash })
}

#[test]
fn the_whole_history_is_walked_in_stretches_of_any_length() {
    for count in [1, 2, 3, 16] {
        let (mut world, address, last) = busy();
        let truth = world.chain.history(&address, 100).unwrap();
        let (mut next, mut walked) = (Some(last), Vec::new());
        while let Some(from) = next {
            let answer = world.transactions(address, from, count);
            let History { transactions, before } =
                verify_transactions(from, &address, &answer).unwrap();
            walked.extend(transactions);
            next = before;
        }
        assert_eq!(walked.len(), truth.len());
        for (walked, truth) in walked.iter().zip(&truth) {
            assert_eq!((walked.lt, walked.time, &walked.cell), (truth.lt, truth.now, &truth.cell));
            assert_eq!(walked.hash, walked.cell.repr_hash().0);
        }
    }
}

#[test]
fn a_transaction_that_is_left_out_leaves_a_gap_that_is_seen() {
    let (mut world, address, last) = busy();
    let answer = world.transactions(address, last, 2);
    let (newest, second) = Boc::decode_pair(&answer).unwrap();
    let before = verify_transactions(last, &address, &answer).unwrap().before.unwrap();
    let older = world.transactions(address, before, 2);
    let (third, _) = Boc::decode_pair(&older).unwrap();

    let skipped = Boc::encode_pair((newest.clone(), third));
    assert_eq!(verify_transactions(last, &address, &skipped), Err(ProofError::Hash("transaction")));
    let reversed = Boc::encode_pair((second.clone(), newest.clone()));
    assert_eq!(
        verify_transactions(last, &address, &reversed),
        Err(ProofError::Hash("transaction"))
    );
    let begun_late = Boc::encode(second);
    assert_eq!(
        verify_transactions(last, &address, &begun_late),
        Err(ProofError::Hash("transaction"))
    );
    assert_eq!(verify_transactions(last, &address, &[]), Err(ProofError::Gap(last.lt)));
    // One instead of two is no lie: the rest is known to be missing.
    let short = verify_transactions(last, &address, &Boc::encode(newest)).unwrap();
    assert_eq!(short.transactions.len(), 1);
    assert!(short.before.is_some_and(|before| before.lt < last.lt));
}

#[test]
fn a_changed_transaction_is_refused() {
    let (mut world, address, last) = busy();
    let answer = world.transactions(address, last, 1);
    let mut transaction: Transaction = Boc::decode(&answer).unwrap().parse().unwrap();
    transaction.now += 1;
    let changed: Cell = CellBuilder::build_from(&transaction).unwrap();
    assert_eq!(
        verify_transactions(last, &address, &Boc::encode(changed)),
        Err(ProofError::Hash("transaction"))
    );
    let truth = verify_transactions(last, &address, &answer).unwrap();
    for at in 0..answer.len() {
        for bit in 0..8 {
            let mut changed = answer.clone();
            changed[at] ^= 1 << bit;
            if let Ok(history) = verify_transactions(last, &address, &changed) {
                assert_eq!(history, truth, "byte {at} bit {bit}");
            }
        }
    }
}

#[test]
fn another_accounts_history_and_a_wrong_lt_are_refused() {
    let (mut world, address, last) = busy();
    let answer = world.transactions(address, last, 4);
    let other = world.wallets[1].address();
    assert_eq!(verify_transactions(last, &other, &answer), Err(ProofError::OtherAccount));
    let elsewhere = Cursor { lt: last.lt + 1, ..last };
    assert_eq!(
        verify_transactions(elsewhere, &address, &answer),
        Err(ProofError::Incomplete("transaction"))
    );
}

#[test]
fn nothing_may_follow_the_accounts_first_transaction() {
    let (mut world, address, last) = busy();
    let whole = world.transactions(address, last, 100);
    let first = verify_transactions(last, &address, &whole).unwrap();
    assert_eq!(first.before, None);
    let oldest = first.transactions.last().unwrap();
    let from = Cursor { lt: oldest.lt, hash: oldest.hash };
    let more = Boc::encode_pair((oldest.cell.clone(), first.transactions[0].cell.clone()));
    assert_eq!(verify_transactions(from, &address, &more), Err(ProofError::Hash("transaction")));
}
