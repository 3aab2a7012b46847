//! Everything that the demo shows, running: the chain, the relay, the merchant, the shop and the page's server.
//!
//! All of it lives in one folder and ends with this value. First comes the chain, then two nodes with money of
//! the faucet, a channel between them, and at last what a visitor sees.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::{
    http::Api,
    report::Report,
    shell::{cargo, output},
    site::{self, Order},
    sums::{Contract, channel, key, number},
    tree::Process,
};

pub(crate) const TON: u128 = 1_000_000_000;
/// From the faucet to the wallets of the relay and of the merchant.
const RELAY_COINS: u128 = 100 * TON;
const MERCHANT_COINS: u128 = 5 * TON;
/// What the relay puts into its channel with the merchant: the most that visitors can pay in all.
pub(crate) const RELAY_DEPOSIT: u128 = 20 * TON;
/// Price of one article.
pub(crate) const PRICE: u128 = TON / 10;
/// What the relay asks for passing it on: the larger of both.
const RELAY_MIN_FEE: u128 = TON / 10_000;
const RELAY_FEE_PPM: u128 = 1_000;

/// What the relay earns with one article.
pub(crate) fn relay_fee() -> u128 {
    (PRICE * RELAY_FEE_PPM / 1_000_000).max(RELAY_MIN_FEE)
}

/// What was built for the demo. A stage runs copies, so that building again does not disturb it.
pub(crate) struct Built {
    devnet: PathBuf,
    rill: PathBuf,
    /// Folder of the page.
    site: PathBuf,
}

impl Built {
    /// Compiles the programs; the page in `site` must be there already.
    pub(crate) async fn with_page(site: PathBuf) -> Result<Self> {
        let mut command = cargo();
        command.args(["build", "--package", "devnet", "--bin", "devnet"]);
        command.args(["--package", "daemon", "--bin", "rill"]);
        let messages = output(command.arg("--message-format=json-render-diagnostics")).await?;
        let executable = |name: &str| {
            messages
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
                .find(|file| file.file_stem().is_some_and(|stem| stem == name))
                .with_context(|| format!("cargo built no program `{name}`"))
        };
        Ok(Self { devnet: executable("devnet")?, rill: executable("rill")?, site })
    }

    fn copy_to(&self, folder: &Path) -> Result<Self> {
        let programs = folder.join("programs");
        let copy = Self {
            devnet: programs.join("devnet"),
            rill: programs.join("rill"),
            site: folder.join("page"),
        };
        fs::create_dir_all(&programs)?;
        fs::copy(&self.devnet, &copy.devnet)?;
        fs::copy(&self.rill, &copy.rill)?;
        copy_folder(&self.site, &copy.site)?;
        Ok(copy)
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A process and how to start it again.
pub(crate) struct Part {
    name: &'static str,
    binary: PathBuf,
    args: Vec<String>,
    folder: PathBuf,
    process: Process,
    /// What it said when it was ready.
    said: Value,
}

impl Part {
    async fn start(
        name: &'static str,
        binary: &Path,
        args: Vec<String>,
        folder: &Path,
    ) -> Result<Self> {
        let (binary, folder) = (binary.to_owned(), folder.to_owned());
        let mut process = Process::start(name, &binary, &args, &folder)?;
        let said = process.ready().await?;
        Ok(Self { name, binary, args, folder, process, said })
    }

    /// Ends it as a power cut would.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.process.kill().await
    }

    /// Starts it again with the same arguments.
    pub(crate) async fn start_again(&mut self) -> Result<()> {
        self.process = Process::start(self.name, &self.binary, &self.args, &self.folder)?;
        self.said = self.process.ready().await?;
        Ok(())
    }

    /// A field of what it said when it was ready.
    fn said(&self, pointer: &str) -> Result<&str> {
        let value = self.said.pointer(pointer).and_then(Value::as_str);
        value.with_context(|| format!("{} did not say its {pointer}", self.name))
    }

    /// Fixes an address that it chose itself, so that it is the same after a new start.
    fn keep_address(&mut self, flag: &str, pointer: &str) -> Result<()> {
        let address = self.said(pointer)?.to_owned();
        let address = address.trim_start_matches("http://").to_owned();
        let value = self.args.iter().position(|arg| arg == flag).map(|at| at.saturating_add(1));
        let value = value.and_then(|at| self.args.get_mut(at));
        *value.with_context(|| format!("{} was started without {flag}", self.name))? = address;
        Ok(())
    }
}

/// A node's process, and the way to command it.
pub(crate) struct Daemon {
    pub(crate) part: Part,
    pub(crate) api: Api,
    token: String,
    pub(crate) invitation: String,
}

impl Daemon {
    async fn start(
        name: &'static str,
        rill: &Path,
        chain: &Part,
        more: &[String],
        folder: &Path,
    ) -> Result<Self> {
        let home = folder.join(name);
        let mut args = words(&["node", "--udp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--dir"]);
        args.push(home.display().to_string());
        args.extend(words(&["--liteserver", chain.said("/liteserver/address")?]));
        args.extend(words(&["--liteserver-key", chain.said("/liteserver/key")?]));
        args.extend(words(&["--devnet", chain.said("/control")?]));
        args.extend_from_slice(more);
        let mut part = Part::start(name, rill, args, folder).await?;
        part.keep_address("--http", "/http")?;
        part.keep_address("--udp", "/adnl")?;
        let config = fs::read_to_string(home.join("rill.toml"))
            .with_context(|| format!("{name} wrote no config file"))?;
        let config: toml::Table = toml::from_str(&config).context("rill.toml")?;
        let token = config.get("keys").and_then(|keys| keys.get("admin_token"));
        let token = token.and_then(toml::Value::as_str).context("the config has no admin_token")?;
        let api = Api::new(part.said("/http")?, Some(token));
        let invitation = part.said("/invitation")?.to_owned();
        Ok(Self { token: token.to_owned(), part, api, invitation })
    }

