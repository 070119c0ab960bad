//! Players, recorders, conferences, and who hears whom.

use audio::bridge::PortId;

use super::{AddError, Engine, Named};
use crate::event::{MediaEvent, Output};
use crate::settings::Key;

/// Makes samples at the bridge's rate, on the media thread: must neither block nor allocate.
pub trait Source: Send {
    /// Fills the frame from its start; fewer samples than its length mean that the source has ended.
    fn fill(&mut self, frame: &mut [i16]) -> usize;
}

impl<F: FnMut(&mut [i16]) -> usize + Send> Source for F {
    fn fill(&mut self, frame: &mut [i16]) -> usize {
        self(frame)
    }
}

/// Takes samples at the bridge's rate, on the media thread: must neither block nor allocate.
pub trait Sink: Send {
    /// Takes a frame and returns how many samples it could not take.
    fn take(&mut self, frame: &[i16]) -> usize;
}

impl<F: FnMut(&[i16]) -> usize + Send> Sink for F {
    fn take(&mut self, frame: &[i16]) -> usize {
        self(frame)
    }
}

pub(super) struct Player {
    key: Key,
    port: PortId,
    source: Box<dyn Source>,
}

pub(super) struct Recorder {
    key: Key,
    port: PortId,
    sink: Box<dyn Sink>,
    lost: u64,
}

impl Engine {
    /// Adds a player, connected to nothing. It goes away by itself when its source ends, with [`MediaEvent::Played`].
    ///
    /// # Errors
    /// [`AddError`].
    pub fn add_player(&mut self, key: Key, source: Box<dyn Source>) -> Result<(), AddError> {
        let port = self.new_port(key)?;
        self.players.push(Player { key, port, source });
        self.names.insert(key, Named::Player(port));
        Ok(())
    }

    /// Adds a recorder, connected to nothing.
    ///
    /// # Errors
    /// [`AddError`].
    pub fn add_recorder(&mut self, key: Key, sink: Box<dyn Sink>) -> Result<(), AddError> {
        let port = self.new_port(key)?;
        self.recorders.push(Recorder { key, port, sink, lost: 0 });
        self.names.insert(key, Named::Recorder(port));
        Ok(())
    }

    /// Adds a conference without members.
    ///
    /// # Errors
    /// [`AddError`].
    pub fn add_conference(&mut self, key: Key) -> Result<(), AddError> {
        if self.names.contains_key(&key) {
            return Err(AddError::KeyInUse);
        }
        let conference = self.bridge.add_conference();
        self.names.insert(key, Named::Conference(conference));
        Ok(())
    }

    /// Takes a player, recorder or conference away. Streams go by [`Engine::remove_stream`].
    pub fn remove(&mut self, key: Key) -> bool {
        match self.names.get(&key) {
            Some(&Named::Player(port)) => {
                self.players.retain(|player| player.key != key);
                self.bridge.remove_port(port);
            }
            Some(&Named::Recorder(port)) => {
                self.recorders.retain(|recorder| recorder.key != key);
                self.bridge.remove_port(port);
            }
            Some(&Named::Conference(conference)) => {
                self.bridge.remove_conference(conference);
            }
            _ => return false,
        }
        self.names.remove(&key);
        true
    }

    /// Lets `to` hear what `from` says: streams, players and recorders.
    pub fn connect(&mut self, from: Key, to: Key) -> bool {
        let (Some(from), Some(to)) = (self.port(from), self.port(to)) else { return false };
        self.bridge.connect(from, to)
    }

    /// Ends that.
    pub fn disconnect(&mut self, from: Key, to: Key) -> bool {
        let (Some(from), Some(to)) = (self.port(from), self.port(to)) else { return false };
        self.bridge.disconnect(from, to)
    }

    /// Lets a member hear all other members of a conference, and them hear it. It leaves the one it was in.
    pub fn join(&mut self, conference: Key, member: Key) -> bool {
        let (Some(&Named::Conference(conference)), Some(port)) = (self.names.get(&conference), self.port(member))
        else {
            return false;
        };
        self.unlink(member);
        self.bridge.join(conference, port)
    }

    /// Takes a member out of its conference.
    pub fn leave(&mut self, member: Key) -> bool {
        self.port(member).is_some_and(|port| self.bridge.leave(port))
    }

    pub(super) fn port(&self, key: Key) -> Option<PortId> {
        match self.names.get(&key)? {
            &Named::Stream(index) => self.streams.get(index)?.1.as_ref().map(|carried| carried.port),
            &(Named::Player(port) | Named::Recorder(port)) => Some(port),
            Named::Conference(_) => None,
        }
    }

    fn new_port(&mut self, key: Key) -> Result<PortId, AddError> {
        if self.names.contains_key(&key) {
            return Err(AddError::KeyInUse);
        }
        if self.players.len() + self.recorders.len() >= self.config.max_ports {
            return Err(AddError::Full);
        }
        Ok(self.bridge.add_port())
    }

    /// Every player says its next frame; those that ended go.
    pub(super) fn play(&mut self, out: &mut impl Output) {
        let mut index = 0;
        while let Some(player) = self.players.get_mut(index) {
            let count = player.source.fill(&mut self.frame).min(self.frame.len());
            self.frame.iter_mut().skip(count).for_each(|sample| *sample = 0);
            self.bridge.put(player.port, (count > 0).then_some(&*self.frame));
            if count == self.frame.len() {
                index += 1;
                continue;
            }
            // The last piece of a frame is still heard: the port goes with the next tick.
            if count > 0 {
                player.source = Box::new(|_: &mut [i16]| 0);
                index += 1;
                continue;
            }
            let ended = self.players.swap_remove(index);
            self.bridge.remove_port(ended.port);
            self.names.remove(&ended.key);
            out.event(MediaEvent::Played { player: ended.key });
        }
    }

    /// Every recorder takes what it hears, silence included: a recording has no holes.
    pub(super) fn record(&mut self, out: &mut impl Output) {
        for recorder in &mut self.recorders {
            if !self.bridge.get(recorder.port, &mut self.frame) {
                self.frame.iter_mut().for_each(|sample| *sample = 0);
            }
            let lost = recorder.sink.take(&self.frame);
            if lost > 0 {
                recorder.lost = recorder.lost.saturating_add(lost as u64);
                out.event(MediaEvent::Overrun { recorder: recorder.key, samples: recorder.lost });
            }
        }
    }
}
