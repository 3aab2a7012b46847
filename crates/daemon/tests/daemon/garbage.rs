//! Bytes from strangers, on every socket that a daemon has.

use fastrand::Rng;
use futures_util::SinkExt;
use hyper::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{config, goodbye, lone, refusal, server_key};

fn bytes(random: &mut Rng, most: usize) -> Vec<u8> {
    let length = random.usize(..most);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// The short id of the daemon's ADNL key makes garbage look like packets for it.
fn datagram(random: &mut Rng, id: &[u8; 32]) -> Vec<u8> {
    let rest = bytes(random, 1400);
    if random.bool() { [id.as_slice(), &rest].concat() } else { rest }
}

#[tokio::test]
async fn garbage_datagrams_leave_a_daemon_healthy() {
    let lone = lone(config()).await;
    let id = adnl::key::short_id(&lone.daemon.invitation.contact.adnl.0);
    let mut random = Rng::with_seed(1);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..500 {
        let datagram = datagram(&mut random, &id);
        socket.send_to(&datagram, lone.daemon.adnl).await.unwrap();
    }
    lone.assert_healthy().await;
}

#[tokio::test]
async fn garbage_through_the_relay_leaves_a_daemon_healthy() {
    let lone = lone(config()).await;
    let id = adnl::key::short_id(&lone.daemon.invitation.contact.adnl.0);
    let mut random = Rng::with_seed(2);
    let mut socket = lone.socket("/adnl").await;
    for _ in 0..500 {
        let datagram = datagram(&mut random, &id);
        socket.send(Message::Binary(datagram.into())).await.unwrap();
    }
    lone.assert_healthy().await;
    socket.send(Message::Text("hello".into())).await.unwrap();
    assert_eq!(goodbye(&mut socket).await, Some(1003));

    let mut socket = lone.socket("/adnl").await;
    let too_long = vec![0; 1 << 20];
    // The other side may hang up in the middle of it.
    let _ = socket.send(Message::Binary(too_long.into())).await;
    goodbye(&mut socket).await;
    lone.assert_healthy().await;
}

#[tokio::test]
async fn garbage_instead_of_frames_leaves_a_daemon_healthy() {
    let lone = lone(config()).await;
    let mut random = Rng::with_seed(3);
    for path in ["/adnl".to_owned(), format!("/lite/{}", server_key())] {
        let mut stream = TcpStream::connect(lone.daemon.http).await.unwrap();
        let upgrade = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(upgrade.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 101");
        let _ = stream.write_all(&bytes(&mut random, 5000)).await;
        let _ = stream.shutdown().await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    }
    lone.assert_healthy().await;
}

#[tokio::test]
async fn garbage_instead_of_http_leaves_a_daemon_healthy() {
    let lone = lone(config()).await;
    let mut random = Rng::with_seed(4);
    for start in ["", "GET ", "POST /payments HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"] {
        for _ in 0..20 {
            let mut stream = TcpStream::connect(lone.daemon.http).await.unwrap();
            let _ = stream.write_all(start.as_bytes()).await;
            let _ = stream.write_all(&bytes(&mut random, 4000)).await;
        }
    }
    let huge = "x".repeat(200_000);
    let answer = lone.post("/contacts", serde_json::json!({ "invitation": huge })).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    lone.assert_healthy().await;
}

#[tokio::test]
async fn garbage_from_the_liteserver_leaves_a_daemon_healthy() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config();
    config.liteservers[0].address = server.local_addr().unwrap().to_string();
    let lone = lone(config).await;
    let mut random = Rng::with_seed(5);
    for _ in 0..3 {
        let (mut stream, _) = server.accept().await.unwrap();
        let _ = stream.write_all(&bytes(&mut random, 3000)).await;
    }
    lone.assert_healthy().await;
    assert_eq!(lone.get("/health").await.body["chain"]["online"], false);
}

#[tokio::test]
async fn one_address_does_not_get_more_sockets_than_its_share() {
    let mut config = config();
    config.limits.sockets_per_address = 2;
    let lone = lone(config).await;
    let first = lone.socket("/adnl").await;
    let _second = lone.socket("/adnl").await;
    assert_eq!(refusal(lone.try_socket("/adnl").await), 503);
    assert_eq!(refusal(lone.try_socket(&format!("/lite/{}", server_key())).await), 503);

    // A place that is given back can be taken again.
    drop(first);
    while lone.try_socket("/adnl").await.is_err() {
        tokio::task::yield_now().await;
    }
}
