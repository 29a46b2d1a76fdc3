//! The handle of one organization.

use std::fmt;
use std::sync::Arc;

use super::Resolved;
use super::hierarchy::Hierarchy;
use crate::id::OrgId;
use crate::sync::AtomicU64;

/// One organization, for whoever asks for its policy again and again: looked up once, resolved by a
/// load or two.
///
/// It tells what [`Engine::resolve`](crate::Engine::resolve) tells, at every moment. It holds no
/// lock, and may be kept, cloned and shared between threads; it resolves also when the engine is
/// gone, to what was in force then.
#[derive(Clone)]
pub struct OrgHandle {
    hierarchy: Arc<Hierarchy>,
    org: OrgId,
    word: Arc<AtomicU64>,
}

impl OrgHandle {
    pub(crate) fn new(hierarchy: &Arc<Hierarchy>, org: &OrgId) -> Self {
        let word = hierarchy.handled(org);
        Self { hierarchy: Arc::clone(hierarchy), org: org.clone(), word }
    }

    /// The organization's id.
    #[must_use]
    pub fn id(&self) -> &OrgId {
        &self.org
    }

    /// The policy in force for the organization.
    #[inline]
    #[must_use]
    pub fn resolve(&self) -> Resolved {
        self.hierarchy.resolve_handled(&self.org, &self.word)
    }
}

impl fmt::Debug for OrgHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrgHandle").field("org", &self.org).finish_non_exhaustive()
    }
}
