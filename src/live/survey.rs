//! Lists a policy directory: the files to read, and a fingerprint.
//!
//! Follows symbolic links, as Kubernetes config maps require: there every file is a link into `..data`, itself a link
//! that is swapped. Hidden names are never entries, but a link may lead to one. Every walk is bounded: in depth, in the
//! number of entries, and by remembering the directories on the way, so that no link can lead in circles.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::diagnostics;
use crate::policy::Diagnostic;

/// Entries of any kind that are allowed for each policy file: room for notes, directories and other files beside the
/// lists.
const ENTRIES_PER_FILE_MAX: usize = 16;

/// Limits of the files to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadLimits {
    /// Largest file, in bytes.
    pub file_bytes_max: u64,
    /// Most policy files.
    pub files_max: usize,
    /// Most bytes of all files together.
    pub total_bytes_max: u64,
    /// Deepest nesting of directories below the policy directory.
    pub directory_depth_max: usize,
}

impl Default for ReadLimits {
    /// Returns limits with ample room for every published list.
    fn default() -> Self {
        // The largest published list is below 1 MiB; 8 MiB are a registry of 40,000 flows. A reload takes at most some
        // 256 MiB for it: 25 times one file, 12 times all together.
        Self { file_bytes_max: 8 << 20, files_max: 4_096, total_bytes_max: 24 << 20, directory_depth_max: 16 }
    }
}

/// Which files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// The policies only: what a server loads.
    Policies,
    /// The policies, and beside them the `*_test.yaml` files.
    PoliciesAndTests,
}

/// The contents of a policy directory.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Policy files, by relative path.
    pub(super) files: Vec<Found>,
    /// Directories, as they were reached, the root first.
    pub(super) directories: Vec<PathBuf>,
    /// Symbolic links on the way to files and directories.
    pub(super) links: Vec<PathBuf>,
    /// The diagnostics.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Equal for two surveys if nothing has changed between them.
    pub(super) fingerprint: Vec<Mark>,
}

/// A policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Path relative to the root, with `/` between its parts.
    pub(super) relative: String,
    /// Path to open.
    pub(super) path: PathBuf,
    /// Size in bytes, as listed.
    pub(super) size: u64,
    /// Its purpose.
    pub(super) purpose: Purpose,
}

/// The purpose of a file of a policy directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Part of the policies.
    Policy,
    /// Cases that must hold.
    Test,
}

/// Fingerprint of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    path: PathBuf,
    leads_to: Option<PathBuf>,
    identity: Option<Identity>,
}

/// Distinguishes a file from every other file, and from itself at another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        // The times of a directory change with every temporary file in it; its entries have marks of their own.
        let timed = |seconds, nanos| if metadata.is_dir() { (0, 0) } else { (seconds, nanos) };
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: if metadata.is_dir() { 0 } else { metadata.size() },
            modified: timed(metadata.mtime(), metadata.mtime_nsec()),
            changed: timed(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Returns the path of an entry that differs between two fingerprints, or is in only one of them.
pub(super) fn difference<'m>(before: &'m [Mark], now: &'m [Mark]) -> Option<&'m Path> {
    let only_in = |marks: &'m [Mark], others: &[Mark]| {
        // Both are in the order of the walk: the first difference is at the change.
        marks
            .iter()
            .zip(others.iter().map(Some).chain(std::iter::repeat(None)))
            .find(|(mark, other)| Some(*mark) != *other)
            .map(|(mark, _)| mark.path.as_path())
    };
    only_in(now, before).or_else(|| only_in(before, now))
}

