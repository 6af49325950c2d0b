//! Normal forms in which hosts and paths are compared.
//!
//! Ambiguous spellings are refused, not interpreted. A path would evade a rule if the server behind the gateway read it
//! as the rule's path and the rule did not.

// Address parsing only; nothing here opens a connection.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::borrow::Cow;

use super::labelled::{HostFault, PathFault};

/// Longest path that is compared, in bytes: more than the request line of common servers holds.
pub const PATH_BYTES_MAX: usize = 8_192;
/// Longest host name as text, in bytes. RFC 1035, 2.3.4.
const HOST_BYTES_MAX: usize = 253;
/// Longest part of a host name, in bytes. RFC 1035, 2.3.4.
const HOST_PART_BYTES_MAX: usize = 63;

/// Returns a host in normal form: in lower case, without port, final dot and brackets.
///
/// # Errors
/// Why it cannot be compared.
pub fn host(text: &str) -> Result<Cow<'_, str>, HostFault> {
    if !text.is_ascii() {
        return Err(HostFault::NotAscii);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(HostFault::Address)?;
        match port.strip_prefix(':') {
            Some(port) => check_port(port)?,
            None if port.is_empty() => {}
            None => return Err(HostFault::Character),
        }
        return address.parse().map(|address| ip_text(address).into()).map_err(|_| HostFault::Address);
    }
    let name = match text.split_once(':') {
        None => text,
        Some((name, port)) if !port.contains(':') => {
            check_port(port)?;
            name
        }
        Some(_) => return text.parse().map(|address| ip_text(address).into()).map_err(|_| HostFault::Address),
    };
    self::name(name.strip_suffix('.').unwrap_or(name))
}

/// Returns the text of an address. An IPv4-mapped address becomes its IPv4 address.
fn ip_text(address: Ipv6Addr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => address.to_string(),
    }
}

fn check_port(port: &str) -> Result<(), HostFault> {
    let is_plain = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse::<u16>().ok().filter(|_| is_plain).map(|_| ()).ok_or(HostFault::Port)
}

/// Returns a name, or an IPv4 address, in lower case.
fn name(name: &str) -> Result<Cow<'_, str>, HostFault> {
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.bytes().all(is_host) {
        return Err(HostFault::Character);
    }
    if HOST_BYTES_MAX < name.len() || name.split('.').any(|part| part.is_empty() || HOST_PART_BYTES_MAX < part.len()) {
        return Err(HostFault::Parts);
    }
    // Many parsers read a name that ends in a number as an IP address, shorthands and leading zeros included.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X")).is_some();
    if (is_hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit())) && name.parse::<Ipv4Addr>().is_err() {
        return Err(HostFault::Address);
    }
    let has_capitals = name.bytes().any(|byte| byte.is_ascii_uppercase());
    Ok(if has_capitals { name.to_ascii_lowercase().into() } else { name.into() })
}

/// Returns a path in normal form: without its query, and with one spelling for each character. `None` if there is no
/// path, as with CONNECT.
///
/// # Errors
/// Why it cannot be compared.
pub fn path(text: &str) -> Result<Option<Cow<'_, str>>, PathFault> {
    if text.is_empty() {
        return Ok(None);
    }
    let path = text.split('?').next().unwrap_or_default();
    if !path.starts_with('/') {
        return Err(PathFault::NoSlash);
    }
    if PATH_BYTES_MAX < path.len() {
        return Err(PathFault::TooLong);
    }
    let is_written = |byte: u8| matches!(form(byte), Form::Written) || matches!(byte, b'/' | b'.');
    let path = if path.bytes().all(is_written) { Cow::Borrowed(path) } else { Cow::Owned(rewritten(path)?) };
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => return Err(PathFault::DotSegment),
            _ if segment.ends_with('.') => return Err(PathFault::DotOrBlankAtEnd),
            // Only the last segment may be empty: a final slash.
            "" if segments.peek().is_some() => return Err(PathFault::EmptySegment),
            _ => {}
        }
    }
    Ok(Some(path))
}

