//! The messages to send, as given on the command line or in a file, and what their answers have to say.

use std::path::Path;

use crate::Res;
use crate::expect::Expectation;

/// One message.
#[derive(Debug, Default)]
pub struct Payload {
    /// Encoded.
    pub message: Vec<u8>,
    /// The expected content of its answer; all of it.
    pub expected: Vec<Expectation>,
}

impl Payload {
    /// Reads a line: the message in hex, then expectations, with blanks between.
    fn parse(line: &str) -> Res<Self> {
        let mut words = line.split_whitespace();
        let message = unhex(words.next().unwrap_or(""))?;
        Ok(Self { message, expected: words.map(Expectation::parse).collect::<Res<_>>()? })
    }
}

/// Reads messages: those given one by one, then those of a file, a line each. An empty one where there is none.
///
/// # Errors
/// Where the file cannot be read, or a line is not of the form.
pub fn read(given: &[String], file: Option<&Path>) -> Res<Vec<Payload>> {
    let mut payloads = given.iter().map(|line| Payload::parse(line)).collect::<Res<Vec<_>>>()?;
    if let Some(file) = file {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let payload = Payload::parse(line).map_err(|error| format!("{}:{}: {error}", file.display(), index + 1))?;
            payloads.push(payload);
        }
    }
    if payloads.is_empty() {
        payloads.push(Payload::default()); // an empty message is a valid protobuf message
    }
    Ok(payloads)
}

/// Reads hex.
///
/// # Errors
/// Where the text is not hex.
pub fn unhex(text: &str) -> Res<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("not hex: `{text:.40}`").into());
    }
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).map_err(Into::into);
    (0..text.len()).step_by(2).map(byte).collect()
}

/// Writes hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_hex_and_expectations() {
        let payload = Payload::parse("0a00ff 1.2=1  1=7").unwrap();
        assert_eq!(payload.message, [10, 0, 255]);
        assert_eq!(payload.expected.len(), 2);
        assert!(Payload::parse("0a0 1.2=1").is_err());
        assert!(Payload::parse("0a+1").is_err());
        assert!(Payload::parse("é0").is_err());
        assert!(Payload::parse("0a00 1.2").is_err());
    }

    #[test]
    fn hex_comes_back() {
        assert_eq!(unhex(&hex(&[0, 1, 254])).unwrap(), [0, 1, 254]);
    }
}
