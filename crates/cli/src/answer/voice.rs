//! What the robot says and where it writes what it hears.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TrySendError, sync_channel};

use audio::frame::{SampleRate, TICK};
use audio::level::Dbfs;
use audio::resample::resample;
use audio::tone::ToneGenerator;
use audio::wav::{self, Limits};
use media::{Sink, Source};

use crate::recording;

const RATE: SampleRate = SampleRate::NARROW;
/// What the media thread hands on at a time.
type Tick = [i16; RATE.tick_samples()];
/// Ticks that may wait for the disk: ten seconds.
const WAITING: usize = 500;

/// What is played to every caller, again and again.
pub(super) enum Voice {
    Tone(ToneGenerator),
    File(Arc<[i16]>),
}

impl Voice {
    /// An endless tone.
    pub(super) fn tone(hertz: u32) -> Result<Self, String> {
        ToneGenerator::single(RATE, f64::from(hertz), Dbfs(-10.0)).map(Self::Tone).map_err(|error| error.to_string())
    }

    /// A WAV file, as long as it is read here.
    pub(super) fn file(path: &Path) -> Result<Self, String> {
        let fail = |error: &dyn std::fmt::Display| format!("cannot play {}: {error}", path.display());
        let file = File::open(path).map_err(|error| fail(&error))?;
        let audio = wav::read(std::io::BufReader::new(file), &Limits::default()).map_err(|error| fail(&error))?;
        if audio.samples.is_empty() {
            return Err(fail(&"it holds no audio"));
        }
        let samples = resample(&audio.samples, audio.rate, RATE).map_err(|error| fail(&error))?;
        Ok(Self::File(samples.into()))
    }

    /// For one call, from the beginning.
    pub(super) fn source(&self) -> Box<dyn Source> {
        match self {
            Self::Tone(tone) => {
                let mut tone = tone.clone();
                Box::new(move |frame: &mut [i16]| tone.fill(frame))
            }
            Self::File(samples) => {
                let (samples, mut at) = (Arc::clone(samples), 0);
                Box::new(move |frame: &mut [i16]| {
                    for sample in frame.iter_mut() {
                        *sample = samples.get(at).copied().unwrap_or_default();
                        at = (at + 1) % samples.len().max(1);
                    }
                    frame.len()
                })
            }
        }
    }
}

/// Where calls are recorded: the first into the file named, the next beside it with numbers.
pub(super) struct Ears {
    path: PathBuf,
    calls: AtomicU64,
    unfinished: Arc<AtomicUsize>,
}

/// A file that is finished.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) file: String,
    pub(super) secs: f64,
}

impl Ears {
    /// # Errors
    /// When no file can be written there.
    pub(super) fn new(path: PathBuf) -> Result<Self, String> {
        recording::possible(&path)?;
        Ok(Self { path, calls: AtomicU64::new(0), unfinished: Arc::default() })
    }

    /// How many files are being written: who ends before it is 0 cuts them off.
    pub(super) fn unfinished(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.unfinished)
    }

    /// Begins the next file. A thread writes it until the sink is dropped, and says once how that went: `written`.
    ///
    /// # Errors
    /// Why there is no recording.
    pub(super) fn sink(
        &self,
        written: impl FnOnce(Result<Recording, String>) + Send + 'static,
    ) -> Result<Box<dyn Sink>, String> {
        let path = numbered(&self.path, self.calls.fetch_add(1, Ordering::Relaxed));
        let fail = |error: &dyn std::fmt::Display| format!("cannot record to {}: {error}", path.display());
        let file = File::create(&path).map_err(|error| fail(&error))?;
        // No buffer around it: when the disk is full, what waits in one would keep the header from being put right.
        let writer = wav::Writer::new(file, RATE).map_err(|error| fail(&error))?;
        let (send, ticks) = sync_channel::<Tick>(WAITING);
        let unfinished = self.unfinished();
        unfinished.fetch_add(1, Ordering::Relaxed);
        let thread = std::thread::Builder::new().name("recorder".into());
        let started = thread.spawn(move || {
            written(write(writer, &ticks, &path));
            unfinished.fetch_sub(1, Ordering::Release);
        });
        if let Err(error) = started {
            self.unfinished.fetch_sub(1, Ordering::Relaxed);
            return Err(format!("cannot record: {error}"));
        }
        Ok(Box::new(move |frame: &[i16]| {
            let Ok(tick) = frame.try_into() else { return frame.len() };
            match send.try_send(tick) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => 0,
                Err(TrySendError::Full(_)) => frame.len(),
            }
        }))
    }
}

/// Writes what comes until nothing comes any more.
fn write(mut writer: wav::Writer<File>, ticks: &Receiver<Tick>, path: &Path) -> Result<Recording, String> {
    let mut count = 0_u32;
    while let Ok(tick) = ticks.recv() {
        writer
            .write(&tick)
            .map_err(|error| format!("the recording ends here, the call goes on: {}: {error}", path.display()))?;
        count += 1;
    }
    writer.finish().map_err(|error| format!("the end of the recording is missing: {}: {error}", path.display()))?;
    Ok(Recording { file: path.display().to_string(), secs: f64::from(count) * TICK.as_secs_f64() })
}

fn numbered(path: &Path, call: u64) -> PathBuf {
    if call == 0 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let suffix = path.extension().map(|suffix| format!(".{}", suffix.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{}{suffix}", call + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_call_has_the_name_given_and_the_next_a_number() {
        let path = Path::new("/tmp/a.b/call.wav");
        assert_eq!(numbered(path, 0), path);
        assert_eq!(numbered(path, 1), Path::new("/tmp/a.b/call-2.wav"));
        assert_eq!(numbered(Path::new("call"), 2), Path::new("call-3"));
    }

    #[test]
    fn file_of_another_rate_is_converted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = wav::Writer::new(file.reopen().unwrap(), SampleRate::WIDE).unwrap();
        writer.write(&[1_000; 3_200]).unwrap();
        writer.finish().unwrap();
        let Ok(Voice::File(samples)) = Voice::file(file.path()) else { panic!("no file") };
        assert_eq!(samples.len(), 1_600);
        assert!(samples.iter().skip(400).take(800).all(|sample| (950..1_050).contains(sample)), "{samples:?}");
    }

    #[test]
    fn tone_out_of_range_and_missing_file_are_told() {
        assert!(Voice::tone(0).is_err());
        let error = Voice::file(Path::new("/nonexistent/a.wav")).err().unwrap_or_default();
        assert!(error.starts_with("cannot play /nonexistent/a.wav: "), "{error}");
    }
}
