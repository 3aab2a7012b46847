//! The core's host in a page: one queue of everything that happens, one database, and the sockets.
//!
//! While a commit is under way the queue fills, and what is in it shares the next commit.

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use adnl::PathId;
use channel::amount::Time;
use futures_channel::{mpsc, oneshot};
use futures_util::{
    StreamExt,
    future::{Either, select},
};
use node::{
    drive::Host,
    io::{Command, CommandError, Effect, Input, LinkEvent, Reply, RequestId, Writes},
};

use crate::carrier::{Carrier, Output};

use super::{
    chain,
    clock::{now_ms, sleep_until},
    events::{HostEvent, Listener},
    socket::{Happening, Socket},
    store::{Store, StoreError},
};

/// What waits for the node.
pub(crate) enum Incoming {
    Command(Command, Replier),
    Input(Input),
    Socket(PathId, Happening),
}

/// Gets the reply of one command; dropped without one when the node stops.
pub(crate) type Replier = oneshot::Sender<Result<Reply, CommandError>>;

pub(crate) struct PageHost<'a> {
    store: Rc<Store>,
    carrier: Carrier,
    sockets: BTreeMap<PathId, Socket>,
    inbox: &'a mut mpsc::UnboundedReceiver<Incoming>,
    sender: mpsc::UnboundedSender<Incoming>,
    chain: mpsc::UnboundedSender<chain::Order>,
    listener: Listener,
    /// Why the last socket was closed.
    refused: Option<String>,
    /// Inputs that are there already.
    inputs: VecDeque<Input>,
    waiting: BTreeMap<RequestId, Replier>,
    requests: u64,
}

/// What a host is made of.
pub(crate) struct Parts<'a> {
    pub(crate) store: Rc<Store>,
    pub(crate) carrier: Carrier,
    pub(crate) inbox: &'a mut mpsc::UnboundedReceiver<Incoming>,
    pub(crate) sender: mpsc::UnboundedSender<Incoming>,
    pub(crate) chain: mpsc::UnboundedSender<chain::Order>,
    pub(crate) listener: Listener,
}

impl<'a> PageHost<'a> {
    pub(crate) fn new(parts: Parts<'a>) -> Self {
        let Parts { store, carrier, inbox, sender, chain, listener } = parts;
        Self {
            store,
            carrier,
            sockets: BTreeMap::new(),
            inbox,
            sender,
            chain,
            listener,
            refused: None,
            inputs: VecDeque::new(),
            waiting: BTreeMap::new(),
            requests: 0,
        }
    }

    fn take(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Input(input) => self.inputs.push_back(input),
            Incoming::Command(command, replier) => {
                self.requests += 1;
                let request = RequestId(self.requests);
                self.waiting.insert(request, replier);
                self.inputs.push_back(Input::Command(request, command));
            }
            Incoming::Socket(path, happening) => self.happened(path, happening),
        }
        self.settle();
    }

    fn happened(&mut self, path: PathId, happening: Happening) {
        if !self.sockets.contains_key(&path) {
            return; // said by a socket that was shut meanwhile
        }
        match happening {
            Happening::Open => self.carrier.opened(now_ms(), path),
            Happening::Message(bytes) => self.carrier.datagram(now_ms(), path, &bytes),
            Happening::Closed { reason } => {
                self.sockets.remove(&path);
                self.refused = Some(reason);
                self.carrier.closed(now_ms(), path);
            }
        }
    }

    /// Carries out what the carrier wants.
    fn settle(&mut self) {
        while let Some(output) = self.carrier.poll() {
            match output {
                Output::Tell(input) => {
                    self.tell_of(&input);
                    self.inputs.push_back(input);
                }
                Output::Send(path, bytes) => {
                    if let Some(socket) = self.sockets.get(&path) {
                        socket.send(&bytes);
                    }
                }
                Output::Shut(path) => drop(self.sockets.remove(&path)),
                Output::Open(path, url) => self.open(path, &url),
            }
        }
    }

    /// A relay is there when it has answered under its key, not when a socket is open.
    fn tell_of(&mut self, input: &Input) {
        let (online, reason) = match input {
            Input::Link(_, LinkEvent::Up { .. }) => (true, None),
            Input::Link(_, LinkEvent::Down) | Input::Unreachable(_) => {
                let reason = self.refused.take();
                (false, Some(reason.unwrap_or_else(|| "it does not answer".into())))
            }
            _ => return,
        };
        self.listener.tell(&HostEvent::Relay { online, reason });
    }

    fn open(&mut self, path: PathId, url: &str) {
        let inbox = self.sender.clone();
        let socket = Socket::open(url, move |happening| {
            // The node may have stopped.
            let _ = inbox.unbounded_send(Incoming::Socket(path, happening));
        });
        match socket {
            Some(socket) => drop(self.sockets.insert(path, socket)),
            None => {
                self.refused = Some(format!("this page may not connect to {url}"));
                self.carrier.closed(now_ms(), path);
            }
        }
    }
}

impl Host for PageHost<'_> {
    type Error = StoreError;

    fn now(&self) -> Time {
        Time(now_ms())
    }

    async fn next(&mut self, wake: Option<Time>) -> Input {
        loop {
            if let Some(input) = self.inputs.pop_front() {
                return input;
            }
            let now = now_ms();
            if wake.is_some_and(|wake| wake.0 <= now) {
                return Input::Wake;
            }
            if self.carrier.wake().is_some_and(|at| at <= now) {
                self.carrier.tick(now);
                self.settle();
                continue;
            }
            let until = wake.map(|wake| wake.0).into_iter().chain(self.carrier.wake()).min();
            let sleep = std::pin::pin!(sleep_until(until.unwrap_or(u64::MAX)));
            if let Either::Left((Some(incoming), _)) = select(self.inbox.next(), sleep).await {
                self.take(incoming);
            }
        }
    }

    fn ready(&mut self) -> Option<Input> {
        while self.inputs.is_empty() {
            let incoming = self.inbox.try_recv().ok()?;
            self.take(incoming);
        }
        self.inputs.pop_front()
    }

    async fn commit(&mut self, writes: &Writes) -> Result<(), StoreError> {
        self.store.commit(writes).await
    }

    async fn recall(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.record(key).await
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Dial(contact) => self.carrier.dial(now_ms(), contact),
            Effect::Query { link, id, bytes } => self.carrier.query(now_ms(), link, id, &bytes),
            Effect::Answer { id, bytes, .. } => self.carrier.answer(now_ms(), id, &bytes),
            Effect::Close(link) => self.carrier.close(now_ms(), link),
            // The chain's task lives as long as this host.
            Effect::Submit(message) => {
                drop(self.chain.unbounded_send(chain::Order::Submit(message)))
            }
            Effect::Watch(address) => drop(self.chain.unbounded_send(chain::Order::Watch(address))),
            Effect::Unwatch(address) => {
                drop(self.chain.unbounded_send(chain::Order::Unwatch(address)));
            }
            // Not for a host to perform.
            Effect::Recall(_) => {}
            Effect::Reply(request, reply) => {
                if let Some(replier) = self.waiting.remove(&request) {
                    let _ = replier.send(reply);
                }
            }
            Effect::Notify(event) => self.listener.tell(&event),
        }
        self.settle();
    }
}
