//! The words in which stories are told: people who know each other, open channels, pay, and look at what they have.

use channel::{amount::Nano, contract::Address, key::PublicKey};
use node::{
    io::{Command, CommandError, Event, Input, PayOrder, PaymentId, Reply, RequestId, RouteHop},
    summary::{
        ChannelPhase, ChannelSummary, PaymentState, PaymentSummary, ReceivedSummary, Snapshot,
    },
};

use crate::{
    faults::Faults,
    machine::Plan,
    world::{Id, World},
};

/// A payment that somebody wanted.
#[derive(Clone, Debug)]
pub struct Payment {
    pub payer: Id,
    /// The receiver last.
    pub route: Vec<Id>,
    pub order: PayOrder,
}

/// How a payment stands at the machine of its payer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver is paid and so is everybody between.
    Paid,
    /// On its way; the amount is not spendable.
    Underway,
    /// It was refused for this reason, but can still be claimed.
    Returning(String),
    /// It did not happen, for this reason, and will not.
    Failed(String),
    /// The payer's node has never heard of it.
    Unknown,
}

/// That many whole coins.
pub fn ton(coins: u128) -> Nano {
    Nano(coins * 1_000_000_000)
}

/// That many thousandths of a coin.
pub fn milli(thousandths: u128) -> Nano {
    Nano(thousandths * 1_000_000)
}

/// Long enough for anything that needs no deadline to pass, milliseconds.
pub const WHILE_MS: u64 = 120_000;

impl World {
    // ---- who is there -----------------------------------------------------------------------------------------

