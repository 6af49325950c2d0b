//! Refusals of calls whose bytes are not the messages that their method takes.

use tonic::{Code, Status};

use super::grpc::{localized, rpc_status, to_status};

/// How the bytes of a call are not the messages that its method takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misframed {
    /// The call has no message.
    Nothing,
    /// The call ends within a message, of which this many bytes are missing; within its prefix: one or more.
    CutShort {
        /// Missing bytes.
        missing_bytes: usize,
    },
    /// This many bytes follow the one message that the method takes.
    More {
        /// Bytes behind it.
        bytes: usize,
    },
    /// The byte before the length says that the message is compressed, or is unknown; no compression was agreed on.
    Flagged {
        /// That byte.
        flag: u8,
    },
}

impl Misframed {
    /// Returns the refusal as a status.
    pub fn to_status(self) -> Status {
        let (en, zh) = match self {
            Self::Nothing => (
                "the call has no message: nothing may pass, send one".to_owned(),
                "调用中没有消息：不得放行，请发送一条消息".to_owned(),
            ),
            Self::CutShort { missing_bytes } => (
                format!(
                    "the call ends within a message, {missing_bytes} bytes are missing: nothing may pass, send it whole"
                ),
                format!("调用在消息中途结束，缺少 {missing_bytes} 字节：不得放行，请发送完整消息"),
            ),
            Self::More { bytes } => (
                format!(
                    "{bytes} bytes follow the message, and this method takes one message: nothing may pass, send one call for each"
                ),
                format!("消息之后还有 {bytes} 字节，而此方法只接受一条消息：不得放行，请每次调用只发送一条"),
            ),
            Self::Flagged { flag } => (
                format!(
                    "the byte before the length of a message is {flag}; it has to be 0, for a message without compression: nothing may pass"
                ),
                format!("消息长度之前的字节为 {flag}，应为 0（未压缩）：不得放行"),
            ),
        };
        to_status(&rpc_status(Code::InvalidArgument, en, vec![localized(&zh)]))
    }
}
