//! A peer that speaks the protocol by hand: honest by default, so that a story can lie in exactly one place.
//!
//! It runs on a machine without a node. It keeps its side of one channel with the types of crate `channel`, answers
//! what it is asked as an honest peer would, and sends whatever a story gives it.

use channel::{
    accept::Bounds,
    amount::{Nano, Time},
    channel::{Channel, Terms},
    conditional::Conditional,
    conditionals::Conditionals,
    contract::{self, Address, Currency, OpenConfig, PaymentConfig, Storage},
    garlic::{self, Hop},
    key::SecretKey,
    proof::Touched,
    propose::Intent,
    resolve::Resolve,
    semichannel::{ChannelId, SemiBody, SemiChannel, SignedSemi},
    tl::{
        Action, Answer, Authenticate, ChannelConfig, OpenChannelOffchain, OpenVirtual,
        ProposeAction, ProposeChannelConfig, Query, authenticate_hash,
    },
};
use node::io::{AccountView, LinkEvent, LinkId, QueryId};

use crate::{
    machine::Plan,
    world::{Id, World},
};

/// What an adversary does with a proposal that it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As an honest peer.
    Agree,
    /// Says no, for this reason, and keeps what it was sent.
    Refuse(&'static str),
    /// Says nothing.
    Silent,
}

pub struct Adversary {
    pub id: Id,
    pub key: SecretKey,
    pub victim: Id,
    pub link: Option<LinkId>,
    pub channel: Option<Channel>,
    pub manner: Manner,
    /// Every answer is noise.
    pub babble: bool,
    /// Proposals it was sent, as bytes of the whole query, oldest first.
    pub proposals: Vec<Vec<u8>>,
    /// Requests it was sent.
    pub requests: Vec<Action>,
    /// Gives locks away and answers questions about them.
    lock: i64,
    answers: Vec<(QueryId, Option<Vec<u8>>)>,
    ids: Option<([u8; 32], [u8; 32])>,
    /// How often somebody was linked to it.
    pub met: u32,
}

impl Adversary {
    /// A stranger who has dialled `victim` and proved its own key.
    pub fn meets(world: &mut World, name: &'static str, victim: Id) -> Self {
        let mut this = Self::unknown(world, name, victim);
        this.dial(world);
        this.authenticate(world);
        this
    }

    /// Somebody whom `victim` has not met yet.
    pub fn unknown(world: &mut World, name: &'static str, victim: Id) -> Self {
        let id = world.add_puppet(Plan::user(name));
        Self::on(world, id, victim)
    }

    /// Somebody whom `victim` knows, gone mad: the keys are the old ones, the node is not.
    pub fn instead_of(world: &mut World, id: Id, victim: Id) -> Self {
        world.possess(id);
        let mut this = Self::on(world, id, victim);
        this.dial(world);
        this.authenticate(world);
        this
    }

    fn on(world: &World, id: Id, victim: Id) -> Self {
        Self {
            id,
            key: world.machine(id).secret(),
            victim,
            link: None,
            channel: None,
            manner: Manner::Agree,
            babble: false,
            proposals: Vec::new(),
            requests: Vec::new(),
            lock: 1,
            answers: Vec::new(),
            ids: None,
            met: 0,
        }
    }

    /// A peer with an open channel, in which it is left and both have deposited.
    pub fn with_channel(
        world: &mut World,
        name: &'static str,
        victim: Id,
        deposit: Nano,
        victims: Nano,
    ) -> Self {
        let mut this = Self::meets(world, name, victim);
        this.open_off_chain(world);
        this.exchange_first_states(world);
        this.open_on_chain(world, deposit, victims);
        this
    }

    pub fn dial(&mut self, world: &mut World) {
        let contact = world.machine(self.victim).contact();
        let life = world.machine(self.id).life;
        world.dialled(self.id, life, &contact);
        self.listen(world, 100);
    }

    /// The network ids of the last link: its own, the victim's.
    pub fn ids(&self) -> ([u8; 32], [u8; 32]) {
        self.ids.expect("a link comes up with its ids")
    }

