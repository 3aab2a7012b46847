//! The channel of an adversary: opened honestly, and the proposals in it, honest and forged.

use channel::{
    amount::Nano,
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
        Action, Answer, OpenChannelOffchain, OpenVirtual, ProposeAction, ProposeChannelConfig,
        Query,
    },
};
use node::io::AccountView;

use crate::{
    adversary::{Adversary, WALLET},
    story::WHILE_MS,
    world::World,
};

impl Adversary {
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
            buffer_secs: config.buffer_secs,
            min_safe_secs: config.min_safe_secs,
        }));
        // The victim looks for the contract, which is not there yet.
        self.listen(world, 5_000);
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
                // The chain has nothing more to say.
                self.listen(world, WHILE_MS);
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
        let next = self.channel().observed(world.now(), view.time, storage.as_ref());
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
        self.order(virtual_key, hops, true)
    }

    /// As [`Self::orders`], but the receiver gets no resolve with them: what it is paid is decided later.
    pub fn open_orders(&self, virtual_key: &SecretKey, hops: &[Hop]) -> (Conditional, OpenVirtual) {
        self.order(virtual_key, hops, false)
    }

    fn order(
        &self,
        virtual_key: &SecretKey,
        hops: &[Hop],
        final_state: bool,
    ) -> (Conditional, OpenVirtual) {
        let keys: Vec<SecretKey> =
            (0..hops.len()).map(|hop| SecretKey::from_seed([hop as u8 + 100; 32])).collect();
        let mut fill = |bytes: &mut [u8]| bytes.fill(7);
        let orders = garlic::build(virtual_key, hops, &keys, 8, final_state, &mut fill);
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
            let proposal = next
                .proposal(next.pending.last().expect("a proposal").seqno(), self.lock)
                .expect("a proposal is pending");
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
