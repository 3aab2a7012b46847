//! Payments as people see them.

use tests::{Outcome, World, ton};

#[test]
fn a_payment_arrives_and_costs_exactly_its_amount() {
    let mut world = World::seeded(1);
    let [alice, bob] = world.line(["alice", "bob"], ton(10));

    let payment = world.pay(alice, &[bob], ton(1));

    assert_eq!(world.outcome(&payment), Outcome::Paid);
    assert_eq!(world.balance(alice, bob), ton(9));
    assert_eq!(world.balance(bob, alice), ton(11));
}
