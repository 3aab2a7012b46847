//! The wallet that pays for contract messages: one message at a time, sent again until the chain shows it.
//!
//! The external message is on disk before it leaves and carries seqno and expiry, so it happens once or, when
//! the chain's clock has passed the expiry and the seqno is still free, provably never. Layout of `wallet v3r2`;
//! the contract is `contracts/src/wallet.tolk`.

use alloc::vec::Vec;

use channel::{
    amount::{Nano, Time},
    cell::{Cell, CellBuilder, CellError, hash, store_coins, to_boc},
    channel::newest_proof,
    contract::{Address, address, state_init},
    key::{PublicKey, SecretKey},
};
use serde::{Deserialize, Serialize};

use crate::io::AccountView;

/// What the wallet contract is made with; the usual number of basechain wallets.
const SUBWALLET: u32 = 698_983_191;
/// Seconds until an external message may not be taken any more.
const VALID_SECS: u32 = 60;
/// Seconds after the expiry, on the chain's clock, when we are sure.
const EXPIRED_MARGIN_SECS: u32 = 10;
/// TON that a wallet keeps above what it sends, for its own fees.
pub(crate) const WALLET_FEES: Nano = Nano(50_000_000);
/// Messages in one external message.
pub(crate) const MESSAGES_MAX: usize = 4;

/// A message from the wallet to a contract.
#[derive(Clone, Debug)]
pub(crate) struct ContractMessage {
    pub(crate) to: Address,
    pub(crate) value: Nano,
    pub(crate) bounce: bool,
    pub(crate) state_init: Option<Cell>,
    pub(crate) body: Cell,
}

/// An external message on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outgoing {
    pub(crate) seqno: u32,
    /// Unix seconds of the chain's clock.
    pub(crate) valid_until: u32,
    #[serde(with = "serde_bytes")]
    pub(crate) boc: Vec<u8>,
    /// The channels whose top-up it carries.
    pub(crate) channels: Vec<Address>,
}

/// What became of the message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Done(Outgoing),
    Expired(Outgoing),
}

#[derive(Debug)]
pub(crate) struct Wallet {
    pub(crate) address: Address,
    init: Cell,
    pub(crate) balance: Option<Nano>,
    /// `None`: the chain was not seen yet.
    seqno: Option<u32>,
    active: bool,
    /// Chain time of the newest proof, unix seconds.
    seen: u32,
    pub(crate) outgoing: Option<Outgoing>,
    /// The owner was told that the balance is too small.
    pub(crate) warned: bool,
}

impl Wallet {
    pub(crate) fn new(code: &Cell, key: &PublicKey) -> Result<Self, CellError> {
        let mut data = CellBuilder::new();
        data.store_u32(0)?;
        data.store_u32(SUBWALLET)?;
        data.store_raw(&key.0, 256)?;
        let data = data.build()?;
        Ok(Self {
            address: address(code, &data),
            init: state_init(code, &data),
            balance: None,
            seqno: None,
            active: false,
            seen: 0,
            outgoing: None,
            warned: false,
        })
    }

    /// Takes the proven account; says when the message on its way is settled.
    pub(crate) fn observed(&mut self, now: Time, time: u32, view: &AccountView) -> Option<Fate> {
        self.seen = newest_proof(self.seen, time, now)?;
        let seqno = match view {
            AccountView::Inactive { balance } => {
                self.balance = Some(*balance);
                self.active = false;
                0
            }
            AccountView::Active { balance, data, .. } => {
                self.balance = Some(*balance);
                self.active = true;
                data.as_slice().ok()?.load_u32().ok()?
            }
        };
        self.seqno = Some(seqno);
        if self.outgoing.as_ref().is_some_and(|outgoing| seqno > outgoing.seqno) {
            return self.outgoing.take().map(Fate::Done);
        }
        self.unchanged(time)
    }

