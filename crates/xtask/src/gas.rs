//! What the channel contract costs: `contracts/scripts/gas.mjs` measures it in the official emulator.

use anyhow::Result;
use clap::Args;

use crate::{
    report::Report,
    setup,
    shell::{self, program},
};

#[derive(Args)]
pub(crate) struct Options {
    /// Print the gas of a TON channel as one JSON object, and nothing else on standard output.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options, report: &mut Report) -> Result<()> {
    report.aside = options.json;
    setup::node().await?;
    setup::packages("contracts", report).await?;
    let mut script = program("node", "contracts");
    script.arg("scripts/gas.mjs");
    if options.json {
        script.arg("--json");
    }
    shell::run(&mut script).await
}
