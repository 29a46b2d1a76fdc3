//! Keys that change, and an issuer that is away or says what it should not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use super::issuer::{Mode, TestIssuer};
use super::signer::Signer;
use super::{FOREIGN, KEY, World, wait};

/// For longer than the issuer is left alone after it was asked.
const PAUSE: Duration = Duration::from_secs(11);

#[test]
fn a_new_key_holds_at_its_first_token_and_a_withdrawn_one_from_the_next_fetch() {
    wait(async {
        let world = World::new().await;
        let (old, new) = (world.token().signed(&KEY), world.token().signed(&FOREIGN));
        assert_eq!(world.told(&old).await, "200");
        world.issuer.says().keys = vec![FOREIGN.jwk()];
        world.clock.advance(PAUSE);
        assert_eq!(world.told(&old).await, "200", "nobody has asked yet");
        assert_eq!(world.told(&new).await, "200");
        assert_eq!(world.told(&old).await, "401 unknown_key");
        // An issuer that has no keys at all has withdrawn them all.
        world.issuer.says().keys = Vec::new();
        world.clock.advance(PAUSE);
        assert_eq!(world.told(&old).await, "401 unknown_key");
        assert_eq!(world.told(&new).await, "401 unknown_key");
    });
}

#[test]
fn keys_are_fetched_without_being_asked_for() {
    wait(async {
        let issuer = TestIssuer::start(vec![KEY.jwk()]);
        let world =
            World::with(issuer, |options| options.refresh = Duration::from_millis(20)).await;
        let callers = Arc::clone(&world.callers);
        let fresh = tokio::spawn(async move { callers.keep_fresh().await });
        let token = world.token().signed(&KEY);
        // With a clock that stands no token makes anybody ask a second time.
        eventually(async || world.told(&token).await == "200").await;
        world.issuer.says().keys = vec![FOREIGN.jwk()];
        eventually(async || world.told(&token).await == "401 unknown_key").await;
        // One failure, or many, is not the end of it.
        world.issuer.says().mode = Mode::Garbled;
        let asked = world.issuer.says().asked;
        eventually(async || world.issuer.says().asked > asked + 2).await;
        world.issuer.says().mode = Mode::Well;
        world.issuer.says().keys = vec![KEY.jwk()];
        eventually(async || world.told(&token).await == "200").await;
        fresh.abort();
    });
}

/// Tries until something holds.
async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < until, "it never holds");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn made_up_keys_do_not_hammer_the_issuer() {
    wait(async {
        let world = World::new().await;
        let asked = || world.issuer.says().asked;
        assert_eq!((world.told(&world.token().signed(&KEY)).await.as_str(), asked()), ("200", 1));
        let made_up = |kid: usize| world.token().header("kid", kid.to_string()).signed(&KEY);
        for kid in 0..50 {
            world.clock.advance(Duration::from_millis(100));
            assert_eq!(world.told(&made_up(kid)).await, "401 unknown_key");
        }
        assert_eq!(asked(), 1, "it was asked just before");
        world.clock.advance(PAUSE);
        let storm = (0..50).map(made_up).collect::<Vec<_>>();
        let storm = storm
            .iter()
            .map(|token| world.call(token, None, "GET /management/v1/policies/lockout"));
        let told = futures_util::future::join_all(storm).await;
        assert!(told.iter().all(|(status, _)| *status == 401));
        assert_eq!(asked(), 2);
        // Nor do they while it is away.
        world.issuer.says().mode = Mode::Garbled;
        world.clock.advance(PAUSE);
        for kid in 0..50 {
            assert_eq!(world.told(&made_up(kid)).await, "401 unknown_key");
        }
        assert_eq!(asked(), 3);
    });
}

#[test]
fn a_client_that_goes_away_does_not_end_what_others_wait_for() {
    wait(async {
        let world = World::new().await;
        world.issuer.says().mode = Mode::Slow(Duration::from_secs(1));
        let token = world.token().signed(&KEY);
        let left = tokio::time::timeout(Duration::from_millis(30), world.told(&token)).await;
        assert!(left.is_err());
        eventually(async || world.issuer.says().asked == 1).await;
    });
}

