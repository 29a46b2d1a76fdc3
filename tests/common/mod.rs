//! What the tests share.
#![allow(dead_code, unused_imports, reason = "each test uses a part")]

pub(crate) mod drive;
pub(crate) mod naive;
pub(crate) mod scenario;

/// How many times as long as usual the tests with a choice shall take: `PORTCULLIS_SCALE`, or 1.
pub(crate) fn scale() -> u32 {
    std::env::var("PORTCULLIS_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}
