//! The fast reader: reads a request for a decision without copying its texts.
//!
//! The allocation of the texts of a request takes more time than its decision. So a message is read straight into a
//! [`Question`] that borrows from it. The reader accepts messages as every generator writes them: each singular field once,
//! known fields, valid texts, known values. For any other message [`decide`] returns `None`: the fallback is the generated
//! decoder, then [`crate::wire::decide::from_proto`], which finds the violations. This module refuses nothing.
//!
//! INVARIANT (plain): the question equals the one that [`crate::wire::decide::from_proto::decide`] makes of the same bytes.
//! `tests` compare the two, for damaged messages too.

use crate::domain::asked::{Asked, AskedFacts, AskedItem, AskedPersons, ITEMS_MAX};
use crate::domain::units::{Class, Ground, Modality, Moment};
use crate::wire::decide::from_proto::{Location, Question};
use crate::wire::decide::to_proto::Detail;

/// Reads a `DecideRequest`; `None` where the generated decoder has to.
pub fn decide(message: &[u8]) -> Option<Question<'_>> {
    let (mut transfer, mut detail) = (None, None);
    let mut reader = Reader(message);
    while !reader.is_at_end() {
        match reader.field()? {
            (1, Field::Bytes(bytes)) => once(&mut transfer, asked(bytes)?)?,
            (2, Field::Varint(number)) => once(&mut detail, self::detail(number)?)?,
            _ => return None,
        }
    }
    Some(Question { asked: transfer?, detail: detail.unwrap_or(Detail::Brief), location: Location::Transfer })
}

/// Reads a `DecideStreamRequest`: its sequence number, and its question. `None` as for [`decide`].
pub fn stream(message: &[u8]) -> Option<(u64, Question<'_>)> {
    let (mut sequence, mut transfer, mut detail) = (None, None, None);
    let mut reader = Reader(message);
    while !reader.is_at_end() {
        match reader.field()? {
            (1, Field::Varint(number)) => once(&mut sequence, number)?,
            (2, Field::Bytes(bytes)) => once(&mut transfer, asked(bytes)?)?,
            (3, Field::Varint(number)) => once(&mut detail, self::detail(number)?)?,
            _ => return None,
        }
    }
    let detail = detail.unwrap_or(Detail::Brief);
    Some((sequence.unwrap_or_default(), Question { asked: transfer?, detail, location: Location::Transfer }))
}

/// Reads a `DecideBatchRequest`: the messages of its transfers, in order, and how much the answers say. `None` as for
/// [`decide`], and beyond `transfers_max`.
pub fn batch(message: &[u8], transfers_max: usize) -> Option<(Vec<&[u8]>, Detail)> {
    let (mut transfers, mut detail) = (Vec::new(), None);
    let mut reader = Reader(message);
    while !reader.is_at_end() {
        match reader.field()? {
            (1, Field::Bytes(bytes)) if transfers.len() < transfers_max => transfers.push(bytes),
            (2, Field::Varint(number)) => once(&mut detail, self::detail(number)?)?,
            _ => return None,
        }
    }
    Some((transfers, detail.unwrap_or(Detail::Brief)))
}

/// Reads a `Transfer`. `None` as for [`decide`].
pub fn asked(message: &[u8]) -> Option<Asked<'_>> {
    let mut asked = Asked::default();
    let mut reader = Reader(message);
    while !reader.is_at_end() {
        match reader.field()? {
            (1, Field::Bytes(bytes)) => once(&mut asked.flow, text(bytes)?)?,
            (2, Field::Bytes(bytes)) => once(&mut asked.exporter, text(bytes)?)?,
            (3, Field::Bytes(bytes)) => once(&mut asked.exporter_facts, facts(bytes)?)?,
            (4, Field::Bytes(bytes)) => once(&mut asked.recipient, text(bytes)?)?,
            (5, Field::Bytes(bytes)) => once(&mut asked.destination, text(bytes)?)?,
            (6, Field::Bytes(bytes)) => once(&mut asked.sector, text(bytes)?)?,
            (7, Field::Bytes(bytes)) => once(&mut asked.scenario, text(bytes)?)?,
            (8, Field::Bytes(bytes)) if asked.data.len() < ITEMS_MAX => asked.data.push(item(bytes)?),
            (9, Field::Bytes(bytes)) => once(&mut asked.persons, persons(bytes)?)?,
            (10, Field::Bytes(bytes)) => once(&mut asked.year_to_date, persons(bytes)?)?,
            (11, Field::Bytes(bytes)) => once(&mut asked.scenario_year_to_date, persons(bytes)?)?,
            (12, Field::Varint(number)) => once(&mut asked.ground, ground(number)?)?,
            (13, Field::Bytes(bytes)) => once(&mut asked.at, moment(bytes)?)?,
            (14, Field::Bytes(bytes)) => once(&mut asked.export_zone, text(bytes)?)?,
            (15, Field::Bytes(bytes)) => once(&mut asked.clearance_year_to_date, persons(bytes)?)?,
            _ => return None,
        }
    }
    Some(asked)
}

