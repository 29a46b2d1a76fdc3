//! gRPC and gRPC-web.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::StreamExt;
use http::Request;
use prost::bytes::{Buf, BufMut};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::Grpc;
use tonic_reflection::server::Builder;
use tower::{Layer, ServiceExt, service_fn};

use super::call::Run;
use super::{Wire, error};
use crate::proto;

/// Answers a gRPC request.
pub(super) async fn serve(wire: Arc<Wire>, request: Request<Body>) -> Response {
    let path = request.uri().path();
    let Some(call) = wire.rpc(path).map(|route| route.call) else {
        if path.starts_with("/grpc.reflection.") {
            return match wire.reflection.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
        }
        return Status::unimplemented("there is no such call").into_http();
    };
    let limit = wire.options.max_body;
    let mut grpc = Grpc::new(Raw).max_decoding_message_size(limit);
    let response = match call.run {
        Run::Unary(_) => {
            let run = service_fn(move |request: tonic::Request<Bytes>| {
                let wire = Arc::clone(&wire);
                async move {
                    let (metadata, extensions, message) = request.into_parts();
                    let answer = wire.run(call, metadata.as_ref(), &extensions, message).await;
                    answer.map(tonic::Response::new).map_err(|error| error::grpc(&error))
                }
            });
            grpc.unary(run, request).await
        }
        Run::Stream(_) => {
            let run = service_fn(move |request: tonic::Request<Bytes>| {
                let wire = Arc::clone(&wire);
                async move {
                    let (metadata, extensions, message) = request.into_parts();
                    let messages = wire.stream(call, metadata.as_ref(), &extensions, message).await;
                    let messages = messages.map_err(|error| error::grpc(&error))?;
                    let messages = messages.map(|one| one.map_err(|error| error::grpc(&error)));
                    Ok(tonic::Response::new(messages))
                }
            });
            grpc.server_streaming(run, request).await
        }
    };
    response.map(Body::new)
}

/// Answers a gRPC-web request.
pub(super) async fn web(wire: Arc<Wire>, request: Request<Body>) -> Response {
    let inner = service_fn(move |request: Request<tonic::body::Body>| {
        let wire = Arc::clone(&wire);
        async move { Ok::<_, Infallible>(serve(wire, request.map(Body::new)).await) }
    });
    match tonic_web::GrpcWebLayer::new().layer(inner).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

/// The services by which clients ask for services and messages. A test sees that they are there.
pub(super) fn reflection() -> Router {
    let builder = || Builder::configure().register_encoded_file_descriptor_set(proto::DESCRIPTORS);
    let mut router = Router::new();
    if let Ok(service) = builder().build_v1() {
        router = router.route_service("/grpc.reflection.v1.ServerReflection/{method}", service);
    }
    if let Ok(service) = builder().build_v1alpha() {
        router =
            router.route_service("/grpc.reflection.v1alpha.ServerReflection/{method}", service);
    }
    router.fallback(async || Status::unimplemented("there is no such call").into_http::<Body>())
}

/// Messages stay as they are: a call reads and writes its own.
#[derive(Clone, Copy, Debug)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
