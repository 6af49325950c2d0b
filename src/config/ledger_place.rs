//! The address of a ledger: `none`, a text that looks like a path, or the URL of a database.
//!
//! Every other text is refused. If an address were taken for a path, a new ledger would begin at zero and allow transfers that
//! must not pass. A wrong address may also have a password in the wrong place. INVARIANT (no secret): no message of this module
//! repeats any part of the address, and only a URL that was parsed strictly is shown.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::values::{LedgerPlace, Secret};

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Form of a URL.
const WRITE_A_URL: &str = "write a database as `postgres://user:password@host:5432/database?sslmode=verify-full`, with each of \
    `@ : / ? # %` in the password percent-encoded (`@` is `%40`, `:` is `%3A`, `/` is `%2F`, `?` is `%3F`, `#` is `%23`, `%` is `%25`)";

/// Parses an address.
///
/// # Errors
/// The fault and the fix, without any part of the address.
pub(super) fn parse(text: &str) -> Result<LedgerPlace, String> {
    if text == "none" {
        return Ok(LedgerPlace::None);
    }
    if is_like_none(text) {
        return Err("that is not an address: to keep no totals write `none`".to_owned());
    }
    if SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
        return match Url::parse(text) {
            Some(_) => Ok(LedgerPlace::Postgres(Secret(text.to_owned()))),
            None if text.contains('…') => {
                Err("the password was taken out of this URL when it was printed: put it back in place of `…`"
                    .to_owned())
            }
            None => Err(format!("the URL of the database cannot be read: {WRITE_A_URL}")),
        };
    }
    path(text).map(|()| LedgerPlace::File(PathBuf::from(text))).map_err(|why| format!("{why}; {WRITE_A_PATH}"))
}

/// Says whether a text is a common spelling of `none`.
pub(super) fn is_like_none(text: &str) -> bool {
    let words = [
        "none", "off", "no", "false", "null", "nil", "~", "-", "disabled", "disable", "never", "0", "无", "否", "关闭",
    ];
    words.contains(&text.to_lowercase().as_str())
}

const WRITE_A_PATH: &str =
    "write a file as `./neglist.ledger` or `/var/lib/neglist/ledger`, and `none` to keep no totals";

/// Checks that a text can only be a path.
fn path(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err("there is a control character in it".to_owned());
    }
    if has_scheme(text) {
        return Err(format!("that begins like a URL, but not like the URL of a database: {WRITE_A_URL}"));
    }
    if is_dsn(text) {
        return Err(format!("that is a list of settings, not a path: {WRITE_A_URL}"));
    }
    // `user:password@host/database`: a URL without its scheme.
    if text.split_once('@').is_some_and(|(before, _)| before.contains(':')) || text.starts_with("//") {
        return Err(format!("that looks like a URL without its scheme: {WRITE_A_URL}"));
    }
    if text.starts_with('~') {
        return Err("`~` is not expanded here: write the whole path".to_owned());
    }
    if ["/", "./", "../"].iter().any(|begin| text.starts_with(begin)) {
        return if text.ends_with('/') { Err("that is a directory: name a file in it".to_owned()) } else { Ok(()) };
    }
    let is_plain = |character: char| character.is_alphanumeric() || matches!(character, '.' | '_' | '-' | '/');
    let is_file = text.contains('/') || FILE_ENDINGS.iter().any(|ending| text.ends_with(ending));
    if !text.chars().all(is_plain) || !is_file {
        let why =
            "that does not look like a path: begin the path of a file with `./` or `/`, or end its name with `.ledger`";
        return Err(format!("{why}; {WRITE_A_URL}"));
    }
    Ok(())
}

/// Endings of a file name that cannot be mistaken for a word or a host.
const FILE_ENDINGS: [&str; 3] = [".ledger", ".redb", ".db"];

/// Says whether a text begins like a URL: `mysql://…`, `jdbc:postgresql:…`, `Postgres://…`.
fn has_scheme(text: &str) -> bool {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || matches!(character, '+' | '-' | '.' | '_'));
    is_scheme || text.contains("://")
}

/// Says whether a text has a setting of `libpq` (`host=… password=…`) or of another library.
fn is_dsn(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let settings = lower.split('=').rev().skip(1);
    let mut names = settings.map(|before| {
        let before = before.trim_end();
        before.rsplit(|character: char| !(character.is_ascii_alphanumeric() || character == '_')).next().unwrap_or("")
    });
    names.any(|name| PARAMETERS.iter().any(|(known, _)| *known == name) || MORE_SETTINGS.contains(&name))
}

/// Settings of other libraries, and settings of `libpq` that a URL may not have here.
const MORE_SETTINGS: [&str; 11] = [
    "passfile",
    "service",
    "servicefile",
    "sslpassword",
    "sslcrl",
    "database",
    "server",
    "uid",
    "pwd",
    "username",
    "data_source",
];

/// Whether the value of a parameter may be printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Yes,
    No,
}

