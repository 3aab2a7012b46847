//! What is on disk, and how it becomes a node again.
//!
//! One record per thing that changes: `n` the node, `c` a channel, `t` its terms, `d` one conditional, `v` a
//! virtual channel, `r` what is reserved for one old state, `p` a contact, `o` an opening, `w` the wallet, `h`
//! what is over ([`crate::history`]). Values are postcard after one version byte.

use alloc::{collections::BTreeSet, format, string::String, vec, vec::Vec};

use channel::{
    amount::Nano,
    cell::{parse_boc, to_boc},
    channel::{Change, Channel, OnChain, Pending, Shadow, Terms},
    conditional::Conditional,
    conditionals::Conditionals,
    contract::{Address, OpenConfig},
    key::PublicKey,
    semichannel::SignedSemi,
    tl::Action,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{history::HISTORY, io::Writes, node::Corrupt};

/// Layout of every record but [`CHANNEL_VERSION`]'s.
pub(crate) const VERSION: u8 = 1;
/// Layout of the record of a channel. Before 2 it held all its reserves.
const CHANNEL_VERSION: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Node,
    Channel,
    Terms,
    Conditional,
    Virtual,
    Reserve,
    Contact,
    Opening,
    Wallet,
    History,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Node => b'n',
            Self::Channel => b'c',
            Self::Terms => b't',
            Self::Conditional => b'd',
            Self::Virtual => b'v',
            Self::Reserve => b'r',
            Self::Contact => b'p',
            Self::Opening => b'o',
            Self::Wallet => b'w',
            Self::History => HISTORY,
        }
    }

    pub(crate) fn of(key: &[u8]) -> Option<Self> {
        [
            Self::Node,
            Self::Channel,
            Self::Terms,
            Self::Conditional,
            Self::Virtual,
            Self::Reserve,
            Self::Contact,
            Self::Opening,
            Self::Wallet,
            Self::History,
        ]
        .into_iter()
        .find(|kind| Some(&kind.byte()) == key.first())
    }

    pub(crate) fn key(self, name: &[u8]) -> Vec<u8> {
        let mut key = vec![self.byte()];
        key.extend_from_slice(name);
        key
    }
}

/// Key of one conditional: channel, side, virtual key.
pub(crate) fn conditional_key(channel: &Address, ours: bool, key: &PublicKey) -> Vec<u8> {
    let mut name = channel.to_vec();
    name.push(u8::from(ours));
    name.extend_from_slice(&key.0);
    Kind::Conditional.key(&name)
}

/// Key of one reserve: all of it, since two that are equal are one.
fn reserve_key(channel: &Address, reserve: &Shadow) -> Vec<u8> {
    let mut name = channel.to_vec();
    name.extend_from_slice(&reserve.key.0);
    name.extend_from_slice(&reserve.until.0.to_be_bytes());
    name.extend_from_slice(&reserve.held.0.to_be_bytes());
    Kind::Reserve.key(&name)
}

/// What changes on disk when a channel's reserves do: only those that come and go.
pub(crate) fn reserve_writes(channel: &Address, before: &[Shadow], after: &[Shadow]) -> Writes {
    let (old, new) = (BTreeSet::from_iter(before), BTreeSet::from_iter(after));
    let gone = old.difference(&new).map(|reserve| (reserve_key(channel, reserve), None));
    let came =
        new.difference(&old).map(|reserve| (reserve_key(channel, reserve), Some(encode(reserve))));
    gone.chain(came).collect()
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    encode_as(VERSION, value)
}

fn encode_as<T: Serialize>(version: u8, value: &T) -> Vec<u8> {
    // Only types with hand-made `Serialize` can fail here, and none of ours does.
    let mut bytes = vec![version];
    bytes.extend(postcard::to_allocvec(value).unwrap_or_default());
    bytes
}

pub(crate) fn decode<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T, Corrupt> {
    let (_, rest) = versioned(key, bytes, VERSION)?;
    postcard::from_bytes(rest).map_err(|_| Corrupt::Unreadable { key: label(key) })
}

