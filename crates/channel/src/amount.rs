//! Money, time and deadlines as types of their own, so that none is taken for another.
//!
//! A coin amount is a count of the smallest unit ("nano"), a time is unix milliseconds and a deadline
//! is unix seconds as the contract reads it. Money never wraps: what does not fit is an error.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// An amount in the smallest unit of a coin; a TON has 10^9 of them.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nano(pub u128);

/// A moment, in unix milliseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Time(pub u64);

/// The last second, in unix seconds, at which the contract still accepts something.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Deadline(pub u32);

impl Nano {
    pub const ZERO: Self = Self(0);

    /// The greatest amount that a cell can hold: `Coins` has at most 15 bytes.
    pub const MAX: Self = Self((1 << 120) - 1);

    /// `None` above [`Nano::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self).filter(|sum| *sum <= Self::MAX)
    }

    /// `None` when `other` is the greater one.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// Zero when `other` is the greater one.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The bytes of a TL amount: big-endian without leading zeros, nothing at all for zero.
    pub fn to_be_minimal(self) -> Vec<u8> {
        self.0.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
    }

    /// Reads a TL amount: at most 15 bytes, no leading zeros.
    pub fn from_be(bytes: &[u8]) -> Result<Self, AmountError> {
        if bytes.len() > 15 {
            return Err(AmountError::TooLong(bytes.len()));
        }
        if bytes.first() == Some(&0) {
            return Err(AmountError::LeadingZero);
        }
        Ok(Self(bytes.iter().fold(0, |value, byte| (value << 8) | u128::from(*byte))))
    }

    /// Reads a decimal number of coins with up to nine decimals, such as `1.5` or `0.000000001`.
    pub fn from_coins(text: &str) -> Result<Self, AmountError> {
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err(AmountError::NotANumber(String::from(text))),
            Some(parts) => parts,
            None => (text, ""),
        };
        if fraction.len() > DECIMALS {
            return Err(AmountError::TooManyDecimals(String::from(text)));
        }
        let digits = whole.bytes().chain(fraction.bytes());
        if whole.is_empty() || !digits.clone().all(|digit| digit.is_ascii_digit()) {
            return Err(AmountError::NotANumber(String::from(text)));
        }

        let padding = core::iter::repeat_n(b'0', DECIMALS.saturating_sub(fraction.len()));
        let mut value: u128 = 0;
        for digit in digits.chain(padding) {
            value = value
                .checked_mul(10)
                .and_then(|tens| tens.checked_add(u128::from(digit.wrapping_sub(b'0'))))
                .filter(|value| *value <= Self::MAX.0)
                .ok_or_else(|| AmountError::TooBig(String::from(text)))?;
        }
        Ok(Self(value))
    }
}

impl FromStr for Nano {
    type Err = AmountError;

    /// See [`Nano::from_coins`].
    fn from_str(text: &str) -> Result<Self, AmountError> {
        Self::from_coins(text)
    }
}

/// Coins, not nano: `1.5` is one and a half.
impl fmt::Display for Nano {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / COIN, self.0 % COIN);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let decimals = alloc::format!("{fraction:09}");
        write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
    }
}

impl fmt::Debug for Nano {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nano({self})")
    }
}

impl Time {
    /// Whole unix seconds, at most `u32::MAX`.
    pub fn seconds(self) -> u32 {
        u32::try_from(self.0 / 1000).unwrap_or(u32::MAX)
    }

    /// Saturating.
    pub fn plus_ms(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Saturating.
    pub fn plus_secs(self, seconds: u64) -> Self {
        self.plus_ms(seconds.saturating_mul(1000))
    }
}

impl Deadline {
    /// Saturating.
    pub fn plus_secs(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Saturating.
    pub fn minus_secs(self, seconds: u32) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// The start of the deadline's second.
    pub fn at(self) -> Time {
        Time(u64::from(self.0).saturating_mul(1000))
    }
}

/// Why a text or a byte string is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("amount of {0} bytes, at most 15 are allowed")]
    TooLong(usize),
    #[error("amount is written with leading zeros")]
    LeadingZero,
    #[error("\"{0}\" is not an amount; write digits with at most one dot, such as 1.5")]
    NotANumber(String),
    #[error("\"{0}\" has more than nine decimals")]
    TooManyDecimals(String),
    #[error("\"{0}\" is more than an amount can hold")]
    TooBig(String),
}

const DECIMALS: usize = 9;
const COIN: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn coins_are_read_and_shown_without_trailing_zeros() {
        for (text, nano) in [
            ("0", 0),
            ("1", 1_000_000_000),
            ("1.5", 1_500_000_000),
            ("0.000000001", 1),
            ("12.000000010", 12_000_000_010),
        ] {
            let amount: Nano = text.parse().unwrap();
            assert_eq!(amount, Nano(nano));
            assert_eq!(amount.to_string().parse(), Ok(amount));
        }
        assert_eq!(Nano(12_000_000_010).to_string(), "12.00000001");
    }

    #[test]
    fn what_is_not_a_plain_decimal_number_is_refused() {
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "1.2.3", "0.0000000001", " 1"] {
            assert!(Nano::from_coins(text).is_err(), "{text:?} was taken");
        }
        assert!(matches!(
            Nano::from_coins("99999999999999999999999999999999999999999"),
            Err(AmountError::TooBig(_))
        ));
    }

    #[test]
    fn a_tl_amount_has_one_encoding() {
        for value in [0, 1, 255, 256, 1_000_000_000, Nano::MAX.0] {
            let bytes = Nano(value).to_be_minimal();
            assert_eq!(Nano::from_be(&bytes), Ok(Nano(value)));
        }
        assert_eq!(Nano::from_be(&[0, 1]), Err(AmountError::LeadingZero));
        assert_eq!(Nano::from_be(&[1; 16]), Err(AmountError::TooLong(16)));
    }

    #[test]
    fn a_sum_above_what_a_cell_can_hold_is_no_amount() {
        assert_eq!(Nano::MAX.checked_add(Nano(1)), None);
        assert_eq!(Nano::MAX.checked_add(Nano::ZERO), Some(Nano::MAX));
        assert_eq!(Nano(1).checked_sub(Nano(2)), None);
        assert_eq!(Time(u64::MAX).plus_secs(1), Time(u64::MAX));
        assert_eq!(Time(u64::MAX).seconds(), u32::MAX);
    }
}
