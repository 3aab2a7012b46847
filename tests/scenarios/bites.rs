//! The rule that the whole design stands on, taken away on purpose: does anybody notice?

use std::panic::{AssertUnwindSafe, catch_unwind};

use tests::{Order, chaos};

/// What 400 worlds found when this was written, by kind: a relay or payer that signed one seqno twice, because it
/// forgot its first proposal when it died; sides that never agree again, because one forgot what it had accepted;
/// payments that the payer has never heard of and the receiver was paid for.
#[test]
fn a_node_that_speaks_before_it_has_written_loses_money() {
    let mut found = Vec::new();
    for seed in 0..400 {
        match catch_unwind(AssertUnwindSafe(|| chaos::run(seed, Order::EffectsFirst))) {
            Ok(Ok(_)) => {}
            Ok(Err(reason)) => found.push(format!("seed {seed}: {reason}")),
            Err(_) => found.push(format!("seed {seed}: a node panicked or could not start")),
        }
    }
    println!("{} of 400 worlds broke, such as {:#?}", found.len(), &found[..found.len().min(400)]);
    assert!(!found.is_empty(), "performing effects before the commit went unnoticed in 400 worlds");
}
