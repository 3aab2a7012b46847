//! How the places for promises on one channel are shared among the channels that promises come from.
//!
//! A promise that nobody claims costs its maker little and holds a place until its deadline, so whoever could take
//! all places could close the channel to everybody. One half of the places is therefore divided: every channel of
//! this node has its part of it, whatever the others do. The other half is for whoever needs more, and there each
//! may hold as many as are left free.

use alloc::collections::BTreeMap;

use channel::contract::Address;

/// Who holds how many places. `None`: payments of our own.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    held: BTreeMap<Option<Address>, u32>,
}

impl Shares {
    pub(crate) fn take(&mut self, source: Option<Address>) {
        let held = self.held.entry(source).or_default();
        *held = held.saturating_add(1);
    }

    pub(crate) fn give_back(&mut self, source: Option<Address>) {
        let Some(held) = self.held.get_mut(&source) else { return };
        *held = held.saturating_sub(1);
        if *held == 0 {
            self.held.remove(&source);
        }
    }

    /// Whether one more promise from this channel, one of `channels`, may have one of `places`.
    pub(crate) fn has_room_for(&self, source: Address, channels: usize, places: u32) -> bool {
        let half = places / 2;
        let channels = u32::try_from(channels).unwrap_or(u32::MAX).max(1);
        let part = half.checked_div(channels).unwrap_or_default();
        let held = self.held.get(&Some(source)).copied().unwrap_or_default();
        let beyond = |held: u32| held.saturating_sub(part);
        let shared = self.held.values().fold(0, |sum: u32, held| sum.saturating_add(beyond(*held)));
        held < part || beyond(held) < half.saturating_sub(shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greedy(shares: &mut Shares, source: u8) -> u32 {
        let mut taken = 0;
        while shares.has_room_for([source; 32], 20, 1_000) {
            shares.take(Some([source; 32]));
            taken += 1;
        }
        taken
    }

    #[test]
    fn one_alone_has_room_and_the_last_of_many_greedy_ones_has_its_part() {
        let mut shares = Shares::default();
        let taken: alloc::vec::Vec<u32> = (0..20).map(|n| greedy(&mut shares, n)).collect();
        assert_eq!(taken[..3], [25 + 250, 25 + 125, 25 + 63]);
        assert_eq!(taken.iter().min(), Some(&25));
        assert!(taken.iter().sum::<u32>() <= 1_000);

        for _ in 0..275 {
            shares.give_back(Some([0; 32]));
        }
        shares.give_back(Some([0; 32]));
        assert_eq!(shares.held.len(), 19);
        assert_eq!(greedy(&mut shares, 1), 63, "what was given back is there for others");
        assert!(greedy(&mut shares, 0) > 25, "and for the same again");
    }
}
