//! The file of settings: flat TOML, and where in it each value is.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::{Spanned, Value};

use super::TABLE;
use crate::exit::Failure;

/// A setting in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) text: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Reads a file.
pub(super) fn read(file: &Path) -> Result<Vec<Entry>, Failure> {
    let bytes = fs::read(file).map_err(|error| Failure::reading(file.display(), &error))?;
    parse(&bytes).map_err(|why| Failure::bad_input(format!("{}: {why}", file.display())))
}

fn parse(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let (sound, _) = bytes.split_at(error.valid_up_to());
            let (line, column) = place(&String::from_utf8_lossy(sound), error.valid_up_to());
            return Err(format!("line {line}, column {column}: this is not UTF-8"));
        }
    };
    let at = |span: Range<usize>, why: &str| {
        let (line, column) = place(text, span.start);
        format!("line {line}, column {column}: {why}")
    };
    let read = toml::Deserializer::parse(text).and_then(Table::deserialize);
    let table = read.map_err(|error| at(error.span().unwrap_or_default(), error.message()))?;
    let mut keys: Vec<_> = table.into_iter().collect();
    // What is wrong first in the file is told first.
    keys.sort_by_key(|(key, _)| key.span().start);
    let entry = |(key, value): (Spanned<String>, Spanned<Value>)| {
        if !TABLE.iter().any(|setting| setting.key == key.as_ref()) {
            return Err(at(key.span(), &unknown(key.as_ref())));
        }
        let (line, column) = place(text, value.span().start);
        let text = match value.as_ref() {
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Boolean(choice) => choice.to_string(),
            other => {
                let why =
                    format!("{}: a setting is not of type {}", key.as_ref(), other.type_str());
                return Err(at(value.span(), &why));
            }
        };
        Ok(Entry { key: key.into_inner(), text, line, column })
    };
    keys.into_iter().map(entry).collect()
}

type Table = BTreeMap<Spanned<String>, Spanned<Value>>;

/// Most mistyped keys are a flag's spelling, or nearly right.
fn unknown(key: &str) -> String {
    let flat = |key: &str| key.to_lowercase().replace(['-', '_', ' '], "");
    match TABLE.iter().find(|setting| flat(setting.key) == flat(key)) {
        Some(setting) => format!("there is no setting {key:?}; it is called {}", setting.key),
        None => format!("there is no setting {key:?}"),
    }
}

/// Line and column, in characters from 1, of a byte.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count());
    (line, column.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_found_at_its_place() {
        let text = "# ü\nlisten = \"[::1]:80\"\n\nmax_otp_attempts =  3\nshow_failures = true\n";
        let entry = |key: &str, text: &str, line, column| Entry {
            key: key.into(),
            text: text.into(),
            line,
            column,
        };
        let entries = parse(text.as_bytes()).unwrap();
        assert_eq!(
            entries,
            [
                entry("listen", "[::1]:80", 2, 10),
                entry("max_otp_attempts", "3", 4, 21),
                entry("show_failures", "true", 5, 17),
            ]
        );
        assert_eq!(parse(b""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, part) in [
            (&b"\nmax_bdy = 1"[..], "line 2, column 1: there is no setting \"max_bdy\""),
            (
                b"max-body = 1",
                "line 1, column 1: there is no setting \"max-body\"; it is called max_body",
            ),
            (b"max_body = [1]", "line 1, column 12: max_body: a setting is not of type array"),
            (b"[max_body]\nx = 1", "max_body: a setting is not of type table"),
            (b"max_body = 1.5", "line 1, column 12"),
            (b"listen = ", "line 1, column"),
            (b"max_body = 1\nmax_body = 2", "line 2, column 1: duplicate key"),
            (b"# \xc3\xbc\nx\xff", "line 2, column 2: this is not UTF-8"),
        ] {
            let why = parse(text).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }
}
