//! A daemon from outside: its config, its disk, its sockets, its shop, and the whole of it on a local chain.

mod api;
mod config;
mod garbage;
mod merchant;
mod proxy;
mod relay;
mod shop;
mod store;
mod support;
mod whole;
