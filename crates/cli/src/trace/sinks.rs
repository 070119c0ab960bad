//! Where messages go besides the screen.

use std::fs::{File, OpenOptions};
use std::io::BufWriter;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use net::trace::{Record, hep, pcapng};

use crate::exit::Fault;

/// How a capture server knows us.
const AGENT: u32 = 1;

/// A file and a capture server, where they are wanted.
pub(super) struct Sinks {
    file: Option<(PathBuf, pcapng::Writer<BufWriter<File>>)>,
    hep: Option<hep::Sender>,
}

impl Sinks {
    /// Begins the file, which nobody else may read.
    pub(super) fn open(file: Option<&Path>, hep: Option<SocketAddr>) -> Result<Self, Fault> {
        let begin = |path: &Path| {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
            let mut writer = pcapng::Writer::new(BufWriter::new(file), &crate::user_agent())?;
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

fn fault(path: &Path, error: &std::io::Error) -> Fault {
    Fault::general(format!("{}: {error}", path.display()))
}
