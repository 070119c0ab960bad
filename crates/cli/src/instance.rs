//! Who this device is, whatever its address: a URN that is made once and kept in the state directory (RFC 5626 section 4.1).

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::home;

/// The file in the state directory.
const FILE: &str = "instance";

/// The instance that `--outbound` means: what is given, or that of this device.
///
/// # Errors
/// What is wrong with it, or why it cannot be kept, for a person.
pub(crate) fn of(given: &str) -> Result<String, String> {
    match given {
        "" => kept(&home::state(None)),
        given => checked(given).map_err(|why| format!("--outbound: {why}")),
    }
}

fn checked(urn: &str) -> Result<String, String> {
    let good = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\' | b'<' | b'>');
    let is_urn = urn.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:")) && urn.len() > 4;
    match is_urn && urn.bytes().all(good) {
        true => Ok(urn.to_owned()),
        false => Err(format!("expected a URN, as in urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6, found {urn:?}")),
    }
}

/// The one of this device, made when there is none. Who is first has made it for all.
fn kept(folder: &Path) -> Result<String, String> {
    let file = folder.join(FILE);
    let failed = |error: std::io::Error| format!("--outbound: {}: {error}", file.display());
    for _ in 0..2 {
        match fs::read_to_string(&file) {
            Ok(text) => return checked(text.trim()).map_err(|why| format!("{}: {why}", file.display())),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            Err(_) => {}
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        // Whole or not at all: it is written under another name, and then given its own, which another may have taken meanwhile.
        let draft = folder.join(format!("{FILE}.{}", std::process::id()));
        let mut open = fs::OpenOptions::new();
        let written = open.write(true).create(true).truncate(true).mode(0o600).open(&draft);
        written.and_then(|mut to| writeln!(to, "{}", made())).map_err(failed)?;
        let linked = fs::hard_link(&draft, &file);
        let _ = fs::remove_file(&draft);
        match linked {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
    }
    Err(format!("--outbound: {}: it cannot be kept", file.display()))
}

/// A random UUID (RFC 9562 section 5.4) as URN.
fn made() -> String {
    let bits = rand::random::<u128>() & !(0xF << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let (a, rest) = hex.split_at(8);
    let (b, rest) = rest.split_at(4);
    let (c, rest) = rest.split_at(4);
    let (d, e) = rest.split_at(4);
    format!("urn:uuid:{a}-{b}-{c}-{d}-{e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc5626_4_1_the_instance_is_made_once_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let first = kept(&state).unwrap();
        assert_eq!(first.len(), "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6".len());
        assert_eq!(first.as_bytes()[9 + 14], b'4', "{first}: version 4");
        assert!(b"89ab".contains(&first.as_bytes()[9 + 19]), "{first}: the variant");
        assert_eq!(kept(&state).unwrap(), first);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "nothing else is left");
        assert_ne!(kept(&folder.path().join("other")).unwrap(), first);
        fs::write(state.join(FILE), "nonsense\n").unwrap();
        assert!(kept(&state).unwrap_err().contains("expected a URN"));
    }

    #[test]
    fn what_is_given_is_a_urn() {
        assert_eq!(of("urn:uuid:1"), Ok("urn:uuid:1".to_owned()));
        for wrong in ["1", "urn:", "urn:a b", "urn:a\"b", "urn:<a>"] {
            assert!(of(wrong).unwrap_err().starts_with("--outbound: expected a URN"), "{wrong}");
        }
    }
}
