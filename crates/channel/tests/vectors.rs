//! Every line of the file that the network's own node wrote, recomputed here.
//!
//! A line that this test does not know makes it fail, so that nothing added to the file is passed over.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Lines;

use channel::amount::{Deadline, Nano};
use channel::cell::{Cell, hash, parse_boc, to_boc};
use channel::conditional::{Conditional, static_code};
use channel::conditionals::Conditionals;
use channel::contract::{
    self, ClosingConfig, CooperativeClose, CooperativeCommit, Currency, Init, OpenConfig,
    PaymentConfig, StartClose, Storage,
};
use channel::garlic::{self, Hop, Instruction};
use channel::key::{PublicKey, SecretKey, apply_shared_cipher, sha256};
use channel::proof::{Touched, UpdateProof};
use channel::resolve::Resolve;
use channel::semichannel::{ChannelId, SemiBody, SemiChannel, SignedSemi};
use channel::tl::{
    Action, Answer, Authenticate, ChannelConfig, InstructionContainer, NodeAddress,
    OpenChannelOffchain, OpenVirtual, ProposeAction, ProposeChannelConfig, Query,
    authenticate_hash,
};

const VECTORS: &str = include_str!("../../../tests/vectors/protocol.txt");

#[test]
fn every_byte_is_what_the_network_writes() {
    let mut known = Known::default();
    let mut lines = VECTORS.lines().peekable();
    let mut checked = 0;
    while let Some(line) = lines.next() {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        if let Some(cell) = line.strip_prefix("CELL ") {
            known.check_cell(cell, &mut lines);
        } else if let Some((name, bytes)) =
            line.strip_prefix("TL ").and_then(|l| l.split_once(" = "))
        {
            known.check_tl(name, bytes);
        } else {
            known.check_other(line);
        }
        checked += 1;
    }
    assert_eq!(checked, known.cells.len() + known.tl.len() + known.others);
    assert_eq!((known.cells.len(), known.tl.len(), known.others), (25, 28, 22));
}

/// What has been read so far, by name.
#[derive(Default)]
struct Known {
    cells: BTreeMap<String, Cell>,
    tl: BTreeMap<String, Vec<u8>>,
    others: usize,
}

impl Known {
    fn check_cell(&mut self, line: &str, lines: &mut Peekable<Lines<'_>>) {
        let (name, rest) = line.split_once(" hash=").unwrap();
        let (expected_hash, rest) = rest.split_once(" bits=").unwrap();
        let (bits, rest) = rest.split_once(" refs=").unwrap();
        let (refs, boc) = rest.split_once(" boc=").unwrap();

        let made = self.make_cell(name);
        assert_eq!(hex::encode(to_boc(&made)), boc, "{name}");
        assert_eq!(hex::encode(hash(&made)), expected_hash, "{name}");
        assert_eq!(made.bit_len(), bits.parse::<u16>().unwrap(), "{name}");
        assert_eq!(made.reference_count(), refs.parse::<u8>().unwrap(), "{name}");
        assert_eq!(parse_boc(&hex::decode(boc).unwrap()), Ok(made.clone()), "{name}");

        if lines.peek().is_some_and(|next| next.starts_with("280[")) {
            for expected in dump(&made, 0).lines() {
                assert_eq!(lines.next(), Some(expected), "dump of {name}");
            }
        }
        self.cells.insert(name.into(), made);
    }

