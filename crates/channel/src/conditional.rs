//! The promise of one virtual channel on one hop: pay what the resolve says, and the fee, until a deadline.
//!
//! On chain a conditional is a small program: five pushed integers and a jump into code that is the same
//! for all of them. Only this program is ever read, written or settled; any other is refused.

use serde::{Deserialize, Serialize};
use tycho_types::error::Error;

use crate::amount::{Deadline, Nano};
use crate::cell::{self, Cell, CellBuilder, CellSlice, Hash, Reader};
use crate::key::PublicKey;

/// A promise to pay up to `capacity`, plus `fee`, against a resolve signed by `key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditional {
    /// The virtual key; its first four bytes choose the slot in the dictionary.
    pub key: PublicKey,
    /// The most that the resolve may claim.
    pub capacity: Nano,
    /// Paid on top of the resolve's amount.
    pub fee: Nano,
    /// The part of amount and fee that has already been moved unconditionally.
    pub prepay: Nano,
    /// After this the contract refuses the resolve.
    pub deadline: Deadline,
}

impl Conditional {
    /// The program: `push(fee) push(capacity) push(prepay) push(deadline) push(key)` and the static code.
    pub fn to_cell(&self) -> Cell {
        cell::build(|builder| self.store(builder, static_code()))
    }

    pub fn from_cell(cell: &Cell) -> Result<Self, ConditionalError> {
        Self::from_slice(cell.as_slice().map_err(|_| ConditionalError::Malformed)?)
    }

    /// Reads a program that fills the whole slice. Any other encoding of the same numbers is refused,
    /// since it would have another hash.
    pub fn from_slice(slice: CellSlice<'_>) -> Result<Self, ConditionalError> {
        let mut reader = Reader::from_slice(slice);
        let fee = pop_amount(&mut reader, ConditionalError::Fee)?;
        let capacity = pop_amount(&mut reader, ConditionalError::Capacity)?;
        let prepay = pop_amount(&mut reader, ConditionalError::Prepay)?;
        let deadline = narrow(&pop(&mut reader)?)
            .and_then(|deadline| u32::try_from(deadline).ok())
            .filter(|deadline| *deadline > 0)
            .ok_or(ConditionalError::Deadline)?;
        let key = pop(&mut reader)?;
        let code = reader.reference().map_err(|_| ConditionalError::Malformed)?;
        if cell::hash(&code) != STATIC_CODE_HASH {
            return Err(ConditionalError::Code);
        }
        reader.finish().map_err(|_| ConditionalError::Malformed)?;

        let conditional =
            Self { key: PublicKey(key), capacity, fee, prepay, deadline: Deadline(deadline) };
        let mut canonical = CellBuilder::new();
        conditional.store_integers(&mut canonical).map_err(|_| ConditionalError::NotCanonical)?;
        match canonical.as_data_slice().contents_eq(&slice.without_references()) {
            Ok(true) => Ok(conditional),
            _ => Err(ConditionalError::NotCanonical),
        }
    }

    /// The place in the dictionary: the key's first four bytes as a little-endian integer.
    pub fn slot(&self) -> u32 {
        slot(&self.key)
    }

    /// What the payer cannot spend while this stands: capacity + fee - prepay.
    ///
    /// `None` when prepay is more than the whole, or the whole more than an amount can hold.
    pub fn held(&self) -> Option<Nano> {
        self.capacity.checked_add(self.fee)?.checked_sub(self.prepay)
    }

    pub(crate) fn store(&self, builder: &mut CellBuilder, code: Cell) -> Result<(), Error> {
        self.store_integers(builder)?;
        builder.store_reference(code)
    }

    fn store_integers(&self, builder: &mut CellBuilder) -> Result<(), Error> {
        for amount in [self.fee, self.capacity, self.prepay] {
            push(builder, &widen(amount.0))?;
        }
        push(builder, &widen(u128::from(self.deadline.0)))?;
        push(builder, &self.key.0)
    }
}

/// The dictionary slot of a virtual key.
pub fn slot(key: &PublicKey) -> u32 {
    let [a, b, c, d, ..] = key.0;
    u32::from_le_bytes([a, b, c, d])
}

/// The code that all conditionals jump into: it checks signature, deadline and amount, and returns
/// amount - prepay + fee.
pub fn static_code() -> Cell {
    cell::build(|builder| builder.store_raw(&STATIC_CODE, 264))
}

/// Why a cell is not a conditional that this node would ever execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionalError {
    #[error("conditional is not made of five integers and a reference")]
    Malformed,
    #[error("fee of the conditional is negative or more than a cell's amount can hold")]
    Fee,
    #[error("capacity of the conditional is negative or more than a cell's amount can hold")]
    Capacity,
    #[error("prepay of the conditional is negative or more than a cell's amount can hold")]
    Prepay,
    #[error("deadline of the conditional is not a positive number of 32 bits")]
    Deadline,
    #[error("incorrect code")]
    Code,
    #[error("conditional is not in its canonical form")]
    NotCanonical,
}

