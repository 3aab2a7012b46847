//! The terms of a channel: what both sides agree on before its contract exists.

use serde::{Deserialize, Serialize};
use tycho_types::error::Error;

use super::Address;
use crate::amount::Nano;
use crate::cell::{self, Cell, CellBuilder, CellError, Reader};
use crate::key::PublicKey;
use crate::semichannel::ChannelId;

/// The coin that a channel holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Currency {
    Ton,
    /// An extra currency by its id.
    ExtraCurrency(u32),
    /// A jetton by its master; the contract learns its own wallet only after it is deployed.
    Jetton {
        master: Address,
        wallet: Option<Address>,
    },
}

/// How long the steps of an uncooperative close take, and what cheating costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosingConfig {
    /// Seconds in which a newer state can be shown.
    pub quarantine_duration: u32,
    pub misbehavior_fine: Nano,
    /// Seconds after that in which conditionals can be settled.
    pub conditional_close_duration: u32,
}

/// Where the money goes and of which kind it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentConfig {
    /// Nano of TON, whatever the currency.
    pub storage_fee: Nano,
    pub dest_a: Address,
    pub dest_b: Address,
    pub currency: Currency,
}

/// All terms of a channel; with the code they determine its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenConfig {
    pub key_a: PublicKey,
    pub key_b: PublicKey,
    pub channel_id: ChannelId,
    pub closing: ClosingConfig,
    pub payment: PaymentConfig,
}

impl OpenConfig {
    pub fn to_cell(&self) -> Cell {
        cell::build(|builder| {
            builder.store_raw(&self.key_a.0, 256)?;
            builder.store_raw(&self.key_b.0, 256)?;
            builder.store_raw(&self.channel_id.0, 128)?;
            builder.store_reference(self.closing.to_cell())?;
            builder.store_reference(self.payment.to_cell())
        })
    }

    pub fn from_cell(cell: &Cell) -> Result<Self, CellError> {
        let mut reader = Reader::new(cell)?;
        let config = Self {
            key_a: PublicKey(reader.bytes()?),
            key_b: PublicKey(reader.bytes()?),
            channel_id: ChannelId(reader.bytes()?),
            closing: ClosingConfig::from_cell(&reader.reference()?)?,
            payment: PaymentConfig::from_cell(&reader.reference()?)?,
        };
        reader.finish()?;
        Ok(config)
    }
}

impl ClosingConfig {
    /// The longest that an uncooperative close can take in our contract, seconds: challenges keep the quarantine open
    /// for half as long again.
    pub fn longest_secs(&self) -> u32 {
        self.quarantine_duration
            .saturating_add(self.quarantine_duration / 2)
            .saturating_add(self.conditional_close_duration)
    }

    pub fn to_cell(&self) -> Cell {
        cell::build(|builder| {
            builder.store_u32(self.quarantine_duration)?;
            cell::store_coins(builder, self.misbehavior_fine)?;
            builder.store_u32(self.conditional_close_duration)
        })
    }

    pub fn from_cell(cell: &Cell) -> Result<Self, CellError> {
        let mut reader = Reader::new(cell)?;
        let config = Self {
            quarantine_duration: reader.u32()?,
            misbehavior_fine: reader.coins()?,
            conditional_close_duration: reader.u32()?,
        };
        reader.finish()?;
        Ok(config)
    }
}

impl PaymentConfig {
    pub fn to_cell(&self) -> Cell {
        cell::build(|builder| {
            cell::store_coins(builder, self.storage_fee)?;
            store_address(builder, Some(&self.dest_a))?;
            store_address(builder, Some(&self.dest_b))?;
            match &self.currency {
                Currency::Ton => builder.store_bit_zero(),
                Currency::ExtraCurrency(id) => {
                    builder.store_small_uint(0b10, 2)?;
                    builder.store_u32(*id)
                }
                Currency::Jetton { master, wallet } => {
                    builder.store_small_uint(0b11, 2)?;
                    builder.store_reference(cell::build(|info| {
                        store_address(info, Some(master))?;
                        store_address(info, wallet.as_ref())
                    }))
                }
            }
        })
    }

    pub fn from_cell(cell: &Cell) -> Result<Self, CellError> {
        let mut reader = Reader::new(cell)?;
        let config = Self {
            storage_fee: reader.coins()?,
            dest_a: load_known_address(&mut reader)?,
            dest_b: load_known_address(&mut reader)?,
            currency: load_currency(&mut reader)?,
        };
        reader.finish()?;
        Ok(config)
    }
}

fn load_currency(reader: &mut Reader<'_>) -> Result<Currency, CellError> {
    if !reader.bit()? {
        return Ok(Currency::Ton);
    }
    if !reader.bit()? {
        return Ok(Currency::ExtraCurrency(reader.u32()?));
    }
    let info = reader.reference()?;
    let mut info = Reader::new(&info)?;
    let master = load_known_address(&mut info)?;
    let wallet = load_address(&mut info)?;
    info.finish()?;
    Ok(Currency::Jetton { master, wallet })
}

/// `addr_std$10` in workchain 0 without anycast, or `addr_none$00`.
fn store_address(builder: &mut CellBuilder, address: Option<&Address>) -> Result<(), Error> {
    match address {
        None => builder.store_zeros(2),
        Some(address) => {
            builder.store_small_uint(0b100, 3)?;
            builder.store_u8(0)?;
            builder.store_raw(address, 256)
        }
    }
}

fn load_address(reader: &mut Reader<'_>) -> Result<Option<Address>, CellError> {
    match reader.small(2)? {
        0 => Ok(None),
        2 => {
            if reader.bit()? || reader.small(8)? != 0 {
                return Err(CellError::Invalid("address is not one of workchain 0"));
            }
            Ok(Some(reader.bytes()?))
        }
        _ => Err(CellError::Invalid("address is of an unknown kind")),
    }
}

fn load_known_address(reader: &mut Reader<'_>) -> Result<Address, CellError> {
    load_address(reader)?.ok_or(CellError::Invalid("address is missing"))
}
