//! What peers say inside a packet: queries, answers, channel set-up, and pieces of what is too long for a datagram.
//!
//! Layouts: `adnl.Message` in TON's `ton_api.tl`.

use alloc::vec::Vec;

use crate::tl::{Reader, TlError, Writer};

const CREATE_CHANNEL: u32 = 0xe673_c3bb;
const CONFIRM_CHANNEL: u32 = 0x60dd_1d69;
const QUERY: u32 = 0xb48b_f97a;
const ANSWER: u32 = 0x0fac_8416;
const CUSTOM: u32 = 0x2048_18f5;
const PART: u32 = 0xfd45_2d39;
const NOP: u32 = 0x17f8_dfda;
const REINIT: u32 = 0x10c2_0520;
const PING: u32 = 0x1faa_a1bf;
const PONG: u32 = 0x2074_7c0e;

/// Fewest bytes of a message on the wire: `adnl.message.nop`.
pub(crate) const MESSAGE_MIN: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// `key:int256 date:int`: the sender's half of a channel.
    CreateChannel { key: [u8; 32], date: u32 },
    /// `key:int256 peer_key:int256 date:int`: the sender's half, and the half of ours that it goes with.
    ConfirmChannel { key: [u8; 32], peer_key: [u8; 32], date: u32 },
    /// `query_id:int256 query:bytes`
    Query { id: [u8; 32], bytes: Vec<u8> },
    /// `query_id:int256 answer:bytes`
    Answer { id: [u8; 32], bytes: Vec<u8> },
    /// `hash:int256 total_size:int offset:int data:bytes`: a piece of the boxed message with this hash.
    Part { hash: [u8; 32], total: u32, offset: u32, bytes: Vec<u8> },
    /// `adnl.ping value:long`, which some implementations send as a message.
    Ping(u64),
    /// Nothing to do: `nop`, and what this side has no use for (`custom`, `reinit`, `adnl.pong`).
    Ignored,
}

impl Message {
    /// Reads one boxed message off the front.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, TlError> {
        Ok(match reader.int()? {
            CREATE_CHANNEL => Self::CreateChannel { key: reader.int256()?, date: reader.int()? },
            CONFIRM_CHANNEL => Self::ConfirmChannel {
                key: reader.int256()?,
                peer_key: reader.int256()?,
                date: reader.int()?,
            },
            QUERY => Self::Query { id: reader.int256()?, bytes: reader.bytes()?.to_vec() },
            ANSWER => Self::Answer { id: reader.int256()?, bytes: reader.bytes()?.to_vec() },
            PART => Self::Part {
                hash: reader.int256()?,
                total: reader.int()?,
                offset: reader.int()?,
                bytes: reader.bytes()?.to_vec(),
            },
            PING => Self::Ping(reader.long()?),
            CUSTOM => reader.bytes().map(|_| Self::Ignored)?,
            PONG => reader.long().map(|_| Self::Ignored)?,
            REINIT => reader.int().map(|_| Self::Ignored)?,
            NOP => Self::Ignored,
            other => return Err(TlError::Constructor(other)),
        })
    }

    /// Parses a message that was put together from parts. Parts do not nest.
    pub(crate) fn parse_whole(bytes: &[u8]) -> Result<Self, TlError> {
        let mut reader = Reader::new(bytes);
        let message = Self::read(&mut reader)?;
        reader.finish()?;
        match message {
            Self::Part { .. } => Err(TlError::Constructor(PART)),
            other => Ok(other),
        }
    }
}

pub(crate) fn create_channel(key: &[u8; 32], date: u32) -> Vec<u8> {
    Writer::boxed(CREATE_CHANNEL).int256(key).int(date).finish()
}

pub(crate) fn confirm_channel(key: &[u8; 32], peer_key: &[u8; 32], date: u32) -> Vec<u8> {
    Writer::boxed(CONFIRM_CHANNEL).int256(key).int256(peer_key).int(date).finish()
}

pub(crate) fn query(id: &[u8; 32], bytes: &[u8]) -> Vec<u8> {
    Writer::boxed(QUERY).int256(id).bytes(bytes).finish()
}

pub(crate) fn answer(id: &[u8; 32], bytes: &[u8]) -> Vec<u8> {
    Writer::boxed(ANSWER).int256(id).bytes(bytes).finish()
}

pub(crate) fn part(hash: &[u8; 32], total: u32, offset: u32, bytes: &[u8]) -> Vec<u8> {
    Writer::boxed(PART).int256(hash).int(total).int(offset).bytes(bytes).finish()
}

pub(crate) fn pong(value: u64) -> Vec<u8> {
    Writer::boxed(PONG).long(value).finish()
}

pub(crate) fn nop() -> Vec<u8> {
    Writer::boxed(NOP).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CRC-32 (IEEE, reflected) of a schema line: how TL names constructors.
    fn crc32(line: &str) -> u32 {
        !line.bytes().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
            })
        })
    }

    #[test]
    fn constructor_ids_are_the_checksums_of_their_schema_lines() {
        for (id, line) in [
            (CREATE_CHANNEL, "adnl.message.createChannel key:int256 date:int = adnl.Message"),
            (
                CONFIRM_CHANNEL,
                "adnl.message.confirmChannel key:int256 peer_key:int256 date:int = adnl.Message",
            ),
            (QUERY, "adnl.message.query query_id:int256 query:bytes = adnl.Message"),
            (ANSWER, "adnl.message.answer query_id:int256 answer:bytes = adnl.Message"),
            (CUSTOM, "adnl.message.custom data:bytes = adnl.Message"),
            (
                PART,
                "adnl.message.part hash:int256 total_size:int offset:int data:bytes = adnl.Message",
            ),
            (NOP, "adnl.message.nop = adnl.Message"),
            (REINIT, "adnl.message.reinit date:int = adnl.Message"),
            (PING, "adnl.ping value:long = adnl.Pong"),
            (PONG, "adnl.pong value:long = adnl.Pong"),
        ] {
            assert_eq!(id, crc32(line), "{line}");
        }
    }

    #[test]
    fn messages_come_back_as_they_were_written() {
        let (a, b) = ([1; 32], [2; 32]);
        for (bytes, message) in [
            (create_channel(&a, 5), Message::CreateChannel { key: a, date: 5 }),
            (confirm_channel(&a, &b, 5), Message::ConfirmChannel { key: a, peer_key: b, date: 5 }),
            (query(&a, b"ask"), Message::Query { id: a, bytes: b"ask".to_vec() }),
            (answer(&a, b"tell"), Message::Answer { id: a, bytes: b"tell".to_vec() }),
            (nop(), Message::Ignored),
            (pong(3), Message::Ignored),
        ] {
            assert_eq!(Message::parse_whole(&bytes), Ok(message));
        }
        assert!(Message::parse_whole(&part(&a, 10, 0, b"piece")).is_err());
    }
}
