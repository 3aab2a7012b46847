//! The liteserver proxy: the raw ADNL-TCP stream of one configured liteserver in binary messages. A page
//! talks to the liteserver end to end encrypted and knows its key, so the proxy can only drop or delay.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    extract::{
        ConnectInfo, State,
        ws::{Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use channel::key::PublicKey;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, interval_at, timeout},
};

use super::{
    Shared,
    error::{ApiError, PathOf},
    sockets::{self, PING_EVERY, Pace, SILENCE_MAX, Seat, TRY_AGAIN, UNSUPPORTED},
};

pub(crate) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    PathOf(key): PathOf<String>,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let key: PublicKey =
        key.parse().map_err(|error| ApiError::bad_request(format!("liteserver key: {error}")))?;
    let server = shared.liteservers.iter().find(|server| server.key == key);
    let Some(server) = server.map(|server| server.address.clone()) else {
        return Err(ApiError::not_found(
            "this node forwards only to the liteservers of its config",
        ));
    };
    let socket = socket.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let seat = shared.sockets.take_seat(from.ip())?;
    let max = shared.limits.frame_bytes;
    let pace = Pace::new(shared.limits.frames_per_second);
    Ok(socket.max_message_size(max).max_frame_size(max).on_upgrade(move |socket| async move {
        tokio::select! {
            () = forward(server, socket, pace, seat) => {}
            () = shared.closed() => {}
        }
    }))
}

async fn forward(server: String, mut socket: WebSocket, mut pace: Pace, _seat: Seat) {
    let Ok(Ok(mut stream)) = timeout(CONNECT_MAX, TcpStream::connect(&server)).await else {
        tracing::warn!(server, "the liteserver cannot be reached for a page");
        return sockets::close(socket, TRY_AGAIN, "the liteserver cannot be reached").await;
    };
    // Queries are small and waited for.
    let _ = stream.set_nodelay(true);
    let (mut from_server, mut to_server) = stream.split();
    let mut buffer = vec![0; CHUNK];
    let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            read = from_server.read(&mut buffer) => match read {
                Ok(length) if length > 0 => {
                    let bytes = buffer[..length].to_vec();
                    if !sockets::send(&mut socket, Message::Binary(bytes.into())).await {
                        return;
                    }
                }
                _ => return sockets::close(socket, TRY_AGAIN, "the liteserver hung up").await,
            },
            message = socket.recv() => {
                heard = Instant::now();
                pace.one().await;
                match message {
                    Some(Ok(Message::Binary(bytes))) => {
                        let written = timeout(WRITE_MAX, to_server.write_all(&bytes)).await;
                        if !matches!(written, Ok(Ok(()))) {
                            let reason = "the liteserver does not read";
                            return sockets::close(socket, TRY_AGAIN, reason).await;
                        }
                    }
                    Some(Ok(Message::Text(_))) => {
                        let reason = "messages are pieces of the ADNL stream, in binary";
                        return sockets::close(socket, UNSUPPORTED, reason).await;
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                }
            }
            _ = pings.tick() => {
                let alive = heard.elapsed() < SILENCE_MAX;
                if !alive || !sockets::send(&mut socket, Message::Ping(Default::default())).await {
                    return;
                }
            }
        }
    }
}

const CONNECT_MAX: Duration = Duration::from_secs(5);
const WRITE_MAX: Duration = Duration::from_secs(10);

/// What goes into one message towards the page.
const CHUNK: usize = 16 << 10;
