//! The core's host on a server: its clock, its disk and its one queue of inputs.
//!
//! The node runs on a thread of its own, where a commit may block without holding up a socket; while
//! it does, inputs pile up in the queue and share the next commit. Everybody else holds a [`Handle`].

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use channel::amount::Time;
use node::{
    drive::Host,
    io::{Command, CommandError, Effect, Event, Input, Reply, RequestId, Writes},
    summary::{ChannelPhase, ChannelSummary, PaymentState},
};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::{
    carrier, chain,
    store::{Store, StoreError},
};

/// A way to talk to the node from any task. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    inbox: mpsc::UnboundedSender<Incoming>,
    events: broadcast::Sender<Event>,
}

/// What reaches the node's thread.
pub(crate) enum Incoming {
    Input(Input),
    Command(Command, oneshot::Sender<Result<Reply, CommandError>>),
}

/// Why a command has no reply.
#[derive(Debug, thiserror::Error)]
pub enum CommandFailed {
    #[error(transparent)]
    Refused(#[from] CommandError),
    #[error("the node has stopped")]
    Stopped,
}

impl Handle {
    pub(crate) fn new(inbox: mpsc::UnboundedSender<Incoming>) -> Self {
        Self { inbox, events: broadcast::Sender::new(EVENTS_KEPT) }
    }

    /// Has the node carry out a command; what it changed is durable when the reply is here.
    pub async fn command(&self, command: Command) -> Result<Reply, CommandFailed> {
        let (reply, replied) = oneshot::channel();
        let sent = self.inbox.send(Incoming::Command(command, reply));
        sent.map_err(|_| CommandFailed::Stopped)?;
        Ok(replied.await.map_err(|_| CommandFailed::Stopped)??)
    }

    /// Everything that the node tells from now on. Who reads too slowly misses the oldest.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    pub(crate) fn input(&self, input: Input) {
        // After a stop there is nobody left to tell.
        let _ = self.inbox.send(Incoming::Input(input));
    }
}

/// Unix time of this machine.
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The [`Host`] of the daemon.
pub(crate) struct NativeHost {
    pub(crate) store: Store,
    pub(crate) inbox: mpsc::UnboundedReceiver<Incoming>,
    pub(crate) handle: Handle,
    pub(crate) carrier: mpsc::UnboundedSender<carrier::Order>,
    pub(crate) chain: mpsc::UnboundedSender<chain::Order>,
    pub(crate) replies: Replies,
    pub(crate) log: Log,
}

/// Commands that wait for their reply.
#[derive(Default)]
pub(crate) struct Replies {
    waiting: BTreeMap<RequestId, oneshot::Sender<Result<Reply, CommandError>>>,
    last: u64,
}

impl NativeHost {
    fn input(&mut self, incoming: Incoming) -> Input {
        match incoming {
            Incoming::Input(input) => input,
            Incoming::Command(command, reply) => {
                self.replies.last += 1;
                let id = RequestId(self.replies.last);
                self.replies.waiting.insert(id, reply);
                Input::Command(id, command)
            }
        }
    }
}

impl Host for NativeHost {
    type Error = StoreError;

    fn now(&self) -> Time {
        now()
    }

    async fn next(&mut self, wake: Option<Time>) -> Input {
        loop {
            let left = wake.map(|wake| wake.0.saturating_sub(now().0));
            if left == Some(0) {
                return Input::Wake;
            }
            // A sleeping machine stops this timer but not the clock, so it is short and looks again.
            let nap = Duration::from_millis(left.unwrap_or(u64::MAX)).min(NAP_MAX);
            match tokio::time::timeout(nap, self.inbox.recv()).await {
                Ok(Some(incoming)) => return self.input(incoming),
                // The daemon holds a sender as long as this runs; it ends this future from outside.
                Ok(None) => std::future::pending().await,
                Err(_) => {}
            }
        }
    }

    fn ready(&mut self) -> Option<Input> {
        let incoming = self.inbox.try_recv().ok()?;
        Some(self.input(incoming))
    }

