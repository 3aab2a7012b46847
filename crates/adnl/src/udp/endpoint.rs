//! The endpoint as hosts see it: connecting, asking, answering, and time.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::key::{LocalKey, short_id};

use super::{
    Dropped, Event, Limits, PathId, PeerId, QueryId, message,
    parts::split,
    peer::{Local, Peer},
    queries::Due,
};

/// One local ADNL key and the peers that it talks to.
///
/// Times are unix milliseconds and never go back. After each call, take what [`Endpoint::poll_transmit`] and
/// [`Endpoint::poll_event`] give, and call [`Endpoint::tick`] when the time of [`Endpoint::wake`] has come.
pub struct Endpoint {
    pub(super) local: Local,
    pub(super) limits: Limits,
    pub(super) now: u64,
    pub(super) peers: BTreeMap<PeerId, Peer>,
    /// By short id.
    pub(super) ids: BTreeMap<[u8; 32], PeerId>,
    /// By the id that incoming datagrams of a channel start with.
    pub(super) channels: BTreeMap<[u8; 32], PeerId>,
    pub(super) events: VecDeque<Event>,
    pub(super) dropped: Dropped,
    /// When each peer needs attention next.
    timers: BTreeSet<(u64, PeerId)>,
    transmits: VecDeque<(PathId, Vec<u8>)>,
    next_peer: u64,
}

impl Endpoint {
    /// `seed` is the Ed25519 seed of the ADNL key. `entropy` must be fresh random bytes each time: keys of channels
    /// come from it.
    pub fn new(seed: [u8; 32], entropy: [u8; 32], limits: Limits) -> Self {
        let local = Local {
            key: LocalKey::from_seed(&seed),
            random: ChaCha20Rng::from_seed(entropy),
            started: 0,
            highest: 0,
        };
        Self {
            local,
            limits,
            now: 0,
            peers: BTreeMap::new(),
            ids: BTreeMap::new(),
            channels: BTreeMap::new(),
            events: VecDeque::new(),
            dropped: Dropped::default(),
            timers: BTreeSet::new(),
            transmits: VecDeque::new(),
            next_peer: 0,
        }
    }

    /// The short id of the local key.
    pub fn id(&self) -> [u8; 32] {
        self.local.key.id()
    }

    /// The local Ed25519 key.
    pub fn public(&self) -> [u8; 32] {
        self.local.key.public()
    }

    /// Starts to talk to a peer over `path` and goes on trying until it answers; [`Event::Connected`] says so, at
    /// once if the peer is connected already. Queries need not wait for that.
    ///
    /// A peer that is known keeps its [`PeerId`] and moves to `path`. With our own key, or one that is no key,
    /// [`Event::Disconnected`] follows at once.
    pub fn connect(&mut self, now_ms: u64, peer_public: [u8; 32], path: PathId) -> PeerId {
        self.advance(now_ms);
        let id = short_id(&peer_public);
        if id == self.id() || self.local.key.agree(&peer_public).is_none() {
            let peer = self.fresh_peer_id();
            self.events.push_back(Event::Disconnected { peer });
            return peer;
        }
        let peer_id = match self.ids.get(&id) {
            Some(known) => *known,
            None => {
                self.make_room();
                self.add_peer(peer_public, id, path)
            }
        };
        if let Some(peer) = self.peers.get_mut(&peer_id) {
            peer.wanted = true;
            peer.path = path;
            if peer.announced {
                self.events.push_back(Event::Connected {
                    peer: peer_id,
                    public: peer.public,
                    id,
                    path,
                });
            } else {
                peer.knocked(self.now);
                self.send_outside(peer_id, None, &message::nop());
            }
        }
        self.note(peer_id);
        peer_id
    }

    /// Asks a peer. The query is sent again every 250 ms until an answer comes or `timeout_ms` is over; one of
    /// [`Event::Answer`] and [`Event::TimedOut`] follows. Above [`Limits::message`] bytes, or without such a peer,
    /// it times out at once.
    pub fn query(&mut self, now_ms: u64, peer: PeerId, bytes: &[u8], timeout_ms: u64) -> QueryId {
        self.advance(now_ms);
        let mut random = [0; 32];
        self.local.random.fill_bytes(&mut random);
        let id = QueryId(random);
        let message = message::query(&id.0, bytes);
        let fits = message.len() <= self.limits.message;
        match self.peers.get_mut(&peer).filter(|_| fits) {
            Some(known) => {
                known.about_to_ask(self.now);
                known.asked.insert(
                    self.now,
                    id,
                    message.clone(),
                    self.now.saturating_add(timeout_ms),
                );
                self.send(peer, message);
                self.note(peer);
            }
            None => self.events.push_back(Event::TimedOut { peer, id }),
        }
        id
    }

    /// Answers a query of a peer. Only the first answer to a query counts, and none after 30 s; one above
    /// [`Limits::message`] bytes is not sent.
    pub fn answer(&mut self, now_ms: u64, peer: PeerId, query: QueryId, bytes: &[u8]) {
        self.advance(now_ms);
        let message = message::answer(&query.0, bytes);
        let most = self.limits.answers;
        let fits = message.len() <= self.limits.message;
        let Some(known) = self.peers.get_mut(&peer).filter(|_| fits) else { return };
        if known.heard.answer(query, &message, most) {
            self.send(peer, message);
            self.note(peer);
        }
    }

