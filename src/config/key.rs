//! A key of the configuration, without the type of its value.

/// Prefix of the names of our environment variables.
pub(super) const VARIABLE_PREFIX: &str = "NEGLIST_";

/// A key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name in files; in the environment `NEGLIST_` and the name in upper case.
    pub name: &'static str,
    /// Its meaning, line by line.
    pub comment: &'static [&'static str],
    /// Its default value.
    pub default: &'static str,
}

impl Key {
    /// Returns the name of its environment variable.
    pub fn variable(&self) -> String {
        format!("{}{}", VARIABLE_PREFIX, self.name.to_ascii_uppercase())
    }

    /// Says whether it takes several values.
    pub fn is_list(&self) -> bool {
        self.name == "listen"
    }
}
