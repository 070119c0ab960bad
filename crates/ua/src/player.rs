//! Playing into a call: files, samples, tones.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use audio::resample::resample;
use audio::tone::ToneGenerator;
use audio::wav;
use media::Key;
use net::media::{Desk, MediaHandle};
use tokio::sync::oneshot;

use crate::attached::{Attached, RATE};
use crate::error::AudioError;
use crate::line::Line;

/// How playing ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum PlayEnd {
    /// All of it was played.
    Completed,
    /// It was stopped, or the call has ended.
    Stopped,
    /// It could not be played.
    Failed(AudioError),
}

/// Something that plays. Dropping this lets it play on.
#[derive(Debug)]
pub struct Playing {
    media: Control,
    end: oneshot::Receiver<PlayEnd>,
}

struct Control {
    media: MediaHandle,
    key: Key,
    stopped: Arc<AtomicBool>,
    attached: Arc<Attached>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Playing {
    /// Waits until it has been played, or has been stopped by the end of the call.
    pub async fn finished(self) -> PlayEnd {
        self.end.await.unwrap_or(PlayEnd::Stopped)
    }

    /// Stops it.
    pub fn stop(self) {
        self.media.stopped.store(true, Ordering::Release);
        let key = self.media.key;
        let stop = move |desk: &mut Desk<'_>| {
            desk.engine.remove(key);
        };
        if let Err(error) = self.media.media.run(stop) {
            let call_id = self.media.attached.call_id();
            tracing::warn!(parent: &net::call_span!(call_id), %error, "playing goes on until the end of the call");
        }
    }
}

/// Samples on the media thread.
struct Clip {
    samples: Vec<i16>,
    at: usize,
    repeat: bool,
    end: Option<oneshot::Sender<PlayEnd>>,
}

impl media::Source for Clip {
    fn fill(&mut self, frame: &mut [i16]) -> usize {
        let mut made = 0;
        while let (Some(rest), Some(room)) = (self.samples.get(self.at..), frame.get_mut(made..)) {
            let count = rest.len().min(room.len());
            room.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            (self.at, made) = (self.at + count, made + count);
            if made == frame.len() {
                break;
            }
            if !self.repeat || self.samples.is_empty() {
                complete(&mut self.end);
                break;
            }
            self.at = 0;
        }
        made
    }
}

/// A tone on the media thread.
struct Tone {
    tone: ToneGenerator,
    end: Option<oneshot::Sender<PlayEnd>>,
}

impl media::Source for Tone {
    fn fill(&mut self, frame: &mut [i16]) -> usize {
        let made = self.tone.fill(frame);
        if made < frame.len() {
            complete(&mut self.end);
        }
        made
    }
}

fn complete(end: &mut Option<oneshot::Sender<PlayEnd>>) {
    if let Some(end) = end.take() {
        // Nobody may be waiting.
        let _ = end.send(PlayEnd::Completed);
    }
}

pub(crate) fn play_tone(line: &Line, tone: ToneGenerator) -> Result<Playing, AudioError> {
    let (playing, end) = begin(line);
    let (key, call, attached) = (playing.media.key, line.key, Arc::clone(&line.attached));
    line.run(move |desk| add(desk, key, call, &attached, Box::new(Tone { tone, end: Some(end) })))?;
    Ok(playing)
}

pub(crate) fn play_samples(line: &Line, samples: Vec<i16>) -> Result<Playing, AudioError> {
    let (playing, end) = begin(line);
    let (key, call, attached) = (playing.media.key, line.key, Arc::clone(&line.attached));
    let clip = Clip { samples, at: 0, repeat: false, end: Some(end) };
    line.run(move |desk| add(desk, key, call, &attached, Box::new(clip)))?;
    Ok(playing)
}

pub(crate) fn play_file(line: &Line, path: PathBuf, file: File, repeat: bool) -> Result<Playing, AudioError> {
    let (playing, end) = begin(line);
    let (key, call, attached) = (playing.media.key, line.key, Arc::clone(&line.attached));
    let (media, stopped) = (line.link.media.clone(), Arc::clone(&playing.media.stopped));
    let failed = path.clone();
    let load = move || {
        let samples = match load(&path, file) {
            Ok(samples) => samples,
            Err(error) => {
                let _ = end.send(PlayEnd::Failed(error));
                return;
            }
        };
        if stopped.load(Ordering::Acquire) {
            return;
        }
        let clip = Clip { samples, at: 0, repeat, end: Some(end) };
        let call_id = attached.call_id();
        if let Err(error) = media.run(move |desk| add(desk, key, call, &attached, Box::new(clip))) {
            tracing::warn!(parent: &net::call_span!(call_id), %error, "a file is not played");
        }
    };
    let started = thread::Builder::new().name("ua-load".into()).spawn(load);
    started.map_err(|source| AudioError::File { path: failed, source })?;
    Ok(playing)
}

