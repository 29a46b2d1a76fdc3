//! Who is locked, and unlocking many.

use futures_util::StreamExt;
use portcullis::{Factor, UserId};
use portcullis_server::api::roles::Role;
use portcullis_server::proto::portcullis::v1 as proto;
use proto::LockFilter;

use super::said::factor;
use super::wires::{self, How, Refusal};
use super::{World, org, user};

/// `ada` and `carl` of acme and `hank` of globex are locked by failures, `ada` and `hank` by their
/// passwords, `bob` of acme by an administrator; in the order ada, hank, bob, carl.
async fn locked() -> World {
    let world = World::new().await;
    world.add("acme", "carl").await;
    world.add("acme", "free").await;
    let fail = async |of: &str, name: &str, factor: Factor| {
        for _ in 0..5 {
            let admission = world.engine.begin_owned(&org(of), &user(name), factor);
            let portcullis::durable::Admission::Admitted(attempt) = admission else { panic!() };
            let _ = attempt.fail().await.unwrap();
        }
    };
    fail("acme", "ada", Factor::Password).await;
    fail("globex", "hank", Factor::Password).await;
    world.engine.lock(&org("acme"), &user("bob")).await.unwrap();
    fail("acme", "carl", Factor::Totp).await;
    world
}

async fn list(
    world: &World,
    token: &str,
    filter: LockFilter,
    (offset, limit): (u64, u32),
) -> Result<(Vec<String>, u64), Refusal> {
    let request = proto::ListLockedUsersRequest { filter: Some(filter), offset, limit };
    let answer = wires::call(&world.router, How::Rest, token, &request).await?;
    Ok((names(answer.users), answer.total))
}

async fn unlock(
    world: &World,
    token: &str,
    filter: LockFilter,
    dry_run: bool,
) -> Result<Vec<String>, Refusal> {
    let reason = String::from("false alarm");
    let request = proto::UnlockUsersRequest { filter: Some(filter), dry_run, reason };
    let answer = wires::call(&world.router, How::Grpc, token, &request).await?;
    assert_eq!(answer.total, Some(answer.users.len() as u64));
    Ok(names(answer.users))
}

fn denied() -> String {
    String::from("PermissionDenied")
}

fn names(users: Vec<proto::LockedUser>) -> Vec<String> {
    users.into_iter().map(|it| it.user_id).collect()
}

fn all() -> LockFilter {
    LockFilter::default()
}

fn of(org: &str) -> LockFilter {
    LockFilter { org_id: org.to_owned(), ..all() }
}

#[tokio::test]
async fn each_part_of_a_filter_selects_alone_and_together_with_the_others() {
    let world = locked().await;
    let request = proto::ListLockedUsersRequest::default();
    let everybody = world.order(request).await.unwrap().users;
    let since = |at: usize| everybody[at].locked.as_ref().unwrap().since;
    let by_failures = proto::LockCause::Failures.into();
    let by_administrator = proto::LockCause::Administrator.into();
    let (password, totp) = (factor("password").0, factor("totp").0);
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    for (filter, expected) in [
        (all(), &["ada", "hank", "bob", "carl"][..]),
        (of("acme"), &["ada", "bob", "carl"]),
        (of("nowhere"), &[]),
        (LockFilter { user_ids: ids(&["carl", "ada", "free"]), ..all() }, &["ada", "carl"]),
        (LockFilter { cause: by_failures, ..all() }, &["ada", "hank", "carl"]),
        (LockFilter { cause: by_administrator, ..all() }, &["bob"]),
        (LockFilter { factor: password, ..all() }, &["ada", "hank"]),
        (LockFilter { factor: totp, ..all() }, &["carl"]),
        (LockFilter { since: since(2), ..all() }, &["bob", "carl"]),
        (LockFilter { before: since(2), ..all() }, &["ada", "hank"]),
        (LockFilter { since: since(1), before: since(3), ..all() }, &["hank", "bob"]),
        (LockFilter { cause: by_failures, since: since(1), ..of("acme") }, &["carl"]),
        (
            LockFilter { user_ids: ids(&["ada", "hank"]), factor: password, ..of("globex") },
            &["hank"],
        ),
        (LockFilter { cause: by_administrator, factor: password, ..all() }, &[]),
    ] {
        let (found, total) = list(&world, &world.root, filter.clone(), (0, 0)).await.unwrap();
        assert_eq!(found, expected, "{filter:?}");
        assert_eq!(total, expected.len() as u64, "{filter:?}");
        let would_be = unlock(&world, &world.root, filter.clone(), true).await.unwrap();
        assert_eq!(would_be, expected, "{filter:?}");
    }
    let one = &everybody[0];
    let lock = one.locked.as_ref().unwrap();
    assert_eq!((one.org_id.as_str(), lock.cause, lock.factor), ("acme", by_failures, password));
}

#[tokio::test]
async fn a_filter_that_means_nothing_is_refused() {
    let world = locked().await;
    let inactive = proto::LockCause::Inactive.into();
    for filter in [
        LockFilter { cause: inactive, ..all() },
        LockFilter { cause: 9, ..all() },
        LockFilter { factor: 9, ..all() },
        of(" "),
    ] {
        let filter = Some(filter);
        let request = proto::ListLockedUsersRequest { filter, ..Default::default() };
        let refused = wires::call(&world.router, How::Grpc, &world.root, &request).await;
        assert_eq!(refused.unwrap_err().code, "InvalidArgument", "{request:?}");
    }
    assert_eq!(
        list(&world, &world.root, all(), (0, 1001)).await.unwrap_err().code,
        "InvalidArgument"
    );
    let reason = "x".repeat(1001);
    let request = proto::UnlockUsersRequest { reason, ..Default::default() };
    assert_eq!(world.order(request).await.unwrap_err().code, "InvalidArgument");
    assert_eq!(world.engine.locked_users().count(), 4);
}

