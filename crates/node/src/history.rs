//! What is over: it leaves memory and stays on disk, where it can be asked for.
//!
//! A node that has made a million payments keeps the last few hundred in hand and starts as fast as a new one. The
//! rest lie under keys that begin with [`HISTORY`], which a host does not read at start; when the owner asks for one,
//! or orders a payment under an id that is not in hand, the node has the host look ([`Effect::Recall`]). So the same
//! order is the same payment for ever. What was only passed on leaves nothing behind but what it has earned: should
//! its key come again after that, somebody may claim with a resolve of its first life, and this node is paid as much
//! as it pays.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use channel::{amount::Time, key::PublicKey};

use crate::{
    io::{Command, CommandError, Effect, PaymentId, Reply, RequestId},
    node::Node,
    records::{Kind, decode, encode},
    timers::Timer,
    virtuals::Virtual,
};

/// First byte of the keys of records that [`Node::restore`] does not need.
pub const HISTORY: u8 = b'h';

/// Payments of each kind that are over and still in hand: what a snapshot shows.
pub(crate) const RECENT: usize = 200;

/// The last payments that are over, and the questions about older ones.
#[derive(Debug, Default)]
pub(crate) struct History {
    made: BTreeSet<(Time, PublicKey)>,
    received: BTreeSet<(Time, PublicKey)>,
    passed_on: BTreeSet<(Time, PublicKey)>,
    /// Commands that wait for a record, by its key.
    asked: BTreeMap<Vec<u8>, Vec<(RequestId, Command)>>,
}

fn payment_key(id: &PaymentId) -> Vec<u8> {
    Kind::History.key(&[b"p", &id.0[..]].concat())
}

fn received_key(key: &PublicKey) -> Vec<u8> {
    Kind::History.key(&[b"r", &key.0[..]].concat())
}

impl Node {
    /// Puts away what is over. The last ones stay in hand.
    pub(crate) fn retire(&mut self, key: &PublicKey) {
        let Some(known) = self.virtuals.get(key).filter(|known| known.is_over(&self.clock)) else {
            return;
        };
        // A proposal about it may still be on its way, and is made again from it after a restart.
        let slot = known.outgoing.as_ref().and_then(|leg| self.slots.get(&leg.channel));
        if slot.is_some_and(|slot| slot.is_pending(key)) {
            return;
        }
        let place = (known.created, known.key);
        let recent = match (&known.payment, &known.outgoing) {
            (Some(_), _) => &mut self.history.made,
            (None, None) => &mut self.history.received,
            (None, Some(_)) => &mut self.history.passed_on,
        };
        recent.insert(place);
        if recent.len() > RECENT
            && let Some((_, oldest)) = recent.pop_first()
        {
            self.put_away(&oldest);
        }
    }

    fn put_away(&mut self, key: &PublicKey) {
        // It may have come to life again meanwhile, by an answer that nobody waited for any more.
        if !self.virtuals.get(key).is_some_and(|known| known.is_over(&self.clock)) {
            return;
        }
        let Some(known) = self.virtuals.remove(key) else { return };
        self.unindex(&known);
        self.deadlines.set(Timer::Expiry(*key), None);
        self.timers.set(Timer::Ask(*key), None);
        self.write(Kind::Virtual.key(&key.0), None);
        let name = match &known.payment {
            Some(payment) => payment_key(&payment.id),
            None if known.received_summary().is_some() => received_key(key),
            None => return,
        };
        if let Some(payment) = &known.payment {
            self.payments.remove(&payment.id);
        }
        self.write(name, Some(encode(&Virtual { action: None, ..known })));
    }

    /// The record of what a command is about, if that is not in hand.
    pub(crate) fn to_recall(&self, command: &Command) -> Option<Vec<u8>> {
        match command {
            Command::Pay(order) if !self.payments.contains_key(&order.id) => {
                Some(payment_key(&order.id))
            }
            Command::Payment(id) | Command::ProvePayment { id, .. }
                if !self.payments.contains_key(id) =>
            {
                Some(payment_key(id))
            }
            Command::Received(key) if !self.virtuals.contains_key(key) => Some(received_key(key)),
            Command::Pay(_)
            | Command::Payment(_)
            | Command::ProvePayment { .. }
            | Command::Received(_)
            | Command::OpenChannel { .. }
            | Command::TopUp { .. }
            | Command::AddContact(_)
            | Command::Sign { .. }
            | Command::Snapshot => None,
        }
    }

    /// Lets a command wait for a record. Several that wait for one are answered in their order.
    pub(crate) fn recall(&mut self, key: Vec<u8>, request: RequestId, command: Command) {
        let waiting = self.history.asked.entry(key.clone()).or_default();
        waiting.push((request, command));
        if waiting.len() == 1 {
            self.effect(Effect::Recall(key));
        }
    }

    /// The host has looked.
    pub(crate) fn recalled(&mut self, key: &[u8], value: Option<&[u8]>) {
        let waiting = self.history.asked.remove(key).unwrap_or_default();
        let past = value.map(|value| decode::<Virtual>(key, value).map_err(|_| ()));
        for (request, command) in waiting {
            // The one before may have made the payment that this one is about.
            let in_hand = self.to_recall(&command).is_none();
            let answer = match &past {
                Some(Ok(past)) if !in_hand => self.answer_from_past(past, &command),
                // Whatever it was, its id was used.
                Some(Err(())) if !in_hand => Err(CommandError::Duplicate),
                Some(_) | None => {
                    self.carry_out(request, command);
                    continue;
                }
            };
            self.effect(Effect::Reply(request, answer));
        }
    }

    fn answer_from_past(&self, past: &Virtual, command: &Command) -> Result<Reply, CommandError> {
        let payment = past.payment_summary();
        let reply = match command {
            Command::Pay(order) => return order.is_same_as(payment.ok_or(CommandError::NotFound)?),
            Command::Payment(_) => payment.map(Reply::Payment),
            Command::Received(_) => past.received_summary().map(Reply::Received),
            Command::ProvePayment { digest, .. } => {
                past.payment.as_ref().map(|payment| self.proof(past.key, payment, digest))
            }
            Command::OpenChannel { .. }
            | Command::TopUp { .. }
            | Command::AddContact(_)
            | Command::Sign { .. }
            | Command::Snapshot => None,
        };
        reply.ok_or(CommandError::NotFound)
    }
}
