//! What a gateway says of one request, as far as labels are made of it.

use std::borrow::Cow;

/// What a gateway says of one request. Every door implements it.
///
/// Texts are handed over as they were sent; what they mean is the business of [`super::label`].
/// A text that a door cannot read is none of these: the door refuses such a request by itself.
/// `Absent` says that the request has no such thing. What a door has no way to see is `NotSeen`, and a host, method, path or
/// server name that is `None`: it may be there, and a rule that goes by it must not count as not meant.
pub trait Seen {
    /// Returns the authority of the request: name or address, with or without a port.
    fn host(&self) -> Option<&str>;

    /// Returns the method.
    fn method(&self) -> Option<&str>;

    /// Returns the path, with or without a query. Empty is the same as `None`: CONNECT has none.
    fn path(&self) -> Option<&str>;

    /// Returns the server name that the client asked for when it began TLS. Empty: the door sees that it asked for none.
    fn sni(&self) -> Option<&str>;

    /// Returns what the gateway's configuration or its protocol says under a key.
    ///
    /// The keys of Envoy's `context_extensions`; of an `AuthZEN` request `subject.type`, `subject.id`,
    /// `action.name`, `resource.type`, `resource.id`, and properties that are texts or truth values, such as
    /// `subject.properties.role`.
    fn context(&self, key: &str) -> Context<'_>;

    /// Returns a header of the request. `name` is in lower case.
    fn header(&self, name: &str) -> Header<'_>;

    /// Returns the member of the JSON body that an RFC 6901 pointer names.
    fn body(&self, pointer: &str) -> Body<'_>;
}

/// A key of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context<'a> {
    /// The gateway says others, and not this one.
    Absent,
    /// What it says under the key.
    Text(&'a str),
    /// The gateway says nothing under any key, because it cannot or was not told to.
    NotSeen,
}

/// A header of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header<'a> {
    /// It was not sent.
    Absent,
    /// It was sent once.
    Text(&'a str),
    /// It was sent several times. Nobody picks one of them.
    Repeated,
    /// Its value is no visible ASCII text.
    NotText,
    /// The gateway does not hand it on, whether it was sent or not.
    NotSeen,
}

/// A member of a JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// The body has no such member.
    Absent,
    /// A text.
    Text(Cow<'a, str>),
    /// A whole number, written without fraction and exponent.
    Number(u64),
    /// An array, by its length.
    Count(usize),
    /// Anything else: an object, `true`, `false`, `null`, another number.
    Other,
    /// A key on the way to it stands twice in its object. Nobody picks one of them.
    Repeated,
    /// A key on the way to it stands there with other capitals only. Some servers take it for the same.
    InOtherCapitals,
    /// The gateway sent no body, or does not send bodies.
    NotThere,
    /// The gateway sent the beginning of the body only.
    Partial,
    /// The body is no JSON.
    NotJson,
}
