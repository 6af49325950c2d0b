//! A disk that fails, fills up and loses power.
//!
//! It distinguishes the bytes that a program reads back from the bytes on the platter. Until a sync succeeds, any
//! written sector may or may not be on the platter; after a failed sync the operating system may take its pages for
//! clean, so that a later sync leaves them out.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};

use neglist::ledger::embedded::{Opening, Storage};
use neglist::ledger::witness::{Witness, WitnessStore};
use redb::StorageBackend;

use crate::ledger::support::Random;

const SECTOR_BYTES: usize = 512;

/// A fault, once or lasting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A write or a change of length does nothing and says so.
    Write,
    /// A write stops in the middle and says so.
    ShortWrite,
    /// No write works any more until [`Disk::repair`].
    DiskFull,
    /// A sync fails; its pages stay dirty.
    Sync,
    /// A sync fails, and its pages are taken for clean from then on.
    SyncForgets,
    /// The power fails: no call works until [`Disk::power_loss`].
    Power,
}

impl Fault {
    pub(crate) const ALL: [Fault; 6] =
        [Fault::Write, Fault::ShortWrite, Fault::DiskFull, Fault::Sync, Fault::SyncForgets, Fault::Power];
}

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Write,
    SetLen,
    Sync,
}

#[derive(Debug, Default)]
struct State {
    read_back: Vec<u8>,
    platter: Vec<u8>,
    dirty: BTreeSet<usize>,
    /// Calls that change something, until the fault; `None`: none is planned.
    planned: Option<(u64, Fault)>,
    full: bool,
    dead: bool,
    /// A small file beside, each write of which is followed by a sync.
    witness: Option<Vec<u8>>,
}

/// The disk; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

impl Disk {
    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fails at the n-th call from now that changes something.
    pub(crate) fn fail_after(&self, calls: u64, fault: Fault) {
        self.with(|state| state.planned = Some((calls, fault)));
    }

    /// Whether the planned fault has not happened yet.
    pub(crate) fn is_planned(&self) -> bool {
        self.with(|state| state.planned.is_some())
    }

    /// Makes room, and plans nothing.
    pub(crate) fn repair(&self) {
        self.with(|state| (state.full, state.planned) = (false, None));
    }

    /// Loses unsynced writes: each sector written since the last sync survives at random.
    pub(crate) fn power_loss(&self, random: &mut Random) {
        self.with(|state| {
            let State { read_back, platter, dirty, .. } = state;
            platter.resize(read_back.len(), 0);
            for sector in dirty.iter().filter(|_| random.below(2) == 0) {
                copy_sector(read_back, platter, *sector);
            }
            read_back.clone_from(platter);
            dirty.clear();
            (state.full, state.dead, state.planned) = (false, false, None);
        });
    }

    /// Changes bytes behind the program's back.
    pub(crate) fn scribble(&self, change: impl FnOnce(&mut Vec<u8>)) {
        self.with(|state| {
            change(&mut state.read_back);
            let State { read_back, platter, .. } = state;
            platter.clone_from(read_back);
        });
    }
}

fn copy_sector(from: &[u8], to: &mut [u8], sector: usize) {
    let start = sector * SECTOR_BYTES;
    let end = (start + SECTOR_BYTES).min(from.len()).min(to.len());
    if start < end {
        to[start..end].copy_from_slice(&from[start..end]);
    }
}

