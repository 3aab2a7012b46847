//! One connection to a liteserver, as bytes in and bytes out.
//!
//! The bytes are an ADNL stream, end to end between this client and the server whose key it knows. Whether they
//! travel in a TCP socket or in the binary messages of a WebSocket through a proxy makes no difference: a proxy can cut
//! the connection and nothing else.

use alloc::{collections::BTreeMap, vec::Vec};

use adnl::{
    tcp::{self, Codec, Message, SESSION, TcpError},
    tl::TlError,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::query::{Answer, Query};

/// A query of this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub [u8; 32]);

/// What came from the server.
#[expect(clippy::large_enum_variant, reason = "events are few and taken apart at once")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server has shown that it has the key that it should have.
    Ready,
    /// The answer to a query, or why its bytes are no answer to it. Not proven yet.
    Answer { id: QueryId, answer: Result<Answer, TlError> },
    /// The server is alive.
    Pong,
}

/// A client of one server over one stream.
///
/// Queries need not wait for [`Event::Ready`]. There are no timers here: hosts give up on what takes too long and
/// connect again. After an error the connection is of no more use.
pub struct LiteClient {
    codec: Codec,
    random: ChaCha20Rng,
    open: BTreeMap<QueryId, Query>,
    ready: bool,
}

impl LiteClient {
    /// A client of the server with this Ed25519 key, and the first bytes to send.
    ///
    /// `entropy` must be fresh random bytes for each connection. [`TcpError::BadKey`] if the key is no key.
    pub fn connect(
        server_public: &[u8; 32],
        entropy: [u8; 32],
    ) -> Result<(Self, Vec<u8>), TcpError> {
        let mut random = ChaCha20Rng::from_seed(entropy);
        let mut ephemeral = [0; 32];
        let mut session = [0; SESSION];
        random.fill_bytes(&mut ephemeral);
        random.fill_bytes(&mut session);
        let (hello, codec) = tcp::connect(server_public, &ephemeral, &session)?;
        Ok((Self { codec, random, open: BTreeMap::new(), ready: false }, hello.to_vec()))
    }

    /// Takes the next bytes of the stream, cut anywhere.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TcpError> {
        let mut events = Vec::new();
        for payload in self.codec.feed(bytes)? {
            if !core::mem::replace(&mut self.ready, true) {
                events.push(Event::Ready);
            }
            match Message::parse(&payload) {
                Ok(Message::Answer { id, bytes }) => {
                    events.extend(self.answered(QueryId(id), &bytes))
                }
                Ok(Message::Pong(_)) => events.push(Event::Pong),
                // Keepalives are empty; everything else is of no use to a client.
                _ => {}
            }
        }
        Ok(events)
    }

    /// Asks. Returns the query's id and the bytes to send.
    pub fn query(&mut self, query: Query) -> (QueryId, Vec<u8>) {
        let bytes = query.to_bytes();
        self.ask(query, bytes)
    }

    /// Asks, to be answered only once the masterchain has reached `seqno`, or with an error after `timeout_ms`.
    pub fn query_at(&mut self, query: Query, seqno: u32, timeout_ms: u32) -> (QueryId, Vec<u8>) {
        let bytes = query.to_bytes_at(seqno, timeout_ms);
        self.ask(query, bytes)
    }

    /// Forgets a query; an answer that still comes is dropped.
    pub fn forget(&mut self, id: QueryId) {
        self.open.remove(&id);
    }

    /// Bytes to send so that the server shows that it is alive, by [`Event::Pong`].
    pub fn ping(&mut self) -> Vec<u8> {
        let id = self.random.next_u64();
        self.seal(&Message::Ping(id))
    }

    fn ask(&mut self, query: Query, bytes: Vec<u8>) -> (QueryId, Vec<u8>) {
        let mut id = [0; 32];
        self.random.fill_bytes(&mut id);
        self.open.insert(QueryId(id), query);
        (QueryId(id), self.seal(&Message::Query { id, bytes }))
    }

    fn answered(&mut self, id: QueryId, bytes: &[u8]) -> Option<Event> {
        let query = self.open.remove(&id)?;
        let answer = Answer::parse(bytes).and_then(|answer| {
            if query.fits(&answer) { Ok(answer) } else { Err(TlError::Value("answer")) }
        });
        Some(Event::Answer { id, answer })
    }

    fn seal(&mut self, message: &Message) -> Vec<u8> {
        let mut nonce = [0; 32];
        self.random.fill_bytes(&mut nonce);
        self.codec.seal(&message.to_bytes(), nonce)
    }
}
