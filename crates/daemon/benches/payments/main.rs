//! How fast payments are: three nodes in one process, each on a thread of its own with its own fsynced store,
//! joined by an in-memory carrier. Prints figures, asserts nothing about them.
//!
//! `cargo bench -p daemon --bench payments` prints a table, `-- --json` the same for scripts.

mod opens;
mod trio;

use std::time::{Duration, Instant};

use node::{io::PaymentId, summary::PaymentState};
use trio::Trio;

/// Payments that are measured one after the other, and the ones before them that warm up.
const SEQUENTIAL: u32 = 400;
const WARM_UP: u32 = 50;
/// Payers that queue at once, and what each of them pays in all.
const PAYERS: u32 = 100;
const QUEUED: u32 = 4_000;

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let mut rows: Vec<(&str, f64, &str)> = Vec::new();

    let mut trio = Trio::start();
    let (mut proofs, mut settles) = (Vec::new(), Vec::new());
    for n in 0..WARM_UP + SEQUENTIAL {
        let (proof, settled) = pay_one(&mut trio, n);
        if n >= WARM_UP {
            proofs.push(proof);
            settles.push(settled);
        }
    }
    rows.push(("sequential payment, proof of receipt, p50", percentile(&mut proofs, 50), "ms"));
    rows.push(("sequential payment, proof of receipt, p99", percentile(&mut proofs, 99), "ms"));
    rows.push(("sequential payment, all hops settled, p50", percentile(&mut settles, 50), "ms"));
    rows.push(("sequential payment, all hops settled, p99", percentile(&mut settles, 99), "ms"));
    rows.push((
        "durable commits per sequential payment",
        trio.commits_per(WARM_UP + SEQUENTIAL),
        "",
    ));

    trio.reset_counts();
    let busy = processor_seconds();
    let took = pay_queued(&mut trio);
    let busy = processor_seconds() - busy;
    rows.push((
        "payments per second, 100 payers queueing",
        f64::from(QUEUED) / took.as_secs_f64(),
        "1/s",
    ));
    rows.push(("processor time per queued payment", busy * 1_000.0 / f64::from(QUEUED), "ms"));
    rows.push(("signatures per payment", trio.signatures_per(QUEUED), ""));
    rows.push(("durable commits per queued payment", trio.commits_per(QUEUED), ""));
    drop(trio);

    for (name, live) in [
        ("one open, 100 live conditionals", 100),
        ("one open, 10,000 live conditionals", 10_000),
        ("one open, 100,000 live conditionals", 100_000),
    ] {
        rows.push((name, opens::microseconds(live), "us"));
    }

    if json {
        let body: Vec<String> = rows
            .iter()
            .map(|(name, value, unit)| {
                format!("{{\"name\":\"{name}\",\"value\":{value:.3},\"unit\":\"{unit}\"}}")
            })
            .collect();
        println!("[{}]", body.join(","));
    } else {
        for (name, value, unit) in rows {
            println!("{name:<48} {value:>12.2} {unit}");
        }
    }
}

/// Pays once and waits; milliseconds until the proof of receipt and until everything is settled here.
fn pay_one(trio: &mut Trio, n: u32) -> (f64, f64) {
    let start = Instant::now();
    trio.pay(id(n));
    let mut proof = None;
    loop {
        match trio.next_payment().state {
            PaymentState::Sent => proof = Some(start.elapsed()),
            PaymentState::Settled => break,
            PaymentState::Failed | PaymentState::Returning => {
                panic!("a payment failed: the figures would mean nothing")
            }
            PaymentState::Reserved | PaymentState::Locked => {}
        }
    }
    let settled = start.elapsed();
    (millis(proof.unwrap_or(settled)), millis(settled))
}

/// Keeps `PAYERS` payments under way until `QUEUED` are settled.
fn pay_queued(trio: &mut Trio) -> Duration {
    let start = Instant::now();
    let mut next = 1_000_000;
    let mut pay = |trio: &mut Trio| {
        trio.pay(id(next));
        next += 1;
    };
    for _ in 0..PAYERS {
        pay(trio);
    }
    let mut settled = 0;
    while settled < QUEUED {
        match trio.next_payment().state {
            PaymentState::Settled => {
                settled += 1;
                if settled + PAYERS <= QUEUED {
                    pay(trio);
                }
            }
            PaymentState::Failed | PaymentState::Returning => {
                panic!("a payment failed: the figures would mean nothing")
            }
            PaymentState::Sent | PaymentState::Reserved | PaymentState::Locked => {}
        }
    }
    start.elapsed()
}

/// What this process has used so far of all cores: fields utime and stime of proc(5) `stat`, in ticks of 10 ms.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: u32 = fields.skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    f64::from(ticks) / 100.0
}

fn id(n: u32) -> PaymentId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.to_le_bytes());
    PaymentId(id)
}

fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent / 100).min(values.len() - 1)]
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
