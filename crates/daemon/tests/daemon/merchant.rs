//! A merchant's node as a shop sees it, whose books the story writes, and a customer who can prove anything.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use channel::{
    amount::Nano,
    key::{PublicKey, SecretKey, sha256},
};
use daemon::{
    client::{self, Answer},
    config::USUAL_TUNNEL,
    now,
    shop::{Merchant, Shop, ShopConfig},
};
use hyper::{HeaderMap, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::support::ANY_PORT;

/// What arrived, by virtual key.
type Books = Arc<Mutex<HashMap<String, Value>>>;

/// A shop, its node, and the customer.
pub(crate) struct Market {
    pub(crate) shop: Shop,
    books: Books,
    node: JoinHandle<()>,
    node_url: String,
    dir: TempDir,
}

/// A payment of an invoice, as only its payer can prove it.
pub(crate) struct Payment {
    pub(crate) channel: PublicKey,
    pub(crate) last: SecretKey,
}

impl Market {
    pub(crate) async fn open() -> Self {
        let books = Books::default();
        let listener = tokio::net::TcpListener::bind(ANY_PORT).await.unwrap();
        let node_url = format!("http://{}", listener.local_addr().unwrap());
        let node = tokio::spawn(serve(listener, Arc::clone(&books)));
        let dir = TempDir::new().unwrap();
        let shop = Shop::start(config(&node_url, &dir)).await.unwrap();
        Self { shop, books, node, node_url, dir }
    }

    /// The shop closes and opens again, with nothing but its disk.
    pub(crate) async fn reopen(&mut self) {
        let mut config = config(&self.node_url, &self.dir);
        config.public_url = Some(self.shop.url.clone());
        self.shop.stop().await;
        self.shop = Shop::start(config).await.unwrap();
    }

    /// The merchant's node goes offline.
    pub(crate) async fn node_down(&mut self) {
        self.node.abort();
        let _ = (&mut self.node).await;
    }

    /// `amount` nano arrive at the merchant's node, `ago_secs` seconds ago.
    pub(crate) fn arrives(&self, payment: &Payment, amount: &str, ago_secs: u64) {
        let at = now().0 - ago_secs * 1000;
        let entry = json!({
            "key": payment.channel.to_string(),
            "amount": amount,
            "instruction": payment.last.public().to_string(),
            "at": at,
            "settled": false,
        });
        self.books.lock().unwrap().insert(payment.channel.to_string(), entry);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.shop.http)
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, headers: &HeaderMap) -> Answer {
        client::send(method, &self.url(path), None, headers, None).await.unwrap()
    }

    /// The x402 challenge of an article.
    pub(crate) async fn challenge(&self, path: &str) -> Value {
        let answer = self.ask(Method::GET, path, &HeaderMap::new()).await;
        assert_eq!(answer.status, StatusCode::PAYMENT_REQUIRED);
        header(&answer, "payment-required")
    }

    /// Sends a proof, whatever is in it.
    pub(crate) async fn show(&self, path: &str, proof: &Value) -> Answer {
        self.show_text(path, &BASE64_STANDARD.encode(proof.to_string())).await
    }

    pub(crate) async fn show_text(&self, path: &str, text: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("payment-signature", text.parse().unwrap());
        self.ask(Method::GET, path, &headers).await
    }
}

fn config(node_url: &str, dir: &TempDir) -> ShopConfig {
    ShopConfig {
        listen: ANY_PORT,
        public_url: None,
        merchant: Merchant { url: node_url.to_owned(), token: TOKEN.to_owned().into() },
        relay: PublicKey([3; 32]),
        relay_terms: USUAL_TUNNEL,
        price: Nano(10_000_000),
        dir: dir.path().to_owned(),
    }
}

/// The JSON of a header.
pub(crate) fn header(answer: &Answer, name: &str) -> Value {
    let bytes = BASE64_STANDARD.decode(answer.headers[name].as_bytes()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The key of the merchant's node.
pub(crate) fn node_key() -> SecretKey {
    SecretKey::from_seed([8; 32])
}

impl Payment {
    pub(crate) fn new(seed: u8) -> Self {
        let channel = SecretKey::from_seed([seed; 32]).public();
        Self { channel, last: SecretKey::from_seed([seed + 100; 32]) }
    }

    /// The proof that this payment pays the invoice of a challenge.
    pub(crate) fn proof(&self, challenge: &Value) -> Value {
        let accepted = &challenge["accepts"][0];
        let invoice = invoice(accepted);
        let hex32 = |text: &Value| hex::decode(text.as_str().unwrap()).unwrap();
        let digest = sha256(&[
            b"rill:proof:v1",
            &hex32(&invoice["id"]),
            &hex32(&invoice["requestHash"]),
            &self.channel.0,
        ]);
        json!({
            "x402Version": 2,
            "resource": challenge["resource"],
            "accepted": accepted,
            "payload": {
                "invoiceId": invoice["id"],
                "channelId": self.channel.to_string(),
                "instructionKey": self.last.public().to_string(),
                "amount": invoice["amount"],
                "signature": hex::encode(self.last.sign(&digest).0),
            },
        })
    }
}

/// The invoice inside an offer.
pub(crate) fn invoice(accepted: &Value) -> Value {
    let bytes = BASE64_STANDARD.decode(accepted["extra"]["invoice"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The challenge with its invoice changed and signed again by `signer`.
pub(crate) fn resigned(challenge: &Value, field: &str, value: Value, signer: &SecretKey) -> Value {
    let mut challenge = challenge.clone();
    let mut invoice = invoice(&challenge["accepts"][0]);
    invoice[field] = value;
    let bytes = invoice.to_string().into_bytes();
    let signature = signer.sign(&sha256(&[b"rill:invoice:v1\0", &bytes]));
    challenge["accepts"][0]["amount"] = invoice["amount"].clone();
    let extra = &mut challenge["accepts"][0]["extra"];
    extra["invoice"] = BASE64_STANDARD.encode(&bytes).into();
    extra["invoiceSignature"] = hex::encode(signature.0).into();
    challenge
}

async fn serve(listener: tokio::net::TcpListener, books: Books) {
    let router = Router::new()
        .route("/health", get(async || Json(json!({ "network": "tvm:-3" }))))
        .route("/snapshot", get(snapshot))
        .route("/sign", post(sign))
        .route("/received/{key}", get(received))
        .with_state(books);
    let _ = axum::serve(listener, router).await;
}

async fn snapshot() -> Json<Value> {
    let node = node_key().public().to_string();
    Json(json!({ "node": node, "wallet": { "address": "ab".repeat(32) } }))
}

async fn sign(headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if headers["authorization"] != format!("Bearer {TOKEN}") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let text = BASE64_STANDARD.decode(body["text"].as_str().unwrap()).unwrap();
    let domain = body["domain"].as_str().unwrap().as_bytes();
    let signature = node_key().sign(&sha256(&[domain, &[0], &text]));
    Json(json!({ "signature": hex::encode(signature.0) })).into_response()
}

async fn received(State(books): State<Books>, Path(key): Path<String>) -> Response {
    match books.lock().unwrap().get(&key) {
        Some(entry) => Json(entry.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

const TOKEN: &str = "a token of the merchant";
