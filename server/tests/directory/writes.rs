//! Adding: what is there already, what does not fit, and who wins where two add at a time.

use futures_util::future::join_all;
use portcullis_server::api::roles::Role;
use portcullis_server::directory::{
    Directory, DirectoryError, NewEntry, Outcome, UserState, WantedState, first_start,
};

use super::{Place, fill, machine, org, tester, user, wait};

#[test]
fn what_is_there_already_is_no_event_and_what_does_not_fit_is_an_error() {
    let place = Place::new();
    wait(async {
        let directory = place.directory().await;
        fill(&directory, "acme", &["ada"]).await;
        fill(&directory, "umbrella", &[]).await;
        let actor = tester();
        let (acme, umbrella, ada) = (org("acme"), org("umbrella"), user("ada"));
        directory.add_member(&actor, &ada, Role::OrgOwner, Some(&acme)).await.unwrap();
        let before = directory.engine().health().position;
        let unchanged = [
            directory.add_org(&actor, &acme, "acme").await,
            directory.add_user(&actor, &acme, &ada, "ada", machine("ada")).await,
            directory.add_member(&actor, &ada, Role::OrgOwner, Some(&acme)).await,
        ];
        assert_eq!(unchanged, [const { Ok(Outcome::Unchanged) }; 3]);

        let add = async |of: &_, id: &str, name: &str| {
            directory.add_user(&actor, of, &user(id), name, machine("ada")).await.unwrap_err()
        };
        assert_eq!(
            directory.add_org(&actor, &acme, "Other").await,
            Err(DirectoryError::OrgDiffers { org: acme.clone(), name: String::from("acme") })
        );
        assert_eq!(
            add(&umbrella, "ada", "ada").await,
            DirectoryError::OtherOrg { user: ada.clone(), org: acme.clone() }
        );
        assert!(matches!(add(&acme, "ada", "Ada").await, DirectoryError::UserDiffers { .. }));
        let (user_name, org_) = (String::from("ada"), acme.clone());
        assert_eq!(
            add(&acme, "eve", "ada").await,
            DirectoryError::UserNameTaken { user_name, org: org_, user: ada.clone() }
        );
        assert_eq!(add(&org("none"), "eve", "eve").await, DirectoryError::NoSuchOrg(org("none")));
        for bad in ["", " a", "a\n", &"x".repeat(201)] {
            assert!(
                matches!(add(&acme, "eve", bad).await, DirectoryError::BadText { .. }),
                "{bad:?}"
            );
        }
        let member = async |id: &str, role, on| {
            directory.add_member(&actor, &user(id), role, on).await.unwrap_err()
        };
        assert_eq!(
            member("ada", Role::IamOwner, Some(&acme)).await,
            DirectoryError::RoleOfInstance(Role::IamOwner)
        );
        assert_eq!(
            member("ada", Role::OrgOwner, None).await,
            DirectoryError::RoleOfOrg(Role::OrgOwner)
        );
        assert_eq!(
            member("eve", Role::IamOwner, None).await,
            DirectoryError::NoSuchUser(user("eve"))
        );
        assert_eq!(
            member("ada", Role::OrgOwner, Some(&org("none"))).await,
            DirectoryError::NoSuchOrg(org("none"))
        );
        assert_eq!(directory.engine().health().position, before);
        directory.engine().close().await;
    });
}

#[test]
fn a_removed_user_may_come_back_with_another_organization() {
    let place = Place::new();
    wait(async {
        let directory = place.directory().await;
        fill(&directory, "acme", &["ada"]).await;
        fill(&directory, "umbrella", &[]).await;
        let (acme, umbrella, ada, actor) = (org("acme"), org("umbrella"), user("ada"), tester());
        directory.add_member(&actor, &ada, Role::IamOwner, None).await.unwrap();
        directory.engine().remove_user(&umbrella, &ada).await.unwrap();
        assert!(directory.user(&ada).await.unwrap().is_some(), "it is not umbrella's user");
        directory.engine().remove_user(&acme, &ada).await.unwrap();
        assert_eq!(directory.user(&ada).await.unwrap(), None);
        assert_eq!(directory.set_active(&actor, &ada, false).await.unwrap(), None);
        directory.add_user(&actor, &umbrella, &ada, "ada", machine("ada")).await.unwrap();
        let token = directory.add_token(&actor, &ada, None).await.unwrap();
        let info = &directory.list_tokens(None).await.unwrap()[0];
        assert_eq!((&info.id, &info.org, info.memberships.len()), (&token.id, &umbrella, 0));
        directory.engine().close().await;
    });
}

