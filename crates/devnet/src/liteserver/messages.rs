//! Messages from outside, and the words in which the TON node refuses them: clients and what stands
//! behind them look for its code and for `exitcode=` in its text.

use adnl::tl::{Reader, Writer};

use super::{Answer, Fault};
use crate::chain::Chain;
use crate::error::Error;
use crate::exec::NotTaken;
use crate::external::Unreadable;

/// What a node answers that has no shard for the message.
const NOT_READY: i32 = 651;

impl Chain {
    pub(super) fn send_message(&mut self, q: &mut Reader<'_>) -> Answer {
        self.send(q.bytes()?).map_err(not_sent)?;
        Ok(Writer::boxed(0x3950_e597).int(1))
    }
}

fn not_sent(error: Error) -> Fault {
    let (code, why) = match &error {
        Error::Unreadable(cause @ Unreadable::NoShard { .. }) => (NOT_READY, cause.to_string()),
        Error::Unreadable(cause) => (0, cause.to_string()),
        Error::Refused { cause: NotTaken::Absent, .. } => {
            (0, "Failed to unpack account state".into())
        }
        Error::Refused { account, cause } => {
            let account = hex::encode_upper(account);
            (
                0,
                format!(
                    "External message was not accepted\nCannot run message on account: inbound external message rejected by {}",
                    match cause {
                        NotTaken::Poor =>
                            format!("account {account} before smart-contract execution"),
                        // The number of steps is left out: it is not known here.
                        NotTaken::ExitCode(code) => {
                            format!("transaction {account}:\nexitcode={code}, gas_used=0")
                        }
                        _ => format!("transaction {account}:\nexitcode=0, steps=0, gas_used=0"),
                    }
                ),
            )
        }
        _ => return error.into(),
    };
    Fault::AsTheNode {
        code,
        text: format!("cannot apply external message to current state : {why}"),
    }
}
