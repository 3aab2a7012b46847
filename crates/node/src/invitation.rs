//! How to reach a node, as one line of text that a person can copy:
//! `rill://<node key>@<host:port>?adnl=<key>[&ws=<url>][&lite=<key>&proxy=<url>]`, keys in hex.

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, str::FromStr};

use channel::key::PublicKey;
use serde::{Deserialize, Serialize};

/// Where a node is and which keys it must prove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The key that the node must prove by `authenticate`.
    pub node: PublicKey,
    /// The ADNL key of its endpoint.
    pub adnl: PublicKey,
    /// `host:port` of the ADNL/UDP endpoint. Empty if there is none.
    pub udp: String,
    /// URL of its WebSocket-to-ADNL relay, for browsers.
    pub ws: Option<String>,
}

/// A contact and, from a relay that serves browsers, a way to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    pub contact: Contact,
    pub lite: Option<LiteProxy>,
}

/// A WebSocket that forwards to one liteserver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiteProxy {
    /// The liteserver's own key: the proxy cannot stand in for it.
    pub server: PublicKey,
    pub url: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    #[error("an invitation starts with rill://")]
    Scheme,
    #[error("the invitation is cut off or has no `{0}`")]
    Missing(&'static str),
    #[error("`{0}` of the invitation is not a key of 64 hex digits")]
    Key(&'static str),
    #[error("`{0}` of the invitation is not a ws:// or wss:// address")]
    Url(&'static str),
    #[error("the invitation is longer than {LENGTH_MAX} characters")]
    TooLong,
}

/// Longer text cannot be an invitation.
const LENGTH_MAX: usize = 2048;

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Contact { node, adnl, udp, ws } = &self.contact;
        write!(f, "rill://{node}@{udp}?adnl={adnl}")?;
        if let Some(ws) = ws {
            write!(f, "&ws={}", escape(ws))?;
        }
        if let Some(LiteProxy { server, url }) = &self.lite {
            write!(f, "&lite={server}&proxy={}", escape(url))?;
        }
        Ok(())
    }
}

impl FromStr for Invitation {
    type Err = InvitationError;

    fn from_str(text: &str) -> Result<Self, InvitationError> {
        use InvitationError::*;
        let text = text.trim();
        if text.len() > LENGTH_MAX {
            return Err(TooLong);
        }
        let rest = text.strip_prefix("rill://").ok_or(Scheme)?;
        let (node, rest) = rest.split_once('@').ok_or(Missing("node key"))?;
        let (udp, query) = rest.split_once('?').ok_or(Missing("adnl"))?;
        let fields: Vec<(&str, &str)> =
            query.split('&').filter_map(|field| field.split_once('=')).collect();
        let field = |name| fields.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        let key = |name: &'static str, hex: &str| hex.parse::<PublicKey>().map_err(|_| Key(name));
        let url = |name: &'static str, value: &str| {
            let url = unescape(value).ok_or(Url(name))?;
            let known = url.starts_with("ws://") || url.starts_with("wss://");
            if known { Ok(url) } else { Err(Url(name)) }
        };
        let lite = match (field("lite"), field("proxy")) {
            (None, None) => None,
            (Some(server), Some(proxy)) => {
                Some(LiteProxy { server: key("lite", server)?, url: url("proxy", proxy)? })
            }
            (Some(_), None) => return Err(Missing("proxy")),
            (None, Some(_)) => return Err(Missing("lite")),
        };
        let contact = Contact {
            node: key("node key", node)?,
            adnl: key("adnl", field("adnl").ok_or(Missing("adnl"))?)?,
            udp: udp.to_owned(),
            ws: field("ws").map(|value| url("ws", value)).transpose()?,
        };
        Ok(Self { contact, lite })
    }
}

fn escape(url: &str) -> String {
    url.chars()
        .map(|c| match c {
            '%' | '&' | '=' | '#' | '?' | ' ' => format!("%{:02x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect()
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next()?, rest.next()?];
            let mut value = [0];
            hex::decode_to_slice(pair, &mut value).ok()?;
            bytes.extend(value);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn invitation() -> Invitation {
        Invitation {
            contact: Contact {
                node: PublicKey([0xab; 32]),
                adnl: PublicKey([0xcd; 32]),
                udp: "127.0.0.1:17555".into(),
                ws: Some("ws://127.0.0.1:8096/adnl?x=1&y=2".into()),
            },
            lite: Some(LiteProxy {
                server: PublicKey([0xef; 32]),
                url: "wss://relay.example/lite/key".into(),
            }),
        }
    }

    #[test]
    fn an_invitation_survives_being_written_and_read() {
        let text = invitation().to_string();
        assert_eq!(text.parse(), Ok(invitation()));
        let plain =
            Invitation { contact: Contact { ws: None, ..invitation().contact }, lite: None };
        assert_eq!(plain.to_string().parse(), Ok(plain));
    }

    #[test]
    fn what_is_wrong_with_an_invitation_is_named() {
        use InvitationError::*;
        let good = invitation().to_string();
        let wrong = |text: &str| text.parse::<Invitation>().unwrap_err();
        assert_eq!(wrong("https://example.com"), Scheme);
        assert_eq!(wrong("rill://abc"), Missing("node key"));
        assert_eq!(wrong(&good.replacen("abab", "xyxy", 1)), Key("node key"));
        assert_eq!(wrong(&good.replace("&lite=", "&light=")), Missing("lite"));
        assert_eq!(wrong(&good.replace("wss:", "http:")), Url("proxy"));
        assert_eq!(wrong(&good.replace("%3f", "%3")), Url("ws"));
        assert_eq!(wrong(&good.repeat(10)), TooLong);
        let cut = good.split_once('?').unwrap().0;
        assert_eq!(wrong(cut), Missing("adnl"));
    }
}
