//! The media side: ports, and the threads that carry streams.
//!
//! There is a media thread for each core. Both legs of a call are on one of them, and so are all members of a conference, from whichever SIP
//! loop they come: nothing that is heard ever crosses. The name of a stream says which loop it belongs to and which thread carries it.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use media::{Key, MediaEvent, StreamSettings};
use net::media::{Desk, MediaHandle, MediaThread, NoPorts, PortPair, PortRange, Released};
use net::{Clock, Handle, Sources, Sparingly};
use rtp::Micros;
use sip::Path;

use crate::command::Command;
use crate::config::Config;

/// Commands that may wait for a media thread.
const WAITING: usize = 65_536;
/// Most media threads: as many as a name can tell.
const THREADS: usize = 256;
/// The loop that conferences belong to: none of those that there are.
const ALL: u8 = u8::MAX;

/// A name: loop (8 bit), media thread (8 bit), number (48 bit).
fn name(shard: u8, thread: usize, number: u64) -> Key {
    Key((u64::from(shard) << 56) | ((thread as u64 & 0xff) << 48) | (number & 0xffff_ffff_ffff))
}

/// The media thread that carries what this names.
pub(crate) fn thread_of(key: Key) -> usize {
    usize::from((key.0 >> 48) as u8)
}

fn shard_of(key: Key) -> usize {
    usize::from((key.0 >> 56) as u8)
}

/// The way back from the media threads to the loops, known once the loops run.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<OnceLock<Vec<Handle<Command>>>>);

impl Lines {
    /// The loops run.
    pub(crate) fn connect(&self, handles: Vec<Handle<Command>>) {
        // Set once, at the start.
        let _ = self.0.set(handles);
    }

    /// Tells the loop that a name belongs to; what does not fit into its queue is lost: news of media are never worth a wait.
    fn tell(&self, about: Key, command: Command) {
        if let Some(handle) = self.0.get().and_then(|handles| handles.get(shard_of(about))) {
            let _ = handle.try_send(command);
        }
    }

    /// News of a stream that a loop acts upon.
    fn pass(&self, event: MediaEvent) {
        if let MediaEvent::DigitEnded { stream, .. } | MediaEvent::Silence { stream, .. } = event {
            self.tell(stream, Command::Media(event));
        }
    }
}

/// Ports and streams, from the side of one loop.
pub(crate) struct Studio {
    shard: u8,
    threads: Vec<MediaHandle>,
    /// The thread of the next call.
    next: Cell<usize>,
    /// The last number given.
    last: Cell<u64>,
    ports: PortRange,
    advertised: Option<IpAddr>,
    lines: Lines,
    /// How long a stream may be silent before the loop is told.
    pub(crate) silence: Option<Micros>,
    conferences: Arc<HashMap<String, Key>>,
    sources: Sources,
    /// Streams and players that could not be taken away because the queue was full: tried again.
    owed: Vec<VecDeque<(Key, bool)>>,
    /// Streams on their way to another thread.
    moving: HashMap<Key, Moving>,
    drops: Sparingly,
}

/// Media threads with a studio for each loop.
pub(crate) struct Started {
    pub(crate) studios: Vec<Studio>,
    pub(crate) threads: Vec<MediaThread>,
    pub(crate) lines: Lines,
}

/// A stream on its way from one thread to another.
struct Moving {
    /// The threads it comes over.
    over: Vec<usize>,
    /// Held by all jobs for it that are under way; what is dropped on the way lets go of it as well.
    under_way: Arc<()>,
}

impl Moving {
    fn one_more(&self) -> Arc<()> {
        Arc::clone(&self.under_way)
    }

    /// Nothing for it is under way any more.
    fn has_arrived(&self) -> bool {
        Arc::strong_count(&self.under_way) == 1
    }
}

