//! The project's own commands, run as `cargo xtask <command>`.
//!
//! They need Rust and Node 20 on a Debian machine and fetch the rest themselves: the wasm target, npm packages
//! and, only to open a page without a screen, Chromium. Each step is printed with its time.

mod bench;
mod demo;
mod e2e;
mod folder;
mod gas;
mod http;
mod pack;
mod report;
mod setup;
mod shell;
mod site;
mod stage;
mod sums;
mod test;
mod tree;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use report::Report;

/// Build, show and test Rill.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a local chain, a relay, a shop and a page that pays; stay up until Ctrl-C.
    Demo(demo::Options),
    /// Run every check and every test, stopping at the first failure.
    Test,
    /// Only the last part of `test`: a headless Chromium visits the page on good and bad days.
    E2e {
        /// Of the bad days, only those whose name matches.
        #[arg(long, value_name = "PATTERN")]
        only: Option<String>,
    },
    /// Measure payments, the size of the wasm node and latency in Chromium, and print a table.
    Bench(bench::Options),
    /// Measure what the contract costs and print it beside the existing contract of the network.
    Gas(gas::Options),
    /// Build crates/browser into web/src/wasm as wasm-pack.toml says.
    Wasm {
        /// Build even if nothing has changed.
        #[arg(long)]
        force: bool,
    },
    /// Fetch what is missing: wasm target, npm packages, Chromium.
    Setup,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut report = Report::new();
    tokio::select! {
        result = obey(cli.command, &mut report) => match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("\nfailed: {error:#}");
                ExitCode::FAILURE
            }
        },
        // Dropping the command ends its processes and removes its temporary folders.
        () = asked_to_end() => {
            println!("\nended: everything that was started is stopped");
            ExitCode::from(INTERRUPTED)
        }
    }
}

async fn obey(command: Command, report: &mut Report) -> anyhow::Result<()> {
    match command {
        Command::Demo(options) => demo::run(options, report).await,
        Command::Test => test::run(report).await,
        Command::E2e { only } => e2e::run(only, report).await,
        Command::Bench(options) => bench::run(options, report).await,
        Command::Gas(options) => gas::run(options, report).await,
        Command::Wasm { force } => wasm(force, report).await,
        Command::Setup => setup::everything(report).await,
    }
}

/// What shells give a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Waits for Ctrl-C or for the system's request to end.
async fn asked_to_end() {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}

async fn wasm(force: bool, report: &mut Report) -> anyhow::Result<()> {
    setup::for_wasm(report).await?;
    let sizes = report.step("build the wasm node", pack::build(force)).await?;
    println!("{sizes}");
    Ok(())
}

/// The workspace: where every command works, wherever it was called.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map_or_else(|| here.clone(), PathBuf::from)
}
