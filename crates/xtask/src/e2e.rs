//! A headless Chromium visits the demo: once as a customer, and then on the page's bad days, on which the tests stop
//! and start parts of the demo.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::sync::mpsc;

use crate::{
    demo, folder::Folder, report::Report, root, shell::program, site::Order, stage::Stage,
};

/// The demo once, then the page's bad days (those that match `only`), for `cargo xtask test`.
pub(crate) async fn run(only: Option<String>, report: &mut Report) -> Result<()> {
    let built = demo::prepare(report).await?;
    let chromium = demo::browser(report).await?;
    if only.is_none() {
        let folder = Folder::choose(None)?;
        let stage = Stage::start(&built, folder.path(), 0, None, report).await?;
        let picture = root().join("target/page.png");
        demo::once(&stage, &chromium, &picture, report).await.context("demo")?;
    }

    let mut folder = Folder::choose(None)?;
    let (sender, mut orders) = mpsc::channel(1);
    let mut stage = Stage::start(&built, folder.path(), 0, Some(sender), report).await?;
    let mut tests = program("node", "tests/e2e");
    tests.args(["--test", "--test-reporter=spec"]);
    if let Some(only) = only {
        tests.args(["--test-name-pattern", &only]);
    }
    tests
        .arg("page.test.mjs")
        .env("RILL_PAGE", &stage.page)
        .env("RILL_CHROMIUM", &chromium)
        .stdin(Stdio::null());
    let visits = async {
        let status = obeying(&mut stage, &mut orders, tests.status()).await?;
        if !status.success() {
            let logs = folder.keep();
            bail!(
                "the page does not hold: the test above tells which, logs are in {}",
                logs.display()
            );
        }
        Ok(())
    };
    report.step("the page on bad days", visits).await
}

/// Waits for the tests and stops and starts parts of the demo as they ask.
async fn obeying<T>(
    stage: &mut Stage,
    orders: &mut mpsc::Receiver<Order>,
    tests: impl Future<Output = std::io::Result<T>>,
) -> Result<T> {
    tokio::pin!(tests);
    loop {
        tokio::select! {
            ended = &mut tests => return ended.context("the tests cannot be started"),
            Some(order) = orders.recv() => obey(stage, order).await,
        }
    }
}

async fn obey(stage: &mut Stage, order: Order) {
    let Order { part, action, done } = order;
    let result = async {
        let part = match part.as_str() {
            "relay" => &mut stage.relay.part,
            "merchant" => &mut stage.merchant.part,
            "shop" => &mut stage.shop,
            other => bail!("there is no part `{other}`: relay, merchant, shop"),
        };
        match action.as_str() {
            "stop" => part.stop().await,
            "start" => part.start_again().await,
            other => bail!("`{other}` cannot be done: stop, start"),
        }
    };
    // Whoever asked may have left.
    let _ = done.send(result.await);
}
