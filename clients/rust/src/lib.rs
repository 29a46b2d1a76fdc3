//! Nothing but tests: see `tests/flow.rs`.
