//! The chain as its library user sees it: messages in, transactions out.

mod common;

use common::*;
use devnet::{
    Chain, Error, GenesisAccount, MAX_CASCADE, MessageKind, Prices, Round, SUPPLY, StackItem,
    Transfer, Unreadable,
};
use tycho_types::models::AccountStatus;
use tycho_types::prelude::*;

fn bouncing(to: [u8; 32], nano: u128) -> Transfer {
    Transfer { bounce: true, ..Transfer::plain(to, nano) }
}

/// What the validators took in a round: fees of transactions, and the rest of every forward fee.
fn fees(round: &Round) -> u128 {
    round.transactions.iter().map(|t| t.fees + t.message.forward_fee).sum()
}

#[test]
fn a_transfer_arrives_and_every_nanoton_of_it_is_accounted_for() {
    let mut world = World::new(2);
    let (from, to) = (world.wallets[0].address(), world.wallets[1].address());
    let done = world.transfer(0, &[Transfer::plain(to, 3 * TON)]);
    assert_eq!(done.len(), 2);
    assert_eq!((done[0].account, done[0].exit_code), (from, Some(0)));
    assert_eq!((done[1].account, done[1].message.value), (to, 3 * TON));
    assert_eq!(done[1].message.source, Some(from));
    let forward = done[1].message.forward_fee;
    assert_eq!(world.balance(&from), 1000 * TON - 3 * TON - done[0].fees - forward);
    assert_eq!(world.balance(&to), 1003 * TON - done[1].fees);
    // 400 000 to forward a message of one cell, a third of it for the sender's side.
    assert_eq!(forward, 266_669);
}

#[test]
fn the_log_line_of_a_transaction_tells_its_story() {
    let mut world = World::new(1);
    let done = world.transfer(0, &[bouncing([9; 32], TON)]);
    let lines: Vec<String> = done.iter().map(ToString::to_string).collect();
    let wallet = hex::encode(&world.wallets[0].address()[..4]);
    assert!(lines[0].starts_with(&format!("{wallet} <- external | exit 0 gas ")), "{}", lines[0]);
    assert!(lines[0].ends_with("| -> 09090909 1 TON"), "{}", lines[0]);
    assert!(lines[1].starts_with(&format!("09090909 <- {wallet} 1 TON | no code")), "{}", lines[1]);
    assert!(lines[2].contains("<- 09090909 bounced 0.99"), "{}", lines[2]);
}

#[test]
fn the_same_genesis_and_calls_make_the_same_blocks() {
    let run = || {
        let mut world = World::new(3);
        for i in 0..5 {
            let to = world.wallets[(i + 1) % 3].address();
            world.transfer(i % 3, &[Transfer::plain(to, TON)]);
        }
        // liteServer.getMasterchainInfo
        world.chain.answer(&0x89b5_e62e_u32.to_le_bytes())
    };
    assert_eq!(run(), run());
}

#[test]
fn money_is_neither_made_nor_lost_over_random_transfers() {
    let (thrower, thrower_address) = at_genesis(THROWER, TON);
    let mut world = World::with(8, vec![thrower]);
    let mut random = fastrand::Rng::with_seed(5);
    let mut owners: Vec<[u8; 32]> = world.wallets.iter().map(|w| w.address()).collect();
    owners.extend([thrower_address, [0xab; 32], [0xcd; 32], world.chain.faucet()]);
    let mut collected = 0;
    for _ in 0..150 {
        // From seconds to months: rent is collected, too.
        world.now += random.u32(0..10_000_000);
        world.chain.advance(world.now).unwrap();
        for wallet in 0..8 {
            if random.u8(..) < 100 {
                let transfers: Vec<_> = (0..random.usize(1..5))
                    .map(|_| Transfer {
                        bounce: random.bool(),
                        ..Transfer::plain(
                            owners[random.usize(..owners.len())],
                            // Often more than there is.
                            10u128.pow(random.u32(0..13)) * u128::from(random.u32(1..10)),
                        )
                    })
                    .collect();
                let boc = world.signed(wallet, &transfers);
                // A wallet that paid everything away cannot even pay for the message.
                let _ = world.chain.send(&boc);
            }
        }
        let round = world.round();
        collected += fees(&round);
        let owned: u128 = owners.iter().map(|owner| world.balance(owner)).sum();
        assert_eq!(owned + collected, SUPPLY, "after round {}", round.seqno);
    }
    assert!(collected > TON / 10, "the run must have done something");
}

