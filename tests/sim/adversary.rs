//! A peer that speaks the protocol by hand: honest by default, so that a story can lie in exactly one place.
//!
//! It runs on a machine without a node. It keeps its side of one channel with the types of crate `channel`, answers
//! what it is asked as an honest peer would, and sends whatever a story gives it.

use channel::{
    accept::Bounds,
    amount::{Nano, Time},
    cell::Cell,
    channel::Channel,
    contract::{self, Address, OpenConfig},
    key::SecretKey,
    semichannel::SignedSemi,
    tl::{Action, Answer, Authenticate, ChannelConfig, ProposeAction, Query, authenticate_hash},
};
use node::io::{LinkEvent, LinkId, QueryId};

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
    /// Says no, for this reason, to what would pay it.
    RefusePayment(&'static str),
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
    /// Gives no lock away.
    pub keeps_lock: bool,
    /// The last lock that the victim has asked for.
    pub asked_lock: i64,
    /// Every answer is noise.
    pub babble: bool,
    /// Proposals that it has left without an answer.
    unanswered: Vec<QueryId>,
    /// Proposals it was sent, as bytes of the whole query, oldest first.
    pub proposals: Vec<Vec<u8>>,
    /// Requests it was sent.
    pub requests: Vec<Action>,
    /// Gives locks away and answers questions about them.
    pub(crate) lock: i64,
    answers: Vec<(QueryId, Option<Vec<u8>>)>,
    ids: Option<([u8; 32], [u8; 32])>,
    /// Of a channel's contract.
    code: Cell,
    /// How often somebody was linked to it.
    pub met: u32,
    /// The channel that somebody wants to open with it; it agrees once [`Adversary::opens`] is set.
    pub wanted: Option<OpenConfig>,
    pub opens: bool,
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
            keeps_lock: false,
            asked_lock: 0,
            babble: false,
            unanswered: Vec::new(),
            proposals: Vec::new(),
            requests: Vec::new(),
            lock: 1,
            answers: Vec::new(),
            ids: None,
            code: world.codes.channel.clone(),
            met: 0,
            wanted: None,
            opens: false,
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
        if id.0.is_multiple_of(16) {
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
                    } else {
                        self.unanswered.push(id);
                    }
                }
            }
        }
    }

    /// Refuses at last what it has left without an answer.
    pub fn refuse_late(&mut self, world: &mut World, reason: &str) {
        for id in self.unanswered.drain(..) {
            world.answer(self.id, id, refused(reason).to_bytes());
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
                let pays = matches!(proposal.action, Action::ConfirmClose { .. });
                match self.manner {
                    Manner::RefusePayment(_) if !pays => Some(self.agree(now, &proposal)),
                    Manner::Agree => Some(self.agree(now, &proposal)),
                    Manner::Refuse(reason) | Manner::RefusePayment(reason) => Some(refused(reason)),
                    Manner::Silent => None,
                }
            }
            Query::RequestAction { action, .. } => {
                self.requests.push(action);
                Some(decision(true))
            }
            Query::RequestChannelLock { lock_id, lock, .. } => {
                self.asked_lock = lock_id;
                Some(decision(!lock || !self.keeps_lock))
            }
            Query::IsChannelUnlocked { .. } => Some(decision(true)),
            Query::ProposeChannelConfig(_) => Some(Answer::ChannelConfig(ChannelConfig {
                ok: true,
                wallet: WALLET,
                reason: String::new(),
                proxy_allowed: false,
                proxy_min_fee: Nano::ZERO,
                proxy_max_capacity: Nano::ZERO,
                proxy_percent_fee: 0.0,
            })),
            Query::OpenChannelOffchain(asked) => {
                let open = OpenConfig::from_cell(&asked.open_config).expect("a node's own terms");
                self.wanted = Some(open);
                let data = contract::initial_data(&open);
                let address = contract::address(&self.code, &data);
                let reason = String::new();
                self.opens.then_some(Answer::OpenChannelOffchain { address, reason })
            }
        }
    }

    /// Takes a proposal as an honest peer would.
    fn agree(&mut self, now: Time, proposal: &ProposeAction) -> Answer {
        let Some(channel) = &self.channel else { return refused("not found") };
        match channel.accept(now, proposal, &BOUNDS, None, &self.key) {
            Ok(accepted) => {
                self.channel = Some(accepted.channel);
                Answer::ProposalDecision {
                    agreed: true,
                    reason: String::new(),
                    signed_state: Some(accepted.answer.to_cell()),
                }
            }
            Err(reason) => refused(&reason.0),
        }
    }
}

fn refused(reason: &str) -> Answer {
    Answer::ProposalDecision { agreed: false, reason: reason.to_owned(), signed_state: None }
}

fn decision(agreed: bool) -> Answer {
    Answer::Decision { agreed, reason: String::new(), signature: Vec::new() }
}

/// Where an adversary has its share paid out.
pub(crate) const WALLET: Address = [0xee; 32];

/// An adversary takes everything.
const BOUNDS: Bounds = Bounds { conditionals: u32::MAX, dust: Nano(1), lifetime_secs: u32::MAX };
