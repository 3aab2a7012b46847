//! TON's network layer as bytes in, bytes out.
//!
//! ADNL names a node by an Ed25519 key and encrypts everything to it. Two carriers exist: a TCP stream to a server
//! whose key is known ([`tcp`], spoken by liteservers) and datagrams between equal peers ([`udp`], spoken by nodes).
//! Nothing here opens a socket, reads a clock or draws randomness: hosts bring all three, so the same code runs in a
//! server and in a web page.
//!
//! # Through a relay
//!
//! A page cannot send UDP. It opens a WebSocket to a relay, and each binary message on it *is* one datagram for, or
//! from, an ADNL endpoint: no header, no framing, nothing to negotiate. So to [`Endpoint`] a WebSocket is one more
//! [`PathId`], and a relay that forwards messages unchanged can drop or delay them but neither read nor forge them.
#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::panic
    )
)]

extern crate alloc;

pub mod key;
pub mod tcp;
pub mod tl;
pub mod udp;

pub use udp::{Dropped, Endpoint, Event, Limits, PathId, PeerId, QueryId};
