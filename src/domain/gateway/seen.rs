//! The view that a gateway has of one request, as far as labels depend on it.

use std::borrow::Cow;

use super::body_source::BodySource;
use super::labelled::{BodyFault, Fault};

/// The view that a gateway has of one request. Every door implements it.
///
/// Texts are passed on as they were sent; [`super::label()`] interprets them. A door that cannot read a text refuses the
/// request itself. `Absent` means that the request does not have the value. `NotSeen`, and `None` for the host,
/// method, path or server name, means that the door cannot see it: the value may be there, so a rule that depends on it
/// must not count as unmatched.
pub trait Seen {
    /// Returns the authority of the request: name or address, with or without a port.
    fn host(&self) -> Option<&str>;

    /// Returns the method.
    fn method(&self) -> Option<&str>;

    /// Returns the path, with or without a query. Empty equals `None`: CONNECT has no path.
    fn path(&self) -> Option<&str>;

    /// Returns the server name that the client asked for when it began TLS. Empty: the door sees that the client asked
    /// for none.
    fn sni(&self) -> Option<&str>;

    /// Returns the value that the gateway's configuration or its protocol gives for a key.
    ///
    /// The keys are those of Envoy's `context_extensions`; for an `AuthZEN` request they are `subject.type`,
    /// `subject.id`, `action.name`, `resource.type`, `resource.id`, and properties that are strings or booleans, such
    /// as `subject.properties.role`.
    fn context(&self, key: &str) -> Context<'_>;

    /// Returns a header of the request. `name` is in lower case.
    fn header(&self, name: &str) -> Header<'_>;

    /// Returns the member of the JSON body that an RFC 6901 pointer names.
    fn body(&self, pointer: &str) -> Body<'_>;

    /// Returns every value of a header. `name` is in lower case. A door that can tell the values of a repeated header apart
    /// returns all of them.
    fn header_values(&self, name: &str) -> HeaderValues<'_> {
        match self.header(name) {
            Header::Absent => HeaderValues::Absent,
            Header::Text(text) => HeaderValues::Texts(vec![text]),
            Header::Repeated => HeaderValues::Repeated,
            Header::NotText => HeaderValues::NotText,
            Header::NotSeen => HeaderValues::NotSeen,
        }
    }

    /// Returns the identifiers of persons at a place of the body, in its order. A door that sees no bodies keeps this default.
    ///
    /// # Errors
    /// The body is not there, not whole or not readable, or an identifier is missing or ambiguous.
    fn identifiers(&self, _source: &BodySource) -> Result<Vec<Cow<'_, str>>, Fault> {
        Err(Fault::Body(BodyFault::NotThere))
    }
}

/// A key of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context<'a> {
    /// The gateway gives other keys, but not this one.
    Absent,
    /// Value of the key.
    Text(&'a str),
    /// The gateway gives no key at all, because it cannot or is not configured to.
    NotSeen,
}

/// A header of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header<'a> {
    /// It was not sent.
    Absent,
    /// It was sent once.
    Text(&'a str),
    /// It was sent several times. None of the values is picked.
    Repeated,
    /// Its value is not visible ASCII text.
    NotText,
    /// The gateway does not pass it on; it may or may not have been sent.
    NotSeen,
}

/// All values of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValues<'a> {
    /// It was not sent.
    Absent,
    /// Its values, in their order.
    Texts(Vec<&'a str>),
    /// It was sent several times, and the door sees only one of the values.
    Repeated,
    /// A value is not visible ASCII text.
    NotText,
    /// The gateway does not pass it on; it may or may not have been sent.
    NotSeen,
}

/// A member of a JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// The body has no such member.
    Absent,
    /// A string.
    Text(Cow<'a, str>),
    /// A whole number, however it is written: `5`, `5.0`, `5e0`.
    Number(u64),
    /// An array, by its length.
    Count(usize),
    /// Anything else: an object, `true`, `false`, `null`, a number that is not whole.
    Other,
    /// A key on the way to the member appears twice in its object. Neither is picked.
    Repeated,
    /// A key on the way to the member appears in different capitals only. Some servers treat the two as the same key.
    InOtherCapitals,
    /// The gateway sent no body, or does not send bodies.
    NotThere,
    /// The gateway sent only the beginning of the body.
    Partial,
    /// The body is not JSON.
    NotJson,
}
