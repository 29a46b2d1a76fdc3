//! What the calls on one user answer.

use portcullis_server::api::error::ApiError;
use portcullis_server::api::users::{v1, v2};
use portcullis_server::proto::zitadel::management::v1 as m;
use portcullis_server::proto::zitadel::user::v1::UserState;
use portcullis_server::proto::zitadel::user::v2 as u;

use super::{World, about, by, told, wait};

/// One of the four changes through one of the two services: sequence and owner, or the error.
async fn change(world: &World, call: &str, id: &str) -> Result<(u64, String), ApiError> {
    let (api, meta, id) = (&world.api, &by("root"), id.to_owned());
    macro_rules! change {
        ($function:path, $request:expr) => {{
            let details = $function(api, meta, $request).await?.details.unwrap();
            assert!(details.creation_date.is_none() && details.change_date.is_some());
            Ok((details.sequence, details.resource_owner))
        }};
    }
    match call {
        "v1 lock" => change!(v1::lock_user_v1, m::LockUserRequest { id }),
        "v1 unlock" => change!(v1::unlock_user_v1, m::UnlockUserRequest { id }),
        "v1 deactivate" => change!(v1::deactivate_user_v1, m::DeactivateUserRequest { id }),
        "v1 reactivate" => change!(v1::reactivate_user_v1, m::ReactivateUserRequest { id }),
        "v2 lock" => change!(v2::lock_user, u::LockUserRequest { user_id: id }),
        "v2 unlock" => change!(v2::unlock_user, u::UnlockUserRequest { user_id: id }),
        "v2 deactivate" => change!(v2::deactivate_user, u::DeactivateUserRequest { user_id: id }),
        "v2 reactivate" => change!(v2::reactivate_user, u::ReactivateUserRequest { user_id: id }),
        other => panic!("{other}"),
    }
}

async fn state(world: &World, id: &str) -> UserState {
    let request = m::GetUserByIdRequest { id: id.to_owned() };
    let got = v1::get_user_by_id_v1(&world.api, &by("root"), request).await.unwrap();
    let (one, id) = (got.user.unwrap().state(), id.to_owned());
    let request = u::GetUserByIdRequest { user_id: id };
    let other = v2::get_user_by_id(&world.api, &by("root"), request).await.unwrap();
    assert_eq!(other.user.unwrap().state().as_str_name(), one.as_str_name());
    one
}

/// The ids of an unknown user and of a wrong state, by service and change.
const IDS: [(&str, &str, &str); 8] = [
    ("v1 lock", "COMMAND-5M9fs", "COMMAND-3NN8v"),
    ("v1 unlock", "COMMAND-M0dos", "COMMAND-4M0ds"),
    ("v1 deactivate", "COMMAND-3M9ds", "COMMAND-5M0sf"),
    ("v1 reactivate", "COMMAND-4M0sd", "COMMAND-6M0sf"),
    ("v2 lock", "COMMAND-450yxuqrh1", "COMMAND-lgws8wtsqf"),
    ("v2 unlock", "COMMAND-x377t913pw", "COMMAND-olb9vb0oca"),
    ("v2 deactivate", "COMMAND-5gp2p62iin", "COMMAND-5gunjw0cd7"),
    ("v2 reactivate", "COMMAND-9hy5kzbuk6", "COMMAND-s5qqcz97hf"),
];

