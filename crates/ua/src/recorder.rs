//! Recording a call into a file: the media thread fills a ring, a thread of its own writes.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use audio::recorder::{Recorder, Recording as Stand};
use audio::ring::RingWriter;
use audio::wav::WavError;
use media::Key;
use net::media::{Desk, MediaHandle};
use tokio::sync::oneshot;

use crate::attached::RATE;
use crate::command::Command;
use crate::error::AudioError;
use crate::line::Line;

/// Samples that may wait to be written: four seconds.
const RING: usize = 32_768;
/// Samples in the longest recording: 24 hours.
const LONGEST: u64 = 24 * 3_600 * 8_000;
/// How often they are written.
const PACE: Duration = Duration::from_millis(100);

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// The file.
    pub path: PathBuf,
    /// How much audio it holds.
    pub length: Duration,
}

/// A recording that runs. Dropping this lets it run on, to the end of the call.
#[derive(Debug)]
pub struct Recording {
    control: Control,
    end: oneshot::Receiver<Result<Recorded, AudioError>>,
}

struct Control {
    media: MediaHandle,
    key: Key,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Recording {
    /// Waits for the end of the recording: that of the call, or a failure.
    ///
    /// # Errors
    /// [`AudioError`] when it could not be written to its end. What was written before is in the file.
    pub async fn finished(self) -> Result<Recorded, AudioError> {
        self.end.await.unwrap_or_else(|_| Err(AudioError::Media("the recording never began".into())))
    }

    /// Stops and waits until the file is complete.
    ///
    /// # Errors
    /// As [`Recording::finished`].
    pub async fn stop(self) -> Result<Recorded, AudioError> {
        let key = self.control.key;
        let stop = move |desk: &mut Desk<'_>| {
            desk.engine.remove(key);
        };
        self.control.media.run(stop).map_err(|error| AudioError::Media(error.to_string()))?;
        self.finished().await
    }
}

/// The media thread's end of the ring.
struct Tape(RingWriter);

impl media::Sink for Tape {
    fn take(&mut self, frame: &[i16]) -> usize {
        if self.0.is_abandoned() {
            // The writer has failed and said so.
            return 0;
        }
        self.0.write(frame)
    }
}

pub(crate) fn record(line: &Line, path: &Path) -> Result<Recording, AudioError> {
    let file = File::create(path).map_err(|source| AudioError::File { path: path.to_owned(), source })?;
    // No buffer around it: when the disk is full, what waits in one would keep the header from being put right.
    record_into(line, path, file)
}

fn record_into(line: &Line, path: &Path, file: impl Write + Seek + Send + 'static) -> Result<Recording, AudioError> {
    let failed = |source| AudioError::File { path: path.to_owned(), source };
    let (recorder, ring) = Recorder::new(file, RATE, RING, LONGEST).map_err(|error| of_wav(path, error))?;
    let (sender, end) = oneshot::channel();
    let control = Control { media: line.link.media.clone(), key: line.link.media.key() };
    let (key, call, link) = (control.key, line.key, line.link.clone());
    let owned = path.to_owned();
    let write = move || {
        let outcome = write(recorder).map_err(|error| of_wav(&owned, error));
        let outcome = outcome.map(|samples| Recorded { path: owned, length: RATE.duration(samples) });
        if let Err(error) = &outcome {
            let why = error.to_string();
            link.tell(|| Command::RecordingFailed { call, why: why.clone() });
        }
        // Nobody may be waiting.
        let _ = sender.send(outcome);
    };
    thread::Builder::new().name("ua-record".into()).spawn(write).map_err(failed)?;
    let attached = Arc::clone(&line.attached);
    line.run(move |desk| {
        if !attached.add(desk, key) {
            return;
        }
        match desk.engine.add_recorder(key, Box::new(Tape(ring))) {
            Ok(()) => {
                desk.engine.connect(call, key);
            }
            Err(error) => {
                let call_id = attached.call_id();
                tracing::warn!(parent: &net::call_span!(call_id), %error, "a recorder is refused");
            }
        }
    })?;
    Ok(Recording { control, end })
}

/// Writes what comes until the media thread lets go. Returns how many samples there are.
fn write<W: Write + Seek>(mut recorder: Recorder<W>) -> Result<u64, WavError> {
    while recorder.drain()? == Stand::Going {
        thread::sleep(PACE);
    }
    recorder.finish()
}

fn of_wav(path: &Path, error: WavError) -> AudioError {
    let path = path.to_owned();
    match error {
        WavError::Io { source, .. } => AudioError::File { path, source },
        other => AudioError::File { path, source: io::Error::other(other.to_string()) },
    }
}

#[cfg(test)]
mod tests;
