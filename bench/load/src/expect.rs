//! The expected content of an answer: a fast wrong answer is worth nothing.
//!
//! Written `PATH=VALUES`: field numbers from the root of the message, and the numbers that have to stand there, in
//! order. `1.2=1` is the outcome ALLOW of a `DecideResponse`; `1.1.2=1,4` the outcomes of a batch of two.

use crate::Res;

/// The numbers that have to stand at one path, in order, and no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    path: Vec<u64>,
    values: Vec<u64>,
}

impl Expectation {
    /// Reads `PATH=VALUES`.
    ///
    /// # Errors
    /// Where the text is not of that form.
    pub fn parse(text: &str) -> Res<Self> {
        let numbers = |text: &str, between| text.split(between).map(str::parse).collect::<Result<Vec<u64>, _>>();
        let parsed = text.split_once('=').and_then(|(path, values)| {
            Some(Self { path: numbers(path, '.').ok()?, values: numbers(values, ',').ok()? })
        });
        parsed.ok_or_else(|| format!("`{text}` is not of the form 1.2=1 or 1.1.2=1,4").into())
    }

    /// Says whether a message has just these numbers there.
    pub fn holds(&self, message: &[u8]) -> bool {
        let mut values = self.values.iter();
        walk(message, &self.path, &mut values).is_some() && values.next().is_none()
    }
}

/// Takes one value for each number at the path; `None` where they differ, or the message is not protobuf.
fn walk<'v>(mut message: &[u8], path: &[u64], values: &mut impl Iterator<Item = &'v u64>) -> Option<()> {
    let (wanted, deeper) = path.split_first()?;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let here = tag >> 3 == *wanted;
        match tag & 7 {
            0 => {
                let value = varint(&mut message)?;
                if here && (!deeper.is_empty() || values.next() != Some(&value)) {
                    return None;
                }
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let inner = message.get(..length)?;
                message = message.get(length..)?;
                if here {
                    walk(inner, deeper, values)?;
                }
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(())
}

fn varint(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Field 1: { field 1: "id", field 2: 3, field 3: 300 }.
    const ANSWER: &[u8] = &[10, 9, 10, 2, b'i', b'd', 16, 3, 24, 0xac, 2];

    fn holds(expectation: &str, message: &[u8]) -> bool {
        Expectation::parse(expectation).unwrap().holds(message)
    }

    #[test]
    fn the_number_at_a_path_is_compared() {
        assert!(holds("1.2=3", ANSWER));
        assert!(holds("1.3=300", ANSWER));
        assert!(!holds("1.2=1", ANSWER));
    }

    #[test]
    fn missing_surplus_and_mistyped_fields_do_not_match() {
        assert!(!holds("1.4=3", ANSWER), "there is no such field");
        assert!(!holds("1.2=3,3", ANSWER), "there is one only");
        assert!(!holds("1.2=3", &[ANSWER, ANSWER].concat()), "there are two");
        assert!(holds("1.2=3,3", &[ANSWER, ANSWER].concat()));
        assert!(!holds("1.2.1=3", ANSWER), "a number has no fields");
        assert!(!holds("1=3", ANSWER), "a message is no number");
        assert!(!holds("1.2=3", &ANSWER[..9]), "cut off");
        assert!(!holds("1.2=3", &[]));
    }

    #[test]
    fn other_forms_are_refused() {
        for text in ["", "1.2", "=1", "1.2=", "a=1", "1.2=-1", "1..2=1"] {
            assert!(Expectation::parse(text).is_err(), "{text}");
        }
    }
}
