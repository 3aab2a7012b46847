//! What the owner of a daemon decides: keys, addresses, the liteserver, prices, limits.
//!
//! The first start writes a commented file with fresh keys; from then on the file is the truth and
//! [`Overrides`], usually command line flags, win over it. A wrong field is an error that names the fix.

mod file;

use std::{
    fs, io,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use channel::{amount::Nano, key::PublicKey};
use node::config::Tunnel;
use zeroize::Zeroizing;

/// Everything that a daemon is told at start.
pub struct Config {
    /// CAIP-2 id of the chain, e.g. `tvm:-3`.
    pub network: String,
    pub keys: Keys,
    pub listen: Listen,
    pub public: Public,
    /// The node follows the chain through the first that works.
    pub liteservers: Vec<Liteserver>,
    pub devnet: Option<Devnet>,
    /// Terms for passing on payments of others; `None`: this node does not.
    pub relay: Option<Tunnel>,
    pub closing: Closing,
    pub limits: Limits,
}

/// Seeds of the Ed25519 keys, and the word that opens the HTTP API.
pub struct Keys {
    pub node: Zeroizing<[u8; 32]>,
    pub wallet: Zeroizing<[u8; 32]>,
    pub adnl: Zeroizing<[u8; 32]>,
    pub admin_token: Zeroizing<String>,
}

/// Where the daemon listens; port 0 takes a free one.
#[derive(Clone, Debug)]
pub struct Listen {
    pub udp: SocketAddr,
    pub http: SocketAddr,
}

/// What the invitation says where it differs from [`Listen`].
#[derive(Clone, Debug, Default)]
pub struct Public {
    /// `host:port`.
    pub udp: Option<String>,
    /// URL of `/adnl`.
    pub ws: Option<String>,
    /// URL of `/lite`, without the liteserver's key.
    pub lite: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Liteserver {
    /// `host:port`.
    pub address: String,
    pub key: PublicKey,
}

/// A local chain whose faucet this daemon passes on.
#[derive(Clone, Debug)]
pub struct Devnet {
    /// `http://` URL of its control interface.
    pub control: String,
    /// Most that one call of `/faucet` gives.
    pub faucet_max: Nano,
}

/// Closing terms, fixed in the contract of each channel.
#[derive(Clone, Debug)]
pub struct Closing {
    pub quarantine_secs: u32,
    pub settle_secs: u32,
    pub fine: Nano,
    pub buffer_secs: u32,
}

/// What others can make this daemon store or do, at the most.
#[derive(Clone, Debug)]
pub struct Limits {
    pub channels: u32,
    pub channels_per_peer: u32,
    /// Live conditionals on one side of a channel.
    pub conditionals: u32,
    /// Open WebSockets in all and from one IP address.
    pub sockets: usize,
    pub sockets_per_address: usize,
    /// Longest WebSocket message and longest HTTP body.
    pub frame_bytes: usize,
    /// Sustained rate of messages on one WebSocket.
    pub frames_per_second: u32,
}

/// What is said on the command line instead of in the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub network: Option<String>,
    pub udp: Option<SocketAddr>,
    pub http: Option<SocketAddr>,
    pub public: Public,
    pub liteserver: Option<Liteserver>,
    pub devnet: Option<String>,
    pub relay: Option<Tunnel>,
}

/// What is wrong with the config and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path} cannot be read or written: {reason}")]
    Io { path: PathBuf, reason: io::Error },
    #[error("{path}: {error}")]
    InFile { path: PathBuf, error: Box<ConfigError> },
    #[error(
        "{path} can be read by other users although it holds private keys: run `chmod 600 {path}`"
    )]
    Exposed { path: PathBuf },
    #[error("{path} is there already: edit it, or choose another directory with --dir")]
    Exists { path: PathBuf },
    #[error("not valid TOML for a node: {0}")]
    Syntax(String),
    #[error("`{field}`: {reason}")]
    Field { field: &'static str, reason: String },
    #[error(
        "no liteserver is configured, so the node could not see the chain: add a [[liteserver]] section with address and key, or start with --liteserver <host:port> --liteserver-key <hex>"
    )]
    NoLiteserver,
    #[error(
        "listening on {listen} tells nobody where to send: set public.{field} to the address that others can reach"
    )]
    Unspecified { listen: SocketAddr, field: &'static str },
    #[error("the system gave no random bytes for new keys: {0}")]
    Entropy(getrandom::Error),
}

