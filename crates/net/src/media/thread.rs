//! A media thread: it sleeps to the next 5 or 20 ms boundary, takes what came, and lets the engine relay, mix and send.
//!
//! Fewer wake-ups are what makes media cheap, so no socket wakes the thread: a timer does, and one look at the epoll then tells which
//! sockets have packets. Commands wake it through an eventfd.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use media::{Beat, Component, Engine, Key, MediaEvent, Output, Slot, StreamSettings};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use rtp::Micros;

use super::arrival;
use super::line::{Line, Port};
use super::ports::PortPair;
use crate::clock::Clock;
use crate::error::{CommandError, StartError};

/// The relay's pace.
const PACE: Micros = Micros::from_millis(5);
/// Below the usual 0, so that media comes first; the SIP loops and whatever writes files stay at 0.
const NICENESS: i32 = -11;
/// Sockets looked at per call of epoll.
const READY: usize = 512;
/// Packets taken from a socket at a time: those that wait when the thread wakes as late as the beat makes up for, sent each 10 ms.
const WAITING: u64 = Beat::MAKE_UP.0 / 10_000;
/// The largest datagram taken.
const LARGEST: usize = 2_048;
/// The timer's and the eventfd's tokens in the control epoll.
const TIMER: u64 = 0;
const WAKE: u64 = 1;

/// How a media thread is made.
pub struct MediaConfig {
    /// The engine's settings.
    pub engine: media::Config,
    /// The clock shared with the SIP loop; media stand still while the machine sleeps ([`Clock::awake`]).
    pub clock: Clock,
    /// Commands that may wait.
    pub commands: usize,
}

/// Runs on the media thread with the engine in hand.
type Job = Box<dyn FnOnce(&mut Desk<'_>) + Send>;

/// Speaks to a media thread from any other. Cloning is cheap.
#[derive(Clone)]
pub struct MediaHandle {
    jobs: SyncSender<Job>,
    wake: Arc<EventFd>,
    keys: Arc<AtomicU64>,
}

impl MediaHandle {
    /// A name for a new stream, player, recorder or conference.
    pub fn key(&self) -> Key {
        Key(self.keys.fetch_add(1, Ordering::Relaxed))
    }

    /// Has `job` run on the media thread, soon and in order.
    ///
    /// # Errors
    /// [`CommandError::Full`] when too many wait, [`CommandError::Ended`] when the thread is gone.
    pub fn run(&self, job: impl FnOnce(&mut Desk<'_>) + Send + 'static) -> Result<(), CommandError> {
        self.jobs.try_send(Box::new(job)).map_err(|error| match error {
            TrySendError::Full(_) => CommandError::Full,
            TrySendError::Disconnected(_) => CommandError::Ended,
        })?;
        // Full counts as written: the thread will wake anyhow.
        let _ = self.wake.write(1);
        Ok(())
    }
}

/// A media thread that runs; dropping it ends it.
pub struct MediaThread {
    handle: MediaHandle,
    ending: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl MediaThread {
    /// Starts a thread. `events` is called on it for each event and must not block.
    ///
    /// # Errors
    /// When the system refuses a thread, a timer or an event queue.
    pub fn spawn(config: MediaConfig, events: impl FnMut(MediaEvent) + Send + 'static) -> Result<Self, StartError> {
        let (jobs, inbox) = sync_channel(config.commands.max(1));
        let wake =
            Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC).map_err(io::Error::from)?);
        let ending = Arc::new(AtomicBool::new(false));
        let handle = MediaHandle { jobs, wake: Arc::clone(&wake), keys: Arc::new(AtomicU64::new(1)) };
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)
            .map_err(io::Error::from)?;
        let control = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(io::Error::from)?;
        control.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER)).map_err(io::Error::from)?;
        control.add(&*wake, EpollEvent::new(EpollFlags::EPOLLIN, WAKE)).map_err(io::Error::from)?;
        let sockets = Sockets {
            ready: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(io::Error::from)?,
            by_slot: Vec::new(),
            keys: HashMap::new(),
            events: Box::new(events),
            count: 0,
        };
        let clock = config.clock.awake();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_at_zero = wall.saturating_sub(Duration::from_micros(clock.mono().0));
        let engine = Engine::new(config.engine, wall_at_zero, rand::random());
        let state = State { engine, sockets, clock, timer, control, wake, inbox, pace: None };
        let over = Arc::clone(&ending);
        let thread = thread::Builder::new().name("media".into()).spawn(move || {
            come_first();
            state.run(&over);
        })?;
        Ok(Self { handle, ending, thread: Some(thread) })
    }

    /// To speak to it.
    pub fn handle(&self) -> MediaHandle {
        self.handle.clone()
    }

    /// Whether the thread is gone, by a panic for example, though nobody ended it.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(thread::JoinHandle::is_finished)
    }
}

impl Drop for MediaThread {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
        let _ = self.handle.wake.write(1);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the media thread ended by a panic");
        }
    }
}