/// What a media thread is asked to do.
type Job = Box<dyn FnOnce(&mut Desk<'_>) + Send>;

/// Begins a stream of a call; the loop is told when nothing has been heard for `silence`.
pub(crate) fn begin(
    desk: &mut Desk<'_>,
    call_id: &str,
    (key, ports): (Key, PortPair),
    settings: StreamSettings,
    silence: Option<Micros>,
) {
    if let Err(error) = desk.add_stream(key, ports, settings) {
        tracing::error!(parent: &net::call_span!(call_id), %error, "a stream could not begin");
    }
    desk.engine.watch_silence(desk.now, key, silence);
}

/// Goes on with one that was released.
fn go_on(
    desk: &mut Desk<'_>,
    call_id: &str,
    (key, released): (Key, Released),
    settings: StreamSettings,
    silence: Option<Micros>,
) {
    if let Err(error) = desk.add_released(key, released, settings) {
        tracing::error!(parent: &net::call_span!(call_id), %error, "a stream could not go on");
    }
    desk.engine.watch_silence(desk.now, key, silence);
}

/// Starts the media threads, for so many loops.
pub(crate) fn start(config: &Config, loops: u8) -> Result<Started, net::StartError> {
    let lines = Lines::default();
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let count = config.media.threads.unwrap_or_else(cores).clamp(1, THREADS);
    let clock = Clock::start();
    let threads = (0..count).map(|_| {
        let engine = media::Config { max_streams: config.limits.calls.saturating_mul(8), ..media::Config::default() };
        let back = lines.clone();
        let media = net::media::MediaConfig { engine, clock, commands: WAITING };
        MediaThread::spawn(media, move |event: MediaEvent| back.pass(event))
    });
    let threads = threads.collect::<Result<Vec<_>, _>>()?;
    let handles: Vec<MediaHandle> = threads.iter().map(MediaThread::handle).collect();
    let conferences = Arc::new(conferences(config, &handles));
    let ports = PortRange::new(config.media.ports.clone()).marked(config.media.dscp);
    let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX / 1_000);
    let studio = |shard| Studio {
        shard,
        threads: handles.clone(),
        next: Cell::new(usize::from(shard)),
        last: Cell::new(0),
        ports: ports.clone(),
        advertised: config.media.address,
        lines: lines.clone(),
        silence: config.silence.map(|span| Micros::from_millis(millis(span))),
        conferences: Arc::clone(&conferences),
        sources: Sources::default(),
        owed: vec![VecDeque::new(); count],
        moving: HashMap::new(),
        drops: Sparingly::default(),
    };
    Ok(Started { studios: (0..loops).map(studio).collect(), threads, lines })
}

/// Every conference is there from the start, each on one thread, and costs nothing while nobody is in it: so no loop must know whose member
/// was the first or will be the last.
fn conferences(config: &Config, threads: &[MediaHandle]) -> HashMap<String, Key> {
    let mut all = HashMap::new();
    for (number, (thread, conference)) in (0..threads.len()).cycle().zip(&config.extensions.conference).enumerate() {
        let key = name(ALL, thread, number as u64);
        let Some(handle) = threads.get(thread) else { continue };
        let begun = handle.run(move |desk| {
            if let Err(error) = desk.engine.add_conference(key) {
                tracing::error!(%error, "a conference could not begin");
            }
        });
        if begun.is_ok() {
            all.insert(conference.clone(), key);
        }
    }
    all
}

impl Studio {
    /// The thread for a call: each in turn, but for a conference its own.
    pub(crate) fn thread(&self, conference: Option<&str>) -> usize {
        match conference.and_then(|number| self.conference(number)) {
            Some(key) => thread_of(key),
            None => {
                let turn = self.next.get();
                self.next.set(turn.wrapping_add(1));
                turn % self.threads.len().max(1)
            }
        }
    }

    /// The conference of this number.
    pub(crate) fn conference(&self, number: &str) -> Option<Key> {
        self.conferences.get(number).copied()
    }

    /// A fresh name for something on this thread.
    pub(crate) fn key(&self, thread: usize) -> Key {
        self.last.set(self.last.get() + 1);
        name(self.shard, thread, self.last.get())
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
        self.sources.towards(remote)
    }

    /// Our address for the audio of who sent by this path: where it came, unless that is an address of a load balancer (PROXY protocol); then by the
    /// system's routing table.
    pub(crate) fn reached_by(&mut self, path: &Path) -> IpAddr {
        let at = path.local.ip();
        if self.is_ours(at) { at } else { self.source(path.remote).unwrap_or(at) }
    }

