//! The whole thing at once: a chain, a relay, a merchant with a shop, and a page that pays.
//!
//! `demo` leaves the page to the person who reads the terminal; `demo --once` lets a headless Chromium go through
//! it and then counts the money at every node and in every contract.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::mpsc,
};

use crate::{
    pack,
    report::Report,
    root, setup,
    shell::program,
    site::{self, Order},
    stage::{PRICE, Programs, RELAY_DEPOSIT, Stage, TON, relay_fee, until},
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
    let programs = prepare(report).await?;
    let chromium = match options.once {
        true => Some(browser(report).await?),
        false => None,
    };
    let folder = Folder::choose(options.dir)?;
    let stage = Stage::start(&programs, folder.path(), report).await?;
    let address = site::serve(root().join(SITE), &stage.for_page()?, options.port, None).await?;
    let page = format!("http://{address}/");
    report.say(&format!("page: {page}"));
    let Some(chromium) = chromium else {
        println!(
            "\nOpen {page} in a browser. Logs and data are in {}. Ctrl-C ends everything.",
            folder.path().display()
        );
        return stage.watch().await;
    };
    let picture = std::path::absolute(root().join(&options.screenshot))?;
    once(&stage, &page, &chromium, &picture, report).await
}

/// Builds all that the demo needs.
async fn prepare(report: &mut Report) -> Result<Programs> {
    setup::node().await?;
    setup::for_wasm(report).await?;
    let programs = report.step("build the local chain and the node", Programs::build()).await?;
    let sizes = report.step("build the wasm node", pack::build(false)).await?;
    report.say(&sizes.to_string());
    let _alone = pack::alone()?;
    report.step("build the page", npm("web", "build")).await?;
    Ok(programs)
}

/// What opening pages without a screen needs.
async fn browser(report: &mut Report) -> Result<PathBuf> {
    setup::packages("tests/e2e", report).await?;
    setup::chromium(report).await
}

/// One visit by a headless Chromium, then the sums.
async fn once(
    stage: &Stage,
    page: &str,
    chromium: &Path,
    picture: &Path,
    report: &Report,
) -> Result<()> {
    let order = json!({
        "page": page,
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
    let programs = prepare(report).await?;
    let chromium = browser(report).await?;
    let folder = Folder::choose(None)?;
    let stage = Stage::start(&programs, folder.path(), report).await?;
    let address = site::serve(root().join(SITE), &stage.for_page()?, 0, None).await?;
    let order = json!({
        "page": format!("http://{address}/"),
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

/// The demo once, then the page's bad days (those that match `only`), for `cargo xtask test`.
pub(crate) async fn end_to_end(only: Option<String>, report: &mut Report) -> Result<()> {
    let programs = prepare(report).await?;
    let chromium = browser(report).await?;
    if only.is_none() {
        let folder = Folder::choose(None)?;
        let stage = Stage::start(&programs, folder.path(), report).await?;
        let address = site::serve(root().join(SITE), &stage.for_page()?, 0, None).await?;
        let picture = root().join("target/page.png");
        let page = format!("http://{address}/");
        once(&stage, &page, &chromium, &picture, report).await.context("demo")?;
    }

    let mut folder = Folder::choose(None)?;
    let mut stage = Stage::start(&programs, folder.path(), report).await?;
    let (sender, mut orders) = mpsc::channel(1);
    let address = site::serve(root().join(SITE), &stage.for_page()?, 0, Some(sender)).await?;
    let mut tests = program("node", "tests/e2e");
    tests.args(["--test", "--test-reporter=spec"]);
    if let Some(only) = only {
        tests.args(["--test-name-pattern", &only]);
    }
    tests
        .arg("page.test.mjs")
        .env("RILL_PAGE", format!("http://{address}/"))
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

/// Where the demo keeps its things.
enum Folder {
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

impl Folder {
    fn choose(dir: Option<PathBuf>) -> Result<Self> {
        let Some(dir) = dir else {
            let made = tempfile::Builder::new().prefix("rill-demo-").tempdir();
            return Ok(Self::Temporary(made.context("no temporary folder can be made")?));
        };
        std::fs::create_dir_all(&dir)
            .with_context(|| format!("{} cannot be made", dir.display()))?;
        let empty = std::fs::read_dir(&dir)?.next().is_none();
        // The chain starts anew each time: nodes of an earlier one would not find their channels.
        ensure!(empty, "{} is not empty: choose a new folder", dir.display());
        Ok(Self::Kept(dir.canonicalize()?))
    }

    /// Leaves a temporary folder behind, to be looked at.
    fn keep(&mut self) -> PathBuf {
        if let Self::Temporary(dir) = self {
            dir.disable_cleanup(true);
        }
        self.path().to_owned()
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Kept(dir) => dir,
        }
    }
}
