//! `neglist serve`: from a configuration to an exit code.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::mpsc;

use super::clock::SystemClock;
use super::server::{self, Drained, Server, StartError};
use super::signals::{self, Event};
use super::{NOTICE_EN, NOTICE_ZH, descriptors};
use crate::config::{Config, LogFormat};
use crate::policy::{Diagnostic, shown};
use crate::telemetry;

/// The exit code of a server that did not start because of its policies or the machine.
pub const EXIT_FAILURE: u8 = 1;
/// The exit code of a wrong command line or configuration.
pub const EXIT_USAGE: u8 = 2;

/// Serves until a signal stops the process. `ignored_variables`: names to tell of.
///
/// # Errors
/// Where the server cannot start for a reason that is not in the configuration.
pub fn serve(config: &Config, ignored_variables: &[String]) -> anyhow::Result<ExitCode> {
    let format = match config.log_format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    };
    telemetry::start(format, config.log_level).context("cannot start the log")?;
    if !ignored_variables.is_empty() {
        let names = ignored_variables.join(" ");
        tracing::warn!(
            names,
            "environment variables that begin with NEGLIST_ and are no key of the configuration are ignored"
        );
    }
    descriptors::provide(config.connections_max, config.admin_connections_max);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let code = runtime.block_on(async {
        // Before anything else, so that a SIGHUP or SIGTERM while policies load does not kill the process.
        let mut events = signals::listen().context("cannot listen to signals")?;
        serve_until_stopped(config, &mut events, &mut io::stdout(), &mut io::stderr()).await
    });
    // What is in flight after the time to drain is not waited for.
    runtime.shutdown_background();
    code
}

async fn serve_until_stopped(
    config: &Config,
    events: &mut mpsc::Receiver<Event>,
    output: &mut impl Write,
    findings: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let starting = Server::start(config, server::compiler(config), Arc::new(SystemClock));
    let started = tokio::select! {
        started = starting => started,
        exit_code = stop_requested(events, || ()) => return Ok(ExitCode::from(exit_code)),
    };
    match started {
        Ok(server) => run(server, events, output).await,
        Err(StartError::Policies(diagnostics)) => {
            print_diagnostics(findings, &diagnostics)?;
            let directory = config.policies.display().to_string();
            writeln!(findings, "the policies in `{}` are refused; nothing is served", shown(&directory))?;
            Ok(ExitCode::from(EXIT_FAILURE))
        }
        Err(error @ StartError::Listen(super::listen::ListenError::Remote { .. })) => {
            writeln!(findings, "error: {error}")?;
            Ok(ExitCode::from(EXIT_USAGE))
        }
        Err(error) => Err(error.into()),
    }
}

/// Runs a server until a signal stops it, and drains it.
///
/// # Errors
/// Where the lines that say what listens cannot be written.
pub(super) async fn run(
    server: Server,
    events: &mut mpsc::Receiver<Event>,
    output: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    tracing::info!(zh = NOTICE_ZH, "{NOTICE_EN}");
    let status = server.policies().status();
    tracing::info!(revision = status.revision, digest = %status.digest, "policies in force");
    for (door, address) in server.listening() {
        writeln!(output, "listening {door} {address}").context("cannot write to stdout")?;
    }
    output.flush().context("cannot write to stdout")?;
    let reload = || {
        tracing::info!("SIGHUP: reading the policies again");
        if let Err(error) = server.policies().request_reload() {
            tracing::warn!(%error, "SIGHUP was passed over");
        }
    };
    stop_requested(events, reload).await;
    tracing::info!("stopping: finishing what is in flight; a second signal stops at once");
    tokio::select! {
        drained = server.drain() => {
            match drained {
                Drained::Fully => tracing::info!("stopped"),
                Drained::TimeUp => tracing::warn!("stopped: requests were in flight when `drain_seconds` were over"),
            }
            Ok(ExitCode::SUCCESS)
        }
        exit_code = stop_requested(events, || ()) => {
            tracing::warn!("stopped at once");
            Ok(ExitCode::from(exit_code))
        }
    }
}

/// Returns when the process shall stop; calls `reload` for each SIGHUP until then.
async fn stop_requested(events: &mut mpsc::Receiver<Event>, reload: impl Fn()) -> u8 {
    loop {
        match events.recv().await {
            Some(Event::Reload) => reload(),
            Some(Event::Stop { exit_code }) => return exit_code,
            // Nobody can ask any more: only in tests.
            None => std::future::pending().await,
        }
    }
}

/// Prints findings, one or two lines each.
///
/// # Errors
/// Where the output is closed.
pub fn print_diagnostics(output: &mut impl Write, diagnostics: &[Diagnostic]) -> io::Result<()> {
    for Diagnostic { code, severity, file, span, message, help } in diagnostics {
        let (file, message) = (shown(file), shown(message));
        write!(output, "{}[{code}]", severity.name())?;
        match span {
            Some(span) => write!(output, " {file}:{}:{}", span.line, span.column)?,
            None if file.is_empty() => {}
            None => write!(output, " {file}")?,
        }
        writeln!(output, ": {message}")?;
        if let Some(help) = help {
            writeln!(output, "  help: {}", shown(help))?;
        }
    }
    Ok(())
}
