//! Writes counters, transfers and discrepancies for people, spreadsheets and programs.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::cell::written;
use super::values::shown;
use crate::cli::stop::Stop;
use crate::domain::names::check_name;
use crate::domain::units::Moment;
use crate::ledger::rows::{CounterRow, Discrepancy, ImportedTotal, TransferRow};
use crate::report;

/// Writes counters as a table for people.
pub(super) fn text(counters: &[CounterRow], out: &mut dyn Write) -> io::Result<()> {
    if counters.is_empty() {
        return writeln!(out, "no counters");
    }
    let header = ["exporter", "year", "counter", "class", "committed", "reserved", "imported"].map(str::to_owned);
    let rows = counters.iter().map(|CounterRow { account, counter, usage, imported }| {
        [
            shown(&account.exporter),
            account.year.to_string(),
            shown(&counter.name),
            counter.class.name().to_owned(),
            usage.committed.to_string(),
            usage.reserved.to_string(),
            imported.to_string(),
        ]
    });
    table::<7, 3>(std::iter::once(header).chain(rows).collect(), out)
}

/// Writes the totals of an import as a table for people.
pub(super) fn totals(totals: &[ImportedTotal], out: &mut dyn Write) -> io::Result<()> {
    let header = ["exporter", "year", "counter", "class", "persons"].map(str::to_owned);
    let rows = totals.iter().map(|ImportedTotal { account, counter, persons }| {
        [
            shown(&account.exporter),
            account.year.to_string(),
            shown(&counter.name),
            counter.class.name().to_owned(),
            persons.to_string(),
        ]
    });
    table::<5, 1>(std::iter::once(header).chain(rows).collect(), out)
}

/// Writes rows in aligned columns; the last `NUMBERS` columns are numbers.
fn table<const COLUMNS: usize, const NUMBERS: usize>(
    rows: Vec<[String; COLUMNS]>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let cells = row.iter().zip(widths).enumerate().map(|(index, (cell, width))| {
            if index + NUMBERS < COLUMNS { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  "))?;
    }
    Ok(())
}

/// Writes counters as JSON: `counters`.
pub(super) fn json(counters: &[CounterRow], out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<Value> = counters
        .iter()
        .map(|CounterRow { account, counter, usage, imported }| {
            json!({
                "exporter": account.exporter,
                "year": account.year.0,
                "counter": counter.name,
                "class": counter.class.name(),
                "persons": usage.total(),
                "committed": usage.committed,
                "reserved": usage.reserved,
                "imported": imported,
            })
        })
        .collect();
    report::json::write(&json!({ "counters": rows }), out)
}

/// Writes counters as CSV that can be imported. `persons` includes reservations: an import counts them
/// permanently, which is the stricter of their two possible ends.
pub(super) fn csv(counters: &[CounterRow], out: &mut dyn Write) -> Result<(), Stop> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["exporter", "year", "counter", "class", "persons", "committed", "reserved", "imported"])?;
    for CounterRow { account, counter, usage, imported } in counters {
        let numbers = [usage.total(), usage.committed, usage.reserved, *imported].map(|number| number.to_string());
        let year = account.year.to_string();
        let (exporter, name) = (written(&account.exporter), written(&counter.name));
        let names = [&*exporter, &year, &name, counter.class.name()];
        csv.write_record(names.into_iter().chain(numbers.iter().map(String::as_str)))?;
    }
    Ok(csv.flush()?)
}

/// Transfers as CSV, one line for each counter of a transfer.
pub(super) struct TransferCsv<'o>(csv::Writer<&'o mut dyn Write>);

impl<'o> TransferCsv<'o> {
    pub(super) fn begin(out: &'o mut dyn Write) -> Result<Self, Stop> {
        let mut csv = csv::Writer::from_writer(out);
        let header = ["transfer_id", "exporter", "year", "state", "at", "counter", "class", "before", "added"];
        csv.write_record(header)?;
        Ok(Self(csv))
    }