    fn make_cell(&self, name: &str) -> Cell {
        let full = five_entries();
        match name {
            "OpenConfigContainer TON" => open_config(Currency::Ton).to_cell(),
            "OpenConfigContainer EC100" => open_config(Currency::ExtraCurrency(100)).to_cell(),
            "OpenConfigContainer Jetton" => {
                let config = open_config(Currency::Jetton { master: [0xaa; 32], wallet: None });
                assert_eq!(OpenConfig::from_cell(&config.to_cell()), Ok(config));
                config.to_cell()
            }
            "InitChannel body A" => Init { channel_id: CHANNEL }.body(true, &a()),
            "initial data" => {
                let config = open_config(Currency::Ton);
                let data = contract::initial_data(&config);
                assert_eq!(Storage::from_cell(&data).unwrap().open_config(), config);
                data
            }
            "VirtualChannel cond" => {
                let conditional = conditional();
                let cell = conditional.to_cell();
                assert_eq!(Conditional::from_cell(&cell), Ok(conditional));
                cell
            }
            "VirtualChannel static code" => static_code(),
            "VirtualChannelState 1 TON" => resolve().to_cell(),
            "VirtualChannelState 0" => Resolve::sign(Nano(0), &v()).to_cell(),
            "conditionals 1 entry" => one_entry().root().unwrap().clone(),
            "update proof 1 entry" => {
                self.prove(&one_entry(), Touched::Open(v().public()), Ok(Some(conditional())))
            }
            "conditionals 5 entries" => {
                assert_eq!((full.len(), full.iter().count()), (5, 5));
                full.root().unwrap().clone()
            }
            "update proof 5 entries (open V)" => {
                self.prove(&full, Touched::Open(v().public()), Ok(full.get(&v().public())))
            }
            "update proof 4 entries (removed V)" => {
                let mut less = full;
                assert!(less.remove(&v().public()).is_some());
                self.prove(&less, Touched::Absent(v().public()), Ok(None))
            }
            "update proof with empty skeleton (increment)" => {
                self.prove(&full, Touched::Nothing, Err(()))
            }
            "SemiChannel" => semichannel().to_cell(),
            "SignedSemiChannel" => {
                let signed = SignedSemi::sign(semichannel(), &a());
                assert!(signed.verify(&a().public()));
                assert_eq!(SignedSemi::from_cell(&signed.to_cell()), Ok(signed.clone()));
                signed.to_cell()
            }
            "CooperativeCommit.Signed" => commit().signed(),
            "CooperativeCommit" => {
                let (by_a, by_b) = (a().sign(&commit().hash()), b().sign(&commit().hash()));
                let body = commit().body(&by_a, &by_b);
                assert_eq!(CooperativeCommit::from_body(&body), Ok((commit(), by_a, by_b)));
                body
            }
            "CooperativeClose.Signed" => close().signed(),
            "CooperativeClose" => {
                let (by_a, by_b) = (a().sign(&close().hash()), b().sign(&close().hash()));
                let body = close().body(&by_a, &by_b);
                assert_eq!(CooperativeClose::from_body(&body), Ok((close(), by_a, by_b)));
                body
            }
            "StartUncoop.Signed" => start().signed(),
            "StartUncoop" => start().body(true, &a()),
            "TopupBalance A" => contract::top_up(true),
            "Finish" => contract::finish(),
            _ => panic!("cell {name:?} is not known to this test"),
        }
    }

    /// The proof, after the receiver's checks have found in it what they should.
    fn prove(
        &self,
        dictionary: &Conditionals,
        touched: Touched,
        seen: Result<Option<Conditional>, ()>,
    ) -> Cell {
        let proof = dictionary.prove(&touched).unwrap();
        let read = UpdateProof::parse(Some(&proof), &dictionary.hash()).unwrap();
        assert_eq!(read.get(&v().public()).map_err(|_| ()), seen);
        assert!(UpdateProof::parse(Some(&proof), &[1; 32]).is_err());
        proof
    }

