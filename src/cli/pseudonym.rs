//! `neglist pseudonym`: the pseudonyms that a server makes of identifiers.

use std::io::{self, BufRead};
use std::path::PathBuf;

use clap::Args;

use super::console::{Console, Exit};
use super::stop::Stop;
use crate::domain::names::check_name;
use crate::domain::persons::{Identifier, IdentifierFault, Kind, Normalise, PseudonymSpace, Step};
use crate::domain::units::Year;
use crate::ledger::key_file;

/// The argument that selects the lines of stdin.
const STDIN: &str = "-";
/// The mark of UTF-8 at the beginning of a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Print the pseudonyms that a server makes of identifiers, for callers who make their own.
///
/// One line for each identifier, in its order: 32 hexadecimal digits, the 16 bytes of a `general_subjects` or
/// `sensitive_subjects` entry. Prefer stdin, one identifier on a line: arguments can be seen by other users of the machine, in
/// the list of its processes, and in the history of the shell.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file of the subject key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Calendar year in Asia/Shanghai: pseudonyms change every year.
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(u16).range(1..=9_999))]
    year: u16,
    /// The exporter, as transfers name it.
    #[arg(long, value_name = "EXPORTER")]
    exporter: String,
    /// Kind of the identifiers, such as `customer`.
    #[arg(long, value_name = "KIND")]
    kind: String,
    /// Normalisation of the identifiers: of `trim`, `lowercase`, `nfc`, `digits`, with commas between.
    #[arg(long, value_name = "STEPS", value_delimiter = ',', value_parser = parse_step)]
    normalise: Vec<Step>,
    /// The identifiers; `-` or none for the lines of stdin.
    #[arg(value_name = "ID")]
    identifiers: Vec<String>,
}

fn parse_step(word: &str) -> Result<Step, String> {
    let words = Step::ALL.map(|step| format!("`{}`", step.name())).join(", ");
    Step::parse(word).ok_or_else(|| format!("not one of {words}"))
}

/// Runs the command.
///
/// # Errors
/// The output cannot be written.
pub fn run(arguments: &Arguments, input: &mut dyn BufRead, console: &mut Console<'_>) -> io::Result<Exit> {
    write(arguments, input, console).or_else(|stop| stop.tell(console))
}

fn write(arguments: &Arguments, input: &mut dyn BufRead, console: &mut Console<'_>) -> Result<Exit, Stop> {
    let Arguments { key, year, exporter, kind, normalise, identifiers } = arguments;
    let usage = |flag: &str, fault| Stop::Usage(format!("error: {flag}: not a name: {fault}"));
    check_name(exporter).map_err(|fault| usage("--exporter", fault))?;
    let kind = Kind::parse(kind).map_err(|fault| usage("--kind", fault))?;
    let found = key_file::read(key).map_err(|error| Stop::Refused(error.to_string(), None))?;
    let key = found.ok_or_else(|| {
        let help = "a server makes it at its first start, beside its ledger or at the place of `subject_key`";
        Stop::Refused(format!("there is no subject key at `{}`", key.display()), Some(help.to_owned()))
    })?;
    let space = PseudonymSpace::new(&key, Year(*year), exporter, &kind);
    let normalise: Normalise = normalise.iter().copied().collect();
    let mut write = |number: usize, text: &str| -> Result<(), Stop> {
        let identifier = Identifier::new(text, normalise).map_err(|fault| refused(number, fault))?;
        Ok(writeln!(console.out, "{}", space.pseudonym(&identifier))?)
    };
    let is_stdin = identifiers.is_empty() || identifiers.iter().eq([STDIN]);
    if is_stdin {
        for (index, line) in input.lines().enumerate() {
            let line = line.map_err(|error| match error.kind() {
                io::ErrorKind::InvalidData => Stop::Refused(format!("identifier {}: not UTF-8", index + 1), None),
                _ => Stop::Output(error),
            })?;
            // Editors write the mark before the first line, and it is no part of an identifier.
            let unmarked = line.strip_prefix(BYTE_ORDER_MARK).filter(|_| index == 0);
            write(index + 1, unmarked.unwrap_or(&line))?;
        }
    } else {
        for (index, text) in identifiers.iter().enumerate() {
            write(index + 1, text)?;
        }
    }
    Ok(Exit::Success)
}

/// The refusal of an identifier, by its number from 1 and without its text.
fn refused(number: usize, fault: IdentifierFault) -> Stop {
    let why = match fault {
        IdentifierFault::Empty => "nothing is left of it".to_owned(),
        IdentifierFault::TooLong { bytes } => format!("{bytes} bytes are too many"),
        IdentifierFault::OtherDigit => "a digit of another script is in it".to_owned(),
    };
    Stop::Refused(format!("identifier {number}: {why}"), None)
}
