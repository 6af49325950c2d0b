//! Messages as bytes: requests that have not been read, and answers that may have been written already.
//!
//! The decision service reads and writes its ordinary messages without copying a text ([`crate::wire::decide::decode`],
//! [`crate::wire::decide::encode`]), and all others as every generated service does. Framing, compression and limits of size are
//! `tonic`'s in either case; only what is between a frame and a handler is not. `build.rs` puts this codec into the
//! decision service.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use prost::bytes::{Buf as _, BufMut as _, Bytes};
use prost::{Message, Name};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic_prost::ProstEncoder;

use crate::domain::asked::Violation;
use crate::wire::decide::unknown;
use crate::wire::generated::v1;
use crate::wire::refusal::Malformed;

/// A request as it came: the bytes of a `T`, if it is one.
#[derive(Debug, Clone)]
pub struct Received<T> {
    bytes: Bytes,
    kind: PhantomData<fn() -> T>,
}

impl<T: Message + Default> Received<T> {
    /// Returns a request that came as these bytes.
    pub const fn new(bytes: Bytes) -> Self {
        Self { bytes, kind: PhantomData }
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<T: Message + Name + Default> Received<T> {
    /// Reads it.
    ///
    /// # Errors
    /// Where it is no `T`, or has fields that the contract does not have.
    pub fn decode(&self) -> Result<T, Undecoded> {
        let found = unknown::fields(&T::full_name(), self.bytes());
        if !found.is_empty() {
            return Err(Undecoded::Fields(found));
        }
        decode(self.bytes())
    }
}

impl Received<v1::DecideBatchRequest> {
    /// Reads a batch. Transfers that have fields which the contract does not have are empty in it, and stand beside it by
    /// their place, with those fields.
    ///
    /// # Errors
    /// Where it is no batch, or has such fields beside its transfers.
    pub fn decode_batch(&self) -> Result<(v1::DecideBatchRequest, BTreeMap<usize, Vec<Violation>>), Undecoded> {
        let unknown::Batch { message, found } = unknown::batch(self.bytes()).map_err(Undecoded::Fields)?;
        Ok((decode(&message)?, found))
    }
}

impl Received<v1::DecideStreamRequest> {
    /// Returns the sequence number of a message that [`Self::decode`] refuses for its fields.
    pub fn sequence(&self) -> u64 {
        unknown::sequence(self.bytes())
    }
}

fn decode<T: Message + Default>(bytes: &[u8]) -> Result<T, Undecoded> {
    T::decode(bytes).map_err(|error| Undecoded::Malformed(Malformed::new(&error)))
}

/// Why a request cannot be read.
#[derive(Debug)]
pub enum Undecoded {
    /// It is not protobuf.
    Malformed(Malformed),
    /// It has fields that the contract does not have: these.
    Fields(Vec<Violation>),
}

/// An answer: a message that is still to be written, or the bytes of one. Small, because it is handed on many times.
#[derive(Debug)]
pub enum Reply<T> {
    /// A message.
    Message(Box<T>),
    /// What the message would be written as.
    Written(Bytes),
}

impl<T> Reply<T> {
    /// Returns a message that is still to be written.
    pub fn message(message: T) -> Self {
        Self::Message(Box::new(message))
    }
}

/// Writes replies, and leaves requests as they are.
#[derive(Debug)]
pub struct RawCodec<R, Q>(PhantomData<fn() -> (R, Q)>);

impl<R, Q> Default for RawCodec<R, Q> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for RawCodec<Reply<T>, Received<U>>
where
    T: Message + 'static,
    U: Message + Default + 'static,
{
    type Encode = Reply<T>;
    type Decode = Received<U>;
    type Encoder = ReplyEncoder<T>;
    type Decoder = RawDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ReplyEncoder(ProstEncoder::new(BufferSettings::default()))
    }

    fn decoder(&mut self) -> Self::Decoder {
        RawDecoder(PhantomData)
    }
}

/// Writes replies.
#[derive(Debug)]
pub struct ReplyEncoder<T>(ProstEncoder<T>);

impl<T: Message> Encoder for ReplyEncoder<T> {
    type Item = Reply<T>;
    type Error = Status;

    fn encode(&mut self, reply: Reply<T>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        match reply {
            Reply::Message(message) => self.0.encode(*message, buffer),
            Reply::Written(bytes) => {
                // Its own growth doubles, and would copy a batch several times.
                buffer.reserve(bytes.len());
                buffer.put_slice(&bytes);
                Ok(())
            }
        }
    }
}

/// Takes the bytes of a request.
#[derive(Debug)]
pub struct RawDecoder<U>(PhantomData<fn() -> U>);

impl<U: Message + Default> Decoder for RawDecoder<U> {
    type Item = Received<U>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Received<U>>, Status> {
        let len = buffer.remaining();
        Ok(Some(Received::new(buffer.copy_to_bytes(len))))
    }
}
