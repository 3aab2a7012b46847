//! The page's way to the chain: a liteserver behind a WebSocket proxy, connected again whenever the line breaks.

use std::collections::BTreeSet;

use channel::contract::Address;
use futures_channel::mpsc;
use futures_util::{
    StreamExt,
    future::{Either, select},
};
use node::{invitation::LiteProxy, io::Input};

use crate::follower::{Follower, News};

use super::{
    clock::{now_ms, sleep_until},
    events::{HostEvent, Listener, Phase},
    host::Incoming,
    run::random,
    socket::{Happening, Socket},
};

/// What the node wants of the chain.
pub(crate) enum Order {
    /// Send this external message.
    Submit(Vec<u8>),
    /// Follow this account.
    Watch(Address),
    Unwatch(Address),
}

pub(crate) struct Chain {
    proxy: Option<LiteProxy>,
    node: mpsc::UnboundedSender<Incoming>,
    listener: Listener,
    watched: BTreeSet<Address>,
    /// Messages for a line that is not there yet. The node repeats what is lost.
    unsent: Vec<Vec<u8>>,
    blocks: u32,
}

impl Chain {
    pub(crate) fn new(
        proxy: Option<LiteProxy>,
        node: mpsc::UnboundedSender<Incoming>,
        listener: Listener,
    ) -> Self {
        Self { proxy, node, listener, watched: BTreeSet::new(), unsent: Vec::new(), blocks: 0 }
    }

    /// Keeps the line up until the node goes.
    pub(crate) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let Some(proxy) = self.proxy.clone() else {
            self.tell_offline("the invitation names no way to the chain".into());
            while orders.next().await.is_some() {}
            return;
        };
        let mut failures: u32 = 0;
        loop {
            let before = self.blocks;
            let reason = self.follow(&proxy, &mut orders).await;
            failures = if self.blocks > before { 0 } else { failures.saturating_add(1) };
            self.tell_offline(reason);
            let pause = PAUSE_MS.saturating_mul(1 << failures.min(5)).min(PAUSE_MAX_MS);
            if !self.wait(now_ms() + pause, &mut orders).await {
                return;
            }
        }
    }

    /// One connection; returns why it ended.
    async fn follow(
        &mut self,
        proxy: &LiteProxy,
        orders: &mut mpsc::UnboundedReceiver<Order>,
    ) -> String {
        let entropy = match random() {
            Ok(entropy) => entropy,
            Err(failure) => return failure.message,
        };
        let (told, mut happenings) = mpsc::unbounded();
        let socket = Socket::open(&proxy.url, move |happening| {
            // The line may have been given up meanwhile.
            let _ = told.unbounded_send(happening);
        });
        let Some(socket) = socket else {
            return format!("this page may not connect to {}", proxy.url);
        };
        let late = std::pin::pin!(sleep_until(now_ms() + CONNECT_MS));
        match select(happenings.next(), late).await {
            Either::Left((Some(Happening::Open), _)) => {}
            Either::Left((Some(Happening::Closed { reason }), _)) => return reason,
            Either::Left((Some(Happening::Message(_)) | None, _)) | Either::Right(_) => {
                return "no connection".into();
            }
        }
        let watched = self.watched.iter().copied();
        let mut follower = match Follower::connect(now_ms(), &proxy.server.0, entropy, watched) {
            Ok(follower) => follower,
            Err(fault) => return fault.to_string(),
        };
        for message in self.unsent.drain(..) {
            follower.submit(now_ms(), message);
        }
        loop {
            while let Some(news) = follower.poll() {
                self.news(news, &socket);
            }
            let arrived = select(happenings.next(), orders.next());
            let due = std::pin::pin!(sleep_until(follower.wake()));
            let result = match select(arrived, due).await {
                Either::Left((Either::Left((happening, _)), _)) => match happening {
                    Some(Happening::Message(bytes)) => follower.feed(now_ms(), &bytes),
                    Some(Happening::Closed { reason }) => return reason,
                    Some(Happening::Open) | None => Ok(()),
                },
                Either::Left((Either::Right((order, _)), _)) => {
                    match order {
                        Some(Order::Submit(message)) => follower.submit(now_ms(), message),
                        Some(Order::Watch(address)) => {
                            self.watched.insert(address);
                            follower.watch(now_ms(), address);
                        }
                        Some(Order::Unwatch(address)) => {
                            self.watched.remove(&address);
                            follower.unwatch(&address);
                        }
                        None => return "the node has stopped".into(),
                    }
                    Ok(())
                }
                Either::Right(_) => follower.tick(now_ms()),
            };
            if let Err(fault) = result {
                return fault.to_string();
            }
        }
    }

    fn news(&mut self, news: News, socket: &Socket) {
        match news {
            News::Send(bytes) => socket.send(&bytes),
            News::Account(view) => {
                // The node may have stopped.
                let _ = self.node.unbounded_send(Incoming::Input(Input::Chain(view)));
            }
            News::Unchanged { address, block, time } => {
                let input = Input::Unchanged { address, block, time };
                let _ = self.node.unbounded_send(Incoming::Input(input));
            }
            News::Block(seqno) => {
                if self.blocks == 0 {
                    self.listener.phase(Phase::Ready);
                }
                self.blocks = self.blocks.saturating_add(1);
                let block = Some(seqno);
                self.listener.tell(&HostEvent::Chain { online: true, block, reason: None });
            }
            News::Refused(reason) => self.listener.tell(&node::io::Event::Trouble {
                reason: format!(
                    "the chain did not take a message, it will be sent again: {reason}"
                ),
            }),
        }
    }

    /// Waits, keeping what the node wants meanwhile. False if the node is gone.
    async fn wait(&mut self, until_ms: u64, orders: &mut mpsc::UnboundedReceiver<Order>) -> bool {
        while now_ms() < until_ms {
            let due = std::pin::pin!(sleep_until(until_ms));
            match select(orders.next(), due).await {
                Either::Left((Some(Order::Watch(address)), _)) => {
                    self.watched.insert(address);
                }
                Either::Left((Some(Order::Unwatch(address)), _)) => {
                    self.watched.remove(&address);
                }
                Either::Left((Some(Order::Submit(message)), _)) => {
                    if self.unsent.len() < UNSENT_MAX {
                        self.unsent.push(message);
                    }
                }
                Either::Left((None, _)) => return false,
                Either::Right(_) => {}
            }
        }
        true
    }

    fn tell_offline(&self, reason: String) {
        self.listener.tell(&HostEvent::Chain { online: false, block: None, reason: Some(reason) });
    }
}

const CONNECT_MS: u64 = 10_000;
const PAUSE_MS: u64 = 500;
const PAUSE_MAX_MS: u64 = 15_000;
const UNSENT_MAX: usize = 16;
