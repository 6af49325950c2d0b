//! Reads totals from the CSV file of a spreadsheet.
//!
//! A total that is read wrongly, or into a counter that no rule uses, would allow transfers that must not
//! pass. So nothing is guessed, and every unclear value is reported with its line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use super::cell;
use super::known::Known;
use super::values::{parse_year, quoted};
use crate::domain::counter::RESERVED_FAMILIES;
use crate::domain::names::{check_name, is_code};
use crate::domain::units::{CountedClass, Persons};
use crate::ledger::rows::ImportedTotal;
use crate::ledger::{Account, Counter};

/// Required columns.
const NEEDED: [&str; 5] = ["exporter", "year", "counter", "class", "persons"];
/// Further columns of an export, which are ignored: `persons` includes them.
const KNOWN: [&str; 3] = ["committed", "reserved", "imported"];
/// Most bytes of a file: some hundred thousand lines.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The reason why totals were not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// The file cannot be read.
    File(String),
    /// Lines are wrong; a message with place and fix for each.
    Lines(Vec<String>),
}

/// Reads a file. If `known` is given, it has to know the names in the file.
pub(super) fn read(path: &Path, known: Option<&Known<'_>>) -> Result<Vec<ImportedTotal>, Unread> {
    let name = path.display().to_string();
    let unread = |why: &dyn std::fmt::Display| Unread::File(format!("`{name}`: {why}"));
    let mut bytes = Vec::new();
    // One byte beyond the limit shows that the file is too large.
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| unread(&error.to_string().to_lowercase()))?;
    if FILE_BYTES_MAX < bytes.len() as u64 {
        return Err(unread(&format!("more than {FILE_BYTES_MAX} bytes: divide it, with an id for each part")));
    }
    parse(&name, &bytes, known)
}

fn parse(name: &str, bytes: &[u8], known: Option<&Known<'_>>) -> Result<Vec<ImportedTotal>, Unread> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        Unread::Lines(vec![format!("{name}:{line}: not UTF-8: save the spreadsheet as `CSV UTF-8`")])
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut csv = TotalsCsv { name, known, lines_of: BTreeMap::new(), totals: Vec::new(), wrong: Vec::new() };
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut columns: Option<Columns> = None;
    let mut record = StringRecord::new();
    // UTF-8 text in memory cannot fail to be read, and rows may have any length.
    while reader.read_record(&mut record).map_err(|error| Unread::File(format!("`{name}`: {error}")))? {
        let line = line_of(&record, text);
        match &columns {
            None => {
                let header = Columns::of(&record);
                columns = Some(header.map_err(|why| Unread::Lines(vec![format!("{name}:{line}: {why}")]))?);
            }
            // Spreadsheets leave rows of commas at the end.
            Some(_) if record.iter().all(|field| field.trim().is_empty()) => {}
            Some(columns) => csv.add(line, columns, &record),
        }
    }
    if !csv.wrong.is_empty() {
        return Err(Unread::Lines(csv.wrong));
    }
    if csv.totals.is_empty() {
        let help = format!("{name}:1: no totals: the first line is `{}`, each other line a counter", NEEDED.join(","));
        return Err(Unread::Lines(vec![help]));
    }
    Ok(csv.totals)
}

/// Returns the line on which a record begins, after the line ends before it.
fn line_of(record: &StringRecord, text: &str) -> u64 {
    let Some(position) = record.position() else { return 1 };
    let rest = usize::try_from(position.byte()).ok().and_then(|from| text.as_bytes().get(from..)).unwrap_or_default();
    let ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + ends.filter(|byte| **byte == b'\n').count() as u64
}

/// The position of each value in a line.
#[derive(Debug)]
struct Columns {
    needed: [usize; NEEDED.len()],
    count: usize,
}

impl Columns {
    fn of(header: &StringRecord) -> Result<Self, String> {
        let names: Vec<String> = header.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        let mut needed = [0; NEEDED.len()];
        for (place, name) in needed.iter_mut().zip(NEEDED) {
            let mut found = names.iter().enumerate().filter(|(_, it)| *it == name).map(|(index, _)| index);
            *place = found.next().ok_or_else(|| {
                format!("no column `{name}`: begin with the line `{}`, separated by commas", NEEDED.join(","))
            })?;
        }
        for (index, name) in names.iter().enumerate() {
            if !NEEDED.iter().chain(&KNOWN).any(|known| known == name) {
                return Err(format!("unknown column {}: remove it", quoted(name)));
            }
            if names.iter().take(index).any(|before| before == name) {
                return Err(format!("duplicate column `{name}`: remove one"));
            }
        }
        Ok(Self { needed, count: names.len() })
    }
}

