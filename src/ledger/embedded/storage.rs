//! Where the bytes are: opening them, refusing what is no ledger or less than it was, and what a failed write needs.
//!
//! After an unclean end the whole file is written once more, as it reads, and synced. An operating
//! system may keep pages in memory whose write failed, and read them back as if they were on disk;
//! nothing new is built on such pages before they are.

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

/// What is said to the operator of a server that runs, and finds another ledger than the one it opened.
const START_ANEW: &str = "This server counts in the ledger that it opened and in no other: start this server anew after \
    `accept`";
/// Bytes that are read and written at a time when a file is written once more.
const REWRITE_BYTES: usize = 1 << 20;

/// Where a ledger is kept. A file, except in tests that want storage to fail.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Opens it. Empty storage becomes a new ledger.
    ///
    /// # Errors
    ///
    /// Where it cannot be opened.
    fn open(&self) -> io::Result<Opening>;

    /// Reads the witness of the ledger; `None` where it has none and is believed.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    fn witness(&self) -> io::Result<Option<Witness>> {
        Ok(None)
    }

    /// Returns how many bytes may still be written; `None` where that cannot be told.
    ///
    /// # Errors
    ///
    /// Where it cannot be told just now.
    fn free_bytes(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    /// Says that a ledger was opened here: from now on none is made.
    fn again(&mut self) {}

    /// Returns how messages call it.
    fn name(&self) -> String;
}

/// Storage that was opened.
#[derive(Debug)]
pub struct Opening {
    /// Its bytes.
    pub backend: Arc<dyn StorageBackend>,
    /// Tells whether they are still what this process left; `None` where no other process can change them.
    pub watch: Option<Arc<dyn Watch>>,
}

/// Tells whether another process changed the bytes of a ledger that is open.
pub trait Watch: fmt::Debug + Send + Sync {
    /// Looks.
    ///
    /// # Errors
    ///
    /// Where the ledger is not any more what this process left.
    fn check(&self) -> Result<(), String>;
}

/// A ledger that was opened, and is not less than it was.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) database: Arc<Database>,
    pub(super) directory: Directory,
    /// Which ledger it is, and how far it came.
    pub(super) mark: Mark,
    pub(super) witness: Option<Witness>,
    pub(super) watch: Option<Arc<dyn Watch>>,
}

/// Opens a ledger, or says why not. `known` is how far it is known to have come, besides what its witness saw.
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

/// Makes another ledger of the one that is there: with an identity of its own, and a witness that saw no other.
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

/// A damaged file may make the library panic; it must not take the server along.
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

/// What is in a file.
#[derive(Debug)]
struct Found {
    format: Format,
    number_last: u32,
    /// `None` for a ledger from before there were marks.
    mark: Option<Mark>,
    /// Whether anything was ever counted or answered.
    has_entries: bool,
}

/// Checks that the file is a ledger, makes it one where it is new, and reads its counters.
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

/// Refuses a ledger that is less than it was before anything is written to it, if only to repair it: it may be a copy that
/// is needed as it is, or one that an operator is about to write.
fn peek(storage: &dyn Storage, settings: &Settings, known: Option<Mark>) -> Result<(), String> {
    let witness = storage.witness().map_err(|error| error.to_string())?;
    if known.is_none() && witness.as_ref().is_none_or(|witness| witness.seen().is_none()) {
        return Ok(());
    }
    let backend = storage.open().map_err(|error| error.to_string())?.backend;
    if backend.len().map_err(|error| error.to_string())? == 0 {
        return Ok(());
    }
    // At a start the check of the whole file follows; one that is opened again may be half a copy.
    let check_on_open = if known.is_some() { settings.check_on_open } else { CheckOnOpen::AfterCrash };
    let mark = reader::mark(backend, &Settings { check_on_open, ..settings.clone() })?;
    distrust(mark, witness.as_ref(), known)
}

/// Refuses a ledger that is less than it is known to have been.
fn distrust(mark: Option<Mark>, witness: Option<&Witness>, known: Option<Mark>) -> Result<(), String> {
    let (seen, name) = witness.map_or((None, String::new()), |witness| (witness.seen(), witness.name()));
    match mark {
        // One that this process had open has a mark, whatever it counted.
        None if known.is_some() => Err("it is older than witnesses, and not the one that was open: put the \
             right one back"
            .to_owned()),
        None => mark::refusal_unmarked(seen, &name).map_or(Ok(()), Err),
        Some(mark) => {
            if let Some(known) = known {
                let is_other = known.identity != mark.identity;
                let anew = |why| if is_other { format!("{why}. {START_ANEW}") } else { why };
                refuse(mark, Some(known), &name).map_err(anew)?;
            }
            // One that is removed while the ledger is closed by a failure is not missed.
            if witness.is_some() { refuse(mark, seen.or(known), &name) } else { Ok(()) }
        }
    }
}

/// Brings a ledger to the format of today, in one transaction with its mark. The witness is made before that, at position
/// 0: a process that is killed in between leaves a ledger that is believed, and not one whose witness is missing.
fn upgrade(name: &str, database: &Database, found: &Found, witness: Option<&mut Witness>) -> Result<Mark, String> {
    let begun = witness.as_ref().and_then(|witness| witness.seen());
    let before = found.mark.or(begun).unwrap_or_else(|| Mark { identity: Identity::draw(), position: 0 });
    // A copy from before is older than this, and what holds entries is not believed without a witness.
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

/// Writes what makes an empty file a ledger.
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

/// Writes the mark of a ledger, and that it is in the format of this program.
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
