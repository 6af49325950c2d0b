//! Notices changes of a policy directory.
//!
//! A watch only makes reloading fast. The periodic comparison finds the changes that a watch may miss (network file
//! systems, exhausted inotify limits, a replaced parent of a parent). Every directory is watched by its real path, so
//! that each event has one name, regardless of the links that lead there. A change of directories needs a new watcher, because a watch
//! on a directory that was deleted and created again is silently dead.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::read::{ReadLimits, Selection};
use super::survey::{may_matter, survey};

/// Most links that are followed from one path; the kernel follows at most 40.
const HOPS_MAX: usize = 40;

/// Everything that must be watched to notice every change of a policy directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WatchSet {
    /// Directories of which every entry matters.
    directories: BTreeSet<PathBuf>,
    /// Single paths that matter: links, where they lead, and the policy directory itself.
    names: BTreeSet<PathBuf>,
}

impl WatchSet {
    /// Returns the watch set of a policy directory as it is now.
    pub fn of(root: &Path, limits: &ReadLimits) -> Self {
        let found = survey(root, limits, Selection::Policies);
        let mut set = WatchSet::default();
        for directory in &found.directories {
            set.directories.extend(fs::canonicalize(directory));
        }
        for path in found.links.iter().map(PathBuf::as_path).chain([root]) {
            set.add_path(path);
        }
        set
    }

    /// Says whether an event concerns the policies: `None` if it does not, otherwise the path that changed, if the
    /// event names one.
    pub fn concerned(&self, event: &notify::Event) -> Option<Option<PathBuf>> {
        let by_reading = matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write));
        let concerned = |path: &PathBuf| {
            self.names.contains(path)
                || self.directories.contains(path)
                || path.parent().is_some_and(|parent| self.directories.contains(parent)) && may_matter(path)
        };
        if by_reading {
            return None;
        }
        let path = event.paths.iter().find(|path| concerned(path)).cloned();
        (event.need_rescan() || event.paths.is_empty() || path.is_some()).then_some(path)
    }

    /// Adds a path, every link on the way there, and the targets of those links.
    fn add_path(&mut self, path: &Path) {
        let mut pending = vec![std::path::absolute(path).unwrap_or_else(|_| path.to_owned())];
        for _ in 0..HOPS_MAX {
            let Some(path) = pending.pop() else { return };
            // The path itself, or the first part of the way there that does not exist yet.
            self.names.extend(path.ancestors().find_map(real));
            for link in path.ancestors() {
                let (Ok(leads_to), Some(name)) = (fs::read_link(link), real(link)) else { continue };
                if let Some(directory) = name.parent().filter(|_| !self.names.contains(&name) || link == path) {
                    pending.push(directory.join(leads_to));
                }
                self.names.insert(name);
            }
        }
    }

    /// Returns every directory that needs a watch.
    fn watched(&self) -> BTreeSet<&Path> {
        let parents = self.names.iter().filter_map(|name| name.parent());
        self.directories.iter().map(PathBuf::as_path).chain(parents).collect()
    }
}

/// Returns a path with the real path of its directory, or `None` if the directory does not exist.
fn real(path: &Path) -> Option<PathBuf> {
    Some(fs::canonicalize(path.parent()?).ok()?.join(path.file_name()?))
}

/// A running watch; stops when it is dropped.
#[derive(Debug)]
pub struct FileWatch {
    _watcher: RecommendedWatcher,
}

impl FileWatch {
    /// Starts watching. `changed` is called on a thread of the watcher, with the path if it is known, and must be quick.
    ///
    /// # Errors
    /// If the operating system does not watch: no inotify, or its limits are used up. A directory that is gone by now
    /// is not an error; its parent reports when it comes back.
    pub fn start(set: &WatchSet, changed: impl Fn(Option<PathBuf>) + Send + 'static) -> Result<Self, notify::Error> {
        let filter = set.clone();
        let mut watcher = notify::recommended_watcher(move |event: Result<notify::Event, notify::Error>| {
            // An error means that an event was missed: check rather than trust.
            if let Some(path) = event.map_or(Some(None), |event| filter.concerned(&event)) {
                changed(path);
            }
        })?;
        for directory in set.watched() {
            match watcher.watch(directory, RecursiveMode::NonRecursive) {
                Err(error) if !is_gone(&error) => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(Self { _watcher: watcher })
    }
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
        notify::ErrorKind::Generic(_)
        | notify::ErrorKind::WatchNotFound
        | notify::ErrorKind::InvalidConfig(_)
        | notify::ErrorKind::MaxFilesWatch => false,
    }
}
