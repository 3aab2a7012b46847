//! What a liteserver can say about an account, true and false.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

mod common;

use common::{ABSENT, TON, UNINIT, World};
use lite::{AccountState, AccountStatus, AccountView, BlockId, ProofError, Query, verify_account};
use tycho_types::{
    boc::Boc,
    cell::{Cell, CellBuilder},
    merkle::MerkleProof,
    models::OptionalAccount,
    num::Tokens,
};

/// A chain, its last block, and a true answer about its first wallet.
fn answered(address: Option<[u8; 32]>) -> (World, BlockId, AccountState, [u8; 32]) {
    let mut world = World::new(1);
    let address = address.unwrap_or(world.wallets[0].address());
    let block = world.last_block();
    let answer = world.account_state(block, address);
    (world, block, answer, address)
}

#[test]
fn accounts_of_every_kind_are_proven_to_be_what_the_chain_says() {
    let mut world = World::new(1);
    for address in
        [world.wallets[0].address(), world.wallets[7].address(), world.chain.faucet(), UNINIT]
    {
        let truth = world.chain.account(&address).unwrap();
        let seqno = world.chain.seqno();
        let view = world.verified(address).unwrap();
        assert_eq!((view.block_seqno, view.gen_utime), (seqno, world.now));
        assert_eq!((view.lt, view.last_trans_hash), (truth.last_lt, truth.last_hash));
        assert_eq!(view.balance, truth.balance);
        match view.state {
            AccountStatus::Active { code_hash, code, data } => {
                assert_eq!(
                    (Some(code_hash), Some(code), Some(data)),
                    (truth.code_hash, truth.code, truth.data)
                );
            }
            state => assert_eq!((state, truth.code), (AccountStatus::Uninit, None)),
        }
    }
}

#[test]
fn an_account_that_does_not_exist_is_proven_not_to() {
    let mut world = World::new(1);
    let (block_seqno, gen_utime) = (world.chain.seqno(), world.now);
    let absent = AccountView {
        block_seqno,
        gen_utime,
        lt: 0,
        last_trans_hash: [0; 32],
        balance: 0,
        state: AccountStatus::Absent,
    };
    for n in 0..50 {
        assert_eq!(
            world.verified([n; 32]).is_ok_and(|view| view == absent),
            [n; 32] != UNINIT,
            "{n}"
        );
    }
}

#[test]
fn every_change_of_a_byte_is_refused_or_changes_nothing() {
    let mut random = fastrand::Rng::with_seed(1);
    for address in [None, Some(UNINIT), Some(ABSENT)] {
        let (_, block, answer, address) = answered(address);
        let truth = verify_account(&block, &answer, &address).unwrap();
        let lengths = [answer.shard_proof.len(), answer.proof.len(), answer.state.len()];
        let mut refused = 0;
        for (field, length) in lengths.into_iter().enumerate() {
            for at in 0..length {
                for bit in [random.u8(..8), random.u8(..8)] {
                    let mut changed = answer.clone();
                    let bytes = match field {
                        0 => &mut changed.shard_proof,
                        1 => &mut changed.proof,
                        _ => &mut changed.state,
                    };
                    bytes[at] ^= 1 << bit;
                    match verify_account(&block, &changed, &address) {
                        Ok(view) => assert_eq!(view, truth, "field {field} byte {at} bit {bit}"),
                        Err(_) => refused += 1,
                    }
                }
            }
        }
        let changes = 2 * lengths.iter().sum::<usize>();
        assert!(refused * 10 > changes * 9, "{refused} of {changes} refused");
    }
}

#[test]
fn every_truncation_is_refused() {
    let (_, block, answer, address) = answered(None);
    for (field, length) in
        [answer.shard_proof.len(), answer.proof.len(), answer.state.len()].into_iter().enumerate()
    {
        for length in 0..length {
            let mut changed = answer.clone();
            match field {
                0 => changed.shard_proof.truncate(length),
                1 => changed.proof.truncate(length),
                _ => changed.state.truncate(length),
            }
            assert!(verify_account(&block, &changed, &address).is_err());
        }
    }
}

#[test]
fn a_forged_balance_is_refused() {
    let (_, block, mut answer, address) = answered(None);
    let mut account: OptionalAccount = Boc::decode(&answer.state).unwrap().parse().unwrap();
    account.0.as_mut().unwrap().balance.tokens = Tokens::new(1_000_000 * TON);
    answer.state = Boc::encode(CellBuilder::build_from(&account).unwrap());
    assert_eq!(verify_account(&block, &answer, &address), Err(ProofError::Hash("account state")));
}

#[test]
fn a_state_that_is_pruned_or_missing_or_invented_is_refused() {
    let (_, block, answer, address) = answered(None);
    let withheld = AccountState { state: Vec::new(), ..answer.clone() };
    assert_eq!(verify_account(&block, &withheld, &address), Err(ProofError::Withheld));

    let (_, block, absent, nobody) = answered(Some(ABSENT));
    let invented = AccountState { state: answer.state.clone(), ..absent };
    assert_eq!(verify_account(&block, &invented, &nobody), Err(ProofError::Invented));

    // The right hash, but code and data are cut off.
    let root = Boc::decode(&answer.state).unwrap();
    let kept = std::collections::HashSet::from([*root.repr_hash()]);
    let pruned = MerkleProof::create(root.as_ref(), kept);
    let pruned = pruned.build().unwrap().cell;
    assert_eq!(pruned.hash(0), root.repr_hash());
    let pruned = AccountState { state: Boc::encode(pruned), ..answer };
    let (_, block, ..) = answered(None);
    assert_eq!(verify_account(&block, &pruned, &address), Err(ProofError::Hash("account state")));
}

