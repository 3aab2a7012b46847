//! One running node with everything around it, startable inside any program: tests and benchmarks run
//! several at once, the binary runs one.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use adnl::key::LocalKey;
use channel::key::{PublicKey, SecretKey, sha256};
use node::{
    config::Codes,
    drive::drive,
    invitation::{Contact, Invitation, LiteProxy},
    node::Node,
};
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

use crate::{
    carrier::Carrier,
    chain,
    config::{Config, ConfigError, random},
    host::{Handle, Log, NativeHost, Replies, now},
    http::{Shared, router, serve::serve, sockets::Sockets},
    store::{Store, StoreError},
};

/// A running node. Dropping it stops it too, without waiting until it has.
pub struct Daemon {
    pub key: PublicKey,
    pub http: SocketAddr,
    pub adnl: SocketAddr,
    pub invitation: Invitation,
    handle: Handle,
    tasks: JoinSet<()>,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<Ended>,
    /// Goes with the daemon, and open WebSockets with it.
    _open: watch::Sender<()>,
}

/// Why the node's thread ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    #[error("the node was stopped")]
    Stopped,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the node's thread has died; its records are as they were after its last commit")]
    Died,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the data directory {path} cannot be made: {reason}; choose another with --dir")]
    Dir { path: PathBuf, reason: std::io::Error },
    #[error(
        "cannot listen on {address}: {reason}; if another program is there, change {field} in the config"
    )]
    Listen { address: SocketAddr, field: &'static str, reason: std::io::Error },
    #[error("the records in {path} are not those of this node: {reason}")]
    Corrupt { path: PathBuf, reason: String },
    #[error("the contract codes of this build are damaged: {0}")]
    Codes(String),
    #[error("no thread can be started for the node: {0}")]
    Thread(std::io::Error),
}

