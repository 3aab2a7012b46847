//! What this node guarantees, told as stories, and held to in thousands of random worlds.

mod bites;
mod hostile;
mod money;
mod on_chain;
mod stories;
mod strangers;
