//! The local chain as a program: a liteserver on one socket and, for people and test programs, a control
//! interface over HTTP on another.
//!
//! Once both listen it prints one line of JSON on standard output. Transactions are logged on standard error.

mod control;
mod guard;

use std::{io::IsTerminal, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use devnet::{Devnet, DevnetConfig};
use guard::Guard;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;
use tycho_types::boc::Boc;

/// A TON chain in one process, with a faucet and a clock that can be moved.
#[derive(Parser)]
#[command(name = "devnet", version, max_term_width = 100)]
struct Cli {
    /// Where the liteserver listens; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:4443")]
    listen: SocketAddr,
    /// Where the control interface listens. Whoever reaches it can take money and move the clock.
    #[arg(long, default_value = "127.0.0.1:4480")]
    control: SocketAddr,
    /// A host name under which the control interface is addressed, besides localhost and IP addresses.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// An origin whose pages may use the control interface, such as http://localhost:5173.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// All keys come from it: the same seed gives the same faucet, wallets and liteserver key.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Deployed test wallets with 1000 TON each; `/info` lists their keys.
    #[arg(long, default_value_t = 3)]
    wallets: u32,
    /// Milliseconds between two blocks while no message waits.
    #[arg(long, default_value_t = 2000)]
    interval: u64,
}

const WALLET_NANO: u128 = 1_000_000_000_000;

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();

    let code = include_bytes!("../../../../../contracts/build/wallet.code.boc");
    let code = Boc::decode(code).context("the compiled wallet contract cannot be read")?;
    let mut seed = [0; 32];
    let (low, _) = seed.split_at_mut(8);
    low.copy_from_slice(&cli.seed.to_le_bytes());
    let mut config = DevnetConfig::new(seed, code);
    config.genesis = config.genesis.with_wallets(cli.wallets, WALLET_NANO)?;
    config.listen = cli.listen;
    config.block_interval = Duration::from_millis(cli.interval);
    let wallets = (0..cli.wallets)
        .map(|index| Ok((format!("wallet {index}"), config.genesis.wallet(index)?)))
        .collect::<Result<Vec<_>>>()?;
    let taken = || format!("{} is taken: choose another address by --listen", cli.listen);
    let devnet = Devnet::start(config).await.with_context(taken)?;

    let taken = || format!("{} is taken: choose another address by --control", cli.control);
    let listener = TcpListener::bind(cli.control).await.with_context(taken)?;
    let address = listener.local_addr()?;
    let (liteserver, key) = devnet.liteserver();
    println!(
        "{}",
        serde_json::json!({
            "ready": true,
            "liteserver": { "address": liteserver.to_string(), "key": hex::encode(key) },
            "control": format!("http://{address}"),
        })
    );
    let guard = Guard { hosts: cli.allow_host, origins: cli.allow_origin };
    let shared = Arc::new(control::Shared { devnet, wallets });
    axum::serve(listener, control::router(shared, guard))
        .await
        .context("the control interface stopped")
}
