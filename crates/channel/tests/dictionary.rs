//! The dictionary of conditionals against a plain map, and the proofs that are made of it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use std::collections::BTreeMap;

use channel::amount::{Deadline, Nano};
use channel::cell::{Cell, CellBuilder, hash, parse_boc, to_boc};
use channel::conditional::{Conditional, slot};
use channel::conditionals::{Conditionals, SlotTaken};
use channel::key::PublicKey;
use channel::proof::{ProofError, Touched, UpdateProof};

fn conditional(key: [u8; 32], random: &mut fastrand::Rng) -> Conditional {
    let capacity = u128::from(random.u64(1..)) >> random.u32(0..60);
    Conditional {
        key: PublicKey(key),
        capacity: Nano(capacity),
        fee: Nano(random.u128(0..1 << 30)),
        prepay: Nano(random.u128(0..=capacity)),
        deadline: Deadline(random.u32(1..)),
    }
}

fn entries(count: usize, random: &mut fastrand::Rng) -> Conditionals {
    let mut dictionary = Conditionals::new();
    while (dictionary.len() as usize) < count {
        let mut key = [0; 32];
        random.fill(&mut key);
        let _ = dictionary.insert(conditional(key, random));
    }
    dictionary
}

#[test]
fn the_dictionary_behaves_like_a_map_and_its_hash_depends_on_its_contents_alone() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut dictionary = Conditionals::new();
        let mut model: BTreeMap<u32, Conditional> = BTreeMap::new();
        let spread = [1, 3, 40, 255][seed as usize % 4];
        for _ in 0..300 {
            // Few different prefixes, so that keys share paths and sometimes a slot.
            let mut key = [random.u8(0..4); 32];
            for byte in &mut key[..4] {
                *byte = random.u8(0..=spread);
            }
            let entry = conditional(key, &mut random);
            let before = dictionary.clone();
            if random.bool() {
                let free = model.get(&entry.slot()).is_none_or(|present| *present == entry);
                assert_eq!(dictionary.insert(entry), if free { Ok(()) } else { Err(SlotTaken) });
                model.entry(entry.slot()).or_insert(entry);
                assert!(dictionary.slot_taken(&entry.key));
            } else {
                let present =
                    model.get(&entry.slot()).copied().filter(|found| found.key == entry.key);
                assert_eq!(dictionary.remove(&entry.key), present);
                if present.is_some() {
                    model.remove(&entry.slot());
                }
                assert_eq!(dictionary.get(&entry.key), None);
            }

            let held = model.values().map(|entry| entry.held().unwrap().0).sum();
            assert_eq!(dictionary.held(), Nano(held));
            assert_eq!(dictionary.len() as usize, model.len());
            assert!(dictionary.iter().eq(model.values().copied()));
            assert_eq!(before == dictionary, before.iter().eq(dictionary.iter()));
        }

        let mut rebuilt = Conditionals::new();
        let mut shuffled: Vec<_> = model.values().copied().collect();
        random.shuffle(&mut shuffled);
        for entry in shuffled {
            rebuilt.insert(entry).unwrap();
        }
        assert_eq!(rebuilt.hash(), dictionary.hash());
        let read = Conditionals::from_root(dictionary.root().cloned()).unwrap();
        assert_eq!((read.hash(), read.held()), (dictionary.hash(), dictionary.held()));
        let bytes = postcard::to_allocvec(&dictionary).unwrap();
        assert_eq!(postcard::from_bytes::<Conditionals>(&bytes).unwrap(), dictionary);
    }
}

#[test]
fn a_key_with_the_prefix_of_another_never_takes_its_place() {
    let mut random = fastrand::Rng::with_seed(1);
    let (mut first, mut second) = ([1; 32], [1; 32]);
    (first[31], second[31]) = (2, 3);
    let (first, second) = (conditional(first, &mut random), conditional(second, &mut random));
    let mut dictionary = Conditionals::new();
    dictionary.insert(first).unwrap();
    let before = dictionary.hash();

    assert_eq!(dictionary.insert(second), Err(SlotTaken));
    assert_eq!(dictionary.insert(Conditional { fee: Nano(9), ..first }), Err(SlotTaken));
    assert_eq!(dictionary.remove(&second.key), None);
    assert_eq!((dictionary.get(&second.key), dictionary.slot_taken(&second.key)), (None, true));
    assert_eq!(dictionary.insert(first), Ok(()));
    assert_eq!((dictionary.hash(), dictionary.len()), (before, 1));

    let proof = dictionary.prove(&Touched::Open(second.key));
    let proof = UpdateProof::parse(proof.as_ref(), &dictionary.hash()).unwrap();
    assert_eq!(proof.get(&second.key), Ok(None));
}

