//! The JSON API: each handler turns a request into one command of the node and its reply into JSON.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use channel::key::{PublicKey, Signature};
use node::{
    invitation::Invitation,
    io::{Command, CommandError, Event, PayOrder, PaymentId, Reply, RouteHop},
    summary::{ChannelSummary, PaymentState, PaymentSummary, ReceivedSummary, Snapshot},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::Instant,
};

use super::{
    Shared,
    error::{ApiError, Body, PathOf, QueryOf},
    nano,
};
use crate::{
    client,
    host::{CommandFailed, Handle},
};

type Known = State<Arc<Shared>>;

#[derive(Deserialize)]
pub(crate) struct Wait {
    /// Seconds.
    wait: Option<u64>,
}

/// Alive, and how far it sees the chain.
pub(crate) async fn health(State(shared): Known) -> Json<Value> {
    let chain = shared.chain.borrow().clone();
    let relay = shared.relay.map(|tunnel| {
        json!({
            "min_fee": tunnel.min_fee.0.to_string(),
            "fee_ppm": tunnel.fee_ppm,
            "max_capacity": tunnel.max_capacity.0.to_string(),
        })
    });
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "node": shared.key.to_string(),
        "network": shared.network,
        "chain": { "online": chain.online, "block": chain.block, "time": chain.time },
        "relay": relay,
    }))
}

/// One line of text for other nodes and pages.
pub(crate) async fn invitation(State(shared): Known) -> String {
    shared.invitation.clone()
}

