//! The chain of a world: the ledger's rules in Rust for the many runs, the contracts' real code for a few.

use std::collections::BTreeSet;

use channel::{amount::Nano, cell::Cell, contract::Address};
use node::{
    config::Codes,
    io::{AccountView, ChainView},
};

use crate::ledger::{Ledger, deposits};

/// What a world's machines send their externals to.
pub enum Chain {
    /// Rules without code.
    Rules(Box<Ledger>),
    /// Real blocks, in which a TVM runs the real code.
    Devnet(Box<devnet::Chain>),
}

impl Chain {
    /// Rules without code.
    pub fn rules(codes: &Codes) -> Self {
        Self::Rules(Box::new(Ledger::new(codes)))
    }

    /// A local chain that begins at `now`, unix seconds.
    pub fn devnet(codes: &Codes, now: u32) -> Self {
        let genesis = devnet::Genesis::new([1; 32], now, codes.wallet.clone());
        let chain = devnet::Chain::genesis(genesis).expect("the local chain begins");
        Self::Devnet(Box::new(chain))
    }

    /// Takes an external message for the next block. Nobody is told when it is not accepted.
    pub fn submit(&mut self, boc: Vec<u8>, now: u32) -> Option<String> {
        match self {
            Self::Rules(ledger) => {
                ledger.submit(boc);
                None
            }
            Self::Devnet(chain) => {
                let _ = chain.advance(now.max(chain.now()));
                chain.send(&boc).err().map(|error| error.to_string())
            }
        }
    }

    /// Makes one block at `now` (unix seconds) and says which accounts it changed.
    pub fn block(&mut self, now: u32) -> (BTreeSet<Address>, Vec<String>) {
        match self {
            Self::Rules(ledger) => (ledger.block(now), ledger.take_log()),
            Self::Devnet(chain) => {
                let round = chain.produce(now.max(chain.now())).expect("the local chain goes on");
                let changed = round.transactions.iter().map(|transaction| transaction.account);
                let said = round.transactions.iter().map(|transaction| transaction.to_string());
                (changed.collect(), said.collect())
            }
        }
    }

    pub fn is_busy(&self) -> bool {
        match self {
            Self::Rules(ledger) => ledger.is_busy(),
            Self::Devnet(chain) => chain.waiting() > 0,
        }
    }

    pub fn view(&self, address: Address, now: u32) -> ChainView {
        match self {
            Self::Rules(ledger) => ledger.view(address, now),
            Self::Devnet(chain) => {
                let account = match chain.account(&address) {
                    Some(devnet::AccountView {
                        balance,
                        code_hash: Some(code_hash),
                        data: Some(data),
                        ..
                    }) => AccountView::Active { balance: Nano(balance), code_hash, data },
                    Some(account) => AccountView::Inactive { balance: Nano(account.balance) },
                    None => AccountView::Inactive { balance: Nano::ZERO },
                };
                ChainView { address, block: chain.seqno(), time: now, account }
            }
        }
    }

    pub fn balance(&self, address: Address) -> Nano {
        match self.view(address, 0).account {
            AccountView::Inactive { balance } | AccountView::Active { balance, .. } => balance,
        }
    }

    /// What the contract of a channel says its parties have put in: A, then B. `None`: it is not open.
    pub fn deposits(&self, address: Address) -> Option<[Nano; 2]> {
        deposits(&self.view(address, 0).account)
    }

    /// What a channel's contract holds beyond the deposits: its rent, and whatever got stuck there.
    pub fn surplus(&self, address: Address) -> Nano {
        let deposits = self.deposits(address).map_or(0, |[a, b]| a.0 + b.0);
        self.balance(address).saturating_sub(Nano(deposits))
    }

    /// Coins from the faucet.
    pub fn faucet(&mut self, address: Address, amount: Nano) {
        match self {
            Self::Rules(ledger) => ledger.faucet(address, amount),
            Self::Devnet(chain) => chain.pay(address, amount.0),
        }
    }

    /// Puts a channel's contract into quarantine; only where rules are enough.
    pub fn dispute(&mut self, address: Address, now: u32) {
        match self {
            Self::Rules(ledger) => ledger.dispute(address, now),
            Self::Devnet(_) => panic!("on the local chain a signed message starts a dispute"),
        }
    }

    /// Data that no version of the contract writes; only where rules are enough.
    pub fn garble(&mut self, address: Address) {
        match self {
            Self::Rules(ledger) => ledger.garble(address),
            Self::Devnet(_) => panic!("real code writes no such thing"),
        }
    }

    /// A message from nobody in particular, with coins from the faucet; only where rules are enough.
    pub fn send(&mut self, to: Address, value: Nano, body: Cell) {
        match self {
            Self::Rules(ledger) => ledger.send(to, value, body),
            Self::Devnet(_) => panic!("on the local chain a wallet sends messages"),
        }
    }
}
