//! Messages that are longer than a datagram, in pieces.
//!
//! All pieces carry the hash of the whole, so pieces of the same message sent twice add up, and a message is only
//! believed when its hash is right. What is incomplete is bounded in bytes and in time.

use alloc::{collections::VecDeque, vec, vec::Vec};

use crate::key::sha256;

use super::message;

/// Longest message that goes into one datagram, and so the longest boxed part. With all that stands around it outside
/// a channel (404 bytes) it stays below the 1440 bytes that TON's nodes send.
pub(crate) const MESSAGE_MTU: usize = 1024;
/// Bytes of the whole message in one part: what the part's own fields leave.
const PIECE: usize = MESSAGE_MTU - 48;
/// How long pieces wait for the rest.
const PATIENCE_MS: u64 = 10_000;
/// Gaps between arrived pieces of one message; more is an attack, not a network.
const GAPS_MAX: usize = 128;

/// The datagram-sized messages that carry `message`: itself if it is short, parts otherwise.
pub(crate) fn split(message: Vec<u8>) -> Vec<Vec<u8>> {
    if message.len() <= MESSAGE_MTU {
        return vec![message];
    }
    let hash = sha256(&message);
    let total = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let offsets = (0_u32..).step_by(PIECE);
    message
        .chunks(PIECE)
        .zip(offsets)
        .map(|(piece, offset)| message::part(&hash, total, offset, piece))
        .collect()
}

/// The incomplete messages of one peer.
#[derive(Default)]
pub(crate) struct Parts {
    /// Oldest first.
    incomplete: VecDeque<Incomplete>,
}

struct Incomplete {
    hash: [u8; 32],
    since: u64,
    bytes: Vec<u8>,
    /// Ranges that have arrived: start and end, in order, neither touching nor overlapping.
    arrived: Vec<(usize, usize)>,
}

impl Parts {
    /// Adds a piece and returns the whole message if it is complete and its hash is right.
    ///
    /// `longest` bounds one message, `budget` all incomplete ones together, in bytes; the oldest give way.
    pub(crate) fn add(
        &mut self,
        now: u64,
        hash: [u8; 32],
        total: u32,
        offset: u32,
        piece: &[u8],
        (longest, budget): (usize, usize),
    ) -> Option<Vec<u8>> {
        self.incomplete.retain(|message| message.since.saturating_add(PATIENCE_MS) > now);

        let (total, start) = (usize::try_from(total).ok()?, usize::try_from(offset).ok()?);
        let end = start.checked_add(piece.len()).filter(|end| *end <= total)?;
        if total > longest.min(budget) || piece.is_empty() {
            return None;
        }
        let known = self.incomplete.iter().position(|message| message.hash == hash);
        let at = match known {
            Some(at) => at,
            None => {
                self.make_room(total, budget);
                self.incomplete.push_back(Incomplete {
                    hash,
                    since: now,
                    bytes: vec![0; total],
                    arrived: Vec::new(),
                });
                self.incomplete.len().saturating_sub(1)
            }
        };
        let message = self.incomplete.get_mut(at)?;
        if message.bytes.len() != total {
            return None;
        }
        message.bytes.get_mut(start..end)?.copy_from_slice(piece);
        message.arrive(start, end);
        if message.arrived.len() > GAPS_MAX {
            self.incomplete.remove(at);
            return None;
        }
        if message.arrived.as_slice() != [(0, total)] {
            return None;
        }
        let whole = self.incomplete.remove(at)?.bytes;
        (sha256(&whole) == hash).then_some(whole)
    }

    fn make_room(&mut self, total: usize, budget: usize) {
        let mut held: usize = self.incomplete.iter().map(|message| message.bytes.len()).sum();
        while held.saturating_add(total) > budget {
            let Some(oldest) = self.incomplete.pop_front() else { break };
            held = held.saturating_sub(oldest.bytes.len());
        }
    }
}

