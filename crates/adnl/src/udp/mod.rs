//! ADNL between equal peers, as datagrams.
//!
//! An [`Endpoint`] is one Ed25519 key and everybody it talks to. Hosts hand it the datagrams that arrive and the time,
//! and carry away datagrams and events. What it promises them: an event was caused by the peer that it names, in this
//! life of both sides, and was not there before; a query is delivered at most once and answered as often as needed.
//!
//! The first packets to a peer are encrypted to its key and signed. They set up a *channel*, a secret from fresh keys
//! of both sides, and everything after goes through that. Layouts and rules are those of TON's own nodes, with one
//! addition: a query counts only once the peer has shown that it hears us. Before that a packet might be an old one,
//! recorded and sent again.

mod endpoint;
mod message;
mod packet;
mod parts;
mod peer;
mod queries;
mod receive;
mod sealed;
#[cfg(test)]
mod tests;
mod window;

use alloc::vec::Vec;

pub use endpoint::Endpoint;

/// Where datagrams go to and come from, e.g. a UDP address or one WebSocket. Chosen by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(pub u64);

/// One connection to one peer. Never used twice by an endpoint: a peer that restarts or comes back after
/// [`Event::Disconnected`] is a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// A query: random, chosen by the side that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub [u8; 32]);

/// What a peer may make us keep.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Peers at a time. Those that have not shown that they hear us give way first.
    pub peers: usize,
    /// Bytes of the longest message in either direction, with its 40 bytes of header. TON's own nodes accept 8,320.
    pub message: usize,
    /// Bytes of all incomplete messages of one peer.
    pub incomplete: usize,
    /// Queries of one peer that are remembered, so that a repeated one is not run again.
    pub remembered: usize,
    /// Bytes of the answers that are kept to be sent again to one peer.
    pub answers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            peers: 1024,
            message: 65_536,
            incomplete: 262_144,
            remembered: 4096,
            answers: 524_288,
        }
    }
}

/// What happened. [`Event::Connected`] comes before, [`Event::Disconnected`] after all others of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer with this key is there and hears us.
    Connected { peer: PeerId, public: [u8; 32], id: [u8; 32], path: PathId },
    /// The peer asks; reply with [`Endpoint::answer`], or never.
    Query { peer: PeerId, id: QueryId, bytes: Vec<u8> },
    /// The peer answered our query.
    Answer { peer: PeerId, id: QueryId, bytes: Vec<u8> },
    /// Our query will not be answered: its time is up, or the connection is gone.
    TimedOut { peer: PeerId, id: QueryId },
    /// The peer was silent for five minutes, restarted, or was dropped by [`Endpoint::disconnect`].
    Disconnected { peer: PeerId },
}

/// Datagrams that arrived and led to nothing, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Too short, not decryptable, or not a packet.
    pub garbage: u64,
    /// For somebody else, or for a channel that is gone.
    pub unknown: u64,
    /// With a signature that is not the sender's.
    pub forged: u64,
    /// Seen before, or too late to tell.
    pub replayed: u64,
    /// From or for an earlier life of one of the sides.
    pub stale: u64,
    /// From a new peer while there is no room for one.
    pub full: u64,
}
