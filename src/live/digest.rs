//! The content digest of a set of policy files.

use crate::policy::PolicyFile;

/// Prefix of a digest.
pub const PREFIX: &str = "blake3:";

/// Hexadecimal digits of a digest, after the prefix.
pub const HEX_DIGITS: usize = 64;

/// Returns `blake3:<hex>` over the paths and texts of policy files.
///
/// For each file, in ascending order of the bytes of its path, the hash covers: the length of the path as 8 bytes,
/// little-endian, the path, the length of the text, the text. Equal on all machines that read the same files under the
/// same relative paths, and different if any byte differs.
pub fn of_files(files: &[PolicyFile]) -> String {
    let mut order: Vec<&PolicyFile> = files.iter().collect();
    order.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    let mut hasher = blake3::Hasher::new();
    for file in order {
        for part in [&file.path, &file.text] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    format!("{PREFIX}{}", hasher.finalize().to_hex())
}

/// Says whether a text has the form of a digest.
pub fn is_well_formed(digest: &str) -> bool {
    digest.strip_prefix(PREFIX).is_some_and(|hex| {
        hex.len() == HEX_DIGITS && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> PolicyFile {
        PolicyFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_digest_never_changes_from_version_to_version() {
        let digest = of_files(&[file("a.yaml", "x\n"), file("lists/b.yaml", "临床试验\n")]);
        let hashed = b"\x06\0\0\0\0\0\0\0a.yaml\x02\0\0\0\0\0\0\0x\n\
            \x0c\0\0\0\0\0\0\0lists/b.yaml\x0d\0\0\0\0\0\0\0\xe4\xb8\xb4\xe5\xba\x8a\xe8\xaf\x95\xe9\xaa\x8c\n";
        assert_eq!(digest, format!("blake3:{}", blake3::hash(hashed).to_hex()));
        assert_eq!(digest, "blake3:1597649e3ef957463dbb46b96b57b8fff5343d7cc55cfab326e8a2e3bea212bc");
        assert!(is_well_formed(&digest));
    }

    #[test]
    fn the_order_of_files_does_not_matter_and_every_byte_does() {
        let (a, b) = (file("a", "bc"), file("b", "c"));
        assert_eq!(of_files(&[a.clone(), b.clone()]), of_files(&[b.clone(), a.clone()]));
        let others = [
            vec![a.clone()],
            vec![file("ab", "c"), b.clone()],
            vec![file("a", "b"), file("b", "cc")],
            vec![file("a", "bcbc")],
        ];
        for other in others {
            assert_ne!(of_files(&[a.clone(), b.clone()]), of_files(&other), "{other:?}");
        }
    }

    #[test]
    fn other_texts_are_no_digests() {
        let good = of_files(&[]);
        assert!(is_well_formed(&good));
        for bad in ["", "sha256:00", good.trim_start_matches(PREFIX), PREFIX, &good.to_uppercase(), &format!("{good}0")]
        {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }
}