#[test]
fn a_message_to_a_contract_that_throws_comes_back() {
    let (thrower, address) = at_genesis(THROWER, TON);
    let mut world = World::with(1, vec![thrower]);
    let done = world.transfer(0, &[bouncing(address, 5 * TON)]);
    assert_eq!(done.len(), 3);
    assert_eq!((done[1].exit_code, done[1].bounced, done[1].aborted), (Some(77), true, true));
    assert_eq!(done[2].message.kind, MessageKind::Internal { bounce: false, bounced: true });
    let lost = 5 * TON - done[2].message.value;
    assert!(lost < TON / 100, "bouncing costs {lost}");
    // It paid a second's rent, and nothing else.
    assert_eq!(world.balance(&address), TON - 1);
}

#[test]
fn a_message_to_nobody_comes_back_or_stays_as_it_asks() {
    let mut world = World::new(1);
    let done = world.transfer(0, &[bouncing([1; 32], TON), Transfer::plain([2; 32], TON)]);
    assert_eq!(done.len(), 4);
    assert!(world.chain.account(&[1; 32]).is_none());
    let account = world.chain.account(&[2; 32]).unwrap();
    assert_eq!((account.balance, account.status), (TON, AccountStatus::Uninit));
    assert!(account.code_hash.is_none() && account.data.is_none());
}

#[test]
fn a_state_init_in_a_message_deploys_a_contract() {
    let mut world = World::new(1);
    let (state, address) = contract(TAKER);
    let deploy = Transfer { state_init: Some(state.clone()), ..bouncing(address, TON) };
    let done = world.transfer(0, &[deploy]);
    assert_eq!(done[1].status, (AccountStatus::NotExists, AccountStatus::Active));
    let account = world.chain.account(&address).unwrap();
    assert_eq!(account.code_hash, Some(state.code.unwrap().repr_hash().0));
    assert_eq!((account.last_lt, account.last_hash), (done[1].lt, done[1].hash));

    // Under another address the same StateInit deploys nothing, and the money returns.
    let wrong = Transfer { state_init: Some(contract(TAKER).0), ..bouncing([3; 32], TON) };
    let done = world.transfer(0, &[wrong]);
    assert_eq!((done[1].skipped, done[1].bounced), (Some("wrong StateInit"), true));
}

#[test]
fn a_message_from_outside_that_nobody_accepts_is_refused_with_the_reason() {
    let (thrower, thrower_address) = at_genesis(THROWER, TON);
    let poor = GenesisAccount { address: [5; 32], balance: TON, state_init: None };
    let mut world = World::with(1, vec![thrower, poor]);
    let wallet = world.wallets[0].clone();
    let refusal = |world: &mut World, boc: &[u8]| match world.chain.send(boc) {
        Err(Error::Refused { cause, .. }) => (cause.exit_code(), cause.to_string()),
        other => panic!("{other:?}"),
    };
    // Exit codes are those of the wallet contract: seqno and time of validity.
    let future = wallet.sign(1, START + 60, &[]).unwrap();
    assert_eq!(refusal(&mut world, &future).0, Some(133));
    let expired = wallet.sign(0, START, &[]).unwrap();
    assert_eq!(refusal(&mut world, &expired).0, Some(136));

    let external = |address: [u8; 32]| {
        use tycho_types::models::{ExtInMsgInfo, OwnedMessage, StdAddr};
        let dst = StdAddr::new(0, HashBytes(address)).into();
        let message = OwnedMessage {
            info: ExtInMsgInfo { dst, ..Default::default() }.into(),
            init: None,
            body: Cell::empty_cell().into(),
            layout: None,
        };
        Boc::encode(CellBuilder::build_from(message).unwrap())
    };
    assert_eq!(refusal(&mut world, &external(thrower_address)).0, Some(77));
    let (code, reason) = refusal(&mut world, &external([6; 32]));
    assert_eq!((code, reason.as_str()), (None, "the account does not exist: it needs money first"));
    let (code, reason) = refusal(&mut world, &external([5; 32]));
    assert!(code.is_none() && reason.contains("no StateInit"), "{reason}");
    assert_eq!(world.chain.waiting(), 0);
}

