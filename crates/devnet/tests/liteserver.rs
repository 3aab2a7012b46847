//! The liteserver without its socket: queries in, answers out, everything checked.

mod common;

use adnl::tl::{Reader, Writer};
use common::client::*;
use common::*;
use devnet::{SUPPLY, Transfer, method_id};
use tycho_types::models::{
    AccountState, BlockId, ShardDescription, ShardStateUnsplit, Transaction,
};
use tycho_types::prelude::*;

const GET_MASTERCHAIN_INFO: u32 = 0x89b5_e62e;

/// Five rounds with transfers, and one empty.
fn busy_world() -> World {
    let mut world = World::new(3);
    for i in 0..5 {
        let to = world.wallets[(i + 1) % 3].address();
        world.transfer(i % 3, &[Transfer::plain(to, TON), Transfer::plain([0xee; 32], TON)]);
    }
    world.round();
    world
}

fn last(world: &mut World) -> BlockId {
    masterchain_info(&world.chain.answer(&Writer::boxed(GET_MASTERCHAIN_INFO).finish())).0
}

/// `liteServer.lookupBlock` by seqno.
fn lookup(world: &mut World, workchain: i32, seqno: u32) -> Option<BlockId> {
    let query = Writer::boxed(0xfac8_f71e)
        .int(1)
        .int(workchain.cast_unsigned())
        .long(1 << 63)
        .int(seqno)
        .finish();
    let answer = world.chain.answer(&query);
    let mut reader = Reader::new(&answer);
    reader.expect(0x752d_8219).ok()?;
    Some(read_block(&mut reader))
}

fn get_block(world: &mut World, id: &BlockId) -> tycho_types::models::Block {
    let answer = world.chain.answer(&write_block(Writer::boxed(0x6377_cf0d), id).finish());
    verify_block(&answer, id)
}

#[test]
fn an_account_state_is_proven_down_from_the_masterchain_block() {
    let mut world = busy_world();
    // Also as of every earlier block.
    for seqno in 1..=world.chain.seqno() {
        let id = lookup(&mut world, -1, seqno).unwrap();
        for wallet in 0..3 {
            let address = world.wallets[wallet].address();
            let answer = world.chain.answer(&get_account_state(&id, &address));
            let account = verify_account(&answer, &id, &address).unwrap();
            assert!(matches!(account.state, AccountState::Active(_)));
            if seqno == world.chain.seqno() {
                let balance = account.balance.tokens.into_inner();
                assert_eq!(balance, world.balance(&address));
            }
        }
    }
    let id = last(&mut world);
    let answer = world.chain.answer(&get_account_state(&id, &[1; 32]));
    assert!(verify_account(&answer, &id, &[1; 32]).is_none());
}

#[test]
fn a_changed_proof_does_not_verify() {
    let mut world = busy_world();
    let id = last(&mut world);
    let address = world.wallets[0].address();
    let honest = world.chain.answer(&get_account_state(&id, &address));
    let other = world.chain.answer(&get_account_state(&id, &world.wallets[1].address()));
    assert!(std::panic::catch_unwind(|| verify_account(&other, &id, &address)).is_err());
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..50 {
        let mut changed = honest.clone();
        let at = random.usize(164..changed.len());
        changed[at] ^= 1 << random.u32(..8);
        let verified = std::panic::catch_unwind(|| verify_account(&changed, &id, &address));
        // A flip may hit padding or a field that nobody reads; then it says the same.
        if let Ok(account) = verified {
            assert_eq!(account, verify_account(&honest, &id, &address));
        }
    }
}

#[test]
fn every_block_links_forward_from_the_key_block_by_a_signature() {
    let mut world = busy_world();
    let key_block = lookup(&mut world, -1, 1).unwrap();
    for seqno in 2..=world.chain.seqno() {
        let target = lookup(&mut world, -1, seqno).unwrap();
        let query = write_block(Writer::boxed(0x8aea_9c44).int(1), &key_block);
        let answer = world.chain.answer(&write_block(query, &target).finish());
        verify_forward_link(&answer, &key_block, &target);
        // The next block carries the same signature.
        if let Some(next) = lookup(&mut world, -1, seqno + 1) {
            assert_eq!(carried_signatures(&get_block(&mut world, &next)).len(), 1);
        }
    }
}

