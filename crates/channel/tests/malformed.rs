//! Bytes that nobody honest sends: they are refused or understood, and never more than that.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use channel::amount::{Deadline, Nano};
use channel::cell::{Cell, CellBuilder, CellError, parse_boc, to_boc};
use channel::conditional::{Conditional, ConditionalError, static_code};
use channel::conditionals::Conditionals;
use channel::contract::{CooperativeClose, CooperativeCommit, OpenConfig, Storage};
use channel::garlic::{self, Instruction};
use channel::key::{PublicKey, SecretKey, Signature};
use channel::proof::UpdateProof;
use channel::resolve::Resolve;
use channel::semichannel::{SemiBody, SemiChannel, SignedSemi};
use channel::tl::{Action, Answer, NodeAddress, Query};

const VECTORS: &str = include_str!("../../../tests/vectors/protocol.txt");

/// All byte strings of the file: bags of cells and TL objects.
fn samples() -> Vec<Vec<u8>> {
    let last_word = |line: &'static str| line.rsplit([' ', '=']).next().unwrap();
    VECTORS.lines().filter_map(|line| hex::decode(last_word(line)).ok()).collect()
}

fn mutate(bytes: &mut Vec<u8>, random: &mut fastrand::Rng) {
    for _ in 0..random.usize(1..4) {
        let at = random.usize(0..=bytes.len());
        match random.u8(0..7) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.u8(..)),
            2 => bytes.extend(std::iter::repeat_n(random.u8(..), random.usize(0..8))),
            3 if at + 4 <= bytes.len() => {
                let number = [0, 1, 0x4000_0000, u32::MAX, random.u32(..)][random.usize(0..5)];
                bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
            }
            _ if at < bytes.len() => bytes[at] ^= 1 << random.u8(0..8),
            _ => {}
        }
    }
}

/// Reads `bytes` as everything they could be taken for.
fn read_as_everything(bytes: &[u8]) {
    if let Ok(query) = Query::from_bytes(bytes) {
        assert_eq!(Query::from_bytes(&query.to_bytes()), Ok(query));
    }
    if let Ok(answer) = Answer::from_bytes(bytes) {
        let again = Answer::from_bytes(&answer.to_bytes()).unwrap();
        assert_eq!(again.to_bytes(), answer.to_bytes());
    }
    if let Ok(action) = Action::from_bytes(bytes) {
        assert_eq!(Action::from_bytes(&action.to_bytes()), Ok(action.clone()));
        if let Action::OpenVirtual(open) = action {
            let _ = garlic::open(&open, &SecretKey::from_seed([2; 32]));
        }
    }
    if let Ok(instruction) = Instruction::from_bytes(bytes) {
        assert!(bytes.starts_with(&instruction.to_bytes()[..4]));
    }
    if let Ok(address) = NodeAddress::from_bytes(bytes) {
        assert_eq!(address.to_bytes(), bytes);
    }
    if let Ok(cell) = parse_boc(bytes) {
        assert_eq!(parse_boc(&to_boc(&cell)), Ok(cell.clone()));
        read_cell(&cell);
    }
}

/// A cell that is understood is written again as it was: there is one form of everything.
fn read_cell(cell: &Cell) {
    let same = |written: Cell| assert_eq!(written, *cell);
    let _ = SemiBody::from_cell(cell).map(|read| same(read.to_cell()));
    let _ = SemiChannel::from_cell(cell).map(|read| same(read.to_cell()));
    let _ = SignedSemi::from_cell(cell).map(|read| same(read.to_cell()));
    let _ = Conditional::from_cell(cell).map(|read| same(read.to_cell()));
    let _ = Resolve::from_cell(cell).map(|read| same(read.to_cell()));
    let _ = OpenConfig::from_cell(cell).map(|read| same(read.to_cell()));
    let _ = Storage::from_cell(cell).map(|read| same(read.to_cell()));
    let _ = CooperativeCommit::from_body(cell).map(|(read, a, b)| same(read.body(&a, &b)));
    let _ = CooperativeClose::from_body(cell).map(|(read, a, b)| same(read.body(&a, &b)));
    if let Ok(dictionary) = Conditionals::from_root(Some(cell.clone())) {
        let mut again = Conditionals::new();
        for entry in dictionary.iter() {
            again.insert(entry).unwrap();
        }
        assert_eq!(again.len(), dictionary.len());
    }
    if let Some(child) = cell.reference(0)
        && let Ok(proof) = UpdateProof::parse(Some(cell), &child.hash(0).0)
    {
        let _ = proof.get(&SecretKey::from_seed([3; 32]).public());
    }
}

#[test]
fn no_bytes_make_a_reader_panic() {
    let samples = samples();
    assert!(samples.len() > 60);
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..4000 {
        for sample in &samples {
            let mut bytes = sample.clone();
            read_as_everything(&bytes);
            mutate(&mut bytes, &mut random);
            read_as_everything(&bytes);
        }
    }
}

