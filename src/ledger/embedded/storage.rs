//! Where the bytes are: opening the file, refusing what is no ledger, and what a failed write needs.
//!
//! A new ledger is made beside its final name and put there complete, so that a process killed in
//! the middle leaves no half-made file behind that would be refused for ever.
//!
//! After an unclean end the whole file is written once more, as it reads, and synced. An operating
//! system may keep pages in memory whose write failed, and read them back as if they were on disk;
//! nothing new is built on such pages before they are.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{
    BackendError, Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase, StorageBackend, StorageError,
};

use super::directory::Directory;
use super::tables::{self, CounterOfFile, FORMAT, FORMAT_KEY, META, Stop, Tables};
use super::{CheckOnOpen, MissingFile, Settings};
use crate::ledger::witness::{self, Witness};

/// Begins what is said of a file that another process has open.
pub const HELD_ELSEWHERE: &str = "another process has it open";
/// Bytes that are read and written at a time when a file is written once more.
const REWRITE_BYTES: usize = 1 << 20;

/// What is said of a link that leads nowhere.
const LEADS_NOWHERE: &str = "it is a link that leads nowhere: mount what it leads to, or correct it";

/// Where a ledger is kept. A file, except in tests that want storage to fail.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Opens it. Empty storage becomes a new ledger.
    ///
    /// # Errors
    ///
    /// Where it cannot be opened.
    fn open(&self) -> io::Result<Box<dyn StorageBackend>>;

    /// Returns how messages call it.
    fn name(&self) -> String;
}

/// A file of this machine.
#[derive(Debug)]
pub(super) struct LedgerFile {
    pub(super) path: PathBuf,
    pub(super) missing: MissingFile,
    pub(super) witness: PathBuf,
}

impl LedgerFile {
    /// Says what to do where there is no ledger.
    fn missing(&self, error: &io::Error) -> io::Error {
        let text = match Witness::open(&self.witness).map(|witness| (witness.seen(), witness.name())) {
            Ok((Some(seen), name)) => witness::gone(seen, &name),
            _ if fs::symlink_metadata(&self.path).is_ok() => LEADS_NOWHERE.to_owned(),
            _ => format!("{error}: correct the path, or make a new ledger there, once, with `--ledger-create`"),
        };
        io::Error::new(error.kind(), text)
    }

    /// Makes a new ledger, unless something tells of an earlier one.
    fn begin(&self) -> io::Result<()> {
        // A link that leads nowhere: what it should lead to may be a disk that is not there yet.
        if fs::symlink_metadata(&self.path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::NotFound, LEADS_NOWHERE));
        }
        let witness = Witness::open(&self.witness)?;
        if let Some(seen) = witness.seen() {
            return Err(io::Error::new(io::ErrorKind::NotFound, witness::gone(seen, &witness.name())));
        }
        if self.missing == MissingFile::CreateFirst
            && let Some(trace) = trace(&self.path)?
        {
            let text = format!(
                "there is no ledger, but `{}` beside it may be an earlier one: restore it, or make a new one with                  `--ledger-create`",
                trace.display()
            );
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        create(&self.path)
    }
}

