//! Peers that lie, stall and collude: what they try, why it does not work, and that nothing has changed after it.

use channel::{
    Deadline, Nano,
    conditional::slot,
    garlic::Hop,
    key::{PublicKey, SecretKey},
    proof::Touched,
    propose::Intent,
    resolve::Resolve,
    semichannel::SignedSemi,
    tl::{Action, Answer, ProposeAction, Query},
};
use tests::{Adversary, Id, Manner, Outcome, Plan, World, milli, story::WHILE_MS, talk::Talk, ton};

/// Mallory has a channel with a relay, behind which sits bob.
fn before_a_relay() -> (World, Adversary, Id, Id) {
    let mut world = World::seeded(21);
    let (relay, bob) = (world.add(Plan::relay("relay")), world.add(Plan::user("bob")));
    world.open(relay, bob, ton(10), ton(10));
    let mallory = Adversary::with_channel(&mut world, "mallory", relay, ton(10), ton(10));
    (world, mallory, relay, bob)
}

/// Alice has a channel with a relay, behind which sits mallory.
fn behind_a_relay() -> (World, Id, Id, Adversary) {
    let mut world = World::seeded(22);
    let (alice, relay) = (world.add(Plan::user("alice")), world.add(Plan::relay("relay")));
    world.open(alice, relay, ton(10), ton(10));
    let mallory = Adversary::with_channel(&mut world, "mallory", relay, ton(10), ton(10));
    (world, alice, relay, mallory)
}

/// A hop to `target` over one coin that lives as long as honest people ask for.
fn hop(world: &World, target: Id) -> Hop {
    let deadline = Deadline(world.now().seconds() + 10_800 + 2 * 43_260);
    Hop { target: world.machine(target).key, capacity: ton(1), fee: Nano(0), deadline }
}

