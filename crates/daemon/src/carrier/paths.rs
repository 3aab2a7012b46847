//! Where datagrams come from and go to: UDP addresses and WebSockets, under the endpoint's path ids.
//!
//! An IPv4 address *is* its id, so that a flood of made-up senders leaves nothing behind here.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use adnl::udp::PathId;
use node::io::Source;
use tokio::sync::mpsc;

/// The carrier's side.
pub(super) struct Paths {
    /// Datagrams that pages sent.
    pub(super) arrived: mpsc::Receiver<Datagram>,
    /// WebSockets that have ended.
    pub(super) left: mpsc::UnboundedReceiver<PathId>,
    sockets: HashMap<PathId, mpsc::Sender<Vec<u8>>>,
    v6: HashMap<PathId, SocketAddrV6>,
    v6_ids: HashMap<SocketAddrV6, PathId>,
    v6_order: VecDeque<PathId>,
    last_v6: u64,
}

/// One datagram and the way back.
pub(crate) struct Datagram {
    pub(super) path: PathId,
    pub(super) bytes: Vec<u8>,
    back: mpsc::Sender<Vec<u8>>,
}

/// Where WebSockets come in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Door {
    arrived: mpsc::Sender<Datagram>,
    left: mpsc::UnboundedSender<PathId>,
    last: Arc<AtomicU64>,
}

/// One WebSocket as the carrier sees it; ends when dropped.
pub(crate) struct SocketPath {
    id: PathId,
    door: Door,
    back: mpsc::Sender<Vec<u8>>,
    /// Datagrams for the page.
    pub(crate) outgoing: mpsc::Receiver<Vec<u8>>,
}

impl Paths {
    pub(super) fn new() -> (Self, Door) {
        let (to_carrier, arrived) = mpsc::channel(ARRIVED_MAX);
        let (ended, left) = mpsc::unbounded_channel();
        let paths = Self {
            arrived,
            left,
            sockets: HashMap::new(),
            v6: HashMap::new(),
            v6_ids: HashMap::new(),
            v6_order: VecDeque::new(),
            last_v6: 0,
        };
        (paths, Door { arrived: to_carrier, left: ended, last: Arc::default() })
    }

    pub(super) fn of_address(&mut self, address: SocketAddr) -> PathId {
        match address {
            SocketAddr::V4(v4) => {
                PathId(KIND_V4 | u64::from(v4.ip().to_bits()) << 16 | u64::from(v4.port()))
            }
            SocketAddr::V6(v6) => self.of_v6(v6),
        }
    }

    /// `None` for a WebSocket, or an IPv6 address that was forgotten.
    pub(super) fn address(&self, path: PathId) -> Option<SocketAddr> {
        if path.0 & KIND != KIND_V4 {
            return self.v6.get(&path).copied().map(SocketAddr::V6);
        }
        let ip = u32::try_from((path.0 >> 16) & u64::from(u32::MAX)).ok()?;
        let port = u16::try_from(path.0 & u64::from(u16::MAX)).ok()?;
        Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from_bits(ip)), port))
    }

    /// What is behind a path: a host, a network of IPv6, or one WebSocket, whose number per address is limited
    /// where they come in.
    pub(super) fn source(&self, path: PathId) -> Source {
        match self.address(path).map(|address| address.ip()) {
            Some(IpAddr::V4(ip)) => Source(KIND_V4 | u64::from(ip.to_bits())),
            Some(IpAddr::V6(ip)) => {
                let network = u64::try_from(ip.to_bits() >> 64).unwrap_or(0);
                Source(KIND_V6 | network & !KIND)
            }
            None => Source(path.0),
        }
    }

    /// Takes note of the way back to a page.
    pub(super) fn note(&mut self, datagram: &Datagram) -> PathId {
        // Its end may have been told before its last datagrams.
        if !datagram.back.is_closed() {
            self.sockets.entry(datagram.path).or_insert_with(|| datagram.back.clone());
        }
        datagram.path
    }

    /// Sends to a page. What it does not take in time is lost, as datagrams are.
    pub(super) fn send(&mut self, path: PathId, datagram: Vec<u8>) {
        if let Some(socket) = self.sockets.get(&path) {
            let _ = socket.try_send(datagram);
        }
    }

    pub(super) fn forget(&mut self, path: PathId) {
        self.sockets.remove(&path);
    }

    fn of_v6(&mut self, address: SocketAddrV6) -> PathId {
        if let Some(known) = self.v6_ids.get(&address) {
            return *known;
        }
        if self.v6_order.len() >= V6_MAX
            && let Some(oldest) = self.v6_order.pop_front()
            && let Some(address) = self.v6.remove(&oldest)
        {
            self.v6_ids.remove(&address);
        }
        self.last_v6 += 1;
        let path = PathId(KIND_V6 | self.last_v6);
        self.v6.insert(path, address);
        self.v6_ids.insert(address, path);
        self.v6_order.push_back(path);
        path
    }
}

