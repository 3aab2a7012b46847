//! Integers, byte strings and cells on the wire. Little-endian, padded to four bytes.
//!
//! Reading accepts one encoding of each value, and every length is compared with what is left before
//! anything is reserved for it.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::TlError;
use crate::amount::Nano;
use crate::cell::{self, Cell};
use crate::key::{PublicKey, Signature};
use crate::resolve::Resolve;

pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// Starts a boxed object.
    pub(crate) fn new(id: u32) -> Self {
        let mut writer = Self(Vec::new());
        writer.int(id);
        writer
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn int(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    pub(crate) fn long(&mut self, value: i64) {
        self.0.extend(value.to_le_bytes());
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.int(if value { BOOL_TRUE } else { BOOL_FALSE });
    }

    pub(crate) fn int256(&mut self, value: &[u8; 32]) {
        self.0.extend(value);
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        let start = self.0.len();
        match u8::try_from(value.len()) {
            Ok(length) if length < LONG => self.0.push(length),
            _ => {
                let [a, b, c, ..] = u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes();
                self.0.extend([LONG, a, b, c]);
            }
        }
        self.0.extend(value);
        while !self.0.len().saturating_sub(start).is_multiple_of(4) {
            self.0.push(0);
        }
    }

    pub(crate) fn amount(&mut self, value: Nano) {
        self.bytes(&value.to_be_minimal());
    }

    pub(crate) fn cell(&mut self, value: &Cell) {
        self.bytes(&cell::to_boc(value));
    }

    pub(crate) fn optional_cell(&mut self, value: Option<&Cell>) {
        match value {
            Some(value) => self.cell(value),
            None => self.bytes(&[]),
        }
    }

    /// Appends an object that is already written.
    pub(crate) fn object(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }
}

pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Everything must have been read.
    pub(crate) fn finish(self) -> Result<(), TlError> {
        if self.0.is_empty() { Ok(()) } else { Err(TlError::Trailing(self.0.len())) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TlError> {
        let (head, tail) = self.0.split_first_chunk().ok_or(TlError::Short)?;
        self.0 = tail;
        Ok(*head)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], TlError> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(TlError::Short)?;
        self.0 = tail;
        Ok(head)
    }

    /// The constructor of a boxed object.
    pub(crate) fn id(&mut self) -> Result<u32, TlError> {
        self.int()
    }

    pub(crate) fn int(&mut self) -> Result<u32, TlError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn long(&mut self) -> Result<i64, TlError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub(crate) fn bool(&mut self, field: &'static str) -> Result<bool, TlError> {
        match self.int()? {
            BOOL_TRUE => Ok(true),
            BOOL_FALSE => Ok(false),
            _ => Err(TlError::Field(field)),
        }
    }

    pub(crate) fn int256(&mut self) -> Result<[u8; 32], TlError> {
        self.array()
    }

    pub(crate) fn key(&mut self) -> Result<PublicKey, TlError> {
        Ok(PublicKey(self.array()?))
    }

    pub(crate) fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], TlError> {
        let [first] = self.array()?;
        let (length, prefix) = match first {
            0xff => return Err(TlError::Field(field)),
            LONG => {
                let [a, b, c] = self.array()?;
                let length = u32::from_le_bytes([a, b, c, 0]);
                if length < u32::from(LONG) {
                    return Err(TlError::Field(field));
                }
                (usize::try_from(length).map_err(|_| TlError::Short)?, 4_usize)
            }
            short => (usize::from(short), 1),
        };
        let value = self.take(length)?;
        // At most 2^24 + 4, so that this fits on 32 bits as well.
        let unpadded = length.saturating_add(prefix) % 4;
        let padding = self.take(4_usize.saturating_sub(unpadded) % 4)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(TlError::Field(field));
        }
        Ok(value)
    }

    /// Text; bytes that are no text are replaced, so that a refusal stays a refusal.
    pub(crate) fn string(&mut self, field: &'static str) -> Result<String, TlError> {
        let bytes = self.bytes(field)?;
        if bytes.len() > STRING_MAX {
            return Err(TlError::TooLong { field, found: bytes.len(), limit: STRING_MAX });
        }
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    pub(crate) fn signature(&mut self, field: &'static str) -> Result<Signature, TlError> {
        let bytes = self.bytes(field)?;
        bytes.try_into().map(Signature).map_err(|_| TlError::Field(field))
    }

    pub(crate) fn amount(&mut self, field: &'static str) -> Result<Nano, TlError> {
        Nano::from_be(self.bytes(field)?).map_err(|error| TlError::Amount { field, error })
    }

    pub(crate) fn cell(&mut self, field: &'static str) -> Result<Cell, TlError> {
        cell::parse_boc(self.bytes(field)?).map_err(|error| TlError::Cell { field, error })
    }

    pub(crate) fn optional_cell(&mut self, field: &'static str) -> Result<Option<Cell>, TlError> {
        match self.bytes(field)? {
            [] => Ok(None),
            bytes => {
                cell::parse_boc(bytes).map(Some).map_err(|error| TlError::Cell { field, error })
            }
        }
    }

    pub(crate) fn resolve(&mut self, field: &'static str) -> Result<Resolve, TlError> {
        Resolve::from_cell(&self.cell(field)?).map_err(|error| TlError::Cell { field, error })
    }

    /// The count of a vector whose elements take at least `element` bytes each.
    pub(crate) fn count(
        &mut self,
        field: &'static str,
        element: usize,
        limit: usize,
    ) -> Result<usize, TlError> {
        let count = usize::try_from(self.int()?).unwrap_or(usize::MAX);
        if count > limit {
            return Err(TlError::TooLong { field, found: count, limit });
        }
        if count > self.0.len().checked_div(element).unwrap_or_default() {
            return Err(TlError::Short);
        }
        Ok(count)
    }

    pub(crate) fn owned_bytes(
        &mut self,
        field: &'static str,
        limit: usize,
    ) -> Result<Vec<u8>, TlError> {
        let bytes = self.bytes(field)?;
        if bytes.len() > limit {
            return Err(TlError::TooLong { field, found: bytes.len(), limit });
        }
        Ok(bytes.to_owned())
    }
}