/// Writes PUSHINT of a value given as 256 big-endian bits, in the form that the network uses.
fn push(builder: &mut CellBuilder, value: &[u8; 32]) -> Result<(), Error> {
    let zeros = leading_zeros(value);
    let [.., high, low] = *value;
    match 257_u16.saturating_sub(zeros) {
        1..=8 => {
            builder.store_u8(0x80)?;
            builder.store_u8(low)
        }
        9..=16 => {
            builder.store_u8(0x81)?;
            builder.store_raw(&[high, low], 16)
        }
        length => {
            let steps = length.saturating_sub(19).div_ceil(8);
            let width = steps.saturating_mul(8).saturating_add(19);
            builder.store_u8(0x82)?;
            builder.store_small_uint(u8::try_from(steps).unwrap_or(31), 5)?;
            match 256_u16.checked_sub(width) {
                Some(skipped) => {
                    let mut whole = CellBuilder::new();
                    whole.store_raw(value, 256)?;
                    let mut kept = whole.as_data_slice();
                    kept.skip_first(skipped, 0)?;
                    builder.store_slice_data(kept)
                }
                None => {
                    builder.store_zeros(width.saturating_sub(256))?;
                    builder.store_raw(value, 256)
                }
            }
        }
    }
}

/// Reads PUSHINT of a value that is not negative.
fn pop(reader: &mut Reader<'_>) -> Result<[u8; 32], ConditionalError> {
    pop_signed(reader)?.ok_or(ConditionalError::Malformed)
}

fn pop_amount(reader: &mut Reader<'_>, error: ConditionalError) -> Result<Nano, ConditionalError> {
    let value = pop_signed(reader)?.ok_or(error)?;
    narrow(&value).map(Nano).filter(|amount| *amount <= Nano::MAX).ok_or(error)
}

/// Reads PUSHINT: `None` for a negative value or one above 256 bits.
fn pop_signed(reader: &mut Reader<'_>) -> Result<Option<[u8; 32]>, ConditionalError> {
    let malformed = |_| ConditionalError::Malformed;
    let width: u16 = match reader.small(8).map_err(malformed)? {
        0x80 => 8,
        0x81 => 16,
        0x82 => u16::from(reader.small(5).map_err(malformed)?).saturating_mul(8).saturating_add(19),
        _ => return Err(ConditionalError::Malformed),
    };

    let mut raw = [0_u8; 34];
    reader.raw(&mut raw, width).map_err(malformed)?;
    // The bits stand at the left end; move them to the right one.
    let shift = 272_u16.saturating_sub(width);
    let low = raw.iter().rev().skip(usize::from(shift / 8));
    let high = low.clone().skip(1).chain(core::iter::once(&0));
    let mut aligned = [0_u8; 34];
    for (to, (low, high)) in aligned.iter_mut().rev().zip(low.zip(high)) {
        let [_, byte] = (u16::from_be_bytes([*high, *low]) >> (shift % 8)).to_be_bytes();
        *to = byte;
    }

    let [first, second, value @ ..] = aligned;
    let bit_length = 256_u16.saturating_sub(leading_zeros(&value));
    let fits = first == 0 && second == 0 && bit_length < width;
    Ok(fits.then_some(value))
}

fn leading_zeros(value: &[u8; 32]) -> u16 {
    let mut zeros: u16 = 0;
    for byte in value {
        zeros = zeros.saturating_add(u16::try_from(byte.leading_zeros()).unwrap_or(8));
        if *byte != 0 {
            break;
        }
    }
    zeros
}

fn widen(value: u128) -> [u8; 32] {
    let mut wide = [0; 32];
    for (to, from) in wide.iter_mut().skip(16).zip(value.to_be_bytes()) {
        *to = from;
    }
    wide
}

/// `None` above 128 bits.
fn narrow(value: &[u8; 32]) -> Option<u128> {
    let (high, low) = value.split_first_chunk::<16>()?;
    let low = <[u8; 16]>::try_from(low).ok()?;
    (*high == [0; 16]).then(|| u128::from_be_bytes(low))
}

const STATIC_CODE: [u8; 33] = [
    0x05, 0x83, 0x08, 0xd7, 0x18, 0x66, 0x07, 0xf9, 0x11, 0x01, 0xf8, 0x23, 0xbe, 0xb0, 0xf2, 0x98,
    0x03, 0xfa, 0x00, 0x30, 0x52, 0x02, 0xbb, 0x53, 0x31, 0xbb, 0xb0, 0xf2, 0x9a, 0x58, 0xa1, 0x01,
    0xa0,
];

const STATIC_CODE_HASH: Hash = [
    0x44, 0x93, 0xb3, 0x85, 0x62, 0x74, 0xe2, 0x0a, 0xcd, 0x1e, 0x5f, 0x6b, 0x02, 0x15, 0xac, 0xfa,
    0x88, 0x09, 0xf3, 0x94, 0x78, 0x22, 0xa0, 0x1e, 0xd8, 0xd7, 0x39, 0xb7, 0x7b, 0xac, 0xa3, 0x9a,
];
