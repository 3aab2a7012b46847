//! Following accounts on chain over one connection to a liteserver.
//!
//! It asks for the newest block, then for every watched account in that block, checks the proofs, and tells what has
//! changed; then it waits for the next block. All of it is computation: bytes and the time come in, bytes and news
//! go out. When the server lies, breaks the protocol or falls silent, the connection is given up.

use std::collections::{BTreeMap, VecDeque};

use channel::{amount::Nano, contract::Address};
use lite::{
    AccountStatus, Answer, BlockId, LiteClient, ProofError, Query, QueryId, verify_account,
};
use node::io::{AccountView, ChainView};

pub struct Follower {
    client: LiteClient,
    /// The newest block that the server has named.
    block: Option<BlockId>,
    watched: BTreeMap<Address, Option<Told>>,
    asked: BTreeMap<QueryId, Asked>,
    /// When to ask for the newest block if nothing that waits for it is open.
    poll_at: u64,
    outputs: VecDeque<News>,
}

/// What comes out.
#[derive(Debug)]
pub enum News {
    /// Bytes for the server.
    Send(Vec<u8>),
    /// A watched account as it is now; the first time, and whenever it has changed.
    Account(ChainView),
    /// At this block and chain time a watched account is as it was told last; said now and then.
    Unchanged { address: Address, block: u32, time: u32 },
    /// The chain has a new block.
    Block(u32),
    /// The server did not take a message. It is offered again by whoever wanted it sent.
    Refused(String),
}

