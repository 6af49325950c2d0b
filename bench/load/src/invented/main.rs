//! `invented`: writes invented policies of any size, and requests about them as `pdp-load` sends them.
//!
//! Each request has its expected outcome beside it. The outcomes are worked out here from what the invented lists say,
//! by hand and not by the server, so that a server that answers fast and wrongly is found out. No list, company or
//! number here is real.

mod cerbos;
mod contract;
#[path = "../../../../benches/invented/files.rs"]
mod files;
mod payloads;
mod questions;
mod registry;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use payloads::Shape;
use questions::Question;

type Res<T> = Result<T, Box<dyn Error>>;

/// The questions are spread over the lists, so that there have to be some.
const ENTRIES_MIN: usize = 1_000;
/// Everything is in memory before it is written, some 300 bytes an entry.
const ENTRIES_MAX: usize = 5_000_000;

/// Codes of a caller's own, each in twenty requests: more than are kept near by chance.
const OWN_CODES: usize = 100;

#[derive(Parser)]
#[command(about = "Invented policies of any size, and requests about them")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes a policy directory, requests, and the totals of the year that they are about
    Neglist {
        /// Entries of the lists together
        #[arg(long, default_value_t = 10_000)]
        entries: usize,
        /// Year that the totals are for
        #[arg(long)]
        year: u16,
        /// Directory to write to: `policies/`, `*.hex`, `totals.csv`
        directory: PathBuf,
    },
    /// Writes twenty rules for Cerbos, and twenty questions to both
    Cerbos {
        /// Entries of the lists together, of the policies that `neglist` has
        #[arg(long, default_value_t = 10_000)]
        entries: usize,
        /// Directory to write to: `cerbos-policies/`, `*.hex`
        directory: PathBuf,
    },
}

fn main() -> Res<()> {
    match Args::parse().command {
        Command::Neglist { entries, year, directory } => neglist(entries, year, &directory),
        Command::Cerbos { entries, directory } => cerbos::write(check(entries)?, &directory),
    }
}

fn check(entries: usize) -> Res<usize> {
    if (ENTRIES_MIN..=ENTRIES_MAX).contains(&entries) {
        return Ok(entries);
    }
    Err(format!("--entries is {ENTRIES_MIN} to {ENTRIES_MAX}").into())
}

fn neglist(entries: usize, year: u16, directory: &Path) -> Res<()> {
    let flows = questions::flows(check(entries)?);
    let policies = directory.join("policies");
    fs::create_dir_all(&policies)?;
    for (index, text) in files::texts(entries, files::FEW).into_iter().enumerate() {
        fs::write(policies.join(format!("{index:03}.yaml")), text)?;
    }
    fs::write(policies.join("registry.yaml"), registry::text(&flows))?;

    let full: Vec<Question> = questions::full(entries);
    let shipped = [questions::shipped()];
    for (name, questions) in [("flow", flows.as_slice()), ("full", &full), ("shipped", &shipped)] {
        for shape in [Shape::Unary, Shape::Batch, Shape::Stream] {
            let of = |totals: &str| directory.join(format!("{name}-{totals}-{}.hex", shape.name()));
            fs::write(of("stated"), payloads::lines(questions, shape, Question::stated))?;
            fs::write(of("ledger"), payloads::lines(questions, shape, Question::unstated))?;
        }
    }
    let own = |round| payloads::lines(&full, Shape::Unary, |question| question.own(round));
    fs::write(directory.join("own-unary.hex"), (0..OWN_CODES).map(own).collect::<String>())?;
    fs::write(directory.join("refused-unary.hex"), payloads::lines(&full, Shape::Unary, Question::misspelt))?;
    fs::write(directory.join("totals.csv"), questions::totals(year, flows.iter().chain(&full)))?;
    Ok(())
}
