//! Cells as this network writes and reads them.
//!
//! The cell library does the hashing; this file adds what the protocol asks for on top: one way to
//! write a value, refusal of any other way to have written it, and the exact bag-of-cells bytes that
//! other nodes send.

mod boc;

pub use boc::{parse_boc, parse_boc_within, to_boc};
pub use tycho_types::cell::{Cell, CellBuilder, CellSlice};

use crate::amount::Nano;
use crate::key::Signature;

/// The representation hash of a cell.
pub type Hash = [u8; 32];

/// The representation hash of `cell`.
pub fn hash(cell: &Cell) -> Hash {
    cell.repr_hash().0
}

/// Builds a cell of one of this crate's fixed layouts.
///
/// # Panics
/// When a layout is larger than a cell, which no value of its fields can bring about: every layout here
/// has a greatest size, and that size fits.
#[allow(clippy::expect_used, reason = "a cell cut short would be signed as if it were whole")]
pub(crate) fn build(
    write: impl FnOnce(&mut CellBuilder) -> Result<(), tycho_types::error::Error>,
) -> Cell {
    let mut builder = CellBuilder::new();
    write(&mut builder)
        .and_then(|()| builder.build())
        .expect("every layout of this crate fits into a cell")
}

/// Writes `Coins`: the byte length in four bits, then the value without leading zeros.
///
/// An amount above [`Nano::MAX`] does not exist in any cell and is written as [`Nano::MAX`].
pub fn store_coins(
    builder: &mut CellBuilder,
    amount: Nano,
) -> Result<(), tycho_types::error::Error> {
    let bytes = amount.min(Nano::MAX).to_be_minimal();
    let length = u8::try_from(bytes.len()).unwrap_or(15);
    builder.store_small_uint(length, 4)?;
    builder.store_raw(&bytes, u16::from(length).saturating_mul(8))
}

/// Reads one cell from its first bit to its last, and nothing but the one encoding of each value.
pub struct Reader<'a>(CellSlice<'a>);

impl<'a> Reader<'a> {
    /// Refuses exotic cells.
    pub fn new(cell: &'a Cell) -> Result<Self, CellError> {
        Ok(Self(cell.as_slice().map_err(|_| CellError::Exotic)?))
    }

    /// Goes on reading where another reader stopped.
    pub fn from_slice(slice: CellSlice<'a>) -> Self {
        Self(slice)
    }

    /// What has not been read yet.
    pub fn rest(&self) -> CellSlice<'a> {
        self.0
    }

    pub fn bit(&mut self) -> Result<bool, CellError> {
        Ok(self.0.load_bit()?)
    }

    /// At most eight bits.
    pub fn small(&mut self, bits: u16) -> Result<u8, CellError> {
        Ok(self.0.load_small_uint(bits)?)
    }

    pub fn u32(&mut self) -> Result<u32, CellError> {
        Ok(self.0.load_u32()?)
    }

    pub fn u64(&mut self) -> Result<u64, CellError> {
        Ok(self.0.load_u64()?)
    }

    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N], CellError> {
        let mut bytes = [0; N];
        let bits = u16::try_from(N.saturating_mul(8)).map_err(|_| CellError::Short)?;
        self.0.load_raw(&mut bytes, bits)?;
        Ok(bytes)
    }

    /// Fills the start of `target` with the next `bits` bits, first bit leftmost.
    pub(crate) fn raw(&mut self, target: &mut [u8], bits: u16) -> Result<(), CellError> {
        self.0.load_raw(target, bits)?;
        Ok(())
    }

    pub fn signature(&mut self) -> Result<Signature, CellError> {
        Ok(Signature(self.bytes()?))
    }

    /// `Coins`; a value written with leading zeros is refused.
    pub fn coins(&mut self) -> Result<Nano, CellError> {
        let length = self.small(4)?;
        let mut bytes = [0; 15];
        let bytes = self.0.load_raw(&mut bytes, u16::from(length).saturating_mul(8))?;
        Nano::from_be(bytes).map_err(|_| CellError::NotCanonical("an amount"))
    }

    pub fn reference(&mut self) -> Result<Cell, CellError> {
        Ok(self.0.load_reference_cloned()?)
    }

    /// Expects a constructor tag of 32 bits.
    pub fn tag(&mut self, expected: u32) -> Result<(), CellError> {
        match self.u32()? {
            found if found == expected => Ok(()),
            found => Err(CellError::Tag { expected, found }),
        }
    }

    /// Whether everything has been read: where a layout may end before its last fields.
    pub(crate) fn at_end(&self) -> bool {
        self.0.is_data_empty() && self.0.is_refs_empty()
    }

    /// Everything must have been read.
    pub fn finish(self) -> Result<(), CellError> {
        if self.at_end() { Ok(()) } else { Err(CellError::NotCanonical("the end of a cell")) }
    }
}

/// Why bytes are no bag of cells, or a cell is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CellError {
    #[error("bag of {found} bytes is above the limit of {limit}")]
    TooLarge { found: usize, limit: usize },
    #[error("malformed bag of cells: {0}")]
    Bag(&'static str),
    #[error("bag of cells takes {expected} bytes but {found} were given")]
    Length { expected: u64, found: usize },
    #[error("tree of cells is {0} levels deep, at most {DEPTH_MAX} are allowed")]
    TooDeep(u32),
    #[error("cell ends too early")]
    Short,
    #[error("exotic cell where an ordinary one belongs")]
    Exotic,
    #[error("constructor {found:08x} where {expected:08x} belongs")]
    Tag { expected: u32, found: u32 },
    #[error("{0} is not in its canonical form")]
    NotCanonical(&'static str),
    #[error("{0}")]
    Invalid(&'static str),
}

impl From<tycho_types::error::Error> for CellError {
    fn from(_: tycho_types::error::Error) -> Self {
        Self::Short
    }
}

/// The depth that the virtual machine itself allows.
pub const DEPTH_MAX: u32 = 1024;
