//! Paths of a ledger's files as messages show them, and the remedies when the operating system refuses access.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Returns the directory of a file.
pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns the absolute path of a file. A link at the end of the path is not followed.
pub(super) fn whole(path: &Path) -> PathBuf {
    let directory = whole_directory_of(path);
    path.file_name().map_or_else(|| path.to_owned(), |name| directory.join(name))
}

fn whole_directory_of(path: &Path) -> PathBuf {
    let directory = directory_of(path);
    let found = fs::canonicalize(directory).or_else(|_| std::path::absolute(directory));
    found.unwrap_or_else(|_| directory.to_owned())
}

/// Adds the remedy to an operating-system error that is due to a path; other errors are returned unchanged. `setting`
/// is the configuration key of the path.
pub(super) fn with_remedy(error: io::Error, path: &Path, setting: &str) -> io::Error {
    let kinds =
        [ErrorKind::NotFound, ErrorKind::NotADirectory, ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem];
    // Errors of our own say what to do.
    if error.raw_os_error().is_none() || !kinds.contains(&error.kind()) {
        return error;
    }
    let text = format!(
        "{error}: the directory `{}` has to exist, and the user of this process needs write permission for it and for the \
         file; or set another path with `{setting}`",
        whole_directory_of(path).display()
    );
    io::Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b7_a_refused_path_is_reported_whole_with_a_remedy() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(whole(Path::new("x.ledger")), fs::canonicalize(&here).unwrap().join("x.ledger"));
        assert_eq!(whole(Path::new("./nodir/x.ledger")), here.join("nodir/x.ledger"));
        for code in [rustix::io::Errno::ACCESS, rustix::io::Errno::ROFS, rustix::io::Errno::NOENT] {
            let error = io::Error::from(code);
            let (kind, said) = (error.kind(), error.to_string());
            let error = with_remedy(error, Path::new("./nodir/x.ledger"), "--ledger");
            assert_eq!(error.kind(), kind);
            let text = error.to_string();
            let directory = format!("the directory `{}` has to exist", here.join("nodir").display());
            assert!(text.starts_with(&said) && text.contains(&directory) && text.contains("`--ledger`"), "{text}");
            assert_eq!(with_remedy(error, Path::new("x"), "--ledger").to_string(), text, "once");
        }
        let full = with_remedy(rustix::io::Errno::NOSPC.into(), Path::new("x"), "--ledger").to_string();
        assert!(!full.contains("has to exist"), "{full}");
    }
}
