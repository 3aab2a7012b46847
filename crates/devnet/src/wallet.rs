//! A wallet contract's owner: the key, the address, and signed transfers.
//!
//! The layout is that of the well-known wallet v3r2. Storage: `seqno:32 subwallet_id:32
//! public_key:256`; external message: `signature:512 subwallet_id:32 valid_until:32 seqno:32`
//! then up to four times `mode:8 ^message`; the signature is over the hash of all that follows it.

use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};
use tycho_types::models::{
    CurrencyCollection, ExtInMsgInfo, IntAddr, OwnedMessage, OwnedRelaxedMessage,
    RelaxedIntMsgInfo, RelaxedMsgInfo, StateInit, StdAddr,
};
use tycho_types::prelude::*;

use crate::error::{Error, Result};

/// The usual subwallet of the basechain.
pub const SUBWALLET: u32 = 698_983_191;
/// Forwarding is paid apart from the value, and a transfer that cannot be made is skipped.
const MODE: u8 = 3;
/// How many transfers one message can carry.
const MAX_TRANSFERS: usize = 4;

/// One payment out of a wallet.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// Receiver in the basechain.
    pub to: [u8; 32],
    /// Nanoton.
    pub nano: u128,
    /// Come back if the receiver fails.
    pub bounce: bool,
    /// Code and data to deploy at the receiver.
    pub state_init: Option<StateInit>,
    /// Body; empty for a plain transfer.
    pub body: Cell,
}

impl Transfer {
    /// A plain transfer that stays even where no contract is.
    pub fn plain(to: [u8; 32], nano: u128) -> Self {
        Self { to, nano, bounce: false, state_init: None, body: Cell::empty_cell() }
    }
}

/// A wallet and the key to it.
#[derive(Clone)]
pub struct Wallet {
    key: SigningKey,
    state_init: StateInit,
    address: [u8; 32],
}

impl Wallet {
    /// The wallet of `key` with contract code `code`.
    pub fn new(key: [u8; 32], code: Cell) -> Result<Self> {
        let key = SigningKey::from_bytes(&key);
        let mut data = CellBuilder::new();
        data.store_u32(0)?;
        data.store_u32(SUBWALLET)?;
        data.store_raw(&key.verifying_key().to_bytes(), 256)?;
        let state_init =
            StateInit { code: Some(code), data: Some(data.build()?), ..Default::default() };
        let address = CellBuilder::build_from(&state_init)?.repr_hash().0;
        Ok(Self { key, state_init, address })
    }

    /// The wallet whose key comes from a genesis seed and a name.
    pub(crate) fn named(seed: &[u8; 32], name: &str, code: Cell) -> Result<Self> {
        Self::new(derive(seed, name), code)
    }

    /// Address in the basechain.
    pub fn address(&self) -> [u8; 32] {
        self.address
    }

    /// Secret key.
    pub fn key(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// What deploys it.
    pub fn state_init(&self) -> &StateInit {
        &self.state_init
    }

    /// Reads the seqno out of the wallet's storage.
    pub fn seqno(data: &Cell) -> Result<u32> {
        Ok(data.as_slice()?.load_u32()?)
    }

    /// A signed external message, as a BoC; with the StateInit when `seqno` is 0.
    ///
    /// `valid_until` is in unix seconds.
    pub fn sign(&self, seqno: u32, valid_until: u32, transfers: &[Transfer]) -> Result<Vec<u8>> {
        if transfers.len() > MAX_TRANSFERS {
            let count = transfers.len();
            return Err(Error::Malformed(format!(
                "{count} transfers, at most {MAX_TRANSFERS} fit"
            )));
        }
        let mut order = CellBuilder::new();
        order.store_u32(SUBWALLET)?;
        order.store_u32(valid_until)?;
        order.store_u32(seqno)?;
        for transfer in transfers {
            order.store_u8(MODE)?;
            order.store_reference(message(transfer)?)?;
        }
        let order = order.build()?;
        let mut body = CellBuilder::new();
        body.store_raw(&self.key.sign(order.repr_hash().as_slice()).to_bytes(), 512)?;
        body.store_slice(order.as_slice()?)?;
        let body = body.build()?;
        let external = OwnedMessage {
            info: ExtInMsgInfo { dst: basechain(self.address), ..Default::default() }.into(),
            init: (seqno == 0).then(|| self.state_init.clone()),
            body: body.into(),
            layout: None,
        };
        Ok(Boc::encode(CellBuilder::build_from(external)?))
    }
}

fn message(transfer: &Transfer) -> Result<Cell> {
    Ok(CellBuilder::build_from(OwnedRelaxedMessage {
        info: RelaxedMsgInfo::Int(RelaxedIntMsgInfo {
            bounce: transfer.bounce,
            dst: basechain(transfer.to),
            value: CurrencyCollection::new(transfer.nano),
            ..Default::default()
        }),
        init: transfer.state_init.clone(),
        body: transfer.body.clone().into(),
        layout: None,
    })?)
}

fn basechain(address: [u8; 32]) -> IntAddr {
    StdAddr::new(0, HashBytes(address)).into()
}

/// A secret of its own for every name.
pub(crate) fn derive(seed: &[u8; 32], name: &str) -> [u8; 32] {
    Sha256::new().chain_update(seed).chain_update(name).finalize().into()
}
