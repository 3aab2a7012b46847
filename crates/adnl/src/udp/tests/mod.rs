//! Endpoints against each other over links that lose, repeat, reorder, cut and change datagrams; and against
//! somebody who sees everything and may send anything.

mod attacks;
mod exchange;
mod lives;
mod world;
