//! Payer, relay and receiver: real nodes on real stores, with a carrier that only moves bytes between threads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc as std_mpsc,
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use channel::{
    amount::{Nano, Time},
    contract::{Address, Balances, OpenConfig, Storage},
    key::{PublicKey, SecretKey},
    tl::Query,
};
use daemon::store::{Store, StoreError};
use node::{
    config::{Codes, Config, Tunnel},
    drive::{Host, drive},
    invitation::Contact,
    io::{
        AccountView, ChainView, Command, Effect, Event, Input, LinkEvent, LinkId, PayOrder,
        PaymentId, RequestId, RouteHop, Source, Writes,
    },
    node::Node,
    summary::{ChannelPhase, PaymentSummary},
};
use tokio::sync::mpsc;

const PAYER: usize = 0;
const RELAY: usize = 1;
const RECEIVER: usize = 2;
/// What a profiler calls their threads.
const NAMES: [&str; 3] = ["payer", "relay", "receiver"];
const DEPOSIT: Nano = Nano(1_000_000_000_000_000);
const FEE: Nano = Nano(1_000);
const AMOUNT: Nano = Nano(1_000_000);

pub(crate) struct Trio {
    inboxes: Inboxes,
    payments: std_mpsc::Receiver<PaymentSummary>,
    counts: Arc<Counts>,
    keys: [PublicKey; 3],
    _folder: tempfile::TempDir,
}

type Inboxes = Arc<Vec<mpsc::UnboundedSender<Input>>>;

#[derive(Default)]
struct Counts {
    proposals: AtomicU64,
    agreements: AtomicU64,
    commits: AtomicU64,
}

impl Trio {
    /// Starts all three and opens both channels with a full deposit.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the stores");
        let keys = [1_u8, 2, 3].map(|seed| SecretKey::from_seed([seed; 32]).public());
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..3).map(|_| mpsc::unbounded_channel()).unzip();
        let inboxes: Inboxes = Arc::new(senders);
        let counts = Arc::new(Counts::default());
        let (payments_in, payments) = std_mpsc::channel();
        let (ready_in, ready) = std_mpsc::channel();

        for (index, inbox) in receivers.into_iter().enumerate() {
            let path = folder.path().join(format!("{index}.redb"));
            let host = TrioHost {
                index,
                keys,
                inbox,
                inboxes: Arc::clone(&inboxes),
                counts: Arc::clone(&counts),
                payments: payments_in.clone(),
                ready: ready_in.clone(),
                store: Store::open(path).expect("a store"),
            };
            let thread = std::thread::Builder::new().name(NAMES[index].into());
            thread.spawn(move || host.run()).expect("a thread");
        }

        let trio = Self { inboxes, payments, counts, keys, _folder: folder };
        for (from, to) in [(PAYER, RELAY), (RELAY, RECEIVER)] {
            let contact = Contact { node: keys[to], adnl: keys[to], udp: String::new(), ws: None };
            trio.send(from, Input::Command(RequestId(1), Command::AddContact(contact)));
            let open = Command::OpenChannel { peer: keys[to], deposit: DEPOSIT };
            trio.send(from, Input::Command(RequestId(2), open));
        }
        let mut open = 0;
        while open < 4 {
            ready.recv_timeout(Duration::from_secs(30)).expect("the channels open");
            open += 1;
        }
        trio
    }

    pub(crate) fn pay(&self, id: PaymentId) {
        let route = vec![
            RouteHop { node: self.keys[RELAY], fee: FEE },
            RouteHop { node: self.keys[RECEIVER], fee: Nano::ZERO },
        ];
        let order = PayOrder { id, route, amount: AMOUNT };
        self.send(PAYER, Input::Command(RequestId(3), Command::Pay(order)));
    }

    /// The next change of a payment, as the payer hears of it.
    pub(crate) fn next_payment(&mut self) -> PaymentSummary {
        self.payments.recv_timeout(Duration::from_secs(30)).expect("a payment goes on")
    }

    pub(crate) fn reset_counts(&self) {
        for count in [&self.counts.proposals, &self.counts.agreements, &self.counts.commits] {
            count.store(0, Relaxed);
        }
    }

    /// Each proposal and each agreement carries one new signature; resolve and instruction list are two more.
    pub(crate) fn signatures_per(&self, payments: u32) -> f64 {
        let states = self.counts.proposals.load(Relaxed) + self.counts.agreements.load(Relaxed);
        states as f64 / f64::from(payments) + 2.0
    }

    pub(crate) fn commits_per(&self, payments: u32) -> f64 {
        self.counts.commits.load(Relaxed) as f64 / f64::from(payments)
    }

    fn send(&self, to: usize, input: Input) {
        self.inboxes[to].send(input).expect("the node runs");
    }
}

struct TrioHost {
    index: usize,
    keys: [PublicKey; 3],
    inbox: mpsc::UnboundedReceiver<Input>,
    inboxes: Inboxes,
    counts: Arc<Counts>,
    payments: std_mpsc::Sender<PaymentSummary>,
    ready: std_mpsc::Sender<()>,
    store: Store,
}

