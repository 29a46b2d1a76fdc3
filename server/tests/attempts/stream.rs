//! A reader of the events, by server-sent events or by gRPC.

use std::fmt::Write;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use portcullis_server::proto::portcullis::v1 as proto;
use tonic::client::Grpc;
use tonic_prost::ProstCodec;
use tower::ServiceExt;

use super::PATIENCE;
use super::wires::{How, Refusal, of_json, refusal, told};

/// Events as they come. What is not asked for is not read.
pub(crate) enum Feed {
    /// The body, and what of it has no end yet.
    Sse(BodyDataStream, String),
    Grpc(tonic::Streaming<proto::Event>),
}

impl Feed {
    pub(crate) async fn open(
        router: &Router,
        how: How,
        token: &str,
        after: Option<u64>,
        of: &str,
    ) -> Result<Self, Refusal> {
        if how == How::Rest {
            let last = after.map(|after| after.to_string());
            return Self::sse(router, token, last.as_deref(), &format!("?orgId={of}")).await;
        }
        let message = proto::StreamEventsRequest { after, org_id: of.to_owned() };
        let mut request = tonic::Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let mut client = Grpc::new(router.clone());
        client.ready().await.unwrap();
        let path = "/portcullis.v1.EventService/StreamEvents".parse().unwrap();
        let answer = client.server_streaming(request, path, ProstCodec::default()).await;
        answer.map(|it| Self::Grpc(it.into_inner())).map_err(|status| refusal(&status))
    }

    /// By server-sent events, with that header and query.
    pub(crate) async fn sse(
        router: &Router,
        token: &str,
        last: Option<&str>,
        query: &str,
    ) -> Result<Self, Refusal> {
        let mut request = http::Request::get(format!("/portcullis/v1/events{query}"))
            .header("authorization", format!("Bearer {token}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        if head.status != 200 {
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            return Err(told(str::from_utf8(&body).unwrap()));
        }
        assert_eq!(head.headers["content-type"], "text/event-stream");
        assert_eq!(head.headers["cache-control"], "no-store");
        Ok(Self::Sse(body.into_data_stream(), String::new()))
    }

    /// The next event, or why there are no more; `None` at an end without a reason.
    pub(crate) async fn next(&mut self) -> Option<Result<proto::Event, Refusal>> {
        let next = async {
            match self {
                Self::Grpc(stream) => {
                    stream.message().await.map_err(|status| refusal(&status)).transpose()
                }
                Self::Sse(body, text) => next_of(body, text).await,
            }
        };
        tokio::time::timeout(PATIENCE, next).await.unwrap()
    }

    /// The next events, so many.
    pub(crate) async fn take(&mut self, number: usize) -> Vec<proto::Event> {
        let mut events = Vec::new();
        while events.len() < number {
            events.push(self.next().await.unwrap().unwrap());
        }
        events
    }

    /// What comes until the end, and why that came.
    pub(crate) async fn rest(&mut self) -> (Vec<proto::Event>, Option<Refusal>) {
        let mut events = Vec::new();
        loop {
            match self.next().await {
                Some(Ok(event)) => events.push(event),
                Some(Err(refusal)) => {
                    assert!(self.next().await.is_none());
                    return (events, Some(refusal));
                }
                None => return (events, None),
            }
        }
    }
}

async fn next_of(
    body: &mut BodyDataStream,
    text: &mut String,
) -> Option<Result<proto::Event, Refusal>> {
    loop {
        while let Some((block, rest)) = text.split_once("\n\n") {
            let (block, rest) = (block.to_owned(), rest.to_owned());
            *text = rest;
            let field = |name: &str| {
                block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            };
            let Some(data) = field("data") else { continue };
            if field("event") == Some("error") {
                return Some(Err(told(data)));
            }
            let event: proto::Event = of_json(data);
            assert_eq!(field("id"), Some(event.position.to_string().as_str()));
            assert_eq!(field("event"), Some(event.r#type.as_str()));
            return Some(Ok(event));
        }
        let chunk = body.next().await?.unwrap();
        text.write_str(std::str::from_utf8(&chunk).unwrap()).unwrap();
    }
}
