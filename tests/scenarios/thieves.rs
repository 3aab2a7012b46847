//! Two who collude, in hundreds of random runs against one relay: it never pays more than it can be paid.
//!
//! A tenth of `RILL_SEEDS` runs (1,000 if unset).

use tests::thieves::{Loot, Thieves};

#[test]
fn a_relay_between_two_thieves_loses_nothing_whatever_they_do() {
    let seeds = std::env::var("RILL_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let runs = seeds.unwrap_or(10_000_u64).div_ceil(10);
    let (mut sum, mut losses) = (Loot::default(), Vec::new());
    for seed in 0..runs {
        match Thieves::run(seed) {
            Ok(loot) => {
                sum.promised += loot.promised;
                sum.claimed += loot.claimed;
                sum.settled += loot.settled;
                sum.taken_back += loot.taken_back;
                sum.at_risk = sum.at_risk.max(loot.at_risk);
            }
            Err(loss) => losses.push(loss),
        }
    }
    println!("{runs} runs: {sum:?}");
    let first = &losses[..losses.len().min(8)];
    assert!(losses.is_empty(), "{} of {runs} runs: {first:#?}", losses.len());
    let least = u32::try_from(runs / 10).expect("a number of runs");
    let acts = [sum.promised, sum.claimed, sum.settled];
    assert!(acts.into_iter().all(|count| count > least), "hardly anything happened: {sum:?}");
}
