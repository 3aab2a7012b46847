//! Ed25519 keys and signatures, the key agreement built on them, and derivation of keys from a seed.
//!
//! A public key is a name before it is a point: any 32 bytes can be one, and bytes that are no usable
//! point simply verify nothing. A secret key wipes itself and can only be used, never read or copied.
//!
//! Keys of small order need no secret: anybody makes signatures under them. They are refused wherever a key
//! enters (safety.md N28), and only there: what the contract would take is verified by its own rule.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use aes::cipher::{KeyIvInit, StreamCipher};
use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::{Signer, SigningKey, Verifier, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

/// The 32 bytes of an Ed25519 public key, not necessarily a valid one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// An Ed25519 signature as it stands on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

/// An Ed25519 private key. It wipes itself when dropped.
pub struct SecretKey(SigningKey);

impl PublicKey {
    /// True when `signature` is one of this key over `message`, and the key is not [weak](Self::is_weak).
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        !self.is_weak() && self.verify_as_contract(message, signature)
    }

    /// True when the contract takes `signature` for one of this key over `message`: no more and no less, since
    /// a signature that only one of us takes is a state that only one of us knows.
    pub fn verify_as_contract(&self, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify(message, &signature).is_ok())
    }

    /// No secret stands behind this key: it is no point of the curve, or one of small order, under which anybody
    /// makes signatures and one signature fits many messages. Such a key is nobody's.
    pub fn is_weak(&self) -> bool {
        VerifyingKey::from_bytes(&self.0).map_or(true, |key| key.is_weak())
    }
}

impl SecretKey {
    /// The key of an RFC 8032 seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        Self(SigningKey::from_bytes(&seed))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }

    /// X25519 of this key and `theirs`, both carried over from Ed25519.
    ///
    /// `None` when `theirs` is no point of the curve or one of small order, whose result anybody knows.
    pub fn shared(&self, theirs: &PublicKey) -> Option<[u8; 32]> {
        let point = CompressedEdwardsY(theirs.0).decompress()?;
        if point.is_small_order() {
            return None;
        }
        let scalar = Zeroizing::new(self.0.to_scalar_bytes());
        // The product on the Edwards curve, carried over, is the ladder's, and it is there sooner.
        Some(point.mul_clamped(*scalar).to_montgomery().to_bytes())
    }
}

impl Signature {
    /// Sixty-four zero bytes: the place of a signature that has not been given.
    pub const ZERO: Self = Self([0; 64]);

    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

/// Encrypts or decrypts `data` in place with the cipher that the network builds from a shared key and
/// the sha256 of the plaintext: AES-256-CTR, both halves of which come from both inputs.
pub fn apply_shared_cipher(key: &[u8; 32], checksum: &[u8; 32], data: &mut [u8]) {
    let mut cipher_key = Zeroizing::new([0; 32]);
    for (to, from) in cipher_key.iter_mut().zip(key.iter().take(16).chain(checksum.iter().skip(16)))
    {
        *to = *from;
    }
    let mut iv = [0; 16];
    for (to, from) in iv.iter_mut().zip(checksum.iter().take(4).chain(key.iter().skip(20))) {
        *to = *from;
    }
    let cipher_key: &[u8; 32] = &cipher_key;
    ctr::Ctr128BE::<aes::Aes256>::new(cipher_key.into(), &iv.into()).apply_keystream(data);
}

/// Derives 32 bytes from `seed` for one purpose: HMAC-SHA512 over the label and each part of the
/// context, every one preceded by its length, cut to its first half.
pub fn derive(seed: &[u8; 32], label: &str, context: &[&[u8]]) -> [u8; 32] {
    let mut block = Zeroizing::new([0; 128]);
    for (to, from) in block.iter_mut().zip(seed) {
        *to = *from;
    }
    let block: &[u8; 128] = &block;
    let mut mac = Hmac::<Sha512>::new(block.into());
    for part in [label.as_bytes()].iter().chain(context) {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        mac.update(part);
    }
    let digest = Zeroizing::new(<[u8; 64]>::from(mac.finalize().into_bytes()));
    let mut derived = [0; 32];
    for (to, from) in derived.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    derived
}

/// SHA-256 of the parts one after the other.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("..")
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    /// Sixty-four hex digits.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.len() != 64 {
            return Err(KeyError::Length(text.len()));
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            for digit in pair {
                let value = char::from(*digit)
                    .to_digit(16)
                    .and_then(|value| u8::try_from(value).ok())
                    .ok_or_else(|| KeyError::Digit(String::from(text)))?;
                *byte = (*byte << 4) | value;
            }
        }
        Ok(Self(bytes))
    }
}

