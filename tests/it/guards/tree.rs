//! The modules of the crate, as a parser reads them: the items that each file defines, and the paths that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

use super::names::{self, Use};

/// A file of `src/`.
#[derive(Debug)]
pub(super) struct File {
    /// Below `src/`, such as `ledger/mod.rs`.
    pub(super) path: String,
    /// Top-level module; `lib` for `lib.rs`.
    pub(super) top: String,
    /// Whether the file is compiled for tests alone.
    pub(super) test: bool,
}

/// A path that a file names.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// Index of the file.
    pub(super) file: usize,
    /// Index of the module that the path is read in.
    pub(super) module: usize,
    pub(super) line: usize,
    /// Whether the path is compiled for tests alone.
    pub(super) test: bool,
    pub(super) segments: Vec<String>,
    pub(super) kind: Kind,
}

/// Place of a path in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `use`; all that the module defines, where `glob`.
    Import { glob: bool },
    /// `pub use` and its restricted forms.
    Export,
    /// Everywhere else.
    Expression,
}

/// Entry in the namespace of a module.
#[derive(Debug, Clone)]
enum Entry {
    Item,
    Child(usize),
    Use(Vec<String>),
}

#[derive(Debug, Default)]
struct Module {
    file: usize,
    parent: Option<usize>,
    entries: BTreeMap<String, Vec<Entry>>,
    globs: Vec<Vec<String>>,
    /// A macro defines items that the parser cannot see.
    macros: bool,
}

/// Meaning of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// An item, by the index of the file that defines it.
    Item(usize),
    /// A module of the crate.
    Module(usize),
    /// Another crate.
    Crate(String),
    /// A local name, a type parameter, a name of the prelude.
    Local,
}

/// Every file, module and path of a crate.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    pub(super) named: Vec<Named>,
    modules: Vec<Module>,
    crates: BTreeSet<String>,
}

/// Names in the manifest of what `section` lists, as code writes them.
fn dependencies(section: &str) -> impl Iterator<Item = String> {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let lines: Vec<String> = manifest.lines().map(str::to_owned).collect();
    let section = format!("[{section}]");
    assert!(lines.contains(&section), "Cargo.toml has no {section}");
    let listed = lines.into_iter().skip_while(move |line| *line != section).skip(1);
    let listed = listed.take_while(|line| !line.starts_with('['));
    listed.filter_map(|line| line.split_once(" = ").map(|(name, _)| name.replace('-', "_")))
}

/// Rust files below a directory, in order.
pub(super) fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Root of the source files.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Path below `src/` and text of every source file.
pub(super) fn sources() -> Vec<(String, String)> {
    let text = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(&path).unwrap())
    };
    rust_files(&root()).into_iter().map(text).collect()
}

impl Tree {
    /// Reads the crate in `src/` from its root file.
    pub(super) fn read(root_file: &str) -> Self {
        let mut tree = Self::default();
        tree.crates.extend(["std", "core", "alloc", "neglist"].map(str::to_owned));
        tree.crates.extend(dependencies("dependencies"));
        tree.crates.extend(dependencies("dev-dependencies"));
        tree.file(&root().join(root_file), None, root_file.trim_end_matches(".rs"), false);
        tree
    }

