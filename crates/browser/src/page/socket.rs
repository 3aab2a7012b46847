//! A WebSocket of binary messages that tells its owner what happens and closes when it is dropped.
//!
//! It is spoken to directly: a message is handed to the browser as the bytes it is, without a blob around them that
//! another process would have to read back.

use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

/// What happens to a socket. Nothing follows `Closed`.
pub(crate) enum Happening {
    Open,
    Message(Vec<u8>),
    Closed { reason: String },
}

pub(crate) struct Socket {
    socket: WebSocket,
    _open: Closure<dyn FnMut()>,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _close: Closure<dyn FnMut(CloseEvent)>,
}

impl Socket {
    /// Starts to connect. `None` if the address is none that the browser accepts here.
    pub(crate) fn open(url: &str, told: impl Fn(Happening) + Clone + 'static) -> Option<Self> {
        let socket = WebSocket::new(url).ok()?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let tell = told.clone();
        let open = Closure::<dyn FnMut()>::new(move || tell(Happening::Open));
        let tell = told.clone();
        let message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            // Text is none of ours.
            if let Ok(buffer) = event.data().dyn_into::<js_sys::ArrayBuffer>() {
                tell(Happening::Message(js_sys::Uint8Array::new(&buffer).to_vec()));
            }
        });
        // A browser does not tell why a connection failed; `close` always follows `error`.
        let close = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
            let reason = match (event.code(), event.reason()) {
                (1006, _) => "no connection".into(),
                (code, reason) => format!("closed with code {code} {reason}"),
            };
            told(Happening::Closed { reason });
        });
        socket.set_onopen(Some(open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(close.as_ref().unchecked_ref()));
        Some(Self { socket, _open: open, _message: message, _close: close })
    }

    /// Sends one message; into a socket that is not open it is lost, as on any line.
    pub(crate) fn send(&self, bytes: &[u8]) {
        if self.socket.buffered_amount() < WAITING_MAX {
            let _ = self.socket.send_with_u8_array(bytes);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        let _ = self.socket.close();
    }
}

/// A line that takes nothing any more must not fill the memory.
const WAITING_MAX: u32 = 4 << 20;
