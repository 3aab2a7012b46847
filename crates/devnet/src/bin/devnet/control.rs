//! The control interface: look at accounts, take money from the faucet, move the clock.
//!
//! Addresses are account ids in workchain 0, hashes and keys hex; amounts are decimal strings of nanoton.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::JsonRejection},
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use devnet::{Devnet, TransactionView, Wallet};
use serde::Deserialize;
use serde_json::{Value, json};
use tycho_types::{
    boc::Boc,
    models::{AccountStatus, Transaction, TxInfo},
};

use crate::guard::{self, Guard};

pub(crate) struct Shared {
    pub(crate) devnet: Devnet,
    /// Test wallets by name.
    pub(crate) wallets: Vec<(String, Wallet)>,
}

type Known = State<Arc<Shared>>;
type Answer = Result<Json<Value>, Refusal>;

/// What was asked for cannot be done.
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = self.0.canonical_reason().unwrap_or("error").to_lowercase().replace(' ', "_");
        let error = json!({ "error": { "code": code, "message": self.1 } });
        (self.0, Json(error)).into_response()
    }
}

/// All routes.
pub(crate) fn router(shared: Arc<Shared>, guard: Guard) -> Router {
    Router::new()
        .route("/health", get(async || Json(json!({ "status": "ok" }))))
        .route("/info", get(info))
        .route("/config", get(config))
        .route("/faucet", post(faucet))
        .route("/warp", post(warp))
        .route("/account/{address}", get(account))
        .route("/transactions/{address}", get(transactions))
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .with_state(shared)
}

/// Where the liteserver is, what time it is, and the test wallets with their secret keys.
async fn info(State(shared): Known) -> Json<Value> {
    let (address, key) = shared.devnet.liteserver();
    let wallets = shared.wallets.iter().map(|(name, wallet)| {
        json!({
            "name": name,
            "address": hex::encode(wallet.address()),
            "seed": hex::encode(wallet.key()),
        })
    });
    Json(json!({
        "liteserver": { "address": address.to_string(), "key": hex::encode(key) },
        "now": shared.devnet.now(),
        "seqno": shared.devnet.seqno(),
        "wallets": wallets.collect::<Vec<_>>(),
    }))
}

/// The `global.config.json` of this chain.
async fn config(State(shared): Known) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], shared.devnet.global_config())
}

#[derive(Deserialize)]
struct Wish {
    address: String,
    amount: String,
}

/// Answers when the money is there.
async fn faucet(State(shared): Known, body: Result<Json<Wish>, JsonRejection>) -> Answer {
    let Json(wish) = body.map_err(unreadable)?;
    let to = account_id(&wish.address)?;
    let nano = wish.amount.parse().ok().filter(|nano| *nano > 0);
    let nano = nano.ok_or_else(|| bad(format!("{:?} is no amount in nano", wish.amount)))?;
    let hash = shared.devnet.faucet(to, nano).await.map_err(failed)?;
    Ok(Json(json!({ "transaction": hex::encode(hash) })))
}

#[derive(Deserialize)]
struct Jump {
    seconds: u32,
}

async fn warp(State(shared): Known, body: Result<Json<Jump>, JsonRejection>) -> Answer {
    let Json(jump) = body.map_err(unreadable)?;
    shared.devnet.warp(jump.seconds).map_err(failed)?;
    Ok(Json(json!({ "now": shared.devnet.now() })))
}

async fn account(State(shared): Known, Path(address): Path<String>) -> Answer {
    let Some(account) = shared.devnet.account(&account_id(&address)?) else {
        return Ok(Json(json!({ "status": "absent", "balance": "0" })));
    };
    let status = match account.status {
        AccountStatus::Active => "active",
        AccountStatus::Frozen => "frozen",
        AccountStatus::Uninit => "uninit",
        AccountStatus::NotExists => "absent",
    };
    Ok(Json(json!({
        "status": status,
        "balance": account.balance.to_string(),
        "code_hash": account.code_hash.map(hex::encode),
        "data": account.data.as_ref().map(Boc::encode_base64),
        "last_lt": account.last_lt.to_string(),
        "last_hash": hex::encode(account.last_hash),
    })))
}

#[derive(Deserialize)]
struct Limit {
    limit: Option<usize>,
}

/// The newest first.
async fn transactions(
    State(shared): Known,
    Path(address): Path<String>,
    Query(Limit { limit }): Query<Limit>,
) -> Answer {
    const USUAL: usize = 20;
    let limit = limit.unwrap_or(USUAL);
    let history = shared.devnet.history(&account_id(&address)?, limit).map_err(failed)?;
    Ok(Json(history.iter().map(shown).collect()))
}

fn shown(transaction: &TransactionView) -> Value {
    json!({
        "hash": hex::encode(transaction.hash),
        "lt": transaction.lt.to_string(),
        "now": transaction.now,
        "from": transaction.message.source.map(hex::encode),
        "value": transaction.message.value.to_string(),
        "op": transaction.message.op.map(|op| format!("{op:08x}")),
        "exit_code": transaction.exit_code,
        "aborted": transaction.aborted,
        "fees": transaction.fees.to_string(),
        "rent": rent(transaction).to_string(),
        "text": transaction.to_string(),
    })
}

/// What the account paid in it for having been stored.
fn rent(transaction: &TransactionView) -> u128 {
    let info = transaction.cell.parse::<Transaction>().and_then(|whole| whole.load_info());
    let phase = match info {
        Ok(TxInfo::Ordinary(info)) => info.storage_phase,
        Ok(TxInfo::TickTock(info)) => Some(info.storage_phase),
        Err(_) => None,
    };
    phase.map_or(0, |phase| phase.storage_fees_collected.into_inner())
}

/// `0:<64 hex>` or the hex alone.
fn account_id(text: &str) -> Result<[u8; 32], Refusal> {
    let mut id = [0; 32];
    let digits = text.strip_prefix("0:").unwrap_or(text);
    hex::decode_to_slice(digits, &mut id)
        .map_err(|_| bad(format!("{text:?} is no account id of 64 hex digits")))?;
    Ok(id)
}

fn bad(message: String) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, message)
}

fn unreadable(rejection: JsonRejection) -> Refusal {
    bad(rejection.body_text())
}

fn failed(error: devnet::Error) -> Refusal {
    Refusal(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
}
