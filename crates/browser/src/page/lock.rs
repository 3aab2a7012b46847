//! One writer at a time: a Web Lock that this page holds while its node runs.
//!
//! Two nodes on one database would each believe to know the newest state. The browser gives the lock to one tab and
//! takes it back when that tab closes or crashes.

use std::{cell::RefCell, rc::Rc};

use futures_channel::oneshot;
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};

use crate::failure::{Failure, Retry};

#[wasm_bindgen]
extern "C" {
    type Page;
    #[wasm_bindgen(method, getter)]
    fn navigator(this: &Page) -> Option<Navigator>;

    type Navigator;
    #[wasm_bindgen(method, getter)]
    fn locks(this: &Navigator) -> Option<Locks>;

    type Locks;
    #[wasm_bindgen(method, catch)]
    fn request(
        this: &Locks,
        name: &str,
        options: &Object,
        then: &Function,
    ) -> Result<Promise, JsValue>;
}

/// Held until dropped.
pub(crate) struct Lock {
    release: Function,
}

impl Lock {
    /// Takes the lock, or says that another tab has it.
    pub(crate) async fn take(name: &str) -> Result<Self, Failure> {
        let page: Page = js_sys::global().unchecked_into();
        let locks = page.navigator().and_then(|navigator| navigator.locks()).ok_or_else(|| {
            Failure::new(
                "unsupported",
                Retry::Never,
                "this browser has no Web Locks: use https and a current browser",
            )
        })?;
        let (told, asked) = oneshot::channel();
        let told = Rc::new(RefCell::new(Some(told)));
        // The browser keeps the lock until the promise that this returns is settled.
        let granted = Closure::<dyn FnMut(JsValue) -> JsValue>::new(move |lock: JsValue| {
            let Some(told) = told.borrow_mut().take() else { return JsValue::UNDEFINED };
            if lock.is_null() || lock.is_undefined() {
                let _ = told.send(None);
                return JsValue::UNDEFINED;
            }
            let mut release = None;
            let held = Promise::new(&mut |resolve, _| release = Some(resolve));
            let _ = told.send(release);
            held.into()
        });
        let options = Object::new();
        let failed = |_| Failure::new("internal", Retry::After, "the browser refuses a Web Lock");
        Reflect::set(&options, &"ifAvailable".into(), &JsValue::TRUE).map_err(failed)?;
        // Settled when the lock is given back; what matters now is what `granted` hears.
        let _ = locks.request(name, &options, granted.as_ref().unchecked_ref()).map_err(failed)?;
        match asked.await {
            Ok(Some(release)) => Ok(Self { release }),
            Ok(None) | Err(_) => Err(Failure::new(
                "not_leader",
                Retry::After,
                "this node already runs in another tab: use that one, or close it and try again",
            )),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.release.call0(&JsValue::UNDEFINED);
    }
}
