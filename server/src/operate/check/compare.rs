//! Two engines of the same events: one that began at a checkpoint, one that replayed them all.

use std::fmt::Debug;

use portcullis::DurableEngine;

use super::walk::Walk;

/// Where the two differ, over everything that the events are about.
pub(super) fn engines(
    opened: &DurableEngine,
    replayed: &DurableEngine,
    Walk { users, orgs, .. }: &Walk,
) -> Vec<String> {
    let mut found = Differences(Vec::new());
    found.compare("the instance", &opened.instance(), &replayed.instance());
    found.compare("the instance's policy", &opened.instance_policy(), &replayed.instance_policy());
    found.compare(
        "the number of overrides",
        &opened.overrides().count(),
        &replayed.overrides().count(),
    );
    found.compare("the users tracked", &opened.tracked_users(), &replayed.tracked_users());
    for org in orgs {
        let policy = |engine: &DurableEngine| engine.policy(org);
        found.compare(&format!("the policy of {org}"), &policy(opened), &policy(replayed));
    }
    for user in users {
        let status = |engine: &DurableEngine| engine.status(user);
        found.compare(&format!("user {user}"), &status(opened), &status(replayed));
    }
    found.0
}

struct Differences(Vec<String>);

impl Differences {
    fn compare<T: PartialEq + Debug>(&mut self, what: &str, opened: &T, replayed: &T) {
        if opened != replayed {
            self.0.push(format!(
                "{what}: the checkpoint says {opened:?}, the events say {replayed:?}"
            ));
        }
    }
}
