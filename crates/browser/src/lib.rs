//! The payment node as it lives in a browser: the same core as everywhere, with IndexedDB for a disk, WebSockets for a
//! network and a JavaScript class for an owner.
//!
//! What a page can do is in `page::api`; everything that needs a browser is compiled for wasm only, and what is plain
//! computation stands beside it with its tests.

pub mod carrier;
pub mod failure;
pub mod follower;
#[cfg(target_arch = "wasm32")]
pub mod page;
pub mod vault;
