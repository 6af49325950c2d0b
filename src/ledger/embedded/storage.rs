//! Storage of a ledger: opening it, refusing a file that is no ledger or has lost counts, and recovery after a failed
//! write.
//!
//! After an unclean end the whole file is written once more, as it reads, and synced. An operating system may keep
//! pages in memory whose write failed, and read them back as if they were on disk; no new write may depend on such a
//! page before it is on disk.

use std::fmt;
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{BackendError, Builder, Database, ReadableDatabase, StorageBackend};

use super::directory::Directory;
use super::reader;
use super::refusal::{damaged, refused};
use super::settings::{CheckOnOpen, Settings};
use super::tables::{self, FORMAT, FORMAT_KEY, Format, META, Stop, Tables, check_format};
use crate::ledger::mark::{self, Identity, Mark};
use crate::ledger::witness::Witness;

/// Remedy for a running server that finds another ledger than the one it opened.
const RESTART: &str = "This server counts only in the ledger that it opened: restart it after `accept`";
/// Bytes read and written at a time when a file is rewritten.
const REWRITE_BYTES: usize = 1 << 20;

/// Storage of a ledger: a file, except in tests of failing storage.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Opens it. Empty storage becomes a new ledger.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    fn open(&self) -> io::Result<Opening>;

    /// Reads the witness of the ledger; `None` if it has none and is trusted.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn witness(&self) -> io::Result<Option<Witness>> {
        Ok(None)
    }

    /// Returns the free space in bytes; `None` if the storage cannot tell.
    ///
    /// # Errors
    ///
    /// If it cannot be told just now.
    fn free_bytes(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    /// Notes that a ledger was opened here: from now on none is created.
    fn again(&mut self) {}

    /// Returns its name in messages.
    fn name(&self) -> String;
}

/// Storage that was opened.
#[derive(Debug)]
pub struct Opening {
    /// Its bytes.
    pub backend: Arc<dyn StorageBackend>,
    /// Detects changes by other processes; `None` if no other process can change them.
    pub watch: Option<Arc<dyn Watch>>,
}

/// Detects changes that another process makes to an open ledger.
pub trait Watch: fmt::Debug + Send + Sync {
    /// Checks for changes.
    ///
    /// # Errors
    ///
    /// If another process changed the ledger.
    fn check(&self) -> Result<(), String>;
}

/// An open ledger that has lost no counts.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) database: Arc<Database>,
    pub(super) directory: Directory,
    /// Identity and position of the ledger.
    pub(super) mark: Mark,
    pub(super) witness: Option<Witness>,
    pub(super) watch: Option<Arc<dyn Watch>>,
}

/// Opens a ledger, or says why not. `known` is its highest mark known to this process, besides the one in its witness.
pub(super) fn open(storage: &dyn Storage, settings: &Settings, known: Option<Mark>) -> Result<Opened, String> {
    guarded(storage, || {
        peek(storage, settings, known)?;
        let (database, watch) = open_database(storage, settings)?;
        let found = read(&database).map_err(|stop| stop.to_string())?;
        // After the file is locked: until then another process may be at work.
        let mut witness = storage.witness().map_err(|error| error.to_string())?;
        distrust(found.mark, witness.as_ref(), known)?;
        let mark = match (found.format, found.mark) {
            (Format::Current, Some(mark)) => mark,
            _ => upgrade(&storage.name(), &database, &found, witness.as_mut())?,
        };
        if let Some(witness) = &mut witness {
            witness.check_writable().map_err(|error| error.to_string())?;
            witness.record(mark).map_err(|error| error.to_string())?;
        }
        let directory = Directory::new(found.number_last);
        Ok(Opened { database: Arc::new(database), directory, mark, witness, watch })
    })
}

/// Turns the existing ledger into another one, with a new identity and a new witness.
pub(super) fn accept(storage: &dyn Storage, settings: &Settings) -> Result<Mark, String> {
    guarded(storage, || {
        let (database, _) = open_database(storage, settings)?;
        let found = read(&database).map_err(|stop| stop.to_string())?;
        let position = found.mark.map_or(0, |mark| mark.position).max(u64::from(found.has_entries));
        let mark = Mark { identity: Identity::draw(), position };
        write_mark(&database, mark).map_err(|stop| stop.to_string())?;
        database.close().map_err(|error| error.to_string())?;
        Ok(mark)
    })
}

/// The library may panic on a damaged file; the panic must not end the server.
fn guarded<T>(storage: &dyn Storage, open: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let opened = catch_unwind(AssertUnwindSafe(open));
    opened.unwrap_or_else(|_| Err(damaged("it cannot be read"))).map_err(|why| format!("{}: {why}", storage.name()))
}

fn open_database(storage: &dyn Storage, settings: &Settings) -> Result<(Database, Option<Arc<dyn Watch>>), String> {
    let Opening { backend, watch } = storage.open().map_err(|error| error.to_string())?;
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
    Ok((database, watch))
}

