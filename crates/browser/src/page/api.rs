//! The node as a JavaScript class. `web/src/index.ts` puts types and comfort around it.
//!
//! Every method takes `&self` and queues: two calls at once are two commands one after the other, never a conflict.

use std::{cell::RefCell, panic};

use channel::{
    amount::Nano,
    key::{PublicKey, Signature},
};
use futures_channel::{mpsc, oneshot};
use js_sys::Function;
use node::{
    invitation::Invitation,
    io::{Command, PayOrder, PaymentId, Reply, RouteHop},
};
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::spawn_local;

use crate::{
    failure::{Failure, Retry},
    vault::{Cost, Keys, Salts},
};

use super::{
    events::{Listener, Phase, to_js},
    host::Incoming,
    lock::Lock,
    run::{Life, VAULT, random},
    store::{Disk, Store},
};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
import type { ChannelSummary, Hex, Nano, NodeEvent, PaymentSummary, Proof, Snapshot } from '../types.js'

/** What `RillNode.open` is given. */
export interface CoreOptions {
  /** Name of the database, together with the network. */
  readonly database: string
  readonly network: string
  readonly passphrase: string
  /** How to reach the relay: `rill://...`. */
  readonly invitation: string
  readonly onEvent: (event: NodeEvent) => void
}

/** A payment with amounts as decimal strings. */
export interface CoreOrder {
  readonly id: Hex
  readonly route: readonly { readonly node: Hex; readonly fee: Nano }[]
  readonly amount: Nano
}
"#;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "CoreOptions")]
    pub type CoreOptions;
    #[wasm_bindgen(method, getter)]
    fn database(this: &CoreOptions) -> String;
    #[wasm_bindgen(method, getter)]
    fn network(this: &CoreOptions) -> String;
    #[wasm_bindgen(method, getter)]
    fn passphrase(this: &CoreOptions) -> String;
    #[wasm_bindgen(method, getter)]
    fn invitation(this: &CoreOptions) -> String;
    #[wasm_bindgen(method, getter, js_name = onEvent)]
    fn on_event(this: &CoreOptions) -> Function;

    #[wasm_bindgen(typescript_type = "CoreOrder")]
    pub type CoreOrder;

    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(text: &str);
}

/// A payment node that lives in this page.
#[wasm_bindgen]
pub struct RillNode {
    relay: PublicKey,
    sender: mpsc::UnboundedSender<Incoming>,
    disk: Disk,
    running: RefCell<Option<Running>>,
}

/// What `close` needs.
struct Running {
    stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
}

#[wasm_bindgen]
impl RillNode {
    /// Opens the node, making its keys and database if there are none. Fails with `{code, message, retry,
    /// moneyMayHaveMoved}`; `wrong_passphrase` and `not_leader` change nothing.
    pub async fn open(options: CoreOptions) -> Result<Self, JsValue> {
        let listener = Listener::new(options.on_event());
        report_panics(listener.clone());
        listener.phase(Phase::Starting);
        let invitation: Invitation = options.invitation().parse().map_err(Failure::from)?;
        if invitation.contact.ws.is_none() {
            let message = "this invitation has no ws:// address: a page cannot reach that node";
            return Err(Failure::new("bad_request", Retry::New, message).into());
        }
        let database = format!("rill {} {}", options.network(), options.database());
        let lock = Lock::take(&database).await?;
        let store = Store::open(&database).await?;
        let (vault, keys) = unlock(&store, &options.passphrase()).await?;
        let disk = Disk::new(store);

        let (sender, inbox) = mpsc::unbounded();
        let life = Life {
            database,
            vault,
            keys,
            relay: invitation.contact.clone(),
            proxy: invitation.lite,
            listener,
            sender: sender.clone(),
            lock,
        };
        let restored = life.restore(&disk.store()).await?;
        let (stop, stopping) = oneshot::channel();
        let (ended, stopped) = oneshot::channel();
        let shared = disk.clone();
        spawn_local(async move {
            life.run(shared, restored, inbox, stopping).await;
            // Nobody need wait for this.
            let _ = ended.send(());
        });
        let relay = invitation.contact.node;
        let running = RefCell::new(Some(Running { stop, stopped }));
        let node = Self { relay, sender, disk, running };
        if let Err(failure) = node.command(Command::AddContact(invitation.contact)).await {
            node.close().await;
            return Err(failure.into());
        }
        Ok(node)
    }

