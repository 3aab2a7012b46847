//! A liteserver client that believes nothing: every answer is checked down to the validator's
//! signature, with nothing but the cell library.

use adnl::tl::{Reader, Writer};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};
use tycho_types::boc::de::{BocHeader, Options};
use tycho_types::merkle::MerkleProof;
use tycho_types::models::{
    Account, Block, BlockId, BlockInfo, BlockSignature, DepthBalanceInfo, McBlockExtra,
    OptionalAccount, ShardIdent, ShardStateUnsplit,
};
use tycho_types::prelude::*;

pub const ERROR: u32 = 0xbba9_e148;

/// The code of `liteServer.error`, if the answer is that.
pub fn error_code(answer: &[u8]) -> Option<u32> {
    let mut reader = Reader::new(answer);
    reader.expect(ERROR).ok()?;
    reader.int().ok()
}

/// Code and text of an answer that must be `liteServer.error`.
pub fn refusal(answer: &[u8]) -> (i32, String) {
    let mut reader = Reader::new(answer);
    reader.expect(ERROR).unwrap();
    let code = reader.int().unwrap().cast_signed();
    (code, String::from_utf8(reader.bytes().unwrap().to_vec()).unwrap())
}

pub fn read_block(reader: &mut Reader<'_>) -> BlockId {
    let workchain = reader.int().unwrap().cast_signed();
    let shard = ShardIdent::new(workchain, reader.long().unwrap()).unwrap();
    BlockId {
        shard,
        seqno: reader.int().unwrap(),
        root_hash: HashBytes(reader.int256().unwrap()),
        file_hash: HashBytes(reader.int256().unwrap()),
    }
}

pub fn write_block(writer: Writer, id: &BlockId) -> Writer {
    writer
        .int(id.shard.workchain().cast_unsigned())
        .long(id.shard.prefix())
        .int(id.seqno)
        .int256(&id.root_hash.0)
        .int256(&id.file_hash.0)
}

/// liteServer.getMasterchainInfo: the last block and the zerostate's root hash.
pub fn masterchain_info(answer: &[u8]) -> (BlockId, HashBytes) {
    let mut reader = Reader::new(answer);
    reader.expect(0x8583_2881).unwrap();
    let last = read_block(&mut reader);
    reader.int256().unwrap();
    reader.int().unwrap();
    let zero = HashBytes(reader.int256().unwrap());
    (last, zero)
}

pub fn get_account_state(id: &BlockId, address: &[u8; 32]) -> Vec<u8> {
    write_block(Writer::boxed(0x6b89_0e25), id).int(0).int256(address).finish()
}

/// Opens a Merkle proof and returns the pruned tree, whose hash must be `hash`.
fn open(proof: &Cell, hash: &HashBytes) -> Cell {
    let proof = proof.parse_exotic::<MerkleProof>().unwrap();
    assert_eq!(proof.cell.as_ref().hash(0), hash, "the proof is of something else");
    Cell::virtualize(proof.cell)
}

/// The state hash in a header proof of `id`.
pub fn state_hash(header: &Cell, id: &BlockId) -> HashBytes {
    let root = open(header, &id.root_hash);
    // The child is a Merkle update cell; its new hash is the second of the two it stores.
    let update = root.reference_cloned(2).unwrap();
    let mut slice = update.as_slice_allow_exotic();
    slice.skip_first(8 + 256, 0).unwrap();
    slice.load_u256().unwrap()
}

/// All roots of a BoC.
pub fn roots(boc: &[u8]) -> Vec<Cell> {
    let options = Options { min_roots: None, max_roots: Some(256) };
    let header = BocHeader::decode(boc, &options).unwrap();
    let cells = header.finalize(Cell::empty_context()).unwrap();
    header.roots().iter().map(|root| cells.get(*root).unwrap()).collect()
}

