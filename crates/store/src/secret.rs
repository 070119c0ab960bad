//! A secret that is drawn once and kept: what was proved under it to ourselves still counts after a restart.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::StoreError;
use crate::files::{beside, folder, open_private, sync_folder};

/// Octets of a secret.
const LENGTH: usize = 16;

/// A secret, see [`kept`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its octets.
    pub secret: [u8; LENGTH],
    /// Others had the right to read its file until now: who has read it knows it.
    pub was_open: bool,
}

/// The secret in the file at `path`: 32 hexadecimal digits. Where there is none, `fresh` is kept there, mode 0600, in a directory that is made with mode 0700. Of several who
/// come at the same time one has drawn it for all. Where others may read it, that right is taken back.
///
/// # Errors
/// The file holds something else, which is left alone; the system refuses.
pub fn kept(path: &Path, fresh: [u8; LENGTH]) -> Result<Kept, StoreError> {
    if let Some(kept) = read(path)? {
        return Ok(kept);
    }
    write(path, fresh)?;
    Ok(read(path)?.unwrap_or(Kept { secret: fresh, was_open: false }))
}

fn read(path: &Path) -> Result<Option<Kept>, StoreError> {
    match fs::read(path) {
        Ok(text) => {
            let secret = parsed(&text).ok_or_else(|| StoreError::Secret { path: path.to_owned() })?;
            let was_open = only_ours(path).map_err(|why| StoreError::io("set mode 0600 of", path, why))?;
            Ok(Some(Kept { secret, was_open }))
        }
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(None),
        Err(why) => Err(StoreError::io("read", path, why)),
    }
}

/// Takes back the right of others to read a file; whether they had it.
fn only_ours(path: &Path) -> io::Result<bool> {
    let is_open = fs::metadata(path)?.permissions().mode() & 0o077 != 0;
    if is_open {
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
    }
    Ok(is_open)
}

fn parsed(text: &[u8]) -> Option<[u8; LENGTH]> {
    let digits = text.trim_ascii();
    let is_hex = digits.len() == 2 * LENGTH && digits.iter().all(u8::is_ascii_hexdigit);
    let number = u128::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| is_hex)?, 16).ok()?;
    Some(number.to_be_bytes())
}

/// Whole or not at all: under another name first, and then under its own, unless another has taken that meanwhile.
fn write(path: &Path, secret: [u8; LENGTH]) -> Result<(), StoreError> {
    let folder = folder(path)?;
    // Several threads may come at the same time, too.
    let draft = beside(path, &format!(".{}-{:?}", std::process::id(), std::thread::current().id()));
    let text = format!("{:032x}\n", u128::from_be_bytes(secret));
    let written = open_private(&draft, true).and_then(|mut file| {
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|why| StoreError::io("write", &draft, why))
    });
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(why) if why.kind() != ErrorKind::AlreadyExists => Err(StoreError::io("make", path, why)),
        _ => Ok(()),
    });
    let _ = fs::remove_file(&draft);
    linked?;
    sync_folder(&folder)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_secret_is_drawn_once_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let path = state.join("tokens.key");
        let first = [0x0f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff];
        assert_eq!(kept(&path, first).unwrap().secret, first);
        assert_eq!(kept(&path, [9; 16]).unwrap().secret, first);
        assert_eq!(fs::read_to_string(&path).unwrap(), "0f0102030405060708090a0b0c0d0eff\n");
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "nothing else is left");
        assert_eq!(kept(&folder.path().join("other/tokens.key"), [9; 16]).unwrap().secret, [9; 16]);
    }

    #[test]
    fn nobody_else_reads_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/tokens.key");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert!(!kept(&path, [1; 16]).unwrap().was_open);
        assert!(!kept(&path, [2; 16]).unwrap().was_open);
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(kept(&path, [2; 16]).unwrap(), Kept { secret: [1; 16], was_open: true });
        assert_eq!(mode(&path), 0o600);
        assert!(!kept(&path, [2; 16]).unwrap().was_open);
    }

    #[test]
    fn what_is_no_secret_is_told_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.key");
        for wrong in
            ["", "\n", "0f", &"0".repeat(31), &"0".repeat(33), &"g".repeat(32), &format!("+{}", "0".repeat(31))]
        {
            fs::write(&path, wrong).unwrap();
            let told = kept(&path, [1; 16]).unwrap_err().to_string();
            assert!(told.contains("tokens.key") && told.contains("32 hexadecimal digits"), "{told}");
            assert_eq!(fs::read_to_string(&path).unwrap(), wrong);
        }
        // One digit more or less decides.
        fs::write(&path, "0".repeat(32)).unwrap();
        assert_eq!(kept(&path, [1; 16]).unwrap().secret, [0; 16]);
    }

    #[test]
    fn of_several_who_start_at_once_one_has_drawn_it_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.key");
        let got: Vec<[u8; 16]> = thread::scope(|scope| {
            let starts: Vec<_> = (1..=16)
                .map(|own| {
                    scope.spawn({
                        let path = &path;
                        move || kept(path, [own; 16]).unwrap().secret
                    })
                })
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(got.iter().all(|one| *one == got[0]), "{got:?}");
    }
}
