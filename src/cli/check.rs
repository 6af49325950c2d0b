//! `neglist check`: every diagnostic of a policy directory.

use std::io;

use clap::Args;
use jiff::civil::Date;

use super::console::{Console, Exit, Format};
use super::ledger_access::ConfiguredLedger;
use super::policies::{self, Inspected, Settings, parse_day};
use super::stop::Stop;
use crate::domain::counter::{Counted, CounterKey};
use crate::domain::snapshot::Snapshot;
use crate::domain::units::Year;
use crate::ledger::rows::CounterRow;
use crate::policy::diagnostic::sort;
use crate::policy::lint::{self, Horizon, caps};
use crate::policy::{Severity, source, time};
use crate::report::json;

/// Report every fault of a policy directory, and dates that end soon. Exit code 1 on errors.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The policy directory [default: `NEGLIST_POLICIES`, else ./policies].
    #[arg(value_name = "DIR")]
    directory: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Treat warnings as errors, but not notes.
    #[arg(long)]
    deny_warnings: bool,
    /// Check for this day instead of today (Asia/Shanghai).
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_day)]
    at: Option<Date>,
    /// Report editions and clearances that end within this many days.
    #[arg(long, value_name = "N", default_value_t = 60)]
    expires_within_days: u16,
    /// Read the year's totals too, and warn about nearly used caps of clearances: a file that no server has open,
    /// `postgres://…`, or `none`. The ledger is not changed. `NEGLIST_LEDGER` has no effect here.
    #[arg(long, value_name = "PATH|URL|none", default_value = NO_LEDGER)]
    ledger: String,
    /// Print the JSON Schema of the policy files, for editors, and exit.
    #[arg(long)]
    schema: bool,
}

/// The value of `--ledger` that reads no totals.
const NO_LEDGER: &str = "none";

/// Runs the command.
///
/// # Errors
/// If the output cannot be written.
pub fn run(arguments: &Arguments, console: &mut Console<'_>) -> io::Result<Exit> {
    if arguments.schema {
        json::write(&source::schema(), console.out)?;
        return Ok(Exit::Success);
    }
    let settings = match Settings::load(arguments.directory.as_deref(), console)? {
        Ok(settings) => settings,
        Err(exit) => return Ok(exit),
    };
    let mut inspected = settings.inspect(&settings.directory);
    let day = arguments.at.unwrap_or_else(|| policies::today(console));
    let horizon = Horizon { day, expires_within_days: arguments.expires_within_days };
    lint::find(&inspected.policies, inspected.snapshot.as_ref(), horizon, &mut inspected.diagnostics);
    let looked = look_at_totals(&arguments.ledger, day, &mut inspected, console);
    sort(&mut inspected.diagnostics);
    let checked = inspected.checked();
    policies::report(&checked, arguments.format, console.out_colour, console.out)?;
    let warnings = if arguments.deny_warnings { checked.count(Severity::Warning) } else { 0 };
    let is_fine = checked.count(Severity::Error) + warnings == 0;
    match looked {
        // The diagnostics are still reported, but the command fails, because the totals could not be checked.
        Err(stop) => stop.tell(console),
        Ok(()) => Ok(if is_fine { Exit::Success } else { Exit::Failed }),
    }
}

/// Adds the diagnostics of the year's totals; none if no ledger is named, or the policies have errors.
fn look_at_totals(ledger: &str, day: Date, inspected: &mut Inspected, console: &Console<'_>) -> Result<(), Stop> {
    let Some(snapshot) = inspected.snapshot.as_ref().filter(|_| ledger != NO_LEDGER) else { return Ok(()) };
    let configured = ConfiguredLedger::find(Some(ledger), None, &console.environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let counters = runtime.block_on(configured.counters())?;
    let Some(at) = time::moment(day, 12) else { return Ok(()) };
    let Some((year, _)) = snapshot.calendar.year(at) else { return Ok(()) };
    let totals = totals(snapshot, year, &counters);
    let counted = caps::Counted { at, year, totals: &totals };
    caps::find(&inspected.policies, snapshot, &counted, &mut inspected.diagnostics);
    Ok(())
}

/// Returns the totals of a year for the counters that the policies know; for a clearance, only those of its exporter.
fn totals(snapshot: &Snapshot, year: Year, counters: &[CounterRow]) -> Vec<(CounterKey, u64)> {
    let total = |row: &CounterRow| {
        let counted = Counted::parse(snapshot, &row.counter.name)?;
        if let Counted::Clearance(id) = counted {
            let exporter = snapshot.codes.exporters.get(&row.account.exporter)?;
            snapshot.clearance(id).filter(|clearance| clearance.exporter.0 == exporter)?;
        }
        Some((CounterKey { counted, class: row.counter.class }, row.usage.total()))
    };
    counters.iter().filter(|row| row.account.year == year).filter_map(total).collect()
}
