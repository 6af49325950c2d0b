//! `neglist decide`: one transfer, without a server.
//!
//! Takes the same steps as a server without a ledger. A request that such a server would refuse is refused
//! here, with the same text.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;

use super::console::{Console, Exit};
use super::policies::{self, Settings, parse_day};
use crate::domain::asked::{Problem, Violation};
use crate::domain::clock::Clock;
use crate::domain::path::Field;
use crate::domain::snapshot::Snapshot;
use crate::domain::units::Moment;
use crate::live::Live;
use crate::policy::time;
use crate::service::{DecideSettings, DecisionApi};
use crate::wire::generated::v1;
use crate::wire::json::message;
use crate::wire::refusal::{Issue, Refusal, Unavailable, issue};

/// Decide one transfer, in the JSON of the contract, without a server.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The policy directory [default: `NEGLIST_POLICIES`, else ./policies].
    #[arg(long, value_name = "DIR")]
    policies: Option<String>,
    /// Print texts, citations, head-room and next step too.
    #[arg(long)]
    full: bool,
    /// Decide for this moment instead of now: a day (12:00 in Shanghai), or 2026-06-01T00:00:00+08:00.
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment)]
    at: Option<Moment>,
    /// A file with a `Transfer` or a `DecideRequest` as JSON, or `-` for stdin.
    #[arg(value_name = "FILE")]
    file: String,
}

/// Runs the command. Reads `input` if the file is `-`.
///
/// # Errors
/// If the output cannot be written.
pub fn run(arguments: &Arguments, input: &mut dyn io::Read, console: &mut Console<'_>) -> io::Result<Exit> {
    let settings = match Settings::load(arguments.policies.as_deref(), console)? {
        Ok(settings) => settings,
        Err(exit) => return Ok(exit),
    };
    let request = match request(arguments, settings.request_bytes_max(), input) {
        Ok(request) => request,
        Err(message) => {
            let place = if arguments.file == "-" { "stdin" } else { &arguments.file };
            for line in message.lines() {
                writeln!(console.err, "error: {place}: {line}")?;
            }
            return Ok(Exit::Usage);
        }
    };
    let mut inspected = settings.inspect_policies();
    let Some(snapshot) = inspected.snapshot.take() else {
        inspected.keep_errors();
        return policies::refuse(&settings.directory, &inspected, console);
    };
    decide(snapshot, &request, arguments.at, console)
}

fn decide(
    snapshot: Snapshot,
    request: &v1::DecideRequest,
    at: Option<Moment>,
    console: &mut Console<'_>,
) -> io::Result<Exit> {
    let clock = Fixed(at.unwrap_or_else(|| console.clock.now()));
    let api = DecisionApi::new(Arc::new(Live::new(snapshot)), Arc::new(clock), DecideSettings::default(), None);
    match api.decide_now(request) {
        Ok(response) => {
            let written = message::to_json(&response, "neglist.v1.DecideResponse").map_err(io::Error::other)?;
            writeln!(console.out, "{written}")?;
            Ok(Exit::Success)
        }
        Err(refusal) => {
            for issue in issues(&refusal) {
                writeln!(console.err, "error: {issue}")?;
            }
            Ok(Exit::Failed)
        }
    }
}

/// Returns all issues of a refusal: no status bounds them here.
fn issues(refusal: &Refusal) -> Vec<Issue> {
    match refusal {
        Refusal::Invalid(violations) => violations.iter().map(issue).collect(),
        // The moment of the command line is the clock.
        Refusal::Unavailable(Unavailable::Clock(clocking), _) => {
            vec![issue(&Violation::new(Field::At, Problem::Clock(*clocking)))]
        }
        refusal => refusal.issues(),
    }
}

/// Reads the request, or returns its violations, one for each line.
fn request(arguments: &Arguments, bytes_max: usize, input: &mut dyn io::Read) -> Result<v1::DecideRequest, String> {
    let text = text(&arguments.file, bytes_max, input)?;
    let mut request = message::decide_request_from_json(&text).map_err(|error| error.to_string())?;
    if arguments.full {
        request.detail = v1::Detail::Full.into();
    }
    let names_moment = request.transfer.as_ref().is_some_and(|transfer| transfer.at.is_some());
    if names_moment && arguments.at.is_some() {
        return Err(
            "at: the transfer states a moment itself: leave out `--at`, or remove the moment from the transfer"
                .to_owned(),
        );
    }
    Ok(request)
}

fn text(file: &str, bytes_max: usize, input: &mut dyn io::Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    // One byte beyond the limit shows that the input is too large.
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let read = if file == "-" {
        input.take(limit).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|error| error.to_string().to_lowercase())?;
    if bytes_max < bytes.len() {
        return Err(format!("more than {bytes_max} bytes, which is the limit of a request"));
    }
    String::from_utf8(bytes).map_err(|error| format!("not UTF-8 from byte {} on", error.utf8_error().valid_up_to()))
}

fn parse_moment(text: &str) -> Result<Moment, String> {
    let moment = if text.len() == 10 {
        time::moment(parse_day(text)?, 12)
    } else {
        text.parse::<Timestamp>().ok().and_then(|timestamp| {
            let nanos = u32::try_from(timestamp.subsec_nanosecond()).ok()?;
            Moment::new(timestamp.as_second(), nanos)
        })
    };
    moment.ok_or_else(|| "write a day such as 2026-06-01, or a moment such as 2026-06-01T00:00:00+08:00".to_owned())
}

/// A clock with a fixed time.
#[derive(Debug)]
struct Fixed(Moment);

impl Clock for Fixed {
    fn now(&self) -> Moment {
        self.0
    }
}
