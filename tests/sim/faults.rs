//! How bad the world is: the chance of every fault, and the order in which a host commits and performs.

/// Chances in a million, each asked whenever the thing in question happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// A step is computed, but the machine dies before its commit.
    pub crash_before_commit: u32,
    /// The step is on disk, but nothing of it has left.
    pub crash_after_commit: u32,
    /// Some effects have left and others have not; asked before each.
    pub crash_between_effects: u32,
    /// The link under a message breaks, and takes what is on its way with it.
    pub cut: u32,
    /// A datagram is lost; the carrier sends it again a quarter of a second later.
    pub datagram_lost: u32,
    /// A query or an answer takes so long that the asker has given up.
    pub stall: u32,
    /// An external message never gets to a validator.
    pub external_lost: u32,
    /// A dial fails although the peer is there.
    pub dial_fails: u32,
    /// Longest time on the wire, milliseconds.
    pub latency_ms: u64,
    /// How long a host is busy with other things at most; what comes meanwhile is one batch. Milliseconds.
    pub busy_ms: u64,
}

impl Faults {
    /// A world in which everything works, at the speed of a good network.
    pub const NONE: Self = Self {
        crash_before_commit: 0,
        crash_after_commit: 0,
        crash_between_effects: 0,
        cut: 0,
        datagram_lost: 0,
        stall: 0,
        external_lost: 0,
        dial_fails: 0,
        latency_ms: 40,
        busy_ms: 2,
    };

    /// A world in which everything breaks often enough that a payment sees several faults.
    pub const ROUGH: Self = Self {
        crash_before_commit: 6_000,
        crash_after_commit: 8_000,
        crash_between_effects: 8_000,
        cut: 10_000,
        datagram_lost: 150_000,
        stall: 10_000,
        external_lost: 200_000,
        dial_fails: 100_000,
        latency_ms: 900,
        busy_ms: 300,
    };
}

/// When a machine lets its effects out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As it must be: first durable, then told.
    CommitFirst,
    /// As it must not be; a test shows what that costs.
    EffectsFirst,
}