/// Asks the system to run this thread before others: a frame that is 20 ms late is lost, whatever else the machine has to do. Where that is not
/// allowed (it takes root, `CAP_SYS_NICE` or a `LimitNICE=`), the thread runs like any other.
fn come_first() {
    // Linux holds this for the calling thread alone.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "media runs at the usual priority");
    }
}

/// A stream on its way to another name or thread: its sockets, and what its device knows it by.
pub struct Released {
    ports: PortPair,
    voice: media::Voice,
}

/// What a job of [`MediaHandle::run`] works with.
pub struct Desk<'a> {
    /// The engine.
    pub engine: &'a mut Engine,
    /// The time of this turn.
    pub now: Micros,
    sockets: &'a mut Sockets,
}

impl Desk<'_> {
    /// Adds a stream with its sockets.
    ///
    /// # Errors
    /// When the event queue does not take the sockets, or the engine is full.
    pub fn add_stream(&mut self, key: Key, ports: PortPair, settings: StreamSettings) -> io::Result<()> {
        let slot = self.engine.add_stream(self.now, key, settings).map_err(io::Error::other)?;
        self.add_sockets(key, slot, ports)
    }

    /// Goes on with a stream that was released, here or by another thread.
    ///
    /// # Errors
    /// As [`Desk::add_stream`].
    pub fn add_released(&mut self, key: Key, released: Released, settings: StreamSettings) -> io::Result<()> {
        let slot = self.engine.add_released(self.now, key, released.voice, settings).map_err(io::Error::other)?;
        self.add_sockets(key, slot, released.ports)
    }

    fn add_sockets(&mut self, key: Key, slot: Slot, ports: PortPair) -> io::Result<()> {
        let added = self.sockets.add(key, slot, ports);
        if added.is_err() {
            self.engine.remove_stream(self.now, key, self.sockets);
        }
        added
    }

    /// Takes a stream away, with a last RTCP BYE, and closes its sockets.
    pub fn remove_stream(&mut self, key: Key) -> Option<media::StreamReport> {
        let report = self.engine.remove_stream(self.now, key, self.sockets);
        self.sockets.remove(key);
        report
    }

    /// Takes a stream away like [`Desk::remove_stream`], but its device is to hear it go on: for another thread.
    pub fn release_stream(&mut self, key: Key) -> Option<(media::StreamReport, Released)> {
        let (report, voice) = self.engine.release_stream(key)?;
        let ports = self.sockets.remove(key)?.into_ports(&self.sockets.ready)?;
        Some((report, Released { ports, voice }))
    }

    /// Drops every packet of a stream right before its socket, or no longer: a line that is cut in one direction, for tests that must
    /// fail and for demonstrations. False for an unknown stream.
    pub fn cut(&mut self, key: Key, on: bool) -> bool {
        let Some(line) = self.sockets.line(key) else { return false };
        line.cut = on;
        true
    }
}

/// The sockets of all streams, by the engine's slots.
struct Sockets {
    ready: Epoll,
    by_slot: Vec<Option<(Slot, Line)>>,
    keys: HashMap<Key, Slot>,
    events: Box<dyn FnMut(MediaEvent) + Send>,
    count: usize,
}

impl Sockets {
    fn add(&mut self, key: Key, slot: Slot, ports: PortPair) -> io::Result<()> {
        let event = |port| EpollEvent::new(EpollFlags::EPOLLIN, token(slot.index(), port));
        self.ready.add(&ports.rtp, event(Port::Rtp))?;
        self.ready.add(&ports.rtcp, event(Port::Rtcp))?;
        // What came while there was nobody to hear it would come in a burst now, seconds of it: a PBX has called a phone that speaks before it
        // answers. The newest is left, which may have overtaken the answer.
        arrival::skip_older(&ports.rtp, Duration::from_micros(Beat::MAKE_UP.0));
        if self.by_slot.len() <= slot.index() {
            self.by_slot.resize_with(slot.index() + 1, || None);
        }
        if let Some(place) = self.by_slot.get_mut(slot.index()) {
            *place = Some((slot, Line::new(ports)));
            self.keys.insert(key, slot);
            self.count += 1;
        }
        Ok(())
    }

    /// Closing a socket takes it out of the epoll (epoll(7)): no other descriptor refers to it. One that stays open is to be taken out.
    fn remove(&mut self, key: Key) -> Option<Line> {
        let slot = self.keys.remove(&key)?;
        let (_, line) = self.by_slot.get_mut(slot.index())?.take()?;
        self.count -= 1;
        Some(line)
    }

    fn line(&mut self, key: Key) -> Option<&mut Line> {
        let slot = self.keys.get(&key)?;
        self.by_slot.get_mut(slot.index())?.as_mut().map(|(_, line)| line)
    }
}

/// What the epoll tells of a socket: the stream's place and which of its sockets.
fn token(index: usize, port: Port) -> u64 {
    ((index as u64) << 2) | port as u64
}

