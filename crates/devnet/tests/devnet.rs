//! The devnet on its socket: clients, good and bad, over real TCP.

mod common;

use std::time::Duration;

use adnl::tcp::{Codec, Message, SESSION, connect};
use adnl::tl::{Reader, Writer};
use common::client::*;
use common::*;
use devnet::{Devnet, DevnetConfig, Transfer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
/// Seqno of a devnet that has just started.
const FIRST: u32 = 2;

async fn start(block_interval: Duration) -> Devnet {
    let genesis = genesis(1);
    let config =
        DevnetConfig { genesis, block_interval, ..DevnetConfig::new([0; 32], wallet_code()) };
    Devnet::start(config).await.unwrap()
}

struct Client {
    stream: TcpStream,
    codec: Codec,
    arrived: Vec<Vec<u8>>,
    queries: u8,
}

impl Client {
    async fn connect(devnet: &Devnet) -> Self {
        let (address, key) = devnet.liteserver();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (hello, codec) = connect(&key, &[1; 32], &[2; SESSION]).unwrap();
        stream.write_all(&hello).await.unwrap();
        let mut client = Self { stream, codec, arrived: Vec::new(), queries: 0 };
        assert!(client.frame().await.unwrap().is_empty(), "the server greets with an empty frame");
        client
    }

    /// The next frame, or `None` when the server has closed the connection.
    async fn frame(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 4096];
        while self.arrived.is_empty() {
            let read = timeout(PATIENCE, self.stream.read(&mut buffer)).await.unwrap();
            match read {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.arrived.extend(self.codec.feed(&buffer[..count]).unwrap()),
            }
        }
        Some(self.arrived.remove(0))
    }

    async fn send(&mut self, payload: &[u8]) {
        let frame = self.codec.seal(payload, [3; 32]);
        self.stream.write_all(&frame).await.unwrap();
    }

    async fn query(&mut self, query: Vec<u8>) -> Vec<u8> {
        let id = self.ask(query).await;
        let frame = self.frame().await.unwrap();
        let Ok(Message::Answer { id: of, bytes }) = Message::parse(&frame) else {
            panic!("not an answer: {frame:?}");
        };
        assert_eq!(of, id);
        bytes
    }

    async fn ask(&mut self, query: Vec<u8>) -> [u8; 32] {
        self.queries += 1;
        let id = [self.queries; 32];
        let bytes = Writer::boxed(0x798c_06df).bytes(&query).finish();
        self.send(&Message::Query { id, bytes }.to_bytes()).await;
        id
    }

    async fn masterchain_seqno(&mut self) -> u32 {
        masterchain_info(&self.query(Writer::boxed(0x89b5_e62e).finish()).await).0.seqno
    }
}

#[tokio::test]
async fn a_client_pays_through_the_liteserver_and_sees_it_proven() {
    let devnet = start(Duration::from_secs(3600)).await;
    let wallet = genesis(1).wallet(0).unwrap();
    let mut client = Client::connect(&devnet).await;
    assert_eq!(client.masterchain_seqno().await, FIRST);
    let boc = wallet.sign(0, devnet.now() + 60, &[Transfer::plain([9; 32], TON)]).unwrap();
    let sent = client.query(Writer::boxed(0x690a_d482).bytes(&boc).finish()).await;
    assert_eq!(sent, Writer::boxed(0x3950_e597).int(1).finish());
    // The block with the message is made at once, not after an hour.
    let wait = Writer::boxed(0xbaea_b892).int(FIRST + 1).int(10_000).int(0x89b5_e62e).finish();
    let (id, _) = masterchain_info(&client.query(wait).await);
    let answer = client.query(get_account_state(&id, &[9; 32])).await;
    let account = verify_account(&answer, &id, &[9; 32]).unwrap();
    assert_eq!(account.balance.tokens.into_inner(), TON);
    devnet.stop().await;
}

#[tokio::test]
async fn the_faucet_pays_and_names_the_transaction() {
    let devnet = start(Duration::from_secs(3600)).await;
    let (first, second) =
        tokio::join!(devnet.faucet([1; 32], 5 * TON), devnet.faucet([2; 32], TON / 2));
    for (to, nano, hash) in [([1; 32], 5 * TON, first), ([2; 32], TON / 2, second)] {
        let account = devnet.account(&to).unwrap();
        assert_eq!((account.balance, account.last_hash), (nano, hash.unwrap()));
    }
    let everything = devnet.faucet([3; 32], devnet::SUPPLY).await;
    assert!(everything.unwrap_err().to_string().contains("failed"));
    devnet.stop().await;
}

