//! The engine of one media thread: every stream, player, recorder and conference on it.
//!
//! A stream is in one of three modes:
//!
//! ```text
//!   Mixed    jitter buffer -> decode -> bridge -> encode        (each 20 ms tick)
//!   Echo     what is heard is said again                        (each 20 ms tick)
//!   Relayed  packet in, packet out on the other stream          (when the packet is received)
//! ```
//!
//! A device that has heard nobody is relayed packets and reports as they are. One that has gets what is relayed, like what is mixed, as the stream it
//! knows ([`Voice`]): numbers and time go on, and reports are ours.
//!
//! Ids are chosen by the caller ([`Key`]), so that commands from other threads need no answer. Packets are addressed by [`Slot`].

mod ports;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use audio::bridge::{Bridge, ConferenceId, PortId};
use audio::frame::{MAX_FRAME, SampleRate};
use audio::level::Level;
use rtp::{Micros, NtpTime, Protocol, classify};

use crate::event::Output;
use crate::report::StreamReport;
use crate::settings::{Component, Key, Slot, StreamSettings};
use crate::stream::{Birth, DialError, Stream, Voice};

use ports::{Player, Recorder};
pub use ports::{Sink, Source};

/// How an engine is made.
#[derive(Clone, Debug)]
pub struct Config {
    /// Rate of the bridge, and of players and recorders.
    pub rate: SampleRate,
    /// Streams at a time.
    pub max_streams: usize,
    /// Players and recorders at a time.
    pub max_ports: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { rate: SampleRate::NARROW, max_streams: 4_000, max_ports: 8_000 }
    }
}

/// Why something was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddError {
    /// The engine is full.
    Full,
    /// The key is in use.
    KeyInUse,
    /// The codec does not run at the bridge's rate.
    Rate,
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the media engine carries as much as it may",
            Self::KeyInUse => "the key is in use in this media engine",
            Self::Rate => "the codec's rate is not the bridge's",
        })
    }
}

impl std::error::Error for AddError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Mixed,
    Echo,
    /// Packets go to another stream, as they are or as that one's own.
    Relayed {
        to: usize,
        as_own: bool,
    },
}

struct Carried {
    stream: Stream,
    port: PortId,
    mode: Mode,
}

/// What a key names.
#[derive(Clone, Copy, Debug)]
enum Named {
    Stream(usize),
    Player(PortId),
    Recorder(PortId),
    Conference(ConferenceId),
}

/// Streams, players, recorders and conferences of one thread.
///
/// Inputs: [`receive`](Engine::receive), [`tick`](Engine::tick). Getters: [`is_busy`](Engine::is_busy),
/// [`is_relaying`](Engine::is_relaying), [`report`](Engine::report), [`level`](Engine::level). The rest are commands.
pub struct Engine {
    config: Config,
    bridge: Bridge,
    /// Each is some kilobytes, which go with it.
    streams: Vec<(u32, Option<Box<Carried>>)>,
    free: Vec<usize>,
    players: Vec<Player>,
    recorders: Vec<Recorder>,
    names: BTreeMap<Key, Named>,
    relays: usize,
    mixed: usize,
    wall_at_zero: Duration,
    seed: u64,
    frame: Box<[i16]>,
}

impl Engine {
    /// An engine without streams. `wall_at_zero` is the wall clock (since 1970) when [`Micros`] was zero; `seed` must be random: SSRCs and
    /// sequence numbers follow from it (RFC 3550 section 5.1).
    pub fn new(config: Config, wall_at_zero: Duration, seed: u64) -> Self {
        Self {
            bridge: Bridge::new(config.rate),
            streams: Vec::new(),
            free: Vec::new(),
            players: Vec::new(),
            recorders: Vec::new(),
            names: BTreeMap::new(),
            relays: 0,
            mixed: 0,
            wall_at_zero,
            seed,
            frame: vec![0; config.rate.tick_samples().min(MAX_FRAME)].into_boxed_slice(),
            config,
        }
    }

