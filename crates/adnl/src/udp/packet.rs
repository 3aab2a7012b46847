//! The contents of a datagram: who speaks, in which order, since when, and what.
//!
//! Outside a channel a packet names its sender in full and is signed; inside a channel the channel's key says who
//! speaks and the packet carries no name. Layout: `adnl.packetContents` in TON's `ton_api.tl`.

use alloc::vec::Vec;

use crate::{
    key::{LocalKey, PUB_ED25519, verify},
    tl::{Reader, TlError, Writer},
};

use super::message::{MESSAGE_MIN, Message};

const CONTENTS: u32 = 0xd142_cd89;

const FROM: u32 = 1;
const FROM_SHORT: u32 = 1 << 1;
const ONE_MESSAGE: u32 = 1 << 2;
const MESSAGES: u32 = 1 << 3;
const ADDRESS: u32 = 1 << 4;
const PRIORITY_ADDRESS: u32 = 1 << 5;
const SEQNO: u32 = 1 << 6;
const CONFIRM_SEQNO: u32 = 1 << 7;
const ADDRESS_VERSION: u32 = 1 << 8;
const PRIORITY_ADDRESS_VERSION: u32 = 1 << 9;
const REINIT: u32 = 1 << 10;
const SIGNATURE: u32 = 1 << 11;
/// All flags that exist; the last one marks the packet as urgent and adds no field.
const ALL: u32 = 0x1fff;

const ADDRESS_UDP: u32 = 0x670d_a6e7;
const ADDRESS_UDP6: u32 = 0xe31d_63fa;
const ADDRESS_TUNNEL: u32 = 0x092b_02eb;
const ADDRESS_REVERSE: u32 = 0x2779_5286;
const ADDRESS_QUIC: u32 = 0x7801_7253;

/// When each side started, as the sender knows it. Unix seconds; `theirs` is 0 as long as it is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Started {
    /// `reinit_date`: the sender's own start.
    pub(crate) sender: u32,
    /// `dst_reinit_date`: the receiver's start.
    pub(crate) receiver: u32,
}

/// A packet that is about to leave.
pub(crate) struct Draft<'a> {
    /// Boxed messages.
    pub(crate) messages: &'a [&'a [u8]],
    pub(crate) seqno: u64,
    /// The highest seqno received so far.
    pub(crate) confirm: u64,
    /// Version of the peer's address list that we have.
    pub(crate) address_version: Option<u32>,
    /// 7 or 15 random bytes each.
    pub(crate) random: (&'a [u8], &'a [u8]),
}

impl Draft<'_> {
    /// The contents of a packet inside a channel.
    pub(crate) fn in_channel(&self) -> Vec<u8> {
        self.write(None, None)
    }

    /// The contents of a packet outside a channel: named, dated and signed by `key`.
    pub(crate) fn signed(&self, key: &LocalKey, started: Started) -> Vec<u8> {
        let signature = key.sign(&self.write(Some((key, started)), None));
        self.write(Some((key, started)), Some(&signature))
    }

    fn write(&self, named: Option<(&LocalKey, Started)>, signature: Option<&[u8; 64]>) -> Vec<u8> {
        let one = self.messages.len() == 1;
        let flags = SEQNO
            | CONFIRM_SEQNO
            | if one { ONE_MESSAGE } else { MESSAGES }
            | if named.is_some() { FROM | ADDRESS | REINIT } else { 0 }
            | if self.address_version.is_some() { ADDRESS_VERSION } else { 0 }
            | if signature.is_some() { SIGNATURE } else { 0 };

        let mut writer = Writer::boxed(CONTENTS).bytes(self.random.0).int(flags);
        if let Some((key, _)) = named {
            writer = writer.int(PUB_ED25519).int256(&key.public());
        }
        if !one {
            writer = writer.int(u32::try_from(self.messages.len()).unwrap_or(u32::MAX));
        }
        for message in self.messages {
            writer = writer.raw(message);
        }
        if let Some((_, started)) = named {
            // An address list without addresses: "answer to where this came from". No addrs, version,
            // reinit_date, priority, expire_at.
            writer = writer.int(0).int(started.sender).int(started.sender).int(0).int(0);
        }
        writer = writer.long(self.seqno).long(self.confirm);
        if let Some(version) = self.address_version {
            writer = writer.int(version);
        }
        if let Some((_, started)) = named {
            writer = writer.int(started.sender).int(started.receiver);
        }
        if let Some(signature) = signature {
            writer = writer.bytes(signature);
        }
        writer.bytes(self.random.1).finish()
    }
}

/// A packet that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The sender's key, if the packet names it in full.
    pub(crate) from: Option<[u8; 32]>,
    /// The sender's short id, if the packet names it that way.
    pub(crate) from_short: Option<[u8; 32]>,
    pub(crate) messages: Vec<Message>,
    /// Version of the sender's address list, if it sent one.
    pub(crate) address_version: Option<u32>,
    pub(crate) seqno: Option<u64>,
    pub(crate) confirm: Option<u64>,
    pub(crate) started: Option<Started>,
    signature: Option<Signature>,
}

