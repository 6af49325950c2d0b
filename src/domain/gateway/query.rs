//! Queries and forms: `name=value` pairs with `&` between them, as browsers and servers write them.
//!
//! Nothing is replaced and nothing is skipped: an encoding that servers read in several ways is a violation, because two
//! identifiers could become one.

use std::borrow::Cow;

use super::labelled::{BodyFault, Fault};

/// Meaning of a `+`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    /// A blank, as in queries and forms.
    IsBlank,
    /// A plus, as in paths.
    IsPlus,
}

/// Returns the values of a name, in their order.
///
/// # Errors
/// The name is missing, or there in other capitals as well, or a pair cannot be decoded in one way.
pub fn values<'q>(pairs: &'q str, name: &str) -> Result<Vec<Cow<'q, str>>, Fault> {
    let not_form = || Fault::Body(BodyFault::NotForm);
    let decoded = |text| decoded(text, Plus::IsBlank).ok_or_else(not_form);
    let mut values = FieldValues::of(name);
    for pair in pairs.split('&').filter(|pair| !pair.is_empty()) {
        // Some servers end a pair at a semicolon too.
        for part in pair.split(';') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let key = decoded(key)?;
            let is_similar = is_similar_name(&key, name);
            if (key == name || is_similar) && part.len() < pair.len() {
                return Err(not_form());
            }
            if values.is_of(&key) {
                values.add(decoded(value)?);
            }
        }
    }
    values.found()
}

/// The values of one field, collected among all fields of a query or a form.
#[derive(Debug)]
pub struct FieldValues<'f, 'v> {
    name: &'f str,
    found: Vec<Cow<'v, str>>,
    is_similar_there: bool,
}

impl<'f, 'v> FieldValues<'f, 'v> {
    /// Returns no value yet of a field.
    pub const fn of(name: &'f str) -> Self {
        Self { name, found: Vec::new(), is_similar_there: false }
    }

    /// Says whether a field is the wanted one. Notes whether servers may take it for the wanted one.
    pub fn is_of(&mut self, name: &str) -> bool {
        self.is_similar_there |= is_similar_name(name, self.name);
        name == self.name
    }

    /// Adds a value.
    pub fn add(&mut self, value: Cow<'v, str>) {
        self.found.push(value);
    }

    /// Returns the values in their order.
    ///
    /// # Errors
    /// The field is missing, or there under a similar name too.
    pub fn found(self) -> Result<Vec<Cow<'v, str>>, Fault> {
        if self.is_similar_there {
            return Err(Fault::Body(BodyFault::InOtherCapitals));
        }
        if self.found.is_empty() { Err(Fault::Missing) } else { Ok(self.found) }
    }
}

/// Says whether some servers take a name for another one: in other capitals, with brackets behind it (`ids[]`), with blanks
/// around it, or with dots or blanks for low lines, as PHP reads them.
fn is_similar_name(name: &str, wanted: &str) -> bool {
    name != wanted && bare(name).eq(bare(wanted))
}

fn bare(name: &str) -> impl Iterator<Item = char> + '_ {
    let name = name.split('[').next().unwrap_or_default().trim();
    name.chars()
        .map(|character| if matches!(character, '.' | ' ') { '_' } else { character })
        .flat_map(char::to_lowercase)
}

/// Decodes a part; `None` for a `%` without two hexadecimal digits, and for bytes that are not UTF-8.
pub(super) fn decoded(text: &str, plus: Plus) -> Option<Cow<'_, str>> {
    let is_plain = |byte: u8| byte != b'%' && (byte != b'+' || plus == Plus::IsPlus);
    if text.bytes().all(is_plain) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' if plus == Plus::IsBlank => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pairs: &str, expected: Result<&[&str], Fault>) {
        let found = values(pairs, "id");
        let found = found.as_ref().map(|found| found.iter().map(AsRef::as_ref).collect::<Vec<&str>>());
        assert_eq!(found.map_err(Clone::clone), expected.map(<[&str]>::to_vec), "{pairs}");
    }

    #[test]
    fn each_value_of_a_name_is_found() {
        check("id=7", Ok(&["7"]));
        check("a=1&id=7&id=8&&b", Ok(&["7", "8"]));
        check("id=a%2Bb+c%26d&%69d=%E7%94%B2", Ok(&["a+b c&d", "甲"]));
        check("id=a=b", Ok(&["a=b"]));
        check("id", Ok(&[""]));
        check("id=", Ok(&[""]));
        check("", Err(Fault::Missing));
        check("ids=7", Err(Fault::Missing));
    }

    #[test]
    fn a_value_that_servers_read_in_several_ways_is_refused() {
        for pairs in ["id=%", "id=%4", "id=%zz", "id=%ff", "id=%C0%AF", "id=1&%=2"] {
            check(pairs, Err(Fault::Body(BodyFault::NotForm)));
        }
        for pairs in ["id=1&ID=2", "Id=1", "id=1&id[]=2", "id[0]=1", "id%5B%5D=1", "id=1&+id=2", "id=1&id%09=2"] {
            check(pairs, Err(Fault::Body(BodyFault::InOtherCapitals)));
        }
        for pairs in ["id=1;id=2", "a=1;id=2&id=3", "id=1&a=1;ID=2", "id=1;a=2", "id=1;", "a=1&amp;id=2"] {
            check(pairs, Err(Fault::Body(BodyFault::NotForm)));
        }
        check("fields=a;b&id=7%3B8", Ok(&["7;8"]));
        assert!(is_similar_name("customer.id", "customer_id") && !is_similar_name("customerid", "customer_id"));
    }
}
