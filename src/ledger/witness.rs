//! The witness of a ledger: a small file that keeps the highest [`Mark`] that was acknowledged, apart from the ledger.
//!
//! INVARIANT (never ahead): a mark is recorded after its commit is durable and before anything of that commit is
//! acknowledged. A process killed between the two leaves the ledger one position ahead of its witness, which is
//! harmless: nothing is missing. A ledger behind its witness has lost acknowledged counts.
//!
//! The file has two slots, each with a checksum and in a block of its own. The older one is written over, so that a
//! write that was cut off leaves the other. The blocks exist from the beginning: recording a mark is one write and one
//! sync, and needs no more space on the disk.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::files::{directory_of, whole, with_remedy};
use super::mark::{ACCEPT_COMMAND, Identity, Mark};

/// Begins each slot.
const MAGIC: &[u8; 24] = b"neglist ledger witness 1";
/// Bytes from one slot to the next: a block of the disk, so that a torn write concerns one slot.
const SLOT_BYTES: usize = 4_096;
const SLOTS: u64 = 2;
/// Refusal of a file that is no witness and is left untouched.
const NAME_ANOTHER: &str = "it is another file, which is neither replaced nor removed. Set another path with \
    `ledger_witness`, or restore the witness there";
/// Identity, position, number of the write.
const BODY_BYTES: usize = MAGIC.len() + 16 + 8 + 8;
/// Bytes of a slot that mean something: body and checksum.
const RECORD_BYTES: usize = BODY_BYTES + blake3::OUT_LEN;

/// Storage of a witness: a file, except in tests of failing storage.
pub trait WitnessStore: fmt::Debug + Send {
    /// Returns the first bytes, at most that many; `None` if there is no witness.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read(&mut self, bytes_max: usize) -> io::Result<Option<Vec<u8>>>;

    /// Replaces the witness with these bytes, all of them or none, durably.
    ///
    /// # Errors
    /// If it cannot be written.
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Writes over some bytes, durably.
    ///
    /// # Errors
    /// If they cannot be written.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Removes the witness, durably. Nothing happens where there is none.
    ///
    /// # Errors
    /// If it cannot be removed.
    fn remove(&mut self) -> io::Result<()>;

    /// Says whether writes reach the next reader of the witness.
    ///
    /// # Errors
    /// If that cannot be told.
    fn is_in_place(&self) -> io::Result<bool>;

    /// Says whether the witness may be written, not only read.
    ///
    /// # Errors
    /// If it may not.
    fn check_writable(&self) -> io::Result<()> {
        Ok(())
    }

    /// Returns its name in messages.
    fn name(&self) -> String;
}

/// The witness of a ledger.
#[derive(Debug)]
pub struct Witness {
    store: Box<dyn WitnessStore>,
    /// The last mark, and the number of its write.
    seen: Option<(Mark, u64)>,
}