    pub(crate) async fn snapshot(&self) -> Result<Value> {
        self.api.get("/snapshot").await
    }
}

/// The running demo.
pub(crate) struct Stage {
    chain: Part,
    pub(crate) control: Api,
    pub(crate) relay: Daemon,
    pub(crate) merchant: Daemon,
    pub(crate) shop: Part,
    /// Address of the page.
    pub(crate) page: String,
}

impl Stage {
    /// Starts everything in `folder`, telling each step. The page is served on `port`; `orders` takes what tests
    /// want stopped and started.
    pub(crate) async fn start(
        built: &Built,
        folder: &Path,
        port: u16,
        orders: Option<mpsc::Sender<Order>>,
        report: &Report,
    ) -> Result<Self> {
        let built = built.copy_to(folder).context("the built programs cannot be copied")?;
        let args = words(&["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"]);
        let chain = Part::start("devnet", &built.devnet, args, folder).await?;
        let control = Api::new(chain.said("/control")?, None);
        report.say(&format!(
            "chain: running, liteserver {}, control {}",
            chain.said("/liteserver/address")?,
            chain.said("/control")?
        ));

        let mut terms = words(&["--relay-min-fee", &coins(RELAY_MIN_FEE)]);
        terms.extend(words(&["--relay-fee-ppm", &RELAY_FEE_PPM.to_string()]));
        let relay = Daemon::start("relay", &built.rill, &chain, &terms, folder).await?;
        let merchant = Daemon::start("merchant", &built.rill, &chain, &[], folder).await?;
        for node in [&relay, &merchant] {
            report.say(&format!(
                "{}: node {} at {}",
                node.part.name,
                short(key(&node.snapshot().await?)?),
                node.api.url
            ));
        }
        for (node, amount) in [(&relay, RELAY_COINS), (&merchant, MERCHANT_COINS)] {
            fund(&control, node, amount).await?;
            report.say(&format!("{}: {} TON from the faucet", node.part.name, coins(amount)));
        }

        connect(&relay, &merchant, report).await?;

        let mut shop = words(&["shop", "--listen", "127.0.0.1:0", "--node", &merchant.api.url]);
        shop.extend(words(&["--token", &merchant.token, "--relay", &relay.invitation]));
        shop.extend(words(&["--price", &coins(PRICE), "--dir"]));
        shop.push(folder.join("shop").display().to_string());
        shop.extend(terms);
        let mut shop = Part::start("shop", &built.rill, shop, folder).await?;
        shop.keep_address("--listen", "/http")?;
        report.say(&format!("shop: articles for {} TON at {}", coins(PRICE), shop.said("/http")?));

        let for_page = json!({
            "invitation": relay.invitation,
            "faucet": format!("{}/faucet", relay.api.url),
            "shop": shop.said("/url")?,
            "network": "tvm:-3",
            "passphrase": "demo",
        });
        let address = site::serve(built.site, &for_page, port, orders).await?;
        let page = format!("http://{address}/");
        report.say(&format!("page: {page}"));
        Ok(Self { chain, control, relay, merchant, shop, page })
    }

    /// Tells what the parts log, until one of them ends by itself; that is an error.
    pub(crate) async fn watch(mut self) -> Result<()> {
        const PAUSE: Duration = Duration::from_millis(100);
        let mut parts =
            [&mut self.chain, &mut self.relay.part, &mut self.merchant.part, &mut self.shop];
        for part in &mut parts {
            part.process.log.skip();
        }
        loop {
            for part in &mut parts {
                for line in part.process.log.news() {
                    println!("{:>8}  {}", part.name, told(&line));
                }
                part.process.alive()?;
            }
            sleep(PAUSE).await;
        }
    }

