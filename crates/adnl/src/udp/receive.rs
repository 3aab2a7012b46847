//! What an arriving datagram does, from the outermost bytes to the messages inside.
//!
//! Each step believes only what the one before has proven: decrypted, then signed or from the channel, then of this
//! life of both sides, then in order and new. A peer becomes *live* when it shows that it received something of this
//! connection; until then it can set up a channel and nothing else.

use super::{
    Dropped, Endpoint, Event, PathId, PeerId, QueryId,
    message::{self, Message},
    packet::{Packet, Started},
    peer::{Agreed, Peer},
    queries::Standing,
    sealed::{Channel, open_with_key},
    window::Fresh,
};
use crate::key::short_id;

/// Why a datagram leads to nothing.
enum Reason {
    Garbage,
    Unknown,
    Forged,
    Replayed,
    Stale,
    Full,
}

impl Dropped {
    fn count(&mut self, reason: Reason) {
        let counter = match reason {
            Reason::Garbage => &mut self.garbage,
            Reason::Unknown => &mut self.unknown,
            Reason::Forged => &mut self.forged,
            Reason::Replayed => &mut self.replayed,
            Reason::Stale => &mut self.stale,
            Reason::Full => &mut self.full,
        };
        *counter = counter.saturating_add(1);
    }
}

impl Endpoint {
    /// Takes one datagram that arrived over `path`, whatever it is. What leads to nothing is counted in
    /// [`Endpoint::dropped`].
    pub fn receive(&mut self, now_ms: u64, path: PathId, datagram: &[u8]) {
        self.advance(now_ms);
        let outcome = match datagram.split_first_chunk::<32>() {
            None => Err(Reason::Garbage),
            Some((target, sealed)) if *target == self.id() => self.receive_signed(path, sealed),
            Some((target, sealed)) => match self.channels.get(target) {
                Some(peer) => self.receive_in_channel(*peer, path, sealed),
                None => Err(Reason::Unknown),
            },
        };
        if let Err(reason) = outcome {
            self.dropped.count(reason);
        }
    }

    fn receive_in_channel(
        &mut self,
        peer_id: PeerId,
        path: PathId,
        sealed: &[u8],
    ) -> Result<(), Reason> {
        let peer = self.peers.get_mut(&peer_id).ok_or(Reason::Unknown)?;
        let agreed = peer.channel.as_ref().ok_or(Reason::Unknown)?;
        let contents = agreed.channel.open(sealed).ok_or(Reason::Garbage)?;
        let packet = Packet::parse(&contents).map_err(|_| Reason::Garbage)?;
        let named_wrongly = packet.from.is_some_and(|from| from != peer.public)
            || packet.from_short.is_some_and(|from| from != peer.id);
        if named_wrongly {
            return Err(Reason::Forged);
        }
        let seqno = packet.seqno.ok_or(Reason::Garbage)?;
        peer.arrived(self.now, path, seqno, packet.confirm.unwrap_or(0)).ok_or(Reason::Replayed)?;

        // Nobody else has the key, and it was made for this connection.
        (peer.live, peer.settled) = (true, true);
        let became_ready = peer
            .channel
            .as_mut()
            .is_some_and(|agreed| !core::mem::replace(&mut agreed.ready, true));
        self.announce(peer_id);
        if became_ready {
            self.hurry(peer_id);
        }
        for message in packet.messages {
            self.deliver(peer_id, message);
        }
        self.note(peer_id);
        Ok(())
    }

