//! The conference bridge: ports that talk and listen, mixed once a tick.
//!
//! Two ways to hear somebody, which may be combined: *connections*, one port to another, as on a softphone's bridge;
//! and *conferences*, where each member hears the sum of the others without itself. A connection costs its listener
//! one addition a tick, a conference costs a member one subtraction however many there are: many who all hear each
//! other belong into a conference. Mixing is in 32 bit and saturates once, on the way out.
//!
//! A tick: [`Bridge::put`] for each port that says something, [`Bridge::mix`], then [`Bridge::get`] for each that
//! listens. A port that only listens never puts, one that only talks never gets. Nothing allocates between adding and
//! removing ports, conferences and connections. Loops run port by port over whole frames: so they vectorise without
//! help, and each voice is in the cache when it is needed.

mod table;

use crate::frame::SampleRate;
use crate::level::{Level, LevelMeter};
use table::{Name, Table};

/// Gains are in 1/256.
const UNITY: i32 = 256;

/// The largest gain.
const MAX_GAIN: f32 = 16.0;

/// Names a port. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortId(Name);

/// Names a conference. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConferenceId(Name);

struct Port {
    said: Box<[i16]>,
    /// The tick in which `said` was put.
    said_at: u64,
    /// The tick and the conference in whose sum `said` is.
    summed: Option<(u64, ConferenceId)>,
    muted: bool,
    gain: i32,
    output_gain: i32,
    hears: Vec<PortId>,
    conference: Option<ConferenceId>,
    meter: LevelMeter,
}

struct Conference {
    sum: Box<[i32]>,
    talkers: u32,
}

/// Ports and conferences at one sample rate.
pub struct Bridge {
    samples: usize,
    ports: Table<Port>,
    conferences: Table<Conference>,
    scratch: Box<[i32]>,
    /// The tick that is being put; the one before it has been mixed.
    tick: u64,
}

impl Bridge {
    /// An empty bridge; frames are one tick at `rate`.
    pub fn new(rate: SampleRate) -> Self {
        let samples = rate.tick_samples();
        let scratch = vec![0; samples].into_boxed_slice();
        Self { samples, ports: Table::new(), conferences: Table::new(), scratch, tick: 2 }
    }

    /// Samples in a frame of this bridge.
    pub const fn samples(&self) -> usize {
        self.samples
    }

    /// Adds a port that says and hears nothing yet. How many there may be is for the caller to limit.
    pub fn add_port(&mut self) -> PortId {
        PortId(self.ports.add(Port {
            said: vec![0; self.samples].into_boxed_slice(),
            said_at: 0,
            summed: None,
            muted: false,
            gain: UNITY,
            output_gain: UNITY,
            hears: Vec::new(),
            conference: None,
            meter: LevelMeter::new(),
        }))
    }

    /// Takes a port away; who heard it hears one voice less from the next tick on. False when there is none.
    pub fn remove_port(&mut self, port: PortId) -> bool {
        if self.ports.remove(port.0).is_none() {
            return false;
        }
        self.ports.iter_mut().for_each(|other| other.hears.retain(|heard| *heard != port));
        true
    }

    /// Lets `to` hear `from`; both may be the same port (an echo). False when one does not exist.
    pub fn connect(&mut self, from: PortId, to: PortId) -> bool {
        if self.ports.get(from.0).is_none() {
            return false;
        }
        let Some(listener) = self.ports.get_mut(to.0) else { return false };
        if !listener.hears.contains(&from) {
            listener.hears.push(from);
        }
        true
    }

    /// Ends that. False when it was not so.
    pub fn disconnect(&mut self, from: PortId, to: PortId) -> bool {
        let Some(listener) = self.ports.get_mut(to.0) else { return false };
        let before = listener.hears.len();
        listener.hears.retain(|heard| *heard != from);
        listener.hears.len() < before
    }

    /// Adds a conference without members.
    pub fn add_conference(&mut self) -> ConferenceId {
        let sum = vec![0; self.samples].into_boxed_slice();
        ConferenceId(self.conferences.add(Conference { sum, talkers: 0 }))
    }

    /// Ends a conference; its members hear it no more. False when there is none.
    pub fn remove_conference(&mut self, conference: ConferenceId) -> bool {
        if self.conferences.remove(conference.0).is_none() {
            return false;
        }
        let members = self.ports.iter_mut().filter(|port| port.conference == Some(conference));
        members.for_each(|port| port.conference = None);
        true
    }

    /// Makes a port a member of a conference, and of no other. False when one does not exist.
    pub fn join(&mut self, conference: ConferenceId, port: PortId) -> bool {
        if self.conferences.get(conference.0).is_none() {
            return false;
        }
        self.ports.get_mut(port.0).map(|port| port.conference = Some(conference)).is_some()
    }

    /// Takes a port out of its conference. False when it was in none.
    pub fn leave(&mut self, port: PortId) -> bool {
        self.ports.get_mut(port.0).is_some_and(|port| port.conference.take().is_some())
    }

    /// Whether a port is in a conference.
    pub fn is_member(&self, port: PortId) -> bool {
        self.ports.get(port.0).is_some_and(|port| port.conference.is_some())
    }

    /// Silences what a port says, for everybody, from the next frame on. It goes on hearing.
    pub fn mute(&mut self, port: PortId, muted: bool) {
        if let Some(port) = self.ports.get_mut(port.0) {
            port.muted = muted;
        }
    }

