//! What the API does, apart from how a request comes in: one plain function for each use case, from a
//! caller and a message to a message or an [`error::ApiError`]. Every transport is a thin shell around
//! these.
//!
//! ```text
//!   wire (gRPC, gRPC-web, Connect, REST) ──► api ──► engine      policies, locks
//!                                             ├────► directory   which organizations and users exist
//!                                             └────► callers     whose token it is, with which roles
//! ```

pub mod auth;
pub mod error;
pub mod policies;
pub mod roles;
pub mod users;

use std::fmt;
use std::sync::Arc;

use portcullis::DurableEngine;

use crate::callers::Callers;
use crate::directory::Directory;

/// What the use cases work on.
#[derive(Clone)]
pub struct Api {
    pub(crate) engine: Arc<DurableEngine>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) callers: Arc<dyn Callers>,
}

impl Api {
    /// The API on an engine.
    pub fn new(
        engine: Arc<DurableEngine>,
        directory: Arc<dyn Directory>,
        callers: Arc<dyn Callers>,
    ) -> Self {
        Self { engine, directory, callers }
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Arc<DurableEngine> {
        &self.engine
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// What a transport knows of a request beside its message.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// The values of the header `authorization`, in order.
    pub authorization: Vec<String>,
    /// The header `x-zitadel-orgid`: the organization that the request is about.
    pub org: Option<String>,
}