/// Why the connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("the liteserver breaks the protocol: {0}")]
    Stream(#[from] adnl::tcp::TcpError),
    #[error("the liteserver gives an answer that cannot be read: {0}")]
    Answer(#[from] adnl::tl::TlError),
    #[error("the liteserver's proof of an account is wrong: {0}")]
    Proof(#[from] ProofError),
    #[error("the liteserver does not answer")]
    Silent,
}

/// Enough of a view to see that another one is the same.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    lt: u64,
    hash: [u8; 32],
    balance: u128,
    active: bool,
}

struct Told {
    seen: Seen,
    /// Chain time of the block.
    time: u32,
}

struct Asked {
    what: What,
    give_up_at: u64,
}

enum What {
    Newest,
    Account(BlockId, Address),
    Message,
}

impl Follower {
    /// Starts a connection to the server with this key. `watched` is what earlier connections had been told to watch.
    pub fn connect(
        now_ms: u64,
        server: &[u8; 32],
        entropy: [u8; 32],
        watched: impl IntoIterator<Item = Address>,
    ) -> Result<Self, Fault> {
        let (client, hello) = LiteClient::connect(server, entropy)?;
        let mut follower = Self {
            client,
            block: None,
            watched: watched.into_iter().map(|address| (address, None)).collect(),
            asked: BTreeMap::new(),
            poll_at: now_ms,
            outputs: VecDeque::from([News::Send(hello)]),
        };
        follower.poll_chain(now_ms);
        Ok(follower)
    }

    pub fn watch(&mut self, now_ms: u64, address: Address) {
        if self.watched.insert(address, None).is_none()
            && let Some(block) = self.block
        {
            self.look(now_ms, block, address);
        }
    }

    /// Nothing more is asked or told about this account.
    pub fn unwatch(&mut self, address: &Address) {
        self.watched.remove(address);
    }

    pub fn submit(&mut self, now_ms: u64, message: Vec<u8>) {
        let (id, bytes) = self.client.query(Query::SendMessage(message));
        self.ask(id, What::Message, now_ms + ANSWER_MS, bytes);
    }

    /// Bytes of the stream have arrived.
    pub fn feed(&mut self, now_ms: u64, bytes: &[u8]) -> Result<(), Fault> {
        for event in self.client.feed(bytes)? {
            if let lite::Event::Answer { id, answer } = event
                && let Some(asked) = self.asked.remove(&id)
            {
                self.answered(now_ms, asked.what, answer?)?;
            }
        }
        Ok(())
    }

    /// Does what is due.
    pub fn tick(&mut self, now_ms: u64) -> Result<(), Fault> {
        if self.asked.values().any(|asked| asked.give_up_at <= now_ms) {
            return Err(Fault::Silent);
        }
        if self.poll_at <= now_ms {
            self.poll_chain(now_ms);
        }
        Ok(())
    }

    /// When to call [`Follower::tick`] next.
    pub fn wake(&self) -> u64 {
        let deadlines = self.asked.values().map(|asked| asked.give_up_at);
        deadlines.chain([self.poll_at]).min().unwrap_or(u64::MAX)
    }

    /// The next of what has come out.
    pub fn poll(&mut self) -> Option<News> {
        self.outputs.pop_front()
    }

    fn answered(&mut self, now_ms: u64, what: What, answer: Answer) -> Result<(), Fault> {
        match (what, answer) {
            (What::Newest, Answer::MasterchainInfo { last, .. }) => {
                self.block_named(now_ms, last);
                self.poll_at = now_ms;
                self.poll_chain(now_ms);
            }
            (What::Account(block, address), Answer::AccountState(state)) => {
                let view = verify_account(&block, &state, &address)?;
                self.account_seen(address, view);
            }
            (What::Message, Answer::Error { message, .. }) => {
                self.outputs.push_back(News::Refused(message));
            }
            // The wait for a block was in vain, or the server has forgotten it: the next look will tell.
            (What::Newest | What::Account(..), Answer::Error { .. }) => {
                self.poll_at = now_ms + POLL_MS;
            }
            // The client has seen to it that answers fit their queries.
            _ => {}
        }
        Ok(())
    }

    fn block_named(&mut self, now_ms: u64, last: BlockId) {
        if self.block.is_some_and(|known| last.seqno <= known.seqno) {
            return;
        }
        self.block = Some(last);
        self.outputs.push_back(News::Block(last.seqno));
        let addresses: Vec<_> = self.watched.keys().copied().collect();
        for address in addresses {
            self.look(now_ms, last, address);
        }
    }

    fn account_seen(&mut self, address: Address, view: lite::AccountView) {
        let (block, time) = (view.block_seqno, view.gen_utime);
        let Some(before) = self.watched.get_mut(&address) else { return };
        let balance = Nano(view.balance);
        let active = matches!(view.state, AccountStatus::Active { .. });
        let seen = Seen { lt: view.lt, hash: view.last_trans_hash, balance: view.balance, active };
        match before {
            // Answers to two looks may overtake each other; an account's logical time never goes back.
            Some(told) if told.seen.lt > seen.lt => return,
            Some(told) if told.seen == seen => {
                if time >= told.time.saturating_add(UNCHANGED_SECS) {
                    told.time = time;
                    self.outputs.push_back(News::Unchanged { address, block, time });
                }
                return;
            }
            Some(_) | None => *before = Some(Told { seen, time }),
        }
        let account = match view.state {
            AccountStatus::Active { code_hash, data, .. } => {
                AccountView::Active { balance, code_hash, data }
            }
            AccountStatus::Absent | AccountStatus::Uninit | AccountStatus::Frozen => {
                AccountView::Inactive { balance }
            }
        };
        self.outputs.push_back(News::Account(ChainView { address, block, time, account }));
    }

    /// Asks for the newest block, or to be told of the one after the newest that is known.
    fn poll_chain(&mut self, now_ms: u64) {
        self.poll_at = u64::MAX;
        if self.asked.values().any(|asked| matches!(asked.what, What::Newest)) {
            return;
        }
        let (id, bytes) = match self.block {
            None => self.client.query(Query::MasterchainInfo),
            Some(block) => {
                let next = block.seqno.saturating_add(1);
                self.client.query_at(Query::MasterchainInfo, next, WAIT_MS)
            }
        };
        self.ask(id, What::Newest, now_ms + u64::from(WAIT_MS) + ANSWER_MS, bytes);
    }

    fn look(&mut self, now_ms: u64, block: BlockId, address: Address) {
        let (id, bytes) = self.client.query(Query::AccountState { block, address });
        self.ask(id, What::Account(block, address), now_ms + ANSWER_MS, bytes);
    }

    fn ask(&mut self, id: QueryId, what: What, give_up_at: u64, bytes: Vec<u8>) {
        self.asked.insert(id, Asked { what, give_up_at });
        self.outputs.push_back(News::Send(bytes));
    }
}

/// Until a server that says nothing is given up.
const ANSWER_MS: u64 = 10_000;
/// How long the server may hold a question for the next block.
const WAIT_MS: u32 = 10_000;
/// Chain time after which it is said again that an account has not changed.
const UNCHANGED_SECS: u32 = 20;
/// Pause before asking again after an error.
const POLL_MS: u64 = 1_000;

#[cfg(test)]
mod tests {
    use adnl::{
        key::LocalKey,
        tcp::{Codec, HANDSHAKE, Message, accept},
        tl::Writer,
    };

    use super::*;

    const ADDRESS: Address = [5; 32];

    /// A follower and a server that answers what the test says.
    struct Line {
        now: u64,
        follower: Follower,
        server: Codec,
        /// Query ids and bytes that the server has heard and not answered.
        heard: VecDeque<([u8; 32], Vec<u8>)>,
        news: Vec<News>,
    }

    impl Line {
        fn new() -> Self {
            let key = LocalKey::from_seed(&[1; 32]);
            let mut follower = Follower::connect(1_000, &key.public(), [2; 32], [ADDRESS]).unwrap();
            let Some(News::Send(hello)) = follower.poll() else { panic!("no handshake") };
            let hello: [u8; HANDSHAKE] = hello.try_into().unwrap();
            let mut server = accept(&key, &hello).unwrap();
            let ready = server.seal(b"", [0; 32]);
            follower.feed(1_000, &ready).unwrap();
            let mut line =
                Self { now: 1_000, follower, server, heard: VecDeque::new(), news: Vec::new() };
            line.settle();
            line
        }

        fn settle(&mut self) {
            while let Some(news) = self.follower.poll() {
                let News::Send(bytes) = news else {
                    self.news.push(news);
                    continue;
                };
                for payload in self.server.feed(&bytes).unwrap() {
                    if let Ok(Message::Query { id, bytes }) = Message::parse(&payload) {
                        self.heard.push_back((id, bytes));
                    }
                }
            }
        }

        fn answer(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
            let (id, _) = self.heard.pop_front().expect("nothing was asked");
            let frame = self.server.seal(&Message::Answer { id, bytes }.to_bytes(), [0; 32]);
            let result = self.follower.feed(self.now, &frame);
            self.settle();
            result
        }

        fn tick(&mut self, ms: u64) -> Result<(), Fault> {
            self.now += ms;
            let result = self.follower.tick(self.now);
            self.settle();
            result
        }
    }

    fn block(seqno: u32) -> BlockId {
        BlockId { workchain: -1, shard: 1 << 63, seqno, root_hash: [1; 32], file_hash: [2; 32] }
    }

    fn block_id(writer: Writer, id: &BlockId) -> Writer {
        writer
            .raw(&id.workchain.to_le_bytes())
            .long(id.shard)
            .int(id.seqno)
            .int256(&id.root_hash)
            .int256(&id.file_hash)
    }

    fn newest(seqno: u32) -> Vec<u8> {
        let writer = block_id(Writer::boxed(0x8583_2881), &block(seqno));
        writer.int256(&[0; 32]).int(u32::MAX).int256(&[0; 32]).int256(&[0; 32]).finish()
    }

    fn error(text: &str) -> Vec<u8> {
        Writer::boxed(0xbba9_e148).int(652).bytes(text.as_bytes()).finish()
    }

    fn forged_account() -> Vec<u8> {
        let writer = block_id(Writer::boxed(0x7079_c751), &block(7));
        block_id(writer, &block(7)).bytes(b"").bytes(b"").bytes(b"").finish()
    }

    #[test]
    fn a_new_block_leads_to_a_look_at_every_watched_account_and_a_wait_for_the_next() {
        let mut line = Line::new();
        assert_eq!(line.heard[0].1, Query::MasterchainInfo.to_bytes());
        line.answer(newest(7)).unwrap();
        let look = Query::AccountState { block: block(7), address: ADDRESS }.to_bytes();
        let wait = Query::MasterchainInfo.to_bytes_at(8, WAIT_MS);
        let heard: Vec<_> = line.heard.iter().map(|(_, bytes)| bytes.clone()).collect();
        assert_eq!(heard, [look, wait]);
        assert!(matches!(line.news[..], [News::Block(7)]));
    }

    #[test]
    fn an_account_that_is_watched_later_is_looked_at_at_once() {
        let mut line = Line::new();
        line.answer(newest(7)).unwrap();
        line.heard.clear();
        line.follower.watch(line.now, [6; 32]);
        line.settle();
        let look = Query::AccountState { block: block(7), address: [6; 32] }.to_bytes();
        assert_eq!(line.heard[0].1, look);
        line.follower.watch(line.now, [6; 32]);
        line.settle();
        assert_eq!(line.heard.len(), 1, "asked twice");
    }

    #[test]
    fn an_account_of_no_interest_any_more_is_not_looked_at() {
        let mut line = Line::new();
        line.answer(newest(7)).unwrap();
        line.heard.pop_front();
        line.follower.unwatch(&ADDRESS);
        line.answer(newest(8)).unwrap();
        let heard: Vec<_> = line.heard.iter().map(|(_, bytes)| bytes.clone()).collect();
        assert_eq!(heard, [Query::MasterchainInfo.to_bytes_at(9, WAIT_MS)]);
    }

    #[test]
    fn a_block_that_is_not_newer_is_no_news() {
        let mut line = Line::new();
        line.answer(newest(7)).unwrap();
        line.heard.pop_front();
        for seqno in [7, 3] {
            line.answer(newest(seqno)).unwrap();
        }
        assert_eq!(line.news.len(), 1);
    }

    #[test]
    fn a_false_proof_ends_the_connection() {
        let mut line = Line::new();
        line.answer(newest(7)).unwrap();
        assert!(matches!(line.answer(forged_account()), Err(Fault::Proof(_))));
        assert!(!line.news.iter().any(|news| matches!(news, News::Account(_))));
    }

    #[test]
    fn an_answer_of_another_kind_or_of_garbage_ends_the_connection() {
        assert!(matches!(Line::new().answer(forged_account()), Err(Fault::Answer(_))));
        assert!(matches!(Line::new().answer(vec![1, 2, 3]), Err(Fault::Answer(_))));
        let mut line = Line::new();
        assert!(matches!(line.follower.feed(0, &[0xff; 100]), Err(Fault::Stream(_))));
    }

    #[test]
    fn a_wait_in_vain_is_repeated_after_a_second() {
        let mut line = Line::new();
        line.answer(newest(7)).unwrap();
        line.heard.pop_front();
        line.answer(error("timeout")).unwrap();
        assert!(line.heard.is_empty());
        line.tick(POLL_MS).unwrap();
        assert_eq!(line.heard[0].1, Query::MasterchainInfo.to_bytes_at(8, WAIT_MS));
    }

    #[test]
    fn a_server_that_falls_silent_is_given_up() {
        let mut line = Line::new();
        let wake = line.follower.wake();
        assert!(line.tick(wake - line.now - 1).is_ok());
        assert!(matches!(line.tick(1), Err(Fault::Silent)));
    }

    #[test]
    fn a_message_that_the_server_does_not_take_is_said_so() {
        let mut line = Line::new();
        line.heard.clear();
        line.follower.submit(line.now, vec![1, 2, 3]);
        line.settle();
        line.answer(error("cannot apply external message")).unwrap();
        let [News::Refused(reason)] = &line.news[..] else { panic!("{:?}", line.news) };
        assert_eq!(reason, "cannot apply external message");
    }
}
