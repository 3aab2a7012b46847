//! Everything that enters a node and everything that leaves it.
//!
//! A host turns the outside world into [`Input`]s and carries out [`Effect`]s. The order is fixed by a type: a
//! [`Step`] gives its effects away only in exchange for the step itself, after its writes are durable.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use channel::{
    amount::{Nano, Time},
    cell::Cell,
    contract::Address,
    key::PublicKey,
};
use serde::{Deserialize, Serialize};

use crate::{
    domain::Domain,
    invitation::Contact,
    summary::{ChannelSummary, PaymentSummary, ReceivedSummary, Snapshot, WalletSummary},
};

/// One connection to a peer, named by the host. Never used twice in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// Where a link comes from, as far as the host can see: equal for what one machine could make as many of as it
/// likes. Nothing is refused to a source; it only says whose links go first when there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source(pub u64);

/// A query on a link. The asking side names it: the node its own, the host those of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueryId(pub u64);

/// A command of the host, answered exactly once by [`Effect::Reply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Names a payment for ever: the same id again is the same payment, never a second one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PaymentId(pub [u8; 32]);

/// What happened outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// Something on a link.
    Link(LinkId, LinkEvent),
    /// A dial that [`Effect::Dial`] asked for did not lead to a link.
    Unreachable(PublicKey),
    /// The proven state of a watched account.
    Chain(ChainView),
    /// In this block, of this chain time (unix seconds), a watched account is as it was last told. Said now and
    /// then, so that the node knows how late it is on chain and what did not happen there.
    Unchanged { address: Address, block: u32, time: u32 },
    /// The owner wants something.
    Command(RequestId, Command),
    /// What [`Effect::Recall`] asked for; `None`: there is no such record.
    Recalled { key: Vec<u8>, value: Option<Vec<u8>> },
    /// The deadline of the last [`Step::wake`] has come.
    Wake,
}

/// What happened on one link.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// The link is there. The ids are those that the carrier proved (protocol.md 4.3);
    /// `dialled` is the node key that [`Effect::Dial`] wanted, if this side dialled.
    Up { ours: [u8; 32], theirs: [u8; 32], dialled: Option<PublicKey>, source: Source },
    /// The peer asks.
    Query { id: QueryId, bytes: Vec<u8> },
    /// The peer answers a query of ours.
    Answer { id: QueryId, bytes: Vec<u8> },
    /// No answer came in time.
    TimedOut { id: QueryId },
    /// The link is gone; its id will not come back.
    Down,
}

/// A watched account as a block proves it.
#[derive(Clone, Debug)]
pub struct ChainView {
    pub address: Address,
    /// Seqno of the masterchain block that proves it.
    pub block: u32,
    /// Chain time of that block, unix seconds.
    pub time: u32,
    pub account: AccountView,
}

/// The account itself.
#[derive(Clone, Debug)]
pub enum AccountView {
    /// No account, or one without code.
    Inactive {
        balance: Nano,
    },
    Active {
        balance: Nano,
        code_hash: [u8; 32],
        data: Cell,
    },
}

/// What the owner can ask for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Remember how to reach a node.
    AddContact(Contact),
    /// Have a TON channel with `peer` in which our deposit is at least `deposit`: opens one if there is none,
    /// tops up the one that there is. The peer must be a known contact.
    OpenChannel { peer: PublicKey, deposit: Nano },
    /// Have at least `deposit` of ours in exactly this channel.
    TopUp { channel: Address, deposit: Nano },
    /// Pay through a chain of nodes.
    Pay(PayOrder),
    /// How one payment of ours stands.
    Payment(PaymentId),
    /// What arrived under a virtual key.
    Received(PublicKey),
    /// Sign the owner's text with the node key, e.g. an invoice: what is signed is [`Domain::digest`].
    Sign { domain: Domain, text: Vec<u8> },
    /// Sign `digest` with the last instruction key of a payment: the proof of payment (product.md 2.8 C).
    ProvePayment { id: PaymentId, digest: [u8; 32] },
    /// Everything that a page or a console shows.
    Snapshot,
}

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayOrder {
    pub id: PaymentId,
    /// The nodes on the way, the receiver last.
    pub route: Vec<RouteHop>,
    /// What the receiver gets.
    pub amount: Nano,
}