impl Door {
    /// A path for a new WebSocket.
    pub(crate) fn enter(&self) -> SocketPath {
        let (back, outgoing) = mpsc::channel(OUTGOING_MAX);
        let id = PathId(KIND_SOCKET | self.last.fetch_add(1, Ordering::Relaxed));
        SocketPath { id, door: self.clone(), back, outgoing }
    }
}

impl SocketPath {
    /// Hands in a datagram of the page; waits while the carrier is busy.
    pub(crate) async fn receive(&self, bytes: Vec<u8>) {
        let datagram = Datagram { path: self.id, bytes, back: self.back.clone() };
        // After a stop nobody is left to receive it.
        let _ = self.door.arrived.send(datagram).await;
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        self.outgoing.close();
        let _ = self.door.left.send(self.id);
    }
}

/// The kind of a path is in its highest bits.
const KIND: u64 = 3 << 62;
const KIND_V4: u64 = 0;
const KIND_V6: u64 = 1 << 62;
const KIND_SOCKET: u64 = 2 << 62;

const V6_MAX: usize = 65_536;
const ARRIVED_MAX: usize = 1_024;
const OUTGOING_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_keeps_its_path_and_every_path_its_address() {
        let (mut paths, _door) = Paths::new();
        for address in ["127.0.0.1:1", "255.255.255.255:65535", "[::1]:7", "[2001:db8::1]:65535"] {
            let address: SocketAddr = address.parse().unwrap();
            let path = paths.of_address(address);
            assert_eq!(paths.of_address(address), path);
            assert_eq!(paths.address(path), Some(address));
        }
    }

    #[test]
    fn one_machine_is_one_source_whatever_ports_and_addresses_it_takes() {
        let (mut paths, door) = Paths::new();
        let mut source = |address: &str| {
            let path = paths.of_address(address.parse().unwrap());
            paths.source(path)
        };
        assert_eq!(source("10.1.2.3:1"), source("10.1.2.3:65535"));
        assert_ne!(source("10.1.2.3:1"), source("10.1.2.4:1"));
        assert_eq!(source("[2001:db8::1]:1"), source("[2001:db8::ffff:2]:2"));
        assert_ne!(source("[2001:db8::1]:1"), source("[2001:db8:0:1::1]:1"));
        let (one, other) = (door.enter(), door.enter());
        assert_ne!(paths.source(one.id), paths.source(other.id));
    }

    #[test]
    fn a_flood_of_ipv6_senders_takes_bounded_memory() {
        let (mut paths, _door) = Paths::new();
        for n in 0..V6_MAX + 100 {
            let ip = std::net::Ipv6Addr::from_bits(n as u128);
            paths.of_address(SocketAddr::new(IpAddr::V6(ip), 1));
        }
        assert_eq!(paths.v6.len(), V6_MAX);
        assert_eq!(paths.v6_ids.len(), V6_MAX);
    }

    #[tokio::test]
    async fn a_page_gets_what_is_sent_to_its_path_until_it_leaves() {
        let (mut paths, door) = Paths::new();
        let mut page = door.enter();
        page.receive(vec![1]).await;
        let datagram = paths.arrived.recv().await.unwrap();
        let path = paths.note(&datagram);
        drop(datagram);
        assert_eq!(paths.address(path), None);
        paths.send(path, vec![2]);
        assert_eq!(page.outgoing.recv().await, Some(vec![2]));

        drop(page);
        assert_eq!(paths.left.recv().await, Some(path));
        paths.forget(path);
        paths.send(path, vec![3]);
    }
}
