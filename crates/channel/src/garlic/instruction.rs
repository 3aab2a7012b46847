//! One order: what the node must have been offered, and what it is to offer the next one.

use alloc::vec::Vec;

use crate::amount::{Deadline, Nano};
use crate::key::PublicKey;
use crate::resolve::Resolve;
use crate::tl::{Reader, TlError, Writer};

/// The order for one node of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Node key of the reader.
    pub target: PublicKey,
    /// Opens the next node's order; absent for the last node.
    pub next_instruction_key: Option<PublicKey>,
    /// What the conditional offered to the reader must say.
    pub expected_fee: Nano,
    pub expected_capacity: Nano,
    pub expected_deadline: Deadline,
    /// To whom the reader is to offer a conditional of its own; the reader itself when it is the receiver.
    pub next_target: PublicKey,
    pub next_fee: Nano,
    pub next_capacity: Nano,
    pub next_deadline: Deadline,
    /// The receiver's money, when the payer pays at once.
    pub final_state: Option<Resolve>,
}

impl Instruction {
    /// The boxed object, without padding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(OPEN_VIRTUAL_INSTRUCTION);
        writer.int256(&self.target.0);
        writer.int256(&self.next_instruction_key.map_or([0; 32], |key| key.0));
        writer.amount(self.expected_fee);
        writer.amount(self.expected_capacity);
        writer.long(i64::from(self.expected_deadline.0));
        writer.int256(&self.next_target.0);
        writer.amount(self.next_fee);
        writer.amount(self.next_capacity);
        writer.long(i64::from(self.next_deadline.0));
        writer.optional_cell(self.final_state.as_ref().map(Resolve::to_cell).as_ref());
        writer.finish()
    }

    /// Reads the boxed object; whatever follows it is padding.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TlError> {
        let mut reader = Reader::new(bytes);
        match reader.id()? {
            OPEN_VIRTUAL_INSTRUCTION => {}
            id => return Err(TlError::Constructor { id, place: "an instruction" }),
        }
        Ok(Self {
            target: reader.key()?,
            next_instruction_key: match reader.key()? {
                key if key.0 == [0; 32] => None,
                // Under such a key everybody could read what comes next, and prove a payment that is not theirs.
                key if key.is_weak() => return Err(TlError::Field("nextInstructionKey")),
                key => Some(key),
            },
            expected_fee: reader.amount("expectedFee")?,
            expected_capacity: reader.amount("expectedCapacity")?,
            expected_deadline: deadline(&mut reader, "expectedDeadline")?,
            next_target: reader.key()?,
            next_fee: reader.amount("nextFee")?,
            next_capacity: reader.amount("nextCapacity")?,
            next_deadline: deadline(&mut reader, "nextDeadline")?,
            final_state: match reader.optional_cell("finalState")? {
                Some(cell) => Some(
                    Resolve::from_cell(&cell)
                        .map_err(|error| TlError::Cell { field: "finalState", error })?,
                ),
                None => None,
            },
        })
    }
}

/// Deadlines take eight bytes on the wire but only 32 bits in the contract.
fn deadline(reader: &mut Reader<'_>, field: &'static str) -> Result<Deadline, TlError> {
    u32::try_from(reader.long()?).map(Deadline).map_err(|_| TlError::Field(field))
}

const OPEN_VIRTUAL_INSTRUCTION: u32 = 0xef48_ea56;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    #[test]
    fn an_order_that_names_a_weak_key_for_the_next_node_is_not_read() {
        let key = SecretKey::from_seed([1; 32]).public();
        let mut order = Instruction {
            target: key,
            next_instruction_key: Some(key),
            expected_fee: Nano(1),
            expected_capacity: Nano(2),
            expected_deadline: Deadline(3),
            next_target: key,
            next_fee: Nano(0),
            next_capacity: Nano(2),
            next_deadline: Deadline(2),
            final_state: None,
        };
        assert_eq!(Instruction::from_bytes(&order.to_bytes()), Ok(order));
        let mut neutral = [0; 32];
        neutral[0] = 1;
        order.next_instruction_key = Some(PublicKey(neutral));
        let refused = Err(TlError::Field("nextInstructionKey"));
        assert_eq!(Instruction::from_bytes(&order.to_bytes()), refused);
    }
}
