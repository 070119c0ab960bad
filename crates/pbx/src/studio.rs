//! The media side: ports, and the thread that carries streams.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, OnceLock};

use media::{Key, MediaEvent};
use net::media::{Desk, MediaHandle, MediaThread, NoPorts, PortPair, PortRange};
use net::{Clock, Handle};
use rtp::Micros;

use crate::config::Config;
use crate::switch::Command;

/// Commands that may wait for the media thread.
const WAITING: usize = 65_536;
/// Source addresses remembered; forgotten all at once when full.
const SOURCES: usize = 4_096;

/// The way back from the media thread to the loop, known once the loop runs.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<OnceLock<Handle<Command>>>);

impl Lines {
    /// The loop runs.
    pub(crate) fn connect(&self, handle: Handle<Command>) {
        // Set once, at the start.
        let _ = self.0.set(handle);
    }

    /// Tells the loop; what does not fit into its queue is lost: news of media are never worth a wait.
    fn tell(&self, command: Command) {
        if let Some(handle) = self.0.get() {
            let _ = handle.try_send(command);
        }
    }
}

/// Ports and streams, from the loop's side.
pub(crate) struct Studio {
    handle: MediaHandle,
    ports: PortRange,
    advertised: Option<IpAddr>,
    lines: Lines,
    /// How long a stream may be silent before the loop is told.
    pub(crate) silence: Option<Micros>,
    sources: HashMap<IpAddr, IpAddr>,
    /// Streams and players that could not be taken away because the queue was full: tried again.
    owed: HashSet<(Key, bool)>,
}

/// A studio with its thread.
pub(crate) struct Started {
    pub(crate) studio: Studio,
    pub(crate) thread: MediaThread,
}

impl Studio {
    /// Starts the media thread.
    pub(crate) fn start(config: &Config) -> Result<Started, net::StartError> {
        let lines = Lines::default();
        let back = lines.clone();
        let engine = media::Config { max_streams: config.limits.calls.saturating_mul(8), ..media::Config::default() };
        let media = net::media::MediaConfig { engine, clock: Clock::start(), commands: WAITING };
        let thread = MediaThread::spawn(media, move |event: MediaEvent| back.tell(Command::Media(event)))?;
        let studio = Self {
            handle: thread.handle(),
            ports: PortRange::new(config.media.ports.clone()),
            advertised: config.media.address,
            lines,
            silence: config
                .silence
                .map(|span| Micros::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX / 1_000))),
            sources: HashMap::new(),
            owed: HashSet::new(),
        };
        Ok(Started { studio, thread })
    }

    pub(crate) fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// A fresh name.
    pub(crate) fn key(&self) -> Key {
        self.handle.key()
    }

    /// Ports for a stream to a peer that reaches us at `ours`: the sockets, and the address to be told.
    pub(crate) fn open(&self, ours: IpAddr) -> Result<(PortPair, SocketAddr), NoPorts> {
        let unspecified: IpAddr = if ours.is_ipv4() {
            std::net::Ipv4Addr::UNSPECIFIED.into()
        } else {
            std::net::Ipv6Addr::UNSPECIFIED.into()
        };
        let told = self.advertised.filter(|told| told.is_ipv4() == ours.is_ipv4());
        let pair = self.ports.bind(if told.is_some() { unspecified } else { ours })?;
        let address = SocketAddr::new(told.unwrap_or(ours), pair.address.port());
        Ok((pair, address))
    }

    /// Our address as `remote` reaches it, by the system's routing table; `None` without a route.
    pub(crate) fn source(&mut self, remote: SocketAddr) -> Option<IpAddr> {
        if let Some(known) = self.sources.get(&remote.ip()) {
            return Some(*known);
        }
        let any: IpAddr = match remote {
            SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        // Connecting a datagram socket sends nothing; it only asks the routing table.
        let probe = UdpSocket::bind((any, 0)).ok()?;
        probe.connect((remote.ip(), remote.port().max(1))).ok()?;
        let source = probe.local_addr().ok()?.ip();
        if self.sources.len() >= SOURCES {
            self.sources.clear();
        }
        self.sources.insert(remote.ip(), source);
        Some(source)
    }

    /// Has a job run on the media thread; false when its queue is full.
    pub(crate) fn run(&mut self, job: impl FnOnce(&mut Desk<'_>) + Send + 'static) -> bool {
        self.settle();
        let done = self.handle.run(job).is_ok();
        if !done {
            tracing::error!("the media thread does not keep up: a command was dropped");
        }
        done
    }

    /// Takes a stream away; its figures come back as [`Command::Streamed`].
    pub(crate) fn remove_stream(&mut self, key: Key) {
        self.owed.insert((key, true));
        self.settle();
    }

    /// Takes a player or conference away.
    pub(crate) fn remove(&mut self, key: Key) {
        self.owed.insert((key, false));
        self.settle();
    }

    /// Streams and players whose end the media thread has not heard of yet.
    pub(crate) fn owed(&self) -> usize {
        self.owed.len()
    }

    /// What is owed to the media thread.
    fn settle(&mut self) {
        let (handle, lines) = (&self.handle, &self.lines);
        self.owed.retain(|(key, stream)| {
            let (key, lines) = (*key, lines.clone());
            let sent = match stream {
                true => handle.run(move |desk| {
                    if let Some(report) = desk.remove_stream(key) {
                        lines.tell(Command::Streamed(Box::new(report)));
                    }
                }),
                false => handle.run(move |desk| {
                    desk.engine.remove(key);
                }),
            };
            sent.is_err()
        });
    }
}
