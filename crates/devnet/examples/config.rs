//! Prints the blockchain configuration of a devnet as base64, for other tools to run contracts by.

use devnet::{Chain, Genesis};
use tycho_types::prelude::*;

fn main() -> Result<(), devnet::Error> {
    let chain = Chain::genesis(Genesis::new([0; 32], 1_790_000_000, Cell::empty_cell()))?;
    let params = chain.config().raw().params.as_dict();
    if let Some(root) = params.root() {
        println!("{}", Boc::encode_base64(root));
    }
    Ok(())
}
