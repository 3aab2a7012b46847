//! A message from outside, as bytes: what it must be before any account sees it.

use tycho_types::models::{IntAddr, Message, MsgInfo, StdAddr};
use tycho_types::prelude::*;

/// The largest external message, as on the mainnet.
pub const MAX_EXTERNAL_BYTES: usize = 65_535;
/// An external message must be less deep than this, as on the mainnet.
const MAX_DEPTH: u16 = 512;

/// Why bytes are not a message from outside, in the words of the TON node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("external message too large, rejecting")]
    TooLarge,
    #[error("external message is not a valid bag of cells")]
    Boc,
    #[error("external message must have zero level")]
    Exotic,
    #[error("external message is too deep")]
    TooDeep,
    #[error("external message must begin with ext_in_msg_info$10")]
    NotExternal,
    #[error("external message is not a (Message Any) according to automated checks")]
    NotMessage,
    #[error("destination of an inbound external message is an invalid blockchain address")]
    Destination,
    #[error("no shard in masterchain state for account {workchain}:{prefix:#018x}")]
    NoShard {
        /// Of the destination.
        workchain: i32,
        /// The first 64 bits of the destination.
        prefix: u64,
    },
}

/// A message from outside that has the right form.
pub(crate) struct External {
    pub(crate) cell: Cell,
    pub(crate) to: StdAddr,
}

impl External {
    /// Reads a BoC.
    pub(crate) fn read(boc: &[u8]) -> Result<Self, Unreadable> {
        if boc.len() > MAX_EXTERNAL_BYTES {
            return Err(Unreadable::TooLarge);
        }
        let cell = Boc::decode(boc).map_err(|_| Unreadable::Boc)?;
        if cell.is_exotic() {
            return Err(Unreadable::Exotic);
        }
        if cell.as_ref().repr_depth() >= MAX_DEPTH {
            return Err(Unreadable::TooDeep);
        }
        let mut tag = cell.as_slice().map_err(|_| Unreadable::NotExternal)?;
        if tag.load_small_uint(2) != Ok(0b10) {
            return Err(Unreadable::NotExternal);
        }
        let message = cell.parse::<Message<'_>>().map_err(|_| Unreadable::NotMessage)?;
        let MsgInfo::ExtIn(info) = &message.info else { return Err(Unreadable::NotExternal) };
        let to = match &info.dst {
            IntAddr::Std(address) if address.anycast.is_none() => address.clone(),
            _ => return Err(Unreadable::Destination),
        };
        if to.workchain != 0 {
            let (prefix, _) = to.address.0.split_first_chunk().unwrap_or((&[0; 8], &[]));
            let prefix = u64::from_be_bytes(*prefix);
            return Err(Unreadable::NoShard { workchain: to.workchain.into(), prefix });
        }
        Ok(Self { cell, to })
    }
}
