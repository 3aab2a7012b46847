//! The node's private keys as they lie in the browser's storage: encrypted, under a key made from the owner's passphrase.
//!
//! The key comes from Argon2id, which needs time and memory for every guess. The price of a guess and the salt stand in
//! front of the ciphertext, so that a later version can ask for more without losing an old vault.
//!
//! Layout: `"rillkeys" || version:u8 || memory KiB:u32 || passes:u32 || salt:16 || nonce:12 || ciphertext and tag:112 ||
//! sha256 of all before`, numbers big-endian. The checksum tells a damaged vault from a wrong passphrase.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use argon2::{Algorithm, Argon2, Params, Version};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A seed of an Ed25519 key; wiped when dropped.
pub type Seed = Zeroizing<[u8; 32]>;

/// All that a node must never lose and never show.
pub struct Keys {
    /// The identity in channels.
    pub node: Seed,
    /// The wallet that pays for contract messages.
    pub wallet: Seed,
    /// The endpoint of the network layer.
    pub adnl: Seed,
}

/// What one guess of the passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    pub memory_kib: u32,
    pub passes: u32,
}

/// Fresh random bytes for one sealing.
pub struct Salts {
    pub salt: [u8; SALT],
    pub nonce: [u8; NONCE],
}

/// Why a vault does not open. Opening changes nothing, so nothing is lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error("this passphrase does not open the stored keys: try another one")]
    WrongPassphrase,
    #[error("the stored keys are damaged ({0}): restore them from a backup")]
    Corrupt(&'static str),
    #[error("the stored keys are of version {0}, this program knows version {VERSION}: update it")]
    Newer(u8),
    #[error("the key derivation failed: {0}")]
    Derivation(String),
}

impl Cost {
    /// The second choice of RFC 9106, made for devices with little memory.
    pub const USUAL: Self = Self { memory_kib: 64 * 1024, passes: 3 };
}

impl Keys {
    /// The vault of these keys under `passphrase`.
    pub fn seal(&self, passphrase: &str, cost: Cost, salts: &Salts) -> Result<Vec<u8>, VaultError> {
        let mut vault = Vec::with_capacity(LENGTH);
        vault.extend_from_slice(MAGIC);
        vault.push(VERSION);
        vault.extend_from_slice(&cost.memory_kib.to_be_bytes());
        vault.extend_from_slice(&cost.passes.to_be_bytes());
        vault.extend_from_slice(&salts.salt);
        vault.extend_from_slice(&salts.nonce);

        let plain = Zeroizing::new([*self.node, *self.wallet, *self.adnl].concat());
        let sealed = cipher(passphrase, cost, &salts.salt)?
            .encrypt(&salts.nonce.into(), Payload { msg: &plain, aad: &vault })
            .map_err(|_| VaultError::Derivation("nothing could be encrypted".into()))?;
        vault.extend_from_slice(&sealed);
        let checksum = Sha256::digest(&vault);
        vault.extend_from_slice(&checksum);
        Ok(vault)
    }

    /// The keys in a vault.
    pub fn open(vault: &[u8], passphrase: &str) -> Result<Self, VaultError> {
        let mut rest = vault;
        if take(&mut rest)? != *MAGIC {
            return Err(VaultError::Corrupt("they do not start as a vault"));
        }
        let [version] = take(&mut rest)?;
        if version > VERSION {
            return Err(VaultError::Newer(version));
        }
        let (body, checksum) = vault
            .split_last_chunk::<32>()
            .filter(|_| vault.len() == LENGTH)
            .ok_or(VaultError::Corrupt("they have a wrong length"))?;
        if version == 0 || Sha256::digest(body)[..] != checksum[..] {
            return Err(VaultError::Corrupt("their checksum is wrong"));
        }

        let cost = Cost {
            memory_kib: u32::from_be_bytes(take(&mut rest)?),
            passes: u32::from_be_bytes(take(&mut rest)?),
        };
        let salt: [u8; SALT] = take(&mut rest)?;
        let nonce: [u8; NONCE] = take(&mut rest)?;
        let (head, sealed) =
            body.split_at_checked(HEAD).ok_or(VaultError::Corrupt("they have a wrong length"))?;
        let plain = cipher(passphrase, cost, &salt)?
            .decrypt(&nonce.into(), Payload { msg: sealed, aad: head })
            .map(Zeroizing::new)
            .map_err(|_| VaultError::WrongPassphrase)?;
        let mut plain = plain.as_slice();
        let mut seed = || take(&mut plain).map(Zeroizing::new);
        Ok(Self { node: seed()?, wallet: seed()?, adnl: seed()? })
    }
}