    /// Adds a stream; it is mixed, and connected to nothing.
    ///
    /// # Errors
    /// [`AddError`].
    pub fn add_stream(&mut self, now: Micros, key: Key, settings: StreamSettings) -> Result<Slot, AddError> {
        let seed = self.random();
        let voice = Voice::new(now, seed, settings.codec);
        self.place(now, key, voice, settings)
    }

    /// The same with the voice of a stream that was released, here or by another engine: its device hears it go on.
    ///
    /// # Errors
    /// [`AddError`].
    pub fn add_released(
        &mut self,
        now: Micros,
        key: Key,
        mut voice: Voice,
        settings: StreamSettings,
    ) -> Result<Slot, AddError> {
        voice.begin_again(now, self.random());
        self.place(now, key, voice, settings)
    }

    fn place(&mut self, now: Micros, key: Key, voice: Voice, settings: StreamSettings) -> Result<Slot, AddError> {
        if self.names.contains_key(&key) {
            return Err(AddError::KeyInUse);
        }
        if self.streams.len() - self.free.len() >= self.config.max_streams {
            return Err(AddError::Full);
        }
        if settings.codec.sample_rate() != self.config.rate {
            return Err(AddError::Rate);
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.streams.push((0, None));
            self.streams.len() - 1
        });
        let port = self.bridge.add_port();
        let Some((generation, place)) = self.streams.get_mut(index) else { return Err(AddError::Full) };
        let slot = Slot { index: u32::try_from(index).unwrap_or(u32::MAX), generation: *generation };
        let birth = Birth { key, slot, now, voice };
        *place = Some(Box::new(Carried { stream: Stream::new(birth, settings), port, mode: Mode::Mixed }));
        self.names.insert(key, Named::Stream(index));
        self.mixed += 1;
        Ok(slot)
    }

    /// New settings after a re-negotiation. False when there is no such stream.
    pub fn update_stream(&mut self, now: Micros, key: Key, settings: StreamSettings) -> bool {
        let Some(carried) = self.stream_mut(key) else { return false };
        let is_heard_again = !carried.stream.settings.direction.receives() && settings.direction.receives();
        carried.stream.update(now, settings);
        if let Mode::Relayed { to, as_own: true } = carried.mode
            && is_heard_again
            && let Some(other) = self.at(to)
        {
            // What was not passed on meanwhile leaves no gap.
            other.stream.leave_off();
        }
        true
    }

    /// Takes a stream away after a last RTCP BYE; whatever was connected to it hears silence. Returns its last figures.
    pub fn remove_stream(&mut self, now: Micros, key: Key, out: &mut impl Output) -> Option<StreamReport> {
        let mut gone = self.take(key)?;
        gone.leave(now, self.wall(now), out);
        Some(gone.report())
    }

    /// Takes a stream away whose device is to hear it go on, here or in another engine ([`Engine::add_released`]). Returns its last figures as well.
    pub fn release_stream(&mut self, key: Key) -> Option<(StreamReport, Voice)> {
        let gone = self.take(key)?;
        Some((gone.report(), gone.into_voice()))
    }

    fn take(&mut self, key: Key) -> Option<Stream> {
        let Some(&Named::Stream(index)) = self.names.get(&key) else { return None };
        self.unrelay(index);
        let (generation, place) = self.streams.get_mut(index)?;
        let gone = *place.take()?;
        *generation = generation.wrapping_add(1);
        self.bridge.remove_port(gone.port);
        self.names.remove(&key);
        self.free.push(index);
        self.mixed -= 1;
        Some(gone.stream)
    }

    /// A packet that came to a stream's port. Relayed packets leave at once through `out`; the rest waits for its tick.
    pub fn receive(
        &mut self,
        now: Micros,
        slot: Slot,
        component: Component,
        from: SocketAddr,
        datagram: &mut [u8],
        out: &mut impl Output,
    ) {
        let wall = self.wall(now);
        let Some(carried) = self.at_slot(slot).filter(|carried| !carried.stream.settings.is_at_rest()) else { return };
        let Mode::Relayed { to, as_own } = carried.mode else {
            carried.stream.receive(now, wall, component, from, datagram, out);
            return;
        };
        match (classify(datagram), component) {
            (Protocol::Rtp, Component::Rtp) => {
                if as_own && carried.stream.comes_back(now, wall, from, datagram, out) {
                    return;
                }
                let Some(relayed) = carried.stream.receive_for_relay(now, from, datagram, out) else { return };
                match self.at(to) {
                    Some(other) if as_own => other.stream.relay_as_own(now, relayed, datagram, out),
                    Some(other) => other.stream.relay_out(relayed, datagram, out),
                    None => {}
                }
            }
            (Protocol::Rtcp, _) if as_own => carried.stream.take_control(now, wall, from, datagram, out),
            (Protocol::Rtcp, _) if carried.stream.accept_control(from) => {
                if let Some(other) = self.at(to) {
                    other.stream.relay_control_out(datagram, out);
                }
            }
            _ => {}
        }
    }

    /// The 20 ms tick: everything mixed is heard, mixed and said; what else is due is done. `now` is when the tick was due, however late the
    /// thread is that makes it ([`crate::Beat`]).
    pub fn tick(&mut self, now: Micros, out: &mut impl Output) {
        self.tick_late(now, now, out);
    }

    /// A tick that was due at `now` and is made at `made`: reports are dated by the time they leave (RFC 3550 section 6.4.1), or the lateness of this
    /// thread would be taken for the network's at the other end.
    pub fn tick_late(&mut self, now: Micros, made: Micros, out: &mut impl Output) {
        let wall = self.wall(made);
        let samples = self.frame.len();
        for (_, place) in &mut self.streams {
            let Some(carried) = place else { continue };
            match carried.mode {
                Mode::Relayed { .. } => {}
                Mode::Echo => {
                    let audible = carried.stream.hear(now, &mut self.frame);
                    let said = audible.then_some(&*self.frame);
                    carried.stream.say(now, said, samples, out);
                    // Recorders may listen to an echo too.
                    self.bridge.put(carried.port, said);
                }
                Mode::Mixed => {
                    let audible = carried.stream.hear(now, &mut self.frame);
                    self.bridge.put(carried.port, audible.then_some(&*self.frame));
                }
            }
            let reports = !matches!(carried.mode, Mode::Relayed { as_own: false, .. });
            carried.stream.keep(now, reports.then_some((made, wall)), out);
        }
        self.play(out);
        self.bridge.mix();
        for (_, place) in &mut self.streams {
            let Some(carried) = place else { continue };
            if carried.mode == Mode::Mixed {
                // Who is in a conference hears silence rather than nothing: a lone member could not tell that from a dead line, and no
                // router on the way would open for it.
                let heard = self.bridge.get(carried.port, &mut self.frame) || self.bridge.is_member(carried.port);
                carried.stream.say(now, heard.then_some(&*self.frame), samples, out);
            }
        }
        self.record(out);
    }

    /// Stops relaying and echoing for a stream: it is mixed again.
    pub fn unlink(&mut self, key: Key) {
        if let Some(&Named::Stream(index)) = self.names.get(&key) {
            self.unrelay(index);
            if let Some(carried) = self.at(index) {
                carried.mode = Mode::Mixed;
            }
        }
    }

    /// Lets a stream hear itself.
    pub fn echo(&mut self, key: Key) -> bool {
        self.unlink(key);
        self.stream_mut(key).map(|carried| carried.mode = Mode::Echo).is_some()
    }

    /// Lets two streams hear each other: packets are passed on undecoded where both use the same codec, else they are mixed. A device that has heard
    /// somebody before hears the stream it knows go on: numbers, source and reports are ours then. False when one does not exist.
    pub fn link(&mut self, a: Key, b: Key) -> bool {
        let (Some(&Named::Stream(first)), Some(&Named::Stream(second))) = (self.names.get(&a), self.names.get(&b))
        else {
            return false;
        };
        if first == second {
            return false;
        }
        let codec = |engine: &mut Self, index| engine.at(index).map(|carried| carried.stream.settings.codec);
        let same = codec(self, first) == codec(self, second);
        if same && self.at(first).is_some_and(|one| matches!(one.mode, Mode::Relayed { to, .. } if to == second)) {
            return true;
        }
        self.unlink(a);
        self.unlink(b);
        if !same {
            return self.connect(a, b) && self.connect(b, a);
        }
        self.disconnect(a, b);
        self.disconnect(b, a);
        let as_own = [first, second].into_iter().any(|one| self.at(one).is_some_and(|one| one.stream.has_spoken()));
        for (one, other) in [(first, second), (second, first)] {
            if let Some(carried) = self.at(one) {
                carried.mode = Mode::Relayed { to: other, as_own };
                self.relays += 1;
            }
        }
        true
    }

    /// Whether packets are relayed at present: then [`receive`](Engine::receive) should be called each 5 ms.
    pub fn is_relaying(&self) -> bool {
        self.relays > 0
    }

    /// Whether there is anything to do at ticks.
    pub fn is_busy(&self) -> bool {
        self.mixed > 0 || !self.players.is_empty() || !self.recorders.is_empty()
    }

    /// How many streams there are, and how many players and recorders together. Both zero once everything has been taken away.
    pub fn counts(&self) -> (usize, usize) {
        (self.streams.len() - self.free.len(), self.players.len() + self.recorders.len())
    }

    /// Figures of a stream.
    pub fn report(&self, key: Key) -> Option<StreamReport> {
        match self.names.get(&key)? {
            Named::Stream(index) => self.streams.get(*index)?.1.as_ref().map(|carried| carried.stream.report()),
            _ => None,
        }
    }

    /// Tells by an event once nothing has been heard for `after`; `None` stops watching.
    pub fn watch_silence(&mut self, now: Micros, key: Key, after: Option<Micros>) {
        if let Some(carried) = self.stream_mut(key) {
            carried.stream.watch_silence(now, after);
        }
    }

    /// Queues digits to be sent as telephone events (RFC 4733), all or none.
    ///
    /// # Errors
    /// [`DialError`].
    pub fn dial(&mut self, key: Key, digits: &str) -> Result<(), DialError> {
        self.stream_mut(key).ok_or(DialError::NoStream)?.stream.dial(digits)
    }

    /// Level of what a stream or player says since the last reading.
    pub fn level(&mut self, key: Key) -> Option<Level> {
        let port = self.port(key)?;
        self.bridge.level(port)
    }

    fn wall(&self, now: Micros) -> NtpTime {
        let since_1970 = u64::try_from(self.wall_at_zero.as_micros()).unwrap_or(u64::MAX);
        NtpTime::from_unix(Micros(since_1970.saturating_add(now.0)))
    }

    fn at_slot(&mut self, slot: Slot) -> Option<&mut Carried> {
        let (generation, place) = self.streams.get_mut(slot.index())?;
        if *generation == slot.generation { place.as_deref_mut() } else { None }
    }

    fn at(&mut self, index: usize) -> Option<&mut Carried> {
        self.streams.get_mut(index)?.1.as_deref_mut()
    }

    fn stream_mut(&mut self, key: Key) -> Option<&mut Carried> {
        match self.names.get(&key)? {
            &Named::Stream(index) => self.at(index),
            _ => None,
        }
    }

    /// Ends the relay this stream is part of, on both sides.
    fn unrelay(&mut self, index: usize) {
        let Some(&mut Carried { mode: Mode::Relayed { to: other, as_own }, .. }) = self.at(index) else { return };
        if let Ok([(_, Some(one)), (_, Some(other))]) = self.streams.get_disjoint_mut([index, other]) {
            let (one, other) = (&mut one.stream, &mut other.stream);
            if as_own {
                one.leave_off();
                other.leave_off();
            } else {
                one.goes_on_after(other);
                other.goes_on_after(one);
            }
        }
        for one in [index, other] {
            if let Some(carried) = self.at(one)
                && matches!(carried.mode, Mode::Relayed { .. })
            {
                carried.mode = Mode::Mixed;
                self.relays -= 1;
            }
        }
    }

    /// SplitMix64 over the seed: one fresh number a stream.
    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
