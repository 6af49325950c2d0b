//! The surroundings of an admin command: output, clock, environment and exit code.
//!
//! All of them are passed in, so that a test runs a command as the shell does.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal as _, Write};

use clap::ValueEnum;

use crate::app::clock::SystemClock;
use crate::config;
use crate::domain::clock::Clock;
use crate::report::Colour;

/// The exit code of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Success: 0.
    Success,
    /// Diagnostics, failed cases or a refused request: 1.
    Failed,
    /// Wrong arguments: 2.
    Usage,
}

/// The surroundings of a command.
pub struct Console<'w> {
    /// Output for results.
    pub out: &'w mut dyn Write,
    /// Output for errors.
    pub err: &'w mut dyn Write,
    /// Whether results have colours.
    pub out_colour: Colour,
    /// Whether errors have colours.
    pub err_colour: Colour,
    /// The clock.
    pub clock: &'w dyn Clock,
    /// Environment variables.
    pub environment: Vec<(OsString, OsString)>,
}

impl fmt::Debug for Console<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("out_colour", &self.out_colour).finish_non_exhaustive()
    }
}

/// Output format of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Runs a command on the standard streams of the process.
///
/// # Errors
/// The error of the command. A closed output is not an error.
pub fn on_standard_streams(command: impl FnOnce(&mut Console<'_>) -> io::Result<Exit>) -> io::Result<Exit> {
    let environment: Vec<(OsString, OsString)> = config::environment().collect();
    // https://no-color.org: set and not empty.
    let no_colour = environment.iter().any(|(name, value)| name == "NO_COLOR" && !value.is_empty());
    let colour = |is_terminal: bool| if is_terminal && !no_colour { Colour::Ansi } else { Colour::Plain };
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let (out_colour, err_colour) = (colour(out.is_terminal()), colour(err.is_terminal()));
    let mut out = io::BufWriter::new(&mut out);
    let mut console =
        Console { out: &mut out, err: &mut err, out_colour, err_colour, clock: &SystemClock, environment };
    let done = command(&mut console).and_then(|exit| out.flush().map(|()| exit));
    match done {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Failed),
        done => done,
    }
}
