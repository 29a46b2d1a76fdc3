//! The table of tokens: each is one step away from a good one.

use serde_json::{Value, json};

use super::issuer::TestIssuer;
use super::signer::{Signer, Token, encode};
use super::{AUDIENCE, FOREIGN, KEY, ROLES, World, now, wait};

/// Every row: what is different, the token, and what its bearer is told.
async fn check(world: &World, rows: Vec<(&str, String, &str)>) {
    let mut wrong = Vec::new();
    for (what, token, expected) in rows {
        let told = world.told(&token).await;
        if told != expected {
            wrong.push(format!("{what}: {told}, not {expected}"));
        }
        // No row has spoilt it for the others.
        assert_eq!(world.told(&world.token().signed(&KEY)).await, "200", "after {what}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_token_holds_for_its_issuer_its_audience_and_its_time() {
    wait(async {
        let world = World::new().await;
        let good = || world.token();
        let url = world.issuer.url.as_str();
        let changed = |name: &str, value: Value| good().claim(name, value).signed(&KEY);
        let rows = vec![
            // First, before it is older than the clocks may be apart.
            ("just expired", changed("exp", json!(now() - 1)), "200"),
            ("nothing", good().signed(&KEY), "200"),
            ("another issuer", changed("iss", json!("https://evil.example")), "401 issuer"),
            ("a slash", changed("iss", json!(format!("{url}/"))), "401 issuer"),
            ("upper case", changed("iss", json!(url.to_uppercase())), "401 issuer"),
            ("issuers", changed("iss", json!([url])), "401 malformed"),
            ("issuers, ours too", changed("iss", json!(["a", url])), "401 malformed"),
            ("no issuer", good().without("iss").signed(&KEY), "401 malformed"),
            ("another audience", changed("aud", json!("client")), "401 audience"),
            ("audiences of others", changed("aud", json!(["client", "other"])), "401 audience"),
            ("a part of it", changed("aud", json!(AUDIENCE[1..])), "401 audience"),
            ("no audiences", changed("aud", json!([])), "401 audience"),
            ("no audience", good().without("aud").signed(&KEY), "401 malformed"),
            ("one audience", changed("aud", json!(AUDIENCE)), "200"),
            ("expired", changed("exp", json!(now() - 7)), "401 expired"),
            ("expired long ago", changed("exp", json!(1)), "401 expired"),
            ("no expiry", good().without("exp").signed(&KEY), "401 malformed"),
            ("expiry in words", changed("exp", json!("tomorrow")), "401 malformed"),
            ("expiry below 0", changed("exp", json!(-1)), "401 malformed"),
            ("not yet", changed("nbf", json!(now() + 60)), "401 not_yet_valid"),
            ("almost", changed("nbf", json!(now() + 3)), "200"),
            ("not before in words", changed("nbf", json!("now")), "401 malformed"),
            ("any time", good().without("nbf").signed(&KEY), "200"),
            ("from the future", changed("iat", json!(now() + 60)), "401 not_yet_valid"),
            ("from just now", changed("iat", json!(now() + 3)), "200"),
            ("from whenever", good().without("iat").signed(&KEY), "200"),
            ("no user", good().without("sub").signed(&KEY), "401 malformed"),
            ("an empty user", changed("sub", json!("")), "401 malformed"),
            ("a user with a line", changed("sub", json!("ada\n")), "401 malformed"),
            ("a user too long", changed("sub", json!("a".repeat(201))), "401 malformed"),
            ("a user by number", changed("sub", json!(7)), "401 malformed"),
            ("an ID token", changed("nonce", json!("n")), "401 malformed"),
            ("one of a login", changed("at_hash", json!("h")), "401 malformed"),
            ("one of a code", changed("c_hash", json!("h")), "401 malformed"),
            ("long", changed("other", json!("x".repeat(10 << 10))), "200"),
            ("too long", changed("other", json!("x".repeat(13 << 10))), "401 malformed"),
        ];
        check(&world, rows).await;
    });
}

#[test]
fn a_token_is_signed_by_the_key_that_it_names() {
    wait(async {
        let keys = vec![
            KEY.jwk(),
            KEY.jwk_with(&[("kid", "enc".into()), ("use", "enc".into())]),
            KEY.jwk_with(&[("kid", "ops".into()), ("key_ops", json!(["encrypt"]))]),
            KEY.jwk_with(&[("kid", "pss".into()), ("alg", "PS256".into())]),
            KEY.jwk_with(&[("kid", "rs256".into()), ("alg", "RS256".into())]),
            KEY.jwk_with(&[("kid", "oaep".into()), ("alg", "RSA-OAEP".into())]),
            json!({"kty": "oct", "kid": "shared", "k": encode(b"a secret of 32 bytes, or so it is")}),
            json!({"kty": "oct", "kid": "mac", "alg": "HS256", "k": encode(b"shared")}),
            json!({"kty": "new", "kid": 7}),
            json!("no key"),
        ];
        let world = World::with(TestIssuer::start(keys), |_| ()).await;
        let good = || world.token();
        let named = |name: &str, kid: &str| good().header(name, kid).signed(&KEY);
        let modulus = KEY.jwk()["n"].as_str().unwrap().to_owned();
        let jwk = KEY.jwk().to_string();
        let mac =
            |kid: &str, secret: &[u8]| good().header("alg", "HS256").header("kid", kid).mac(secret);
        let mut flipped = good().signed(&KEY);
        let last = flipped.pop().unwrap();
        flipped.push(if last == 'A' { 'Q' } else { 'A' });
        let (head, rest) = flipped.split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        let forged = good().claim("sub", "root").signed(&FOREIGN);
        let forged_claims = forged.split('.').nth(1).unwrap();
        let rows = vec![
            ("another key", good().header("kid", "one").signed(&FOREIGN), "401 signature"),
            ("another key's name", good().signed(&FOREIGN), "401 unknown_key"),
            ("no name", good().signed_without_kid(&KEY), "401 unknown_key"),
            ("an empty name", named("kid", ""), "401 unknown_key"),
            (
                "a key in the header",
                good().header("kid", "one").header("jwk", FOREIGN.jwk()).signed(&FOREIGN),
                "401 signature",
            ),
            (
                "an address of keys in the header",
                good().header("kid", "one").header("jku", "http://127.0.0.1/").signed(&FOREIGN),
                "401 signature",
            ),
            ("a flipped bit", flipped.clone(), "401 signature"),
            ("other claims", format!("{head}.{forged_claims}.{signature}"), "401 signature"),
            ("no signature", format!("{head}.{forged_claims}."), "401 signature"),
            (
                "none",
                good().header("alg", "none").header("kid", "one").with(|_| vec![]),
                "401 malformed",
            ),
            (
                "None",
                good().header("alg", "None").header("kid", "one").with(|_| vec![]),
                "401 malformed",
            ),
            ("HS256 with the modulus", mac("one", modulus.as_bytes()), "401 algorithm"),
            ("HS256 with the key", mac("one", jwk.as_bytes()), "401 algorithm"),
            ("HS256 with nothing", mac("one", b""), "401 algorithm"),
            ("a published secret", mac("mac", b"shared"), "401 unknown_key"),
            ("another one", mac("shared", b"a secret of 32 bytes, or so it is"), "401 unknown_key"),
            ("a key to encrypt", named("kid", "enc"), "401 unknown_key"),
            ("a key for other operations", named("kid", "ops"), "401 unknown_key"),
            ("a key for another algorithm", named("kid", "oaep"), "401 unknown_key"),
            ("RS256 with a key for PS256", named("kid", "pss"), "401 algorithm"),
            (
                "PS256 with it",
                good().header("kid", "pss").header("alg", "PS256").signed(&KEY),
                "200",
            ),
            (
                "RS384 with a key for RS256",
                good().header("kid", "rs256").header("alg", "RS384").signed(&KEY),
                "401 algorithm",
            ),
            ("RS256 with it", named("kid", "rs256"), "200"),
            ("ES256 with an RSA key", named("alg", "ES256"), "401 algorithm"),
            ("EdDSA with an RSA key", named("alg", "EdDSA"), "401 algorithm"),
            ("RS384 said, RS256 done", said("RS384", &good()), "401 signature"),
            ("rs256", named("alg", "rs256"), "401 malformed"),
            ("ES256K", named("alg", "ES256K"), "401 malformed"),
            (
                "something critical",
                good().header("crit", json!(["exp"])).signed(&KEY),
                "401 malformed",
            ),
            ("a token to log out", named("typ", "logout+jwt"), "401 malformed"),
            ("an access token", named("typ", "at+jwt"), "200"),
            ("an access token in full", named("typ", "application/at+jwt"), "200"),
            ("no type", good().header("typ", Value::Null).signed(&KEY), "200"),
        ];
        check(&world, rows).await;
    });
}

/// A token that says one algorithm and is signed with RS256.
fn said(algorithm: &str, token: &Token) -> String {
    let token = token.clone().header("alg", algorithm).header("kid", "one");
    token.with(|message| KEY.sign("RS256", message))
}

#[test]
fn every_allowed_algorithm_works_with_its_own_keys_alone() {
    wait(async {
        let (p256, p384, ed) = (Signer::p256("p256"), Signer::p384("p384"), Signer::ed("ed"));
        let keys = [&*KEY, &p256, &p384, &ed];
        let issuer = TestIssuer::start(keys.iter().map(|key| key.jwk()).collect());
        let world = World::with(issuer, |_| ()).await;
        let allowed = [
            ("RS256", "one"),
            ("RS384", "one"),
            ("RS512", "one"),
            ("PS256", "one"),
            ("PS384", "one"),
            ("PS512", "one"),
            ("ES256", "p256"),
            ("ES384", "p384"),
            ("EdDSA", "ed"),
        ];
        for (algorithm, _) in allowed {
            for key in keys {
                let token = world.token().header("alg", algorithm).signed(key);
                let fits = allowed.contains(&(algorithm, key.kid));
                let told = if fits { "200" } else { "401 algorithm" };
                assert_eq!(world.told(&token).await, told, "{algorithm} with {}", key.kid);
            }
        }
    });
}

#[test]
fn what_has_two_dots_is_a_jwt_and_the_rest_is_an_own_token() {
    wait(async {
        let world = World::new().await;
        let roles = json!({"ORG_OWNER": {"acme": "acme.example"}}).to_string();
        let text = |text: &str| encode(text.as_bytes());
        let (head, claims) = (text("{\"alg\":\"RS256\",\"kid\":\"one\"}"), text(&roles));
        for (token, told) in [
            (world.own_token.as_str(), "200"),
            (".", "401"),
            ("one", "401"),
            ("one.two", "401"),
            ("one.two.three.four", "401"),
            ("one.two.three", "401 malformed"),
            ("..", "401 malformed"),
            (".one.", "401 malformed"),
            (&format!("{}..", text("{}")), "401 malformed"),
            (&format!("{}..", text("[]")), "401 malformed"),
            (&format!("{}..", text("\u{0}")), "401 malformed"),
            (&format!("{}.x.x", text("{\"alg\":[\"RS256\"],\"kid\":\"one\"}")), "401 malformed"),
            (&format!("{head}.{claims}.{}", text("signature")), "401 signature"),
            (&format!("{head}.{claims}.???"), "401 malformed"),
            (&format!("{}..", "x".repeat(1 << 20)), "401 malformed"),
        ] {
            assert_eq!(world.told(token).await, told, "{}", &token[..token.len().min(99)]);
        }
        assert_eq!(world.told(&world.token().claim(ROLES, json!({})).signed(&KEY)).await, "404");
    });
}