/// The version of a record, at most the one that we know, and what it says.
fn versioned<'a>(key: &[u8], bytes: &'a [u8], known: u8) -> Result<(u8, &'a [u8]), Corrupt> {
    match bytes.split_first() {
        Some((&found, _)) if found > known => {
            Err(Corrupt::TooNew { found: u32::from(found), known: u32::from(known) })
        }
        Some((&found, rest)) if found > 0 => Ok((found, rest)),
        Some(_) | None => Err(Corrupt::Unreadable { key: label(key) }),
    }
}

/// A record's key for people: its letter and the rest in hex.
pub(crate) fn label(key: &[u8]) -> String {
    match key.split_first() {
        Some((kind, name)) => format!("{}:{}", char::from(*kind), hex::encode(name)),
        None => String::from("(empty)"),
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct NodeRecord {
    pub(crate) node: PublicKey,
    pub(crate) earned: Nano,
}

#[derive(Serialize, Deserialize)]
struct TermsRecord {
    open: Vec<u8>,
    we_left: bool,
    safe_close_secs: u32,
    min_safe_secs: u32,
}

#[derive(Serialize, Deserialize)]
struct SideRecord {
    signed: SignedSemi,
    deposited: Nano,
    withdrawn: Nano,
}

#[derive(Serialize, Deserialize)]
struct PendingRecord {
    /// Only for increments; the other actions follow from the change.
    want_response: bool,
    change: Change,
    next: SignedSemi,
}

/// A wanted deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TopUp {
    /// What our deposit in the contract shall be in all.
    pub(crate) target: Nano,
    /// Seqno of the wallet message that carries it. Such a message is never made twice for one wish.
    pub(crate) sent: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct ChannelRecord {
    ours: SideRecord,
    theirs: SideRecord,
    pending: Vec<PendingRecord>,
    chain: OnChain,
    increment: Option<bool>,
    top_up: Option<TopUp>,
}

/// [`ChannelRecord`] of version 1.
#[derive(Serialize, Deserialize)]
struct WithReserves {
    ours: SideRecord,
    theirs: SideRecord,
    pending: Vec<PendingRecord>,
    shadows: Vec<Shadow>,
    chain: OnChain,
    increment: Option<bool>,
    top_up: Option<TopUp>,
}

impl ChannelRecord {
    /// The record, and the reserves that an older one brings with it.
    fn read(key: &[u8], bytes: &[u8]) -> Result<(Self, Vec<Shadow>), Corrupt> {
        let unreadable = |_| Corrupt::Unreadable { key: label(key) };
        let (version, rest) = versioned(key, bytes, CHANNEL_VERSION)?;
        if version >= CHANNEL_VERSION {
            return Ok((postcard::from_bytes(rest).map_err(unreadable)?, Vec::new()));
        }
        let old: WithReserves = postcard::from_bytes(rest).map_err(unreadable)?;
        let WithReserves { ours, theirs, pending, shadows, chain, increment, top_up } = old;
        Ok((Self { ours, theirs, pending, chain, increment, top_up }, shadows))
    }
}

/// A close in which nobody challenges, which the record of the terms counts together with the buffer.
fn usual_close_secs(open: &OpenConfig) -> u32 {
    open.closing.quarantine_duration.saturating_add(open.closing.conditional_close_duration)
}

pub(crate) fn encode_terms(terms: &Terms) -> Vec<u8> {
    encode(&TermsRecord {
        open: to_boc(&terms.open.to_cell()),
        we_left: terms.we_left,
        safe_close_secs: terms.buffer_secs.saturating_add(usual_close_secs(&terms.open)),
        min_safe_secs: terms.min_safe_secs,
    })
}

pub(crate) fn encode_channel(channel: &Channel, top_up: Option<TopUp>) -> Vec<u8> {
    let side = |side: &channel::channel::Side| SideRecord {
        signed: side.signed.clone(),
        deposited: side.deposited,
        withdrawn: side.withdrawn,
    };
    let pending = channel.pending.iter().map(|pending| PendingRecord {
        want_response: matches!(pending.action, Action::IncrementStates { want_response: true }),
        change: pending.change.clone(),
        next: pending.next.clone(),
    });
    let record = ChannelRecord {
        ours: side(&channel.ours),
        theirs: side(&channel.theirs),
        pending: pending.collect(),
        chain: channel.chain,
        increment: channel.increment,
        top_up,
    };
    encode_as(CHANNEL_VERSION, &record)
}

/// As version 1 wrote it.
#[cfg(test)]
pub(crate) fn encode_channel_v1(channel: &Channel) -> Vec<u8> {
    let bytes = encode_channel(channel, None);
    let (record, _) = ChannelRecord::read(&[], &bytes).unwrap();
    let ChannelRecord { ours, theirs, pending, chain, increment, top_up } = record;
    let shadows = channel.shadows.to_vec();
    encode_as(1, &WithReserves { ours, theirs, pending, shadows, chain, increment, top_up })
}

/// The parts of one channel as they come off the disk.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) channel: Option<Vec<u8>>,
    pub(crate) terms: Option<Vec<u8>>,
    pub(crate) ours: Vec<Conditional>,
    pub(crate) theirs: Vec<Conditional>,
    pub(crate) reserves: Vec<Shadow>,
}

impl Parts {
    /// Puts a channel together again. `action` gives the stored `openVirtualAction` of a virtual key.
    pub(crate) fn channel(
        self,
        address: Address,
        action: impl Fn(&PublicKey) -> Option<Action>,
    ) -> Result<(Channel, Option<TopUp>), Corrupt> {
        let name = hex::encode(address);
        let key = Kind::Channel.key(&address);
        let unreadable = || Corrupt::Unreadable { key: label(&key) };
        let bytes = self.channel.as_deref().unwrap_or_default();
        let (record, mut reserves) = ChannelRecord::read(&key, bytes)?;
        reserves.extend(self.reserves);
        let terms: TermsRecord = decode(&key, self.terms.as_deref().unwrap_or_default())?;
        let open = parse_boc(&terms.open).map_err(|_| unreadable())?;
        let open = OpenConfig::from_cell(&open).map_err(|_| unreadable())?;
        let mut channel = Channel::new(Terms {
            address,
            open,
            we_left: terms.we_left,
            buffer_secs: terms.safe_close_secs.saturating_sub(usual_close_secs(&open)),
            min_safe_secs: terms.min_safe_secs,
        });

        let dictionary = |list: Vec<Conditional>, signed: &SignedSemi| {
            let mut conditionals = Conditionals::new();
            for conditional in list {
                conditionals.insert(conditional).map_err(|_| unreadable())?;
            }
            if conditionals.hash() == signed.state.data.conditionals {
                Ok(conditionals)
            } else {
                Err(Corrupt::Dictionary { channel: name.clone() })
            }
        };
        channel.ours.conditionals = dictionary(self.ours, &record.ours.signed)?;
        channel.theirs.conditionals = dictionary(self.theirs, &record.theirs.signed)?;
        for (side, record) in
            [(&mut channel.ours, record.ours), (&mut channel.theirs, record.theirs)]
        {
            side.signed = record.signed;
            side.deposited = record.deposited;
            side.withdrawn = record.withdrawn;
        }
        let mut conditionals = channel.ours.conditionals.clone();
        for pending in record.pending {
            pending.change.apply(&mut conditionals).map_err(|_| unreadable())?;
            let action = match &pending.change {
                Change::Nothing => Action::IncrementStates { want_response: pending.want_response },
                Change::Open(conditional) => action(&conditional.key).ok_or_else(unreadable)?,
                Change::Close(conditional, resolve) => {
                    Action::ConfirmClose { key: conditional.key, state: *resolve }
                }
                Change::Remove(conditional) => Action::RemoveVirtual { key: conditional.key },
            };
            if conditionals.hash() != pending.next.state.data.conditionals {
                return Err(Corrupt::Dictionary { channel: name });
            }
            let PendingRecord { change, next, .. } = pending;
            let conditionals = conditionals.clone();
            channel.pending.push(Pending { action, change, next, conditionals }.into());
        }
        channel.shadows = reserves.into();
        channel.chain = record.chain;
        channel.increment = record.increment;
        Ok((channel, record.top_up))
    }
}
