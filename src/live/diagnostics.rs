//! Diagnostics of a policy directory, before any file is parsed.
//!
//! Codes are stable; a number is never reused.

use std::path::Path;
use std::time::Duration;

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
/// An ignored file that may have been meant as a policy file.
pub const IGNORED_FILE: &str = "D016";
/// There are too many directory entries of any kind.
pub const TOO_MANY_ENTRIES: &str = "D017";
/// The compiler failed, or gave neither a snapshot nor a reason: a bug of ours.
pub const COMPILER_FAILED: &str = "D018";
/// A policy file is empty.
pub const EMPTY_FILE: &str = "D019";

/// The directory keeps changing, and is not read until it stays unchanged.
pub const NEVER_QUIET: &str = "D020";

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

/// Returns the error for policy files that keep changing; `last` is the path that changed last, if it is known.
pub(super) fn never_quiet(since: Duration, quiet: Duration, last: Option<&Path>) -> Diagnostic {
    let (since_ms, quiet_ms) = (since.as_millis(), quiet.as_millis());
    let (last_en, last_zh) = last.map_or_else(Default::default, |last| {
        let last = last.display();
        (format!("; `{last}` changed last"), format!("；最后变动的是 `{last}`"))
    });
    error(
        NEVER_QUIET,
        "",
        format!(
            "the policy files have been changing for {since_ms} ms without a pause of {quiet_ms} ms: they are not read, and the last good ones stay in force{last_en} \
             / 政策文件已连续变动 {since_ms} 毫秒，其间未能静止 {quiet_ms} 毫秒：不予读取，沿用最近一次有效的政策{last_zh}"
        ),
        "find out which program keeps writing there; write files elsewhere and move them here in one step \
         (`policy_debounce_ms`, `policy_changing_max_ms`) / 请查明是什么在不断写入；请在别处写好文件后一次移入"
            .into(),
    )
}

/// Returns the error for a directory that cannot be entered.
pub(super) fn directory(path: &Path, file: &str, error_of_system: &std::io::Error) -> Diagnostic {
    error(
        UNREADABLE_DIRECTORY,
        file,
        format!("cannot list the directory `{}`: {}", path.display(), reason(error_of_system)),
        help(error_of_system, "let the user that runs the server read and enter it"),
    )
}

/// Returns the error for a file that cannot be read.
pub(super) fn unreadable(file: &str, error_of_system: &std::io::Error) -> Diagnostic {
    error(
        UNREADABLE_FILE,
        file,
        format!("cannot read the file: {}", reason(error_of_system)),
        help(error_of_system, "let the user that runs the server read it, or remove it"),
    )
}

/// Error numbers for too many open files of the process, and of the machine: `ErrorKind` has no stable name for them.
const OPEN_FILES: [i32; 2] = [24, 23];

/// Returns the fix for an error of the operating system; `permitted` is the fix for a missing permission.
fn help(error: &std::io::Error, permitted: &str) -> String {
    if error.raw_os_error().is_some_and(|number| OPEN_FILES.contains(&number)) {
        return "too many files are open at once: raise the limit (`ulimit -n`, `LimitNOFILE`), or lower \
            `connections_max` / 打开的文件过多：请提高上限（`ulimit -n`、`LimitNOFILE`），或调低 `connections_max`"
            .into();
    }
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => permitted.into(),
        _ => {
            "fix the cause that the operating system reports, or remove it / 请按操作系统的提示处理，或将其移除".into()
        }
    }
}

/// Returns the message of the operating system, in lower case.
fn reason(error: &std::io::Error) -> String {
    error.to_string().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_help_follows_from_the_error_of_the_operating_system() {
        for number in [23, 24] {
            let error = std::io::Error::from_raw_os_error(number);
            for found in [unreadable("a.yaml", &error), directory(Path::new("/p"), "", &error)] {
                let help = found.help.unwrap();
                assert!(help.contains("ulimit -n") && !help.contains("let the user"), "{number}: {help}");
            }
        }
        for number in [13, 1] {
            let help = unreadable("a.yaml", &std::io::Error::from_raw_os_error(number)).help.unwrap();
            assert!(help.contains("let the user"), "{number}: {help}");
        }
        let help = unreadable("a.yaml", &std::io::Error::from_raw_os_error(5)).help.unwrap();
        assert!(!help.contains("let the user") && !help.contains("ulimit"), "{help}");
    }
}