    /// Makes what a port says louder or softer, from 0 (silent) to 16; 1 is unchanged. Saturates.
    pub fn set_gain(&mut self, port: PortId, gain: f32) {
        if let Some(port) = self.ports.get_mut(port.0) {
            port.gain = fixed(gain);
        }
    }

    /// Makes what a port hears louder or softer, from 0 (silent) to 16; 1 is unchanged. Saturates.
    pub fn set_output_gain(&mut self, port: PortId, gain: f32) {
        if let Some(port) = self.ports.get_mut(port.0) {
            port.output_gain = fixed(gain);
        }
    }

    /// What a port says in this tick. `None`, or no call before [`mix`](Self::mix): nothing. A shorter frame is
    /// padded with silence, a longer one cut.
    pub fn put(&mut self, port: PortId, frame: Option<&[i16]>) {
        let Some(port) = self.ports.get_mut(port.0) else { return };
        let Some(frame) = frame.filter(|_| !port.muted) else {
            port.said_at = 0;
            return;
        };
        port.said_at = self.tick;
        if port.gain == UNITY {
            port.said.iter_mut().zip(frame).for_each(|(to, from)| *to = *from);
        } else {
            let gain = port.gain;
            port.said.iter_mut().zip(frame).for_each(|(to, from)| *to = narrow((i32::from(*from) * gain) >> 8));
        }
        port.said.iter_mut().skip(frame.len()).for_each(|sample| *sample = 0);
        port.meter.push(&port.said);
    }

    /// Sums every conference. Call once a tick, between the puts and the gets.
    pub fn mix(&mut self) {
        for conference in self.conferences.iter_mut().filter(|conference| conference.talkers > 0) {
            conference.sum.fill(0);
            conference.talkers = 0;
        }
        for port in self.ports.iter_mut().filter(|port| port.said_at == self.tick) {
            let Some(id) = port.conference else { continue };
            let Some(conference) = self.conferences.get_mut(id.0) else { continue };
            add(&mut conference.sum, &port.said);
            conference.talkers += 1;
            port.summed = Some((self.tick, id));
        }
        self.tick += 1;
    }

    /// What a port hears in this tick. False when that is silence; `frame` is zeroed then.
    pub fn get(&mut self, port: PortId, frame: &mut [i16]) -> bool {
        let heard = self.hear(port, frame);
        let whole = if heard { self.samples } else { 0 };
        frame.iter_mut().skip(whole).for_each(|sample| *sample = 0);
        heard
    }

    fn hear(&mut self, port: PortId, frame: &mut [i16]) -> bool {
        let mixed = self.tick - 1;
        let Some(listener) = self.ports.get(port.0) else { return false };
        let room = listener.conference.and_then(|id| Some((id, self.conferences.get(id.0)?)));
        // Its own voice comes off only when it is in the sum: a member may have joined since.
        let room = room.and_then(|(id, conference)| {
            let own = listener.summed == Some((mixed, id));
            (conference.talkers > u32::from(own)).then_some((conference, own))
        });
        let ports = &self.ports;
        let mut voices =
            listener.hears.iter().filter_map(|from| ports.get(from.0)).filter(|from| from.said_at >= mixed);
        let first = voices.next();
        let sum = &mut self.scratch;
        match (room, first) {
            (None, None) => return false,
            // The usual case in one pass: a member of a conference and nothing else.
            (Some((conference, true)), None) if listener.output_gain == UNITY => {
                let pairs = frame.iter_mut().zip(&conference.sum).zip(&listener.said);
                pairs.for_each(|((to, sum), own)| *to = narrow(sum.wrapping_sub(i32::from(*own))));
                return true;
            }
            (Some((conference, own)), _) => {
                sum.copy_from_slice(&conference.sum);
                if own {
                    subtract(sum, &listener.said);
                }
            }
            (None, Some(_)) => sum.fill(0),
        }
        first.into_iter().chain(voices).for_each(|from| add(sum, &from.said));
        if listener.output_gain == UNITY {
            frame.iter_mut().zip(sum.iter()).for_each(|(to, from)| *to = narrow(*from));
        } else {
            let gain = i64::from(listener.output_gain);
            frame.iter_mut().zip(sum.iter()).for_each(|(to, from)| *to = narrow_wide((i64::from(*from) * gain) >> 8));
        }
        true
    }

    /// Level of what a port says since the last reading, after its gain.
    pub fn level(&mut self, port: PortId) -> Option<Level> {
        self.ports.get_mut(port.0).map(|port| port.meter.take())
    }

    /// Ports at present.
    pub fn ports(&self) -> usize {
        self.ports.len()
    }
}

/// Adds a voice to a sum. Wraps only beyond 65 536 voices at full scale.
fn add(sum: &mut [i32], said: &[i16]) {
    sum.iter_mut().zip(said).for_each(|(sum, said)| *sum = sum.wrapping_add(i32::from(*said)));
}

fn subtract(sum: &mut [i32], said: &[i16]) {
    sum.iter_mut().zip(said).for_each(|(sum, said)| *sum = sum.wrapping_sub(i32::from(*said)));
}

/// A gain in 1/256; what is not a number is 0.
fn fixed(gain: f32) -> i32 {
    (gain.clamp(0.0, MAX_GAIN) * UNITY as f32) as i32
}

fn narrow(sample: i32) -> i16 {
    sample.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

fn narrow_wide(sample: i64) -> i16 {
    sample.clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests;
