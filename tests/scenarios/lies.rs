//! Peers that lie in a proposal or a request: the reason for which each lie is refused, in the order in which the
//! network checks (protocol.md 6.1, 6.4, 6.6, 6.7), and that nothing has changed after it.

use channel::{
    Deadline, Nano,
    conditional::slot,
    conditionals::Conditionals,
    garlic::Hop,
    key::{PublicKey, SecretKey},
    proof::Touched,
    propose::Intent,
    resolve::{Resolve, Verified},
    semichannel::SignedSemi,
    tl::{Action, Answer, OpenVirtual, ProposeAction, Query},
};
use node::io::CommandError;
use tests::{Adversary, Id, Manner, Outcome, Plan, World, milli, story::WHILE_MS, ton};

/// Mallory has a channel with a relay, behind which sits bob.
pub(crate) fn before_a_relay() -> (World, Adversary, Id, Id) {
    let mut world = World::seeded(21);
    let (relay, bob) = (world.add(Plan::relay("relay")), world.add(Plan::user("bob")));
    world.open(relay, bob, ton(10), ton(10));
    let mallory = Adversary::with_channel(&mut world, "mallory", relay, ton(10), ton(10));
    (world, mallory, relay, bob)
}

/// Alice has a channel with a relay, behind which sits mallory.
pub(crate) fn behind_a_relay() -> (World, Id, Id, Adversary) {
    let mut world = World::seeded(22);
    let (alice, relay) = (world.add(Plan::user("alice")), world.add(Plan::relay("relay")));
    world.open(alice, relay, ton(10), ton(10));
    let mallory = Adversary::with_channel(&mut world, "mallory", relay, ton(10), ton(10));
    (world, alice, relay, mallory)
}

/// A hop to `target` over one coin that lives as long as honest people ask for.
fn hop(world: &World, target: Id) -> Hop {
    let deadline = Deadline(world.now().seconds() + 10_800 + 2 * 54_060);
    Hop { target: world.machine(target).key, capacity: ton(1), fee: Nano(0), deadline }
}

/// As [`refused`], with something honest after it: the channel still works, and the next lie is not taken for this one.
pub(crate) fn refused_but_goes_on(
    world: &mut World,
    mallory: &mut Adversary,
    lie: &ProposeAction,
    reason: &str,
) {
    refused(world, mallory, lie, reason);
    mallory.go(world, &Intent::Increment { want_response: false }).expect("an honest proposal");
}

/// Proposes a lie and checks that it is refused for this reason and has changed nothing.
fn refused(world: &mut World, mallory: &mut Adversary, lie: &ProposeAction, reason: &str) {
    let before = world.machine(mallory.victim).disk.clone();
    let refusal = mallory.propose(world, lie).map(|_| ());
    assert_eq!(refusal, Err(reason.to_owned()));
    assert!(world.machine(mallory.victim).disk == before, "{reason}: the disk has changed");
}

// ---- proposals, in the order in which they are checked (protocol.md 6.1) ------------------------------------------

