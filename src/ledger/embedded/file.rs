//! A ledger in a local file: creating it, opening it, and detecting changes by other processes.
//!
//! A new ledger is written under a temporary name and renamed when complete, so that a process killed in between leaves
//! no half-made file that would be refused for ever. It is created only if there is no trace of an earlier one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, Builder, StorageBackend};

use super::settings::MissingFile;
use super::storage::{self, Opening, Storage, Watch};
use crate::ledger::files::{directory_of, whole, with_remedy};
use crate::ledger::mark;
use crate::ledger::witness::Witness;

/// Refusal of a dangling link.
const LEADS_NOWHERE: &str = "it is a link that leads nowhere: mount the disk of its target, or correct it";

/// A local file.
#[derive(Debug)]
pub(super) struct LedgerFile {
    pub(super) path: PathBuf,
    pub(super) missing: MissingFile,
    pub(super) witness: PathBuf,
}

impl LedgerFile {
    /// Refuses a witness that is the ledger itself, by its path or through a link: a witness is written over.
    fn check_apart(&self) -> io::Result<()> {
        let is_one = match (fs::metadata(&self.path), fs::metadata(&self.witness)) {
            (Ok(ledger), Ok(witness)) => is_same(&ledger, &witness),
            _ => false,
        };
        if is_one || whole(&self.path) == whole(&self.witness) {
            let text = format!(
                "`{}` is named as its witness, and is the ledger itself: name another file with `ledger_witness`",
                self.witness.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(())
    }

    /// Adds the remedy for a missing ledger.
    fn missing(&self, error: io::Error) -> io::Error {
        let text = match Witness::open(&self.witness).map(|witness| (witness.seen(), witness.name())) {
            Ok((Some(seen), name)) => mark::gone(seen, &name),
            _ if fs::symlink_metadata(&self.path).is_ok() => LEADS_NOWHERE.to_owned(),
            _ if !directory_of(&self.path).is_dir() => return error,
            _ => format!("{error}: correct the path, or make a new ledger there, once, with `--ledger-create`"),
        };
        io::Error::new(error.kind(), text)
    }

    /// Creates a new ledger, unless there is a trace of an earlier one.
    fn begin(&self) -> io::Result<()> {
        // A dangling link: its target may be on a disk that is not mounted yet.
        if fs::symlink_metadata(&self.path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::NotFound, LEADS_NOWHERE));
        }
        let witness = Witness::open(&self.witness)?;
        if let Some(seen) = witness.seen() {
            return Err(io::Error::new(io::ErrorKind::NotFound, mark::gone(seen, &witness.name())));
        }
        if self.missing == MissingFile::CreateFirst
            && let Some(trace) = trace(&self.path)?
        {
            let text = format!(
                "there is no ledger, but `{}` beside it may be an earlier one: restore it, or make a new one with `--ledger-create`",
                trace.display()
            );
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        create(&self.path)
    }
}

/// Returns a file beside a ledger whose name begins with the ledger's name.
fn trace(ledger: &Path) -> io::Result<Option<PathBuf>> {
    let name = ledger.file_name().unwrap_or_default().as_encoded_bytes();
    for entry in fs::read_dir(directory_of(ledger))? {
        let entry = entry?;
        let other = entry.file_name();
        let other = other.as_encoded_bytes();
        if other.starts_with(name) && !is_unfinished(other) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

impl LedgerFile {
    fn open_file(&self) -> io::Result<File> {
        self.check_apart()?;
        match OpenOptions::new().read(true).write(true).open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.missing != MissingFile::Refuse => {
                self.begin()?;
                OpenOptions::new().read(true).write(true).open(&self.path)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.missing(error)),
            opened => opened,
        }
    }
}

/// Says whether a name ends in `.new-` and a number: a ledger or a witness whose maker was killed, and never held anything.
fn is_unfinished(name: &[u8]) -> bool {
    let begin = name.iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |last| last + 1);
    name.split_at_checked(begin).is_some_and(|(begin, number)| begin.ends_with(b".new-") && !number.is_empty())
}

impl Storage for LedgerFile {
    fn open(&self) -> io::Result<Opening> {
        let file = self.open_file().map_err(|error| with_remedy(error, &self.path, "--ledger"))?;
        if file.metadata()?.len() == 0 {
            let text = "the file is empty, so it is not a ledger: restore it, or remove it to begin a new one";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let watched = Watched::new(self.path.clone(), file)?;
        Ok(Opening { backend: Arc::clone(&watched) as Arc<dyn StorageBackend>, watch: Some(watched) })
    }

    fn witness(&self) -> io::Result<Option<Witness>> {
        self.check_apart()?;
        Witness::open(&self.witness).map(Some)
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        // Behind a link, the disk is that of the file.
        free_bytes(&self.path).map(Some)
    }

    fn again(&mut self) {
        self.missing = MissingFile::Refuse;
    }

    fn name(&self) -> String {
        format!("`{}`", whole(&self.path).display())
    }
}

/// Creates a new ledger in a file that does not exist. If another process does so at the same time, the first one's
/// stays.
fn create(path: &Path) -> io::Result<()> {
    let directory = directory_of(path);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let unfinished = directory.join(name);
    // Left behind by a killed process with the same id.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    // Pseudonyms are personal information.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&unfinished)?;
    let made = fill(&file).and_then(|()| match fs::hard_link(&unfinished, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    fs::remove_file(&unfinished)?;
    made?;
    File::open(directory)?.sync_all()?;
    tracing::warn!(path = %whole(path).display(), "there was no ledger: a new one was made, and its totals begin at zero");
    Ok(())
}

fn fill(file: &File) -> io::Result<()> {
    let backend = FileBackend::new(file.try_clone()?).map_err(io::Error::other)?;
    let database = Builder::new().create_with_backend(backend).map_err(io::Error::other)?;
    storage::initialise(&database).map_err(|stop| io::Error::other(stop.to_string()))?;
    database.close().map_err(io::Error::other)?;
    file.sync_all()
}

/// Returns the free bytes on the disk of a file.
#[cfg(unix)]
fn free_bytes(file: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(file)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_file: &Path) -> io::Result<u64> {
    Ok(u64::MAX)
}

/// Bytes at the beginning of the file that change with every commit: the valid state, with checksums.
const HEADER_BYTES: usize = 512;

/// The file, and its state as this process left it.
///
/// INVARIANT (hands off): once another process is found to have changed the file, nothing is written to it any more: it
/// may be a copy that an operator has just restored.
#[derive(Debug)]
pub(super) struct Watched {
    backend: FileBackend,
    path: PathBuf,
    /// The same file, to read its metadata and its header.
    file: File,
    seen: Mutex<Seen>,
    is_lost: AtomicBool,
}

/// State of the file after this process's last write.
#[derive(Debug)]
struct Seen {
    bytes: u64,
    header: [u8; HEADER_BYTES],
}

impl Watched {
    fn new(path: PathBuf, file: File) -> io::Result<Arc<Self>> {
        let (bytes, header) = (file.metadata()?.len(), read_header(&file)?);
        let backend = FileBackend::new(file.try_clone()?).map_err(io::Error::other)?;
        let seen = Mutex::new(Seen { bytes, header });
        Ok(Arc::new(Self { backend, path, file, seen, is_lost: AtomicBool::new(false) }))
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Describes how the file differs from the state that this process left.
    fn difference(&self) -> io::Result<Option<&'static str>> {
        let own = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some("its file was removed")),
            Err(error) => return Err(error),
            Ok(there) if !is_same(&own, &there) => return Ok(Some("its file was replaced by another")),
            Ok(_) => {}
        }
        let seen = self.seen();
        if own.len() != seen.bytes {
            return Ok(Some("something else changed the length of its file"));
        }
        let is_ours = read_header(&self.file)? == seen.header;
        Ok((!is_ours).then_some("something else wrote to its file"))
    }

    fn may_write(&self) -> io::Result<()> {
        if self.is_lost.load(Ordering::Relaxed) { Err(io::Error::other("the file is another's now")) } else { Ok(()) }
    }
}

impl Watch for Watched {
    fn check(&self) -> Result<(), String> {
        let difference = self.difference().map_err(|error| error.to_string())?;
        let Some(difference) = difference else { return Ok(()) };
        // (hands off)
        self.is_lost.store(true, Ordering::Relaxed);
        Err(format!("{difference} while it was open: put the right one back"))
    }
}

fn read_header(file: &File) -> io::Result<[u8; HEADER_BYTES]> {
    let mut header = [0; HEADER_BYTES];
    let mut filled = 0;
    while let Some(rest) = header.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match read_at(file, rest, filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(header)
}

#[cfg(unix)]
fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, out, offset)
}

#[cfg(not(unix))]
fn read_at(mut file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.read(out)
}

#[cfg(unix)]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    one.len() == other.len()
}

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.backend.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.backend.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.may_write()?;
        self.backend.set_len(len)?;
        self.seen().bytes = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.may_write()?;
        self.backend.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.may_write()?;
        self.backend.write(offset, data)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        if start < HEADER_BYTES {
            let mut seen = self.seen();
            let into = seen.header.iter_mut().skip(start);
            into.zip(data).for_each(|(byte, written)| *byte = *written);
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.backend.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.query_lock_range(start, end)
    }
}
