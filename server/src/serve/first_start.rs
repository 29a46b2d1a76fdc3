//! The first start: somebody must be able to call, so an organization is made, a machine user in it who
//! may do everything, and a token of that user.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use portcullis::{OrgId, UserId};

use crate::directory::{FirstStart, JournalDirectory, SecretFile, first_start};
use crate::exit::Failure;
use crate::operate::undone;
use crate::place::Place;

/// What the first start has made.
pub(super) struct Made {
    org: OrgId,
    user: UserId,
    token_file: PathBuf,
}

/// Makes what the first start makes, unless there is a token already.
pub(super) async fn prepare(
    directory: &JournalDirectory,
    journal: &Place,
) -> Result<Option<Made>, Failure> {
    if directory.has_tokens().await.map_err(undone)? {
        return Ok(None);
    }
    let token_file = journal.beside(".token");
    let unwritten = |error: io::Error| {
        Failure::fault(format!("cannot write the token to {}: {error}", token_file.display()))
    };
    // The file comes first: a token that cannot be kept must not be made.
    let draft = journal.beside(&format!(".token.{}", std::process::id()));
    let file = private(&draft).map_err(unwritten)?;
    let made = match first_start(directory).await.map_err(undone) {
        Ok(Some(made)) => made,
        none => {
            file.discard().map_err(unwritten)?;
            return none.map(|_| None);
        }
    };
    let FirstStart { org, user, token, .. } = made;
    // What may be at its place is of a journal that is gone: in this one there was no token.
    let written = file.write(token.as_str()).and_then(|()| fs::rename(&draft, &token_file));
    written.map_err(unwritten)?;
    Ok(Some(Made { org, user, token_file }))
}

/// A new file that nobody else may read.
fn private(path: &Path) -> io::Result<SecretFile> {
    // Left over from a start that was interrupted.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    SecretFile::create(path)
}

impl Made {
    /// Tells what was made, and how to use it. The token itself is only in its file.
    pub(super) fn tell(&self, url: &str, to: &mut dyn Write) -> io::Result<()> {
        let file = self.token_file.display().to_string();
        writeln!(to, "organization  {}", self.org)?;
        writeln!(to, "user          {} (IAM_OWNER)", self.user)?;
        writeln!(to, "token in      {file}")?;
        writeln!(to, "try           {}", curl(&file, url))
    }
}

fn curl(token_file: &str, url: &str) -> String {
    let file = token_file.replace('\'', r"'\''");
    format!(
        "curl -H \"Authorization: Bearer $(cat '{file}')\" {url}/management/v1/policies/lockout"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_copy_is_safe_for_a_shell() {
        let line = curl("it's here.token", "http://[::1]:80");
        assert!(line.contains(r"$(cat 'it'\''s here.token')"), "{line}");
    }
}
