//! The node's disk: one IndexedDB database with one object store.
//!
//! Records of the node have binary keys; what the host itself keeps has text keys, so the two never meet. Every change
//! is one transaction with strict durability: when it is committed it survives a crash of the browser.

use std::{cell::RefCell, rc::Rc};

use indexed_db_futures::{
    Build, BuildPrimitive, KeyRange,
    database::Database,
    error::{DomException, Error, OpenDbError},
    query_source::QuerySource,
    transaction::{TransactionDurability, TransactionMode, TransactionOptions},
};
use js_sys::{ArrayBuffer, Uint8Array};
use node::{config::Record, history::HISTORY, io::Writes};
use wasm_bindgen::{JsCast, JsValue};

use crate::failure::{Failure, Retry};

pub(crate) struct Store {
    database: Database,
}

/// The store that is open at the moment; another one after it had to be opened again. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Disk(Rc<RefCell<Rc<Store>>>);

/// The browser could not read or write.
#[derive(Debug)]
pub(crate) struct StoreError(String);

impl Store {
    /// Opens the database, making it if there is none.
    pub(crate) async fn open(name: &str) -> Result<Self, Failure> {
        let database = Database::open(name)
            .with_version(SCHEMA)
            .with_on_upgrade_needed(|_event, database| {
                database.create_object_store(STORE).build()?;
                Ok(())
            })
            .await
            .map_err(cannot_open)?;
        Ok(Self { database })
    }

    /// All records that the node needs to start.
    pub(crate) async fn records(&self) -> Result<Vec<Record>, StoreError> {
        let transaction = self.database.transaction(STORE).build()?;
        let store = transaction.object_store(STORE)?;
        let mut records = Vec::new();
        for range in [
            KeyRange::UpperBound(as_js(&[HISTORY]), true),
            KeyRange::LowerBound(as_js(&[HISTORY + 1]), false),
        ] {
            // Both requests are made before either is waited for: they see the same records in the same order.
            let keys = store
                .get_all_keys::<JsValue>()
                .with_query::<JsValue, _>(range.clone())
                .primitive()?;
            let values = store.get_all::<JsValue>().with_query::<JsValue, _>(range).primitive()?;
            let (keys, values) = (keys.await?, values.await?);
            for (key, value) in keys.zip(values) {
                if let Some(key) = bytes(&key?) {
                    let value =
                        bytes(&value?).ok_or(StoreError("a record is not made of bytes".into()))?;
                    records.push((key, value));
                }
            }
        }
        Ok(records)
    }

    /// One record, if it is there.
    pub(crate) async fn record(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let transaction = self.database.transaction(STORE).build()?;
        let store = transaction.object_store(STORE)?;
        let value: Option<JsValue> = store.get(as_js(key)).primitive()?.await?;
        Ok(value.as_ref().and_then(bytes))
    }

    /// Makes the writes durable, all or none.
    pub(crate) async fn commit(&self, writes: &Writes) -> Result<(), StoreError> {
        self.write(|put| {
            writes.iter().try_for_each(|(key, value)| put(as_js(key), value.as_deref().map(as_js)))
        })
        .await
    }

    /// Something of the host's own.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let transaction = self.database.transaction(STORE).build()?;
        let store = transaction.object_store(STORE)?;
        let value: Option<JsValue> = store.get(name).primitive()?.await?;
        Ok(value.as_ref().and_then(bytes))
    }

    /// Keeps something of the host's own, or deletes it.
    pub(crate) async fn put(&self, name: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        self.write(|put| put(name.into(), value.map(as_js))).await
    }

    pub(crate) fn close(&self) {
        self.database.clone().close();
    }

    async fn write(
        &self,
        fill: impl FnOnce(&dyn Fn(JsValue, Option<JsValue>) -> Result<(), Error>) -> Result<(), Error>,
    ) -> Result<(), StoreError> {
        let strict = TransactionOptions::new().with_durability(TransactionDurability::Strict);
        let transaction = self
            .database
            .transaction(STORE)
            .with_mode(TransactionMode::Readwrite)
            .with_options(strict)
            .build()?;
        let store = transaction.object_store(STORE)?;
        fill(&|key, value| match value {
            Some(value) => store.put(value).with_key(key).without_key_type().primitive().map(drop),
            None => store.delete(key).primitive().map(drop),
        })?;
        Ok(transaction.commit().await?)
    }
}

impl Disk {
    pub(crate) fn new(store: Store) -> Self {
        Self(Rc::new(RefCell::new(Rc::new(store))))
    }

    pub(crate) fn store(&self) -> Rc<Store> {
        self.0.borrow().clone()
    }

    pub(crate) fn replace(&self, store: Store) {
        self.0.replace(Rc::new(store)).close();
    }
}

fn as_js(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

/// Values come back as they were put, keys as an `ArrayBuffer`. `None` for anything else.
fn bytes(value: &JsValue) -> Option<Vec<u8>> {
    match value.dyn_ref::<Uint8Array>() {
        Some(array) => Some(array.to_vec()),
        None => Some(Uint8Array::new(value.dyn_ref::<ArrayBuffer>()?).to_vec()),
    }
}

fn cannot_open(error: OpenDbError) -> Failure {
    // A database that a later version of this program has changed is left alone.
    if let OpenDbError::Base(Error::DomException(DomException::Other(exception))) = &error
        && exception.name() == "VersionError"
    {
        let message = "the stored data are of a later version of this program: update it";
        return Failure::new("storage_corrupt", Retry::Never, message);
    }
    let message = format!(
        "the browser does not let this page store anything ({error}): \
        leave private browsing, or free some space"
    );
    Failure::new("storage_not_durable", Retry::After, message)
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(StoreError(reason): StoreError) -> Self {
        let message = format!(
            "the browser's storage failed ({reason}): free some space if it is full, and reload the page"
        );
        Self::new("storage_not_durable", Retry::Same, message)
    }
}

const SCHEMA: u8 = 1;
const STORE: &str = "records";
