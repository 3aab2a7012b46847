//! What the owner can have signed with the node key, and why it is never an object of the protocol (safety.md N29).
//!
//! The node key signs 32-byte hashes and nothing else: the representation hash of a cell (a state, a request to the
//! contract), the hash of a TL object (a proof of the key on one connection), or what is here. Each is the SHA-256 of
//! bytes that tell by their first one which of the three they are:
//!
//! * a cell begins with its first descriptor, which is 4 at the most for an ordinary cell of level 0, and the
//!   contract signs and takes no other;
//! * the TL object begins with its constructor id, `c4 3b 4a f2`;
//! * a [`Domain`] begins with a letter of ASCII.
//!
//! So no text, however it is chosen, makes one of the others: that would take a collision of SHA-256. The names are
//! a list in this file and not an argument, because whoever may choose the first byte may choose all of the above.

use alloc::string::String;
use core::{fmt, str::FromStr};

use channel::key::sha256;

/// For what a text is signed. Signatures of one are never good for another: no name is the beginning of another
/// name and its zero byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// What a merchant sells, to whom it may be delivered, and what it costs.
    Invoice,
    /// That a merchant will not deliver for a proof of payment.
    Refusal,
}

/// A name that is none of [`Domain::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing is signed for {0:?}: known are \"rill:invoice:v1\" and \"rill:refusal:v1\"")]
pub struct UnknownDomain(pub String);

impl Domain {
    pub const ALL: [Self; 2] = [Self::Invoice, Self::Refusal];

    pub fn name(self) -> &'static str {
        match self {
            Self::Invoice => "rill:invoice:v1",
            Self::Refusal => "rill:refusal:v1",
        }
    }

    /// What the node key signs for this text: sha256(name || 0 || text).
    pub fn digest(self, text: &[u8]) -> [u8; 32] {
        sha256(&[self.name().as_bytes(), &[0], text])
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Domain {
    type Err = UnknownDomain;

    fn from_str(text: &str) -> Result<Self, UnknownDomain> {
        let known = Self::ALL.into_iter().find(|domain| domain.name() == text);
        known.ok_or_else(|| UnknownDomain(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use channel::{
        key::Signature,
        semichannel::{ChannelId, SemiBody, SemiChannel, SignedSemi},
        tl::authenticate_hash,
    };

    use super::*;

    /// The bytes whose hash is that of this state, by the layout of a cell with one reference at the most.
    fn representation(state: &SemiChannel) -> alloc::vec::Vec<u8> {
        let cell = state.to_cell();
        let mut bytes = alloc::vec![cell.descriptor().d1, cell.descriptor().d2];
        bytes.extend_from_slice(cell.data());
        for child in cell.references() {
            bytes.extend(child.repr_depth().to_be_bytes());
        }
        for child in cell.references() {
            bytes.extend(child.repr_hash().0);
        }
        bytes
    }

    #[test]
    fn no_text_can_be_signed_that_is_a_state_or_a_proof_of_the_key() {
        for counterparty in [None, Some(SemiBody::default())] {
            // With this id the fifth byte of the data is the zero that stands behind a name.
            let channel_id = ChannelId([0; 16]);
            let state = SemiChannel { channel_id, data: SemiBody::default(), counterparty };
            let bytes = representation(&state);
            assert_eq!(sha256(&[&bytes]), state.hash(), "these are the bytes");
            let at = bytes.iter().position(|byte| *byte == 0).unwrap();
            let (name, text) = bytes.split_at(at);
            assert_eq!(sha256(&[name, &[0], &text[1..]]), state.hash(), "some name would do");
            for domain in Domain::ALL {
                assert_ne!(domain.name().as_bytes().first(), bytes.first());
                let signed = SignedSemi { signature: Signature::ZERO, state: state.clone() };
                assert_ne!(domain.digest(&text[1..]), signed.state.hash());
            }
        }
        let mut proof = alloc::vec![0xc4, 0x3b, 0x4a, 0xf2];
        proof.extend([[1; 32], [2; 32]].concat());
        proof.extend(3_i64.to_le_bytes());
        assert_eq!(sha256(&[&proof]), authenticate_hash(&[1; 32], &[2; 32], 3));
    }

    #[test]
    fn every_name_begins_with_a_letter_and_ends_where_no_other_goes_on() {
        for domain in Domain::ALL {
            let name = domain.name();
            assert_eq!(name.parse(), Ok(domain));
            assert!(name.starts_with(|first: char| first.is_ascii_lowercase()));
            assert!(!name.contains('\0'));
        }
        for unknown in ["", "rill:invoice:v1\0", "\u{1}yChSt", "rill:invoice"] {
            assert_eq!(unknown.parse::<Domain>(), Err(UnknownDomain(unknown.into())));
        }
    }
}
