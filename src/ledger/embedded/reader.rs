//! A ledger opened read-only: nothing in its file changes, whatever its state.
//!
//! The library cannot read a file that was not closed cleanly without repairing it first. So its writes are kept in
//! memory, as an overlay on the unchanged file; this works on a full disk and with a read-only file too.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, Builder, Database, ReadTransaction, ReadableDatabase as _, StorageBackend};

use super::export::{Export, export, row};
use super::refusal::{HELD_ELSEWHERE, damaged, refused};
use super::settings::{CheckOnOpen, Settings};
use super::tables::{self, META, Stop};
use super::verify;
use crate::ledger::LedgerError;
use crate::ledger::mark::{self, Mark};
use crate::ledger::rows::{CounterRow, Discrepancy};
use crate::ledger::witness::Witness;

/// Size of the pieces that are copied into memory on a write.
const PAGE_BYTES: u64 = 4_096;

/// A ledger in a file, opened read-only. Servers cannot open the file in the meantime.
#[derive(Debug)]
pub struct LedgerReader {
    database: Database,
    name: String,
}

impl LedgerReader {
    /// Opens a ledger that no process writes to. Blocks: reads the whole file if it is checked.
    ///
    /// # Errors
    /// If a server has it open, or it is no ledger, is of another format, is damaged, or cannot be read.
    pub fn open(path: impl AsRef<Path>, settings: &Settings) -> Result<Self, LedgerError> {
        let name = format!("`{}`", path.as_ref().display());
        let opened = catch_unwind(AssertUnwindSafe(|| open(path.as_ref(), settings)));
        let opened = opened.unwrap_or_else(|_| Err(damaged("it cannot be read")));
        match opened {
            Ok(database) => Ok(Self { database, name }),
            Err(why) => Err(LedgerError::Unavailable(format!("{name}: {why}"))),
        }
    }

    /// Returns the counters, in order of exporter, year and name.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn counters(&self) -> Result<Vec<CounterRow>, LedgerError> {
        self.read(|transaction| Ok(tables::counters(transaction)?.into_iter().map(row).collect()))
    }

    /// Returns everything.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn export(&self) -> Result<Export, LedgerError> {
        self.read(export)
    }

    /// Recomputes all totals from their rows, compares the ledger with its witness if it has one, and returns the
    /// discrepancies.
    ///
    /// # Errors
    /// If the file or the witness cannot be read.
    pub fn verify(&self, witness: &Path) -> Result<Vec<Discrepancy>, LedgerError> {
        let witness = Witness::open(witness).map_err(|error| LedgerError::Unavailable(error.to_string()))?;
        let mut discrepancies = self.read(verify::verify)?;
        if let Some(seen) = witness.seen() {
            let mark = self.read(|transaction| tables::mark(&transaction.open_table(META)?))?;
            let message = match mark {
                Some(mark) => mark::compare(mark, Some(seen)).refusal(mark, &witness.name()),
                None => mark::refusal_unmarked(Some(seen), &witness.name()),
            };
            discrepancies
                .extend(message.map(|message| Discrepancy { about: format!("ledger {}", self.name), message }));
        }
        Ok(discrepancies)
    }

    fn read<T>(&self, read: impl FnOnce(&ReadTransaction) -> Result<T, Stop>) -> Result<T, LedgerError> {
        let unavailable = |why: String| LedgerError::Unavailable(format!("{}: {why}", self.name));
        let transaction = self.database.begin_read().map_err(|error| unavailable(error.to_string()))?;
        read(&transaction).map_err(|stop| unavailable(stop.to_string()))
    }
}

fn open(path: &Path, settings: &Settings) -> Result<Database, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    // A writer holds this lock exclusively.
    match file.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(format!("{HELD_ELSEWHERE}: stop that one, or share totals through PostgreSQL"));
        }
        Err(TryLockError::Error(error)) => return Err(error.to_string()),
    }
    let overlay = Overlay::new(Arc::new(ReadFile(file))).map_err(|error| error.to_string())?;
    if overlay.written().bytes == 0 {
        return Err("the file is empty, so it is not a ledger: restore it".to_owned());
    }
    read(overlay, settings)
}

/// Opens a ledger in memory over the bytes of a file.
fn read(overlay: Overlay, settings: &Settings) -> Result<Database, String> {
    let database = Builder::new()
        .set_cache_size(settings.cache_bytes)
        .set_check_integrity_on_open(settings.check_on_open == CheckOnOpen::Always)
        .create_with_backend(overlay)
        .map_err(|error| refused(&error))?;
    let transaction = database.begin_read().map_err(|error| error.to_string())?;
    tables::check_format(&transaction).map_err(|stop| stop.to_string())?;
    drop(transaction);
    Ok(database)
}

/// Returns the mark of the ledger without changing anything; `None` for a ledger older than marks.
pub(super) fn mark(backend: Arc<dyn StorageBackend>, settings: &Settings) -> Result<Option<Mark>, String> {
    let database = read(Overlay::new(backend).map_err(|error| error.to_string())?, settings)?;
    let transaction = database.begin_read().map_err(|error| error.to_string())?;
    let meta = transaction.open_table(META).map_err(|error| error.to_string())?;
    tables::mark(&meta).map_err(|stop| stop.to_string())
}

