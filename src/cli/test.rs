//! `neglist test`: runs the cases of a policy directory.

use std::io;

use clap::Args;

use super::console::{Console, Exit, Format};
use super::policies::Settings;
use crate::policy::{shown, verify};
use crate::report::{cases, text};

/// Run the cases in `*_test.yaml`. Exit code 1 if a case fails.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The policy directory [default: `NEGLIST_POLICIES`, else ./policies].
    #[arg(value_name = "DIR")]
    directory: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// If the output cannot be written.
pub fn run(arguments: &Arguments, console: &mut Console<'_>) -> io::Result<Exit> {
    let settings = match Settings::load(arguments.directory.as_deref(), console)? {
        Ok(settings) => settings,
        Err(exit) => return Ok(exit),
    };
    let mut inspected = settings.inspect(&settings.directory);
    inspected.keep_errors();
    let results = match inspected.snapshot {
        // `inspect` has found the same diagnostics already.
        Some(_) => verify::run(&inspected.policies, &inspected.tests, &settings.limits(), &mut Vec::new()),
        None => Vec::new(),
    };
    if !inspected.diagnostics.is_empty() {
        text::diagnostics(&inspected.checked(), console.err_colour, console.err)?;
    } else if results.is_empty() {
        let directory = settings.directory.display().to_string();
        writeln!(console.err, "error: there are no cases in `{}`", shown(&directory))?;
        writeln!(console.err, "  help: write cases in files with names that end in `_test.yaml`")?;
    }
    match arguments.format {
        Format::Text => cases::text(&results, console.out)?,
        Format::Json => cases::json(&results, console.out)?,
    }
    let all_hold = results.iter().all(|result| result.failures.is_empty());
    let is_sound = inspected.diagnostics.is_empty() && !results.is_empty();
    Ok(if is_sound && all_hold { Exit::Success } else { Exit::Failed })
}
