//! A chain that keeps the ledger's rules without running any code.
//!
//! It knows two contracts, the wallet and the channel, by the hash of their code, and does with a message what their
//! code does: same checks in the same order, same storage, same exit codes. Whatever else has an address only takes
//! money. Written from contract.md and the sources in `contracts/src`, not from the node's own reading of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use channel::{
    amount::Nano,
    cell::{Cell, CellBuilder, CellSlice},
    contract::{self, Address},
    key::{PublicKey, Signature},
    semichannel::SemiBody,
};
use node::{
    config::Codes,
    io::{AccountView, ChainView},
};
use tycho_types::{
    boc::Boc,
    cell::HashBytes,
    error::Error,
    models::{IntAddr, MsgInfo, OwnedMessage, OwnedRelaxedMessage, RelaxedMsgInfo, StateInit},
};

#[derive(Clone, Debug, Default)]
struct Account {
    balance: u128,
    code: Option<Cell>,
    data: Option<Cell>,
}

/// An internal message between two accounts.
#[derive(Clone, Debug)]
struct Internal {
    from: Address,
    to: Address,
    value: u128,
    bounce: bool,
    init: Option<StateInit>,
    body: Cell,
}

pub struct Ledger {
    wallet_code: HashBytes,
    channel_code: HashBytes,
    accounts: BTreeMap<Address, Account>,
    externals: VecDeque<Vec<u8>>,
    internals: VecDeque<Internal>,
    changed: BTreeSet<Address>,
    seqno: u32,
    /// Coins that the faucet has made.
    pub minted: u128,
    /// Coins that fees have eaten.
    pub burned: u128,
    log: Vec<String>,
    /// So many of the next top-ups are thrown back.
    pub bouncing: u32,
    /// Until then (unix seconds) no external message is taken.
    pub deaf_until: u32,
}

/// Why a transaction changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Exit(u32);

impl From<Error> for Exit {
    /// Reading past the end of a cell.
    fn from(_: Error) -> Self {
        Self(9)
    }
}

impl Ledger {
    pub fn new(codes: &Codes) -> Self {
        Self {
            wallet_code: *codes.wallet.repr_hash(),
            channel_code: *codes.channel.repr_hash(),
            accounts: BTreeMap::new(),
            externals: VecDeque::new(),
            internals: VecDeque::new(),
            changed: BTreeSet::new(),
            seqno: 1,
            minted: 0,
            burned: 0,
            log: Vec::new(),
            bouncing: 0,
            deaf_until: 0,
        }
    }

    pub fn submit(&mut self, boc: Vec<u8>) {
        self.externals.push_back(boc);
    }

    pub fn faucet(&mut self, address: Address, amount: Nano) {
        self.minted += amount.0;
        self.accounts.entry(address).or_default().balance += amount.0;
        self.changed.insert(address);
    }

    pub fn is_busy(&self) -> bool {
        !self.externals.is_empty() || !self.internals.is_empty()
    }

    /// One block: what the last one left to be delivered, then new externals. Returns whose state is another now.
    pub fn block(&mut self, now: u32) -> BTreeSet<Address> {
        self.seqno += 1;
        for message in std::mem::take(&mut self.internals) {
            self.deliver(message);
        }
        for boc in std::mem::take(&mut self.externals) {
            if now < self.deaf_until {
                continue;
            }
            if let Err(Exit(code)) = self.external(&boc, now) {
                self.log.push(format!("external not accepted, exit {code}"));
            }
        }
        std::mem::take(&mut self.changed)
    }

    pub fn view(&self, address: Address, now: u32) -> ChainView {
        let account = match self.accounts.get(&address) {
            Some(Account { balance, code: Some(code), data: Some(data) }) => AccountView::Active {
                balance: Nano(*balance),
                code_hash: code.repr_hash().0,
                data: data.clone(),
            },
            Some(account) => AccountView::Inactive { balance: Nano(account.balance) },
            None => AccountView::Inactive { balance: Nano::ZERO },
        };
        ChainView { address, block: self.seqno, time: now, account }
    }

    pub fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// Everything there is: on accounts, in messages, and eaten.
    pub fn accounted(&self) -> u128 {
        let accounts: u128 = self.accounts.values().map(|account| account.balance).sum();
        let moving: u128 = self.internals.iter().map(|message| message.value).sum();
        accounts + moving + self.burned
    }

    // ---- wallet -----------------------------------------------------------------------------------------------

