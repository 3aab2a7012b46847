//! The official emulator has run the contract tests, and `npm run record` in `contracts/` has
//! written down what it made of their messages, by a snapshot of the chain's configuration and by
//! the devnet's own. The devnet must make the same transactions and the same accounts of them, bit
//! by bit: exit codes, gas, fees, balances, out messages, states. What differs is listed below.
//!
//! ```text
//! case$0 config:uint8 now:uint32 lt:uint64 before:^ShardAccount exit_code:(Maybe int32)
//!        message:^Message = Case;
//! case$1 config:uint8 now:uint32 lt:uint64 before:^ShardAccount transaction:^Transaction after:^ShardAccount = Case;
//! recorded#_ configs:(HashmapE 8 ^Config) cases:(HashmapE 16 ^Case) = Recorded;
//! ```

use std::collections::{BTreeMap, BTreeSet};

use devnet::exec::{Config, Moment, Outcome, run};
use tycho_types::models::{
    AccountState, ComputePhase, HashUpdate, Message, MsgInfo, ShardAccount, StdAddr, Transaction,
    TxInfo,
};
use tycho_types::prelude::*;

/// All there is. No transaction differs in gas.
///
/// The virtual machine here ends in 4 (integer overflow) where the network's ends in 5 (range
/// check): when an amount is stored that is too large for its field. All else is equal then, too.
const DIFFERENCES: [&str; 1] = ["593e3893: exit code 5 in the emulator, 4 here"];

/// One message and what became of it.
struct Case {
    config: Cell,
    now: u32,
    lt: u64,
    before: ShardAccount,
    message: Cell,
    made: Made,
}

enum Made {
    Transaction { transaction: Cell, after: Cell },
    Refusal { exit_code: Option<i32> },
}

/// What a reader of a failure wants to see side by side; the hashes decide.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Summary {
    exit_code: Option<i32>,
    gas: u64,
    steps: u32,
    action_code: Option<i32>,
    fees: u128,
    balance: u128,
    out_messages: Vec<HashBytes>,
    state: HashUpdate,
}

#[test]
fn every_recorded_message_ends_as_in_the_official_emulator() {
    let mut exit_codes = BTreeSet::new();
    let mut differences = BTreeSet::new();
    let (mut made, mut refused) = (0, 0);
    for (number, case) in recorded().into_iter().enumerate() {
        let config = Config::parse(case.config, case.now).unwrap();
        let moment = Moment {
            now: case.now,
            block_lt: case.lt - case.lt % 1_000_000,
            min_lt: case.lt,
            rand_seed: HashBytes([7; 32]),
            prev_mc_block: None,
        };
        let address = destination(&case.message);
        let outcome = run(&config, moment, &address, &case.before, case.message.clone()).unwrap();
        match (outcome, case.made) {
            (Outcome::Done(output), Made::Transaction { transaction, after }) => {
                let our_transaction = output.transaction.inner();
                let our_account = CellBuilder::build_from(&output.new_state).unwrap();
                let ours = summary(our_transaction, &our_account);
                let theirs = summary(&transaction, &after);
                if ours.exit_code == theirs.exit_code {
                    assert_eq!(ours, theirs, "message {number}");
                    assert_eq!(our_transaction, &transaction, "message {number}");
                    assert_eq!(our_account, after, "message {number}");
                } else {
                    let exit_code = theirs.exit_code;
                    assert_eq!(Summary { exit_code, ..ours.clone() }, theirs, "message {number}");
                    differences.insert(difference(&case.message, &ours, &theirs));
                }
                exit_codes.extend(theirs.exit_code);
                made += 1;
            }
            (Outcome::NotAccepted { exit_code: ours }, Made::Refusal { exit_code }) => {
                assert_eq!(ours, exit_code, "message {number}");
                exit_codes.extend(exit_code);
                refused += 1;
            }
            (Outcome::Done(_), Made::Refusal { exit_code }) => {
                panic!("message {number} was accepted; the emulator refuses it with {exit_code:?}")
            }
            (Outcome::NotAccepted { exit_code }, Made::Transaction { .. }) => {
                panic!("message {number} was not accepted, exit code {exit_code:?}")
            }
        }
    }
    println!("{made} transactions, {refused} refusals; differences: {differences:#?}");
    assert!(differences.iter().eq(&DIFFERENCES), "not the known differences: {differences:#?}");
    assert!(made > 500 && refused > 3, "{made} transactions, {refused} refusals");
    for (name, code) in error_codes() {
        assert!(exit_codes.contains(&code), "no message was recorded that ends in {name}");
    }
}