/// Why a text is not a public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("a public key is 64 hex digits, this text has {0} bytes")]
    Length(usize),
    #[error("\"{0}\" is not written in hex digits")]
    Digit(String),
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec::Vec};

    use super::*;

    #[test]
    fn a_key_verifies_what_it_signed_and_nothing_else() {
        let key = SecretKey::from_seed([1; 32]);
        let signature = key.sign(b"message");
        assert!(key.public().verify(b"message", &signature));
        assert!(!key.public().verify(b"massage", &signature));
        assert!(!SecretKey::from_seed([2; 32]).public().verify(b"message", &signature));
        assert!(!key.public().verify(b"message", &Signature::ZERO));
    }

    /// Every encoding of a point of small order: eight points, some of which can be written in three ways.
    fn weak_keys() -> Vec<PublicKey> {
        let eighth = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
        let other = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
        let mut all = alloc::vec![];
        for (first, middle, last) in
            [(1, 0, 0), (0, 0, 0), (0xec, 0xff, 0x7f), (0xed, 0xff, 0x7f), (0xee, 0xff, 0x7f)]
        {
            let mut key = [middle; 32];
            (key[0], key[31]) = (first, last);
            all.push(PublicKey(key));
        }
        all.extend([eighth, other].map(|text| text.parse::<PublicKey>().unwrap()));
        let negative = all.clone().into_iter().map(|mut key| {
            key.0[31] |= 0x80;
            key
        });
        all.extend(negative);
        all
    }

    #[test]
    fn a_key_of_small_order_verifies_nothing_and_agrees_on_nothing() {
        // R is the neutral point and S is zero: no secret was needed to write this.
        let mut forged = Signature([0; 64]);
        forged.0[0] = 1;
        let ours = SecretKey::from_seed([1; 32]);
        let keys = weak_keys();
        assert_eq!(keys.len(), 14);
        let fooled = |key: &&PublicKey| {
            (0..64_u8).any(|message| key.verify_as_contract(&[message], &forged))
        };
        assert_eq!(keys.iter().filter(fooled).count(), 14, "the contract would believe each");
        for key in &keys {
            assert!(key.is_weak());
            assert!((0..64_u8).all(|message| !key.verify(&[message], &forged)));
            assert_eq!(ours.shared(key), None);
        }
        assert!(PublicKey([2; 32]).is_weak(), "no point at all");
        assert!(!ours.public().is_weak());
    }

    /// R of small order: a strict verifier refuses it, the contract does not, and the signer has the choice.
    #[test]
    fn a_signature_that_the_contract_takes_is_taken() {
        use curve25519_dalek::scalar::Scalar;
        let (seed, message) = ([1; 32], b"a state");
        let public = SecretKey::from_seed(seed).public();
        let secret = SigningKey::from_bytes(&seed).to_scalar();
        let mut signature = [0; 64];
        signature[0] = 1;
        let mut hasher = Sha512::new();
        for part in [&signature[..32], &public.0, message] {
            hasher.update(part);
        }
        let challenge = Scalar::from_bytes_mod_order_wide(&hasher.finalize().into());
        signature[32..].copy_from_slice((challenge * secret).as_bytes());
        let signature = Signature(signature);

        assert!(public.verify_as_contract(message, &signature));
        assert!(public.verify(message, &signature));
        let strict = VerifyingKey::from_bytes(&public.0).unwrap();
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        assert!(strict.verify_strict(message, &signature).is_err(), "it is a special one");
    }

    #[test]
    fn derived_keys_differ_by_label_and_by_where_a_context_is_cut() {
        let seed = [7; 32];
        let all = [
            derive(&seed, "a", &[b"bc"]),
            derive(&seed, "ab", &[b"c"]),
            derive(&seed, "a", &[b"b", b"c"]),
            derive(&seed, "a", &[]),
            derive(&[8; 32], "a", &[b"bc"]),
        ];
        for (i, left) in all.iter().enumerate() {
            for right in all.iter().skip(i + 1) {
                assert_ne!(left, right);
            }
        }
        assert_eq!(all[0], derive(&seed, "a", &[b"bc"]));
    }

    #[test]
    fn a_public_key_is_read_as_it_is_shown() {
        let key = SecretKey::from_seed([1; 32]).public();
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!("12".parse::<PublicKey>(), Err(KeyError::Length(2)));
        assert!("zz".repeat(32).parse::<PublicKey>().is_err());
        assert!("é".repeat(32).parse::<PublicKey>().is_err());
    }
}