/// The cipher that only the passphrase gives.
fn cipher(passphrase: &str, cost: Cost, salt: &[u8; SALT]) -> Result<Aes256Gcm, VaultError> {
    if cost.memory_kib > MEMORY_KIB_MAX || cost.passes > PASSES_MAX {
        return Err(VaultError::Corrupt("they ask for more memory or time than any version does"));
    }
    let failed = |error: argon2::Error| VaultError::Derivation(error.to_string());
    let params = Params::new(cost.memory_kib, cost.passes, 1, Some(32)).map_err(failed)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut *key)
        .map_err(failed)?;
    let key: &[u8; 32] = &key;
    Ok(Aes256Gcm::new(key.into()))
}

/// The next `N` bytes.
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], VaultError> {
    let (head, tail) =
        rest.split_first_chunk().ok_or(VaultError::Corrupt("they have a wrong length"))?;
    *rest = tail;
    Ok(*head)
}

const MAGIC: &[u8; 8] = b"rillkeys";
const VERSION: u8 = 1;
const SALT: usize = 16;
const NONCE: usize = 12;
const HEAD: usize = 8 + 1 + 4 + 4 + SALT + NONCE;
const LENGTH: usize = HEAD + 3 * 32 + 16 + 32;

/// A damaged vault must not ask for all memory there is.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 1 };
    const SALTS: Salts = Salts { salt: [7; SALT], nonce: [8; NONCE] };

    fn keys() -> Keys {
        let [node, wallet, adnl] = [1, 2, 3].map(|byte| Zeroizing::new([byte; 32]));
        Keys { node, wallet, adnl }
    }

    fn vault() -> Vec<u8> {
        keys().seal("demo", CHEAP, &SALTS).unwrap()
    }

    #[test]
    fn the_right_passphrase_gives_every_key_back() {
        let opened = Keys::open(&vault(), "demo").ok().unwrap();
        assert_eq!(*opened.node, [1; 32]);
        assert_eq!(*opened.wallet, [2; 32]);
        assert_eq!(*opened.adnl, [3; 32]);
    }

    #[test]
    fn the_usual_cost_seals_and_opens() {
        let vault = keys().seal("π is fine", Cost::USUAL, &SALTS).unwrap();
        assert!(Keys::open(&vault, "π is fine").is_ok());
        assert_eq!(Keys::open(&vault, "pi is fine").err(), Some(VaultError::WrongPassphrase));
    }

    #[test]
    fn a_wrong_passphrase_is_told_from_damage() {
        for wrong in ["", "Demo", "demo ", "dem"] {
            assert_eq!(Keys::open(&vault(), wrong).err(), Some(VaultError::WrongPassphrase));
        }
    }

    #[test]
    fn every_changed_byte_is_found_and_never_taken_for_a_wrong_passphrase() {
        let vault = vault();
        for at in 0..vault.len() {
            let mut changed = vault.clone();
            changed[at] ^= 1;
            let error = Keys::open(&changed, "demo").err().unwrap();
            assert_ne!(error, VaultError::WrongPassphrase, "byte {at}");
        }
    }

    #[test]
    fn every_cut_or_longer_vault_is_refused() {
        let mut vault = vault();
        for length in 0..vault.len() {
            assert!(Keys::open(&vault[..length], "demo").is_err(), "{length} bytes");
        }
        vault.push(0);
        assert!(matches!(Keys::open(&vault, "demo"), Err(VaultError::Corrupt(_))));
    }

    #[test]
    fn a_vault_cannot_ask_for_all_memory() {
        for (at, value) in [(9, u32::MAX), (13, u32::MAX), (9, 0), (13, 0)] {
            let mut greedy = vault();
            greedy[at..at + 4].copy_from_slice(&value.to_be_bytes());
            let body = greedy.len() - 32;
            let checksum = Sha256::digest(&greedy[..body]);
            greedy[body..].copy_from_slice(&checksum);
            let error = Keys::open(&greedy, "demo").err().unwrap();
            assert_ne!(error, VaultError::WrongPassphrase);
        }
    }

    #[test]
    fn a_vault_of_a_later_version_is_left_alone() {
        let mut later = vault();
        later[8] = 2;
        assert_eq!(Keys::open(&later, "demo").err(), Some(VaultError::Newer(2)));
    }

    #[test]
    fn no_secret_stands_in_the_clear() {
        let vault = vault();
        for key in [1, 2, 3] {
            assert!(!vault.windows(8).any(|window| window == [key; 8]));
        }
    }
}
