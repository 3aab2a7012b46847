//! Money that must wait: what was signed once can be claimed until the contract refuses it, whatever was agreed since
//! (safety.md N1-N3, N22).

use channel::{
    Nano,
    key::{PublicKey, SecretKey},
    propose::Intent,
    tl::{Action, ProposeAction, Query},
};
use node::{io::Event, summary::PaymentState};
use tests::{Adversary, Manner, Outcome, Plan, World, talk::Talk, ton};

use crate::lies::{before_a_relay, behind_a_relay, relayed};

#[test]
fn a_refused_proposal_stays_reserved_until_nobody_can_claim_it() {
    let mut world = World::seeded(25);
    let alice = world.add(Plan::user("alice"));
    let mut mallory = Adversary::with_channel(&mut world, "mallory", alice, ton(1), ton(10));
    mallory.manner = Manner::Refuse("no");

    let payment = world.pay(alice, &[mallory.id], ton(4));
    mallory.listen(&mut world, 5_000);

    assert_eq!(world.standing(&payment), Outcome::Returning("no".to_owned()));
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
    assert_eq!(world.standing(&payment), Outcome::Returning("no".to_owned()));
    mallory.listen(&mut world, 120_000);
    assert_eq!(world.balance(alice, mallory.id), ton(10));
    assert_eq!(world.standing(&payment), Outcome::Failed("no".to_owned()));
    let told = world.machine(alice).told.iter().rev().find_map(|event| match event {
        Event::Payment(payment) => Some((payment.state, payment.locked_until)),
        _ => None,
    });
    assert_eq!(told, Some((PaymentState::Failed, None)), "the page is told when it is over");
}

#[test]
fn what_has_ended_while_a_node_was_off_is_over_when_it_comes_back() {
    for manner in [Manner::Refuse("no"), Manner::Silent] {
        let mut world = World::seeded(30);
        let alice = world.add(Plan::user("alice"));
        let mut mallory = Adversary::with_channel(&mut world, "mallory", alice, ton(1), ton(10));
        mallory.manner = manner;
        let payment = world.pay(alice, &[mallory.id], ton(4));
        mallory.listen(&mut world, 5_000);
        world.switch_off(alice);
        world.sleep(4 * 86_400);

        world.start(alice);
        world.run_for(60_000);

        assert!(matches!(world.standing(&payment), Outcome::Failed(_)));
    }
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
    assert!(matches!(world.standing(&payment), Outcome::Returning(_)));
    assert_eq!(
        world.balance(alice, mallory.id),
        ton(6),
        "mallory still holds the state with the promise"
    );
    let all = world.plan_payment(alice, &[mallory.id], ton(7));
    assert!(world.order(&all).is_err());
    mallory.listen(&mut world, 70_000_000);
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

        mallory.listen(&mut world, 25_200_000);
        assert!(
            matches!(world.standing(&payment), Outcome::Returning(_)),
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

#[test]
fn a_proposal_that_was_refused_is_not_taken_when_a_copy_of_it_comes_late() {
    let (mut world, mut mallory, relay, bob) = before_a_relay();
    let hops = relayed(&world, relay, bob);
    let (conditional, orders) = mallory.orders(&SecretKey::from_seed([46; 32]), &hops);
    let proposal = mallory.promise(conditional, orders.clone());
    world.switch_off(bob);
    mallory.listen(&mut world, 30_000);
    let offline = Err("destination node is offline".to_owned());
    assert_eq!(mallory.propose(&mut world, &proposal).map(|_| ()), offline);

    world.start(bob);
    mallory.listen(&mut world, 30_000);

    // Its owner may have signed something else under this seqno by now.
    assert_eq!(mallory.propose(&mut world, &proposal).map(|_| ()), offline);
    mallory.go(&mut world, &Intent::Increment { want_response: false }).expect("something else");
    let again = Intent::Open { conditional, action: orders };
    assert_eq!(
        mallory.go(&mut world, &again),
        Ok(()),
        "the same promise in a new state is a new proposal"
    );
}

#[test]
fn a_promise_that_could_not_be_signed_binds_nobody_for_longer_than_a_moment() {
    // Mallory is the master of the lock and keeps it for itself; then it is gone.
    for gone in [false, true] {
        let (mut world, alice, relay, mut mallory) = behind_a_relay();
        mallory.keeps_lock = !gone;
        let payment = world.pay(alice, &[relay, mallory.id], ton(1));
        if gone {
            world.switch_off(mallory.id);
        }
        mallory.listen(&mut world, 30_000);

        // Alice's own promise was taken back with the consent of the relay, who still holds it.
        assert!(matches!(world.standing(&payment), Outcome::Returning(_)), "gone: {gone}");
        assert_eq!(world.channel(relay, alice).map(|channel| channel.their_conditionals), Some(0));
        assert_eq!(world.balance(relay, mallory.id), ton(10), "nothing was signed");
        assert_eq!(world.channel(relay, mallory.id).map(|channel| channel.conditionals), Some(0));
    }
}

#[test]
fn a_promise_that_nobody_can_claim_any_more_is_released_though_the_next_node_is_gone() {
    for answers in [true, false] {
        let (mut world, alice, relay, mut mallory) = behind_a_relay();
        if !answers {
            mallory.manner = Manner::Silent;
        }
        let payment = world.pay(alice, &[relay, mallory.id], ton(1));
        mallory.listen(&mut world, 8_000);
        world.switch_off(mallory.id);

        // The last promise lives for 18 hours, alice's own for 15 hours longer.
        world.sleep(64_800);
        world.run_for(60_000);
        assert_eq!(world.standing(&payment), Outcome::Underway, "mallory could still claim it");
        world.sleep(600);
        world.run_for(60_000);
        assert!(matches!(world.standing(&payment), Outcome::Returning(_)), "answers: {answers}");
        assert_eq!(world.channel(relay, alice).map(|channel| channel.their_conditionals), Some(0));
    }
}
