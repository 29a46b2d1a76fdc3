//! gRPC by tonic's client, in process and over a port; gRPC-web byte by byte.

use axum::Router;
use axum::body::Body;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::client::{Grpc, GrpcService};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::{CALLS, OPTIONS, api, send, server};
use crate::proto::google::rpc;
use crate::proto::zitadel::management::v1::{LockUserRequest, LockUserResponse};
use crate::proto::zitadel::v1::ErrorDetail;
use crate::wire::router_of;

const LOCK: &str = "/zitadel.management.v1.ManagementService/LockUser";

async fn call<S, Req, Resp>(
    service: S,
    path: &'static str,
    request: Request<Req>,
) -> Result<Response<Resp>, Status>
where
    S: GrpcService<tonic::body::Body>,
    S::ResponseBody: axum::body::HttpBody<Data = axum::body::Bytes> + Send + 'static,
    <S::ResponseBody as axum::body::HttpBody>::Error: Into<axum::BoxError>,
    Req: Message + 'static,
    Resp: Message + Default + 'static,
{
    let mut client = Grpc::new(service);
    client.ready().await.map_err(|_| Status::internal("not ready"))?;
    client.unary(request, path.parse().unwrap(), ProstCodec::default()).await
}

fn lock(id: &str) -> Request<LockUserRequest> {
    Request::new(LockUserRequest { id: id.to_owned() })
}

async fn fails(id: &str) -> Status {
    call::<Router, _, LockUserResponse>(server().await, LOCK, lock(id)).await.unwrap_err()
}

#[tokio::test]
async fn a_message_comes_with_its_metadata() {
    let mut request = lock("7");
    request.metadata_mut().append("authorization", "Bearer a".parse().unwrap());
    request.metadata_mut().insert("x-zitadel-orgid", "o".parse().unwrap());
    let response: Response<LockUserResponse> = call(server().await, LOCK, request).await.unwrap();
    let details = response.into_inner().details.unwrap();
    assert_eq!(details.resource_owner, r#"7 Some("o") ["Bearer a"]"#);
}

#[tokio::test]
async fn an_error_has_its_detail() {
    let status = fails("missing").await;
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), "User could not be found (COMMAND-5M9fs)");
    let inner = rpc::Status::decode(status.details()).unwrap();
    assert_eq!((inner.code, inner.message.as_str()), (5, status.message()));
    let [any] = inner.details.as_slice() else { panic!("{inner:?}") };
    let detail: ErrorDetail = any.to_msg().unwrap();
    assert_eq!(any.type_url, "type.googleapis.com/zitadel.v1.ErrorDetail");
    assert_eq!(detail.id, "COMMAND-5M9fs");
    assert_eq!(detail.message, "User could not be found");

    let status = fails("nobody").await;
    assert_eq!((status.code(), status.details()), (Code::Unauthenticated, &[][..]));
}

#[tokio::test]
async fn whatever_goes_wrong_is_a_status() {
    assert_eq!(fails("panic").await.code(), Code::Internal);
    assert_eq!(fails("slow").await.code(), Code::DeadlineExceeded);
    assert_eq!(fails(&"y".repeat(5000)).await.code(), Code::ResourceExhausted);
    let unknown = ["/zitadel.user.v2.UserService/Nothing", "/no.Service/Nothing"];
    for path in unknown {
        let answer = call::<Router, _, LockUserResponse>(server().await, path, lock("7")).await;
        assert_eq!(answer.unwrap_err().code(), Code::Unimplemented, "{path}");
    }
    let garbled = [("content-type", "application/grpc")];
    let got = send(&format!("POST {LOCK}"), &garbled, b"\0\0\0\0\x01\xff".to_vec()).await;
    assert_eq!((got.status.as_u16(), got.header("grpc-status")), (200, "3"));
}

#[tokio::test]
async fn clients_may_ask_for_the_services() {
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let mut client = Grpc::new(server().await);
        let stream = Request::new(futures_util::stream::iter([ask.clone()]));
        let codec = ProstCodec::<_, ServerReflectionResponse>::default();
        let answers = client.streaming(stream, path.parse().unwrap(), codec).await.unwrap();
        let answer = answers.into_inner().message().await.unwrap().unwrap();
        let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
            panic!("{answer:?}")
        };
        let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
        for name in ["zitadel.user.v2.UserService", "zitadel.user.v2beta.UserService"] {
            assert!(names.contains(&name), "{names:?}");
        }
    }
}

#[tokio::test]
async fn a_browser_gets_its_trailers_in_the_body() {
    let message = LockUserRequest { id: "missing".to_owned() }.encode_to_vec();
    let mut frame = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
    frame.extend(message);
    let headers = [("content-type", "application/grpc-web+proto"), ("origin", "https://a.b")];
    let got = send(&format!("POST {LOCK}"), &headers, frame.clone()).await;
    assert_eq!(got.status.as_u16(), 200);
    assert!(got.header("content-type").starts_with("application/grpc-web"));
    assert_eq!(got.header("access-control-allow-origin"), "https://a.b");
    // An error without a message is a response of trailers alone: here they are headers.
    assert_eq!((got.header("grpc-status"), got.body.len()), ("5", 0));

    let found = LockUserRequest { id: "7".to_owned() }.encode_to_vec();
    let mut frame = vec![0, 0, 0, 0, u8::try_from(found.len()).unwrap()];
    frame.extend(found);
    let got = send(&format!("POST {LOCK}"), &headers, Body::from(frame)).await;
    let length = usize::from(got.body[4]);
    let answer = LockUserResponse::decode(&got.body[5..5 + length]).unwrap();
    assert_eq!(answer.details.unwrap().resource_owner, "7 None []");
    assert_eq!(got.body[5 + length], 0x80, "trailers follow");
    assert!(got.body.ends_with(b"grpc-status:0\r\n"), "{:?}", got.body);
}

#[tokio::test]
async fn a_port_takes_http1_and_http2() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = router_of(api().await, OPTIONS, CALLS);
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });

    let endpoint =
        tonic::transport::Endpoint::try_from(format!("http://127.0.0.1:{port}")).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let response: Response<LockUserResponse> = call(channel, LOCK, lock("7")).await.unwrap();
    assert_eq!(response.into_inner().details.unwrap().resource_owner, "7 None []");

    let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = "GET /v2/users/%C3%A9 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.contains(r#""userId":"é""#), "{text}");
    serving.abort();
}
