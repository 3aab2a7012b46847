//! One peer as this side knows it: where it is, which of its packets came, the channel with it, and open queries.

use alloc::vec::Vec;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use zeroize::Zeroizing;

use crate::key::LocalKey;

use super::{
    PathId,
    message::{confirm_channel, create_channel},
    packet::{Draft, Started},
    parts::Parts,
    queries::{Asked, Heard},
    sealed::{Channel, seal_to_key},
    window::{Fresh, Window},
};

/// Silence after which a connection ends.
const IDLE_MS: u64 = 300_000;
/// How long a stranger may take to show that it hears us.
const HALF_OPEN_MS: u64 = 10_000;
/// A peer that says nothing for this long while we wait for answers may have forgotten the channel.
const SILENCE_MS: u64 = 1000;
/// Then one datagram per this time goes outside the channel.
const PROBE_MS: u64 = 500;
/// Pauses between attempts to reach a peer to which there is nothing to say.
const KNOCK_MS: (u64, u64) = (250, 4000);
/// Set-up packets are answered this often at most.
const REPLY_MS: u64 = 50;

/// What packets to every peer have in common.
pub(crate) struct Local {
    pub(crate) key: LocalKey,
    pub(crate) random: ChaCha20Rng,
    /// `reinit_date`: unix seconds of the first call with a time. 0 before that.
    pub(crate) started: u32,
    /// The highest seqno used with any peer.
    pub(crate) highest: u64,
}

impl Local {
    pub(crate) fn fresh_key(&mut self) -> LocalKey {
        let mut seed = Zeroizing::new([0; 32]);
        self.random.fill_bytes(&mut *seed);
        LocalKey::from_seed(&seed)
    }

    /// Where the seqnos to a peer start. Higher than any used before, also by an earlier life of this key within the
    /// same second: so a peer that remembers more than we do takes our packets, and old acknowledgements are known
    /// from new ones.
    fn first_seqno(&self, now: u64) -> u64 {
        let elapsed = now.saturating_sub(u64::from(self.started).saturating_mul(1000));
        elapsed.saturating_mul(1024).max(self.highest).saturating_add(1)
    }
}

pub(crate) struct Peer {
    pub(crate) public: [u8; 32],
    pub(crate) id: [u8; 32],
    pub(crate) path: PathId,
    /// The host asked for this peer.
    pub(crate) wanted: bool,
    /// The host was told that it is connected.
    pub(crate) announced: bool,
    /// It has shown that it heard us, in this connection.
    pub(crate) live: bool,
    /// It has spoken through the channel.
    pub(crate) settled: bool,
    /// Its `reinit_date`; 0 before the first packet.
    pub(crate) started: u32,
    /// The version of its address list, if it sent one.
    pub(crate) address_version: Option<u32>,
    pub(crate) channel_key: LocalKey,
    pub(crate) channel: Option<Agreed>,
    pub(crate) asked: Asked,
    pub(crate) heard: Heard,
    pub(crate) parts: Parts,
    /// The time under which the endpoint has noted this peer.
    pub(crate) noted: Option<u64>,
    window: Window,
    first_seqno: u64,
    last_seqno: u64,
    /// Date of `channel_key`, unix seconds.
    channel_date: u32,
    since: u64,
    heard_at: u64,
    sent_at: u64,
    /// When the oldest open query of ours was asked, roughly.
    asked_at: u64,
    probe_at: u64,
    reply_at: u64,
    knock_at: u64,
    knock_pause: u64,
}

/// A channel whose two keys are known.
pub(crate) struct Agreed {
    pub(crate) channel: Channel,
    pub(crate) peer_key: [u8; 32],
    pub(crate) peer_date: u32,
    /// The peer is known to have both keys too.
    pub(crate) ready: bool,
}

impl Peer {
    pub(crate) fn new(
        local: &mut Local,
        now: u64,
        (public, id): ([u8; 32], [u8; 32]),
        path: PathId,
    ) -> Self {
        let first_seqno = local.first_seqno(now);
        Self {
            public,
            id,
            path,
            wanted: false,
            announced: false,
            live: false,
            settled: false,
            started: 0,
            address_version: None,
            channel_key: local.fresh_key(),
            channel: None,
            asked: Asked::default(),
            heard: Heard::default(),
            parts: Parts::default(),
            noted: None,
            window: Window::default(),
            first_seqno,
            last_seqno: first_seqno.saturating_sub(1),
            channel_date: u32::try_from(now / 1000).unwrap_or(u32::MAX),
            since: now,
            heard_at: now,
            sent_at: 0,
            asked_at: now,
            probe_at: 0,
            reply_at: 0,
            knock_at: now,
            knock_pause: KNOCK_MS.0,
        }
    }

    /// Packets can go through the channel.
    pub(crate) fn ready(&self) -> bool {
        self.channel.as_ref().is_some_and(|agreed| agreed.ready)
    }