impl State {
    /// Counts a call, and returns the fault that is due.
    fn call(&mut self, call: Call) -> io::Result<Option<Fault>> {
        self.alive()?;
        let due = match &mut self.planned {
            // Waits for the next sync.
            Some((0, Fault::Sync | Fault::SyncForgets)) if call != Call::Sync => None,
            Some((0, fault)) => Some(*fault),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        };
        if due.is_some() {
            self.planned = None;
        }
        if due == Some(Fault::DiskFull) {
            self.full = true;
        }
        if due == Some(Fault::Power) {
            self.dead = true;
        }
        self.alive()?;
        Ok(due)
    }

    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(io::Error::other("the power is gone")) } else { Ok(()) }
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let due = self.call(Call::Write)?;
        if self.full {
            return Err(io::Error::from(ErrorKind::StorageFull));
        }
        let length = match due {
            Some(Fault::Write) => 0,
            Some(Fault::ShortWrite) => data.len() / 2,
            _ => data.len(),
        };
        let start = usize::try_from(offset).unwrap();
        let target = self.read_back.get_mut(start..start + length).ok_or(ErrorKind::InvalidInput)?;
        target.copy_from_slice(&data[..length]);
        self.dirty.extend(start / SECTOR_BYTES..(start + length).div_ceil(SECTOR_BYTES));
        if length < data.len() { Err(io::Error::other("the write failed")) } else { Ok(()) }
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let due = self.call(Call::SetLen)?;
        let len = usize::try_from(len).unwrap();
        if self.full && self.read_back.len() < len {
            return Err(io::Error::from(ErrorKind::StorageFull));
        }
        if matches!(due, Some(Fault::Write | Fault::ShortWrite)) {
            return Err(io::Error::other("the length cannot be changed"));
        }
        self.read_back.resize(len, 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let due = self.call(Call::Sync)?;
        match due {
            Some(Fault::Sync) => return Err(io::Error::other("the sync failed")),
            Some(Fault::SyncForgets) => {
                self.dirty.clear();
                return Err(io::Error::other("the sync failed"));
            }
            _ => {}
        }
        self.platter.resize(self.read_back.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            copy_sector(&self.read_back, &mut self.platter, sector);
        }
        Ok(())
    }
}

impl Storage for Disk {
    fn open(&self) -> io::Result<Opening> {
        self.with(|state| state.alive())?;
        Ok(Opening { backend: Arc::new(self.clone()), watch: None })
    }

    fn witness(&self) -> io::Result<Option<Witness>> {
        Witness::open_in(Box::new(self.clone())).map(Some)
    }

    fn name(&self) -> String {
        "the disk of the test".to_owned()
    }
}

impl State {
    /// Writes a part of the witness and syncs it. A write that is cut off by the power is torn.
    fn write_witness(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let was_alive = !self.dead;
        let due = self.call(Call::Write);
        let length = match &due {
            Ok(Some(Fault::ShortWrite)) => bytes.len() / 2,
            Err(_) if was_alive => bytes.len() / 2,
            Ok(Some(Fault::Write)) | Err(_) => 0,
            Ok(_) => bytes.len(),
        };
        let witness = self.witness.as_mut().ok_or(ErrorKind::NotFound)?;
        witness[offset..offset + length].copy_from_slice(&bytes[..length]);
        if due?.is_some() && length < bytes.len() {
            return Err(io::Error::other("the write failed"));
        }
        match self.call(Call::Sync)? {
            Some(Fault::Sync | Fault::SyncForgets) => Err(io::Error::other("the sync failed")),
            _ => Ok(()),
        }
    }
}

impl WitnessStore for Disk {
    fn read(&mut self, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        self.with(|state| {
            state.alive()?;
            Ok(state.witness.as_ref().map(|bytes| bytes[..bytes_max.min(bytes.len())].to_vec()))
        })
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.with(|state| {
            let due = state.call(Call::Write)?;
            if state.full {
                return Err(io::Error::from(ErrorKind::StorageFull));
            }
            if due.is_some() {
                return Err(io::Error::other("the write failed"));
            }
            state.witness = Some(bytes.to_vec());
            Ok(())
        })
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.with(|state| state.write_witness(usize::try_from(offset).unwrap(), bytes))
    }

    fn remove(&mut self) -> io::Result<()> {
        self.with(|state| state.witness = None);
        Ok(())
    }

    fn is_in_place(&self) -> io::Result<bool> {
        Ok(self.with(|state| state.witness.is_some()))
    }

    fn name(&self) -> String {
        "the witness of the test".to_owned()
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.with(|state| {
            state.alive()?;
            Ok(state.read_back.len() as u64)
        })
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|state| {
            state.alive()?;
            let start = usize::try_from(offset).unwrap();
            let source = state.read_back.get(start..start + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
            out.copy_from_slice(source);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|state| state.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(State::sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|state| state.write(offset, data))
    }
}