    /// The node key of the relay in the invitation.
    #[wasm_bindgen(getter, unchecked_return_type = "Hex")]
    pub fn relay(&self) -> String {
        self.relay.to_string()
    }

    #[wasm_bindgen(unchecked_return_type = "Snapshot")]
    pub async fn snapshot(&self) -> Result<JsValue, JsValue> {
        match self.command(Command::Snapshot).await? {
            Reply::Snapshot(snapshot) => reply(&snapshot),
            other => Err(unexpected(&other)),
        }
    }

    /// Has a channel with a known node in which our deposit is at least this.
    #[wasm_bindgen(js_name = openChannel, unchecked_return_type = "ChannelSummary | null")]
    pub async fn open_channel(&self, peer: String, deposit: String) -> Result<JsValue, JsValue> {
        let command = Command::OpenChannel { peer: key(&peer)?, deposit: nano(&deposit)? };
        match self.spend(command).await? {
            Reply::Opening { channel } => reply(&channel),
            Reply::Done => Ok(JsValue::NULL),
            other => Err(unexpected(&other)),
        }
    }

    /// Starts a payment, or finds the one with this id. Resolves when it is durable.
    #[wasm_bindgen(unchecked_return_type = "PaymentSummary")]
    pub async fn pay(&self, order: CoreOrder) -> Result<JsValue, JsValue> {
        #[derive(Deserialize)]
        struct Order {
            id: String,
            route: Vec<Hop>,
            amount: Nano,
        }
        #[derive(Deserialize)]
        struct Hop {
            node: PublicKey,
            fee: Nano,
        }
        let order: Order = serde_wasm_bindgen::from_value(order.into())
            .map_err(|error| bad(format!("this is no payment order: {error}")))?;
        let route =
            order.route.iter().map(|hop| RouteHop { node: hop.node, fee: hop.fee }).collect();
        let order = PayOrder { id: payment_id(&order.id)?, route, amount: order.amount };
        payment(self.spend(Command::Pay(order)).await?)
    }

    /// How one payment stands.
    #[wasm_bindgen(unchecked_return_type = "PaymentSummary")]
    pub async fn payment(&self, id: String) -> Result<JsValue, JsValue> {
        payment(self.command(Command::Payment(payment_id(&id)?)).await?)
    }

