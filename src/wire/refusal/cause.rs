//! The causes of refusals, apart from violations and labels.

use prost::DecodeError;

use crate::domain::clock::Clocking;

/// The part of a gateway's question that a door cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The request.
    Request,
    /// Its labels.
    Labels,
}

/// Why a message is not protobuf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Names of the fields from the outermost message to the one that is malformed.
    pub(super) fields: Vec<String>,
    /// The problem, in the words of the decoder.
    pub(super) problem: String,
}

impl Malformed {
    /// Returns the reason for an error of the decoder.
    pub fn new(error: &DecodeError) -> Self {
        let text = error.to_string();
        let text = text.strip_prefix("failed to decode Protobuf message: ").unwrap_or(&text);
        // prost lists `Message.field: ` from the innermost message to the outermost, before the problem.
        let mut fields = Vec::new();
        let mut problem = text;
        while let Some((step, rest)) = problem.split_once(": ") {
            let Some((_, field)) = step.split_once('.').filter(|_| !step.contains(' ')) else { break };
            fields.insert(0, field.to_owned());
            problem = rest;
        }
        Self { fields, problem: problem.to_owned() }
    }

    /// Returns the same reason in a message that has the malformed one in this field.
    #[must_use]
    pub fn within(mut self, field: &str) -> Self {
        self.fields.insert(0, field.to_owned());
        self
    }
}

/// Why the ledger does not carry a call out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncounted {
    /// The transfer id was used for another transfer.
    OtherTransfer,
    /// No transfer has that id.
    TransferNotFound,
    /// The transfer went ahead, and cannot be released.
    Committed,
    /// The transfer was released, and its id cannot be used again.
    Released,
    /// The reservation expired, and its id cannot be used again.
    Expired,
    /// The transfer was not allowed to go.
    Refused,
    /// No exporter of that name is registered, and the ledger has counted nothing for it.
    ExporterNotFound,
    /// The server has no ledger.
    NoLedger,
    /// The first answer that the ledger keeps cannot be read.
    Unreadable,
    /// The door never counts, and the rule wants the transfer counted.
    NotHere,
}

impl Uncounted {
    /// Says whose fault it is.
    pub(super) const fn fault(self) -> Fault {
        match self {
            Uncounted::OtherTransfer
            | Uncounted::TransferNotFound
            | Uncounted::Committed
            | Uncounted::Released
            | Uncounted::Expired
            | Uncounted::Refused
            | Uncounted::ExporterNotFound
            | Uncounted::NotHere => Fault::Caller,
            Uncounted::NoLedger | Uncounted::Unreadable => Fault::Server,
        }
    }
}

/// Why a server does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// It has no valid policies yet.
    NoSnapshot,
    /// It is stopping.
    Draining,
    /// It is loading the policies, and the queue for the next load is full.
    Loading,
    /// It cannot read or write the year's totals now.
    Ledger,
    /// Its clock cannot be relied on.
    Clock(Clocking),
}

/// The limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// Requests in flight.
    RequestsInFlight,
    /// Open `DecideStream` calls.
    OpenStreams,
    /// Open `Watch` calls of health.
    HealthWatches,
    /// Bytes that are being received or wait to be sent.
    HeldBytes,
}

/// Whose fault a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller's: the same request would be refused again.
    Caller,
    /// The server's.
    Server,
}