/// Runs `write` on a new cell.
fn cell(write: impl FnOnce(&mut CellBuilder) -> Option<()>) -> Cell {
    let mut builder = CellBuilder::new();
    write(&mut builder).unwrap();
    builder.build().unwrap()
}

fn sample() -> Conditional {
    Conditional {
        key: SecretKey::from_seed([3; 32]).public(),
        capacity: Nano(1),
        fee: Nano(0),
        prepay: Nano(0),
        deadline: Deadline(1_700_000_000),
    }
}

#[test]
fn a_number_pushed_in_a_longer_form_than_needed_is_refused() {
    let whole = sample().to_cell();
    let made = cell(|builder| {
        builder.store_raw(&[0x81, 0, 0], 24).ok()?;
        let mut rest = whole.as_slice().ok()?;
        rest.skip_first(16, 0).ok()?;
        builder.store_slice(rest).ok()
    });
    assert_eq!(Conditional::from_cell(&whole), Ok(sample()));
    assert_eq!(Conditional::from_cell(&made), Err(ConditionalError::NotCanonical));
}

#[test]
fn a_conditional_with_other_code_or_impossible_numbers_is_refused() {
    let with = |fee: &[u8], capacity: &[u8], deadline: &[u8], code: Cell| {
        let made = cell(|builder| {
            for value in [fee, capacity, &[0x80, 0], deadline, &[0x80, 1]] {
                builder.store_raw(value, value.len() as u16 * 8).ok()?;
            }
            builder.store_reference(code).ok()
        });
        Conditional::from_cell(&made)
    };
    let (zero, one, minus_one) = (&[0x80, 0][..], &[0x80, 1][..], &[0x80, 0xff][..]);
    assert!(with(zero, one, one, static_code()).is_ok());
    assert_eq!(with(zero, one, one, Cell::default()), Err(ConditionalError::Code));
    assert_eq!(with(minus_one, one, one, static_code()), Err(ConditionalError::Fee));
    assert_eq!(with(zero, minus_one, one, static_code()), Err(ConditionalError::Capacity));
    assert_eq!(with(zero, one, zero, static_code()), Err(ConditionalError::Deadline));
    assert_eq!(with(&[0x83, 0], one, one, static_code()), Err(ConditionalError::Malformed));
}

#[test]
fn conditionals_of_all_sizes_are_read_as_written() {
    let mut random = fastrand::Rng::with_seed(2);
    for bits in 0..=256 {
        let mut key = [0; 32];
        random.fill(&mut key);
        for bit in 0..256 - bits {
            key[bit / 8] &= !(0x80 >> (bit % 8));
        }
        let amount = |bits: usize| Nano((Nano::MAX.0 >> 120_usize.saturating_sub(bits)).max(1));
        let conditional = Conditional {
            key: PublicKey(key),
            capacity: amount(bits),
            fee: amount(bits / 2),
            prepay: amount(bits / 3),
            deadline: Deadline(u32::MAX.checked_shr(bits as u32 / 8).unwrap_or(1).max(1)),
        };
        assert_eq!(Conditional::from_cell(&conditional.to_cell()), Ok(conditional), "{bits} bits");
    }
}

#[test]
fn an_amount_with_leading_zeros_is_refused() {
    let body = |amount: &[u8]| {
        SemiBody::from_cell(&cell(|builder| {
            builder.store_u64(1).ok()?;
            builder.store_small_uint(amount.len() as u8, 4).ok()?;
            builder.store_raw(amount, amount.len() as u16 * 8).ok()?;
            builder.store_zeros(256).ok()
        }))
    };
    assert_eq!(body(&[1]).unwrap().sent, Nano(1));
    assert_eq!(body(&[]).unwrap().sent, Nano(0));
    assert_eq!(body(&[0]), Err(CellError::NotCanonical("an amount")));
    assert_eq!(body(&[0, 1]), Err(CellError::NotCanonical("an amount")));
}

#[test]
fn bits_after_the_end_of_a_state_or_a_resolve_are_refused() {
    let key = SecretKey::from_seed([1; 32]);
    let resolve = Resolve::sign(Nano(5), &key);
    let longer = |whole: &Cell| {
        cell(|builder| {
            builder.store_slice(whole.as_slice().ok()?).ok()?;
            builder.store_bit_zero().ok()
        })
    };
    assert!(Resolve::from_cell(&longer(&resolve.to_cell())).is_err());
    assert!(SemiBody::from_cell(&longer(&SemiBody::default().to_cell())).is_err());
    let padded = cell(|builder| {
        builder.store_raw(&resolve.signature.0, 512).ok()?;
        builder.store_raw(&[0x10, 0x51], 16).ok()
    });
    assert_eq!(
        Resolve::from_cell(&padded),
        Err(CellError::NotCanonical("the padding of a resolve"))
    );
    assert_ne!(resolve.signature, Signature::ZERO);
}
