//! What the person at the terminal sees: steps with their time, and a table at the end.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The steps of one command, in order.
pub(crate) struct Report {
    start: Instant,
    steps: Vec<(String, Duration, bool)>,
    /// Standard output is for something else: the story goes to standard error.
    pub(crate) aside: bool,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), steps: Vec::new(), aside: false }
    }

    /// Does one step and prints what it took.
    pub(crate) async fn step<T>(
        &mut self,
        name: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.say(&format!("{name} ..."));
        let start = Instant::now();
        let result = work.await;
        let took = start.elapsed();
        self.steps.push((name.to_owned(), took, result.is_ok()));
        if result.is_ok() {
            self.say(&format!("{name}: done in {}", seconds(took)));
        }
        result.with_context(|| name.to_owned())
    }

    /// One line of the story, with the time since the start.
    pub(crate) fn say(&self, line: &str) {
        let line = format!("[{:>7}] {line}", seconds(self.start.elapsed()));
        if self.aside { eprintln!("{line}") } else { println!("{line}") }
    }

    /// The table of all steps so far.
    pub(crate) fn table(&self) -> String {
        let width = self.steps.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
        let mut table = String::new();
        for (name, took, passed) in &self.steps {
            let mark = if *passed { "ok" } else { "FAILED" };
            table += &format!("  {name:width$}  {:>9}  {mark}\n", seconds(*took));
        }
        table + &format!("  {:width$}  {:>9}", "in all", seconds(self.start.elapsed()))
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
