//! Does the money add up? After the demo's payment every balance must be what arithmetic says, off chain at
//! all three nodes and on chain at both contracts.
//!
//! What is expected comes from what the demo ordered (deposits, price, fee), never from a node.

use anyhow::{Context, Result, bail};
use channel::{cell::parse_boc, contract::Storage};
use serde_json::Value;

/// What the demo ordered, in nano.
pub(crate) struct Orders {
    /// The page's deposit in its channel with the relay.
    pub(crate) page_deposit: u128,
    /// The relay's deposit in its channel with the merchant.
    pub(crate) relay_deposit: u128,
    /// What the merchant asked for, and the relay on top of it.
    pub(crate) price: u128,
    pub(crate) fee: u128,
}

/// Snapshots of the three nodes, taken after the payment.
pub(crate) struct Nodes<'a> {
    pub(crate) page: &'a Value,
    pub(crate) relay: &'a Value,
    pub(crate) merchant: &'a Value,
}

/// A contract as the chain has it.
pub(crate) struct Contract {
    pub(crate) name: &'static str,
    /// The account's data cell as a BoC.
    pub(crate) data: Vec<u8>,
    pub(crate) balance: u128,
    /// What it has paid for being stored.
    pub(crate) rent: u128,
    /// Of both sides together.
    pub(crate) deposits: u128,
}

/// Expectations and what was found, as a table.
#[derive(Default)]
pub(crate) struct Sums {
    lines: Vec<(String, u128, u128)>,
}

impl Sums {
    /// Compares everything that the nodes say.
    pub(crate) fn off_chain(&mut self, orders: &Orders, nodes: &Nodes<'_>) -> Result<()> {
        let Orders { page_deposit, relay_deposit, price, fee } = *orders;
        let Nodes { page, relay, merchant } = *nodes;
        let paid = price.saturating_add(fee);
        let (page_key, relay_key, merchant_key) = (key(page)?, key(relay)?, key(merchant)?);

        let of_page = Side { name: "page, channel with the relay", of: channel(page, relay_key)? };
        self.side(&of_page, page_deposit, 0, paid, 0)?;
        let to_page = Side { name: "relay, channel with the page", of: channel(relay, page_key)? };
        self.side(&to_page, 0, page_deposit, 0, paid)?;
        let to_merchant =
            Side { name: "relay, channel with the merchant", of: channel(relay, merchant_key)? };
        self.side(&to_merchant, relay_deposit, 0, price, 0)?;
        let of_merchant =
            Side { name: "merchant, channel with the relay", of: channel(merchant, relay_key)? };
        self.side(&of_merchant, 0, relay_deposit, 0, price)?;

        self.expect("relay, earned", fee, number(relay, "earned")?);
        let received = list(merchant, "received")?;
        self.expect("merchant, payments received", 1, received.len() as u128);
        self.expect("merchant, received in all", price, total(received, "amount")?);
        let payments = list(page, "payments")?;
        self.expect("page, payments made", 1, payments.len() as u128);
        self.expect("page, paid in all", price, total(payments, "amount")?);
        self.expect("page, fees in all", fee, total(payments, "fee")?);
        Ok(())
    }

    fn side(
        &mut self,
        side: &Side<'_>,
        ours: u128,
        theirs: u128,
        sent: u128,
        got: u128,
    ) -> Result<()> {
        let balance = |deposit: u128, sent: u128, got: u128| {
            deposit.checked_add(got).and_then(|sum| sum.checked_sub(sent)).context("overspent")
        };
        for (field, expected) in [
            ("deposited", ours),
            ("their_deposited", theirs),
            ("sent", sent),
            ("their_sent", got),
            ("balance", balance(ours, sent, got)?),
            ("their_balance", balance(theirs, got, sent)?),
            ("locked", 0),
            ("their_locked", 0),
            ("conditionals", 0),
            ("their_conditionals", 0),
        ] {
            let found = number(side.of, field)?;
            self.expect(&format!("{}: {}", side.name, field.replace('_', " ")), expected, found);
        }
        Ok(())
    }

    /// Compares what a contract holds and remembers. Payments do not touch it: deposits, and no more.
    pub(crate) fn on_chain(&mut self, contract: &Contract) -> Result<()> {
        let Contract { name, data, balance, rent, deposits } = contract;
        let storage = Storage::from_cell(&parse_boc(data)?)
            .with_context(|| format!("{name}: the data is not that of a channel"))?;
        let written = storage.balance;
        let sum = written.deposit_a.0.saturating_add(written.deposit_b.0);
        self.expect(&format!("{name}: deposits"), *deposits, sum);
        for (field, found) in [
            ("withdrawn by A", written.withdraw_a),
            ("withdrawn by B", written.withdraw_b),
            ("sent by A", written.sent_a),
            ("sent by B", written.sent_b),
        ] {
            self.expect(&format!("{name}: {field}"), 0, found.0);
        }
        let reserve = storage.payment.storage_fee.0;
        let held = deposits.saturating_add(reserve).saturating_sub(*rent);
        self.expect(&format!("{name}: TON held (deposits, reserve less rent)"), held, *balance);
        Ok(())
    }

