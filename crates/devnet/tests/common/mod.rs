//! A small chain with wallets, and contracts of a few instructions.

#![allow(dead_code, unreachable_pub)]

pub mod client;

use devnet::{Chain, Genesis, GenesisAccount, Round, TransactionView, Transfer, Wallet};
use tycho_asm_macros::tvmasm;
use tycho_types::models::StateInit;
use tycho_types::prelude::*;

pub const START: u32 = 1_790_000_000;
pub const TON: u128 = 1_000_000_000;

/// The wallet that the project's contracts come with.
pub fn wallet_code() -> Cell {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/build/wallet.code.boc");
    Boc::decode(std::fs::read(path).unwrap()).unwrap()
}

/// A chain, its wallets and the seqno each of them uses next.
pub struct World {
    pub chain: Chain,
    pub wallets: Vec<Wallet>,
    pub now: u32,
}

impl World {
    /// Wallets with 1000 TON each.
    pub fn new(wallets: u32) -> Self {
        Self::with(wallets, Vec::new())
    }

    pub fn with(wallets: u32, accounts: Vec<GenesisAccount>) -> Self {
        let mut genesis = genesis(wallets);
        genesis.accounts.extend(accounts);
        let wallets = (0..wallets).map(|i| genesis.wallet(i).unwrap()).collect();
        Self { chain: Chain::genesis(genesis).unwrap(), wallets, now: START }
    }

    pub fn round(&mut self) -> Round {
        self.now += 1;
        self.chain.produce(self.now).unwrap()
    }

    pub fn seqno(&self, wallet: usize) -> u32 {
        let account = self.chain.account(&self.wallets[wallet].address()).unwrap();
        Wallet::seqno(&account.data.unwrap()).unwrap()
    }

    pub fn signed(&self, wallet: usize, transfers: &[Transfer]) -> Vec<u8> {
        self.wallets[wallet].sign(self.seqno(wallet), self.now + 60, transfers).unwrap()
    }

    /// One round with transfers out of one wallet.
    pub fn transfer(&mut self, wallet: usize, transfers: &[Transfer]) -> Vec<TransactionView> {
        let boc = self.signed(wallet, transfers);
        self.chain.send(&boc).unwrap();
        let round = self.round();
        assert!(round.refused.is_empty(), "{:?}", round.refused);
        round.transactions
    }

    pub fn balance(&self, address: &[u8; 32]) -> u128 {
        self.chain.account(address).map_or(0, |account| account.balance)
    }
}

pub fn genesis(wallets: u32) -> Genesis {
    Genesis::new([7; 32], START, wallet_code()).with_wallets(wallets, 1000 * TON).unwrap()
}

/// A StateInit with code and empty data, and its address.
pub fn contract(code: &[u8]) -> (StateInit, [u8; 32]) {
    let state = StateInit {
        code: Some(Boc::decode(code).unwrap()),
        data: Some(Cell::empty_cell()),
        ..Default::default()
    };
    let address = CellBuilder::build_from(&state).unwrap().repr_hash().0;
    (state, address)
}

/// A contract that exists from the beginning.
pub fn at_genesis(code: &[u8], balance: u128) -> (GenesisAccount, [u8; 32]) {
    let (state, address) = contract(code);
    let state_init = Some(CellBuilder::build_from(&state).unwrap());
    (GenesisAccount { address, balance, state_init }, address)
}

/// Throws 77 whatever comes.
pub const THROWER: &[u8] = tvmasm!("THROW 77");
/// Takes whatever comes.
pub const TAKER: &[u8] = tvmasm!("NOP");
/// Sends all it has to itself, for ever.
pub const ENDLESS: &[u8] = tvmasm!(
    r#"
    PUSHINT 24
    NEWC
    STU 6
    MYADDR
    STSLICER
    PUSHINT 0
    STGRAMS
    PUSHINT 0
    STUR 107
    ENDC
    PUSHINT 128
    SENDRAWMSG
    "#
);
/// Sends 1 TON to an account of the masterchain.
pub const TO_MASTERCHAIN: &[u8] = tvmasm!(
    r#"
    PUSHINT 24
    NEWC
    STU 6
    PUSHINT 1279
    STUR 11
    PUSHINT 0
    STUR 256
    PUSHINT 1000000000
    STGRAMS
    PUSHINT 0
    STUR 107
    ENDC
    PUSHINT 0
    SENDRAWMSG
    "#
);
/// Writes a log entry.
pub const LOGGER: &[u8] = tvmasm!(
    r#"
    PUSHINT 48
    NEWC
    STU 6
    PUSHINT 0
    STUR 98
    ENDC
    PUSHINT 0
    SENDRAWMSG
    "#
);
/// Its only get method, under every name, adds one.
pub const INCREMENT: &[u8] = tvmasm!("DROP INC");
