//! `neglist check`: every finding in a policy directory.

use std::io;

use clap::Args;
use jiff::civil::Date;

use super::console::{Console, Exit, Format};
use super::policies::{self, Settings, parse_day};
use crate::policy::diagnostic::sort;
use crate::policy::findings::{self, Look};
use crate::policy::{Severity, source};
use crate::report::json;

/// Find every mistake in a policy directory, and what will bite soon: exit code 1 on errors.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The policy directory [default: `NEGLIST_POLICIES`, else ./policies].
    #[arg(value_name = "DIR")]
    directory: Option<String>,
    /// In which form to write.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Treat warnings as errors. Notes never are.
    #[arg(long)]
    deny_warnings: bool,
    /// Look at this day instead of today (Asia/Shanghai).
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_day)]
    at: Option<Date>,
    /// Report what ends within so many days.
    #[arg(long, value_name = "N", default_value_t = 60)]
    expires_within_days: u16,
    /// Print the JSON Schema of the policy files, for editors, and end.
    #[arg(long)]
    schema: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the output cannot be written.
pub fn run(arguments: &Arguments, console: &mut Console<'_>) -> io::Result<Exit> {
    if arguments.schema {
        json::write(&source::schema(), console.out)?;
        return Ok(Exit::Success);
    }
    let settings = match Settings::load(arguments.directory.as_deref(), console)? {
        Ok(settings) => settings,
        Err(exit) => return Ok(exit),
    };
    let mut inspected = settings.inspect(&settings.directory);
    let day = arguments.at.unwrap_or_else(|| policies::today(console));
    let look = Look { day, expires_within_days: arguments.expires_within_days };
    findings::find(&inspected.policies, inspected.snapshot.as_ref(), look, &mut inspected.diagnostics);
    sort(&mut inspected.diagnostics);
    let checked = inspected.checked();
    policies::report(&checked, arguments.format, console.out_colour, console.out)?;
    let warnings = if arguments.deny_warnings { checked.count(Severity::Warning) } else { 0 };
    Ok(if 0 < checked.count(Severity::Error) + warnings { Exit::Findings } else { Exit::Success })
}