    /// Does what is due at `now_ms`.
    pub fn tick(&mut self, now_ms: u64) {
        self.advance(now_ms);
        while let Some((at, peer)) = self.timers.first().copied().filter(|(at, _)| *at <= self.now)
        {
            self.timers.remove(&(at, peer));
            if let Some(known) = self.peers.get_mut(&peer) {
                known.noted = None;
            }
            self.attend(peer);
        }
    }

    /// When to call [`Endpoint::tick`] next, in unix ms.
    pub fn wake(&self) -> Option<u64> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The next datagram to send, and where.
    pub fn poll_transmit(&mut self) -> Option<(PathId, Vec<u8>)> {
        self.transmits.pop_front()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Forgets a peer. It is not told; if it goes on talking, it connects again under a new [`PeerId`].
    pub fn disconnect(&mut self, peer: PeerId) {
        self.remove(peer);
    }

    /// What has been dropped since the start.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    pub(super) fn advance(&mut self, now_ms: u64) {
        self.now = self.now.max(now_ms);
        if self.local.started == 0 {
            self.local.started = u32::try_from(self.now / 1000).unwrap_or(u32::MAX).max(1);
        }
    }

    fn attend(&mut self, peer_id: PeerId) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        if peer.ends_at() <= now {
            self.remove(peer_id);
            return;
        }
        if peer.knocks_at().is_some_and(|at| at <= now) {
            peer.knocked(now);
            self.send_outside(peer_id, None, &message::nop());
        }
        self.ask_again(peer_id);
        self.note(peer_id);
    }

    /// Sends every query that is due and gives up those that are too late.
    pub(super) fn ask_again(&mut self, peer_id: PeerId) {
        while let Some(due) = self.peers.get_mut(&peer_id).and_then(|peer| peer.asked.pop(self.now))
        {
            match due {
                Due::Send(message) => self.send(peer_id, message),
                Due::TimedOut(id) => self.events.push_back(Event::TimedOut { peer: peer_id, id }),
            }
        }
    }

    /// Sends a boxed message of any length.
    pub(super) fn send(&mut self, peer_id: PeerId, message: Vec<u8>) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        for piece in split(message) {
            if let Some(datagram) = peer.seal(&mut self.local, self.now, &piece) {
                self.transmits.push_back((peer.path, datagram));
            }
        }
    }

    /// Sends a short boxed message outside any channel, over another path than the peer's if one is given.
    pub(super) fn send_outside(&mut self, peer_id: PeerId, path: Option<PathId>, message: &[u8]) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        if let Some(datagram) = peer.seal_outside(&mut self.local, self.now, message) {
            self.transmits.push_back((path.unwrap_or(peer.path), datagram));
        }
    }

    /// Puts the peer into the timers under its present deadline.
    pub(super) fn note(&mut self, peer_id: PeerId) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        let at = peer.next();
        if peer.noted == Some(at) {
            return;
        }
        if let Some(old) = peer.noted.replace(at) {
            self.timers.remove(&(old, peer_id));
        }
        self.timers.insert((at, peer_id));
    }

    /// If all places are taken, drops the oldest peer that has not shown that it hears us and that the host does not
    /// want. `false` if there is none.
    pub(super) fn make_room(&mut self) -> bool {
        if self.peers.len() < self.limits.peers {
            return true;
        }
        let stranger =
            self.peers.iter().find(|(_, peer)| !peer.live && !peer.wanted).map(|(id, _)| *id);
        if let Some(id) = stranger {
            self.remove(id);
        }
        stranger.is_some()
    }

    pub(super) fn add_peer(&mut self, public: [u8; 32], id: [u8; 32], path: PathId) -> PeerId {
        let peer_id = self.fresh_peer_id();
        let peer = Peer::new(&mut self.local, self.now, (public, id), path);
        self.peers.insert(peer_id, peer);
        self.ids.insert(id, peer_id);
        peer_id
    }

    /// Ends a connection: open queries first, then the peer itself, if the host knows of it.
    pub(super) fn remove(&mut self, peer_id: PeerId) -> Option<Peer> {
        let peer = self.peers.remove(&peer_id)?;
        self.ids.remove(&peer.id);
        if let Some(agreed) = &peer.channel {
            self.channels.remove(&agreed.channel.incoming_id());
        }
        if let Some(at) = peer.noted {
            self.timers.remove(&(at, peer_id));
        }
        self.events.extend(peer.asked.ids().map(|id| Event::TimedOut { peer: peer_id, id }));
        if peer.announced || peer.wanted {
            self.events.push_back(Event::Disconnected { peer: peer_id });
        }
        Some(peer)
    }

    fn fresh_peer_id(&mut self) -> PeerId {
        self.next_peer = self.next_peer.saturating_add(1);
        PeerId(self.next_peer)
    }
}
