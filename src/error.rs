//! The errors of the administrative calls. A refused attempt is a value, never one of these.

/// Why a policy was not changed. Nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PolicyError {
    /// The organization has no override to change or to reset (rules P5, P6).
    #[error("the organization has no lockout policy of its own: it uses the instance default")]
    NotFound,
    /// The organization has an override already: change it, or reset it first (rule P6).
    #[error("the organization already has a lockout policy of its own")]
    AlreadyExists,
    /// The policy already has these values (rule P6).
    #[error("the lockout policy already has these values")]
    NotChanged,
}

/// Why a lock was not changed. Nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LockError {
    /// The user is locked already (rule A9).
    #[error("the user is already locked")]
    AlreadyLocked,
    /// The user is not locked (rule A9).
    #[error("the user is not locked")]
    NotLocked,
    /// The user is on record with another organization than the one named (rules A10, A11).
    #[error("the user belongs to another organization")]
    OrgMismatch,
}
