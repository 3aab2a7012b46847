//! Encrypted orders along a route: every node reads its own and no other.
//!
//! The payer writes one order per node, pads all to one length, mixes them with stubs and signs the list
//! with the virtual key. The key that opens the next order stands inside the one before, so the orders
//! can only be followed in their sequence. The length of the list and of its items does not depend on
//! the length of the route.

mod instruction;

pub use instruction::Instruction;

use alloc::vec::Vec;

use crate::amount::{Deadline, Nano};
use crate::key::{PublicKey, SecretKey, apply_shared_cipher, sha256};
use crate::resolve::Resolve;
use crate::tl::{INSTRUCTIONS_MAX, InstructionContainer, OpenVirtual, TlError};

/// One channel of the route: who receives on it, how much, for which fee and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Node key of the receiving end.
    pub target: PublicKey,
    pub capacity: Nano,
    /// All fees still to be paid from here on; normally zero on the last hop.
    pub fee: Nano,
    pub deadline: Deadline,
}

/// Builds the action that the payer proposes on the first channel of the route.
///
/// `instruction_keys` holds one key per hop, each used here and never again; the receiver of a hop and
/// the node before it learn the public part. `stubs` is the least length of the list: orders and stubs
/// together fill it, and callers that always give the same number show nobody how long their routes are.
/// With `final_state` the last order carries a resolve over the whole capacity, so that the receiver is
/// paid at once. `random` fills a slice with random bytes.
pub fn build(
    virtual_key: &SecretKey,
    hops: &[Hop],
    instruction_keys: &[SecretKey],
    stubs: usize,
    final_state: bool,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<OpenVirtual, GarlicError> {
    let longest = hops.len().max(stubs);
    if hops.is_empty() || longest > INSTRUCTIONS_MAX {
        return Err(GarlicError::Length { hops: hops.len(), stubs });
    }
    if instruction_keys.len() != hops.len() {
        return Err(GarlicError::Keys { hops: hops.len(), keys: instruction_keys.len() });
    }

    let mut instructions = Vec::with_capacity(longest);
    for (index, (hop, key)) in hops.iter().zip(instruction_keys).enumerate() {
        let below = index.saturating_add(1);
        // The last order names its own node as the next one: that is how a node knows it is the receiver.
        let next = hops.get(below).unwrap_or(hop);
        let is_last = below == hops.len();
        let instruction = Instruction {
            target: hop.target,
            next_instruction_key: instruction_keys.get(below).map(SecretKey::public),
            expected_fee: hop.fee,
            expected_capacity: hop.capacity,
            expected_deadline: hop.deadline,
            next_target: next.target,
            next_fee: next.fee,
            next_capacity: next.capacity,
            next_deadline: next.deadline,
            final_state: (is_last && final_state).then(|| Resolve::sign(hop.capacity, virtual_key)),
        };
        instructions.push(encrypt(&instruction, key, &hop.target, random)?);
    }
    // To everybody but its reader an order is a hash and ciphertext: random bytes look the same.
    while instructions.len() < longest {
        let mut stub = InstructionContainer { hash: [0; 32], data: alloc::vec![0; PLAINTEXT_SIZE] };
        random(&mut stub.hash);
        random(&mut stub.data);
        instructions.push(stub);
    }
    shuffle(&mut instructions, random);

    let mut action = OpenVirtual {
        channel_key: virtual_key.public(),
        instruction_key: instruction_keys
            .first()
            .map(SecretKey::public)
            .unwrap_or(PublicKey([0; 32])),
        instructions,
        signature: crate::key::Signature::ZERO,
    };
    action.signature = virtual_key.sign(&action.signed_bytes());
    Ok(action)
}

/// Finds and reads the order for the node of `node_key`.
///
/// The order says what the conditional must look like; comparing the two is the caller's part.
pub fn open(action: &OpenVirtual, node_key: &SecretKey) -> Result<Instruction, GarlicError> {
    if action.instructions.len() > INSTRUCTIONS_MAX {
        return Err(GarlicError::Length { hops: action.instructions.len(), stubs: 0 });
    }
    if !action.channel_key.verify(&action.signed_bytes(), &action.signature) {
        return Err(GarlicError::Signature);
    }
    let shared = node_key.shared(&action.instruction_key).ok_or(GarlicError::InstructionKey)?;
    for container in &action.instructions {
        let mut plaintext = container.data.clone();
        apply_shared_cipher(&shared, &container.hash, &mut plaintext);
        if sha256(&[&plaintext]) == container.hash {
            return Instruction::from_bytes(&plaintext).map_err(GarlicError::Instruction);
        }
    }
    Err(GarlicError::NotFound)
}

/// The action as a relay passes it on: the same list, opened with the next key.
pub fn forward(action: &OpenVirtual, next_instruction_key: PublicKey) -> OpenVirtual {
    OpenVirtual { instruction_key: next_instruction_key, ..action.clone() }
}

/// Why orders cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GarlicError {
    #[error(
        "a list for {hops} hops and at least {stubs} entries is not possible: one to {INSTRUCTIONS_MAX} are"
    )]
    Length { hops: usize, stubs: usize },
    #[error("{hops} hops need as many instruction keys, {keys} were given")]
    Keys { hops: usize, keys: usize },
    #[error("node key {0} cannot receive encrypted orders")]
    Target(PublicKey),
    #[error("order of {0} bytes is longer than the common length")]
    TooLong(usize),
    #[error("incorrect signature")]
    Signature,
    #[error("instruction key cannot be used for key agreement")]
    InstructionKey,
    #[error("not found")]
    NotFound,
    #[error("instruction is malformed: {0}")]
    Instruction(TlError),
}