    /// The contract of a channel as the chain has it.
    pub(crate) async fn contract(
        &self,
        name: &'static str,
        address: &str,
        deposits: u128,
    ) -> Result<Contract> {
        let account = self.control.get(&format!("/account/{address}")).await?;
        let data = account.get("data").and_then(Value::as_str);
        let data = data.with_context(|| format!("{name} is not on chain"))?;
        let data = BASE64_STANDARD.decode(data).context("account data")?;
        let history = self.control.get(&format!("/transactions/{address}?limit=1000")).await?;
        let rent =
            history.as_array().context("no history")?.iter().try_fold(0_u128, |sum, one| {
                anyhow::Ok(sum.saturating_add(number(one, "rent")?))
            })?;
        Ok(Contract { name, data, balance: number(&account, "balance")?, rent, deposits })
    }
}

async fn fund(control: &Api, node: &Daemon, amount: u128) -> Result<()> {
    let snapshot = node.snapshot().await?;
    let wallet = snapshot.pointer("/wallet/address").and_then(Value::as_str);
    let address = wallet.context("the node names no wallet")?;
    let before = wallet_balance(&snapshot);
    let order = json!({ "address": address, "amount": amount.to_string() });
    control.post("/faucet", order).await?;
    let seen = async || {
        let now = wallet_balance(&node.snapshot().await?);
        Ok((now >= before.saturating_add(amount)).then_some(()))
    };
    until(&format!("the {} to see its money on chain", node.part.name), seen).await
}

/// Nothing counts as zero until the chain was seen.
fn wallet_balance(snapshot: &Value) -> u128 {
    let balance = snapshot.pointer("/wallet/balance").and_then(Value::as_str);
    balance.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The relay opens a channel with the merchant and tops it up.
async fn connect(relay: &Daemon, merchant: &Daemon, report: &Report) -> Result<()> {
    let contact = json!({ "invitation": merchant.invitation });
    relay.api.post("/contacts", contact).await?;
    let merchant_key = key(&merchant.snapshot().await?)?.to_owned();
    let order = json!({ "peer": merchant_key, "deposit": RELAY_DEPOSIT.to_string() });
    relay.api.post("/channels", order).await?;
    report.say(&format!("relay: opens a channel with the merchant, {} TON", coins(RELAY_DEPOSIT)));
    let open = async || {
        let snapshot = relay.snapshot().await?;
        let Ok(found) = channel(&snapshot, &merchant_key) else { return Ok(None) };
        let phase = found.get("phase").and_then(Value::as_str);
        let ready = phase == Some("open") && number(found, "balance")? >= RELAY_DEPOSIT;
        Ok(ready.then(|| found.get("address").and_then(Value::as_str).map(str::to_owned)).flatten())
    };
    let address = until("the channel between relay and merchant to open", open).await?;
    report.say(&format!("chain: their contract {} holds the deposit", short(&address)));
    Ok(())
}

/// Looks until there is an answer.
pub(crate) async fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    const PATIENCE: Duration = Duration::from_secs(60);
    const PAUSE: Duration = Duration::from_millis(50);
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = look().await? {
            return Ok(answer);
        }
        if Instant::now() > end {
            bail!("waited {} s for {what}: the logs of the parts tell more", PATIENCE.as_secs());
        }
        sleep(PAUSE).await;
    }
}

/// A line of a log for the terminal: without its time and origin, long hex cut short.
fn told(line: &str) -> String {
    let words = line.split_whitespace().skip(1);
    let words = words.skip_while(|word| *word == "INFO" || word.ends_with("devnet:"));
    let shorten = |word: &str| {
        let (head, hex) = word.rsplit_once(['=', '/']).unwrap_or(("", word));
        let hex = hex.trim_matches('"');
        let long = hex.len() == KEY_DIGITS && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        match (long, head) {
            (false, _) => word.to_owned(),
            (true, "") => short(hex).to_owned(),
            (true, head) => format!("{head}={}", short(hex)),
        }
    };
    words.map(shorten).collect::<Vec<_>>().join(" ")
}

const KEY_DIGITS: usize = 64;

/// Nano as TON.
pub(crate) fn coins(nano: u128) -> String {
    let fraction = format!("{:09}", nano % TON);
    match fraction.trim_end_matches('0') {
        "" => (nano / TON).to_string(),
        digits => format!("{}.{digits}", nano / TON),
    }
}

/// Enough of a key or an address to tell it from others.
pub(crate) fn short(hex: &str) -> &str {
    hex.get(..8).unwrap_or(hex)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
