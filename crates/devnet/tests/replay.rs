//! The official emulator has run the contract tests by the devnet's configuration and every
//! message was written down (`clients/record.mjs`). The devnet must make the same transactions and
//! the same accounts of them, bit by bit.

use std::collections::HashMap;

use devnet::exec::{Config, Moment, Outcome, run};
use serde::Deserialize;
use tycho_types::models::{MsgInfo, ShardAccount, StdAddr};
use tycho_types::prelude::*;

#[derive(Deserialize)]
struct Head {
    config: String,
}

#[derive(Deserialize)]
struct Case {
    now: u32,
    lt: String,
    seed: String,
    account: String,
    boc: Option<String>,
    message: String,
    transaction: Option<String>,
    after: Option<String>,
    exit: Option<i32>,
}

#[test]
fn every_recorded_message_ends_as_in_the_official_emulator() {
    let recorded = include_str!("recorded.jsonl");
    let mut lines = recorded.lines();
    let head: Head = serde_json::from_str(lines.next().unwrap()).unwrap();
    let root = Boc::decode_base64(head.config).unwrap();
    let mut accounts: HashMap<String, Cell> = HashMap::new();
    let (mut made, mut refused) = (0, 0);
    for (number, line) in lines.enumerate() {
        let case: Case = serde_json::from_str(line).unwrap();
        let config = Config::parse(root.clone(), case.now).unwrap();
        if let Some(boc) = &case.boc {
            accounts.insert(case.account.clone(), Boc::decode_base64(boc).unwrap());
        }
        let account = accounts[&case.account].parse::<ShardAccount>().unwrap();
        let message = Boc::decode_base64(&case.message).unwrap();
        let address = destination(&message);
        let lt: u64 = case.lt.parse().unwrap();
        let mut rand_seed = HashBytes::ZERO;
        hex::decode_to_slice(&case.seed, rand_seed.as_mut_slice()).unwrap();
        let moment = Moment {
            now: case.now,
            block_lt: lt - lt % 1_000_000,
            min_lt: lt,
            rand_seed,
            prev_mc_block: None,
        };
        match run(&config, moment, &address, &account, message).unwrap() {
            Outcome::Done(output) => {
                let transaction = output.transaction.inner().repr_hash().to_string();
                assert_eq!(Some(transaction), case.transaction, "message {number}");
                let after = CellBuilder::build_from(&output.new_state).unwrap();
                let hash = after.repr_hash().to_string();
                assert_eq!(Some(&hash), case.after.as_ref(), "message {number}");
                accounts.insert(hash, after);
                made += 1;
            }
            Outcome::NotAccepted { exit_code } => {
                assert_eq!(case.transaction, None, "message {number}");
                assert_eq!(exit_code, case.exit, "message {number}");
                refused += 1;
            }
        }
    }
    assert!(made > 50 && refused > 0, "{made} transactions, {refused} refusals");
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
