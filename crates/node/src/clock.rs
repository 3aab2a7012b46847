//! What time it is: for timers, for people, and for the contract. Three clocks, none of which is trusted alone.
//!
//! The host's clock may be wrong in both directions, may jump, and may be put right again. The time of the newest
//! proven block is what the contract goes by, and is as good as the server that names the block. So a promise is
//! taken for dead only when both say so ([`Clock::least`]), and for alive only while both say so ([`Clock::most`]).

use channel::amount::Time;

/// The newest block that an account was proven in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Masterchain seqno.
    pub(crate) block: u32,
    /// Chain time, unix seconds.
    pub(crate) time: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    wall: Time,
    steady: Time,
    head: Option<Head>,
    /// [`Clock::steady`] when the head came.
    seen: Time,
    told: bool,
}

impl Clock {
    pub(crate) fn starting(wall: Time) -> Self {
        Self { wall, steady: wall, head: None, seen: wall, told: false }
    }

    /// The host's clock shows this now.
    pub(crate) fn tick(&mut self, wall: Time) {
        self.steady = self.steady.plus_ms(wall.0.saturating_sub(self.wall.0));
        self.wall = wall;
    }

    /// For timers: grows with the host's clock and stands still while that goes back.
    pub(crate) fn steady(&self) -> Time {
        self.steady
    }

    /// For people and records: what the host's clock shows.
    pub(crate) fn wall(&self) -> Time {
        self.wall
    }

    /// A moment of [`Clock::steady`] as the host counts, so that it comes after the same wait.
    pub(crate) fn as_wall(&self, steady: Time) -> Time {
        self.wall.plus_ms(steady.0.saturating_sub(self.steady.0))
    }

    /// It is at least this late: what has ended by then is over on chain too (safety.md N24). While no block was
    /// seen, nothing has ended.
    pub(crate) fn least(&self) -> Time {
        self.wall.min(self.chain().unwrap_or_default())
    }

    /// It may be as late as this: what lives longer is still good on chain.
    pub(crate) fn most(&self) -> Time {
        self.wall.max(self.chain().unwrap_or_default())
    }

    /// What others most likely have on their clocks.
    pub(crate) fn fair(&self) -> Time {
        match self.chain() {
            Some(_) if self.skew_secs().is_some() => self.chain_by_now(),
            Some(_) | None => self.wall,
        }
    }

    /// The time that the next block will have.
    pub(crate) fn chain_by_now(&self) -> Time {
        let since = self.steady.0.saturating_sub(self.seen.0);
        self.chain().map_or(self.wall, |chain| chain.plus_ms(since))
    }

    /// By how much the host's clock is ahead of the chain, or behind it, if that is too much to be delay.
    fn skew_secs(&self) -> Option<i64> {
        let head = self.head?;
        let when_seen = self.wall.0.saturating_sub(self.steady.0.saturating_sub(self.seen.0));
        let ours = i64::try_from(when_seen / 1_000).ok()?;
        let skew = ours.saturating_sub(i64::from(head.time));
        (skew.unsigned_abs() > SKEW_SECS).then_some(skew)
    }

    /// Takes a proven block. `true`: the one that was taken for the newest can never have been part of this chain,
    /// so nothing that was shown in it counts.
    pub(crate) fn head_is(&mut self, head: Head) -> bool {
        let replaced =
            self.head.is_some_and(|old| head.block.saturating_add(BLOCKS_BACK) < old.block);
        let newer = self.head.is_none_or(|old| (head.block, head.time) > (old.block, old.time));
        if newer || replaced {
            self.head = Some(head);
            self.seen = self.steady;
        }
        replaced
    }

    /// What to tell the owner when the two clocks begin to differ, and once when they agree again.
    pub(crate) fn skew_news(&mut self) -> Option<Skew> {
        let head = self.head?;
        let skew = self.skew_secs();
        if core::mem::replace(&mut self.told, skew.is_some()) == skew.is_some() {
            return None;
        }
        Some(Skew { ahead_secs: skew, chain: head.time, ours: self.wall.seconds() })
    }

    fn chain(&self) -> Option<Time> {
        self.head.map(|head| Time(u64::from(head.time).saturating_mul(1_000)))
    }
}

/// The two clocks side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skew {
    /// `None`: they agree again.
    pub(crate) ahead_secs: Option<i64>,
    pub(crate) chain: u32,
    pub(crate) ours: u32,
}

/// Blocks arrive within seconds; more than this is a clock that is wrong.
const SKEW_SECS: u64 = 60;

/// Servers may be a little behind each other.
const BLOCKS_BACK: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Time {
        Time(secs * 1_000)
    }

    #[test]
    fn timers_run_on_when_the_clock_of_the_host_jumps_back() {
        let mut clock = Clock::starting(at(1_000));
        clock.tick(at(11_000));
        clock.tick(at(1_010));
        assert_eq!((clock.steady(), clock.wall()), (at(11_000), at(1_010)));
        clock.tick(at(1_015));
        assert_eq!(clock.steady(), at(11_005));
        assert_eq!(clock.as_wall(at(11_020)), at(1_030), "15 s are still 15 s");
    }

    #[test]
    fn neither_clock_alone_ends_or_lengthens_a_promise() {
        let mut clock = Clock::starting(at(500_000));
        assert_eq!(clock.least(), Time(0), "the chain was not seen");
        clock.head_is(Head { block: 7, time: 1_000 });
        assert_eq!((clock.least(), clock.most()), (at(1_000), at(500_000)));
        clock.head_is(Head { block: 8, time: 900_000 });
        assert_eq!((clock.least(), clock.most()), (at(500_000), at(900_000)));
    }

    #[test]
    fn a_block_that_never_was_is_forgotten_when_the_chain_is_seen() {
        let mut clock = Clock::starting(at(1_000));
        assert!(!clock.head_is(Head { block: u32::MAX, time: u32::MAX }));
        assert!(clock.head_is(Head { block: 100, time: 1_001 }));
        assert_eq!(clock.most(), at(1_001));
        assert!(
            !clock.head_is(Head { block: 99, time: 1_000 }),
            "a server that is a little behind"
        );
        assert_eq!(clock.most(), at(1_001));
    }

    #[test]
    fn a_wrong_clock_is_told_once_and_once_when_it_is_right_again() {
        let mut clock = Clock::starting(at(10_000));
        clock.head_is(Head { block: 1, time: 2_000 });
        assert_eq!(clock.skew_news().and_then(|skew| skew.ahead_secs), Some(8_000));
        assert_eq!(clock.skew_news(), None);
        assert_eq!(clock.fair(), at(2_000));
        clock.tick(at(2_003));
        clock.head_is(Head { block: 2, time: 2_002 });
        assert_eq!(clock.skew_news().map(|skew| skew.ahead_secs), Some(None));
        assert_eq!(clock.fair(), at(2_003));
    }
}
