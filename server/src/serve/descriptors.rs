//! How many files the process may have open: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are no connections: of the journal, of the log, of the system.
const OTHERS: u64 = 64;

/// Lets the process have as many files open as the system permits, and tells how many connections may be
/// open then. Without a descriptor left no connection could be accepted, and none would have to go for it.
pub(super) fn room_for(connections: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    let allowed = if setrlimit(Resource::Nofile, raised).is_ok() { maximum } else { current };
    let Some(files) = allowed else { return connections };
    let most = usize::try_from(files.saturating_sub(OTHERS)).unwrap_or(usize::MAX).max(1);
    if most < connections {
        tracing::warn!(
            max_connections = connections,
            files,
            most,
            "the system permits fewer open files than max_connections needs; raise its limit (ulimit -n)"
        );
    }
    most.min(connections)
}
