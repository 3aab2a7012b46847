//! The figures: native payments, the size of the wasm node, and what a page in Chromium sees, as one table.
//!
//! Everything is measured on this machine in this run; nothing is compared with an expectation.

use anyhow::{Context, Result};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    demo, pack,
    report::Report,
    setup,
    shell::{cargo, output, program},
};

#[derive(Args)]
pub(crate) struct Options {
    /// Print the figures as JSON, for scripts.
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize, Serialize)]
struct Row {
    name: String,
    value: f64,
    unit: String,
}

pub(crate) async fn run(options: Options, report: &mut Report) -> Result<()> {
    report.aside = options.json;
    setup::node().await?;
    let mut rows = report.step("native payments", native()).await?;
    setup::for_wasm(report).await?;
    let sizes = report.step("build the wasm node", pack::build(false)).await?;
    for (name, bytes) in sizes.each() {
        let value = f64::from(u32::try_from(bytes).context("a module of gigabytes")?);
        rows.push(Row { name: format!("wasm node, {name}"), value, unit: "bytes".into() });
    }
    let seen = demo::measure(report).await?;
    rows.extend(serde_json::from_value::<Vec<Row>>(seen).context("figures of the page")?);

    let machine = machine().await?;
    if options.json {
        println!("{}", json!({ "machine": machine, "figures": rows }));
        return Ok(());
    }
    println!("\n{}", words(&machine));
    println!("| figure | value |\n|---|---:|");
    for Row { name, value, unit } in rows {
        let digits = if value < 1_000.0 { 2 } else { 0 };
        println!("| {name} | {value:.digits$} {unit} |");
    }
    Ok(())
}

async fn native() -> Result<Vec<Row>> {
    let mut bench = cargo();
    bench.args(["bench", "--quiet", "-p", "daemon", "--bench", "payments", "--", "--json"]);
    serde_json::from_str(&output(&mut bench).await?).context("figures of the native benchmark")
}

/// What the figures were taken on.
async fn machine() -> Result<Value> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let commit = output(program("git", ".").args(["describe", "--always", "--dirty"])).await?;
    Ok(json!({
        "cpu": model.map_or("unknown", |(_, name)| name),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "load": load.split(' ').next().unwrap_or_default(),
        "commit": commit.trim(),
    }))
}

fn words(machine: &Value) -> String {
    let part = |name: &str| match machine.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    format!(
        "{}, {} cores, load {} at the end, commit {}",
        part("cpu"),
        part("cores"),
        part("load"),
        part("commit")
    )
}