#[test]
fn a_lying_state_is_refused_for_the_reason_that_the_network_knows() {
    let (mut world, mut mallory, relay, _) = before_a_relay();
    let world = &mut world;
    mallory.go(world, &Intent::Increment { want_response: false }).expect("an honest proposal");
    let seqno = mallory.channel().ours.body().seqno;

    let mut lie = mallory.honest();
    lie.channel = [1; 32];
    refused(world, &mut mallory, &lie, "failed to acquire channel lock: not found");

    let mut lie = mallory.honest_but(|_| {});
    let mut unsigned = SignedSemi::from_cell(&lie.state).expect("a state");
    unsigned.signature = channel::Signature([5; 64]);
    lie.state = unsigned.to_cell();
    refused(world, &mut mallory, &lie, "failed to verify passed state: invalid signature");

    let lie = mallory.honest_but(|state| state.data.conditionals = [1; 32]);
    refused(world, &mut mallory, &lie, "update proof can be empty only when hash is zero");

    let mut lie = mallory.honest_but(|state| state.data.conditionals = [2; 32]);
    lie.conditionals = Some(lie.state.clone());
    refused(world, &mut mallory, &lie, "incorrect update proof: not a merkle proof cell");

    let mut lie = mallory.honest_but(|state| state.data.sent = Nano(1));
    lie.conditionals = another_dictionary().prove(&Touched::Nothing);
    refused(world, &mut mallory, &lie, "incorrect update proof: incorrect proof hash");

    let lie = mallory.honest_but(|state| state.data.seqno = seqno);
    assert!(mallory.propose(world, &lie).is_ok(), "the same content again is a repetition");
    let lie = mallory.honest_but(|state| {
        state.data.seqno = seqno;
        state.data.sent = ton(1);
    });
    let again = "inconsistent state, this seqno with different content was already committed";
    refused(world, &mut mallory, &lie, again);

    for (wrong, name) in [(seqno + 2, seqno + 2), (seqno - 1, seqno - 1)] {
        let lie = mallory.honest_but(|state| state.data.seqno = wrong);
        let reason = format!("incorrect state seqno {name}, want {}", seqno + 1);
        refused(world, &mut mallory, &lie, &reason);
    }

    let lie = mallory.honest_but(|state| state.counterparty = None);
    refused(world, &mut mallory, &lie, "counterparty state downgrade attempt");

    let lie = mallory.honest_but(|state| {
        if let Some(copy) = &mut state.counterparty {
            copy.sent = ton(5);
        }
    });
    refused(world, &mut mallory, &lie, "counterparty state is incorrect");

    // Sent more than there is.
    let lie = mallory.honest_but(|state| state.data.sent = ton(11));
    let poor = "not enough available balance, you need 1 more tunnel channel through me";
    refused(world, &mut mallory, &lie, poor);

    // After all of that the channel still works.
    mallory.go(world, &Intent::Increment { want_response: false }).expect("an honest proposal");
    assert_eq!(world.balance(relay, mallory.id), ton(10));
}

/// A dictionary of some other channel.
fn another_dictionary() -> Conditionals {
    let mut conditionals = Conditionals::new();
    let promise = channel::Conditional {
        key: SecretKey::from_seed([48; 32]).public(),
        capacity: ton(1),
        fee: Nano(0),
        prepay: Nano(0),
        deadline: Deadline(u32::MAX),
    };
    conditionals.insert(promise).expect("an empty dictionary has room");
    conditionals
}

#[test]
fn in_a_dispute_no_value_moves() {
    let (mut world, mut mallory, relay, bob) = before_a_relay();
    let world = &mut world;
    let hops = relayed(world, relay, bob);
    let (conditional, orders) = mallory.orders(&SecretKey::from_seed([47; 32]), &hops);

    world.dispute(mallory.address());
    mallory.listen(world, WHILE_MS);

    let closed = "channel is currently not accepting new actions";
    let lie = mallory.promise(conditional, orders);
    refused(world, &mut mallory, &lie, closed);
    let action = Action::RequestRemoveVirtual { key: conditional.key };
    assert_eq!(mallory.request(world, action), Err(closed.to_owned()));
    let payment = world.plan_payment(relay, &[mallory.id], ton(1));
    assert!(matches!(world.order(&payment), Err(CommandError::NoChannel { .. })));
}

fn signed(amount: Nano, key: &SecretKey) -> Verified {
    Resolve::sign(amount, key).verified(&key.public()).expect("our own signature")
}

/// Mallory pays bob, honestly and to the end; gives what it promised to the relay.
fn pays(
    world: &mut World,
    mallory: &mut Adversary,
    secret: &SecretKey,
    bob: Id,
) -> (channel::Conditional, OpenVirtual) {
    let hops = relayed(world, mallory.victim, bob);
    let (conditional, orders) = mallory.orders(secret, &hops);
    let intent = Intent::Open { conditional, action: orders.clone() };
    mallory.go(world, &intent).expect("a good promise");
    mallory.listen(world, 5_000);
    let resolve = signed(ton(1), secret);
    mallory.go(world, &Intent::Close { key: secret.public(), resolve }).expect("paid");
    (conditional, orders)
}

#[test]
fn what_was_sent_never_becomes_less() {
    let (mut world, mut mallory, _, bob) = before_a_relay();
    let secret = SecretKey::from_seed([40; 32]);
    pays(&mut world, &mut mallory, &secret, bob);
    assert_eq!(mallory.channel().ours.body().sent, milli(1_005));

    let lie = mallory.honest_but(|state| state.data.sent = Nano(0));
    refused(&mut world, &mut mallory, &lie, "amount decrease is not allowed");
}