const BOOL_TRUE: u32 = 0x9972_75b5;
const BOOL_FALSE: u32 = 0xbc79_9737;

/// Marks a byte string whose length takes three more bytes.
const LONG: u8 = 254;

/// Refusal reasons are a sentence; the longest of the network stays well below this.
const STRING_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_strings_of_every_length_are_read_as_written() {
        for length in [0, 1, 2, 3, 4, 253, 254, 255, 256, 70_000] {
            let value = alloc::vec![7; length];
            let mut writer = Writer::new(1);
            writer.bytes(&value);
            let bytes = writer.finish();
            assert_eq!(bytes.len() % 4, 0);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.id(), Ok(1));
            assert_eq!(reader.bytes("value"), Ok(&value[..]));
            assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn a_vector_count_that_the_message_cannot_hold_is_refused_before_anything_is_reserved() {
        for count in [2_u32, 0x4000_0000, u32::MAX] {
            let mut bytes = count.to_le_bytes().to_vec();
            bytes.extend([0; 36]);
            assert!(Reader::new(&bytes).count("list", 36, usize::MAX).is_err());
        }
    }

    #[test]
    fn a_second_way_to_write_a_byte_string_is_refused() {
        assert!(Reader::new(&[1, 7, 0, 1]).bytes("padding").is_err());
        assert!(Reader::new(&[254, 1, 0, 0, 7, 0, 0, 0]).bytes("length").is_err());
        assert!(Reader::new(&[1, 7]).bytes("cut").is_err());
        assert!(Reader::new(&[0, 0, 0, 1]).bool("neither").is_err());
    }
}
