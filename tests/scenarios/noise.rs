//! What is not money but can stop it: locks, and bytes that mean nothing.

use channel::{
    Nano,
    key::SecretKey,
    semichannel::{SemiBody, SemiChannel, SignedSemi},
    tl::{Action, ProposeAction, Query},
};
use tests::{Adversary, Outcome, Plan, World, story::WHILE_MS, ton};

use crate::lies::{before_a_relay, reason, relayed};

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

    // Under the lock of somebody else a proposal is not even looked at.
    let channel_id = channel::ChannelId([0; 16]);
    let state = SemiChannel { channel_id, data: SemiBody::default(), counterparty: None };
    let proposal = ProposeAction {
        lock_id: 8,
        channel: with_bob,
        action: Action::IncrementStates { want_response: false },
        state: SignedSemi::sign(state, &bob.key).to_cell(),
        conditionals: None,
    };
    assert_eq!(bob.propose(&mut world, &proposal), Err("channel is busy".to_owned()));

    // A lock that nobody uses runs out.
    bob.listen(&mut world, 11_000);
    assert_eq!(reason(bob.ask(&mut world, &ask(10, with_bob, true))), "");
}

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
    mallory.listen(world, 5_000);
    assert_eq!(world.standing(&payment), Outcome::Underway);
    mallory.babble = false;
    mallory.listen(world, WHILE_MS);
    assert!(mallory.promised().is_some(), "the node still asks, and now it is heard");
}
