//! The events as they are told: each once, in order, and to those only who may see them.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use portcullis::durable::Admission;
use portcullis::journal::{Journal, SqliteJournal};
use portcullis::{DurableEngine, Factor, LockoutPolicy};
use portcullis_server::api::Settings;
use portcullis_server::api::roles::Role;
use portcullis_server::directory::{Directory, JournalDirectory};

use super::stream::Feed;
use super::wires::How;
use super::{World, eventually, org, tester, user};

const WAYS: [How; 2] = [How::Rest, How::Grpc];

/// So many failures of one who is never locked, all at once.
async fn fail(world: &World, number: usize) {
    world.engine.put_override(&org("acme"), LockoutPolicy::new(0, 0)).await.unwrap();
    let one = || {
        let admitted = world.engine.begin_owned(&org("acme"), &user("bob"), Factor::Password);
        let Admission::Admitted(attempt) = admitted else { panic!("{admitted:?}") };
        attempt.fail()
    };
    for failed in join_all((0..number).map(|_| one())).await {
        let _ = failed.unwrap();
    }
}

/// Positions and types of the trail, up to its head.
async fn trail(world: &World) -> Vec<(u64, String)> {
    let head = usize::try_from(world.engine.health().position).unwrap();
    let events = world.engine.events_after(0).take(head);
    let of = |it: Result<portcullis::Recorded, _>| it.unwrap();
    let events: Vec<_> = events.map(of).collect().await;
    events.iter().map(|it| (it.position, it.event.type_name().to_owned())).collect()
}

