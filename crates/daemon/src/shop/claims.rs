//! Which invoices are spent: one redb file, one fsynced transaction per sale.
//!
//! A payment can prove itself for any invoice, because its payer signs what they like. So a sale spends both
//! the invoice and the payment's virtual key, and what was handed over is kept with it, to be given again to
//! whoever sends the same proof.

use std::path::Path;

use channel::amount::Time;
use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{invoice::LIFETIME_SECS, proof::LATE_SECS};
use crate::store::private_file;

/// All sales of the last month.
pub(super) struct Claims {
    database: Database,
}

/// What names one payment of one invoice.
pub(super) struct Payment<'a> {
    pub(super) invoice: &'a str,
    pub(super) channel: &'a [u8; 32],
    pub(super) instruction: &'a [u8; 32],
}

/// What was handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    pub(super) receipt: Value,
    pub(super) content_type: String,
    pub(super) body: String,
}

/// How a payment and its invoice stand.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Neither is spent.
    Free,
    /// Spent on each other: this is what was handed over.
    Claimed(Claim),
    /// One of them is spent on something else.
    Spent,
}

#[derive(Serialize, Deserialize)]
struct Record {
    channel: String,
    instruction: String,
    /// Unix ms.
    at: u64,
    claim: Claim,
}

impl Claims {
    pub(super) fn open(path: &Path) -> Result<Self, redb::Error> {
        private_file(path)?;
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path)?;
        let claims = Self { database };
        let transaction = claims.begin()?;
        transaction.open_table(INVOICES)?;
        transaction.open_table(CHANNELS)?;
        transaction.open_table(BY_AGE)?;
        transaction.commit()?;
        Ok(claims)
    }

    pub(super) fn standing(&self, payment: &Payment<'_>) -> Result<Standing, redb::Error> {
        let transaction = self.database.begin_read()?;
        let invoices = transaction.open_table(INVOICES)?;
        let channels = transaction.open_table(CHANNELS)?;
        look(&invoices, &channels, payment)
    }

    /// Spends the invoice and the payment on each other, durably, unless one of them is spent already.
    /// Never [`Standing::Free`].
    pub(super) fn claim(
        &self,
        payment: &Payment<'_>,
        claim: Claim,
        now: Time,
    ) -> Result<Standing, redb::Error> {
        let transaction = self.begin()?;
        let standing = {
            let mut invoices = transaction.open_table(INVOICES)?;
            let mut channels = transaction.open_table(CHANNELS)?;
            let mut by_age = transaction.open_table(BY_AGE)?;
            forget_old(&mut invoices, &mut channels, &mut by_age, now)?;
            match look(&invoices, &channels, payment)? {
                Standing::Free => {
                    let record = Record {
                        channel: hex::encode(payment.channel),
                        instruction: hex::encode(payment.instruction),
                        at: now.0,
                        claim: claim.clone(),
                    };
                    let bytes = serde_json::to_vec(&record).unwrap_or_default();
                    invoices.insert(payment.invoice, bytes.as_slice())?;
                    channels.insert(payment.channel.as_slice(), payment.invoice)?;
                    by_age.insert((now.0, payment.invoice), ())?;
                    Standing::Claimed(claim)
                }
                taken => taken,
            }
        };
        transaction.commit()?;
        Ok(standing)
    }

    fn begin(&self) -> Result<WriteTransaction, redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        Ok(transaction)
    }
}

fn look(
    invoices: &impl ReadableTable<&'static str, &'static [u8]>,
    channels: &impl ReadableTable<&'static [u8], &'static str>,
    payment: &Payment<'_>,
) -> Result<Standing, redb::Error> {
    let Some(bytes) = invoices.get(payment.invoice)? else {
        let free = channels.get(payment.channel.as_slice())?.is_none();
        return Ok(if free { Standing::Free } else { Standing::Spent });
    };
    // A record that does not parse was written by a newer version; it is spent in any case.
    let record: Option<Record> = serde_json::from_slice(bytes.value()).ok();
    let same = record.filter(|record| {
        record.channel == hex::encode(payment.channel)
            && record.instruction == hex::encode(payment.instruction)
    });
    Ok(same.map_or(Standing::Spent, |record| Standing::Claimed(record.claim)))
}

/// Drops sales of so long ago that their invoices, expired since, could not be paid again.
fn forget_old(
    invoices: &mut redb::Table<'_, &'static str, &'static [u8]>,
    channels: &mut redb::Table<'_, &'static [u8], &'static str>,
    by_age: &mut redb::Table<'_, (u64, &'static str), ()>,
    now: Time,
) -> Result<(), redb::Error> {
    let oldest = now.0.saturating_sub(KEPT_MS);
    let mut old = Vec::new();
    for entry in by_age.range((0, "")..(oldest, ""))?.take(FORGET_MAX) {
        let (at, invoice) = entry.map(|(key, _)| (key.value().0, key.value().1.to_owned()))?;
        old.push((at, invoice));
    }
    for (at, invoice) in old {
        let removed = invoices.remove(invoice.as_str())?;
        let channel = removed.and_then(|bytes| {
            let record: Record = serde_json::from_slice(bytes.value()).ok()?;
            hex::decode(record.channel).ok()
        });
        if let Some(channel) = channel {
            channels.remove(channel.as_slice())?;
        }
        by_age.remove((at, invoice.as_str()))?;
    }
    Ok(())
}

/// Invoice id to [`Record`].
const INVOICES: TableDefinition<&str, &[u8]> = TableDefinition::new("invoices");
/// Virtual key to invoice id.
const CHANNELS: TableDefinition<&[u8], &str> = TableDefinition::new("channels");
/// Time of the sale and invoice id.
const BY_AGE: TableDefinition<(u64, &str), ()> = TableDefinition::new("by_age");

/// A sale must not be forgotten while its invoice, or any invoice of the same age, could still be presented.
const KEPT_MS: u64 = 30 * 86_400 * 1000;
const _: () = assert!(KEPT_MS > 2 * 1000 * (LATE_SECS + LIFETIME_SECS));

/// Old sales dropped with each new one.
const FORGET_MAX: usize = 8;

const CACHE_BYTES: usize = 16 << 20;
