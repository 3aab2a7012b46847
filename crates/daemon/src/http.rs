//! What a daemon offers over HTTP: a JSON API for its owner and two WebSockets for web pages.
//!
//! Health, invitation, faucet and the WebSockets are open to everybody, from every origin. Everything
//! else shows or moves the owner's money and wants the admin token from the config.

mod api;
mod error;
mod proxy;
mod relay;
pub(crate) mod serve;
pub(crate) mod sockets;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use channel::{amount::Nano, key::PublicKey, key::sha256};
use node::config::Tunnel;
use tokio::sync::watch;

use crate::{
    carrier::Door,
    chain::ChainStatus,
    config::{Devnet, Limits, Liteserver},
    host::Handle,
};
use error::{ApiError, with_deadline};
use sockets::Sockets;

/// What the handlers know.
pub(crate) struct Shared {
    pub(crate) node: Handle,
    pub(crate) key: PublicKey,
    pub(crate) network: String,
    pub(crate) invitation: String,
    pub(crate) token_hash: [u8; 32],
    pub(crate) relay: Option<Tunnel>,
    pub(crate) devnet: Option<Devnet>,
    pub(crate) liteservers: Vec<Liteserver>,
    pub(crate) chain: watch::Receiver<ChainStatus>,
    pub(crate) door: Door,
    /// Closed when the daemon stops.
    pub(crate) closing: watch::Receiver<()>,
    pub(crate) limits: Limits,
    pub(crate) sockets: Sockets,
}

impl Shared {
    /// Resolves when the daemon stops.
    async fn closed(&self) {
        let mut closing = self.closing.clone();
        while closing.changed().await.is_ok() {}
    }
}

/// The whole HTTP surface.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let owner = Router::new()
        .route("/snapshot", get(api::snapshot))
        .route("/contacts", post(api::add_contact))
        .route("/channels", post(api::open_channel))
        .route("/payments", post(api::pay))
        .route("/payments/{id}", get(api::payment))
        .route("/payments/{id}/proof", post(api::prove))
        .route("/received/{key}", get(api::received))
        .route("/sign", post(api::sign))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&shared), owner_only));
    let open = Router::new()
        .route("/health", get(api::health).options(preflight))
        .route("/invitation", get(api::invitation).options(preflight))
        .route("/faucet", post(api::faucet).options(preflight))
        .route_layer(middleware::from_fn(cross_origin));
    let sockets =
        Router::new().route("/adnl", get(relay::upgrade)).route("/lite/{key}", get(proxy::upgrade));
    // A body is a command or an invitation: small. The limit on WebSocket messages is another matter.
    let plain = owner
        .merge(open)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn(with_deadline));
    plain
        .merge(sockets)
        .fallback(async || ApiError::not_found("there is nothing at this path"))
        .method_not_allowed_fallback(async || ApiError::method())
        .with_state(shared)
}

/// Lets a request pass that carries the admin token.
async fn owner_only(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    // Hashes are compared, so that how long it takes says nothing about the token.
    match token {
        Some(token) if sha256(&[token.trim().as_bytes()]) == shared.token_hash => {
            next.run(request).await
        }
        Some(_) => {
            ApiError::unauthorized("this is not the admin_token of the config").into_response()
        }
        None => ApiError::unauthorized(
            "send the admin_token of the config as `authorization: Bearer <token>`",
        )
        .into_response(),
    }
}

/// A browser asks before it sends JSON to another origin; the answer is in the headers.
async fn preflight() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Lets pages of every origin read the answers.
async fn cross_origin(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in CROSS_ORIGIN {
        response.headers_mut().insert(name, value);
    }
    response
}

const CROSS_ORIGIN: [(HeaderName, HeaderValue); 3] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS")),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type")),
];

/// A decimal string of nano, as every amount in JSON is.
pub(crate) fn nano(text: &str) -> Result<Nano, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = text.parse().ok().filter(|value| digits && *value <= Nano::MAX.0);
    value.map(Nano).ok_or_else(|| {
        format!("{text:?} is not an amount: write nano as a string of digits, such as \"1500000000\" for 1.5 TON")
    })
}

const BODY_MAX: usize = 64 << 10;
