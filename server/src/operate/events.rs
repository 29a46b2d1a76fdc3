//! `portcullis events`: the trail.

use std::io::{self, Write};
use std::time::SystemTime;

use portcullis::journal::{Journal, Position};
use portcullis::{Aggregate, Recorded};
use serde::Serialize;
use serde_json::Value;

use super::{failure, opened, run, trail_start};
use crate::cli::Output;
use crate::cli::journal::EventsArgs;
use crate::exit::Failure;
use crate::output::json::{self, as_time};
use crate::output::table::{BLOCK, Columns};
use crate::output::{print, rfc3339, safe};

/// Shows the events that the filters let through.
///
/// # Errors
///
/// The journal's; a position that was pruned is bad input.
pub fn command(args: &EventsArgs) -> Result<(), Failure> {
    run(async {
        let journal = opened(&args.journal).await?.journal;
        let mut after = match args.after {
            Some(position) => position,
            None => trail_start(&journal).await.map_err(failure)?,
        };
        let mut trail = Trail::new(args.journal.output);
        loop {
            let page = journal.read_after(after, BLOCK).await.map_err(failure)?;
            let Some(last) = page.last() else {
                if !args.follow {
                    return trail.end();
                }
                journal.changed(after).await;
                continue;
            };
            after = last.position;
            let shown: Vec<_> = page.iter().filter(|event| is_shown(event, args)).collect();
            if !trail.write(&shown)? {
                return Ok(());
            }
        }
    })
}

fn is_shown(event: &Recorded, args: &EventsArgs) -> bool {
    let EventsArgs { user, org, types, since, .. } = args;
    let of_user = |wanted: &_| match &event.aggregate {
        Aggregate::User { user, .. } => user == wanted,
        _ => false,
    };
    let of_org = |wanted: &_| match &event.aggregate {
        Aggregate::User { org, .. } | Aggregate::Org(org) => org == wanted,
        Aggregate::Instance(_) => false,
    };
    let name = event.event.type_name();
    let of_type = |wanted: &String| match wanted.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == wanted,
    };
    user.as_ref().is_none_or(of_user)
        && org.as_ref().is_none_or(of_org)
        && (types.is_empty() || types.iter().any(of_type))
        && since.is_none_or(|since| event.at >= since.0)
}

/// What has been shown, and how.
struct Trail {
    output: Output,
    columns: Columns<6>,
    is_empty: bool,
}

const HEADER: [&str; 6] = ["position", "at", "type", "of", "by", "payload"];

impl Trail {
    fn new(output: Output) -> Self {
        Self { output, columns: Columns::new(HEADER, &[0]), is_empty: true }
    }

    /// Writes events at once, for somebody may follow; whether anybody still reads.
    fn write(&mut self, events: &[&Recorded]) -> Result<bool, Failure> {
        if events.is_empty() {
            return Ok(true);
        }
        self.is_empty = false;
        let mut out = io::BufWriter::new(io::stdout().lock());
        let written = match self.output {
            Output::Table => self.columns.write(events.iter().map(|event| cells(event)), &mut out),
            Output::Json => {
                events.iter().try_for_each(|event| json::write(&EventJson::of(event), &mut out))
            }
        };
        match written.and_then(|()| out.flush()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Failure::fault(format!("cannot write to stdout: {error}"))),
        }
    }

    fn end(self) -> Result<(), Failure> {
        print(|to| match self.output {
            Output::Table if self.is_empty => writeln!(to, "No event."),
            _ => Ok(()),
        })
    }
}

fn cells(event: &Recorded) -> [String; 6] {
    let whose = match &event.aggregate {
        Aggregate::Instance(instance) => format!("instance {instance}"),
        Aggregate::Org(org) => format!("org {org}"),
        Aggregate::User { org, user } => format!("{user} of {org}"),
    };
    [
        event.position.to_string(),
        rfc3339(event.at),
        safe(event.event.type_name()),
        whose,
        event.actor.to_string(),
        safe(&event.event.payload().unwrap_or_default()),
    ]
}

/// An event, for programs.
#[derive(Serialize)]
struct EventJson<'e> {
    position: Position,
    sequence: u64,
    #[serde(serialize_with = "as_time")]
    at: SystemTime,
    #[serde(rename = "type")]
    type_name: &'e str,
    /// `instance`, `org` or `user`.
    aggregate: &'static str,
    id: &'e str,
    /// A user's organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<&'e str>,
    actor: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Value>,
}

impl<'e> EventJson<'e> {
    fn of(event: &'e Recorded) -> Self {
        let (aggregate, id, org) = match &event.aggregate {
            Aggregate::Instance(instance) => ("instance", instance.as_ref(), None),
            Aggregate::Org(org) => ("org", org.as_ref(), None),
            Aggregate::User { org, user } => ("user", user.as_ref(), Some(org.as_ref())),
        };
        Self {
            position: event.position,
            sequence: event.sequence,
            at: event.at,
            type_name: event.event.type_name(),
            aggregate,
            id,
            org,
            actor: event.actor.as_ref(),
            payload: event.event.payload().map(value),
        }
    }
}

/// What a payload says; a host's that is no JSON, as a text.
fn value(payload: String) -> Value {
    serde_json::from_str(&payload).unwrap_or(Value::String(payload))
}
