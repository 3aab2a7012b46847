//! The chain with a life of its own: a clock that runs (and can be warped), a block at once when a
//! message waits and every few seconds otherwise, a liteserver on a socket, and a log line for
//! every transaction.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use adnl::key::LocalKey;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tycho_types::prelude::*;

use crate::chain::Chain;
use crate::error::{Error, Result};
use crate::genesis::Genesis;
use crate::getter::{GetMethod, StackItem};
use crate::liteserver::tcp;
use crate::view::{AccountView, Round, Short, Ton, TransactionView};
use crate::wallet::derive;

/// The shortest pause between two blocks without messages.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// The last time that all clients can read.
const LAST_SECOND: u32 = i32::MAX.cast_unsigned();

/// How a devnet is set up.
#[derive(Debug, Clone)]
pub struct DevnetConfig {
    /// The first state. Its `now` is when the clock starts; see [`DevnetConfig::new`].
    pub genesis: Genesis,
    /// Where the liteserver listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Pause between two blocks while no message waits.
    pub block_interval: Duration,
}

impl DevnetConfig {
    /// A devnet on a free port of this machine, with a block at least every two seconds and a
    /// clock that starts with the system's.
    pub fn new(seed: [u8; 32], wallet_code: Cell) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = u32::try_from(now).unwrap_or(u32::MAX);
        Self {
            genesis: Genesis::new(seed, now, wallet_code),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            block_interval: Duration::from_secs(2),
        }
    }
}

/// A running devnet. Dropping it stops it.
pub struct Devnet {
    host: Arc<Host>,
    address: SocketAddr,
    tasks: JoinSet<()>,
}

impl Devnet {
    /// Makes the genesis and the first two blocks, binds the socket and starts the clock.
    ///
    /// Two, because scanners ask for the block before the newest, and seqno 0 is a state and no block.
    pub async fn start(config: DevnetConfig) -> Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let key = LocalKey::from_seed(&derive(&config.genesis.seed, "liteserver"));
        let started = config.genesis.now;
        let chain = Chain::genesis(config.genesis)?;
        tracing::info!(
            liteserver = %address,
            key = %BASE64_STANDARD.encode(key.public()),
            faucet = %hex::encode(chain.faucet()),
            "devnet started"
        );
        let host = Arc::new(Host {
            inner: Mutex::new(Inner { chain, payers: Vec::new() }),
            key,
            started: (Instant::now(), started),
            warped: AtomicU32::new(0),
            wake: Notify::new(),
            seqno: watch::Sender::new(0),
        });
        host.round()?;
        host.round()?;

        let mut tasks = JoinSet::new();
        tasks.spawn(tcp::serve(host.clone(), listener));
        let interval = config.block_interval.max(MIN_INTERVAL);
        tasks.spawn(produce(host.clone(), interval));
        Ok(Self { host, address, tasks })
    }

    /// Where the liteserver listens, and its Ed25519 public key.
    pub fn liteserver(&self) -> (SocketAddr, [u8; 32]) {
        (self.address, self.host.key.public())
    }

    /// Pays `nano` nanoton out of the faucet and waits for the block with the payment in it.
    ///
    /// Returns the hash of the receiver's transaction. The transfer does not bounce, so it also
    /// arrives where no contract is yet.
    pub async fn faucet(&self, to: [u8; 32], nano: u128) -> Result<[u8; 32]> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut inner = self.host.lock();
            inner.chain.pay(to, nano);
            inner.payers.push(Payer { to, nano, paid: sender });
        }
        self.host.wake.notify_one();
        receiver.await.map_err(|_| Error::Stopped)?
    }

    /// Takes an external message (a BoC); a block with it follows at once.
    pub fn send(&self, boc: &[u8]) -> Result<()> {
        self.host.at_present().chain.send(boc)?;
        self.host.wake.notify_one();
        Ok(())
    }

    /// Moves the clock forward and makes a block at the new time.
    ///
    /// The clock ends in January 2038: TON's clients read its seconds as a signed number.
    pub fn warp(&self, seconds: u32) -> Result<()> {
        self.host.warp(seconds)?;
        self.host.round()
    }

    /// The devnet's clock, in unix seconds.
    pub fn now(&self) -> u32 {
        self.host.now()
    }

    /// Seqno of the last round.
    pub fn seqno(&self) -> u32 {
        self.host.seqno()
    }

    /// Waits for a round.
    pub async fn reached(&self, seqno: u32) {
        self.host.reached(seqno).await;
    }

    /// An account as of the last round; `None` if it does not exist.
    pub fn account(&self, address: &[u8; 32]) -> Option<AccountView> {
        self.host.lock().chain.account(address)
    }

    /// The last transactions of an account, the newest first, at most `limit`.
    pub fn history(&self, address: &[u8; 32], limit: usize) -> Result<Vec<TransactionView>> {
        self.host.lock().chain.history(address, limit)
    }

    /// Runs a get method on the account as of the last round, at the present time.
    pub fn get_method(
        &self,
        address: &[u8; 32],
        name: &str,
        arguments: Vec<StackItem>,
    ) -> Result<GetMethod> {
        self.host.at_present().chain.get_method(address, name, arguments)
    }

    /// The `global.config.json` with which TON clients find this network.
    ///
    /// The format has room for IPv4 addresses only; for another address it says 127.0.0.1.
    pub fn global_config(&self) -> String {
        let ip = match self.address {
            SocketAddr::V4(address) if !address.ip().is_unspecified() => *address.ip(),
            _ => std::net::Ipv4Addr::LOCALHOST,
        };
        let inner = self.host.lock();
        let block = |seqno: usize| {
            let id = inner.chain.master[seqno].id;
            let root = BASE64_STANDARD.encode(id.root_hash.0);
            let file = BASE64_STANDARD.encode(id.file_hash.0);
            format!(
                r#"{{"workchain":-1,"shard":{},"seqno":{seqno},"root_hash":"{root}","file_hash":"{file}"}}"#,
                i64::MIN
            )
        };
        format!(
            concat!(
                r#"{{"@type":"config.global","liteservers":[{{"ip":{},"port":{},"#,
                r#""id":{{"@type":"pub.ed25519","key":"{}"}}}}],"#,
                r#""validator":{{"@type":"validator.config.global","zero_state":{},"init_block":{}}}}}"#
            ),
            ip.to_bits().cast_signed(),
            self.address.port(),
            BASE64_STANDARD.encode(self.host.key.public()),
            block(0),
            block(1),
        )
    }

    /// Stops block production and closes all connections.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// What the tasks of a devnet share.