impl Witness {
    /// Reads the witness in a file; a missing one has seen nothing.
    ///
    /// # Errors
    /// If it cannot be read, or is no witness.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        Self::open_in(Box::new(WitnessFile::new(path)))
    }

    /// Reads a witness in other storage than a file.
    ///
    /// # Errors
    /// As [`Witness::open`].
    pub fn open_in(mut store: Box<dyn WitnessStore>) -> io::Result<Self> {
        let seen = match store.read(SLOT_BYTES + RECORD_BYTES)? {
            None => None,
            Some(bytes) => Some(newest(&bytes).ok_or_else(|| {
                let name = store.name();
                let text = if may_be_witness(&bytes) {
                    format!(
                        "the witness {name} is damaged or not a witness: restore it; if you know that no counts of the ledger are missing, or accept their loss, `{ACCEPT_COMMAND}`"
                    )
                } else {
                    format!("the witness {name} is damaged or not a witness: {NAME_ANOTHER}")
                };
                io::Error::new(ErrorKind::InvalidData, text)
            })?),
        };
        Ok(Self { store, seen })
    }

    /// Returns the last mark; `None` if there is no witness.
    pub fn seen(&self) -> Option<Mark> {
        self.seen.map(|(mark, _)| mark)
    }

    /// Returns its name in messages.
    pub fn name(&self) -> String {
        self.store.name()
    }

    /// Records a mark, durably. Nothing is written if it is recorded already.
    ///
    /// # Errors
    /// If it cannot be written; the mark may or may not be recorded then.
    pub fn record(&mut self, mark: Mark) -> io::Result<()> {
        let number = match self.seen {
            Some((seen, _)) if seen == mark => return Ok(()),
            Some((seen, number)) if seen.identity == mark.identity => number.wrapping_add(1),
            // Another ledger: no slot of the old one may remain.
            _ => return self.renew(mark),
        };
        let slot = number % SLOTS;
        self.store.write(slot * SLOT_BYTES as u64, &record(mark, number))?;
        self.seen = Some((mark, number));
        Ok(())
    }

    /// Replaces the witness with a mark, whatever it held, durably.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn renew(&mut self, mark: Mark) -> io::Result<()> {
        let mut bytes = record(mark, 0);
        bytes.resize(SLOT_BYTES * 2, 0);
        self.store.replace(&bytes)?;
        self.seen = Some((mark, 0));
        Ok(())
    }

    /// Writes the witness again if it was removed or replaced since, and says whether it was.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn tend(&mut self) -> io::Result<bool> {
        match self.seen {
            Some((mark, _)) if !self.store.is_in_place()? => self.renew(mark).map(|()| true),
            _ => Ok(false),
        }
    }

    /// Says whether marks can be recorded: a server does not start with a read-only witness.
    ///
    /// # Errors
    /// If they cannot.
    pub fn check_writable(&self) -> io::Result<()> {
        self.store.check_writable()
    }

    /// Removes it, and gives up its mark.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(mut self) -> io::Result<()> {
        self.store.remove()
    }
}

/// Says whether these are the bytes of a witness, whole, damaged or cut off: only such a file is replaced or removed.
fn may_be_witness(bytes: &[u8]) -> bool {
    let begins = |bytes: &[u8]| bytes.starts_with(MAGIC) || MAGIC.starts_with(bytes);
    begins(bytes) || bytes.get(SLOT_BYTES..).is_some_and(|slot| slot.starts_with(MAGIC))
}

/// Replaces the witness in a file with a mark, whatever it held. A file that is no witness is left untouched.
///
/// # Errors
/// If it cannot be written, or another file is there.
pub fn renew(path: impl Into<PathBuf>, mark: Mark) -> io::Result<()> {
    Witness { store: Box::new(WitnessFile::new(path)), seen: None }.renew(mark)
}

/// Removes the witness in a file, damaged or not, and gives up its mark. Nothing happens if there is none, and a file
/// that is no witness is left untouched.
///
/// # Errors
/// If it cannot be removed, or another file is there.
pub fn remove(path: impl Into<PathBuf>) -> io::Result<()> {
    WitnessFile::new(path).remove()
}

/// Returns the default path of the witness of a ledger in a file: beside it, `PATH.witness`.
pub fn beside(ledger: &Path) -> PathBuf {
    let mut path = ledger.as_os_str().to_owned();
    path.push(".witness");
    path.into()
}

/// Returns the bytes of a slot.
fn record(mark: Mark, number: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RECORD_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&mark.identity.to_bytes());
    bytes.extend_from_slice(&mark.position.to_be_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
    let sum = blake3::hash(&bytes);
    bytes.extend_from_slice(sum.as_bytes());
    bytes
}

/// Returns the mark of the slot that was written last, with the number of its write.
fn newest(bytes: &[u8]) -> Option<(Mark, u64)> {
    let slots = [bytes.get(..RECORD_BYTES), bytes.get(SLOT_BYTES..SLOT_BYTES + RECORD_BYTES)];
    slots.into_iter().flatten().filter_map(read_record).max_by_key(|(_, number)| *number)
}

fn read_record(record: &[u8]) -> Option<(Mark, u64)> {
    let (body, sum) = record.split_at_checked(BODY_BYTES)?;
    let rest = body.strip_prefix(MAGIC.as_slice()).filter(|_| blake3::hash(body).as_bytes() == sum)?;
    let (identity, rest) = rest.split_first_chunk()?;
    let (position, rest) = rest.split_first_chunk()?;
    let (number, _) = rest.split_first_chunk()?;
    let mark = Mark { identity: Identity::from_bytes(*identity), position: u64::from_be_bytes(*position) };
    Some((mark, u64::from_be_bytes(*number)))
}