#[test]
fn each_change_has_its_state_and_its_ids() {
    wait(async {
        for service in ["v1", "v2"] {
            let world = World::new().await;
            // What is done, whether it is done, and the state afterwards.
            for (kind, done, then) in [
                ("unlock", false, UserState::Active),
                ("reactivate", false, UserState::Active),
                ("lock", true, UserState::Locked),
                ("lock", false, UserState::Locked),
                ("reactivate", false, UserState::Locked),
                // No split state: it stays locked all the while, and can be unlocked at any time.
                ("deactivate", true, UserState::Locked),
                ("deactivate", false, UserState::Locked),
                ("reactivate", true, UserState::Locked),
                ("deactivate", true, UserState::Locked),
                ("unlock", true, UserState::Inactive),
                ("unlock", false, UserState::Inactive),
                ("lock", false, UserState::Inactive),
                ("reactivate", true, UserState::Active),
                ("lock", true, UserState::Locked),
                ("unlock", true, UserState::Active),
            ] {
                let call = format!("{service} {kind}");
                let before = world.api.engine().health().position;
                let answer = change(&world, &call, "ada").await;
                let position = world.api.engine().health().position;
                if done {
                    assert_eq!(answer, Ok((position, String::from("acme"))), "{call}");
                    assert_eq!(position, before + 1);
                } else {
                    let text = match kind {
                        "lock" => "User is not active or initial",
                        "unlock" => "User is not locked",
                        "deactivate" => "User already inactive",
                        _ => "User is not inactive",
                    };
                    let (_, _, id) = IDS.iter().find(|(name, ..)| **name == call).unwrap();
                    assert_eq!(told(answer), format!("FailedPrecondition: {text} ({id})"));
                    assert_eq!(position, before);
                }
                assert_eq!(state(&world, "ada").await, then, "after {call}");
            }
        }
    });
}

#[test]
fn m12_m39_who_is_not_there_is_not_found_and_no_id_is_cut() {
    wait(async {
        let world = World::new().await;
        for (call, not_found, _) in IDS {
            for nobody in ["nobody", "ADA", "ada ", "ad", "a\u{0}", &"x".repeat(200)] {
                let expected = format!("NotFound: User could not be found ({not_found})");
                assert_eq!(told(change(&world, call, nobody).await), expected, "{call} {nobody:?}");
            }
            for bad in [String::new(), "x".repeat(201), "é".repeat(201)] {
                let answer = told(change(&world, call, &bad).await);
                let rule = "value length must be between 1 and 200 runes, inclusive";
                assert!(answer.starts_with("InvalidArgument: invalid "), "{answer}");
                assert!(answer.ends_with(rule), "{answer}");
            }
        }
        let id = String::new();
        let empty = v1::lock_user_v1(&world.api, &by("root"), m::LockUserRequest { id }).await;
        assert!(told(empty).contains("invalid LockUserRequest.Id: value length"));
        assert_eq!(world.api.engine().health().position, 1);
    });
}

#[test]
fn reading_a_user_of_another_organization() {
    wait(async {
        let world = World::new().await;
        let get = |meta: super::Meta, id: &str| {
            let request = m::GetUserByIdRequest { id: id.to_owned() };
            let api = world.api.clone();
            async move { v1::get_user_by_id_v1(&api, &meta, request).await }
        };
        let not_found = |id| format!("NotFound: User could not be found ({id})");
        assert_eq!(told(get(by("root"), "hank").await), not_found("MANAG-fpo4B"));
        assert_eq!(told(get(by("root"), "nobody").await), not_found("QUERY-Dfbg2"));
        let hank = get(about("globex", "root"), "hank").await.unwrap().user.unwrap();
        assert_eq!((hank.user_name.as_str(), hank.id.as_str()), ("hank@globex", "hank"));
        assert_eq!(hank.details.unwrap().resource_owner, "globex");
        // By the newer service from anywhere, and everybody may read themselves.
        world.add_caller("self", "globex", "hank", &[]);
        for token in ["root", "self"] {
            let request = u::GetUserByIdRequest { user_id: String::from("hank") };
            let hank = v2::get_user_by_id(&world.api, &by(token), request).await.unwrap();
            assert_eq!(hank.user.unwrap().username, "hank@globex");
        }
        let request = u::GetUserByIdRequest { user_id: String::from("ada") };
        let ada = v2::get_user_by_id(&world.api, &by("self"), request).await;
        assert_eq!(told(ada), "PermissionDenied: No matching permissions found (AUTH-AWfge)");
    });
}
