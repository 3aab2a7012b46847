//! Commands for a running node: each is one or two calls of its HTTP API, shown to a person.

use std::{fs, time::Duration};

use anyhow::{Context as _, bail};
use channel::{amount::Nano, key::PublicKey};
use daemon::{
    client,
    config::Config,
    fetch::{Payer, fetch},
};
use node::invitation::Invitation;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    args::{Ask, Running},
    node::{default_config, running_path},
};

pub(crate) async fn run(ask: Ask) -> anyhow::Result<()> {
    match ask {
        Ask::Invitation { node } => {
            let invitation = Remote::find(node, false)?.get("/invitation").await?;
            println!("{}", invitation.as_str().unwrap_or_default());
            Ok(())
        }
        Ask::Status { json, node } => {
            let snapshot = Remote::find(node, true)?.get("/snapshot").await?;
            match json {
                true => println!("{}", serde_json::to_string_pretty(&snapshot)?),
                false => show(&snapshot),
            }
            Ok(())
        }
        Ask::Contact { invitation, node } => Remote::find(node, true)?.contact(&invitation).await,
        Ask::Open { invitation, deposit, wait, node } => {
            Remote::find(node, true)?.open(&invitation, deposit, wait).await
        }
        Ask::Pay { to, amount, via, id, wait, node } => {
            Remote::find(node, true)?.pay((to, amount), &via, id, wait).await
        }
        Ask::Faucet { amount, address, node } => {
            let mut wish = json!({ "amount": amount.0.to_string() });
            if let Some(address) = address {
                wish["address"] = address.into();
            }
            let given = Remote::find(node, false)?.post("/faucet", &wish).await?;
            println!("transaction {}", text(&given, "/transaction"));
            Ok(())
        }
        Ask::Fetch { url, max, node } => {
            let Remote { url: node, token } = Remote::find(node, true)?;
            let fetched = fetch(&Payer { url: node, token }, &url, max).await?;
            if let Some(paid) = fetched.paid {
                eprintln!(
                    "paid {} TON and {} TON in fees, payment {}",
                    paid.amount, paid.fee, paid.id
                );
            }
            match fetched.body {
                Value::String(body) => print!("{body}"),
                body => println!("{body}"),
            }
            Ok(())
        }
    }
}

/// A node that answers over HTTP.
struct Remote {
    url: String,
    token: String,
}

impl Remote {
    /// The token is only looked for when the command needs it.
    fn find(node: Running, needs_token: bool) -> anyhow::Result<Self> {
        let Running { dir, node, token } = node;
        let url = match &node {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => {
                let path = running_path(&dir);
                let said = fs::read_to_string(&path).with_context(|| {
                    format!("no node is running in {}: start it with `rill node --dir {0}`, or name another one with --dir or --node", dir.display())
                })?;
                let running: Value = serde_json::from_str(&said).with_context(|| {
                    format!("{} is damaged: start the node again", path.display())
                })?;
                format!("http://{}", text(&running, "/http"))
            }
        };
        let token = match token {
            Some(token) => token,
            None if !needs_token => String::new(),
            None if node.is_some() => {
                bail!(
                    "this command needs the admin_token of the node: give it with --token or RILL_TOKEN"
                )
            }
            None => {
                let config = Config::load(&default_config(&dir)).context(
                    "the admin_token is looked for in the config; it can be given with --token",
                )?;
                config.keys.admin_token.to_string()
            }
        };
        Ok(Self { url, token })
    }

    async fn contact(&self, invitation: &Invitation) -> anyhow::Result<()> {
        let body = json!({ "invitation": invitation.to_string() });
        let known = self.post("/contacts", &body).await?;
        println!("node {}", text(&known, "/node"));
        Ok(())
    }

