//! The mark of a ledger: its identity and its position.
//!
//! A ledger cannot tell by itself that it has lost counts: an older copy is consistent, and so is a file whose last
//! commit was damaged and rolled back. So each ledger has an **identity**, drawn when it is made, and a **position**,
//! which rises with every durable commit; both together are its [`Mark`]. A ledger that is behind the mark that its
//! [`witness`](super::witness) saw is refused.

use std::fmt;

/// The command that gives up the counts of a lost or older ledger.
pub const ACCEPT_COMMAND: &str = "neglist ledger accept --counts-may-be-missing";

/// Identity of a ledger: 16 random bytes, drawn when it is made. Shown as 32 hexadecimal digits.
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

    /// Parses the text that [`fmt::Display`] writes; `None` for any other text.
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

/// Identity and position of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Identity of the ledger.
    pub identity: Identity,
    /// Rises with every durable commit, from 0.
    pub position: u64,
}

/// Result of comparing a ledger with the mark in its witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The same ledger, at or beyond the position of the witness: nothing is missing.
    Same,
    /// The same ledger, behind the position of the witness.
    Older {
        /// The mark in the witness.
        seen: Mark,
    },
    /// Another ledger.
    Other {
        /// The mark in the witness.
        seen: Mark,
    },
    /// There is no witness.
    Missing,
}

/// Compares a ledger with the mark in its witness.
pub fn compare(ledger: Mark, seen: Option<Mark>) -> Compared {
    match seen {
        None => Compared::Missing,
        Some(seen) if seen.identity != ledger.identity => Compared::Other { seen },
        Some(seen) if ledger.position < seen.position => Compared::Older { seen },
        Some(_) => Compared::Same,
    }
}

impl Compared {
    /// Says why a ledger with this mark is not to be trusted, and the remedy; `None` if it can be trusted. Without a
    /// witness, only a ledger without commits is trusted. `witness` is the witness's name in messages.
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

/// Says why a ledger without a mark is not to be trusted, and the remedy; `None` if it can be trusted: its witness saw
/// no ledger, or one without commits. `witness` is the witness's name in messages.
pub fn refusal_unmarked(seen: Option<Mark>, witness: &str) -> Option<String> {
    let seen = seen.filter(|seen| seen.position != 0)?;
    Some(format!(
        "it is older than witnesses, and the witness {witness} saw ledger {} up to position {}: it is an older \
         copy, or a program that knows no witnesses wrote it. Restore the newer ledger; to give up the counts since then, `{ACCEPT_COMMAND}`",
        seen.identity, seen.position
    ))
}

/// Says why a missing ledger is not replaced by a new one.
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
    fn only_a_ledger_behind_its_witness_is_refused() {
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
