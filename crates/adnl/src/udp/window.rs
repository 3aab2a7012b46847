//! Which packets of a peer have arrived already, so that none counts twice.

/// How far behind the newest packet one may arrive. Anything older counts as seen.
const WIDTH: u32 = u128::BITS;

/// The newest seqno of a peer and which of the 128 up to it have arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    newest: u64,
    /// Bit `n` stands for `newest - n`.
    seen: u128,
}

/// A packet that has not arrived before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fresh {
    /// Sent after all that have arrived.
    Newest,
    /// Overtaken by another one.
    Late,
}

impl Window {
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// Marks `seqno` as arrived. `None` if it had arrived before or is too old to tell; seqnos start at 1.
    pub(crate) fn take(&mut self, seqno: u64) -> Option<Fresh> {
        if let Some(ahead) = seqno.checked_sub(self.newest).filter(|ahead| *ahead > 0) {
            let shift = u32::try_from(ahead).unwrap_or(WIDTH);
            self.seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
            self.newest = seqno;
            return Some(Fresh::Newest);
        }
        let behind = u32::try_from(self.newest.saturating_sub(seqno)).ok()?;
        let bit = 1_u128.checked_shl(behind)?;
        if seqno == 0 || self.seen & bit != 0 {
            return None;
        }
        self.seen |= bit;
        Some(Fresh::Late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seqno_counts_once_in_whatever_order() {
        let mut window = Window::default();
        assert_eq!(window.take(0), None);
        assert_eq!(window.take(5), Some(Fresh::Newest));
        assert_eq!(window.take(3), Some(Fresh::Late));
        assert_eq!(window.take(3), None);
        assert_eq!(window.take(5), None);
        assert_eq!(window.take(132), Some(Fresh::Newest));
        assert_eq!(window.take(5), None);
        assert_eq!(window.take(4), None, "too old to tell");
        assert_eq!(window.take(6), Some(Fresh::Late));
        assert_eq!(window.take(u64::MAX), Some(Fresh::Newest));
        assert_eq!(window.take(u64::MAX), None);
        assert_eq!(window.take(132), None);
    }
}
