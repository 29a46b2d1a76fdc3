//! The commands beside a login service that has the file open and is busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use portcullis::durable::Admission;
use portcullis::{DurableEngine, Factor, UserId, Verdict};
use serde_json::json;

use super::{Place, Run, wait};

/// Guesses at users of their own, as fast as it goes, until told to stop. The answer is how many
/// failures each of the users came to.
async fn busy(
    engine: Arc<DurableEngine>,
    number: u32,
    stop: Arc<AtomicBool>,
    total: Arc<AtomicU64>,
) {
    let (org, user): (_, UserId) =
        ("acme".parse().unwrap(), format!("busy{number}").parse().unwrap());
    while !stop.load(Ordering::Relaxed) {
        match engine.begin(&org, &user, Factor::Totp) {
            Admission::Admitted(attempt) => {
                let verdict = attempt.fail().await.unwrap();
                assert!(matches!(verdict, Verdict::Rejected { .. }), "{verdict:?}");
                total.fetch_add(1, Ordering::Relaxed);
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn run(place: &Arc<Place>, args: &'static [&'static str]) -> Run {
    let place = Arc::clone(place);
    tokio::task::spawn_blocking(move || place.run(args)).await.unwrap()
}

#[test]
fn d6_m28_an_unlock_beside_a_busy_writer_is_honoured_and_the_writer_goes_on() {
    let place = Arc::new(Place::new(2, 0));
    wait(async {
        let engine = Arc::new(place.engine().await);
        let (org, ada) = ("acme".parse().unwrap(), "ada".parse().unwrap());
        for _ in 0..2 {
            let Admission::Admitted(attempt) = engine.begin(&org, &ada, Factor::Password) else {
                panic!("ada is not admitted");
            };
            let _ = attempt.fail().await.unwrap();
        }
        assert!(engine.is_locked("ada"));
        let (stop, total) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let tasks: Vec<_> = (0..8)
            .map(|number| {
                tokio::spawn(busy(
                    Arc::clone(&engine),
                    number,
                    Arc::clone(&stop),
                    Arc::clone(&total),
                ))
            })
            .collect();

        for _ in 0..5 {
            let unlocked = run(&place, &["unlock", "ada", "--output", "json"]).await;
            assert_eq!(unlocked.code, 0, "{}", unlocked.stderr);
            // The next settling has seen it, whenever the next look at the file would have been.
            let Admission::Admitted(attempt) =
                engine.begin(&org, &"eve".parse().unwrap(), Factor::Totp)
            else {
                panic!("eve is not admitted");
            };
            let _ = attempt.fail().await.unwrap();
            assert!(!engine.is_locked("ada"));
            let before = total.load(Ordering::Relaxed);
            while total.load(Ordering::Relaxed) < before + 100 {
                tokio::task::yield_now().await;
            }
            let locked = run(&place, &["lock", "ada", "--org", "acme"]).await;
            assert_eq!(locked.code, 0, "{}", locked.stderr);
            for reading in [
                &["locked"][..],
                &["status", "ada"],
                &["policy", "show"],
                &["check"],
                &["prune", "--older-than", "1h"],
                &["replay", "--journal", "portcullis.db", "--max-otp-attempts", "3"],
            ] {
                let reading: &'static [&'static str] = Vec::leak(reading.to_vec());
                let done = run(&place, reading).await;
                assert_eq!(done.code, 0, "{reading:?}: {}{}", done.stdout, done.stderr);
            }
        }
        stop.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
        engine.close().await;
        // All that the writer was told is there.
        let failures: u64 = (0..8)
            .map(|number| {
                let status = place.json(&["status", &format!("busy{number}")]);
                status["failures"]["totp"].as_u64().unwrap()
            })
            .sum();
        assert_eq!(failures, total.load(Ordering::Relaxed));
        assert_eq!(place.json(&["check"])["sound"], json!(true));
    });
}

#[test]
fn p4_d6_a_reset_from_outside_is_in_force_at_the_next_settling() {
    let place = Arc::new(Place::new(3, 3));
    wait(async {
        let engine = place.engine().await;
        let (org, ada) = ("acme".parse().unwrap(), "ada".parse().unwrap());
        let set = run(&place, &["policy", "set", "--org", "acme", "--max-password-attempts", "1"]);
        assert_eq!(set.await.code, 0);
        let attempt = loop {
            // The limit of 1 comes in from the file by itself.
            if engine.resolve("acme").policy.max_password_attempts.get() == 1 {
                break engine.begin(&org, &ada, Factor::Password);
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(run(&place, &["policy", "reset", "--org", "acme"]).await.code, 0);
        let Admission::Admitted(attempt) = attempt else { panic!("ada is not admitted") };
        let Verdict::Rejected { limit, locked, .. } = attempt.fail().await.unwrap() else {
            panic!("ada is not rejected");
        };
        assert_eq!((limit.get(), locked), (3, false));
        engine.close().await;
    });
}