#[tokio::test]
async fn d4_who_comes_again_by_position_is_told_every_event_once_and_in_order() {
    for how in WAYS {
        let world = World::new().await;
        let (mut seen, mut last) = (Vec::new(), 0);
        for number in 1..8 {
            let mut feed =
                Feed::open(&world.router, how, &world.root, Some(last), "").await.unwrap();
            fail(&world, number).await;
            // The old ones, and some of those that came meanwhile.
            for event in feed.take(4 + number / 2).await {
                last = event.position;
                seen.push((event.position, event.r#type));
            }
        }
        let mut feed = Feed::open(&world.router, how, &world.root, Some(last), "").await.unwrap();
        let trail = trail(&world).await;
        let rest = feed.take(trail.len() - seen.len()).await;
        seen.extend(rest.into_iter().map(|event| (event.position, event.r#type)));
        assert_eq!(seen, trail, "{how:?}");
    }
}

#[tokio::test]
async fn m20_a_lock_is_told_when_it_has_happened_with_whom_it_is_about() {
    let world = World::new().await;
    for how in WAYS {
        let mut feed = Feed::open(&world.router, how, &world.login, None, "").await.unwrap();
        world.engine.lock_by(&"boss".parse().unwrap(), &org("acme"), &user("ada")).await.unwrap();
        // What was there before is not told.
        let event = feed.next().await.unwrap().unwrap();
        assert_eq!(event.position, world.engine.health().position);
        assert_eq!((event.r#type.as_str(), event.actor.as_str()), ("user.locked", "boss"));
        assert_eq!((event.org_id.as_str(), event.user_id.as_str()), ("acme", "ada"));
        assert!(event.at.is_some());
        world.engine.unlock(&user("ada")).await.unwrap();
    }
}

#[tokio::test]
async fn m31_a_follower_is_told_of_the_organizations_that_it_may_see() {
    let world = World::new().await;
    let role = Role::OrgLoginService;
    let token = world.token("one", "acme", role, Some("acme")).await;
    for how in WAYS {
        for of in ["", "globex", "nowhere"] {
            let refused = Feed::open(&world.router, how, &token, Some(0), of).await;
            assert_eq!(refused.err().unwrap().code, "PermissionDenied", "{how:?} {of}");
        }
        let mut feed = Feed::open(&world.router, how, &token, Some(0), "acme").await.unwrap();
        world.engine.set_instance_policy(LockoutPolicy::new(7, 7)).await.unwrap();
        world.engine.lock(&org("globex"), &user("hank")).await.unwrap();
        world.engine.unlock(&user("hank")).await.unwrap();
        world.engine.lock(&org("acme"), &user("ada")).await.unwrap();
        let mut told = Vec::new();
        while told.last().is_none_or(|it: &(String, String)| it.0 != "user.locked") {
            let event = feed.next().await.unwrap().unwrap();
            assert_eq!(event.org_id, "acme", "{event:?}");
            told.push((event.r#type, event.user_id));
        }
        assert!(told.contains(&("org.added".into(), String::new())), "{told:?}");
        assert_eq!(told.last().unwrap().1, "ada");
        world.engine.unlock(&user("ada")).await.unwrap();
        world.engine.set_instance_policy(LockoutPolicy::new(5, 5)).await.unwrap();
    }
}

#[tokio::test]
async fn m20_whose_right_has_ended_is_told_nothing_of_that_moment_or_later() {
    for how in WAYS {
        let world = World::new().await;
        for end in ["revoked", "locked", "inactive", "removed"] {
            let token = world.token(end, "home", Role::IamLoginService, None).await;
            let mut feed = Feed::open(&world.router, how, &token, None, "").await.unwrap();
            fail(&world, 2).await;
            feed.take(2).await;
            let position = world.engine.health().position;
            let id = token.split('.').next().unwrap();
            let (directory, of) = (&world.directory, user(end));
            match end {
                "revoked" => drop(directory.revoke_token(&tester(), id).await.unwrap()),
                "locked" => drop(world.engine.lock(&org("home"), &of).await.unwrap()),
                "inactive" => drop(directory.set_active(&tester(), &of, false).await.unwrap()),
                _ => directory.remove_user(&tester(), &of).await.unwrap(),
            }
            fail(&world, 5).await;
            let (events, why) = feed.rest().await;
            assert_eq!(why.unwrap().code, "Unauthenticated", "{how:?} {end}");
            assert!(events.iter().all(|it| it.position <= position), "{how:?} {end}: {events:?}");
        }
    }
}

#[tokio::test]
async fn a_follower_who_does_not_read_is_cut_off_holds_little_and_disturbs_nobody() {
    for how in WAYS {
        let subscriber_timeout = Duration::from_millis(200);
        let settings = Settings { subscriber_timeout, max_subscribers: 2, ..Settings::default() };
        let world = World::with(settings).await;
        fail(&world, 1).await;
        let head = world.engine.health().position;
        let mut slow = Feed::open(&world.router, how, &world.login, Some(head), "").await.unwrap();
        let mut quick = Feed::open(&world.router, how, &world.login, Some(head), "").await.unwrap();
        fail(&world, 300).await;
        let told = quick.take(300).await;
        assert_eq!(told.last().unwrap().position, head + 300);
        // Its place is given to another: it was cut off without having read.
        eventually("a place is free", async || {
            Feed::open(&world.router, how, &world.login, None, "").await.is_ok()
        })
        .await;
        let (events, why) = slow.rest().await;
        assert_eq!(why.unwrap().code, "ResourceExhausted", "{how:?}");
        assert!((1..100).contains(&events.len()), "{how:?}: {} were held", events.len());
        // From where it was it goes on.
        let last = events.last().unwrap().position;
        assert_eq!(last, head + events.len() as u64);
        let mut again = None;
        eventually("it may come again", async || {
            again = Feed::open(&world.router, how, &world.login, Some(last), "").await.ok();
            again.is_some()
        })
        .await;
        let rest = again.unwrap().take(300 - events.len()).await;
        assert_eq!(rest.first().unwrap().position, last + 1);
    }
}

#[tokio::test]
async fn more_followers_than_there_are_places_for_are_refused() {
    for how in WAYS {
        let settings = Settings { max_subscribers: 2, ..Settings::default() };
        let world = World::with(settings).await;
        let open = async || Feed::open(&world.router, how, &world.login, None, "").await;
        let (one, other) = (open().await.unwrap(), open().await.unwrap());
        assert_eq!(open().await.err().unwrap().code, "ResourceExhausted");
        // Who may not follow, or asks for what is not there, takes no place.
        drop(one);
        for _ in 0..3 {
            let refused = Feed::open(&world.router, how, "1.x", None, "").await;
            assert_eq!(refused.err().unwrap().code, "Unauthenticated");
            let refused = Feed::open(&world.router, how, &world.login, Some(999), "").await;
            assert_eq!(refused.err().unwrap().code, "FailedPrecondition");
        }
        eventually("a place is free", async || open().await.is_ok()).await;
        drop(other);
    }
}

#[tokio::test]
async fn a_position_that_is_none_or_is_yet_to_come_is_refused() {
    let world = World::new().await;
    let head = world.engine.health().position;
    for how in WAYS {
        let refused = Feed::open(&world.router, how, &world.root, Some(head + 1), "").await;
        assert_eq!(refused.err().unwrap().code, "FailedPrecondition", "{how:?}");
        assert!(Feed::open(&world.router, how, &world.root, Some(head), "").await.is_ok());
    }
    for last in ["-1", "x", "1.5", "99999999999999999999"] {
        let refused = Feed::sse(&world.router, &world.root, Some(last), "").await;
        assert_eq!(refused.err().unwrap().code, "InvalidArgument", "{last}");
    }
    // The header goes before the query: it is what a browser sends when it comes again.
    let mut feed = Feed::sse(&world.router, &world.root, Some("3"), "?after=7").await.unwrap();
    assert_eq!(feed.next().await.unwrap().unwrap().position, 4);
    let mut feed = Feed::sse(&world.router, &world.root, None, "?after=7").await.unwrap();
    assert_eq!(feed.next().await.unwrap().unwrap().position, 8);
}

#[tokio::test]
async fn m10_a_position_whose_events_were_pruned_is_an_error_that_tells_where_to_begin() {
    let World { served, folder, .. } = World::new().await;
    served.engine.close().await;
    drop(served);
    let file = folder.path().join("journal.db");
    let journal = async || SqliteJournal::open(&file).await.unwrap();
    let builder = DurableEngine::builder().checkpoint_every(1);
    let engine = std::sync::Arc::new(builder.open_existing(journal().await).await.unwrap());
    let directory = JournalDirectory::open(std::sync::Arc::clone(&engine), &file).await.unwrap();
    directory.save().await.unwrap();
    engine.close().await;
    let later = std::time::SystemTime::now() + Duration::from_mins(1);
    assert!(journal().await.prune(later).await.unwrap() > 0);

    let world = World::on(folder, journal().await, Settings::default()).await;
    for how in WAYS {
        let refused = Feed::open(&world.router, how, &world.root, Some(0), "").await.err().unwrap();
        assert_eq!(refused.code, "FailedPrecondition");
        let begin = refused.text.rsplit(' ').next().unwrap().parse().unwrap();
        let mut feed = Feed::open(&world.router, how, &world.root, Some(begin), "").await.unwrap();
        assert_eq!(feed.next().await.unwrap().unwrap().position, begin + 1);
    }
}

#[tokio::test]
async fn the_hash_of_a_token_is_told_to_nobody() {
    let world = World::new().await;
    let stored: Vec<_> = world.engine.events_after(0).take(12).collect().await;
    let stored = format!("{stored:?}");
    assert!(stored.contains("hash"), "{stored}");
    for how in WAYS {
        let head = usize::try_from(world.engine.health().position).unwrap();
        let mut feed = Feed::open(&world.router, how, &world.root, Some(0), "").await.unwrap();
        let told = feed.take(head).await;
        let added: Vec<_> = told.iter().filter(|it| it.r#type == "user.pat.added").collect();
        assert_eq!(added.len(), 2);
        for event in added {
            let fields: Vec<_> = event.payload.as_ref().unwrap().fields.keys().collect();
            assert_eq!(fields, ["tokenId"], "{how:?}");
        }
        assert!(!format!("{told:?}").contains("hash"), "{how:?}");
    }
}

#[tokio::test]
async fn streams_end_without_an_error_when_the_server_does() {
    let world = World::new().await;
    for how in WAYS {
        let mut feed = Feed::open(&world.router, how, &world.root, None, "").await.unwrap();
        world.api.end_streams();
        assert_eq!(feed.rest().await, (vec![], None), "{how:?}");
    }
}