/// A witness in a file of this machine.
#[derive(Debug)]
struct WitnessFile {
    path: PathBuf,
    file: Option<File>,
    /// Whether the file may only be read.
    read_alone: bool,
}

impl WitnessFile {
    fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: None, read_alone: false }
    }

    /// Returns an error that names the witness.
    fn named(&self, error: io::Error) -> io::Error {
        let error = with_remedy(error, &self.path, "ledger_witness");
        io::Error::new(error.kind(), format!("the witness {}: {error}", self.name()))
    }

    /// Opens the file; also says whether it is read-only.
    fn open(&self) -> io::Result<Option<(File, bool)>> {
        match OpenOptions::new().read(true).write(true).open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.check_absent().map(|()| None),
            // A reader needs no permission to write.
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
                File::open(&self.path).map(|file| Some((file, true)))
            }
            opened => opened.map(|file| Some((file, false))),
        }
    }

    /// Checks that nothing is there. A dangling link is not nothing: the witness may be on a disk that is not mounted.
    fn check_absent(&self) -> io::Result<()> {
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(_) => {
                let text = "it is a link that leads nowhere: mount the disk of its target, or correct it";
                Err(io::Error::new(ErrorKind::NotADirectory, text))
            }
        }
    }

    /// Refuses to change a file that is no witness: it may be the ledger itself.
    fn check_replaceable(&self) -> io::Result<()> {
        let Some((file, _)) = self.open()? else { return Ok(()) };
        let mut bytes = Vec::new();
        (&file).take((SLOT_BYTES + RECORD_BYTES) as u64).read_to_end(&mut bytes)?;
        if may_be_witness(&bytes) { Ok(()) } else { Err(io::Error::new(ErrorKind::InvalidData, NAME_ANOTHER)) }
    }

    fn make(&self, bytes: &[u8]) -> io::Result<File> {
        self.check_replaceable()?;
        // Behind a link, it stays on the disk of the link's target.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(format!(".new-{}", std::process::id()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&unfinished)?;
        let written = io::Write::write_all(&mut file, bytes).and_then(|()| file.sync_all());
        if let Err(error) = written.and_then(|()| fs::rename(&unfinished, &path)) {
            drop(fs::remove_file(&unfinished));
            return Err(error);
        }
        File::open(directory_of(&path))?.sync_all()?;
        Ok(file)
    }
}

impl WitnessStore for WitnessFile {
    fn read(&mut self, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        let Some((file, read_alone)) = self.open().map_err(|error| self.named(error))? else { return Ok(None) };
        let mut bytes = Vec::new();
        (&file).take(bytes_max as u64).read_to_end(&mut bytes).map_err(|error| self.named(error))?;
        (self.file, self.read_alone) = (Some(file), read_alone);
        Ok(Some(bytes))
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file = Some(self.make(bytes).map_err(|error| self.named(error))?);
        self.read_alone = false;
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Err(self.named(io::Error::from(ErrorKind::NotFound)));
        };
        write_at(file, bytes, offset).and_then(|()| file.sync_data()).map_err(|error| self.named(error))
    }

    fn remove(&mut self) -> io::Result<()> {
        self.check_replaceable().map_err(|error| self.named(error))?;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            removed => removed.map_err(|error| self.named(error))?,
        }
        File::open(directory_of(&self.path))?.sync_all()
    }

    #[cfg(unix)]
    fn is_in_place(&self) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt as _;
        let Some(file) = &self.file else { return Ok(false) };
        let (own, there) = (file.metadata()?, fs::metadata(&self.path));
        match there {
            Ok(there) => Ok((own.dev(), own.ino()) == (there.dev(), there.ino())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.named(error)),
        }
    }

    #[cfg(not(unix))]
    fn is_in_place(&self) -> io::Result<bool> {
        Ok(self.file.is_some() && self.path.try_exists()?)
    }

    fn check_writable(&self) -> io::Result<()> {
        if !self.read_alone {
            return Ok(());
        }
        let text = "it may not be written: give this user write permission";
        Err(self.named(io::Error::new(ErrorKind::PermissionDenied, text)))
    }

    fn name(&self) -> String {
        format!("`{}`", whole(&self.path).display())
    }
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(not(unix))]
fn write_at(mut file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    use std::io::{Seek as _, SeekFrom, Write as _};
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

#[cfg(test)]
#[path = "witness_tests.rs"]
mod tests;
