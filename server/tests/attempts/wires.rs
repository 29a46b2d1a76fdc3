//! One call by each way that calls come in.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use portcullis_server::proto::DESCRIPTORS;
use portcullis_server::proto::portcullis::v1 as own;
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value;
use tonic::client::Grpc;
use tonic_prost::ProstCodec;
use tower::ServiceExt;

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).unwrap());

/// A way that calls come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Rest,
    Grpc,
    GrpcWeb,
    Connect,
}

impl How {
    pub(crate) const ALL: [Self; 4] = [Self::Rest, Self::Grpc, Self::GrpcWeb, Self::Connect];
}

/// A call that was not done: the name of its code, and the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) text: String,
}

/// A message that is sent, and where to.
pub(crate) trait Request: Message + Name + Clone + 'static {
    type Answer: Message + Name + Default + 'static;
    /// The path in gRPC.
    const RPC: &'static str;
    /// Verb and path in REST.
    const REST: (&'static str, &'static str);
}

macro_rules! requests {
    ($($in:path => $out:path: $rpc:literal, $verb:literal $path:literal;)*) => {
        $(impl Request for $in {
            type Answer = $out;
            const RPC: &'static str = $rpc;
            const REST: (&'static str, &'static str) = ($verb, $path);
        })*
    };
}

requests! {
    own::BeginAttemptRequest => own::BeginAttemptResponse:
        "/portcullis.v1.AttemptService/BeginAttempt", "POST" "/portcullis/v1/attempts";
    own::SettleAttemptRequest => own::SettleAttemptResponse:
        "/portcullis.v1.AttemptService/SettleAttempt",
        "POST" "/portcullis/v1/attempts/{attemptId}/settle";
    own::RecordAttemptRequest => own::RecordAttemptResponse:
        "/portcullis.v1.AttemptService/RecordAttempt", "POST" "/portcullis/v1/attempts/record";
    own::GetLockStatusRequest => own::GetLockStatusResponse:
        "/portcullis.v1.AttemptService/GetLockStatus", "GET" "/portcullis/v1/users/{userId}/lock";
    own::ReportCredentialChangeRequest => own::ReportCredentialChangeResponse:
        "/portcullis.v1.AttemptService/ReportCredentialChange",
        "POST" "/portcullis/v1/users/{userId}/credential_changes";
    own::RegisterOrgRequest => own::RegisterOrgResponse:
        "/portcullis.v1.DirectoryService/RegisterOrg", "POST" "/portcullis/v1/orgs";
    own::RemoveOrgRequest => own::RemoveOrgResponse:
        "/portcullis.v1.DirectoryService/RemoveOrg", "DELETE" "/portcullis/v1/orgs/{orgId}";
    own::RegisterUserRequest => own::RegisterUserResponse:
        "/portcullis.v1.DirectoryService/RegisterUser", "POST" "/portcullis/v1/users";
    own::RemoveUserRequest => own::RemoveUserResponse:
        "/portcullis.v1.DirectoryService/RemoveUser", "DELETE" "/portcullis/v1/users/{userId}";
    own::ListLockedUsersRequest => own::ListLockedUsersResponse:
        "/portcullis.v1.LockService/ListLockedUsers", "POST" "/portcullis/v1/locked_users/search";
    own::UnlockUsersRequest => own::UnlockUsersResponse:
        "/portcullis.v1.LockService/UnlockUsers", "POST" "/portcullis/v1/locked_users/unlock";
}

pub(crate) async fn call<R: Request>(
    router: &Router,
    how: How,
    token: &str,
    request: &R,
) -> Result<R::Answer, Refusal> {
    match how {
        How::Rest => rest(router, token, request).await,
        How::Connect => connect(router, token, request).await,
        How::Grpc => grpc(router, token, request).await,
        How::GrpcWeb => web(router, token, request).await,
    }
}

fn kind<M: Name>() -> MessageDescriptor {
    POOL.get_message_by_name(&M::full_name()).unwrap()
}

