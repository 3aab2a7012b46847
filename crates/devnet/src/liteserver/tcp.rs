//! The liteserver's socket: ADNL over TCP, one task per connection.
//!
//! A client that breaks the protocol, is too big, too slow or one too many loses its connection and
//! nothing else.

use std::sync::Arc;
use std::time::Duration;

use adnl::tcp::{Codec, Guest, HANDSHAKE, Message, NONCE, TcpError, accept};
use adnl::tl::{TlError, Writer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{ERROR, Wait, wait_prefix};
use crate::devnet::Host;

/// Connections at one time.
const MAX_CONNECTIONS: usize = 256;
/// Bytes of one frame from a client: an external message and what is around it.
const MAX_QUERY: usize = 1 << 17;
/// Queries of one connection that wait for a block.
const MAX_WAITING: usize = 64;
/// A client may not make us wait for a block longer than this.
const MAX_WAIT: Duration = Duration::from_secs(60);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Without a byte for this long a connection is taken for dead. Clients ping far more often.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("closed by the client")]
    Closed,
    #[error("silent for too long")]
    Silent,
    #[error("the client does not read its answers")]
    NotReading,
    #[error(transparent)]
    Stream(#[from] TcpError),
    #[error("malformed message: {0}")]
    Message(#[from] TlError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

/// Accepts connections for ever.
pub(crate) async fn serve(host: Arc<Host>, listener: TcpListener) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a liteserver connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            tracing::warn!(%peer, "refused: {MAX_CONNECTIONS} liteserver connections are open");
            continue;
        };
        let host = host.clone();
        connections.spawn(async move {
            let Err(ended) = connection(host, stream).await;
            tracing::debug!(%peer, %ended, "liteserver connection ended");
            drop(slot);
        });
    }
}

async fn connection(
    host: Arc<Host>,
    mut stream: TcpStream,
) -> Result<std::convert::Infallible, Ended> {
    stream.set_nodelay(true)?;
    let mut hello = [0; HANDSHAKE];
    timeout(HANDSHAKE_TIMEOUT, stream.read_exact(&mut hello))
        .await
        .map_err(|_| Ended::Silent)??;
    let codec = accept(&host.key, &hello)?.with_payload_max(MAX_QUERY);
    let (mut reader, writer) = stream.into_split();
    let (answers, mut answered) = mpsc::channel(MAX_WAITING);
    let guest = Guest::default();
    let mut connection =
        Connection { host, codec, guest, writer, answers, waiting: JoinSet::new() };
    connection.write(&[]).await?;

    let mut buffer = vec![0; 16 * 1024];
    loop {
        tokio::select! {
            read = timeout(IDLE_TIMEOUT, reader.read(&mut buffer)) => {
                let count = read.map_err(|_| Ended::Silent)??;
                if count == 0 {
                    return Err(Ended::Closed);
                }
                for payload in connection.codec.feed(&buffer[..count])? {
                    connection.take(&payload).await?;
                }
            }
            Some(answer) = answered.recv() => connection.write(&answer).await?,
        }
    }
}

struct Connection {
    host: Arc<Host>,
    codec: Codec,
    /// Nothing here depends on who a client is, but some wait until they may say it.
    guest: Guest,
    writer: OwnedWriteHalf,
    /// Where queries that waited for a block put their answers.
    answers: mpsc::Sender<Vec<u8>>,
    waiting: JoinSet<()>,
}

impl Connection {
    async fn take(&mut self, payload: &[u8]) -> Result<(), Ended> {
        if payload.is_empty() {
            return Ok(());
        }
        match Message::parse(payload) {
            Ok(Message::Query { id, bytes }) => self.query(id, bytes).await,
            Ok(Message::Ping(id)) => self.write(&Message::Pong(id).to_bytes()).await,
            Ok(Message::Authenticate { nonce }) => {
                let mut fresh = [0; NONCE];
                getrandom::fill(&mut fresh)?;
                let nonce = self.guest.ask(&nonce, fresh)?;
                self.write(&nonce.to_bytes()).await
            }
            Ok(Message::Authenticated { key, signature }) => {
                Ok(self.guest.prove(key, &signature)?)
            }
            Ok(Message::Answer { .. } | Message::Pong(_) | Message::Nonce(_)) => Ok(()),
            Err(TlError::Constructor(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn query(&mut self, id: [u8; 32], query: Vec<u8>) -> Result<(), Ended> {
        while self.waiting.try_join_next().is_some() {}
        let wait = match wait_prefix(&query) {
            Some(wait) if wait.seqno > self.host.seqno() => wait,
            _ => return self.write(&answer(id, self.host.answer(&query))).await,
        };
        if self.waiting.len() >= MAX_WAITING {
            let text = format!("{MAX_WAITING} queries of this connection wait already");
            let error = Writer::boxed(ERROR).int(652).bytes(text.as_bytes()).finish();
            return self.write(&answer(id, error)).await;
        }
        let (host, answers) = (self.host.clone(), self.answers.clone());
        self.waiting.spawn(async move {
            let Wait { seqno, timeout_ms } = wait;
            let longest = Duration::from_millis(timeout_ms.into()).min(MAX_WAIT);
            // Reached or not: the chain answers, or says that it is a timeout.
            let _ = timeout(longest, host.reached(seqno)).await;
            let _ = answers.send(answer(id, host.answer(&query))).await;
        });
        Ok(())
    }

    async fn write(&mut self, payload: &[u8]) -> Result<(), Ended> {
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce)?;
        let frame = self.codec.seal(payload, nonce);
        timeout(WRITE_TIMEOUT, self.writer.write_all(&frame))
            .await
            .map_err(|_| Ended::NotReading)??;
        Ok(())
    }
}

fn answer(id: [u8; 32], bytes: Vec<u8>) -> Vec<u8> {
    Message::Answer { id, bytes }.to_bytes()
}