#[test]
fn bytes_that_are_no_message_are_refused_and_change_nothing() {
    let mut world = World::new(1);
    let good = world.signed(0, &[]);
    let mut random = fastrand::Rng::with_seed(6);
    let mut refused = 0;
    for i in 0..3000 {
        let mut bytes = good.clone();
        if i % 3 == 0 {
            bytes = std::iter::repeat_with(|| random.u8(..)).take(i % 200).collect();
        } else {
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
        }
        refused += u32::from(world.chain.send(&bytes).is_err());
    }
    assert!(refused > 2900, "{refused}");
    let too_big = vec![0; devnet::MAX_EXTERNAL_BYTES + 1];
    assert!(matches!(world.chain.send(&too_big), Err(Error::Unreadable(Unreadable::TooLarge))));
    // What was not refused is the very message, or differs in what nobody reads.
    let before = world.chain.seqno();
    let round = world.round();
    assert_eq!(round.seqno, before + 1);
    assert!(round.transactions.len() <= 1);
}

#[test]
fn of_two_messages_with_one_seqno_the_second_is_refused_in_the_round() {
    let mut world = World::new(2);
    let to = world.wallets[1].address();
    for nano in [TON, 2 * TON] {
        let boc = world.signed(0, &[Transfer::plain(to, nano)]);
        world.chain.send(&boc).unwrap();
        // Sent twice, it waits once.
        world.chain.send(&boc).unwrap();
    }
    assert_eq!(world.chain.waiting(), 2);
    let round = world.round();
    assert_eq!(round.transactions.len(), 2);
    assert_eq!(round.refused.len(), 1);
    assert_eq!(round.refused[0].exit_code, Some(133));
    assert_eq!(world.balance(&to), 1001 * TON - round.transactions[1].fees);
}

#[test]
fn the_clock_moves_forward_only() {
    let mut world = World::new(1);
    world.chain.produce(START + 10).unwrap();
    let back = world.chain.produce(START + 9);
    assert!(matches!(back, Err(Error::ClockBack { asked, at })
        if asked == START + 9 && at == START + 10));
    assert_eq!((world.chain.seqno(), world.chain.now()), (1, START + 10));
    // Several rounds in one second are fine, and so is a jump of a year.
    world.chain.produce(START + 10).unwrap();
    assert_eq!(world.chain.produce(START + 10 + 31_536_000).unwrap().now, START + 31_536_010);
    assert!(world.chain.advance(START).is_err());
}

#[test]
fn contracts_that_never_stop_cannot_stop_the_chain() {
    let (endless, address) = at_genesis(ENDLESS, 100_000 * TON);
    let mut world = World::with(2, vec![endless]);
    let to = world.wallets[0].address();
    let start = world.signed(0, &[bouncing(address, TON)]);
    let other = world.signed(1, &[Transfer::plain(to, TON)]);
    world.chain.send(&start).unwrap();
    world.chain.send(&other).unwrap();
    let round = world.round();
    assert_eq!(round.refused.len(), 1);
    assert_eq!(round.refused[0].account, world.wallets[0].address());
    assert!(round.refused[0].reason.contains(&MAX_CASCADE.to_string()));
    assert_eq!(round.transactions.len(), 2, "the other message is in the block");
    assert_eq!(world.balance(&address), 100_000 * TON, "as if it had never been sent");
}

#[test]
fn nobody_can_pay_for_a_message_to_the_masterchain() {
    let (sender, address) = at_genesis(TO_MASTERCHAIN, 10 * TON);
    let mut world = World::with(1, vec![sender]);
    let done = world.transfer(0, &[bouncing(address, TON)]);
    assert_eq!(done.len(), 2);
    assert_eq!((done[1].exit_code, done[1].action_code), (Some(0), Some(37)));
    assert!(done[1].to_string().contains("action 37"), "{}", done[1]);
    assert!(world.balance(&address) > 10 * TON, "the money is where it was");
}

