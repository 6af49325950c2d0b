//! Labels: from what a gateway knows of a request to the transfer that it is.
//!
//! A gateway knows hosts, paths and headers; the lists know exporters, scenarios and persons.
//! Every door hands what it has [`Seen`] to [`read`] and gets the transfer to ask about, or why
//! there is none. Nothing is guessed: a label that is missing, repeated, unreadable or at odds
//! with another is a [`LabelProblem`], and such a request is refused.
//!
//! 1. `choose` finds the one rule that is about the request, by the tables of `table` and the
//!    normal forms of `place`. `inside` says what a tunnel or a connection hides, `disguise` what servers may
//!    read as another method or path.
//! 2. `label` reads what the rule gives and what label headers say, with `value`, and holds the
//!    one against the other.

mod choose;
mod disguise;
mod inside;
mod label;
mod labelled;
mod place;
mod seen;
mod table;
mod value;

pub use choose::{Choice, Cost, is_about_everything};
pub use disguise::{METHOD_OVERRIDES, PATH_OVERRIDES};
pub use label::{label, read};
pub use labelled::{
    BodyFault, ChoiceFault, Fault, HostFault, LABEL_ID_PREFIX, Label, LabelProblem, Labelled, LabelledItem,
    NOTHING_MATCHES, Nothing, Origin, PathFault, Reading, Record, STREAM_ID_PREFIX, Unlabelled, Unmatched,
};
pub use place::{PATH_BYTES_MAX, host, host_and_path, path};
pub use seen::{Body, Context, Header, Seen};
pub use table::{
    CONDITIONS_MAX, Conditions, Gateway, Given, GivenItem, Gives, HOST_PARTS_MAX, HostPattern, LabelHeaders,
    PATH_SEGMENTS_MAX, PLACE_RULES_MAX, PathPattern, Rule, Source, segments,
};