/// As [`refused`], with something honest after it: the channel still works, and the next lie is not taken for this one.
fn refused_but_goes_on(
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

#[test]
fn what_was_sent_never_becomes_less() {
    let (mut world, mut mallory, _, bob) = before_a_relay();
    let secret = SecretKey::from_seed([40; 32]);
    let hops = relayed(&world, mallory.victim, bob);
    let (conditional, orders) = mallory.orders(&secret, &hops);
    let intent = Intent::Open { conditional, action: orders };
    mallory.go(&mut world, &intent).expect("an honest payment");
    mallory.listen(&mut world, 5_000);
    let resolve = Resolve::sign(ton(1), &secret);
    mallory.go(&mut world, &Intent::Close { key: secret.public(), resolve }).expect("paid");
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
fn relayed(world: &World, relay: Id, bob: Id) -> [Hop; 2] {
    let last = Hop { deadline: Deadline(world.now().seconds() + 54_060), ..hop(world, bob) };
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

    let soon = world.now().seconds() + 43_200 + 59;
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

    let elsewhere = [Hop { target: world.machine(bob).key, ..hops[0] }];
    let (same, for_bob) = mallory.orders(&secret, &elsewhere);
    let lie = mallory.promise(same, for_bob);
    refused_but_goes_on(world, mallory, &lie, "failed to decrypt instruction: not found");

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
            [good[0], Hop { deadline: good[0].deadline.minus_secs(43_259), ..good[1] }],
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
    let (mut world, mut mallory, relay, bob) = before_a_relay();
    let (world, mallory) = (&mut world, &mut mallory);
    let secret = SecretKey::from_seed([43; 32]);
    let hops = relayed(world, relay, bob);
    let (conditional, orders) = mallory.orders(&secret, &hops);
    let intent = Intent::Open { conditional, action: orders.clone() };
    mallory.go(world, &intent).expect("a good promise");
    mallory.listen(world, 5_000);
    let resolve = Resolve::sign(ton(1), &secret);
    mallory.go(world, &Intent::Close { key: secret.public(), resolve }).expect("paid");

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

    let pay = Intent::Close { key, resolve: Resolve::sign(ton(1), &secret) };
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

// ---- money that must wait (safety.md N1-N3) -----------------------------------------------------------------------

#[test]
fn a_refused_proposal_stays_reserved_until_nobody_can_claim_it() {
    let mut world = World::seeded(25);
    let alice = world.add(Plan::user("alice"));
    let mut mallory = Adversary::with_channel(&mut world, "mallory", alice, ton(1), ton(10));
    mallory.manner = Manner::Refuse("no");

    let payment = world.pay(alice, &[mallory.id], ton(4));
    mallory.listen(&mut world, 5_000);

    assert_eq!(world.standing(&payment), Outcome::Failed("no".to_owned()));
    assert_eq!(
        world.balance(alice, mallory.id),
        ton(6),
        "the refused state is signed and in mallory's hands"
    );
    let deadline = world.payment(&payment).and_then(|payment| payment.locked_until);
    let deadline = deadline.expect("the page says how long");
    let left = u64::from(deadline.0) - u64::from(world.now().seconds());
    mallory.listen(&mut world, (left - 60) * 1_000);
    assert_eq!(world.balance(alice, mallory.id), ton(6));
    mallory.listen(&mut world, 120_000);
    assert_eq!(world.balance(alice, mallory.id), ton(10));
}

#[test]
fn a_promise_that_was_taken_back_stays_reserved_until_nobody_can_claim_it() {
    let mut world = World::seeded(29);
    let alice = world.add(Plan::user("alice"));
    let mut mallory = Adversary::with_channel(&mut world, "mallory", alice, ton(1), ton(10));

    let payment = world.pay(alice, &[mallory.id], ton(4));
    mallory.listen(&mut world, 5_000);
    let key = mallory.promised().expect("alice has promised").key;
    assert_eq!(mallory.request(&mut world, Action::RequestRemoveVirtual { key }), Ok(()));
    mallory.listen(&mut world, 5_000);

    assert_eq!(mallory.promised(), None);
    assert!(matches!(world.standing(&payment), Outcome::Failed(_)));
    assert_eq!(
        world.balance(alice, mallory.id),
        ton(6),
        "mallory still holds the state with the promise"
    );
    let all = world.plan_payment(alice, &[mallory.id], ton(7));
    assert!(world.order(&all).is_err());
    mallory.listen(&mut world, 60_000_000);
    assert_eq!(world.balance(alice, mallory.id), ton(10));
}

#[test]
fn a_relay_lets_the_payer_go_only_when_its_own_promise_is_dead() {
    // The next hop refuses, or takes the promise and gives it back at once: either way it holds a signed state.
    for refuses in [true, false] {
        let (mut world, alice, relay, mut mallory) = behind_a_relay();
        if refuses {
            mallory.manner = Manner::Refuse("no");
        }
        let payment = world.pay(alice, &[relay, mallory.id], ton(1));
        mallory.listen(&mut world, 10_000);
        if !refuses {
            let key = mallory.promised().expect("the relay passes it on").key;
            let action = Action::RequestRemoveVirtual { key };
            assert_eq!(mallory.request(&mut world, action), Ok(()));
            mallory.listen(&mut world, 10_000);
            assert_eq!(mallory.promised(), None, "the relay takes it back at once");
        }
        assert_eq!(world.standing(&payment), Outcome::Underway, "but alice stays bound");

        // Half a day is less than the deadline of the last hop and more than any impatience.
        mallory.listen(&mut world, 43_200_000);
        assert_eq!(world.standing(&payment), Outcome::Underway);
        assert_eq!(world.channel(relay, alice).map(|channel| channel.their_conditionals), Some(1));

        mallory.listen(&mut world, 14_400_000);
        assert!(
            matches!(world.standing(&payment), Outcome::Failed(_)),
            "now the contract refuses it"
        );
        assert_eq!(world.channel(relay, alice).map(|channel| channel.their_conditionals), Some(0));
        assert!(world.watchman.violations.is_empty(), "{:?}", world.watchman.violations);
    }
}

#[test]
fn a_refused_promise_cannot_be_claimed_from_the_one_who_made_it() {
    let (mut world, alice, relay, mut mallory) = behind_a_relay();
    mallory.manner = Manner::Refuse("no");
    let _ = world.pay(alice, &[relay, mallory.id], ton(1));
    mallory.listen(&mut world, 10_000);
    let resolve = mallory.resolve().expect("the orders came with the proposal");
    let key = match mallory.proposals.iter().map(|bytes| Query::from_bytes(bytes)).next_back() {
        Some(Ok(Query::ProposeAction(_))) => opened(&mallory),
        other => panic!("{other:?}"),
    };

    let claim = mallory.request(&mut world, Action::CloseVirtual { key, state: resolve });

    assert_eq!(claim, Err("failed to find virtual channel: not found".to_owned()));
    assert_eq!(world.channel(relay, mallory.id).map(|channel| channel.sent), Some(Nano(0)));
}

/// The virtual key of the last promise that mallory was sent.
fn opened(mallory: &Adversary) -> PublicKey {
    let keys = mallory.proposals.iter().rev().filter_map(|bytes| match Query::from_bytes(bytes) {
        Ok(Query::ProposeAction(ProposeAction { action: Action::OpenVirtual(open), .. })) => {
            Some(open.channel_key)
        }
        _ => None,
    });
    keys.into_iter().next().expect("mallory was sent a promise")
}

#[test]
fn a_proposal_without_an_answer_is_sent_again_in_the_same_bytes() {
    let mut world = World::seeded(26);
    let alice = world.add(Plan::user("alice"));
    let mut mallory = Adversary::with_channel(&mut world, "mallory", alice, ton(1), ton(10));
    mallory.manner = Manner::Silent;
    mallory.proposals.clear();

    let payment = world.pay(alice, &[mallory.id], ton(4));
    mallory.listen(&mut world, 30_000);
    // The node that sends it again may be another one: it knows the proposal from its disk alone.
    world.kill(alice);
    world.start(alice);
    mallory.listen(&mut world, 5_000);
    mallory.dial(&mut world);
    mallory.authenticate(&mut world);
    mallory.listen(&mut world, 30_000);

    let sent: Vec<Vec<u8>> = mallory.proposals.iter().map(|bytes| without_lock(bytes)).collect();
    assert!(sent.len() > 3, "{} times", sent.len());
    assert!(sent.iter().all(|bytes| *bytes == sent[0]), "some repetition was another proposal");
    assert!(sent.iter().all(|bytes| Talk::of(bytes) == Talk::ProposeOpen));

    mallory.manner = Manner::Agree;
    mallory.listen(&mut world, 30_000);
    let (key, resolve) = (opened(&mallory), mallory.resolve().expect("the resolve came with it"));
    assert_eq!(mallory.request(&mut world, Action::CloseVirtual { key, state: resolve }), Ok(()));
    mallory.listen(&mut world, 5_000);
    assert_eq!(world.standing(&payment), Outcome::Paid);
    assert_eq!(world.balance(alice, mallory.id), ton(6), "paid once");
}

fn without_lock(bytes: &[u8]) -> Vec<u8> {
    match Query::from_bytes(bytes) {
        Ok(Query::ProposeAction(proposal)) => {
            Query::ProposeAction(ProposeAction { lock_id: 0, ..proposal }).to_bytes()
        }
        other => panic!("not a proposal: {other:?}"),
    }
}

// ---- locks (protocol.md 7.1, safety.md N16) -----------------------------------------------------------------------

#[test]
fn a_lock_belongs_to_one_channel_and_giving_it_back_twice_is_harmless() {
    let mut world = World::seeded(27);
    // Alice opens to both: she is left, and the master of both locks.
    let alice = world.add(Plan::user("alice"));
    let (bob, carol) = (world.add(Plan::user("bob")), world.add(Plan::user("carol")));
    world.open(alice, bob, ton(10), ton(10));
    world.open(alice, carol, ton(10), ton(10));
    let channel = |world: &mut World, peer| {
        let mut address = [0; 32];
        let text = world.channel(alice, peer).expect("a channel").address;
        hex::decode_to_slice(text, &mut address).expect("an address");
        address
    };
    let (with_bob, with_carol) = (channel(&mut world, bob), channel(&mut world, carol));
    let mut bob = Adversary::instead_of(&mut world, bob, alice);
    let mut carol = Adversary::instead_of(&mut world, carol, alice);
    let ask = |lock_id, channel, lock| Query::RequestChannelLock { lock_id, channel, lock };

    assert_eq!(reason(bob.ask(&mut world, &ask(7, with_bob, true))), "");
    assert_eq!(reason(bob.ask(&mut world, &ask(7, with_bob, true))), "", "the same lock again");
    assert_eq!(reason(bob.ask(&mut world, &ask(8, with_bob, true))), "channel is busy");
    assert_eq!(reason(carol.ask(&mut world, &ask(7, with_carol, true))), "", "another channel");
    assert_eq!(reason(carol.ask(&mut world, &ask(7, with_bob, false))), "unauthorized channel");
    assert_eq!(reason(carol.ask(&mut world, &ask(7, with_carol, false))), "");
    assert_eq!(reason(carol.ask(&mut world, &ask(7, with_carol, false))), "", "given back twice");
    assert_eq!(
        reason(bob.ask(&mut world, &ask(8, with_bob, true))),
        "channel is busy",
        "still bob's"
    );
    assert_eq!(
        reason(bob.ask(&mut world, &ask(8, with_bob, false))),
        "",
        "not his lock: no effect"
    );
    assert_eq!(reason(bob.ask(&mut world, &ask(9, with_bob, true))), "channel is busy");
    assert_eq!(reason(bob.ask(&mut world, &ask(0, with_bob, true))), "id must be positive");
    assert_eq!(reason(bob.ask(&mut world, &ask(-7, with_bob, false))), "id must be positive");
    assert_eq!(
        reason(bob.ask(&mut world, &ask(7, [1; 32], true))),
        "failed to get channel: not found"
    );
    let unlocked = |lock_id| Query::IsChannelUnlocked { lock_id, channel: with_bob };
    assert_eq!(reason(bob.ask(&mut world, &unlocked(7))), "", "alice holds none herself");

    // A lock that nobody uses runs out.
    bob.listen(&mut world, 11_000);
    assert_eq!(reason(bob.ask(&mut world, &ask(10, with_bob, true))), "");
}

// ---- noise --------------------------------------------------------------------------------------------------------

#[test]
fn noise_for_queries_and_answers_changes_nothing() {
    let (mut world, mut mallory, relay, bob) = before_a_relay();
    let (world, mallory) = (&mut world, &mut mallory);
    let hops = relayed(world, relay, bob);
    let (conditional, orders) = mallory.orders(&SecretKey::from_seed([45; 32]), &hops);
    // Well formed to its last byte, and wrong in what it says: no flipped bit makes it right.
    let wrong = channel::Conditional { prepay: Nano(1), ..conditional };
    let sample = Query::ProposeAction(mallory.promise(wrong, orders)).to_bytes();
    mallory.listen(world, WHILE_MS);
    let before = world.machine(relay).disk.clone();

    let mut rng = fastrand::Rng::with_seed(28);
    for turn in 0..3_000 {
        let mut bytes = match turn % 3 {
            0 => {
                let mut noise = vec![0; rng.usize(..200)];
                rng.fill(&mut noise);
                noise
            }
            1 => sample[..rng.usize(..sample.len())].to_vec(),
            _ => sample.clone(),
        };
        for _ in 0..rng.usize(1..4) {
            if let Some(at) = rng.choice(0..bytes.len()) {
                bytes[at] ^= 1 << rng.u32(..8);
            }
        }
        mallory.shout(world, bytes);
    }
    mallory.listen(world, WHILE_MS);
    let after = &world.machine(relay).disk;
    let changed: Vec<_> =
        after.iter().filter(|(key, value)| before.get(*key) != Some(value)).collect();
    assert!(changed.is_empty() && after.len() == before.len(), "noise has changed {changed:?}");

    // The node asks, and gets noise for an answer.
    mallory.babble = true;
    let payment = world.plan_payment(relay, &[mallory.id], ton(1));
    assert!(world.order(&payment).is_ok());
    mallory.listen(world, WHILE_MS);
    assert_eq!(world.standing(&payment), Outcome::Underway);
    mallory.babble = false;
    mallory.listen(world, WHILE_MS);
    assert!(mallory.promised().is_some(), "the proposal is still sent, and now it is heard");
}

fn reason(answer: Option<Answer>) -> String {
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