    /// Proves its node key to the victim.
    pub fn authenticate(&mut self, world: &mut World) {
        let (ours, theirs) = self.ids();
        let timestamp = i64::from(world.now().seconds());
        let signature = self.key.sign(&authenticate_hash(&ours, &theirs, timestamp));
        let hello = Authenticate { key: self.key.public(), timestamp, signature };
        let answer = self.ask(world, &Query::Authenticate(hello));
        assert!(matches!(answer, Some(Answer::Authenticate(_))), "not authenticated: {answer:?}");
    }

    // ---- talking ----------------------------------------------------------------------------------------------

    /// Sends a query and waits for its answer. `None`: there was none.
    pub fn ask(&mut self, world: &mut World, query: &Query) -> Option<Answer> {
        let bytes = self.ask_bytes(world, query.to_bytes())?;
        Some(Answer::from_bytes(&bytes).expect("a node answers in TL"))
    }

    /// Sends any bytes as a query.
    pub fn ask_bytes(&mut self, world: &mut World, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let id = world.next_query();
        let link = self.link?;
        world.ask(self.id, link, id, bytes);
        for _ in 0..200 {
            self.listen(world, 50);
            if let Some(at) = self.answers.iter().position(|(answered, _)| *answered == id) {
                return self.answers.remove(at).1;
            }
            self.link?;
        }
        None
    }

    /// Sends any bytes as a query and waits for nothing.
    pub fn shout(&mut self, world: &mut World, bytes: Vec<u8>) {
        let id = world.next_query();
        if let Some(link) = self.link {
            world.ask(self.id, link, id, bytes);
        }
        if id.0 % 16 == 0 {
            self.listen(world, 50);
        }
    }

    /// Proposes, and returns the refusal, if it is one.
    pub fn propose(
        &mut self,
        world: &mut World,
        proposal: &ProposeAction,
    ) -> Result<SignedSemi, String> {
        match self.ask(world, &Query::ProposeAction(proposal.clone())) {
            Some(Answer::ProposalDecision { agreed: true, signed_state, .. }) => {
                let cell = signed_state.expect("agreement comes with a state");
                Ok(SignedSemi::from_cell(&cell).expect("a node answers with a signed state"))
            }
            Some(Answer::ProposalDecision { reason, .. }) => Err(reason),
            answer => Err(format!("({answer:?})")),
        }
    }

    /// Requests something of its channel, and returns the refusal, if it is one.
    pub fn request(&mut self, world: &mut World, action: Action) -> Result<(), String> {
        let channel = self.address();
        match self.ask(world, &Query::RequestAction { channel, action }) {
            Some(Answer::Decision { agreed: true, .. }) => Ok(()),
            Some(Answer::Decision { reason, .. }) => Err(reason),
            answer => Err(format!("({answer:?})")),
        }
    }

    /// Lets the world run for `ms` and deals with what came in.
    pub fn listen(&mut self, world: &mut World, ms: u64) {
        let until = world.now().plus_ms(ms);
        let mut slice = 50;
        while world.now() < until {
            world.run_for(slice.min(until.0 - world.now().0));
            let heard = world.heard(self.id);
            slice = if heard.is_empty() { 1_000.min(slice * 2) } else { 50 };
            self.hear(world, heard);
        }
    }

    fn hear(&mut self, world: &mut World, heard: Vec<(LinkId, LinkEvent)>) {
        for (link, event) in heard {
            match event {
                LinkEvent::Up { ours, theirs, .. } => {
                    self.link = Some(link);
                    self.ids = Some((ours, theirs));
                    self.met += 1;
                }
                LinkEvent::Down => {
                    if self.link == Some(link) {
                        self.link = None;
                    }
                }
                LinkEvent::Answer { id, bytes } => self.answers.push((id, Some(bytes))),
                LinkEvent::TimedOut { id } => self.answers.push((id, None)),
                LinkEvent::Query { id, bytes } => {
                    let answer = self.react(world.now(), &bytes);
                    if self.babble {
                        let noise = world.rng.usize(..100);
                        let noise =
                            std::iter::repeat_with(|| world.rng.u8(..)).take(noise).collect();
                        world.answer(self.id, id, noise);
                    } else if let Some(answer) = answer {
                        world.answer(self.id, id, answer.to_bytes());
                    }
                }
            }
        }
    }

