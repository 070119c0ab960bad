//! What can go wrong when a loop starts, is spoken to or sends.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use sip::{SendError, Transport};

/// A loop could not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    Bind {
        /// Protocol wanted.
        transport: Transport,
        /// Address wanted.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No address at all was given.
    NothingToBind,
    /// The system refused a thread, a runtime or an event queue.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { transport, address, source } => {
                write!(f, "cannot listen on {} {address}: {source}", transport.as_str())?;
                match source.kind() {
                    io::ErrorKind::AddrInUse => {
                        write!(
                            f,
                            "; another program has this port: stop it, or choose another port (0 takes a free one)"
                        )
                    }
                    io::ErrorKind::PermissionDenied => write!(f, "; ports below 1024 need the right to bind them"),
                    io::ErrorKind::AddrNotAvailable => write!(f, "; this machine has no such address"),
                    _ => Ok(()),
                }
            }
            Self::NothingToBind => write!(f, "no address to listen on was given"),
            Self::System(source) => write!(f, "the system refused a thread or an event queue: {source}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind { source, .. } | Self::System(source) => Some(source),
            Self::NothingToBind => None,
        }
    }
}

impl From<io::Error> for StartError {
    fn from(source: io::Error) -> Self {
        Self::System(source)
    }
}

/// A command did not reach its loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The queue is full: the loop is overloaded; try again later.
    Full,
    /// The loop has ended.
    Ended,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the SIP loop has more commands waiting than it takes",
            Self::Ended => "the SIP loop has ended",
        })
    }
}

impl std::error::Error for CommandError {}

/// Why a message was refused at once.
pub(crate) struct Refused(pub(crate) SendError);
