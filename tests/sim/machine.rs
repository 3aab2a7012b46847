//! One machine: a node or nothing, a disk that survives, and what its host keeps in memory.

use std::collections::{BTreeMap, BTreeSet};

use channel::{
    amount::Nano,
    contract::Address,
    key::{PublicKey, SecretKey, sha256},
};
use node::{
    config::{Codes, Config, Limits, Tunnel},
    history::HISTORY,
    invitation::Contact,
    io::{CommandError, Effect, Event, Input, LinkEvent, LinkId, Reply, RequestId, Source},
    node::Node,
};

/// What runs on a machine.
pub enum Body {
    /// It is switched off, or has died.
    Off,
    Node(Box<Node>),
    /// No node: a story reads what comes in and says what goes out.
    Puppet(Vec<(LinkId, LinkEvent)>),
}

/// What the owner of a machine decided.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub name: &'static str,
    /// Terms of relaying; `None`: it does not relay.
    pub tunnel: Option<Tunnel>,
    pub limits: Option<Limits>,
    /// How far its clock is ahead of the world's, milliseconds.
    pub clock_ahead_ms: i64,
    /// Seconds of quarantine in its channels; `None`: the usual.
    pub quarantine_secs: Option<u32>,
}

/// When a machine is made to die, seen from one effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The step that decided it is lost.
    BeforeCommit,
    /// It is on disk, and no effect of its step has left.
    AfterCommit,
    /// It has left, and no later one.
    AfterEffect,
}

/// A planned death.
pub struct Trap {
    pub moment: Moment,
    pub when: Box<dyn Fn(&Effect) -> bool>,
}

/// Enough of an account to see that it has not changed: its coins and the hash of its data.
pub type Shown = (Nano, Option<[u8; 32]>);

pub struct Machine {
    pub plan: Plan,
    pub seed: [u8; 32],
    pub key: PublicKey,
    /// The key of its network endpoint.
    pub adnl: PublicKey,
    pub body: Body,
    pub disk: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Grows with every start.
    pub life: u32,
    /// What the host has in hand and the node has not taken yet.
    pub inbox: Vec<Input>,
    pub wake: Option<u64>,
    pub watched: BTreeSet<Address>,
    /// What its node was shown of them in this life.
    pub shown: BTreeMap<Address, Shown>,
    pub replies: BTreeMap<RequestId, Result<Reply, CommandError>>,
    /// Records that its node wanted to see.
    pub recalled: Vec<Input>,
    /// What the node told its owner, oldest first.
    pub told: Vec<Event>,
    pub trap: Option<Trap>,
    /// It does not start by itself.
    pub away: bool,
    /// Of the wallet that pays for its contract messages; known once the node has said so.
    pub wallet: Option<Address>,
    /// Where its links seem to come from.
    pub source: Source,
}

impl Machine {
    pub fn new(plan: Plan, seed: [u8; 32]) -> Self {
        Self {
            plan,
            seed,
            key: SecretKey::from_seed(derived(&seed, "node")).public(),
            adnl: SecretKey::from_seed(derived(&seed, "adnl")).public(),
            body: Body::Off,
            disk: BTreeMap::new(),
            life: 0,
            inbox: Vec::new(),
            wake: None,
            watched: BTreeSet::new(),
            shown: BTreeMap::new(),
            replies: BTreeMap::new(),
            recalled: Vec::new(),
            told: Vec::new(),
            trap: None,
            away: false,
            wallet: None,
            source: Source(u64::from_le_bytes(*seed.first_chunk().expect("32 bytes"))),
        }
    }

    /// The owner's decisions, as a host reads them from its file at every start.
    pub fn config(&self, codes: &Codes) -> Config {
        let (node, wallet) = (derived(&self.seed, "node"), derived(&self.seed, "wallet"));
        let mut config = Config::new(node, wallet, codes.clone());
        config.tunnel = self.plan.tunnel;
        config.limits = self.plan.limits.unwrap_or(config.limits);
        if let Some(secs) = self.plan.quarantine_secs {
            config.closing.quarantine_duration = secs;
        }
        config
    }

    /// The key that signs in channels.
    pub fn secret(&self) -> SecretKey {
        SecretKey::from_seed(derived(&self.seed, "node"))
    }

    /// ADNL short id: sha256 of the boxed `pub.ed25519`.
    pub fn adnl_id(&self) -> [u8; 32] {
        sha256(&[&0x4813_b4c6_u32.to_le_bytes(), &self.adnl.0])
    }

    pub fn contact(&self) -> Contact {
        let udp = format!("{}.example:17555", self.plan.name);
        Contact { node: self.key, adnl: self.adnl, udp, ws: None }
    }

    /// What a node gets to see at its start.
    pub fn records(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let present = |(key, _): &(&Vec<u8>, &Vec<u8>)| key.first() != Some(&HISTORY);
        let records = self.disk.iter().filter(present);
        records.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    pub fn is_on(&self) -> bool {
        !matches!(self.body, Body::Off)
    }
}

impl Plan {
    /// The limits that it has if its owner decides nothing.
    pub fn limits(self, codes: &Codes) -> Limits {
        Machine::new(self, [0; 32]).config(codes).limits
    }

    /// A machine that pays and receives.
    pub fn user(name: &'static str) -> Self {
        Self { name, tunnel: None, limits: None, clock_ahead_ms: 0, quarantine_secs: None }
    }

    /// A machine that relays too: at least a thousandth of a coin, half a percent.
    pub fn relay(name: &'static str) -> Self {
        let tunnel = Tunnel {
            min_fee: Nano(1_000_000),
            fee_ppm: 5_000,
            max_capacity: Nano(1_000_000_000_000),
        };
        Self { tunnel: Some(tunnel), ..Self::user(name) }
    }
}

fn derived(seed: &[u8; 32], purpose: &str) -> [u8; 32] {
    sha256(&[seed, purpose.as_bytes()])
}
