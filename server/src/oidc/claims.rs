//! What a token says of its user: ZITADEL's claims, in the words of the role table.

use portcullis::{OrgId, UserId};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::token::Refusal;
use crate::api::roles::Role;
use crate::callers::Membership;

/// The claims of a token whose signature is good.
#[derive(Deserialize)]
pub(super) struct Claims {
    /// One text: a list, which the crate would take, is no issuer.
    #[serde(rename = "iss")]
    _issuer: String,
    #[serde(rename = "sub")]
    subject: String,
    #[serde(rename = "iat")]
    issued_at: Option<f64>,
    /// The client that asked for the token.
    client_id: Option<String>,
    #[serde(rename = "urn:zitadel:iam:user:resourceowner:id")]
    resource_owner: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Claims {
    /// Whether it tells a client who has logged in, and is no key to anything. Such tokens stand in
    /// addresses and in browsers; ZITADEL gives them the type and the audiences of the others.
    pub(super) fn are_of_id_token(&self) -> bool {
        ["nonce", "at_hash", "c_hash"].iter().any(|name| self.others.contains_key(*name))
    }

    /// Whether it was issued after a time, in seconds since 1970.
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds have less than 53 bits for ages to come"
    )]
    pub(super) fn is_issued_after(&self, time: u64) -> bool {
        self.issued_at.is_some_and(|at| at > time as f64)
    }
}

/// Who a token says its user is.
pub(super) struct Claimed {
    pub(super) user: UserId,
    /// The user's own organization; `None` if the token does not say.
    pub(super) org: Option<OrgId>,
    pub(super) memberships: Vec<Membership>,
}

/// Reads who a token is about.
pub(super) fn read(
    claims: Claims,
    audience: &str,
    instance_org: Option<&OrgId>,
) -> Result<Claimed, Refusal> {
    let org = claims.resource_owner.as_deref().map(OrgId::try_from).transpose();
    let org = org.map_err(|_| Refusal::Organization)?;
    let memberships = claims.memberships(audience, instance_org);
    let user = UserId::try_from(claims.subject).map_err(|_| Refusal::Malformed)?;
    Ok(Claimed { user, org, memberships })
}

impl Claims {
    /// The roles that hold here. What is no role of the table, and what is not said in ZITADEL's form,
    /// is passed over.
    fn memberships(&self, audience: &str, instance_org: Option<&OrgId>) -> Vec<Membership> {
        let Some(Value::Object(roles)) = self.roles(audience) else { return Vec::new() };
        let roles = roles.iter().filter_map(|(name, orgs)| {
            let Value::Object(orgs) = orgs else { return None };
            Some((name.parse::<Role>().ok()?, orgs.keys()))
        });
        let grants = roles.flat_map(|(role, orgs)| {
            orgs.filter_map(move |org| Some((role, OrgId::try_from(org.as_str()).ok()?)))
        });
        let memberships = grants.filter_map(|(role, org)| {
            // Every organization that a project is granted to may give its roles away: what holds on
            // the instance must come from the one organization that is told.
            if !role.is_of_instance() {
                return Some(Membership { role, org: Some(org) });
            }
            (Some(&org) == instance_org).then_some(Membership { role, org: None })
        });
        memberships.collect()
    }

    /// The roles in the project that the audience names. The claim without a project is about the
    /// project of the client that asked for the token, and every organization makes projects with
    /// roles of any name: it counts only if that client is the audience.
    fn roles(&self, audience: &str) -> Option<&Value> {
        let of_project = format!("urn:zitadel:iam:org:project:{audience}:roles");
        self.others.get(&of_project).or_else(|| {
            let is_audience = self.client_id.as_deref() == Some(audience);
            self.others.get("urn:zitadel:iam:org:project:roles").filter(|_| is_audience)
        })
    }
}
