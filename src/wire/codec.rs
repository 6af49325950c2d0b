//! The codec of the generated services: protobuf, and a malformed message is the caller's fault.
//!
//! `tonic`'s own codec answers a message that it cannot decode with `INTERNAL`, which gateways take for a fault of the server
//! and retry. This codec answers `INVALID_ARGUMENT` and names the field, as for every other malformed request. `build.rs` puts
//! it into the generated code.
//!
//! [`ContractCodec`] is the codec of `neglist.v1`: it refuses requests with fields that the contract does not have. Other
//! protocols, such as Envoy's, get new fields without us, and theirs pass.

use std::marker::PhantomData;

use prost::bytes::Buf as _;
use prost::{Message, Name};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstEncoder};

use crate::wire::decide::unknown;
use crate::wire::refusal::{Refusal, grpc};

/// Encodes `T` and decodes `U`.
#[derive(Debug)]
pub struct ProtoCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for ProtoCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for ProtoCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProtoDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProtoDecoder(PhantomData)
    }
}

/// Decodes `U`.
#[derive(Debug)]
pub struct ProtoDecoder<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for ProtoDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        U::decode(buffer).map(Some).map_err(|error| grpc::malformed(&error))
    }
}

/// Encodes `T` and decodes `U`, messages of the contract.
#[derive(Debug)]
pub struct ContractCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for ContractCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for ContractCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ContractDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ContractDecoder(PhantomData)
    }
}

/// Decodes `U`, a message of the contract.
#[derive(Debug)]
pub struct ContractDecoder<U>(PhantomData<U>);

impl<U: Message + Name + Default> Decoder for ContractDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let message = buffer.copy_to_bytes(buffer.remaining());
        // A client may be older than its server, and ignore fields that it does not know.
        if U::NAME.ends_with("Request") {
            let found = unknown::fields(&U::full_name(), &message);
            if !found.is_empty() {
                return Err(Refusal::Invalid(found).into());
            }
        }
        U::decode(message).map(Some).map_err(|error| grpc::malformed(&error))
    }
}