impl Incomplete {
    fn arrive(&mut self, start: usize, end: usize) {
        let (mut start, mut end) = (start, end);
        self.arrived.retain(|(from, to)| {
            let apart = *to < start || *from > end;
            if !apart {
                start = start.min(*from);
                end = end.max(*to);
            }
            apart
        });
        let at = self.arrived.partition_point(|(from, _)| *from < start);
        self.arrived.insert(at, (start, end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{tl::Reader, udp::message::Message};

    const LIMITS: (usize, usize) = (65_536, 131_072);

    fn message(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8).collect()
    }

    fn add(parts: &mut Parts, now: u64, part: &[u8]) -> Option<Vec<u8>> {
        let Ok(Message::Part { hash, total, offset, bytes }) =
            Message::read(&mut Reader::new(part))
        else {
            panic!("not a part")
        };
        parts.add(now, hash, total, offset, &bytes, LIMITS)
    }

    #[test]
    fn short_messages_stay_whole_and_no_part_is_longer_than_the_mtu() {
        assert_eq!(split(message(1024)), [message(1024)]);
        for length in [1025, 8_000, 65_536] {
            let parts = split(message(length));
            assert_eq!(parts.len(), length.div_ceil(976));
            assert!(parts.iter().all(|part| part.len() <= 1024));
        }
    }

    #[test]
    fn parts_in_any_order_twice_and_over_several_sendings_make_the_message() {
        let whole = message(65_536);
        let mut sent = split(whole.clone());
        let mut parts = Parts::default();
        sent.reverse();
        let (last, others) = sent.split_last().unwrap();
        for part in others.iter().step_by(2).chain(others).chain(others) {
            assert_eq!(add(&mut parts, 0, part), None);
        }
        assert_eq!(add(&mut parts, 9_999, last), Some(whole));
        assert!(parts.incomplete.is_empty());
    }

    #[test]
    fn overlapping_pieces_of_other_sizes_add_up_too() {
        let whole = message(3000);
        let mut parts = Parts::default();
        let mut add = |from: usize, to: usize| {
            parts.add(0, sha256(&whole), 3000, from as u32, &whole[from..to], LIMITS)
        };
        assert_eq!(add(0, 1000), None);
        assert_eq!(add(2000, 3000), None);
        assert_eq!(add(500, 1999), None);
        assert_eq!(add(1000, 2500), Some(whole.clone()));
    }

    #[test]
    fn a_message_with_a_wrong_hash_is_never_delivered() {
        let mut parts = Parts::default();
        assert_eq!(parts.add(0, [1; 32], 4, 0, b"abcd", LIMITS), None);
        assert!(parts.incomplete.is_empty());
    }

    #[test]
    fn nonsense_is_dropped_and_memory_stays_within_the_budget() {
        let mut parts = Parts::default();
        for (total, offset, piece) in [
            (4, 2, &b"abc"[..]),
            (4, u32::MAX, b"a"),
            (u32::MAX, 0, b"a"),
            (0, 0, b""),
            (65_537, 0, b"a"),
        ] {
            assert_eq!(parts.add(0, [2; 32], total, offset, piece, LIMITS), None);
            assert!(parts.incomplete.is_empty());
        }
        for n in 0..100_u8 {
            assert_eq!(parts.add(0, [n; 32], 60_000, 0, b"a", LIMITS), None);
            assert!(
                parts.incomplete.iter().map(|message| message.bytes.len()).sum::<usize>()
                    <= LIMITS.1
            );
        }
        assert_eq!(parts.add(10_000, [200; 32], 100, 0, b"a", LIMITS), None);
        assert_eq!(parts.incomplete.len(), 1, "the old ones have expired");
        for n in 0..1000 {
            assert_eq!(parts.add(10_000, [201; 32], 60_000, n * 2, b"a", LIMITS), None);
            assert!(parts.incomplete.iter().all(|message| message.arrived.len() <= GAPS_MAX));
        }
    }
}
