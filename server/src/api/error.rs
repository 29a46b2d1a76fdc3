//! Why a call was not done, as ZITADEL's clients expect it: a code, a text and an id.

use std::fmt;
use std::time::Duration;

/// gRPC's codes; each has its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The message is not what it should be.
    InvalidArgument = 3,
    /// It took too long.
    DeadlineExceeded = 4,
    /// What it is about does not exist.
    NotFound = 5,
    /// What it would make exists already.
    AlreadyExists = 6,
    /// The caller may not.
    PermissionDenied = 7,
    /// Too much at once.
    ResourceExhausted = 8,
    /// The state of what it is about does not allow it.
    FailedPrecondition = 9,
    /// There is no such call.
    Unimplemented = 12,
    /// A fault of the server's.
    Internal = 13,
    /// The server cannot answer now.
    Unavailable = 14,
    /// Who calls is not known.
    Unauthenticated = 16,
}

impl Code {
    /// The HTTP status that ZITADEL's gateway gives it.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidArgument | Self::FailedPrecondition => 400,
            Self::Unauthenticated => 401,
            Self::PermissionDenied => 403,
            Self::NotFound => 404,
            Self::AlreadyExists => 409,
            Self::ResourceExhausted => 429,
            Self::Internal => 500,
            Self::Unimplemented => 501,
            Self::Unavailable => 503,
            Self::DeadlineExceeded => 504,
        }
    }

    /// Its name in the Connect protocol.
    #[must_use]
    pub const fn connect_name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::PermissionDenied => "permission_denied",
            Self::ResourceExhausted => "resource_exhausted",
            Self::FailedPrecondition => "failed_precondition",
            Self::Unimplemented => "unimplemented",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::Unauthenticated => "unauthenticated",
        }
    }
}

/// Why a call was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    code: Code,
    text: String,
    id: Option<&'static str>,
    retry_after: Option<Duration>,
}

/// When to try again what cannot be answered now.
const SOON: Duration = Duration::from_secs(1);

impl ApiError {
    /// An error with an id, which clients may look at.
    pub fn new(code: Code, id: &'static str, text: impl Into<String>) -> Self {
        Self { id: Some(id), ..Self::plain(code, text) }
    }

    /// An error without an id, and so without a detail.
    pub fn plain(code: Code, text: impl Into<String>) -> Self {
        let retry_after = (code == Code::Unavailable).then_some(SOON);
        Self { code, text: text.into(), id: None, retry_after }
    }

    /// One who calls too often, and when the next call may come.
    #[must_use]
    pub fn too_often(retry_after: Duration) -> Self {
        let error = Self::plain(Code::ResourceExhausted, "too many requests, try again later");
        Self { retry_after: Some(retry_after), ..error }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The text without the id: what the detail `zitadel.v1.ErrorDetail` has as its message.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// When the same may be tried again, for an error that passes by itself.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The id; with one the error has a detail, `zitadel.v1.ErrorDetail`.
    #[must_use]
    pub fn id(&self) -> Option<&'static str> {
        self.id
    }
}

/// The status message: the text, with the id in brackets behind it.
impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => write!(f, "{} ({id})", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl std::error::Error for ApiError {}
