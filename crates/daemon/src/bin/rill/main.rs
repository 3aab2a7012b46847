//! `rill`: runs a payment node, commands one, or runs a shop in front of one.

mod args;
mod command;
mod node;
mod shop;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use args::{Args, Verb};

fn main() -> ExitCode {
    let args = Args::parse();
    log(&args);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the system gives no threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    match args.verb {
        Verb::Init(init) => node::init(init),
        Verb::Node(start) => node::run(start).await,
        Verb::Shop(start) => shop::run(start).await,
        Verb::Ask(ask) => command::run(ask).await,
    }
}

/// Logs go to stderr, so that stdout is for programs.
fn log(args: &Args) {
    let filter = match &args.log {
        Some(filter) => EnvFilter::new(filter),
        None => EnvFilter::new("info"),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
}
