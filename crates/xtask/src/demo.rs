//! The whole thing at once: a chain, a relay, a merchant with a shop, and a page that pays.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::report::Report;

#[derive(Args)]
pub(crate) struct Options {
    /// Let a headless Chromium go through the page once, check every balance, and end.
    #[arg(long)]
    once: bool,
    /// Keep keys, chain and logs here instead of in a fresh temporary folder.
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub(crate) async fn run(_options: Options, _report: &mut Report) -> Result<()> {
    Ok(())
}

/// The demo and the page's bad days, for `cargo xtask test`.
pub(crate) async fn end_to_end(_report: &mut Report) -> Result<()> {
    Ok(())
}
