//! `neglist serve`: from a configuration to an exit code.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc;

use crate::app::clock::{SinceBoot, SystemClock};
use crate::app::clock_watch::ClockWatch;
use crate::app::server::{self, Drained, Server};
use crate::app::signals::{self, Event};
use crate::app::start_error::StartError;
use crate::app::{NOTICE_EN, NOTICE_ZH};
use crate::config::{Config, LogFormat};
use crate::policy::time::calendar;
use crate::policy::{Diagnostic, shown};
use crate::telemetry::{self, Log, LogLimits, Stream, say};
use crate::transport::open_files;

/// The exit code of a server that did not start because of its policies or the machine.
pub const EXIT_FAILURE: u8 = 1;
/// The exit code of a wrong command line or configuration.
pub const EXIT_USAGE: u8 = 2;

/// Serves until a signal stops the process. `ignored_variables`: names for a warning.
///
/// # Errors
/// The server cannot start, for a reason outside the configuration.
pub fn serve(config: &Config, ignored_variables: &[String]) -> anyhow::Result<ExitCode> {
    let format = match config.log_format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    };
    let flush_max = Duration::from_millis(config.log_flush_max_ms);
    let limits =
        LogLimits { queue_lines_max: config.log_queue_lines_max, line_bytes_max: config.log_line_bytes_max, flush_max };
    // Dropped at every end of this function, which writes the log out.
    let log = telemetry::start(format, config.log_level, limits).context("cannot start the log")?;
    if !ignored_variables.is_empty() {
        let names = ignored_variables.join(" ");
        tracing::warn!(
            names,
            "environment variables that begin with NEGLIST_ but name no configuration key are ignored"
        );
    }
    open_files::provide(config.connections_max, config.admin_connections_max);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let code = runtime.block_on(async {
        // First, so that a SIGHUP or SIGTERM while policies load does not kill the process.
        let mut events = signals::listen().context("cannot listen to signals")?;
        serve_until_stopped(config, &mut events, &log).await
    });
    // Requests in flight after the time to drain are dropped.
    runtime.shutdown_background();
    code
}

async fn serve_until_stopped(
    config: &Config,
    events: &mut mpsc::Receiver<Event>,
    log: &Log,
) -> anyhow::Result<ExitCode> {
    let jump_max = Duration::from_secs(config.clock_jump_max_seconds.into());
    let (_, calendar_end) = calendar().range();
    let clock = ClockWatch::over(Arc::new(SystemClock), Arc::new(SinceBoot), jump_max, calendar_end);
    let starting = Server::start(config, server::compiler(config), Arc::new(clock));
    let started = tokio::select! {
        started = starting => started,
        exit_code = stop_requested(events, || ()) => return Ok(ExitCode::from(exit_code)),
    };
    let time_max = Duration::from_millis(config.log_flush_max_ms);
    let refuse = |text: Vec<u8>, exit_code| {
        // The log comes before the text.
        log.flush();
        // A reader that does not read is not waited for: the exit code says that nothing is served.
        let _ = say(Stream::Err, text, time_max);
        Ok(ExitCode::from(exit_code))
    };
    match started {
        Ok(server) => Ok(run(server, events, move |text| say(Stream::Out, text, time_max)).await),
        Err(StartError::Policies(diagnostics)) => {
            let mut text = Vec::new();
            print_diagnostics(&mut text, &diagnostics)?;
            let directory = config.policies.display().to_string();
            writeln!(text, "the policies in `{}` are refused; nothing is served", shown(&directory))?;
            refuse(text, EXIT_FAILURE)
        }
        Err(error @ StartError::Listen(crate::transport::listen::ListenError::Remote { .. })) => {
            refuse(format!("error: {error}\n").into_bytes(), EXIT_USAGE)
        }
        Err(error) => Err(error.into()),
    }
}

/// Runs a server until a signal stops it, and drains it. `say`: writes to stdout within a time. A server that cannot write its
/// addresses to stdout serves anyway, and logs them.
pub(super) async fn run(
    server: Server,
    events: &mut mpsc::Receiver<Event>,
    say: impl FnOnce(Vec<u8>) -> io::Result<()> + Send + 'static,
) -> ExitCode {
    tracing::info!(zh = NOTICE_ZH, "{NOTICE_EN}");
    let status = server.policies().status();
    tracing::info!(revision = status.revision, digest = %status.digest, "policies in force");
    let lines = server.listening().iter().map(|(door, address)| format!("listening {door} {address}\n"));
    let lines: String = lines.collect();
    let addresses = lines.clone();
    match tokio::task::spawn_blocking(move || say(lines.into_bytes())).await.map_err(io::Error::other).flatten() {
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            tracing::warn!("stdout is not read: the addresses of the listeners are written there when it is");
        }
        Err(error) => {
            let addresses = addresses.trim_end().replace('\n', ", ");
            tracing::warn!(%error, addresses, "stdout cannot be written: the addresses of the listeners are not announced there; the server continues");
        }
        Ok(()) => {}
    }
    let reload = || {
        tracing::info!("SIGHUP: reading the policies again");
        if let Err(error) = server.policies().request_reload() {
            tracing::warn!(%error, "SIGHUP was ignored");
        }
    };
    stop_requested(events, reload).await;
    tracing::info!("stopping: finishing requests in flight; a second signal stops at once");
    tokio::select! {
        // A signal at the same moment as the end changes nothing.
        biased;
        drained = server.drain() => {
            match drained {
                Drained::Fully => tracing::info!("stopped"),
                Drained::TimeUp => tracing::warn!("stopped: requests were in flight, or answers not read, when `drain_seconds` were over"),
            }
            ExitCode::SUCCESS
        }
        exit_code = stop_requested(events, || ()) => {
            tracing::warn!("stopped at once");
            ExitCode::from(exit_code)
        }
    }
}

/// Returns the exit code when a signal stops the process; calls `reload` for each SIGHUP until then.
async fn stop_requested(events: &mut mpsc::Receiver<Event>, reload: impl Fn()) -> u8 {
    loop {
        match events.recv().await {
            Some(Event::Reload) => reload(),
            Some(Event::Stop { exit_code }) => return exit_code,
            // No further event can arrive. This occurs in tests only.
            None => std::future::pending().await,
        }
    }
}

/// Prints diagnostics, one or two lines each.
///
/// # Errors
/// The output is closed.
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