#[test]
fn only_the_owner_of_the_other_key_speaks_for_a_channel() {
    let (mut world, mallory, relay, _) = before_a_relay();
    let mut eve = Adversary::meets(&mut world, "eve", relay);
    let honest = mallory.honest();

    let refusal = eve.propose(&mut world, &honest).map(|_| ());
    assert_eq!(refusal, Err("incorrect channel key".to_owned()));

    let channel = mallory.address();
    let lock = Query::RequestChannelLock { lock_id: 5, channel, lock: true };
    assert_eq!(reason(eve.ask(&mut world, &lock)), "unauthorized channel");
    let action = Action::RequestRemoveVirtual { key: PublicKey([1; 32]) };
    let request = Query::RequestAction { channel, action };
    assert_eq!(reason(eve.ask(&mut world, &request)), "unauthorized channel");

    // And nobody speaks at all before proving a key.
    let mut nobody = Adversary::unknown(&mut world, "nobody", relay);
    nobody.dial(&mut world);
    assert_eq!(nobody.ask(&mut world, &Query::ProposeAction(honest)), None);
}

#[test]
fn an_unsigned_state_is_never_taken_from_a_peer() {
    let mut world = World::seeded(23);
    let relay = world.add(Plan::relay("relay"));
    let mut mallory = Adversary::meets(&mut world, "mallory", relay);
    mallory.open_off_chain(&mut world);

    // The network's own nodes let an empty state without a signature pass: then they cannot close alone.
    let mut lie = mallory.honest();
    let mut state = SignedSemi::from_cell(&lie.state).expect("a state");
    state.signature = channel::Signature::ZERO;
    lie.state = state.to_cell();

    refused(&mut world, &mut mallory, &lie, "failed to verify passed state: invalid signature");
    assert_eq!(world.channel(relay, mallory.id).map(|channel| channel.their_seqno), Some(0));
}

#[test]
fn no_value_moves_before_both_have_signed_and_the_contract_is_open() {
    let mut world = World::seeded(24);
    let (relay, bob) = (world.add(Plan::relay("relay")), world.add(Plan::user("bob")));
    world.open(relay, bob, ton(10), ton(10));
    let mut mallory = Adversary::meets(&mut world, "mallory", relay);
    mallory.open_off_chain(&mut world);
    // Until the chain has nothing more to say.
    mallory.listen(&mut world, WHILE_MS);
    let hops = relayed(&world, relay, bob);
    let (conditional, orders) = mallory.orders(&SecretKey::from_seed([41; 32]), &hops);

    let lie = mallory.promise(conditional, orders.clone());
    refused(&mut world, &mut mallory, &lie, "channel is not active");
    let lie = mallory.honest_but(|state| state.data.sent = ton(1));
    let early = "value cannot move before both sides have signed";
    refused(&mut world, &mut mallory, &lie, early);

    mallory.exchange_first_states(&mut world);
    let lie = mallory.promise(conditional, orders);
    refused(&mut world, &mut mallory, &lie, "channel is not active");
}

// ---- promises (protocol.md 6.4) -----------------------------------------------------------------------------------

/// Relay, then bob, with the fee that the relay asks for.
pub(crate) fn relayed(world: &World, relay: Id, bob: Id) -> [Hop; 2] {
    let last = Hop { deadline: Deadline(world.now().seconds() + 64_860), ..hop(world, bob) };
    [Hop { fee: milli(5), ..hop(world, relay) }, last]
}