#[test]
fn a_user_is_deactivated_and_activated_once_and_a_lock_stays() {
    let place = Place::new();
    wait(async {
        let directory = place.directory().await;
        fill(&directory, "acme", &["ada"]).await;
        let (ada, actor) = (user("ada"), tester());
        let state = async || directory.user(&ada).await.unwrap().unwrap();
        assert_eq!(directory.set_active(&actor, &ada, true).await.unwrap(), None);
        let done = directory.set_active(&actor, &ada, false).await.unwrap().unwrap();
        assert_eq!(
            (state().await.state(), state().await.sequence),
            (UserState::Inactive, done.sequence)
        );
        assert_eq!(state().await.changed_at, done.changed_at);
        assert_eq!(directory.set_active(&actor, &ada, false).await.unwrap(), None);
        directory.engine().lock(&org("acme"), &ada).await.unwrap();
        assert_eq!(state().await.state(), UserState::Locked);
        directory.set_active(&actor, &ada, true).await.unwrap().unwrap();
        assert_eq!(state().await.state(), UserState::Locked);
        directory.engine().unlock(&ada).await.unwrap();
        assert_eq!(state().await.state(), UserState::Active);
        directory.engine().close().await;
    });
}

#[test]
fn of_two_who_add_the_same_at_a_time_the_first_one_holds() {
    let place = Place::new();
    wait(async {
        let one = place.directory().await;
        fill(&one, "acme", &[]).await;
        let other = place.directory().await;
        let actor = tester();
        let entry = |id: &str| NewEntry::User {
            user: user(id),
            org: org("acme"),
            user_name: String::from("the one"),
            kind: machine(""),
            state: None,
        };
        for round in 0..20 {
            let ids = [format!("a{round}"), format!("b{round}")];
            let added =
                join_all([one.add(&actor, entry(&ids[0])), other.add(&actor, entry(&ids[1]))]);
            let added = added.await;
            let won = usize::from(added[0].is_err());
            assert!(added[won].is_ok() && added[1 - won].is_err(), "{added:?}");
            for directory in [&one, &other] {
                assert!(directory.user(&user(&ids[won])).await.unwrap().is_some());
                assert!(directory.user(&user(&ids[1 - won])).await.unwrap().is_none());
            }
            one.engine().remove_user(&org("acme"), &user(&ids[won])).await.unwrap();
            // Each has to see it before the next round, or it is refused for a reason of the past.
            while other.engine().health().position < one.engine().health().position {
                tokio::task::yield_now().await;
            }
        }
        one.engine().close().await;
        other.engine().close().await;
    });
}

#[test]
fn many_callers_add_one_user_once() {
    let place = Place::new();
    wait(async {
        let directory = place.directory().await;
        fill(&directory, "acme", &[]).await;
        let before = directory.engine().health().position;
        let entry = NewEntry::User {
            user: user("ada"),
            org: org("acme"),
            user_name: String::from("ada"),
            kind: machine(""),
            state: Some(WantedState::Inactive),
        };
        let actor = tester();
        let added = join_all((0..50).map(|_| directory.add(&actor, entry.clone()))).await;
        let changed = added.iter().filter(|it| **it == Ok(Outcome::Changed)).count();
        assert_eq!(changed, 1);
        assert!(added.iter().all(Result::is_ok));
        assert_eq!(directory.engine().health().position, before + 2);
        directory.engine().close().await;
    });
}

#[test]
fn the_first_start_makes_an_owner_and_the_second_does_nothing() {
    let place = Place::new();
    wait(async {
        let directory = place.directory().await;
        let made = first_start(&directory).await.unwrap().unwrap();
        for id in [made.org.as_str(), made.user.as_str(), &made.token_id] {
            assert!(id.len() == 18 && id.bytes().all(|it| it.is_ascii_digit()), "{id}");
        }
        let caller = portcullis_server::callers::Callers::caller(&directory, made.token.as_str());
        let caller = caller.await.unwrap().unwrap();
        assert_eq!((&caller.user, &caller.org), (&made.user, &made.org));
        let role = &caller.memberships[0];
        assert_eq!((role.role, &role.org, caller.memberships.len()), (Role::IamOwner, &None, 1));
        assert!(!format!("{made:?}").contains(made.token.as_str()));
        assert_eq!(first_start(&directory).await.unwrap(), None);
        directory.engine().close().await;
        let again = place.directory().await;
        assert_eq!(first_start(&again).await.unwrap(), None);
        again.engine().close().await;
    });
}
