//! Frames of HTTP/2, as far as a gRPC load generator needs them.

use crate::Res;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const PRIORITY: u8 = 32;

/// The largest frame that every server must accept.
pub const MAX_FRAME: usize = 16384;

/// Appends a frame.
pub fn write_frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend(&(payload.len() as u32).to_be_bytes()[1..]);
    out.push(kind);
    out.push(flags);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
}

/// Returns the length that the head of a frame states.
#[inline]
pub fn frame_len(head: &[u8]) -> usize {
    usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2])
}

/// Returns the four octets from `at` on as a number.
#[inline]
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Returns the body of a frame without its padding.
pub fn unpad(flags: u8, body: &[u8]) -> Res<&[u8]> {
    if flags & PADDED == 0 {
        return Ok(body);
    }
    let pad = usize::from(*body.first().ok_or("short padded frame")?);
    body.len().checked_sub(pad).and_then(|end| body.get(1..end)).ok_or_else(|| "bad padding".into())
}
