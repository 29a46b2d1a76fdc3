//! Filters, pages and totals.

use portcullis_server::directory::{
    Directory, JournalDirectory, NewEntry, TextMatch, UserFilter, UserKind, UserQuery, UserState,
};

use super::{Place, fill, ids, machine, org, query, tester, user, wait};

const NAMES: [&str; 12] =
    ["ada", "Ada", "a_a", "a%a", "a\\a", "%", "_", "ÄRA", "ära", "xada", "adax", "\\%_"];

/// An organization whose users `0`, `1` … have these names.
async fn named(place: &Place) -> JournalDirectory {
    let directory = place.directory().await;
    fill(&directory, "acme", &[]).await;
    for (number, name) in NAMES.iter().enumerate() {
        let id = user(&number.to_string());
        directory.add_user(&tester(), &org("acme"), &id, name, machine("")).await.unwrap();
    }
    directory
}

#[test]
fn every_way_to_compare_texts_takes_them_as_they_are() {
    let place = Place::new();
    wait(async {
        let directory = named(&place).await;
        let lower = |text: &str| text.to_lowercase();
        for pattern in
            NAMES.iter().chain(&["", "a", "A", "x", "Ä", "a%", "_a", "\\", "ada ", "'", "a\0"])
        {
            type Compare = fn(&str, &str) -> bool;
            let ways: [(TextMatch, TextMatch, Compare); 4] = [
                (TextMatch::Equals, TextMatch::EqualsIgnoreCase, |name, text| name == text),
                (TextMatch::StartsWith, TextMatch::StartsWithIgnoreCase, |name, text| {
                    name.starts_with(text)
                }),
                (TextMatch::Contains, TextMatch::ContainsIgnoreCase, |name, text| {
                    name.contains(text)
                }),
                (TextMatch::EndsWith, TextMatch::EndsWithIgnoreCase, |name, text| {
                    name.ends_with(text)
                }),
            ];
            for (exact, ignoring, compare) in ways {
                for (how, ignores) in [(exact, false), (ignoring, true)] {
                    let filter = UserFilter::UserName(String::from(*pattern), how);
                    let page = directory.users(&query(filter)).await.unwrap();
                    let expected: Vec<_> = NAMES
                        .iter()
                        .filter(|name| {
                            if ignores {
                                compare(&lower(name), &lower(pattern))
                            } else {
                                compare(name, pattern)
                            }
                        })
                        .copied()
                        .collect();
                    let found: Vec<_> = page.users.iter().map(|it| it.user_name.as_str()).collect();
                    assert_eq!(found, expected, "{pattern:?} {how:?}");
                    assert_eq!(page.total, u64::try_from(expected.len()).unwrap());
                }
            }
        }
        directory.engine().close().await;
    });
}

