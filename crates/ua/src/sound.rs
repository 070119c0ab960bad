//! The audio of a call: play, record, measure, echo.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use audio::level::{Dbfs, Level};
use audio::tone::ToneGenerator;

use crate::attached::RATE;
use crate::error::{AudioError, CallError};
use crate::line::Line;
use crate::player::{self, Playing};
use crate::recorder::{self, Recording};

/// What is heard and said in a call. Borrowed from it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use ua::{CallError, Endpoint};
/// # let (alice, bob) = (Endpoint::builder().udp("127.0.0.1:0").build().await?, Endpoint::builder().udp("127.0.0.1:0").build().await?);
/// # let uri = bob.uri("bob").ok_or("no address")?;
/// # let (placed, taken) = tokio::join!(alice.call(uri), async { bob.incoming().await.ok_or(CallError::Ended)?.answer().await });
/// # let (placed, taken) = (placed?, taken?);
/// use std::time::Duration;
/// let file = std::env::temp_dir().join(format!("heard-{}.wav", std::process::id()));
/// let recording = taken.audio().record(&file)?;
/// placed.audio().tone(440.0, Some(Duration::from_millis(200)))?.finished().await;
/// let recorded = recording.stop().await?;
/// assert!(recorded.length >= Duration::from_millis(100));
/// # std::fs::remove_file(file)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Copy)]
pub struct Audio<'a> {
    pub(crate) line: &'a Line,
}

impl<'a> Audio<'a> {
    pub(crate) fn new(line: &'a Line) -> Self {
        Self { line }
    }

    /// Plays a WAV file (PCM of 8 to 32 bit, A-law, u-law, any rate, an hour at most) to the other side, together with whatever else plays. It is
    /// read on a thread of its own; what is wrong in it is told by [`Playing::finished`].
    ///
    /// # Errors
    /// [`AudioError::File`] when it cannot be opened.
    pub fn play(&self, path: impl AsRef<Path>) -> Result<Playing, AudioError> {
        self.play_file(path.as_ref(), false)
    }

    /// The same again and again, until [`Playing::stop`] or the end of the call.
    ///
    /// # Errors
    /// As [`Audio::play`].
    pub fn play_repeated(&self, path: impl AsRef<Path>) -> Result<Playing, AudioError> {
        self.play_file(path.as_ref(), true)
    }

    fn play_file(&self, path: &Path, repeat: bool) -> Result<Playing, AudioError> {
        let file = File::open(path).map_err(|source| AudioError::File { path: path.to_owned(), source })?;
        player::play_file(self.line, path.to_owned(), file, repeat)
    }

    /// Plays samples of 8 kHz, mono.
    ///
    /// # Errors
    /// [`AudioError::Media`].
    pub fn play_samples(&self, samples: impl Into<Vec<i16>>) -> Result<Playing, AudioError> {
        player::play_samples(self.line, samples.into())
    }

    /// Plays a tone of -10 dBFS, for so long or without end. `hertz` must be below 4000.
    ///
    /// # Errors
    /// [`AudioError::Tone`], [`AudioError::Media`].
    pub fn tone(&self, hertz: f64, length: Option<Duration>) -> Result<Playing, AudioError> {
        let tone = ToneGenerator::single(RATE, hertz, Dbfs(-10.0)).map_err(AudioError::Tone)?;
        player::play_tone(self.line, length.map_or(tone.clone(), |length| tone.lasting(length)))
    }

    /// Records what the other side says into a WAV file (8 kHz, 16 bit, mono) until [`Recording::stop`] or the end of the call. The header
    /// is kept right while it runs, so that a crash leaves a file that can be played.
    ///
    /// # Errors
    /// [`AudioError::File`] when it cannot be made; what goes wrong later is told by [`Recording::finished`] and
    /// [`crate::CallEvent::RecordingFailed`], and the call goes on.
    pub fn record(&self, path: impl AsRef<Path>) -> Result<Recording, AudioError> {
        recorder::record(self.line, path.as_ref())
    }

    /// How loud the other side has been since the last reading; `None` without audio.
    pub async fn level(&self) -> Option<Level> {
        let key = self.line.key;
        self.line.link.at_desk(move |desk| desk.engine.level(key)).await.ok()?
    }

    /// Hands what the other side says to the program, 160 samples of 8 kHz every 20 ms, until the end of the call. `take` runs on the media
    /// thread: it must not block.
    ///
    /// # Errors
    /// [`AudioError::Media`].
    pub fn listen(&self, mut take: impl FnMut(&[i16]) + Send + 'static) -> Result<(), AudioError> {
        let (call, key) = (self.line.key, self.line.link.media.key());
        let attached = Arc::clone(&self.line.attached);
        self.line.run(move |desk| {
            if !attached.add(desk, key) {
                return;
            }
            let sink = move |frame: &[i16]| {
                take(frame);
                0
            };
            match desk.engine.add_recorder(key, Box::new(sink)) {
                Ok(()) => {
                    desk.engine.connect(call, key);
                }
                Err(error) => {
                    let call_id = attached.call_id();
                    tracing::warn!(parent: &net::call_span!(call_id), %error, "a listener is refused");
                }
            }
        })
    }

    /// Drops all that this side sends right before it leaves, or no longer: a line that is cut in one direction. For tests that must fail;
    /// nobody is told.
    ///
    /// # Errors
    /// [`CallError::Media`] without audio.
    pub async fn cut(&self, on: bool) -> Result<(), CallError> {
        let key = self.line.key;
        let cut = self.line.link.at_desk(move |desk| desk.cut(key, on)).await?;
        if cut { Ok(()) } else { Err(CallError::Media("the call has no audio".into())) }
    }

    /// Sends back what is heard, or stops doing so. While it does, nothing else is heard or said.
    ///
    /// # Errors
    /// [`CallError::Media`] without audio.
    pub async fn echo(&self, on: bool) -> Result<(), CallError> {
        let key = self.line.key;
        let done = self.line.link.at_desk(move |desk| {
            if on {
                return desk.engine.echo(key);
            }
            desk.engine.unlink(key);
            true
        });
        if done.await? { Ok(()) } else { Err(CallError::Media("the call has no audio".into())) }
    }
}
