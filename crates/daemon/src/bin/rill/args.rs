//! The command line: every word of it with its help.

use std::{net::SocketAddr, path::PathBuf};

use channel::{amount::Nano, key::PublicKey};
use clap::{Args as ClapArgs, Parser, Subcommand};
use node::invitation::Invitation;

/// A payment node for the TON Payment Network.
///
/// Start a node with `rill node`; the other commands talk to a running one. Amounts are in TON with up to nine
/// decimals, keys are 64 hex digits.
#[derive(Parser)]
#[command(name = "rill", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Args {
    /// What to log to stderr: error, warn, info, debug, trace, or a filter such as `info,daemon=debug`.
    #[arg(long, global = true, env = "RILL_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Write a config file with fresh keys, to be edited before the first start.
    Init(Start),
    /// Run a node. The first start writes a commented config file with fresh keys.
    ///
    /// What is said on the command line wins over the config file, and stands in it when the first start writes it.
    /// When the node is ready it prints one line of JSON to stdout: its addresses and its invitation. Logs go to
    /// stderr.
    Node(Start),
    /// Run a small web service that is paid per request, in front of a running node.
    ///
    /// It answers with `402 Payment Required` in the x402 shape (version 2) until it is shown a proof of payment, and
    /// keeps the list of spent invoices in --dir. Its first line on stdout is JSON: where it is.
    Shop(ShopArgs),
    #[command(flatten)]
    Ask(Ask),
}

#[derive(ClapArgs)]
pub(crate) struct Start {
    /// Data directory of the node; made if it is not there.
    #[arg(long, env = "RILL_DIR", default_value = "rill-data", value_name = "DIR")]
    pub(crate) dir: PathBuf,

    /// Config file [default: rill.toml in the data directory].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Where to listen for other nodes (ADNL over UDP); port 0 takes a free one.
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) udp: Option<SocketAddr>,

    /// Where to listen for HTTP and WebSockets; port 0 takes a free one.
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) http: Option<SocketAddr>,

    /// UDP address that the invitation tells others, if it is not --udp.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) public_udp: Option<String>,

    /// URL of the WebSocket relay that the invitation tells pages, if it is not ws://<http>/adnl.
    #[arg(long, value_name = "URL")]
    pub(crate) public_ws: Option<String>,

    /// URL of the liteserver proxy that the invitation tells pages, if it is not ws://<http>/lite.
    #[arg(long, value_name = "URL")]
    pub(crate) public_lite: Option<String>,

    /// The liteserver through which the node follows the chain.
    #[arg(long, value_name = "HOST:PORT", requires = "liteserver_key")]
    pub(crate) liteserver: Option<String>,

    /// The key of that liteserver.
    #[arg(long, value_name = "HEX", requires = "liteserver")]
    pub(crate) liteserver_key: Option<String>,

    /// CAIP-2 name of the chain: tvm:-3 for testnet or a local chain, tvm:-239 for mainnet.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) network: Option<String>,

    /// Control URL of a local chain, whose faucet the node then passes on.
    #[arg(long, value_name = "URL")]
    pub(crate) devnet: Option<String>,

    /// Pass on payments of others for a fee.
    #[arg(long)]
    pub(crate) relay: bool,

    #[command(flatten)]
    pub(crate) terms: Terms,

    /// The token for commands, instead of the one in the config file.
    #[arg(long, env = "RILL_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
}

#[derive(ClapArgs)]
pub(crate) struct Terms {
    /// Least fee of the relay for one payment, in TON.
    #[arg(long, value_name = "TON")]
    pub(crate) relay_min_fee: Option<Nano>,

    /// Fee of the relay in millionths of the payment.
    #[arg(long, value_name = "PPM")]
    pub(crate) relay_fee_ppm: Option<u32>,

    /// Largest payment that the relay passes on, in TON.
    #[arg(long, value_name = "TON")]
    pub(crate) relay_max: Option<Nano>,
}

#[derive(ClapArgs)]
pub(crate) struct ShopArgs {
    /// HTTP address of the node that is paid.
    #[arg(long, value_name = "URL")]
    pub(crate) node: String,

    /// admin_token of that node.
    #[arg(long, env = "RILL_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: String,