#[test]
fn conditions_are_joined_as_they_are_said() {
    let place = Place::new();
    wait(async {
        let directory = place.directory().await;
        fill(&directory, "acme", &["a", "b", "c", "d"]).await;
        fill(&directory, "umbrella", &["e"]).await;
        let human = UserKind::Human {
            first_name: String::new(),
            last_name: String::new(),
            email: String::new(),
        };
        directory.add_user(&tester(), &org("umbrella"), &user("f"), "f", human).await.unwrap();
        for id in ["b", "c"] {
            directory.set_active(&tester(), &user(id), false).await.unwrap().unwrap();
        }
        for id in ["c", "d"] {
            directory.engine().lock(&org("acme"), &user(id)).await.unwrap();
        }
        let some = |ids: &[&str]| UserFilter::Ids(ids.iter().map(|&id| String::from(id)).collect());
        let not = |filter| UserFilter::Not(Box::new(filter));
        for (filter, expected) in [
            (UserFilter::State(UserState::Active), &["a", "e", "f"][..]),
            (UserFilter::State(UserState::Inactive), &["b"]),
            (UserFilter::State(UserState::Locked), &["c", "d"]),
            (UserFilter::IsHuman(true), &["f"]),
            (UserFilter::IsHuman(false), &["a", "b", "c", "d", "e"]),
            (UserFilter::Org(String::from("umbrella")), &["e", "f"]),
            (UserFilter::Org(String::from("acme' OR '1'='1")), &[]),
            (UserFilter::Nobody, &[]),
            (not(UserFilter::Nobody), &["a", "b", "c", "d", "e", "f"]),
            (UserFilter::And(vec![]), &["a", "b", "c", "d", "e", "f"]),
            (UserFilter::Or(vec![]), &[]),
            (some(&[]), &[]),
            (some(&["f", "a", "a", "nobody", "\"]"]), &["a", "f"]),
            (UserFilter::Or(vec![some(&["a"]), some(&["b"]), some(&["f"])]), &["a", "b", "f"]),
            (
                UserFilter::And(vec![
                    not(UserFilter::Or(vec![some(&["a"]), UserFilter::IsHuman(true)])),
                    UserFilter::Or(vec![some(&["a", "b"]), UserFilter::State(UserState::Locked)]),
                ]),
                &["b", "c", "d"],
            ),
            (UserFilter::Or(vec![some(&["b"]); 5_000]), &["b"]),
        ] {
            let page = directory.users(&query(filter.clone())).await.unwrap();
            assert_eq!(ids(&page.users), expected, "{filter:?}");
            let of_acme = UserQuery { orgs: Some(vec![org("acme")]), ..query(filter.clone()) };
            let in_acme = |id: &&&str| **id < "e";
            let expected: Vec<_> = expected.iter().filter(in_acme).copied().collect();
            let page = directory.users(&of_acme).await.unwrap();
            assert_eq!(ids(&page.users), expected, "{filter:?}");
            assert_eq!(page.total, u64::try_from(expected.len()).unwrap());
            let both = UserQuery { orgs: Some(vec![org("acme"), org("none")]), ..of_acme.clone() };
            assert_eq!(directory.users(&both).await.unwrap().users, page.users);
            let none = UserQuery { orgs: Some(vec![]), ..of_acme };
            assert_eq!(directory.users(&none).await.unwrap().total, 0);
        }
        directory.engine().close().await;
    });
}

#[test]
fn pages_follow_each_other_and_the_total_is_of_all() {
    let place = Place::new();
    wait(async {
        let directory = place.directory().await;
        fill(&directory, "acme", &[]).await;
        // Named in the opposite order.
        let new = |number: u32| NewEntry::User {
            user: user(&number.to_string()),
            org: org("acme"),
            user_name: format!(
                "{}{:04}",
                if number.is_multiple_of(2) { "N" } else { "n" },
                2_000 - number
            ),
            kind: machine(""),
            state: None,
        };
        let added =
            directory.add_all(&tester(), (0..1_500).map(new).collect(), false).await.unwrap();
        assert_eq!(added.len(), 1_500);
        let all: Vec<_> = (0..1_500).map(|number| number.to_string()).collect();
        let everyone = query(UserFilter::And(vec![]));
        for (offset, limit, expected) in [
            (0, 0, 0..100),
            (0, 3, 0..3),
            (3, 3, 3..6),
            (1_498, 10, 1_498..1_500),
            (1_500, 10, 0..0),
            (u64::MAX, 10, 0..0),
            (0, 5_000, 0..1_000),
        ] {
            let asked = UserQuery { offset, limit, ..everyone.clone() };
            let page = directory.users(&asked).await.unwrap();
            assert_eq!(ids(&page.users), &all[expected.clone()], "{offset} {limit}");
            assert_eq!(page.total, 1_500);
            assert_eq!(page.position, directory.engine().health().position);
            let down = UserQuery { ascending: false, ..asked.clone() };
            let first = directory.users(&down).await.unwrap().users.first().map(|it| it.id.clone());
            let from_end = all.iter().rev().nth(usize::try_from(offset).unwrap());
            assert_eq!(first.as_deref(), from_end.map(String::as_str));
            let by_name = UserQuery { by_user_name: true, ..asked };
            let first =
                directory.users(&by_name).await.unwrap().users.first().map(|it| it.id.clone());
            assert_eq!(first.as_deref(), from_end.map(String::as_str));
        }
        directory.engine().close().await;
    });
}