impl Output for Sockets {
    fn send(&mut self, slot: Slot, component: Component, to: SocketAddr, bytes: &[u8]) {
        if let Some(Some((held, line))) = self.by_slot.get_mut(slot.index())
            && *held == slot
        {
            line.send(component, to, bytes, &self.ready, token(slot.index(), Port::Connected));
        }
    }

    fn event(&mut self, event: MediaEvent) {
        (self.events)(event);
    }
}

struct State {
    engine: Engine,
    sockets: Sockets,
    clock: Clock,
    timer: TimerFd,
    control: Epoll,
    wake: Arc<EventFd>,
    inbox: Receiver<Job>,
    /// The interval the timer is set to.
    pace: Option<Micros>,
}

impl State {
    fn run(mut self, ending: &AtomicBool) {
        let mut tokens = vec![EpollEvent::empty(); READY];
        let mut buffer = vec![0_u8; LARGEST];
        let mut beat = Beat::default();
        let mut happened = [EpollEvent::empty(); 2];
        loop {
            if let Err(error) = self.control.wait(&mut happened, EpollTimeout::NONE)
                && error != nix::errno::Errno::EINTR
            {
                tracing::error!(%error, "the media thread cannot wait");
                return;
            }
            let _ = self.wake.read();
            if ending.load(Ordering::Acquire) || !self.jobs() {
                return;
            }
            let now = Micros(self.clock.mono().0);
            self.set_pace(now);
            // Nothing left of the timer means that only a command woke us.
            if self.pace.is_none() {
                beat = Beat::default();
                continue;
            }
            if !self.expired() {
                continue;
            }
            self.collect(now, &mut tokens, &mut buffer);
            while let Some(at) = beat.due(now) {
                self.engine.tick_late(at, Micros(self.clock.mono().0), &mut self.sockets);
            }
        }
    }

    /// Runs what waits; false when every handle is gone.
    fn jobs(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(job) => {
                    let now = Micros(self.clock.mono().0);
                    job(&mut Desk { engine: &mut self.engine, now, sockets: &mut self.sockets });
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// 5 ms while packets are relayed, 20 ms while something mixes, no timer at all while nothing runs.
    fn set_pace(&mut self, now: Micros) {
        let wanted = match () {
            () if self.engine.is_relaying() => Some(PACE),
            () if self.engine.is_busy() => Some(Beat::TICK),
            () => None,
        };
        if wanted == self.pace {
            return;
        }
        let set = match wanted {
            None => self.timer.unset(),
            Some(pace) => {
                let first = Duration::from_micros(pace.0 - now.0 % pace.0);
                self.timer.set(
                    Expiration::IntervalDelayed(
                        TimeSpec::from_duration(first),
                        TimeSpec::from_duration(Duration::from_micros(pace.0)),
                    ),
                    TimerSetTimeFlags::empty(),
                )
            }
        };
        match set {
            Ok(()) => self.pace = wanted,
            Err(error) => tracing::error!(%error, "the media timer cannot be set"),
        }
    }

    fn expired(&self) -> bool {
        // Non-blocking: an error means that it has not expired yet.
        self.timer.wait().is_ok()
    }

    fn collect(&mut self, now: Micros, tokens: &mut [EpollEvent], buffer: &mut [u8]) {
        // Level-triggered: what one round leaves shows up in the next.
        for _ in 0..WAITING {
            let Ok(count) = self.sockets.ready.wait(tokens, EpollTimeout::ZERO) else { return };
            for token in tokens.iter().take(count) {
                self.take(now, token.data(), buffer);
            }
            if count == 0 {
                return;
            }
        }
    }

    fn take(&mut self, now: Micros, token: u64, buffer: &mut [u8]) {
        let port = match token & 3 {
            0 => Port::Rtp,
            1 => Port::Rtcp,
            _ => Port::Connected,
        };
        let Ok(index) = usize::try_from(token >> 2) else { return };
        let Some(Some((slot, line))) = self.sockets.by_slot.get(index) else { return };
        let Some(socket) = line.socket(port) else { return };
        let slot = *slot;
        // An error here is an ICMP error of a packet of ours: reading it clears it.
        let (component, taken) = match port {
            Port::Rtp | Port::Connected => {
                (Component::Rtp, socket.recv_from(buffer).ok().map(|(length, from)| (length, from, now)))
            }
            Port::Rtcp => {
                let dated = |age: Micros| Micros(self.clock.mono().0.saturating_sub(age.0));
                let taken = arrival::receive(socket, buffer);
                (Component::Rtcp, taken.map(|(length, from, age)| (length, from, dated(age))))
            }
        };
        let Some((length, from, now)) = taken else { return };
        let Some(packet) = buffer.get_mut(..length) else { return };
        self.engine.receive(now, slot, component, from, packet, &mut self.sockets);
    }
}