impl Config {
    /// A config with fresh keys and the usual terms, listening on this machine only.
    pub fn generate() -> Result<Self, ConfigError> {
        Ok(Self {
            network: "tvm:-3".to_owned(),
            keys: Keys {
                node: random()?,
                wallet: random()?,
                adnl: random()?,
                admin_token: Zeroizing::new(hex::encode(*random()?)),
            },
            listen: Listen { udp: LISTEN, http: LISTEN },
            public: Public::default(),
            liteservers: Vec::new(),
            devnet: None,
            relay: None,
            closing: Closing::default(),
            limits: Limits::default(),
        })
    }

    /// Reads and checks a config file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let failed = |reason| ConfigError::Io { path: path.to_owned(), reason };
        if exposed(path).map_err(failed)? {
            return Err(ConfigError::Exposed { path: path.to_owned() });
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
        Self::parse(&text)
            .map_err(|error| ConfigError::InFile { path: path.to_owned(), error: Box::new(error) })
    }

    /// Reads and checks the text of a config file.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        file::parse(text)
    }

    /// The commented text that [`Config::parse`] reads back as the same config.
    pub fn to_text(&self) -> Zeroizing<String> {
        file::render(self)
    }

    /// Writes the file, readable by its owner only. Never replaces one.
    pub fn write_new(&self, path: &Path) -> Result<(), ConfigError> {
        let failed = |reason| ConfigError::Io { path: path.to_owned(), reason };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => ConfigError::Exists { path: path.to_owned() },
            _ => failed(error),
        })?;
        file.write_all(self.to_text().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// Lets what the command line says win, and checks it as if it stood in the file.
    pub fn with(mut self, overrides: Overrides) -> Result<Self, ConfigError> {
        let Overrides { network, udp, http, public, liteserver, devnet, relay } = overrides;
        if let Some(network) = network {
            self.network = network;
        }
        self.listen.udp = udp.unwrap_or(self.listen.udp);
        self.listen.http = http.unwrap_or(self.listen.http);
        self.public.udp = public.udp.or(self.public.udp.take());
        self.public.ws = public.ws.or(self.public.ws.take());
        self.public.lite = public.lite.or(self.public.lite.take());
        if let Some(server) = liteserver {
            self.liteservers.retain(|known| known.key != server.key);
            self.liteservers.insert(0, server);
        }
        if let Some(control) = devnet {
            let faucet_max = self.devnet.map_or(Devnet::FAUCET_MAX, |devnet| devnet.faucet_max);
            self.devnet = Some(Devnet { control, faucet_max });
        }
        self.relay = relay.or(self.relay);
        Self::parse(&self.to_text())
    }

    /// What the core is told.
    pub fn core(&self, codes: node::config::Codes) -> node::config::Config {
        let mut core = node::config::Config::new(*self.keys.node, *self.keys.wallet, codes);
        core.closing.quarantine_duration = self.closing.quarantine_secs;
        core.closing.conditional_close_duration = self.closing.settle_secs;
        core.closing.misbehavior_fine = self.closing.fine;
        core.buffer_secs = self.closing.buffer_secs;
        core.tunnel = self.relay;
        core.limits.channels = self.limits.channels;
        core.limits.channels_per_peer = self.limits.channels_per_peer;
        core.limits.conditionals = self.limits.conditionals;
        core
    }
}

impl Devnet {
    pub const FAUCET_MAX: Nano = Nano(1_000_000_000_000);
}

impl Liteserver {
    /// From the two halves of the command line.
    pub fn new(address: String, key: &str) -> Result<Self, ConfigError> {
        let address = file::host_port("liteserver.address", address)?;
        Ok(Self { address, key: file::public_key("liteserver.key", key)? })
    }
}

impl Default for Closing {
    fn default() -> Self {
        Self {
            quarantine_secs: 21_600,
            settle_secs: 10_800,
            fine: Nano(3_000_000_000),
            buffer_secs: 10_800,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            channels: 10_000,
            channels_per_peer: 4,
            conditionals: 1_000,
            sockets: 4_096,
            sockets_per_address: 64,
            frame_bytes: 64 << 10,
            frames_per_second: 2_000,
        }
    }
}

/// What a relay asks when its owner has no opinion: a tenth of a percent, at least 0.0001 TON.
pub const USUAL_TUNNEL: Tunnel =
    Tunnel { min_fee: Nano(100_000), fee_ppm: 1_000, max_capacity: Nano(100_000_000_000) };

pub(crate) fn random() -> Result<Zeroizing<[u8; 32]>, ConfigError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(ConfigError::Entropy)?;
    Ok(bytes)
}

#[cfg(unix)]
fn exposed(path: &Path) -> io::Result<bool> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path)?.permissions());
    Ok(mode & 0o077 != 0)
}

#[cfg(not(unix))]
fn exposed(path: &Path) -> io::Result<bool> {
    fs::metadata(path).map(|_| false)
}

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4530);
