//! Finds gRPC messages in what arrives in pieces.

use crate::http2::u32_at;

/// Octets of the prefix: a flag, and the length of the message.
const PREFIX: usize = 5;

/// The part of an incomplete message that has arrived, with its prefix.
#[derive(Default)]
pub struct Assembly {
    partial: Vec<u8>,
}

impl Assembly {
    /// Takes the next piece; calls `whole` for each message that it ends.
    #[inline]
    pub fn take(&mut self, mut piece: &[u8], mut whole: impl FnMut(&[u8])) {
        while !piece.is_empty() {
            if self.partial.is_empty()
                && let Some(length) = length_with_prefix(piece)
                && let Some((message, rest)) = piece.split_at_checked(length)
            {
                whole(&message[PREFIX..]);
                piece = rest;
                continue;
            }
            let missing = length_with_prefix(&self.partial).unwrap_or(PREFIX) - self.partial.len();
            let (now, rest) = piece.split_at(missing.min(piece.len()));
            self.partial.extend_from_slice(now);
            piece = rest;
            if length_with_prefix(&self.partial) == Some(self.partial.len()) {
                whole(&self.partial[PREFIX..]);
                self.partial.clear();
            }
        }
    }
}

/// Returns the length of a message with its prefix, where the prefix is there.
fn length_with_prefix(bytes: &[u8]) -> Option<usize> {
    (PREFIX <= bytes.len()).then(|| PREFIX + u32_at(bytes, 1) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let messages: [&[u8]; 4] = [b"one", b"", b"a longer one", b"4"];
        let mut bytes = Vec::new();
        for message in messages {
            bytes.push(0);
            bytes.extend((message.len() as u32).to_be_bytes());
            bytes.extend(message);
        }
        for size in 1..=bytes.len() {
            let (mut assembly, mut found) = (Assembly::default(), Vec::new());
            for piece in bytes.chunks(size) {
                assembly.take(piece, |message| found.push(message.to_vec()));
            }
            assert_eq!(found, messages, "pieces of {size}");
        }
    }
}
