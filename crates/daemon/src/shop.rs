//! A web service that is paid per request, in front of a payment node: the x402 shape (version 2, scheme
//! `exact`) with an invoice signed by the node's key.
//!
//! The shop holds no key and no money. It asks its node to sign invoices and what has arrived, and keeps one
//! thing of its own: which invoices are spent, durably before anything is handed over.

mod articles;
mod claims;
pub(crate) mod invoice;
mod merchant;
mod proof;

use std::{
    net::SocketAddr,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use channel::{amount::Nano, key::PublicKey};
use node::{config::Tunnel, domain::Domain};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{host::now, http::serve::serve};
use articles::Article;
use claims::{Claim, Claims, Standing};
use invoice::{LIFETIME_SECS, Requirements, Resource};
pub use merchant::Merchant;
use merchant::OutOfOrder;
use proof::{Proof, Refusal};

/// What the owner of a shop decides.
pub struct ShopConfig {
    pub listen: SocketAddr,
    /// Under which address customers know the shop, without a slash at the end; `None`: `http://<listen>`.
    pub public_url: Option<String>,
    pub merchant: Merchant,
    /// The relay over which customers pay, and what it asks.
    pub relay: PublicKey,
    pub relay_terms: Tunnel,
    /// Of one article.
    pub price: Nano,
    /// Where spent invoices are kept.
    pub dir: PathBuf,
}

/// A running shop; dropping it stops it.
pub struct Shop {
    pub http: SocketAddr,
    /// What customers see it under.
    pub url: String,
    server: JoinHandle<()>,
}

#[derive(Debug, thiserror::Error)]
pub enum ShopError {
    #[error(
        "cannot listen on {address}: {reason}; if another program is there, choose another address with --listen"
    )]
    Listen { address: SocketAddr, reason: std::io::Error },
    #[error("{0}; start the node first, and check --node and --token")]
    Merchant(OutOfOrder),
    #[error("the list of spent invoices in {path} cannot be used: {reason}")]
    Claims { path: PathBuf, reason: String },
    #[error(
        "the price of {price} TON with the relay's fee is more than the relay passes on at once ({max} TON)"
    )]
    Price { price: Nano, max: Nano },
}

struct Shared {
    url: String,
    merchant: Merchant,
    /// The node's key, wallet and network.
    identity: merchant::Identity,
    relay: PublicKey,
    relay_fee: Nano,
    price: Nano,
    claims: Claims,
}

impl Shop {
    pub async fn start(config: ShopConfig) -> Result<Self, ShopError> {
        let ShopConfig { listen, public_url, merchant, relay, relay_terms, price, dir } = config;
        let too_dear = ShopError::Price { price, max: relay_terms.max_capacity };
        let within = price <= relay_terms.max_capacity;
        let Some(relay_fee) = relay_terms.fee(price).filter(|_| within) else {
            return Err(too_dear);
        };
        let claims = open_claims(&dir)?;
        let identity = merchant.identity().await.map_err(ShopError::Merchant)?;
        let failed = |reason| ShopError::Listen { address: listen, reason };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let http = listener.local_addr().map_err(failed)?;
        let url = public_url.unwrap_or_else(|| format!("http://{http}"));
        let url = url.trim_end_matches('/').to_owned();
        let shared =
            Shared { url: url.clone(), merchant, identity, relay, relay_fee, price, claims };
        let server = tokio::spawn(serve(listener, router(Arc::new(shared))));
        Ok(Self { http, url, server })
    }
}