#[test]
fn a_promise_that_does_not_hold_is_refused() {
    let (mut world, mut mallory, relay, bob) = before_a_relay();
    let (world, mallory) = (&mut world, &mut mallory);
    let secret = SecretKey::from_seed([42; 32]);
    let hops = relayed(world, relay, bob);
    let (good, orders) = mallory.orders(&secret, &hops);

    // Rule N4: with everything paid ahead a promise locks nothing.
    let prepaid = channel::Conditional { prepay: milli(1_005), ..good };
    let lie = mallory.promise(prepaid, orders.clone());
    refused_but_goes_on(world, mallory, &lie, "prepay must be zero in a new virtual channel");

    let empty = channel::Conditional { capacity: Nano(0), ..good };
    let lie = mallory.promise(empty, orders.clone());
    refused_but_goes_on(world, mallory, &lie, "invalid capacity");

    let soon = world.now().seconds() + 54_000 + 59;
    let lie =
        mallory.promise(channel::Conditional { deadline: Deadline(soon), ..good }, orders.clone());
    let refusal = mallory.propose(world, &lie).map(|_| ()).expect_err("too soon");
    assert!(
        refusal.starts_with("safe virtual channel deadline is less than acceptable: "),
        "{refusal}"
    );
    assert!(refusal.ends_with(", 60"), "{refusal}");

    let rich = channel::Conditional { capacity: ton(11), ..good };
    let lie = mallory.promise(rich, orders.clone());
    let poor = "not enough available balance, you need 1.005 more tunnel channel through me";
    refused_but_goes_on(world, mallory, &lie, poor);

    let other = channel::Conditional { fee: milli(6), ..good };
    let lie = mallory.promise(other, orders.clone());
    refused_but_goes_on(world, mallory, &lie, "incorrect values, not equals to expected");

    let mut broken = orders.clone();
    broken.instructions[0].data[0] ^= 1;
    let lie = mallory.promise(good, broken);
    let unsigned = "failed to decrypt instruction: incorrect signature";
    refused_but_goes_on(world, mallory, &lie, unsigned);

    // Under the neutral point this signature fits everything, so anybody could use the promise up.
    let mut anybodys = orders.clone();
    (anybodys.channel_key, anybodys.signature.0) = (PublicKey([0; 32]), [0; 64]);
    (anybodys.channel_key.0[0], anybodys.signature.0[0]) = (1, 1);
    let weak = channel::Conditional { key: anybodys.channel_key, ..good };
    let lie = mallory.promise(weak, anybodys);
    refused_but_goes_on(world, mallory, &lie, "virtual channel key is weak");

    let elsewhere = [Hop { target: world.machine(bob).key, ..hops[0] }];
    let (same, for_bob) = mallory.orders(&secret, &elsewhere);
    let lie = mallory.promise(same, for_bob);
    refused_but_goes_on(world, mallory, &lie, "failed to decrypt instruction: not found");

    // For the receiver itself, with the money locked to one key and the final state signed by another.
    let (locked, _) = mallory.orders(&secret, &[Hop { fee: Nano(0), ..hops[0] }]);
    let (_, mut forged) =
        mallory.orders(&SecretKey::from_seed([49; 32]), &[Hop { fee: Nano(0), ..hops[0] }]);
    forged.channel_key = secret.public();
    forged.signature = secret.sign(&forged.signed_bytes());
    let lie = mallory.promise(locked, forged);
    refused_but_goes_on(world, mallory, &lie, "final state is incorrect");

    // A proposal without the promise that it names.
    let ours = mallory.channel().ours.conditionals.clone();
    let lie = mallory.claim(
        Action::OpenVirtual(orders.clone()),
        &ours,
        &Touched::Nothing,
        mallory.channel().ours.body().sent,
    );
    refused(world, mallory, &lie, "failed to find virtual channel in their new state");

    mallory.go(world, &Intent::Open { conditional: good, action: orders }).expect("a good promise");
}

#[test]
fn a_relay_refuses_orders_by_which_it_would_lose() {
    let (mut world, mut mallory, relay, bob) = before_a_relay();
    let (world, mallory) = (&mut world, &mut mallory);
    let good = relayed(world, relay, bob);
    let cases = [
        // Rule of the gap: the relay must have time to claim after it was claimed from.
        (
            "next deadline too late (not enough safety gap)",
            [good[0], Hop { deadline: good[0].deadline.minus_secs(54_059), ..good[1] }],
        ),
        ("capacity cannot increase", [good[0], Hop { capacity: ton(2), ..good[1] }]),
        (
            "min fee to open channel is 0.005 TON",
            [Hop { fee: Nano(4_999_999), ..good[0] }, good[1]],
        ),
        (
            "destination channel is not belongs to this node",
            [good[0], Hop { target: SecretKey::from_seed([1; 32]).public(), ..good[1] }],
        ),
    ];
    for (seed, (reason, hops)) in cases.into_iter().enumerate() {
        let secret = SecretKey::from_seed([60 + seed as u8; 32]);
        let (conditional, orders) = mallory.orders(&secret, &hops);
        let lie = mallory.promise(conditional, orders);
        refused_but_goes_on(world, mallory, &lie, reason);
    }
    assert_eq!(world.balance(relay, bob), ton(10));
}