#[tokio::test]
async fn a_page_is_a_part_and_the_total_the_whole() {
    let world = locked().await;
    for (page, expected) in [
        ((0, 1), &["ada"][..]),
        ((1, 2), &["hank", "bob"]),
        ((3, 2), &["carl"]),
        ((4, 2), &[]),
        ((u64::MAX, 1000), &[]),
    ] {
        let (found, total) = list(&world, &world.root, all(), page).await.unwrap();
        assert_eq!(found, expected, "{page:?}");
        assert_eq!(total, 4, "{page:?}");
    }
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_an_unlocking_has_its_reason_in_the_trail() {
    let world = locked().await;
    let before = world.engine.health().position;
    let would_be = unlock(&world, &world.root, of("acme"), true).await.unwrap();
    assert_eq!(world.engine.health().position, before);
    assert_eq!(world.engine.locked_users().count(), 4);
    assert_eq!(unlock(&world, &world.root, of("acme"), false).await.unwrap(), would_be);
    let left: Vec<_> = world.engine.locked_users().map(|(user, _)| user).collect();
    assert_eq!(left, [user("hank")]);
    assert_eq!(world.engine.status(&user("ada")).failures(Factor::Password), 0);
    let number = usize::try_from(world.engine.health().position - before).unwrap();
    let events: Vec<_> = world.engine.events_after(before).take(number).collect().await;
    let told: Vec<_> = events
        .into_iter()
        .map(|it| it.unwrap())
        .map(|it| (it.event.type_name().to_owned(), it.actor.to_string(), it.event.payload()))
        .collect();
    let reason = (
        String::from("user.unlock.reason"),
        String::from("root"),
        Some(String::from(r#"{"reason":"false alarm"}"#)),
    );
    assert_eq!(told.len(), 6, "{told:?}");
    for pair in told.chunks(2) {
        assert_eq!(pair[0], reason);
        assert_eq!((pair[1].0.as_str(), pair[1].1.as_str()), ("user.unlocked", "root"));
    }
    // There is nobody left to unlock, and nothing more in the trail.
    let before = world.engine.health().position;
    assert!(unlock(&world, &world.root, of("acme"), false).await.unwrap().is_empty());
    assert_eq!(world.engine.health().position, before);
}

#[tokio::test]
async fn m31_nobody_lists_or_unlocks_where_that_is_not_permitted() {
    let world = locked().await;
    let owner = world.token("boss", "globex", Role::OrgOwner, Some("globex")).await;
    let viewer = world.token("viewer", "home", Role::IamOwnerViewer, None).await;
    let settings = Role::OrgSettingsManager;
    let nobody = world.token("other", "acme", settings, Some("acme")).await;
    let is_locked = |name: &str| world.engine.is_locked(name);
    let code = |refusal: Refusal| refusal.code;

    for token in [&nobody, &world.login] {
        assert_eq!(list(&world, token, all(), (0, 0)).await.map_err(code), Err(denied()));
        assert_eq!(unlock(&world, token, all(), false).await.map_err(code), Err(denied()));
    }
    assert_eq!(list(&world, &viewer, all(), (0, 0)).await.unwrap().1, 4);
    assert_eq!(unlock(&world, &viewer, all(), false).await.map_err(code), Err(denied()));
    // An owner of one organization: an empty filter selects what is of it, and another's is refused.
    assert_eq!(list(&world, &owner, all(), (0, 0)).await.unwrap(), (vec!["hank".to_owned()], 1));
    let ids: Vec<String> = vec!["ada".into(), "bob".into()];
    let named = LockFilter { user_ids: ids, ..all() };
    assert!(unlock(&world, &owner, named, false).await.unwrap().is_empty());
    assert_eq!(unlock(&world, &owner, of("acme"), false).await.map_err(code), Err(denied()));
    assert!(["ada", "bob", "carl", "hank"].into_iter().all(is_locked));
    assert_eq!(unlock(&world, &owner, all(), false).await.unwrap(), ["hank"]);
    let left: Vec<UserId> = world.engine.locked_users().map(|(user, _)| user).collect();
    assert_eq!(left, [user("ada"), user("bob"), user("carl")]);
}

#[tokio::test]
async fn many_are_unlocked_at_once_and_told_up_to_a_thousand() {
    let world = World::new().await;
    let names: Vec<_> = (0..1_100).map(|number| user(&format!("u{number}"))).collect();
    let locking = names.iter().map(|name| world.engine.lock(&"acme".parse().unwrap(), name));
    for done in futures_util::future::join_all(locking.collect::<Vec<_>>()).await {
        done.unwrap();
    }
    let (page, total) = list(&world, &world.root, all(), (0, 0)).await.unwrap();
    assert_eq!((page.len(), total), (100, 1_100));
    let request = proto::UnlockUsersRequest::default();
    let answer = world.order(request).await.unwrap();
    assert_eq!((answer.users.len(), answer.total), (1_000, Some(1_100)));
    assert_eq!(world.engine.locked_users().count(), 0);
}
