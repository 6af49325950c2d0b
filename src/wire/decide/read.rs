//! Reads the requests of the decision service.
//!
//! The fast reader ([`decode`]) comes first. It reads a message of the ordinary form without copying a text. All other
//! messages go to the generated decoder, and to [`from_proto`] after it. The fallback is here and nowhere else: a question is
//! decided in one way, whichever reader read it.
//!
//! INVARIANT (plain): both readers make the same question of the same bytes. `decode_tests` compare them.

use std::collections::BTreeMap;

use prost::{Message, Name};

use crate::domain::asked::Violation;
use crate::wire::decide::from_proto::{self, Location, Question};
use crate::wire::decide::to_proto::Detail;
use crate::wire::decide::{decode, unknown};
use crate::wire::generated::v1;
use crate::wire::refusal::{Malformed, Refusal};

/// Holds the message that a question borrows from, where the generated decoder read it.
#[derive(Debug)]
pub struct Scratch<T>(Option<Box<T>>);

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Message + Name + Default> Scratch<T> {
    /// Decodes a message.
    ///
    /// # Errors
    /// It is not protobuf, or it has fields that the contract does not have.
    pub fn decode(&mut self, message: &[u8]) -> Result<&T, Refusal> {
        let found = unknown::fields(&T::full_name(), message);
        if !found.is_empty() {
            return Err(Refusal::Invalid(found));
        }
        self.decode_known(message).map_err(Refusal::Malformed)
    }
}

impl<T: Message + Default> Scratch<T> {
    fn decode_known(&mut self, message: &[u8]) -> Result<&T, Malformed> {
        let decoded = T::decode(message).map_err(|error| Malformed::new(&error))?;
        Ok(self.0.insert(Box::new(decoded)))
    }
}

/// Reads a `DecideRequest`.
///
/// # Errors
/// The message is not protobuf, or has violations.
#[inline]
pub fn decide<'m>(message: &'m [u8], scratch: &'m mut Scratch<v1::DecideRequest>) -> Result<Question<'m>, Refusal> {
    match decode::decide(message) {
        Some(question) => Ok(question),
        None => from_proto::decide(scratch.decode(message)?).map_err(Refusal::Invalid),
    }
}

/// Reads a `DecideStreamRequest`: its sequence number, and its question or the violations that its answer lists.
///
/// # Errors
/// The message is not protobuf.
pub fn stream<'m>(
    message: &'m [u8],
    scratch: &'m mut Scratch<v1::DecideStreamRequest>,
) -> Result<(u64, Result<Question<'m>, Vec<Violation>>), Malformed> {
    if let Some((sequence, question)) = decode::stream(message) {
        return Ok((sequence, Ok(question)));
    }
    let found = unknown::fields(&v1::DecideStreamRequest::full_name(), message);
    if !found.is_empty() {
        return Ok((unknown::sequence(message), Err(found)));
    }
    Ok(from_proto::stream(scratch.decode_known(message)?))
}

/// The transfers of a `DecideBatchRequest`.
#[derive(Debug)]
pub struct Batch<'m> {
    transfers: Transfers<'m>,
    detail: Detail,
}

#[derive(Debug)]
enum Transfers<'m> {
    /// Their messages, as they came.
    Messages(Vec<&'m [u8]>),
    /// The decoded batch, and the transfers that have fields which the contract does not have.
    Decoded { batch: &'m v1::DecideBatchRequest, unknown: BTreeMap<usize, Vec<Violation>> },
}

/// A transfer of a batch that cannot be read.
#[derive(Debug)]
pub enum Unread {
    /// It has violations, and fails alone.
    Transfer(Vec<Violation>),
    /// It is not protobuf, so that the batch is not.
    Batch(Malformed),
}

/// Reads a `DecideBatchRequest`.
///
/// # Errors
/// The message is not protobuf, has violations beside its transfers, or more than `transfers_max` transfers.
pub fn batch<'m>(
    message: &'m [u8],
    transfers_max: usize,
    scratch: &'m mut Scratch<v1::DecideBatchRequest>,
) -> Result<Batch<'m>, Refusal> {
    if let Some((messages, detail)) = decode::batch(message, transfers_max) {
        return Ok(Batch { transfers: Transfers::Messages(messages), detail });
    }
    decoded_batch(message, transfers_max, scratch)
}

/// Reads a batch with the generated decoder, whatever its form.
fn decoded_batch<'m>(
    message: &[u8],
    transfers_max: usize,
    scratch: &'m mut Scratch<v1::DecideBatchRequest>,
) -> Result<Batch<'m>, Refusal> {
    let unknown::Batch { message, found } = unknown::batch(message).map_err(Refusal::Invalid)?;
    let batch = scratch.decode_known(&message).map_err(Refusal::Malformed)?;
    let detail = from_proto::batch_detail(batch, transfers_max).map_err(Refusal::Invalid)?;
    Ok(Batch { transfers: Transfers::Decoded { batch, unknown: found }, detail })
}

impl Batch<'_> {
    /// Returns how many transfers it has.
    pub fn len(&self) -> usize {
        match &self.transfers {
            Transfers::Messages(messages) => messages.len(),
            Transfers::Decoded { batch, unknown: _ } => batch.transfers.len(),
        }
    }

    /// Says whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how much the answers say.
    pub const fn detail(&self) -> Detail {
        self.detail
    }

    /// Reads the transfer at an index; `None` beyond the last.
    ///
    /// # Errors
    /// The transfer cannot be read.
    #[inline]
    pub fn question<'q>(
        &'q self,
        index: usize,
        scratch: &'q mut Scratch<v1::Transfer>,
    ) -> Option<Result<Question<'q>, Unread>> {
        let location = Location::BatchTransfer(index);
        let question = |asked| Question { asked, detail: self.detail, location };
        let wrong = |found| Unread::Transfer(location.locate(found));
        match &self.transfers {
            Transfers::Messages(messages) => {
                let message: &[u8] = messages.get(index)?;
                if let Some(asked) = decode::asked(message) {
                    return Some(Ok(question(asked)));
                }
                let unknown = unknown::of_transfer_in_batch(message, index);
                if !unknown.is_empty() {
                    return Some(Err(Unread::Transfer(unknown)));
                }
                let decoded = scratch.decode_known(message);
                let decoded = decoded.map_err(|malformed| Unread::Batch(malformed.within("transfers")));
                Some(decoded.and_then(|transfer| from_proto::asked(transfer).map(question).map_err(wrong)))
            }
            Transfers::Decoded { batch, unknown } => {
                let transfer = batch.transfers.get(index)?;
                Some(match unknown.get(&index) {
                    Some(found) => Err(Unread::Transfer(found.clone())),
                    None => from_proto::asked(transfer).map(question).map_err(wrong),
                })
            }
        }
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
