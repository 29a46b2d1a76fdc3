//! A call, whatever transport it comes by: bytes to bytes.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use futures_util::{Stream, StreamExt};
use http::Method;
use prost::Message;
use prost_reflect::{DescriptorPool, MessageDescriptor};

use crate::api::error::{ApiError, Code};
use crate::api::{Api, Meta};
use crate::proto;

pub(super) static DESCRIPTORS: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(proto::DESCRIPTORS).unwrap_or_default());

/// A use case behind its encoding.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// One message for one.
    Unary(fn(Arc<Api>, Meta, Bytes) -> Running<'static, Bytes>),
    /// Many messages for one.
    Stream(for<'a> fn(&'a Api, &'a Meta, Bytes) -> Running<'a, Messages>),
}
pub(super) type Running<'a, T> = Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send + 'a>>;
/// Encoded messages, or why there are no more.
pub(super) type Messages = Pin<Box<dyn Stream<Item = Result<Bytes, ApiError>> + Send>>;

/// A line of the table.
pub(super) struct Call {
    pub(super) service: &'static str,
    pub(super) method: &'static str,
    /// The path of the call in gRPC and Connect.
    pub(super) rpc: &'static str,
    /// The method and path of the call in REST.
    pub(super) verb: Method,
    pub(super) path: &'static str,
    pub(super) run: Run,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Call").field(&self.rpc).finish()
    }
}

/// A call with the descriptions of its messages.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) call: &'static Call,
    pub(super) input: MessageDescriptor,
    pub(super) output: MessageDescriptor,
}

impl Route {
    /// `None` if the .proto files have no such call; a test sees that they have every one.
    pub(super) fn new(call: &'static Call) -> Option<Self> {
        let service = DESCRIPTORS.get_service_by_name(call.service)?;
        let method = service.methods().find(|method| method.name() == call.method)?;
        Some(Self { call, input: method.input(), output: method.output() })
    }
}

pub(super) fn decode<M: Message + Default>(bytes: Bytes) -> Result<M, ApiError> {
    M::decode(bytes).map_err(|error| ApiError::plain(Code::InvalidArgument, error.to_string()))
}

pub(super) fn encode<M: Message>(message: &M) -> Bytes {
    message.encode_to_vec().into()
}

pub(super) fn encode_all<M, E>(
    messages: impl Stream<Item = Result<M, E>> + Send + 'static,
) -> Pin<Box<dyn Stream<Item = Result<Bytes, E>> + Send>>
where
    M: Message,
    E: 'static,
{
    Box::pin(messages.map(|message| message.map(|message| encode(&message))))
}

/// Writes a table: `"service" { Method: VERB "path" => use case; … }`; `@stream` stands before a use
/// case that answers with many messages.
macro_rules! calls {
    (@run $function:path) => {
        crate::wire::call::Run::Unary(|api, meta, request| Box::pin(async move {
            let request = crate::wire::call::decode(request)?;
            let answer = $function(&api, &meta, request).await?;
            Ok(crate::wire::call::encode(&answer))
        }))
    };
    (@run stream $function:path) => {
        crate::wire::call::Run::Stream(|api, meta, request| Box::pin(async move {
            let request = crate::wire::call::decode(request)?;
            let messages = $function(api, meta, request).await?;
            Ok(crate::wire::call::encode_all(messages))
        }))
    };
    ($($service:literal {
        $($method:ident: $verb:ident $path:literal => $(@$many:ident)? $function:path;)*
    })*) => {
        &[$($(crate::wire::call::Call {
            service: $service,
            method: stringify!($method),
            rpc: concat!("/", $service, "/", stringify!($method)),
            verb: http::Method::$verb,
            path: $path,
            run: crate::wire::call::calls!(@run $($many)? $function),
        },)*)*]
    };
}
pub(super) use calls;
