//! Whether a recording can be made, before anybody is called.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

/// Opens the file for writing; what it holds stays, and where there was none there is none afterwards.
///
/// # Errors
/// What stands in the way, for a person.
pub(crate) fn possible(path: &Path) -> Result<(), String> {
    let tried = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => OpenOptions::new().write(true).open(path).map(drop),
        Err(error) => Err(error),
    };
    tried.map_err(|error| format!("cannot record to {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trying_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (there, fresh) = (folder.path().join("there.wav"), folder.path().join("fresh.wav"));
        fs::write(&there, "kept").unwrap();
        possible(&there).unwrap();
        possible(&fresh).unwrap();
        assert_eq!(fs::read(&there).unwrap(), b"kept");
        assert!(!fresh.exists());
        let error = possible(&folder.path().join("none/x.wav")).unwrap_err();
        assert!(error.starts_with("cannot record to ") && error.contains("none/x.wav"), "{error}");
        assert!(possible(folder.path()).is_err(), "a directory");
    }
}