/// A file that is open for reading alone, under a lock of its opener.
#[derive(Debug)]
struct ReadFile(File);

impl StorageBackend for ReadFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        read_exact_at(&self.0, out, offset)
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, _offset: u64, _data: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

/// A ledger, with an overlay of writes in memory.
#[derive(Debug)]
pub(super) struct Overlay {
    under: Arc<dyn StorageBackend>,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    /// Length of the whole, in bytes.
    bytes: u64,
    /// Length of the file that is still visible below the overlay, in bytes.
    seen_bytes: u64,
    /// Pages of the overlay, by number.
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Overlay {
    pub(super) fn new(under: Arc<dyn StorageBackend>) -> io::Result<Self> {
        let bytes = under.len()?;
        Ok(Self { under, written: Mutex::new(Written { bytes, seen_bytes: bytes, pages: BTreeMap::new() }) })
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a part of one page.
    fn read_part(&self, written: &Written, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if let Some(page) = written.pages.get(&(offset / PAGE_BYTES)) {
            let start = usize::try_from(offset % PAGE_BYTES).unwrap_or_default();
            let part = page.get(start..).and_then(|rest| rest.get(..out.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
            out.copy_from_slice(part);
            return Ok(());
        }
        out.fill(0);
        let seen = written.seen_bytes.saturating_sub(offset).min(out.len() as u64);
        match out.get_mut(..usize::try_from(seen).unwrap_or_default()) {
            Some(part) if !part.is_empty() => self.under.read(offset, part),
            _ => Ok(()),
        }
    }
}

/// Returns the parts of a range of bytes that lie in one page each: offset, and range in the whole.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
    let mut at = 0_usize;
    std::iter::from_fn(move || {
        let here = offset.saturating_add(at as u64);
        let rest = usize::try_from(PAGE_BYTES - here % PAGE_BYTES).unwrap_or(usize::MAX);
        let end = at.saturating_add(rest).min(length);
        let part = at..end;
        at = end;
        (!part.is_empty()).then_some((here, part))
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written().bytes)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.written();
        if written.bytes < offset.saturating_add(out.len() as u64) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (here, part) in parts(offset, out.len()) {
            self.read_part(&written, here, out.get_mut(part).unwrap_or_default())?;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut written = self.written();
        // A part that was cut off reads as zeros if the length grows again.
        let (last, rest) = (len / PAGE_BYTES, usize::try_from(len % PAGE_BYTES).unwrap_or_default());
        written.pages.retain(|number, _| *number <= last);
        if let Some(page) = written.pages.get_mut(&last) {
            page.iter_mut().skip(rest).for_each(|byte| *byte = 0);
        }
        written.seen_bytes = written.seen_bytes.min(len);
        written.bytes = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        for (here, part) in parts(offset, data.len()) {
            let number = here / PAGE_BYTES;
            if !written.pages.contains_key(&number) {
                let mut page = vec![0; usize::try_from(PAGE_BYTES).unwrap_or_default()];
                self.read_part(&written, number * PAGE_BYTES, &mut page)?;
                written.pages.insert(number, page);
            }
            let start = usize::try_from(here % PAGE_BYTES).unwrap_or_default();
            let page = written.pages.get_mut(&number).and_then(|page| page.get_mut(start..)).unwrap_or_default();
            page.iter_mut().zip(data.get(part).unwrap_or_default()).for_each(|(byte, new)| *byte = *new);
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.under.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.under.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.under.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.under.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.under.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.under.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.under.query_lock_range(start, end)
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, offset)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, out: &mut [u8], offset: u64) -> io::Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b16_writes_over_a_file_stay_in_memory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let mut model: Vec<u8> = (0..20_000).map(|_| 7_u8).collect();
        std::fs::write(&path, &model).unwrap();
        let overlay = Overlay::new(Arc::new(ReadFile(File::open(&path).unwrap()))).unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..500_usize {
            let start = random.usize(..model.len());
            let end = random.usize(start..=model.len());
            if round % 50 == 49 {
                let length = random.usize(10_000..30_000);
                model.resize(length, 0);
                overlay.set_len(length as u64).unwrap();
            } else if round % 2 == 0 {
                model[start..end].fill(random.u8(..));
                overlay.write(start as u64, &model[start..end]).unwrap();
            }
            let mut read = vec![0; model.len()];
            overlay.read(0, &mut read).unwrap();
            assert_eq!(read, model, "round {round}");
            let mut part = vec![0; end.min(model.len()).saturating_sub(start)];
            overlay.read(start.min(model.len()) as u64, &mut part).unwrap();
            assert_eq!(part, model.get(start..start + part.len()).unwrap_or_default(), "round {round}");
        }
        assert!(overlay.read(model.len() as u64, &mut [0]).is_err());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 20_000);
    }
}
