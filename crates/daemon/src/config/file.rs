//! The config file as text: what may stand in it, how it is read, and the commented one that the first
//! start writes. Amounts in it are TON, keys are hex; every error says which line of it to change.

use std::{collections::HashMap, fmt::Write as _, net::SocketAddr, str::FromStr};

use channel::{amount::Nano, key::PublicKey};
use node::config::Tunnel;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Closing, Config, ConfigError, Devnet, Keys, Limits, Listen, Liteserver, Public};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    network: String,
    keys: FileKeys,
    listen: FileListen,
    #[serde(default)]
    public: FilePublic,
    #[serde(default)]
    liteserver: Vec<FileLiteserver>,
    devnet: Option<FileDevnet>,
    relay: Option<FileRelay>,
    #[serde(default)]
    closing: FileClosing,
    #[serde(default)]
    limits: FileLimits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKeys {
    node: Zeroizing<String>,
    wallet: Zeroizing<String>,
    adnl: Zeroizing<String>,
    admin_token: Zeroizing<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileListen {
    udp: String,
    http: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePublic {
    udp: Option<String>,
    ws: Option<String>,
    lite: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLiteserver {
    address: String,
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileDevnet {
    control: String,
    faucet_max: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRelay {
    min_fee: String,
    fee_ppm: u32,
    max_capacity: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileClosing {
    quarantine_secs: Option<u32>,
    settle_secs: Option<u32>,
    fine: Option<String>,
    buffer_secs: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLimits {
    channels: Option<u32>,
    channels_per_peer: Option<u32>,
    conditionals: Option<u32>,
    sockets: Option<usize>,
    sockets_per_address: Option<usize>,
    frame_bytes: Option<usize>,
    frames_per_second: Option<u32>,
}

/// Reads the text of a config file and checks every field of it.
pub(super) fn parse(text: &str) -> Result<Config, ConfigError> {
    let file: File =
        toml::from_str(text).map_err(|error| ConfigError::Syntax(error.to_string()))?;
    check_network(&file.network)?;
    let usual = Limits::default();
    let limits = Limits {
        channels: file.limits.channels.unwrap_or(usual.channels),
        channels_per_peer: file.limits.channels_per_peer.unwrap_or(usual.channels_per_peer),
        conditionals: file.limits.conditionals.unwrap_or(usual.conditionals),
        sockets: file.limits.sockets.unwrap_or(usual.sockets),
        sockets_per_address: file.limits.sockets_per_address.unwrap_or(usual.sockets_per_address),
        frame_bytes: file.limits.frame_bytes.unwrap_or(usual.frame_bytes),
        frames_per_second: file.limits.frames_per_second.unwrap_or(usual.frames_per_second),
    };
    let usual = Closing::default();
    let closing = Closing {
        quarantine_secs: file.closing.quarantine_secs.unwrap_or(usual.quarantine_secs),
        settle_secs: file.closing.settle_secs.unwrap_or(usual.settle_secs),
        fine: optional(file.closing.fine, |text| amount("closing.fine", &text))?
            .unwrap_or(usual.fine),
        buffer_secs: file.closing.buffer_secs.unwrap_or(usual.buffer_secs),
    };
    if limits.frame_bytes < DATAGRAM_BYTES {
        return Err(invalid(
            "limits.frame_bytes",
            format!(
                "{} is less than one datagram: use {DATAGRAM_BYTES} or more",
                limits.frame_bytes
            ),
        ));
    }
    Ok(Config {
        network: file.network,
        keys: keys(file.keys)?,
        listen: Listen {
            udp: address("listen.udp", &file.listen.udp)?,
            http: address("listen.http", &file.listen.http)?,
        },
        public: Public {
            udp: optional(file.public.udp, |text| host_port("public.udp", text))?,
            ws: optional(file.public.ws, |text| ws_url("public.ws", text))?,
            lite: optional(file.public.lite, |text| ws_url("public.lite", text))?,
        },
        liteservers: liteservers(file.liteserver)?,
        devnet: optional(file.devnet, devnet)?,
        relay: optional(file.relay, relay)?,
        closing,
        limits,
    })
}

fn keys(file: FileKeys) -> Result<Keys, ConfigError> {
    if file.admin_token.len() < TOKEN_MIN {
        return Err(invalid(
            "keys.admin_token",
            format!("it is shorter than {TOKEN_MIN} characters: use a long random one"),
        ));
    }
    Ok(Keys {
        node: seed("keys.node", &file.node)?,
        wallet: seed("keys.wallet", &file.wallet)?,
        adnl: seed("keys.adnl", &file.adnl)?,
        admin_token: file.admin_token,
    })
}

fn liteservers(file: Vec<FileLiteserver>) -> Result<Vec<Liteserver>, ConfigError> {
    let mut seen = HashMap::new();
    let mut servers = Vec::new();
    for FileLiteserver { address, key } in file {
        let server = Liteserver {
            address: host_port("liteserver.address", address)?,
            key: public_key("liteserver.key", &key)?,
        };
        if seen.insert(server.key, ()).is_some() {
            return Err(invalid("liteserver.key", format!("{key} stands there twice: remove one")));
        }
        servers.push(server);
    }
    Ok(servers)
}

fn devnet(file: FileDevnet) -> Result<Devnet, ConfigError> {
    let faucet_max = optional(file.faucet_max, |text| amount("devnet.faucet_max", &text))?;
    Ok(Devnet {
        control: http_url("devnet.control", file.control)?,
        faucet_max: faucet_max.unwrap_or(Devnet::FAUCET_MAX),
    })
}

fn relay(file: FileRelay) -> Result<Tunnel, ConfigError> {
    Ok(Tunnel {
        min_fee: amount("relay.min_fee", &file.min_fee)?,
        fee_ppm: file.fee_ppm,
        max_capacity: amount("relay.max_capacity", &file.max_capacity)?,
    })
}

fn optional<T, U>(
    value: Option<T>,
    read: impl FnOnce(T) -> Result<U, ConfigError>,
) -> Result<Option<U>, ConfigError> {
    value.map(read).transpose()
}

fn invalid(field: &'static str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Field { field, reason: reason.into() }
}

fn check_network(text: &str) -> Result<(), ConfigError> {
    let id = text.strip_prefix("tvm:").and_then(|id| i32::from_str(id).ok());
    match id {
        Some(_) => Ok(()),
        None => Err(invalid(
            "network",
            format!(
                "{text:?} is no network: use \"tvm:-3\" for testnet or a local chain, \"tvm:-239\" for mainnet"
            ),
        )),
    }
}

fn seed(field: &'static str, text: &str) -> Result<Zeroizing<[u8; 32]>, ConfigError> {
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text, &mut *seed).map_err(|_| {
        invalid(field, "it is not a key of 64 hex digits: restore it from your copy")
    })?;
    Ok(seed)
}

pub(super) fn public_key(field: &'static str, text: &str) -> Result<PublicKey, ConfigError> {
    text.parse().map_err(|error: channel::key::KeyError| invalid(field, error.to_string()))
}

pub(super) fn amount(field: &'static str, text: &str) -> Result<Nano, ConfigError> {
    Nano::from_coins(text).map_err(|error| invalid(field, error.to_string()))
}

pub(super) fn address(field: &'static str, text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| {
        invalid(field, format!("{text:?} is not an address: write ip:port, such as 127.0.0.1:4530"))
    })
}

pub(super) fn host_port(field: &'static str, text: String) -> Result<String, ConfigError> {
    let valid = text.rsplit_once(':').is_some_and(|(host, port)| {
        let plain = !host.is_empty() && !host.contains(|c: char| "/?&@ ".contains(c));
        plain && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    let reason = || format!("{text:?} is not host:port, such as node.example:4530");
    if valid { Ok(text) } else { Err(invalid(field, reason())) }
}

pub(super) fn ws_url(field: &'static str, text: String) -> Result<String, ConfigError> {
    let valid = text.starts_with("ws://") || text.starts_with("wss://");
    let reason = || format!("{text:?} does not start with ws:// or wss://");
    if valid { Ok(text) } else { Err(invalid(field, reason())) }
}

pub(super) fn http_url(field: &'static str, text: String) -> Result<String, ConfigError> {
    let reason =
        || format!("{text:?} does not start with http://, which is all that is spoken here");
    if text.starts_with("http://") { Ok(text) } else { Err(invalid(field, reason())) }
}

/// The commented file that says the same as `config`.
pub(super) fn render(config: &Config) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    // Writing to a string cannot fail.
    let _ = write_to(&mut text, config);
    text
}

fn write_to(to: &mut String, config: &Config) -> std::fmt::Result {
    let Config { network, keys, listen, public, liteservers, devnet, relay, closing, limits } =
        config;
    let usual = super::USUAL_TUNNEL;
    write!(
        to,
        "# A Rill payment node. Edit, then start the node again. Amounts are in TON, keys in hex.
#
# This file holds private keys: nobody else may read it, and whoever loses it loses the money.
# Keep a copy of it, and of the file node.redb next to it only while the node is stopped.

# \"tvm:-3\" is testnet or a local chain, \"tvm:-239\" is mainnet.
network = {network:?}

[keys]
# The identity in channels.
node = \"{node}\"
# The wallet that pays for contract messages.
wallet = \"{wallet}\"
# What peers encrypt to.
adnl = \"{adnl}\"
# Programs that command this node send it as `Authorization: Bearer <token>`.
admin_token = {token:?}

[listen]
# ADNL for other nodes. Use 0.0.0.0 and set public.udp to be reachable from outside.
udp = \"{udp}\"
# HTTP API, and WebSockets for pages. Plain HTTP: put a TLS proxy in front of it on the internet.
http = \"{http}\"

# What the invitation tells others, where it differs from the addresses above.
[public]
",
        node = *Zeroizing::new(hex::encode(*keys.node)),
        wallet = *Zeroizing::new(hex::encode(*keys.wallet)),
        adnl = *Zeroizing::new(hex::encode(*keys.adnl)),
        token = *keys.admin_token,
        udp = listen.udp,
        http = listen.http,
    )?;
    for (name, value, example) in [
        ("udp", &public.udp, "node.example:4530"),
        ("ws", &public.ws, "wss://node.example/adnl"),
        ("lite", &public.lite, "wss://node.example/lite"),
    ] {
        match value {
            Some(value) => writeln!(to, "{name} = {value:?}")?,
            None => writeln!(to, "# {name} = {example:?}")?,
        }
    }
    writeln!(
        to,
        "
# Liteservers, from the global config of the network. The node follows the chain through the first
# that works; pages can reach all of them, and no other server, through /lite/<key>."
    )?;
    for Liteserver { address, key } in liteservers {
        write!(to, "[[liteserver]]\naddress = {address:?}\nkey = \"{key}\"\n")?;
    }
    if liteservers.is_empty() {
        write!(
            to,
            "# [[liteserver]]\n# address = \"203.0.113.1:4443\"\n# key = \"<64 hex digits>\"\n"
        )?;
    }
    writeln!(to, "\n# A local chain with a faucet, for trying things out.")?;
    match devnet {
        Some(Devnet { control, faucet_max }) => {
            write!(
                to,
                "[devnet]\ncontrol = {control:?}\n# Most that POST /faucet gives at once.\nfaucet_max = \"{faucet_max}\"\n"
            )?;
        }
        None => write!(to, "# [devnet]\n# control = \"http://127.0.0.1:8080\"\n")?,
    }
    writeln!(
        to,
        "
# Passing on payments of others for a fee: the larger of min_fee and fee_ppm millionths of what is passed
# on. Without this section the node does not relay."
    )?;
    let (mark, tunnel) = match relay {
        Some(tunnel) => ("", tunnel),
        None => ("# ", &usual),
    };
    let Tunnel { min_fee, fee_ppm, max_capacity } = tunnel;
    write!(
        to,
        "{mark}[relay]
{mark}min_fee = \"{min_fee}\"
{mark}fee_ppm = {fee_ppm}
{mark}max_capacity = \"{max_capacity}\"

# Closing terms are fixed in the contract of each channel; two nodes only open channels with equal ones.
[closing]
quarantine_secs = {}
settle_secs = {}
fine = \"{}\"
# What this node keeps in hand to get a message on chain.
buffer_secs = {}

# What others can make this node store or do, at the most.
[limits]
channels = {}
channels_per_peer = {}
conditionals = {}
sockets = {}
sockets_per_address = {}
frame_bytes = {}
frames_per_second = {}
",
        closing.quarantine_secs,
        closing.settle_secs,
        closing.fine,
        closing.buffer_secs,
        limits.channels,
        limits.channels_per_peer,
        limits.conditionals,
        limits.sockets,
        limits.sockets_per_address,
        limits.frame_bytes,
        limits.frames_per_second,
    )
}

/// No ADNL datagram is longer.
const DATAGRAM_BYTES: usize = 2048;

const TOKEN_MIN: usize = 16;
