//! The configuration as written: a text for each key, from the source with the highest precedence.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::file::{self, Written};
use super::key::{Key, VARIABLE_PREFIX};
use super::ledger_place::shown_elsewhere;
use super::parse::Parse;
use super::problem::{Problem, nearest};
use crate::policy::diagnostic::duplicate;

/// The variable that names the configuration file.
const FILE_VARIABLE: &str = "NEGLIST_CONFIG";

/// The flags of the command line: values by key, and a file.
#[derive(Clone, Default)]
pub struct Flags {
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// Each key with the values of its flag `--key`.
    pub values: Vec<(&'static str, Vec<String>)>,
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may hold a password.
        let keys: Vec<&str> = self.values.iter().map(|(key, _)| *key).collect();
        f.debug_struct("Flags").field("config", &self.config).field("keys", &keys).finish()
    }
}

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The default.
    Default,
    /// A file.
    File {
        /// The file.
        path: PathBuf,
        /// Line of the key, from 1.
        line: u64,
        /// Column of the key, from 1.
        column: u64,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Origin::Environment(variable) => f.write_str(variable),
            Origin::Flag(key) => write!(f, "--{}", key.replace('_', "-")),
        }
    }
}

/// A value as written.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) values: Vec<String>,
    pub(super) origin: Origin,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A value may hold a password.
        f.debug_struct("Setting").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// The configuration as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawConfig {
    /// The known keys.
    keys: &'static [Key],
    /// INVARIANT (every key): each of `keys` has a setting.
    settings: BTreeMap<&'static str, Setting>,
}

impl RawConfig {
    /// Overlays the defaults with file, environment and flags.
    pub(super) fn collect(
        keys: &'static [Key],
        flags: &Flags,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> (Self, Vec<String>, Vec<Problem>) {
        let (mut ignored, mut problems) = (Vec::new(), Vec::new());
        let mut raw = Self {
            keys,
            settings: keys
                .iter()
                .map(|key| (key.name, Setting { values: split(key, key.default), origin: Origin::Default }))
                .collect(),
        };
        let variables = variables(environment, &mut problems);
        let from_variable =
            variables.iter().find(|(name, _)| name == FILE_VARIABLE).map(|(_, value)| PathBuf::from(value));
        match flags.config.clone().or(from_variable) {
            Some(path) if flags.config.is_none() && path.as_os_str().is_empty() => problems.push(Problem {
                place: FILE_VARIABLE.to_owned(),
                message: "the name of the configuration file is empty".to_owned(),
                help: Some("name a file, or unset the variable".to_owned()),
            }),
            Some(path) => raw.lay_file(&path, &mut problems),
            None => {}
        }
        for (name, value) in &variables {
            raw.lay_variable(name, value, &mut ignored, &mut problems);
        }
        for (key, values) in &flags.values {
            raw.settings.insert(key, Setting { values: values.clone(), origin: Origin::Flag(key) });
        }
        (raw, ignored, problems)
    }

    /// Returns the settings, in the order of the keys.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&'static Key, &Setting)> {
        // (every key) so none is missing.
        self.keys.iter().filter_map(|key| self.settings.get(key.name).map(|setting| (key, setting)))
    }

    /// Returns the place of a key's value.
    pub(super) fn place(&self, key: &str) -> String {
        self.settings.get(key).map_or_else(|| key.to_owned(), |setting| setting.origin.to_string())
    }

    /// Returns the value of a key, or adds a problem.
    pub(super) fn parsed<T>(&self, key: &str, parse: impl Parse<T>, problems: &mut Vec<Problem>) -> Option<T> {
        let values = self.settings.get(key).map_or(&[] as &[String], |setting| &setting.values);
        match parse(values) {
            Ok(value) => Some(value),
            Err(message) => {
                problems.push(Problem { place: self.place(key), message: format!("{key}: {message}"), help: None });
                None
            }
        }
    }

