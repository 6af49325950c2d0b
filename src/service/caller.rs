//! The caller of a request: the address of the client of the connection.
//!
//! The connection knows the caller, and only the limit on new exporters needs it. So it travels with the task that answers, and
//! not through each door between the two. Behind a gateway the caller is the gateway.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

tokio::task_local! {
    static CALLER: Caller;
}

/// The caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    /// A machine. Of an IPv6 address the first half: the machine chooses the other half itself.
    At(IpAddr),
    /// A process on this machine, by a unix socket.
    Here,
    /// Unknown.
    Unknown,
}

impl Caller {
    /// Returns the caller at an address.
    pub fn at(address: IpAddr) -> Self {
        let network = u128::MAX << 64;
        Self::At(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & network)),
        })
    }

    /// Returns a future in which this is the caller.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CALLER.scope(self, future)
    }

    /// Returns the caller of the request that is being answered.
    pub(super) fn current() -> Self {
        CALLER.try_with(|caller| *caller).unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caller::At(IpAddr::V4(address)) => write!(f, "{address}"),
            Caller::At(IpAddr::V6(address)) => write!(f, "{address}/64"),
            Caller::Here => f.write_str("a unix socket"),
            Caller::Unknown => f.write_str("an unknown address"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_one_caller_under_any_of_its_addresses() {
        let at = |text: &str| Caller::at(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::7"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_eq!(at("::ffff:192.0.2.7"), at("192.0.2.7"));
        assert_ne!(at("192.0.2.8"), at("192.0.2.7"));
        assert_eq!(
            [at("192.0.2.7"), at("2001:db8::5")].map(|caller| caller.to_string()),
            ["192.0.2.7", "2001:db8::/64"]
        );
    }

    #[tokio::test]
    async fn a_caller_is_known_within_its_task() {
        assert_eq!(Caller::current(), Caller::Unknown);
        let inside = Caller::Here.scope(async { Caller::current() });
        assert_eq!(inside.await, Caller::Here);
    }
}