    fn check_tl(&mut self, name: &str, expected: &str) {
        let bytes = match name {
            "AuthenticateToSign" => {
                let mut bytes = 0xf24a_3bc4_u32.to_le_bytes().to_vec();
                bytes.extend(short_id(&a()));
                bytes.extend(short_id(&b()));
                bytes.extend(NOW.to_le_bytes());
                bytes
            }
            "NodeAddress" => {
                let address = NodeAddress { adnl: short_id(&a()) };
                assert_eq!(NodeAddress::from_bytes(&address.to_bytes()), Ok(address));
                address.to_bytes()
            }
            "Authenticate" => {
                let hash = authenticate_hash(&short_id(&a()), &short_id(&b()), NOW);
                let authenticate =
                    Authenticate { key: a().public(), timestamp: NOW, signature: a().sign(&hash) };
                assert_eq!(
                    query(Query::Authenticate(authenticate)),
                    answer(Answer::Authenticate(authenticate))
                );
                query(Query::Authenticate(authenticate))
            }
            "Ping{7}" => query(Query::Ping { value: 7 }),
            "Pong{7}" => answer(Answer::Pong { value: 7 }),
            "Decision ok" => {
                answer(Answer::Decision { agreed: true, reason: "".into(), signature: vec![] })
            }
            "Decision no" => answer(Answer::Decision {
                agreed: false,
                reason: "channel is busy".into(),
                signature: vec![],
            }),
            "ProposalDecision no" => answer(Answer::ProposalDecision {
                agreed: false,
                reason: "channel is busy".into(),
                signed_state: None,
            }),
            "ProposalDecision ok" => answer(Answer::ProposalDecision {
                agreed: true,
                reason: "".into(),
                signed_state: Some(SignedSemi::sign(semichannel(), &a()).to_cell()),
            }),
            "ChannelConfigDecision" => answer(Answer::ChannelConfig(ChannelConfig {
                ok: true,
                wallet: short_id(&a()),
                reason: "".into(),
                proxy_allowed: true,
                proxy_min_fee: Nano(500_000),
                proxy_max_capacity: Nano(5_000_000_000),
                proxy_percent_fee: 0.5,
            })),
            "ChannelConfigDecision reject" => answer(Answer::ChannelConfig(ChannelConfig {
                ok: false,
                wallet: [0; 32],
                reason: "x".into(),
                proxy_allowed: false,
                proxy_min_fee: Nano(0),
                proxy_max_capacity: Nano(0),
                proxy_percent_fee: 0.0,
            })),
            "RequestChannelLock" => {
                query(Query::RequestChannelLock { lock_id: 5, channel: short_id(&a()), lock: true })
            }
            "IsChannelUnlocked" => {
                query(Query::IsChannelUnlocked { lock_id: 5, channel: short_id(&a()) })
            }
            "ProposeChannelConfig" => query(Query::ProposeChannelConfig(ProposeChannelConfig {
                jetton: [0; 32],
                ec_id: 0,
                excess_fee: Nano(250_000_000),
                quarantine_duration: 21_600,
                misbehavior_fine: Nano(3_000_000_000),
                conditional_close_duration: 10_800,
                node_version: 2,
                code_hash: code_hash(),
            })),
            "OpenChannelOffchain" => query(Query::OpenChannelOffchain(OpenChannelOffchain {
                code_hash: code_hash(),
                open_config: open_config(Currency::Ton).to_cell(),
                node_version: 2,
            })),
            "ProposeAction increment" => {
                let full = five_entries();
                propose(full.prove(&Touched::Open(v().public())))
            }
            "ProposeAction increment noproof" => propose(None),
            "RequestAction close" => query(Query::RequestAction {
                channel: address(),
                action: Action::CloseVirtual { key: v().public(), state: resolve() },
            }),
            "RequestAction reqremove" => query(Query::RequestAction {
                channel: address(),
                action: Action::RequestRemoveVirtual { key: v().public() },
            }),
            "ConfirmCloseAction" => {
                action(Action::ConfirmClose { key: v().public(), state: resolve() })
            }
            "RemoveVirtualAction" => action(Action::RemoveVirtual { key: v().public() }),
            "CommitVirtualAction" => {
                action(Action::CommitVirtual { key: v().public(), prepay: Nano(1_000_500_000) })
            }
            "RentCapacityAction" => {
                action(Action::RentCapacity { till: 1_702_592_000, amount: Nano(1_000_000_000) })
            }
            "OpenVirtualInstruction" => order(Some(a().public()), None),
            "OpenVirtualInstruction final" => order(Some(a().public()), Some(resolve())),
            "OpenVirtualInstruction final no next key" => order(None, Some(resolve())),
            "InstructionsToSign" => open_virtual().signed_bytes(),
            "OpenVirtualAction" => action(Action::OpenVirtual(open_virtual())),
            _ => panic!("TL object {name:?} is not known to this test"),
        };
        assert_eq!(hex::encode(&bytes), expected, "{name}");
        self.tl.insert(name.into(), bytes);
    }