    fn receive_signed(&mut self, path: PathId, sealed: &[u8]) -> Result<(), Reason> {
        let contents = open_with_key(&self.local.key, sealed).ok_or(Reason::Garbage)?;
        let packet = Packet::parse(&contents).map_err(|_| Reason::Garbage)?;
        let (public, id) = self.sender(&packet).ok_or(Reason::Unknown)?;
        if !packet.signed_by(&public) || id == self.id() {
            return Err(Reason::Forged);
        }
        let (Some(seqno), Some(started)) = (packet.seqno, packet.started) else {
            return Err(Reason::Garbage);
        };
        if started.receiver > self.local.started || started.sender == 0 {
            return Err(Reason::Stale);
        }

        let mut peer_id = match self.ids.get(&id).copied() {
            Some(known) => known,
            None if self.make_room() => self.add_peer(public, id, path),
            None => return Err(Reason::Full),
        };
        let mut peer = self.peers.get_mut(&peer_id).ok_or(Reason::Unknown)?;
        if started.sender < peer.started {
            return Err(Reason::Stale);
        }
        if started.sender > peer.started && peer.started != 0 {
            // The peer has restarted.
            peer_id = self.renew(peer_id);
            peer = self.peers.get_mut(&peer_id).ok_or(Reason::Unknown)?;
        }
        peer.started = started.sender;
        if started.receiver != 0 && started.receiver < self.local.started {
            // The peer does not know yet that we have restarted. Our dates in the reply tell it.
            if peer.may_reply(self.now) {
                self.send_outside(peer_id, Some(path), &message::nop());
            }
            self.note(peer_id);
            return Err(Reason::Stale);
        }

        let fresh = peer
            .arrived(self.now, path, seqno, packet.confirm.unwrap_or(0))
            .ok_or(Reason::Replayed)?;
        peer.address_version = packet.address_version.or(peer.address_version);
        if forgotten(peer, &packet, fresh) {
            peer_id = self.renew(peer_id);
            self.peers
                .get_mut(&peer_id)
                .ok_or(Reason::Unknown)?
                .continue_from(started.sender, seqno);
        }
        self.announce(peer_id);

        let set_up = half_of_channel(&packet).is_some();
        let was_ready = self.is_ready(peer_id);
        for message in packet.messages {
            self.deliver(peer_id, message);
        }
        self.reply(peer_id, set_up, was_ready, started);
        self.note(peer_id);
        Ok(())
    }

    /// The key and short id under which the packet claims to come.
    fn sender(&self, packet: &Packet) -> Option<([u8; 32], [u8; 32])> {
        match (packet.from, packet.from_short) {
            (Some(public), short) => {
                let id = short_id(&public);
                short.is_none_or(|short| short == id).then_some((public, id))
            }
            (None, Some(id)) => {
                let known = self.peers.get(self.ids.get(&id)?)?;
                Some((known.public, id))
            }
            (None, None) => None,
        }
    }

    /// Answers a packet that came outside the channel, so that both sides get into it.
    fn reply(&mut self, peer_id: PeerId, set_up: bool, was_ready: bool, started: Started) {
        let now = self.now;
        let is_ready = self.is_ready(peer_id);
        // Getting ready has sent something through the channel already.
        let needed = !is_ready || was_ready && (set_up || started.receiver == 0);
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        if needed && peer.may_reply(now) {
            if is_ready {
                self.send(peer_id, message::nop());
            } else {
                self.send_outside(peer_id, None, &message::nop());
            }
        }
    }

    fn deliver(&mut self, peer_id: PeerId, message: Message) {
        let now = self.now;
        let limits = self.limits;
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        match message {
            Message::CreateChannel { key, date } => self.agree(peer_id, key, date),
            Message::ConfirmChannel { key, peer_key, date }
                if peer_key == peer.channel_key.public() =>
            {
                // The key was made for this connection, so the peer has heard us in it.
                peer.live = true;
                self.agree(peer_id, key, date);
                self.announce(peer_id);
                self.make_ready(peer_id, &key);
            }
            Message::Answer { id, bytes } => {
                let id = QueryId(id);
                if peer.asked.remove(&id) {
                    peer.live = true;
                    self.announce(peer_id);
                    self.events.push_back(Event::Answer { peer: peer_id, id, bytes });
                }
            }
            Message::Query { id, bytes } if peer.live => {
                let id = QueryId(id);
                match peer.heard.meet(now, id, limits.remembered) {
                    Standing::New => {
                        self.events.push_back(Event::Query { peer: peer_id, id, bytes })
                    }
                    Standing::Running => {
                        if peer.quiet(now) {
                            self.send(peer_id, message::nop());
                        }
                    }
                    Standing::Answered(answer) => {
                        let answer = answer.to_vec();
                        if !answer.is_empty() {
                            self.send(peer_id, answer);
                        }
                    }
                }
            }
            Message::Part { hash, total, offset, bytes } if peer.live => {
                let limits = (limits.message, limits.incomplete);
                if let Some(whole) = peer.parts.add(now, hash, total, offset, &bytes, limits)
                    && let Ok(message) = Message::parse_whole(&whole)
                {
                    self.deliver(peer_id, message);
                }
            }
            Message::Ping(value) if peer.live => self.send(peer_id, message::pong(value)),
            Message::ConfirmChannel { .. }
            | Message::Query { .. }
            | Message::Part { .. }
            | Message::Ping(_)
            | Message::Ignored => {}
        }
    }