    /// Takes note of an authentic packet. `None` if it has no place in the order: it came before, or acknowledges
    /// what was never sent.
    pub(crate) fn arrived(
        &mut self,
        now: u64,
        path: PathId,
        seqno: u64,
        confirm: u64,
    ) -> Option<Fresh> {
        if confirm > self.last_seqno {
            return None;
        }
        let fresh = self.window.take(seqno)?;
        self.heard_at = now;
        self.live |= confirm >= self.first_seqno;
        if fresh == Fresh::Newest {
            self.path = path;
        }
        Some(fresh)
    }

    /// Starts the channel anew with another connection's packet as the first one.
    pub(crate) fn continue_from(&mut self, started: u32, seqno: u64) {
        self.started = started;
        self.window = Window::default();
        self.window.take(seqno);
    }

    /// Encrypts one message that fits into a datagram: through the channel if it is ready and the peer is not
    /// suspected of having forgotten it.
    pub(crate) fn seal(&mut self, local: &mut Local, now: u64, message: &[u8]) -> Option<Vec<u8>> {
        if !self.ready() || self.must_probe(now) {
            return self.seal_outside(local, now, message);
        }
        let random = randomness(local);
        let contents = self.draft(local, now, &[message], &random).in_channel();
        Some(self.channel.as_ref()?.channel.seal(&contents))
    }

    /// Encrypts one message to the peer's key, together with our half of the channel.
    pub(crate) fn seal_outside(
        &mut self,
        local: &mut Local,
        now: u64,
        message: &[u8],
    ) -> Option<Vec<u8>> {
        let ours = self.channel_key.public();
        let half = match &self.channel {
            Some(agreed) => confirm_channel(&ours, &agreed.peer_key, self.channel_date),
            None => create_channel(&ours, self.channel_date),
        };
        let random = randomness(local);
        let started = Started { sender: local.started, receiver: self.started };
        let ephemeral = local.fresh_key();
        let contents =
            self.draft(local, now, &[&half, message], &random).signed(&local.key, started);
        seal_to_key(&self.public, &ephemeral, &contents)
    }

    fn draft<'a>(
        &mut self,
        local: &mut Local,
        now: u64,
        messages: &'a [&'a [u8]],
        random: &'a (Vec<u8>, Vec<u8>),
    ) -> Draft<'a> {
        self.sent_at = now;
        self.last_seqno = self.last_seqno.saturating_add(1);
        local.highest = local.highest.max(self.last_seqno);
        Draft {
            messages,
            seqno: self.last_seqno,
            confirm: self.window.newest(),
            address_version: self.address_version,
            random: (&random.0, &random.1),
        }
    }

    /// Whether the next datagram should go outside a channel that exists.
    fn must_probe(&mut self, now: u64) -> bool {
        let silent_since = self.heard_at.max(self.asked_at);
        let due = !self.asked.is_empty()
            && now >= silent_since.saturating_add(SILENCE_MS)
            && now >= self.probe_at;
        if due {
            self.probe_at = now.saturating_add(PROBE_MS);
        }
        due
    }

    /// To be called before a query is added.
    pub(crate) fn about_to_ask(&mut self, now: u64) {
        if self.asked.is_empty() {
            self.asked_at = now;
        }
    }

    /// Whether a set-up packet may be answered now. Uses up the permission.
    pub(crate) fn may_reply(&mut self, now: u64) -> bool {
        let may = now >= self.reply_at;
        if may {
            self.reply_at = now.saturating_add(REPLY_MS);
        }
        may
    }

    /// Whether nothing has been sent for so long that a peer waiting for us might think we are gone.
    pub(crate) fn quiet(&self, now: u64) -> bool {
        now >= self.sent_at.saturating_add(SILENCE_MS / 2)
    }

    pub(crate) fn ends_at(&self) -> u64 {
        if self.live || self.wanted {
            self.heard_at.saturating_add(IDLE_MS)
        } else {
            self.since.saturating_add(HALF_OPEN_MS)
        }
    }

    /// When to try again to reach a wanted peer to which nothing is said meanwhile.
    pub(crate) fn knocks_at(&self) -> Option<u64> {
        (self.wanted && !self.settled && self.asked.is_empty()).then_some(self.knock_at)
    }

    pub(crate) fn knocked(&mut self, now: u64) {
        self.knock_at = now.saturating_add(self.knock_pause);
        self.knock_pause = self.knock_pause.saturating_mul(2).min(KNOCK_MS.1);
    }

    /// When this peer needs attention next.
    pub(crate) fn next(&self) -> u64 {
        let times = [Some(self.ends_at()), self.asked.next(), self.knocks_at()];
        times.into_iter().flatten().min().unwrap_or(u64::MAX)
    }
}

/// `rand1` and `rand2`: 7 or 15 bytes each, so that equal contents have different lengths.
fn randomness(local: &mut Local) -> (Vec<u8>, Vec<u8>) {
    let mut some = || {
        let mut bytes = [0; 16];
        local.random.fill_bytes(&mut bytes);
        let [first, rest @ ..] = bytes;
        let length = if first & 1 == 0 { 7 } else { 15 };
        rest.into_iter().take(length).collect()
    };
    (some(), some())
}
