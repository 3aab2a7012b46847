//! Bags of cells from a liteserver, bounded before they are believed.
//!
//! The cell library reads a bag's cells safely, but trusts its header for how much memory to ask for, and drops deep
//! trees by recursion. So the header is held against the bytes that are there, and depth is counted, before any cell
//! is made. Layout: `serialized_boc` in TON's `boc.tlb`.

use alloc::{vec, vec::Vec};

use tycho_types::{
    boc::de::{BocHeader, Options},
    cell::{Cell, CellFamily},
};

use crate::ProofError;

const MAGIC: [u8; 4] = [0xb5, 0xee, 0x9c, 0x72];
/// TON's own limit for the depth of a tree of cells.
const DEPTH_MAX: u32 = 1024;

/// The roots of a bag, between `least` and `most` of them.
pub(crate) fn parse(bytes: &[u8], least: usize, most: usize) -> Result<Vec<Cell>, ProofError> {
    if declared_length(bytes).is_none_or(|length| u64::try_from(bytes.len()) != Ok(length)) {
        return Err(ProofError::Bag("its header does not fit its length"));
    }
    let options = Options { min_roots: Some(least), max_roots: Some(most) };
    let header = BocHeader::decode(bytes, &options)
        .map_err(|_| ProofError::Bag("its header does not fit its contents"))?;
    if depth(&header).is_none_or(|depth| depth > DEPTH_MAX) {
        return Err(ProofError::Bag("its cells are out of order or too deep"));
    }
    let cells = header
        .finalize(Cell::empty_context())
        .map_err(|_| ProofError::Bag("it holds an invalid cell"))?;
    let roots = header.roots().iter().map(|root| cells.get(*root));
    roots.collect::<Option<_>>().ok_or(ProofError::Bag("a root is missing"))
}

/// How long the whole bag is, going by its header.
fn declared_length(bytes: &[u8]) -> Option<u64> {
    let (_, rest) = bytes.split_first_chunk().filter(|(magic, _)| **magic == MAGIC)?;
    let (&[flags, offset_size], mut rest) = rest.split_first_chunk()?;
    let reference_size = flags & 7;
    if flags & 0x18 != 0 || !(1..=4).contains(&reference_size) || !(1..=8).contains(&offset_size) {
        return None;
    }
    let mut number = |size: u8| {
        let (head, tail) = rest.split_at_checked(size.into())?;
        rest = tail;
        Some(head.iter().fold(0, |value: u64, byte| (value << 8) | u64::from(*byte)))
    };
    let (cells, roots, _absent) =
        (number(reference_size)?, number(reference_size)?, number(reference_size)?);
    let contents = number(offset_size)?;

    let index = if flags & 0x80 != 0 { cells.checked_mul(offset_size.into())? } else { 0 };
    let checksum = if flags & 0x40 != 0 { 4 } else { 0 };
    // Every cell has two bytes at least, so this also bounds how many there can be.
    if contents / 2 < cells {
        return None;
    }
    u64::from(reference_size)
        .checked_mul(roots.checked_add(3)?)?
        .checked_add(u64::from(offset_size))?
        .checked_add(6)?
        .checked_add(index)?
        .checked_add(contents)?
        .checked_add(checksum)
}

/// The depth of the deepest tree. `None` if a cell refers to itself or backwards, or carries its own hashes.
fn depth(header: &BocHeader<'_>) -> Option<u32> {
    let mut depths = vec![0_u32; header.cells().len()];
    for (index, raw) in header.cells().iter().enumerate().rev() {
        let [d1, d2, ..] = raw else { return None };
        if d1 & 0x10 != 0 {
            return None;
        }
        let data = usize::from(d2 >> 1).checked_add(usize::from(d2 & 1))?.checked_add(2)?;
        let mut depth = 0;
        for reference in raw.get(data..)?.chunks_exact(header.ref_size()) {
            let child =
                reference.iter().fold(0, |value: usize, byte| (value << 8) | usize::from(*byte));
            if child <= index {
                return None;
            }
            depth = depth.max(depths.get(child)?.checked_add(1)?);
        }
        *depths.get_mut(index)? = depth;
    }
    depths.into_iter().max()
}

#[cfg(test)]
mod tests {
    use tycho_types::{
        boc::Boc,
        cell::{CellBuilder, HashBytes},
    };

    use super::*;

    fn some_tree() -> Cell {
        let mut cell = Cell::default();
        for n in 0..20_u32 {
            let mut builder = CellBuilder::new();
            builder.store_u32(n).unwrap();
            builder.store_u256(&HashBytes([n as u8; 32])).unwrap();
            builder.store_reference(cell.clone()).unwrap();
            builder.store_reference(cell).unwrap();
            cell = builder.build().unwrap();
        }
        cell
    }

    #[test]
    fn one_and_two_roots_are_read_back() {
        let tree = some_tree();
        assert_eq!(parse(&Boc::encode(&tree), 1, 1), Ok(vec![tree.clone()]));
        let pair = Boc::encode_pair((&tree, &Cell::default()));
        assert_eq!(parse(&pair, 2, 2), Ok(vec![tree, Cell::default()]));
        assert!(parse(&pair, 1, 1).is_err());
        assert!(parse(&[pair, vec![0]].concat(), 2, 2).is_err());
    }

    #[test]
    fn a_header_that_announces_more_than_there_is_is_refused_before_memory_is_asked_for() {
        // 2^29 + 1 cells of 8 bytes of index each: on 32 bits both products wrap to small numbers.
        let mut bytes = MAGIC.to_vec();
        bytes.extend([0x84, 8]);
        bytes.extend(0x2000_0001_u32.to_be_bytes());
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 0]);
        bytes.extend(0x1_8000_0000_u64.to_be_bytes());
        bytes.extend([0; 64]);
        assert!(parse(&bytes, 1, 1).is_err());
    }

    #[test]
    fn trees_deeper_than_the_limit_are_refused() {
        let bag = |cells: u16| {
            let mut body = vec![];
            for next in 1..cells {
                body.extend([1, 0]);
                body.extend(next.to_be_bytes());
            }
            body.extend([0, 0]);
            let mut bag = MAGIC.to_vec();
            bag.extend([2, 4]);
            bag.extend(cells.to_be_bytes());
            bag.extend([0, 1, 0, 0]);
            bag.extend((body.len() as u32).to_be_bytes());
            bag.extend([0, 0]);
            bag.extend(body);
            bag
        };
        assert!(parse(&bag(1025), 1, 1).is_ok());
        assert!(parse(&bag(1026), 1, 1).is_err());
        assert!(parse(&bag(u16::MAX), 1, 1).is_err());
    }

    #[test]
    fn mutated_bags_never_panic() {
        let bytes = Boc::encode(some_tree());
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..20_000 {
            let mut changed = bytes.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..changed.len());
                changed[at] = random.u8(..);
            }
            if random.u8(..4) == 0 {
                changed.truncate(random.usize(..changed.len()));
            }
            let _ = parse(&changed, 1, 4);
        }
    }
}
