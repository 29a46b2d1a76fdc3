//! Looking into files that SQLite has locks on.
//!
//! A Unix process that closes any handle of a file loses every lock that it has on the file, whichever
//! handle has them. Another process would then take itself for the only one, and remove the log that
//! this one goes on writing to. So the files of a journal are looked into only while this process has
//! no journal open on them, by the first that is opened.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// How many journals this process has open on each file.
static OPEN: LazyLock<Mutex<HashMap<PathBuf, usize>>> = LazyLock::new(Mutex::default);

/// A journal of this process is open on a file. To be dropped after its connections.
#[derive(Debug)]
pub(super) struct Inspected(PathBuf);

impl Inspected {
    /// Has the file inspected if there is no other journal on it, and none is opened meanwhile.
    pub(super) fn by<E>(file: &Path, inspect: impl FnOnce() -> Result<(), E>) -> Result<Self, E> {
        let name = one_name(file);
        let mut open = journals();
        if !open.contains_key(&name) {
            inspect()?;
        }
        let count = open.entry(name.clone()).or_default();
        *count = count.saturating_add(1);
        Ok(Self(name))
    }
}

impl Drop for Inspected {
    fn drop(&mut self) {
        let mut open = journals();
        match open.get_mut(&self.0) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            _ => drop(open.remove(&self.0)),
        }
    }
}

fn journals() -> MutexGuard<'static, HashMap<PathBuf, usize>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same name for a file however it is reached, and before it is there.
fn one_name(file: &Path) -> PathBuf {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    file.canonicalize()
        .or_else(|_| folder.canonicalize().map(|it| it.join(file.file_name().unwrap_or_default())))
        .unwrap_or_else(|_| file.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_inspected_once_until_its_last_journal_is_gone() {
        let file = Path::new("no such folder/journal.db");
        let inspections = std::cell::Cell::new(0);
        let open = || {
            Inspected::by(file, || {
                inspections.set(inspections.get() + 1);
                Ok::<_, ()>(())
            })
        };
        let (one, other) = (open().unwrap(), open().unwrap());
        assert_eq!(inspections.get(), 1);
        drop(one);
        let third = open().unwrap();
        assert_eq!(inspections.get(), 1);
        drop((other, third));
        assert_eq!(Inspected::by(file, || Err(7)).unwrap_err(), 7);
        let _last = open().unwrap();
        assert_eq!(inspections.get(), 2);
    }
}