pub(crate) fn of_json<M: Message + Name + Default>(text: &str) -> M {
    let mut json = serde_json::Deserializer::from_str(text);
    DynamicMessage::deserialize(kind::<M>(), &mut json).unwrap().transcode_to().unwrap()
}

fn json_of<M: Message + Name>(message: &M) -> Value {
    let message = DynamicMessage::decode(kind::<M>(), message.encode_to_vec().as_slice()).unwrap();
    serde_json::to_value(&message).unwrap()
}

/// Sends a request and gives its status, headers and body.
pub(super) async fn send(
    router: &Router,
    token: &str,
    (verb, path): (&str, &str),
    content: (&str, Vec<u8>),
) -> (http::response::Parts, Vec<u8>) {
    let request = http::Request::builder()
        .method(verb)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", content.0)
        .body(Body::from(content.1))
        .unwrap();
    let (head, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    (head, axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec())
}

async fn rest<R: Request>(router: &Router, token: &str, request: &R) -> Result<R::Answer, Refusal> {
    let json = json_of(request);
    let mut path = R::REST.1.to_owned();
    for (name, value) in json.as_object().unwrap() {
        path = path.replace(&format!("{{{name}}}"), value.as_str().unwrap_or_default());
    }
    let body = if R::REST.0 == "POST" { json.to_string().into_bytes() } else { Vec::new() };
    let (head, body) = send(router, token, (R::REST.0, &path), ("application/json", body)).await;
    let text = String::from_utf8(body).unwrap();
    if head.status == 200 {
        return Ok(of_json(&text));
    }
    Err(told(&text))
}

/// What an error over REST says.
pub(super) fn told(text: &str) -> Refusal {
    let told: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"));
    let code = tonic::Code::from_i32(told["code"].as_i64().unwrap().try_into().unwrap());
    Refusal { code: format!("{code:?}"), text: told["message"].as_str().unwrap().to_owned() }
}

async fn connect<R: Request>(
    router: &Router,
    token: &str,
    request: &R,
) -> Result<R::Answer, Refusal> {
    let body = json_of(request).to_string().into_bytes();
    let (head, body) = send(router, token, ("POST", R::RPC), ("application/json", body)).await;
    let text = String::from_utf8(body).unwrap();
    if head.status == 200 {
        return Ok(of_json(&text));
    }
    let told: Value = serde_json::from_str(&text).unwrap();
    let words = told["code"].as_str().unwrap().split('_');
    let code = words.map(|word| word[..1].to_uppercase() + &word[1..]).collect();
    Err(Refusal { code, text: told["message"].as_str().unwrap().to_owned() })
}

pub(super) fn refusal(status: &tonic::Status) -> Refusal {
    Refusal { code: format!("{:?}", status.code()), text: status.message().to_owned() }
}

async fn grpc<R: Request>(router: &Router, token: &str, request: &R) -> Result<R::Answer, Refusal> {
    let mut request = tonic::Request::new(request.clone());
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let mut client = Grpc::new(router.clone());
    client.ready().await.unwrap();
    let answer = client.unary(request, R::RPC.parse().unwrap(), ProstCodec::default()).await;
    answer.map(tonic::Response::into_inner).map_err(|status| refusal(&status))
}

/// One frame there; a frame, and one with the trailers, back.
async fn web<R: Request>(router: &Router, token: &str, request: &R) -> Result<R::Answer, Refusal> {
    let message = request.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let frame = [&[0], &length[..], &message].concat();
    let content = ("application/grpc-web+proto", frame);
    let (head, body) = send(router, token, ("POST", R::RPC), content).await;
    if let Some(status) = tonic::Status::from_header_map(&head.headers)
        && status.code() != tonic::Code::Ok
    {
        return Err(refusal(&status));
    }
    assert_eq!(body[0], 0, "{head:?}");
    let length = u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize;
    let trailers = String::from_utf8(body[10 + length..].to_vec()).unwrap();
    assert!(trailers.contains("grpc-status:0"), "{trailers}");
    Ok(R::Answer::decode(&body[5..5 + length]).unwrap())
}