    /// Invitation of the relay through which customers pay; it needs a channel with the node.
    #[arg(long, value_name = "INVITATION")]
    pub(crate) relay: Invitation,

    #[command(flatten)]
    pub(crate) terms: Terms,

    /// Where to listen for customers.
    #[arg(long, default_value = "127.0.0.1:4540", value_name = "IP:PORT")]
    pub(crate) listen: SocketAddr,

    /// Address under which customers know the shop [default: http://<listen>].
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,

    /// Price of an article, in TON.
    #[arg(long, default_value = "0.01", value_name = "TON")]
    pub(crate) price: Nano,

    /// Where the list of spent invoices is kept; made if it is not there.
    #[arg(long, default_value = "rill-shop", value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

#[derive(Subcommand)]
pub(crate) enum Ask {
    /// Print the invitation, with which other nodes and pages reach this one.
    Invitation {
        #[command(flatten)]
        node: Running,
    },
    /// Show wallet, channels and payments.
    Status {
        /// All of it, as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        node: Running,
    },
    /// Remember how to reach another node.
    Contact {
        invitation: Invitation,
        #[command(flatten)]
        node: Running,
    },
    /// Open a channel with the node of an invitation, or top up the one that there is.
    Open {
        invitation: Invitation,
        /// What our side of the channel shall hold at least, in TON.
        #[arg(long, value_name = "TON")]
        deposit: Nano,
        /// Seconds to wait until the channel is open; 0 returns at once.
        #[arg(long, default_value_t = 120, value_name = "SECONDS")]
        wait: u64,
        #[command(flatten)]
        node: Running,
    },
    /// Pay a node, over relays or directly.
    Pay {
        /// Node key of the receiver.
        to: PublicKey,
        /// In TON.
        amount: Nano,
        /// A relay on the way and its fee in TON, such as <node key>:0.0001; in order, more than once if need be.
        #[arg(long, value_name = "KEY:FEE", value_parser = via)]
        via: Vec<(PublicKey, Nano)>,
        /// Names the payment: with the same id again it is not made twice [default: a random one].
        #[arg(long, value_name = "HEX")]
        id: Option<PublicKey>,
        /// Seconds to wait for the end of the payment.
        #[arg(long, default_value_t = 30, value_name = "SECONDS")]
        wait: u64,
        #[command(flatten)]
        node: Running,
    },
    /// Get test coins from a local chain.
    Faucet {
        /// In TON.
        amount: Nano,
        /// Raw address [default: the node's own wallet].
        #[arg(long, value_name = "ADDRESS")]
        address: Option<String>,
        #[command(flatten)]
        node: Running,
    },
    /// Fetch a web page with the node's money: pays what it costs, up to a limit.
    Fetch {
        url: String,
        /// Most that it may cost with fees, in TON.
        #[arg(long, default_value = "0.1", value_name = "TON")]
        max: Nano,
        #[command(flatten)]
        node: Running,
    },
}

// Which node to talk to: by its data directory on this machine, or by address and token.
#[derive(ClapArgs)]
pub(crate) struct Running {
    /// Data directory of the running node.
    #[arg(long, env = "RILL_DIR", default_value = "rill-data", value_name = "DIR")]
    pub(crate) dir: PathBuf,

    /// HTTP address of the node, instead of --dir.
    #[arg(long, value_name = "URL")]
    pub(crate) node: Option<String>,

    /// admin_token of the node [default: the one in the config file of --dir].
    #[arg(long, env = "RILL_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
}

fn via(text: &str) -> Result<(PublicKey, Nano), String> {
    let (key, fee) = text.split_once(':').ok_or("write <node key>:<fee in TON>")?;
    let key = key.parse().map_err(|error| format!("{error}"))?;
    let fee = fee.parse().map_err(|error| format!("{error}"))?;
    Ok((key, fee))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn no_two_words_of_the_command_line_contradict_each_other() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_hop_is_a_key_and_its_fee() {
        let key = PublicKey([7; 32]);
        assert_eq!(via(&format!("{key}:0.5")), Ok((key, Nano(500_000_000))));
        for wrong in ["", "7:1", &key.to_string(), &format!("{key}:x")] {
            assert!(via(wrong).is_err());
        }
    }
}
