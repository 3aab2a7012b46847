//! Bags of cells: one root, no index, no checksum when written; bounded in every direction when read.
//!
//! The order of the cells is breadth first, with a cell moved behind everything that refers to it. It
//! carries no meaning, but other nodes write it so, and equal bytes make equal retries.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use tycho_types::boc::de::{BocHeader, Options};
use tycho_types::cell::{Cell, CellFamily, DynCell};

use super::{CellError, DEPTH_MAX, Hash};

/// The largest bag that is accepted from the wire: the largest answer that the transport carries.
const SIZE_MAX: usize = 263_168;

const MAGIC: [u8; 4] = [0xb5, 0xee, 0x9c, 0x72];

/// Writes a bag with the single root `root`.
pub fn to_boc(root: &Cell) -> Vec<u8> {
    let (cells, positions) = ordered(root.as_ref());
    let reference_size = width(cells.len());

    let mut body = Vec::new();
    for cell in &cells {
        let descriptor = cell.descriptor();
        body.extend([descriptor.d1, descriptor.d2]);
        body.extend(cell.data());
        for child in cell.references() {
            let position = positions.get(&child.repr_hash().0).copied().unwrap_or_default();
            push_number(&mut body, position, reference_size);
        }
    }

    let size_size = width(body.len());
    let mut bag = Vec::with_capacity(body.len().saturating_add(32));
    bag.extend(MAGIC);
    bag.extend([reference_size, size_size]);
    for count in [cells.len(), 1, 0] {
        push_number(&mut bag, count, reference_size);
    }
    push_number(&mut bag, body.len(), size_size);
    push_number(&mut bag, 0, reference_size);
    bag.extend(body);
    bag
}

/// Reads a bag from the wire: one root, at most 1024 levels deep, not one byte more or less.
pub fn parse_boc(bytes: &[u8]) -> Result<Cell, CellError> {
    parse_boc_within(bytes, SIZE_MAX)
}

/// [`parse_boc`] with another limit, for bags that this node wrote itself.
pub fn parse_boc_within(bytes: &[u8], limit: usize) -> Result<Cell, CellError> {
    if bytes.len() > limit {
        return Err(CellError::TooLarge { found: bytes.len(), limit });
    }
    let expected = declared_length(bytes)?;
    if u64::try_from(bytes.len()) != Ok(expected) {
        return Err(CellError::Length { expected, found: bytes.len() });
    }

    let header = BocHeader::decode(bytes, &Options::exact(1))
        .map_err(|_| CellError::Bag("its header does not fit its contents"))?;
    // Before any cell is linked: a tree too deep would be dropped by recursion.
    check_raw_cells(&header)?;
    let root = header.roots().first().copied().unwrap_or_default();
    header
        .finalize(Cell::empty_context())
        .map_err(|_| CellError::Bag("it holds an invalid cell"))?
        .get(root)
        .ok_or(CellError::Bag("it has no root"))
}

/// The cells below `root`, each once and each before its children, and the position of each.
fn ordered(root: &DynCell) -> (Vec<&DynCell>, BTreeMap<Hash, usize>) {
    let mut cells: Vec<&DynCell> = Vec::new();
    let mut numbers: BTreeMap<Hash, usize> = BTreeMap::new();
    let mut level = alloc::vec![root];
    while !level.is_empty() {
        let mut next = Vec::new();
        for cell in level {
            let free = cells.len();
            if *numbers.entry(cell.repr_hash().0).or_insert(free) == free {
                cells.push(cell);
                next.extend(cell.references());
            }
        }
        level = next;
    }

    let mut free = cells.len();
    let mut moved = true;
    while moved {
        moved = false;
        for cell in &cells {
            let own = numbers.get(&cell.repr_hash().0).copied().unwrap_or_default();
            for child in cell.references() {
                if let Some(number) = numbers.get_mut(&child.repr_hash().0)
                    && *number < own
                {
                    *number = free;
                    free = free.saturating_add(1);
                    moved = true;
                }
            }
        }
    }

    cells.sort_by_key(|cell| numbers.get(&cell.repr_hash().0).copied());
    let positions = cells.iter().enumerate().map(|(i, cell)| (cell.repr_hash().0, i)).collect();
    (cells, positions)
}

