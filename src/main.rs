//! The command: parses arguments and maps the result to an exit code.

use std::process::ExitCode;

/// Cheaper than the system's allocator, which is a tenth of a request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    neglist::cli::Cli::read().map_or_else(|code| code, neglist::cli::Cli::run)
}
