//! Labels: turn a gateway's view of a request into a transfer.
//!
//! A gateway knows hosts, paths and headers; the lists know exporters, scenarios and persons. Every door passes what it
//! has [`Seen`] to [`read`] and gets back the transfer to ask about, or the reason why there is none. Nothing is
//! guessed: a label that is missing, repeated, unreadable or contradicted by another is a [`LabelProblem`], and the
//! request is refused.
//!
//! 1. `choose` finds the one rule that matches the request, with the tables of `table` and the normal forms of `place`.
//!    `inside` says what a tunnel or a connection hides, `disguise` what servers may read as another method or path.
//! 2. `label` reads the values that the rule gives and those of the label headers, with `value`, and compares the two.

mod body_source;
mod choose;
mod disguise;
mod inside;
mod json_path;
mod label;
mod labelled;
mod place;
mod query;
mod seen;
mod subjects;
pub(super) mod table;
mod value;

pub use body_source::BodySource;
pub use choose::{Choice, Cost, is_about_everything};
pub use disguise::{METHOD_OVERRIDES, PATH_OVERRIDES};
pub use json_path::{JSON_PATH_STEPS_MAX, JsonPath, Step};
pub use label::{classes_without_place, label, read};
pub use labelled::{
    BodyFault, ChoiceFault, Fault, HostFault, LABEL_ID_PREFIX, Label, LabelProblem, Labelled, LabelledItem,
    NOTHING_MATCHES, Nothing, Origin, PathFault, Reading, Record, STREAM_ID_PREFIX, Unlabelled, Unmatched,
};
pub use place::{PATH_BYTES_MAX, host, host_and_path, path};
pub use query::{FieldValues, values as query_values};
pub use seen::{Body, Context, Header, HeaderValues, Seen};
pub use subjects::{GivenSubjects, PathTemplate, SubjectSource};
pub use table::{
    CONDITIONS_MAX, Conditions, Gateway, Given, GivenItem, Gives, HOST_PARTS_MAX, HostPattern, LabelHeaders,
    PATH_SEGMENTS_MAX, PLACE_RULES_MAX, PathPattern, Rule, Source, segments,
};