#[test]
fn another_accounts_answer_is_refused() {
    let mut world = World::new(1);
    let block = world.last_block();
    let addresses: Vec<_> =
        world.wallets.iter().map(|wallet| wallet.address()).chain([UNINIT, ABSENT]).collect();
    for asked in &addresses {
        for given in addresses.iter().filter(|given| *given != asked) {
            let answer = world.account_state(block, *given);
            assert!(verify_account(&block, &answer, asked).is_err());
        }
    }
}

#[test]
fn an_older_or_newer_block_is_refused() {
    let (mut world, old, stale, address) = answered(None);
    world.pay(0, UNINIT, TON);
    let new = world.last_block();
    let fresh = world.account_state(new, address);
    assert_ne!(verify_account(&old, &stale, &address), verify_account(&new, &fresh, &address));

    let (asked, got) = (new.seqno, old.seqno);
    assert_eq!(verify_account(&new, &stale, &address), Err(ProofError::OtherBlock { asked, got }));
    // The same, called new.
    let renamed = AccountState { block: new, ..stale.clone() };
    assert_eq!(verify_account(&new, &renamed, &address), Err(ProofError::Hash("block header")));
    // The new masterchain block with the old shard block.
    let mixed = AccountState { shard_proof: fresh.shard_proof.clone(), ..renamed };
    assert_eq!(verify_account(&new, &mixed, &address), Err(ProofError::OtherShard));
    let mixed = AccountState { shard_block: fresh.shard_block, ..mixed };
    assert_eq!(verify_account(&new, &mixed, &address), Err(ProofError::Hash("block header")));
    // Block ids that only pretend to belong to the hash.
    for block in [
        BlockId { seqno: old.seqno + 1, ..old },
        BlockId { workchain: 0, ..old },
        BlockId { shard: old.shard >> 1, ..old },
    ] {
        let answer = AccountState { block, ..stale.clone() };
        assert!(verify_account(&block, &answer, &address).is_err());
    }
}

#[test]
fn a_chain_of_somebodys_own_is_refused() {
    let mut theirs = World::new(2);
    let (mut ours, block, _, address) = answered(None);
    theirs.chain.pay(address, 1_000_000 * TON);
    while theirs.chain.seqno() < ours.chain.seqno() {
        theirs.round();
    }
    let their_block = theirs.last_block();
    let answer = theirs.account_state(their_block, address);
    assert!(verify_account(&their_block, &answer, &address).is_ok());
    let answer = AccountState { block, ..answer };
    assert_eq!(verify_account(&block, &answer, &address), Err(ProofError::Hash("block header")));
    assert!(ours.verified(address).is_ok());
}

#[test]
fn proofs_in_each_others_places_are_refused() {
    let (_, block, answer, address) = answered(None);
    let AccountState { shard_proof, proof, state, .. } = answer.clone();
    let bags = [shard_proof, proof, state];
    for (a, b, c) in
        [(0, 0, 2), (1, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2, 1), (2, 2, 2), (0, 1, 1), (0, 1, 0)]
    {
        let (shard_proof, proof, state) = (bags[a].clone(), bags[b].clone(), bags[c].clone());
        let shuffled = AccountState { shard_proof, proof, state, ..answer.clone() };
        assert!(verify_account(&block, &shuffled, &address).is_err());
    }
    // Roots without their proof cells, and roots swapped.
    let roots = |bytes: &[u8]| -> (Cell, Cell) { Boc::decode_pair(bytes).unwrap() };
    let (header, state) = roots(&answer.proof);
    let bare = |cell: &Cell| cell.reference_cloned(0).unwrap();
    for pair in
        [(state.clone(), header.clone()), (bare(&header), state.clone()), (header, bare(&state))]
    {
        let changed = AccountState { proof: Boc::encode_pair(pair), ..answer.clone() };
        assert!(verify_account(&block, &changed, &address).is_err());
    }
}

#[test]
fn garbage_never_panics() {
    let (_, block, answer, address) = answered(None);
    let mut random = fastrand::Rng::with_seed(4);
    let mut garble = |bytes: &mut Vec<u8>| match random.u8(..4) {
        0 => *bytes = (0..random.usize(..200)).map(|_| random.u8(..)).collect(),
        1 => bytes.truncate(random.usize(..bytes.len())),
        _ => {
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
        }
    };
    for _ in 0..5000 {
        let mut changed = answer.clone();
        garble(&mut changed.shard_proof);
        assert!(
            verify_account(&block, &changed, &address).is_err()
                || changed.shard_proof == answer.shard_proof
        );
        let mut changed = answer.clone();
        garble(&mut changed.proof);
        garble(&mut changed.state);
        let _ = verify_account(&block, &changed, &address);
    }
}

#[test]
fn a_get_method_and_a_refusal_are_read() {
    let (mut world, block, _, address) = answered(None);
    let query = Query::RunMethod {
        block,
        address,
        method: lite::query::method_id("seqno"),
        stack: Vec::new(),
    };
    match world.ask(&query) {
        lite::Answer::MethodResult { block: at, exit_code: 0, stack } => {
            assert_eq!(at, block);
            assert!(!stack.is_empty());
        }
        other => panic!("{other:?}"),
    }
    let unknown = BlockId { root_hash: [0; 32], ..block };
    match world.ask(&Query::AccountState { block: unknown, address }) {
        lite::Answer::Error { message, .. } => assert!(!message.is_empty()),
        other => panic!("{other:?}"),
    }
}