/// A signature and the bytes that it is over: the packet without the signature and without its flag.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Signature {
    signature: [u8; 64],
    signed: Vec<u8>,
}

impl Packet {
    pub(crate) fn parse(contents: &[u8]) -> Result<Self, TlError> {
        let mut reader = Reader::new(contents);
        reader.expect(CONTENTS)?;
        let rand1 = reader.bytes()?;
        let flags = reader.int()?;
        let has = |flag: u32| flags & flag != 0;
        if flags & ALL != flags || has(ONE_MESSAGE) && has(MESSAGES) {
            return Err(TlError::Value("flags"));
        }
        let after_flags = reader.rest();

        let from = has(FROM).then(|| public_key(&mut reader)).transpose()?;
        let from_short = has(FROM_SHORT).then(|| reader.int256()).transpose()?;
        let count = match (has(ONE_MESSAGE), has(MESSAGES)) {
            (true, _) => 1,
            (_, true) => reader.count(MESSAGE_MIN)?,
            _ => 0,
        };
        let messages = (0..count).map(|_| Message::read(&mut reader)).collect::<Result<_, _>>()?;
        let address_version = has(ADDRESS).then(|| address_list(&mut reader)).transpose()?;
        has(PRIORITY_ADDRESS).then(|| address_list(&mut reader)).transpose()?;
        let seqno = has(SEQNO).then(|| reader.long()).transpose()?;
        let confirm = has(CONFIRM_SEQNO).then(|| reader.long()).transpose()?;
        has(ADDRESS_VERSION).then(|| reader.int()).transpose()?;
        has(PRIORITY_ADDRESS_VERSION).then(|| reader.int()).transpose()?;
        let started = has(REINIT).then(|| started(&mut reader)).transpose()?;
        let before_signature = reader.rest();
        let signature = has(SIGNATURE).then(|| signature(&mut reader)).transpose()?;
        let after_signature = reader.rest();
        reader.bytes()?;
        reader.finish()?;

        let signature = signature.map(|signature| {
            let body = after_flags.len().saturating_sub(before_signature.len());
            let (body, _) = after_flags.split_at_checked(body).unwrap_or_default();
            let signed = Writer::boxed(CONTENTS)
                .bytes(rand1)
                .int(flags & !SIGNATURE)
                .raw(body)
                .raw(after_signature)
                .finish();
            Signature { signature, signed }
        });
        Ok(Self { from, from_short, messages, address_version, seqno, confirm, started, signature })
    }

    /// Whether the packet carries `public`'s signature over all of it.
    pub(crate) fn signed_by(&self, public: &[u8; 32]) -> bool {
        self.signature.as_ref().is_some_and(|it| verify(public, &it.signed, &it.signature))
    }
}

/// Boxed `PublicKey`; nodes have Ed25519 keys and no others.
fn public_key(reader: &mut Reader<'_>) -> Result<[u8; 32], TlError> {
    reader.expect(PUB_ED25519)?;
    reader.int256()
}

fn started(reader: &mut Reader<'_>) -> Result<Started, TlError> {
    Ok(Started { sender: reader.int()?, receiver: reader.int()? })
}

fn signature(reader: &mut Reader<'_>) -> Result<[u8; 64], TlError> {
    reader.bytes()?.try_into().map_err(|_| TlError::Value("signature"))
}

