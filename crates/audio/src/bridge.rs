//! The conference bridge: ports that talk and listen, mixed once a tick.
//!
//! Two ways to hear somebody, which may be combined: *connections*, one port to another, as on a softphone's bridge; and *conferences*,
//! where each member hears the sum of the others without itself. Mixing is in 32 bit and saturates once, on the way out.
//!
//! A tick: [`Bridge::put`] for each port that says something, [`Bridge::mix`], then [`Bridge::get`] for each that listens. Nothing
//! allocates between adding and removing ports. Loops run port by port over whole frames, so that they vectorise and stay in cache.

#[cfg(test)]
mod tests;

use crate::frame::SampleRate;
use crate::level::{Level, LevelMeter};

/// Names a port. Never reused: the generation tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortId {
    index: u32,
    generation: u32,
}

/// Names a conference. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConferenceId {
    index: u32,
    generation: u32,
}

struct Port {
    said: Box<[i16]>,
    audible: bool,
    muted: bool,
    /// In 1/256; 256 is unchanged.
    gain: i32,
    hears: Vec<PortId>,
    conference: Option<ConferenceId>,
    meter: LevelMeter,
}

struct Conference {
    sum: Box<[i32]>,
    talkers: u32,
    last_talker: Option<PortId>,
}

struct Table<T> {
    places: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Table<T> {
    const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    fn add(&mut self, value: T) -> (u32, u32) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        });
        match self.places.get_mut(index as usize) {
            Some((generation, place)) => {
                *place = Some(value);
                (index, *generation)
            }
            // 2^32 ports do not fit into memory.
            None => (u32::MAX, u32::MAX),
        }
    }

    fn get(&self, index: u32, generation: u32) -> Option<&T> {
        let (current, place) = self.places.get(index as usize)?;
        if *current == generation { place.as_ref() } else { None }
    }

    fn get_mut(&mut self, index: u32, generation: u32) -> Option<&mut T> {
        let (current, place) = self.places.get_mut(index as usize)?;
        if *current == generation { place.as_mut() } else { None }
    }

    fn remove(&mut self, index: u32, generation: u32) -> Option<T> {
        let (current, place) = self.places.get_mut(index as usize)?;
        if *current != generation {
            return None;
        }
        let value = place.take()?;
        *current = current.wrapping_add(1);
        self.free.push(index);
        Some(value)
    }
}

/// Ports and conferences at one sample rate.
pub struct Bridge {
    samples: usize,
    ports: Table<Port>,
    conferences: Table<Conference>,
    scratch: Box<[i32]>,
}

impl Bridge {
    /// An empty bridge; frames are one tick at `rate`.
    pub fn new(rate: SampleRate) -> Self {
        let samples = rate.tick_samples();
        Self { samples, ports: Table::new(), conferences: Table::new(), scratch: vec![0; samples].into_boxed_slice() }
    }

    /// Samples in a frame of this bridge.
    pub const fn samples(&self) -> usize {
        self.samples
    }

    /// Adds a port that says and hears nothing yet.
    pub fn add_port(&mut self) -> PortId {
        let (index, generation) = self.ports.add(Port {
            said: vec![0; self.samples].into_boxed_slice(),
            audible: false,
            muted: false,
            gain: 256,
            hears: Vec::new(),
            conference: None,
            meter: LevelMeter::new(),
        });
        PortId { index, generation }
    }

    /// Takes a port away; who heard it hears one voice less.
    pub fn remove_port(&mut self, port: PortId) -> bool {
        if self.ports.remove(port.index, port.generation).is_none() {
            return false;
        }
        for (_, other) in &mut self.ports.places {
            if let Some(other) = other {
                other.hears.retain(|heard| *heard != port);
            }
        }
        true
    }

    /// Lets `to` hear `from`, also itself. False when one does not exist.
    pub fn connect(&mut self, from: PortId, to: PortId) -> bool {
        if self.port(from).is_none() {
            return false;
        }
        let Some(listener) = self.port_mut(to) else { return false };
        if !listener.hears.contains(&from) {
            listener.hears.push(from);
        }
        true
    }

    /// Ends that. False when it was not so.
    pub fn disconnect(&mut self, from: PortId, to: PortId) -> bool {
        let Some(listener) = self.port_mut(to) else { return false };
        let before = listener.hears.len();
        listener.hears.retain(|heard| *heard != from);
        listener.hears.len() < before
    }

    /// Adds a conference without members.
    pub fn add_conference(&mut self) -> ConferenceId {
        let sum = vec![0; self.samples].into_boxed_slice();
        let (index, generation) = self.conferences.add(Conference { sum, talkers: 0, last_talker: None });
        ConferenceId { index, generation }
    }

    /// Ends a conference; its members hear it no more.
    pub fn remove_conference(&mut self, conference: ConferenceId) {
        self.conferences.remove(conference.index, conference.generation);
        for (_, port) in &mut self.ports.places {
            if let Some(port) = port
                && port.conference == Some(conference)
            {
                port.conference = None;
            }
        }
    }

