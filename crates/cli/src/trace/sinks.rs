//! Where messages go besides the screen.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use net::trace::{Record, hep, pcapng};
use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::exit::Fault;

/// How a capture server knows us.
const AGENT: u32 = 1;

/// A file and a capture server, where they are wanted.
pub(super) struct Sinks {
    file: Option<(PathBuf, pcapng::Writer<BufWriter<File>>)>,
    hep: Option<hep::Sender>,
}

impl Sinks {
    /// Begins the file, which nobody else may read, nor have led elsewhere by a link. One that there was is emptied.
    pub(super) fn open(file: Option<&Path>, hep: Option<SocketAddr>) -> Result<Self, Fault> {
        let begin = |path: &Path| {
            let mut writer = pcapng::Writer::new(BufWriter::new(secret(path)?), &crate::user_agent())?;
            writer.flush().map(|()| writer)
        };
        let file =
            file.map(|path| begin(path).map(|writer| (path.to_owned(), writer)).map_err(|why| fault(path, &why)));
        let open = |address: SocketAddr| {
            hep::Sender::new(address, AGENT)
                .map_err(|error| Fault::general(format!("capture server {address}: {error}")))
        };
        Ok(Self { file: file.transpose()?, hep: hep.map(open).transpose()? })
    }

    /// A message for all of them.
    pub(super) fn put(&mut self, record: &Record) -> Result<(), Fault> {
        if let Some(hep) = &mut self.hep {
            hep.send(record);
        }
        match &mut self.file {
            Some((path, writer)) => writer.write(record).map_err(|error| fault(path, &error)),
            None => Ok(()),
        }
    }

    /// Has what was put so far written down.
    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        match &mut self.file {
            Some((path, writer)) => writer.flush().map_err(|error| fault(path, &error)),
            None => Ok(()),
        }
    }

    /// Gives the file up: it cannot be written any more.
    pub(super) fn without_file(&mut self) {
        self.file = None;
    }

    /// Messages that the capture server was not sent.
    pub(super) fn unsent(&self) -> u64 {
        self.hep.as_ref().map_or(0, hep::Sender::unsent)
    }
}

/// A file for its owner alone, empty. What is no file, such as a pipe, is opened as it is.
fn secret(path: &Path) -> io::Result<File> {
    let no_link = OFlag::O_NOFOLLOW.bits();
    let file = OpenOptions::new().write(true).create(true).mode(0o600).custom_flags(no_link).open(path);
    let file = file.map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::ELOOP as i32 => {
            io::Error::new(error.kind(), "a link, which is not followed: name the file itself")
        }
        _ => error,
    })?;
    if file.metadata()?.is_file() {
        // Before anything is in it.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.set_len(0)?;
    }
    Ok(file)
}

fn fault(path: &Path, error: &std::io::Error) -> Fault {
    Fault::general(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_that_everybody_could_read_is_its_owners_alone_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "before").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        symlink(&file, &link).unwrap();
        let refused = Sinks::open(Some(&link), None).err().map(|fault| fault.what);
        assert!(refused.is_some_and(|why| why.contains("a link")));
        assert_eq!(std::fs::read(&file).unwrap(), b"before");
        drop(Sinks::open(Some(&file), None).ok().unwrap());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(std::fs::read(&file).unwrap().starts_with(b"\x0a\x0d\x0d\x0a"));
    }
}