impl Shop {
    /// Closes the shop and gives its port and its file back.
    pub async fn stop(&mut self) {
        self.server.abort();
        // An aborted task says that it was aborted.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn open_claims(dir: &FilePath) -> Result<Claims, ShopError> {
    let path = dir.join("shop.redb");
    let failed = |reason: String| ShopError::Claims { path: path.clone(), reason };
    std::fs::create_dir_all(dir).map_err(|error| failed(error.to_string()))?;
    Claims::open(&path).map_err(|error| failed(error.to_string()))
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/article/{number}", get(article))
        .layer(DefaultBodyLimit::max(0))
        .layer(middleware::from_fn(cross_origin))
        .with_state(shared)
}

/// Free: what there is and what it costs.
async fn index(State(shop): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if wants_html(&headers) {
        return Html(articles::index_page(&shop.price.to_string())).into_response();
    }
    let articles: Vec<Value> = articles::all()
        .map(|(number, article)| {
            json!({
                "url": format!("{}/article/{number}", shop.url),
                "title": article.title,
                "price": shop.price.0.to_string(),
                "asset": "TON",
            })
        })
        .collect();
    Json(json!({ "articles": articles, "network": shop.identity.network })).into_response()
}

async fn article(
    State(shop): State<Arc<Shared>>,
    Path(number): Path<String>,
    request: Request,
) -> Response {
    let Some(article) = articles::find(&number) else {
        let detail = format!("there is no article {number}; GET / lists them");
        return problem(StatusCode::NOT_FOUND, "not_found", &detail);
    };
    // HEAD is never charged, and says nothing that must be paid for.
    if request.method() == Method::HEAD {
        return ([(header::CONTENT_TYPE, article.content_type)], ()).into_response();
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let resource = Resource {
        url: format!("{}{path}", shop.url),
        description: article.title.to_owned(),
        mime_type: article.content_type.to_owned(),
    };
    let html = wants_html(request.headers());
    let Some(sent) = request.headers().get(PAYMENT_SIGNATURE) else {
        return shop.demand(&resource, Demand::First { html }).await;
    };
    match shop.settle(sent.as_bytes(), &resource, &article).await {
        Ok(claim) => delivery(&claim),
        Err(Unsettled::Refused(refusal)) => {
            tracing::info!(url = resource.url, code = refusal.code, "{}", refusal.detail);
            shop.refuse(&resource, refusal).await
        }
        Err(Unsettled::Down(down)) => out_of_order(&down),
        Err(Unsettled::Disk(error)) => {
            tracing::error!("the list of spent invoices cannot be used: {error}");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "unexpected_settle_error", DISK)
        }
    }
}

/// Why nothing is handed over.
enum Unsettled {
    Refused(Refusal),
    Down(OutOfOrder),
    Disk(redb::Error),
}

impl From<Refusal> for Unsettled {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What a 402 says beside its offer.
enum Demand {
    First { html: bool },
    Again(Refusal),
}

impl Shared {
    /// Checks a proof of payment and spends its invoice. The claim that it returns is durable.
    async fn settle(
        &self,
        sent: &[u8],
        resource: &Resource,
        article: &Article,
    ) -> Result<Claim, Unsettled> {
        let proof = Proof::read(sent, resource, &self.identity)?;
        match self.claims.standing(&proof.payment()).map_err(Unsettled::Disk)? {
            Standing::Free => {}
            Standing::Claimed(claim) => return Ok(claim),
            Standing::Spent => return Err(duplicate().into()),
        }

        let wait = if now() < proof.expires() { ARRIVAL_SECS } else { 0 };
        let received = self.merchant.received(&proof.payment.channel, wait).await;
        let received = received.map_err(Unsettled::Down)?;
        proof.covered_by(received.as_ref(), now())?;

        let claim = Claim {
            receipt: proof.receipt(&self.identity.network),
            content_type: article.content_type.to_owned(),
            body: article.body.to_owned(),
        };
        match self.claims.claim(&proof.payment(), claim, now()).map_err(Unsettled::Disk)? {
            Standing::Claimed(claim) => {
                tracing::info!(
                    url = resource.url,
                    amount = %self.price,
                    invoice = proof.payment.invoice,
                    "paid and delivered"
                );
                Ok(claim)
            }
            Standing::Free | Standing::Spent => Err(duplicate().into()),
        }
    }

    /// `402` with a fresh invoice.
    async fn demand(&self, resource: &Resource, demand: Demand) -> Response {
        let requirements = match self.offer(resource).await {
            Ok(requirements) => requirements,
            Err(down) => return out_of_order(&down),
        };
        self.payment_required(resource, &requirements, demand)
    }

    /// What a payment that is not good enough is answered with.
    async fn refuse(&self, resource: &Resource, mut refusal: Refusal) -> Response {
        if refusal.malformed {
            return problem(StatusCode::BAD_REQUEST, refusal.code, &refusal.detail);
        }
        // Who has paid and only has to wait is offered the same invoice, not a second one to pay.
        match refusal.keep.take() {
            Some(kept) => self.payment_required(resource, &kept, Demand::Again(refusal)),
            None => self.demand(resource, Demand::Again(refusal)).await,
        }
    }

