//! The framing of gRPC: a prefix of five bytes states the length of each message. Frames are read in pieces, as they arrive.

use crate::wire::decide::encode::PREFIX_BYTES;
use crate::wire::refusal::framing::Misframed;

/// The position in a body of framed messages.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// Messages that are complete.
    whole: u64,
    prefix: [u8; PREFIX_BYTES],
    /// The first flag byte that was not zero; else zero.
    flag: u8,
    /// Bytes of the next message that have arrived, its prefix included.
    come: usize,
    /// Bytes of it that are missing, once its prefix is complete.
    missing: usize,
}

/// A message that is longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong {
    /// Offset of its beginning in the data; 0 if it began earlier.
    pub(super) at: usize,
    /// Its length by its prefix, in bytes.
    pub(super) bytes: usize,
}

impl Framing {
    /// Reads the data that arrives.
    pub(super) fn see(&mut self, data: &[u8]) {
        // No length is larger.
        let _ = self.see_within(data, usize::MAX);
    }

    /// Reads the data that arrives, up to the first message longer than `bytes_max`.
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
        for (known, byte) in self.prefix.iter_mut().skip(self.come).zip(taken) {
            *known = *byte;
        }
        self.come += taken.len();
        if self.come == PREFIX_BYTES {
            let [flag, ..] = self.prefix;
            self.flag = if self.flag == 0 { flag } else { self.flag };
            self.missing = declared(self.prefix);
        }
        rest
    }

    fn see_message<'d>(&mut self, data: &'d [u8]) -> &'d [u8] {
        let (taken, rest) = data.split_at(self.missing.min(data.len()));
        (self.come, self.missing) = (self.come + taken.len(), self.missing - taken.len());
        rest
    }

    /// Returns how many messages are complete.
    pub(super) const fn whole(&self) -> u64 {
        self.whole
    }

    /// Returns the bytes of the next message that have arrived, its prefix included.
    pub(super) const fn come(&self) -> usize {
        self.come
    }

    /// Returns the framing fault of a call that ends here, if it has one.
    pub(super) const fn at_end(&self) -> Option<Misframed> {
        let missing_bytes = if self.come < PREFIX_BYTES { PREFIX_BYTES - self.come } else { self.missing };
        if self.come == 0 { None } else { Some(Misframed::CutShort { missing_bytes }) }
    }

    /// Returns the fault of a flag byte that is not zero, if one has arrived.
    pub(super) const fn flagged(&self) -> Option<Misframed> {
        match self.flag {
            0 => None,
            flag => Some(Misframed::Flagged { flag }),
        }
    }

    /// Says whether the next message has begun.
    pub(super) const fn has_begun(&self) -> bool {
        self.come != 0
    }
}

/// Checks by its prefix and its length that the body of a call is exactly one message. A message longer than `bytes_max`
/// passes here: it is refused for its length.
///
/// # Errors
/// The body has no message, a part of one, or more than one.
pub(super) fn one_message(prefix: Option<[u8; PREFIX_BYTES]>, bytes: usize, bytes_max: usize) -> Result<(), Misframed> {
    let Some(prefix) = prefix else {
        let missing_bytes = PREFIX_BYTES.saturating_sub(bytes);
        return Err(if bytes == 0 { Misframed::Nothing } else { Misframed::CutShort { missing_bytes } });
    };
    let (length, come) = (declared(prefix), bytes.saturating_sub(PREFIX_BYTES));
    match prefix {
        [0, ..] if bytes_max < length => Ok(()),
        [0, ..] if come < length => Err(Misframed::CutShort { missing_bytes: length - come }),
        [0, ..] if length < come => Err(Misframed::More { bytes: come - length }),
        [0, ..] => Ok(()),
        [flag, ..] => Err(Misframed::Flagged { flag }),
    }
}

/// Returns the length of a message by its prefix, in bytes.
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
    fn b4_messages_are_separated_in_any_pieces() {
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
    fn b4_a_call_that_is_not_one_message_is_refused_with_its_fault() {
        let checked = |bytes: &[u8]| one_message(bytes.first_chunk().copied(), bytes.len(), 100);
        let two = [frame(3), frame(3)].concat();
        assert_eq!((checked(&frame(3)), checked(&frame(0)), checked(&frame(200)[..9])), (Ok(()), Ok(()), Ok(())));
        assert_eq!(checked(&[]), Err(Misframed::Nothing));
        assert_eq!(checked(&[0, 0]), Err(Misframed::CutShort { missing_bytes: 3 }));
        assert_eq!(checked(&frame(3)[..6]), Err(Misframed::CutShort { missing_bytes: 2 }));
        assert_eq!(checked(&two), Err(Misframed::More { bytes: 8 }));
        assert_eq!(checked(&two[..9]), Err(Misframed::More { bytes: 1 }));
        assert_eq!(checked(&[1, 0, 0, 0, 0]), Err(Misframed::Flagged { flag: 1 }));
        let seen = |bytes: &[u8]| {
            let mut framing = Framing::default();
            framing.see(bytes);
            (framing.at_end(), framing.flagged())
        };
        assert_eq!(seen(&two), (None, None));
        assert_eq!(seen(&two[..9]), (Some(Misframed::CutShort { missing_bytes: 4 }), None));
        assert_eq!(seen(&two[..14]), (Some(Misframed::CutShort { missing_bytes: 2 }), None));
        assert_eq!(seen(&[7, 0, 0, 0, 0]), (None, Some(Misframed::Flagged { flag: 7 })));
    }

    #[test]
    fn b9_messages_are_measured_in_any_pieces() {
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