/// Returns a file beside a ledger whose name begins as that of the ledger does.
fn trace(ledger: &Path) -> io::Result<Option<PathBuf>> {
    let name = ledger.file_name().unwrap_or_default().as_encoded_bytes();
    let unfinished = [name, b".new-"].concat();
    for entry in fs::read_dir(directory_of(ledger))? {
        let entry = entry?;
        let other = entry.file_name();
        let other = other.as_encoded_bytes();
        if other.starts_with(name) && !other.starts_with(&unfinished) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Storage for LedgerFile {
    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        let file = match OpenOptions::new().read(true).write(true).open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.missing != MissingFile::Refuse => {
                self.begin()?;
                OpenOptions::new().read(true).write(true).open(&self.path)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.missing(&error)),
            opened => opened?,
        };
        if file.metadata()?.len() == 0 {
            let text = "the file is empty, which no ledger is: restore it, or remove it to begin a new one";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(Box::new(FileBackend::new(file).map_err(io::Error::other)?))
    }

    fn name(&self) -> String {
        format!("`{}`", self.path.display())
    }
}

/// Makes a new ledger in a file that does not exist. Where another process does so at the same
/// time, the first one's stays.
fn create(path: &Path) -> io::Result<()> {
    let directory = directory_of(path);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let unfinished = directory.join(name);
    // Left behind by a process of the same number that was killed.
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
    let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    tracing::warn!(path = %whole.display(), "there was no ledger: a new one was made, and its totals begin at zero");
    Ok(())
}

fn fill(file: &File) -> io::Result<()> {
    let backend = FileBackend::new(file.try_clone()?).map_err(io::Error::other)?;
    let database = Builder::new().create_with_backend(backend).map_err(io::Error::other)?;
    initialise(&database).map_err(|stop| io::Error::other(stop.to_string()))?;
    database.close().map_err(io::Error::other)?;
    file.sync_all()
}

/// Opens the file and reads its counters, or says why not.
pub(super) fn open(storage: &dyn Storage, settings: &Settings) -> Result<(Database, Directory), String> {
    let name = storage.name();
    // A damaged file may make the library panic; it must not take the server along.
    let opened = catch_unwind(AssertUnwindSafe(|| open_unguarded(storage, settings)));
    opened.unwrap_or_else(|_| Err(damaged("it cannot be read"))).map_err(|why| format!("{name}: {why}"))
}

fn open_unguarded(storage: &dyn Storage, settings: &Settings) -> Result<(Database, Directory), String> {
    let backend: Arc<dyn StorageBackend> = storage.open().map_err(|error| error.to_string())?.into();
    let unclean = Arc::new(AtomicBool::new(false));
    let database = {
        let unclean = Arc::clone(&unclean);
        Builder::new()
            .set_cache_size(settings.cache_bytes)
            .set_check_integrity_on_open(settings.check_on_open == CheckOnOpen::Always)
            .set_repair_callback(move |_| unclean.store(true, Ordering::Relaxed))
            .create_with_backend(SharedBackend(Arc::clone(&backend)))
            .map_err(|error| refused(&error))?
    };
    if unclean.load(Ordering::Relaxed) {
        rewrite(backend.as_ref()).map_err(|error| error.to_string())?;
    }
    let directory = read(&database).map_err(|stop| stop.to_string())?;
    Ok((database, directory))
}

/// Reads the counters of a file without changing anything: it is not made, not repaired, and not
/// kept from others who only read. Its sums are not checked.
pub(super) fn look(path: &Path, cache_bytes: usize) -> Result<Vec<CounterOfFile>, String> {
    let looked = catch_unwind(AssertUnwindSafe(|| look_unguarded(path, cache_bytes)));
    let looked = looked.unwrap_or_else(|_| Err(damaged("it cannot be read")));
    looked.map_err(|why| format!("`{}`: {why}", path.display()))
}

fn look_unguarded(path: &Path, cache_bytes: usize) -> Result<Vec<CounterOfFile>, String> {
    let database = Builder::new().set_cache_size(cache_bytes).open_read_only(path).map_err(|error| refused(&error))?;
    let transaction = database.begin_read().map_err(|error| error.to_string())?;
    let counters = check_format(&transaction).and_then(|()| tables::counters(&transaction));
    counters.map_err(|stop| stop.to_string())
}

/// Checks that the file is a ledger, makes it one where it is new, and reads its counters.
fn read(database: &Database) -> Result<Directory, Stop> {
    let transaction = database.begin_read()?;
    if transaction.list_tables()?.next().is_none() {
        initialise(database)?;
        return Ok(Directory::default());
    }
    check_format(&transaction)?;
    Directory::from_rows(tables::counters(&transaction)?)
}

/// Refuses what is no ledger, and one in a format that this program does not read.
fn check_format(transaction: &ReadTransaction) -> Result<(), Stop> {
    let format = match transaction.open_table(META) {
        Ok(meta) => meta.get(FORMAT_KEY)?.map(|format| format.value().to_owned()),
        Err(redb::TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match format {
        Some(format) if format == FORMAT => Ok(()),
        Some(format) => Err(Stop::Broken(format!("its format is `{format}`, this program reads `{FORMAT}`"))),
        None => Err(Stop::Broken("it is a database, but not a ledger: give another path".to_owned())),
    }
}

/// Writes what makes an empty file a ledger.
fn initialise(database: &Database) -> Result<(), Stop> {
    let transaction = database.begin_write()?;
    transaction.open_table(META)?.insert(FORMAT_KEY, FORMAT)?;
    drop(Tables::open(&transaction)?);
    Ok(transaction.commit()?)
}

/// Writes every byte once more, and syncs.
fn rewrite(backend: &dyn StorageBackend) -> io::Result<()> {
    let length = backend.len()?;
    let mut buffer = vec![0; REWRITE_BYTES];
    let mut offset = 0;
    while offset < length {
        let rest = usize::try_from(length - offset).unwrap_or(REWRITE_BYTES);
        let part = buffer.get_mut(..rest.min(REWRITE_BYTES)).unwrap_or_default();
        backend.read(offset, part)?;
        backend.write(offset, part)?;
        offset += part.len() as u64;
    }
    backend.sync_data()
}

fn refused(error: &DatabaseError) -> String {
    match error {
        DatabaseError::DatabaseAlreadyOpen => {
            format!("{HELD_ELSEWHERE}: stop that one, or share totals through PostgreSQL")
        }
        DatabaseError::RepairAborted => {
            "it was not closed as it should be: run `neglist ledger verify`, or start a server with it".to_owned()
        }
        DatabaseError::UpgradeRequired(_) => "its file format is too old for this program".to_owned(),
        DatabaseError::Storage(StorageError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
            "it is not a ledger: give another path".to_owned()
        }
        DatabaseError::Storage(StorageError::Corrupted(why)) => damaged(why),
        error => error.to_string(),
    }
}

fn damaged(why: &str) -> String {
    format!("the file is damaged, restore it from a backup: {why}")
}

/// One backend for the database and for [`rewrite`].
#[derive(Debug)]
struct SharedBackend(Arc<dyn StorageBackend>);

impl StorageBackend for SharedBackend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}