/// Skips a bare `adnl.addressList addrs:(vector adnl.Address) version:int reinit_date:int priority:int
/// expire_at:int` and returns its version. Peers are reached where their packets come from.
fn address_list(reader: &mut Reader<'_>) -> Result<u32, TlError> {
    for _ in 0..reader.count(4)? {
        match reader.int()? {
            ADDRESS_UDP | ADDRESS_QUIC => reader.array::<8>().map(drop)?,
            ADDRESS_UDP6 => reader.array::<20>().map(drop)?,
            ADDRESS_TUNNEL => {
                reader.int256()?;
                public_key(reader)?;
            }
            ADDRESS_REVERSE => {}
            other => return Err(TlError::Constructor(other)),
        }
    }
    let version = reader.int()?;
    reader.array::<12>()?;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of TON's documentation "ADNL UDP - internode". Its signature is not a real one.
    const DOCUMENTED: &str = "\
        89cd42d1 0f4e0e7dd6d0c5646c204573bc47e567 d90d0000 \
        c6b41348afc46336dd352049b366c7fd3fc1b143a518f0d02d9faef896cb0155488915d6 02000000 \
        bbc373e6d59d8e3991be20b54dde8b78b3af18b379a62fa30e64af361c75452f6af019d7555c8763 \
        7af98bb4d7be82afbc80516ebca39784b8e2209886a69601251571444514b7f17fcd887504ed4879a9000000 \
        00000000555c8763555c87630000000000000000 0100000000000000 0000000000000000 555c8763 \
        555c876300000000 \
        40b453fbcbd8e884586b464290fe07475ee0da9df0b8d191e41e44f8f42a63a710\
        341eefe8ffdc56de73db50a25989816dda17a4ac6c2f72f49804a97ff41df502000000 \
        0f2b6a8c0509f85da9f3c7e11c86ba22";

    fn documented() -> Vec<u8> {
        hex::decode(DOCUMENTED.replace(' ', "")).unwrap()
    }

    fn hex32(text: &str) -> [u8; 32] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    fn draft<'a>(messages: &'a [&'a [u8]]) -> Draft<'a> {
        Draft {
            messages,
            seqno: 9,
            confirm: 4,
            address_version: Some(3),
            random: (&[1; 15], &[2; 7]),
        }
    }

    const STARTED: Started = Started { sender: 100, receiver: 50 };

    #[test]
    fn the_documented_packet_is_understood() {
        let packet = Packet::parse(&documented()).unwrap();
        assert_eq!(
            packet.from,
            Some(hex32("afc46336dd352049b366c7fd3fc1b143a518f0d02d9faef896cb0155488915d6"))
        );
        assert_eq!(
            packet.messages,
            [
                Message::CreateChannel {
                    key: hex32("d59d8e3991be20b54dde8b78b3af18b379a62fa30e64af361c75452f6af019d7"),
                    date: 0x6387_5c55,
                },
                Message::Query {
                    id: hex32("d7be82afbc80516ebca39784b8e2209886a69601251571444514b7f17fcd8875"),
                    bytes: hex::decode("ed4879a9").unwrap(),
                },
            ]
        );
        assert_eq!(packet.address_version, Some(0x6387_5c55));
        assert_eq!((packet.seqno, packet.confirm), (Some(1), Some(0)));
        assert_eq!(packet.started, Some(Started { sender: 0x6387_5c55, receiver: 0 }));
    }

    #[test]
    fn what_is_written_for_the_documented_packet_is_the_documented_bytes() {
        let bytes = documented();
        let packet = Packet::parse(&bytes).unwrap();
        // Everything but sender and signature, which belong to a key that nobody published.
        let key = LocalKey::from_seed(&[1; 32]);
        let draft = Draft {
            messages: &[&bytes[64..104], &bytes[104..148]],
            seqno: 1,
            confirm: 0,
            address_version: Some(0x6387_5c55),
            random: (&bytes[5..20], &bytes[bytes.len() - 15..]),
        };
        let written = draft.signed(&key, packet.started.unwrap());
        assert_eq!(written.len(), bytes.len());
        assert_eq!(written[..28], bytes[..28]);
        assert_eq!(written[60..197], bytes[60..197]);
        assert_eq!(written[written.len() - 19..], bytes[bytes.len() - 19..]);
        assert!(Packet::parse(&written).unwrap().signed_by(&key.public()));
    }

    #[test]
    fn every_changed_byte_of_a_signed_packet_breaks_it() {
        let key = LocalKey::from_seed(&[1; 32]);
        let nop = super::super::message::nop();
        let bytes = draft(&[&nop]).signed(&key, STARTED);
        let original = Packet::parse(&bytes).unwrap();
        assert!(original.signed_by(&key.public()));
        assert!(!original.signed_by(&LocalKey::from_seed(&[2; 32]).public()));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                // Padding is not covered by anything; all that it can say is what was said anyway.
                let harmless = |packet: &Packet| *packet == original;
                assert!(
                    Packet::parse(&changed).map_or(true, |packet| harmless(&packet)
                        || !packet.signed_by(&key.public())),
                    "byte {at} bit {bit}"
                );
            }
        }
    }

    #[test]
    fn every_truncation_and_every_unknown_flag_is_refused() {
        let key = LocalKey::from_seed(&[1; 32]);
        let nop = super::super::message::nop();
        for bytes in
            [draft(&[&nop, &nop]).signed(&key, STARTED), draft(&[&nop]).in_channel(), documented()]
        {
            for length in 0..bytes.len() {
                assert!(Packet::parse(&bytes[..length]).is_err());
            }
            assert!(Packet::parse(&[bytes, Vec::from([0])].concat()).is_err());
        }
        let contents = Writer::boxed(CONTENTS).bytes(&[0; 7]).int(1 << 13).bytes(&[0; 7]).finish();
        assert_eq!(Packet::parse(&contents), Err(TlError::Value("flags")));
    }

    #[test]
    fn address_lists_with_every_kind_of_address_are_skipped() {
        let list = Writer::new()
            .int(5)
            .int(ADDRESS_UDP)
            .raw(&[1; 8])
            .int(ADDRESS_UDP6)
            .raw(&[2; 20])
            .int(ADDRESS_TUNNEL)
            .raw(&[3; 32])
            .int(PUB_ED25519)
            .raw(&[4; 32])
            .int(ADDRESS_REVERSE)
            .int(ADDRESS_QUIC)
            .raw(&[5; 8])
            .int(77)
            .raw(&[0; 12])
            .finish();
        let mut reader = Reader::new(&list);
        assert_eq!(address_list(&mut reader), Ok(77));
        assert!(reader.is_empty());
    }
}
