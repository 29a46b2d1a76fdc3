//! The first start: somebody has to be able to call before anybody can be allowed to.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use portcullis::{Actor, InvalidId, OrgId, UserId};

use super::{Directory, DirectoryError, JournalDirectory, TokenText};
use crate::api::roles::Role;

/// What the first start made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstStart {
    /// An organization.
    pub org: OrgId,
    /// A machine user in it who may do everything.
    pub user: UserId,
    /// The id of the user's token.
    pub token_id: String,
    /// The text of the token. It is kept nowhere: write it down, as [`write_secret_file`] does.
    pub token: TokenText,
}

/// If there is no token at all, makes an organization, a machine user with the role `IAM_OWNER` and a
/// token of that user; `None` if there is one, whatever it is worth. Of several processes that do so on one
/// journal at the same time, the one whose token comes first has made them; the others remove theirs.
///
/// # Errors
///
/// The journal's.
pub async fn first_start(
    directory: &JournalDirectory,
) -> Result<Option<FirstStart>, DirectoryError> {
    let before = directory.engine().health().position;
    if directory.has_tokens().await? {
        return Ok(None);
    }
    let actor = Actor::system();
    let org: OrgId = id(directory).await?;
    directory.add_org(&actor, &org, "Portcullis").await?;
    let user: UserId = id(directory).await?;
    let description = "Made at the first start";
    directory.add_machine(&actor, (&org, &user), "admin", "Administrator", description).await?;
    directory.add_member(&actor, &user, Role::IamOwner, None).await?;
    let token = directory.add_token(&actor, &user, None).await?;
    if directory.first_token_after(before).await?.is_some_and(|first| first != token.id) {
        tracing::info!("another process has made the first token at the same time");
        directory.remove_org(&actor, &org).await?;
        return Ok(None);
    }
    Ok(Some(FirstStart { org, user, token_id: token.id, token: token.text }))
}

async fn id<T: TryFrom<String, Error = InvalidId>>(
    directory: &JournalDirectory,
) -> Result<T, DirectoryError> {
    let id = directory.unused_id().await?;
    // Digits are an id.
    T::try_from(id).map_err(|_| DirectoryError::BadText { what: "the id", rule: "is no id" })
}

/// A file for a secret, made before there is one to write: empty, new, and readable to its owner alone.
#[derive(Debug)]
pub struct SecretFile {
    file: std::fs::File,
    path: PathBuf,
}

impl SecretFile {
    /// Makes the file.
    ///
    /// # Errors
    ///
    /// If it cannot be made, also because there is something with this name.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self { file: options.open(path)?, path: path.to_owned() })
    }

    /// Writes the secret and a line's end, durably.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(mut self, text: &str) -> io::Result<()> {
        writeln!(self.file, "{text}")?;
        self.file.sync_all()
    }

    /// Removes the file, for there is no secret to write.
    ///
    /// # Errors
    ///
    /// If it cannot be removed.
    pub fn discard(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

/// Writes a secret into a new file that only its owner can read.
///
/// # Errors
///
/// If there is something with this name already, or the file cannot be made or written.
pub fn write_secret_file(path: &Path, text: &str) -> io::Result<()> {
    SecretFile::create(path)?.write(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_written_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        write_secret_file(&path, "1.secret").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1.secret\n");
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(
                &std::fs::metadata(&path).unwrap().permissions(),
            );
            assert_eq!(mode & 0o777, 0o600);
        }
        let again = write_secret_file(&path, "2.secret").unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1.secret\n");
        let file = SecretFile::create(&folder.path().join("other")).unwrap();
        file.discard().unwrap();
        assert!(!folder.path().join("other").exists());
    }
}
