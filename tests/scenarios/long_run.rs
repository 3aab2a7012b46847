//! What a node keeps when it lives long: no more after many payments than after a few.

use tests::{Adversary, Id, Manner, Plan, World, milli, ton};

/// Length of the one record that is written with every proposal on the only channel of `id`.
fn channel_record(world: &World, id: Id) -> usize {
    let mut records = world.machine(id).disk.iter().filter(|(key, _)| key.first() == Some(&b'c'));
    records.next().map(|(_, value)| value.len()).expect("a channel")
}

#[test]
fn what_is_written_with_a_message_does_not_grow_with_what_was_refused_before() {
    let mut world = World::seeded(91);
    let alice = world.add(Plan::user("alice"));
    let mut mallory = Adversary::with_channel(&mut world, "mallory", alice, ton(1), ton(10));
    let mut refuse = |world: &mut World, count| {
        for _ in 0..count {
            mallory.manner = Manner::Refuse("no");
            world.pay(alice, &[mallory.id], milli(10));
            mallory.listen(world, 1_000);
            // What follows a refusal, she takes.
            mallory.manner = Manner::Agree;
            mallory.listen(world, 4_000);
        }
        mallory.id
    };
    refuse(&mut world, 5);
    let few = channel_record(&world, alice);
    let peer = refuse(&mut world, 55);
    let many = channel_record(&world, alice);
    let channel = world.channel(alice, peer).expect("alice's channel");
    assert_eq!((channel.balance, channel.locked), (milli(9_400), milli(600)));
    assert!(many < few + 16, "{few} bytes after 5, {many} after 60");
}