/// Returns the host with its port, and the path with its query, of an absolute HTTP URL. `None` for any other text, and
/// where a `?`, `#` or `\` ends the host before the path, because other parsers end it elsewhere.
pub fn host_and_path(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let is_http = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let (host, path) = rest.split_at_checked(rest.find(['/', '?', '#', '\\'])?)?;
    (is_http && path.starts_with('/')).then_some((host, path))
}

/// How a byte of a path is compared.
enum Form {
    /// As itself, whether it was sent plain or encoded.
    Written,
    /// Encoded, whether it was sent plain or encoded.
    Encoded,
    /// As itself if it was sent plain. Refused if it was sent encoded.
    Plain(PathFault),
    /// Encoded, as `%25`. Sent plain, it begins an encoded byte.
    Percent,
    /// Encoded. Refused if it was sent plain.
    NotPlain,
    /// Refused, whether it was sent plain or encoded.
    Refused(PathFault),
}

/// Returns how a byte of a path is compared. RFC 3986, 3.3 and 6.2.2: servers treat a character that may appear plain
/// the same whether it is encoded or not, and many servers accept the other characters plain as well.
const fn form(byte: u8) -> Form {
    match byte {
        b'0'..=b'9'
        | b'A'..=b'Z'
        | b'a'..=b'z'
        | b'-'
        | b'_'
        | b'~'
        | b'!'
        | b'$'
        | b'&'
        | b'\''
        | b'('
        | b')'
        | b'*'
        | b'+'
        | b','
        | b'='
        | b':'
        | b'@' => Form::Written,
        b'"' | b'<' | b'>' | b'[' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' => Form::Encoded,
        b'.' => Form::Plain(PathFault::DotSegment),
        b'/' => Form::Plain(PathFault::HiddenSlash),
        b'%' => Form::Percent,
        b'\\' => Form::Refused(PathFault::HiddenSlash),
        b';' => Form::Refused(PathFault::Parameters),
        // A plain `?` has ended the path already.
        b'#' | b'?' => Form::Refused(PathFault::HiddenEnd),
        b' ' | 0x80..=0xff => Form::NotPlain,
        0..=0x1f | 0x7f => Form::Refused(PathFault::Character),
    }
}

/// Rewrites each character to its one spelling.
fn rewritten(path: &str) -> Result<String, PathFault> {
    let mut text = String::with_capacity(path.len());
    // The decoded bytes must be UTF-8, so that each character has one spelling.
    let mut meaning: Vec<u8> = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            match form(byte) {
                Form::Written | Form::Plain(_) => text.push(char::from(byte)),
                Form::Encoded => push_encoded(&mut text, byte),
                Form::NotPlain | Form::Percent => return Err(PathFault::Character),
                Form::Refused(fault) => return Err(fault),
            }
            meaning.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (bytes.next().and_then(digit), bytes.next().and_then(digit)) else {
            return Err(PathFault::Encoding);
        };
        let byte = high * 16 + low;
        match form(byte) {
            Form::Written => text.push(char::from(byte)),
            Form::Encoded | Form::NotPlain | Form::Percent => push_encoded(&mut text, byte),
            Form::Plain(fault) | Form::Refused(fault) => return Err(fault),
        }
        meaning.push(byte);
    }
    let meaning = std::str::from_utf8(&meaning).map_err(|_| PathFault::Encoding)?;
    if meaning.split('/').any(|segment| segment.trim_matches(is_blank) != segment) {
        return Err(PathFault::DotOrBlankAtEnd);
    }
    // Checked last: the digits after an encoded `%` may have been encoded too.
    let is_code = |rest: &str| rest.bytes().take(2).filter_map(digit).count() == 2;
    if text.split("%25").skip(1).any(is_code) {
        return Err(PathFault::EncodedTwice);
    }
    Ok(text)
}

/// Says whether servers may strip a character from the ends of a name: white space of any script, and characters
/// without width.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

