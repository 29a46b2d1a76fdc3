//! What commands print: tables for people, JSON for programs.

pub(crate) mod json;
pub(crate) mod table;

use std::io::{self, BufWriter, ErrorKind, Write};
use std::time::SystemTime;

use jiff::Timestamp;

use crate::exit::Failure;

/// Prints on stdout. A reader that has seen enough (`… | head`) is no fault.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::fault(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// A time as RFC 3339 has it, in UTC.
pub(crate) fn rfc3339(at: SystemTime) -> String {
    match Timestamp::try_from(at) {
        Ok(at) => at.to_string(),
        // Only a clock that is thousands of years off tells such a time.
        Err(_) => format!("{at:?}"),
    }
}

/// A text of unknown origin for a terminal, which must not obey what the text says.
pub(crate) fn safe(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}
