//! A payer and a payee who are one and know every resolve, with a relay between them: whatever they show to whom and
//! when, the relay never pays more than it has been paid or can still make them pay (safety.md N25, N26).

use channel::{
    Deadline, Nano,
    garlic::Hop,
    key::{PublicKey, SecretKey},
    propose::Intent,
    resolve::{Resolve, Verified},
    tl::Action,
};
use tests::{Adversary, Id, Manner, Plan, World, milli, ton};

pub(crate) struct Plot {
    pub(crate) world: World,
    pub(crate) relay: Id,
    pub(crate) payer: Adversary,
    pub(crate) payee: Adversary,
    pub(crate) secret: SecretKey,
}

impl Plot {
    /// Five are promised along the way, and no resolve has been shown.
    pub(crate) fn begin() -> Self {
        let plot = Self::begin_with(Manner::Agree);
        assert_eq!(plot.payee.promised().map(|promise| promise.capacity), Some(ton(5)));
        plot
    }

    /// As [`Self::begin`], with a payee that may leave the promise without an agreement.
    pub(crate) fn begin_with(manner: Manner) -> Self {
        let mut world = World::seeded(61);
        let relay = world.add(Plan::relay("relay"));
        let mut payer = Adversary::with_channel(&mut world, "payer", relay, ton(10), ton(10));
        let payee = Adversary::with_channel(&mut world, "payee", relay, ton(10), ton(10));
        let secret = SecretKey::from_seed([62; 32]);
        let now = world.now().seconds();
        let hop = |target: Id, fee, secs| Hop {
            target: world.machine(target).key,
            capacity: ton(5),
            fee,
            deadline: Deadline(now + secs),
        };
        let hops = [hop(relay, milli(25), 118_920), hop(payee.id, Nano(0), LAST_SECS)];
        let (conditional, action) = payer.open_orders(&secret, &hops);
        let open = Intent::Open { conditional, action };
        payer.go(&mut world, &open).expect("the relay takes the promise");
        let mut plot = Self { world, relay, payer, payee, secret };
        plot.payee.manner = manner;
        plot.wait(5_000);
        plot
    }

    pub(crate) fn wait(&mut self, ms: u64) {
        let until = self.world.now().plus_ms(ms);
        while self.world.now() < until {
            self.payer.listen(&mut self.world, 250);
            self.payee.listen(&mut self.world, 250);
        }
    }

    pub(crate) fn key(&self) -> PublicKey {
        self.secret.public()
    }

    pub(crate) fn resolve(&self, amount: Nano) -> Verified {
        Resolve::sign(amount, &self.secret).verified(&self.key()).expect("our own signature")
    }

    pub(crate) fn claim(&mut self, amount: Nano) -> Result<(), String> {
        let action = Action::CloseVirtual { key: self.key(), state: *self.resolve(amount) };
        self.payee.request(&mut self.world, action)
    }

    pub(crate) fn pay(&mut self, amount: Nano) -> Result<(), String> {
        let close = Intent::Close { key: self.key(), resolve: self.resolve(amount) };
        self.payer.go(&mut self.world, &close)
    }

    /// What the relay has been asked to be paid by the payer.
    pub(crate) fn asked(&self) -> Vec<Nano> {
        let amounts = self.payer.requests.iter().filter_map(|action| match action {
            Action::CloseVirtual { state, .. } => Some(state.amount),
            _ => None,
        });
        amounts.collect()
    }

    /// The relay can lose nothing, whatever the two do now.
    pub(crate) fn covered(&mut self) {
        let (payer, payee) = (self.payer.id, self.payee.id);
        let incoming = self.world.channel(self.relay, payer).expect("a channel");
        let outgoing = self.world.channel(self.relay, payee).expect("a channel");
        let comes = incoming.their_sent.0 + incoming.their_locked.0;
        let goes = outgoing.sent.0 + outgoing.locked.0;
        assert!(comes >= goes, "{comes} can come in, {goes} can go out");
    }
}

