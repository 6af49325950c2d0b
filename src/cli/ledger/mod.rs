//! `neglist ledger`: commands that show, export, import, verify and remove the year's totals.
//!
//! A running server has exclusive use of a ledger in a file; a ledger in a database can be used at any
//! time. These commands never print a pseudonym.

mod cell;
mod forget;
mod known;
mod totals_csv;
mod values;
mod write;

use std::io;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use self::forget::Forget;
use self::known::Known;
use self::values::{counters, parse_import_id, parse_year};
use super::console::{Console, Exit, Format};
use super::ledger_access::{Access, ConfiguredLedger, OpenLedger};
use super::policies;
use super::stop::Stop;
use crate::domain::names::check_name;
use crate::domain::snapshot::Snapshot;
use crate::domain::units::Year;
use crate::ledger::rows::CounterRow;

/// Show, export, import, verify and forget the year's totals.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The ledger: a file, or `postgres://user@host:5432/database` [default: `NEGLIST_LEDGER`, else ./neglist.ledger].
    #[arg(long, value_name = "PATH|URL", global = true)]
    ledger: Option<String>,
    /// The configuration file of the server [default: `NEGLIST_CONFIG`].
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(Show),
    Export(Export),
    Import(Import),
    Verify(Verify),
    Forget(Forget),
    Accept(Accept),
    GiveUpKey(GiveUpKey),
}

/// Show the counters: persons of committed transfers, of pending reservations and of imports.
#[derive(Debug, Args)]
struct Show {
    /// Only counters of this exporter.
    #[arg(long, value_name = "ID")]
    exporter: Option<String>,
    /// Only counters of this year.
    #[arg(long, value_name = "YEAR", value_parser = parse_year)]
    year: Option<Year>,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Write all counters in a format that `import` reads. Pseudonyms stay in the ledger.
#[derive(Debug, Args)]
struct Export {
    /// Write the transfers instead, one line for each counter of a transfer.
    #[arg(long)]
    transfers: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: TableFormat,
}

/// Output format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum TableFormat {
    /// For spreadsheets.
    #[default]
    Csv,
    /// For programs.
    Json,
}

/// Add totals that were counted elsewhere. If a line is wrong, nothing is added.
///
/// The file is CSV with a header and the columns exporter, year, counter, class (general or
/// sensitive) and persons. Counters are `national`, `FAMILY/SECTOR/SCENARIO` and
/// `clearance/ID`. The same file with the same id adds nothing again. A missing ledger is created
/// only with `--create`, so that a slip in its name is noticed.
#[derive(Debug, Args)]
struct Import {
    /// The file.
    #[arg(value_name = "FILE", required_unless_present = "withdraw")]
    file: Option<PathBuf>,
    /// Id of the import, so that it counts once and can be withdrawn.
    #[arg(long, value_name = "IMPORT_ID", value_parser = parse_import_id)]
    id: String,
    /// Check the file and show the totals to add, but do not change the ledger.
    #[arg(long, conflicts_with = "withdraw")]
    dry_run: bool,
    /// Create the ledger if it does not exist: a new file, or the tables in a database.
    #[arg(long, conflicts_with_all = ["withdraw", "dry_run"])]
    create: bool,
    /// Refuse exporters, clearances and scenarios that are not in these policies.
    #[arg(long, value_name = "DIR", conflicts_with = "withdraw")]
    policies: Option<String>,
    /// Withdraw the totals of the import with this id.
    #[arg(long, conflicts_with = "file")]
    withdraw: bool,
}

/// Count everything again and compare. Exit code 1 if something in the ledger does not agree.
#[derive(Debug, Args)]
struct Verify {}

/// Accept a ledger that is older than its witness, different, or missing: the last resort after a restore that lacks counts.
///
/// A server refuses a ledger in a file that is behind its witness. This command accepts the file as it is and gives it a new
/// identity, so that the lost ledger is refused if it comes back. If there is no file, the command removes the witness. A
/// server with a witness refuses a ledger in a database that is behind it; for such a ledger the command removes the witness.
/// Stop the server first.
#[derive(Debug, Args)]
struct Accept {
    /// Confirm that totals may be too low from now on, so that more may be allowed than the law permits.
    #[arg(long, required = true)]
    counts_may_be_missing: bool,
}

/// Give up the subject key of a ledger: the last resort if the key is lost.
///
/// A server refuses a ledger that counts under another subject key. After this command the next server that starts binds the
/// ledger to the key that it finds, or makes a new one. Persons who were counted by identifier are then counted again, each
/// once under the new key, until the year ends: totals become too high, never too low. Stop all servers first.
#[derive(Debug, Args)]
struct GiveUpKey {
    /// Confirm that persons who were counted by identifier this year are counted again.
    #[arg(long, required = true)]
    persons_are_counted_again: bool,
}

/// Runs the command.
///
/// # Errors
/// If the output cannot be written.
pub fn run(arguments: &Arguments, console: &mut Console<'_>) -> io::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run_command(arguments, console)).or_else(|stop| stop.tell(console))
}