    async fn open(&self, invitation: &Invitation, deposit: Nano, wait: u64) -> anyhow::Result<()> {
        self.contact(invitation).await?;
        let peer = invitation.contact.node.to_string();
        let body = json!({ "peer": peer, "deposit": deposit.0.to_string() });
        let end = Instant::now() + Duration::from_secs(wait);
        self.post("/channels", &body).await?;
        loop {
            let snapshot = self.get("/snapshot").await?;
            let mut channels = snapshot["channels"].as_array().into_iter().flatten();
            let channel = channels.rfind(|channel| text(channel, "/peer") == peer);
            let state = channel.map_or("being agreed", |channel| text(channel, "/phase"));
            if state == "open" || wait == 0 {
                println!("channel {} is {state}", channel.map_or("", |c| text(c, "/address")));
                return Ok(());
            }
            if Instant::now() > end {
                bail!(
                    "the channel is {state} after {wait} s; it goes on by itself, look with `rill status`"
                );
            }
            sleep(Duration::from_millis(300)).await;
        }
    }

    async fn pay(
        &self,
        (to, amount): (PublicKey, Nano),
        via: &[(PublicKey, Nano)],
        id: Option<PublicKey>,
        wait: u64,
    ) -> anyhow::Result<()> {
        let id = match id {
            Some(id) => id,
            None => {
                let mut id = [0; 32];
                getrandom::fill(&mut id).context("no random bytes for the payment's id")?;
                PublicKey(id)
            }
        };
        let hop = |(node, fee): &(PublicKey, Nano)| json!({ "node": node.to_string(), "fee": fee.0.to_string() });
        let route: Vec<Value> = via.iter().chain([&(to, Nano::ZERO)]).map(hop).collect();
        let order = json!({ "id": id.to_string(), "route": route, "amount": amount.0.to_string() });
        let payment = self.post(&format!("/payments?wait={wait}"), &order).await?;
        match text(&payment, "/state") {
            "sent" | "settled" => {
                println!("payment {id} has arrived");
                Ok(())
            }
            "failed" => bail!("payment {id} failed: {}", text(&payment, "/reason")),
            "returning" => bail!(
                "payment {id} was refused: {}; its promise can be claimed until {}, so do not pay anew before",
                text(&payment, "/reason"),
                payment["locked_until"]
            ),
            state => bail!(
                "payment {id} is {state} after {wait} s; the same command with --id {id} asks again and does not pay twice"
            ),
        }
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        client::get(&format!("{}{path}", self.url), Some(&self.token)).await?.ok()
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        client::post(&format!("{}{path}", self.url), Some(&self.token), body).await?.ok()
    }
}

fn show(snapshot: &Value) {
    let wallet = &snapshot["wallet"];
    println!("node     {}", text(snapshot, "/node"));
    println!("wallet   0:{}  {}", text(wallet, "/address"), ton(wallet, "/balance"));
    println!("earned   {}", ton(snapshot, "/earned"));
    for channel in snapshot["channels"].as_array().into_iter().flatten() {
        let online = if channel["online"] == true { "online" } else { "offline" };
        println!("channel  {} with {} ({online})", text(channel, "/phase"), text(channel, "/peer"));
        println!(
            "         ours {}, theirs {}, locked {} and {}",
            ton(channel, "/balance"),
            ton(channel, "/their_balance"),
            ton(channel, "/locked"),
            ton(channel, "/their_locked")
        );
    }
    for payment in snapshot["payments"].as_array().into_iter().flatten() {
        println!(
            "payment  {} {} to {}  {} {}",
            text(payment, "/state"),
            ton(payment, "/amount"),
            text(payment, "/to"),
            text(payment, "/id"),
            text(payment, "/reason")
        );
    }
    for received in snapshot["received"].as_array().into_iter().flatten() {
        println!("received {} {}", ton(received, "/amount"), text(received, "/key"));
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Nano of the JSON as TON.
fn ton(value: &Value, pointer: &str) -> String {
    match text(value, pointer).parse() {
        Ok(nano) => format!("{} TON", Nano(nano)),
        Err(_) => "unknown".to_owned(),
    }
}
