//! What can be wrong with a policy directory before a single file is parsed.
//!
//! Codes are stable; a number is never used again for something else.

use std::path::Path;

use crate::policy::{Diagnostic, Severity, Span};

/// The policy directory does not exist.
pub const MISSING_DIRECTORY: &str = "D001";
/// The policy directory is a file.
pub const NOT_A_DIRECTORY: &str = "D002";
/// A directory cannot be listed.
pub const UNREADABLE_DIRECTORY: &str = "D003";
/// A file cannot be read.
pub const UNREADABLE_FILE: &str = "D004";
/// A file is not UTF-8.
pub const NOT_UTF8: &str = "D005";
/// A file is too large.
pub const FILE_TOO_LARGE: &str = "D006";
/// There are too many files.
pub const TOO_MANY_FILES: &str = "D007";
/// The files together are too large.
pub const TOO_MANY_BYTES: &str = "D008";
/// Directories are nested too deeply.
pub const TOO_DEEP: &str = "D009";
/// There is no policy file.
pub const NO_POLICY_FILES: &str = "D010";
/// A symbolic link leads back to where it comes from.
pub const LINK_LOOP: &str = "D011";
/// A symbolic link leads nowhere.
pub const DANGLING_LINK: &str = "D012";
/// Something named like a policy file is not a regular file.
pub const NOT_A_REGULAR_FILE: &str = "D013";
/// A name is not UTF-8.
pub const NAME_NOT_UTF8: &str = "D014";
/// The directory kept changing while it was read.
pub const KEEPS_CHANGING: &str = "D015";
/// A file is ignored that somebody may have meant as a policy file.
pub const IGNORED_FILE: &str = "D016";
/// There are too many directory entries of any kind.
pub const TOO_MANY_ENTRIES: &str = "D017";
/// The compiler failed, or said nothing of why there is no snapshot: a bug of ours.
pub const COMPILER_FAILED: &str = "D018";
/// A policy file is empty.
pub const EMPTY_FILE: &str = "D019";

/// Returns an error that concerns a whole file, or the directory where `file` is empty.
pub(super) fn error(code: &'static str, file: &str, message: String, help: String) -> Diagnostic {
    Diagnostic { code, severity: Severity::Error, file: file.to_owned(), span: None, message, help: Some(help) }
}

/// Returns a warning that concerns a whole file.
pub(super) fn warning(code: &'static str, file: &str, message: String, help: String) -> Diagnostic {
    Diagnostic { severity: Severity::Warning, ..error(code, file, message, help) }
}

/// Returns the error for a file that is not UTF-8 from some byte on.
pub(super) fn not_utf8(file: &str, bytes: &[u8], valid_up_to: usize) -> Diagnostic {
    let before = bytes.get(..valid_up_to).unwrap_or_default();
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let line = before.split(|byte| *byte == b'\n').count();
    let column = 1 + String::from_utf8_lossy(before.get(line_start..).unwrap_or_default()).chars().count();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Diagnostic {
        span: Some(Span { line: number(line), column: number(column), offset: number(valid_up_to), length: 1 }),
        ..error(
            NOT_UTF8,
            file,
            format!("byte {valid_up_to}, in line {line}, is not UTF-8"),
            "save the file as UTF-8; texts in GB18030 or GBK have to be converted: `iconv -f GB18030 -t UTF-8`".into(),
        )
    }
}

/// Returns the error for a directory that cannot be entered.
pub(super) fn directory(path: &Path, file: &str, error_of_system: &std::io::Error) -> Diagnostic {
    error(
        UNREADABLE_DIRECTORY,
        file,
        format!("cannot list the directory `{}`: {}", path.display(), reason(error_of_system)),
        "let the user that runs the server read and enter it".into(),
    )
}

/// Returns the error for a file that cannot be read.
pub(super) fn unreadable(file: &str, error_of_system: &std::io::Error) -> Diagnostic {
    error(
        UNREADABLE_FILE,
        file,
        format!("cannot read the file: {}", reason(error_of_system)),
        "let the user that runs the server read it, or remove it".into(),
    )
}

/// Returns the words of the operating system, in lower case.
fn reason(error: &std::io::Error) -> String {
    error.to_string().to_lowercase()
}
