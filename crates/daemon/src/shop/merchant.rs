//! The shop's way to its payment node: three questions over the node's HTTP API.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use channel::{
    amount::{Nano, Time},
    key::{PublicKey, Signature},
};
use hyper::StatusCode;
use node::domain::Domain;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{client, config::ConfigError, http::nano};

/// A node with the HTTP API of `rill node`.
pub struct Merchant {
    pub url: String,
    pub token: Zeroizing<String>,
}

/// Who the node is; asked once.
pub(super) struct Identity {
    pub(super) node: PublicKey,
    /// Raw address of its wallet.
    pub(super) wallet: String,
    pub(super) network: String,
}

/// A payment that arrived at the node.
pub(super) struct Received {
    pub(super) instruction: PublicKey,
    pub(super) amount: Nano,
    pub(super) at: Time,
}

/// Why the shop can sell nothing at the moment.
#[derive(Debug, thiserror::Error)]
pub enum OutOfOrder {
    #[error("the payment node at {url} does not serve this shop: {reason}")]
    Node { url: String, reason: String },
    #[error(transparent)]
    Entropy(#[from] ConfigError),
}

impl Merchant {
    pub(super) async fn identity(&self) -> Result<Identity, OutOfOrder> {
        let health = self.ask("/health").await?;
        let snapshot = self.ask("/snapshot").await?;
        let wallet = snapshot.pointer("/wallet/address").and_then(Value::as_str);
        let (Some(node), Some(wallet), Some(network)) =
            (key(&snapshot, "node"), wallet, health.get("network").and_then(Value::as_str))
        else {
            return Err(self.down("it does not say who it is"));
        };
        let wallet = match wallet.contains(':') {
            true => wallet.to_owned(),
            false => format!("0:{wallet}"),
        };
        Ok(Identity { node, wallet, network: network.to_owned() })
    }

    pub(super) async fn sign(&self, domain: Domain, text: &[u8]) -> Result<Signature, OutOfOrder> {
        let body = json!({ "domain": domain.name(), "text": BASE64_STANDARD.encode(text) });
        let url = format!("{}/sign", self.base());
        let answer = client::post(&url, Some(&self.token), &body).await;
        let answer = answer.and_then(client::Answer::ok).map_err(|error| self.down(error))?;
        let mut signature = [0; 64];
        let hex = answer.get("signature").and_then(Value::as_str).unwrap_or_default();
        match hex::decode_to_slice(hex, &mut signature) {
            Ok(()) => Ok(Signature(signature)),
            Err(_) => Err(self.down("its signature is malformed")),
        }
    }

    /// What arrived under a virtual key; waits up to `wait` seconds for it.
    pub(super) async fn received(
        &self,
        channel: &PublicKey,
        wait: u64,
    ) -> Result<Option<Received>, OutOfOrder> {
        let url = format!("{}/received/{channel}?wait={wait}", self.base());
        let answer =
            client::get(&url, Some(&self.token)).await.map_err(|error| self.down(error))?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let body = answer.ok().map_err(|error| self.down(error))?;
        let amount = body.get("amount").and_then(Value::as_str).and_then(|text| nano(text).ok());
        let at = body.get("at").and_then(Value::as_u64);
        match (key(&body, "instruction"), amount, at) {
            (Some(instruction), Some(amount), Some(at)) => {
                Ok(Some(Received { instruction, amount, at: Time(at) }))
            }
            _ => Err(self.down("its word on a payment is malformed")),
        }
    }

    async fn ask(&self, path: &str) -> Result<Value, OutOfOrder> {
        let url = format!("{}{path}", self.base());
        let answer = client::get(&url, Some(&self.token)).await;
        answer.and_then(client::Answer::ok).map_err(|error| self.down(error))
    }

    fn base(&self) -> &str {
        self.url.trim_end_matches('/')
    }

    fn down(&self, reason: impl std::fmt::Display) -> OutOfOrder {
        OutOfOrder::Node { url: self.url.clone(), reason: format!("{reason:#}") }
    }
}

fn key(value: &Value, field: &str) -> Option<PublicKey> {
    value.get(field)?.as_str()?.parse().ok()
}