    fn lay_file(&mut self, path: &Path, problems: &mut Vec<Problem>) {
        let written = match file::read(path) {
            Ok(written) => written,
            Err(problem) => return problems.push(problem),
        };
        let mut first_lines: BTreeMap<String, u64> = BTreeMap::new();
        for Written { key, is_list, values, line, column } in written {
            let origin = Origin::File { path: path.to_owned(), line, column };
            if let Some(first) = first_lines.get(&key) {
                problems.push(Problem {
                    place: origin.to_string(),
                    message: duplicate(format_args!("key `{key}`"), format_args!("line {first}")),
                    help: Some("keep one of the two".to_owned()),
                });
                continue;
            }
            first_lines.insert(key.clone(), line);
            match self.keys.iter().find(|known| known.name == key) {
                Some(known) => match values {
                    Ok(_) if is_list && !known.is_list() => problems.push(Problem {
                        place: origin.to_string(),
                        message: format!("{key}: takes one value, not a list"),
                        help: None,
                    }),
                    Ok(values) => drop(self.settings.insert(known.name, Setting { values, origin })),
                    Err(message) => problems.push(Problem {
                        place: origin.to_string(),
                        message: format!("{key}: {message}"),
                        help: Some("`neglist serve --dump-config` prints every key with its default".to_owned()),
                    }),
                },
                None => problems.push(unknown(
                    origin.to_string(),
                    &format!("unknown key `{}`", shown_elsewhere(&key)),
                    nearest(&key, self.keys.iter().map(|known| known.name)),
                )),
            }
        }
    }

    fn lay_variable(&mut self, name: &str, value: &str, ignored: &mut Vec<String>, problems: &mut Vec<Problem>) {
        if name == FILE_VARIABLE {
            return;
        }
        if let Some(key) = self.keys.iter().find(|key| key.variable() == name) {
            let origin = Origin::Environment(name.to_owned());
            self.settings.insert(key.name, Setting { values: split(key, value), origin });
            return;
        }
        if is_service_link(name) || !resembles_a_key(self.keys, name) {
            return ignored.push(name.to_owned());
        }
        let known: Vec<String> = self.keys.iter().map(Key::variable).chain([FILE_VARIABLE.to_owned()]).collect();
        let nearest = nearest(name, known.iter().map(String::as_str));
        problems.push(unknown(name.to_owned(), "unknown environment variable", nearest));
    }
}

/// Returns the variables with our prefix, in ascending order.
fn variables(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<Problem>,
) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for (name, value) in environment {
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with(VARIABLE_PREFIX) {
            continue;
        }
        match value.into_string() {
            Ok(value) => variables.push((name, value)),
            Err(_) => problems.push(Problem { place: name, message: "the value is not UTF-8".into(), help: None }),
        }
    }
    variables.sort();
    variables
}

/// Says whether Kubernetes or Docker set the variable for a service named `neglist` or `neglist-…`, such as
/// `NEGLIST_SERVICE_HOST` and `NEGLIST_PORT_50051_TCP_ADDR`. None of our keys has such an ending.
fn is_service_link(name: &str) -> bool {
    let is_port_detail = |rest: &str| {
        let (port, detail) = rest.split_once('_').unwrap_or((rest, ""));
        !port.is_empty()
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && ["TCP", "UDP", "SCTP"].iter().any(|protocol| detail.starts_with(protocol))
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || name.ends_with("_PORT")
        || name.split_once("_PORT_").is_some_and(|(_, rest)| is_port_detail(rest))
}

/// Says whether a variable may be meant as one of our keys: it is a few slips away from a key, or begins with the first word of
/// one, as `NEGLIST_LISTN` and `NEGLIST_LEDGER_URL` do. Variables that images and charts set, such as `NEGLIST_VERSION` and
/// `NEGLIST_NAME`, do not resemble a key.
fn resembles_a_key(keys: &[Key], name: &str) -> bool {
    let rest = name.strip_prefix(VARIABLE_PREFIX).unwrap_or(name).to_ascii_lowercase();
    let slips_max = (rest.len() / 3).clamp(1, 4);
    let first = |name: &str| {
        name.split('_').next().unwrap_or_default().trim_end_matches("ies").trim_end_matches('y').to_owned()
    };
    let first_of_rest = first(&rest);
    // The bare prefix is a mistake.
    rest.is_empty()
        || keys
            .iter()
            .map(|key| key.name)
            .chain(["config"])
            .any(|key| strsim::osa_distance(&rest, key) <= slips_max || first(key) == first_of_rest)
}

/// Splits the text of a list at commas. The text of any other key stays whole.
fn split(key: &Key, text: &str) -> Vec<String> {
    if key.is_list() { text.split(',').map(|part| part.trim().to_owned()).collect() } else { vec![text.to_owned()] }
}

fn unknown(place: String, message: &str, nearest: Option<&str>) -> Problem {
    let help = nearest.map_or_else(
        || "`neglist serve --dump-config` prints every key".to_owned(),
        |nearest| format!("did you mean `{nearest}`?"),
    );
    Problem { place, message: message.to_owned(), help: Some(help) }
}