    /// What an honest peer would say.
    fn react(&mut self, now: Time, bytes: &[u8]) -> Option<Answer> {
        match Query::from_bytes(bytes).expect("a node asks in TL") {
            Query::Ping { value } => Some(Answer::Pong { value }),
            Query::Authenticate(hello) => {
                let (ours, theirs) = self.ids?;
                let hash = authenticate_hash(&ours, &theirs, hello.timestamp);
                Some(Answer::Authenticate(Authenticate {
                    key: self.key.public(),
                    timestamp: hello.timestamp,
                    signature: self.key.sign(&hash),
                }))
            }
            Query::ProposeAction(proposal) => {
                self.proposals.push(bytes.to_vec());
                match self.manner {
                    Manner::Agree => Some(self.agree(now, &proposal)),
                    Manner::Refuse(reason) => Some(Answer::ProposalDecision {
                        agreed: false,
                        reason: reason.to_owned(),
                        signed_state: None,
                    }),
                    Manner::Silent => None,
                }
            }
            Query::RequestAction { action, .. } => {
                self.requests.push(action);
                Some(decision(true))
            }
            Query::RequestChannelLock { .. } | Query::IsChannelUnlocked { .. } => {
                Some(decision(true))
            }
            Query::ProposeChannelConfig(_) => Some(Answer::ChannelConfig(ChannelConfig {
                ok: true,
                wallet: WALLET,
                reason: String::new(),
                proxy_allowed: false,
                proxy_min_fee: Nano::ZERO,
                proxy_max_capacity: Nano::ZERO,
                proxy_percent_fee: 0.0,
            })),
            Query::OpenChannelOffchain(_) => None,
        }
    }

    /// Takes a proposal as an honest peer would.
    fn agree(&mut self, now: Time, proposal: &ProposeAction) -> Answer {
        let refusal =
            |reason: String| Answer::ProposalDecision { agreed: false, reason, signed_state: None };
        let Some(channel) = &self.channel else { return refusal("not found".to_owned()) };
        match channel.accept(now, proposal, &BOUNDS, &self.key) {
            Ok(accepted) => {
                self.channel = Some(accepted.channel);
                Answer::ProposalDecision {
                    agreed: true,
                    reason: String::new(),
                    signed_state: Some(accepted.answer.to_cell()),
                }
            }
            Err(reason) => refusal(reason.0),
        }
    }

    // ---- its channel ------------------------------------------------------------------------------------------

    pub fn channel(&self) -> &Channel {
        self.channel.as_ref().expect("the story gave the adversary a channel")
    }

    pub fn address(&self) -> Address {
        self.channel().terms.address
    }

    /// Terms for a new channel that the victim can only agree to.
    pub fn terms(&mut self, world: &mut World) -> OpenConfig {
        let config = world.machine(self.victim).config(&world.codes);
        let asked = Query::ProposeChannelConfig(ProposeChannelConfig {
            jetton: [0; 32],
            ec_id: 0,
            excess_fee: config.storage_fee,
            quarantine_duration: config.closing.quarantine_duration,
            misbehavior_fine: config.closing.misbehavior_fine,
            conditional_close_duration: config.closing.conditional_close_duration,
            node_version: 2,
            code_hash: channel::cell::hash(&world.codes.channel),
        });
        let Some(Answer::ChannelConfig(terms)) = self.ask(world, &asked) else {
            panic!("no terms were agreed")
        };
        let mut id = [0; 16];
        world.rng.fill(&mut id);
        OpenConfig {
            key_a: self.key.public(),
            key_b: world.machine(self.victim).key,
            channel_id: ChannelId(id),
            closing: config.closing,
            payment: PaymentConfig {
                storage_fee: config.storage_fee,
                dest_a: WALLET,
                dest_b: terms.wallet,
                currency: Currency::Ton,
            },
        }
    }

