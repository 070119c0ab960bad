//! Passwords given on the command line, taken out of it: other users of a machine can read the arguments of every process.
//!
//! The program starts itself anew, with each password in a file without a name that only this process has open and `@` with the path of
//! that file in its place.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::memfd::{MFdFlags, memfd_create};

/// Starts the program anew when its arguments hold a password. Returns when they do not, or when that fails: then all goes on as it is.
pub(crate) fn hide() {
    let mut given = std::env::args_os();
    let name = given.next();
    let mut files = Vec::new();
    let keep = |password: &[u8]| {
        let file = file(password).ok()?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        files.push(file);
        Some(path)
    };
    let Some(arguments) = without_passwords(given.collect(), keep) else { return };
    let Ok(program) = std::env::current_exe() else { return };
    let mut command = Command::new(program);
    if let Some(name) = name {
        command.arg0(name);
    }
    let error = command.args(arguments).exec();
    tracing::warn!(%error, "the password stays readable in the list of processes; use @FILE instead");
}

/// A file without a name that holds a password, open across `exec`.
fn file(password: &[u8]) -> std::io::Result<File> {
    let mut file = File::from(memfd_create("password", MFdFlags::empty())?);
    file.write_all(password)?;
    Ok(file)
}

/// The arguments with `@PATH` instead of each password; `None` when there is none. `keep` stores a password and returns the path.
fn without_passwords(arguments: Vec<OsString>, mut keep: impl FnMut(&[u8]) -> Option<String>) -> Option<Vec<OsString>> {
    let mut found = false;
    let mut option: Option<&'static [u8]> = None;
    let mut ended = false;
    let mut replaced = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let bytes = argument.as_bytes();
        let (flag, value) = match option.take() {
            Some(flag) => (flag, Some((0, bytes))),
            None if ended => (&b""[..], None),
            None => match split(bytes) {
                Some((flag, None)) => {
                    option = Some(flag);
                    (flag, None)
                }
                Some((flag, Some(at))) => (flag, bytes.get(at..).map(|value| (at, value))),
                None => (&b""[..], None),
            },
        };
        ended |= bytes == b"--";
        let secret = value.and_then(|(at, value)| Some((at + password_in(flag, value)?, value)));
        let path = secret.and_then(|(at, _)| keep(bytes.get(at..)?).map(|path| (at, path)));
        match path {
            Some((at, path)) => {
                found = true;
                let mut whole = bytes.get(..at).unwrap_or_default().to_vec();
                whole.push(b'@');
                whole.extend_from_slice(path.as_bytes());
                replaced.push(OsString::from_vec(whole));
            }
            None => replaced.push(argument),
        }
    }
    found.then_some(replaced)
}

/// The option that takes a password, and where its value begins when it is in the same argument.
fn split(argument: &[u8]) -> Option<(&'static [u8], Option<usize>)> {
    [&b"--password"[..], b"--user"].into_iter().find_map(|flag| {
        let rest = argument.strip_prefix(flag)?;
        match rest.first() {
            None => Some((flag, None)),
            Some(b'=') => Some((flag, Some(flag.len() + 1))),
            Some(_) => None,
        }
    })
}

/// Where the password begins in a value; `None` when the value names a file or has none.
fn password_in(flag: &[u8], value: &[u8]) -> Option<usize> {
    let at = if flag == b"--user" { value.iter().position(|byte| *byte == b':')? + 1 } else { 0 };
    let password = value.get(at..)?;
    (!password.is_empty() && password.first() != Some(&b'@')).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(arguments: &[&str]) -> Option<Vec<String>> {
        let given = arguments.iter().map(OsString::from).collect();
        let replaced =
            without_passwords(given, |password| Some(format!("/{}", String::from_utf8_lossy(password).len())));
        replaced.map(|all| all.iter().map(|one: &OsString| one.to_string_lossy().into_owned()).collect())
    }

    #[test]
    fn passwords_are_replaced_in_both_ways_of_writing() {
        let all = hidden(&["serve", "--user", "1001:geheim", "--user=1002:pw:x", "--state", "d"]).unwrap();
        assert_eq!(all, ["serve", "--user", "1001:@/6", "--user=1002:@/4", "--state", "d"]);
        let all = hidden(&["call", "600", "--password", "abc"]).unwrap();
        assert_eq!(all, ["call", "600", "--password", "@/3"]);
        assert_eq!(hidden(&["call", "--password=abc"]).unwrap(), ["call", "--password=@/3"]);
    }

    #[test]
    fn files_and_everything_else_stay() {
        assert_eq!(hidden(&["serve", "--user", "1001:@/etc/pw", "--user=a:@b"]), None);
        assert_eq!(hidden(&["call", "--password", "@f", "600"]), None);
        assert_eq!(hidden(&["message", "--", "--password", "x"]), None);
        assert_eq!(hidden(&["serve", "--users", "1:2", "--user", "nobody"]), None);
        assert_eq!(hidden(&["serve", "--user"]), None);
    }
}
