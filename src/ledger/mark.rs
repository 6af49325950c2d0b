//! Which ledger it is, and how far it came.
//!
//! A ledger cannot tell by itself that it is less than it was: an older copy agrees with itself, and so does a file
//! whose last commit was damaged and taken back. So each ledger has an **identity**, drawn when it is made, and a
//! **position**, which rises with every durable commit; both together are its [`Mark`]. A ledger that is behind the mark
//! that its [`witness`](super::witness) saw is refused.

use std::fmt;

/// The command that gives up what a lost or older ledger counted.
pub const ACCEPT_COMMAND: &str = "neglist ledger accept --counts-may-be-missing";

/// Which ledger it is: 16 bytes, drawn when it is made. Shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity([u8; 16]);

impl Identity {
    /// Draws a new one.
    pub fn draw() -> Self {
        Self(fastrand::u128(..).to_be_bytes())
    }

    /// Returns the identity with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns its bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Reads what [`fmt::Display`] writes; `None` where it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_hex)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which ledger, and how far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Which ledger.
    pub identity: Identity,
    /// Rises with every durable commit, from 0.
    pub position: u64,
}

/// How a ledger compares with what its witness saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The same ledger, as far as the witness saw it or further: nothing is missing.
    Same,
    /// The same ledger, and less than the witness saw.
    Older {
        /// What the witness saw.
        seen: Mark,
    },
    /// Another ledger.
    Other {
        /// What the witness saw.
        seen: Mark,
    },
    /// There is no witness.
    Missing,
}

/// Compares a ledger with what its witness saw.
pub fn compare(ledger: Mark, seen: Option<Mark>) -> Compared {
    match seen {
        None => Compared::Missing,
        Some(seen) if seen.identity != ledger.identity => Compared::Other { seen },
        Some(seen) if ledger.position < seen.position => Compared::Older { seen },
        Some(_) => Compared::Same,
    }
}

impl Compared {
    /// Says why a ledger with this mark is not to be trusted, and what to do; `None` where it is. Without a witness,
    /// only a ledger in which nothing was ever committed is. `witness` is how messages call the witness.
    pub fn refusal(self, ledger: Mark, witness: &str) -> Option<String> {
        let Mark { identity, position } = ledger;
        match self {
            Compared::Same => None,
            Compared::Missing if position == 0 => None,
            Compared::Older { seen } => Some(format!(
                "the ledger is at position {position}, and its witness {witness} saw it at {}: it is an older copy, or its \
                 last commits were lost. Restore the newer ledger; to give up the counts since then, `{ACCEPT_COMMAND}`",
                seen.position
            )),
            Compared::Other { seen } => Some(format!(
                "this is ledger {identity}, and the witness {witness} saw another, {} up to position {}. Restore that one; \
                 to give up its counts, `{ACCEPT_COMMAND}`",
                seen.identity, seen.position
            )),
            Compared::Missing => Some(format!(
                "its witness {witness} is missing, so it is uncertain whether this is the newest copy of the ledger. Put the witness back, or name its place with `ledger_witness`; if you know that no counts are missing, or accept their loss, `{ACCEPT_COMMAND}`"
            )),
        }
    }
}

/// Says why a ledger without a mark is not to be trusted, and what to do; `None` where it is: its witness saw none, or one
/// in which nothing was ever committed. `witness` is how messages call the witness.
pub fn refusal_unmarked(seen: Option<Mark>, witness: &str) -> Option<String> {
    let seen = seen.filter(|seen| seen.position != 0)?;
    Some(format!(
        "it is older than witnesses, and the witness {witness} saw ledger {} up to position {}: it is an older \
         copy, or a program that knows no witnesses wrote it. Restore the newer ledger; to give up the counts since then, `{ACCEPT_COMMAND}`",
        seen.identity, seen.position
    ))
}

/// Says why a ledger that is not there is not made anew.
pub fn gone(seen: Mark, witness: &str) -> String {
    format!(
        "there is no ledger any more: the witness {witness} saw ledger {} up to position {}. Restore it; to give up its counts, `{ACCEPT_COMMAND}`",
        seen.identity, seen.position
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(identity: u8, position: u64) -> Mark {
        Mark { identity: Identity::from_bytes([identity; 16]), position }
    }

    #[test]
    fn an_identity_reads_as_it_is_shown() {
        let identity = Identity::draw();
        assert_eq!(Identity::parse(&identity.to_string()), Some(identity));
        assert_ne!(identity, Identity::draw());
        for text in ["", "+0000000000000000000000000000001", "0A", "g0000000000000000000000000000000"] {
            assert_eq!(Identity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_less_than_was_seen_is_refused() {
        let seen = Some(mark(1, 5));
        assert_eq!(compare(mark(1, 5), seen), Compared::Same);
        assert_eq!(compare(mark(1, 6), seen), Compared::Same);
        assert_eq!(compare(mark(1, 4), seen), Compared::Older { seen: mark(1, 5) });
        assert_eq!(compare(mark(2, 9), seen), Compared::Other { seen: mark(1, 5) });
        assert_eq!(compare(mark(1, 0), None), Compared::Missing);
        assert!(Compared::Missing.refusal(mark(1, 1), "`w`").is_some());
        assert!(Compared::Missing.refusal(mark(1, 0), "`w`").is_none());
    }
}
