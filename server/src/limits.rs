//! The limits that a request or a connection can run into, and how often each was.

use metrics::counter;

/// How often a limit refused something, by limit.
pub(crate) const REFUSED: &str = "portcullis_refused_total";

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Connections that are open.
    Connections,
    /// Calls that run at the same time.
    Requests,
    /// Requests a second from an address that are no known caller's.
    AddressRate,
    /// Requests a second of a caller.
    CallerRate,
    /// The size of a body.
    Body,
    /// The size of all requests together that are still being sent.
    Buffered,
    /// The time of a request.
    Time,
    /// Commands that wait for the journal.
    Journal,
}

impl Limit {
    pub(crate) const ALL: [Self; 8] = [
        Self::Connections,
        Self::Requests,
        Self::AddressRate,
        Self::CallerRate,
        Self::Body,
        Self::Buffered,
        Self::Time,
        Self::Journal,
    ];

    /// Its name in the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Requests => "requests",
            Self::AddressRate => "address_rate",
            Self::CallerRate => "caller_rate",
            Self::Body => "body",
            Self::Buffered => "buffered",
            Self::Time => "time",
            Self::Journal => "journal",
        }
    }

    /// Counts what it refused.
    pub(crate) fn refused(self) {
        counter!(REFUSED, "limit" => self.name()).increment(1);
    }
}
