//! The blockchain configuration, built by code: the parameters that contracts, the transaction
//! executor and light clients read, with the mainnet's numbers and one validator.
//!
//! No foreign BoC goes in, so every number that a fee depends on can be read here. Layouts are
//! `block.tlb` of the TON node, parameter by parameter.

use core::num::{NonZeroU16, NonZeroU32};

use tycho_types::models::{
    BlockCreationRewards, BlockLimits, BlockParamLimits, BlockchainConfig, BlockchainConfigParams,
    CatchainConfig, ConsensusConfig, ElectionTimings, GasLimitsPrices, GlobalCapabilities,
    GlobalVersion, MsgForwardPrices, StoragePrices, ValidatorCountParams, ValidatorDescription,
    ValidatorSet, ValidatorStakeParams, WorkchainDescription, WorkchainFormat,
    WorkchainFormatBasic,
};
use tycho_types::num::Tokens;
use tycho_types::prelude::*;

use crate::error::Result;

/// Rules of the virtual machine and the executor: the newest that both implement.
pub const GLOBAL_VERSION: u32 = 12;
/// Network id in blocks and in parameter 19 (mainnet is -239).
pub const GLOBAL_ID: i32 = -3;

/// A forward price above the whole supply.
///
/// The devnet's masterchain keeps no accounts. A message to one therefore has to fail, and it
/// fails by the network's own rules: nobody can pay its way, so the sender's action phase ends
/// with code 37 (or skips the message, where its mode asks for that) and the money stays.
const UNPAYABLE: u64 = 1 << 62;

const CONFIG_ADDRESS: HashBytes = HashBytes([0x55; 32]);
const ELECTOR_ADDRESS: HashBytes = HashBytes([0x33; 32]);
const VALIDATOR_WEIGHT: u64 = 1 << 40;
const TEN_YEARS: u32 = 10 * 365 * 86_400;

/// What the basechain charges: parameters 18, 21 and 25 as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prices {
    /// Gas: price in nanoton / 65536, limits in gas units.
    pub gas: GasLimitsPrices,
    /// Forwarding: lump in nanoton, bit and cell in nanoton / 65536.
    pub forward: MsgForwardPrices,
    /// Storage: nanoton / 65536 per second.
    pub storage: StoragePrices,
}

impl Default for Prices {
    /// The mainnet's prices of 2025: 400 nanoton for a gas unit, 400 000 to forward a message.
    fn default() -> Self {
        Self {
            gas: GasLimitsPrices {
                gas_price: 400 << 16,
                gas_limit: 1_000_000,
                special_gas_limit: 1_000_000,
                gas_credit: 10_000,
                block_gas_limit: 10_000_000,
                freeze_due_limit: 100_000_000,
                delete_due_limit: 1_000_000_000,
                flat_gas_limit: 100,
                flat_gas_price: 40_000,
            },
            forward: MsgForwardPrices {
                lump_price: 400_000,
                bit_price: 400 << 16,
                cell_price: 40_000 << 16,
                ihr_price_factor: 98_304,
                first_frac: 21_845,
                next_frac: 21_845,
            },
            storage: StoragePrices {
                utime_since: 0,
                bit_price_ps: 1,
                cell_price_ps: 500,
                mc_bit_price_ps: 1_000,
                mc_cell_price_ps: 500_000,
            },
        }
    }
}

impl Prices {
    /// The same prices divided by `n`; gas units and limits stay.
    #[must_use]
    pub fn divided_by(mut self, n: NonZeroU32) -> Self {
        let n = u64::from(n.get());
        self.gas.gas_price /= n;
        self.gas.flat_gas_price /= n;
        self.forward.lump_price /= n;
        self.forward.bit_price /= n;
        self.forward.cell_price /= n;
        self
    }
}

