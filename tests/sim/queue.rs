//! Virtual time: what happens, and when.
//!
//! Time only moves when somebody takes the next event out of the queue or lets a stretch of time pass on purpose.
//! Events of the same millisecond come in the order in which they were put in, so one seed gives one history.

use std::collections::BTreeMap;

use channel::amount::Time;

/// Events in the order of their time.
pub struct Queue<E> {
    now: u64,
    count: u64,
    events: BTreeMap<(u64, u64), E>,
}

impl<E> Queue<E> {
    /// Starts at `now`, with nothing to come.
    pub fn starting(now: Time) -> Self {
        Self { now: now.0, count: 0, events: BTreeMap::new() }
    }

    pub fn now(&self) -> Time {
        Time(self.now)
    }

    /// Puts in an event `ms` milliseconds from now.
    pub fn after(&mut self, ms: u64, event: E) {
        self.at(Time(self.now + ms), event);
    }

    /// Puts in an event for a moment; one that has passed is now.
    pub fn at(&mut self, time: Time, event: E) {
        self.count += 1;
        self.events.insert((time.0.max(self.now), self.count), event);
    }

    /// Takes the next event out and moves time to it, unless it lies behind `until`; then time moves there.
    pub fn next(&mut self, until: Time) -> Option<E> {
        match self.events.first_key_value() {
            Some(((time, _), _)) if *time <= until.0 => {
                let ((time, _), event) = self.events.pop_first()?;
                self.now = self.now.max(time);
                Some(event)
            }
            Some(_) | None => {
                self.now = self.now.max(until.0);
                None
            }
        }
    }

    /// Lets time pass with nobody awake: what was due meanwhile is due at once.
    pub fn sleep(&mut self, ms: u64) {
        self.now += ms;
    }
}
