//! What this node guarantees, told as stories, and held to in thousands of random worlds.

mod bites;
mod claims;
mod clocks;
mod collusion;
mod disputes;
mod floods;
mod lies;
mod long_run;
mod money;
mod noise;
mod on_chain;
mod openings;
mod patience;
mod servers;
mod stories;
mod strangers;
mod thieves;