/// What the header says the whole bag must weigh.
fn declared_length(bytes: &[u8]) -> Result<u64, CellError> {
    let Some((&MAGIC, rest)) = bytes.split_first_chunk() else {
        return Err(CellError::Bag("it does not start with b5ee9c72"));
    };
    let Some((&[flags, offset_size], rest)) = rest.split_first_chunk() else {
        return Err(CellError::Bag("its header is cut short"));
    };
    let reference_size = usize::from(flags & 7);
    let offset_size = usize::from(offset_size);
    let (indexed, checksummed) = (flags & 0x80 != 0, flags & 0x40 != 0);
    if flags & 0x18 != 0 || !(1..=4).contains(&reference_size) || !(1..=8).contains(&offset_size) {
        return Err(CellError::Bag("its flags are unknown"));
    }

    let mut rest = rest;
    let mut number = |size: usize| -> Result<u64, CellError> {
        let (head, tail) =
            rest.split_at_checked(size).ok_or(CellError::Bag("its header is cut short"))?;
        rest = tail;
        Ok(head.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
    };
    let cells = number(reference_size)?;
    let roots = number(reference_size)?;
    let _absent = number(reference_size)?;
    let contents = number(offset_size)?;

    let reference_size = u64::from(flags & 7);
    let offset_size = u64::try_from(offset_size).unwrap_or(8);
    Ok(reference_size
        .saturating_mul(roots.saturating_add(3))
        .saturating_add(6)
        .saturating_add(offset_size)
        .saturating_add(if indexed { cells.saturating_mul(offset_size) } else { 0 })
        .saturating_add(contents)
        .saturating_add(if checksummed { 4 } else { 0 }))
}

/// Refuses trees that are too deep, and level masks with gaps, whose upper hashes the cell library
/// gets wrong.
fn check_raw_cells(header: &BocHeader<'_>) -> Result<(), CellError> {
    const BROKEN: CellError = CellError::Bag("it holds an invalid cell");
    let reference_size = header.ref_size();
    let mut depths = alloc::vec![0_u32; header.cells().len()];
    for (index, raw) in header.cells().iter().enumerate().rev() {
        let [d1, d2, ..] = raw else { return Err(BROKEN) };
        let mask = d1 >> 5;
        if !matches!(mask, 0 | 1 | 3 | 7) {
            return Err(CellError::Bag("it holds a level mask with gaps"));
        }
        if d1 & 0x10 != 0 {
            return Err(CellError::Bag("it holds stored hashes"));
        }
        let data = usize::from(d2 >> 1).saturating_add(usize::from(d2 & 1)).saturating_add(2);
        let references = raw.get(data..).ok_or(BROKEN)?;
        let mut depth = 0;
        for reference in references.chunks_exact(reference_size) {
            let child = reference.iter().fold(0, |value, byte| (value << 8) | usize::from(*byte));
            if child <= index {
                return Err(CellError::Bag("a cell refers backwards"));
            }
            let below = depths.get(child).copied().ok_or(BROKEN)?;
            depth = depth.max(below.saturating_add(1));
        }
        if depth > DEPTH_MAX {
            return Err(CellError::TooDeep(depth));
        }
        *depths.get_mut(index).ok_or(BROKEN)? = depth;
    }
    Ok(())
}

/// How many bytes hold `number`, at least one.
fn width(number: usize) -> u8 {
    let bits = usize::BITS.saturating_sub(number.leading_zeros());
    u8::try_from(bits.div_ceil(8)).unwrap_or(8).max(1)
}

fn push_number(to: &mut Vec<u8>, number: usize, size: u8) {
    let bytes = number.to_be_bytes();
    to.extend(bytes.iter().skip(bytes.len().saturating_sub(usize::from(size))));
}

#[cfg(test)]
mod tests {
    use tycho_types::cell::CellBuilder;

    use super::*;

    fn chain(depth: usize) -> Cell {
        let mut cell = Cell::default();
        for _ in 0..depth {
            let mut builder = CellBuilder::new();
            builder.store_reference(cell).unwrap();
            cell = builder.build().unwrap();
        }
        cell
    }

    /// A bag of `cells` cells, each referring to the next.
    fn deep_bag(cells: usize) -> Vec<u8> {
        let mut body = Vec::new();
        for index in 1..cells {
            body.extend([1, 0]);
            push_number(&mut body, index, 3);
        }
        body.extend([0, 0]);
        let mut bag = MAGIC.to_vec();
        bag.extend([3, 3]);
        for number in [cells, 1, 0, body.len(), 0] {
            push_number(&mut bag, number, 3);
        }
        bag.extend(body);
        bag
    }

    #[test]
    fn a_tree_as_deep_as_the_machine_allows_survives_and_a_deeper_one_is_refused() {
        let cell = chain(1024);
        assert_eq!(parse_boc(&to_boc(&cell)), Ok(cell));
        assert_eq!(parse_boc(&deep_bag(1026)), Err(CellError::TooDeep(1025)));
        assert!(parse_boc(&deep_bag(50_000)).is_err());
    }

    #[test]
    fn bytes_after_or_missing_from_a_bag_are_refused() {
        let mut bytes = to_boc(&chain(3));
        bytes.push(0);
        assert!(matches!(parse_boc(&bytes), Err(CellError::Length { .. })));
        bytes.truncate(bytes.len() - 2);
        assert!(matches!(parse_boc(&bytes), Err(CellError::Length { .. })));
    }

    #[test]
    fn a_tree_that_shares_all_its_cells_is_written_once() {
        let mut cell = Cell::default();
        for _ in 0..60 {
            let mut builder = CellBuilder::new();
            for _ in 0..4 {
                builder.store_reference(cell.clone()).unwrap();
            }
            cell = builder.build().unwrap();
        }
        let bytes = to_boc(&cell);
        assert!(bytes.len() < 500);
        assert_eq!(parse_boc(&bytes), Ok(cell));
    }
}
