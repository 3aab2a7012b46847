//! Running other programs, with failures that say which program failed, where, and what to look at.

use std::{ffi::OsStr, path::Path, process::Stdio};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::root;

/// A program to be run in a folder of the workspace, ended with us.
pub(crate) fn program(name: impl AsRef<OsStr>, folder: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root().join(folder)).kill_on_drop(true);
    command
}

/// The cargo that runs us, in the workspace.
pub(crate) fn cargo() -> Command {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), ".")
}

/// Runs to the end with the terminal as its own.
pub(crate) async fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command
        .stdin(Stdio::null())
        .status()
        .await
        .with_context(|| format!("`{shown}` cannot be started"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}: its own output above tells why");
    }
    Ok(())
}

/// Runs to the end and gives its standard output.
pub(crate) async fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .await
        .with_context(|| format!("`{shown}` cannot be started"))?;
    if !output.status.success() {
        bail!("`{shown}` ended with {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` printed no text"))
}

/// The first of these programs that is on PATH.
pub(crate) fn find(names: &[&str]) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

fn shown(command: &Command) -> String {
    let command = command.as_std();
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(name).chain(command.get_args());
    let mut line = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let root = root();
    line = line.replace(&format!("{}/", root.display()), "");
    if let Some(folder) = command.get_current_dir().and_then(|dir| dir.strip_prefix(&root).ok())
        && folder != Path::new(".")
        && folder != Path::new("")
    {
        line += &format!(" (in {})", folder.display());
    }
    line
}
