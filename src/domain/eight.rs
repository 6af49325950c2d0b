//! Compares eight bytes at once, in one register. Only for ASCII: each function wants bytes below 128, so that no sum carries
//! into the next byte.
//!
//! A *mark* is the top bit of each byte for which something is true.

/// One in each byte.
const ALL: u64 = u64::from_le_bytes([1; 8]);
/// The top bit of each byte.
pub(super) const TOP: u64 = ALL << 7;

/// Marks the bytes that are `least` or more.
pub(super) const fn at_least(bytes: u64, least: u8) -> u64 {
    bytes.wrapping_add(ALL * (128 - least as u64)) & TOP
}

/// Marks the bytes from `first` to `last`.
pub(super) const fn between(bytes: u64, first: u8, last: u8) -> u64 {
    at_least(bytes, first) & !at_least(bytes, last + 1)
}

/// Marks the bytes that are `byte`.
pub(super) const fn equal(bytes: u64, byte: u8) -> u64 {
    !at_least(bytes ^ (ALL * byte as u64), 1) & TOP
}

/// Calls `each` with all bytes of a word, eight at a time. If the length is not a multiple of eight, the last eight overlap
/// those before. A shorter word is filled up with `filler`, at the end.
pub(super) fn each_eight(word: &[u8], filler: u8, mut each: impl FnMut(u64)) {
    let (chunks, rest) = word.as_chunks::<8>();
    for chunk in chunks {
        each(u64::from_le_bytes(*chunk));
    }
    if rest.is_empty() {
        return;
    }
    if let Some(last) = word.last_chunk::<8>() {
        return each(u64::from_le_bytes(*last));
    }
    let mut last = [filler; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    each(u64::from_le_bytes(last));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_marked_by_itself() {
        for byte in 0..128_u8 {
            for place in 0..8 {
                let mut bytes = [b'm'; 8];
                bytes[place] = byte;
                let marks = |found: u64| found.to_le_bytes()[place] == 0x80;
                let word = u64::from_le_bytes(bytes);
                assert_eq!(marks(at_least(word, b'k')), b'k' <= byte, "{byte}");
                assert_eq!(marks(between(word, b'k', b'p')), (b'k'..=b'p').contains(&byte), "{byte}");
                assert_eq!(marks(equal(word, b'k')), byte == b'k', "{byte}");
                let others = !(0xFF << (8 * place)) & TOP;
                assert_eq!(at_least(word, b'k') & others, others);
                assert_eq!(equal(word, b'k') & others, 0);
            }
        }
    }

    #[test]
    fn no_byte_is_left_out() {
        for length in 0..40 {
            for place in 0..length {
                let mut word = vec![b'a'; length];
                word[place] = b'!';
                let mut found = 0;
                each_eight(&word, b'a', |bytes| found |= equal(bytes, b'!'));
                assert_ne!(found, 0, "{length} {place}");
            }
        }
    }
}
