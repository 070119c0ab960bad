//! Descriptions to streams: what an exchange of offer and answer does to a call's audio.

use std::time::Duration;

use media::{Agreed, CallMedia, Key, StreamSettings};
use net::media::{Desk, PortPair};
use sdp::{Direction, HoldState};
use sip::message::multipart::Parts;
use sip::message::{Headers, Limits};

use super::call::{Call, Sound};
use super::state::Phone;
use crate::command::Command;
use crate::error::CallError;
use crate::event::CallEvent;

/// The session description of a message, also as part of a multipart body (RFC 3261 section 7.4.1, RFC 5621).
pub(super) fn description(headers: &Headers) -> Option<&[u8]> {
    let body = headers.body();
    let kind = headers.content_type()?.ok()?;
    if body.is_empty() {
        return None;
    }
    if kind.is("application", "sdp") {
        return Some(body);
    }
    let parts = Parts::new(&kind, body, &Limits::default()).ok()?;
    let mut parts = parts.filter_map(Result::ok);
    parts
        .find(|part| matches!(part.content_type(), Some(Ok(kind)) if kind.is("application", "sdp")))
        .map(|part| part.body())
}

impl Sound {
    pub(super) fn new(media: CallMedia, ports: PortPair, room: Key) -> Self {
        let (settings, offering) = (None, false);
        Self { media, ports: Some(ports), settings, offering, room, held_by_us: false, held_by_peer: false }
    }
}

impl Phone {
    /// Carries out what an exchange agreed on.
    ///
    /// # Errors
    /// [`CallError::Media`] when there is no stream and none was agreed on.
    pub(super) fn carry(&mut self, key: Key, agreed: &Agreed) -> Result<(), CallError> {
        let Some(call) = self.calls.get_mut(&key) else { return Err(CallError::Ended) };
        let sound = &mut call.sound;
        let mut settings = agreed
            .settings_after(sound.settings.as_ref())
            .ok_or_else(|| CallError::Media("the two sides agree on no audio".into()))?;
        if sound.held_by_us {
            // Who holds says nothing either: a softphone has no music for those who wait.
            settings.direction = Direction::Inactive;
        }
        let (codec, held) = (settings.codec.name(), agreed.hold == HoldState::Remote);
        let anew = sound.settings.as_ref() != Some(&settings);
        let held_before = std::mem::replace(&mut sound.held_by_peer, held);
        sound.settings = Some(settings.clone());
        sound.offering = false;
        self.stream(key, settings)?;
        if let Some(call) = self.calls.get(&key) {
            if anew {
                call.tell(CallEvent::MediaReady { codec });
            }
            if held != held_before {
                call.tell(if held { CallEvent::HeldByPeer } else { CallEvent::Resumed });
            }
        }
        Ok(())
    }

    /// An offer of ours has left: what the other side says to it is heard from now on, not from its answer on (RFC 3264 section 5.1).
    pub(super) fn listen(&mut self, key: Key) -> Result<(), CallError> {
        let Some(call) = self.calls.get_mut(&key) else { return Err(CallError::Ended) };
        let sound = &mut call.sound;
        let Some(settings) = sound.media.awaiting(sound.settings.as_ref()) else { return Ok(()) };
        if sound.settings.as_ref() == Some(&settings) {
            return Ok(());
        }
        sound.offering = true;
        self.stream(key, settings)
    }

    /// Somebody else is there, who has agreed on nothing yet: the one before is told nothing more.
    pub(super) fn fall_silent(&mut self, key: Key) -> Result<(), CallError> {
        let Some(call) = self.calls.get_mut(&key) else { return Err(CallError::Ended) };
        call.sound.offering = false;
        match call.sound.settings.take() {
            Some(settings) => self.stream(key, settings.at_rest()),
            None => Ok(()),
        }
    }

    /// Our offer came to nothing: the audio is as it was agreed before.
    pub(super) fn listen_no_more(&mut self, key: Key) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        if std::mem::take(&mut call.sound.offering)
            && let Some(settings) = call.sound.settings.clone()
            && let Err(error) = self.stream(key, settings)
        {
            let call_id = self.calls.get(&key).map(|call| &*call.call_id).unwrap_or_default();
            tracing::warn!(parent: &net::call_span!(call_id), %error, "the audio of a call is not put back");
        }
    }

    /// Has the media thread begin the call's stream, or go on with other settings.
    fn stream(&mut self, key: Key, settings: StreamSettings) -> Result<(), CallError> {
        let Some(call) = self.calls.get_mut(&key) else { return Err(CallError::Ended) };
        let sound = &mut call.sound;
        let (ports, room) = (sound.ports.take(), sound.room);
        let due = sound.settings.is_some() && settings.direction.receives() && !sound.held_by_peer;
        let watch = self.parts.silence.filter(|_| due);
        let commands = self.parts.commands.get().cloned();
        let started = self.parts.media.run(move |desk| {
            if let Err(why) = run(desk, (key, room), ports, settings, watch)
                && let Some(commands) = commands
            {
                // A loop that takes no command has other worries.
                let _ = commands.try_send(Command::MediaFailed { call: key, why });
            }
        });
        started.map_err(|error| CallError::Media(error.to_string()))
    }

    /// The peer's answer to an offer of ours.
    pub(super) fn take_answer(&mut self, key: Key, answer: &[u8]) -> Result<(), CallError> {
        let call = self.calls.get_mut(&key).ok_or(CallError::Ended)?;
        let agreed = call.sound.media.accept(answer).map_err(|error| CallError::Media(error.to_string()))?;
        self.carry(key, &agreed)
    }

    /// Audio failed on the media thread.
    pub(super) fn media_failed(&mut self, key: Key, why: String) {
        if let Some(call) = self.calls.get(&key) {
            tracing::warn!(parent: &net::call_span!(call.call_id), call = key.0, why, "audio failed");
            call.tell(CallEvent::MediaFailed(why));
        }
    }
}

impl Call {
    /// Whether a stream runs on the media thread.
    pub(super) fn has_stream(&self) -> bool {
        self.sound.ports.is_none()
    }

    /// Whether the two sides have agreed on audio.
    pub(super) fn has_agreed(&self) -> bool {
        self.sound.settings.is_some()
    }
}

/// On the media thread: the stream begins or goes on with other settings.
fn run(
    desk: &mut Desk<'_>,
    (key, room): (Key, Key),
    ports: Option<PortPair>,
    settings: StreamSettings,
    watch: Option<Duration>,
) -> Result<(), String> {
    match ports {
        Some(ports) => {
            desk.add_stream(key, ports, settings).map_err(|error| error.to_string())?;
            // Like an open microphone in a quiet room: packets flow from the start, so that the peer, its NAT and its
            // silence watch know that we are here (RFC 4961, RFC 6263).
            desk.engine
                .add_player(
                    room,
                    Box::new(|frame: &mut [i16]| {
                        frame.fill(0);
                        frame.len()
                    }),
                )
                .map_err(|error| error.to_string())?;
            desk.engine.connect(room, key);
        }
        None => {
            desk.engine.update_stream(desk.now, key, settings);
        }
    }
    let after = watch.map(|after| rtp::Micros(u64::try_from(after.as_micros()).unwrap_or(u64::MAX)));
    desk.engine.watch_silence(desk.now, key, after);
    Ok(())
}
