//! Get methods: a question to a contract's code about its own state, answered off chain with a
//! million units of free gas.

use num_bigint::BigInt;
use tycho_types::crc::crc_16;
use tycho_types::models::{Account, AccountState, StateInit};
use tycho_types::prelude::*;
use tycho_vm::{GasParams, RcStackValue, SafeRc, SmcInfoBase, Stack, Tuple, VmState, VmVersion};

use crate::config::GLOBAL_VERSION;
use crate::error::{Error, Result};
use crate::exec::{Config, Moment};

/// Gas that a get method may burn.
const GAS: u64 = 1_000_000;

/// One value on the stack of the virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StackItem {
    /// `null`.
    Null,
    /// A number of up to 257 bits.
    Int(BigInt),
    /// A whole cell.
    Cell(Cell),
    /// What was left of a slice, as a cell of its own.
    Slice(Cell),
    /// A tuple.
    Tuple(Vec<StackItem>),
    /// A builder, a continuation or not-a-number, which no get method should return.
    Opaque,
}

impl StackItem {
    /// A number.
    pub fn int(value: impl Into<BigInt>) -> Self {
        Self::Int(value.into())
    }

    /// The number, if this is one.
    pub fn as_int(&self) -> Option<&BigInt> {
        match self {
            Self::Int(value) => Some(value),
            _ => None,
        }
    }

    /// The cell, if this is a cell or a slice.
    pub fn as_cell(&self) -> Option<&Cell> {
        match self {
            Self::Cell(cell) | Self::Slice(cell) => Some(cell),
            _ => None,
        }
    }

    fn into_vm(self) -> Result<RcStackValue> {
        Ok(match self {
            Self::Null => Stack::make_null(),
            Self::Int(value) => SafeRc::new_dyn_value(value),
            Self::Cell(cell) => SafeRc::new_dyn_value(cell),
            Self::Slice(cell) => {
                SafeRc::new_dyn_value(tycho_vm::OwnedCellSlice::new_allow_exotic(cell))
            }
            Self::Tuple(items) => {
                let items: Tuple = items.into_iter().map(Self::into_vm).collect::<Result<_>>()?;
                SafeRc::new_dyn_value(items)
            }
            Self::Opaque => {
                return Err(Error::Malformed("an opaque value cannot be an argument".into()));
            }
        })
    }

    fn from_vm(value: &RcStackValue) -> Result<Self> {
        Ok(if value.is_null() {
            Self::Null
        } else if let Some(int) = value.as_int() {
            Self::Int(int.clone())
        } else if let Some(cell) = value.as_cell() {
            Self::Cell(cell.clone())
        } else if let Some(slice) = value.as_cell_slice() {
            Self::Slice(CellBuilder::build_from(slice.apply())?)
        } else if let Some(tuple) = value.as_tuple() {
            Self::Tuple(tuple.iter().map(Self::from_vm).collect::<Result<_>>()?)
        } else {
            Self::Opaque
        })
    }
}

/// Answer of a get method.
#[derive(Debug, Clone)]
pub struct GetMethod {
    /// 0 or 1 on success.
    pub exit_code: i32,
    /// Gas units burnt.
    pub gas_used: u64,
    /// What the method left on the stack, the bottom first.
    pub stack: Vec<StackItem>,
}

/// Id of a get method by its name.
pub fn method_id(name: &str) -> u32 {
    u32::from(crc_16(name.as_bytes())) | 0x1_0000
}

/// Runs a get method of `account`.
pub fn get_method(
    config: &Config,
    moment: Moment,
    account: &Account,
    method: u32,
    arguments: Vec<StackItem>,
) -> Result<GetMethod> {
    let arguments = arguments.into_iter().map(StackItem::into_vm).collect::<Result<_>>()?;
    let (exit_code, gas_used, stack) = run_raw(config, moment, account, method, arguments)?;
    let stack = stack.items.iter().map(StackItem::from_vm).collect::<Result<_>>()?;
    Ok(GetMethod { exit_code, gas_used, stack })
}

/// The same with the machine's own stack, as liteservers exchange it.
///
/// `VmCaller` of the VM crate is not used: it stops at global version 11.
pub(crate) fn run_raw(
    config: &Config,
    moment: Moment,
    account: &Account,
    method: u32,
    mut arguments: Vec<RcStackValue>,
) -> Result<(i32, u64, Stack)> {
    let address = account.address.as_std().map(|a| a.address.0).unwrap_or_default();
    let AccountState::Active(StateInit { code: Some(code), data, libraries, .. }) = &account.state
    else {
        return Err(Error::NoCode(address));
    };
    let info = SmcInfoBase::new()
        .with_now(moment.now)
        .with_block_lt(moment.block_lt)
        .with_tx_lt(moment.min_lt)
        .with_mixed_rand_seed(&moment.rand_seed, &HashBytes(address))
        .with_account_balance(account.balance.clone())
        .with_account_addr(account.address.clone())
        .with_config(config.raw().params.clone())
        .require_ton_v4()
        .with_code(code.clone())
        .require_ton_v6()
        .with_unpacked_config(config.parsed().unpacked.as_tuple())
        .require_ton_v11();
    arguments.push(SafeRc::new_dyn_value(BigInt::from(method)));
    let mut vm = VmState::builder()
        .with_smc_info(info)
        .with_version(VmVersion::Ton(GLOBAL_VERSION))
        .with_code(code.clone())
        .with_data(data.clone().unwrap_or_default())
        .with_libraries(libraries)
        .with_init_selector(false)
        .with_stack(arguments)
        .with_gas(GasParams { max: GAS, limit: GAS, credit: 0, ..GasParams::getter() })
        .build();
    let exit_code = !vm.run();
    let stack = Stack::with_items(vm.stack.items.clone());
    Ok((exit_code, vm.gas.consumed(), stack))
}
