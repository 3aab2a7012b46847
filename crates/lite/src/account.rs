//! An account as a masterchain block proves it.
//!
//! The way down: the masterchain block's hash gives its state; the state's shard table names the latest block of the
//! account's shard; that block's hash gives the shard's state; its dictionary of accounts has the account's hash, or
//! shows that there is none. Each step is checked, so a server can refuse to answer but not lie.

use tycho_types::{
    cell::{Cell, CellBuilder, CellFamily, CellSlice, DynCell, HashBytes, Load},
    dict::dict_get,
    error::Error as CellError,
    models::{self, DepthBalanceInfo, IntAddr, OptionalAccount, StateInit},
};

use crate::{
    bag,
    proof::{Header, ProofError, read, state_of},
    query::{AccountState, BlockId},
};

/// An account of the base workchain in the state after a masterchain block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Seqno of the masterchain block.
    pub block_seqno: u32,
    /// Time of the masterchain block, unix seconds.
    pub gen_utime: u32,
    /// Logical time of the account's last transaction, 0 if it is absent.
    pub lt: u64,
    /// Hash of the account's last transaction, zeros if it is absent.
    pub last_trans_hash: [u8; 32],
    /// Nanotons.
    pub balance: u128,
    pub state: AccountStatus,
}

/// What there is at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// No account.
    Absent,
    /// A balance and no code.
    Uninit,
    /// Code and data were removed because rent was not paid.
    Frozen,
    /// A contract. A missing code or data is an empty cell.
    Active { code_hash: [u8; 32], code: Cell, data: Cell },
}

/// Checks a server's answer to [`Query::AccountState`](crate::Query::AccountState).
///
/// `trusted` is the masterchain block that was asked for. That it is a block of the chain at all is assumed here, not
/// proven. `address` is the account's id in the base workchain.
pub fn verify_account(
    trusted: &BlockId,
    answer: &AccountState,
    address: &[u8; 32],
) -> Result<AccountView, ProofError> {
    if answer.block != *trusted {
        return Err(ProofError::OtherBlock { asked: trusted.seqno, got: answer.block.seqno });
    }
    let (master, state) = state_of(trusted, &answer.shard_proof)?;
    let shard_block = shard_block(&state, address)?;
    if answer.shard_block != shard_block {
        return Err(ProofError::OtherShard);
    }
    let (_, state) = state_of(&shard_block, &answer.proof)?;
    match find_account(&state, address)? {
        Some(known) => present(trusted, &master, &known, &answer.state, address),
        None if answer.state.is_empty() => Ok(AccountView::absent(trusted, &master, 0, [0; 32])),
        None => Err(ProofError::Invented),
    }
}

impl AccountView {
    fn absent(block: &BlockId, master: &Header, lt: u64, last_trans_hash: [u8; 32]) -> Self {
        Self {
            block_seqno: block.seqno,
            gen_utime: master.time,
            lt,
            last_trans_hash,
            balance: 0,
            state: AccountStatus::Absent,
        }
    }
}

/// The latest block of the shard in which `address` lies, from the state of a masterchain block.
///
/// ```text
/// masterchain_state_extra#cc26 shard_hashes:ShardHashes ...
/// _ (HashmapE 32 ^(BinTree ShardDescr)) = ShardHashes;
/// bt_leaf$0 leaf:X = BinTree X;  bt_fork$1 left:^(BinTree X) right:^(BinTree X) = BinTree X;
/// ```
fn shard_block(state: &Cell, address: &[u8; 32]) -> Result<BlockId, ProofError> {
    const WHAT: &str = "shard table";
    const BASE: i32 = 0;
    let extra = read_state(state)?.extra.ok_or(ProofError::Incomplete(WHAT))?;
    let table = read(Some(extra), WHAT, |slice| {
        if slice.load_u16()? != 0xcc26 || !slice.load_bit()? {
            return Err(CellError::InvalidTag);
        }
        slice.load_reference_cloned()
    })?;
    let key = CellBuilder::build_from(BASE).map_err(|_| ProofError::Incomplete(WHAT))?;
    let mut tree = look_up(&table, 32, &key, WHAT)?
        .and_then(|mut slice| slice.load_reference().ok())
        .ok_or(ProofError::Incomplete(WHAT))?;

    let mut bits =
        address.iter().flat_map(|byte| (0..8).rev().map(move |bit| (byte >> bit) & 1 == 1));
    let (mut prefix, mut end) = (0_u64, 1_u64 << 63);
    while read(Some(tree), WHAT, CellSlice::load_bit)? {
        let right = bits.next().ok_or(ProofError::Incomplete(WHAT))?;
        prefix |= if right { end } else { 0 };
        end = Some(end >> 1).filter(|end| *end != 0).ok_or(ProofError::Incomplete(WHAT))?;
        tree = tree.reference(right.into()).ok_or(ProofError::Incomplete(WHAT))?;
    }
    let (seqno, root_hash, file_hash) = read(Some(tree), WHAT, read_shard_description)?;
    Ok(BlockId { workchain: BASE, shard: prefix | end, seqno, root_hash, file_hash })
}

