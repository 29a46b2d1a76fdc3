//! A server that is killed in the middle of settlings, again and again, on one journal.

use std::collections::HashMap;
use std::sync::Mutex;

use portcullis::journal::{Journal, SqliteJournal};
use portcullis::{Aggregate, Event};
use serde_json::json;

use super::load::Caller;
use super::{Place, Server};

const LIMIT: u64 = 12;
const USERS: usize = 4;
const CALLERS: usize = 8;

/// How many times to kill: `PORTCULLIS_KILLS`, or 25.
fn kills() -> usize {
    std::env::var("PORTCULLIS_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(25)
}

/// What clients were told over all lives: how often a user was rejected with so many failures.
type Told = HashMap<(String, u64), u64>;

/// Begins and fails until the server is gone; unlocks who is locked.
fn attempt(server: &Server<'_>, number: usize, told: &Mutex<Told>, left: &Mutex<Vec<String>>) {
    let user = format!("user{}", number % USERS);
    let begin = json!({"orgId": "acme", "userId": user, "factor": "FACTOR_PASSWORD"}).to_string();
    let unlock = json!({"filter": {"userIds": [user]}}).to_string();
    let fail = json!({"outcome": "OUTCOME_FAILURE"}).to_string();
    let Ok(mut caller) = Caller::new(server.address, &server.token()) else { return };
    loop {
        let Ok((200, answer)) = caller.post("/portcullis/v1/attempts", &begin) else { return };
        if answer["locked"].is_object() {
            let path = "/portcullis/v1/locked_users/unlock";
            let Ok((200, _)) = caller.post(path, &unlock) else { return };
            continue;
        }
        let Some(id) = answer["admitted"]["attemptId"].as_str() else { continue };
        let path = format!("/portcullis/v1/attempts/{id}/settle");
        let Ok((200, settled)) = caller.post(&path, &fail) else {
            // Whether it was counted, nobody was told.
            left.lock().unwrap().push(id.to_owned());
            return;
        };
        if let Some(failures) = settled["rejected"]["failures"].as_u64() {
            let is_locked = settled["rejected"]["locked"] == json!(true);
            assert_eq!(is_locked, failures == LIMIT, "{settled}");
            *told.lock().unwrap().entry((user.clone(), failures)).or_default() += 1;
        }
    }
}

/// All that was told is in the trail, and between two unlockings no user failed beyond the limit.
fn check(place: &Place, told: &Told, round: usize) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let events = runtime.block_on(async {
        let journal = SqliteJournal::open(place.file("portcullis.db")).await.unwrap();
        journal.read_after(0, usize::MAX).await.unwrap()
    });
    let mut users: HashMap<String, (u64, bool)> = HashMap::new();
    let mut recorded = Told::new();
    for event in &events {
        let Aggregate::User { user, .. } = &event.aggregate else { continue };
        let (count, locked) = users.entry(user.to_string()).or_default();
        match event.event {
            Event::CheckFailed { .. } => {
                *count += 1;
                assert!(!*locked && *count <= LIMIT, "round {round}: {user} failed {count} times");
                *recorded.entry((user.to_string(), *count)).or_default() += 1;
            }
            Event::Locked(_) => *locked = true,
            Event::Unlocked => (*count, *locked) = (0, false),
            _ => {}
        }
    }
    for (verdict, times) in told {
        let there = recorded.get(verdict).copied().unwrap_or(0);
        assert!(there >= *times, "round {round}: {verdict:?} told {times}, recorded {there}");
    }
    for (count, locked) in users.values() {
        assert_eq!(*locked, *count == LIMIT, "round {round}");
    }
    events.len() as u64
}

/// A life of the server: what was begun before is void, then load until it is killed.
fn live(place: &Place, told: &Mutex<Told>, left: &Mutex<Vec<String>>, round: usize) {
    let limits = ["--max-password-attempts", &LIMIT.to_string()];
    let mut server = place.serve(&limits);
    let mut caller = Caller::new(server.address, &server.token()).unwrap();
    if round == 0 {
        caller.post("/portcullis/v1/orgs", r#"{"orgId":"acme"}"#).unwrap();
        let users = (0..USERS).map(|number| format!("user{number}"));
        for name in users.chain([String::from("keeper")]) {
            let user = json!({"orgId": "acme", "userId": name}).to_string();
            assert_eq!(caller.post("/portcullis/v1/users", &user).unwrap().0, 200);
        }
    }
    // The first of each life: were there no lives in ids, it would be settled by those of before.
    let keep = json!({"orgId": "acme", "userId": "keeper", "factor": "FACTOR_TOTP"}).to_string();
    let (_, kept) = caller.post("/portcullis/v1/attempts", &keep).unwrap();
    let kept = kept["admitted"]["attemptId"].as_str().unwrap().to_owned();
    let before = check(place, &told.lock().unwrap(), round);
    for id in std::mem::take(&mut *left.lock().unwrap()) {
        for outcome in ["OUTCOME_FAILURE", "OUTCOME_SUCCESS"] {
            let body = json!({"outcome": outcome}).to_string();
            let path = format!("/portcullis/v1/attempts/{id}/settle");
            let (status, settled) = caller.post(&path, &body).unwrap();
            assert_eq!((status, settled["superseded"].is_object()), (200, true), "{settled}");
        }
    }
    assert_eq!(check(place, &told.lock().unwrap(), round), before, "they have counted something");
    left.lock().unwrap().push(kept);
    // The number of verdicts after which it is killed is the random moment.
    let fatal = 1 + (round as u64 * 7919) % 60;
    let seen = || told.lock().unwrap().values().sum::<u64>();
    let begun = seen();
    std::thread::scope(|scope| {
        for number in 0..CALLERS {
            let server = &server;
            scope.spawn(move || attempt(server, number, told, left));
        }
        super::eventually("so many verdicts", || seen() >= begun + fatal);
        super::kill_process(super::Pid::from_child(&server.child), super::Signal::KILL).unwrap();
    });
    server.child.wait().unwrap();
}

#[test]
fn d2_m07_m16_a_server_killed_at_any_moment_has_all_that_it_told_and_exceeds_no_limit() {
    let place = Place::new();
    let (told, left) = (Mutex::default(), Mutex::default());
    let mut void = 0;
    for round in 0..kills() {
        live(&place, &told, &left, round);
        void += left.lock().unwrap().len();
        check(&place, &told.lock().unwrap(), round);
    }
    assert!(void > kills(), "no attempt was ever cut off");
}