impl Daemon {
    /// Starts a node whose records are in `dir`. It is reachable when this returns.
    pub async fn start(config: Config, dir: &Path) -> Result<Self, StartError> {
        if config.liteservers.is_empty() {
            return Err(ConfigError::NoLiteserver.into());
        }
        let codes = Codes::built_in().map_err(|error| StartError::Codes(error.to_string()))?;
        std::fs::create_dir_all(dir)
            .map_err(|reason| StartError::Dir { path: dir.to_owned(), reason })?;
        let path = dir.join("node.redb");
        let store = Store::open(&path)?;

        let udp = listen_udp(config.listen.udp).await?;
        let listener = listen_http(config.listen.http).await?;
        let adnl_address = local(udp.local_addr(), config.listen.udp, "listen.udp")?;
        let http_address = local(listener.local_addr(), config.listen.http, "listen.http")?;
        let invitation = invitation(&config, adnl_address, http_address)?;

        let (inbox, inputs) = mpsc::unbounded_channel();
        let handle = Handle::new(inbox);
        let (to_carrier, orders) = mpsc::unbounded_channel();
        let entropy = random()?;
        let (carrier, door) =
            Carrier::new((&config.keys.adnl, *entropy), udp, handle.clone(), orders);
        let (to_chain, chain_orders) = mpsc::unbounded_channel();
        let (watcher, chain_status) =
            chain::Watcher::new(config.liteservers.clone(), handle.clone(), chain_orders);

        let host = NativeHost {
            store,
            inbox: inputs,
            handle: handle.clone(),
            carrier: to_carrier,
            chain: to_chain,
            replies: Replies::default(),
            log: Log::default(),
        };
        let (stop, ended) = start_node(host, config.core(codes), path).await?;

        let key = invitation.contact.node;
        let (open, closing) = watch::channel(());
        let shared = Arc::new(Shared {
            node: handle.clone(),
            key,
            network: config.network,
            invitation: invitation.to_string(),
            token_hash: sha256(&[config.keys.admin_token.as_bytes()]),
            relay: config.relay,
            devnet: config.devnet,
            liteservers: config.liteservers,
            chain: chain_status,
            door,
            closing,
            sockets: Sockets::new(&config.limits),
            limits: config.limits,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(carrier.run());
        tasks.spawn(watcher.run());
        tasks.spawn(serve(listener, router(shared)));
        let (http, adnl) = (http_address, adnl_address);
        Ok(Self { key, http, adnl, invitation, handle, tasks, stop, ended, _open: open })
    }

    /// A way to command the node from inside this program.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Resolves when the node has ended by itself, which only happens when its store has failed: it cannot go
    /// on then. Start it again from disk.
    pub async fn ended(&mut self) -> Ended {
        (&mut self.ended).await.unwrap_or(Ended::Died)
    }

    /// Ends everything and gives the file and the ports back. What was not durable yet was not said to anybody.
    pub async fn stop(mut self) -> Ended {
        // The thread may have ended before.
        let _ = self.stop.send(());
        let ended = (&mut self.ended).await.unwrap_or(Ended::Died);
        self.tasks.shutdown().await;
        ended
    }
}

/// Runs the node on a thread of its own, where commits may block.
async fn start_node(
    mut host: NativeHost,
    config: node::config::Config,
    path: PathBuf,
) -> Result<(oneshot::Sender<()>, oneshot::Receiver<Ended>), StartError> {
    let records = host.store.records()?;
    let entropy = random()?;
    let (stop, stopped) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let (begin, begun) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(StartError::Thread)?;
    let body = move || {
        let outcome = runtime.block_on(async {
            let (node, step) = match Node::restore(config, *entropy, now(), records) {
                Ok(restored) => restored,
                Err(corrupt) => {
                    let _ = begin.send(Err(corrupt.to_string()));
                    return Ended::Stopped;
                }
            };
            let _ = begin.send(Ok(()));
            tokio::select! {
                error = drive(node, step, &mut host) => Ended::Store(error),
                // Also when the daemon was dropped. A commit is never cut: it does not wait anywhere.
                _ = stopped => Ended::Stopped,
            }
        });
        // The file must be free when others learn that the node has ended.
        drop(host);
        let _ = end.send(outcome);
    };
    thread::Builder::new().name("node".to_owned()).spawn(body).map_err(StartError::Thread)?;
    match begun.await {
        Ok(Ok(())) => Ok((stop, ended)),
        Ok(Err(reason)) => Err(StartError::Corrupt { path, reason }),
        Err(_) => Err(StartError::Corrupt { path, reason: "restoring them failed".to_owned() }),
    }
}

async fn listen_udp(address: SocketAddr) -> Result<UdpSocket, StartError> {
    let failed = |reason| StartError::Listen { address, field: "listen.udp", reason };
    UdpSocket::bind(address).await.map_err(failed)
}

async fn listen_http(address: SocketAddr) -> Result<TcpListener, StartError> {
    let failed = |reason| StartError::Listen { address, field: "listen.http", reason };
    TcpListener::bind(address).await.map_err(failed)
}

fn local(
    bound: std::io::Result<SocketAddr>,
    address: SocketAddr,
    field: &'static str,
) -> Result<SocketAddr, StartError> {
    bound.map_err(|reason| StartError::Listen { address, field, reason })
}

/// What others need to reach this node: the public addresses, or those that it listens on.
fn invitation(
    config: &Config,
    udp: SocketAddr,
    http: SocketAddr,
) -> Result<Invitation, ConfigError> {
    let unspecified = |address: SocketAddr, field| match address.ip().is_unspecified() {
        true => Err(ConfigError::Unspecified { listen: address, field }),
        false => Ok(address),
    };
    let public = &config.public;
    let udp = match &public.udp {
        Some(udp) => udp.clone(),
        None => unspecified(udp, "udp")?.to_string(),
    };
    let ws = match &public.ws {
        Some(ws) => ws.clone(),
        None => format!("ws://{}/adnl", unspecified(http, "ws")?),
    };
    let lite = match &public.lite {
        Some(lite) => lite.trim_end_matches('/').to_owned(),
        None => format!("ws://{}/lite", unspecified(http, "lite")?),
    };
    let lite = config
        .liteservers
        .first()
        .map(|server| LiteProxy { server: server.key, url: format!("{lite}/{}", server.key) });
    let node = SecretKey::from_seed(*config.keys.node).public();
    let adnl = PublicKey(LocalKey::from_seed(&config.keys.adnl).public());
    Ok(Invitation { contact: Contact { node, adnl, udp, ws: Some(ws) }, lite })
}
