//! The whole thing at once: a chain, a relay, a merchant with a shop, and a page that pays.
//!
//! `demo` leaves the page to the person who reads the terminal; `demo --once` lets a headless Chromium go through
//! it and then counts the money at every node and in every contract.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{
    folder::Folder,
    pack,
    report::Report,
    root, setup,
    shell::program,
    stage::{Built, PRICE, RELAY_DEPOSIT, Stage, TON, relay_fee, until},
    sums::{Nodes, Orders, Sums, channel, key, number},
    test::npm,
};

#[derive(Args)]
pub(crate) struct Options {
    /// Let a headless Chromium go through the page once, check every balance, and end.
    #[arg(long)]
    once: bool,
    /// Keep keys, records and logs in this new folder instead of in a temporary one.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Port of the page; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// With --once: where the picture of the page goes.
    #[arg(long, default_value = "target/page.png")]
    screenshot: PathBuf,
}

/// Folder of the built page.
const SITE: &str = "web/dist/demo";
/// What the page puts into its channel, in TON.
const DEPOSIT: u128 = 10;

pub(crate) async fn run(options: Options, report: &mut Report) -> Result<()> {
    let built = prepare(report).await?;
    let chromium = match options.once {
        true => Some(browser(report).await?),
        false => None,
    };
    let folder = Folder::choose(options.dir)?;
    let stage = Stage::start(&built, folder.path(), options.port, None, report).await?;
    let Some(chromium) = chromium else {
        println!(
            "\nOpen {} in a browser. Logs and data are in {}. Ctrl-C ends everything.\n",
            stage.page,
            folder.path().display()
        );
        return stage.watch().await;
    };
    let picture = std::path::absolute(root().join(&options.screenshot))?;
    once(&stage, &chromium, &picture, report).await
}

/// Builds all that the demo needs.
pub(crate) async fn prepare(report: &mut Report) -> Result<Built> {
    setup::node().await?;
    setup::for_wasm(report).await?;
    let sizes = report.step("build the wasm node", pack::build(false)).await?;
    report.say(&sizes.to_string());
    let _alone = pack::alone()?;
    report.step("build the page", npm("web", "build")).await?;
    let programs = Built::with_page(root().join(SITE));
    report.step("build the local chain and the node", programs).await
}

/// What opening pages without a screen needs.
pub(crate) async fn browser(report: &mut Report) -> Result<PathBuf> {
    setup::packages("tests/e2e", report).await?;
    setup::chromium(report).await
}

/// One visit by a headless Chromium, then the sums.
pub(crate) async fn once(
    stage: &Stage,
    chromium: &Path,
    picture: &Path,
    report: &Report,
) -> Result<()> {
    let order = json!({
        "page": stage.page,
        "chromium": chromium,
        "screenshot": picture,
        "deposit": DEPOSIT.to_string(),
    });
    let visit = visit("demo.mjs", &order, report).await?;
    let seen = visit.get("snapshot").context("the visit gave no snapshot of the page's node")?;
    ensure!(visit.get("delivered") == Some(&Value::Bool(true)), "the article was not delivered");
    report.say(&format!("picture: {}", picture.display()));

    let sums = report_sums(stage, seen).await?;
    println!("{}", sums.verdict()?);
    report.say(&format!("all {} sums are what arithmetic says", sums.count()));
    Ok(())
}

/// Runs the visit's script, which tells each step as a line of JSON; the last line is its result.
async fn visit(script: &str, order: &Value, report: &Report) -> Result<Value> {
    let mut child = program("node", "tests/e2e")
        .arg(script)
        .arg(order.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().context("the visit has no output")?;
    let mut lines = BufReader::new(out).lines();
    let mut result = None;
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str::<Value>(&line) {
            Ok(told) => match told.get("step").and_then(Value::as_str) {
                Some(step) => report.say(&format!("page: {step}")),
                None => result = Some(told),
            },
            Err(_) => println!("{line}"),
        }
    }
    let status = child.wait().await?;
    ensure!(status.success(), "the visit failed ({status}): its last step above tells where");
    result.context("the visit ended without a result")
}

/// Many payments by one page; gives the figures that its script prints.
pub(crate) async fn measure(report: &mut Report) -> Result<Value> {
    let built = prepare(report).await?;
    let chromium = browser(report).await?;
    let folder = Folder::choose(None)?;
    let stage = Stage::start(&built, folder.path(), 0, None, report).await?;
    let order = json!({
        "page": stage.page,
        "chromium": chromium,
        "deposit": DEPOSIT.to_string(),
    });
    visit("bench.mjs", &order, report).await
}

/// Asks all three nodes and the chain. The last messages of a payment may still be on their way to the
/// merchant when the page has its article, so the nodes are given a moment.
async fn report_sums(stage: &Stage, page: &Value) -> Result<Sums> {
    let orders = Orders {
        page_deposit: DEPOSIT * TON,
        relay_deposit: RELAY_DEPOSIT,
        price: PRICE,
        fee: relay_fee(),
    };
    let settled = async || {
        let merchant = stage.merchant.snapshot().await?;
        let relay = stage.relay.snapshot().await?;
        let quiet = |snapshot: &Value| {
            let channels = snapshot.get("channels").and_then(Value::as_array);
            channels.is_some_and(|channels| {
                channels.iter().all(|one| {
                    number(one, "conditionals").is_ok_and(|n| n == 0)
                        && number(one, "their_conditionals").is_ok_and(|n| n == 0)
                })
            })
        };
        Ok((quiet(&merchant) && quiet(&relay)).then_some((relay, merchant)))
    };
    let (relay, merchant) = until("the payment to settle at every hop", settled).await?;
    let mut sums = Sums::default();
    sums.off_chain(&orders, &Nodes { page, relay: &relay, merchant: &merchant })?;
    for (name, peer, deposits) in [
        ("contract of page and relay", key(page)?, orders.page_deposit),
        ("contract of relay and merchant", key(&merchant)?, orders.relay_deposit),
    ] {
        let address = channel(&relay, peer)?.get("address").and_then(Value::as_str);
        let address = address.with_context(|| format!("{name} has no address"))?;
        sums.on_chain(&stage.contract(name, address, deposits).await?)?;
    }
    Ok(sums)
}