    fn check_other(&mut self, line: &str) {
        self.others += 1;
        let parts = line.split_once(" = ").or_else(|| line.split_once('=')).unwrap_or((line, ""));
        match parts {
            ("pubA", key) => assert_eq!(a().public().to_string(), key),
            ("pubB", key) => assert_eq!(b().public().to_string(), key),
            ("pubV", key) => assert_eq!(v().public().to_string(), key),
            ("codehash[0]", hash) => assert_eq!(hex::encode(code_hash()), hash),
            ("SharedKey(A,B)", shared) => {
                assert_eq!(hex::encode(a().shared(&b().public()).unwrap()), shared);
                assert_eq!(a().shared(&b().public()), b().shared(&a().public()));
            }
            ("adnl short id A", id) => assert_eq!(hex::encode(short_id(&a())), id),
            ("AuthenticateToSign hash", expected) => {
                let hash = authenticate_hash(&short_id(&a()), &short_id(&b()), NOW);
                assert_eq!(hex::encode(hash), expected);
                assert_eq!(hash, sha256(&[&self.tl["AuthenticateToSign"]]));
            }
            ("state init hash", expected) => {
                assert_eq!(format!("address = {}", hex::encode(address())), expected);
            }
            ("VirtualChannelState sig", signature) => {
                assert_eq!(hex::encode(resolve().signature.0), signature);
                assert!(resolve().verify(&v().public()));
            }
            ("SignState enc to B", blob) => {
                let blob = hex::decode(blob).unwrap();
                let (key, sealed) = blob.split_first_chunk::<32>().unwrap();
                assert_eq!(PublicKey(*key), v().public());
                let mut bag = sealed.to_vec();
                apply_shared_cipher(&b().shared(&v().public()).unwrap(), key, &mut bag);
                assert_eq!(Resolve::from_boc(&bag), Ok(resolve()));
            }
            ("dict idx", slot) => assert_eq!(format!("{:08x}", conditional().slot()), slot),
            ("load err no such key in dict", _) => {
                let mut less = five_entries();
                less.remove(&v().public());
                assert_eq!(less.get(&v().public()), None);
            }
            ("decision SignedState equals full cell: true", _)
            | ("decision SignedState (no counterparty) equals full cell: true", _) => {
                for counterparty in [None, semichannel().counterparty] {
                    let state = SemiChannel { counterparty, ..semichannel() };
                    let signed = SignedSemi::sign(state, &a());
                    assert_eq!(SignedSemi::from_boc(&signed.to_boc()), Ok(signed));
                }
            }
            // Where we differ on purpose: no unsigned state passes, not even an empty one.
            ("empty verify: <nil>", _) => {
                let unsigned = SignedSemi {
                    signature: channel::key::Signature::ZERO,
                    state: SemiChannel {
                        channel_id: CHANNEL,
                        data: SemiBody::default(),
                        counterparty: Some(SemiBody::default()),
                    },
                };
                assert!(!unsigned.verify(&a().public()));
            }
            (text, _) if text.starts_with("request increment: ") => {
                let bytes = Query::RequestAction {
                    channel: address(),
                    action: Action::IncrementStates { want_response: true },
                }
                .to_bytes();
                assert!(Query::from_bytes(&bytes).is_err());
            }
            (text, _) if text.starts_with("decrypt ") => {
                assert_eq!(text, "decrypt <nil> true");
                assert_eq!(
                    garlic::open(&open_virtual(), &b()),
                    Ok(instruction(None, Some(resolve())))
                );
            }
            (text, _) if text.starts_with("tunnel ") => check_tunnel(text),
            (text, _) if text.starts_with("key") => {
                let [name, key, "idx", slot] = text.split(' ').collect::<Vec<_>>()[..] else {
                    panic!("line {line:?} is not known to this test");
                };
                let seed: u8 = name["key".len()..].parse().unwrap();
                let public = SecretKey::from_seed([seed; 32]).public();
                assert_eq!(public.to_string(), key);
                assert_eq!(format!("{:08x}", channel::conditional::slot(&public)), slot);
            }
            _ => panic!("line {line:?} is not known to this test"),
        }
    }
}