#[test]
fn links_lead_from_any_block_to_any_other() {
    let mut world = busy_world();
    for from in 0..=world.chain.seqno() {
        for to in 0..=world.chain.seqno() {
            let zero = {
                let info = world.chain.answer(&Writer::boxed(GET_MASTERCHAIN_INFO).finish());
                let mut reader = Reader::new(&info);
                reader.take(4 + 80 + 32 + 4).unwrap();
                BlockId {
                    shard: tycho_types::models::ShardIdent::MASTERCHAIN,
                    seqno: 0,
                    root_hash: HashBytes(reader.int256().unwrap()),
                    file_hash: HashBytes(reader.int256().unwrap()),
                }
            };
            let mut id = |seqno| match seqno {
                0 => zero,
                seqno => lookup(&mut world, -1, seqno).unwrap(),
            };
            let (from_id, to_id) = (id(from), id(to));
            let query = write_block(Writer::boxed(0x8aea_9c44).int(1), &from_id);
            let answer = world.chain.answer(&write_block(query, &to_id).finish());
            let mut reader = Reader::new(&answer);
            reader.expect(0x8ed0_d2c1).unwrap();
            reader.take(4 + 160).unwrap();
            let steps = reader.int().unwrap();
            let expected = match (from, to) {
                (from, to) if from == to => 0,
                (from, to) if to < from || from < 2 => 1,
                _ => 2,
            };
            assert_eq!(steps, expected, "from {from} to {to}");
        }
    }
}

#[test]
fn applying_every_state_update_to_the_zerostate_gives_the_state_of_the_chain() {
    let mut world = busy_world();
    // The configuration names the basechain's zerostate, `liteServer.getState` hands it out.
    let first = lookup(&mut world, 0, 1).unwrap();
    let info = get_block(&mut world, &first).load_info().unwrap();
    let tycho_types::models::PrevBlockRef::Single(zero) = info.load_prev_ref().unwrap() else {
        panic!("one shard has one predecessor");
    };
    let zero = zero.as_block_id(first.shard);
    let answer = world.chain.answer(&write_block(Writer::boxed(0xba6e_2eb6), &zero).finish());
    let mut reader = Reader::new(&answer);
    reader.expect(0xabad_dc0c).unwrap();
    reader.take(80 + 64).unwrap();
    let mut state = Boc::decode(reader.bytes().unwrap()).unwrap();
    assert_eq!(*state.repr_hash(), zero.root_hash);

    let mut collected = 0;
    for seqno in 1..=world.chain.seqno() {
        let id = lookup(&mut world, 0, seqno).unwrap();
        let block = get_block(&mut world, &id);
        state = block.load_state_update().unwrap().apply(&state).unwrap();
        let flow = block.load_value_flow().unwrap();
        assert!(flow.validate().unwrap());
        collected += flow.fees_collected.tokens.into_inner();
        let parsed = state.parse::<ShardStateUnsplit>().unwrap();
        assert_eq!(parsed.total_balance.tokens.into_inner() + collected, SUPPLY);
        assert_eq!(parsed.total_validator_fees.tokens.into_inner(), collected);
    }
    assert!(collected > 0);
    let accounts = state.parse::<ShardStateUnsplit>().unwrap().load_accounts().unwrap();
    for wallet in &world.wallets {
        let (_, account) = accounts.get(HashBytes(wallet.address())).unwrap().unwrap();
        let ours = world.chain.shard_account(HashBytes(wallet.address())).unwrap().unwrap();
        assert_eq!(account.account.repr_hash(), ours.account.repr_hash());
    }
}

