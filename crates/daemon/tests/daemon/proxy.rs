//! The liteserver proxy: to the configured servers, byte for byte, and to nobody else.

use channel::key::SecretKey;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{config, goodbye, lone, refusal, server_key};

#[tokio::test]
async fn only_configured_liteservers_are_reached() {
    let lone = lone(config()).await;
    let other = SecretKey::from_seed([5; 32]).public();
    assert_eq!(refusal(lone.try_socket(&format!("/lite/{other}")).await), 404);
    assert_eq!(refusal(lone.try_socket("/lite/127.0.0.1:80").await), 400);
    assert_eq!(refusal(lone.try_socket("/lite/").await), 404);
}

#[tokio::test]
async fn bytes_pass_unchanged_in_both_directions() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config();
    // The daemon itself waits for an answer of the first.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    config.liteservers[0].address = silent.local_addr().unwrap().to_string();
    let key = SecretKey::from_seed([5; 32]).public();
    config.liteservers.push(daemon::config::Liteserver {
        address: server.local_addr().unwrap().to_string(),
        key,
    });
    let lone = lone(config).await;
    let echo = tokio::spawn(async move {
        let (mut stream, _) = server.accept().await.unwrap();
        let mut buffer = vec![0; 100_000];
        stream.read_exact(&mut buffer).await.unwrap();
        stream.write_all(&buffer).await.unwrap();
    });

    let mut page = lone.socket(&format!("/lite/{key}")).await;
    let sent: Vec<u8> =
        (0..100_000_u32).map(|n| n.to_le_bytes()[usize::from(n % 7 == 0)]).collect();
    for piece in sent.chunks(30_000) {
        page.send(Message::Binary(piece.to_vec().into())).await.unwrap();
    }
    let mut back = Vec::new();
    while back.len() < sent.len() {
        match page.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => back.extend_from_slice(&bytes),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(back, sent);
    echo.await.unwrap();
    assert_eq!(goodbye(&mut page).await, Some(1013));
}

#[tokio::test]
async fn a_server_that_is_down_is_said_to_be_down() {
    let lone = lone(config()).await;
    let mut page = lone.socket(&format!("/lite/{}", server_key())).await;
    assert_eq!(goodbye(&mut page).await, Some(1013));
    lone.assert_healthy().await;
}