/// Checks an account state against a masterchain block; `None` for a proven absence.
pub fn verify_account(answer: &[u8], id: &BlockId, address: &[u8; 32]) -> Option<Account> {
    let mut reader = Reader::new(answer);
    reader.expect(0x7079_c751).unwrap();
    assert_eq!(read_block(&mut reader), *id);
    let shard = read_block(&mut reader);
    let shard_proof = roots(reader.bytes().unwrap());
    let proof = roots(reader.bytes().unwrap());
    let state = reader.bytes().unwrap().to_vec();
    reader.finish().unwrap();

    // The masterchain state names the shard block.
    let master_state = open(&shard_proof[1], &state_hash(&shard_proof[0], id));
    let extra = master_state.parse::<ShardStateUnsplit>().unwrap().load_custom().unwrap().unwrap();
    let named = extra.shards.latest_blocks().next().unwrap().unwrap();
    assert_eq!(named, shard);
    // The shard block names its state, and the state the account.
    let shard_state = open(&proof[1], &state_hash(&proof[0], &shard));
    let accounts = shard_state.parse::<ShardStateUnsplit>().unwrap().load_accounts().unwrap();
    // The account itself is pruned, so its entry is read by hand: balance, then a reference.
    let Some(mut entry) = accounts.dict().get_raw(HashBytes(*address)).unwrap() else {
        assert!(state.is_empty());
        return None;
    };
    DepthBalanceInfo::load_from(&mut entry).unwrap();
    let state = Boc::decode(&state).unwrap();
    assert_eq!(entry.load_reference().unwrap().hash(0), state.repr_hash());
    state.parse::<OptionalAccount>().unwrap().0
}

/// Checks a one-step forward proof from a key block to `target`.
pub fn verify_forward_link(answer: &[u8], from: &BlockId, target: &BlockId) {
    let mut reader = Reader::new(answer);
    reader.expect(0x8ed0_d2c1).unwrap();
    assert!(reader.boolean().unwrap());
    assert_eq!((read_block(&mut reader), read_block(&mut reader)), (*from, *target));
    assert_eq!(reader.int().unwrap(), 1, "one step");
    reader.expect(0x520f_ce1c).unwrap();
    assert!(!reader.boolean().unwrap());
    assert_eq!((read_block(&mut reader), read_block(&mut reader)), (*from, *target));
    let header = roots(reader.bytes().unwrap());
    let config = roots(reader.bytes().unwrap());
    reader.expect(0xf644_a6e6).unwrap();
    let set_hash = reader.int().unwrap();
    let catchain_seqno = reader.int().unwrap();
    assert_eq!(reader.int().unwrap(), 1);
    let node = reader.int256().unwrap();
    let signature: [u8; 64] = reader.bytes().unwrap().try_into().unwrap();
    reader.finish().unwrap();

    // Other parts of both blocks are pruned: go straight to info, and to the masterchain extra.
    let header = open(&header[0], &target.root_hash);
    let info = header.reference_cloned(0).unwrap().parse::<BlockInfo>().unwrap();
    assert_eq!(info.seqno, target.seqno);
    assert_eq!(info.gen_validator_list_hash_short, set_hash);
    let key_block = open(&config[0], &from.root_hash);
    let extra = key_block.reference_cloned(3).unwrap().reference_cloned(3).unwrap();
    let config = extra.parse::<McBlockExtra>().unwrap().config.unwrap();
    let set = config.get_current_validator_set().unwrap();
    let catchain = config.params.get_catchain_config().unwrap();
    let subset = set.compute_subset(target.shard, &catchain, catchain_seqno).unwrap();
    assert_eq!(subset.1, set_hash);
    let key = VerifyingKey::from_bytes(&subset.0[0].public_key.0).unwrap();
    assert_eq!(adnl::key::short_id(&key.to_bytes()), node);
    let signed = Block::build_data_for_sign(target);
    key.verify_strict(&signed, &Signature::from_bytes(&signature)).unwrap();
}

/// The bytes of a block, whose hashes must be those of the id.
pub fn verify_block(answer: &[u8], id: &BlockId) -> Block {
    let mut reader = Reader::new(answer);
    reader.expect(0xa574_ed6c).unwrap();
    assert_eq!(read_block(&mut reader), *id);
    let bytes = reader.bytes().unwrap();
    assert_eq!(Sha256::digest(bytes).as_slice(), id.file_hash.as_slice());
    let root = Boc::decode(bytes).unwrap();
    assert_eq!(*root.repr_hash(), id.root_hash);
    root.parse().unwrap()
}

/// The signatures of the block before, as a masterchain block carries them.
pub fn carried_signatures(block: &Block) -> Vec<BlockSignature> {
    let extra = block.load_extra().unwrap().load_custom().unwrap().unwrap();
    extra.prev_block_signatures.values().collect::<Result<_, _>>().unwrap()
}
