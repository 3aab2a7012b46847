//! TL, TON's plain serialization, one field at a time.
//!
//! Integers are little-endian, `bytes` carry their length and are padded to four bytes, a *boxed* object starts with
//! the 32-bit id of its constructor. The reader borrows from its input, counts before it allocates and never reads
//! past the end; what it returns was really there.

use alloc::vec::Vec;

use thiserror::Error;

/// `boolTrue` and `boolFalse`.
const TRUE: u32 = 0x9972_75b5;
const FALSE: u32 = 0xbc79_9737;

/// Why bytes are not the TL object that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TlError {
    #[error("the object needs {needed} more bytes, {left} are left")]
    Short { needed: usize, left: usize },
    #[error("{0} bytes are left over after the object")]
    Trailing(usize),
    #[error("unexpected constructor {0:08x}")]
    Constructor(u32),
    #[error("bad value in field {0}")]
    Value(&'static str),
}

/// Takes fields off the front of a byte slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `count` bytes as they are.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], TlError> {
        let (head, tail) = self
            .rest
            .split_at_checked(count)
            .ok_or(TlError::Short { needed: count, left: self.rest.len() })?;
        self.rest = tail;
        Ok(head)
    }

    /// The next `N` bytes as they are.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], TlError> {
        let (head, tail) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(TlError::Short { needed: N, left: self.rest.len() })?;
        self.rest = tail;
        Ok(*head)
    }

    /// `int` and `#`.
    pub fn int(&mut self) -> Result<u32, TlError> {
        self.array().map(u32::from_le_bytes)
    }

    /// `long`.
    pub fn long(&mut self) -> Result<u64, TlError> {
        self.array().map(u64::from_le_bytes)
    }

    /// `int256`.
    pub fn int256(&mut self) -> Result<[u8; 32], TlError> {
        self.array()
    }

    /// `Bool`.
    pub fn boolean(&mut self) -> Result<bool, TlError> {
        match self.int()? {
            TRUE => Ok(true),
            FALSE => Ok(false),
            other => Err(TlError::Constructor(other)),
        }
    }

    /// `bytes` and `string`.
    pub fn bytes(&mut self) -> Result<&'a [u8], TlError> {
        let (length, head) = match self.array::<1>()? {
            [254] => {
                let [a, b, c] = self.array()?;
                (u64::from(u32::from_le_bytes([a, b, c, 0])), 4_usize)
            }
            [255] => {
                let [a, b, c, d, e, f, g] = self.array()?;
                (u64::from_le_bytes([a, b, c, d, e, f, g, 0]), 8)
            }
            [short] => (u64::from(short), 1),
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let data = self.take(length)?;
        self.take(padding(head.saturating_add(length)))?;
        Ok(data)
    }

    /// The count in front of a `vector`, refused if that many elements of at least `element` bytes cannot follow.
    /// So four bytes of a peer never make us allocate more than it sent.
    pub fn count(&mut self, element: usize) -> Result<usize, TlError> {
        let count = usize::try_from(self.int()?).unwrap_or(usize::MAX);
        let needed = count.saturating_mul(element);
        if needed > self.rest.len() {
            return Err(TlError::Short { needed, left: self.rest.len() });
        }
        Ok(count)
    }

    /// The constructor id in front of a boxed object of exactly one type.
    pub fn expect(&mut self, constructor: u32) -> Result<(), TlError> {
        match self.int()? {
            id if id == constructor => Ok(()),
            other => Err(TlError::Constructor(other)),
        }
    }

    /// Says that the object ends here.
    pub fn finish(self) -> Result<(), TlError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(TlError::Trailing(left)),
        }
    }
}

/// Appends fields to a byte vector.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a boxed object.
    pub fn boxed(constructor: u32) -> Self {
        Self::new().int(constructor)
    }

    /// Bytes as they are, e.g. an object that is already serialized.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub fn int(self, value: u32) -> Self {
        self.raw(&value.to_le_bytes())
    }

    pub fn long(self, value: u64) -> Self {
        self.raw(&value.to_le_bytes())
    }

    pub fn int256(self, value: &[u8; 32]) -> Self {
        self.raw(value)
    }

    pub fn boolean(self, value: bool) -> Self {
        self.int(if value { TRUE } else { FALSE })
    }

    pub fn bytes(mut self, data: &[u8]) -> Self {
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let [a, b, c, d, e, f, g, _] = length.to_le_bytes();
        let head = match length {
            0..254 => self.push(&[a]),
            254..0x0100_0000 => self.push(&[254, a, b, c]),
            _ => self.push(&[255, a, b, c, d, e, f, g]),
        };
        self.bytes.extend_from_slice(data);
        self.bytes.extend(core::iter::repeat_n(0, padding(head.saturating_add(data.len()))));
        self
    }

    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn push(&mut self, head: &[u8]) -> usize {
        self.bytes.extend_from_slice(head);
        head.len()
    }
}

/// Zero bytes that fill `length` up to a multiple of four.
fn padding(length: usize) -> usize {
    length.wrapping_neg() & 3
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn bytes_of_every_length_class_come_back_and_are_padded_to_four() {
        for length in [0, 1, 2, 3, 4, 253, 254, 255, 1024, 0x00ff_ffff, 0x0100_0000] {
            let data = vec![7; length];
            let written = Writer::new().bytes(&data).int(9).finish();
            assert_eq!(written.len() % 4, 0);
            let mut reader = Reader::new(&written);
            assert_eq!(reader.bytes().unwrap(), data);
            assert_eq!(reader.int().unwrap(), 9);
            reader.finish().unwrap();
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        let whole =
            Writer::boxed(1).long(2).bytes(&[3; 300]).boolean(true).int256(&[4; 32]).finish();
        let read = |bytes: &[u8]| -> Result<(), TlError> {
            let mut reader = Reader::new(bytes);
            reader.expect(1)?;
            reader.long()?;
            reader.bytes()?;
            reader.boolean()?;
            reader.int256()?;
            reader.finish()
        };
        read(&whole).unwrap();
        for length in 0..whole.len() {
            assert!(matches!(read(&whole[..length]), Err(TlError::Short { .. })));
        }
        assert_eq!(read(&[whole, vec![0]].concat()), Err(TlError::Trailing(1)));
    }

    #[test]
    fn a_count_that_cannot_be_there_is_refused_before_anything_is_allocated() {
        for count in [1_u32, 0x4000_0000, 0x8000_0000, u32::MAX] {
            let bytes = count.to_le_bytes();
            assert!(matches!(Reader::new(&bytes).count(4), Err(TlError::Short { .. })));
        }
        assert_eq!(Reader::new(&[1, 0, 0, 0, 9, 9, 9, 9]).count(4), Ok(1));
    }

    #[test]
    fn a_length_beyond_the_address_space_is_short_not_an_overflow() {
        let bytes = [255, 255, 255, 255, 255, 255, 255, 255, 0, 0];
        assert!(matches!(Reader::new(&bytes).bytes(), Err(TlError::Short { .. })));
    }
}
