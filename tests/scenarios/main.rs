//! What this node guarantees, told as stories, and held to in thousands of random worlds.

mod bites;
mod money;
mod stories;
