//! The config file: made once, checked every time.

use std::{fs, os::unix::fs::PermissionsExt};

use channel::amount::Nano;
use daemon::{
    Daemon, StartError,
    config::{Config, ConfigError, Liteserver, Overrides, Public, USUAL_TUNNEL},
};
use tempfile::TempDir;

use crate::support::{self, server_key};

#[test]
fn a_generated_config_reads_back_as_the_same_config() {
    let overrides = Overrides {
        network: Some("tvm:-239".to_owned()),
        udp: Some("0.0.0.0:7".parse().unwrap()),
        http: Some("[::1]:8".parse().unwrap()),
        public: Public {
            udp: Some("node.example:9".to_owned()),
            ws: Some("wss://node.example/adnl".to_owned()),
            lite: None,
        },
        liteserver: Some(Liteserver { address: "1.2.3.4:5".to_owned(), key: server_key() }),
        devnet: Some("http://127.0.0.1:1".to_owned()),
        relay: Some(USUAL_TUNNEL),
    };
    let config = Config::generate().unwrap().with(overrides).unwrap();
    let again = Config::parse(&config.to_text()).unwrap();
    assert_eq!(*again.to_text(), *config.to_text());
    assert_eq!(again.relay, Some(USUAL_TUNNEL));
    assert_eq!(again.liteservers, config.liteservers);
    assert_eq!(*again.keys.node, *config.keys.node);
}

#[test]
fn two_generated_configs_share_no_key() {
    let [one, other] = [Config::generate().unwrap(), Config::generate().unwrap()];
    let seeds = [
        *one.keys.node,
        *one.keys.wallet,
        *one.keys.adnl,
        *other.keys.node,
        *other.keys.wallet,
        *other.keys.adnl,
    ];
    for (n, seed) in seeds.iter().enumerate() {
        assert!(!seeds[..n].contains(seed));
    }
    assert_ne!(*one.keys.admin_token, *other.keys.admin_token);
}

#[test]
fn the_file_is_for_its_owner_only_and_never_replaced() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("new/rill.toml");
    let config = Config::generate().unwrap();
    config.write_new(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let text = fs::read_to_string(&path).unwrap();
    let again = Config::generate().unwrap().write_new(&path);
    assert!(matches!(again, Err(ConfigError::Exists { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = Config::load(&path).err().unwrap().to_string();
    assert!(error.contains("chmod 600"), "{error}");
}

/// Each wrong line, and what the error must say.
#[test]
fn every_error_names_the_field_and_the_fix() {
    let good = support::config();
    for (line, wrong, says) in [
        ("network = ", "network = \"mainnet\"", ["`network`", "tvm:-239"]),
        ("node = ", "node = \"abc\"", ["`keys.node`", "64 hex digits"]),
        ("admin_token = ", "admin_token = \"secret\"", ["`keys.admin_token`", "16"]),
        ("udp = ", "udp = \"localhost\"", ["`listen.udp`", "ip:port"]),
        ("http = ", "http = \"127.0.0.1\"", ["`listen.http`", "ip:port"]),
        ("# ws = ", "ws = \"https://node.example\"", ["`public.ws`", "wss://"]),
        ("# udp = ", "udp = \"node.example\"", ["`public.udp`", "host:port"]),
        ("address = ", "address = \"4443\"", ["`liteserver.address`", "host:port"]),
        ("key = ", "key = \"12\"", ["`liteserver.key`", "64 hex digits"]),
        ("fine = ", "fine = \"3 TON\"", ["`closing.fine`", "1.5"]),
        ("fine = ", "fine = 3", ["fine", "string"]),
        ("frame_bytes = ", "frame_bytes = 10", ["`limits.frame_bytes`", "2048"]),
        ("frame_bytes = ", "frame_byte = 10", ["frame_byte", "unknown field"]),
        ("channels = ", "channels = -1", ["channels", "u32"]),
    ] {
        let text = good.to_text();
        let at = text.find(&format!("\n{line}")).unwrap() + 1;
        let end = at + text[at..].find('\n').unwrap();
        let text = format!("{}{wrong}{}", &text[..at], &text[end..]);
        let error = Config::parse(&text).err().unwrap_or_else(|| panic!("{wrong} was taken"));
        for word in says {
            assert!(error.to_string().contains(word), "{wrong}: {error}");
        }
    }
}

#[test]
fn what_the_command_line_says_is_checked_like_the_file() {
    let wrong = Overrides { devnet: Some("127.0.0.1:1".to_owned()), ..Overrides::default() };
    let error = Config::generate().unwrap().with(wrong).err().unwrap().to_string();
    assert!(error.contains("`devnet.control`") && error.contains("http://"), "{error}");
}

#[test]
fn what_the_command_line_does_not_say_stays_as_it_is() {
    let mut config = support::config();
    config.relay = Some(USUAL_TUNNEL);
    config.closing.fine = Nano(7);
    let text = config.to_text();
    assert_eq!(*config.with(Overrides::default()).unwrap().to_text(), *text);
}

#[tokio::test]
async fn a_node_without_a_way_to_the_chain_does_not_start() {
    let dir = TempDir::new().unwrap();
    let mut config = support::config();
    config.liteservers.clear();
    let error = Daemon::start(config, dir.path()).await.err().unwrap().to_string();
    assert!(error.contains("[[liteserver]]"), "{error}");
}

#[tokio::test]
async fn an_address_that_nobody_can_send_to_needs_a_public_one() {
    let dir = TempDir::new().unwrap();
    let mut config = support::config();
    config.listen.udp = "0.0.0.0:0".parse().unwrap();
    let error = Daemon::start(config, dir.path()).await.err().unwrap().to_string();
    assert!(error.contains("public.udp"), "{error}");

    let mut config = support::config();
    config.listen.udp = "0.0.0.0:0".parse().unwrap();
    config.public.udp = Some("node.example:1".to_owned());
    let daemon = Daemon::start(config, dir.path()).await.unwrap();
    assert_eq!(daemon.invitation.contact.udp, "node.example:1");
}

#[tokio::test]
async fn a_port_in_use_is_named_with_the_field_to_change() {
    let first = support::lone(support::config()).await;
    let dir = TempDir::new().unwrap();
    let mut config = support::config();
    config.listen.http = first.daemon.http;
    let error = Daemon::start(config, dir.path()).await.err().unwrap();
    assert!(matches!(error, StartError::Listen { field: "listen.http", .. }));
    assert!(error.to_string().contains("listen.http"), "{error}");
}
