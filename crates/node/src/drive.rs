//! The loop between a node and its host: the only async of the protocol.
//!
//! Read this to know when anything leaves the machine: after `commit` has returned, and never before.

use alloc::{collections::VecDeque, vec::Vec};

use crate::{
    io::{Effect, Input, Writes},
    node::Node,
};
use channel::amount::Time;

/// The outside world, as one node sees it.
#[allow(async_fn_in_trait)] // the loop runs on one thread; no caller needs `Send` futures
pub trait Host {
    type Error;
    /// Unix time. May stand still, jump, and be wrong: the node's timers only count how far it goes forward.
    fn now(&self) -> Time;
    /// Waits for the next input, at most until `wake` by the clock as it is now; then it is [`Input::Wake`].
    async fn next(&mut self, wake: Option<Time>) -> Input;
    /// An input that is there already, if any.
    fn ready(&mut self) -> Option<Input>;
    /// Makes the writes durable as one: all or nothing, and still there after a power cut.
    async fn commit(&mut self, writes: &Writes) -> Result<(), Self::Error>;
    /// Carries out everything but [`Effect::Recall`], which [`drive`] takes to [`Host::recall`].
    fn perform(&mut self, effect: Effect);
    /// One record, if it is there.
    async fn recall(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// Inputs that share one durable commit. More would only add latency to the first of them.
const BATCH_MAX: usize = 256;

/// Runs a node until its store fails; the caller then drops everything and restores from disk.
/// `first` is the step that [`Node::restore`] gave.
pub async fn drive<H: Host>(mut node: Node, first: crate::io::Step, host: &mut H) -> H::Error {
    let mut step = first;
    let mut recalled = VecDeque::new();
    loop {
        if !step.writes().is_empty()
            && let Err(error) = host.commit(step.writes()).await
        {
            return error;
        }
        let wake = step.wake;
        for effect in step.committed() {
            match effect {
                Effect::Recall(key) => match host.recall(&key).await {
                    Ok(value) => recalled.push_back(Input::Recalled { key, value }),
                    Err(error) => return error,
                },
                effect => host.perform(effect),
            }
        }
        let input = match recalled.pop_front() {
            Some(input) => input,
            None => host.next(wake).await,
        };
        step = node.handle(host.now(), input);
        for _ in 1..BATCH_MAX {
            let Some(input) = recalled.pop_front().or_else(|| host.ready()) else { break };
            step.merge(node.handle(host.now(), input));
        }
    }
}
