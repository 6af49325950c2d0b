//! A request as a gateway sees it, built part by part.

use crate::domain::gateway::{Body, Context, Header, Seen};

/// A request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    host: Option<&'static str>,
    method: Option<&'static str>,
    path: Option<&'static str>,
    sni: Option<&'static str>,
    context: Vec<(&'static str, &'static str)>,
    unseen_headers: Vec<&'static str>,
    headers: Vec<(&'static str, &'static str)>,
    members: Vec<(&'static str, Body<'static>)>,
    /// The body for members that are not listed; `None` if no body was sent.
    otherwise: Option<Body<'static>>,
}

/// Returns a request with a method and a target such as `api.example.com/patients`.
pub(crate) fn request(method: &'static str, target: &'static str) -> Request {
    let (host, path) = target.split_at(target.find('/').unwrap_or(target.len()));
    Request { host: Some(host), method: Some(method), path: Some(path), ..Request::default() }
}

/// Returns a connection with a server name and no other facts.
pub(crate) fn connection(sni: &'static str) -> Request {
    Request { sni: Some(sni), ..Request::default() }
}

impl Request {
    pub(crate) fn sni(mut self, name: &'static str) -> Self {
        self.sni = Some(name);
        self
    }

    pub(crate) fn context(mut self, key: &'static str, value: &'static str) -> Self {
        self.context.push((key, value));
        self
    }

    pub(crate) fn without_sight_of(mut self, header: &'static str) -> Self {
        self.unseen_headers.push(header);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn member(mut self, pointer: &'static str, member: Body<'static>) -> Self {
        self.members.push((pointer, member));
        self.otherwise = Some(Body::Absent);
        self
    }

    pub(crate) fn body(mut self, body: Body<'static>) -> Self {
        self.otherwise = Some(body);
        self
    }
}

impl Seen for Request {
    fn host(&self) -> Option<&str> {
        self.host
    }

    fn method(&self) -> Option<&str> {
        self.method
    }

    fn path(&self) -> Option<&str> {
        self.path
    }

    fn sni(&self) -> Option<&str> {
        self.sni
    }

    fn context(&self, key: &str) -> Context<'_> {
        match self.context.iter().find(|(name, _)| *name == key) {
            Some((_, value)) => Context::Text(value),
            None if self.context.is_empty() => Context::NotSeen,
            None => Context::Absent,
        }
    }

    fn header(&self, name: &str) -> Header<'_> {
        if self.unseen_headers.contains(&name) {
            return Header::NotSeen;
        }
        let values: Vec<_> = self.headers.iter().filter(|(sent, _)| *sent == name).collect();
        match values.as_slice() {
            [] => Header::Absent,
            [(_, value)] => Header::Text(value),
            _ => Header::Repeated,
        }
    }

    fn body(&self, pointer: &str) -> Body<'_> {
        let member = self.members.iter().find(|(name, _)| *name == pointer).map(|(_, member)| member);
        member.or(self.otherwise.as_ref()).cloned().unwrap_or(Body::NotThere)
    }
}
