//! Two sets of names for the same things: the node speaks of links and its own query ids, the endpoint of
//! peers and the ids on the wire.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use adnl::udp::{self, PathId, PeerId};
use node::io::{LinkId, QueryId};
use tokio::time::Instant;

/// The connections that the node knows, and the open queries on them.
#[derive(Default)]
pub(super) struct Links {
    peers: BTreeMap<LinkId, PeerId>,
    links: HashMap<PeerId, Link>,
    /// Queries of peers that the node has not answered.
    heard: BTreeMap<QueryId, Heard>,
    /// The same in the order of their coming.
    order: VecDeque<(Instant, QueryId)>,
    last_link: u64,
    last_query: u64,
}

struct Link {
    id: LinkId,
    path: PathId,
    /// Our queries, by their ids on the wire.
    asked: HashMap<udp::QueryId, QueryId>,
    /// How many queries of this peer the node has not answered.
    unanswered: usize,
}

struct Heard {
    peer: PeerId,
    id: udp::QueryId,
}

impl Links {
    /// The link of a connected peer: a new one, or the one that it has.
    pub(super) fn connected(&mut self, peer: PeerId, path: PathId) -> LinkId {
        if let Some(link) = self.links.get_mut(&peer) {
            link.path = path;
            return link.id;
        }
        self.last_link += 1;
        let id = LinkId(self.last_link);
        self.peers.insert(id, peer);
        self.links.insert(peer, Link { id, path, asked: HashMap::new(), unanswered: 0 });
        id
    }

    pub(super) fn disconnected(&mut self, peer: PeerId) -> Option<LinkId> {
        let link = self.links.remove(&peer)?;
        self.peers.remove(&link.id);
        Some(link.id)
    }

    /// Forgets a link that the node has closed, so that nothing more comes from it.
    pub(super) fn remove(&mut self, link: LinkId) -> Option<PeerId> {
        let peer = self.peers.remove(&link)?;
        self.links.remove(&peer);
        Some(peer)
    }

    pub(super) fn peer(&self, link: LinkId) -> Option<PeerId> {
        self.peers.get(&link).copied()
    }

    /// Takes note of where a peer was heard last.
    pub(super) fn heard_on(&mut self, peer: PeerId, path: Option<PathId>) {
        if let (Some(link), Some(path)) = (self.links.get_mut(&peer), path) {
            link.path = path;
        }
    }

    /// The peers that were heard last on this path.
    pub(super) fn on_path(&self, path: PathId) -> Vec<PeerId> {
        self.links.iter().filter(|(_, link)| link.path == path).map(|(peer, _)| *peer).collect()
    }

    /// Remembers a query of the node under its id on the wire.
    pub(super) fn asked(&mut self, peer: PeerId, carried: udp::QueryId, id: QueryId) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.asked.insert(carried, id);
        }
    }

    /// The node's name of a query that is answered or given up.
    pub(super) fn answered(
        &mut self,
        peer: PeerId,
        carried: udp::QueryId,
    ) -> Option<(LinkId, QueryId)> {
        let link = self.links.get_mut(&peer)?;
        Some((link.id, link.asked.remove(&carried)?))
    }

    /// Names a query of a peer for the node. `None`: the peer has so many open that this one is dropped; it
    /// asks again.
    pub(super) fn query(&mut self, peer: PeerId, id: udp::QueryId) -> Option<(LinkId, QueryId)> {
        let link = self.links.get_mut(&peer)?;
        if link.unanswered >= UNANSWERED_MAX {
            return None;
        }
        link.unanswered += 1;
        self.last_query += 1;
        let name = QueryId(self.last_query);
        self.heard.insert(name, Heard { peer, id });
        self.order.push_back((Instant::now(), name));
        Some((link.id, name))
    }

    /// Where an answer of the node goes; `None` if it comes too late.
    pub(super) fn take_query(
        &mut self,
        link: LinkId,
        name: QueryId,
    ) -> Option<(PeerId, udp::QueryId)> {
        let heard = self.drop_query(name)?;
        (self.peers.get(&link) == Some(&heard.peer)).then_some((heard.peer, heard.id))
    }

    /// The node need not answer; a peer has stopped waiting long before this.
    pub(super) fn forget_unanswered(&mut self) {
        while let Some((_, name)) =
            self.order.pop_front_if(|(since, _)| since.elapsed() > ANSWER_MAX)
        {
            self.drop_query(name);
        }
    }

    fn drop_query(&mut self, name: QueryId) -> Option<Heard> {
        let heard = self.heard.remove(&name)?;
        if let Some(link) = self.links.get_mut(&heard.peer) {
            link.unanswered = link.unanswered.saturating_sub(1);
        }
        Some(heard)
    }
}

const ANSWER_MAX: Duration = Duration::from_secs(15);

const UNANSWERED_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: PathId = PathId(1);
    const WIRE: udp::QueryId = udp::QueryId([7; 32]);

    #[test]
    fn an_answer_goes_to_the_peer_that_asked_and_only_once() {
        let mut links = Links::default();
        let link = links.connected(PeerId(1), PATH);
        let (on, name) = links.query(PeerId(1), WIRE).unwrap();
        assert_eq!(on, link);
        assert_eq!(links.take_query(link, name), Some((PeerId(1), WIRE)));
        assert_eq!(links.take_query(link, name), None);
    }

    #[test]
    fn an_answer_on_another_link_goes_nowhere() {
        let mut links = Links::default();
        links.connected(PeerId(1), PATH);
        let other = links.connected(PeerId(2), PATH);
        let (_, name) = links.query(PeerId(1), WIRE).unwrap();
        assert_eq!(links.take_query(other, name), None);
    }

    #[test]
    fn a_peer_that_comes_back_gets_a_new_link() {
        let mut links = Links::default();
        let first = links.connected(PeerId(1), PATH);
        assert_eq!(links.connected(PeerId(1), PathId(2)), first);
        assert_eq!(links.disconnected(PeerId(1)), Some(first));
        assert_ne!(links.connected(PeerId(2), PATH), first);
        assert_eq!(links.peer(first), None);
    }

    #[test]
    fn a_peer_with_too_many_open_queries_is_not_heard_until_one_is_answered() {
        let mut links = Links::default();
        let link = links.connected(PeerId(1), PATH);
        let names: Vec<_> =
            (0..UNANSWERED_MAX).map(|_| links.query(PeerId(1), WIRE).unwrap().1).collect();
        assert_eq!(links.query(PeerId(1), WIRE), None);
        assert!(links.take_query(link, names[0]).is_some());
        assert!(links.query(PeerId(1), WIRE).is_some());
    }

    #[test]
    fn a_page_that_came_back_through_another_socket_is_not_on_the_old_one() {
        let mut links = Links::default();
        links.connected(PeerId(1), PATH);
        links.connected(PeerId(2), PATH);
        links.heard_on(PeerId(1), Some(PathId(2)));
        links.heard_on(PeerId(2), None);
        assert_eq!(links.on_path(PATH), [PeerId(2)]);
    }
}
