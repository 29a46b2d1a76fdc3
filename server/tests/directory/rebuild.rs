//! Tables that are lost, late or foreign, and journals whose beginning is gone.

use std::time::{Duration, Instant, SystemTime};

use portcullis::durable::Admission;
use portcullis::journal::{Journal, JournalError};
use portcullis::{Aggregate, DurableEngine, Factor};
use portcullis_server::directory::{Directory, JournalDirectory, UserFilter, UserState};

use super::place::on_postgres;
use super::{Place, fill, org, query, user, wait};

/// Guesses at users whom no directory knows.
async fn storm(engine: &DurableEngine, failures: u32) {
    for number in 0..failures {
        let guessed = user(&format!("guessed{number}"));
        let Admission::Admitted(attempt) = engine.begin(&org("acme"), &guessed, Factor::Totp)
        else {
            panic!("not admitted");
        };
        let _ = attempt.fail().await.unwrap();
    }
}

fn stored(place: &Place) -> i64 {
    place.number("SELECT position FROM directory")
}

async fn total(directory: &JournalDirectory) -> u64 {
    directory.users(&query(UserFilter::And(vec![]))).await.unwrap().total
}

async fn open(place: &Place) -> Result<JournalDirectory, JournalError> {
    let (engine, tables) = place.engine_and_tables().await;
    JournalDirectory::open(engine, tables).await
}

/// Removes all events of a journal that nobody has open.
async fn prune(place: &Place) -> u64 {
    let journal = place.journal().await;
    let engine = DurableEngine::builder().checkpoint_every(1).open_existing(journal).await.unwrap();
    engine.close().await;
    drop(engine);
    let journal = place.journal().await;
    journal.prune(SystemTime::now() + Duration::from_secs(1)).await.unwrap()
}

#[test]
fn a_storm_of_failures_writes_nothing_and_readings_reflect_it() {
    let place = Place::new();
    wait(async {
        let directory = place.directory().await;
        fill(&directory, "acme", &["ada"]).await;
        assert_eq!(total(&directory).await, 1);
        let before = stored(&place);
        storm(directory.engine(), 200).await;
        let page = directory.users(&query(UserFilter::And(vec![]))).await.unwrap();
        assert_eq!(page.position, directory.engine().health().position);
        assert_eq!(stored(&place), before);
        directory.save().await.unwrap();
        assert_eq!(stored(&place).cast_unsigned(), page.position);
        directory.engine().close().await;
    });
}

#[test]
fn the_command_to_prune_takes_nothing_that_the_directory_has_not_seen() {
    let place = Place::new();
    wait(async {
        let directory = place.directory().await;
        fill(&directory, "acme", &["ada"]).await;
        storm(directory.engine(), 50).await;
        let pruned = place.json(&["prune", "--older-than", "0s"])["removed"].as_u64().unwrap();
        assert!(pruned > 50, "{pruned}");
        // The one that runs takes over the tables.
        assert_eq!(total(&directory).await, 1);
        assert!(directory.has_org(&org("acme")).await.unwrap());
        fill(&directory, "umbrella", &["eve"]).await;
        directory.engine().close().await;
        drop(directory);
        let again = open(&place).await.unwrap();
        assert_eq!(total(&again).await, 2);
        again.engine().close().await;
    });
}

#[test]
fn a_journal_without_a_directory_gets_one_also_if_its_beginning_is_gone() {
    let place = Place::new();
    wait(async {
        let engine = place.engine().await;
        engine.lock(&org("acme"), &user("ada")).await.unwrap();
        engine.close().await;
        drop(engine);
        assert!(prune(&place).await > 0);
        let directory = open(&place).await.unwrap();
        fill(&directory, "acme", &["ada", "eve"]).await;
        let locked = directory.users(&query(UserFilter::State(UserState::Locked))).await.unwrap();
        assert_eq!(super::ids(&locked.users), ["ada"]);
        directory.engine().close().await;
    });
}

#[test]
fn tables_whose_events_are_gone_are_an_error_that_says_so() {
    let place = Place::new();
    wait(async {
        let directory = open(&place).await.unwrap();
        fill(&directory, "acme", &["ada"]).await;
        assert_eq!(total(&directory).await, 1);
        directory.engine().close().await;
        drop(directory);
        prune(&place).await;
        let good = open(&place).await.unwrap();
        assert_eq!(total(&good).await, 1);
        good.engine().close().await;
        drop(good);
        place.sql("UPDATE directory SET version = 0");
        let lost = open(&place).await.unwrap_err();
        assert!(matches!(lost, JournalError::Pruned { .. }), "{lost}");
        place.sql("UPDATE directory SET version = 1, position = 1");
        let late = open(&place).await.unwrap_err();
        assert!(matches!(late, JournalError::Pruned { .. }), "{late}");
        assert_eq!(place.run(&["token", "list"]).code, 2);
    });
}

