//! `rill shop`.

use daemon::shop::{Merchant, Shop, ShopConfig};
use serde_json::json;

use crate::{
    args::ShopArgs,
    node::{interrupted, tunnel},
};

pub(crate) async fn run(args: ShopArgs) -> anyhow::Result<()> {
    let config = ShopConfig {
        listen: args.listen,
        public_url: args.public_url,
        merchant: Merchant { url: args.node, token: args.token.into() },
        relay: args.relay.contact.node,
        relay_terms: tunnel(&args.terms),
        price: args.price,
        dir: args.dir,
    };
    let shop = Shop::start(config).await?;
    println!("{}", json!({ "ready": true, "http": shop.http.to_string(), "url": shop.url }));
    tracing::info!("the shop is open at {}, Ctrl-C closes it", shop.url);
    interrupted().await;
    tracing::info!("closing");
    Ok(())
}