    fn external(&mut self, boc: &[u8], now: u32) -> Result<(), Exit> {
        let root = Boc::decode(boc).map_err(|_| Exit(9))?;
        let message: OwnedMessage = root.parse()?;
        let MsgInfo::ExtIn(info) = &message.info else { return Err(Exit(9)) };
        let to = basechain(&info.dst)?;
        let mut account = self.accounts.get(&to).cloned().unwrap_or_default();
        if account.code.is_none() {
            deploy(&mut account, to, message.init.as_ref())?;
        }
        if account.code.as_ref().map(|code| *code.repr_hash()) != Some(self.wallet_code) {
            return Err(Exit(11));
        }
        let data = account.data.clone().ok_or(Exit(9))?;
        let mut stored = data.as_slice()?;
        let (seqno, subwallet) = (stored.load_u32()?, stored.load_u32()?);
        let key = PublicKey(stored.load_u256()?.0);

        let body: CellSlice<'_> = CellSlice::apply(&message.body)?;
        let mut body = body;
        let signature = signature(&mut body)?;
        let mut order = CellBuilder::new();
        order.store_slice(body)?;
        let order = order.build()?;
        let subwallet_wanted = body.load_u32()?;
        let (valid_until, seqno_wanted) = (body.load_u32()?, body.load_u32()?);
        check(valid_until > now, 136)?;
        check(seqno_wanted == seqno, 133)?;
        check(subwallet_wanted == subwallet, 134)?;
        check(key.verify_as_contract(&order.repr_hash().0, &signature), 135)?;
        // Without a balance there is no gas credit to run on.
        check(account.balance >= FEE_WALLET, 0)?;

        let mut data = CellBuilder::new();
        data.store_u32(seqno + 1)?;
        data.store_u32(subwallet)?;
        data.store_u256(&HashBytes(key.0))?;
        account.data = Some(data.build()?);
        account.balance -= FEE_WALLET;
        self.burned += FEE_WALLET;
        while body.size_refs() > 0 {
            let mode = body.load_u8()?;
            let sent: Cell = body.load_reference_cloned()?;
            if mode & 2 == 0 {
                return Err(Exit(137));
            }
            let sent: OwnedRelaxedMessage = sent.parse()?;
            let RelaxedMsgInfo::Int(info) = sent.info else { continue };
            let value = info.value.tokens.into_inner();
            // Send mode 3: the fee comes on top, and what cannot be paid is left out.
            if account.balance < value + FEE_FORWARD {
                self.log.push(format!("wallet {seqno}: no money for {}", Nano(value)));
                continue;
            }
            account.balance -= value + FEE_FORWARD;
            self.burned += FEE_FORWARD;
            let mut inner = CellBuilder::new();
            inner.store_slice(CellSlice::apply(&sent.body)?)?;
            let (to_next, body) = (basechain(&info.dst)?, inner.build()?);
            let (bounce, init) = (info.bounce, sent.init);
            self.internals.push_back(Internal { from: to, to: to_next, value, bounce, init, body });
        }
        self.log.push(format!("wallet {} sent its request {seqno}", short(&to)));
        self.accounts.insert(to, account);
        self.changed.insert(to);
        Ok(())
    }

    // ---- internal messages ------------------------------------------------------------------------------------

    fn deliver(&mut self, message: Internal) {
        let to = message.to;
        let before = self.accounts.get(&to).cloned().unwrap_or_default();
        let mut account = before.clone();
        account.balance += message.value;
        self.changed.insert(to);
        if account.code.is_none()
            && let Some(init) = &message.init
        {
            let _ = deploy(&mut account, to, Some(init));
        }
        let code = account.code.as_ref().map(|code| *code.repr_hash());
        let outcome = if code == Some(self.channel_code) {
            self.channel(&mut account, &before, &message)
        } else if code == Some(self.wallet_code) || !message.bounce {
            Ok(())
        } else {
            Err(Exit(0))
        };
        match outcome {
            Ok(()) => {
                self.accounts.insert(to, account);
            }
            Err(Exit(exit)) => {
                self.log.push(format!("{} threw {exit}", short(&to)));
                let mut account = before;
                account.balance += message.value;
                if message.bounce && message.value > FEE_CHANNEL {
                    account.balance -= message.value;
                    self.burned += FEE_CHANNEL;
                    self.internals.push_back(Internal {
                        from: to,
                        to: message.from,
                        value: message.value - FEE_CHANNEL,
                        bounce: false,
                        init: None,
                        body: Cell::default(),
                    });
                }
                self.accounts.insert(to, account);
            }
        }
    }

