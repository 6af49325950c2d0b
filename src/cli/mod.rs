//! The command line: one module for each subcommand, with its arguments and what it does.
//!
//! Exit codes: 0, 1 for findings and failures, 2 for a wrong command line or configuration.

mod health;
mod serve;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    Health(health::Arguments),
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        let done = match self.command {
            Command::Serve(arguments) => serve::run(arguments),
            Command::Health(arguments) => health::run(&arguments),
        };
        done.unwrap_or_else(|error| {
            complain(&format!("error: {error:#}"));
            ExitCode::from(EXIT_FAILURE)
        })
    }
}

/// Writes a line to stderr; where that is closed there is nobody left to tell.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