async fn run_command(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, Stop> {
    let configured =
        || ConfiguredLedger::find(arguments.ledger.as_deref(), arguments.config.as_ref(), &console.environment);
    match &arguments.command {
        Command::Show(show) => {
            let ledger = configured()?.open(Access::Read).await?;
            let mut counters = ledger.counters().await?;
            counters.retain(|row| show.keeps(row));
            if let Some(exporter) = show.exporter.as_deref().filter(|_| counters.is_empty()) {
                // A name that breaks the rule for names has counters only if it is older than the rule.
                check_name(exporter).map_err(|fault| Stop::Usage(format!("error: --exporter: not a name: {fault}")))?;
            }
            match show.format {
                Format::Text => write::text(&counters, console.out)?,
                Format::Json => write::json(&counters, console.out)?,
            }
            Ok(Exit::Success)
        }
        Command::Export(export) => {
            let ledger = configured()?.open(Access::Read).await?;
            export.run(&ledger, console).await?;
            Ok(Exit::Success)
        }
        Command::Import(import) => import.run(&configured()?, console).await,
        Command::Forget(forget) => forget.run(&configured()?, console).await,
        Command::Accept(Accept { counts_may_be_missing: _ }) => {
            writeln!(console.out, "{}", configured()?.accept()?)?;
            Ok(Exit::Success)
        }
        Command::GiveUpKey(GiveUpKey { persons_are_counted_again: _ }) => {
            let text = match configured()?.open(Access::Change).await?.give_up_key().await? {
                Some(key) => format!("the ledger no longer counts under the subject key {key}"),
                None => "the ledger has no subject key: nothing changed".to_owned(),
            };
            writeln!(console.out, "{text}")?;
            Ok(Exit::Success)
        }
        Command::Verify(Verify {}) => {
            let ledger = configured()?.open(Access::Read).await?;
            let discrepancies = ledger.verify().await?;
            write::discrepancies(&discrepancies, console.out)?;
            write::unlike_names(&ledger.counters().await?, console.out)?;
            Ok(if discrepancies.is_empty() { Exit::Success } else { Exit::Failed })
        }
    }
}

impl Show {
    fn keeps(&self, row: &CounterRow) -> bool {
        self.exporter.as_ref().is_none_or(|exporter| *exporter == row.account.exporter)
            && self.year.is_none_or(|year| year == row.account.year)
    }
}

impl Export {
    async fn run(&self, ledger: &OpenLedger, console: &mut Console<'_>) -> Result<(), Stop> {
        match (self.transfers, self.format) {
            (false, TableFormat::Csv) => write::csv(&ledger.counters().await?, console.out)?,
            (false, TableFormat::Json) => write::json(&ledger.counters().await?, console.out)?,
            (true, TableFormat::Csv) => {
                let mut csv = write::TransferCsv::begin(console.out)?;
                ledger.each_transfer(|row| csv.add(row)).await?;
                csv.end()?;
            }
            (true, TableFormat::Json) => {
                let mut json = write::TransferJson::begin(console.out)?;
                ledger.each_transfer(|row| json.add(row)).await?;
                json.end()?;
            }
        }
        Ok(())
    }
}

impl Import {
    async fn run(&self, configured: &ConfiguredLedger, console: &mut Console<'_>) -> Result<Exit, Stop> {
        let id = &self.id;
        let Some(file) = &self.file else {
            let ledger = configured.open(Access::Change).await?;
            let count = ledger.withdraw(id).await?;
            writeln!(console.out, "import `{id}` was withdrawn from {}", counters(count))?;
            return Ok(Exit::Success);
        };
        let snapshot = match self.snapshot(console)? {
            Ok(snapshot) => snapshot,
            Err(exit) => return Ok(exit),
        };
        let known = snapshot.as_ref().map(Known::new);
        let totals = match totals_csv::read(file, known.as_ref()) {
            Ok(totals) => totals,
            Err(totals_csv::Unread::File(message)) => return Err(Stop::Usage(format!("error: {message}"))),
            Err(totals_csv::Unread::Lines(lines)) => {
                for line in &lines {
                    writeln!(console.err, "error: {line}")?;
                }
                writeln!(console.err, "nothing was imported")?;
                return Ok(Exit::Failed);
            }
        };
        let count = totals.len() as u64;
        if self.dry_run {
            write::totals(&totals, console.out)?;
            writeln!(console.out, "the file is valid; it would add to {}", counters(count))?;
            return Ok(Exit::Success);
        }
        let access = if self.create { Access::Create } else { Access::Change };
        let ledger = configured.open(access).await?;
        let text = match ledger.import(id, totals).await? {
            0 => format!("import `{id}` is in the ledger already, with the same totals: nothing changed"),
            count => format!("import `{id}` added to {}", counters(count)),
        };
        writeln!(console.out, "{text}")?;
        Ok(Exit::Success)
    }
}

impl Import {
    /// Returns the policies that have to know the names, if they were given. Writes to the console why they
    /// cannot be used.
    fn snapshot(&self, console: &mut Console<'_>) -> io::Result<Result<Option<Snapshot>, Exit>> {
        let Some(directory) = &self.policies else { return Ok(Ok(None)) };
        Ok(policies::snapshot(Some(directory), console)?.map(Some))
    }
}