#[test]
fn an_empty_dictionary_has_the_zero_hash_and_needs_no_proof() {
    let mut random = fastrand::Rng::with_seed(2);
    let mut dictionary = entries(1, &mut random);
    let key = dictionary.iter().next().unwrap().key;
    dictionary.remove(&key);
    assert_eq!((dictionary.hash(), dictionary.root()), ([0; 32], None));
    assert!(dictionary.prove(&Touched::Absent(key)).is_none());
    assert_eq!(UpdateProof::parse(None, &[0; 32]).unwrap().get(&key), Ok(None));
    assert!(matches!(UpdateProof::parse(None, &[1; 32]), Err(ProofError::Missing)));
}

#[test]
fn a_proof_shows_one_entry_of_many_in_a_few_cells() {
    let mut random = fastrand::Rng::with_seed(3);
    let dictionary = entries(20_000, &mut random);
    for entry in dictionary.iter().step_by(500) {
        let proof = dictionary.prove(&Touched::Open(entry.key)).unwrap();
        let bytes = to_boc(&proof);
        assert!(bytes.len() < 2000, "{} bytes", bytes.len());
        let proof =
            UpdateProof::parse(Some(&parse_boc(&bytes).unwrap()), &dictionary.hash()).unwrap();
        assert_eq!(proof.get(&entry.key), Ok(Some(entry)));

        let mut without = dictionary.clone();
        without.remove(&entry.key).unwrap();
        let absence = without.prove(&Touched::Absent(entry.key)).unwrap();
        let absence = UpdateProof::parse(Some(&absence), &without.hash()).unwrap();
        assert_eq!(absence.get(&entry.key), Ok(None));
    }
}

#[test]
fn what_a_proof_leaves_out_is_not_taken_for_absent() {
    let mut random = fastrand::Rng::with_seed(4);
    let dictionary = entries(100, &mut random);
    let keys: Vec<_> = dictionary.iter().map(|entry| entry.key).collect();
    let proof = dictionary.prove(&Touched::Open(keys[0])).unwrap();
    let proof = UpdateProof::parse(Some(&proof), &dictionary.hash()).unwrap();
    assert!(matches!(proof.get(&keys[99]), Err(ProofError::Dictionary(_))));

    let many = dictionary.prove_keys(&[keys[0], keys[50], keys[99]]).unwrap();
    let many = UpdateProof::parse(Some(&many), &dictionary.hash()).unwrap();
    for key in [keys[0], keys[50], keys[99]] {
        assert_eq!(many.get(&key), Ok(dictionary.get(&key)));
    }
}

#[test]
fn a_proof_of_something_else_is_refused() {
    let mut random = fastrand::Rng::with_seed(5);
    let (ours, theirs) = (entries(50, &mut random), entries(50, &mut random));
    let proof = ours.prove(&Touched::Nothing).unwrap();
    let parse = |cell: &Cell| UpdateProof::parse(Some(cell), &ours.hash()).map(|_| ());
    assert_eq!(parse(&proof), Ok(()));
    assert_eq!(parse(&theirs.prove(&Touched::Nothing).unwrap()), Err(ProofError::Hash));
    assert_eq!(parse(ours.root().unwrap()), Err(ProofError::NotAProof));
    assert_eq!(parse(proof.reference_cloned(0).as_ref().unwrap()), Err(ProofError::NotAProof));

    // The library itself refuses to build a proof cell whose hash is not its child's.
    let mut forged = CellBuilder::new();
    forged.set_exotic(true);
    forged.store_u8(3).unwrap();
    forged.store_raw(&ours.hash(), 256).unwrap();
    forged.store_u16(theirs.root().unwrap().repr_depth()).unwrap();
    forged.store_reference(theirs.root().unwrap().clone()).unwrap();
    assert!(forged.build().is_err());
}

#[test]
fn a_dictionary_with_an_entry_in_a_foreign_slot_is_not_read() {
    let mut random = fastrand::Rng::with_seed(6);
    let dictionary = entries(1, &mut random);
    let entry = dictionary.iter().next().unwrap();
    let root = dictionary.root().unwrap();
    // The slot stands in bits 8..40 of a dictionary of one entry.
    let mut bytes = to_boc(root);
    let position =
        bytes.windows(4).position(|four| four == slot(&entry.key).to_be_bytes()).unwrap();
    bytes[position] ^= 1;
    let moved = parse_boc(&bytes).unwrap();
    assert_ne!(hash(&moved), hash(root));
    assert!(Conditionals::from_root(Some(moved)).is_err());
}
