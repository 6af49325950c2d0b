//! Labels: from what a gateway knows of a request to the transfer that it is.
//!
//! A gateway knows hosts, paths and headers; the lists know exporters, scenarios and persons.
//! Every door hands what it has [`Seen`] to [`read`] and gets the transfer to ask about, or why
//! there is none. Nothing is guessed: a label that is missing, repeated, unreadable or at odds
//! with another is a [`LabelProblem`], and such a request is refused.

mod label;
mod labelled;
mod seen;
mod table;
mod value;

pub use label::{label, read};
pub use labelled::{
    BodyFault, ChoiceFault, Fault, HostFault, Label, LabelProblem, Labelled, LabelledItem, Nothing, Origin, PathFault,
    Reading, Record, Unlabelled, Unmatched,
};
pub use seen::{Body, Header, Seen};
pub use table::{Gateway, LabelHeaders};
