//! The demo's processes: started together, ended together.
//!
//! A child ends when its handle is dropped, so leaving the demo in any way (Ctrl-C, an error, a panic) ends them
//! all. If this program itself is killed, `setpriv` has the kernel end them.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::shell::find;

/// No process of ours takes longer to start, even on a busy machine.
const START: Duration = Duration::from_secs(60);

/// One running process and where its log is.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    lines: tokio::io::Lines<BufReader<ChildStdout>>,
    pub(crate) log: Log,
}

/// What a process writes to standard error, in a file.
pub(crate) struct Log {
    path: PathBuf,
    /// Bytes that [`Log::news`] has given.
    told: u64,
}

impl Process {
    /// Starts `binary`; what it writes to standard error goes to `<folder>/<name>.log`.
    pub(crate) fn start<A: AsRef<OsStr>>(
        name: &'static str,
        binary: &Path,
        args: impl IntoIterator<Item = A>,
        folder: &Path,
    ) -> Result<Self> {
        let mut command = match find(&["setpriv"]) {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log);
        // A group of its own: Ctrl-C at the terminal is for us, and we end the children in order.
        command.args(args).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(file.with_context(|| format!("{} cannot be written", log.display()))?);
        let mut child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
        let out = child.stdout.take().context("the child has no standard output")?;
        Ok(Self {
            name,
            child,
            lines: BufReader::new(out).lines(),
            log: Log { path: log, told: 0 },
        })
    }

    /// Waits for the one line of JSON that says `"ready": true`.
    pub(crate) async fn ready(&mut self) -> Result<Value> {
        let first = async {
            while let Some(line) = self.lines.next_line().await? {
                let Ok(json) = serde_json::from_str::<Value>(&line) else { continue };
                if json.get("ready") == Some(&Value::Bool(true)) {
                    return Ok(Some(json));
                }
            }
            anyhow::Ok(None)
        };
        match timeout(START, first).await {
            Ok(Ok(Some(json))) => Ok(json),
            Ok(Ok(None)) => {
                let status = self.child.wait().await?;
                bail!("{} ended with {status} before it was ready:\n{}", self.name, self.log.end())
            }
            Ok(Err(error)) => Err(error),
            Err(_) => bail!("{} was not ready in time:\n{}", self.name, self.log.end()),
        }
    }

    /// An error if the process is no longer running.
    pub(crate) fn alive(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended with {status}:\n{}", self.name, self.log.end());
        }
        Ok(())
    }

    /// Ends it at once, as a power cut would.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("{} cannot be ended", self.name))
    }
}

impl Log {
    /// The last lines.
    fn end(&self) -> String {
        const LINES: usize = 15;
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let from = lines.len().saturating_sub(LINES);
        lines.get(from..).unwrap_or_default().join("\n")
    }

    /// Leaves out what is there now.
    pub(crate) fn skip(&mut self) {
        self.told = fs::metadata(&self.path).map_or(0, |meta| meta.len());
    }

    /// Whole lines that were added since the last call.
    pub(crate) fn news(&mut self) -> Vec<String> {
        let mut added = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.told))?;
            file.read_to_end(&mut added)
        });
        if read.is_err() {
            return Vec::new();
        }
        let whole =
            added.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at.saturating_add(1));
        added.truncate(whole);
        self.told = self.told.saturating_add(whole as u64);
        String::from_utf8_lossy(&added).lines().map(str::to_owned).collect()
    }
}
