//! Where the demo keeps keys, records and logs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// A folder of the demo's own.
pub(crate) enum Folder {
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

impl Folder {
    /// The one that the user wants, or a temporary one.
    pub(crate) fn choose(dir: Option<PathBuf>) -> Result<Self> {
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
    pub(crate) fn keep(&mut self) -> PathBuf {
        if let Self::Temporary(dir) = self {
            dir.disable_cleanup(true);
        }
        self.path().to_owned()
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Kept(dir) => dir,
        }
    }
}
