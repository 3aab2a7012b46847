//! What the node tells the page while it runs: the core's events, and how the host's own connections stand.

use std::{cell::Cell, rc::Rc};

use js_sys::{Function, Object, Reflect};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsValue;

use crate::failure::Failure;

/// Where events go. Cheap to clone; silent once closed.
#[derive(Clone)]
pub(crate) struct Listener {
    listener: Function,
    open: Rc<Cell<bool>>,
}

/// How far the node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Opening the database and the keys.
    Starting,
    /// Reading the state back.
    Restoring,
    /// Waiting for the first look at the chain.
    Syncing,
    Ready,
    /// The storage failed; starting again from it.
    Degraded,
    Stopped,
    Error,
}

/// Events of the host itself; those of the core are `node::io::Event`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum HostEvent {
    Phase {
        phase: Phase,
    },
    /// The socket to a relay.
    Relay {
        online: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The connection to the liteserver.
    Chain {
        online: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        block: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

impl Listener {
    pub(crate) fn new(listener: Function) -> Self {
        Self { listener, open: Rc::new(Cell::new(true)) }
    }

    pub(crate) fn tell(&self, event: &impl Serialize) {
        if self.open.get()
            && let Ok(event) = to_js(event)
        {
            // What the page makes of it is the page's affair.
            let _ = self.listener.call1(&JsValue::UNDEFINED, &event);
        }
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.tell(&HostEvent::Phase { phase });
    }

    pub(crate) fn close(&self) {
        self.open.set(false);
    }
}

/// A plain JavaScript object, `null` for `None`.
pub(crate) fn to_js(value: &impl Serialize) -> Result<JsValue, serde_wasm_bindgen::Error> {
    value.serialize(&Serializer::json_compatible())
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        let object = Object::new();
        for (name, value) in [
            ("code", failure.code.into()),
            ("message", failure.message.into()),
            ("retry", failure.retry.as_str().into()),
            ("moneyMayHaveMoved", failure.money_may_have_moved.into()),
        ] {
            let value: JsValue = value;
            // A fresh object takes every property.
            let _ = Reflect::set(&object, &name.into(), &value);
        }
        object.into()
    }
}