    /// Signs 32 bytes with the last instruction key of a payment.
    #[wasm_bindgen(js_name = provePayment, unchecked_return_type = "Proof")]
    pub async fn prove_payment(&self, id: String, digest: Vec<u8>) -> Result<JsValue, JsValue> {
        #[derive(Serialize)]
        struct Proof {
            channel: PublicKey,
            instruction: PublicKey,
            signature: Signature,
        }
        let digest: [u8; 32] =
            digest.try_into().map_err(|_| bad("the digest to sign must be 32 bytes long"))?;
        match self.command(Command::ProvePayment { id: payment_id(&id)?, digest }).await? {
            Reply::Proof { channel, instruction, signature } => {
                reply(&Proof { channel, instruction, signature })
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Ed25519.
    pub fn verify(&self, public: &str, message: &[u8], signature: &str) -> bool {
        let mut bytes = [0; 64];
        let signed = hex::decode_to_slice(signature, &mut bytes).is_ok();
        signed && key(public).is_ok_and(|key| key.verify(message, &Signature(bytes)))
    }

    /// Keeps a text under a name, or deletes it; durable when resolved.
    pub async fn remember(&self, name: String, text: Option<String>) -> Result<(), JsValue> {
        let text = text.as_ref().map(String::as_bytes);
        let kept = self.disk.store().put(&note(&name), text).await;
        kept.map_err(|error| Failure::from(error).into())
    }

    /// What was kept under a name.
    pub async fn recall(&self, name: String) -> Result<Option<String>, JsValue> {
        let kept = self.disk.store().get(&note(&name)).await.map_err(Failure::from)?;
        Ok(kept.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// Stops the node and lets another tab have it. Nothing is lost: it goes on at the next `open`.
    pub async fn close(&self) {
        let running = self.running.borrow_mut().take();
        if let Some(Running { stop, stopped }) = running {
            let _ = stop.send(());
            let _ = stopped.await;
        }
    }

    /// A command that spends: if the node stops before it replies, money may have moved.
    async fn spend(&self, command: Command) -> Result<Reply, Failure> {
        let (replier, replied) = oneshot::channel();
        let queued = self.sender.unbounded_send(Incoming::Command(command, replier));
        queued.map_err(|_| closed())?;
        Ok(replied.await.map_err(|_| Failure::stopped())??)
    }

    async fn command(&self, command: Command) -> Result<Reply, Failure> {
        self.spend(command)
            .await
            .map_err(|failure| Failure { money_may_have_moved: false, ..failure })
    }
}

/// The keys in the store, or fresh ones that are durable before they are used.
async fn unlock(store: &Store, passphrase: &str) -> Result<(Vec<u8>, Keys), Failure> {
    if let Some(vault) = store.get(VAULT).await? {
        let keys = Keys::open(&vault, passphrase)?;
        return Ok((vault, keys));
    }
    let keys = Keys { node: random()?.into(), wallet: random()?.into(), adnl: random()?.into() };
    let salts = Salts { salt: random()?, nonce: random()? };
    let vault = keys.seal(passphrase, Cost::USUAL, &salts)?;
    store.put(VAULT, Some(&vault)).await?;
    Ok((vault, keys))
}

/// A panic ends the module; the page should hear of it instead of waiting for ever.
fn report_panics(listener: Listener) {
    thread_local! {
        static LISTENER: RefCell<Option<Listener>> = const { RefCell::new(None) };
    }
    LISTENER.with(|kept| kept.replace(Some(listener)));
    panic::set_hook(Box::new(|info| {
        console_error(&info.to_string());
        let listener = LISTENER.with(|kept| kept.try_borrow().ok().and_then(|kept| kept.clone()));
        if let Some(listener) = listener {
            listener.phase(Phase::Error);
        }
    }));
}

fn reply(value: &impl Serialize) -> Result<JsValue, JsValue> {
    to_js(value).map_err(|error| Failure::new("internal", Retry::Never, error.to_string()).into())
}

fn payment(answer: Reply) -> Result<JsValue, JsValue> {
    match answer {
        Reply::Payment(summary) => reply(&summary),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(other: &Reply) -> JsValue {
    Failure::new("internal", Retry::Never, format!("an unexpected reply: {other:?}")).into()
}

fn closed() -> Failure {
    Failure::new("disconnected", Retry::Never, "the node has been closed: open it again")
}

fn bad(message: impl Into<String>) -> Failure {
    Failure::new("bad_request", Retry::Never, message)
}

fn key(text: &str) -> Result<PublicKey, Failure> {
    text.parse().map_err(|error| bad(format!("{error}")))
}

fn payment_id(text: &str) -> Result<PaymentId, Failure> {
    let mut id = [0; 32];
    hex::decode_to_slice(text, &mut id).map_err(|_| bad("a payment id is 64 hex digits"))?;
    Ok(PaymentId(id))
}

/// Digits only: a number with a dot would be read as whole coins elsewhere.
fn nano(text: &str) -> Result<Nano, Failure> {
    let amount =
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    amount
        .map(Nano)
        .filter(|amount| *amount <= Nano::MAX)
        .ok_or_else(|| bad(format!("\"{text}\" is not an amount in nano: write digits only")))
}

fn note(name: &str) -> String {
    format!("note:{name}")
}
