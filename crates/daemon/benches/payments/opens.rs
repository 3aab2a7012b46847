//! What one `openVirtual` costs both sides together, by the number of conditionals that already live there.

use std::time::Instant;

use channel::{
    accept::Bounds,
    amount::{Deadline, Nano, Time},
    channel::{Channel, Terms},
    conditional::Conditional,
    conditionals::Conditionals,
    contract::{ClosingConfig, Currency, OpenConfig, PaymentConfig},
    key::{PublicKey, SecretKey, sha256},
    propose::Intent,
    semichannel::{ChannelId, SemiBody, SemiChannel, SignedSemi},
    tl::OpenVirtual,
};

const OPENS: u32 = 400;
const NOW: Time = Time(1_800_000_000_000);
const DEADLINE: Deadline = Deadline(1_800_100_000);

/// Mean over [`OPENS`] opens: propose, serialise, check, accept, sign, conclude. All signatures included.
pub(crate) fn microseconds(live: u32) -> f64 {
    let (payer_key, payee_key) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
    let (mut payer, mut payee) = pair(&payer_key, &payee_key, live);
    let bounds = Bounds { conditionals: u32::MAX, dust: Nano(1), lifetime_secs: u32::MAX };
    let start = Instant::now();
    for n in 0..OPENS {
        let intent = open(live + n);
        let proposed = payer.propose(NOW, &intent, &payer_key).expect("room for one more");
        let proposal = proposed.proposal(u64::from(n) + 2, 1).expect("a proposal");
        let accepted =
            payee.accept(NOW, &proposal, &bounds, None, &payee_key).expect("a good proposal");
        payer = proposed.agreed(&accepted.answer).expect("a fitting answer").0;
        payee = accepted.channel;
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(OPENS)
}

fn open(n: u32) -> Intent {
    let conditional = conditional(n);
    let action = OpenVirtual {
        channel_key: conditional.key,
        instruction_key: conditional.key,
        instructions: Vec::new(),
        signature: channel::key::Signature([1; 64]),
    };
    Intent::Open { conditional, action }
}

fn conditional(n: u32) -> Conditional {
    Conditional {
        key: key(n),
        capacity: Nano(1_000),
        fee: Nano(1),
        prepay: Nano::ZERO,
        deadline: DEADLINE,
    }
}

/// Slots are the first four bytes: a multiplication by an odd number spreads them without collisions. Of what is put
/// behind them one in two is a point.
fn key(n: u32) -> PublicKey {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&n.wrapping_mul(2_654_435_761).to_le_bytes());
    for nonce in 0..=u8::MAX {
        bytes[4..].copy_from_slice(&sha256(&[&n.to_le_bytes(), &[nonce]])[4..]);
        if !PublicKey(bytes).is_weak() {
            break;
        }
    }
    PublicKey(bytes)
}

fn pair(a: &SecretKey, b: &SecretKey, live: u32) -> (Channel, Channel) {
    let open = OpenConfig {
        key_a: a.public(),
        key_b: b.public(),
        channel_id: ChannelId([7; 16]),
        closing: ClosingConfig {
            quarantine_duration: 600,
            misbehavior_fine: Nano(1),
            conditional_close_duration: 600,
        },
        payment: PaymentConfig {
            storage_fee: Nano(250_000_000),
            dest_a: [1; 32],
            dest_b: [2; 32],
            currency: Currency::Ton,
        },
    };
    let mut conditionals = Conditionals::new();
    for n in 0..live {
        conditionals.insert(conditional(n)).expect("slots do not collide");
    }
    let of_a = SemiBody { seqno: 1, sent: Nano::ZERO, conditionals: conditionals.hash() };
    let of_b = SemiBody { seqno: 1, ..SemiBody::default() };
    let sign = |data, other, key| {
        let channel_id = open.channel_id;
        SignedSemi::sign(SemiChannel { channel_id, data, counterparty: Some(other) }, key)
    };
    let side = |we_left| {
        let terms = Terms { address: [9; 32], open, we_left, buffer_secs: 0, min_safe_secs: 60 };
        let mut channel = Channel::new(terms);
        channel.increment = None;
        channel.chain.open = true;
        let (left, right) = if we_left {
            (&mut channel.ours, &mut channel.theirs)
        } else {
            (&mut channel.theirs, &mut channel.ours)
        };
        left.signed = sign(of_a, of_b, a);
        left.conditionals = conditionals.clone();
        left.deposited = Nano(1_000_000_000_000);
        right.signed = sign(of_b, of_a, b);
        channel
    };
    (side(true), side(false))
}