/// The totals and errors so far.
struct TotalsCsv<'f> {
    name: &'f str,
    known: Option<&'f Known<'f>>,
    /// The line of each counter.
    lines_of: BTreeMap<(Account, Counter), u64>,
    totals: Vec<ImportedTotal>,
    wrong: Vec<String>,
}

impl TotalsCsv<'_> {
    fn add(&mut self, line: u64, columns: &Columns, record: &StringRecord) {
        if record.len() != columns.count {
            let (found, wanted) = (record.len(), columns.count);
            let why = format!(
                "{found} values under {wanted} columns: write numbers without commas, and put texts with commas in quotes"
            );
            self.wrong.push(format!("{}:{line}: {why}", self.name));
            return;
        }
        let [exporter, year, counter, class, persons] = columns.needed.map(|index| record.get(index).unwrap_or(""));
        let read = (
            self.checked(line, parse_exporter(exporter)),
            self.checked(line, parse_year(year.trim()).map_err(|help| format!("year {}: {help}", quoted(year)))),
            self.checked(line, parse_counter(counter)),
            self.checked(line, parse_class(class.trim())),
            self.checked(line, parse_persons(persons.trim())),
        );
        let (Some(exporter), Some(year), Some(name), Some(class), Some(persons)) = read else { return };
        let unknown = self.known.map(|known| known.unknown(&exporter, &name)).unwrap_or_default();
        if !unknown.is_empty() {
            self.wrong.extend(unknown.into_iter().map(|why| format!("{}:{line}: {why}", self.name)));
            return;
        }
        let key = (Account { exporter, year }, Counter { name, class });
        if let Some(first) = self.lines_of.get(&key) {
            self.wrong.push(format!(
                "{}:{line}: {} of {} is on line {first} already: add the two numbers",
                self.name,
                quoted(&key.1.in_year(year)),
                quoted(&key.0.exporter)
            ));
            return;
        }
        self.lines_of.insert(key.clone(), line);
        let (account, counter) = key;
        self.totals.push(ImportedTotal { account, counter, persons });
    }

    fn checked<T>(&mut self, line: u64, read: Result<T, String>) -> Option<T> {
        read.map_err(|why| self.wrong.push(format!("{}:{line}: {why}", self.name))).ok()
    }
}

fn parse_exporter(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("no exporter: write the name that requests use".to_owned());
    }
    cell::read(text).map(str::to_owned).map_err(|why| format!("exporter {}: {why}", quoted(text)))
}

/// Reads the name of a counter. A counter that no rule uses would have no effect.
fn parse_counter(text: &str) -> Result<String, String> {
    let text = cell::unmarked(text.trim_ascii());
    let is_known = match text.split_once('/') {
        None => text == "national",
        Some(("clearance", id)) => {
            check_name(id).map_err(|fault| format!("counter {}: the id of the clearance: {fault}", quoted(text)))?;
            true
        }
        Some((family, rest)) => {
            let codes = rest.split_once('/').map(|(sector, scenario)| [family, sector, scenario]);
            !RESERVED_FAMILIES.contains(&family) && codes.is_some_and(|codes| codes.into_iter().all(is_code))
        }
    };
    if is_known {
        return Ok(text.to_owned());
    }
    Err(format!("unknown counter {}: write `national`, `FAMILY/SECTOR/SCENARIO` or `clearance/ID`", quoted(text)))
}

fn parse_class(text: &str) -> Result<CountedClass, String> {
    let class = CountedClass::ALL.into_iter().find(|class| class.name() == text);
    class.ok_or_else(|| format!("unknown class {}: write `general` or `sensitive`", quoted(text)))
}

fn parse_persons(text: &str) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let persons = if digits { text.parse().ok().and_then(Persons::new) } else { None };
    persons.map(Persons::get).ok_or_else(|| {
        format!("persons {}: write only digits, from 0 to {}, such as 100000", quoted(text), Persons::MAX.get())
    })
}
