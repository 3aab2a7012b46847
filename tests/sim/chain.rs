//! The chain of a world: the ledger's rules in Rust for the many runs, the contracts' real code for a few.

use std::collections::BTreeSet;

use channel::{amount::Nano, contract::Address};
use node::{config::Codes, io::ChainView};

use crate::ledger::Ledger;

/// What a world's machines send their externals to.
pub enum Chain {
    /// Rules without code.
    Rules(Box<Ledger>),
}

impl Chain {
    pub fn new(codes: &Codes) -> Self {
        Self::Rules(Box::new(Ledger::new(codes)))
    }

    pub fn submit(&mut self, boc: Vec<u8>) {
        match self {
            Self::Rules(ledger) => ledger.submit(boc),
        }
    }

    /// Makes one block at `now` (unix seconds) and says which accounts it changed.
    pub fn block(&mut self, now: u32) -> BTreeSet<Address> {
        match self {
            Self::Rules(ledger) => ledger.block(now),
        }
    }

    pub fn is_busy(&self) -> bool {
        match self {
            Self::Rules(ledger) => ledger.is_busy(),
        }
    }

    pub fn view(&self, address: Address, now: u32) -> ChainView {
        match self {
            Self::Rules(ledger) => ledger.view(address, now),
        }
    }

    pub fn faucet(&mut self, address: Address, amount: Nano) {
        match self {
            Self::Rules(ledger) => ledger.faucet(address, amount),
        }
    }

    pub fn take_log(&mut self) -> Vec<String> {
        match self {
            Self::Rules(ledger) => ledger.take_log(),
        }
    }
}
