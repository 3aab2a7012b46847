//! A watchman who reads every message and knows the money rules.
//!
//! It sees what leaves each machine, as a colluding set of peers would: what was signed once can be used against its
//! signer until the contract refuses it. So it remembers each signed promise and objects when a node signs the same
//! seqno twice (N1, N3), sends a proposal again in other bytes (N22), or lets an incoming promise go while its own
//! outgoing one could still be claimed (N2).

use std::collections::BTreeMap;

use channel::{
    key::PublicKey,
    proof::UpdateProof,
    semichannel::{SemiBody, SemiChannel, SignedSemi},
    tl::{Action, Answer, ProposeAction, Query},
};

use crate::{
    machine::Body,
    world::{Id, World},
};

/// One state that a machine signed for one seqno of a channel.
#[derive(Clone, Debug)]
struct Signed {
    state: SemiChannel,
    bytes: Vec<u8>,
    /// The peer has refused it.
    refused: bool,
}

/// What one machine has promised to the next hop under one virtual key.
#[derive(Clone, Copy, Debug, Default)]
struct Exposure {
    /// Latest deadline of any promise that was signed, unix seconds.
    until: u32,
}

#[derive(Default)]
pub struct Watchman {
    signed: BTreeMap<(Id, [u8; 32], u64), Signed>,
    exposed: BTreeMap<(Id, PublicKey), Exposure>,
    pub violations: Vec<String>,
    /// Refusals by their reason, to see what a run has been through.
    pub refusals: BTreeMap<String, u64>,
    pub proposals: u64,
    pub repeated: u64,
}

impl World {
    pub(crate) fn saw_query(&mut self, from: Id, to: Id, bytes: &[u8]) {
        // What a puppet says is a story's business.
        if matches!(self.machine(from).body, Body::Puppet(_)) {
            return;
        }
        let Ok(query) = Query::from_bytes(bytes) else { return };
        match query {
            Query::ProposeAction(proposal) => self.saw_proposal(from, to, &proposal),
            Query::RequestAction { action: Action::RequestRemoveVirtual { key }, .. } => {
                self.released(from, &key, "asked the previous hop to take its promise back");
            }
            _ => {}
        }
    }

    fn saw_proposal(&mut self, from: Id, to: Id, proposal: &ProposeAction) {
        let Ok(signed) = SignedSemi::from_cell(&proposal.state) else { return };
        self.watchman.proposals += 1;
        let body = signed.state.data;
        if let Action::OpenVirtual(open) = &proposal.action {
            let proof = UpdateProof::parse(proposal.conditionals.as_ref(), &body.conditionals);
            let found = proof.ok().and_then(|proof| proof.get(&open.channel_key).ok()).flatten();
            if let Some(conditional) = found {
                let exposure = self.watchman.exposed.entry((from, open.channel_key)).or_default();
                exposure.until = exposure.until.max(conditional.deadline.0);
            }
        }
        let bytes = without_lock(proposal);
        let name = (from, proposal.channel, body.seqno);
        let fresh = Signed { state: signed.state.clone(), bytes: bytes.clone(), refused: false };
        let before = self.watchman.signed.get(&name);
        let objection = match before {
            Some(before) if before.state.data != body && !before.refused => Some(format!(
                "signed seqno {} twice: {}",
                body.seqno,
                differ(&before.state.data, &body)
            )),
            Some(before) if before.state == signed.state && before.bytes != bytes => {
                Some(format!("sent seqno {} again in other bytes", body.seqno))
            }
            Some(_) => {
                self.watchman.repeated += 1;
                None
            }
            None => None,
        };
        if let Some(objection) = objection {
            self.object(format!("{} to {}: {objection}", self.name(from), self.name(to)));
        }
        self.watchman.signed.insert(name, fresh);
    }

    pub(crate) fn saw_answer(&mut self, from: Id, to: Id, query: &[u8], answer: &[u8]) {
        let Ok(Query::ProposeAction(proposal)) = Query::from_bytes(query) else { return };
        let Ok(Answer::ProposalDecision { agreed, reason, .. }) = Answer::from_bytes(answer) else {
            return;
        };
        if !agreed {
            let count = self.watchman.refusals.entry(general(&reason)).or_default();
            *count += 1;
        }
        let Ok(signed) = SignedSemi::from_cell(&proposal.state) else { return };
        let name = (to, proposal.channel, signed.state.data.seqno);
        match (agreed, &proposal.action) {
            (true, Action::RemoveVirtual { key }) => {
                self.released(from, key, "let the previous hop take its promise back");
            }
            (true, _) => {}
            (false, _) => {
                // Whatever was signed on top of it has lost its ground too.
                let (id, channel, seqno) = name;
                let above = (id, channel, seqno)..=(id, channel, u64::MAX);
                for (_, signed) in self.watchman.signed.range_mut(above) {
                    signed.refused = true;
                }
            }
        }
    }

    /// A machine gives up what it holds for a virtual key: fine only if nobody can claim from it any more.
    fn released(&mut self, id: Id, key: &PublicKey, how: &str) {
        let now = self.now().seconds();
        if let Some(exposure) = self.watchman.exposed.get(&(id, *key))
            && now <= exposure.until
        {
            let left = exposure.until - now;
            let name = self.name(id);
            self.object(format!("{name} {how} {left} s before its own promise for it is dead"));
        }
    }

    fn object(&mut self, objection: String) {
        self.note(|_| format!("!!! {objection}"));
        self.watchman.violations.push(objection);
    }
}

fn without_lock(proposal: &ProposeAction) -> Vec<u8> {
    Query::ProposeAction(ProposeAction { lock_id: 0, ..proposal.clone() }).to_bytes()
}

fn differ(before: &SemiBody, after: &SemiBody) -> String {
    format!("sent {} then {}, dictionary {}", before.sent, after.sent, {
        if before.conditionals == after.conditionals { "same" } else { "other" }
    })
}

/// A reason without its numbers and keys, so that like is counted with like.
fn general(reason: &str) -> String {
    let words = reason.split(' ').map(|word| {
        let number = word.chars().any(|c| c.is_ascii_digit());
        if number { "#" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}