#[test]
fn a_log_entry_of_a_contract_is_seen() {
    let (logger, address) = at_genesis(LOGGER, TON);
    let mut world = World::with(1, vec![logger]);
    let done = world.transfer(0, &[bouncing(address, TON)]);
    assert_eq!(done[1].out.len(), 1);
    assert_eq!(done[1].out[0].kind, MessageKind::ExternalOut);
    assert!(done[1].to_string().ends_with("| -> log"), "{}", done[1]);
}

#[test]
fn a_get_method_takes_arguments_and_answers() {
    let (increment, address) = at_genesis(INCREMENT, TON);
    let world = World::with(1, vec![increment]);
    let answer = world.chain.get_method(&address, "any", vec![StackItem::int(41)]).unwrap();
    assert_eq!((answer.exit_code, answer.stack), (0, vec![StackItem::int(42)]));
    let seqno = world.chain.get_method(&world.wallets[0].address(), "seqno", vec![]).unwrap();
    assert_eq!(seqno.stack, vec![StackItem::int(0)]);
    let wrong = world.chain.get_method(&world.wallets[0].address(), "nothing", vec![]).unwrap();
    assert_eq!(wrong.exit_code, 11);
    let nobody = world.chain.get_method(&[1; 32], "seqno", vec![]);
    assert!(matches!(nobody, Err(Error::NoCode(_))));
}

#[test]
fn the_faucet_pays_many_in_one_round() {
    let mut world = World::new(0);
    for i in 1..=20 {
        world.chain.pay([i; 32], u128::from(i) * TON);
    }
    let round = world.round();
    assert!(round.refused.is_empty());
    for i in 1..=20 {
        assert_eq!(world.balance(&[i; 32]), u128::from(i) * TON);
    }
    world.chain.pay([1; 32], TON);
    world.round();
    // Less a second's rent.
    assert_eq!(world.balance(&[1; 32]), 2 * TON - 1);
}

#[test]
fn the_history_of_an_account_leads_back_to_its_first_transaction() {
    let mut world = World::new(2);
    let to = world.wallets[1].address();
    let mut hashes = Vec::new();
    for _ in 0..5 {
        hashes.insert(0, world.transfer(0, &[Transfer::plain(to, TON)])[1].hash);
        world.round();
    }
    let history = world.chain.history(&to, 100).unwrap();
    assert_eq!(history.iter().map(|t| t.hash).collect::<Vec<_>>(), hashes);
    assert_eq!(world.chain.history(&to, 2).unwrap().len(), 2);
    assert!(world.chain.history(&[1; 32], 10).unwrap().is_empty());
}

#[test]
fn prices_are_what_the_genesis_says() {
    let fee = |prices: Prices| {
        let mut genesis = genesis(1);
        genesis.prices = prices;
        let wallet = genesis.wallet(0).unwrap();
        let mut chain = Chain::genesis(genesis).unwrap();
        let boc = wallet.sign(0, START + 60, &[Transfer::plain([1; 32], TON)]).unwrap();
        chain.send(&boc).unwrap();
        let done = chain.produce(START + 1).unwrap().transactions;
        (done[0].gas_used, done[0].fees, done[1].message.forward_fee)
    };
    let (gas, full, forward) = fee(Prices::default());
    let (same_gas, sixth, forward_sixth) = fee(Prices::default().divided_by(6.try_into().unwrap()));
    assert_eq!(gas, same_gas);
    assert!(full.abs_diff(sixth * 6) < 600, "{full} {sixth}");
    assert!(forward.abs_diff(forward_sixth * 6) < 6, "{forward} {forward_sixth}");
}

#[test]
fn a_genesis_cannot_hand_out_more_than_there_is_or_one_address_twice() {
    let rich = GenesisAccount { address: [1; 32], balance: SUPPLY + 1, state_init: None };
    let mut too_much = genesis(0);
    too_much.accounts.push(rich.clone());
    assert!(matches!(Chain::genesis(too_much), Err(Error::Genesis(_))));
    let mut twice = genesis(0);
    let account = GenesisAccount { balance: TON, ..rich };
    twice.accounts.extend([account.clone(), account]);
    assert!(matches!(Chain::genesis(twice), Err(Error::Genesis(_))));
}
