//! Every check and every test of the project, cheapest first, stopping at the first failure.

use anyhow::Result;

use crate::{
    e2e, pack,
    report::Report,
    setup,
    shell::{self, cargo, program},
};

/// Runs them all and prints what each took.
pub(crate) async fn run_all(report: &mut Report) -> Result<()> {
    setup::node().await?;
    setup::components(report).await?;
    report.step("format", shell::run(cargo().args(["fmt", "--all", "--check"]))).await?;
    let lints = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
    report.step("lints", shell::run(cargo().args(lints))).await?;

    setup::packages("contracts", report).await?;
    report.step("contracts compile to the committed code", npm("contracts", "check")).await?;
    report.step("contract tests", npm("contracts", "test")).await?;

    report.step("rust tests", shell::run(cargo().args(["test", "--workspace"]))).await?;

    setup::for_wasm(report).await?;
    let sizes = report.step("wasm", pack::build(false)).await?;
    report.say(&sizes.to_string());
    {
        let _alone = pack::alone()?;
        report.step("web build", npm("web", "build")).await?;
        report.step("web tests", npm("web", "test")).await?;
    }

    setup::packages("tests/e2e", report).await?;
    e2e::run(None, report).await
}

/// As [`run_all`], with the table whatever happens.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let result = run_all(report).await;
    println!("\n{}", report.table());
    result
}

/// One script of a folder's package.json.
pub(crate) async fn npm(folder: &str, script: &str) -> Result<()> {
    shell::run(program("npm", folder).args(["run", "--silent", script])).await
}
