//! Everything that needs a browser.

pub mod api;
mod chain;
mod clock;
mod events;
mod host;
mod lock;
mod run;
mod socket;
mod store;