fn begin(line: &Line) -> (Playing, oneshot::Sender<PlayEnd>) {
    let (sender, end) = oneshot::channel();
    let (media, attached) = (line.link.media.clone(), Arc::clone(&line.attached));
    let media = Control { key: media.key(), media, stopped: Arc::default(), attached };
    (Playing { media, end }, sender)
}

/// On the media thread: the player begins, unless the call has ended. A call without stream yet is played to once it has one.
fn add(desk: &mut Desk<'_>, key: Key, call: Key, attached: &Attached, source: Box<dyn media::Source>) {
    if !attached.add(desk, key) {
        return;
    }
    if let Err(error) = desk.engine.add_player(key, source) {
        let call_id = attached.call_id();
        tracing::warn!(parent: &net::call_span!(call_id), %error, "a player is refused");
        return;
    }
    if !desk.engine.connect(key, call) {
        desk.engine.remove(key);
    }
}

/// Reads a file and brings it to the rate of the bridge.
fn load(path: &Path, file: File) -> Result<Vec<i16>, AudioError> {
    let read = wav::read(BufReader::new(file), &wav::Limits::default());
    let audio = read.map_err(|error| match error {
        wav::WavError::Io { source, .. } => AudioError::File { path: path.to_owned(), source },
        other => AudioError::Format { path: path.to_owned(), why: other.to_string() },
    })?;
    resample(&audio.samples, audio.rate, RATE)
        .map_err(|error| AudioError::Format { path: path.to_owned(), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_player_that_is_refused_is_logged_with_its_call() {
        let media =
            net::media::MediaConfig { engine: media::Config::default(), clock: net::Clock::start(), commands: 8 };
        let thread = net::media::MediaThread::spawn(media, |_| {}).unwrap();
        let attached = Attached::default();
        attached.belongs_to("first");
        attached.belongs_to("taken-over");
        let log = tempfile::NamedTempFile::new().unwrap();
        let writer = Arc::new(log.reopen().unwrap());
        let (done, ends) = mpsc::channel();
        let job = move |desk: &mut Desk<'_>| {
            let clip = || Box::new(Clip { samples: Vec::new(), at: 0, repeat: false, end: None });
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
            tracing::subscriber::with_default(subscriber, || {
                desk.engine.add_player(Key(1), clip()).unwrap();
                // Its name is in use.
                add(desk, Key(1), Key(2), &attached, clip());
            });
            done.send(()).unwrap();
        };
        assert!(thread.handle().run(job).is_ok());
        ends.recv().unwrap();
        let logged = std::fs::read_to_string(log.path()).unwrap();
        let lines: Vec<&str> = logged.lines().collect();
        assert!(lines.len() == 1 && lines[0].contains("WARN call{call_id=taken-over}: "), "{lines:?}");
    }

    #[test]
    fn a_clip_ends_with_its_last_piece_and_repeats_without_a_gap() {
        use media::Source;
        let (end, mut ended) = oneshot::channel();
        let mut clip = Clip { samples: vec![7; 250], at: 0, repeat: false, end: Some(end) };
        let mut frame = [0; 160];
        assert_eq!(clip.fill(&mut frame), 160);
        assert!(ended.try_recv().is_err());
        assert_eq!(clip.fill(&mut frame), 90);
        assert!(matches!(ended.try_recv(), Ok(PlayEnd::Completed)));
        assert_eq!(clip.fill(&mut frame), 0);
        let mut again = Clip { samples: vec![7; 50], at: 0, repeat: true, end: None };
        assert_eq!(again.fill(&mut frame), 160);
        assert!(frame.iter().all(|sample| *sample == 7));
        let mut empty = Clip { samples: Vec::new(), at: 0, repeat: true, end: None };
        assert_eq!(empty.fill(&mut frame), 0);
    }
}
