//! Reading a dictionary cell by cell: labels, forks and leaves.
//!
//! This is the only reader of dictionaries here, for our own and for the pruned ones that a peer sends.
//! It trusts nothing: a cell that is cut away, or is not an edge at all, ends the walk with an error.

use alloc::vec::Vec;

use tycho_types::cell::{CellSlice, DynCell};

use crate::conditional::Conditional;

use super::KEY_BITS;

/// The dictionary does not hold what a dictionary of conditionals must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("the path to the entry is pruned")]
    Pruned,
    #[error("the dictionary has a malformed edge")]
    Edge,
    #[error("the dictionary holds something that is not a conditional: {0}")]
    Value(#[from] crate::conditional::ConditionalError),
    #[error("the dictionary holds a conditional in a slot that is not its own")]
    Slot,
}

/// One edge of the dictionary: its label, and what follows it.
pub(crate) struct Edge<'a> {
    /// The label's bits, rightmost bit last.
    label: u32,
    label_bits: u16,
    /// Key bits left after the label; zero at a leaf.
    pub(crate) remaining: u16,
    rest: CellSlice<'a>,
}

/// What a key meets at an edge.
pub(crate) enum Meets<'a> {
    /// The label is another: the key is not in the dictionary.
    Nothing,
    Leaf(CellSlice<'a>),
    /// A fork; the key goes on in the child of this number.
    Fork(u8),
}

impl<'a> Edge<'a> {
    /// Reads the edge that `cell` starts with, `remaining` key bits above the leaves.
    pub(crate) fn read(cell: &'a DynCell, remaining: u16) -> Result<Self, Broken> {
        if cell.is_exotic() {
            return Err(Broken::Pruned);
        }
        let mut rest = cell.as_slice().map_err(|_| Broken::Edge)?;
        let (label, label_bits) = read_label(&mut rest, remaining).ok_or(Broken::Edge)?;
        let remaining = remaining.checked_sub(label_bits).ok_or(Broken::Edge)?;
        // A fork is its label and two children; TON's dictionaries have nothing else there.
        if remaining > 0 && (rest.size_bits() > 0 || rest.size_refs() != 2) {
            return Err(Broken::Edge);
        }
        Ok(Self { label, label_bits, remaining, rest })
    }

    pub(crate) fn meet(&self, slot: u32) -> Meets<'a> {
        // Of the key's 32 bits, those above this edge are dropped and those below it shifted out.
        let shift = u32::from(self.remaining);
        let mask = low_mask(self.label_bits);
        if slot.checked_shr(shift).unwrap_or_default() & mask != self.label {
            return Meets::Nothing;
        }
        match self.remaining.checked_sub(1) {
            None => Meets::Leaf(self.rest),
            Some(below) => Meets::Fork(u8::from(
                slot.checked_shr(u32::from(below)).unwrap_or_default() & 1 == 1,
            )),
        }
    }
}

/// The conditional in `slot`, read from the dictionary under `root`.
pub(crate) fn find(root: &DynCell, slot: u32) -> Result<Option<Conditional>, Broken> {
    let mut cell = root;
    let mut remaining = KEY_BITS;
    loop {
        let edge = Edge::read(cell, remaining)?;
        match edge.meet(slot) {
            Meets::Nothing => return Ok(None),
            Meets::Leaf(value) => return read_value(value, slot).map(Some),
            Meets::Fork(branch) => {
                cell = cell.reference(branch).ok_or(Broken::Edge)?;
                remaining = edge.remaining.saturating_sub(1);
            }
        }
    }
}

/// All entries from the lowest slot to the highest. Ends after the first error.
pub(crate) struct Entries<'a> {
    /// Cells still to be read, with the key bits above each and how many are left below.
    pending: Vec<(&'a DynCell, u32, u16)>,
}

impl<'a> Entries<'a> {
    pub(crate) fn new(root: Option<&'a DynCell>) -> Self {
        Self { pending: root.map(|root| (root, 0, KEY_BITS)).into_iter().collect() }
    }

    fn step(
        &mut self,
        cell: &'a DynCell,
        prefix: u32,
        remaining: u16,
    ) -> Result<Option<Conditional>, Broken> {
        let edge = Edge::read(cell, remaining)?;
        let prefix = shifted(prefix, edge.label_bits) | edge.label;
        let Some(below) = edge.remaining.checked_sub(1) else {
            return read_value(edge.rest, prefix).map(Some);
        };
        for branch in [1_u8, 0] {
            let child = cell.reference(branch).ok_or(Broken::Edge)?;
            self.pending.push((child, shifted(prefix, 1) | u32::from(branch), below));
        }
        Ok(None)
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Conditional, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((cell, prefix, remaining)) = self.pending.pop() {
            match self.step(cell, prefix, remaining) {
                Ok(None) => {}
                Ok(Some(entry)) => return Some(Ok(entry)),
                Err(broken) => {
                    self.pending.clear();
                    return Some(Err(broken));
                }
            }
        }
        None
    }
}

fn read_value(value: CellSlice<'_>, slot: u32) -> Result<Conditional, Broken> {
    let conditional = Conditional::from_slice(value)?;
    if conditional.slot() != slot {
        return Err(Broken::Slot);
    }
    Ok(conditional)
}

/// Reads `hml_short`, `hml_long` or `hml_same`, at most `remaining` bits of label.
fn read_label(slice: &mut CellSlice<'_>, remaining: u16) -> Option<(u32, u16)> {
    let length_bits = u16::try_from(u16::BITS.saturating_sub(remaining.leading_zeros())).ok()?;
    let (bits, same) = match (slice.load_bit().ok()?, ()) {
        (false, ()) => {
            let mut length: u16 = 0;
            while slice.load_bit().ok()? {
                length = length.checked_add(1)?;
            }
            (length, None)
        }
        (true, ()) => match slice.load_bit().ok()? {
            false => (u16::try_from(slice.load_uint(length_bits).ok()?).ok()?, None),
            true => {
                let bit = slice.load_bit().ok()?;
                (u16::try_from(slice.load_uint(length_bits).ok()?).ok()?, Some(bit))
            }
        },
    };
    if bits > remaining {
        return None;
    }
    let label = match same {
        Some(false) => 0,
        Some(true) => low_mask(bits),
        None if bits == 0 => 0,
        None => u32::try_from(slice.load_uint(bits).ok()?).ok()?,
    };
    Some((label, bits))
}

/// The lowest `bits` bits set.
fn low_mask(bits: u16) -> u32 {
    u32::MAX.checked_shr(32_u32.saturating_sub(u32::from(bits))).unwrap_or_default()
}

fn shifted(prefix: u32, bits: u16) -> u32 {
    prefix.checked_shl(u32::from(bits)).unwrap_or_default()
}
