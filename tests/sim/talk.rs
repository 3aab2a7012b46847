//! What a message on a link is, told by its constructor ids (protocol.md 2.3), so that a story can wait for one.

/// The kind of a query or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Talk {
    Ping,
    Authenticate,
    ProposeConfig,
    OpenOffchain,
    RequestLock,
    IsUnlocked,
    ProposeIncrement,
    ProposeOpen,
    ProposeClose,
    ProposeRemove,
    AskClose,
    AskRemove,
    Other,
}

impl Talk {
    /// Reads as much of `bytes` as it takes to tell.
    pub fn of(bytes: &[u8]) -> Self {
        match word(bytes, 0) {
            0xedb1_2e80 | 0x607e_1802 => Self::Ping,
            0xaa45_8c9a => Self::Authenticate,
            0xd27a_1d0f => Self::ProposeConfig,
            0xd7ab_4209 => Self::OpenOffchain,
            0xdd3b_e0e1 => Self::RequestLock,
            0x2035_2a4a => Self::IsUnlocked,
            // proposeAction lockId:long channelAddr:int256 action
            0x2913_bf8b => match word(bytes, 44) {
                0xec2d_10a4 => Self::ProposeIncrement,
                0x359c_6460 => Self::ProposeOpen,
                0x805d_ebe1 => Self::ProposeClose,
                0x3c17_2f75 => Self::ProposeRemove,
                _ => Self::Other,
            },
            // requestAction channelAddr:int256 action
            0x91d8_04db => match word(bytes, 36) {
                0xcb58_0055 => Self::AskClose,
                0xe1a1_37fe => Self::AskRemove,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..at + 4) {
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// Why a query was refused, if `answer` is a refusal.
pub fn reason(answer: &[u8]) -> Option<String> {
    match channel::tl::Answer::from_bytes(answer).ok()? {
        channel::tl::Answer::Decision { agreed: false, reason, .. }
        | channel::tl::Answer::ProposalDecision { agreed: false, reason, .. } => Some(reason),
        channel::tl::Answer::OpenChannelOffchain { reason, .. } if !reason.is_empty() => {
            Some(reason)
        }
        channel::tl::Answer::ChannelConfig(config) if !config.ok => Some(config.reason),
        _ => None,
    }
}