    /// Makes a port a member of a conference, and of no other. False when one does not exist.
    pub fn join(&mut self, conference: ConferenceId, port: PortId) -> bool {
        if self.conferences.get(conference.index, conference.generation).is_none() {
            return false;
        }
        self.port_mut(port).map(|port| port.conference = Some(conference)).is_some()
    }

    /// Takes a port out of its conference. False when it was in none.
    pub fn leave(&mut self, port: PortId) -> bool {
        self.port_mut(port).is_some_and(|port| port.conference.take().is_some())
    }

    /// Silences what a port says, for everybody.
    pub fn mute(&mut self, port: PortId, muted: bool) {
        if let Some(port) = self.port_mut(port) {
            port.muted = muted;
        }
    }

    /// Makes a port louder or softer, from 0 (silent) to 16; 1 is unchanged.
    pub fn set_gain(&mut self, port: PortId, gain: f32) {
        if let Some(port) = self.port_mut(port) {
            port.gain = (gain.clamp(0.0, 16.0) * 256.0) as i32;
        }
    }

    /// What a port says in this tick; `None` or a frame that is not put: nothing. Frames of another length are cut or padded.
    pub fn put(&mut self, port: PortId, frame: Option<&[i16]>) {
        let Some(port) = self.port_mut(port) else { return };
        port.audible = frame.is_some() && !port.muted;
        let Some(frame) = frame else { return };
        let gain = port.gain;
        if gain == 256 {
            port.said.iter_mut().zip(frame).for_each(|(to, from)| *to = *from);
        } else {
            port.said.iter_mut().zip(frame).for_each(|(to, from)| *to = narrow((i32::from(*from) * gain) >> 8));
        }
        port.said.iter_mut().skip(frame.len()).for_each(|sample| *sample = 0);
        port.meter.push(&port.said);
    }

    /// Sums every conference. Call once a tick, between the puts and the gets.
    pub fn mix(&mut self) {
        for (_, conference) in &mut self.conferences.places {
            let Some(conference) = conference else { continue };
            if conference.talkers > 0 {
                conference.sum.fill(0);
            }
            conference.talkers = 0;
            conference.last_talker = None;
        }
        for (index, (generation, port)) in self.ports.places.iter().enumerate() {
            let Some(port) = port.as_ref().filter(|port| port.audible) else { continue };
            let Some(id) = port.conference else { continue };
            let Some(conference) = self.conferences.get_mut(id.index, id.generation) else { continue };
            add(&mut conference.sum, &port.said);
            conference.talkers += 1;
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            conference.last_talker = Some(PortId { index, generation: *generation });
        }
    }

    /// What a port hears in this tick. False when that is silence; `frame` is zeroed then.
    pub fn get(&mut self, port: PortId, frame: &mut [i16]) -> bool {
        let scratch = &mut self.scratch;
        let Some(listener) = self.ports.get(port.index, port.generation) else {
            frame.fill(0);
            return false;
        };
        let mut heard = false;
        if let Some(id) = listener.conference
            && let Some(conference) = self.conferences.get(id.index, id.generation)
        {
            let alone = conference.talkers == 0 || conference.talkers == 1 && conference.last_talker == Some(port);
            if !alone {
                if listener.audible {
                    less(scratch, &conference.sum, &listener.said);
                } else {
                    scratch.copy_from_slice(&conference.sum);
                }
                heard = true;
            }
        }
        for from in &listener.hears {
            let Some(speaker) = self.ports.get(from.index, from.generation).filter(|speaker| speaker.audible) else {
                continue;
            };
            if !heard {
                scratch.fill(0);
                heard = true;
            }
            add(scratch, &speaker.said);
        }
        if heard {
            frame.iter_mut().zip(scratch.iter()).for_each(|(to, from)| *to = narrow(*from));
            frame.iter_mut().skip(self.samples).for_each(|sample| *sample = 0);
        } else {
            frame.fill(0);
        }
        heard
    }

    /// Level of what a port says since the last reading.
    pub fn level(&mut self, port: PortId) -> Option<Level> {
        self.port_mut(port).map(|port| port.meter.take())
    }

    /// Ports at present.
    pub fn ports(&self) -> usize {
        self.ports.places.len() - self.ports.free.len()
    }

    fn port(&self, id: PortId) -> Option<&Port> {
        self.ports.get(id.index, id.generation)
    }

    fn port_mut(&mut self, id: PortId) -> Option<&mut Port> {
        self.ports.get_mut(id.index, id.generation)
    }
}

fn add(sum: &mut [i32], said: &[i16]) {
    sum.iter_mut().zip(said).for_each(|(sum, said)| *sum += i32::from(*said));
}

fn less(out: &mut [i32], sum: &[i32], said: &[i16]) {
    out.iter_mut().zip(sum).zip(said).for_each(|((out, sum), said)| *out = *sum - i32::from(*said));
}

fn narrow(sample: i32) -> i16 {
    sample.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}
