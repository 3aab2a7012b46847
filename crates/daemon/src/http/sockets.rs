//! How many WebSockets there may be, in all and per address, and how fast one may talk.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::ws::{CloseFrame, Message, WebSocket},
    http::StatusCode,
};
use tokio::time::Instant;

use super::error::ApiError;
use crate::config::Limits;

/// Counts open sockets. Clones count together.
#[derive(Clone)]
pub(crate) struct Sockets {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    max: usize,
    max_per_address: usize,
}

/// The right to one socket, given back when dropped.
pub(crate) struct Seat {
    address: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Sockets {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            open: Arc::default(),
            max: limits.sockets,
            max_per_address: limits.sockets_per_address,
        }
    }

    pub(crate) fn take_seat(&self, address: IpAddr) -> Result<Seat, ApiError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let here = open.get(&address).copied().unwrap_or(0);
        if all >= self.max || here >= self.max_per_address {
            let message = format!(
                "too many sockets are open ({all} in all, {here} from {address}): close some or try later"
            );
            return Err(ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_sockets",
                message,
            ));
        }
        open.insert(address, here + 1);
        Ok(Seat { address, open: Arc::clone(&self.open) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&self.address)),
        }
    }
}

/// Lets messages pass at a sustained rate, with bursts of two seconds' worth. Who is faster waits, and with
/// them their TCP window.
pub(crate) struct Pace {
    per_message: Duration,
    /// When the messages let through so far are paid off.
    free: Instant,
}

impl Pace {
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_message: Duration::from_secs(1) / per_second.max(1), free: Instant::now() }
    }

    pub(crate) async fn one(&mut self) {
        let now = Instant::now();
        self.free = self.free.max(now) + self.per_message;
        if self.free > now + BURST {
            tokio::time::sleep_until(self.free - BURST).await;
        }
    }
}

/// Sends, but does not wait for ever for somebody who does not read. False: the socket is of no more use.
pub(crate) async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(tokio::time::timeout(SEND_MAX, socket.send(message)).await, Ok(Ok(())))
}

/// Says why before hanging up.
pub(crate) async fn close(mut socket: WebSocket, code: u16, reason: &'static str) {
    send(&mut socket, Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
}

/// Close codes of RFC 6455.
pub(crate) const GOING_AWAY: u16 = 1001;
pub(crate) const UNSUPPORTED: u16 = 1003;
pub(crate) const TRY_AGAIN: u16 = 1013;

/// A ping goes out this often; a socket that was silent for three of them is dead.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(25);
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(80);

const BURST: Duration = Duration::from_secs(2);
const SEND_MAX: Duration = Duration::from_secs(10);
