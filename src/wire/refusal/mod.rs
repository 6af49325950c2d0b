//! A refusal as values: the status that gRPC has, and beside it what it says in each language.
//!
//! Doors that do not speak gRPC write a refusal in words of their own. They take them from here, never out of the texts
//! and details of the status: a word of the caller's in such a text may look like anything.

pub mod framing;
pub mod grpc;
pub mod http;
pub mod labels;
mod wording;

use tonic::{Code, Status};

use self::grpc::RpcStatus;

/// Why nothing was decided. Whoever reads it must not let a transfer pass.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The form that gRPC has.
    pub status: RpcStatus,
    /// What it says. Never empty.
    pub said: Vec<Said>,
}

/// One thing that a refusal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The field that it is about; empty for the request as a whole.
    pub field: String,
    /// Stable code in capitals; empty where there is none.
    pub reason: String,
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
    /// What it is about, for doors that have names of their own for it.
    pub about: About,
}

/// What a refusal is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A header of the request.
    Header(String),
    /// A request that no rule is about and that carries no label.
    NothingMatches,
    /// A field of the transfer, by its path within it.
    Transfer(String),
    /// The exporter, which is not that of the flow.
    OtherExportersFlow,
    /// A total of the year, by its path within the transfer, which the server does not keep.
    Total(String),
    /// Anything else.
    Other,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The caller's: the same request again would be refused again.
    Caller,
    /// The server's.
    Server,
}

impl Refusal {
    /// Says whose fault it is.
    pub fn blame(&self) -> Blame {
        match Code::from_i32(self.status.code) {
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::PermissionDenied
            | Code::Unauthenticated => Blame::Caller,
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => Blame::Server,
        }
    }

    /// Returns the stable codes of what it says.
    pub fn reasons(&self) -> impl Iterator<Item = &str> {
        self.said.iter().map(|said| said.reason.as_str()).filter(|reason| !reason.is_empty())
    }

    /// Returns the status that ends a call.
    pub fn to_status(&self) -> Status {
        grpc::to_status(&self.status)
    }

    /// Returns the form that stands inside a batch or a stream.
    pub fn into_status(self) -> RpcStatus {
        self.status
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        refusal.to_status()
    }
}
