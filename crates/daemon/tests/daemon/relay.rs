//! A page and a node, end to end encrypted through the node's own WebSocket.

use std::time::Duration;

use adnl::udp::{Endpoint, Event, Limits, PathId};
use channel::tl::{Answer, Query};
use daemon::now;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Lone, Socket, config, goodbye, lone};

/// What a page does: an endpoint whose one path is a WebSocket.
struct Page {
    endpoint: Endpoint,
    socket: Socket,
}

impl Page {
    async fn open(lone: &Lone) -> Self {
        let endpoint = Endpoint::new([1; 32], [2; 32], Limits::default());
        Self { endpoint, socket: lone.socket("/adnl").await }
    }

    /// Asks the node for a sign of life, and waits for it.
    async fn ping(&mut self, lone: &Lone, value: i64) -> Answer {
        let public = lone.daemon.invitation.contact.adnl.0;
        let peer = self.endpoint.connect(now().0, public, PathId(0));
        let query = Query::Ping { value }.to_bytes();
        let asked = self.endpoint.query(now().0, peer, &query, 10_000);
        loop {
            while let Some((_, datagram)) = self.endpoint.poll_transmit() {
                self.socket.send(Message::Binary(datagram.into())).await.unwrap();
            }
            let arrived = tokio::time::timeout(Duration::from_millis(50), self.socket.next()).await;
            match arrived {
                Ok(Some(Ok(Message::Binary(datagram)))) => {
                    self.endpoint.receive(now().0, PathId(0), &datagram);
                }
                Ok(Some(Ok(_))) => {}
                Ok(other) => panic!("{other:?}"),
                Err(_) => self.endpoint.tick(now().0),
            }
            while let Some(event) = self.endpoint.poll_event() {
                match event {
                    Event::Answer { id, bytes, .. } if id == asked => {
                        return Answer::from_bytes(&bytes).unwrap();
                    }
                    Event::TimedOut { .. } | Event::Disconnected { .. } => panic!("no answer"),
                    _ => {}
                }
            }
        }
    }
}

#[tokio::test]
async fn a_page_talks_with_the_node_through_its_socket() {
    let lone = lone(config()).await;
    let mut page = Page::open(&lone).await;
    assert_eq!(page.ping(&lone, 7).await, Answer::Pong { value: 7 });
    assert_eq!(page.ping(&lone, 8).await, Answer::Pong { value: 8 });

    // The same page through another socket, while the node has not missed the first one yet.
    page.socket = lone.socket("/adnl").await;
    assert_eq!(page.ping(&lone, 9).await, Answer::Pong { value: 9 });
}

#[tokio::test]
async fn pages_are_told_when_the_node_stops() {
    let lone = lone(config()).await;
    let mut page = Page::open(&lone).await;
    page.ping(&lone, 1).await;
    lone.daemon.stop().await;
    assert_eq!(goodbye(&mut page.socket).await, Some(1001));
}
