//! Questions as lines that `pdp-load` sends: the message in hex, and the expected content of its answer.

use std::fmt::Write as _;

use prost::Message as _;

use crate::contract::neglist::v1::{DecideBatchRequest, DecideRequest, DecideStreamRequest, Outcome, Transfer};
use crate::questions::Question;

/// Transfers of a batch.
pub const BATCH: usize = 100;

/// How questions are asked.
#[derive(Clone, Copy)]
pub enum Shape {
    Unary,
    Batch,
    Stream,
}

impl Shape {
    /// Returns its name in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::Batch => "batch",
            Self::Stream => "stream",
        }
    }
}

/// Returns a line for each request.
pub fn lines(questions: &[Question], shape: Shape, transfer: impl Fn(&Question) -> Transfer) -> String {
    let mut text = String::new();
    match shape {
        Shape::Unary => {
            for question in questions {
                let request = DecideRequest { transfer: Some(transfer(question)), detail: 0 };
                line(&mut text, &request.encode_to_vec(), &format!("1.2={}", number(question.outcome)));
            }
        }
        Shape::Batch => {
            let of_batch = || questions.iter().cycle().take(BATCH);
            let request = DecideBatchRequest { transfers: of_batch().map(transfer).collect(), detail: 0 };
            let outcomes: Vec<String> = of_batch().map(|question| number(question.outcome).to_string()).collect();
            line(&mut text, &request.encode_to_vec(), &format!("1.1.2={}", outcomes.join(",")));
        }
        Shape::Stream => {
            for (sequence, question) in (1..).zip(questions) {
                let request = DecideStreamRequest { sequence, transfer: Some(transfer(question)), detail: 0 };
                let expected = format!("1={sequence} 2.1.2={}", number(question.outcome));
                line(&mut text, &request.encode_to_vec(), &expected);
            }
        }
    }
    text
}

/// Appends a line.
pub fn line(text: &mut String, message: &[u8], expected: &str) {
    for byte in message {
        let _ = write!(text, "{byte:02x}");
    }
    let _ = writeln!(text, " {expected}");
}

fn number(outcome: Outcome) -> i32 {
    outcome.into()
}