    /// At this chain time the account is as it was observed last.
    pub(crate) fn unchanged(&mut self, time: u32) -> Option<Fate> {
        let over = |outgoing: &mut Outgoing| {
            time > outgoing.valid_until.saturating_add(EXPIRED_MARGIN_SECS)
        };
        self.seqno?;
        self.outgoing.take_if(over).map(Fate::Expired)
    }

    /// What was observed was no part of the chain.
    pub(crate) fn forget_view(&mut self) {
        self.seen = 0;
        self.seqno = None;
    }

    /// Nothing is on its way and the chain was seen.
    pub(crate) fn free(&self) -> bool {
        self.outgoing.is_none() && self.seqno.is_some()
    }

    /// Signs `messages` (at most [`MESSAGES_MAX`]) as the next external message.
    pub(crate) fn sign(
        &self,
        now: Time,
        messages: &[ContractMessage],
        channels: Vec<Address>,
        key: &SecretKey,
    ) -> Result<Outgoing, CellError> {
        let seqno = self.seqno.unwrap_or(0);
        let valid_until = now.seconds().saturating_add(VALID_SECS);
        let mut order = CellBuilder::new();
        order.store_u32(SUBWALLET)?;
        order.store_u32(valid_until)?;
        order.store_u32(seqno)?;
        for message in messages.iter().take(MESSAGES_MAX) {
            order.store_u8(SEND_MODE)?;
            order.store_reference(internal(message)?)?;
        }
        let order = order.build()?;
        let signature = key.sign(&hash(&order));
        let mut body = CellBuilder::new();
        body.store_raw(&signature.0, 512)?;
        body.store_slice(order.as_slice()?)?;
        let init = (!self.active).then(|| self.init.clone());
        let boc = to_boc(&external(&self.address, init, body.build()?)?);
        Ok(Outgoing { seqno, valid_until, boc, channels })
    }
}

/// Fees are paid by the wallet on top; an action that fails does not undo the seqno.
const SEND_MODE: u8 = 3;

/// `ext_in_msg_info$10` (block.tlb), init in a reference as `Right`, body in a reference.
fn external(to: &Address, init: Option<Cell>, body: Cell) -> Result<Cell, CellError> {
    let mut message = CellBuilder::new();
    message.store_small_uint(0b10, 2)?;
    message.store_small_uint(0b00, 2)?;
    store_address(&mut message, to)?;
    store_coins(&mut message, Nano::ZERO)?;
    store_init_and_body(&mut message, init, body)?;
    Ok(message.build()?)
}

/// `int_msg_info$0` (block.tlb) with ihr disabled and everything that the chain fills in left zero.
fn internal(order: &ContractMessage) -> Result<Cell, CellError> {
    let mut message = CellBuilder::new();
    message.store_small_uint(0b01, 2)?;
    message.store_bit(order.bounce)?;
    message.store_bit_zero()?;
    message.store_small_uint(0b00, 2)?;
    store_address(&mut message, &order.to)?;
    store_coins(&mut message, order.value)?;
    message.store_bit_zero()?;
    store_coins(&mut message, Nano::ZERO)?;
    store_coins(&mut message, Nano::ZERO)?;
    message.store_u64(0)?;
    message.store_u32(0)?;
    store_init_and_body(&mut message, order.state_init.clone(), order.body.clone())?;
    Ok(message.build()?)
}

fn store_address(to: &mut CellBuilder, address: &Address) -> Result<(), CellError> {
    to.store_small_uint(0b100, 3)?;
    to.store_u8(0)?;
    to.store_raw(address, 256)?;
    Ok(())
}

fn store_init_and_body(
    to: &mut CellBuilder,
    init: Option<Cell>,
    body: Cell,
) -> Result<(), CellError> {
    to.store_bit(init.is_some())?;
    if let Some(init) = init {
        to.store_bit_one()?;
        to.store_reference(init)?;
    }
    to.store_bit_one()?;
    to.store_reference(body)?;
    Ok(())
}