/// The content of a file.
#[derive(Debug)]
struct Found {
    format: Format,
    number_last: u32,
    /// `None` for a ledger older than marks.
    mark: Option<Mark>,
    /// Whether anything was ever counted or answered.
    has_entries: bool,
}

/// Checks that the file is a ledger, initialises a new one, and reads its counters.
fn read(database: &Database) -> Result<Found, Stop> {
    let transaction = database.begin_read()?;
    if transaction.list_tables()?.next().is_none() {
        drop(transaction);
        let mark = Some(initialise(database)?);
        return Ok(Found { format: Format::Current, number_last: 0, mark, has_entries: false });
    }
    Ok(Found {
        format: check_format(&transaction)?,
        number_last: tables::number_last(&transaction)?,
        mark: tables::mark(&transaction.open_table(META)?)?,
        has_entries: tables::has_entries(&transaction)?,
    })
}

/// Refuses a ledger that has lost counts before anything is written to it, even a repair: it may be a copy that is
/// needed unchanged, or one that an operator is about to overwrite.
fn peek(storage: &dyn Storage, settings: &Settings, known: Option<Mark>) -> Result<(), String> {
    let witness = storage.witness().map_err(|error| error.to_string())?;
    if known.is_none() && witness.as_ref().is_none_or(|witness| witness.seen().is_none()) {
        return Ok(());
    }
    let backend = storage.open().map_err(|error| error.to_string())?.backend;
    if backend.len().map_err(|error| error.to_string())? == 0 {
        return Ok(());
    }
    // A start checks the whole file later; a ledger that is opened again may be half a copy.
    let check_on_open = if known.is_some() { settings.check_on_open } else { CheckOnOpen::AfterCrash };
    let mark = reader::mark(backend, &Settings { check_on_open, ..settings.clone() })?;
    distrust(mark, witness.as_ref(), known)
}

/// Refuses a ledger that is behind its known mark.
fn distrust(mark: Option<Mark>, witness: Option<&Witness>, known: Option<Mark>) -> Result<(), String> {
    let (seen, name) = witness.map_or((None, String::new()), |witness| (witness.seen(), witness.name()));
    match mark {
        // A ledger that this process had open has a mark, whatever it counted.
        None if known.is_some() => Err("it is older than witnesses, and not the one that was open: put the \
             right one back"
            .to_owned()),
        None => mark::refusal_unmarked(seen, &name).map_or(Ok(()), Err),
        Some(mark) => {
            if let Some(known) = known {
                let is_other = known.identity != mark.identity;
                let with_remedy = |why| if is_other { format!("{why}. {RESTART}") } else { why };
                refuse(mark, Some(known), &name).map_err(with_remedy)?;
            }
            // A witness that is removed while a failure keeps the ledger closed is not required.
            if witness.is_some() { refuse(mark, seen.or(known), &name) } else { Ok(()) }
        }
    }
}

/// Brings a ledger to the current format, in one transaction with its mark. The witness is made before that, at
/// position 0: a process that is killed in between leaves a ledger that is trusted, and not one whose witness is
/// missing.
fn upgrade(name: &str, database: &Database, found: &Found, witness: Option<&mut Witness>) -> Result<Mark, String> {
    let begun = witness.as_ref().and_then(|witness| witness.seen());
    let before = found.mark.or(begun).unwrap_or_else(|| Mark { identity: Identity::draw(), position: 0 });
    // A copy from before the upgrade is older than this, and a ledger with entries is not trusted without a witness.
    let position = before.position.saturating_add(u64::from(found.has_entries));
    let mark = Mark { position, ..before };
    if let Some(witness) = witness {
        witness.record(before).map_err(|error| error.to_string())?;
    }
    write_mark(database, mark).map_err(|stop| stop.to_string())?;
    if before.position == 0 && found.has_entries {
        tracing::warn!(
            ledger = %name,
            "the ledger is older than witnesses: this once, it is uncertain whether it is the newest copy; from now on its witness tells"
        );
    } else {
        tracing::info!(ledger = %name, "the ledger was brought to the format of this program");
    }
    Ok(mark)
}

fn refuse(mark: Mark, seen: Option<Mark>, witness: &str) -> Result<(), String> {
    mark::compare(mark, seen).refusal(mark, witness).map_or(Ok(()), Err)
}

/// Writes the format and the mark, which make an empty file a ledger.
pub(super) fn initialise(database: &Database) -> Result<Mark, Stop> {
    let transaction = database.begin_write()?;
    let mark = Mark { identity: Identity::draw(), position: 0 };
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(FORMAT_KEY, FORMAT)?;
        tables::set_mark(&mut meta, mark)?;
    }
    drop(Tables::open(&transaction)?);
    transaction.commit()?;
    Ok(mark)
}

/// Writes the mark of a ledger and the format of this program.
fn write_mark(database: &Database, mark: Mark) -> Result<(), Stop> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(FORMAT_KEY, FORMAT)?;
        tables::set_mark(&mut meta, mark)?;
    }
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