    fn channel(
        &mut self,
        account: &mut Account,
        before: &Account,
        message: &Internal,
    ) -> Result<(), Exit> {
        check(message.value >= FEE_CHANNEL, 0)?;
        let data = account.data.clone().ok_or(Exit(9))?;
        let mut storage = Storage::load(&data)?;
        let mut body = message.body.as_slice()?;
        let own = before.balance;
        let done = match body.load_u32()? {
            OP_INIT => {
                check(!storage.inited && storage.committed[0] == 0, 100)?;
                let by_a = body.load_bit()?;
                let signature = signature(&mut body)?;
                let mut signed = CellBuilder::new();
                signed.store_slice(body)?;
                let hash = signed.build()?.repr_hash().0;
                let key = if by_a { storage.key_a } else { storage.key_b };
                check(PublicKey(key.0).verify_as_contract(&hash, &signature), 101)?;
                check(body.load_u32()? == TAG_INIT, 104)?;
                check(body.load_u128()? == storage.channel_id, 114)?;
                check(storage.balance == [0; 6] && storage.committed[1] == 0, 102)?;
                let (fee, ton) = storage.payment()?;
                check(ton, 120)?;
                check(fee > FEE_RESERVE && account.balance >= fee, 123)?;
                storage.inited = true;
                (fee.max(own), "opened".to_owned())
            }
            OP_TOP_UP => {
                check(storage.inited, 117)?;
                check(storage.quarantine.is_none(), 106)?;
                if let Some(left) = self.bouncing.checked_sub(1) {
                    self.bouncing = left;
                    return Err(Exit(37));
                }
                let amount = message.value.checked_sub(TOP_UP_COST).ok_or(Exit(119))?;
                let side = usize::from(!body.load_bit()?);
                storage.balance[side] += amount;
                let name = ["A", "B"][side];
                (own + amount, format!("topped up for {name} by {}", Nano(amount)))
            }
            _ => return Err(Exit(63)),
        };
        let (reserve, said) = done;
        self.log.push(format!("channel {} {said}", short(&message.to)));
        account.data = Some(storage.store()?);
        account.balance -= FEE_CHANNEL;
        self.burned += FEE_CHANNEL;
        let excess = account.balance.saturating_sub(reserve);
        if excess > FEE_FORWARD {
            account.balance -= excess;
            self.burned += FEE_FORWARD;
            let mut body = CellBuilder::new();
            body.store_u32(OP_EXCESS)?;
            body.store_u64(0)?;
            self.internals.push_back(Internal {
                from: message.to,
                to: message.from,
                value: excess - FEE_FORWARD,
                bounce: false,
                init: None,
                body: body.build()?,
            });
        }
        Ok(())
    }

    /// Somebody has started to close this channel alone: its contract is in quarantine from now on.
    pub fn dispute(&mut self, address: Address, now: u32) {
        let account = self.accounts.get_mut(&address).expect("an open channel has a contract");
        let data = account.data.as_ref().expect("a contract has data");
        let mut storage = contract::Storage::from_cell(data).expect("a channel's data");
        storage.quarantine = Some(contract::Quarantine {
            state_a: SemiBody::default(),
            state_b: SemiBody::default(),
            starts: now,
            committed_by_a: true,
            challenged: false,
            marks: Some(contract::Marks { first_start: now, ..Default::default() }),
        });
        account.data = Some(storage.to_cell());
        self.changed.insert(address);
    }

    /// Leaves data in a contract that no version of it writes.
    pub fn garble(&mut self, address: Address) {
        let account = self.accounts.get_mut(&address).expect("an open channel has a contract");
        account.data = Some(Cell::default());
        self.changed.insert(address);
    }

    /// A message from nobody in particular, with coins from the faucet.
    pub fn send(&mut self, to: Address, value: Nano, body: Cell) {
        self.minted += value.0;
        let (from, value) = ([0; 32], value.0);
        self.internals.push_back(Internal { from, to, value, bounce: true, init: None, body });
    }
}

/// What the contract of a channel says its parties have put in: A, then B. `None`: it is not open.
pub fn deposits(account: &AccountView) -> Option<[Nano; 2]> {
    let AccountView::Active { data, .. } = account else { return None };
    let storage = Storage::load(data).ok()?;
    let [a, b, ..] = storage.balance;
    storage.inited.then_some([Nano(a), Nano(b)])
}

/// `storage#_` of contract.md 1.1.
struct Storage {
    inited: bool,
    /// deposit_a deposit_b withdraw_a withdraw_b sent_a sent_b
    balance: [u128; 6],
    key_a: HashBytes,
    key_b: HashBytes,
    channel_id: u128,
    closing: Cell,
    committed: [u64; 2],
    quarantine: Option<Cell>,
    payment: Cell,
}

