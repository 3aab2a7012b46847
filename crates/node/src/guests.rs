//! Those who have cost their makers nothing: who of them has to go when there are too many (safety.md N30).
//!
//! Keys, links and channels without a deposit can be made by the million, so their number says nothing, and no rule
//! can tell a flood of them from a crowd. What is scarce is where they come from: the one that goes is the oldest
//! of the source that has most of them, so that a flood washes away itself first. And because each has its time, an
//! honest guest only has to be quicker than a whole pool of others from other places.

use alloc::collections::{BTreeMap, BTreeSet};
use core::cmp::Reverse;

use crate::io::Source;

/// Guests of one kind, in the order of their coming.
#[derive(Debug)]
pub(crate) struct Guests<K> {
    known: BTreeMap<K, (u64, Source)>,
    by_source: BTreeMap<Source, BTreeSet<(u64, K)>>,
    count: u64,
}

impl<K> Default for Guests<K> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), by_source: BTreeMap::new(), count: 0 }
    }
}

impl<K: Copy + Ord> Guests<K> {
    /// Takes a guest in. One that is there already keeps its place.
    pub(crate) fn enter(&mut self, guest: K, source: Source) {
        if self.known.contains_key(&guest) {
            return;
        }
        self.count = self.count.saturating_add(1);
        self.known.insert(guest, (self.count, source));
        self.by_source.entry(source).or_default().insert((self.count, guest));
    }

    pub(crate) fn leave(&mut self, guest: &K) {
        let Some((number, source)) = self.known.remove(guest) else { return };
        if let Some(others) = self.by_source.get_mut(&source) {
            others.remove(&(number, *guest));
            if others.is_empty() {
                self.by_source.remove(&source);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// Who has to go, while there are more than `limit`.
    pub(crate) fn too_many(&self, limit: u32) -> Option<K> {
        if u32::try_from(self.known.len()).is_ok_and(|count| count <= limit) {
            return None;
        }
        let crowd = self.by_source.values();
        let largest = crowd.max_by_key(|guests| (guests.len(), Reverse(guests.first())))?;
        largest.first().map(|(_, guest)| *guest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_the_largest_crowd_goes_first_and_the_oldest_of_all_when_nobody_brings_a_crowd()
    {
        let mut guests = Guests::default();
        for (guest, source) in [(1, 7), (2, 8), (3, 8), (4, 9)] {
            guests.enter(guest, Source(source));
        }
        guests.enter(1, Source(8));
        assert_eq!(guests.too_many(4), None);
        assert_eq!(guests.too_many(3), Some(2));
        guests.leave(&2);
        guests.leave(&2);
        assert_eq!(guests.too_many(3), None);
        assert_eq!(guests.too_many(2), Some(1));
        guests.leave(&1);
        guests.leave(&3);
        assert_eq!((guests.too_many(0), guests.by_source.len()), (Some(4), 1));
    }
}