    fn expect(&mut self, what: &str, expected: u128, found: u128) {
        self.lines.push((what.to_owned(), expected, found));
    }

    /// The table, or an error that names what does not add up.
    pub(crate) fn verdict(&self) -> Result<String> {
        let width = self.lines.iter().map(|(what, ..)| what.chars().count()).max().unwrap_or(0);
        let shown = |lines: &mut dyn Iterator<Item = &(String, u128, u128)>| {
            lines
                .map(|(what, expected, found)| {
                    if expected == found {
                        format!("  {what:width$}  {found:>15}")
                    } else {
                        format!("  {what:width$}  {found:>15}, but arithmetic says {expected}")
                    }
                })
                .collect::<Vec<_>>()
                .join("\n")
        };
        let wrong = &mut self.lines.iter().filter(|(_, expected, found)| expected != found);
        let wrong = shown(wrong);
        if !wrong.is_empty() {
            bail!("the money does not add up (nano):\n{wrong}");
        }
        Ok(shown(&mut self.lines.iter()))
    }

    pub(crate) fn count(&self) -> usize {
        self.lines.len()
    }
}

struct Side<'a> {
    name: &'static str,
    of: &'a Value,
}

/// The node key of a snapshot.
pub(crate) fn key(snapshot: &Value) -> Result<&str> {
    snapshot.get("node").and_then(Value::as_str).context("the snapshot names no node")
}

/// The channel with a peer, which must be the only one with it.
pub(crate) fn channel<'a>(snapshot: &'a Value, peer: &str) -> Result<&'a Value> {
    let with_peer = |channel: &&Value| channel.get("peer").and_then(Value::as_str) == Some(peer);
    let mut found = list(snapshot, "channels")?.iter().filter(with_peer);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => bail!("there is no channel with {peer}"),
        (Some(_), Some(_)) => bail!("there are several channels with {peer}"),
    }
}

/// An amount as a decimal string, or a count as a number.
pub(crate) fn number(of: &Value, field: &str) -> Result<u128> {
    let value = of.get(field).with_context(|| format!("there is no `{field}` in {of}"))?;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().with_context(|| format!("`{field}` is no amount: {text}"))
}

fn list<'a>(of: &'a Value, field: &str) -> Result<&'a Vec<Value>> {
    of.get(field).and_then(Value::as_array).with_context(|| format!("there is no list `{field}`"))
}

fn total(of: &[Value], field: &str) -> Result<u128> {
    of.iter().try_fold(0_u128, |sum, one| Ok(sum.saturating_add(number(one, field)?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn channel_of(peer: &str, ours: u64, theirs: u64, sent: u64, got: u64) -> Value {
        json!({
            "peer": peer,
            "deposited": ours.to_string(), "their_deposited": theirs.to_string(),
            "sent": sent.to_string(), "their_sent": got.to_string(),
            "balance": (ours + got - sent).to_string(),
            "their_balance": (theirs + sent - got).to_string(),
            "locked": "0", "their_locked": "0", "conditionals": 0, "their_conditionals": 0,
        })
    }

    fn sums_when_the_relay_earned(earned: u64) -> Result<String> {
        let page = json!({
            "node": "p", "channels": [channel_of("r", 100, 0, 33, 0)],
            "payments": [{ "amount": "30", "fee": "3" }], "received": [], "earned": "0",
        });
        let relay = json!({
            "node": "r", "payments": [], "received": [], "earned": earned.to_string(),
            "channels": [channel_of("p", 0, 100, 0, 33), channel_of("m", 200, 0, 30, 0)],
        });
        let merchant = json!({
            "node": "m", "channels": [channel_of("r", 0, 200, 0, 30)],
            "payments": [], "received": [{ "amount": "30" }], "earned": "0",
        });
        let orders = Orders { page_deposit: 100, relay_deposit: 200, price: 30, fee: 3 };
        let nodes = Nodes { page: &page, relay: &relay, merchant: &merchant };
        let mut sums = Sums::default();
        sums.off_chain(&orders, &nodes)?;
        sums.verdict()
    }

    #[test]
    fn a_payment_that_adds_up_passes() {
        assert!(sums_when_the_relay_earned(3).is_ok());
    }

    #[test]
    fn one_nano_too_much_is_named() {
        let error = sums_when_the_relay_earned(4).unwrap_err().to_string();
        assert!(error.contains("relay, earned"), "{error}");
        assert!(!error.contains("merchant"), "{error}");
    }
}
