//! `neglist squid-helper`: the helper that Squid's `external_acl_type` starts. It asks a server about each request.
//!
//! ```text
//! stdin ─► a thread that reads lines ─► a task for each line, all on one connection ─► a thread that writes ─► stdout
//! ```
//!
//! It asks the door for Envoy, adds no rule and keeps no answer. Answers come in any order; Squid assigns them by their
//! channel. Every failure is answered `BH`, which Squid takes as a refusal. The number of waiting requests, their time and the
//! length of a line are limited; further requests wait in Squid.

use std::error::Error as _;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::complain::complain;
use crate::app::serve::{EXIT_FAILURE, EXIT_USAGE};
use crate::config::address::Address;
use crate::doors::squid::{self, Reply};
use crate::wire::generated::vendor::envoy::service::auth::v3::authorization_client::AuthorizationClient;

/// Time without traffic after which a keep-alive ping checks the connection.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Most bytes of an answer of the server: some twenty times the bytes that it sends.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Answer Squid about its requests. Squid starts this command with `external_acl_type` and `concurrency`.
///
/// The format of `external_acl_type` is `%METHOD %URI %DST %PORT`, followed by one `%>ha{name}` for each name of `--headers`,
/// in the same order.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The server: `host:port` or `unix:/path`.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051")]
    target: String,
    /// Headers whose values are on each line, such as `x-neglist-flow,x-neglist-persons`. Clients send them, so name them
    /// only if clients may label their own transfers.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    headers: Vec<String>,
    /// Time for one request, in milliseconds from the moment that its line was read.
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    timeout_ms: u64,
    /// Most requests in flight; no further line is read until one is answered.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    in_flight_max: u32,
    /// Most bytes of a line; a longer one is answered `BH`.
    #[arg(long, value_name = "BYTES", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(64..=1_048_576))]
    line_bytes_max: u32,
}

/// Runs the command until there are no more lines.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { target, headers, timeout_ms, in_flight_max, line_bytes_max } = arguments;
    let understood = Address::parse(&target).map_err(|message| format!("--target: {message}"));
    let (address, headers) = match understood.and_then(|address| Ok((address, header_names(headers)?))) {
        Ok(understood) => understood,
        Err(message) => {
            complain(&message);
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let timeout = Duration::from_millis(timeout_ms);
    let in_flight_max = in_flight_max as usize;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let asker = Arc::new(Asker { channel: connection(&address, timeout)?, address, headers, is_away: false.into() });
    let (deliver, lines) = mpsc::channel(1);
    let (answers, answered) = mpsc::channel(in_flight_max);
    let bytes_max = line_bytes_max as usize;
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        // No lock is needed, because this is the only reader. A failed read ends the input.
        read(io::BufReader::new(io::stdin()), bytes_max, |line| {
            deliver.blocking_send((line, Instant::now() + timeout)).is_ok()
        });
    })?;
    let writer = std::thread::Builder::new().name("stdout".into()).spawn(move || write(io::stdout(), answered))?;
    runtime.block_on(answer(lines, answers, &asker, in_flight_max));
    match writer.join() {
        Ok(Ok(())) => Ok(ExitCode::SUCCESS),
        Ok(Err(error)) => Err(error).context("answers cannot be written"),
        Err(_) => Ok(ExitCode::from(EXIT_FAILURE)),
    }
}

/// Returns the names in lower case, each once. A name that cannot be a header would be missing from every request.
fn header_names(headers: Vec<String>) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    for name in headers.into_iter().map(|name| name.to_ascii_lowercase()) {
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_name || names.contains(&name) {
            return Err(format!("--headers: `{name}` is not the name of a header, or is a duplicate"));
        }
        names.push(name);
    }
    Ok(names)
}

/// Returns a connection that connects on first use and reconnects after a failure. A missing server must not end this process,
/// because Squid gives up on helpers that exit.
fn connection(address: &Address, timeout: Duration) -> anyhow::Result<Channel> {
    let uri = match address {
        Address::Tcp { .. } => format!("http://{address}"),
        Address::Unix(_) => address.to_string(),
    };
    let endpoint = Endpoint::from_shared(uri).with_context(|| format!("`{address}` is not the address of a server"))?;
    let endpoint = endpoint.connect_timeout(timeout).tcp_nodelay(true);
    let endpoint = endpoint.http2_keep_alive_interval(KEEPALIVE_INTERVAL).keep_alive_timeout(timeout);
    Ok(endpoint.connect_lazy())
}

/// A line of input.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// A whole line, without its line end.
    Whole(Vec<u8>),
    /// The beginning of a line that is too long.
    TooLong(Vec<u8>),
    /// A line that the end of the input cuts off. The missing part could change the request.
    CutOff(Vec<u8>),
}

/// Reads lines until the input ends or the receiver is gone. Holds at most one line, and at most `bytes_max` of it.
fn read(mut input: impl BufRead, bytes_max: usize, mut deliver: impl FnMut(Line) -> bool) {
    let (mut kept, mut is_too_long) = (Vec::new(), false);
    loop {
        let buffer = match input.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => &[],
        };
        if buffer.is_empty() {
            if !kept.is_empty() {
                deliver(Line::CutOff(kept));
            }
            return;
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let piece = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        let fits = bytes_max.saturating_sub(kept.len()).min(piece.len());
        is_too_long |= fits < piece.len();
        kept.extend(piece.iter().take(fits));
        let consumed = piece.len() + usize::from(end.is_some());
        input.consume(consumed);
        if end.is_some() {
            let line = std::mem::take(&mut kept);
            let line = if std::mem::take(&mut is_too_long) { Line::TooLong(line) } else { Line::Whole(line) };
            if !deliver(line) {
                return;
            }
        }
    }
}

