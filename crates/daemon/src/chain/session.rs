//! One connection with one liteserver: asks for each new block, and in it for every watched account.

use std::{collections::HashMap, io, time::Duration};

use channel::{amount::Nano, contract::Address};
use lite::{
    AccountStatus, Answer, BlockId, Event, LiteClient, ProofError, Query, QueryId, verify_account,
};
use node::io::{AccountView, ChainView, Input};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use super::{Known, Order, Told};
use crate::config::{ConfigError, Liteserver, random};

/// An open connection and what is asked on it.
pub(super) struct Session {
    stream: TcpStream,
    client: LiteClient,
    /// What each open query is about, and when its answer is too late.
    asked: HashMap<QueryId, (About, Instant)>,
    /// The latest masterchain block.
    block: Option<BlockId>,
    /// When to ask for the next block if nothing is asked already.
    ask_at: Instant,
}

enum About {
    Block,
    Account(BlockId, Address),
    Message,
}

/// Why a connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("it does not answer")]
    Silent,
    #[error("the connection broke: {0}")]
    Stream(#[from] io::Error),
    #[error("it hung up; perhaps its key is not the one in the config")]
    Closed,
    #[error("it does not keep to the protocol: {0}")]
    Protocol(String),
    #[error("its answer proves nothing: {0}")]
    Proof(ProofError),
    #[error(transparent)]
    Entropy(#[from] ConfigError),
}

impl Session {
    /// Connects, and waits until the server has shown that it has its key.
    pub(super) async fn open(server: &Liteserver) -> Result<Self, SessionError> {
        let connecting = timeout(ANSWER_MAX, TcpStream::connect(&server.address)).await;
        let stream =
            connecting.map_err(|_| SessionError::Silent)?.map_err(SessionError::Connect)?;
        // Queries are small and waited for.
        let _ = stream.set_nodelay(true);
        let (client, hello) = LiteClient::connect(&server.key.0, *random()?)
            .map_err(|error| SessionError::Protocol(error.to_string()))?;
        let mut session =
            Self { stream, client, asked: HashMap::new(), block: None, ask_at: Instant::now() };
        session.write(&hello).await?;
        match timeout(ANSWER_MAX, session.read()).await {
            Ok(Ok(events)) if events.contains(&Event::Ready) => Ok(session),
            Ok(Ok(_)) | Err(_) => Err(SessionError::Silent),
            Ok(Err(error)) => Err(error),
        }
    }

    /// Follows the chain until something fails.
    pub(super) async fn follow(
        mut self,
        orders: &mut mpsc::UnboundedReceiver<Order>,
        known: &mut Known,
    ) -> SessionError {
        // Another server may have lied about accounts: everything is told again.
        known.watched.values_mut().for_each(|told| *told = None);
        loop {
            if let Err(error) = self.round(orders, known).await {
                return error;
            }
        }
    }

    async fn round(
        &mut self,
        orders: &mut mpsc::UnboundedReceiver<Order>,
        known: &mut Known,
    ) -> Result<(), SessionError> {
        while let Some(message) = known.outbox.pop_front() {
            self.ask(Query::SendMessage(message), About::Message).await?;
        }
        let follows = self.asked.values().any(|(about, _)| !matches!(about, About::Message));
        let too_late = self.asked.values().map(|(_, at)| *at).min();
        let ask_at = (!follows).then_some(self.ask_at);
        let due = too_late.into_iter().chain(ask_at).min();
        let due = due.unwrap_or_else(|| Instant::now() + ANSWER_MAX);
        tokio::select! {
            events = Self::read_from(&mut self.stream, &mut self.client) => {
                for event in events? {
                    if let Event::Answer { id, answer } = event {
                        let answer = answer.map_err(|error| SessionError::Protocol(error.to_string()))?;
                        self.answered(id, answer, known).await?;
                    }
                }
            }
            Some(order) = orders.recv() => {
                if let (Order::Watch(address), Some(block)) = (&order, self.block) {
                    self.ask_account(block, *address).await?;
                }
                known.note(order);
            }
            () = sleep_until(due) => {
                if too_late.is_some_and(|at| at <= Instant::now()) {
                    return Err(SessionError::Silent);
                }
                if !follows {
                    self.ask_block().await?;
                }
            }
        }
        Ok(())
    }

    /// Asks for the block after the one that is known; the server answers when there is one.
    async fn ask_block(&mut self) -> Result<(), SessionError> {
        let (id, bytes) = match self.block {
            None => self.client.query(Query::MasterchainInfo),
            Some(block) => {
                let next = block.seqno.saturating_add(1);
                self.client.query_at(Query::MasterchainInfo, next, WAIT_MS)
            }
        };
        self.sent(id, About::Block, &bytes).await
    }

    async fn ask_account(&mut self, block: BlockId, address: Address) -> Result<(), SessionError> {
        self.ask(Query::AccountState { block, address }, About::Account(block, address)).await
    }

    async fn ask(&mut self, query: Query, about: About) -> Result<(), SessionError> {
        let (id, bytes) = self.client.query(query);
        self.sent(id, about, &bytes).await
    }

    async fn sent(&mut self, id: QueryId, about: About, bytes: &[u8]) -> Result<(), SessionError> {
        self.asked.insert(id, (about, Instant::now() + ANSWER_MAX));
        self.write(bytes).await
    }

    async fn answered(
        &mut self,
        id: QueryId,
        answer: Answer,
        known: &mut Known,
    ) -> Result<(), SessionError> {
        let Some((about, _)) = self.asked.remove(&id) else { return Ok(()) };
        match (about, answer) {
            (About::Block, Answer::MasterchainInfo { last, .. }) => {
                self.ask_at = Instant::now();
                if self.block.is_none_or(|block| block.seqno < last.seqno) {
                    self.block = Some(last);
                    known.status.send_modify(|status| {
                        if !std::mem::replace(&mut status.online, true) {
                            tracing::info!(block = last.seqno, "the chain is in sight");
                        }
                        status.block = last.seqno;
                    });
                    for address in known.watched.keys() {
                        self.ask_account(last, *address).await?;
                    }
                } else {
                    // A server that does not wait for the next block is asked again a little later.
                    self.ask_at += PAUSE;
                }
            }
            // There was no new block in the time that we gave it.
            (About::Block, Answer::Error { .. }) => self.ask_at = Instant::now() + PAUSE,
            (About::Account(block, address), Answer::AccountState(state)) => {
                let view = verify_account(&block, &state, &address).map_err(SessionError::Proof)?;
                tell(known, address, view);
            }
            (About::Account(..), Answer::Error { code, message }) => {
                tracing::warn!(code, message, "the liteserver has no answer about an account");
                // Servers forget old blocks; the next one brings the account again.
                self.ask_at = Instant::now() + PAUSE;
            }
            (About::Message, Answer::Sent { .. }) => {
                tracing::debug!("a message is on its way to the chain")
            }
            (About::Message, Answer::Error { code, message }) => {
                tracing::warn!(code, message, "the liteserver does not take a message");
            }
            // The client only lets answers through that fit their query.
            (About::Block | About::Account(..) | About::Message, _) => {}
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<Vec<Event>, SessionError> {
        Self::read_from(&mut self.stream, &mut self.client).await
    }

    /// Can be given up at any time: bytes that were read are in the client.
    async fn read_from(
        stream: &mut TcpStream,
        client: &mut LiteClient,
    ) -> Result<Vec<Event>, SessionError> {
        let mut buffer = [0; CHUNK];
        let length = stream.read(&mut buffer).await?;
        let bytes = buffer.get(..length).filter(|bytes| !bytes.is_empty());
        let bytes = bytes.ok_or(SessionError::Closed)?;
        client.feed(bytes).map_err(|error| SessionError::Protocol(error.to_string()))
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        let written = timeout(ANSWER_MAX, self.stream.write_all(bytes)).await;
        Ok(written.map_err(|_| SessionError::Silent)??)
    }
}

/// Tells the node of an account if it has changed since the last time, and now and then that it has not.
fn tell(known: &mut Known, address: Address, view: lite::account::AccountView) {
    let Some(told) = known.watched.get_mut(&address) else { return };
    known.status.send_modify(|status| status.time = status.time.max(view.gen_utime));
    let (block, time) = (view.block_seqno, view.gen_utime);
    let last = (view.lt, view.last_trans_hash);
    match told {
        Some(before) if before.last.0 > view.lt => return,
        Some(before) if before.last == last => {
            if time >= before.time.saturating_add(UNCHANGED_SECS) {
                before.time = time;
                known.node.input(Input::Unchanged { address, block, time });
            }
            return;
        }
        Some(_) | None => *told = Some(Told { last, time }),
    }
    let balance = Nano(view.balance);
    let account = match view.state {
        AccountStatus::Active { code_hash, data, .. } => {
            AccountView::Active { balance, code_hash, data }
        }
        AccountStatus::Absent | AccountStatus::Uninit | AccountStatus::Frozen => {
            AccountView::Inactive { balance }
        }
    };
    known.node.input(Input::Chain(ChainView { address, block, time, account }));
}

/// How long the server waits for the next block before it answers that there is none.
const WAIT_MS: u32 = 8_000;

/// No answer takes longer, that of a waiting server included.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// Chain time after which the node hears again that an account has not changed.
const UNCHANGED_SECS: u32 = 20;

/// Between questions that the server does not wait with.
const PAUSE: Duration = Duration::from_millis(300);

const CHUNK: usize = 16 << 10;
