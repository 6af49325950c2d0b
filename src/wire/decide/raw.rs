//! Messages of the decision service as bytes: requests that have not been read, and answers that have been written.
//!
//! [`crate::wire::decide::read`] reads a request, and [`crate::wire::decide::encode`] writes an answer. Framing, compression
//! and limits of size are `tonic`'s; only the bytes between a frame and a handler are not. `build.rs` puts this codec into the
//! decision service.

use std::marker::PhantomData;

use prost::bytes::{Buf as _, BufMut as _, Bytes};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// A request as it came: the bytes of a `T`, if it is one.
#[derive(Debug, Clone)]
pub struct Received<T> {
    bytes: Bytes,
    kind: PhantomData<fn() -> T>,
}

impl<T> Received<T> {
    /// Returns a request that came as these bytes.
    pub const fn new(bytes: Bytes) -> Self {
        Self { bytes, kind: PhantomData }
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// An answer: the bytes of a `T`.
#[derive(Debug)]
pub struct Reply<T> {
    bytes: Bytes,
    kind: PhantomData<fn() -> T>,
}

impl<T> Reply<T> {
    /// Returns an answer with these bytes.
    pub const fn new(bytes: Bytes) -> Self {
        Self { bytes, kind: PhantomData }
    }

    /// Returns its bytes.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// Leaves requests and replies as they are.
#[derive(Debug)]
pub struct RawCodec<R, Q>(PhantomData<fn() -> (R, Q)>);

impl<R, Q> Default for RawCodec<R, Q> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: 'static, U: 'static> Codec for RawCodec<Reply<T>, Received<U>> {
    type Encode = Reply<T>;
    type Decode = Received<U>;
    type Encoder = ReplyEncoder<T>;
    type Decoder = RawDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ReplyEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        RawDecoder(PhantomData)
    }
}

/// Sends the bytes of replies.
#[derive(Debug)]
pub struct ReplyEncoder<T>(PhantomData<fn() -> T>);

impl<T> Encoder for ReplyEncoder<T> {
    type Item = Reply<T>;
    type Error = Status;

    fn encode(&mut self, reply: Reply<T>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        // Its own growth doubles, and would copy a batch several times.
        buffer.reserve(reply.bytes.len());
        buffer.put_slice(&reply.bytes);
        Ok(())
    }
}

/// Takes the bytes of a request.
#[derive(Debug)]
pub struct RawDecoder<U>(PhantomData<fn() -> U>);

impl<U> Decoder for RawDecoder<U> {
    type Item = Received<U>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Received<U>>, Status> {
        let len = buffer.remaining();
        Ok(Some(Received::new(buffer.copy_to_bytes(len))))
    }
}
