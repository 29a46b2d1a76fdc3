//! `portcullis config`: which settings hold, and where each comes from.

use serde::Serialize;

use super::{Chosen, Settings, Source, choose};
use crate::cli::Output;
use crate::cli::serve::ConfigArgs;
use crate::exit::Failure;
use crate::output::table::Columns;
use crate::output::{json, print, safe};

/// Runs `config`.
///
/// # Errors
///
/// What would stop a server with these settings.
pub(crate) fn command(args: &ConfigArgs) -> Result<(), Failure> {
    let chosen = choose(&args.settings)?;
    Settings::from_args(&args.settings)?;
    print(|to| match args.output {
        Output::Table => {
            Columns::new(["setting", "value", "from"], &[]).write_all(&chosen, cells, to)
        }
        Output::Json => json::write(&Report { settings: chosen.iter().map(row).collect() }, to),
    })
}

fn cells(chosen: &Chosen) -> [String; 3] {
    let Row { setting, value, from, name, line } = row(chosen);
    let name = name.map(|name| format!(" {}", safe(&name)));
    let line = line.map(|line| format!(", line {line}"));
    let from = [Some(String::from(from)), name, line].into_iter().flatten().collect();
    [String::from(setting), value.map_or_else(|| String::from("-"), |value| safe(&value)), from]
}

#[derive(Serialize)]
struct Report {
    settings: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    setting: &'static str,
    value: Option<String>,
    /// `flag`, `environment`, `file`, or `default`.
    from: &'static str,
    /// The flag, the variable, or the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

fn row(chosen: &Chosen) -> Row {
    let Chosen { setting, text, source } = chosen;
    let (from, name, line) = match source {
        Source::Flag => ("flag", Some(format!("--{}", setting.flag())), None),
        Source::Environment => ("environment", Some(setting.variable()), None),
        Source::File(file, line, _) => ("file", Some(file.display().to_string()), Some(*line)),
        Source::Default => ("default", None, None),
    };
    let value = text.as_deref().map(setting.shown);
    Row { setting: setting.key, value, from, name, line }
}
