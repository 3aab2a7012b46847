//! Queries in both directions: ours are said again until they are answered, theirs are run once.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque, btree_map::Entry},
    vec::Vec,
};

use super::QueryId;

/// A query without an answer is sent again after this long, as the existing network does.
pub(crate) const RESEND_MS: u64 = 250;
/// How long a query of a peer is remembered with its answer.
const MEMORY_MS: u64 = 30_000;

/// Our queries to one peer that have no answer yet.
#[derive(Default)]
pub(crate) struct Asked {
    open: BTreeMap<QueryId, Open>,
    /// When each of them needs attention next.
    due: BTreeSet<(u64, QueryId)>,
}

struct Open {
    /// The boxed `adnl.message.query`.
    message: Vec<u8>,
    deadline: u64,
    due: u64,
}

/// What a query needs when its time has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Send(Vec<u8>),
    TimedOut(QueryId),
}

impl Asked {
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Remembers a query that has just been sent for the first time.
    pub(crate) fn insert(&mut self, now: u64, id: QueryId, message: Vec<u8>, deadline: u64) {
        let due = deadline.min(now.saturating_add(RESEND_MS));
        self.open.insert(id, Open { message, deadline, due });
        self.due.insert((due, id));
    }

    /// Takes the query out. `false` if there is no such query, e.g. because it was answered before.
    pub(crate) fn remove(&mut self, id: &QueryId) -> bool {
        let found = self.open.remove(id);
        if let Some(open) = &found {
            self.due.remove(&(open.due, *id));
        }
        found.is_some()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = QueryId> {
        self.open.keys().copied()
    }

    /// When the next query needs attention, in ms.
    pub(crate) fn next(&self) -> Option<u64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// What is due at `now`, one after the other.
    pub(crate) fn pop(&mut self, now: u64) -> Option<Due> {
        let (due, id) = *self.due.first()?;
        if due > now {
            return None;
        }
        self.due.pop_first();
        let open = self.open.get_mut(&id)?;
        if open.deadline <= now {
            self.open.remove(&id);
            return Some(Due::TimedOut(id));
        }
        open.due = open.deadline.min(now.saturating_add(RESEND_MS));
        self.due.insert((open.due, id));
        Some(Due::Send(open.message.clone()))
    }

    /// Makes everything due now.
    pub(crate) fn hurry(&mut self, now: u64) {
        self.due.clear();
        for (id, open) in &mut self.open {
            open.due = now;
            self.due.insert((now, *id));
        }
    }
}

/// Queries of one peer, so that the same one is not run twice.
#[derive(Default)]
pub(crate) struct Heard {
    answers: BTreeMap<QueryId, Option<Vec<u8>>>,
    /// Oldest first.
    order: VecDeque<(u64, QueryId)>,
    /// Those whose answers are still at hand, in the order in which they were answered.
    kept: VecDeque<QueryId>,
    /// Bytes of all answers at hand.
    bytes: usize,
}

/// How a query of a peer stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing<'a> {
    New,
    /// Handed to the host, which has not answered.
    Running,
    /// Empty if the answer itself is forgotten.
    Answered(&'a [u8]),
}

impl Heard {
    /// Looks a query up and remembers it. At most `most` queries are remembered, the oldest are forgotten.
    pub(crate) fn meet(&mut self, now: u64, id: QueryId, most: usize) -> Standing<'_> {
        while let Some((since, oldest)) = self.order.front().copied() {
            let expired = since.saturating_add(MEMORY_MS) <= now;
            if !expired && (self.order.len() < most || self.answers.contains_key(&id)) {
                break;
            }
            self.order.pop_front();
            if let Some(Some(answer)) = self.answers.remove(&oldest) {
                self.bytes = self.bytes.saturating_sub(answer.len());
            }
        }
        while self.kept.front().is_some_and(|oldest| !self.answers.contains_key(oldest)) {
            self.kept.pop_front();
        }
        match self.answers.entry(id) {
            Entry::Vacant(slot) => {
                slot.insert(None);
                self.order.push_back((now, id));
                Standing::New
            }
            Entry::Occupied(slot) => match slot.into_mut() {
                Some(answer) => Standing::Answered(answer),
                None => Standing::Running,
            },
        }
    }

    /// Keeps the answer to a running query, the boxed `adnl.message.answer`. `false` if no such query is running.
    ///
    /// All answers together take at most `most` bytes: those of the oldest queries are forgotten first, their ids
    /// are not.
    pub(crate) fn answer(&mut self, id: QueryId, message: &[u8], most: usize) -> bool {
        match self.answers.get_mut(&id) {
            Some(slot @ None) => *slot = Some(message.to_vec()),
            _ => return false,
        }
        self.kept.push_back(id);
        self.bytes = self.bytes.saturating_add(message.len());
        while self.bytes > most {
            let Some(oldest) = self.kept.pop_front() else { break };
            if let Some(Some(answer)) = self.answers.get_mut(&oldest) {
                self.bytes = self.bytes.saturating_sub(answer.len());
                *answer = Vec::new();
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn id(n: u8) -> QueryId {
        QueryId([n; 32])
    }

    #[test]
    fn a_query_is_sent_again_until_its_deadline_and_then_times_out_once() {
        let mut asked = Asked::default();
        asked.insert(0, id(1), vec![7], 600);
        assert_eq!((asked.next(), asked.pop(249)), (Some(250), None));
        assert_eq!(asked.pop(250), Some(Due::Send(vec![7])));
        assert_eq!(asked.pop(250), None);
        assert_eq!(asked.pop(500), Some(Due::Send(vec![7])));
        assert_eq!(asked.next(), Some(600));
        assert_eq!(asked.pop(600), Some(Due::TimedOut(id(1))));
        assert_eq!((asked.pop(10_000), asked.next()), (None, None));
        assert!(!asked.remove(&id(1)));
    }

    #[test]
    fn an_answered_query_is_not_sent_again() {
        let mut asked = Asked::default();
        asked.insert(0, id(1), vec![7], 600);
        assert!(asked.remove(&id(1)));
        assert!(asked.is_empty());
        assert_eq!(asked.pop(1000), None);
    }

    #[test]
    fn a_query_is_new_once_then_running_then_answered_until_it_is_forgotten() {
        let mut heard = Heard::default();
        assert_eq!(heard.meet(0, id(1), 10), Standing::New);
        assert_eq!(heard.meet(1, id(1), 10), Standing::Running);
        assert!(heard.answer(id(1), b"yes", 100));
        assert!(!heard.answer(id(1), b"no", 100));
        assert!(!heard.answer(id(2), b"never asked", 100));
        assert_eq!(heard.meet(29_999, id(1), 10), Standing::Answered(b"yes"));
        assert_eq!(heard.meet(30_000, id(1), 10), Standing::New);
        assert_eq!(heard.bytes, 0);
    }

    #[test]
    fn memory_is_bounded_in_queries_and_in_bytes() {
        let mut heard = Heard::default();
        for n in 0..100 {
            assert_eq!(heard.meet(0, id(n), 10), Standing::New);
            assert!(heard.answer(id(n), &[n; 40], 100));
            assert!(heard.bytes <= 100 && heard.answers.len() <= 10 && heard.order.len() <= 10);
        }
        assert_eq!(heard.meet(0, id(99), 10), Standing::Answered(&[99; 40]));
        // Known to have been run, although its answer is gone.
        assert_eq!(heard.meet(0, id(92), 10), Standing::Answered(&[]));
    }
}