/// Walks a policy directory.
pub(super) fn survey(root: &Path, limits: &ReadLimits, selection: Selection) -> Survey {
    let entries_left = limits.files_max.saturating_mul(ENTRIES_PER_FILE_MAX);
    let mut walk = Walk { limits, selection, survey: Survey::default(), entries_left, ancestors: Vec::new() };
    match fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => walk.directory(root, "", &metadata),
        Ok(_) => walk.report(diagnostics::error(
            diagnostics::NOT_A_DIRECTORY,
            "",
            format!("`{}` is not a directory", root.display()),
            "name the directory that holds the policy files, not one of them".into(),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => walk.report(diagnostics::error(
            diagnostics::MISSING_DIRECTORY,
            "",
            format!("the policy directory `{}` does not exist", root.display()),
            "create it, or name another with `--policies`".into(),
        )),
        Err(error) => walk.report(diagnostics::directory(root, "", &error)),
    }
    if root.is_symlink() {
        walk.survey.links.push(root.to_owned());
    }
    walk.finish()
}

/// Says whether a name is that of a policy file or a test file, and which.
fn purpose(name: &str) -> Option<Purpose> {
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"))?;
    Some(if stem.ends_with("_test") { Purpose::Test } else { Purpose::Policy })
}

/// Says whether a server may read an entry of a policy directory. Any other entry may change freely. Directories that
/// are gone by now, and links to them, are known from the last survey.
pub(super) fn may_matter(path: &Path) -> bool {
    let Some(name) = path.file_name() else { return true };
    let name = name.to_string_lossy();
    !name.starts_with('.') && is_read(&name, path.is_symlink(), &fs::metadata(path), Selection::Policies)
}

/// Says whether an entry is read, or would be if it were readable: directories, and files of the requested purpose.
fn is_read(name: &str, is_link: bool, metadata: &io::Result<Metadata>, selection: Selection) -> bool {
    let is_selected = match purpose(name) {
        Some(Purpose::Policy) => true,
        Some(Purpose::Test) => selection == Selection::PoliciesAndTests,
        None => false,
    };
    match metadata {
        Ok(metadata) => metadata.is_dir() || is_selected,
        // A name without a dot may be that of a directory, unless it has been deleted since the listing. A link may
        // have led to one.
        Err(error) => is_selected || !name.contains('.') && (is_link || error.kind() != io::ErrorKind::NotFound),
    }
}

struct Walk<'l> {
    limits: &'l ReadLimits,
    selection: Selection,
    survey: Survey,
    entries_left: usize,
    /// Device and inode of each directory from the root to here.
    ancestors: Vec<(u64, u64)>,
}