impl PayOrder {
    /// Whether a payment under this order's id is the one that it wants.
    pub(crate) fn is_same_as(&self, known: PaymentSummary) -> Result<Reply, CommandError> {
        let to = self.route.last().map(|hop| hop.node);
        let same = known.amount == self.amount && Some(known.to) == to;
        if same { Ok(Reply::Payment(known)) } else { Err(CommandError::Duplicate) }
    }
}

/// A node on the way and what it earns; the receiver earns nothing beyond the amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteHop {
    pub node: PublicKey,
    pub fee: Nano,
}

/// Answer to a command that was carried out.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply {
    Done,
    /// The channel is being opened or topped up; [`Event::Channel`] tells how it goes on.
    Opening {
        channel: Option<ChannelSummary>,
    },
    Payment(PaymentSummary),
    Received(ReceivedSummary),
    Signature {
        key: PublicKey,
        signature: channel::key::Signature,
    },
    /// The proof and what it names: the virtual key and the last instruction key.
    Proof {
        channel: PublicKey,
        instruction: PublicKey,
        signature: channel::key::Signature,
    },
    Snapshot(Snapshot),
}

/// Why a command was not carried out. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum CommandError {
    #[error("no contact is known for node {peer}: add its invitation first")]
    UnknownPeer { peer: PublicKey },
    #[error("node {peer} cannot be reached at the moment: try again when it is online")]
    Offline { peer: PublicKey },
    #[error("there is no open channel with node {peer}: open one first")]
    NoChannel { peer: PublicKey },
    #[error("not enough balance: {needed} needed with fees, {available} available")]
    InsufficientBalance { needed: Nano, available: Nano },
    #[error("channel capacity {capacity} is too small for {needed}: top the channel up")]
    CapacityTooSmall { needed: Nano, capacity: Nano },
    #[error("{reason}")]
    BadRequest { reason: String },
    #[error("payment id was used before for another order")]
    Duplicate,
    #[error("nothing is known under this id")]
    NotFound,
}

/// What the owner may want to know at once. Told after it is durable; told again is harmless.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    Peer {
        node: PublicKey,
        online: bool,
    },
    Channel(ChannelSummary),
    Payment(PaymentSummary),
    Received(ReceivedSummary),
    Wallet(WalletSummary),
    /// Something went wrong that the owner can do something about.
    Trouble {
        reason: String,
    },
}

/// What the host has to do once the step is durable.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Connect to this node; answer with [`LinkEvent::Up`] or [`Input::Unreachable`].
    Dial(Contact),
    /// Ask the peer; answer with [`LinkEvent::Answer`] or [`LinkEvent::TimedOut`] after about 7 s.
    Query {
        link: LinkId,
        id: QueryId,
        bytes: Vec<u8>,
    },
    /// Answer a query of the peer.
    Answer {
        link: LinkId,
        id: QueryId,
        bytes: Vec<u8>,
    },
    /// Drop the link; [`LinkEvent::Down`] need not follow.
    Close(LinkId),
    /// Send this external message (a BoC) to the chain. Sent again until the chain shows it.
    Submit(Vec<u8>),
    /// Follow this account: every change of it comes as [`Input::Chain`], the present state first.
    Watch(Address),
    /// This account is of no interest any more.
    Unwatch(Address),
    /// Look for the record with this key; answer with [`Input::Recalled`].
    Recall(Vec<u8>),
    Reply(RequestId, Result<Reply, CommandError>),
    Notify(Event),
}

/// One atomic batch of records: key to value, `None` deletes.
pub type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What one input, or a batch of them, decided: first make [`Step::writes`] durable, then take the effects.
#[must_use]
#[derive(Debug, Default)]
pub struct Step {
    pub(crate) writes: Writes,
    pub(crate) effects: Vec<Effect>,
    /// When the node wants [`Input::Wake`] at the latest.
    pub wake: Option<Time>,
}

impl Step {
    pub fn writes(&self) -> &Writes {
        &self.writes
    }

    /// Call only after the writes are durable; until then nothing may leave this machine.
    pub fn committed(self) -> Vec<Effect> {
        self.effects
    }

    /// Joins a later step to this one, so that one commit serves both.
    pub fn merge(&mut self, later: Self) {
        self.writes.extend(later.writes);
        self.effects.extend(later.effects);
        self.wake = later.wake;
    }
}