    /// Completes the channel with the peer's half, if there is none yet.
    fn agree(&mut self, peer_id: PeerId, key: [u8; 32], date: u32) {
        let local = self.id();
        let Some(peer) = self.peers.get_mut(&peer_id).filter(|peer| peer.channel.is_none()) else {
            return;
        };
        if let Some(channel) = Channel::agree(&peer.channel_key, &key, &local, &peer.id) {
            self.channels.insert(channel.incoming_id(), peer_id);
            peer.channel = Some(Agreed { channel, peer_key: key, peer_date: date, ready: false });
        }
    }

    /// The peer has both halves: everything goes through the channel from now on.
    fn make_ready(&mut self, peer_id: PeerId, key: &[u8; 32]) {
        let agreed = self.peers.get_mut(&peer_id).and_then(|peer| peer.channel.as_mut());
        let Some(agreed) = agreed.filter(|agreed| agreed.peer_key == *key && !agreed.ready) else {
            return;
        };
        agreed.ready = true;
        self.hurry(peer_id);
    }

    /// Says at once, through the new channel, what has been waiting; or something, so that the peer learns of it.
    fn hurry(&mut self, peer_id: PeerId) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        if peer.asked.is_empty() {
            self.send(peer_id, message::nop());
        } else {
            peer.asked.hurry(now);
            self.ask_again(peer_id);
        }
    }

    fn is_ready(&self, peer_id: PeerId) -> bool {
        self.peers.get(&peer_id).is_some_and(Peer::ready)
    }

    fn announce(&mut self, peer_id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&peer_id).filter(|peer| peer.live && !peer.announced)
        {
            peer.announced = true;
            let (public, id, path) = (peer.public, peer.id, peer.path);
            self.events.push_back(Event::Connected { peer: peer_id, public, id, path });
        }
    }

    /// Starts over with a peer that has lost everything about us. If the host knows the old connection, that one
    /// ends and the new one gets a new id.
    fn renew(&mut self, peer_id: PeerId) -> PeerId {
        let Some(old) = self.peers.get_mut(&peer_id) else { return peer_id };
        if !old.announced {
            let fresh = Peer::new(&mut self.local, self.now, (old.public, old.id), old.path);
            let old = core::mem::replace(old, fresh);
            if let Some(agreed) = &old.channel {
                self.channels.remove(&agreed.channel.incoming_id());
            }
            if let Some(peer) = self.peers.get_mut(&peer_id) {
                (peer.wanted, peer.asked, peer.noted) = (old.wanted, old.asked, old.noted);
            }
            return peer_id;
        }
        let Some(old) = self.remove(peer_id) else { return peer_id };
        self.add_peer(old.public, old.id, old.path)
    }
}

/// Whether the packet's half of a channel shows that the peer has forgotten the one we have with it.
fn forgotten(peer: &Peer, packet: &Packet, fresh: Fresh) -> bool {
    let (Some(agreed), Some((key, date))) = (&peer.channel, half_of_channel(packet)) else {
        return false;
    };
    let newer = date > agreed.peer_date || date == agreed.peer_date && fresh == Fresh::Newest;
    key != agreed.peer_key && newer
}

/// The key and date of the sender's half, if the packet carries one.
fn half_of_channel(packet: &Packet) -> Option<([u8; 32], u32)> {
    packet.messages.iter().find_map(|message| match message {
        Message::CreateChannel { key, date } | Message::ConfirmChannel { key, date, .. } => {
            Some((*key, *date))
        }
        _ => None,
    })
}