/// Everything that the owner sees.
pub(crate) async fn snapshot(State(shared): Known) -> Result<Json<Snapshot>, ApiError> {
    match shared.node.command(Command::Snapshot).await? {
        Reply::Snapshot(snapshot) => Ok(Json(snapshot)),
        other => Err(odd(&other)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewContact {
    invitation: String,
}

pub(crate) async fn add_contact(
    State(shared): Known,
    Body(body): Body<NewContact>,
) -> Result<Json<Value>, ApiError> {
    let invitation: Invitation = body.invitation.parse().map_err(bad)?;
    let node = invitation.contact.node;
    match shared.node.command(Command::AddContact(invitation.contact)).await? {
        Reply::Done => Ok(Json(json!({ "node": node.to_string() }))),
        other => Err(odd(&other)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewChannel {
    /// With whom: opens a channel, or tops up the one that there is.
    peer: Option<String>,
    /// Or which: tops up exactly this one.
    channel: Option<String>,
    deposit: String,
}

#[derive(Serialize)]
pub(crate) struct Opening {
    channel: Option<ChannelSummary>,
}

pub(crate) async fn open_channel(
    State(shared): Known,
    Body(body): Body<NewChannel>,
) -> Result<Json<Opening>, ApiError> {
    let deposit = nano(&body.deposit).map_err(ApiError::bad_request)?;
    let command = match (&body.peer, &body.channel) {
        (Some(peer), None) => Command::OpenChannel { peer: key("peer", peer)?, deposit },
        (None, Some(channel)) => Command::TopUp { channel: bytes32("channel", channel)?, deposit },
        (None, None) | (Some(_), Some(_)) => {
            return Err(bad("name either `peer` or `channel`"));
        }
    };
    match shared.node.command(command).await? {
        Reply::Opening { channel } => Ok(Json(Opening { channel })),
        Reply::Done => Ok(Json(Opening { channel: None })),
        other => Err(odd(&other)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPayment {
    id: String,
    route: Vec<Hop>,
    amount: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hop {
    node: String,
    fee: String,
}

/// Orders a payment. With `?wait=` the answer comes when the payment is done or failed, or the time is over.
pub(crate) async fn pay(
    State(shared): Known,
    QueryOf(query): QueryOf<Wait>,
    Body(body): Body<NewPayment>,
) -> Result<Json<PaymentSummary>, ApiError> {
    let id = PaymentId(bytes32("id", &body.id)?);
    let hop = |hop: &Hop| -> Result<RouteHop, ApiError> {
        Ok(RouteHop {
            node: key("route.node", &hop.node)?,
            fee: nano(&hop.fee).map_err(ApiError::bad_request)?,
        })
    };
    let order = PayOrder {
        id,
        route: body.route.iter().map(hop).collect::<Result<_, _>>()?,
        amount: nano(&body.amount).map_err(ApiError::bad_request)?,
    };
    match shared.node.command(Command::Pay(order)).await? {
        Reply::Payment(payment) if query.wait.is_none() => Ok(Json(payment)),
        Reply::Payment(_) => finished(&shared, id, query).await.map(Json),
        other => Err(odd(&other)),
    }
}

pub(crate) async fn payment(
    State(shared): Known,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<Wait>,
) -> Result<Json<PaymentSummary>, ApiError> {
    finished(&shared, PaymentId(bytes32("id", &id)?), query).await.map(Json)
}

/// How a payment stands as soon as it is final, or when the time to wait is over.
async fn finished(shared: &Shared, id: PaymentId, query: Wait) -> Result<PaymentSummary, ApiError> {
    let mut patience = Patience::new(&shared.node, &query);
    loop {
        let payment = match shared.node.command(Command::Payment(id)).await? {
            Reply::Payment(payment) => payment,
            other => return Err(odd(&other)),
        };
        let open = matches!(payment.state, PaymentState::Reserved | PaymentState::Locked);
        if !open || patience.over {
            return Ok(payment);
        }
        patience.wait(|event| matches!(event, Event::Payment(payment) if payment.id == id)).await;
    }
}

/// What arrived under a virtual key. With `?wait=` it may still be on its way.
pub(crate) async fn received(
    State(shared): Known,
    PathOf(virtual_key): PathOf<String>,
    QueryOf(query): QueryOf<Wait>,
) -> Result<Json<ReceivedSummary>, ApiError> {
    let virtual_key = key("key", &virtual_key)?;
    let mut patience = Patience::new(&shared.node, &query);
    loop {
        match shared.node.command(Command::Received(virtual_key)).await {
            Ok(Reply::Received(received)) => return Ok(Json(received)),
            Ok(other) => return Err(odd(&other)),
            Err(CommandFailed::Refused(CommandError::NotFound)) if !patience.over => {}
            Err(error) => return Err(error.into()),
        }
        patience
            .wait(|event| matches!(event, Event::Received(received) if received.key == virtual_key))
            .await;
    }
}

/// Waits for events as long as a request wants to.
struct Patience {
    events: broadcast::Receiver<Event>,
    end: Instant,
    /// Look once more, then answer.
    over: bool,
}

impl Patience {
    fn new(node: &Handle, query: &Wait) -> Self {
        let wait = Duration::from_secs(query.wait.unwrap_or(0).min(WAIT_MAX_SECS));
        Self { events: node.events(), end: Instant::now() + wait, over: wait.is_zero() }
    }

    /// Returns after an event of interest, or when the time is over.
    async fn wait(&mut self, of_interest: impl Fn(&Event) -> bool) {
        let told = async {
            loop {
                match self.events.recv().await {
                    Ok(event) if of_interest(&event) => return,
                    Ok(_) => {}
                    // What was missed may have been of interest.
                    Err(RecvError::Lagged(_)) => return,
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        self.over = tokio::time::timeout_at(self.end, told).await.is_err();
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToSign {
    domain: String,
    /// Base64.
    text: String,
}

#[derive(Serialize)]
pub(crate) struct Signed {
    key: PublicKey,
    signature: String,
}

/// Signs with the node key, apart from everything that the protocol signs.
pub(crate) async fn sign(
    State(shared): Known,
    Body(body): Body<ToSign>,
) -> Result<Json<Signed>, ApiError> {
    let text = BASE64_STANDARD.decode(&body.text).map_err(|error| {
        ApiError::bad_request(format!("`text` is not standard base64 with padding: {error}"))
    })?;
    let domain = body.domain.parse().map_err(|error| bad(format!("`domain`: {error}")))?;
    match shared.node.command(Command::Sign { domain, text }).await? {
        Reply::Signature { key, signature } => {
            Ok(Json(Signed { key, signature: hex_signature(&signature) }))
        }
        other => Err(odd(&other)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToProve {
    digest: String,
}

#[derive(Serialize)]
pub(crate) struct Proved {
    channel: PublicKey,
    instruction: PublicKey,
    signature: String,
}

/// The proof of a payment over a digest that the receiver names.
pub(crate) async fn prove(
    State(shared): Known,
    PathOf(id): PathOf<String>,
    Body(body): Body<ToProve>,
) -> Result<Json<Proved>, ApiError> {
    let id = PaymentId(bytes32("id", &id)?);
    let digest = bytes32("digest", &body.digest)?;
    match shared.node.command(Command::ProvePayment { id, digest }).await? {
        Reply::Proof { channel, instruction, signature } => {
            Ok(Json(Proved { channel, instruction, signature: hex_signature(&signature) }))
        }
        other => Err(odd(&other)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    address: Option<String>,
    amount: String,
}

/// Test coins from the local chain, to `address` or to this node's own wallet.
pub(crate) async fn faucet(
    State(shared): Known,
    Body(wish): Body<Wish>,
) -> Result<Response, ApiError> {
    let Some(devnet) = &shared.devnet else {
        return Err(ApiError::not_found("this node has no faucet: its config names no [devnet]"));
    };
    let amount = nano(&wish.amount).map_err(ApiError::bad_request)?;
    if amount > devnet.faucet_max {
        let message = format!("the faucet gives at most {} TON at once", devnet.faucet_max);
        return Err(ApiError::bad_request(message));
    }
    let address = match wish.address {
        Some(address) => hex::encode(bytes32("address", address.trim_start_matches("0:"))?),
        None => match shared.node.command(Command::Snapshot).await? {
            Reply::Snapshot(snapshot) => snapshot.wallet.address,
            other => return Err(odd(&other)),
        },
    };
    let url = format!("{}/faucet", devnet.control.trim_end_matches('/'));
    let body = json!({ "address": address, "amount": amount.0.to_string() });
    let answer = client::post(&url, None, &body).await.map_err(|error| {
        let message = format!("the faucet of the local chain does not answer: {error:#}");
        ApiError::new(StatusCode::BAD_GATEWAY, "faucet_unreachable", message)
    })?;
    Ok((answer.status, Json(answer.body)).into_response())
}

fn bad(error: impl ToString) -> ApiError {
    ApiError::bad_request(error.to_string())
}

fn key(field: &str, text: &str) -> Result<PublicKey, ApiError> {
    text.parse().map_err(|error| bad(format!("`{field}`: {error}")))
}

fn bytes32(field: &str, text: &str) -> Result<[u8; 32], ApiError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| bad(format!("`{field}` is not 64 hex digits: {text:?}")))?;
    Ok(bytes)
}

fn hex_signature(signature: &Signature) -> String {
    hex::encode(signature.0)
}

/// The core answers each command with its own kind of reply.
fn odd(reply: &Reply) -> ApiError {
    tracing::error!(?reply, "a command was answered with the reply of another");
    let message = "the node gave an answer that does not belong to the question";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
}

const WAIT_MAX_SECS: u64 = 60;
