//! The command line: one module for each subcommand.
//!
//! Exit codes: 0, 1 for diagnostics and failures, 2 for a wrong command line or configuration.

pub mod check;
mod complain;
pub mod console;
pub mod decide;
pub mod diff;
mod health;
pub mod ledger;
mod ledger_access;
mod policies;
pub mod pseudonym;
mod serve;
mod squid_helper;
mod stop;
pub mod test;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::complain::complain;
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
    Pseudonym(pseudonym::Arguments),
    Health(health::Arguments),
    SquidHelper(squid_helper::Arguments),
}

impl Cli {
    /// Reads the command line of this process.
    ///
    /// # Errors
    /// The exit code of a wrong command line, of `--help` and of `--version`; the output is already written.
    pub fn read() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            let code = u8::try_from(error.exit_code()).unwrap_or(EXIT_USAGE);
            if error.use_stderr() && std::env::args().any(|argument| may_hold_a_secret(&argument)) {
                complain(&without_secrets(&error.to_string(), std::env::args()));
            } else {
                // If stdout or stderr is closed, there is no reader for a message.
                let _ = error.print();
            }
            ExitCode::from(code)
        })
    }

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
            Command::Pseudonym(arguments) => {
                on_console(|console| pseudonym::run(&arguments, &mut io::stdin().lock(), console))
            }
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
        Exit::Failed => ExitCode::from(EXIT_FAILURE),
        Exit::Usage => ExitCode::from(EXIT_USAGE),
    })
}

/// Says whether an argument may hold a password, as the address of a ledger does.
fn may_hold_a_secret(argument: &str) -> bool {
    let lower = argument.to_ascii_lowercase();
    let is_setting =
        |name: &str| lower.find(name).is_some_and(|at| lower.get(at..).is_some_and(|rest| rest.contains('=')));
    ["password", "passwd", "pwd", "passfile"].iter().any(|name| is_setting(name))
        || argument.contains("://")
        || (argument.contains('@') && argument.contains(':'))
}

/// Returns the error of a command line without the arguments that may hold a password.
fn without_secrets(text: &str, arguments: impl Iterator<Item = String>) -> String {
    let mut text = text.to_owned();
    for argument in arguments.filter(|argument| may_hold_a_secret(argument)) {
        let value = argument.split_once('=').filter(|_| argument.starts_with("--")).map(|(_, value)| value.to_owned());
        for secret in [Some(argument), value].into_iter().flatten().filter(|secret| !secret.is_empty()) {
            text = text.replace(&secret, "…");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a9_a_wrong_command_line_repeats_no_password() {
        for arguments in [
            &["neglist", "serve", "--ledger", "host=h", "password=hunter2"][..],
            &["neglist", "serve", "postgres://u:hunter2@h/d"],
            &["neglist", "ledger", "postgres://u:hunter2@h/d", "show"],
            &["neglist", "ledger", "--legder=postgres://u:hunter2@h/d", "show"],
            &["neglist", "serve", "--ledger", "a", "--ledger", "postgres://u:hunter2@h/d"],
            &["neglist", "check", "u:hunter2@h/d", "--format", "u:hunter2@h/d"],
            &["neglist", "serve", "PASSWORD = hunter2"],
        ] {
            let error = Cli::try_parse_from(arguments).unwrap_err().to_string();
            let text = without_secrets(&error, arguments.iter().map(|argument| (*argument).to_owned()));
            assert!(!text.contains("hunter2") && text.contains("error: "), "{text}");
        }
    }
}
