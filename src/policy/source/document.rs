//! A file that was read: its contents by kind, with the data that the checks need.

use super::{cases, catalogue, gateway, list, registry};
use crate::policy::diagnostic::Span;

/// A file of one kind.
#[derive(Debug, Clone)]
pub enum Document {
    /// Codes.
    Catalogue(Box<catalogue::Catalogue>),
    /// National rules.
    National(Box<list::NationalList>),
    /// A zone's list.
    Zone(Box<list::ZoneList>),
    /// The operator's own entries.
    Registry(Box<registry::RegistryFile>),
    /// Gateway rules, which label requests.
    Gateway(Box<gateway::GatewayFile>),
    /// Cases.
    Test(Box<cases::TestFile>),
}

/// A file that could be read, with the data that the checks need.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Path relative to the policy directory.
    pub path: String,
    /// Its contents.
    pub document: Document,
    /// Places where it says `unknown`.
    pub unknown: Vec<Span>,
    /// Codes and ids of its records that could not be read.
    pub lost: Vec<Box<str>>,
}