pub(crate) struct Host {
    inner: Mutex<Inner>,
    pub(crate) key: LocalKey,
    /// When the clock started, and at what time.
    started: (Instant, u32),
    /// Seconds by which it was moved since.
    warped: AtomicU32,
    wake: Notify,
    seqno: watch::Sender<u32>,
}

struct Inner {
    chain: Chain,
    payers: Vec<Payer>,
}

/// Somebody waits for a payment of the faucet.
struct Payer {
    to: [u8; 32],
    nano: u128,
    paid: oneshot::Sender<Result<[u8; 32]>>,
}

impl Host {
    /// A panic elsewhere leaves the chain whole: it changes only by appending finished rounds.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u32 {
        let (instant, time) = self.started;
        let passed = u32::try_from(instant.elapsed().as_secs()).unwrap_or(u32::MAX);
        time.saturating_add(passed).saturating_add(self.warped.load(Ordering::SeqCst))
    }

    fn warp(&self, seconds: u32) -> Result<()> {
        // The lock, so that of two warps the second sees the first.
        let _chain = self.lock();
        let at = self.now();
        match at.checked_add(seconds) {
            Some(then) if then <= LAST_SECOND => {
                self.warped.fetch_add(seconds, Ordering::SeqCst);
                Ok(())
            }
            _ => Err(Error::WarpTooFar { seconds, at }),
        }
    }

    /// The chain, told the present time.
    fn at_present(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.lock();
        let now = self.now().max(inner.chain.now());
        if let Err(error) = inner.chain.advance(now) {
            tracing::error!(%error, "cannot set the clock");
        }
        inner
    }

    pub(crate) fn seqno(&self) -> u32 {
        *self.seqno.borrow()
    }

    pub(crate) async fn reached(&self, seqno: u32) {
        // The sender lives as long as `self`, so this ends by reaching the seqno only.
        let _ = self.seqno.subscribe().wait_for(|reached| *reached >= seqno).await;
    }

    pub(crate) fn answer(&self, query: &[u8]) -> Vec<u8> {
        let mut inner = self.at_present();
        let answer = inner.chain.answer(query);
        if inner.chain.waiting() > 0 {
            self.wake.notify_one();
        }
        answer
    }

    /// Makes one round, logs it and tells those who wait for it.
    fn round(&self) -> Result<()> {
        let mut inner = self.lock();
        let now = self.now().max(inner.chain.now());
        let payers = std::mem::take(&mut inner.payers);
        let round = inner.chain.produce(now)?;
        log(&round);
        settle(payers, &round, inner.chain.faucet());
        // Under the lock, so that seqnos are told in order.
        self.seqno.send_replace(round.seqno);
        Ok(())
    }
}

async fn produce(host: Arc<Host>, interval: Duration) {
    loop {
        let _ = tokio::time::timeout(interval, host.wake.notified()).await;
        if let Err(error) = host.round() {
            tracing::error!(%error, "no block was made, and the waiting messages are lost");
        }
    }
}

fn log(round: &Round) {
    for transaction in &round.transactions {
        tracing::info!(seqno = round.seqno, "{transaction}");
    }
    for refusal in &round.refused {
        tracing::warn!(seqno = round.seqno, "{refusal}");
    }
    if round.transactions.is_empty() {
        tracing::trace!(seqno = round.seqno, "empty round");
    }
}

/// Tells every payer of the faucet in which transaction the money arrived.
fn settle(payers: Vec<Payer>, round: &Round, faucet: [u8; 32]) {
    let mut told = HashSet::new();
    for Payer { to, nano, paid } in payers {
        let arrived = round.transactions.iter().find(|transaction| {
            transaction.account == to
                && transaction.message.source == Some(faucet)
                && transaction.message.value == nano
                && !told.contains(&transaction.hash)
        });
        let result = match arrived {
            Some(transaction) => {
                told.insert(transaction.hash);
                Ok(transaction.hash)
            }
            None => Err(Error::Faucet { to, nano }),
        };
        if paid.send(result).is_err() {
            tracing::debug!("{} TON for {} paid, nobody waits", Ton(nano), Short(&to));
        }
    }
}