#[test]
fn transactions_are_listed_page_by_page_in_both_orders() {
    let mut world = World::new(4);
    for wallet in 0..4 {
        let transfers = vec![Transfer::plain([0xee; 32], TON); 3];
        let boc = world.signed(wallet, &transfers);
        world.chain.send(&boc).unwrap();
    }
    let round = world.round();
    let id = lookup(&mut world, 0, round.seqno).unwrap();
    let mut all: Vec<_> = round.transactions.iter().map(|t| (t.account, t.lt)).collect();
    all.sort();
    for reverse in [false, true] {
        let mut collected: Vec<([u8; 32], u64)> = Vec::new();
        loop {
            let after = collected.last().copied();
            let mode = 7 | 0x20 | u32::from(reverse) << 6 | u32::from(after.is_some()) << 7;
            let query = write_block(Writer::boxed(0xadfc_c7da), &id).int(mode).int(5);
            let query = match after {
                Some((account, lt)) => query.int256(&account).long(lt),
                None => query,
            };
            let answer = world.chain.answer(&query.finish());
            let mut reader = Reader::new(&answer);
            reader.expect(0xbd8c_ad2b).unwrap();
            assert_eq!(read_block(&mut reader), id);
            assert_eq!(reader.int().unwrap(), 5);
            let incomplete = reader.boolean().unwrap();
            for _ in 0..reader.int().unwrap() {
                assert_eq!(reader.int().unwrap(), 7);
                collected.push((reader.int256().unwrap(), reader.long().unwrap()));
                reader.int256().unwrap();
            }
            assert!(!reader.bytes().unwrap().is_empty());
            reader.finish().unwrap();
            if !incomplete {
                break;
            }
        }
        if reverse {
            collected.reverse();
        }
        assert_eq!(collected, all);
    }
}

#[test]
fn transactions_of_an_account_come_as_a_hash_chain() {
    let mut world = busy_world();
    let address = [0xee; 32];
    let account = world.chain.account(&address).unwrap();
    let query = |lt: u64, hash: &[u8; 32]| {
        Writer::boxed(0x1c40_e7a1).int(10).int(0).int256(&address).long(lt).int256(hash).finish()
    };
    let answer = world.chain.answer(&query(account.last_lt, &account.last_hash));
    let mut reader = Reader::new(&answer);
    reader.expect(0x6f26_c60b).unwrap();
    let count = reader.int().unwrap();
    assert_eq!(count, 5);
    let blocks: Vec<_> = (0..count).map(|_| read_block(&mut reader)).collect();
    let cells = roots(reader.bytes().unwrap());
    let (mut lt, mut hash) = (account.last_lt, HashBytes(account.last_hash));
    for (cell, block) in cells.iter().zip(&blocks) {
        assert_eq!(*cell.repr_hash(), hash);
        let transaction = cell.parse::<Transaction>().unwrap();
        assert_eq!(transaction.lt, lt);
        // The same transaction, proven against its block.
        let query = write_block(Writer::boxed(0xd40f_24ea), block).int(0).int256(&address);
        let one = world.chain.answer(&query.long(lt).finish());
        let mut reader = Reader::new(&one);
        reader.expect(0x0ede_ed47).unwrap();
        assert_eq!(read_block(&mut reader), *block);
        assert!(!reader.bytes().unwrap().is_empty());
        assert_eq!(Boc::decode(reader.bytes().unwrap()).unwrap().repr_hash(), cell.repr_hash());
        (lt, hash) = (transaction.prev_trans_lt, transaction.prev_trans_hash);
    }
    assert_eq!(lt, 0);
    // What is not there is refused as by the TON node.
    let last_lt = account.last_lt;
    let mut refused = |lt: u64| refusal(&world.chain.answer(&query(lt, &[0; 32])));
    assert_eq!(refused(last_lt), (-400, "transaction hash mismatch".into()));
    let text = "cannot locate transaction in block with specified logical time";
    assert_eq!(refused(77), (-400, text.into()));
    let text = "cannot compute block with specified transaction: \
                cannot find block (0,eeeeeeeeeeeeeeee) lt=99000000: lt not in db";
    assert_eq!(refused(99_000_000), (-400, text.into()));
    // From the beginning of time there is nothing to tell, which is no error.
    let answer = world.chain.answer(&query(0, &[0; 32]));
    assert_eq!(answer, Writer::boxed(0x6f26_c60b).int(0).bytes(&[]).finish());
}

