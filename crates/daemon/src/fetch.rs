//! A client that pays: asks for a web page, and when that costs money lets its node pay the invoice and shows
//! the proof. The counterpart of [`crate::shop`], for the command line and for programs on a server.

use anyhow::{Context as _, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use channel::{
    amount::Nano,
    key::{PublicKey, Signature, sha256},
};
use hyper::{HeaderMap, Method, StatusCode, header::HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    client::{self, Answer},
    host::now,
    http::nano,
    shop::invoice::{Invoice, Requirements, Resource},
};

/// The node that pays.
pub struct Payer {
    /// Its HTTP address, without a slash at the end.
    pub url: String,
    pub token: String,
}

/// What came back.
pub struct Fetched {
    /// JSON, or the text as a string.
    pub body: Value,
    /// `None`: it cost nothing.
    pub paid: Option<Paid>,
}

pub struct Paid {
    /// The invoice, and so the payment at our node.
    pub id: String,
    pub amount: Nano,
    pub fee: Nano,
}

#[derive(Deserialize)]
struct Challenge {
    resource: Value,
    accepts: Vec<Value>,
}

/// Fetches `url` by GET and pays for it what it costs, at most `max` with fees.
///
/// The error says whether money may have moved, and under which payment id.
pub async fn fetch(payer: &Payer, url: &str, max: Nano) -> anyhow::Result<Fetched> {
    let first = client::get(url, None).await?;
    if first.status != StatusCode::PAYMENT_REQUIRED {
        return Ok(Fetched { body: first.ok()?, paid: None });
    }
    let challenge =
        challenge(&first).context("nothing was paid: the server's demand cannot be read")?;
    let network = payer.get("/health").await?;
    let network = network["network"].as_str().unwrap_or_default();
    let (offer, accepted) = challenge
        .accepts
        .iter()
        .find_map(|entry| {
            let offer: Requirements = serde_json::from_value(entry.clone()).ok()?;
            let ours = offer.scheme == "exact"
                && offer.network == network
                && offer.extra.asset_transfer_method == "payment-network";
            ours.then_some((offer, entry))
        })
        .with_context(|| format!("nothing was paid: the server does not take payments over the payment network on {network}"))?;
    let order =
        Order::check(&offer, url).context("nothing was paid: the demand cannot be trusted")?;
    let paid = order.pay(payer, max).await?;
    let id = paid.id.clone();
    let body = order
        .deliver(payer, url, &challenge.resource, accepted)
        .await
        .with_context(|| format!("payment {id} was made, but"))?;
    Ok(Fetched { body, paid: Some(paid) })
}

fn challenge(answer: &Answer) -> anyhow::Result<Challenge> {
    let header =
        answer.headers.get("payment-required").context("it has no PAYMENT-REQUIRED header")?;
    Ok(serde_json::from_slice(&BASE64_STANDARD.decode(header.as_bytes())?)?)
}

/// An invoice that was signed for this request.
struct Order {
    id: [u8; 32],
    request_hash: [u8; 32],
    merchant: PublicKey,
    amount: Nano,
    /// The relay to pay over and its fee; `None`: straight to the merchant.
    relay: Option<(PublicKey, Nano)>,
}

impl Order {
    fn check(offer: &Requirements, url: &str) -> anyhow::Result<Self> {
        let bytes = BASE64_STANDARD.decode(&offer.extra.invoice)?;
        let invoice: Invoice = serde_json::from_slice(&bytes)?;
        let merchant: PublicKey = invoice.node_key.parse()?;
        let mut signature = [0; 64];
        hex::decode_to_slice(&offer.extra.invoice_signature, &mut signature)?;
        if !merchant.verify(&Invoice::digest(&bytes), &Signature(signature)) {
            bail!("the signature of its invoice is wrong");
        }
        let request_hash = Resource::get(url).request_hash();
        if invoice.request_hash != hex::encode(request_hash) {
            bail!("its invoice is for another request than this one");
        }
        if invoice.v != 1 || invoice.amount != offer.amount || invoice.asset != "TON" {
            bail!("its invoice and its offer say different things");
        }
        if u64::from(invoice.expiry) <= u64::from(now().seconds()) {
            bail!("its invoice has expired: ask again, or check the clock");
        }
        let mut id = [0; 32];
        hex::decode_to_slice(&invoice.id, &mut id).context("its invoice has no id")?;
        let relay = match invoice.routes.first() {
            Some(route) => Some((route.relay.parse()?, amount(&route.fee)?)),
            None => None,
        };
        Ok(Self { id, request_hash, merchant, amount: amount(&invoice.amount)?, relay })
    }

    async fn pay(&self, payer: &Payer, max: Nano) -> anyhow::Result<Paid> {
        let fee = self.relay.map_or(Nano::ZERO, |(_, fee)| fee);
        let total = self.amount.checked_add(fee).context("nothing was paid: absurd price")?;
        if total > max {
            bail!("nothing was paid: it costs {total} TON with fees, the limit is {max} TON");
        }
        let last = (self.merchant, Nano::ZERO);
        let route: Vec<Value> = self
            .relay
            .into_iter()
            .chain([last])
            .map(|(node, fee)| json!({ "node": node.to_string(), "fee": fee.0.to_string() }))
            .collect();
        let id = hex::encode(self.id);
        let order = json!({ "id": id, "route": route, "amount": self.amount.0.to_string() });
        let payment = payer.post(&format!("/payments?wait={ARRIVAL_SECS}"), &order).await?;
        match payment["state"].as_str() {
            Some("sent" | "settled") => Ok(Paid { id, amount: self.amount, fee }),
            Some("failed") => bail!(
                "the merchant was not paid: {}; what is still locked comes back by itself",
                payment["reason"].as_str().unwrap_or("refused")
            ),
            Some("returning") => bail!(
                "the merchant was not paid: {}; but the promise of payment {id} can be claimed until {}: who pays anew before may pay twice",
                payment["reason"].as_str().unwrap_or("refused"),
                payment["locked_until"]
            ),
            _ => bail!(
                "payment {id} is still on its way after {ARRIVAL_SECS} s; it is done once or comes back"
            ),
        }
    }

    /// Shows the proof, again if the answer is lost.
    async fn deliver(
        &self,
        payer: &Payer,
        url: &str,
        resource: &Value,
        accepted: &Value,
    ) -> anyhow::Result<Value> {
        let id = hex::encode(self.id);
        let payment = payer.get(&format!("/payments/{id}")).await?;
        let channel: PublicKey = payment["key"].as_str().unwrap_or_default().parse()?;
        let digest = sha256(&[b"rill:proof:v1", &self.id, &self.request_hash, &channel.0]);
        let digest = json!({ "digest": hex::encode(digest) });
        let proof = payer.post(&format!("/payments/{id}/proof"), &digest).await?;
        let message = json!({
            "x402Version": 2,
            "resource": resource,
            "accepted": accepted,
            "payload": {
                "invoiceId": id,
                "channelId": proof["channel"],
                "instructionKey": proof["instruction"],
                "amount": self.amount.0.to_string(),
                "signature": proof["signature"],
            },
        });
        let header = HeaderValue::try_from(BASE64_STANDARD.encode(message.to_string()))?;
        let mut headers = HeaderMap::new();
        headers.insert("payment-signature", header);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let answer = client::send(Method::GET, url, None, &headers, None).await;
            let problem = match answer {
                Ok(answer) if answer.status.is_success() => return Ok(answer.body),
                Ok(answer) if answer.status.is_server_error() => {
                    anyhow::anyhow!("the server answers {}", answer.status)
                }
                Ok(answer) => {
                    let detail = answer.body["detail"].as_str().unwrap_or_default();
                    let code = answer.body["code"].as_str().unwrap_or_default();
                    if code != "invalid_exact_tvm_not_final" {
                        bail!("the server does not accept its proof: {detail} ({code})");
                    }
                    anyhow::anyhow!("the merchant has not seen it yet")
                }
                Err(error) => error,
            };
            if attempt == ATTEMPTS {
                return Err(problem);
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }
}

impl Payer {
    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        client::get(&format!("{}{path}", self.url), Some(&self.token)).await?.ok()
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        client::post(&format!("{}{path}", self.url), Some(&self.token), body).await?.ok()
    }
}

fn amount(text: &str) -> anyhow::Result<Nano> {
    nano(text).map_err(anyhow::Error::msg)
}

const ARRIVAL_SECS: u64 = 30;
const ATTEMPTS: u32 = 4;