#[tokio::test]
async fn the_clock_is_warped_for_chain_and_clients() {
    let devnet = start(Duration::from_secs(3600)).await;
    let mut client = Client::connect(&devnet).await;
    // getMasterchainInfoExt behind waitMasterchainSeqno
    let wait = Writer::boxed(0xbaea_b892).int(FIRST + 1).int(20_000);
    client.ask(wait.int(0x70a6_71df).int(0).finish()).await;
    let before = devnet.now();
    devnet.warp(86_400).unwrap();
    assert!(devnet.now() >= before + 86_400);
    assert_eq!(devnet.seqno(), FIRST + 1);

    let Ok(Message::Answer { bytes, .. }) = Message::parse(&client.frame().await.unwrap()) else {
        panic!("not an answer");
    };
    let mut reader = Reader::new(&bytes);
    reader.expect(0xa8cc_e0f5).unwrap();
    reader.take(4 + 4 + 8).unwrap();
    assert_eq!(read_block(&mut reader).seqno, FIRST + 1);
    let (block, now) = (reader.int().unwrap(), reader.int().unwrap());
    assert!(before + 86_400 <= block && block <= now, "{before} {block} {now}");
    let time = client.query(Writer::boxed(0x16ad_5a34).finish()).await;
    let mut reader = Reader::new(&time);
    reader.expect(0xe953_000d).unwrap();
    assert!(reader.int().unwrap() >= now);
    devnet.stop().await;
}

#[tokio::test]
async fn the_clock_is_not_warped_beyond_what_clients_can_read() {
    let devnet = start(Duration::from_secs(3600)).await;
    let before = devnet.now();
    let last = u32::try_from(i32::MAX).unwrap();
    for seconds in [u32::MAX, last - before + 10] {
        let error = devnet.warp(seconds).unwrap_err().to_string();
        assert!(error.contains("2147483647"), "{error}");
        assert!(devnet.now() < before + 60);
    }
    devnet.warp(last - before - 1000).unwrap();
    assert!(devnet.warp(1001).is_err());
    devnet.stop().await;
}

#[tokio::test]
async fn a_scanner_may_ask_for_the_block_before_the_newest_from_the_start() {
    let devnet = start(Duration::from_secs(3600)).await;
    let mut client = Client::connect(&devnet).await;
    let newest = client.masterchain_seqno().await;
    for workchain in [-1_i32, 0] {
        let before = Writer::boxed(0xfac8_f71e).int(1).int(workchain.cast_unsigned()).long(1 << 63);
        let header = client.query(before.int(newest - 1).finish()).await;
        let mut reader = Reader::new(&header);
        reader.expect(0x752d_8219).unwrap();
        let id = read_block(&mut reader);
        verify_block(
            &client.query(write_block(Writer::boxed(0x6377_cf0d), &id).finish()).await,
            &id,
        );
    }
    devnet.stop().await;
}

#[tokio::test]
async fn blocks_come_without_messages_too() {
    let devnet = start(Duration::from_millis(20)).await;
    timeout(PATIENCE, devnet.reached(5)).await.unwrap();
    devnet.stop().await;
}

#[tokio::test]
async fn a_query_that_waits_does_not_hold_up_others() {
    let devnet = start(Duration::from_secs(3600)).await;
    let mut client = Client::connect(&devnet).await;
    let wait = Writer::boxed(0xbaea_b892).int(FIRST + 1).int(20_000).int(0x89b5_e62e).finish();
    let waiting = client.ask(wait).await;
    assert_eq!(client.masterchain_seqno().await, FIRST);
    devnet.warp(1).unwrap();
    let Ok(Message::Answer { id, bytes }) = Message::parse(&client.frame().await.unwrap()) else {
        panic!("not an answer");
    };
    assert_eq!((id, masterchain_info(&bytes).0.seqno), (waiting, FIRST + 1));
    // A block that does not come in time is a timeout.
    let wait = Writer::boxed(0xbaea_b892).int(1000).int(10).int(0x89b5_e62e).finish();
    assert_eq!(error_code(&client.query(wait).await), Some(652));
    devnet.stop().await;
}

#[tokio::test]
async fn a_ping_is_answered_and_unknown_messages_are_ignored() {
    let devnet = start(Duration::from_secs(3600)).await;
    let mut client = Client::connect(&devnet).await;
    client.send(&[]).await;
    client.send(&Writer::boxed(0xdead_beef).bytes(&[1; 32]).finish()).await;
    client.send(&Message::Ping(77).to_bytes()).await;
    assert_eq!(Message::parse(&client.frame().await.unwrap()), Ok(Message::Pong(77)));
    devnet.stop().await;
}

