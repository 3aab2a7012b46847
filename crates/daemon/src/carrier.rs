//! Peers over ADNL: one endpoint that speaks over UDP with nodes and over WebSockets with pages.
//!
//! One task owns the endpoint. It turns datagrams into inputs of the node and the node's orders into
//! datagrams; which bytes mean what is the node's affair, who is who is the endpoint's.

mod links;
mod paths;

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use adnl::udp::{Endpoint, Event, Limits, PathId, PeerId};
use channel::key::PublicKey;
use node::{
    invitation::Contact,
    io::{Input, LinkEvent, LinkId, QueryId},
};
use tokio::{
    net::{UdpSocket, lookup_host},
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use crate::host::{Handle, now};
use links::Links;
pub(crate) use paths::Door;
use paths::Paths;

/// What the node wants done with peers.
#[derive(Debug)]
pub(crate) enum Order {
    Dial(Contact),
    Query { link: LinkId, id: QueryId, bytes: Vec<u8> },
    Answer { link: LinkId, id: QueryId, bytes: Vec<u8> },
    Close(LinkId),
}

/// The task's state.
pub(crate) struct Carrier {
    endpoint: Endpoint,
    udp: UdpSocket,
    paths: Paths,
    node: Handle,
    orders: mpsc::UnboundedReceiver<Order>,
    links: Links,
    dials: HashMap<PeerId, Dial>,
    /// WebSockets that have ended, and when their pages are given up.
    left: VecDeque<(Instant, PathId)>,
    resolved: (mpsc::UnboundedSender<Resolved>, mpsc::UnboundedReceiver<Resolved>),
}

/// A connection that the node asked for and that is not there yet.
struct Dial {
    node: PublicKey,
    until: Instant,
}

/// What became of the host name in a contact.
struct Resolved {
    contact: Contact,
    address: Option<SocketAddr>,
}

impl Carrier {
    pub(crate) fn new(
        (seed, entropy): (&[u8; 32], [u8; 32]),
        udp: UdpSocket,
        node: Handle,
        orders: mpsc::UnboundedReceiver<Order>,
    ) -> (Self, Door) {
        let (paths, door) = Paths::new();
        let limits = Limits { peers: PEERS_MAX, ..Limits::default() };
        let carrier = Self {
            endpoint: Endpoint::new(*seed, entropy, limits),
            udp,
            paths,
            node,
            orders,
            links: Links::default(),
            dials: HashMap::new(),
            left: VecDeque::new(),
            resolved: mpsc::unbounded_channel(),
        };
        (carrier, door)
    }

    /// Runs until it is dropped or aborted.
    pub(crate) async fn run(mut self) {
        let mut buffer = vec![0; DATAGRAM_MAX];
        loop {
            let due = self.due();
            tokio::select! {
                // Errors of a UDP socket are news of earlier datagrams, not of this one.
                received = self.udp.recv_from(&mut buffer) => if let Ok((length, from)) = received {
                    self.datagrams(&mut buffer, length, from);
                },
                Some(datagram) = self.paths.arrived.recv() => {
                    let path = self.paths.note(&datagram);
                    self.receive(now().0, path, &datagram.bytes);
                }
                Some(path) = self.paths.left.recv() => {
                    self.paths.forget(path);
                    self.left.push_back((Instant::now() + RETURN_MAX, path));
                }
                Some(order) = self.orders.recv() => {
                    self.order(order);
                    for _ in 0..BATCH_MAX {
                        let Ok(order) = self.orders.try_recv() else { break };
                        self.order(order);
                    }
                }
                Some(resolved) = self.resolved.1.recv() => self.connect(resolved),
                () = sleep_until(due) => {
                    self.endpoint.tick(now().0);
                    self.give_up_dials();
                    self.give_up_pages();
                    self.links.forget_unanswered();
                }
            }
            self.tell_node(None);
            self.transmit().await;
        }
    }

    fn due(&self) -> Instant {
        let wake = self.endpoint.wake().map_or(TICK_MAX, |wake| {
            Duration::from_millis(wake.saturating_sub(now().0)).min(TICK_MAX)
        });
        let dials = self.dials.values().map(|dial| dial.until);
        let pages = self.left.front().map(|(at, _)| *at);
        let due = Instant::now() + wake;
        dials.chain(pages).min().map_or(due, |other| other.min(due))
    }

    /// Takes the datagram that is there and those right behind it, so that one round serves them all.
    fn datagrams(&mut self, buffer: &mut [u8], length: usize, from: SocketAddr) {
        let now = now().0;
        let (mut length, mut from) = (length, from);
        for _ in 0..BATCH_MAX {
            let path = self.paths.of_address(from);
            if let Some(datagram) = buffer.get(..length) {
                self.receive(now, path, datagram);
            }
            match self.udp.try_recv_from(buffer) {
                Ok(next) => (length, from) = next,
                Err(_) => return,
            }
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Dial(contact) => self.dial(contact),
            Order::Query { link, id, bytes } => match self.links.peer(link) {
                Some(peer) => {
                    let carried = self.endpoint.query(now().0, peer, &bytes, QUERY_MS);
                    self.links.asked(peer, carried, id);
                }
                None => self.node.input(Input::Link(link, LinkEvent::TimedOut { id })),
            },
            Order::Answer { link, id, bytes } => {
                if let Some((peer, query)) = self.links.take_query(link, id) {
                    self.endpoint.answer(now().0, peer, query, &bytes);
                }
            }
            Order::Close(link) => {
                if let Some(peer) = self.links.remove(link) {
                    self.endpoint.disconnect(peer);
                }
            }
        }
    }

    /// Looks the host name up on the side: a slow name server must not hold up everybody else.
    fn dial(&mut self, contact: Contact) {
        let resolved = self.resolved.0.clone();
        tokio::spawn(async move {
            let found = timeout(RESOLVE_MAX, lookup_host(contact.udp.as_str())).await;
            let address = found.ok().and_then(Result::ok).and_then(|mut found| found.next());
            // Nobody is left to tell after a stop.
            let _ = resolved.send(Resolved { contact, address });
        });
    }

    fn connect(&mut self, resolved: Resolved) {
        let Resolved { contact, address } = resolved;
        let Some(address) = address else {
            tracing::warn!(node = %contact.node, address = contact.udp, "no such address");
            return self.node.input(Input::Unreachable(contact.node));
        };
        let path = self.paths.of_address(address);
        let peer = self.endpoint.connect(now().0, contact.adnl.0, path);
        let until = Instant::now() + DIAL_MAX;
        self.dials.insert(peer, Dial { node: contact.node, until });
    }

    fn give_up_dials(&mut self) {
        let now = Instant::now();
        let late: Vec<PeerId> = self
            .dials
            .iter()
            .filter(|(_, dial)| dial.until <= now)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in late {
            // The endpoint says that the peer is gone, and that ends the dial.
            self.endpoint.disconnect(peer);
        }
    }

    /// Pages whose WebSocket has ended, unless they have come back through another one.
    fn give_up_pages(&mut self) {
        let now = Instant::now();
        while let Some((_, path)) = self.left.pop_front_if(|(at, _)| *at <= now) {
            for peer in self.links.on_path(path) {
                self.endpoint.disconnect(peer);
            }
        }
    }

    fn receive(&mut self, now: u64, path: PathId, datagram: &[u8]) {
        self.endpoint.receive(now, path, datagram);
        self.tell_node(Some(path));
    }

    /// `path`: where the datagram came from that these events are about.
    fn tell_node(&mut self, path: Option<PathId>) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Connected { peer, id, path, .. } => {
                    let link = self.links.connected(peer, path);
                    let dialled = self.dials.remove(&peer).map(|dial| dial.node);
                    let (ours, source) = (self.endpoint.id(), self.paths.source(path));
                    let up = LinkEvent::Up { ours, theirs: id, dialled, source };
                    self.node.input(Input::Link(link, up));
                }
                Event::Query { peer, id, bytes } => {
                    self.links.heard_on(peer, path);
                    if let Some((link, id)) = self.links.query(peer, id) {
                        self.node.input(Input::Link(link, LinkEvent::Query { id, bytes }));
                    }
                }
                Event::Answer { peer, id, bytes } => {
                    self.links.heard_on(peer, path);
                    if let Some((link, id)) = self.links.answered(peer, id) {
                        self.node.input(Input::Link(link, LinkEvent::Answer { id, bytes }));
                    }
                }
                Event::TimedOut { peer, id } => {
                    if let Some((link, id)) = self.links.answered(peer, id) {
                        self.node.input(Input::Link(link, LinkEvent::TimedOut { id }));
                    }
                }
                Event::Disconnected { peer } => {
                    if let Some(dial) = self.dials.remove(&peer) {
                        self.node.input(Input::Unreachable(dial.node));
                    }
                    if let Some(link) = self.links.disconnected(peer) {
                        self.node.input(Input::Link(link, LinkEvent::Down));
                    }
                }
            }
        }
    }

    async fn transmit(&mut self) {
        while let Some((path, datagram)) = self.endpoint.poll_transmit() {
            if let Some(address) = self.paths.address(path) {
                // What cannot be sent is lost, as datagrams are.
                let _ = self.udp.send_to(&datagram, address).await;
            } else {
                self.paths.send(path, datagram);
            }
        }
    }
}

/// How long the node's queries may take (protocol.md 4.1).
const QUERY_MS: u64 = 7_000;

const DIAL_MAX: Duration = Duration::from_secs(10);
const RESOLVE_MAX: Duration = Duration::from_secs(5);
/// How long a page may take to come back through another WebSocket.
const RETURN_MAX: Duration = Duration::from_secs(3);

const TICK_MAX: Duration = Duration::from_secs(5);
const DATAGRAM_MAX: usize = 65_536;
const PEERS_MAX: usize = 16_384;

/// Events that one round takes before it answers any of them.
const BATCH_MAX: usize = 64;