#[test]
fn a_payee_who_raises_its_claim_cannot_be_paid_more_than_the_payer_pays() {
    let mut plot = Plot::begin();
    plot.payee.manner = Manner::Refuse("no");

    assert_eq!(plot.claim(Nano(1)), Ok(()));
    plot.wait(5_000);

    assert_eq!(plot.asked(), [], "the payee can still claim five");
    let settled = plot.pay(Nano(1));
    assert_eq!(settled, Err("the next node can still claim more".to_owned()));
    plot.covered();

    plot.payee.manner = Manner::Agree;
    assert_eq!(plot.claim(ton(5)), Ok(()));
    plot.wait(30_000);
    plot.covered();
    let sent = plot.world.channel(plot.relay, plot.payee.id).map(|channel| channel.sent);
    assert_eq!(sent, Some(ton(5)));
    assert_eq!(plot.asked().first(), Some(&ton(5)));
    assert_eq!(plot.pay(ton(5)), Ok(()));
    plot.covered();
    assert_eq!(plot.world.earned(plot.relay), milli(25));
}

#[test]
fn a_promise_closed_over_less_stays_reserved_and_covered_until_nobody_can_claim_it() {
    let mut plot = Plot::begin();

    assert_eq!(plot.claim(Nano(1)), Ok(()));
    plot.wait(10_000);

    assert_eq!(plot.payee.promised(), None, "the relay has paid");
    let (relay, payee) = (plot.relay, plot.payee.id);
    assert_eq!(plot.world.balance(relay, payee), ton(5), "an older state still gives five away");
    assert_eq!(plot.asked(), []);
    assert!(plot.pay(Nano(1)).is_err());
    plot.covered();

    plot.payer.listen(&mut plot.world, u64::from(LAST_SECS) * 1_000);
    assert_eq!(plot.asked(), []);
    plot.wait(600_000);
    assert_eq!(plot.asked().first(), Some(&Nano(1)), "now the contract refuses it");
    assert_eq!(plot.world.balance(relay, payee), Nano(ton(10).0 - 1));
    // The state that was refused before stays refused: another one takes its place.
    let increment = Intent::Increment { want_response: false };
    plot.payer.go(&mut plot.world, &increment).expect("nothing is asked for");
    assert_eq!(plot.pay(Nano(1)), Ok(()));
    plot.covered();
}

#[test]
fn a_payment_that_was_refused_stays_reserved_for_it_has_no_deadline() {
    let mut plot = Plot::begin();
    plot.payee.manner = Manner::Refuse("no");

    assert_eq!(plot.claim(ton(2)), Ok(()));
    plot.wait(5_000);
    plot.payer.listen(&mut plot.world, (u64::from(LAST_SECS) + 600) * 1_000);
    plot.payee.manner = Manner::Agree;
    plot.wait(60_000);

    assert_eq!(plot.payee.promised(), None, "the relay has taken its promise back");
    let (relay, payee) = (plot.relay, plot.payee.id);
    assert_eq!(plot.world.balance(relay, payee), ton(8), "a refused state has paid two");
    assert_eq!(plot.pay(ton(2)), Ok(()), "and the payer is still bound to as much");
    plot.covered();
}

#[test]
fn of_several_payments_that_were_refused_the_largest_stays_reserved() {
    let mut plot = Plot::begin();
    plot.payee.manner = Manner::RefusePayment("no");
    for amount in [Nano(1), ton(1), ton(3)] {
        assert_eq!(plot.claim(amount), Ok(()));
        plot.wait(20_000);
    }
    plot.payer.listen(&mut plot.world, (u64::from(LAST_SECS) + 600) * 1_000);
    plot.payee.manner = Manner::Agree;
    plot.wait(60_000);

    assert_eq!(plot.payee.promised(), None);
    let (relay, payee) = (plot.relay, plot.payee.id);
    assert_eq!(plot.world.balance(relay, payee), ton(7), "only one of the three can be shown");
    assert_eq!(plot.pay(ton(3)), Ok(()));
    plot.covered();
}

/// Life of the last promise.
pub(crate) const LAST_SECS: u32 = 64_860;
