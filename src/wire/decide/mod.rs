//! Messages of `neglist.v1.DecisionService`, read and written: without copying where they are ordinary, else as generated code
//! does.

pub mod decode;
pub mod encode;
pub mod from_proto;
pub mod raw;
pub mod read;
pub mod to_proto;
pub mod unknown;
