//! How amounts, keys and signatures are stored: compact in binary formats, as people and other programs expect
//! in text (decimal strings of the smallest unit, lower-case hex), where a number would lose digits.

use alloc::string::{String, ToString};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::{
    amount::Nano,
    key::{PublicKey, Signature},
};

impl Serialize for Nano {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            to.serialize_str(&self.0.to_string())
        } else {
            self.0.serialize(to)
        }
    }
}

impl<'de> Deserialize<'de> for Nano {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = if from.is_human_readable() {
            let text = String::deserialize(from)?;
            let wrong =
                || D::Error::custom("an amount is a decimal string of nano, like \"1000000000\"");
            text.parse()
                .ok()
                .filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
                .ok_or_else(wrong)?
        } else {
            u128::deserialize(from)?
        };
        if value <= Self::MAX.0 {
            Ok(Self(value))
        } else {
            Err(D::Error::custom("the amount is above the greatest that a cell can hold"))
        }
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { to.collect_str(self) } else { self.0.serialize(to) }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            String::deserialize(from)?.parse().map_err(D::Error::custom)
        } else {
            <[u8; 32]>::deserialize(from).map(Self)
        }
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            to.serialize_str(&hex::encode(self.0))
        } else {
            serde_bytes::serialize(&self.0, to)
        }
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut bytes = [0; 64];
        if from.is_human_readable() {
            let text = String::deserialize(from)?;
            let wrong = |_| D::Error::custom("a signature is 128 hex digits");
            hex::decode_to_slice(text, &mut bytes).map_err(wrong)?;
        } else {
            bytes = serde_bytes::deserialize(from)?;
        }
        Ok(Self(bytes))
    }
}
