//! The streams of calls that speak or listen.

use std::time::Duration;

use audio::codec::Codec;
use media::{Agreed, Key, StreamReport, StreamSettings};
use net::media::{Desk, MediaHandle, PortPair};
use sip::SessionId;

use super::{News, Robot};
use crate::answer::voice::{Recording, Voice};

/// What a call has on the media thread.
#[derive(Clone, Copy)]
pub(super) struct Sound {
    pub(super) stream: Key,
    player: Key,
    recorder: Key,
}

impl Sound {
    /// Names for all of it.
    pub(super) fn new(media: &MediaHandle) -> Self {
        Self { stream: media.key(), player: media.key(), recorder: media.key() }
    }

    /// Takes all of it away: the file that is played, the recording, which is finished with that, and the stream.
    pub(super) fn close(self, desk: &mut Desk<'_>) -> Option<StreamReport> {
        desk.engine.remove(self.player);
        desk.engine.remove(self.recorder);
        desk.remove_stream(self.stream)
    }
}

impl Robot {
    /// Gives a call its stream, voice and ears on the media thread.
    pub(super) fn open(&self, call: u64, sound: Sound, ports: PortPair, settings: Option<StreamSettings>) {
        let Some(studio) = &self.studio else { return };
        let Sound { stream, player, recorder } = sound;
        let voice = self.conduct.voice.as_ref().map(Voice::source);
        let news = self.news.clone();
        let written = move |result: Result<Recording, String>| {
            news.put(match result {
                Ok(Recording { file, secs }) => News::Recorded { call, file, secs },
                Err(what) => News::Trouble { what },
            });
        };
        let ears = match self.conduct.ears.as_ref().map(|ears| ears.sink(written)).transpose() {
            Ok(ears) => ears,
            Err(error) => {
                self.tell(News::Trouble { what: error });
                None
            }
        };
        let echo = self.conduct.echo;
        let settings = settings.unwrap_or_else(silent_settings);
        let news = self.news.clone();
        let ran = studio.media.run(move |desk| {
            if let Err(error) = desk.add_stream(stream, ports, settings) {
                news.put(News::Trouble { what: format!("no media for a call: {error}") });
                return;
            }
            if echo {
                desk.engine.echo(stream);
            }
            if let Some(source) = voice
                && desk.engine.add_player(player, source).is_ok()
            {
                desk.engine.connect(player, stream);
            }
            if let Some(sink) = ears
                && desk.engine.add_recorder(recorder, sink).is_ok()
            {
                desk.engine.connect(stream, recorder);
            }
        });
        if let Err(error) = ran {
            self.tell(News::Trouble { what: format!("no media for a call: {error}") });
        }
    }

    /// What an exchange of descriptions changed for the stream.
    pub(super) fn change(&self, session: SessionId, agreed: Agreed) {
        let Some(sound) = self.calls.get(&session).and_then(|live| live.sound) else { return };
        let (Some(studio), Some(settings)) = (&self.studio, agreed.settings) else { return };
        let _ = studio.media.run(move |desk| {
            desk.engine.update_stream(desk.now, sound.stream, settings);
        });
    }
}

/// Settings of a stream whose peer has not described itself yet: nothing is sent, G.711 is understood.
fn silent_settings() -> StreamSettings {
    StreamSettings {
        codec: Codec::Pcmu,
        send_type: rtp::PayloadType::PCMU,
        receive_types: vec![(rtp::PayloadType::PCMU, Codec::Pcmu), (rtp::PayloadType::PCMA, Codec::Pcma)],
        events: None,
        remote: None,
        remote_control: None,
        direction: sdp::Direction::Inactive,
        ptime: Duration::from_millis(20),
        min_delay: rtp::Micros::from_millis(20),
        max_delay: rtp::Micros::from_millis(200),
    }
}