fn facts(message: &[u8]) -> Option<AskedFacts<'_>> {
    let mut facts = AskedFacts::default();
    let (mut held, mut specially) = (None, None);
    let mut reader = Reader(message);
    while !reader.is_at_end() {
        match reader.field()? {
            (1, Field::Varint(1)) => facts.ciio = true,
            (2, Field::Bytes(bytes)) => facts.zones.push(utf8(bytes)?),
            (3, Field::Bytes(bytes)) => facts.kinds.push(utf8(bytes)?),
            (4, Field::Bytes(bytes)) => once(&mut held, persons(bytes)?)?,
            (5, Field::Varint(number)) => once(&mut specially, number)?,
            (6, Field::Bytes(bytes)) => facts.cities.push(utf8(bytes)?),
            _ => return None,
        }
    }
    facts.held = held.unwrap_or_default();
    facts.held_specially_sensitive = specially.unwrap_or_default();
    Some(facts)
}

fn persons(message: &[u8]) -> Option<AskedPersons> {
    let (mut general, mut sensitive) = (None, None);
    let mut reader = Reader(message);
    while !reader.is_at_end() {
        match reader.field()? {
            (1, Field::Varint(number)) => once(&mut general, number)?,
            (2, Field::Varint(number)) => once(&mut sensitive, number)?,
            _ => return None,
        }
    }
    Some(AskedPersons { general: general.unwrap_or_default(), sensitive: sensitive.unwrap_or_default() })
}

fn item(message: &[u8]) -> Option<AskedItem<'_>> {
    let mut item = AskedItem::default();
    let mut code = None;
    let mut reader = Reader(message);
    while !reader.is_at_end() {
        match reader.field()? {
            (1, Field::Bytes(bytes)) => once(&mut code, utf8(bytes)?)?,
            (2, Field::Varint(number)) => once(&mut item.class, class(number)?)?,
            (3, Field::Varint(number)) => once(&mut item.modality, modality(number)?)?,
            (4, Field::Bytes(bytes)) => item.attributes.push(utf8(bytes)?),
            _ => return None,
        }
    }
    item.code = code.unwrap_or_default();
    Some(item)
}

fn moment(message: &[u8]) -> Option<Moment> {
    let (mut seconds, mut nanos) = (None, None);
    let mut reader = Reader(message);
    while !reader.is_at_end() {
        match reader.field()? {
            (1, Field::Varint(number)) => once(&mut seconds, number)?,
            (2, Field::Varint(number)) => once(&mut nanos, u32::try_from(number).ok()?)?,
            _ => return None,
        }
    }
    // Negative numbers are legal and rare: they look like large ones here, and are left to the generated decoder.
    let seconds = i64::try_from(seconds.unwrap_or_default()).ok()?;
    (seconds <= crate::wire::decide::from_proto::TIMESTAMP_SECONDS_MAX).then_some(())?;
    Moment::new(seconds, nanos.unwrap_or_default())
}

// Numbers of the contract. Except for a detail, 0 means "not stated", and generators do not write it.

const fn detail(number: u64) -> Option<Detail> {
    match number {
        0 => Some(Detail::Brief),
        1 => Some(Detail::Full),
        _ => None,
    }
}

const fn class(number: u64) -> Option<Class> {
    match number {
        1 => Some(Class::NonPersonal),
        2 => Some(Class::General),
        3 => Some(Class::Sensitive),
        4 => Some(Class::Important),
        _ => None,
    }
}

const fn modality(number: u64) -> Option<Modality> {
    match number {
        1 => Some(Modality::Text),
        2 => Some(Modality::Audio),
        3 => Some(Modality::Image),
        4 => Some(Modality::Video),
        _ => None,
    }
}

const fn ground(number: u64) -> Option<Ground> {
    match number {
        1 => Some(Ground::Transit),
        2 => Some(Ground::ContractNecessity),
        3 => Some(Ground::HumanResources),
        4 => Some(Ground::Emergency),
        _ => None,
    }
}

fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Returns a text; `None` for an empty one too, which states nothing, and which generators do not write.
fn text(bytes: &[u8]) -> Option<&str> {
    utf8(bytes).filter(|text| !text.is_empty())
}

/// Sets a field that may be set once.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    if place.is_some() {
        return None;
    }
    *place = Some(value);
    Some(())
}

/// A field of a message.
enum Field<'m> {
    Varint(u64),
    Bytes(&'m [u8]),
}

/// The rest of a message.
struct Reader<'m>(&'m [u8]);

impl<'m> Reader<'m> {
    const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the tag and the value of the next field.
    fn field(&mut self) -> Option<(u32, Field<'m>)> {
        let key = u32::try_from(self.varint()?).ok()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(len)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            _ => return None,
        };
        Some((key >> 3, field))
    }

    fn varint(&mut self) -> Option<u64> {
        // Nearly all: keys, lengths, small numbers.
        if let [byte @ ..0x80, rest @ ..] = self.0 {
            self.0 = rest;
            return Some(u64::from(*byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Option<u64> {
        let (mut value, mut shift) = (0_u64, 0_u32);
        loop {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && 1 < bits {
                return None;
            }
            value |= bits << shift;
            if *byte < 0x80 {
                return Some(value);
            }
            shift += 7;
            if 63 < shift {
                return None;
            }
        }
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