    async fn commit(&mut self, writes: &Writes) -> Result<(), StoreError> {
        self.store.commit(writes)
    }

    async fn recall(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.record(key)
    }

    /// The receivers only go away when the daemon stops; what is lost then is said again after a restart.
    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Dial(contact) => drop(self.carrier.send(carrier::Order::Dial(contact))),
            Effect::Query { link, id, bytes } => {
                drop(self.carrier.send(carrier::Order::Query { link, id, bytes }));
            }
            Effect::Answer { link, id, bytes } => {
                drop(self.carrier.send(carrier::Order::Answer { link, id, bytes }));
            }
            Effect::Close(link) => drop(self.carrier.send(carrier::Order::Close(link))),
            Effect::Submit(message) => drop(self.chain.send(chain::Order::Submit(message))),
            Effect::Watch(address) => drop(self.chain.send(chain::Order::Watch(address))),
            Effect::Unwatch(address) => drop(self.chain.send(chain::Order::Unwatch(address))),
            // Not for a host to perform.
            Effect::Recall(_) => {}
            Effect::Reply(id, reply) => {
                if let Some(waiting) = self.replies.waiting.remove(&id) {
                    // Who asked may have given up.
                    let _ = waiting.send(reply);
                }
            }
            Effect::Notify(event) => {
                self.log.tell(&event);
                let _ = self.handle.events.send(event);
            }
        }
    }
}

/// What the log has told last; it tells changes only.
#[derive(Default)]
pub(crate) struct Log {
    phases: BTreeMap<String, ChannelPhase>,
}

impl Log {
    /// The log of a daemon is what its owner would want to know.
    fn tell(&mut self, event: &Event) {
        match event {
            Event::Peer { node, online: true } => tracing::info!(%node, "peer is online"),
            Event::Peer { node, online: false } => tracing::info!(%node, "peer is gone"),
            Event::Channel(channel) => self.channel(channel),
            Event::Payment(payment) => match payment.state {
                PaymentState::Reserved | PaymentState::Locked | PaymentState::Settled => {
                    tracing::debug!(id = hex::encode(payment.id.0), state = ?payment.state, "payment");
                }
                PaymentState::Sent => tracing::info!(
                    id = hex::encode(payment.id.0), amount = %payment.amount, fee = %payment.fee,
                    to = %payment.to, "paid"
                ),
                PaymentState::Returning => tracing::warn!(
                    id = hex::encode(payment.id.0), amount = %payment.amount,
                    reason = payment.reason, until = payment.locked_until.map(|until| until.0),
                    "payment refused; what was promised can be claimed until then"
                ),
                PaymentState::Failed => tracing::warn!(
                    id = hex::encode(payment.id.0), amount = %payment.amount,
                    reason = payment.reason, "payment failed"
                ),
            },
            Event::Received(received) if received.settled => {
                tracing::debug!(key = %received.key, "a payment received is settled");
            }
            Event::Received(received) => {
                tracing::info!(amount = %received.amount, key = %received.key, "received");
            }
            Event::Wallet(wallet) => match wallet.balance {
                Some(balance) => {
                    tracing::info!(address = %wallet.address, %balance, busy = wallet.busy, "wallet");
                }
                None => tracing::info!(address = %wallet.address, "wallet, not seen on chain yet"),
            },
            Event::Trouble { reason } => tracing::warn!("{reason}"),
        }
    }

    fn channel(&mut self, channel: &ChannelSummary) {
        if self.phases.insert(channel.address.clone(), channel.phase) == Some(channel.phase) {
            tracing::debug!(
                address = %channel.address, balance = %channel.balance,
                theirs = %channel.their_balance, "channel"
            );
        } else {
            tracing::info!(
                address = %channel.address, peer = %channel.peer, phase = ?channel.phase,
                balance = %channel.balance, theirs = %channel.their_balance, "channel"
            );
        }
    }
}

const NAP_MAX: Duration = Duration::from_secs(30);

const EVENTS_KEPT: usize = 4096;
