//! WebSocket-to-ADNL: a page cannot send UDP, so each binary message on this socket is one datagram for
//! this daemon's ADNL endpoint, or from it. What is in them is encrypted between the page and the endpoint.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{
        ConnectInfo, State,
        ws::{Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use tokio::time::{Instant, interval_at};

use super::{
    Shared,
    error::ApiError,
    sockets::{self, GOING_AWAY, PING_EVERY, Pace, SILENCE_MAX, Seat, UNSUPPORTED},
};

pub(crate) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let socket = socket.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let seat = shared.sockets.take_seat(from.ip())?;
    let max = shared.limits.frame_bytes;
    Ok(socket
        .max_message_size(max)
        .max_frame_size(max)
        .on_upgrade(move |socket| forward(shared, socket, seat)))
}

async fn forward(shared: Arc<Shared>, mut socket: WebSocket, _seat: Seat) {
    let mut path = shared.door.enter();
    let mut pace = Pace::new(shared.limits.frames_per_second);
    let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            Some(datagram) = path.outgoing.recv() => {
                if !sockets::send(&mut socket, Message::Binary(datagram.into())).await {
                    return;
                }
            }
            () = shared.closed() => {
                return sockets::close(socket, GOING_AWAY, "the node is stopping").await;
            }
            message = socket.recv() => {
                heard = Instant::now();
                match message {
                    Some(Ok(Message::Binary(datagram))) => {
                        pace.one().await;
                        path.receive(datagram.into()).await;
                    }
                    Some(Ok(Message::Text(_))) => {
                        let reason = "each message is one ADNL datagram, in binary";
                        return sockets::close(socket, UNSUPPORTED, reason).await;
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => pace.one().await,
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
