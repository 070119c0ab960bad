//! Both sides hear the other, and not themselves.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audio::detector::ToneMeter;
use audio::frame::SampleRate;

use ua::{Audio, Call};

use crate::{call, pair, until};

/// Measures what a call hears, for 440 and 1000 Hz.
pub(crate) struct Ear(Arc<Mutex<ToneMeter>>);

impl Ear {
    pub(crate) fn on(call: &Call) -> Self {
        Self::listening(call.audio())
    }

    pub(crate) fn listening(audio: Audio<'_>) -> Self {
        let meter = Arc::new(Mutex::new(ToneMeter::new(SampleRate::NARROW, &[440.0, 1_000.0]).unwrap()));
        let heard = Arc::clone(&meter);
        audio.listen(move |frame| heard.lock().unwrap().push(frame, |_| {})).unwrap();
        Self(meter)
    }

    /// How long the tone at `place` dominated without a break, by 20 dB.
    pub(crate) fn heard(&self, place: usize) -> Duration {
        self.0.lock().unwrap().longest(place)
    }
}

/// How long the tone at `place` of 440 and 1000 Hz dominated a recording by 20 dB.
pub(crate) fn heard(path: &Path, place: usize) -> Duration {
    let recording = audio::wav::read(std::fs::File::open(path).unwrap(), &audio::wav::Limits::default()).unwrap();
    let mut meter = ToneMeter::new(SampleRate::NARROW, &[440.0, 1_000.0]).unwrap();
    meter.push(&recording.samples, |_| {});
    meter.longest(place)
}

#[tokio::test]
async fn each_side_hears_the_others_tone_and_not_its_own() {
    let (alice, bob) = pair().await;
    let (placed, taken) = call(&alice, &bob).await;
    let folder = tempfile::tempdir().unwrap();
    let (at_alice, at_bob) = (folder.path().join("alice.wav"), folder.path().join("bob.wav"));
    let recordings = (placed.audio().record(&at_alice).unwrap(), taken.audio().record(&at_bob).unwrap());
    let tones = (placed.audio().tone(440.0, None).unwrap(), taken.audio().tone(1_000.0, None).unwrap());
    let long = Duration::from_secs(3);
    // A busy machine breaks audio for moments: what counts is 3 s without a break, whenever they come. Ears and recordings are measured in tenths
    // of a second that do not begin together.
    let (ears, longer) = ((Ear::on(&placed), Ear::on(&taken)), long + Duration::from_millis(100));
    until("3 s of tone both ways", async || ears.0.heard(1) >= longer && ears.1.heard(0) >= longer).await;
    let ended = placed.hangup().await;
    taken.ended().await;
    let recorded = (recordings.0.finished().await.unwrap(), recordings.1.finished().await.unwrap());
    assert!(recorded.0.length >= long && recorded.1.length >= long, "{recorded:?}");
    assert!(heard(&at_alice, 1) >= long, "alice hears 1000 Hz for {:?}", heard(&at_alice, 1));
    assert!(heard(&at_bob, 0) >= long, "bob hears 440 Hz for {:?}", heard(&at_bob, 0));
    assert_eq!((heard(&at_alice, 0), heard(&at_bob, 1)), (Duration::ZERO, Duration::ZERO), "nobody hears himself");
    let stats = ended.stats.clone().unwrap();
    assert!(stats.packets_received > 150 && stats.packets_sent > 150 && stats.codec == "PCMU", "{stats:?}");
    assert!(ended.duration >= long && ended.code == 200, "{ended}");
    drop(tones);
}

/// The negative control: the same measurement finds nothing where nothing passes.
#[tokio::test]
async fn a_line_cut_in_one_direction_is_heard_in_the_other_only() {
    let (alice, bob) = pair().await;
    let (placed, taken) = call(&alice, &bob).await;
    placed.audio().cut(true).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (at_alice, at_bob) = (folder.path().join("alice.wav"), folder.path().join("bob.wav"));
    let recordings = (placed.audio().record(&at_alice).unwrap(), taken.audio().record(&at_bob).unwrap());
    let _tones = (placed.audio().tone(440.0, None).unwrap(), taken.audio().tone(1_000.0, None).unwrap());
    let ear = Ear::on(&placed);
    until("a second of tone at alice", async || ear.heard(1) >= Duration::from_secs(1)).await;
    recordings.0.stop().await.unwrap();
    recordings.1.stop().await.unwrap();
    assert!(heard(&at_alice, 1) >= Duration::from_secs(1), "{:?}", heard(&at_alice, 1));
    assert_eq!(heard(&at_bob, 0), Duration::ZERO);
}