fn push_encoded(text: &mut String, byte: u8) {
    text.push('%');
    let digits = [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
    text.extend(digits.into_iter().flatten().map(|digit| digit.to_ascii_uppercase()));
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_without_port_case_dot_and_brackets() {
        for (sent, compared) in [
            ("api.example.com", "api.example.com"),
            ("API.Example.COM.:8443", "api.example.com"),
            ("my_service:80", "my_service"),
            ("192.0.2.7:443", "192.0.2.7"),
            ("[2001:DB8::7]", "2001:db8::7"),
            ("[2001:db8:0:0:0:0:0:7]:443", "2001:db8::7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[::ffff:192.0.2.7]:443", "192.0.2.7"),
            ("xn--fiqs8s", "xn--fiqs8s"),
        ] {
            assert_eq!(host(sent).unwrap(), compared, "{sent}");
        }
    }

    #[test]
    fn hosts_that_could_mean_another_are_refused() {
        let long = format!("{}.com", "a".repeat(HOST_PART_BYTES_MAX + 1));
        let many = "a.".repeat(128);
        assert!(host(&format!("{}.com", "a".repeat(HOST_PART_BYTES_MAX))).is_ok());
        for (sent, fault) in [
            ("", HostFault::Parts),
            (".", HostFault::Parts),
            ("a..b", HostFault::Parts),
            (".example.com", HostFault::Parts),
            ("example.com..", HostFault::Parts),
            (&long, HostFault::Parts),
            (many.as_str(), HostFault::Parts),
            ("user@example.com", HostFault::Character),
            ("user:pass@example.com", HostFault::Port),
            ("example.com/x", HostFault::Character),
            ("exa mple.com", HostFault::Character),
            ("example.com\t", HostFault::Character),
            ("example%2ecom", HostFault::Character),
            ("*.example.com", HostFault::Character),
            ("a,b", HostFault::Character),
            ("例子.中国", HostFault::NotAscii),
            ("example.com:", HostFault::Port),
            ("example.com:+80", HostFault::Port),
            ("example.com:65536", HostFault::Port),
            ("127.1", HostFault::Address),
            ("2130706433", HostFault::Address),
            ("0x7f000001", HostFault::Address),
            ("127.0.0.01", HostFault::Address),
            ("[::1", HostFault::Address),
            ("[::1]x", HostFault::Character),
            ("[fe80::1%25eth0]", HostFault::Address),
            ("1:2:3", HostFault::Address),
        ] {
            assert_eq!(host(sent), Err(fault), "{sent}");
        }
    }

    #[test]
    fn paths_are_compared_without_query_and_in_one_encoding() {
        for (sent, compared) in [
            ("/", "/"),
            ("/patients", "/patients"),
            ("/patients/", "/patients/"),
            ("/patients?id=../..//;%", "/patients"),
            ("/p%61tients/%7e%41", "/patients/~A"),
            ("/a%20b", "/a%20b"),
            ("/%e6%82%a3", "/%E6%82%A3"),
            ("/50%25", "/50%25"),
            ("/50%25-x", "/50%25-x"),
            ("/a:b@c,d=e&f!g(h)*i+j'k$", "/a:b@c,d=e&f!g(h)*i+j'k$"),
            ("/..a/b..c", "/..a/b..c"),
            ("/.well-known/a", "/.well-known/a"),
            ("/v1/records%3Aexport", "/v1/records:export"),
            ("/Patient/%24export", "/Patient/$export"),
            ("/a?x#/../b", "/a"),
        ] {
            assert_eq!(path(sent).unwrap().unwrap(), compared, "{sent}");
        }
        assert_eq!(path(""), Ok(None));
    }

    /// Another spelling of a character must not lead to another rule.
    #[test]
    fn every_character_is_compared_in_one_way_or_refused_in_both() {
        for byte in 0..=0x7f_u8 {
            let (plain, encoded) = (format!("/a{}b", char::from(byte)), format!("/a%{byte:02x}b"));
            let (plain, encoded) = (path(&plain), path(&encoded));
            match byte {
                // These have another meaning when they are plain.
                b'.' | b'/' | b'?' => assert!(plain.is_ok() && encoded.is_err(), "{byte}"),
                b'%' | b' ' => assert!(plain.is_err() && encoded.is_ok(), "{byte}"),
                b'#' | b';' | b'\\' | 0..=0x1f | 0x7f => assert!(plain.is_err() && encoded.is_err(), "{byte}"),
                _ => assert!(plain.is_ok() && plain == encoded, "{byte}: {plain:?}, {encoded:?}"),
            }
        }
    }

    #[test]
    fn a_path_that_was_rewritten_stays_as_it_is() {
        for sent in ["/a%3Ab%7bc%7D", "/{id}/[1]", "/50%25-x", "/%e6%82%a3"] {
            let once = path(sent).unwrap().unwrap().into_owned();
            assert_eq!(path(&once).unwrap().unwrap(), once, "{sent}");
        }
    }

    #[test]
    fn paths_that_could_evade_a_rule_are_refused() {
        let long = format!("/{}", "a".repeat(PATH_BYTES_MAX));
        assert!(path(&long.replacen("/a", "/", 1)).is_ok());
        for (sent, fault) in [
            ("patients", PathFault::NoSlash),
            ("*", PathFault::NoSlash),
            ("?x", PathFault::NoSlash),
            ("http://example.com/patients", PathFault::NoSlash),
            ("/a/../patients", PathFault::DotSegment),
            ("/..", PathFault::DotSegment),
            ("/a/.", PathFault::DotSegment),
            ("/%2e%2E/patients", PathFault::DotSegment),
            ("/a%2Ejson", PathFault::DotSegment),
            ("//patients", PathFault::EmptySegment),
            ("/a//", PathFault::EmptySegment),
            ("/a%2fpatients", PathFault::HiddenSlash),
            ("/a%5Cpatients", PathFault::HiddenSlash),
            ("/a\\patients", PathFault::HiddenSlash),
            ("/patients;v=1", PathFault::Parameters),
            ("/patients%3Bv=1", PathFault::Parameters),
            ("/public#/../patients", PathFault::HiddenEnd),
            ("/public%23/x", PathFault::HiddenEnd),
            ("/patients%3fx", PathFault::HiddenEnd),
            ("/a b", PathFault::Character),
            ("/a\n", PathFault::Character),
            ("/a%00", PathFault::Character),
            ("/a%7F", PathFault::Character),
            ("/患者", PathFault::Character),
            ("/a%", PathFault::Encoding),
            ("/a%4", PathFault::Encoding),
            ("/a%zz", PathFault::Encoding),
            ("/a%+1", PathFault::Encoding),
            ("/%c0%af", PathFault::Encoding),
            ("/%ff", PathFault::Encoding),
            ("/%252e%252e/patients", PathFault::EncodedTwice),
            ("/%25%32%65/patients", PathFault::EncodedTwice),
            ("/patients.", PathFault::DotOrBlankAtEnd),
            ("/patients./7", PathFault::DotOrBlankAtEnd),
            ("/patients../", PathFault::DotOrBlankAtEnd),
            ("/...", PathFault::DotOrBlankAtEnd),
            ("/export%20", PathFault::DotOrBlankAtEnd),
            ("/%20export", PathFault::DotOrBlankAtEnd),
            ("/export%20/7", PathFault::DotOrBlankAtEnd),
            ("/export.%20", PathFault::DotOrBlankAtEnd),
            ("/export%C2%A0", PathFault::DotOrBlankAtEnd),
            ("/export%E3%80%80", PathFault::DotOrBlankAtEnd),
            ("/export%EF%BB%BF", PathFault::DotOrBlankAtEnd),
            ("/%41.", PathFault::DotOrBlankAtEnd),
            (&long, PathFault::TooLong),
        ] {
            assert_eq!(path(sent), Err(fault), "{sent}");
        }
    }
}