#[test]
fn tables_that_are_ahead_of_the_journal_are_made_anew() {
    let place = Place::new();
    wait(async {
        let directory = open(&place).await.unwrap();
        fill(&directory, "acme", &["ada"]).await;
        directory.engine().close().await;
        drop(directory);
        place.sql("UPDATE directory SET position = 1000; DELETE FROM directory_user");
        if !on_postgres() {
            place.sql("CREATE TABLE directory_of_later (x); CREATE TABLE directories (x)");
        }
        let again = open(&place).await.unwrap();
        assert_eq!(total(&again).await, 1);
        again.engine().close().await;
        if !on_postgres() {
            let there = "SELECT count(*) FROM sqlite_schema WHERE name";
            assert_eq!(place.number(&format!("{there} = 'directory_of_later'")), 0);
            assert_eq!(place.number(&format!("{there} = 'directories'")), 1);
        }
    });
}

#[test]
fn tables_made_anew_by_another_version_are_left_to_it() {
    let place = Place::new();
    wait(async {
        let directory = open(&place).await.unwrap();
        fill(&directory, "acme", &["ada"]).await;
        place.sql("UPDATE directory SET version = 2");
        let error = directory.user(&user("ada")).await.unwrap_err();
        assert!(matches!(error, JournalError::Foreign { .. }), "{error}");
        // Ours again, but begun anew: what is missing is applied again.
        place.sql("UPDATE directory SET version = 1, position = 0; DELETE FROM directory_user");
        fill(&directory, "umbrella", &["eve"]).await;
        assert_eq!(total(&directory).await, 2);
        directory.engine().close().await;
    });
}

#[test]
fn an_event_that_says_something_else_stops_with_its_position() {
    let place = Place::new();
    wait(async {
        let directory = open(&place).await.unwrap();
        let whose = Aggregate::User { org: org("acme"), user: user("ada") };
        let payload = Some(r#"{"name":"of another program"}"#);
        let details = directory.engine().record(whose, "user.human.added", payload).await.unwrap();
        let error = directory.user(&user("ada")).await.unwrap_err();
        let JournalError::Corrupt { position, cause, .. } = error else { panic!("{error}") };
        assert_eq!(position, details.sequence);
        assert!(cause.contains("userName"), "{cause}");
        directory.engine().close().await;
    });
}

#[test]
fn a_directory_of_a_million_users_opens_quickly() {
    let place = Place::new();
    wait(async {
        let directory = open(&place).await.unwrap();
        fill(&directory, "acme", &["ada"]).await;
        let token = directory.add_token(&super::tester(), &user("ada"), None).await.unwrap();
        assert_eq!(total(&directory).await, 1);
        directory.engine().close().await;
        drop(directory);
        place.sql(
            "INSERT INTO directory_user
             WITH RECURSIVE n(x) AS (SELECT 1000 UNION ALL SELECT x + 1 FROM n WHERE x < 1000999)
             SELECT x, 'u' || x, 'acme', 'n' || x, 'n' || x, 0, '', '', '', '', 1,
                    CASE x % 1000 WHEN 0 THEN 1 ELSE 0 END, x, 0, 0 FROM n",
        );
        let (engine, tables) = place.engine_and_tables().await;
        let started = Instant::now();
        let directory = JournalDirectory::open(engine, tables).await.unwrap();
        let opened = started.elapsed();
        let caller = portcullis_server::callers::Callers::caller(&directory, token.text.as_str());
        assert!(caller.await.unwrap().is_some());
        let started = Instant::now();
        let locked = directory.users(&query(UserFilter::State(UserState::Locked))).await.unwrap();
        assert_eq!((locked.total, locked.users.len()), (1_000, 100));
        let asked = started.elapsed();
        let started = Instant::now();
        assert_eq!(total(&directory).await, 1_000_001);
        println!("opened in {opened:?}, locked in {asked:?}, all in {:?}", started.elapsed());
        assert!(opened < Duration::from_secs(1), "{opened:?}");
        directory.engine().close().await;
    });
}