    /// A crate of these files, the first of which is the root; each declares the others.
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut tree = Self::default();
        tree.crates.extend(["std", "tokio"].map(str::to_owned));
        tree.file(&directory.path().join(files[0].0), None, "lib", false);
        for file in &mut tree.files {
            let below = Path::new(&file.path).strip_prefix(directory.path()).unwrap();
            file.path = below.to_str().unwrap().to_owned();
        }
        tree
    }

    /// Adds a file and the files that it declares; the index of its module.
    fn file(&mut self, path: &Path, parent: Option<usize>, top: &str, test: bool) -> usize {
        let source = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let syntax = syn::parse_file(&source).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let shown = path.strip_prefix(root()).unwrap_or(path).to_str().unwrap().to_owned();
        let file = self.files.len();
        self.files.push(File { path: shown, top: top.to_owned(), test });
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let directory = path.parent().unwrap();
        let below = if ["mod", "lib", "main"].contains(&stem) { directory.to_owned() } else { directory.join(stem) };
        self.module(&syntax.items, file, parent, &Place { directory: directory.to_owned(), below, test })
    }

    /// Adds a module with its items; its index.
    fn module(&mut self, items: &[syn::Item], file: usize, parent: Option<usize>, place: &Place) -> usize {
        let module = self.modules.len();
        self.modules.push(Module { file, parent, ..Module::default() });
        for item in items {
            let test = place.test || names::is_test(names::attributes(item));
            if let syn::Item::Mod(child) = item {
                let index = self.child(child, module, &Place { test, ..place.clone() });
                self.enter(module, child.ident.to_string(), Entry::Child(index));
                continue;
            }
            for import in names::uses(item) {
                self.import(module, import);
            }
            if let Some(name) = names::defined(item) {
                self.enter(module, name, Entry::Item);
            }
            self.modules[module].macros |= matches!(item, syn::Item::Macro(call) if call.ident.is_none());
            let mut reader = names::Reader::new(test);
            reader.visit_item(item);
            let found = reader.found.into_iter();
            self.named.extend(found.map(|found| Named {
                file,
                module,
                line: found.line,
                test: found.test,
                segments: found.segments,
                kind: found.kind,
            }));
        }
        module
    }

    /// Adds a module that another declares.
    fn child(&mut self, child: &syn::ItemMod, parent: usize, place: &Place) -> usize {
        let name = child.ident.to_string();
        let file = self.modules[parent].file;
        if let Some((_, items)) = &child.content {
            return self.module(items, file, Some(parent), &Place { below: place.below.join(&name), ..place.clone() });
        }
        let top = if self.modules[parent].parent.is_none() { name.clone() } else { self.files[file].top.clone() };
        let named = child.attrs.iter().find_map(names::path_attribute).map(|path| place.directory.join(path));
        let flat = place.below.join(format!("{name}.rs"));
        let path = named.unwrap_or_else(|| if flat.exists() { flat } else { place.below.join(&name).join("mod.rs") });
        assert!(
            path.exists(),
            "{}: no file for this module (line {})",
            path.display(),
            child.ident.span().start().line
        );
        self.file(&path, Some(parent), &top, place.test)
    }

    fn enter(&mut self, module: usize, name: String, entry: Entry) {
        self.modules[module].entries.entry(name).or_default().push(entry);
    }

    fn import(&mut self, module: usize, import: Use) {
        match import.name {
            Some(name) => self.enter(module, name, Entry::Use(import.segments)),
            None => self.modules[module].globs.push(import.segments),
        }
    }

    /// Resolves a path that a module names.
    pub(super) fn resolve(&self, module: usize, segments: &[String]) -> Target {
        self.walk(module, segments, 0)
    }

    /// Top-level module that a path begins in, as it is written; `None` where it begins with a name in scope or with another
    /// crate.
    pub(super) fn module_of(&self, named: &Named) -> Option<String> {
        let segments: Vec<&str> = named.segments.iter().map(String::as_str).collect();
        let mut module = named.module;
        let mut rest = segments.as_slice();
        match rest {
            ["crate", ..] => {
                while let Some(parent) = self.modules[module].parent {
                    module = parent;
                }
                rest = &rest[1..];
            }
            ["self" | "super", ..] => {
                while let ["self" | "super", after @ ..] = rest {
                    if rest[0] == "super" {
                        module = self.modules[module].parent?;
                    }
                    rest = after;
                }
            }
            _ => return None,
        }
        if self.modules[module].parent.is_none() {
            return rest.first().map(|name| (*name).to_owned());
        }
        Some(self.files[self.modules[module].file].top.clone())
    }

    /// Other crate that a path begins with; `None` where it begins with a name in scope.
    pub(super) fn crate_of<'a>(&self, named: &'a Named) -> Option<&'a str> {
        // One name by itself is a variable or an item in scope.
        if named.kind == Kind::Expression && named.segments.len() < 2 {
            return None;
        }
        let first = named.segments.first()?;
        let entries = self.modules[named.module].entries.get(first).into_iter().flatten();
        // `use tokio;` brings a crate into scope by its own name.
        let mut others =
            entries.filter(|entry| !matches!(entry, Entry::Use(path) if path.as_slice() == [first.as_str()]));
        (self.crates.contains(first) && others.next().is_none()).then_some(first.as_str())
    }

    fn walk(&self, module: usize, segments: &[String], depth: usize) -> Target {
        let Some((first, rest)) = segments.split_first() else { return Target::Module(module) };
        match first.as_str() {
            "crate" => {
                let mut module = module;
                while let Some(parent) = self.modules[module].parent {
                    module = parent;
                }
                self.below(module, rest, depth)
            }
            "self" => self.below(module, rest, depth),
            "super" => {
                let parent = self.modules[module].parent.unwrap_or(module);
                if rest.first().is_some_and(|next| next == "super") {
                    return self.walk(parent, rest, depth);
                }
                self.below(parent, rest, depth)
            }
            _ => match self.find(module, first, rest, depth) {
                Target::Local if self.crates.contains(first) => Target::Crate(first.clone()),
                target => target,
            },
        }
    }

    /// Resolves a path from within a module, never from another crate.
    fn below(&self, module: usize, segments: &[String], depth: usize) -> Target {
        let Some((first, rest)) = segments.split_first() else { return Target::Module(module) };
        match self.find(module, first, rest, depth) {
            // A macro defines items that the parser does not see.
            Target::Local if self.modules[module].macros => Target::Item(self.modules[module].file),
            target => target,
        }
    }

    fn find(&self, module: usize, name: &str, rest: &[String], depth: usize) -> Target {
        if 16 < depth {
            return Target::Local;
        }
        let mut found = Target::Local;
        for entry in self.modules[module].entries.get(name).into_iter().flatten() {
            let target = match entry {
                Entry::Item => Target::Item(self.modules[module].file),
                Entry::Child(child) => self.below(*child, rest, depth + 1),
                Entry::Use(path) if *path == [name] => self.crate_or_local(name),
                Entry::Use(path) => {
                    let whole: Vec<String> = path.iter().chain(rest).cloned().collect();
                    self.walk(module, &whole, depth + 1)
                }
            };
            // One name may be a module and a function: a path that ends here means the item.
            match (&found, &target) {
                (Target::Local, _) | (Target::Module(_), Target::Item(_)) => found = target,
                _ => {}
            }
        }
        if found != Target::Local {
            return found;
        }
        for glob in &self.modules[module].globs {
            if let Target::Module(other) = self.walk_glob(module, glob, depth + 1)
                && other != module
            {
                let whole: Vec<String> = std::iter::once(name.to_owned()).chain(rest.iter().cloned()).collect();
                match self.below(other, &whole, depth + 1) {
                    Target::Local => {}
                    target => return target,
                }
            }
        }
        Target::Local
    }

    /// Resolves the path of a glob; its first name is never looked for in a glob.
    fn walk_glob(&self, module: usize, path: &[String], depth: usize) -> Target {
        match path.first().map(String::as_str) {
            Some("crate" | "self" | "super") => self.walk(module, path, depth),
            Some(first) if self.modules[module].entries.contains_key(first) => self.walk(module, path, depth),
            _ => Target::Local,
        }
    }

    fn crate_or_local(&self, name: &str) -> Target {
        if self.crates.contains(name) { Target::Crate(name.to_owned()) } else { Target::Local }
    }
}

/// Where the children of a module are.
#[derive(Debug, Clone)]
struct Place {
    /// Directory of the file, which `#[path]` is relative to.
    directory: PathBuf,
    /// Directory of the children.
    below: PathBuf,
    test: bool,
}
