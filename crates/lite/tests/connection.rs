//! The client over a stream that is cut anywhere, with servers good and bad.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

mod common;

use adnl::{
    key::LocalKey,
    tcp::{Codec, HANDSHAKE, Message, TcpError, accept},
    tl::{TlError, Writer},
};
use common::World;
use lite::{Answer, Event, LiteClient, Query, QueryId, verify_account};

const SERVER: [u8; 32] = [5; 32];

/// A server on the other end of a stream, with the chain's answers or others.
struct Server {
    codec: Codec,
}

impl Server {
    /// Takes the hello; returns the server and its greeting.
    fn new(hello: &[u8]) -> (Self, Vec<u8>) {
        let hello: [u8; HANDSHAKE] = hello.try_into().unwrap();
        let mut codec = accept(&LocalKey::from_seed(&SERVER), &hello).unwrap();
        let greeting = codec.seal(&[], [1; 32]);
        (Self { codec }, greeting)
    }

    /// What it sends back for what has arrived.
    fn serve(&mut self, bytes: &[u8], mut answer: impl FnMut(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let mut out = Vec::new();
        for payload in self.codec.feed(bytes).unwrap() {
            let reply = match Message::parse(&payload).unwrap() {
                Message::Query { id, bytes } => Message::Answer { id, bytes: answer(&bytes) },
                Message::Ping(id) => Message::Pong(id),
                other => panic!("{other:?}"),
            };
            out.extend(self.codec.seal(&reply.to_bytes(), [2; 32]));
        }
        out
    }
}

fn connected() -> (LiteClient, Server) {
    let public = LocalKey::from_seed(&SERVER).public();
    let (mut client, hello) = LiteClient::connect(&public, [9; 32]).unwrap();
    let (server, greeting) = Server::new(&hello);
    assert_eq!(client.feed(&greeting), Ok(vec![Event::Ready]));
    (client, server)
}

#[test]
fn questions_are_answered_however_the_stream_is_cut() {
    for cut in [1, 7, 100, 1_000_000] {
        let mut world = World::new(1);
        let address = world.wallets[0].address();
        let block = world.last_block();
        let (mut client, mut server) = connected();
        let (info, mut sent) = client.query(Query::MasterchainInfo);
        let (state, more) = client.query(Query::AccountState { block, address });
        sent.extend(more);
        let received = server.serve(&sent, |query| world.chain.answer(query));

        let events: Vec<Event> =
            received.chunks(cut).flat_map(|chunk| client.feed(chunk).unwrap()).collect();
        let [Event::Answer { id: first, answer: Ok(Answer::MasterchainInfo { last, .. }) }, second] =
            &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!((*first, *last), (info, block));
        let Event::Answer { id, answer: Ok(Answer::AccountState(answer)) } = second else {
            panic!("{second:?}")
        };
        assert_eq!(*id, state);
        assert!(verify_account(&block, answer, &address).is_ok());
    }
}

#[test]
fn a_question_that_waits_for_a_block_is_answered_after_it() {
    let mut world = World::new(1);
    let next = world.chain.seqno() + 1;
    let (mut client, mut server) = connected();
    let (_, early) = client.query_at(Query::MasterchainInfo, next, 1000);
    let answer = client.feed(&server.serve(&early, |query| world.chain.answer(query))).unwrap();
    assert!(matches!(answer[..], [Event::Answer { answer: Ok(Answer::Error { .. }), .. }]));
    world.round();
    let (_, late) = client.query_at(Query::MasterchainInfo, next, 1000);
    let answer = client.feed(&server.serve(&late, |query| world.chain.answer(query))).unwrap();
    assert!(matches!(
        answer[..],
        [Event::Answer { answer: Ok(Answer::MasterchainInfo { .. }), .. }]
    ));
}

#[test]
fn bytes_that_are_no_answer_are_reported_for_their_query() {
    let (mut client, mut server) = connected();
    for (bytes, error) in [
        (vec![1, 2, 3], TlError::Short { needed: 4, left: 3 }),
        (vec![1, 2, 3, 4], TlError::Constructor(0x0403_0201)),
        // An answer to another question.
        (Writer::boxed(0xe953_000d).int(5).finish(), TlError::Value("answer")),
    ] {
        let (id, sent) = client.query(Query::MasterchainInfo);
        let received = server.serve(&sent, |_| bytes.clone());
        assert_eq!(client.feed(&received), Ok(vec![Event::Answer { id, answer: Err(error) }]));
    }
}

#[test]
fn answers_to_questions_that_were_not_asked_or_forgotten_are_dropped() {
    let (mut client, mut server) = connected();
    let time = || Writer::boxed(0xe953_000d).int(5).finish();
    let unasked = Message::Answer { id: [3; 32], bytes: time() }.to_bytes();
    assert_eq!(client.feed(&server.codec.seal(&unasked, [4; 32])), Ok(vec![]));

    let (forgotten, sent) = client.query(Query::Time);
    client.forget(forgotten);
    assert_eq!(client.feed(&server.serve(&sent, |_| time())), Ok(vec![]));

    let (id, sent) = client.query(Query::Time);
    let received = server.serve(&[sent.clone(), client.ping()].concat(), |_| time());
    let answered = Event::Answer { id, answer: Ok(Answer::Time(5)) };
    assert_eq!(client.feed(&received), Ok(vec![answered, Event::Pong]));
    assert_ne!(id, QueryId([3; 32]));
}

#[test]
fn a_proxy_that_changes_a_byte_ends_the_connection() {
    let (mut client, mut server) = connected();
    let (_, sent) = client.query(Query::Time);
    let mut received = server.serve(&sent, |_| Writer::boxed(0xe953_000d).int(5).finish());
    received[40] ^= 1;
    assert_eq!(client.feed(&received), Err(TcpError::Checksum));
    assert_eq!(client.feed(&[]), Err(TcpError::Checksum));
}

#[test]
fn another_server_cannot_stand_in() {
    let public = LocalKey::from_seed(&SERVER).public();
    let (_, hello) = LiteClient::connect(&public, [9; 32]).unwrap();
    let hello: [u8; HANDSHAKE] = hello.try_into().unwrap();
    assert_eq!(accept(&LocalKey::from_seed(&[6; 32]), &hello).err(), Some(TcpError::WrongServer));

    // One that does not have the key can send nothing that is taken for the server's.
    let (mut client, _) = LiteClient::connect(&public, [9; 32]).unwrap();
    let impostor = LocalKey::from_seed(&[6; 32]);
    let (_, theirs) = LiteClient::connect(&impostor.public(), [8; 32]).unwrap();
    let mut codec = accept(&impostor, &theirs.try_into().unwrap()).unwrap();
    assert!(client.feed(&codec.seal(&[], [1; 32])).is_err());

    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    assert_eq!(LiteClient::connect(&off_curve, [9; 32]).err(), Some(TcpError::BadKey));
}
