//! Connections and who is behind them: authentication (protocol.md 4.3), dialling, signs of life.

use alloc::{collections::BTreeMap, vec::Vec};

use channel::{
    amount::Time,
    key::PublicKey,
    tl::{Answer, Authenticate, Query, authenticate_hash},
};

use crate::{
    guests::Guests,
    io::{Effect, Event, LinkId, QueryId, Source},
    node::Node,
    timers::Timer,
    turn::Flight,
};

/// Seconds by which the clocks of two nodes may differ. What is signed names both ends of this link, so an old
/// signature serves nobody else.
const AUTH_SKEW_SECS: i64 = 300;
/// How long a link may take to prove a node key, and a node without a channel to open one.
const STRANGER_MS: u64 = 60_000;
const VISITOR_MS: u64 = 600_000;
const PING_MS: u64 = 15_000;
const DIAL_FIRST_MS: u64 = 500;
const DIAL_LONGEST_MS: u64 = 30_000;

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) ours: [u8; 32],
    pub(crate) theirs: [u8; 32],
    pub(crate) dialled: Option<PublicKey>,
    pub(crate) source: Source,
    pub(crate) peer: Option<PublicKey>,
}

#[derive(Debug, Default)]
pub(crate) struct Links {
    pub(crate) all: BTreeMap<LinkId, Link>,
    pub(crate) by_peer: BTreeMap<PublicKey, LinkId>,
    /// Nodes that are being dialled, or waited for, and how often that failed.
    dialling: BTreeMap<PublicKey, u32>,
    /// Links to us that have not proved a node key.
    strangers: Guests<LinkId>,
    /// Those on which a node has proved its key that has no open channel with us.
    visitors: Guests<LinkId>,
}

impl Links {
    pub(crate) fn of(&self, peer: &PublicKey) -> Option<LinkId> {
        self.by_peer.get(peer).copied()
    }

    pub(crate) fn peer(&self, link: LinkId) -> Option<PublicKey> {
        self.all.get(&link)?.peer
    }
}

impl Node {
    pub(crate) fn link_up(&mut self, id: LinkId, link: Link) {
        let Link { ours, theirs, dialled, source, .. } = link;
        self.links.all.insert(id, link);
        if dialled.is_none() {
            self.links.strangers.enter(id, source);
            self.timers.set(Timer::Guest(id), Some(self.now.plus_ms(STRANGER_MS)));
            while let Some(guest) = self.links.strangers.too_many(self.config.limits.strangers) {
                self.drop_link(guest);
            }
        } else {
            let timestamp = i64::from(self.clock.fair().seconds());
            let hello = self.authenticate(&ours, &theirs, timestamp);
            self.query(id, &Query::Authenticate(hello), Flight::Auth { timestamp });
            self.timers.set(Timer::Ping(id), Some(self.now.plus_ms(PING_MS)));
        }
    }

    fn authenticate(&self, a: &[u8; 32], b: &[u8; 32], timestamp: i64) -> Authenticate {
        let signature = self.key.sign(&authenticate_hash(a, b, timestamp));
        Authenticate { key: self.public, timestamp, signature }
    }

    /// The peer introduces itself. `None`: no answer, as for everything that is not understood.
    pub(crate) fn authenticated_by(&mut self, id: LinkId, hello: &Authenticate) -> Option<Answer> {
        let age = i64::from(self.clock.fair().seconds()).checked_sub(hello.timestamp)?;
        let link = self.links.all.get(&id)?;
        let (ours, theirs) = (link.ours, link.theirs);
        let digest = authenticate_hash(&theirs, &ours, hello.timestamp);
        let fresh = (-AUTH_SKEW_SECS..=AUTH_SKEW_SECS).contains(&age);
        if !fresh || !hello.key.verify(&digest, &hello.signature) {
            tracing::debug!(age, "authentication refused");
            return None;
        }
        let answer = self.authenticate(&ours, &theirs, hello.timestamp);
        self.bind(id, hello.key).then_some(Answer::Authenticate(answer))
    }

    /// The answer to our own introduction.
    pub(crate) fn authenticated_with(&mut self, id: LinkId, timestamp: i64, hello: &Authenticate) {
        let Some(link) = self.links.all.get(&id) else { return };
        let digest = authenticate_hash(&link.theirs, &link.ours, timestamp);
        if hello.key.verify(&digest, &hello.signature) {
            self.bind(id, hello.key);
        } else {
            self.drop_link(id);
        }
    }

    /// From here on this link speaks for `peer`. The node that we dialled must be the one we wanted (N20).
    fn bind(&mut self, id: LinkId, peer: PublicKey) -> bool {
        let Some(link) = self.links.all.get_mut(&id) else { return false };
        if peer == self.public || link.dialled.is_some_and(|wanted| wanted != peer) {
            self.drop_link(id);
            return false;
        }
        if link.peer == Some(peer) {
            return true;
        }
        if let Some(before) = link.peer.replace(peer) {
            self.links.by_peer.remove(&before);
        }
        if let Some(older) = self.links.by_peer.insert(peer, id)
            && older != id
        {
            self.forget_link(older);
            self.effect(Effect::Close(older));
        }
        self.links.dialling.remove(&peer);
        self.timers.set(Timer::Dial(peer), None);
        self.receive_visitor(id);
        if self.links.of(&peer).is_none() {
            return false;
        }
        tracing::debug!(%peer, "authenticated");
        self.effect(Effect::Notify(Event::Peer { node: peer, online: true }));
        self.peer_changed(&peer);
        true
    }

