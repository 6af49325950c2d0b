//! A key of the configuration, apart from the type of its value.

/// Prefix of the names of our environment variables.
pub(super) const VARIABLE_PREFIX: &str = "NEGLIST_";

/// A key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name, in files; in upper case after `NEGLIST_` in the environment.
    pub name: &'static str,
    /// What it means, line by line.
    pub comment: &'static [&'static str],
    /// Its value where none is given.
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
