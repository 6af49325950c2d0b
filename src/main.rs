//! The command: parses arguments and maps the result to an exit code.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    neglist::cli::Cli::parse().run()
}
