//! Fields of a request that the contract of this server does not have.
//!
//! Protobuf drops them silently. Such a field may be the way in which a newer client says that a transfer is more sensitive.
//! So a request with one is refused, at whatever depth, with the path and the number of the field. A known field in another
//! wire type is refused too. The decoder would refuse the whole message for it; here the violation has a path, and the other
//! transfers of a batch have their answers.
//!
//! The contract is read once from its descriptors into a table ([`Schema`]). A message is then checked field by field, without
//! a copy. A message that is not protobuf is left to the decoder.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

use crate::domain::asked::{Problem, Violation};
use crate::domain::path::Path;
use crate::wire::generated::DESCRIPTORS;

/// Most fields that are named for one message. A status lists fewer.
const NAMED_MAX: usize = 32;
/// Greatest depth of nested messages that is checked: the decoder reads no deeper.
const DEPTH_MAX: usize = 100;

/// Returns the fields of a request that the contract does not have, with their paths.
///
/// `full_name` is the name of its message, such as `neglist.v1.DecideRequest`.
pub(crate) fn fields(full_name: &str, message: &[u8]) -> Vec<Violation> {
    fields_of(index(full_name), message, &Parent::Root)
}

/// Returns such fields of a transfer, by its index in its batch.
pub(crate) fn of_transfer_in_batch(transfer: &[u8], index: usize) -> Vec<Violation> {
    let parent = Parent::Field { parent: &Parent::Root, name: "transfers", index: Some(index) };
    fields_of(self::index("neglist.v1.Transfer"), transfer, &parent)
}

fn fields_of(index: usize, message: &[u8], parent: &Parent<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    look(index, message, parent, 0, &mut found);
    found
}

/// Returns a message of the table. A message that is not in the contract has no fields.
fn index(full_name: &str) -> usize {
    SCHEMA.names.get(full_name).copied().unwrap_or(NOTHING)
}

/// A batch, transfer by transfer.
#[derive(Debug)]
pub(crate) struct Batch<'m> {
    /// The message, with an empty transfer in place of each that has such fields.
    pub(crate) message: Cow<'m, [u8]>,
    /// Those fields, by the index of their transfer in the batch.
    pub(crate) found: BTreeMap<usize, Vec<Violation>>,
}

/// Checks a `DecideBatchRequest`.
///
/// # Errors
/// The fields of the batch itself that the contract does not have.
pub(crate) fn batch(message: &[u8]) -> Result<Batch<'_>, Vec<Violation>> {
    const TRANSFERS: u32 = 1;
    let mut beside = Vec::new();
    let (mut found, mut cleared) = (BTreeMap::new(), Vec::new());
    let (mut place, mut reader) = (0, Reader(message));
    loop {
        let before = reader.0;
        let Some((number, value)) = reader.field() else {
            // A field that cannot be read is left to the decoder.
            cleared.extend_from_slice(before);
            break;
        };
        let bytes = before.get(..before.len() - reader.0.len()).unwrap_or(before);
        if let (TRANSFERS, Value::Bytes(transfer)) = (number, &value) {
            let of_transfer = of_transfer_in_batch(transfer, place);
            if of_transfer.is_empty() {
                cleared.extend_from_slice(bytes);
            } else {
                // An empty message of field 1.
                cleared.extend_from_slice(&[0x0a, 0]);
                found.insert(place, of_transfer);
            }
            place += 1;
        } else {
            beside.extend_from_slice(bytes);
            cleared.extend_from_slice(bytes);
        }
        if let Value::Group = value {
            break;
        }
    }
    let of_batch = fields("neglist.v1.DecideBatchRequest", &beside);
    if !of_batch.is_empty() {
        return Err(of_batch);
    }
    let message = if found.is_empty() { Cow::Borrowed(message) } else { Cow::Owned(cleared) };
    Ok(Batch { message, found })
}

/// Returns the sequence number of a `DecideStreamRequest` that is refused for its fields; 0 where it has none.
pub(crate) fn sequence(message: &[u8]) -> u64 {
    const SEQUENCE: u32 = 1;
    let (mut sequence, mut reader) = (0, Reader(message));
    while let Some((number, value)) = reader.field() {
        match value {
            Value::Varint(value) if number == SEQUENCE => sequence = value,
            Value::Group => break,
            Value::Varint(_) | Value::Fixed64 | Value::Bytes(_) | Value::Fixed32 => {}
        }
    }
    sequence
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Varint,
    Fixed64,
    Bytes,
    Fixed32,
}

/// A field of the contract.
#[derive(Debug)]
struct Known {
    name: Box<str>,
    wire: Wire,
    is_list: bool,
    /// The message that it is, as an index of [`Schema::messages`].
    message: Option<usize>,
}

/// The requests of the contract, and the messages in them.
#[derive(Debug, Default)]
struct Schema {
    names: HashMap<String, usize>,
    /// Fields by their number.
    messages: Vec<Vec<Option<Known>>>,
}

/// No message: it has no fields.
const NOTHING: usize = usize::MAX;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let mut schema = Schema::default();
    // Without descriptors nothing is known, and every request is refused.
    if let Ok(pool) = DescriptorPool::decode(DESCRIPTORS) {
        for message in pool.all_messages().filter(|message| message.package_name() == "neglist.v1") {
            schema.add(&message);
        }
    }
    schema
});