fn encrypt(
    instruction: &Instruction,
    key: &SecretKey,
    target: &PublicKey,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<InstructionContainer, GarlicError> {
    let shared = key.shared(target).ok_or(GarlicError::Target(*target))?;
    let mut data = instruction.to_bytes();
    let length = data.len();
    // Random bytes at the end also keep the hash from confirming a guessed order.
    if length.saturating_add(PADDING_MIN) > PLAINTEXT_SIZE {
        return Err(GarlicError::TooLong(length));
    }
    data.resize(PLAINTEXT_SIZE, 0);
    if let Some(padding) = data.get_mut(length..) {
        random(padding);
    }
    let hash = sha256(&[&data]);
    apply_shared_cipher(&shared, &hash, &mut data);
    Ok(InstructionContainer { hash, data })
}

/// Puts the list into a random order.
fn shuffle(list: &mut [InstructionContainer], random: &mut dyn FnMut(&mut [u8])) {
    for end in (1..list.len()).rev() {
        let mut bytes = [0; 8];
        random(&mut bytes);
        // The bias of one part in 2^58 tells nobody anything.
        let choices = u64::try_from(end).unwrap_or(u64::MAX).saturating_add(1);
        let chosen = u64::from_le_bytes(bytes).checked_rem(choices).unwrap_or_default();
        list.swap(end, usize::try_from(chosen).unwrap_or(end));
    }
}

/// Every order is padded to this many bytes: the longest possible one takes 276.
const PLAINTEXT_SIZE: usize = 320;

const PADDING_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn counter() -> impl FnMut(&mut [u8]) {
        let mut state: u64 = 1;
        move |bytes| {
            for byte in bytes {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (state >> 56) as u8;
            }
        }
    }

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed([seed; 32])
    }

    fn route(length: u8) -> (Vec<Hop>, Vec<SecretKey>) {
        let hops = (0..length)
            .map(|i| Hop {
                target: key(10 + i).public(),
                capacity: Nano(1_000_000_000),
                fee: Nano(u128::from(length - i - 1) * 7),
                deadline: Deadline(1_700_000_000 - u32::from(i) * 1000),
            })
            .collect();
        (hops, (0..length).map(|i| key(100 + i)).collect())
    }

    #[test]
    fn each_node_along_a_route_reads_its_own_order_and_the_last_one_its_money() {
        let (hops, keys) = route(3);
        let mut action = build(&key(3), &hops, &keys, 8, true, &mut counter()).unwrap();
        for (i, hop) in hops.iter().enumerate() {
            let node = key(10 + i as u8);
            let order = open(&action, &node).unwrap();
            assert_eq!((order.expected_capacity, order.expected_fee), (hop.capacity, hop.fee));
            assert_eq!(order.expected_deadline, hop.deadline);
            assert_eq!(open(&action, &key(99)), Err(GarlicError::NotFound));
            match order.next_instruction_key {
                Some(next) => {
                    assert_eq!(order.next_target, hops[i + 1].target);
                    assert_eq!(order.final_state, None);
                    action = forward(&action, next);
                }
                None => {
                    assert_eq!((i, order.next_target), (2, hop.target));
                    assert!(order.final_state.unwrap().verify(&key(3).public()));
                }
            }
        }
    }

    #[test]
    fn nobody_can_tell_the_length_of_a_route_from_its_orders() {
        let shape = |length| {
            let (hops, keys) = route(length);
            let action = build(&key(3), &hops, &keys, 8, length == 2, &mut counter()).unwrap();
            action.instructions.iter().map(|order| order.data.len()).collect::<Vec<_>>()
        };
        assert_eq!(shape(1), shape(2));
        assert_eq!(shape(1), shape(8));
    }

    #[test]
    fn a_changed_list_is_refused() {
        let (hops, keys) = route(2);
        let action = build(&key(3), &hops, &keys, 5, true, &mut counter()).unwrap();
        let mut cut = action.clone();
        cut.instructions.pop();
        assert_eq!(open(&cut, &key(10)), Err(GarlicError::Signature));
        let mut other = action;
        other.channel_key = key(4).public();
        assert_eq!(open(&other, &key(10)), Err(GarlicError::Signature));
    }

    #[test]
    fn the_longest_order_fits_into_the_common_length() {
        let (_, keys) = route(1);
        let hop = Hop {
            target: key(10).public(),
            capacity: Nano::MAX,
            fee: Nano::MAX,
            deadline: Deadline(u32::MAX),
        };
        assert!(build(&key(3), &[hop], &keys, 1, true, &mut counter()).is_ok());
    }

    #[test]
    fn impossible_routes_are_refused() {
        let (hops, keys) = route(2);
        let mut random = counter();
        assert!(build(&key(3), &[], &[], 5, false, &mut random).is_err());
        assert!(build(&key(3), &hops, &keys[..1], 5, false, &mut random).is_err());
        assert!(build(&key(3), &hops, &keys, 33, false, &mut random).is_err());
        let nobody = Hop { target: PublicKey([0; 32]), ..hops[0] };
        assert!(build(&key(3), &[nobody], &keys[..1], 5, false, &mut random).is_err());
    }
}
