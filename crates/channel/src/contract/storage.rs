//! The data of a channel's contract, as it stands on chain.
//!
//! Two contracts share this layout. Ours appends to two of its cells: [`Claims`] to the balances and [`Marks`] to
//! the quarantine; the existing network's contract ends before them, and so does ours while there is nothing to
//! say. Both are read in every state, since a dispute that cannot be read is a dispute that nobody answers.

use serde::{Deserialize, Serialize};

use super::{ClosingConfig, Currency, OpenConfig, PaymentConfig};
use crate::amount::Nano;
use crate::cell::{self, Cell, CellError, Reader};
use crate::key::PublicKey;
use crate::semichannel::{ChannelId, SemiBody};

/// Everything that the contract remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    pub initialized: bool,
    pub balance: Balances,
    pub key_a: PublicKey,
    pub key_b: PublicKey,
    pub channel_id: ChannelId,
    pub closing: ClosingConfig,
    /// Seqnos that the last cooperative commit or close has used up.
    pub committed_seqno_a: u64,
    pub committed_seqno_b: u64,
    /// Present during an uncooperative close.
    pub quarantine: Option<Quarantine>,
    pub payment: PaymentConfig,
}

/// Totals over the contract's life; none of them ever falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balances {
    pub deposit_a: Nano,
    pub deposit_b: Nano,
    pub withdraw_a: Nano,
    pub withdraw_b: Nano,
    pub sent_a: Nano,
    pub sent_b: Nano,
    /// `None` until there was one, and always in the existing network's contract.
    pub claims: Option<Claims>,
}

/// Jettons that belong to a side and have not reached it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub a: Nano,
    pub b: Nano,
}

/// The states with which one side has started to close alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    pub state_a: SemiBody,
    pub state_b: SemiBody,
    /// Unix seconds.
    pub starts: u32,
    pub committed_by_a: bool,
    pub challenged: bool,
    /// `None` in the existing network's contract, which keeps no such account.
    pub marks: Option<Marks>,
}

/// What our contract remembers of how a dispute went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// When the first state was shown, unix seconds; challenges move [`Quarantine::starts`] and not this.
    pub first_start: u32,
    pub a: Mark,
    pub b: Mark,
}

/// One side of a dispute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub fined: bool,
    pub rank: Rank,
}

/// How much a body in quarantine is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Rank {
    /// Nobody has shown one: the last committed totals.
    #[default]
    Unshown,
    /// Signed by its owner and shown by the other side.
    Signed,
    /// Shown by its owner and acknowledged by the other side's signature.
    Agreed,
}

impl Storage {
    /// What a contract is deployed with. It does not know its jetton wallet yet.
    pub fn initial(config: &OpenConfig) -> Self {
        Self {
            initialized: false,
            balance: Balances::default(),
            key_a: config.key_a,
            key_b: config.key_b,
            channel_id: config.channel_id,
            closing: config.closing,
            committed_seqno_a: 0,
            committed_seqno_b: 0,
            quarantine: None,
            payment: without_wallet(config.payment),
        }
    }

    /// The terms under which the contract was deployed: with its code they give its address again.
    pub fn open_config(&self) -> OpenConfig {
        OpenConfig {
            key_a: self.key_a,
            key_b: self.key_b,
            channel_id: self.channel_id,
            closing: self.closing,
            payment: without_wallet(self.payment),
        }
    }

    pub fn to_cell(&self) -> Cell {
        cell::build(|builder| {
            builder.store_bit(self.initialized)?;
            builder.store_reference(self.balance.to_cell())?;
            builder.store_raw(&self.key_a.0, 256)?;
            builder.store_raw(&self.key_b.0, 256)?;
            builder.store_raw(&self.channel_id.0, 128)?;
            builder.store_reference(self.closing.to_cell())?;
            builder.store_u64(self.committed_seqno_a)?;
            builder.store_u64(self.committed_seqno_b)?;
            builder.store_bit(self.quarantine.is_some())?;
            if let Some(quarantine) = &self.quarantine {
                builder.store_reference(quarantine.to_cell())?;
            }
            builder.store_reference(self.payment.to_cell())
        })
    }

    pub fn from_cell(cell: &Cell) -> Result<Self, CellError> {
        let mut reader = Reader::new(cell)?;
        let storage = Self {
            initialized: reader.bit()?,
            balance: Balances::from_cell(&reader.reference()?)?,
            key_a: PublicKey(reader.bytes()?),
            key_b: PublicKey(reader.bytes()?),
            channel_id: ChannelId(reader.bytes()?),
            closing: ClosingConfig::from_cell(&reader.reference()?)?,
            committed_seqno_a: reader.u64()?,
            committed_seqno_b: reader.u64()?,
            quarantine: match reader.bit()? {
                true => Some(Quarantine::from_cell(&reader.reference()?)?),
                false => None,
            },
            payment: PaymentConfig::from_cell(&reader.reference()?)?,
        };
        reader.finish()?;
        Ok(storage)
    }
}

