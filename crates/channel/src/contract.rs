//! What the contract on chain stores, is told and is called.
//!
//! A channel's contract is known before it exists: its address is the hash of its code and its first
//! data, which both sides compute from the same configuration. Layouts: contract storage and messages of
//! code `ff5f2b39..`.

mod config;
mod message;
mod storage;

pub use config::{ClosingConfig, Currency, OpenConfig, PaymentConfig};
pub use message::{
    Challenge, CooperativeClose, CooperativeCommit, Init, Settle, StartClose, finish, top_up,
};
pub use storage::{Balances, Claims, Mark, Marks, Quarantine, Rank, Storage};

use crate::cell::{self, Cell, Hash};
use crate::key::sha256;

/// An account id in workchain 0.
pub type Address = [u8; 32];

/// The first data of a channel's contract: not initialised, nothing deposited, nothing committed.
pub fn initial_data(config: &OpenConfig) -> Cell {
    Storage::initial(config).to_cell()
}

/// `StateInit` with code and data and nothing else.
pub fn state_init(code: &Cell, data: &Cell) -> Cell {
    cell::build(|builder| {
        builder.store_small_uint(STATE_INIT_FLAGS, 5)?;
        builder.store_reference(code.clone())?;
        builder.store_reference(data.clone())
    })
}

/// The address of the contract that `code` and `data` make.
pub fn address(code: &Cell, data: &Cell) -> Address {
    address_from_parts(&cell::hash(code), code.repr_depth(), data)
}

/// [`address`] without the code itself: its hash and depth are all that enters.
pub fn address_from_parts(code_hash: &Hash, code_depth: u16, data: &Cell) -> Address {
    // The representation of a cell with two references and five bits, completed to a byte.
    let descriptor = [2, 1, (STATE_INIT_FLAGS << 3) | 4];
    sha256(&[
        &descriptor,
        &code_depth.to_be_bytes(),
        &data.repr_depth().to_be_bytes(),
        code_hash,
        &cell::hash(data),
    ])
}

/// No split depth, not special, code, data, no library.
const STATE_INIT_FLAGS: u8 = 0b00110;
