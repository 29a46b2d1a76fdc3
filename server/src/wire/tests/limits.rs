//! What a caller is told who runs into a limit, in the form of each transport.

use std::net::IpAddr;

use http::StatusCode;
use serde_json::json;

use super::*;
use crate::wire::ClientAddress;

const CONNECT: &str = "/zitadel.management.v1.ManagementService/GetLockoutPolicy";
const REST: &str = "/management/v1/policies/lockout";

/// Sends the same request by every transport, in this order: REST, Connect, gRPC, gRPC-web.
async fn by_all(router: &Router, from: &str) -> [Got; 4] {
    let address = from.parse::<IpAddr>().unwrap();
    let empty = &[0_u8; 5][..];
    let requests = [
        ("GET", REST, "", &b""[..]),
        ("POST", CONNECT, "application/json", b"{}"),
        ("POST", CONNECT, "application/grpc", empty),
        ("POST", CONNECT, "application/grpc-web+proto", empty),
    ];
    let mut got = Vec::new();
    for (method, path, kind, body) in requests {
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        let request = request.extension(ClientAddress(address)).body(Body::from(body)).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        got.push(Got { status: parts.status, headers: parts.headers, body });
    }
    got.try_into().ok().unwrap()
}

/// Each is refused with that code, and told to wait a second.
fn refused([rest, connect, grpc, web]: &[Got; 4], code: (u16, &str, StatusCode), text: &str) {
    let (number, name, status) = code;
    for got in [rest, connect, grpc, web] {
        assert_eq!(got.header("retry-after"), "1", "{:?}", got.headers);
    }
    assert_eq!((rest.status, connect.status), (status, status));
    assert_eq!(rest.json(), json!({"code": number, "message": text}));
    assert_eq!(connect.json(), json!({"code": name, "message": text}));
    for (got, kind) in [(grpc, "application/grpc"), (web, "application/grpc-web")] {
        assert_eq!(got.status, StatusCode::OK);
        assert!(got.header("content-type").starts_with(kind), "{:?}", got.headers);
        assert_eq!(got.header("grpc-status"), number.to_string());
    }
}

#[tokio::test]
async fn an_address_that_comes_too_often_is_refused_and_no_other() {
    let options = Options { rate_per_address: 4, ..OPTIONS };
    let router = router_of(api().await, options, CALLS);
    for got in by_all(&router, "192.0.2.1").await {
        assert_eq!(got.status, StatusCode::OK);
    }
    // Nobody is known here, so all four counted; the fifth finds the bucket empty.
    let _fifth = by_all(&router, "192.0.2.1").await;
    let text = "too many requests, try again later";
    let too_often = (8, "resource_exhausted", StatusCode::TOO_MANY_REQUESTS);
    refused(&by_all(&router, "192.0.2.1").await, too_often, text);
    for got in by_all(&router, "192.0.2.2").await {
        assert!(got.headers.get("retry-after").is_none());
    }
}

#[tokio::test]
async fn who_finds_no_place_is_refused_and_not_kept_waiting() {
    // Who it was is not looked at, so it does not count for the address.
    let options = Options { max_requests: 0, rate_per_address: 1, ..OPTIONS };
    let router = router_of(api().await, options, CALLS);
    let busy = (14, "unavailable", StatusCode::SERVICE_UNAVAILABLE);
    let got = by_all(&router, "192.0.2.1").await;
    refused(&got, busy, "the server is busy, try again later");
}

#[tokio::test]
async fn a_call_that_runs_on_keeps_its_place_and_one_that_is_over_gives_it_back() {
    let options = Options { max_requests: 1, timeout: Duration::from_millis(50), ..OPTIONS };
    let router = router_of(api().await, options, CALLS);
    let lock = |user: &str| {
        let uri = format!("/management/v1/users/{user}/_lock");
        let request = Request::post(uri).body(Body::from("{}")).unwrap();
        let router = router.clone();
        async move { router.oneshot(request).await.unwrap().status() }
    };
    assert_eq!(lock("7").await, StatusCode::OK);
    assert_eq!(lock("panic").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(lock("7").await, StatusCode::OK);
    // Its caller has left; it still runs.
    assert_eq!(lock("slow").await, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(lock("7").await, StatusCode::SERVICE_UNAVAILABLE);
}