impl Storage {
    fn load(cell: &Cell) -> Result<Self, Exit> {
        let mut slice = cell.as_slice()?;
        let inited = slice.load_bit()?;
        let balances = slice.load_reference_cloned()?;
        let mut balances = balances.as_slice()?;
        let mut balance = [0; 6];
        for amount in &mut balance {
            *amount = coins(&mut balances)?;
        }
        Ok(Self {
            inited,
            balance,
            key_a: slice.load_u256()?,
            key_b: slice.load_u256()?,
            channel_id: slice.load_u128()?,
            closing: slice.load_reference_cloned()?,
            committed: [slice.load_u64()?, slice.load_u64()?],
            quarantine: match slice.load_bit()? {
                true => Some(slice.load_reference_cloned()?),
                false => None,
            },
            payment: slice.load_reference_cloned()?,
        })
    }

    fn store(&self) -> Result<Cell, Exit> {
        let mut balance = CellBuilder::new();
        for amount in self.balance {
            channel::cell::store_coins(&mut balance, Nano(amount))?;
        }
        let mut data = CellBuilder::new();
        data.store_bit(self.inited)?;
        data.store_reference(balance.build()?)?;
        data.store_u256(&self.key_a)?;
        data.store_u256(&self.key_b)?;
        data.store_u128(self.channel_id)?;
        data.store_reference(self.closing.clone())?;
        data.store_u64(self.committed[0])?;
        data.store_u64(self.committed[1])?;
        data.store_bit(self.quarantine.is_some())?;
        if let Some(quarantine) = &self.quarantine {
            data.store_reference(quarantine.clone())?;
        }
        data.store_reference(self.payment.clone())?;
        Ok(data.build()?)
    }

    /// The storage fee, and whether the currency is TON.
    fn payment(&self) -> Result<(u128, bool), Exit> {
        let mut slice = self.payment.as_slice()?;
        let fee = coins(&mut slice)?;
        for _ in 0..2 {
            if slice.load_small_uint(2)? == 0b10 {
                slice.skip_first(1 + 8 + 256, 0)?;
            }
        }
        Ok((fee, !slice.load_bit()?))
    }
}

fn check(holds: bool, exit: u32) -> Result<(), Exit> {
    if holds { Ok(()) } else { Err(Exit(exit)) }
}

/// Gives an account the code and data of a StateInit, if that is what its address was made of.
fn deploy(account: &mut Account, address: Address, init: Option<&StateInit>) -> Result<(), Exit> {
    let init = init.ok_or(Exit(0))?;
    let cell = CellBuilder::build_from(init)?;
    check(cell.repr_hash().0 == address, 0)?;
    account.code = init.code.clone();
    account.data = init.data.clone();
    Ok(())
}

fn basechain(address: &IntAddr) -> Result<Address, Exit> {
    match address {
        IntAddr::Std(address) if address.workchain == 0 => Ok(address.address.0),
        IntAddr::Std(_) | IntAddr::Var(_) => Err(Exit(0)),
    }
}

fn signature(slice: &mut CellSlice<'_>) -> Result<Signature, Exit> {
    let mut bytes = [0; 64];
    slice.load_raw(&mut bytes, 512)?;
    Ok(Signature(bytes))
}

fn coins(slice: &mut CellSlice<'_>) -> Result<u128, Exit> {
    let length = usize::from(slice.load_small_uint(4)?);
    let mut bytes = [0; 16];
    slice.load_raw(&mut bytes[16 - length..], (length * 8) as u16)?;
    Ok(u128::from_be_bytes(bytes))
}

fn short(address: &Address) -> String {
    hex::encode(&address[..4])
}

const OP_INIT: u32 = 0x79ae_99b5;
const OP_TOP_UP: u32 = 0x593e_3893;
const OP_EXCESS: u32 = 0xd532_76db;
const TAG_INIT: u32 = 0x481e_bc44;

/// What one transaction or message costs, nano: near what the real chain takes, and simple.
const FEE_WALLET: u128 = 3_000_000;
const FEE_CHANNEL: u128 = 8_000_000;
const FEE_FORWARD: u128 = 400_000;
/// What the contract takes off a top-up: 75,000 gas.
const TOP_UP_COST: u128 = 30_000_000;
/// Least storage fee of a channel: 25,000 gas.
const FEE_RESERVE: u128 = 10_000_000;
