//! The chain, through a liteserver: follows the accounts that the node watches and passes its messages on.
//!
//! Every state that reaches the node is proven against a masterchain block; that this block is the chain's
//! latest is the liteserver's word. If a server fails, lies or goes silent, the next one of the config is asked.

mod session;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use channel::contract::Address;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};

use crate::{config::Liteserver, host::Handle};
use session::Session;

/// What the node wants from the chain.
#[derive(Debug)]
pub(crate) enum Order {
    Submit(Vec<u8>),
    Watch(Address),
    Unwatch(Address),
}

/// How far this machine sees.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChainStatus {
    pub(crate) online: bool,
    /// Seqno of the latest masterchain block.
    pub(crate) block: u32,
    /// Its time, as far as an account was proven in it. Unix seconds.
    pub(crate) time: u32,
}

/// The task's state; it outlives connections.
pub(crate) struct Watcher {
    servers: Vec<Liteserver>,
    orders: mpsc::UnboundedReceiver<Order>,
    known: Known,
}

/// What stays true from one connection to the next.
struct Known {
    node: Handle,
    status: watch::Sender<ChainStatus>,
    /// Watched accounts and what the node was told of them on this connection.
    watched: BTreeMap<Address, Option<Told>>,
    /// Messages that no server has taken yet.
    outbox: VecDeque<Vec<u8>>,
}

#[derive(Clone, Copy)]
struct Told {
    /// Logical time and hash of the last transaction: an account changes by transactions only.
    last: (u64, [u8; 32]),
    /// Chain time of the block, unix seconds.
    time: u32,
}

impl Watcher {
    pub(crate) fn new(
        servers: Vec<Liteserver>,
        node: Handle,
        orders: mpsc::UnboundedReceiver<Order>,
    ) -> (Self, watch::Receiver<ChainStatus>) {
        let (status, seen) = watch::channel(ChainStatus::default());
        let known = Known { node, status, watched: BTreeMap::new(), outbox: VecDeque::new() };
        (Self { servers, orders, known }, seen)
    }

    /// Runs until it is dropped or aborted.
    pub(crate) async fn run(mut self) {
        let mut pause = PAUSE_MIN;
        let mut told = String::new();
        for server in self.servers.clone().iter().cycle() {
            let started = Instant::now();
            let error = match Session::open(server).await {
                Ok(session) => session.follow(&mut self.orders, &mut self.known).await,
                Err(error) => error,
            };
            self.known.status.send_modify(|status| status.online = false);
            if started.elapsed() > STEADY {
                pause = PAUSE_MIN;
                told.clear();
            }
            let error = format!("liteserver {}: {error}", server.address);
            if error != told {
                tracing::warn!("the chain is out of sight, trying again. {error}");
                told = error;
            }
            // Orders are heard meanwhile, so that none waits in a queue without an end.
            let orders = async {
                while let Some(order) = self.orders.recv().await {
                    self.known.note(order);
                }
                // The node has ended; this task will be, too.
                std::future::pending::<()>().await;
            };
            let _ = timeout(pause, orders).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

impl Known {
    /// Remembers an order until there is somebody to ask.
    fn note(&mut self, order: Order) {
        match order {
            Order::Watch(address) => drop(self.watched.insert(address, None)),
            Order::Unwatch(address) => drop(self.watched.remove(&address)),
            Order::Submit(message) => {
                if self.outbox.contains(&message) {
                    return;
                }
                // The node says again what the chain does not show.
                if self.outbox.len() >= OUTBOX_MAX {
                    self.outbox.pop_front();
                }
                self.outbox.push_back(message);
            }
        }
    }
}

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A connection that lasted this long was a good one.
const STEADY: Duration = Duration::from_secs(20);

const OUTBOX_MAX: usize = 64;