/// `tunnel <length of the list> <error> <deadline of the first hop> <bytes of the virtual key>`
fn check_tunnel(line: &str) {
    let mut fields = line.split(' ').skip(1);
    let mut next = || fields.next().unwrap();
    let (length, error) = (next().parse::<usize>().unwrap(), next());
    let deadline = Deadline(next().parse().unwrap());
    assert_eq!((error, next()), ("<nil>", "32"));

    let hop = |target: &SecretKey, deadline| Hop {
        target: target.public(),
        capacity: Nano(1_000_000_000),
        fee: Nano(0),
        deadline,
    };
    let hops = [hop(&a(), deadline), hop(&b(), deadline.minus_secs(50_000))];
    let keys = [SecretKey::from_seed([8; 32]), SecretKey::from_seed([9; 32])];
    let action =
        garlic::build(&v(), &hops, &keys, length, true, &mut |bytes| bytes.fill(7)).unwrap();
    assert_eq!(action.instructions.len(), length);
    assert_eq!(garlic::open(&action, &a()).unwrap().expected_deadline, deadline);
}

const CHANNEL: ChannelId = ChannelId([0x11; 16]);
const NOW: i64 = 1_700_000_000;

fn a() -> SecretKey {
    SecretKey::from_seed([1; 32])
}

fn b() -> SecretKey {
    SecretKey::from_seed([2; 32])
}

/// The virtual key.
fn v() -> SecretKey {
    SecretKey::from_seed([3; 32])
}

fn short_id(key: &SecretKey) -> [u8; 32] {
    sha256(&[&0x4813_b4c6_u32.to_le_bytes(), &key.public().0])
}

fn code_hash() -> [u8; 32] {
    hex::decode("ff5f2b39743b52e08d16400f792f75abe0385f337c57229be5e74cfe401d32bc")
        .unwrap()
        .try_into()
        .unwrap()
}

fn address() -> [u8; 32] {
    // Of the network's code, whose hash is given above; the code itself is not ours.
    const CODE_DEPTH: u16 = 12;
    let data = contract::initial_data(&open_config(Currency::Ton));
    contract::address_from_parts(&code_hash(), CODE_DEPTH, &data)
}

fn open_config(currency: Currency) -> OpenConfig {
    OpenConfig {
        key_a: a().public(),
        key_b: b().public(),
        channel_id: CHANNEL,
        closing: ClosingConfig {
            quarantine_duration: 21_600,
            misbehavior_fine: Nano(3_000_000_000),
            conditional_close_duration: 10_800,
        },
        payment: PaymentConfig {
            storage_fee: Nano(250_000_000),
            dest_a: [0xaa; 32],
            dest_b: [0xbb; 32],
            currency,
        },
    }
}

fn conditional() -> Conditional {
    Conditional {
        key: v().public(),
        capacity: Nano(1_000_000_000),
        fee: Nano(500_000),
        prepay: Nano(0),
        deadline: Deadline(1_700_050_000),
    }
}

fn resolve() -> Resolve {
    Resolve::sign(Nano(1_000_000_000), &v())
}

fn one_entry() -> Conditionals {
    let mut dictionary = Conditionals::new();
    dictionary.insert(conditional()).unwrap();
    dictionary
}

/// The file's dictionary of five, its entries taken out and put in again in another order.
fn five_entries() -> Conditionals {
    let line =
        VECTORS.lines().find(|line| line.starts_with("CELL conditionals 5 entries")).unwrap();
    let bag = hex::decode(line.split_once(" boc=").unwrap().1).unwrap();
    let read = Conditionals::from_root(Some(parse_boc(&bag).unwrap())).unwrap();
    let mut entries: Vec<_> = read.iter().collect();
    entries.rotate_left(2);
    entries.reverse();
    let mut made = Conditionals::new();
    for entry in entries {
        made.insert(entry).unwrap();
    }
    assert_eq!((made.len(), made.held()), (read.len(), read.held()));
    made
}

fn semichannel() -> SemiChannel {
    SemiChannel {
        channel_id: CHANNEL,
        data: SemiBody { seqno: 1, sent: Nano(500_000_000), conditionals: five_entries().hash() },
        counterparty: Some(SemiBody::default()),
    }
}

