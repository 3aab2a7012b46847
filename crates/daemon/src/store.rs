//! The node's disk: one table of records in a redb file, one fsynced transaction per batch of steps.
//!
//! redb holds an exclusive lock on its file, so that two processes can never write for one node. What
//! [`Store::commit`] has returned from is there after a power cut; what it has not is not there at all.

use std::{
    fs,
    path::{Path, PathBuf},
};

use node::{config::Record, history::HISTORY, io::Writes};
use redb::{Database, DatabaseError, Durability, ReadableDatabase, TableDefinition};

/// The records of one node.
pub struct Store {
    database: Database,
    path: PathBuf,
}

/// Why the disk did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "{path} is in use by another process: stop the other node first, two must never share a data directory"
    )]
    InUse { path: PathBuf },
    #[error("{path} cannot be opened: {reason}")]
    Open { path: PathBuf, reason: String },
    #[error("{path} cannot be read: {reason}")]
    Read { path: PathBuf, reason: String },
    #[error(
        "{path} cannot be written: {reason}; nothing was sent that is not on disk, start again when the disk is well"
    )]
    Write { path: PathBuf, reason: String },
}

impl Store {
    /// Opens the file, or makes an empty one that only its owner can read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let failed = |reason: String| StoreError::Open { path: path.clone(), reason };
        private_file(&path).map_err(|error| failed(error.to_string()))?;
        let database =
            Database::builder().set_cache_size(CACHE_BYTES).create(&path).map_err(|error| {
                match error {
                    DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: path.clone() },
                    error => failed(error.to_string()),
                }
            })?;
        let store = Self { database, path };
        // An empty commit makes the table, so that reading never meets a file without one.
        store.commit(&Writes::new())?;
        Ok(store)
    }

    /// All records that a node needs to start, in the order of their keys.
    pub fn records(&self) -> Result<Vec<Record>, StoreError> {
        self.read().map_err(|error| StoreError::Read {
            path: self.path.clone(),
            reason: error.to_string(),
        })
    }

    /// One record, if it is there.
    pub fn record(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.look(key).map_err(|error| StoreError::Read {
            path: self.path.clone(),
            reason: error.to_string(),
        })
    }

    /// Makes the writes durable as one: after a crash either all of them are there or none.
    ///
    /// Blocks for one fsync, typically 0.1 to 10 ms.
    pub fn commit(&self, writes: &Writes) -> Result<(), StoreError> {
        self.write(writes).map_err(|error| StoreError::Write {
            path: self.path.clone(),
            reason: error.to_string(),
        })
    }

    fn read(&self) -> Result<Vec<Record>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(RECORDS)?;
        let mut records = Vec::new();
        let (before, after): (&[u8], &[u8]) = (&[HISTORY], &[HISTORY + 1]);
        for entry in table.range(..before)?.chain(table.range(after..)?) {
            let (key, value) = entry?;
            records.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(records)
    }

    fn look(&self, key: &[u8]) -> Result<Option<Vec<u8>>, redb::Error> {
        let table = self.database.begin_read()?.open_table(RECORDS)?;
        Ok(table.get(key)?.map(|value| value.value().to_vec()))
    }

    fn write(&self, writes: &Writes) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut table = transaction.open_table(RECORDS)?;
            for (key, value) in writes {
                match value {
                    Some(value) => table.insert(key.as_slice(), value.as_slice())?,
                    None => table.remove(key.as_slice())?,
                };
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// Makes sure that the file is there and that nobody else can read it: records hold keys.
pub(crate) fn private_file(path: &Path) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");

/// A node's records are read once at start; the cache only has to hold what is being changed.
const CACHE_BYTES: usize = 64 << 20;
