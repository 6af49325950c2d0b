//! The key under which pseudonyms are made.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::identifier::Subject;
use crate::domain::named::Named;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Bytes of a block of SHA-256.
const BLOCK_BYTES: usize = 64;
/// Begins the message of a fingerprint.
const FINGERPRINT_TAG: &[u8] = b"neglist subject key fingerprint 1";
/// Begins the message of a digest of subjects.
const SUBJECTS_TAG: &[u8] = b"neglist subjects of a transfer 1";

/// The key under which a server makes pseudonyms, the same on all servers of a ledger.
///
/// With the key and a pseudonym, its identifier can be found by trying: the key is never shown, and compared in constant time.
#[derive(Clone)]
pub struct SubjectKey {
    bytes: [u8; KEY_BYTES],
    /// The state of HMAC-SHA-256 after the key.
    keyed: Hmac<Sha256>,
}

impl SubjectKey {
    /// Returns the key with these bytes, which are drawn at random.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        // HMAC fills a key up with zeros to a block.
        let mut block = [0; BLOCK_BYTES];
        for (to, from) in block.iter_mut().zip(bytes) {
            *to = from;
        }
        Self { bytes, keyed: Hmac::new(&block.into()) }
    }

    /// Returns the bytes. They are secret.
    pub(super) const fn secret(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    /// Returns a new message under the key.
    pub(super) fn message(&self) -> Message {
        Message(self.keyed.clone())
    }

    /// Returns the fingerprint, which may be shown and kept.
    pub fn fingerprint(&self) -> KeyFingerprint {
        let mut message = self.message();
        message.add(FINGERPRINT_TAG);
        KeyFingerprint(message.first_bytes())
    }

    /// Returns a digest of subjects: equal for the same subjects in the same classes, whatever the exporter and the year.
    /// Without the key, nothing about a subject can be found by trying.
    pub fn digest(&self, subjects: &Named<Subject>) -> [u8; 32] {
        let mut message = self.message();
        message.add(SUBJECTS_TAG);
        for list in [&subjects.general, &subjects.sensitive] {
            message.add(&(list.len() as u64).to_be_bytes());
            for Subject { kind, identifier } in list {
                message.add_field(kind.name().as_bytes());
                message.add_field(identifier.as_bytes());
            }
        }
        message.0.finalize().into_bytes().into()
    }
}

impl PartialEq for SubjectKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes.ct_eq(&other.bytes).into()
    }
}

impl Eq for SubjectKey {}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKey(…)")
    }
}

/// A message that HMAC-SHA-256 reads under a key.
#[derive(Clone)]
pub(super) struct Message(Hmac<Sha256>);

impl Message {
    /// Adds bytes as they are.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds the length of a field in four bytes, then the field, so that no two lists of fields make the same message.
    pub(super) fn add_field(&mut self, field: &[u8]) {
        // INVARIANT (short): names and identifiers are bounded far below 4 GiB.
        self.add(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.add(field);
    }

    /// Returns the first 16 bytes of the code.
    pub(super) fn first_bytes(self) -> [u8; 16] {
        let code: [u8; 32] = self.0.finalize().into_bytes().into();
        let mut first = [0; 16];
        for (to, from) in first.iter_mut().zip(code) {
            *to = from;
        }
        first
    }
}

/// The fingerprint of a key: tells keys apart, and reveals nothing of them. Shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyFingerprint([u8; 16]);

impl KeyFingerprint {
    /// Reads a fingerprint as it is shown; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_hex)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::persons::{Identifier, Kind, Normalise};

    fn subject(kind: &str, identifier: &str) -> Subject {
        let kind = Kind::parse(kind).unwrap();
        Subject { kind, identifier: Identifier::new(identifier, Normalise::NONE).unwrap() }
    }

    #[test]
    fn the_code_is_hmac_sha_256() {
        // RFC 4231, test case 1, whose key of 20 bytes is filled up with zeros as HMAC does it.
        let mut bytes = [0; KEY_BYTES];
        bytes[..20].fill(0x0b);
        let mut message = SubjectKey::from_bytes(bytes).message();
        message.add(b"Hi There");
        assert_eq!(u128::from_be_bytes(message.first_bytes()), 0xb034_4c61_d8db_3853_5ca8_afce_af0b_f12b);
    }

    #[test]
    fn a_key_is_never_shown_and_is_identified_by_its_fingerprint() {
        let (one, other) = (SubjectKey::from_bytes([1; KEY_BYTES]), SubjectKey::from_bytes([2; KEY_BYTES]));
        assert_eq!(format!("{one:?}"), "SubjectKey(…)");
        assert_eq!(one, one.clone());
        assert_ne!(one, other);
        assert_ne!(one.fingerprint(), other.fingerprint());
        let shown = one.fingerprint().to_string();
        assert_eq!(KeyFingerprint::parse(&shown), Some(one.fingerprint()));
        assert_eq!(KeyFingerprint::parse(&shown.to_uppercase()), None);
        assert_eq!(KeyFingerprint::parse(""), None);
    }

    #[test]
    fn a_digest_depends_on_the_key_and_on_each_subject_and_its_class() {
        let key = SubjectKey::from_bytes([1; KEY_BYTES]);
        let (a, b) = (subject("customer", "a"), subject("customer", "b"));
        let digest = |general: &[&Subject], sensitive: &[&Subject]| {
            let owned = |list: &[&Subject]| list.iter().map(|subject| (*subject).clone()).collect();
            key.digest(&Named::new(owned(general), owned(sensitive)))
        };
        assert_eq!(digest(&[&a, &b], &[]), digest(&[&b, &a, &b], &[]));
        let others = [
            digest(&[&a, &b], &[]),
            digest(&[&a], &[&b]),
            digest(&[], &[&a, &b]),
            digest(&[&a], &[]),
            digest(&[&subject("customerb", "a")], &[]),
            digest(&[&subject("patient", "a")], &[]),
            SubjectKey::from_bytes([2; KEY_BYTES]).digest(&Named::new(vec![a.clone(), b.clone()], vec![])),
        ];
        for (index, one) in others.iter().enumerate() {
            assert!(!others[..index].contains(one), "{index}");
        }
    }
}