fn commit() -> CooperativeCommit {
    CooperativeCommit {
        channel_id: CHANNEL,
        sent_a: Nano(500_000_000),
        sent_b: Nano(0),
        seqno_a: 2,
        seqno_b: 1,
        withdraw_a: Nano(100_000_000),
        withdraw_b: Nano(0),
    }
}

fn close() -> CooperativeClose {
    let CooperativeCommit { channel_id, sent_a, sent_b, seqno_a, seqno_b, .. } = commit();
    CooperativeClose { channel_id, sent_a, sent_b, seqno_a, seqno_b }
}

/// The file uses A's signature in both places and leaves out B's copy of the other side.
fn start() -> StartClose {
    let a_state = SignedSemi::sign(semichannel(), &a());
    let mut b_state = a_state.clone();
    b_state.state.counterparty = None;
    StartClose { channel_id: CHANNEL, a: a_state, b: b_state }
}

fn instruction(next: Option<PublicKey>, final_state: Option<Resolve>) -> Instruction {
    Instruction {
        target: b().public(),
        next_instruction_key: next,
        expected_fee: Nano(500_000),
        expected_capacity: Nano(1_000_000_000),
        expected_deadline: Deadline(1_700_050_000),
        next_target: a().public(),
        next_fee: Nano(0),
        next_capacity: Nano(1_000_000_000),
        next_deadline: Deadline(1_700_000_000),
        final_state,
    }
}

fn order(next: Option<PublicKey>, final_state: Option<Resolve>) -> Vec<u8> {
    let instruction = instruction(next, final_state);
    assert_eq!(Instruction::from_bytes(&instruction.to_bytes()), Ok(instruction));
    instruction.to_bytes()
}

/// One order from A's key to B, padded with ten bytes of 5a.
fn open_virtual() -> OpenVirtual {
    let mut data = order(None, Some(resolve()));
    data.extend([0x5a; 10]);
    let hash = sha256(&[&data]);
    apply_shared_cipher(&a().shared(&b().public()).unwrap(), &hash, &mut data);
    let mut open = OpenVirtual {
        channel_key: v().public(),
        instruction_key: a().public(),
        instructions: vec![InstructionContainer { hash, data }],
        signature: channel::key::Signature::ZERO,
    };
    open.signature = v().sign(&open.signed_bytes());
    open
}

fn propose(conditionals: Option<Cell>) -> Vec<u8> {
    query(Query::ProposeAction(ProposeAction {
        lock_id: 9,
        channel: address(),
        action: Action::IncrementStates { want_response: true },
        state: SignedSemi::sign(semichannel(), &a()).to_cell(),
        conditionals,
    }))
}

fn query(query: Query) -> Vec<u8> {
    let bytes = query.to_bytes();
    assert_eq!(Query::from_bytes(&bytes), Ok(query));
    bytes
}

fn answer(answer: Answer) -> Vec<u8> {
    let bytes = answer.to_bytes();
    assert_eq!(Answer::from_bytes(&bytes), Ok(answer));
    bytes
}

fn action(action: Action) -> Vec<u8> {
    let bytes = action.to_bytes();
    assert_eq!(Action::from_bytes(&bytes), Ok(action));
    bytes
}

/// The cell tree as the file shows it: bits in hex, `{level}`, `*` for an exotic cell.
fn dump(cell: &Cell, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let bits = cell.bit_len();
    let mut raw = [0; 128];
    let data = cell.as_slice_allow_exotic().get_raw(0, &mut raw, bits).unwrap();
    let mut data = hex::encode_upper(data);
    if !bits.is_multiple_of(8) {
        if bits % 8 <= 4 {
            data.pop();
        }
        data.push('_');
    }
    let level = match cell.descriptor().level_mask().level() {
        0 => String::new(),
        level => format!("{{{level}}}"),
    };
    let exotic = if cell.is_exotic() { "*" } else { "" };
    let mut text = format!("{indent}{bits}[{data}]{level}{exotic}");
    let children: Vec<_> =
        cell.references().cloned().map(|child| dump(&child, depth + 1)).collect();
    if !children.is_empty() {
        text += &format!(" -> {{\n{}\n{indent}}}", children.join(",\n"));
    }
    text
}
