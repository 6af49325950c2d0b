//! `neglist diff`: the changes between two policy directories.

use std::io;
use std::path::PathBuf;

use clap::Args;

use super::console::{Console, Exit, Format};
use super::policies::{self, Settings};
use crate::policy::diff;
use crate::report::changes;

/// Show the changes between two policy directories, and the test cases whose outcome changes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The old directory.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The new directory.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// If the output cannot be written.
pub fn run(arguments: &Arguments, console: &mut Console<'_>) -> io::Result<Exit> {
    let settings = match Settings::load(None, console)? {
        Ok(settings) => settings,
        Err(exit) => return Ok(exit),
    };
    let (mut old, mut new) = (settings.inspect(&arguments.old), settings.inspect(&arguments.new));
    let mut refused = false;
    for (directory, inspected) in [(&arguments.old, &mut old), (&arguments.new, &mut new)] {
        inspected.keep_errors();
        if !inspected.diagnostics.is_empty() {
            policies::refuse(directory, inspected, console)?;
            refused = true;
        }
    }
    if refused {
        return Ok(Exit::Failed);
    }
    let changed = diff::changes(&old.policies, &new.policies);
    let cases = diff::cases((&old.policies, &old.tests), (&new.policies, &new.tests), &settings.limits());
    match arguments.format {
        Format::Text => changes::text(&changed, &cases, console.out)?,
        Format::Json => changes::json(&changed, &cases, console.out)?,
    }
    Ok(Exit::Success)
}
