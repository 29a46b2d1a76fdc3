//! The transports on use cases that tell what they were given.

mod connect;
mod grpc;
mod json;
mod limits;
mod read;
mod rest;
mod table;
mod written;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use portcullis::journal::{BoxFuture, JournalError, MemoryJournal};
use portcullis::{Actor, Details, DurableEngine, LockoutPolicy, OrgId, UserId};
use prost_types::Timestamp;
use serde_json::Value;
use tower::ServiceExt;

use super::call::{Call, calls};
use super::{Options, router_of};
use crate::api::error::{ApiError, Code};
use crate::api::{Api, Meta, Settings};
use crate::callers::{Caller, CallerError, Callers};
use crate::directory::{Directory, User, UserPage, UserQuery};
use crate::proto::zitadel::{management, policy, settings, user, v1};

static CALLS: &[Call] = calls! {
    "zitadel.management.v1.ManagementService" {
        GetLockoutPolicy: GET "/management/v1/policies/lockout" => policy_of;
        AddCustomLockoutPolicy: POST "/management/v1/policies/lockout" => add;
        LockUser: POST "/management/v1/users/{id}/_lock" => lock;
        GetUserByID: GET "/management/v1/users/{id}" => user_of;
        ListUsers: POST "/management/v1/users/_search" => list;
    }
    "zitadel.settings.v2.SettingsService" {
        GetLockoutSettings: GET "/v2/settings/lockout" => settings_of;
    }
    "zitadel.user.v2.UserService" {
        GetUserByID: GET "/v2/users/{user_id}" => user_v2;
    }
    "zitadel.user.v2beta.UserService" {
        GetUserByID: GET "/v2beta/users/{user_id}" => user_v2;
    }
};

type Answer<T> = Result<T, ApiError>;

async fn policy_of(
    _: &Api,
    _: &Meta,
    _: management::v1::GetLockoutPolicyRequest,
) -> Answer<management::v1::GetLockoutPolicyResponse> {
    let details = v1::ObjectDetails {
        sequence: u64::MAX,
        creation_date: Some(Timestamp { seconds: 1_767_322_984, nanos: 123_456_000 }),
        change_date: Some(Timestamp { seconds: 1_767_322_984, nanos: 0 }),
        resource_owner: "org".to_owned(),
    };
    let policy = policy::v1::LockoutPolicy {
        details: Some(details),
        max_password_attempts: 5,
        max_otp_attempts: 0,
        is_default: false,
    };
    Ok(management::v1::GetLockoutPolicyResponse { policy: Some(policy), is_default: false })
}

async fn add(
    _: &Api,
    _: &Meta,
    request: management::v1::AddCustomLockoutPolicyRequest,
) -> Answer<management::v1::AddCustomLockoutPolicyResponse> {
    let numbers = (request.max_password_attempts, request.max_otp_attempts);
    let details = owned(format!("{numbers:?}"));
    Ok(management::v1::AddCustomLockoutPolicyResponse { details: Some(details) })
}

async fn lock(
    _: &Api,
    meta: &Meta,
    request: management::v1::LockUserRequest,
) -> Answer<management::v1::LockUserResponse> {
    match request.id.as_str() {
        "missing" => Err(ApiError::new(Code::NotFound, "COMMAND-5M9fs", "User could not be found")),
        "nobody" => Err(ApiError::plain(Code::Unauthenticated, "auth header missing")),
        "panic" => panic!("as asked"),
        "slow" => {
            tokio::time::sleep(Duration::from_mins(1)).await;
            Ok(management::v1::LockUserResponse::default())
        }
        id => {
            let details = owned(format!("{id} {:?} {:?}", meta.org, meta.authorization));
            Ok(management::v1::LockUserResponse { details: Some(details) })
        }
    }
}

async fn user_of(
    _: &Api,
    _: &Meta,
    request: management::v1::GetUserByIdRequest,
) -> Answer<management::v1::GetUserByIdResponse> {
    let user = user::v1::User { id: request.id, ..user::v1::User::default() };
    Ok(management::v1::GetUserByIdResponse { user: Some(user) })
}

async fn list(
    _: &Api,
    _: &Meta,
    request: management::v1::ListUsersRequest,
) -> Answer<management::v1::ListUsersResponse> {
    let sequence = request.queries.len() as u64;
    let details = v1::ListDetails { total_result: sequence, ..v1::ListDetails::default() };
    Ok(management::v1::ListUsersResponse {
        details: Some(details),
        sorting_column: request.sorting_column,
        result: Vec::new(),
    })
}

async fn settings_of(
    _: &Api,
    _: &Meta,
    request: settings::v2::GetLockoutSettingsRequest,
) -> Answer<settings::v2::GetLockoutSettingsResponse> {
    let owner = request.ctx.and_then(|ctx| ctx.resource_owner);
    let details = crate::proto::zitadel::object::v2::Details {
        resource_owner: format!("{owner:?}"),
        ..Default::default()
    };
    Ok(settings::v2::GetLockoutSettingsResponse { details: Some(details), settings: None })
}

/// Has a field that v2beta does not know.
async fn user_v2(
    _: &Api,
    _: &Meta,
    request: user::v2::GetUserByIdRequest,
) -> Answer<user::v2::GetUserByIdResponse> {
    let human = user::v2::HumanUser {
        mfa_init_skipped: Some(Timestamp { seconds: 1, nanos: 0 }),
        ..user::v2::HumanUser::default()
    };
    let user = user::v2::User {
        user_id: request.user_id,
        state: user::v2::UserState::Locked.into(),
        r#type: Some(user::v2::user::Type::Human(human)),
        ..user::v2::User::default()
    };
    Ok(user::v2::GetUserByIdResponse { details: None, user: Some(user) })
}

fn owned(resource_owner: String) -> v1::ObjectDetails {
    v1::ObjectDetails { resource_owner, ..v1::ObjectDetails::default() }
}

/// A directory and callers that nobody asks.
struct Nobody;

impl Directory for Nobody {
    fn has_org<'a>(&'a self, _: &'a OrgId) -> BoxFuture<'a, Result<bool, JournalError>> {
        unreachable!()
    }

    fn user<'a>(&'a self, _: &'a UserId) -> BoxFuture<'a, Result<Option<User>, JournalError>> {
        unreachable!()
    }

    fn users<'a>(&'a self, _: &'a UserQuery) -> BoxFuture<'a, Result<UserPage, JournalError>> {
        unreachable!()
    }

    fn set_active<'a>(
        &'a self,
        _: &'a Actor,
        _: &'a UserId,
        _: bool,
    ) -> BoxFuture<'a, Result<Option<Details>, JournalError>> {
        unreachable!()
    }
}

impl Callers for Nobody {
    fn caller<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Caller>, CallerError>> {
        unreachable!()
    }
}

const OPTIONS: Options =
    Options { max_body: 4096, timeout: Duration::from_millis(200), ..Options::DEFAULT };

async fn api() -> Api {
    let policy = LockoutPolicy::default();
    let engine = DurableEngine::open("main".parse().unwrap(), policy, MemoryJournal::new());
    let engine = Arc::new(engine.await.unwrap());
    Api::new(engine, Arc::new(Nobody), Arc::new(Nobody), Settings::default())
}

async fn server() -> Router {
    router_of(api().await, OPTIONS, CALLS)
}

/// What came back.
struct Got {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Got {
    fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Sends `METHOD /path`.
async fn send(line: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Got {
    let (method, uri) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = server().await.oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Got { status: parts.status, headers: parts.headers, body }
}