    pub(super) fn add(&mut self, row: TransferRow) -> Result<(), Stop> {
        let TransferRow { transfer_id, account, state, at, changes } = row;
        let (year, at) = (account.year.to_string(), moment(at));
        let (transfer_id, exporter) = (written(&transfer_id), written(&account.exporter));
        let of_transfer = [&*transfer_id, &exporter, &year, state.name(), &at];
        if changes.is_empty() {
            self.0.write_record(of_transfer.into_iter().chain([""; 4]))?;
        }
        for change in changes {
            let (before, added) = (change.before.to_string(), change.added.to_string());
            let name = written(&change.counter.name);
            let of_counter = [&*name, change.counter.class.name(), &before, &added];
            self.0.write_record(of_transfer.into_iter().chain(of_counter))?;
        }
        Ok(())
    }

    pub(super) fn end(mut self) -> Result<(), Stop> {
        Ok(self.0.flush()?)
    }
}

/// Transfers as JSON: `transfers`, one on each line, so that a list of any length can be written.
pub(super) struct TransferJson<'o> {
    out: &'o mut dyn Write,
    separator: &'static str,
}

impl<'o> TransferJson<'o> {
    pub(super) fn begin(out: &'o mut dyn Write) -> Result<Self, Stop> {
        write!(out, "{{\"transfers\": [")?;
        Ok(Self { out, separator: "" })
    }

    pub(super) fn add(&mut self, row: TransferRow) -> Result<(), Stop> {
        let TransferRow { transfer_id, account, state, at, changes } = row;
        let changes: Vec<Value> = changes
            .into_iter()
            .map(|change| {
                json!({
                    "counter": change.counter.name,
                    "class": change.counter.class.name(),
                    "before": change.before,
                    "added": change.added,
                })
            })
            .collect();
        let row = json!({
            "transferId": transfer_id,
            "exporter": account.exporter,
            "year": account.year.0,
            "state": state.name(),
            "at": moment(at),
            "changes": changes,
        });
        write!(self.out, "{}\n{row}", self.separator)?;
        self.separator = ",";
        Ok(())
    }

    pub(super) fn end(self) -> Result<(), Stop> {
        Ok(writeln!(self.out, "\n]}}")?)
    }
}

/// Returns a moment as text in UTC; a moment outside every calendar as its seconds.
fn moment(moment: Moment) -> String {
    let nanos = i32::try_from(moment.nanos()).unwrap_or_default();
    let timestamp = jiff::Timestamp::new(moment.seconds(), nanos);
    timestamp.map_or_else(|_| moment.seconds().to_string(), |timestamp| timestamp.to_string())
}

/// Writes the discrepancies of a verification.
pub(super) fn discrepancies(discrepancies: &[Discrepancy], out: &mut dyn Write) -> io::Result<()> {
    for discrepancy in discrepancies {
        writeln!(out, "{}", shown(&discrepancy.to_string()))?;
    }
    if discrepancies.is_empty() {
        return writeln!(out, "the totals agree with the transfers and imports");
    }
    let count = match discrepancies.len() {
        1 => "1 discrepancy".to_owned(),
        count => format!("{count} discrepancies"),
    };
    writeln!(out, "{count}: keep a copy, and restore a backup that agrees")
}

/// Writes a note for each name in a ledger that is older than the rule for names. Such names still count.
pub(super) fn unlike_names(counters: &[CounterRow], out: &mut dyn Write) -> io::Result<()> {
    let mut faults = BTreeMap::new();
    for row in counters {
        if let Err(fault) = check_name(&row.account.exporter) {
            faults.insert(&row.account.exporter, fault);
        }
    }
    for (exporter, fault) in &faults {
        writeln!(out, "note: the exporter `{}` breaks the rule for names: {fault}", shown(exporter))?;
    }
    if !faults.is_empty() {
        writeln!(
            out,
            "note: nothing more can be added to {}; to count these persons under the right name, export the ledger, keep only these lines, correct the name and import them",
            if faults.len() == 1 { "it" } else { "them" }
        )?;
    }
    Ok(())
}
