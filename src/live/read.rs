//! Reads the files of a policy directory, as they were at one moment.
//!
//! A directory may change while it is read: files are copied, or Kubernetes swaps a config map. So it is listed before
//! and after. If the two lists differ, everything is read again, a bounded number of times. Sizes are checked before a
//! byte is read, and again while reading, because a file that is listed as empty may never end.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use super::survey::{Found, Purpose, Survey, survey};
pub use super::survey::{ReadLimits, Selection};
use super::{diagnostics, digest};
use crate::policy::{Diagnostic, PolicyFile, Severity};

/// How often a directory that keeps changing is read before it is refused.
const READS_MAX: u32 = 5;
/// Pause before it is read again; longer each time.
const PAUSE: Duration = Duration::from_millis(20);

/// The files of a policy directory.
#[derive(Debug, Clone)]
pub struct Directory {
    /// The policies, by path.
    pub policies: Vec<PolicyFile>,
    /// The tests, by path; empty unless the selection includes them.
    pub tests: Vec<PolicyFile>,
    /// Content digest of the policies, `blake3:<hex>`.
    pub digest: String,
    /// Diagnostics that are not errors.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a policy directory.
///
/// # Errors
/// Every diagnostic, if one of them is an error: the fault, the file, and the fix.
pub fn read(root: &Path, limits: &ReadLimits, selection: Selection) -> Result<Directory, Vec<Diagnostic>> {
    read_unless_changing(root, limits, selection, &mut || ())
}

/// Does what [`read`] does; calls `between` after the files were read and before they are compared.
fn read_unless_changing(
    root: &Path,
    limits: &ReadLimits,
    selection: Selection,
    between: &mut dyn FnMut(),
) -> Result<Directory, Vec<Diagnostic>> {
    for reads in 1..=READS_MAX {
        let before = survey(root, limits, selection);
        let (fingerprint, result) = read_surveyed(before, limits);
        between();
        if survey(root, limits, selection).fingerprint == fingerprint {
            return result;
        }
        std::thread::sleep(PAUSE * reads);
    }
    Err(vec![diagnostics::error(
        diagnostics::KEEPS_CHANGING,
        "",
        format!("the policy directory changed during each of {READS_MAX} attempts to read it"),
        "write files elsewhere and move them here in one step".into(),
    )])
}

type Fingerprint = Vec<super::survey::Mark>;

fn read_surveyed(survey: Survey, limits: &ReadLimits) -> (Fingerprint, Result<Directory, Vec<Diagnostic>>) {
    let Survey { files, directories: _, links: _, mut diagnostics, fingerprint } = survey;
    let (mut policies, mut tests) = (Vec::new(), Vec::new());
    if files.len() <= limits.files_max {
        let mut bytes_left = limits.total_bytes_max;
        for found in files {
            match read_file(&found, limits, &mut bytes_left) {
                Ok(text) => {
                    let file = PolicyFile { path: found.relative, text };
                    match found.purpose {
                        Purpose::Policy => policies.push(file),
                        Purpose::Test => tests.push(file),
                    }
                }
                Err(diagnostic) => {
                    let total_exceeded = diagnostic.code == diagnostics::TOO_MANY_BYTES;
                    diagnostics.push(diagnostic);
                    if total_exceeded {
                        break;
                    }
                }
            }
        }
    }
    diagnostics.sort_by(|a, b| (a.severity, &a.file, a.code).cmp(&(b.severity, &b.file, b.code)));
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return (fingerprint, Err(diagnostics));
    }
    let digest = digest::of_files(&policies);
    (fingerprint, Ok(Directory { policies, tests, digest, diagnostics }))
}

fn read_file(found: &Found, limits: &ReadLimits, bytes_left: &mut u64) -> Result<String, Diagnostic> {
    within(found, found.size, limits, *bytes_left)?;
    let bytes = read_bounded(&found.path, found.size, limits.file_bytes_max.min(*bytes_left))
        .map_err(|error| diagnostics::unreadable(&found.relative, &error))?;
    let size = bytes.len() as u64;
    within(found, size, limits, *bytes_left)?;
    *bytes_left = bytes_left.saturating_sub(size);
    // An interrupted or unfinished write leaves an empty file. Without this check a list would vanish silently.
    if bytes.trim_ascii().is_empty() {
        return Err(diagnostics::error(
            diagnostics::EMPTY_FILE,
            &found.relative,
            "the file is empty".into(),
            "write it again, or remove it if it is not wanted".into(),
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid_up_to = error.utf8_error().valid_up_to();
        diagnostics::not_utf8(&found.relative, error.as_bytes(), valid_up_to)
    })
}

/// Reads at most one byte more than `bytes_max`, to detect a file that is too large.
fn read_bounded(path: &Path, size: u64, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no longer a regular file"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(bytes_max)).unwrap_or(0));
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Memory that a file takes while it is read, as a multiple of its size: the text, its values with their places, and the result.
pub const FILE_MEMORY_FACTOR: u64 = 25;
/// Memory that all files together take while they are in force, as a multiple of their size.
pub const TOTAL_MEMORY_FACTOR: u64 = 12;

fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

fn within(found: &Found, size: u64, limits: &ReadLimits, bytes_left: u64) -> Result<(), Diagnostic> {
    if limits.file_bytes_max < size {
        return Err(diagnostics::error(
            diagnostics::FILE_TOO_LARGE,
            &found.relative,
            format!("the file has {size} bytes, and `policy_file_bytes_max` is {}", limits.file_bytes_max),
            format!(
                "split it, or raise the limit: to read a file of that size takes up to {} MiB of memory",
                mebibytes(size.saturating_mul(FILE_MEMORY_FACTOR))
            ),
        ));
    }
    if bytes_left < size {
        return Err(diagnostics::error(
            diagnostics::TOO_MANY_BYTES,
            &found.relative,
            format!(
                "with this file all policy files together have more than {} bytes, which is `policy_total_bytes_max`",
                limits.total_bytes_max
            ),
            format!(
                "remove files that are not needed, or raise the limit: each MiB takes up to {TOTAL_MEMORY_FACTOR} MiB of memory, and as much again while it is reloaded"
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
