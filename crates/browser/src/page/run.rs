//! The life of a node in a page: restore, drive, and start again from disk when the disk has failed.

use std::rc::Rc;

use channel::amount::Time;
use futures_channel::{mpsc, oneshot};
use futures_util::future::{Either, select};
use node::{
    config::{Codes, Config},
    drive::drive,
    invitation::{Contact, LiteProxy},
    io::Step,
    node::Node,
};

use crate::{
    carrier::Carrier,
    failure::{Failure, Retry},
    vault::Keys,
};

use super::{
    chain::Chain,
    clock::{now_ms, sleep_until},
    events::{Listener, Phase},
    host::{Incoming, PageHost, Parts},
    lock::Lock,
    store::{Disk, Store},
};

/// What a node is made of; everything else is read from disk.
pub(crate) struct Life {
    pub(crate) database: String,
    pub(crate) vault: Vec<u8>,
    pub(crate) keys: Keys,
    pub(crate) relay: Contact,
    pub(crate) proxy: Option<LiteProxy>,
    pub(crate) listener: Listener,
    pub(crate) sender: mpsc::UnboundedSender<Incoming>,
    /// Released when the node has stopped, and not before.
    pub(crate) lock: Lock,
}

impl Life {
    /// The node as it was left.
    pub(crate) async fn restore(&self, store: &Store) -> Result<(Node, Step), Failure> {
        self.listener.phase(Phase::Restoring);
        let codes = Codes::built_in()
            .map_err(|error| Failure::new("internal", Retry::Never, error.to_string()))?;
        let config = Config::new(*self.keys.node, *self.keys.wallet, codes);
        let records = store.records().await?;
        Node::restore(config, random()?, Time(now_ms()), records).map_err(|error| {
            let message = format!("the stored state cannot be read: {error}");
            Failure::new("storage_corrupt", Retry::Never, message)
        })
    }

    /// Drives the node until it is told to stop.
    pub(crate) async fn run(
        self,
        disk: Disk,
        restored: (Node, Step),
        mut inbox: mpsc::UnboundedReceiver<Incoming>,
        mut stop: oneshot::Receiver<()>,
    ) {
        let mut restored = Some(restored);
        let mut failures = 0;
        let mut last = Phase::Stopped;
        while let Some((node, step)) = restored.take() {
            let reason = {
                let driven = std::pin::pin!(self.drive(disk.store(), node, step, &mut inbox));
                match select(&mut stop, driven).await {
                    Either::Left(_) => break,
                    Either::Right((reason, _)) => reason,
                }
            };
            self.listener.phase(Phase::Degraded);
            self.trouble(reason.message);
            // Asked of the node that is gone: who asked is told, by the replier being dropped.
            while inbox.try_recv().is_ok() {}

            failures += 1;
            let pause = std::pin::pin!(sleep_until(now_ms() + PAUSE_MS * failures.min(PAUSES_MAX)));
            if let Either::Left(_) = select(&mut stop, pause).await {
                break;
            }
            match self.reopen().await {
                Ok((fresh, again)) => {
                    disk.replace(fresh);
                    restored = Some(again);
                }
                Err(failure) => {
                    self.trouble(failure.message);
                    last = Phase::Error;
                }
            }
        }
        disk.store().close();
        self.listener.phase(last);
        self.listener.close();
        drop(self.lock);
    }

    async fn drive(
        &self,
        store: Rc<Store>,
        node: Node,
        first: Step,
        inbox: &mut mpsc::UnboundedReceiver<Incoming>,
    ) -> Failure {
        let entropy = match random() {
            Ok(entropy) => entropy,
            Err(failure) => return failure,
        };
        let (chain, orders) = mpsc::unbounded();
        let mut carrier = Carrier::new(*self.keys.adnl, entropy);
        carrier.keep(now_ms(), self.relay.clone());
        let mut host = PageHost::new(Parts {
            store,
            carrier,
            inbox,
            sender: self.sender.clone(),
            chain,
            listener: self.listener.clone(),
        });
        self.listener.phase(Phase::Syncing);
        let proxy = self.proxy.clone();
        let follower = Chain::new(proxy, self.sender.clone(), self.listener.clone());
        let following = std::pin::pin!(follower.run(orders));
        let driven = std::pin::pin!(drive(node, first, &mut host));
        match select(driven, following).await {
            Either::Left((error, _)) => error.into(),
            Either::Right(_) => {
                Failure::new("internal", Retry::Same, "the chain is no longer followed")
            }
        }
    }

    /// Opens the database again. The user may have deleted it meanwhile: then nothing of the node is left to go on with.
    async fn reopen(&self) -> Result<(Store, (Node, Step)), Failure> {
        let store = Store::open(&self.database).await?;
        if store.get(VAULT).await?.as_ref() != Some(&self.vault) {
            let message =
                "the stored keys are gone: somebody deleted this page's data while it was open";
            return Err(Failure::new("storage_corrupt", Retry::Never, message));
        }
        let restored = self.restore(&store).await?;
        Ok((store, restored))
    }

    fn trouble(&self, reason: String) {
        self.listener.tell(&node::io::Event::Trouble { reason });
    }
}

/// Fresh random bytes from the browser.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(
            "unsupported",
            Retry::Never,
            format!("the browser gives no random bytes: {error}"),
        )
    })?;
    Ok(bytes)
}

/// Where the keys lie.
pub(crate) const VAULT: &str = "vault";

const PAUSE_MS: u64 = 500;
const PAUSES_MAX: u64 = 20;