    /// People in a row, each with a channel to the next in which both have deposited; all but the ends relay.
    pub fn line<const N: usize>(&mut self, names: [&'static str; N], deposit: Nano) -> [Id; N] {
        let ids = std::array::from_fn(|i| {
            let ends = i == 0 || i + 1 == N;
            self.add(if ends { Plan::user(names[i]) } else { Plan::relay(names[i]) })
        });
        for pair in ids.windows(2) {
            self.open(pair[0], pair[1], deposit, deposit);
        }
        ids
    }

    /// Each learns how to reach the other.
    pub fn introduce(&mut self, a: Id, b: Id) {
        for (one, other) in [(a, b), (b, a)] {
            let contact = self.machine(other).contact();
            let added = self.command(one, Command::AddContact(contact));
            assert!(added.is_ok(), "seed {}: contact refused: {added:?}", self.seed);
        }
    }

    /// A channel that `a` opens, on chain with both deposits before this returns.
    pub fn open(&mut self, a: Id, b: Id, deposit_a: Nano, deposit_b: Nano) {
        self.begin_open(a, b, deposit_a, deposit_b);
        let open = self.run_until_calm(20 * WHILE_MS, |world| {
            world.channel(a, b).is_some_and(|channel| {
                channel.phase == ChannelPhase::Open
                    && channel.deposited == deposit_a
                    && channel.their_deposited == deposit_b
            }) && world.channel(b, a).is_some_and(|channel| {
                channel.phase == ChannelPhase::Open
                    && channel.their_deposited == deposit_a
                    && channel.deposited == deposit_b
            })
        });
        assert!(open, "seed {}: {} and {} got no channel", self.seed, self.name(a), self.name(b));
    }

    /// Both want a channel, `a` opens it; wallets are filled by the faucet.
    pub fn begin_open(&mut self, a: Id, b: Id, deposit_a: Nano, deposit_b: Nano) {
        self.introduce(a, b);
        for (id, deposit) in [(a, deposit_a), (b, deposit_b)] {
            let wallet = self.wallet(id);
            self.faucet(wallet, Nano(deposit.0 + ton(2).0));
        }
        self.want_channel(a, b, deposit_a);
        if deposit_b > Nano::ZERO {
            let known = self.run_until_calm(20 * WHILE_MS, |world| world.channel(b, a).is_some());
            assert!(known, "seed {}: {} never heard of the channel", self.seed, self.name(b));
            self.want_channel(b, a, deposit_b);
        }
    }

    /// Wants a deposit in a channel with `peer`, again and again until the node has taken it in.
    pub fn want_channel(&mut self, id: Id, peer: Id, deposit: Nano) {
        let peer = self.machine(peer).key;
        let reply = self.command(id, Command::OpenChannel { peer, deposit });
        assert!(reply.is_ok(), "seed {}: opening refused: {reply:?}", self.seed);
    }

    // ---- paying -----------------------------------------------------------------------------------------------

    /// What each node on the way has to earn, the receiver nothing, by the relays' own terms.
    pub fn hops(&self, route: &[Id], amount: Nano) -> Vec<RouteHop> {
        let mut passed_on = amount;
        let mut hops: Vec<RouteHop> = Vec::new();
        for (index, id) in route.iter().enumerate().rev() {
            let machine = self.machine(*id);
            let last = index + 1 == route.len();
            let tunnel = machine.plan.tunnel.filter(|_| !last);
            let fee = tunnel.and_then(|tunnel| tunnel.fee(passed_on)).unwrap_or(Nano::ZERO);
            passed_on = Nano(passed_on.0 + fee.0);
            hops.push(RouteHop { node: machine.key, fee });
        }
        hops.reverse();
        hops
    }

    /// A payment along `route`, which ends with the receiver, not yet ordered.
    pub fn plan_payment(&mut self, payer: Id, route: &[Id], amount: Nano) -> Payment {
        let mut id = [0; 32];
        self.rng.fill(&mut id);
        let order = PayOrder { id: PaymentId(id), route: self.hops(route, amount), amount };
        Payment { payer, route: route.to_vec(), order }
    }

    /// Orders a payment and waits for the payer's node to say that it has taken it in or refused it.
    pub fn order(&mut self, payment: &Payment) -> Result<Reply, CommandError> {
        self.command(payment.payer, Command::Pay(payment.order.clone()))
    }

    /// Orders a payment that the payer's node must take in.
    pub fn pay(&mut self, payer: Id, route: &[Id], amount: Nano) -> Payment {
        let payment = self.plan_payment(payer, route, amount);
        let reply = self.order(&payment);
        assert!(reply.is_ok(), "seed {}: payment not taken in: {reply:?}", self.seed);
        payment
    }

    /// Waits until a payment is decided, at most for two minutes, and says how.
    pub fn outcome(&mut self, payment: &Payment) -> Outcome {
        self.run_until_calm(WHILE_MS, |world| {
            !matches!(world.standing(payment), Outcome::Underway)
        });
        self.standing(payment)
    }

    /// How a payment stands right now.
    pub fn standing(&mut self, payment: &Payment) -> Outcome {
        match self.payment(payment).map(|summary| (summary.state, summary.reason)) {
            None => Outcome::Unknown,
            Some((PaymentState::Settled, _)) => Outcome::Paid,
            Some((PaymentState::Returning, reason)) => {
                Outcome::Returning(reason.unwrap_or_default())
            }
            Some((PaymentState::Failed, reason)) => Outcome::Failed(reason.unwrap_or_default()),
            Some((PaymentState::Reserved | PaymentState::Locked | PaymentState::Sent, _)) => {
                Outcome::Underway
            }
        }
    }

    pub fn payment(&mut self, payment: &Payment) -> Option<PaymentSummary> {
        match self.look(payment.payer, Command::Payment(payment.order.id))? {
            Ok(Reply::Payment(summary)) => Some(summary),
            Ok(_) | Err(_) => None,
        }
    }

    /// What the receiver of a payment has got.
    pub fn received(&mut self, payment: &Payment) -> Option<ReceivedSummary> {
        let key = self.payment(payment)?.key;
        let receiver = *payment.route.last()?;
        self.received_under(receiver, key)
    }

    pub fn received_under(&mut self, id: Id, key: PublicKey) -> Option<ReceivedSummary> {
        match self.look(id, Command::Received(key))? {
            Ok(Reply::Received(summary)) => Some(summary),
            Ok(_) | Err(_) => None,
        }
    }

    // ---- looking ----------------------------------------------------------------------------------------------

    /// Everything that a machine's node shows. `None`: the machine is off.
    pub fn snapshot(&mut self, id: Id) -> Option<Snapshot> {
        match self.look(id, Command::Snapshot)? {
            Ok(Reply::Snapshot(snapshot)) => Some(snapshot),
            Ok(_) | Err(_) => None,
        }
    }

    /// The channel of `id` with `peer`.
    pub fn channel(&mut self, id: Id, peer: Id) -> Option<ChannelSummary> {
        let key = self.machine(peer).key;
        let channels = self.snapshot(id)?.channels;
        channels.into_iter().find(|channel| channel.peer == key)
    }

    /// What a machine can spend in its channel with `peer`.
    pub fn balance(&mut self, id: Id, peer: Id) -> Nano {
        self.channel(id, peer).map(|channel| channel.balance).unwrap_or_default()
    }

    pub fn earned(&mut self, id: Id) -> Nano {
        self.snapshot(id).map(|snapshot| snapshot.earned).unwrap_or_default()
    }

    /// What a machine's node has complained about to its owner.
    pub fn troubles(&self, id: Id) -> Vec<String> {
        let told = self.machine(id).told.iter();
        told.filter_map(|event| match event {
            Event::Trouble { reason } => Some(reason.clone()),
            _ => None,
        })
        .collect()
    }

    /// Starts a machine that a trap may have switched off.
    pub fn start_if_off(&mut self, id: Id) {
        if !self.machine(id).is_on() {
            self.start(id);
        }
    }

    /// Address of a machine's wallet.
    pub fn wallet(&mut self, id: Id) -> Address {
        if let Some(wallet) = self.machine(id).wallet {
            return wallet;
        }
        self.run_until(60_000, |world| world.machine(id).is_on());
        let text = self.snapshot(id).map(|snapshot| snapshot.wallet.address).unwrap_or_default();
        let mut wallet = [0; 32];
        hex::decode_to_slice(&text, &mut wallet).expect("a wallet has an address of 64 hex digits");
        self.machine_mut(id).wallet = Some(wallet);
        wallet
    }

    /// Address of the wallet of a machine that may be off, as it was heard when its channel opened.
    pub(crate) fn wallet_of(&self, id: Id) -> Address {
        self.machine(id).wallet.expect("a machine with a channel has shown its wallet")
    }

    /// Asks a node something that changes nothing, at once and without a fault.
    fn look(&mut self, id: Id, command: Command) -> Option<Result<Reply, CommandError>> {
        if !self.machine(id).is_on() {
            return None;
        }
        let (faults, checks, tally) = (self.faults, self.check_every, self.tally);
        (self.faults, self.check_every) = (Faults::NONE, 0);
        let request = self.request();
        self.take(id, vec![Input::Command(request, command)]);
        (self.faults, self.check_every, self.tally) = (faults, checks, tally);
        self.machine_mut(id).replies.remove(&request)
    }

    pub(crate) fn request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    /// Gives a command as an owner would, and waits for the reply; gives it again if the machine died over it.
    pub fn command(&mut self, id: Id, command: Command) -> Result<Reply, CommandError> {
        for _ in 0..100 {
            let request = self.request();
            self.feed(id, Input::Command(request, command.clone()));
            self.run_until(5_000, |world| {
                let machine = world.machine(id);
                machine.replies.contains_key(&request) || !machine.is_on()
            });
            if let Some(reply) = self.machine_mut(id).replies.remove(&request) {
                return reply;
            }
            self.run_until(60_000, |world| world.machine(id).is_on());
        }
        panic!("seed {}: {} gives no reply to {command:?}", self.seed, self.name(id));
    }

    /// Gives a command and does not wait.
    pub fn tell(&mut self, id: Id, command: Command) {
        let request = self.request();
        self.feed(id, Input::Command(request, command));
    }

    /// As [`World::run_until`], but looks only now and then, since looking asks nodes.
    pub fn run_until_calm(&mut self, ms: u64, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let until = self.now().plus_ms(ms);
        let mut pause = 20;
        loop {
            if done(self) {
                return true;
            }
            if self.now() >= until {
                return false;
            }
            self.run_for(pause);
            pause = (pause * 2).min(8_000);
        }
    }

    // ---- the network ------------------------------------------------------------------------------------------

    /// From now on the two cannot reach each other; a link between them breaks.
    pub fn part(&mut self, a: Id, b: Id) {
        self.parted.push((a, b));
        self.cut_between(a, b);
    }

    /// Everybody can reach everybody again.
    pub fn reunite(&mut self) {
        self.parted.clear();
    }

    pub fn cut_between(&mut self, a: Id, b: Id) {
        for wire in self.wires.at(a) {
            let between = |wire: &crate::wire::Wire| wire.ends.iter().any(|end| end.machine == b);
            if self.wires.get(wire).is_some_and(between) {
                self.cut(wire);
            }
        }
    }

    /// A link somewhere breaks.
    pub fn cut_any(&mut self) {
        let wires = self.wires.all();
        if let Some(wire) = self.rng.choice(wires) {
            self.cut(wire);
        }
    }
}