#[test]
fn the_gap_is_that_of_the_channels_and_not_of_the_config_of_today() {
    // The terms of one of the two channels leave hardly any time to be settled, those of the other the usual.
    for short_comes_first in [true, false] {
        let (first, second) = if short_comes_first { (Some(60), None) } else { (None, Some(60)) };
        let mut world = World::seeded(26);
        let relay = world.add(Plan { quarantine_secs: first, ..Plan::relay("relay") });
        let mallory = &mut Adversary::with_channel(&mut world, "mallory", relay, ton(10), ton(10));
        world.wants_quarantine(relay, second);
        let bob = world.add(Plan { quarantine_secs: second, ..Plan::user("bob") });
        world.open(relay, bob, ton(10), ton(10));
        mallory.dial(&mut world);
        mallory.authenticate(&mut world);
        world.wants_quarantine(relay, Some(60));
        mallory.dial(&mut world);
        mallory.authenticate(&mut world);

        let good = relayed(&world, relay, bob);
        let late = Hop { deadline: good[0].deadline.minus_secs(54_059), ..good[1] };
        let (conditional, orders) =
            mallory.orders(&SecretKey::from_seed([59; 32]), &[good[0], late]);
        let lie = mallory.promise(conditional, orders);
        let reason = if short_comes_first {
            format!("no active channel with {} to tunnel requested capacity", good[1].target)
        } else {
            "next deadline too late (not enough safety gap)".to_owned()
        };
        refused_but_goes_on(&mut world, mallory, &lie, &reason);

        pays(&mut world, mallory, &SecretKey::from_seed([58; 32]), bob);
    }
}

#[test]
fn a_payer_with_another_config_keeps_to_the_terms_of_its_channel() {
    let mut world = World::seeded(27);
    let [alice, relay, bob] = world.line(["alice", "relay", "bob"], ton(10));
    world.wants_quarantine(alice, Some(60));
    world.run_for(WHILE_MS);
    let payment = world.pay(alice, &[relay, bob], ton(1));
    assert_eq!(world.outcome(&payment), Outcome::Paid);
}

#[test]
fn a_promise_cannot_push_another_out_of_its_slot() {
    let (mut world, mut mallory, relay, bob) = before_a_relay();
    let (world, mallory) = (&mut world, &mut mallory);
    let [first, second] = COLLIDING.map(SecretKey::from_seed);
    assert_eq!(slot(&first.public()), slot(&second.public()));
    let hops = relayed(world, relay, bob);
    let (conditional, orders) = mallory.orders(&first, &hops);
    mallory.manner = Manner::Silent;
    mallory.go(world, &Intent::Open { conditional, action: orders }).expect("a good promise");
    mallory.listen(world, 10_000);

    let (conditional, orders) = mallory.orders(&second, &hops);
    let lie = mallory.promise(conditional, orders);

    let taken = "channel with this key is already exists and has different configuration";
    refused(world, mallory, &lie, taken);
    assert_eq!(world.balance(bob, relay), ton(11), "the first was passed on and paid");
    assert_eq!(world.channel(relay, mallory.id).map(|channel| channel.their_conditionals), Some(1));
}

#[test]
fn a_virtual_key_is_good_for_one_payment_only() {
    let (mut world, mut mallory, _, bob) = before_a_relay();
    let (world, mallory) = (&mut world, &mut mallory);
    let secret = SecretKey::from_seed([43; 32]);
    let (conditional, orders) = pays(world, mallory, &secret, bob);

    let lie = mallory.promise(conditional, orders);
    refused(world, mallory, &lie, "this virtual channel key was already used before");
}

// ---- paying and taking back (protocol.md 6.6, 6.7) ----------------------------------------------------------------