#[test]
fn the_shard_of_a_prefix_comes_as_the_leaf_that_the_masterchain_keeps() {
    let mut world = busy_world();
    let (id, shard) = (last(&mut world), lookup(&mut world, 0, 6).unwrap());
    let mut ask = |workchain: i32, prefix: u64, exact: bool| {
        let query = write_block(Writer::boxed(0x46a2_f425), &id).int(workchain.cast_unsigned());
        let answer = world.chain.answer(&query.long(prefix).boolean(exact).finish());
        let mut reader = Reader::new(&answer);
        reader.expect(0x9fe6_cd84).unwrap();
        assert_eq!(read_block(&mut reader), id);
        let found = reader.take(80).unwrap().to_vec();
        let proof = roots(reader.bytes().unwrap());
        assert_eq!(proof.len(), 2);
        let leaf = reader.bytes().unwrap().to_vec();
        reader.finish().unwrap();
        (found, leaf)
    };
    let whole = 1 << 63;
    let (found, leaf) = ask(0, whole, true);
    assert_eq!(found, write_block(Writer::new(), &shard).finish());
    // bt_leaf$0 leaf:ShardDescr
    let leaf = Boc::decode(leaf).unwrap();
    let mut slice = leaf.as_slice().unwrap();
    assert!(!slice.load_bit().unwrap());
    let description = ShardDescription::load_from(&mut slice).unwrap();
    assert!(slice.is_empty());
    assert_eq!(description.as_block_id(shard.shard), shard);

    // Part of the shard: it is in there, but no shard of its own.
    assert_eq!(ask(0, 0x1234_0000_0000_0001, false).0, found);
    let mut nothing = Writer::new().int(0x8000_0000).finish();
    nothing.resize(80, 0);
    for (workchain, prefix, exact) in
        [(0, 1 << 62, true), (0, 0, false), (-1, whole, false), (7, whole, false)]
    {
        assert_eq!(ask(workchain, prefix, exact), (nothing.clone(), vec![]), "{workchain}");
    }
}

#[test]
fn a_message_is_refused_in_the_words_of_the_ton_node() {
    let mut world = busy_world();
    let mut send =
        |boc: &[u8]| refusal(&world.chain.answer(&Writer::boxed(0x690a_d482).bytes(boc).finish()));
    let prefix = "cannot apply external message to current state : ";
    let refused = |code: i32, text: &str| (code, format!("{prefix}{text}"));
    let wallet = &world.wallets[0];
    assert_eq!(send(b"no boc"), refused(0, "external message is not a valid bag of cells"));
    assert_eq!(
        send(&Boc::encode(Cell::empty_cell())),
        refused(0, "external message must begin with ext_in_msg_info$10")
    );
    let stranger = common::genesis(9).wallet(8).unwrap().sign(0, world.now + 60, &[]).unwrap();
    assert_eq!(send(&stranger), refused(0, "Failed to unpack account state"));
    let address = hex::encode_upper(wallet.address());
    assert_eq!(
        send(&wallet.sign(55, world.now + 60, &[]).unwrap()),
        refused(
            0,
            &format!(
                "External message was not accepted\nCannot run message on account: inbound \
                 external message rejected by transaction {address}:\nexitcode=133, gas_used=0"
            )
        )
    );
}

#[test]
fn a_get_method_runs_as_of_any_block() {
    let mut world = busy_world();
    let address = world.wallets[0].address();
    for seqno in 1..=world.chain.seqno() {
        let id = lookup(&mut world, -1, seqno).unwrap();
        let query = write_block(Writer::boxed(0x5cc6_5dd2).int(4), &id)
            .int(0)
            .int256(&address)
            .long(method_id("seqno").into())
            .bytes(&[])
            .finish();
        let answer = world.chain.answer(&query);
        let mut reader = Reader::new(&answer);
        reader.expect(0xa39a_616b).unwrap();
        reader.take(4 + 160).unwrap();
        assert_eq!(reader.int().unwrap(), 0);
        let stack = Boc::decode(reader.bytes().unwrap()).unwrap();
        let stack = stack.parse::<tycho_vm::Stack>().unwrap();
        // Wallet 0 paid in rounds 1 and 4.
        let expected = if seqno < 4 { 1 } else { 2 };
        assert_eq!(stack.items[0].as_int(), Some(&expected.into()));
    }
}