    /// Asks the victim for a channel on these terms; empty, or why not.
    pub fn asks_for(&mut self, world: &mut World, open: &OpenConfig) -> String {
        let asked = Query::OpenChannelOffchain(OpenChannelOffchain {
            code_hash: channel::cell::hash(&world.codes.channel),
            open_config: open.to_cell(),
            node_version: 2,
        });
        match self.ask(world, &asked) {
            Some(Answer::OpenChannelOffchain { reason, .. }) => reason,
            answer => panic!("no answer to an opening: {answer:?}"),
        }
    }

    /// Agrees on a channel with the victim, left as the opener is.
    pub fn open_off_chain(&mut self, world: &mut World) {
        let open = self.terms(world);
        assert_eq!(self.asks_for(world, &open), "");
        let config = world.machine(self.victim).config(&world.codes);
        let data = contract::initial_data(&open);
        let address = contract::address(&world.codes.channel, &data);
        self.channel = Some(Channel::new(Terms {
            address,
            open,
            we_left: true,
            safe_close_secs: config.safe_close_secs(),
            min_safe_secs: config.min_safe_secs,
        }));
    }

    /// Both sign for the first time.
    pub fn exchange_first_states(&mut self, world: &mut World) {
        self.go(world, &Intent::Increment { want_response: true })
            .expect("the first state is taken");
        for _ in 0..100 {
            self.listen(world, 100);
            if self.channel().ready() {
                return;
            }
        }
        panic!("the victim never signed");
    }

    /// The victim deploys the contract with its own deposit; ours comes from nowhere.
    pub fn open_on_chain(&mut self, world: &mut World, deposit: Nano, victims: Nano) {
        let wallet = world.wallet(self.victim);
        world.faucet(wallet, Nano(victims.0 + 2_000_000_000));
        world.want_channel(self.victim, self.id, victims);
        for _ in 0..600 {
            self.listen(world, 200);
            if self.observe(world)[1] == victims {
                break;
            }
        }
        if deposit > Nano::ZERO {
            let value = Nano(deposit.0 + 30_000_000);
            world.chain.send(self.address(), value, contract::top_up(true));
            world.expect_block();
        }
        for _ in 0..600 {
            self.listen(world, 200);
            let both = self.observe(world) == [deposit, victims];
            let known = world
                .channel(self.victim, self.id)
                .is_some_and(|channel| channel.their_deposited == deposit);
            if both && known {
                return;
            }
        }
        panic!("the contract never got its deposits");
    }

    /// Looks at the contract: our deposit, the victim's.
    fn observe(&mut self, world: &World) -> [Nano; 2] {
        let view = world.chain.view(self.address(), world.now().seconds());
        let storage = match &view.account {
            AccountView::Active { data, .. } => Storage::from_cell(data).ok(),
            AccountView::Inactive { .. } => None,
        };
        let next = self.channel().observed(view.block, storage.as_ref());
        self.channel = Some(next);
        [self.channel().ours.deposited, self.channel().theirs.deposited]
    }

    /// A proposal that claims whatever it is given, signed with our key: the next seqno, `sent` in all, a dictionary.
    pub fn claim(
        &self,
        action: Action,
        conditionals: &Conditionals,
        touched: &Touched,
        sent: Nano,
    ) -> ProposeAction {
        let channel = self.channel();
        let seqno = channel.ours.body().seqno + 1;
        let data = SemiBody { seqno, sent, conditionals: conditionals.hash() };
        let (channel_id, counterparty) = (channel.terms.open.channel_id, *channel.theirs.body());
        let state = SemiChannel { channel_id, data, counterparty: Some(counterparty) };
        ProposeAction {
            lock_id: 9,
            channel: self.address(),
            action,
            state: SignedSemi::sign(state, &self.key).to_cell(),
            conditionals: conditionals.prove(touched),
        }
    }

