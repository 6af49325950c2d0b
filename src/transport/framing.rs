//! The framing of gRPC: five bytes before each message say how long it is. Read in pieces, as they come.

use crate::wire::decide::encode::PREFIX_BYTES;

/// Where the messages of a body begin and end.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// Messages that have come whole.
    whole: u64,
    prefix: [u8; PREFIX_BYTES],
    /// What has come of the next one, its prefix included.
    come: usize,
    /// What is missing of it, once the prefix is there.
    missing: usize,
}

/// A message that is longer than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong {
    /// Where in the data it begins; 0 where it began before.
    pub(super) at: usize,
    /// What its prefix says, in bytes.
    pub(super) bytes: usize,
}

impl Framing {
    /// Looks at what comes.
    pub(super) fn see(&mut self, data: &[u8]) {
        // No length is larger.
        let _ = self.see_within(data, usize::MAX);
    }

    /// Looks at what comes, up to the first message longer than `bytes_max`.
    pub(super) fn see_within(&mut self, data: &[u8], bytes_max: usize) -> Result<(), TooLong> {
        let (mut rest, mut at) = (data, 0);
        while !rest.is_empty() {
            if self.come == 0 {
                at = data.len() - rest.len();
            }
            rest = if self.come < PREFIX_BYTES { self.see_prefix(rest) } else { self.see_message(rest) };
            if self.come == PREFIX_BYTES && bytes_max < self.missing {
                return Err(TooLong { at, bytes: self.missing });
            }
            if self.come >= PREFIX_BYTES && self.missing == 0 {
                (self.come, self.whole) = (0, self.whole + 1);
            }
        }
        Ok(())
    }

    fn see_prefix<'d>(&mut self, data: &'d [u8]) -> &'d [u8] {
        let (taken, rest) = data.split_at((PREFIX_BYTES - self.come).min(data.len()));
        for (place, byte) in self.prefix.iter_mut().skip(self.come).zip(taken) {
            *place = *byte;
        }
        self.come += taken.len();
        if self.come == PREFIX_BYTES {
            self.missing = declared(self.prefix);
        }
        rest
    }

    fn see_message<'d>(&mut self, data: &'d [u8]) -> &'d [u8] {
        let (taken, rest) = data.split_at(self.missing.min(data.len()));
        (self.come, self.missing) = (self.come + taken.len(), self.missing - taken.len());
        rest
    }

    /// Returns how many messages have come whole.
    pub(super) const fn whole(&self) -> u64 {
        self.whole
    }

    /// Returns what has come of the next message, its prefix included, in bytes.
    pub(super) const fn come(&self) -> usize {
        self.come
    }

    /// Says whether the next message has begun.
    pub(super) const fn has_begun(&self) -> bool {
        self.come != 0
    }
}

/// Returns how long a message is by its prefix, in bytes.
pub(super) fn declared(prefix: [u8; PREFIX_BYTES]) -> usize {
    let [_compressed, length @ ..] = prefix;
    usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: u32) -> Vec<u8> {
        [&[0][..], &length.to_be_bytes(), &vec![7; length as usize]].concat()
    }

    #[test]
    fn b4_messages_are_told_apart_however_they_are_cut() {
        let all = [frame(3), frame(0), frame(200), frame(1)].concat();
        for cut in 1..=all.len() {
            let mut framing = Framing::default();
            for piece in all.chunks(cut) {
                framing.see(piece);
            }
            assert_eq!((framing.whole(), framing.has_begun()), (4, false), "{cut}");
            framing.see(&[0, 0, 0]);
            assert!(framing.has_begun() && framing.come() == 3);
        }
        let mut framing = Framing::default();
        framing.see(&frame(200)[..100]);
        assert_eq!((framing.come, framing.missing), (100, 105));
    }

    #[test]
    fn b9_messages_are_measured_however_they_are_cut() {
        let whole = [frame(3), frame(0), frame(7), frame(8), frame(2)].concat();
        for piece in 1..=whole.len() {
            let look = |bytes_max| {
                let mut framing = Framing::default();
                let mut at = 0;
                let found = whole.chunks(piece).find_map(|data| {
                    let found = framing.see_within(data, bytes_max).err();
                    at += if found.is_some() { 0 } else { data.len() };
                    found
                });
                // Nothing of it is passed on, unless its beginning was before its length was known.
                found.inspect(|long| assert!(long.at == 0 || whole[at + long.at..].starts_with(&[0, 0, 0, 0])));
                found.map(|long| long.bytes)
            };
            assert_eq!((look(8), look(7), look(2), look(0)), (None, Some(8), Some(3), Some(3)), "{piece}");
        }
        // The length alone is enough.
        let long = TooLong { at: 0, bytes: u32::MAX as usize };
        assert_eq!(Framing::default().see_within(&[0, 0xff, 0xff, 0xff, 0xff], 4 << 20), Err(long));
        let behind = [frame(3), frame(8)].concat();
        assert_eq!(Framing::default().see_within(&behind, 7), Err(TooLong { at: 8, bytes: 8 }));
    }
}