/// ```text
/// bt_leaf$0 leaf:ShardDescr
/// shard_descr#b or shard_descr_new#a seq_no:uint32 reg_mc_seqno:uint32 start_lt:uint64 end_lt:uint64
///   root_hash:bits256 file_hash:bits256 ...
/// ```
fn read_shard_description(
    slice: &mut CellSlice<'_>,
) -> Result<(u32, [u8; 32], [u8; 32]), CellError> {
    slice.skip_first(1, 0)?;
    if !matches!(slice.load_small_uint(4)?, 0xa | 0xb) {
        return Err(CellError::InvalidTag);
    }
    let seqno = slice.load_u32()?;
    slice.skip_first(32 + 64 + 64, 0)?;
    Ok((seqno, slice.load_u256()?.0, slice.load_u256()?.0))
}

/// What the dictionary of accounts says about one of them: `ShardAccount`.
struct Known {
    hash: [u8; 32],
    last_trans_hash: [u8; 32],
    lt: u64,
}

/// ```text
/// _ (HashmapAugE 256 ShardAccount DepthBalanceInfo) = ShardAccounts;
/// account_descr$_ account:^Account last_trans_hash:bits256 last_trans_lt:uint64 = ShardAccount;
/// ```
fn find_account(state: &Cell, address: &[u8; 32]) -> Result<Option<Known>, ProofError> {
    const WHAT: &str = "account";
    let accounts = read_state(state)?.accounts;
    let root = read(accounts, WHAT, |slice| {
        Ok(if slice.load_bit()? { Some(slice.load_reference_cloned()?) } else { None })
    })?;
    let Some(root) = root else { return Ok(None) };
    let key =
        CellBuilder::build_from(HashBytes(*address)).map_err(|_| ProofError::Incomplete(WHAT))?;
    let Some(mut leaf) = look_up(&root, 256, &key, WHAT)? else { return Ok(None) };
    let mut known = || -> Result<Known, CellError> {
        DepthBalanceInfo::load_from(&mut leaf)?;
        let account = leaf.load_reference()?;
        Ok(Known {
            hash: account.hash(0).0,
            last_trans_hash: leaf.load_u256()?.0,
            lt: leaf.load_u64()?,
        })
    };
    known().map(Some).map_err(|_| ProofError::Incomplete(WHAT))
}

/// Finds a key in a dictionary. `None` is as proven as a value: every edge on the way was there to be read.
fn look_up<'a>(
    root: &'a Cell,
    bits: u16,
    key: &Cell,
    what: &'static str,
) -> Result<Option<CellSlice<'a>>, ProofError> {
    let missing = |_| ProofError::Incomplete(what);
    dict_get(Some(root), bits, key.as_slice().map_err(missing)?, Cell::empty_context())
        .map_err(missing)
}

/// The parts of a shard's state that are of use here.
struct State<'a> {
    accounts: Option<&'a DynCell>,
    extra: Option<&'a DynCell>,
}

/// ```text
/// shard_state#9023afe2 global_id:int32 shard_id:ShardIdent seq_no:uint32 vert_seq_no:# gen_utime:uint32
///   gen_lt:uint64 min_ref_mc_seqno:uint32 out_msg_queue_info:^OutMsgQueueInfo before_split:(## 1)
///   accounts:^ShardAccounts ^[ ... ] custom:(Maybe ^McStateExtra) = ShardStateUnsplit;
/// ```
fn read_state(state: &Cell) -> Result<State<'_>, ProofError> {
    let has_extra = read(Some(state.as_ref()), "state", |slice| {
        if slice.load_u32()? != 0x9023_afe2 {
            return Err(CellError::InvalidTag);
        }
        slice.skip_first(32 + 104 + 32 + 32 + 32 + 64 + 32 + 1, 0)?;
        slice.load_bit()
    })?;
    Ok(State { accounts: state.reference(1), extra: state.reference(3).filter(|_| has_extra) })
}