    /// A node that nothing binds us to may stay for a while: long enough to open a channel.
    fn receive_visitor(&mut self, id: LinkId) {
        self.links.strangers.leave(&id);
        let Some(Link { source, dialled: None, .. }) = self.links.all.get(&id) else { return };
        self.links.visitors.enter(id, *source);
        self.timers.set(Timer::Guest(id), Some(self.now.plus_ms(VISITOR_MS)));
        while let Some(guest) = self.links.visitors.too_many(self.config.limits.strangers) {
            if self.is_guest(guest) {
                self.drop_link(guest)
            } else {
                self.links.visitors.leave(&guest)
            }
        }
    }

    pub(crate) fn guest_time_over(&mut self, id: LinkId) {
        self.links.visitors.leave(&id);
        if self.is_guest(id) {
            self.drop_link(id);
        }
    }

    /// Whoever has put money into a channel with us, or is wanted by our owner, is not a guest.
    fn is_guest(&self, id: LinkId) -> bool {
        let Some(peer) = self.links.peer(id) else { return true };
        let funded = |address| self.slots.get(address).is_some_and(|slot| slot.channel.usable());
        !self.wants(&peer) && !self.channels_with(&peer).iter().any(funded)
    }

    /// Everything that waited for this peer can go on.
    fn peer_changed(&mut self, peer: &PublicKey) {
        for address in self.channels_with(peer) {
            self.touch(&address);
            let keys: Vec<PublicKey> = self
                .slots
                .get(&address)
                .map(|s| s.asks.keys().copied().collect())
                .unwrap_or_default();
            for key in keys {
                self.ask_again(&key);
            }
        }
        self.timers.sooner(Timer::Opening(*peer), self.now);
    }

    pub(crate) fn drop_link(&mut self, id: LinkId) {
        self.effect(Effect::Close(id));
        self.link_down(id);
    }

    pub(crate) fn link_down(&mut self, id: LinkId) {
        let Some(link) = self.forget_link(id) else { return };
        if let Some(peer) = link.peer
            && self.links.of(&peer).is_none()
        {
            self.effect(Effect::Notify(Event::Peer { node: peer, online: false }));
        }
        if let Some(peer) = link.peer.or(link.dialled) {
            self.dial_later(peer);
        }
    }

    fn forget_link(&mut self, id: LinkId) -> Option<Link> {
        let link = self.links.all.remove(&id)?;
        self.timers.set(Timer::Ping(id), None);
        self.timers.set(Timer::Guest(id), None);
        self.links.strangers.leave(&id);
        self.links.visitors.leave(&id);
        if let Some(peer) = link.peer
            && self.links.of(&peer) == Some(id)
        {
            self.links.by_peer.remove(&peer);
        }
        let lost: Vec<QueryId> =
            self.flights.iter().filter(|(_, (link, _))| *link == id).map(|(q, _)| *q).collect();
        for query in lost {
            if let Some((_, flight)) = self.flights.remove(&query) {
                self.flight_lost(&flight);
            }
        }
        if let Some(peer) = link.peer {
            for address in self.channels_with(&peer) {
                if let Some(slot) = self.slots.get_mut(&address) {
                    slot.turn.foreign = None;
                }
            }
        }
        Some(link)
    }

    /// We keep up the connection to the peers of channels that we opened, as far as we know how to reach them.
    pub(crate) fn wants(&self, peer: &PublicKey) -> bool {
        let opened = |address| self.slots.get(address).is_some_and(|s| s.channel.terms.we_left);
        self.openings.contains_key(peer) || self.channels_with(peer).iter().any(opened)
    }

    pub(crate) fn dial(&mut self, peer: PublicKey) {
        if self.links.of(&peer).is_some() || !self.wants(&peer) {
            return;
        }
        let Some(contact) = self.contacts.get(&peer).cloned() else { return };
        self.links.dialling.entry(peer).or_insert(0);
        self.effect(Effect::Dial(contact));
    }

    pub(crate) fn unreachable(&mut self, peer: PublicKey) {
        self.dial_later(peer);
    }

    fn dial_later(&mut self, peer: PublicKey) {
        if !self.wants(&peer) {
            self.links.dialling.remove(&peer);
            return;
        }
        let tries = self.links.dialling.entry(peer).or_insert(0);
        *tries = tries.saturating_add(1);
        let pause = DIAL_FIRST_MS.saturating_mul(1_u64 << (*tries).min(6)).min(DIAL_LONGEST_MS);
        let at: Time = self.now.plus_ms(pause);
        self.timers.set(Timer::Dial(peer), Some(at));
    }

    pub(crate) fn ping(&mut self, id: LinkId) {
        if self.links.all.contains_key(&id) {
            let value = i64::from(self.clock.wall().seconds());
            self.query(id, &Query::Ping { value }, Flight::Ping);
            self.timers.set(Timer::Ping(id), Some(self.now.plus_ms(PING_MS)));
        }
    }
}
