//! The command: parses arguments and maps the result to an exit code.

use std::process::ExitCode;

/// Faster than the allocator of the system, which would take a tenth of a request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    neglist::cli::Cli::read().map_or_else(|code| code, neglist::cli::Cli::run)
}