/// Writes answers until there are no more. Answers that are ready together are written together.
fn write(mut output: impl Write, mut answers: mpsc::Receiver<String>) -> io::Result<()> {
    while let Some(answer) = answers.blocking_recv() {
        let mut together = answer;
        while let Ok(answer) = answers.try_recv() {
            together.push_str(&answer);
        }
        output.write_all(together.as_bytes())?;
        output.flush()?;
    }
    Ok(())
}

/// Answers lines until the input ends and all lines are answered, or the output is closed.
async fn answer(
    mut lines: mpsc::Receiver<(Line, Instant)>,
    answers: mpsc::Sender<String>,
    asker: &Arc<Asker>,
    in_flight_max: usize,
) {
    let permits = Arc::new(Semaphore::new(in_flight_max));
    let mut questions = JoinSet::new();
    loop {
        let next = tokio::select! {
            () = answers.closed() => return,
            next = lines.recv() => next,
        };
        let Some((line, deadline)) = next else { break };
        while questions.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { break };
        let (asker, answers) = (Arc::clone(asker), answers.clone());
        questions.spawn(async move {
            let answer = asker.answer(&line, deadline).await;
            // If this fails, the output is closed.
            let _ = answers.send(answer).await;
            drop(permit);
        });
    }
    while questions.join_next().await.is_some() {}
}

/// Asks the server.
struct Asker {
    channel: Channel,
    address: Address,
    headers: Vec<String>,
    /// Whether the last request failed: a failure is reported once.
    is_away: AtomicBool,
}

impl Asker {
    async fn answer(&self, line: &Line, deadline: Instant) -> String {
        let (channel, reply) = match line {
            Line::Whole(line) => match squid::question(line, &self.headers) {
                Ok(question) => (Some(question.channel), self.ask(question, deadline).await),
                Err(garbled) => (garbled.channel, squid::broken(&garbled.why)),
            },
            Line::TooLong(beginning) => (squid::channel(beginning), squid::broken("the line is too long")),
            Line::CutOff(beginning) => (squid::channel(beginning), squid::broken("the line has no end")),
        };
        squid::line(channel, &reply)
    }

    async fn ask(&self, question: squid::Question, deadline: Instant) -> Reply {
        let mut request = Request::new(question.request);
        request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        let mut client = AuthorizationClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        let why = match tokio::time::timeout_at(deadline, client.check(request)).await {
            Ok(Ok(response)) => {
                if self.is_away.swap(false, Ordering::Relaxed) {
                    complain(&format!("neglist: `{}` answers again", self.address));
                }
                return squid::reply(response.get_ref());
            }
            Ok(Err(status)) => unanswered(&self.address, &status),
            Err(_) => format!("`{}` did not answer in time", self.address),
        };
        if !self.is_away.swap(true, Ordering::Relaxed) {
            complain(&format!("neglist: nothing passes: {why}"));
        }
        squid::broken(&why)
    }
}

/// Returns the reason for a missing answer. A status that the server sent has no source error.
fn unanswered(address: &Address, status: &Status) -> String {
    let Some(mut root) = status.source() else { return format!("`{address}` answered {}", status.message()) };
    while let Some(cause) = root.source() {
        root = cause;
    }
    if root.is::<tonic::TimeoutExpired>() {
        return format!("`{address}` did not answer in time");
    }
    // The texts of the operating system begin with a capital letter.
    format!("`{address}` cannot be reached: {}", root.to_string().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], bytes_max: usize, buffer: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        read(io::BufReader::with_capacity(buffer, text), bytes_max, |line| {
            lines.push(line);
            true
        });
        lines
    }

    #[test]
    fn lines_are_bounded_in_any_pieces() {
        let text = b"1 a\n12345\n123456\n\n2 b\n3 cut";
        for buffer in [1, 2, 5, 6, 7, 100] {
            let expected = [
                Line::Whole(b"1 a".to_vec()),
                Line::Whole(b"12345".to_vec()),
                Line::TooLong(b"12345".to_vec()),
                Line::Whole(Vec::new()),
                Line::Whole(b"2 b".to_vec()),
                Line::CutOff(b"3 cut".to_vec()),
            ];
            assert_eq!(lines(text, 5, buffer), expected, "{buffer}");
        }
        assert_eq!(lines(b"", 5, 8), []);
    }

    #[test]
    fn lines_without_a_receiver_are_not_read() {
        let mut taken = 0;
        read(&b"1\n2\n3\n"[..], 5, |_| {
            taken += 1;
            taken < 2
        });
        assert_eq!(taken, 2);
    }

    #[test]
    fn names_of_headers_are_valid_and_unique() {
        let names = |names: &[&str]| header_names(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(names(&["X-A", "x_b"]), Ok(vec!["x-a".to_owned(), "x_b".to_owned()]));
        assert_eq!(names(&[]), Ok(vec![]));
        for wrong in [&[""][..], &["a b"], &["a:"], &["x-a", "X-A"], &["%"]] {
            assert!(names(wrong).is_err(), "{wrong:?}");
        }
    }
}
