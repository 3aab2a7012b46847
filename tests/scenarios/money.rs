//! The law of money in random worlds: whatever breaks, nobody honest loses a coin.
//!
//! `RILL_SEEDS` is how many worlds (10,000 if unset), `RILL_FIRST_SEED` the first of them. `RILL_TRACE=<seed>` runs
//! one world and prints everything that crosses a wire.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tests::{
    Order,
    chaos::{self, Chaos, Run},
    world::Trace,
};

#[test]
fn money_is_conserved_and_nobody_honest_loses_any() {
    if let Some(seed) = number("RILL_TRACE") {
        return tell(seed);
    }
    let first = number("RILL_FIRST_SEED").unwrap_or(0);
    let (sum, failures) = run_all(first..first + number("RILL_SEEDS").unwrap_or(10_000));
    println!("{sum}");
    let first = &failures[..failures.len().min(12)];
    assert!(failures.is_empty(), "{} seeds failed, first: {first:#?}", failures.len());
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn tell(seed: u64) {
    let mut chaos = Chaos::begin(seed, Order::CommitFirst);
    chaos.world.trace = Trace::Print;
    chaos.rage();
    let run = chaos.end();
    println!("{run:?}");
    assert!(run.is_ok());
}

/// Runs all seeds on all cores.
fn run_all(seeds: std::ops::Range<u64>) -> (Run, Vec<String>) {
    let (sum, failures) = (Mutex::new(Run::default()), Mutex::new(BTreeMap::new()));
    let next = AtomicU64::new(seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    match catch_unwind(AssertUnwindSafe(|| chaos::run(seed, Order::CommitFirst))) {
                        Ok(Ok(run)) => sum.lock().unwrap().add(&run),
                        Ok(Err(reason)) => {
                            failures.lock().unwrap().insert(seed, reason);
                        }
                        Err(panic) => {
                            let text = panic.downcast_ref::<String>().cloned();
                            let text =
                                text.or(panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                            failures.lock().unwrap().insert(seed, text.unwrap_or_default());
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let failures = failures.into_iter().map(|(seed, reason)| format!("seed {seed}: {reason}"));
    (sum.into_inner().unwrap(), failures.collect())
}