#[test]
fn the_recording_is_of_the_contracts_as_they_are_now() {
    let hashes = include_str!("../../../contracts/build/hashes.json");
    for case in recorded() {
        let account = case.before.load_account().unwrap();
        let code = match account.map(|account| account.state) {
            Some(AccountState::Active(state)) => state.code,
            _ => case.message.parse::<Message<'_>>().unwrap().init.and_then(|init| init.code),
        };
        let Some(code) = code else { continue };
        assert!(
            hashes.contains(&code.repr_hash().to_string()),
            "recorded.boc is of other code: run `npm run record` in contracts/ and commit the file"
        );
    }
}

fn recorded() -> Vec<Case> {
    let root = Boc::decode(include_bytes!("recorded.boc")).unwrap();
    let mut slice = root.as_slice().unwrap();
    let configs = Dict::<u8, Cell>::load_from(&mut slice).unwrap();
    let cases = Dict::<u16, Cell>::load_from(&mut slice).unwrap();
    let configs: BTreeMap<u8, Cell> = configs.iter().map(Result::unwrap).collect();
    cases.values().map(|cell| case(&cell.unwrap(), &configs)).collect()
}

fn case(cell: &Cell, configs: &BTreeMap<u8, Cell>) -> Case {
    let mut slice = cell.as_slice().unwrap();
    let accepted = slice.load_bit().unwrap();
    let config = configs[&slice.load_u8().unwrap()].clone();
    let now = slice.load_u32().unwrap();
    let lt = slice.load_u64().unwrap();
    let before = slice.load_reference_cloned().unwrap().parse::<ShardAccount>().unwrap();
    let (message, made) = if accepted {
        let transaction = slice.load_reference_cloned().unwrap();
        let after = slice.load_reference_cloned().unwrap();
        let message = transaction.parse::<Transaction>().unwrap().in_msg.unwrap();
        (message, Made::Transaction { transaction, after })
    } else {
        // Code that did not run, for want of TON, has none.
        let ran = slice.load_bit().unwrap();
        let exit_code = ran.then(|| slice.load_u32().unwrap().cast_signed());
        (slice.load_reference_cloned().unwrap(), Made::Refusal { exit_code })
    };
    Case { config, now, lt, before, message, made }
}

fn summary(transaction: &Cell, after: &Cell) -> Summary {
    let account = after.parse::<ShardAccount>().unwrap().load_account().unwrap();
    let transaction = transaction.parse::<Transaction>().unwrap();
    let TxInfo::Ordinary(info) = transaction.load_info().unwrap() else {
        panic!("an ordinary transaction")
    };
    let (exit_code, gas, steps) = match info.compute_phase {
        ComputePhase::Executed(phase) => {
            (Some(phase.exit_code), phase.gas_used.into_inner(), phase.vm_steps)
        }
        ComputePhase::Skipped(_) => (None, 0, 0),
    };
    Summary {
        exit_code,
        gas,
        steps,
        action_code: info.action_phase.map(|phase| phase.result_code),
        fees: transaction.total_fees.tokens.into_inner(),
        balance: account.map_or(0, |account| account.balance.tokens.into_inner()),
        out_messages: transaction
            .out_msgs
            .values()
            .map(|cell| *cell.unwrap().repr_hash())
            .collect(),
        state: transaction.state_update.load().unwrap(),
    }
}

fn difference(message: &Cell, ours: &Summary, theirs: &Summary) -> String {
    let body = message.parse::<Message<'_>>().unwrap().body;
    let op = body.get_u32(0).unwrap();
    let (there, here) = (theirs.exit_code.unwrap(), ours.exit_code.unwrap());
    format!("{op:08x}: exit code {there} in the emulator, {here} here")
}

/// Name and number of every exit code that the channel itself has.
fn error_codes() -> Vec<(&'static str, i32)> {
    let source = include_str!("../../../contracts/src/errors.tolk");
    let lines = source.lines().filter_map(|line| line.strip_prefix("const "));
    lines
        .map(|line| line.split_once(" = ").unwrap())
        .map(|(name, code)| (name, code.parse().unwrap()))
        .collect()
}

fn destination(message: &Cell) -> StdAddr {
    let info = message.parse::<MsgInfo>().unwrap();
    let address = match &info {
        MsgInfo::Int(info) => info.dst.as_std(),
        MsgInfo::ExtIn(info) => info.dst.as_std(),
        MsgInfo::ExtOut(_) => None,
    };
    address.unwrap().clone()
}