impl Walk<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.survey.diagnostics.push(diagnostic);
    }

    fn directory(&mut self, path: &Path, relative: &str, metadata: &Metadata) {
        let identity = (metadata.dev(), metadata.ino());
        if self.ancestors.contains(&identity) {
            return self.report(diagnostics::error(
                diagnostics::LINK_LOOP,
                relative,
                "the link leads back to a directory that contains it".into(),
                "remove the link, or let it lead elsewhere".into(),
            ));
        }
        if self.limits.directory_depth_max < self.ancestors.len() {
            return self.report(diagnostics::error(
                diagnostics::TOO_DEEP,
                relative,
                format!("directories are nested more than {} deep", self.limits.directory_depth_max),
                "move the files up, or raise `policy_directory_depth_max`".into(),
            ));
        }
        self.survey.directories.push(path.to_owned());
        self.mark(path, None, Some(metadata));
        let names = match self.names(path) {
            Ok(names) => names,
            Err(error) => return self.report(diagnostics::directory(path, relative, &error)),
        };
        self.ancestors.push(identity);
        for name in names {
            self.entry(path, relative, &name);
        }
        self.ancestors.pop();
    }

    /// Returns the names in a directory, in ascending order, without hidden names.
    fn names(&mut self, path: &Path) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            let name = entry?.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let Some(left) = self.entries_left.checked_sub(1) else { break };
            self.entries_left = left;
            names.push(name);
        }
        names.sort();
        Ok(names)
    }

    fn entry(&mut self, directory: &Path, parent: &str, name: &OsString) {
        let path = directory.join(name);
        let lossy = name.to_string_lossy();
        let relative = if parent.is_empty() { lossy.to_string() } else { format!("{parent}/{lossy}") };
        let leads_to = fs::read_link(&path).ok();
        let metadata = fs::metadata(&path);
        let is_read = is_read(&lossy, leads_to.is_some(), &metadata, self.selection);
        if is_read {
            self.mark(&path, leads_to.clone(), metadata.as_ref().ok());
        }
        if is_read && leads_to.is_some() {
            self.survey.links.push(path.clone());
        }
        match metadata {
            Ok(metadata) if metadata.is_dir() => {
                if self.name_is_utf8(name, &relative) {
                    self.directory(&path, &relative, &metadata);
                }
            }
            Ok(metadata) => self.file(path, relative, name, &metadata),
            Err(error) if is_read => self.lost(&relative, leads_to.as_deref(), &error),
            Err(_) => {}
        }
    }

    fn file(&mut self, path: PathBuf, relative: String, name: &OsString, metadata: &Metadata) {
        let Some(purpose) = purpose(&name.to_string_lossy()) else { return self.ignored(&relative) };
        if purpose == Purpose::Test && self.selection == Selection::Policies {
            return;
        }
        if !self.name_is_utf8(name, &relative) {
            return;
        }
        if !metadata.is_file() {
            return self.report(diagnostics::error(
                diagnostics::NOT_A_REGULAR_FILE,
                &relative,
                "is neither a regular file nor a directory".into(),
                "remove it, or give it a name that does not end in .yaml or .yml".into(),
            ));
        }
        self.survey.files.push(Found { relative, path, size: metadata.len(), purpose });
    }

    /// Warns about an ignored file whose name is nearly that of a policy file.
    fn ignored(&mut self, relative: &str) {
        let lower = relative.to_lowercase();
        if purpose(&lower).is_some() {
            self.report(diagnostics::warning(
                diagnostics::IGNORED_FILE,
                relative,
                "is ignored: names of policy files end in .yaml or .yml, in lower case".into(),
                "rename it, or remove it".into(),
            ));
        }
    }

    /// Reports an entry that cannot be read and may have been part of the policies.
    fn lost(&mut self, relative: &str, leads_to: Option<&Path>, error: &io::Error) {
        let Some(leads_to) = leads_to else { return self.report(diagnostics::unreadable(relative, error)) };
        let (code, message) = match error.kind() {
            io::ErrorKind::NotFound => (
                diagnostics::DANGLING_LINK,
                format!("the link leads to `{}`, which does not exist", leads_to.display()),
            ),
            io::ErrorKind::PermissionDenied => return self.report(diagnostics::unreadable(relative, error)),
            // The remaining case is an endless chain of links, for which `ErrorKind` has no stable name.
            _ => (
                diagnostics::LINK_LOOP,
                format!("cannot follow the link to `{}`: it leads in circles", leads_to.display()),
            ),
        };
        self.report(diagnostics::error(code, relative, message, "remove the link, or let it lead elsewhere".into()));
    }

    fn name_is_utf8(&mut self, name: &OsString, relative: &str) -> bool {
        if name.to_str().is_some() {
            return true;
        }
        self.report(diagnostics::error(
            diagnostics::NAME_NOT_UTF8,
            relative,
            "the name is not UTF-8".into(),
            "rename it; letters, digits and `-` are safe everywhere".into(),
        ));
        false
    }

    fn mark(&mut self, path: &Path, leads_to: Option<PathBuf>, metadata: Option<&Metadata>) {
        let identity = metadata.map(Identity::of);
        self.survey.fingerprint.push(Mark { path: path.to_owned(), leads_to, identity });
    }

    /// Sorts the files and checks the totals against the limits.
    fn finish(mut self) -> Survey {
        self.survey.files.sort_by(|a, b| a.relative.as_bytes().cmp(b.relative.as_bytes()));
        if self.entries_left == 0 {
            let entries_max = self.limits.files_max.saturating_mul(ENTRIES_PER_FILE_MAX);
            self.report(diagnostics::error(
                diagnostics::TOO_MANY_ENTRIES,
                "",
                format!("the policy directory has {entries_max} entries or more"),
                "keep other files elsewhere, or raise `policy_files_max`".into(),
            ));
        }
        let count = self.survey.files.len();
        if self.limits.files_max < count {
            self.report(diagnostics::error(
                diagnostics::TOO_MANY_FILES,
                "",
                format!("there are {count} policy files; at most {} are allowed", self.limits.files_max),
                "put more into each file, or raise `policy_files_max`".into(),
            ));
        }
        let policies = self.survey.files.iter().filter(|file| file.purpose == Purpose::Policy).count();
        if policies == 0 && self.survey.diagnostics.is_empty() {
            self.report(diagnostics::error(
                diagnostics::NO_POLICY_FILES,
                "",
                "the policy directory has no policy files".into(),
                "put .yaml files into it; a server without lists could only guess".into(),
            ));
        }
        self.survey
    }
}
