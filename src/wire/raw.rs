//! Messages as bytes: requests that nobody has read yet, and answers that may have been written already.
//!
//! The decision service reads and writes its ordinary messages without copying a text ([`super::plain`],
//! [`super::brief`]), and all others as every generated service does. Framing, compression and limits of size are
//! `tonic`'s in either case; only what is between a frame and a handler is not. `build.rs` puts this codec into the
//! decision service.

use std::marker::PhantomData;

use prost::Message;
use prost::bytes::{Buf as _, BufMut as _, Bytes};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic_prost::ProstEncoder;

use super::status;

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

    /// Reads it as every generated service would.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` where it is no `T`, with the field that is malformed.
    pub fn decode(&self) -> Result<T, Status> {
        T::decode(self.bytes()).map_err(|error| status::malformed(&error))
    }
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