#[test]
fn a_payer_cannot_pay_less_than_the_resolve_says_nor_take_a_live_promise_back() {
    let (mut world, mut mallory, relay, bob) = before_a_relay();
    let (world, mallory) = (&mut world, &mut mallory);
    let secret = SecretKey::from_seed([44; 32]);
    let key = secret.public();
    let hops = relayed(world, relay, bob);
    let (conditional, orders) = mallory.orders(&secret, &hops);
    mallory.go(world, &Intent::Open { conditional, action: orders }).expect("a good promise");
    mallory.listen(world, 5_000);
    assert_eq!(world.balance(bob, relay), ton(11), "the relay has paid bob");

    let with = mallory.channel().ours.conditionals.clone();
    let mut without = with.clone();
    without.remove(&key);
    let absent = Touched::Absent(key);
    let close = |amount| Action::ConfirmClose { key, state: Resolve::sign(amount, &secret) };
    let full = milli(1_005);

    let lie = mallory.claim(Action::RemoveVirtual { key }, &without, &absent, Nano(0));
    refused_but_goes_on(world, mallory, &lie, "virtual channel is not expired");
    let lie = mallory.claim(close(ton(1)), &without, &absent, Nano(1));
    refused_but_goes_on(
        world,
        mallory,
        &lie,
        "incorrect amount unlocked: 0.000000001 instead of 1.005",
    );
    let lie = mallory.claim(close(milli(1)), &without, &absent, milli(6));
    refused_but_goes_on(world, mallory, &lie, "outdated virtual channel state");
    let lie = mallory.claim(close(ton(2)), &without, &absent, milli(2_005));
    refused_but_goes_on(world, mallory, &lie, "amount cannot be > capacity");
    let unsigned = Resolve { signature: channel::Signature([1; 64]), amount: ton(1) };
    let action = Action::ConfirmClose { key, state: unsigned };
    let lie = mallory.claim(action, &without, &absent, full);
    refused_but_goes_on(world, mallory, &lie, "incorrect channel state signature");
    let lie = mallory.claim(close(ton(1)), &with, &Touched::Open(key), full);
    refused_but_goes_on(world, mallory, &lie, "condition should be removed to close");
    let lie = mallory.claim(Action::RemoveVirtual { key }, &with, &Touched::Open(key), Nano(0));
    refused(world, mallory, &lie, "condition should be removed to unlock");
    // The dictionary of another history, rightly proved.
    let action = Action::IncrementStates { want_response: false };
    let lie = mallory.claim(action, &without, &Touched::Nothing, Nano(0));
    refused(world, mallory, &lie, "incorrect resulting hash");

    let pay = Intent::Close { key, resolve: signed(ton(1), &secret) };
    mallory.go(world, &pay).expect("the whole amount");
    assert_eq!(world.balance(relay, mallory.id), milli(11_005));
}

#[test]
fn a_next_hop_cannot_claim_what_it_was_not_promised() {
    let (mut world, alice, relay, mut mallory) = behind_a_relay();
    let (world, mallory) = (&mut world, &mut mallory);
    let payment = world.pay(alice, &[relay, mallory.id], ton(1));
    for _ in 0..100 {
        mallory.listen(world, 100);
        if mallory.promised().is_some() {
            break;
        }
    }
    let key = mallory.promised().expect("the relay passes it on").key;
    let resolve = mallory.resolve().expect("the orders carry the resolve");
    let close = |state| Action::CloseVirtual { key, state };

    let forged = Resolve { amount: ton(5), ..resolve };
    assert_eq!(
        mallory.request(world, close(forged)),
        Err("incorrect channel state signature".to_owned())
    );
    let unknown = Action::CloseVirtual { key: PublicKey([3; 32]), state: resolve };
    let absent = "failed to find virtual channel: not found";
    assert_eq!(mallory.request(world, unknown), Err(absent.to_owned()));

    assert_eq!(mallory.request(world, close(resolve)), Ok(()));
    mallory.listen(world, 5_000);
    assert_eq!(mallory.channel().theirs.body().sent, ton(1));
    assert_eq!(world.outcome(&payment), Outcome::Paid);
    assert_eq!(mallory.request(world, close(resolve)), Err(absent.to_owned()), "it was paid");
    assert_eq!(world.balance(relay, mallory.id), ton(9));
}

pub(crate) fn reason(answer: Option<Answer>) -> String {
    match answer {
        Some(Answer::Decision { agreed, reason, .. }) => {
            assert_eq!(agreed, reason.is_empty());
            reason
        }
        other => panic!("{other:?}"),
    }
}

/// Seeds of two keys whose first four bytes are equal: a hundred thousand tries.
const COLLIDING: [[u8; 32]; 2] = [seed(12_977), seed(96_155)];

const fn seed(number: u32) -> [u8; 32] {
    let mut seed = [0; 32];
    let bytes = number.to_le_bytes();
    (seed[0], seed[1], seed[2], seed[3]) = (bytes[0], bytes[1], bytes[2], bytes[3]);
    seed
}
