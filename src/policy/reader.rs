//! A thread's own reader of the policies.

use std::fmt;
use std::sync::Arc;

use super::Resolved;
use super::hierarchy::Hierarchy;
use crate::sync::IndexReader;

/// Resolves for one thread: what [`Engine::resolve`](crate::Engine::resolve) tells, a little faster.
///
/// It holds no lock and may be kept. Tables of the index that have been replaced since its last
/// look at them stay in memory until it looks again or is dropped; it resolves also when the engine
/// is gone, to what was in force then.
pub struct Reader {
    hierarchy: Arc<Hierarchy>,
    index: IndexReader,
}

impl Reader {
    pub(crate) fn new(hierarchy: &Arc<Hierarchy>) -> Self {
        Self { hierarchy: Arc::clone(hierarchy), index: hierarchy.index_reader() }
    }

    /// The policy in force for an organization.
    #[inline]
    pub fn resolve(&mut self, org: &str) -> Resolved {
        self.hierarchy.resolve_through(&mut self.index, org)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