    /// Whether an address is one of this machine.
    pub(crate) fn is_ours(&mut self, address: IpAddr) -> bool {
        self.sources.is_ours(address)
    }

    /// Has a job run on the thread that carries `key`; false when its queue is full.
    pub(crate) fn run(&mut self, key: Key, job: impl FnOnce(&mut Desk<'_>) + Send + 'static) -> bool {
        self.settle();
        let done = match self.moving.get(&key).filter(|moving| !moving.has_arrived()).map(Moving::one_more) {
            None => self.threads.get(thread_of(key)).is_some_and(|thread| thread.run(job).is_ok()),
            Some(under_way) => self.run_over(&self.way(key), move |desk| {
                job(desk);
                drop(under_way);
            }),
        };
        if !done && let Some(kept_back) = self.drops.due(Instant::now()) {
            tracing::error!(kept_back, "the media thread does not keep up: a command was dropped");
        }
        done
    }

    /// Has a job run on the last of these threads, behind what comes there over the others.
    fn run_over(&self, way: &[usize], job: impl FnOnce(&mut Desk<'_>) + Send + 'static) -> bool {
        let Some((&last, before)) = way.split_last() else { return false };
        let mut job: Job = Box::new(job);
        let mut last = last;
        for &hop in before.iter().rev() {
            let Some(to) = self.threads.get(std::mem::replace(&mut last, hop)).cloned() else { return false };
            job = Box::new(move |_| {
                if to.run(job).is_err() {
                    tracing::error!("a media thread does not keep up: a command to another one was dropped");
                }
            });
        }
        self.threads.get(last).is_some_and(|thread| thread.run(job).is_ok())
    }

    /// The way to the thread that carries `key`: longer than that one only while something is under way there.
    fn way(&self, key: Key) -> Vec<usize> {
        let moving = self.moving.get(&key).filter(|moving| !moving.has_arrived());
        moving.map_or_else(Vec::new, |moving| moving.over.clone()).into_iter().chain([thread_of(key)]).collect()
    }

    /// Has a job run that concerns two streams of one thread, each of which may be on its way there.
    pub(crate) fn run_for_both(&mut self, a: Key, b: Key, job: impl FnOnce(&mut Desk<'_>) + Send + 'static) -> bool {
        match (self.way(a).len(), self.way(b).len()) {
            (1, 1) => self.run(a, job),
            _ => {
                let under_way = [a, b].map(|key| self.moving.get(&key).map(Moving::one_more));
                let way = [self.way(a), self.way(b)].concat();
                self.run_over(&way, move |desk| {
                    job(desk);
                    drop(under_way);
                })
            }
        }
    }

    /// Has another thread carry a stream of a call, under another name: its sockets go there. Its figures so far come back as [`Command::Streamed`];
    /// what is asked of it from now on comes after it. Without room in a queue on the way the stream is lost.
    pub(crate) fn move_stream(&mut self, (old, new): (Key, Key), settings: StreamSettings, call_id: &str) {
        let over = self.way(old);
        let moving = Moving { over: over.clone(), under_way: Arc::default() };
        let Some(to) = self.threads.get(thread_of(new)).cloned() else { return };
        let (silence, lines, under_way) = (self.silence, self.lines.clone(), moving.one_more());
        let of_call: Arc<str> = call_id.into();
        let sent = self.run_over(&over, move |desk| {
            let Some((report, released)) = desk.release_stream(old) else { return };
            lines.tell(old, Command::Streamed(Box::new(report)));
            let call_id = Arc::clone(&of_call);
            let there = move |desk: &mut Desk<'_>| {
                go_on(desk, &call_id, (new, released), settings, silence);
                drop(under_way);
                lines.tell(new, Command::Moved);
            };
            if to.run(there).is_err() {
                tracing::error!(parent: &net::call_span!(of_call), "a media thread does not keep up: a stream was lost");
            }
        });
        self.moving.remove(&old);
        if sent {
            self.moving.insert(new, moving);
        } else {
            tracing::error!(parent: &net::call_span!(call_id), "a media thread does not keep up: a stream could not be moved");
            self.remove_stream(old);
        }
    }

    /// Whether a stream is on the thread that its name says.
    pub(crate) fn is_there(&self, key: Key) -> bool {
        self.moving.get(&key).is_none_or(Moving::has_arrived)
    }

    /// Gives a stream of a call another name where it is: what the loop of the new name asks of it comes after this. False without room in the thread's
    /// queue: then the stream is taken away.
    pub(crate) fn rename_stream(&mut self, (old, new): (Key, Key), settings: StreamSettings, call_id: &str) -> bool {
        let (silence, lines, call_id) = (self.silence, self.lines.clone(), Box::<str>::from(call_id));
        let sent = self.run(old, move |desk| {
            let Some((report, released)) = desk.release_stream(old) else { return };
            lines.tell(old, Command::Streamed(Box::new(report)));
            go_on(desk, &call_id, (new, released), settings, silence);
        });
        if !sent {
            self.remove_stream(old);
        }
        sent
    }

    /// Takes a stream away; its figures come back as [`Command::Streamed`].
    pub(crate) fn remove_stream(&mut self, key: Key) {
        self.owe(key, true);
    }

    /// Takes a player away.
    pub(crate) fn remove(&mut self, key: Key) {
        self.owe(key, false);
    }

    fn owe(&mut self, key: Key, stream: bool) {
        if let Some(owed) = self.owed.get_mut(thread_of(key)) {
            owed.push_back((key, stream));
        }
        self.settle();
    }

    /// Streams and players whose end the media threads have not heard of yet.
    pub(crate) fn owed(&self) -> usize {
        self.owed.iter().map(VecDeque::len).sum()
    }

    /// Tells the media threads what they are owed, each as much as its queue has room for.
    pub(crate) fn settle(&mut self) {
        self.moving.retain(|_, moving| !moving.has_arrived());
        for (thread, owed) in self.threads.iter().zip(&mut self.owed) {
            // One that is on its way comes first.
            while let Some(&(key, stream)) = owed.front().filter(|(key, _)| !self.moving.contains_key(key)) {
                let lines = self.lines.clone();
                let sent = match stream {
                    true => thread.run(move |desk| {
                        if let Some(report) = desk.remove_stream(key) {
                            lines.tell(key, Command::Streamed(Box::new(report)));
                        }
                    }),
                    false => thread.run(move |desk| {
                        desk.engine.remove(key);
                    }),
                };
                if sent.is_err() {
                    break;
                }
                owed.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::mpsc;

    use audio::codec::Codec;
    use media::CallMedia;

    use super::*;
    use crate::config::MediaConfig;

    const OFFER: &str =
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

    #[test]
    fn a_stream_that_fails_is_logged_with_its_call() {
        let media = MediaConfig { threads: Some(1), ports: 12_100..=12_199, ..MediaConfig::default() };
        let started = start(&Config { media, ..Config::default() }, 1).unwrap();
        let studio = &started.studios[0];
        let key = studio.key(0);
        let [first, second, third] = [(); 3].map(|()| studio.open(Ipv4Addr::LOCALHOST.into()).unwrap().0);
        let mut media = CallMedia::new((Ipv4Addr::LOCALHOST, 9).into(), &[Codec::Pcmu], 7);
        let settings = media.answer(OFFER.as_bytes()).unwrap().1.settings.unwrap();
        let log = tempfile::NamedTempFile::new().unwrap();
        let writer = Arc::new(log.reopen().unwrap());
        let (done, ends) = mpsc::channel();
        let job = move |desk: &mut Desk<'_>| {
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
            tracing::subscriber::with_default(subscriber, || {
                begin(desk, "begins", (key, first), settings.clone(), None);
                begin(desk, "fails", (key, second), settings.clone(), None);
                let (_, released) = desk.release_stream(key).unwrap();
                begin(desk, "begins", (key, third), settings.clone(), None);
                go_on(desk, "is-lost", (key, released), settings, None);
            });
            done.send(()).unwrap();
        };
        assert!(started.threads[0].handle().run(job).is_ok());
        ends.recv().unwrap();
        let logged = std::fs::read_to_string(log.path()).unwrap();
        let lines: Vec<&str> = logged.lines().collect();
        let said = ["call{call_id=fails}: ", "call{call_id=is-lost}: "];
        assert!(lines.len() == 2 && lines.iter().zip(said).all(|(line, call)| line.contains(call)), "{lines:?}");
    }
}
