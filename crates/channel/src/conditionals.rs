//! All conditionals of one side: a dictionary whose root hash the side signs.
//!
//! The dictionary is persistent. A copy costs nothing, and a change rebuilds the path to one entry and
//! leaves the rest shared, so that a hundred thousand live payments do not make one payment slower.

use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tycho_types::boc::Boc;
use tycho_types::dict::RawDict;

use crate::amount::Nano;
use crate::cell::{self, Cell, CellBuilder, Hash};
use crate::conditional::{self, Conditional};
use crate::key::PublicKey;

mod walk;

pub use walk::Broken;
pub(crate) use walk::{Edge, Meets, find};

/// The conditionals of one side, one per slot. `Clone` is O(1); the rest is O(log n) unless it says so.
#[derive(Clone, Debug, Default)]
pub struct Conditionals {
    dictionary: RawDict<KEY_BITS>,
    count: u32,
    held: Held,
}

impl Conditionals {
    pub fn new() -> Self {
        Self::default()
    }

    /// The root cell, `None` while there are no entries.
    pub fn root(&self) -> Option<&Cell> {
        self.dictionary.root().as_ref()
    }

    /// What the owner signs: the root's hash, zero while there are no entries.
    pub fn hash(&self) -> Hash {
        self.root().map(cell::hash).unwrap_or_default()
    }

    pub fn len(&self) -> u32 {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The sum of capacity + fee - prepay over all entries, at most [`Nano::MAX`]. An entry that is
    /// prepaid beyond its worth counts as zero.
    pub fn held(&self) -> Nano {
        self.held.total()
    }

    /// The entry of `key`; an entry of another key in the same slot is not it.
    pub fn get(&self, key: &PublicKey) -> Option<Conditional> {
        self.in_slot(conditional::slot(key)).filter(|found| found.key == *key)
    }

    /// True when the slot of `key` holds an entry, whether of this key or of another.
    pub fn slot_taken(&self, key: &PublicKey) -> bool {
        self.in_slot(conditional::slot(key)).is_some()
    }

    /// Adds an entry. A taken slot is refused unless it holds exactly this entry, and nothing is ever
    /// overwritten.
    pub fn insert(&mut self, conditional: Conditional) -> Result<(), SlotTaken> {
        match self.in_slot(conditional.slot()) {
            Some(present) if present == conditional => return Ok(()),
            Some(_) => return Err(SlotTaken),
            None => {}
        }

        let mut value = CellBuilder::new();
        conditional.store(&mut value, conditional::static_code()).map_err(|_| SlotTaken)?;
        let added = self
            .dictionary
            .add(key_bits(conditional.slot()).as_data_slice(), &value)
            .map_err(|_| SlotTaken)?;
        if !added {
            return Err(SlotTaken);
        }
        self.count = self.count.saturating_add(1);
        self.held.add(&conditional);
        Ok(())
    }

    /// Takes the entry of `key` out. An entry of another key in the same slot stays.
    pub fn remove(&mut self, key: &PublicKey) -> Option<Conditional> {
        let found = self.get(key)?;
        self.dictionary.remove(key_bits(found.slot()).as_data_slice()).ok().flatten()?;
        self.count = self.count.saturating_sub(1);
        self.held.sub(&found);
        Some(found)
    }

    /// All entries in the order of their slots. O(n).
    pub fn iter(&self) -> impl Iterator<Item = Conditional> + '_ {
        walk::Entries::new(self.root().map(AsRef::as_ref)).filter_map(Result::ok)
    }

    /// Reads back what [`Conditionals::root`] gave, checking every entry. O(n).
    pub fn from_root(root: Option<Cell>) -> Result<Self, Broken> {
        let mut read = Self::default();
        for entry in walk::Entries::new(root.as_ref().map(AsRef::as_ref)) {
            let entry = entry?;
            read.count = read.count.saturating_add(1);
            read.held.add(&entry);
        }
        read.dictionary = RawDict::from(root);
        Ok(read)
    }

    fn in_slot(&self, slot: u32) -> Option<Conditional> {
        walk::find(self.root()?.as_ref(), slot).ok()?
    }
}

impl PartialEq for Conditionals {
    fn eq(&self, other: &Self) -> bool {
        self.hash() == other.hash()
    }
}

impl Eq for Conditionals {}

/// As the bag of cells of the root, empty for no entries. O(n): a store that keeps many entries should
/// keep each by itself.
impl Serialize for Conditionals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The library's own order of cells: nobody else reads these bytes, and it is quicker for many.
        let bytes = self.root().map(Boc::encode).unwrap_or_default();
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Conditionals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: Vec<u8> = serde_bytes::deserialize(deserializer)?;
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let root = cell::parse_boc_within(&bytes, usize::MAX).map_err(serde::de::Error::custom)?;
        Self::from_root(Some(root)).map_err(serde::de::Error::custom)
    }
}

impl FromIterator<Conditional> for Result<Conditionals, SlotTaken> {
    fn from_iter<I: IntoIterator<Item = Conditional>>(conditionals: I) -> Self {
        let mut all = Conditionals::default();
        for conditional in conditionals {
            all.insert(conditional)?;
        }
        Ok(all)
    }
}

/// The slot of the new conditional's key holds something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("virtual channel with the same key prefix and different content is already exists")]
pub struct SlotTaken;

/// An exact sum of amounts, kept in two halves so that no number of entries makes it overflow.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    high: u128,
    low: u128,
}

impl Held {
    fn add(&mut self, conditional: &Conditional) {
        let (high, low) = halves(conditional);
        self.high = self.high.saturating_add(high);
        self.low = self.low.saturating_add(low);
    }

    fn sub(&mut self, conditional: &Conditional) {
        let (high, low) = halves(conditional);
        self.high = self.high.saturating_sub(high);
        self.low = self.low.saturating_sub(low);
    }

    fn total(&self) -> Nano {
        self.high
            .checked_mul(1 << 64)
            .and_then(|high| high.checked_add(self.low))
            .map_or(Nano::MAX, |total| Nano(total).min(Nano::MAX))
    }
}

/// Upper and lower 64 bits of what the entry holds back.
fn halves(conditional: &Conditional) -> (u128, u128) {
    let whole = conditional.capacity.0.saturating_add(conditional.fee.0);
    let held = whole.saturating_sub(conditional.prepay.0);
    (held >> 64, held & u128::from(u64::MAX))
}

/// A slot as the dictionary's key: 32 bits, big-endian.
pub(crate) fn key_bits(slot: u32) -> CellBuilder {
    let mut key = CellBuilder::new();
    // Thirty-two bits always fit into an empty builder.
    let _ = key.store_u32(slot);
    key
}

pub(crate) const KEY_BITS: u16 = 32;