#[test]
fn what_the_server_cannot_answer_it_says_so() {
    let mut world = busy_world();
    let id = last(&mut world);
    let unknown = BlockId { root_hash: HashBytes([1; 32]), ..id };
    let address = [1; 32];
    let mut code = |query: Vec<u8>| error_code(&world.chain.answer(&query));
    assert_eq!(code(vec![]), Some(621));
    assert_eq!(code(Writer::boxed(0xdead_beef).finish()), Some(621));
    assert_eq!(code(get_account_state(&unknown, &address)), Some(651));
    assert_eq!(code(get_account_state(&id, &address)[..90].to_vec()), Some(621));
    assert_eq!(code([get_account_state(&id, &address), vec![0; 4]].concat()), Some(621));
    // waitMasterchainSeqno: a chain on its own does not wait.
    let wait = |seqno: u32| Writer::boxed(0xbaea_b892).int(seqno).int(1000);
    assert_eq!(code(wait(100).int(GET_MASTERCHAIN_INFO).finish()), Some(652));
    assert_eq!(code(wait(1).int(GET_MASTERCHAIN_INFO).finish()), None);
}

#[test]
fn no_query_makes_the_server_panic() {
    let mut world = busy_world();
    let id = last(&mut world);
    let shard = lookup(&mut world, 0, id.seqno).unwrap();
    let address = world.wallets[0].address();
    let queries: [u32; 25] = [
        0x89b5_e62e,
        0x70a6_71df,
        0x16ad_5a34,
        0x232b_940b,
        0x6377_cf0d,
        0xba6e_2eb6,
        0x21ec_069e,
        0xfac8_f71e,
        0x9c04_5ff8,
        0x74d3_fd6b,
        0x46a2_f425,
        0x911b_26b7,
        0x2a11_1c19,
        0xadfc_c7da,
        0x0079_dd5c,
        0x8aea_9c44,
        0x4ca6_0350,
        0x6b89_0e25,
        0x1c40_e7a1,
        0xd40f_24ea,
        0x5cc6_5dd2,
        0x690a_d482,
        0xd122_b662,
        0xbaea_b892,
        0x798c_06df,
    ];
    let good = [
        get_account_state(&id, &address),
        write_block(Writer::boxed(0x2a11_1c19).int(0), &id).int(2).int(8).int(34).finish(),
        write_block(Writer::boxed(0xadfc_c7da), &shard).int(39).int(10).finish(),
        write_block(write_block(Writer::boxed(0x8aea_9c44).int(1), &id), &id).finish(),
        write_block(Writer::boxed(0x5cc6_5dd2).int(7), &id)
            .int(0)
            .int256(&address)
            .long(method_id("seqno").into())
            .bytes(&Boc::encode(CellBuilder::build_from(tycho_vm::Stack::default()).unwrap()))
            .finish(),
        Writer::boxed(0xfac8_f71e).int(2).int(0).long(1 << 63).int(0).long(2_000_001).finish(),
    ];
    let mut random = fastrand::Rng::with_seed(3);
    let mut answered = 0;
    for _ in 0..10_000 {
        // Good queries with a few wrong bytes.
        let mut query = good[random.usize(..good.len())].clone();
        for _ in 0..random.usize(..3) {
            let at = random.usize(..query.len());
            query[at] = random.u8(..);
        }
        query.truncate(random.usize(query.len() - query.len() / 20..=query.len()));
        let answer = world.chain.answer(&query);
        answered += u32::from(error_code(&answer).is_none());
    }
    for _ in 0..10_000 {
        // Fields that mean something, in any order.
        let mut query = Writer::boxed(queries[random.usize(..queries.len())]);
        for _ in 0..random.usize(..7) {
            query = match random.u8(..9) {
                0 => write_block(query, &id),
                1 => write_block(query, &shard),
                2 => query.int(random.u32(..300)),
                3 => query.int(u32::MAX),
                4 => query.int(0).int256(&address),
                5 => query.long(random.u64(..) >> random.u32(..64)),
                6 => query.bytes(&Boc::encode(Cell::empty_cell())),
                7 => query.int(queries[random.usize(..queries.len())]),
                _ => query.bytes(&[7; 40][..random.usize(..40)]),
            };
        }
        let answer = world.chain.answer(&query.finish());
        answered += u32::from(error_code(&answer).is_none());
    }
    assert!(answered > 1000, "only {answered} of the queries made sense");
}
