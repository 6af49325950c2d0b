//! A `postgres://` URL: the place of the database and the way to reach it.
//!
//! Errors never repeat the URL: it may hold a password.

use std::net::IpAddr;

use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::tls::Roots;

/// Place of a database.
pub(super) struct Address {
    /// Host, port, user, password and database.
    pub(super) config: tokio_postgres::Config,
    /// Encryption of connections.
    pub(super) channel: Channel,
}

/// Encryption of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Channel {
    /// Without encryption.
    Plain,
    /// With TLS; the certificate is checked.
    Checked(Roots),
}

/// Reads a URL.
///
/// `sslmode=require`, `verify-ca` and `verify-full` all mean TLS with a certificate that is checked, the host name
/// included; `sslrootcert` names the authority's file. `sslmode=disable` means none. Without `sslmode` only a database
/// on this machine is reached, in plain: passwords and pseudonyms do not cross a network by oversight. Of several
/// hosts, the first that accepts writes is used.
///
/// # Errors
///
/// Names the fault and the correct form.
pub(super) fn parse(url: &str) -> Result<Address, String> {
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err("the URL of the ledger is not valid: write postgres://user@host:5432/database".to_owned());
    }
    let (url, options) = split_off_tls(url);
    let mut config: tokio_postgres::Config =
        url.parse().map_err(|error| format!("the URL of the ledger is not valid: {}", cause(&error)))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err("the URL of the ledger names no host: write postgres://user@host:5432/database".to_owned());
    }
    let roots = match options.root.as_deref() {
        None | Some("system") => Roots::System,
        Some(path) => Roots::File(path.to_owned()),
    };
    let channel = match options.mode.as_deref() {
        Some("disable") => Channel::Plain,
        Some("require" | "verify-ca" | "verify-full") => Channel::Checked(roots),
        None if is_here(&config) => Channel::Plain,
        None => {
            return Err("the ledger is on another machine: add `sslmode=verify-full` to its URL, or \
            `sslmode=disable` where the network between is trusted"
                .to_owned());
        }
        Some(_) => {
            return Err("this `sslmode` is not supported: use `verify-full` or `disable`".to_owned());
        }
    };
    config.ssl_mode(if channel == Channel::Plain { SslMode::Disable } else { SslMode::Require });
    // A standby may answer with old totals: better no answer.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    if config.get_application_name().is_none() {
        config.application_name("neglist");
    }
    Ok(Address { config, channel })
}

#[derive(Default)]
struct TlsOptions {
    mode: Option<String>,
    root: Option<String>,
}

/// Removes the two options that the driver does not know or reads differently.
fn split_off_tls(url: &str) -> (String, TlsOptions) {
    let mut options = TlsOptions::default();
    let Some((place, query)) = url.split_once('?') else { return (url.to_owned(), options) };
    let mut rest = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", mode)) => options.mode = Some(mode.to_owned()),
            Some(("sslrootcert", path)) => options.root = Some(decoded(path)),
            _ => rest.push(pair),
        }
    }
    (format!("{place}?{}", rest.join("&")), options)
}

/// Undoes percent-encoding, as far as it is valid.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair = after.first_chunk::<2>().filter(|_| *first == b'%').and_then(|pair| str::from_utf8(pair).ok());
        if let Some(byte) = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            bytes.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Says whether all hosts are this machine. An address beside a name takes precedence over the name.
fn is_here(config: &tokio_postgres::Config) -> bool {
    config.get_hostaddrs().iter().all(IpAddr::is_loopback)
        && config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
            #[cfg(unix)]
            Host::Unix(_) => true,
        })
}

fn cause(error: &tokio_postgres::Error) -> String {
    std::error::Error::source(error).map_or_else(|| "it cannot be read".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn channel(url: &str) -> Result<Channel, String> {
        parse(url).map(|address| address.channel)
    }

    #[test]
    fn a_connection_is_plain_here_and_checked_elsewhere() {
        let file = || Channel::Checked(Roots::File("/etc/ca file.pem".to_owned()));
        for (url, want) in [
            ("postgres://u@localhost/d", Channel::Plain),
            ("postgres://u@127.0.0.1:5433/d", Channel::Plain),
            ("postgres:///d?host=%2Fvar%2Frun%2Fpostgresql", Channel::Plain),
            ("postgres://u@db.example/d?sslmode=disable", Channel::Plain),
            ("postgres://u@db.example/d?sslmode=require", Channel::Checked(Roots::System)),
            ("postgres://u@db.example/d?sslmode=verify-full&sslrootcert=system", Channel::Checked(Roots::System)),
            ("postgres://u@db.example/d?sslrootcert=/etc/ca%20file.pem&sslmode=verify-ca", file()),
            ("postgres://u@localhost/d?sslmode=require&connect_timeout=3&sslrootcert=/etc/ca%20file.pem", file()),
        ] {
            assert_eq!(channel(url), Ok(want), "{url}");
        }
    }

    #[test]
    fn a_faulty_url_is_refused_without_its_password() {
        for (url, want) in [
            ("postgres://u:geheim@db.example/d", "on another machine"),
            ("postgres://u:geheim@db.example/d?sslmode=prefer", "this `sslmode` is not supported"),
            ("postgres://u:geheim@/d?hostaddr=10.0.0.1", "on another machine"),
            ("postgres://u:geheim@localhost/d?hostaddr=10.0.0.1", "on another machine"),
            ("postgres://u:geheim@localhost,db.example/d", "on another machine"),
            ("host=localhost password=geheim sslmode=require", "not valid"),
            ("postgres://u:geheim@/d", "names no host"),
            ("postgres://u:geheim@db.example:x/d?sslmode=disable", "not valid"),
            ("postgres://u:geheim@db.example/d?sslmode=disable&wrong=1", "not valid"),
        ] {
            let error = channel(url).unwrap_err();
            assert!(error.contains(want) && !error.contains("geheim"), "{url}: {error}");
        }
    }
}
