//! The encryption of datagrams, and who can read them.
//!
//! A packet to somebody with whom there is no channel yet is encrypted to that node's key with a key that is used
//! once. A channel is a secret that both sides made from fresh keys; it gives one cipher key and one id for each
//! direction. In both cases the checksum of the contents is part of the cipher key, so changed bytes decrypt to
//! something that does not match it.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::{
    key::{LocalKey, aes_id, apply_shared, sha256, short_id},
    tl::Writer,
};

/// A datagram outside a channel: `receiver's short id || ephemeral key || sha256(contents) || encrypted contents`.
///
/// `None` if `receiver` is not a usable key.
pub(crate) fn seal_to_key(
    receiver: &[u8; 32],
    ephemeral: &LocalKey,
    contents: &[u8],
) -> Option<Vec<u8>> {
    let secret = ephemeral.agree(receiver)?;
    let head = Writer::new().int256(&short_id(receiver)).int256(&ephemeral.public()).finish();
    Some(seal(head, &secret, contents))
}

/// Opens what follows our short id in a datagram outside a channel.
pub(crate) fn open_with_key(key: &LocalKey, sealed: &[u8]) -> Option<Vec<u8>> {
    let (ephemeral, rest) = sealed.split_first_chunk::<32>()?;
    open(&*key.agree(ephemeral)?, rest)
}

/// The two directions of a channel.
pub(crate) struct Channel {
    incoming: Direction,
    outgoing: Direction,
}

struct Direction {
    key: Zeroizing<[u8; 32]>,
    id: [u8; 32],
}

impl Channel {
    /// The channel of our fresh key and the peer's. `local` and `peer` are the short ids of the two nodes: the smaller
    /// one receives under the secret as it is and sends under its bytes reversed.
    ///
    /// `None` if `peer_key` is not a usable key.
    pub(crate) fn agree(
        key: &LocalKey,
        peer_key: &[u8; 32],
        local: &[u8; 32],
        peer: &[u8; 32],
    ) -> Option<Self> {
        let secret = key.agree(peer_key)?;
        let mut reversed = secret.clone();
        reversed.reverse();
        let (incoming, outgoing) =
            if local < peer { (secret, reversed) } else { (reversed, secret) };
        Some(Self { incoming: Direction::new(incoming), outgoing: Direction::new(outgoing) })
    }

    /// What incoming datagrams of this channel start with.
    pub(crate) fn incoming_id(&self) -> [u8; 32] {
        self.incoming.id
    }

    /// A datagram inside the channel: `channel id || sha256(contents) || encrypted contents`.
    pub(crate) fn seal(&self, contents: &[u8]) -> Vec<u8> {
        seal(self.outgoing.id.to_vec(), &self.outgoing.key, contents)
    }

    /// Opens what follows the channel id in a datagram.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        open(&self.incoming.key, sealed)
    }
}

impl Direction {
    fn new(key: Zeroizing<[u8; 32]>) -> Self {
        let id = aes_id(&key);
        Self { key, id }
    }
}

fn seal(mut head: Vec<u8>, secret: &[u8; 32], contents: &[u8]) -> Vec<u8> {
    let checksum = sha256(contents);
    let mut body = contents.to_vec();
    apply_shared(secret, &checksum, &mut body);
    head.extend_from_slice(&checksum);
    head.append(&mut body);
    head
}

fn open(secret: &[u8; 32], sealed: &[u8]) -> Option<Vec<u8>> {
    let (checksum, body) = sealed.split_first_chunk::<32>()?;
    let mut contents = body.to_vec();
    apply_shared(secret, checksum, &mut contents);
    (sha256(&contents) == *checksum).then_some(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_receiver_opens_a_datagram_and_only_unchanged() {
        let receiver = LocalKey::from_seed(&[1; 32]);
        let sealed =
            seal_to_key(&receiver.public(), &LocalKey::from_seed(&[7; 32]), b"contents").unwrap();
        assert_eq!(sealed[..32], receiver.id());
        assert_eq!(open_with_key(&receiver, &sealed[32..]).unwrap(), b"contents");
        assert!(open_with_key(&LocalKey::from_seed(&[2; 32]), &sealed[32..]).is_none());
        for at in 32..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open_with_key(&receiver, &changed[32..]).is_none(), "byte {at}");
        }
    }

    #[test]
    fn both_sides_of_a_channel_fit_together_and_neither_direction_opens_its_own() {
        let (a, b) = (LocalKey::from_seed(&[1; 32]), LocalKey::from_seed(&[2; 32]));
        let (ka, kb) = (LocalKey::from_seed(&[3; 32]), LocalKey::from_seed(&[4; 32]));
        let at_a = Channel::agree(&ka, &kb.public(), &a.id(), &b.id()).unwrap();
        let at_b = Channel::agree(&kb, &ka.public(), &b.id(), &a.id()).unwrap();
        for (from, to) in [(&at_a, &at_b), (&at_b, &at_a)] {
            let sealed = from.seal(b"hello");
            assert_eq!(sealed[..32], to.incoming_id());
            assert_eq!(to.open(&sealed[32..]).unwrap(), b"hello");
            assert!(from.open(&sealed[32..]).is_none());
        }
    }

    #[test]
    fn the_smaller_id_receives_under_the_secret_and_sends_under_its_reverse() {
        let (ka, kb) = (LocalKey::from_seed(&[3; 32]), LocalKey::from_seed(&[4; 32]));
        let secret = ka.agree(&kb.public()).unwrap();
        let mut reversed = *secret;
        reversed.reverse();
        let small = Channel::agree(&ka, &kb.public(), &[1; 32], &[2; 32]).unwrap();
        assert_eq!((small.incoming.key, *small.outgoing.key), (secret, reversed));
    }
}
