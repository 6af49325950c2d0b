//! `neglist squid-helper`: what Squid's `external_acl_type` starts, to ask a server about each request.
//!
//! ```text
//! stdin ─► a thread that reads lines ─► a task for each line, all on one connection ─► a thread that writes ─► stdout
//! ```
//!
//! It asks the door for Envoy, adds no rule and keeps no answer. Answers come in the order in which they are known; Squid
//! tells them apart by their channel. Whatever goes wrong is `BH`, of which Squid makes a refusal. How many questions wait,
//! how long, and how long a line may be is bounded; whoever has to wait stays in Squid.

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

use super::{EXIT_FAILURE, EXIT_USAGE, complain};
use crate::config::address::Address;
use crate::doors::squid::{self, Reply};
use crate::wire::generated::vendor::envoy::service::auth::v3::authorization_client::AuthorizationClient;

/// After which time without traffic the connection is tried, so that one that is dead is noticed.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Most bytes of an answer of the server: some twenty times what it sends.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Answer Squid, which starts this with `external_acl_type` and `concurrency`, about its requests.
///
/// The format of `external_acl_type` is `%METHOD %URI %DST %PORT`, and behind it one `%>ha{name}` for each name of `--headers`,
/// in that order.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The server to ask: `host:port` or `unix:/path`.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051")]
    target: String,
    /// The headers whose values stand on each line, such as `x-neglist-flow,x-neglist-persons`. Clients send them: name
    /// them only where clients may label their own transfers.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    headers: Vec<String>,
    /// Time for one question, in milliseconds, from the moment that it was read.
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    timeout_ms: u64,
    /// Most questions in flight; no further line is read until one is answered.
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
        // Without a lock: nobody else reads it. What cannot be read any more is the end of it.
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

/// Names in lower case, each once: a name that no header has would be absent from every request.
fn header_names(headers: Vec<String>) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    for name in headers.into_iter().map(|name| name.to_ascii_lowercase()) {
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_name || names.contains(&name) {
            return Err(format!("--headers: `{name}` is no name of a header, or stands twice"));
        }
        names.push(name);
    }
    Ok(names)
}

/// Returns a connection that is made when it is first needed, and again whenever it broke: a server that is not there yet must not
/// end this process, because Squid gives up on helpers that end.
fn connection(address: &Address, timeout: Duration) -> anyhow::Result<Channel> {
    let uri = match address {
        Address::Tcp { .. } => format!("http://{address}"),
        Address::Unix(_) => address.to_string(),
    };
    let endpoint = Endpoint::from_shared(uri).with_context(|| format!("`{address}` is no address to ask"))?;
    let endpoint = endpoint.connect_timeout(timeout).tcp_nodelay(true);
    let endpoint = endpoint.http2_keep_alive_interval(KEEPALIVE_INTERVAL).keep_alive_timeout(timeout);
    Ok(endpoint.connect_lazy())
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// A line, without its end.
    Whole(Vec<u8>),
    /// The beginning of one that is too long.
    TooLong(Vec<u8>),
    /// A line that the end of the input cut off: what is missing could have made it another question.
    CutOff(Vec<u8>),
}

/// Reads lines until there are no more or nobody takes them. Keeps one at most, and of that no more than `bytes_max`.
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

/// Writes answers until there are no more; waits for none that could be written together with others.
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

/// Answers lines until there are no more and all are answered, or nobody reads the answers.
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
            // Nobody is left to tell where this fails.
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
    /// The last question was not answered, which the log says once.
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

/// Says why there is no answer. A status that comes from the server has no cause of its own here.
fn unanswered(address: &Address, status: &Status) -> String {
    let Some(mut root) = status.source() else { return format!("`{address}` answered {}", status.message()) };
    while let Some(cause) = root.source() {
        root = cause;
    }
    if root.is::<tonic::TimeoutExpired>() {
        return format!("`{address}` did not answer in time");
    }
    // The system's own texts begin with a capital.
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
    fn lines_are_bounded_whatever_the_pieces_in_which_they_come() {
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
    fn nothing_is_read_that_nobody_takes() {
        let mut taken = 0;
        read(&b"1\n2\n3\n"[..], 5, |_| {
            taken += 1;
            taken < 2
        });
        assert_eq!(taken, 2);
    }

    #[test]
    fn names_of_headers_are_names_and_stand_once() {
        let names = |names: &[&str]| header_names(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(names(&["X-A", "x_b"]), Ok(vec!["x-a".to_owned(), "x_b".to_owned()]));
        assert_eq!(names(&[]), Ok(vec![]));
        for wrong in [&[""][..], &["a b"], &["a:"], &["x-a", "X-A"], &["%"]] {
            assert!(names(wrong).is_err(), "{wrong:?}");
        }
    }
}