fn without_wallet(mut payment: PaymentConfig) -> PaymentConfig {
    if let Currency::Jetton { wallet, .. } = &mut payment.currency {
        *wallet = None;
    }
    payment
}

impl Balances {
    fn to_cell(self) -> Cell {
        cell::build(|builder| {
            [
                self.deposit_a,
                self.deposit_b,
                self.withdraw_a,
                self.withdraw_b,
                self.sent_a,
                self.sent_b,
            ]
            .into_iter()
            .try_for_each(|amount| cell::store_coins(builder, amount))?;
            if let Some(claims) = self.claims {
                cell::store_coins(builder, claims.a)?;
                cell::store_coins(builder, claims.b)?;
            }
            Ok(())
        })
    }

    fn from_cell(cell: &Cell) -> Result<Self, CellError> {
        let mut reader = Reader::new(cell)?;
        let balances = Self {
            deposit_a: reader.coins()?,
            deposit_b: reader.coins()?,
            withdraw_a: reader.coins()?,
            withdraw_b: reader.coins()?,
            sent_a: reader.coins()?,
            sent_b: reader.coins()?,
            claims: match reader.at_end() {
                true => None,
                false => Some(Claims { a: reader.coins()?, b: reader.coins()? }),
            },
        };
        reader.finish()?;
        Ok(balances)
    }
}

impl Quarantine {
    fn to_cell(self) -> Cell {
        cell::build(|builder| {
            self.state_a.store(builder)?;
            self.state_b.store(builder)?;
            builder.store_u32(self.starts)?;
            builder.store_bit(self.committed_by_a)?;
            builder.store_bit(self.challenged)?;
            if let Some(marks) = &self.marks {
                builder.store_u32(marks.first_start)?;
                builder.store_small_uint(marks.a.to_bits(), 3)?;
                builder.store_small_uint(marks.b.to_bits(), 3)?;
            }
            Ok(())
        })
    }

    fn from_cell(cell: &Cell) -> Result<Self, CellError> {
        let mut reader = Reader::new(cell)?;
        let quarantine = Self {
            state_a: SemiBody::load(&mut reader)?,
            state_b: SemiBody::load(&mut reader)?,
            starts: reader.u32()?,
            committed_by_a: reader.bit()?,
            challenged: reader.bit()?,
            marks: match reader.at_end() {
                true => None,
                false => Some(Marks {
                    first_start: reader.u32()?,
                    a: Mark::load(&mut reader)?,
                    b: Mark::load(&mut reader)?,
                }),
            },
        };
        reader.finish()?;
        Ok(quarantine)
    }
}

impl Mark {
    fn to_bits(self) -> u8 {
        let rank = match self.rank {
            Rank::Unshown => 0,
            Rank::Signed => 1,
            Rank::Agreed => 2,
        };
        (u8::from(self.fined) << 2) | rank
    }

    /// `mark#_ fined:Bool rank:uint2`
    fn load(reader: &mut Reader<'_>) -> Result<Self, CellError> {
        let fined = reader.bit()?;
        let rank = match reader.small(2)? {
            0 => Rank::Unshown,
            1 => Rank::Signed,
            2 => Rank::Agreed,
            _ => return Err(CellError::Invalid("unknown rank of a quarantined state")),
        };
        Ok(Self { fined, rank })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_in_quarantine_is_read_as_written() {
        let body = SemiBody { seqno: u64::MAX, sent: Nano::MAX, conditionals: [7; 32] };
        let storage = Storage {
            initialized: true,
            balance: Balances {
                deposit_a: Nano::MAX,
                deposit_b: Nano(1),
                sent_b: Nano(300),
                ..Balances::default()
            },
            key_a: PublicKey([1; 32]),
            key_b: PublicKey([2; 32]),
            channel_id: ChannelId([3; 16]),
            closing: ClosingConfig {
                quarantine_duration: 1,
                misbehavior_fine: Nano(2),
                conditional_close_duration: 3,
            },
            committed_seqno_a: 4,
            committed_seqno_b: 5,
            quarantine: Some(Quarantine {
                state_a: body,
                state_b: body,
                starts: 6,
                committed_by_a: true,
                challenged: false,
                marks: None,
            }),
            payment: PaymentConfig {
                storage_fee: Nano(7),
                dest_a: [8; 32],
                dest_b: [9; 32],
                currency: Currency::Jetton { master: [10; 32], wallet: Some([11; 32]) },
            },
        };
        assert_eq!(Storage::from_cell(&storage.to_cell()), Ok(storage));

        let mut ours = storage;
        ours.balance.claims = Some(Claims { a: Nano(12), b: Nano::MAX });
        if let Some(quarantine) = &mut ours.quarantine {
            let mark = |fined, rank| Mark { fined, rank };
            let (a, b) = (mark(true, Rank::Signed), mark(false, Rank::Agreed));
            quarantine.marks = Some(Marks { first_start: 13, a, b });
        }
        assert_eq!(Storage::from_cell(&ours.to_cell()), Ok(ours));
    }
}