    async fn offer(&self, resource: &Resource) -> Result<Value, OutOfOrder> {
        let invoice = invoice::Invoice::new(
            &self.identity.node,
            self.price,
            now().plus_secs(LIFETIME_SECS),
            resource.request_hash(),
            (&self.relay, self.relay_fee),
        )?;
        let bytes = invoice.to_bytes();
        let signature = self.merchant.sign(Domain::Invoice, &bytes).await?;
        Ok(Requirements::new(&self.identity, &invoice, &bytes, signature).to_value())
    }

    fn payment_required(&self, resource: &Resource, accepted: &Value, demand: Demand) -> Response {
        let (error, detail) = match &demand {
            Demand::First { .. } => ("PAYMENT-SIGNATURE header is required", FIRST),
            Demand::Again(refusal) => (refusal.code, refusal.detail.as_str()),
        };
        let required = json!({
            "x402Version": 2,
            "error": error,
            "resource": resource,
            "accepts": [accepted],
        });
        let mut response = match &demand {
            Demand::First { html: true } => {
                let page = articles::paywall_page(&resource.description, &self.price.to_string());
                (StatusCode::PAYMENT_REQUIRED, Html(page)).into_response()
            }
            Demand::First { html: false } => {
                problem(StatusCode::PAYMENT_REQUIRED, "payment_required", detail)
            }
            Demand::Again(refusal) => problem(StatusCode::PAYMENT_REQUIRED, refusal.code, detail),
        };
        let headers = response.headers_mut();
        headers.insert(PAYMENT_REQUIRED, encoded(&required));
        if let Demand::Again(refusal) = &demand {
            let failed = json!({
                "success": false,
                "errorReason": refusal.code,
                "transaction": "",
                "network": self.identity.network,
            });
            headers.insert(PAYMENT_RESPONSE, encoded(&failed));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

fn duplicate() -> Refusal {
    Refusal::new(
        "duplicate_settlement",
        "this invoice or this payment was used before, with another proof",
    )
}

fn delivery(claim: &Claim) -> Response {
    let content_type = HeaderValue::from_str(&claim.content_type);
    let mut response = claim.body.clone().into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        content_type.unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    headers.insert(PAYMENT_RESPONSE, encoded(&claim.receipt));
    response
}

fn out_of_order(down: &OutOfOrder) -> Response {
    tracing::error!("{down}");
    let detail = "the payment node of this shop does not answer: nothing can be paid now, try again later; a payment already made is not lost, send its proof again";
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "payment_node_unreachable", detail);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// RFC 9457, for people; programs read the headers.
fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = json!({
        "type": "about:blank",
        "title": title,
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
    });
    let content_type =
        [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
    (status, content_type, body.to_string()).into_response()
}

/// Base64 of the JSON: always a valid header value.
fn encoded(value: &Value) -> HeaderValue {
    HeaderValue::try_from(BASE64_STANDARD.encode(value.to_string()))
        .unwrap_or(HeaderValue::from_static(""))
}

fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Lets pages of every origin pay and read the answer; preflights cost nothing.
async fn cross_origin(request: Request, next: Next) -> Response {
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    for (name, value) in CROSS_ORIGIN {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

const CROSS_ORIGIN: [(HeaderName, &str); 5] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS"),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "PAYMENT-SIGNATURE, Authorization, Idempotency-Key, Accept-Payment, Content-Type",
    ),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "PAYMENT-REQUIRED, PAYMENT-RESPONSE, WWW-Authenticate, Payment-Receipt, Retry-After",
    ),
    (header::ACCESS_CONTROL_MAX_AGE, "600"),
];

const PAYMENT_REQUIRED: HeaderName = HeaderName::from_static("payment-required");
const PAYMENT_SIGNATURE: HeaderName = HeaderName::from_static("payment-signature");
const PAYMENT_RESPONSE: HeaderName = HeaderName::from_static("payment-response");

/// How long a request waits for a payment that is on its way.
const ARRIVAL_SECS: u64 = 10;

const FIRST: &str = "this costs money: pay the invoice in the PAYMENT-REQUIRED header and send the same request with the proof in PAYMENT-SIGNATURE";
const DISK: &str = "the shop cannot write down that this was paid: nothing is lost, send the same request again later";