    /// A proposal that nobody could object to.
    pub fn honest(&self) -> ProposeAction {
        let ours = &self.channel().ours;
        let action = Action::IncrementStates { want_response: false };
        self.claim(action, &ours.conditionals, &Touched::Nothing, ours.body().sent)
    }

    /// An honest increment, with `change` applied to its state before that is signed.
    pub fn honest_but(&self, change: impl FnOnce(&mut SemiChannel)) -> ProposeAction {
        let mut proposal = self.honest();
        let mut signed = SignedSemi::from_cell(&proposal.state).expect("our own state");
        change(&mut signed.state);
        proposal.state = SignedSemi::sign(signed.state, &self.key).to_cell();
        proposal
    }

    /// A promise of `conditional` with `orders`, whether we can afford it or not.
    pub fn promise(&self, conditional: Conditional, orders: OpenVirtual) -> ProposeAction {
        let ours = &self.channel().ours;
        let mut conditionals = ours.conditionals.clone();
        let same = conditionals.iter().find(|other| other.slot() == conditional.slot());
        if let Some(same) = same {
            conditionals.remove(&same.key);
        }
        conditionals.insert(conditional).expect("the slot is free");
        let touched = Touched::Open(conditional.key);
        self.claim(Action::OpenVirtual(orders), &conditionals, &touched, ours.body().sent)
    }

    /// Orders for a route of `hops`, and the conditional that belongs on the first of them.
    pub fn orders(&self, virtual_key: &SecretKey, hops: &[Hop]) -> (Conditional, OpenVirtual) {
        let keys: Vec<SecretKey> =
            (0..hops.len()).map(|hop| SecretKey::from_seed([hop as u8 + 100; 32])).collect();
        let mut fill = |bytes: &mut [u8]| bytes.fill(7);
        let orders = garlic::build(virtual_key, hops, &keys, 8, true, &mut fill);
        let Hop { capacity, fee, deadline, .. } = hops[0];
        let key = virtual_key.public();
        let conditional = Conditional { key, capacity, fee, prepay: Nano::ZERO, deadline };
        (conditional, orders.expect("orders for a short route can be written"))
    }

    /// Proposes honestly and takes over what was agreed.
    pub fn go(&mut self, world: &mut World, intent: &Intent) -> Result<(), String> {
        for _ in 0..20 {
            let next = self.channel().propose(world.now(), intent, &self.key);
            let next = next.map_err(|fault| fault.to_string())?;
            self.lock += 1;
            let proposal = next.proposal(next.pending.last().expect("a proposal").seqno(), self.lock).expect("a proposal is pending");
            match self.propose(world, &proposal) {
                Ok(answer) => {
                    let (agreed, _) = next.agreed(&answer).expect("the answer fits");
                    self.channel = Some(agreed);
                    return Ok(());
                }
                Err(reason) if reason == channel::propose::BUSY => self.listen(world, 500),
                Err(reason) => return Err(reason),
            }
        }
        Err(channel::propose::BUSY.to_owned())
    }

    /// The first conditional that the victim has promised to us.
    pub fn promised(&self) -> Option<Conditional> {
        self.channel().theirs.conditionals.iter().next()
    }

    /// The orders that came with a promise to us, opened with our key: the resolve that pays it.
    pub fn resolve(&self) -> Option<Resolve> {
        let open =
            self.proposals.iter().rev().find_map(|bytes| match Query::from_bytes(bytes) {
                Ok(Query::ProposeAction(proposal)) => match proposal.action {
                    Action::OpenVirtual(open) => Some(open),
                    _ => None,
                },
                _ => None,
            })?;
        garlic::open(&open, &self.key).ok()?.final_state
    }
}

fn decision(agreed: bool) -> Answer {
    Answer::Decision { agreed, reason: String::new(), signature: Vec::new() }
}

/// Where an adversary has its share paid out.
const WALLET: Address = [0xee; 32];

/// An adversary takes everything.
const BOUNDS: Bounds = Bounds { conditionals: u32::MAX, dust: Nano(1), lifetime_secs: u32::MAX };
