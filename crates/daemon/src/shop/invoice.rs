//! What the shop asks for: an invoice that its node signs, bound to one request, inside an x402 offer.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use channel::{
    amount::{Nano, Time},
    key::{PublicKey, Signature, sha256},
};
use node::domain::Domain;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::merchant::Identity;
use crate::config::{ConfigError, random};

/// How long an invoice can be paid.
pub(super) const LIFETIME_SECS: u64 = 300;

/// What is sold, as x402 describes it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(super) url: String,
    pub(super) description: String,
    #[serde(rename = "mimeType")]
    pub(super) mime_type: String,
}

/// The signed promise: who pays `amount` under `id` before `expiry` may make this one request.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Invoice {
    pub(crate) v: u8,
    pub(crate) node_key: String,
    /// 32 random bytes, hex. The payer pays under this id, so no invoice is paid twice.
    pub(crate) id: String,
    pub(crate) amount: String,
    pub(crate) asset: String,
    /// Unix seconds.
    pub(crate) expiry: u32,
    pub(crate) request_hash: String,
    pub(crate) routes: Vec<Route>,
}

/// A relay that reaches the shop's node.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) relay: String,
    pub(crate) fee: String,
}

/// An entry of `accepts`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Requirements {
    pub(crate) scheme: String,
    pub(crate) network: String,
    pub(crate) amount: String,
    pub(crate) asset: String,
    pub(super) pay_to: String,
    pub(super) max_timeout_seconds: u64,
    pub(crate) extra: Extra,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Extra {
    pub(crate) asset_transfer_method: String,
    pub(super) payment_flow: String,
    pub(crate) node_key: String,
    /// Base64 of the bytes that are signed.
    pub(crate) invoice: String,
    pub(crate) invoice_signature: String,
}

impl Resource {
    /// A resource of which only the address is known.
    pub(crate) fn get(url: &str) -> Self {
        Self { url: url.to_owned(), description: String::new(), mime_type: String::new() }
    }

    /// Names the GET request for this resource: sha256 of its canonical JSON (RFC 8785).
    pub(crate) fn request_hash(&self) -> [u8; 32] {
        let canonical = json!({
            "bodyHash": hex::encode(sha256(&[])),
            "domain": "x402:exact:tvm:payment-network:http:1",
            "headers": [],
            "method": "GET",
            "url": self.url,
        });
        // A JSON map keeps its members in order, and the escapes of strings are the canonical ones.
        sha256(&[canonical.to_string().as_bytes()])
    }
}

impl Invoice {
    pub(super) fn new(
        node: &PublicKey,
        amount: Nano,
        expires: Time,
        request_hash: [u8; 32],
        (relay, fee): (&PublicKey, Nano),
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            v: 1,
            node_key: node.to_string(),
            id: hex::encode(*random()?),
            amount: amount.0.to_string(),
            asset: "TON".to_owned(),
            expiry: expires.seconds(),
            request_hash: hex::encode(request_hash),
            routes: vec![Route { relay: relay.to_string(), fee: fee.0.to_string() }],
        })
    }

    /// The exact bytes that are signed and carried.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What the node signs for these bytes.
    pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
        Domain::Invoice.digest(bytes)
    }
}

impl Requirements {
    pub(super) fn new(
        identity: &Identity,
        invoice: &Invoice,
        bytes: &[u8],
        signature: Signature,
    ) -> Self {
        Self {
            scheme: "exact".to_owned(),
            network: identity.network.clone(),
            amount: invoice.amount.clone(),
            asset: invoice.asset.clone(),
            pay_to: identity.wallet.clone(),
            max_timeout_seconds: LIFETIME_SECS,
            extra: Extra {
                asset_transfer_method: "payment-network".to_owned(),
                payment_flow: "upfront".to_owned(),
                node_key: invoice.node_key.clone(),
                invoice: BASE64_STANDARD.encode(bytes),
                invoice_signature: hex::encode(signature.0),
            },
        }
    }

    pub(super) fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_hash_is_that_of_the_canonical_json() {
        let resource = Resource::get("http://127.0.0.1:1/article/1?q=\"a/b\"");
        let canonical = concat!(
            r#"{"bodyHash":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","#,
            r#""domain":"x402:exact:tvm:payment-network:http:1","headers":[],"method":"GET","#,
            r#""url":"http://127.0.0.1:1/article/1?q=\"a/b\""}"#
        );
        assert_eq!(resource.request_hash(), sha256(&[canonical.as_bytes()]));
    }

    #[test]
    fn no_two_invoices_have_the_same_id() {
        let key = PublicKey([1; 32]);
        let make = || Invoice::new(&key, Nano(1), Time(1), [0; 32], (&key, Nano(0))).unwrap().id;
        assert_ne!(make(), make());
    }
}
