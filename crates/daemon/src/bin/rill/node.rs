//! `rill init` and `rill node`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use daemon::{
    Daemon, StartError,
    config::{Config, Liteserver, Overrides, Public, USUAL_TUNNEL},
};
use node::config::Tunnel;
use serde_json::json;
use tokio::signal;

use crate::args::{Start, Terms};

pub(crate) fn init(start: Start) -> anyhow::Result<()> {
    let path = config_path(&start);
    let config = Config::generate()?.with(overrides(start)?)?;
    config.write_new(&path)?;
    println!("{}", path.display());
    if config.liteservers.is_empty() {
        eprintln!("now add a [[liteserver]] section to {} and run `rill node`", path.display());
    }
    Ok(())
}

pub(crate) async fn run(start: Start) -> anyhow::Result<()> {
    let dir = start.dir.clone();
    let path = config_path(&start);
    let config = load(start)?;
    let started = Daemon::start(config, &dir).await;
    let mut daemon = started.map_err(|error| match error {
        StartError::Config(error) => anyhow::anyhow!("{}: {error}", path.display()),
        error => error.into(),
    })?;
    let ready = json!({
        "ready": true,
        "http": daemon.http.to_string(),
        "adnl": daemon.adnl.to_string(),
        "invitation": daemon.invitation.to_string(),
    });
    let running = running_path(&dir);
    fs::write(&running, ready.to_string())
        .with_context(|| format!("{} cannot be written", running.display()))?;
    println!("{ready}");
    tracing::info!(node = %daemon.key, http = %daemon.http, adnl = %daemon.adnl, "the node is running, Ctrl-C stops it");

    let ended = tokio::select! {
        ended = daemon.ended() => Some(ended),
        () = interrupted() => None,
    };
    // The next start writes it again.
    let _ = fs::remove_file(&running);
    match ended {
        Some(ended) => bail!("{ended}"),
        None => {
            tracing::info!("stopping");
            daemon.stop().await;
            Ok(())
        }
    }
}

/// Where a running node says how to reach it.
pub(crate) fn running_path(dir: &Path) -> PathBuf {
    dir.join("running.json")
}

pub(crate) fn config_path(start: &Start) -> PathBuf {
    start.config.clone().unwrap_or_else(|| default_config(&start.dir))
}

pub(crate) fn default_config(dir: &Path) -> PathBuf {
    dir.join("rill.toml")
}

/// Ctrl-C, or a polite request by the system.
pub(crate) async fn interrupted() {
    let asked = async {
        #[cfg(unix)]
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
        #[cfg(not(unix))]
        std::future::pending::<()>().await;
    };
    tokio::select! {
        interrupt = signal::ctrl_c() => if interrupt.is_err() {
            std::future::pending().await
        },
        () = asked => {}
    }
}

pub(crate) fn tunnel(terms: &Terms) -> Tunnel {
    Tunnel {
        min_fee: terms.relay_min_fee.unwrap_or(USUAL_TUNNEL.min_fee),
        fee_ppm: terms.relay_fee_ppm.unwrap_or(USUAL_TUNNEL.fee_ppm),
        max_capacity: terms.relay_max.unwrap_or(USUAL_TUNNEL.max_capacity),
    }
}

fn load(start: Start) -> anyhow::Result<Config> {
    let path = config_path(&start);
    let token = start.token.clone();
    let overrides = overrides(start)?;
    let mut config = if path.exists() {
        Config::load(&path)?.with(overrides)?
    } else {
        let config = Config::generate()?.with(overrides)?;
        config.write_new(&path)?;
        tracing::info!("wrote {} with fresh keys: keep a copy of it", path.display());
        config
    };
    if let Some(token) = token {
        config.keys.admin_token = token.into();
    }
    Ok(config)
}

fn overrides(start: Start) -> anyhow::Result<Overrides> {
    let Start { terms, udp, http, public_udp, public_ws, public_lite, .. } = start;
    let liteserver = match (start.liteserver, start.liteserver_key) {
        (Some(address), Some(key)) => Some(Liteserver::new(address, &key)?),
        _ => None,
    };
    let named =
        terms.relay_min_fee.is_some() || terms.relay_fee_ppm.is_some() || terms.relay_max.is_some();
    Ok(Overrides {
        network: start.network,
        udp,
        http,
        public: Public { udp: public_udp, ws: public_ws, lite: public_lite },
        liteserver,
        devnet: start.devnet,
        relay: (start.relay || named).then(|| tunnel(&terms)),
    })
}
