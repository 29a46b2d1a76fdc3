//! The calls of `portcullis.v1` as the table of permissions makes them, and who is believed about where
//! an attempt comes from.

use std::net::IpAddr;

use futures_util::StreamExt;
use p::begin_attempt_response::Admission;
use portcullis::{AttemptInfo, Event, Factor, OrgId, UserId};
use portcullis_server::api::attempts::*;
use portcullis_server::api::error::ApiError;
use portcullis_server::api::events::stream_events;
use portcullis_server::api::locks::{list_locked_users, unlock_users};
use portcullis_server::api::registry::*;
use portcullis_server::api::roles::Role;
use portcullis_server::api::{Api, Meta};
use portcullis_server::proto::portcullis::v1 as p;

use super::{World, by, told, wait};

fn text(text: &str) -> String {
    text.to_owned()
}

fn begin(factor: p::Factor, client: Option<p::Client>) -> p::BeginAttemptRequest {
    let (org_id, user_id) = (text("acme"), text("eve"));
    p::BeginAttemptRequest { org_id, user_id, factor: factor.into(), client }
}

fn settle(id: &str, outcome: p::Outcome) -> p::SettleAttemptRequest {
    p::SettleAttemptRequest { attempt_id: text(id), outcome: outcome.into() }
}

async fn begun(api: &Api, meta: &Meta, request: p::BeginAttemptRequest) -> String {
    match begin_attempt(api, meta, request).await.unwrap().admission {
        Some(Admission::Admitted(admitted)) => admitted.attempt_id,
        other => panic!("{other:?}"),
    }
}

/// Settles an attempt that another has begun, which leaves nothing open.
async fn settle_one(api: &Api, meta: &Meta) -> Result<(), ApiError> {
    let id = begun(api, &by("root"), begin(p::Factor::Totp, None)).await;
    let settled = settle_attempt(api, meta, settle(&id, p::Outcome::Failure)).await.map(drop);
    let cancelled = settle(&id, p::Outcome::Cancelled);
    let _ = settle_attempt(api, &by("root"), cancelled).await.unwrap();
    let (acme, eve): (OrgId, UserId) = ("acme".parse().unwrap(), "eve".parse().unwrap());
    api.engine().credential_changed(&acme, &eve, Factor::Totp).await.unwrap();
    settled
}

/// Makes the call of that name about `eve` of `acme`, about nobody, or about all.
pub(crate) async fn call(api: &Api, meta: &Meta, name: &str) -> Result<(), ApiError> {
    macro_rules! call {
        ($function:path, $request:expr) => {
            $function(api, meta, $request).await.map(drop)
        };
    }
    let (call, about) = name.split_once(", ").unwrap_or((name, ""));
    let user_id = text(if about == "unknown" { "nobody" } else { "eve" });
    let org_id = text(if about == "everywhere" { "" } else { "acme" });
    let filter = Some(p::LockFilter { org_id: org_id.clone(), ..p::LockFilter::default() });
    let factor = p::Factor::Password.into();
    match call {
        "begin_attempt" => call!(begin_attempt, begin(p::Factor::Password, None)),
        "settle_attempt" => settle_one(api, meta).await,
        "record_attempt" => {
            let outcome = p::Outcome::Success.into();
            let request =
                p::RecordAttemptRequest { org_id, user_id, factor, outcome, client: None };
            call!(record_attempt, request)
        }
        "get_lock_status" => call!(get_lock_status, p::GetLockStatusRequest { user_id }),
        "report_credential_change" => {
            call!(report_credential_change, p::ReportCredentialChangeRequest { user_id, factor })
        }
        "register_org" => call!(register_org, p::RegisterOrgRequest::default()),
        "remove_org" => call!(remove_org, p::RemoveOrgRequest { org_id: text("globex") }),
        "register_user" => {
            let user_name = String::new();
            let request =
                p::RegisterUserRequest { org_id, user_id, user_name, human: None, machine: None };
            call!(register_user, request)
        }
        "remove_user" => call!(remove_user, p::RemoveUserRequest { user_id }),
        "list_locked_users" => call!(
            list_locked_users,
            p::ListLockedUsersRequest { filter, ..p::ListLockedUsersRequest::default() }
        ),
        "unlock_users" => {
            let reason = String::new();
            call!(unlock_users, p::UnlockUsersRequest { filter, dry_run: true, reason })
        }
        "stream_events" => {
            call!(stream_events, p::StreamEventsRequest { after: None, org_id })
        }
        other => panic!("there is no call {other}"),
    }
}

/// What the newest failure in the trail says of where it came from.
async fn noted(world: &World) -> AttemptInfo {
    let engine = world.api.engine();
    let head = engine.health().position;
    let event = Box::pin(engine.events_after(head - 1)).next().await.unwrap().unwrap().event;
    let Event::CheckFailed { info, .. } = event else { panic!("{event:?}") };
    *info.unwrap()
}

#[test]
fn m23_where_an_attempt_comes_from_is_believed_of_login_services_alone() {
    wait(async {
        let world = World::new().await;
        world.add_user("acme", "eve");
        let (address, agent) = ("192.0.2.7", "Browser/1");
        let told_of = p::Client {
            address: text(address),
            user_agent: text(agent),
            accept_language: text("en"),
        };
        let connection: IpAddr = "198.51.100.1".parse().unwrap();
        for role in [Role::IamLoginService, Role::OrgLoginService, Role::IamOwner, Role::OrgOwner] {
            let on = (!role.is_of_instance()).then_some("acme");
            world.add_caller("one", "acme", "somebody", &[(role, on)]);
            let user_agent = Some(text("curl/8"));
            let meta = Meta { client: Some(connection), user_agent, ..by("one") };
            let is_service = [Role::IamLoginService, Role::OrgLoginService].contains(&role);
            let expected = if is_service {
                (address.parse().ok(), Some(agent), Some("en"))
            } else {
                (Some(connection), Some("curl/8"), None)
            };
            let id = begun(&world.api, &meta, begin(p::Factor::Totp, Some(told_of.clone()))).await;
            settle_attempt(&world.api, &meta, settle(&id, p::Outcome::Failure)).await.unwrap();
            let begun_from = noted(&world).await;
            let request = p::RecordAttemptRequest {
                org_id: text("acme"),
                user_id: text("eve"),
                factor: p::Factor::Password.into(),
                outcome: p::Outcome::Failure.into(),
                client: Some(told_of.clone()),
            };
            record_attempt(&world.api, &meta, request).await.unwrap();
            for info in [begun_from, noted(&world).await] {
                let found = (info.remote_ip, info.user_agent, info.accept_language);
                let found = (found.0, found.1.as_deref(), found.2.as_deref());
                assert_eq!(found, expected, "{role}");
            }
        }
        // What a service tells has to make sense all the same.
        world.add_caller("one", "acme", "somebody", &[(Role::IamLoginService, None)]);
        for bad in [
            p::Client { address: text("here"), ..p::Client::default() },
            p::Client { user_agent: "x".repeat(1001), ..p::Client::default() },
        ] {
            let request = begin(p::Factor::OtpSms, Some(bad));
            let refused = told(begin_attempt(&world.api, &by("one"), request).await);
            assert!(refused.starts_with("InvalidArgument: invalid Client."), "{refused}");
        }
        assert_eq!(world.api.open_attempts(), 0);
    });
}