#[tokio::test]
async fn a_client_that_says_who_it_is_gets_the_nonce_that_it_waits_for() {
    let devnet = start(Duration::from_secs(3600)).await;
    let mut client = Client::connect(&devnet).await;
    // tcp.authentificate nonce:bytes
    client.send(&Writer::boxed(0x445b_ab12).bytes(&[1; 32]).finish()).await;
    // tcp.authentificationNonce nonce:bytes
    let frame = client.frame().await.unwrap();
    let mut reader = Reader::new(&frame);
    reader.expect(0xe35d_4ab6).unwrap();
    let nonces = [&[1; 32], reader.bytes().unwrap()].concat();
    reader.finish().unwrap();
    // tcp.authentificationComplete key:PublicKey signature:bytes
    let key = adnl::key::LocalKey::from_seed(&[4; 32]);
    let complete = |signature: &[u8; 64]| {
        let writer = Writer::boxed(0xf7ad_9ea6).int(0x4813_b4c6).int256(&key.public());
        writer.bytes(signature).finish()
    };
    client.send(&complete(&key.sign(&nonces))).await;
    assert_eq!(client.masterchain_seqno().await, FIRST);

    // Who signs something else is sent away.
    let mut liar = Client::connect(&devnet).await;
    liar.send(&Writer::boxed(0x445b_ab12).bytes(&[1; 32]).finish()).await;
    assert!(liar.frame().await.is_some());
    liar.send(&complete(&key.sign(b"another nonce"))).await;
    assert_eq!(liar.frame().await, None);
    devnet.stop().await;
}

#[tokio::test]
async fn garbage_closes_its_own_connection_and_no_other() {
    let devnet = start(Duration::from_secs(3600)).await;
    let (address, _) = devnet.liteserver();
    let mut good = Client::connect(&devnet).await;

    // No handshake at all, half of one, and one for another server.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[7; 256]).await.unwrap();
    assert_eq!(timeout(PATIENCE, stream.read(&mut [0; 8])).await.unwrap().unwrap_or(0), 0);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[7; 100]).await.unwrap();
    drop(stream);

    // A frame that does not match its checksum.
    let mut client = Client::connect(&devnet).await;
    client.stream.write_all(&[0x55; 400]).await.unwrap();
    assert_eq!(client.frame().await, None);

    // A frame above the limit.
    let mut client = Client::connect(&devnet).await;
    let frame = client.codec.seal(&vec![0; 1 << 18], [0; 32]);
    let _ = client.stream.write_all(&frame).await;
    assert_eq!(client.frame().await, None);

    // A well-sealed message whose bytes run out.
    let mut client = Client::connect(&devnet).await;
    let query = Message::Query { id: [1; 32], bytes: vec![1; 100] }.to_bytes();
    client.send(&query[..60]).await;
    assert_eq!(client.frame().await, None);

    // A well-sealed query of garbage is answered, and the connection lives.
    let mut client = Client::connect(&devnet).await;
    assert_eq!(error_code(&client.query(vec![1; 100]).await), Some(621));
    assert_eq!(client.masterchain_seqno().await, FIRST);
    assert_eq!(good.masterchain_seqno().await, FIRST);
    devnet.stop().await;
}

#[tokio::test]
async fn there_is_a_limit_on_connections() {
    let devnet = start(Duration::from_secs(3600)).await;
    let mut clients = Vec::new();
    for _ in 0..256 {
        clients.push(Client::connect(&devnet).await);
    }
    let (address, key) = devnet.liteserver();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (hello, _) = connect(&key, &[1; 32], &[2; SESSION]).unwrap();
    let _ = stream.write_all(&hello).await;
    assert_eq!(timeout(PATIENCE, stream.read(&mut [0; 8])).await.unwrap().unwrap_or(0), 0);
    // Those that are in are served, and a place that becomes free is given away.
    assert_eq!(clients[0].masterchain_seqno().await, FIRST);
    clients.truncate(200);
    timeout(PATIENCE, async {
        loop {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.write_all(&hello).await;
            if stream.read(&mut [0; 8]).await.is_ok_and(|count| count > 0) {
                break;
            }
        }
    })
    .await
    .unwrap();
    devnet.stop().await;
}

#[tokio::test]
async fn a_stopped_devnet_closes_everything() {
    let devnet = start(Duration::from_secs(3600)).await;
    let (address, _) = devnet.liteserver();
    let mut client = Client::connect(&devnet).await;
    devnet.stop().await;
    assert_eq!(client.frame().await, None);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_global_config_tells_clients_where_and_what() {
    let devnet = start(Duration::from_secs(3600)).await;
    let config = devnet.global_config();
    let (address, _) = devnet.liteserver();
    assert!(config.contains(&format!(r#""ip":2130706433,"port":{}"#, address.port())), "{config}");
    assert!(
        config.contains(r#""init_block":{"workchain":-1,"shard":-9223372036854775808,"seqno":1"#)
    );
    devnet.stop().await;
}
