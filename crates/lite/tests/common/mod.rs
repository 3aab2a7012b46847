//! A local chain with a few accounts, and a liteserver of it without a socket.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

use devnet::{Chain, Genesis, Transfer, Wallet};
use lite::{AccountState, AccountView, Answer, BlockId, ProofError, Query, verify_account};
use tycho_types::{boc::Boc, cell::Cell};

pub const START: u32 = 1_790_000_000;
pub const TON: u128 = 1_000_000_000;
/// Somebody with money and no contract.
pub const UNINIT: [u8; 32] = [0x55; 32];
/// Nobody.
pub const ABSENT: [u8; 32] = [0x77; 32];

pub struct World {
    pub chain: Chain,
    pub wallets: Vec<Wallet>,
    pub now: u32,
}

impl World {
    /// A chain with 20 wallets and some history. `seed` tells chains apart.
    pub fn new(seed: u8) -> Self {
        let genesis =
            Genesis::new([seed; 32], START, wallet_code()).with_wallets(20, 100 * TON).unwrap();
        let wallets = (0..20).map(|n| genesis.wallet(n).unwrap()).collect();
        let mut world = Self { chain: Chain::genesis(genesis).unwrap(), wallets, now: START };
        world.pay(0, UNINIT, 3 * TON);
        world.pay(0, world.wallets[1].address(), TON);
        world
    }

    pub fn round(&mut self) {
        self.now += 1;
        assert!(self.chain.produce(self.now).unwrap().refused.is_empty());
    }

    /// One round in which a wallet pays.
    pub fn pay(&mut self, wallet: usize, to: [u8; 32], nano: u128) {
        let data = self.chain.account(&self.wallets[wallet].address()).unwrap().data.unwrap();
        let seqno = Wallet::seqno(&data).unwrap();
        let boc =
            self.wallets[wallet].sign(seqno, self.now + 60, &[Transfer::plain(to, nano)]).unwrap();
        self.chain.send(&boc).unwrap();
        self.round();
    }

    pub fn ask(&mut self, query: &Query) -> Answer {
        let answer = Answer::parse(&self.chain.answer(&query.to_bytes())).unwrap();
        assert!(query.fits(&answer), "{answer:?}");
        answer
    }

    pub fn last_block(&mut self) -> BlockId {
        match self.ask(&Query::MasterchainInfo) {
            Answer::MasterchainInfo { last, .. } => last,
            other => panic!("{other:?}"),
        }
    }

    pub fn account_state(&mut self, block: BlockId, address: [u8; 32]) -> AccountState {
        match self.ask(&Query::AccountState { block, address }) {
            Answer::AccountState(state) => state,
            other => panic!("{other:?}"),
        }
    }

    /// The account in the latest block, with everything checked.
    pub fn verified(&mut self, address: [u8; 32]) -> Result<AccountView, ProofError> {
        let block = self.last_block();
        verify_account(&block, &self.account_state(block, address), &address)
    }

    pub fn transactions(&mut self, address: [u8; 32], from: lite::Cursor, count: u32) -> Vec<u8> {
        match self.ask(&Query::Transactions { address, lt: from.lt, hash: from.hash, count }) {
            Answer::Transactions { transactions, .. } => transactions,
            other => panic!("{other:?}"),
        }
    }
}

/// The wallet that the project's contracts come with.
fn wallet_code() -> Cell {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/build/wallet.code.boc");
    Boc::decode(std::fs::read(path).unwrap()).unwrap()
}