/// The account's own cell, which must have the hash that the dictionary gives.
fn present(
    block: &BlockId,
    master: &Header,
    known: &Known,
    state: &[u8],
    address: &[u8; 32],
) -> Result<AccountView, ProofError> {
    const WHAT: &str = "account state";
    if state.is_empty() {
        return Err(ProofError::Withheld);
    }
    let root = bag::parse(state, 1, 1)?.pop().ok_or(ProofError::Withheld)?;
    // Level 0: nothing in it is pruned.
    if root.level() != 0 || root.repr_hash().0 != known.hash {
        return Err(ProofError::Hash(WHAT));
    }
    let account: OptionalAccount = root.parse().map_err(|_| ProofError::Incomplete(WHAT))?;
    let Some(account) = account.0 else {
        return Ok(AccountView::absent(block, master, known.lt, known.last_trans_hash));
    };
    match &account.address {
        IntAddr::Std(it) if it.workchain == 0 && it.address.0 == *address => {}
        _ => return Err(ProofError::OtherAccount),
    }
    Ok(AccountView {
        block_seqno: block.seqno,
        gen_utime: master.time,
        lt: known.lt,
        last_trans_hash: known.last_trans_hash,
        balance: account.balance.tokens.into_inner(),
        state: match account.state {
            models::AccountState::Uninit => AccountStatus::Uninit,
            models::AccountState::Frozen(_) => AccountStatus::Frozen,
            models::AccountState::Active(init) => active(init),
        },
    })
}

fn active(init: StateInit) -> AccountStatus {
    let code = init.code.unwrap_or_default();
    AccountStatus::Active {
        code_hash: code.repr_hash().0,
        code,
        data: init.data.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use tycho_types::{
        cell::Store,
        models::{CurrencyCollection, ShardDescription, ShardHashes, ShardIdent},
    };

    use super::*;

    fn description(seqno: u32) -> ShardDescription {
        ShardDescription {
            seqno,
            reg_mc_seqno: 0,
            start_lt: 1,
            end_lt: 2,
            root_hash: HashBytes([seqno as u8; 32]),
            file_hash: HashBytes([seqno as u8 + 100; 32]),
            before_split: false,
            before_merge: false,
            want_split: false,
            want_merge: false,
            nx_cc_updated: false,
            next_catchain_seqno: 0,
            next_validator_shard: 0,
            min_ref_mc_seqno: 0,
            gen_utime: 0,
            split_merge_at: None,
            fees_collected: CurrencyCollection::default(),
            funds_created: CurrencyCollection::default(),
        }
    }

    /// A masterchain state with nothing in it but this shard table.
    fn state_with(shards: &ShardHashes) -> Cell {
        let mut extra = CellBuilder::new();
        extra.store_u16(0xcc26).unwrap();
        shards.store_into(&mut extra, Cell::empty_context()).unwrap();
        let mut state = CellBuilder::new();
        state.store_u32(0x9023_afe2).unwrap();
        state.store_zeros(32 + 104 + 32 + 32 + 32 + 64 + 32 + 1).unwrap();
        state.store_bit_one().unwrap();
        for _ in 0..3 {
            state.store_reference(Cell::default()).unwrap();
        }
        state.store_reference(extra.build().unwrap()).unwrap();
        state.build().unwrap()
    }

    #[test]
    fn each_account_is_looked_for_in_the_shard_that_holds_it() {
        // 0 and 10, 110, 111: a table that is split unevenly.
        let shards = [0x4000, 0xa000, 0xd000, 0xf000_u64].map(|prefix| prefix << 48);
        let shards: Vec<_> = (1..)
            .zip(shards)
            .map(|(seqno, prefix)| (ShardIdent::new(0, prefix).unwrap(), description(seqno)))
            .collect();
        let state =
            state_with(&ShardHashes::from_shards(shards.iter().map(|(a, b)| (a, b))).unwrap());
        for first in 0..=255_u8 {
            let mut address = [0xff; 32];
            address[0] = first;
            let block = shard_block(&state, &address).unwrap();
            let (shard, expected) = shards
                .iter()
                .find(|(shard, _)| shard.contains_account(&HashBytes(address)))
                .unwrap();
            assert_eq!((block.workchain, block.shard), (0, shard.prefix()));
            assert_eq!(block.seqno, expected.seqno);
            assert_eq!(
                (block.root_hash, block.file_hash),
                (expected.root_hash.0, expected.file_hash.0)
            );
        }
    }

    #[test]
    fn a_masterchain_that_has_no_shards_has_no_accounts_to_prove() {
        let state = state_with(&ShardHashes::default());
        assert_eq!(shard_block(&state, &[0; 32]), Err(ProofError::Incomplete("shard table")));
    }
}
