//! Keys of the network layer: who a node is, and how two keys become one cipher.
//!
//! A node is an Ed25519 key; its *short id* is the hash of that key and stands in front of every packet meant for it.
//! Two Ed25519 keys agree on a secret by X25519 on the same points, and a secret together with the hash of what it
//! hides gives an AES-256-CTR stream, so that no two packets ever share one.

use aes::{Aes256, cipher::KeyIvInit};
use ctr::{Ctr128BE, cipher::StreamCipher};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::tl::Writer;

/// `pub.ed25519 key:int256 = PublicKey`
pub const PUB_ED25519: u32 = 0x4813_b4c6;
/// `pub.aes key:int256 = PublicKey`
const PUB_AES: u32 = 0x2dbc_add4;

/// The cipher of every ADNL stream and packet.
pub(crate) type Stream = Ctr128BE<Aes256>;

/// A key pair of this side.
pub struct LocalKey {
    signing: SigningKey,
    public: [u8; 32],
    id: [u8; 32],
}

impl LocalKey {
    /// The key pair of a 32-byte Ed25519 seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let signing = SigningKey::from_bytes(seed);
        let public = signing.verifying_key().to_bytes();
        Self { signing, public, id: short_id(&public) }
    }

    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// The short id of [`LocalKey::public`].
    pub fn id(&self) -> [u8; 32] {
        self.id
    }

    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }

    /// The secret that this key and `peer` have in common (protocol.md 5.1).
    ///
    /// `None` if `peer` is no point of the curve, or one of the few with which everybody agrees on the same secret.
    pub fn agree(&self, peer: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
        let scalar = Zeroizing::new(self.signing.to_scalar_bytes());
        let point = VerifyingKey::from_bytes(peer).ok()?.to_montgomery();
        let secret = Zeroizing::new(point.mul_clamped(*scalar).to_bytes());
        (*secret != [0; 32]).then_some(secret)
    }
}

/// `sha256` of the boxed `pub.ed25519`: the name of a key in every ADNL header.
pub fn short_id(public: &[u8; 32]) -> [u8; 32] {
    sha256(&Writer::boxed(PUB_ED25519).int256(public).finish())
}

/// `sha256` of the boxed `pub.aes`: the name of one direction of a channel.
pub(crate) fn aes_id(key: &[u8; 32]) -> [u8; 32] {
    sha256(&Zeroizing::new(Writer::boxed(PUB_AES).int256(key).finish()))
}

/// Whether `signature` is `public`'s over `message`.
///
/// Strict: weak keys and signatures that some verifiers take and others refuse are refused.
pub fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(public)
        .and_then(|key| key.verify_strict(message, &Signature::from_bytes(signature)))
        .is_ok()
}

/// Applies the AES-256-CTR stream of a secret and the checksum of the plaintext (protocol.md 5.1): key =
/// `secret[..16] || checksum[16..]`, counter = `checksum[..4] || secret[20..]`. Encrypts and decrypts alike.
pub(crate) fn apply_shared(secret: &[u8; 32], checksum: &[u8; 32], data: &mut [u8]) {
    let mut key = Zeroizing::new([0_u8; 32]);
    let mut counter = Zeroizing::new([0_u8; 16]);
    let (secret_low, _) = secret.split_at(16);
    let (_, secret_high) = secret.split_at(20);
    let (_, checksum_high) = checksum.split_at(16);
    let (checksum_low, _) = checksum.split_at(4);
    fill(&mut *key, secret_low, checksum_high);
    fill(&mut *counter, checksum_low, secret_high);
    Stream::new((&*key).into(), (&*counter).into()).apply_keystream(data);
}

/// `target = a || b`, as far as they reach.
fn fill(target: &mut [u8], a: &[u8], b: &[u8]) {
    target.iter_mut().zip(a.iter().chain(b)).for_each(|(to, from)| *to = *from);
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex32(text: &str) -> [u8; 32] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn key_agreement_equals_that_of_the_existing_network() {
        let (a, b) = (LocalKey::from_seed(&[1; 32]), LocalKey::from_seed(&[2; 32]));
        let shared = hex32("4181d7302557342bdb6d061c4b1eebea828ecb625c3368b7111680793307220b");
        assert_eq!(*a.agree(&b.public()).unwrap(), shared);
        assert_eq!(*b.agree(&a.public()).unwrap(), shared);
    }

    #[test]
    fn short_ids_equal_those_of_the_existing_network() {
        let a = LocalKey::from_seed(&[1; 32]);
        assert_eq!(
            a.public(),
            hex32("8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c")
        );
        assert_eq!(
            a.id(),
            hex32("cb888b529d5cdab2ee7aa02a412626b9a25940c1042206cd8ee99dbb2d4a01f8")
        );
        // A node of the public network and a client, both named in TON's ADNL documentation.
        for (public, id) in [
            (
                "7d99e4a08031ad3778c5e060569645466e52bd5bd2c7b78ddd56def1cf3760c9",
                "daa76538d99c79ea097a67086ec05acca12d1fefdbc9c96a76ab5a12e66c7ebb",
            ),
            (
                "afc46336dd352049b366c7fd3fc1b143a518f0d02d9faef896cb0155488915d6",
                "68426d4906bafbd5fe25baf9e0608cf24fffa7eca0aece70765d64f61f82f005",
            ),
        ] {
            assert_eq!(short_id(&hex32(public)), hex32(id));
        }
    }

    #[test]
    fn a_key_with_which_everybody_agrees_on_the_same_secret_is_refused() {
        let ours = LocalKey::from_seed(&[1; 32]);
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert!(ours.agree(&neutral).is_none());
        assert!(ours.agree(&[0; 32]).is_none());
        // y = 2 is on no point of the curve.
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        assert!(ours.agree(&off_curve).is_none());
    }

    #[test]
    fn a_signature_of_another_key_or_message_is_refused() {
        let (a, b) = (LocalKey::from_seed(&[1; 32]), LocalKey::from_seed(&[2; 32]));
        let signature = a.sign(b"hello");
        assert!(verify(&a.public(), b"hello", &signature));
        assert!(!verify(&b.public(), b"hello", &signature));
        assert!(!verify(&a.public(), b"hellp", &signature));
    }
}
