//! The whole thing on a local chain: three daemons, a shop, and a customer who pays it through the relay.

use std::{path::Path, time::Duration};

use channel::{amount::Nano, key::PublicKey};
use daemon::{
    Daemon,
    config::{Config, Devnet as Faucet, Liteserver, USUAL_TUNNEL},
    fetch::{Payer, fetch},
    shop::{Merchant, Shop, ShopConfig},
};
use devnet::{Devnet, DevnetConfig};
use node::{
    config::Codes,
    io::{Command, Reply},
    summary::{ChannelPhase, Snapshot},
};
use tempfile::TempDir;

use crate::support::ANY_PORT;

const COINS: u128 = 1_000_000_000;

struct Party {
    daemon: Daemon,
    token: String,
    dir: TempDir,
    /// To start it again as it was.
    text: String,
}

fn config(chain: &Devnet) -> Config {
    let (address, key) = chain.liteserver();
    let mut config = Config::generate().unwrap();
    config.listen.udp = ANY_PORT;
    config.listen.http = ANY_PORT;
    config.liteservers = vec![Liteserver { address: address.to_string(), key: PublicKey(key) }];
    config
}

impl Party {
    async fn start(config: Config) -> Self {
        let dir = TempDir::new().unwrap();
        let mut config = config;
        let (token, text) = (config.keys.admin_token.to_string(), config.to_text().to_string());
        config.devnet = None::<Faucet>;
        let daemon = Daemon::start(config, dir.path()).await.unwrap();
        Self { daemon, token, dir, text }
    }

    /// Ends the daemon and starts it again from its disk, at the same addresses.
    async fn restart(self) -> Self {
        let Self { daemon, token, dir, text } = self;
        let mut config = Config::parse(&text).unwrap();
        (config.listen.http, config.listen.udp) = (daemon.http, daemon.adnl);
        daemon.stop().await;
        let daemon = restarted(config, dir.path()).await;
        Self { daemon, token, dir, text }
    }

    async fn snapshot(&self) -> Snapshot {
        match self.daemon.handle().command(Command::Snapshot).await.unwrap() {
            Reply::Snapshot(snapshot) => snapshot,
            other => panic!("{other:?}"),
        }
    }

    async fn fund(&self, chain: &Devnet, coins: u128) {
        let mut address = [0; 32];
        hex::decode_to_slice(self.snapshot().await.wallet.address, &mut address).unwrap();
        chain.faucet(address, coins * COINS).await.unwrap();
    }

    async fn open(&self, peer: &Self, coins: u128) {
        let contact = peer.daemon.invitation.contact.clone();
        let node = contact.node;
        let handle = self.daemon.handle();
        handle.command(Command::AddContact(contact)).await.unwrap();
        let deposit = Nano(coins * COINS);
        until("the money to be seen on chain", async || {
            self.snapshot().await.wallet.balance >= Some(deposit)
        })
        .await;
        handle.command(Command::OpenChannel { peer: node, deposit }).await.unwrap();
        until("the channel to open", async || {
            let channels = self.snapshot().await.channels;
            let open = |phase, balance| phase == ChannelPhase::Open && balance == deposit;
            channels.iter().any(|channel| open(channel.phase, channel.balance))
        })
        .await;
    }

    fn payer(&self) -> Payer {
        Payer { url: format!("http://{}", self.daemon.http), token: self.token.clone() }
    }
}

async fn restarted(config: Config, dir: &Path) -> Daemon {
    Daemon::start(config, dir).await.unwrap()
}

async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    for _ in 0..1500 {
        if reached().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited 30 s for {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_article_is_paid_through_a_relay_and_the_sums_are_right_also_after_restarts() {
    let wallet = Codes::built_in().unwrap().wallet;
    let chain = Devnet::start(DevnetConfig::new([1; 32], wallet)).await.unwrap();
    let customer = Party::start(config(&chain)).await;
    let relay = Party::start(Config { relay: Some(USUAL_TUNNEL), ..config(&chain) }).await;
    let merchant = Party::start(config(&chain)).await;
    customer.fund(&chain, 20).await;
    relay.fund(&chain, 20).await;
    relay.open(&merchant, 5).await;
    customer.open(&relay, 10).await;

    let dir = TempDir::new().unwrap();
    let shop = Shop::start(ShopConfig {
        listen: ANY_PORT,
        public_url: None,
        merchant: Merchant {
            url: format!("http://{}", merchant.daemon.http),
            token: merchant.token.clone().into(),
        },
        relay: relay.daemon.key,
        relay_terms: USUAL_TUNNEL,
        price: Nano(COINS),
        dir: dir.path().to_owned(),
    });
    let shop = shop.await.unwrap();
    let article = format!("{}/article/1", shop.url);

    // A thousandth of the price, and the price.
    let (fee, price) = (Nano(COINS / 1000), Nano(COINS));
    let too_dear = fetch(&customer.payer(), &article, price).await.err().unwrap();
    assert!(too_dear.to_string().contains("nothing was paid"), "{too_dear:#}");
    let fetched = fetch(&customer.payer(), &article, Nano(2 * COINS)).await.unwrap();
    let paid = fetched.paid.unwrap();
    assert_eq!((paid.amount, paid.fee), (price, fee));
    assert!(fetched.body.as_str().unwrap().starts_with("Your browser"));

    let relay = relay.restart().await;
    let merchant = merchant.restart().await;
    let customer = customer.restart().await;
    until("everybody to be online again", async || {
        let all = [customer.snapshot().await, relay.snapshot().await];
        all.iter().all(|snapshot| snapshot.channels.iter().all(|channel| channel.online))
    })
    .await;
    fetch(&customer.payer(), &article, Nano(2 * COINS)).await.unwrap();

    until("both payments to settle at every hop", async || {
        relay.snapshot().await.earned == Nano(2 * fee.0)
    })
    .await;
    let spent = customer.snapshot().await.channels[0].clone();
    assert_eq!(spent.balance, Nano(10 * COINS - 2 * (price.0 + fee.0)));
    let got = merchant.snapshot().await;
    assert_eq!(got.channels[0].balance, Nano(2 * price.0));
    assert_eq!(got.received.len(), 2);
    for party in [customer, relay, merchant] {
        party.daemon.stop().await;
    }
}