/// Builds the whole configuration.
///
/// `basechain` is the zerostate (root hash, file hash), `validator` the one public key and
/// `adnl` its short id.
pub(crate) fn build(
    now: u32,
    prices: &Prices,
    basechain: (HashBytes, HashBytes),
    validator: HashBytes,
    adnl: HashBytes,
) -> Result<BlockchainConfig> {
    let mut config = BlockchainConfig::new_empty(CONFIG_ADDRESS);
    let params = &mut config.params;
    params.set_elector_address(&ELECTOR_ADDRESS)?; // 1
    params.set_global_version(&version())?; // 8
    params
        .set_mandatory_params(&[0, 1, 8, 9, 10, 12, 14, 15, 16, 17, 18, 20, 21, 24, 25, 28, 34])?;
    params.set_critical_params(&[0, 1, 8, 9, 10, 12, 14, 15, 16, 17, 32, 34, 36])?;
    params.set_workchains(&workchains(now, basechain)?)?; // 12
    // 14: nothing is minted, so that accounts and collected fees always add up to the supply.
    params.set_block_creation_rewards(&BlockCreationRewards {
        masterchain_block_fee: Tokens::ZERO,
        basechain_block_fee: Tokens::ZERO,
    })?;
    set_elections(params)?; // 15, 16, 17
    params.set_storage_prices(&[prices.storage])?; // 18
    params.set_global_id(GLOBAL_ID)?; // 19
    params.set_gas_prices(true, &masterchain_gas())?; // 20
    params.set_gas_prices(false, &prices.gas)?; // 21
    params.set_block_limits(true, &block_limits())?; // 22
    params.set_block_limits(false, &block_limits())?; // 23
    let unpayable = MsgForwardPrices { lump_price: UNPAYABLE, ..prices.forward };
    params.set_msg_forward_prices(true, &unpayable)?; // 24
    params.set_msg_forward_prices(false, &prices.forward)?; // 25
    set_consensus(params)?; // 28, 29
    params.set_fundamental_addresses(&[ELECTOR_ADDRESS, CONFIG_ADDRESS])?; // 31
    let set = ValidatorSet {
        utime_since: now,
        utime_until: now.saturating_add(TEN_YEARS),
        main: NonZeroU16::MIN,
        total_weight: VALIDATOR_WEIGHT,
        list: vec![ValidatorDescription {
            public_key: validator,
            weight: VALIDATOR_WEIGHT,
            adnl_addr: Some(adnl),
            mc_seqno_since: 0,
            prev_total_weight: 0,
        }],
    };
    params.set_raw(34, CellBuilder::build_from(set)?)?; // 34
    Ok(config)
}

/// Version and capabilities as the mainnet announces them.
pub(crate) fn version() -> GlobalVersion {
    GlobalVersion { version: GLOBAL_VERSION, capabilities: GlobalCapabilities::from(0x1ee_u64) }
}

pub(crate) fn workchains(
    now: u32,
    (root_hash, file_hash): (HashBytes, HashBytes),
) -> Result<Dict<i32, WorkchainDescription>> {
    let mut workchains = Dict::new();
    workchains.set(
        0,
        WorkchainDescription {
            enabled_since: now,
            actual_min_split: 0,
            min_split: 0,
            max_split: 0,
            active: true,
            accept_msgs: true,
            zerostate_root_hash: root_hash,
            zerostate_file_hash: file_hash,
            version: 0,
            format: WorkchainFormat::Basic(WorkchainFormatBasic { vm_version: -1, vm_mode: 0 }),
        },
    )?;
    Ok(workchains)
}

fn set_elections(params: &mut BlockchainConfigParams) -> Result<()> {
    params.set_election_timings(&ElectionTimings {
        validators_elected_for: 65_536,
        elections_start_before: 32_768,
        elections_end_before: 8_192,
        stake_held_for: 32_768,
    })?;
    params.set_validator_count_params(&ValidatorCountParams {
        max_validators: 400,
        max_main_validators: 100,
        min_validators: 1,
    })?;
    params.set_validator_stake_params(&ValidatorStakeParams {
        min_stake: Tokens::new(300_000_000_000_000),
        max_stake: Tokens::new(10_000_000_000_000_000),
        min_total_stake: Tokens::new(300_000_000_000_000),
        max_stake_factor: 196_608,
    })?;
    Ok(())
}

fn masterchain_gas() -> GasLimitsPrices {
    GasLimitsPrices {
        gas_price: 10_000 << 16,
        gas_limit: 1_000_000,
        special_gas_limit: 70_000_000,
        gas_credit: 10_000,
        block_gas_limit: 2_500_000,
        freeze_due_limit: 100_000_000,
        delete_due_limit: 1_000_000_000,
        flat_gas_limit: 100,
        flat_gas_price: 1_000_000,
    }
}

fn block_limits() -> BlockLimits {
    let limits =
        |underload, soft_limit, hard_limit| BlockParamLimits { underload, soft_limit, hard_limit };
    BlockLimits {
        bytes: limits(131_072, 524_288, 1_048_576),
        gas: limits(2_000_000, 10_000_000, 20_000_000),
        lt_delta: limits(1_000, 5_000, 10_000),
    }
}

fn set_consensus(params: &mut BlockchainConfigParams) -> Result<()> {
    params.set_catchain_config(&CatchainConfig {
        isolate_mc_validators: false,
        shuffle_mc_validators: true,
        mc_catchain_lifetime: 250,
        shard_catchain_lifetime: 250,
        shard_validators_lifetime: 1_000,
        shard_validators_num: 1,
    })?;
    params.set_consensus_config(&ConsensusConfig {
        new_catchain_ids: true,
        round_candidates: NonZeroU32::MIN,
        next_candidate_delay_ms: 2_000,
        consensus_timeout_ms: 16_000,
        fast_attempts: 3,
        attempt_duration: 8,
        catchain_max_deps: 4,
        max_block_bytes: 2_097_152,
        max_collated_bytes: 2_097_152,
    })?;
    Ok(())
}
