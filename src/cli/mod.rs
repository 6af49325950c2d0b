//! The command line: one module for each subcommand, with its arguments and what it does.
//!
//! Exit codes: 0, 1 for findings and failures, 2 for a wrong command line or configuration.

pub mod check;
pub mod console;
pub mod decide;
pub mod diff;
mod health;
pub mod ledger;
mod place;
mod policies;
mod serve;
mod squid_helper;
mod stop;
pub mod test;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::console::{Console, Exit};
pub use crate::app::serve::{EXIT_FAILURE, EXIT_USAGE};

/// Policy decision point for data leaving mainland China: allow, file, contract or assess.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Arguments),
    Check(check::Arguments),
    Test(test::Arguments),
    Decide(decide::Arguments),
    Diff(diff::Arguments),
    Ledger(ledger::Arguments),
    Health(health::Arguments),
    SquidHelper(squid_helper::Arguments),
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        let done = match self.command {
            Command::Serve(arguments) => serve::run(arguments),
            Command::Check(arguments) => on_console(|console| check::run(&arguments, console)),
            Command::Test(arguments) => on_console(|console| test::run(&arguments, console)),
            Command::Decide(arguments) => {
                on_console(|console| decide::run(&arguments, &mut io::stdin().lock(), console))
            }
            Command::Diff(arguments) => on_console(|console| diff::run(&arguments, console)),
            Command::Ledger(arguments) => on_console(|console| ledger::run(&arguments, console)),
            Command::Health(arguments) => health::run(&arguments),
            Command::SquidHelper(arguments) => squid_helper::run(arguments),
        };
        done.unwrap_or_else(|error| {
            complain(&format!("error: {error:#}"));
            ExitCode::from(EXIT_FAILURE)
        })
    }
}

fn on_console(command: impl FnOnce(&mut Console<'_>) -> io::Result<Exit>) -> anyhow::Result<ExitCode> {
    Ok(match console::on_standard_streams(command)? {
        Exit::Success => ExitCode::SUCCESS,
        Exit::Findings => ExitCode::from(EXIT_FAILURE),
        Exit::Usage => ExitCode::from(EXIT_USAGE),
    })
}

/// Writes a line to stderr; where that is closed there is nobody left to tell.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