impl TrioHost {
    fn run(mut self) {
        let seed = u8::try_from(self.index).expect("three nodes") + 1;
        let codes = Codes::built_in().expect("the built-in codes");
        let mut config = Config::new([seed; 32], [seed + 100; 32], codes);
        config.limits.conditionals = 200_000;
        config.tunnel = Some(Tunnel { min_fee: Nano(1), fee_ppm: 0, max_capacity: DEPOSIT });
        let (node, first) =
            Node::restore(config, [seed; 32], self.now(), []).expect("a fresh node");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let error = runtime.expect("a runtime").block_on(drive(node, first, &mut self));
        // A stopped benchmark closes the inboxes; the store's own errors are worth a line.
        eprintln!("node {seed} stopped: {error}");
    }

    /// The link from one node to another; each pair has one.
    fn link(from: usize, to: usize) -> LinkId {
        LinkId((from * 10 + to) as u64)
    }

    fn other(link: LinkId) -> usize {
        (link.0 % 10) as usize
    }

    fn give(&self, to: usize, event: LinkEvent) {
        let _ = self.inboxes[to].send(Input::Link(Self::link(to, self.index), event));
    }

    fn see(&self, address: Address, account: AccountView) {
        let time = self.now().seconds();
        let view = ChainView { address, block: 1, time, account };
        for inbox in self.inboxes.iter() {
            let _ = inbox.send(Input::Chain(view.clone()));
        }
    }

    /// The chain of this benchmark: what an opener agrees off chain is deployed and funded at once.
    fn deploy(&self, open: &OpenConfig) {
        let codes = Codes::built_in().expect("the built-in codes");
        let initial = Storage::initial(open);
        let balance = Balances { deposit_a: DEPOSIT, ..initial.balance };
        let address =
            channel::contract::address(&codes.channel, &channel::contract::initial_data(open));
        let data = Storage { initialized: true, balance, ..initial }.to_cell();
        let code_hash = channel::cell::hash(&codes.channel);
        let account = AccountView::Active { balance: DEPOSIT, code_hash, data };
        let (inboxes, now) = (Arc::clone(&self.inboxes), self.now().seconds());
        std::thread::spawn(move || {
            // After the off-chain opening has gone through on both sides.
            std::thread::sleep(Duration::from_millis(300));
            let view = ChainView { address, block: 2, time: now, account };
            for inbox in inboxes.iter() {
                let _ = inbox.send(Input::Chain(view.clone()));
            }
        });
    }
}

impl Host for TrioHost {
    type Error = StoreError;

    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        Time(u64::try_from(since.as_millis()).expect("a clock before the year 500 million"))
    }

    async fn next(&mut self, wake: Option<Time>) -> Input {
        let left = wake.map_or(60_000, |wake| wake.0.saturating_sub(self.now().0));
        match tokio::time::timeout(Duration::from_millis(left), self.inbox.recv()).await {
            Ok(Some(input)) => input,
            Ok(None) => std::future::pending().await,
            Err(_) => Input::Wake,
        }
    }

    fn ready(&mut self) -> Option<Input> {
        self.inbox.try_recv().ok()
    }

    async fn commit(&mut self, writes: &Writes) -> Result<(), StoreError> {
        self.counts.commits.fetch_add(1, Relaxed);
        self.store.commit(writes)
    }

    async fn recall(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.record(key)
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Dial(contact) => {
                let Some(to) = self.keys.iter().position(|key| *key == contact.node) else {
                    return;
                };
                let (ours, theirs) = (self.keys[self.index].0, self.keys[to].0);
                let source = Source(0);
                let up = LinkEvent::Up { ours: theirs, theirs: ours, dialled: None, source };
                self.give(to, up);
                let dialled = Some(contact.node);
                let up = LinkEvent::Up { ours, theirs, dialled, source };
                let link = Self::link(self.index, to);
                let _ = self.inboxes[self.index].send(Input::Link(link, up));
            }
            Effect::Query { link, id, bytes } => {
                if bytes.starts_with(&PROPOSE_ACTION) {
                    self.counts.proposals.fetch_add(1, Relaxed);
                } else if let Ok(Query::OpenChannelOffchain(open)) = Query::from_bytes(&bytes) {
                    let open = OpenConfig::from_cell(&open.open_config).expect("our own config");
                    self.deploy(&open);
                }
                self.give(Self::other(link), LinkEvent::Query { id, bytes });
            }
            Effect::Answer { link, id, bytes } => {
                if bytes.starts_with(&PROPOSAL_DECISION) {
                    self.counts.agreements.fetch_add(1, Relaxed);
                }
                self.give(Self::other(link), LinkEvent::Answer { id, bytes });
            }
            Effect::Watch(address) => {
                self.see(address, AccountView::Inactive { balance: Nano::ZERO });
            }
            Effect::Notify(Event::Payment(payment)) => drop(self.payments.send(payment)),
            Effect::Notify(Event::Channel(summary)) => {
                if summary.phase == ChannelPhase::Open && summary.sent == Nano::ZERO {
                    let _ = self.ready.send(());
                }
            }
            Effect::Reply(_, Err(error)) => panic!("a command was refused: {error}"),
            Effect::Reply(_, Ok(_))
            | Effect::Close(_)
            | Effect::Submit(_)
            | Effect::Notify(_)
            | Effect::Unwatch(_)
            | Effect::Recall(_) => {}
        }
    }
}

/// Constructor ids as they stand on the wire (protocol.md 2.3).
const PROPOSE_ACTION: [u8; 4] = [0x8b, 0xbf, 0x13, 0x29];
const PROPOSAL_DECISION: [u8; 4] = [0x53, 0x41, 0xb4, 0x2f];
