//! Fetching what a fresh machine lacks. Each piece is looked for first; what is there is left alone.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};

use crate::{
    report::Report,
    root,
    shell::{cargo, find, output, program, run},
};

const WASM_TARGET: &str = "wasm32-unknown-unknown";
/// Oldest major version of Node that runs our scripts and tests.
const NODE_OLDEST: u32 = 20;
const CHROMIUM_NAMES: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// All that any command needs.
pub(crate) async fn everything(report: &mut Report) -> Result<()> {
    for_wasm(report).await?;
    packages("contracts", report).await?;
    packages("tests/e2e", report).await?;
    components(report).await?;
    let chromium = chromium(report).await?;
    report.say(&format!("everything is here; Chromium is {}", chromium.display()));
    Ok(())
}

/// What the wasm build and the npm package need.
pub(crate) async fn for_wasm(report: &mut Report) -> Result<()> {
    node().await?;
    wasm_target(report).await?;
    packages("web", report).await
}

/// Node, new enough.
pub(crate) async fn node() -> Result<()> {
    const HINT: &str =
        "install Node 20 or newer with npm (https://nodejs.org, or a Debian package)";
    if find(&["node"]).is_none() || find(&["npm"]).is_none() {
        bail!("node and npm are not on PATH: {HINT}");
    }
    let version = output(program("node", ".").arg("--version")).await?;
    let major = version.trim().trim_start_matches('v').split('.').next();
    let major: u32 = major.and_then(|text| text.parse().ok()).unwrap_or(0);
    if major < NODE_OLDEST {
        bail!("node {} is too old: {HINT}", version.trim());
    }
    Ok(())
}

async fn wasm_target(report: &mut Report) -> Result<()> {
    let sysroot = output(program("rustc", ".").args(["--print", "sysroot"])).await?;
    if PathBuf::from(sysroot.trim()).join("lib/rustlib").join(WASM_TARGET).is_dir() {
        return Ok(());
    }
    rustup(report, "add the Rust target for wasm", &["target", "add", WASM_TARGET]).await
}

/// rustfmt and clippy.
pub(crate) async fn components(report: &mut Report) -> Result<()> {
    for (tool, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if output(cargo().args([tool, "--version"])).await.is_err() {
            let name = format!("add {component}");
            rustup(report, &name, &["component", "add", component]).await?;
        }
    }
    Ok(())
}

async fn rustup(report: &mut Report, name: &str, args: &[&str]) -> Result<()> {
    if find(&["rustup"]).is_none() {
        bail!("rustup is not on PATH: install Rust by https://rustup.rs and try again");
    }
    report.step(name, run(program("rustup", ".").args(args))).await
}

/// `npm ci`, unless the lock file is the one that was installed last.
pub(crate) async fn packages(folder: &str, report: &mut Report) -> Result<()> {
    let lock = root().join(folder).join("package-lock.json");
    let stamp = root().join(folder).join("node_modules/.installed-lock.json");
    let wanted = fs::read(&lock).with_context(|| {
        format!("{folder}/package-lock.json is missing: is the clone complete?")
    })?;
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let install = async {
        let mut npm = program("npm", folder);
        npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
        // Standard output may be for figures alone.
        run(npm.stdout(std::io::stderr()))
            .await
            .context("npm packages could not be installed; the first time needs a network")?;
        fs::write(&stamp, &wanted).context("node_modules is not writable")
    };
    report.step(&format!("install npm packages of {folder}"), install).await
}

/// A Chromium to open pages without a screen: the one that is there, or Debian's.
pub(crate) async fn chromium(report: &mut Report) -> Result<PathBuf> {
    if let Some(found) = find(&CHROMIUM_NAMES) {
        return Ok(found);
    }
    const HINT: &str =
        "install Chromium yourself (on Debian: apt-get install chromium) and try again";
    if find(&["apt-get"]).is_none() {
        bail!("no Chromium on PATH and no apt-get to install it: {HINT}");
    }
    let root_user = output(program("id", ".").arg("-u")).await?.trim() == "0";
    if !root_user && find(&["sudo"]).is_none() {
        bail!("no Chromium on PATH, and neither root rights nor sudo to install it: {HINT}");
    }
    let apt = |args: &[&str]| {
        let mut command = program(if root_user { "env" } else { "sudo" }, ".");
        if !root_user {
            // Never wait for a password that nobody may be there to type.
            command.args(["-n", "env"]);
        }
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(args);
        command
    };
    const FAILED: &str = "Debian's Chromium could not be installed; with another one on PATH this step is not needed";
    let install = async {
        run(&mut apt(&["update", "-qq"])).await?;
        let packages =
            ["install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-liberation"];
        run(&mut apt(&packages)).await
    };
    report.step("install Chromium from Debian's packages", install).await.context(FAILED)?;
    find(&CHROMIUM_NAMES)
        .with_context(|| format!("Chromium was installed but is not on PATH: {HINT}"))
}