/// Parameters of a URL. Source: `libpq`, limited to those that the driver knows.
const PARAMETERS: [(&str, Shown); 21] = [
    ("user", Shown::No),
    ("password", Shown::No),
    ("options", Shown::No),
    ("sslcert", Shown::No),
    ("sslkey", Shown::No),
    ("sslnegotiation", Shown::No),
    ("dbname", Shown::Yes),
    ("host", Shown::Yes),
    ("hostaddr", Shown::Yes),
    ("port", Shown::Yes),
    ("sslmode", Shown::Yes),
    ("sslrootcert", Shown::Yes),
    ("application_name", Shown::Yes),
    ("connect_timeout", Shown::Yes),
    ("tcp_user_timeout", Shown::Yes),
    ("keepalives", Shown::Yes),
    ("keepalives_idle", Shown::Yes),
    ("keepalives_interval", Shown::Yes),
    ("keepalives_retries", Shown::Yes),
    ("target_session_attrs", Shown::Yes),
    ("channel_binding", Shown::Yes),
];

/// A strictly parsed URL: every character that has to be encoded is encoded.
struct Url<'u> {
    scheme: &'u str,
    user: Option<&'u str>,
    has_password: bool,
    hosts: &'u str,
    database: Option<&'u str>,
    parameters: Vec<(&'u str, &'u str, Shown)>,
}

impl<'u> Url<'u> {
    fn parse(text: &'u str) -> Option<Self> {
        let scheme = SCHEMES.iter().find(|scheme| text.starts_with(**scheme))?;
        let (scheme, rest) = text.split_at_checked(scheme.len())?;
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        let (authority, database) = place.split_once('/').map_or((place, None), |(before, name)| (before, Some(name)));
        let (login, hosts) = authority.split_once('@').map_or((None, authority), |(login, hosts)| (Some(login), hosts));
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, password)) => (Some(user), password),
            None => (None, ""),
        };
        if !is_login(user.unwrap_or(""))
            || !is_login(password)
            || !hosts.split(',').all(is_host)
            || !is_encoded(database.unwrap_or(""), "")
        {
            return None;
        }
        let mut parameters = Vec::new();
        for parameter in query.into_iter().flat_map(|query| query.split('&')) {
            let (name, value) = parameter.split_once('=')?;
            let (_, shown) = PARAMETERS.iter().find(|(known, _)| *known == name)?;
            if !is_encoded(value, ":/,") {
                return None;
            }
            parameters.push((name, value, *shown));
        }
        Some(Self {
            scheme,
            user,
            has_password: login.is_some_and(|login| login.contains(':')),
            hosts,
            database,
            parameters,
        })
    }

    /// Returns it without password and other secrets.
    fn shown(&self) -> String {
        let mut shown = self.scheme.to_owned();
        if let Some(user) = self.user {
            let _ = write!(shown, "{user}{}@", if self.has_password { ":…" } else { "" });
        }
        shown.push_str(self.hosts);
        if let Some(database) = self.database {
            let _ = write!(shown, "/{database}");
        }
        for (index, (name, value, is_shown)) in self.parameters.iter().enumerate() {
            let value = if *is_shown == Shown::Yes { value } else { "…" };
            let _ = write!(shown, "{}{name}={value}", if index == 0 { '?' } else { '&' });
        }
        shown
    }
}

/// Says whether a user or a password is fully encoded: it has none of `@ : / ? #`, `%` only before two hexadecimal digits, and
/// no invisible character.
fn is_login(text: &str) -> bool {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let is_fine = match character {
            '%' => (0..2).all(|_| characters.next().is_some_and(|digit| digit.is_ascii_hexdigit())),
            '@' | ':' | '/' | '?' | '#' => false,
            other => other.is_ascii_graphic() || other.is_alphanumeric(),
        };
        if !is_fine {
            return false;
        }
    }
    true
}

/// Says whether a text is fully encoded: it has letters, digits, some signs, and `%` only before two hexadecimal digits. `more`
/// are further signs that are allowed here.
fn is_encoded(text: &str, more: &str) -> bool {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let is_fine = match character {
            '%' => (0..2).all(|_| characters.next().is_some_and(|digit| digit.is_ascii_hexdigit())),
            'a'..='z'
            | 'A'..='Z'
            | '0'..='9'
            | '-'
            | '.'
            | '_'
            | '~'
            | '!'
            | '$'
            | '\''
            | '('
            | ')'
            | '*'
            | '+'
            | ';' => true,
            other => more.contains(other),
        };
        if !is_fine {
            return false;
        }
    }
    true
}

/// Says whether a text is a host with an optional port; empty if a parameter names the host.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() || !(port.is_empty() || port.starts_with(':')) {
                return false;
            }
            ("", port.strip_prefix(':'))
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
    // The directory of a unix socket, encoded.
    let is_name = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_');
    let is_directory = host.starts_with("%2F") || host.starts_with("%2f");
    is_port && (host.chars().all(is_name) || is_directory && is_encoded(host, ""))
}

/// Returns an address as it may be printed: without a password, and `…` for a text that is not an address.
pub(super) fn shown(text: &str) -> String {
    match (parse(text), Url::parse(text)) {
        (Ok(LedgerPlace::Postgres(_)), Some(url)) => url.shown(),
        (Ok(LedgerPlace::None | LedgerPlace::File(_)), _) => text.to_owned(),
        (Ok(LedgerPlace::Postgres(_)) | Err(_), _) => "…".to_owned(),
    }
}

/// Returns a text as it may be printed that should not be an address, but may be one in the wrong place: `…` if it looks like a
/// part of a URL or has a password.
pub(super) fn shown_elsewhere(text: &str) -> &str {
    let lower = text.to_ascii_lowercase();
    if lower.contains("://") || lower.contains('@') || lower.contains("password") { "…" } else { text }
}

#[cfg(test)]
#[path = "ledger_place_tests.rs"]
mod tests;
