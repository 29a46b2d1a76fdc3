//! Lists of users.

use portcullis_server::api::roles::Role;
use portcullis_server::api::users::{v1, v2};
use portcullis_server::proto::zitadel::management::v1 as m;
use portcullis_server::proto::zitadel::object::v2::ListQuery as ListQueryV2;
use portcullis_server::proto::zitadel::user::v1 as one;
use portcullis_server::proto::zitadel::user::v2 as two;
use portcullis_server::proto::zitadel::v1::ListQuery;

use super::{World, about, by, told, wait};

fn query(query: one::search_query::Query) -> one::SearchQuery {
    one::SearchQuery { query: Some(query) }
}

async fn ids(world: &World, org: &str, queries: Vec<one::SearchQuery>) -> Vec<String> {
    let page = ListQuery { offset: 0, limit: 0, asc: true };
    let request = m::ListUsersRequest { query: Some(page), sorting_column: 0, queries };
    let listed = v1::list_users_v1(&world.api, &about(org, "root"), request).await.unwrap();
    assert_eq!(listed.details.unwrap().total_result, listed.result.len() as u64);
    listed.result.into_iter().map(|user| user.id).collect()
}

#[test]
fn queries_select_within_the_organization() {
    use one::search_query::Query;
    wait(async {
        let world = World::new().await;
        world.api.engine().lock(&"acme".parse().unwrap(), &"ada".parse().unwrap()).await.unwrap();
        let state =
            |state: one::UserState| Query::StateQuery(one::StateQuery { state: state.into() });
        let name = |name: &str, method| {
            Query::UserNameQuery(one::UserNameQuery { user_name: name.into(), method })
        };
        let in_ids = |ids: &[&str]| {
            let user_ids = ids.iter().map(|id| (*id).to_owned()).collect();
            Query::InUserIdsQuery(one::InUserIdQuery { user_ids })
        };
        let human = Query::TypeQuery(one::TypeQuery { r#type: one::Type::Human.into() });
        let not = |inner| {
            Query::NotQuery(Box::new(one::NotQuery { query: Some(Box::new(query(inner))) }))
        };
        let or = |any: Vec<Query>| {
            Query::OrQuery(one::OrQuery { queries: any.into_iter().map(query).collect() })
        };
        let locked = || state(one::UserState::Locked);
        for (queries, expected) in [
            (vec![], &["ada", "bot"][..]),
            (vec![locked()], &["ada"]),
            (vec![state(one::UserState::Active)], &["bot"]),
            (vec![state(one::UserState::Suspend)], &[]),
            (vec![human.clone()], &["ada"]),
            (vec![in_ids(&["bot", "hank", "nobody"])], &["bot"]),
            (vec![in_ids(&[])], &[]),
            (vec![name("ada@acme", 0)], &["ada"]),
            (vec![name("b", 2)], &["bot"]),
            (vec![locked(), in_ids(&["bot"])], &[]),
            (vec![or(vec![locked(), in_ids(&["bot"])])], &["ada", "bot"]),
            (vec![not(locked())], &["bot"]),
        ] {
            let asked = queries.clone().into_iter().map(query).collect();
            assert_eq!(ids(&world, "acme", asked).await, expected, "{queries:?}");
        }
        assert_eq!(ids(&world, "globex", vec![]).await, ["hank"]);
    });
}

#[test]
fn pages_have_an_offset_a_limit_and_a_direction() {
    wait(async {
        let world = World::new().await;
        let page = |offset, limit, asc| {
            let query = Some(ListQuery { offset, limit, asc });
            let request = m::ListUsersRequest { query, ..m::ListUsersRequest::default() };
            let (api, meta) = (world.api.clone(), by("root"));
            async move {
                let listed = v1::list_users_v1(&api, &meta, request).await.unwrap();
                let details = listed.details.unwrap();
                assert_eq!((details.total_result, details.processed_sequence), (2, 1));
                listed.result.into_iter().map(|user| user.id).collect::<Vec<_>>()
            }
        };
        assert_eq!(page(0, 1, true).await, ["ada"]);
        assert_eq!(page(1, 1, true).await, ["bot"]);
        assert_eq!(page(0, 9, false).await, ["bot", "ada"]);
        assert_eq!(page(5, 9, true).await, [""; 0]);
    });
}

#[test]
fn m31_the_newer_service_lists_whom_the_caller_may_read() {
    wait(async {
        let world = World::new().await;
        let owner = &[(Role::OrgOwner, Some("globex"))];
        world.add_caller("owner", "globex", "boss", owner);
        world.add_caller("nobody", "acme", "bot", &[(Role::OrgSettingsManager, Some("acme"))]);
        for (token, expected) in
            [("root", &["ada", "bot", "hank"][..]), ("owner", &["hank"]), ("nobody", &["bot"])]
        {
            let page = ListQueryV2 { offset: 0, limit: 0, asc: true };
            let request = two::ListUsersRequest { query: Some(page), ..Default::default() };
            // The header changes nothing.
            let listed = v2::list_users(&world.api, &about("acme", token), request).await.unwrap();
            let ids: Vec<_> = listed.result.iter().map(|user| user.user_id.as_str()).collect();
            assert_eq!(ids, expected, "{token}");
            assert_eq!(listed.details.unwrap().total_result, ids.len() as u64);
        }
    });
}

#[test]
fn a_query_that_cannot_be_answered_is_not_passed_over() {
    use one::search_query::Query;
    wait(async {
        let world = World::new().await;
        let list = |queries| {
            let request = m::ListUsersRequest { queries, ..m::ListUsersRequest::default() };
            let (api, meta) = (world.api.clone(), by("root"));
            async move { told(v1::list_users_v1(&api, &meta, request).await) }
        };
        let nick = Query::NickNameQuery(one::NickNameQuery::default());
        assert!(list(vec![query(nick)]).await.starts_with("InvalidArgument: this directory knows"));
        let none = one::SearchQuery { query: None };
        assert!(list(vec![none.clone()]).await.starts_with("InvalidArgument"));
        let undefined = Query::StateQuery(one::StateQuery { state: 99 });
        assert!(list(vec![query(undefined)]).await.starts_with("InvalidArgument"));
        assert!(list(vec![none; 101]).await.contains("too many"));
        let mut deep = query(Query::InUserIdsQuery(one::InUserIdQuery::default()));
        for _ in 0..30 {
            deep = query(Query::AndQuery(one::AndQuery { queries: vec![deep] }));
        }
        assert!(list(vec![deep]).await.contains("too deep"));
    });
}
