//! The file of the subject key: read, and made once.
//!
//! INVARIANT (secret): the file is made for its owner alone, and one that others may read is refused. No message has any part
//! of the key.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::files::{directory_of, whole, with_remedy};
use crate::domain::persons::{KEY_BYTES, KeyTextFault, SubjectKey, parse_key, write_key};

/// Most bytes that are read of a file. A key has 104.
const FILE_BYTES_MAX: u64 = 1_024;

/// Returns the place of the subject key of a ledger in a file, unless it has another: beside it, `PATH.subject-key`.
pub fn beside(ledger: &Path) -> PathBuf {
    let mut path = ledger.as_os_str().to_owned();
    path.push(".subject-key");
    path.into()
}

/// A file of a subject key that cannot be used.
#[derive(Debug)]
pub struct KeyFileError {
    path: PathBuf,
    fault: Fault,
}

#[derive(Debug)]
enum Fault {
    /// The system does not read or write it.
    System(io::Error),
    /// It is a directory or a device.
    NotAFile,
    /// Users other than its owner may read or write it.
    Open {
        /// Its permissions.
        mode: u32,
    },
    /// Its text is no key.
    Text(KeyTextFault),
}

impl std::error::Error for KeyFileError {}

/// The fault and the fix, in English and Chinese.
impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the subject key `{}`: ", whole(&self.path).display())?;
        match &self.fault {
            Fault::System(error) => write!(f, "{error} / 无法读写化名密钥文件"),
            Fault::NotAFile => f.write_str("it is not a file: name another place / 不是文件：请指定其他位置"),
            Fault::Open { mode } => write!(
                f,
                "others may read or write it (mode {mode:04o}): `chmod 600` it / \
                其他用户可以读写该文件（权限 {mode:04o}）：请执行 `chmod 600`"
            ),
            Fault::Text(fault) => write!(f, "{fault} / {}", fault.chinese()),
        }
    }
}

/// Reads a subject key; `None` if there is no file.
///
/// # Errors
/// The file cannot be read, others may read or write it, or it is no key.
pub fn read(path: &Path) -> Result<Option<SubjectKey>, KeyFileError> {
    let wrong = |fault| KeyFileError { path: path.to_owned(), fault };
    let system = |error| wrong(Fault::System(with_remedy(error, path, "subject_key")));
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && !leads_nowhere(path) => return Ok(None),
        opened => opened.map_err(system)?,
    };
    let metadata = file.metadata().map_err(system)?;
    if !metadata.is_file() {
        return Err(wrong(Fault::NotAFile));
    }
    check_private(&metadata).map_err(wrong)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(system)?;
    let text = str::from_utf8(&bytes).map_err(|_| KeyTextFault::NotAKey);
    text.and_then(parse_key).map(Some).map_err(|fault| wrong(Fault::Text(fault)))
}

/// Draws a key and keeps it in a new file that only its owner may read. Returns the key that the file then has: another one
/// if another process was first.
///
/// # Errors
/// The file cannot be written or read.
pub fn make(path: &Path) -> Result<SubjectKey, KeyFileError> {
    let system =
        |error| KeyFileError { path: path.to_owned(), fault: Fault::System(with_remedy(error, path, "subject_key")) };
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| system(io::Error::other(error.to_string())))?;
    match create(path, &SubjectKey::from_bytes(bytes)) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(system(error)),
        Ok(()) | Err(_) => {}
    }
    // Use the key in the file: a later start finds that one.
    read(path)?.ok_or_else(|| system(ErrorKind::NotFound.into()))
}

/// Writes a key to a file that does not exist, durably. The file is whole from the moment that it is there: a start that ends
/// half-way leaves no part of a key at the place, and no other process reads one.
fn create(path: &Path, key: &SubjectKey) -> io::Result<()> {
    let directory = directory_of(path);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // No other process draws this key, and processes in different containers can have one number.
    name.push(format!(".new-{}", key.fingerprint()));
    let unfinished = directory.join(name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    let written = file.write_all(write_key(key).as_bytes()).and_then(|()| file.sync_all());
    let made = written.and_then(|()| fs::hard_link(&unfinished, path));
    fs::remove_file(&unfinished)?;
    made?;
    File::open(directory)?.sync_all()
}

/// Says whether a path without a file is a link. A disk that is not mounted may have the key.
fn leads_nowhere(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Checks that the owner alone has access; the group may read a file of the superuser, as secrets are mounted in containers.
#[cfg(unix)]
fn check_private(metadata: &Metadata) -> Result<(), Fault> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = metadata.mode() & 0o7777;
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if mode & forbidden == 0 { Ok(()) } else { Err(Fault::Open { mode }) }
}

#[cfg(not(unix))]
fn check_private(_metadata: &Metadata) -> Result<(), Fault> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = beside(&directory.path().join("ledger"));
        (directory, path)
    }

    #[track_caller]
    fn refused(path: &Path) -> String {
        read(path).unwrap_err().to_string()
    }

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let (_directory, path) = place();
        assert!(path.ends_with("ledger.subject-key"));
        assert!(read(&path).unwrap().is_none());
        let key = make(&path).unwrap();
        assert_eq!(read(&path).unwrap(), Some(key.clone()));
        assert_eq!(make(&path).unwrap(), key, "a file that is there is not replaced");
        let (_other, other) = place();
        assert_ne!(make(&other).unwrap(), key);
    }

    #[test]
    fn starts_at_once_find_one_whole_key() {
        let (directory, path) = place();
        for round in 0..20 {
            let at_once = std::sync::Barrier::new(8);
            let made: Vec<SubjectKey> = std::thread::scope(|scope| {
                let start = || {
                    at_once.wait();
                    make(&path).unwrap()
                };
                let started: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
                started.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(made.iter().all(|key| *key == made[0]), "{round}");
            let files: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert_eq!(files, [path.as_path()], "{round}");
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_file_that_is_no_whole_key_is_refused_and_kept() {
        let (_directory, path) = place();
        make(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        assert_eq!(whole.len(), 104);
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let text = refused(&path);
            assert!(text.contains("cut or changed") && text.contains("截断"), "{length}: {text}");
            assert!(make(&path).is_err());
            assert_eq!(fs::read(&path).unwrap(), &whole[..length]);
        }
        fs::write(&path, [0xff; 104]).unwrap();
        assert!(refused(&path).contains("not a subject key"));
        let text = String::from_utf8(whole).unwrap();
        let key = text.lines().nth(1).unwrap();
        fs::write(&path, format!("{text}more")).unwrap();
        assert!(!refused(&path).contains(key));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_may_read_is_refused() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let (_directory, path) = place();
        make(&path).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.mode() & 0o7777, 0o600);
        let is_root = metadata.uid() == 0;
        for (mode, passes) in
            [(0o400, true), (0o600, true), (0o640, is_root), (0o440, is_root), (0o660, false), (0o604, false)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match read(&path) {
                Ok(key) => assert!(passes && key.is_some(), "{mode:o}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(!passes && text.contains("chmod 600") && text.contains(&format!("{mode:04o}")), "{text}");
                }
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_a_file_is_accepted() {
        let (directory, path) = place();
        assert!(refused(directory.path()).contains("not a file"));
        std::os::unix::fs::symlink(directory.path().join("elsewhere"), &path).unwrap();
        assert!(read(&path).is_err(), "a link that leads nowhere");
        assert!(make(&path).is_err());
        let missing = directory.path().join("nodir/key");
        assert!(read(&missing).unwrap().is_none());
        let text = make(&missing).unwrap_err().to_string();
        assert!(text.contains("has to exist") && text.contains("`subject_key`"), "{text}");
    }
}