#[test]
fn while_the_issuer_is_away_its_keys_serve_for_a_time_and_own_tokens_for_ever() {
    wait(async {
        let world = World::new().await;
        let token = || world.token().signed(&KEY);
        assert_eq!(world.told(&token()).await, "200");
        world.issuer.says().mode = Mode::Fails(StatusCode::BAD_GATEWAY);
        world.clock.advance(Duration::from_mins(59));
        let asks = world.token().header("kid", "made up").signed(&KEY);
        assert_eq!(world.told(&asks).await, "401 unknown_key");
        assert_eq!(world.told(&token()).await, "200");
        world.clock.advance(Duration::from_secs(61));
        assert_eq!(world.told(&token()).await, "503 issuer_away");
        let (_, body) = world.call(&token(), None, "GET /management/v1/policies/lockout").await;
        assert_eq!(body["code"], 14, "{body}");
        assert_eq!(
            body["message"],
            "the keys of the token's issuer cannot be had, try again later"
        );
        // What can be told without the issuer is told.
        assert_eq!(world.told("a.b.c").await, "401 malformed");
        assert_eq!(world.told(&world.own_token).await, "200");
        // It comes back.
        world.issuer.says().mode = Mode::Well;
        world.clock.advance(PAUSE);
        assert_eq!(world.told(&token()).await, "200");
    });
}

#[test]
fn a_clock_that_was_set_back_makes_no_key_younger() {
    wait(async {
        let world = World::new().await;
        let token = || world.token().signed(&KEY);
        assert_eq!(world.told(&token()).await, "200");
        world.issuer.says().mode = Mode::Fails(StatusCode::NOT_FOUND);
        let before = portcullis::Clock::now(&world.clock) - Duration::from_hours(5);
        world.clock.set(before);
        assert_eq!(world.told(&token()).await, "503 issuer_away");
    });
}

#[test]
fn what_an_issuer_should_not_say_is_not_taken() {
    wait(async {
        let patience = Duration::from_secs(2);
        let issuer = TestIssuer::start(vec![KEY.jwk()]);
        let world = World::with(issuer, |options| options.patience = patience).await;
        let url = world.issuer.url.clone();
        let away = async |what: String| {
            world.clock.advance(PAUSE);
            assert_eq!(world.told(&world.token().signed(&KEY)).await, "503 issuer_away", "{what}");
        };
        for mode in [Mode::Redirects, Mode::Silent, Mode::Bloated, Mode::Garbled] {
            world.issuer.says().mode = mode.clone();
            away(format!("{mode:?}")).await;
        }
        world.issuer.says().mode = Mode::Well;
        for issuer in ["https://evil.example", &format!("{url}/"), ""] {
            world.issuer.says().issuer = String::from(issuer);
            away(format!("the issuer {issuer:?}")).await;
        }
        world.issuer.says().issuer.clone_from(&url);
        for uri in ["http://keys.example/", "file:///keys", "/keys", ""] {
            world.issuer.says().jwks_uri = String::from(uri);
            away(format!("keys at {uri:?}")).await;
        }
        world.issuer.says().jwks_uri = format!("{url}/keys");
        world.clock.advance(PAUSE);
        assert_eq!(world.told(&world.token().signed(&KEY)).await, "200");
    });
}

#[test]
fn an_issuer_in_tls_shows_a_certificate_that_is_trusted() {
    wait(async {
        let made = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
        let (cert, secret) = (made.cert.pem(), made.signing_key.serialize_pem());
        let key = Signer::p256("tls");
        for trusted in [true, false] {
            let keys = vec![key.jwk()];
            let issuer = TestIssuer::start_tls(keys, cert.clone(), secret.clone()).await;
            let world = World::with(issuer, |options| {
                if trusted {
                    options.roots =
                        portcullis_server::oidc::Roots::with_pem(cert.as_bytes()).unwrap();
                }
            });
            let world = world.await;
            let token = world.token().header("alg", "ES256").signed(&key);
            let told = if trusted { "200" } else { "503 issuer_away" };
            assert_eq!(world.told(&token).await, told);
            // An issuer in TLS sends nobody to an address without.
            if trusted {
                let clear = TestIssuer::start(vec![key.jwk()]);
                world.issuer.says().jwks_uri = format!("{}/keys", clear.url);
                world.clock.advance(Duration::from_hours(2));
                assert_eq!(world.told(&token).await, "503 issuer_away");
            }
        }
    });
}
