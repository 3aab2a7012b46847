//! What a page is told when something cannot be done: a stable code to act on, a text to read, whether trying again
//! helps, and whether money may have moved.

use node::{invitation::InvitationError, io::CommandError};

use crate::vault::VaultError;

/// An error as JavaScript sees it: `{code, message, retry, moneyMayHaveMoved}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One of `ErrorCode` in `web/src/errors.ts`.
    pub code: &'static str,
    pub message: String,
    pub retry: Retry,
    /// False only if it is certain that nothing was paid.
    pub money_may_have_moved: bool,
}

/// What helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    Never,
    /// The very same call again.
    Same,
    /// The same call, later.
    After,
    /// A new call: nothing of this one is left.
    New,
}

impl Failure {
    /// A failure before anything was done.
    pub fn new(code: &'static str, retry: Retry, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry, money_may_have_moved: false }
    }

    /// The node stopped before it replied: what it was asked may be durable or not.
    pub fn stopped() -> Self {
        let message = "the node stopped before it answered: ask again, nothing is done twice";
        let failure = Self::new("disconnected", Retry::Same, message);
        Self { money_may_have_moved: true, ..failure }
    }
}

impl Retry {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Same => "same",
            Self::After => "after",
            Self::New => "new",
        }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let (code, retry) = match &error {
            CommandError::UnknownPeer { .. } => ("no_route", Retry::Never),
            CommandError::Offline { .. } => ("relay_unreachable", Retry::After),
            CommandError::NoChannel { .. } => ("no_route", Retry::After),
            CommandError::InsufficientBalance { .. } => ("insufficient_balance", Retry::After),
            CommandError::CapacityTooSmall { .. } => ("insufficient_capacity", Retry::After),
            CommandError::BadRequest { .. } => ("bad_request", Retry::Never),
            CommandError::Duplicate => ("duplicate", Retry::Never),
            CommandError::NotFound => ("not_found", Retry::Never),
        };
        Self::new(code, retry, error.to_string())
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        let (code, retry) = match &error {
            VaultError::WrongPassphrase => ("wrong_passphrase", Retry::New),
            VaultError::Corrupt(_) | VaultError::Newer(_) => ("storage_corrupt", Retry::Never),
            VaultError::Derivation(_) => ("internal", Retry::After),
        };
        Self::new(code, retry, error.to_string())
    }
}

impl From<InvitationError> for Failure {
    fn from(error: InvitationError) -> Self {
        let message = format!("this is not an invitation that can be used: {error}");
        Self::new("bad_request", Retry::New, message)
    }
}

#[cfg(test)]
mod tests {
    use channel::{amount::Nano, key::PublicKey};

    use super::*;

    #[test]
    fn what_the_node_refuses_has_moved_no_money() {
        let peer = PublicKey([1; 32]);
        for error in [
            CommandError::UnknownPeer { peer },
            CommandError::Offline { peer },
            CommandError::NoChannel { peer },
            CommandError::InsufficientBalance { needed: Nano(2), available: Nano(1) },
            CommandError::CapacityTooSmall { needed: Nano(2), capacity: Nano(1) },
            CommandError::BadRequest { reason: "no".into() },
            CommandError::Duplicate,
            CommandError::NotFound,
        ] {
            let text = error.to_string();
            let failure = Failure::from(error);
            assert!(!failure.money_may_have_moved, "{failure:?}");
            assert_eq!(failure.message, text);
        }
        assert!(Failure::stopped().money_may_have_moved);
    }

    #[test]
    fn a_wrong_invitation_says_what_is_wrong_with_it() {
        let error = "https://example.com".parse::<node::invitation::Invitation>().unwrap_err();
        assert!(Failure::from(error).message.contains("starts with rill://"));
    }
}