impl Schema {
    fn add(&mut self, descriptor: &MessageDescriptor) -> usize {
        if let Some(index) = self.names.get(descriptor.full_name()) {
            return *index;
        }
        let index = self.messages.len();
        self.names.insert(descriptor.full_name().to_owned(), index);
        self.messages.push(Vec::new());
        let mut fields = Vec::new();
        for field in descriptor.fields() {
            let Ok(number) = usize::try_from(field.number()) else { continue };
            if fields.len() <= number {
                fields.resize_with(number + 1, || None);
            }
            let known = self.known(&field);
            if let Some(place) = fields.get_mut(number) {
                *place = Some(known);
            }
        }
        if let Some(place) = self.messages.get_mut(index) {
            *place = fields;
        }
        index
    }

    fn known(&mut self, field: &FieldDescriptor) -> Known {
        let (wire, message) = match field.kind() {
            Kind::Message(message) => (Wire::Bytes, Some(self.add(&message))),
            Kind::String | Kind::Bytes => (Wire::Bytes, None),
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => (Wire::Fixed64, None),
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => (Wire::Fixed32, None),
            Kind::Int32
            | Kind::Int64
            | Kind::Uint32
            | Kind::Uint64
            | Kind::Sint32
            | Kind::Sint64
            | Kind::Bool
            | Kind::Enum(_) => (Wire::Varint, None),
        };
        Known { name: field.name().into(), wire, is_list: field.is_list(), message }
    }

    fn field(&self, message: usize, number: u32) -> Option<&Known> {
        self.messages.get(message)?.get(usize::try_from(number).ok()?)?.as_ref()
    }
}

/// The place of a message in its request. Its text is written for a violation only.
enum Parent<'p> {
    Root,
    Field { parent: &'p Parent<'p>, name: &'p str, index: Option<usize> },
}

impl Parent<'_> {
    fn path(&self, last: &str) -> Path {
        Path::Message(self.text(last).into())
    }

    fn text(&self, last: &str) -> String {
        match self {
            Parent::Root => last.to_owned(),
            Parent::Field { parent, name, index: None } => parent.text(&format!("{name}.{last}")),
            Parent::Field { parent, name, index: Some(index) } => parent.text(&format!("{name}[{index}].{last}")),
        }
    }
}

fn look(index: usize, message: &[u8], parent: &Parent<'_>, depth: usize, found: &mut Vec<Violation>) {
    // How many values of each list have gone before.
    let mut counts: Vec<(u32, usize)> = Vec::new();
    let mut reader = Reader(message);
    while let Some((number, value)) = reader.field() {
        if NAMED_MAX <= found.len() {
            return;
        }
        let Some(known) = SCHEMA.field(index, number) else {
            let problem = Problem::UnknownField { number };
            found.push(Violation::new(parent.path(&format!("<unknown field {number}>")), problem));
            match value {
                // Only a reader of the group could tell where it ends.
                Value::Group => return,
                Value::Varint(_) | Value::Fixed64 | Value::Bytes(_) | Value::Fixed32 => continue,
            }
        };
        match (value, known.message) {
            (Value::Bytes(inner), Some(message)) => {
                let index = known.is_list.then(|| count(&mut counts, number));
                let parent = Parent::Field { parent, name: &known.name, index };
                if depth < DEPTH_MAX {
                    look(message, inner, &parent, depth + 1, found);
                }
            }
            (value, _) if value.is(known.wire) => {}
            // Numbers of a list may be packed.
            (Value::Bytes(_), None) if known.is_list => {}
            (value, _) => {
                found.push(Violation::new(parent.path(&known.name), Problem::WrongWireType { number }));
                if let Value::Group = value {
                    return;
                }
            }
        }
    }
}

/// Returns how many values a list has had, and counts one more.
fn count(counts: &mut Vec<(u32, usize)>, number: u32) -> usize {
    if let Some((_, count)) = counts.iter_mut().find(|(of, _)| *of == number) {
        *count += 1;
        return *count;
    }
    counts.push((number, 0));
    0
}

/// A value as it is written.
enum Value<'m> {
    Varint(u64),
    Fixed64,
    Bytes(&'m [u8]),
    Fixed32,
    /// The beginning of a group. The contract has none.
    Group,
}

impl Value<'_> {
    fn is(&self, wire: Wire) -> bool {
        match self {
            Value::Varint(_) => wire == Wire::Varint,
            Value::Fixed64 => wire == Wire::Fixed64,
            Value::Bytes(_) => wire == Wire::Bytes,
            Value::Fixed32 => wire == Wire::Fixed32,
            Value::Group => false,
        }
    }
}

/// The rest of a message.
struct Reader<'m>(&'m [u8]);

impl<'m> Reader<'m> {
    /// Returns the next field; `None` at the end, and where no field can be read.
    fn field(&mut self) -> Option<(u32, Value<'m>)> {
        let key = u32::try_from(self.varint()?).ok().filter(|key| 7 < *key)?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed64)?,
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(len)?)
            }
            3 => Value::Group,
            5 => self.take(4).map(|_| Value::Fixed32)?,
            _ => return None,
        };
        Some((key >> 3, value))
    }

    fn take(&mut self, len: usize) -> Option<&'m [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            // The decoder refuses bits beyond the 64th.
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
            if *byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
#[path = "unknown_tests.rs"]
mod tests;
