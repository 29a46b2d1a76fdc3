//! A line of an import: an organization, or a user.

use std::str;

use portcullis::{OrgId, UserId};
use serde::Deserialize;

use crate::directory::{NewEntry, UserKind, WantedState};
use crate::replay::line::BadLine;

/// The fields of a line. One that is not known could be a mistyped one, so it is refused.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fields {
    org: String,
    name: Option<String>,
    user: Option<String>,
    user_name: Option<String>,
    human: Option<Human>,
    machine: Option<Machine>,
    state: Option<State>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Human {
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    #[serde(default)]
    email: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Machine {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Inactive,
    Locked,
}

/// Reads a line, given without its end.
pub(super) fn parse(line: &[u8]) -> Result<NewEntry, BadLine> {
    let text = str::from_utf8(line).map_err(|error| {
        BadLine::new(error.valid_up_to().saturating_add(1), "the text is not UTF-8")
    })?;
    // A list of values would be taken for an object.
    if !text.trim_start().starts_with('{') {
        return Err(BadLine::new(1, "it is no JSON object"));
    }
    let fields: Fields = serde_json::from_str(text)?;
    fields.entry().map_err(|reason| BadLine::new(text.len(), &reason))
}

impl Fields {
    fn entry(self) -> Result<NewEntry, String> {
        let Self { org, name, user, user_name, human, machine, state } = self;
        let org = OrgId::try_from(org).map_err(|error| error.to_string())?;
        let Some(user) = user else {
            if user_name.is_some() || human.is_some() || machine.is_some() || state.is_some() {
                return Err(String::from("a user needs the field `user`, the id"));
            }
            let name = name.ok_or("an organization needs a name, a user the field `user`")?;
            return Ok(NewEntry::Org { org, name });
        };
        if name.is_some() {
            return Err(String::from("a user has no field `name`, only `userName`"));
        }
        let kind = match (human, machine) {
            (Some(Human { first_name, last_name, email }), None) => {
                UserKind::Human { first_name, last_name, email }
            }
            (None, Some(Machine { name, description })) => UserKind::Machine { name, description },
            _ => return Err(String::from("a user has either `human` or `machine`")),
        };
        Ok(NewEntry::User {
            user: UserId::try_from(user).map_err(|error| error.to_string())?,
            org,
            user_name: user_name.ok_or("a user needs the field `userName`")?,
            kind,
            state: state.map(|state| match state {
                State::Inactive => WantedState::Inactive,
                State::Locked => WantedState::Locked,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_tells_its_reason() {
        for (line, part) in [
            ("[]", "no JSON object"),
            ("{", "EOF"),
            (r#"{"org":"a"}"#, "needs a name"),
            (r#"{"name":"a"}"#, "missing field `org`"),
            (r#"{"org":"","name":"a"}"#, "must not be empty"),
            (r#"{"org":"a","name":"a","name":"b"}"#, "duplicate field `name`"),
            (r#"{"org":"a","nmae":"a"}"#, "unknown field `nmae`"),
            (r#"{"org":"a","userName":"u","human":{}}"#, "needs the field `user`"),
            (r#"{"org":"a","name":"a","user":"u"}"#, "no field `name`"),
            (r#"{"org":"a","user":"u","userName":"u"}"#, "either `human` or `machine`"),
            (r#"{"org":"a","user":"u","human":{}}"#, "needs the field `userName`"),
            (r#"{"org":"a","user":" u","userName":"u","human":{}}"#, "white space"),
            (r#"{"org":"a","user":"u","userName":"u","human":{"x":1}}"#, "unknown field `x`"),
            (r#"{"org":"a","user":"u","userName":"u","human":{},"machine":{}}"#, "either"),
            (r#"{"org":"a","user":"u","userName":"u","human":{},"state":"gone"}"#, "gone"),
        ] {
            let reason = parse(line.as_bytes()).unwrap_err().to_string();
            assert!(reason.contains(part), "{line}: {reason}");
        }
        assert!(parse(b"{\"org\":\"\xff\"}").unwrap_err().reason.contains("UTF-8"));
    }
}
