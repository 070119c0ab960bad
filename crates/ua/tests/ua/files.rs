//! Files: playing and recording them, and what happens when they fail. Calls that are connected.

use std::time::Duration;

use audio::frame::SampleRate;
use audio::level::Dbfs;
use audio::tone::ToneGenerator;
use ua::{AudioError, Call, CallError, PlayEnd};

use crate::tone::{Ear, heard};
use crate::{builder, call, pair, until};

fn tone_file(path: &std::path::Path, rate: SampleRate, hertz: f64, length: Duration) {
    let mut samples = vec![0; usize::try_from(rate.samples(length)).unwrap()];
    ToneGenerator::single(rate, hertz, Dbfs(-10.0)).unwrap().fill(&mut samples);
    let mut writer = audio::wav::Writer::new(std::fs::File::create(path).unwrap(), rate).unwrap();
    writer.write(&samples).unwrap();
    writer.finish().unwrap();
}

#[tokio::test]
async fn a_file_of_any_rate_is_played_to_its_end() {
    let (alice, bob) = pair().await;
    let (placed, taken) = call(&alice, &bob).await;
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("tone.wav"), folder.path().join("heard.wav"));
    tone_file(&source, SampleRate::new(44_100).unwrap(), 1_000.0, Duration::from_millis(1_500));
    // A busy machine may break it, so that it is heard again; longer than the file it never is.
    let mut longest = Duration::ZERO;
    for _ in 0..3 {
        let recording = taken.audio().record(&target).unwrap();
        let begin = std::time::Instant::now();
        let end = placed.audio().play(&source).unwrap().finished().await;
        assert!(matches!(end, PlayEnd::Completed), "{end:?}");
        assert!(begin.elapsed() >= Duration::from_millis(1_400), "played in {:?}", begin.elapsed());
        // What has been sent is there, and half a second of silence behind it.
        let sent = placed.stats().await.unwrap().packets_sent;
        until("the end of the file", async || taken.stats().await.unwrap().packets_received >= sent + 25).await;
        let recorded = recording.stop().await.unwrap();
        assert_eq!(recorded.path, target);
        let long = heard(&target, 1);
        assert!(long.as_millis() <= 1_500, "heard for {long:?}");
        longest = longest.max(long);
        if longest.as_millis() >= 500 {
            break;
        }
    }
    assert!(longest.as_millis() >= 500, "heard for {longest:?}");
    let level = taken.audio().level().await.unwrap();
    assert!(level.samples > 0, "{level:?}");
}

#[tokio::test]
async fn playing_stops_when_told_and_with_the_call() {
    let (alice, bob) = pair().await;
    let (placed, _taken) = call(&alice, &bob).await;
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("tone.wav");
    tone_file(&source, SampleRate::NARROW, 440.0, Duration::from_millis(200));
    let again = placed.audio().play_repeated(&source).unwrap();
    let endless = placed.audio().tone(440.0, None).unwrap();
    placed.audio().tone(600.0, None).unwrap().stop();
    assert!(tokio::time::timeout(Duration::from_millis(600), again.finished()).await.is_err(), "it repeats");
    placed.hangup().await;
    assert!(matches!(endless.finished().await, PlayEnd::Stopped));
}

#[tokio::test]
async fn a_file_that_fails_says_why_and_the_call_goes_on() {
    let (alice, bob) = pair().await;
    let (placed, taken) = call(&alice, &bob).await;
    let folder = tempfile::tempdir().unwrap();
    let missing = placed.audio().play(folder.path().join("none.wav")).err().unwrap().to_string();
    assert!(missing.contains("none.wav") && missing.contains("No such file"), "{missing}");
    let garbage = folder.path().join("garbage.wav");
    std::fs::write(&garbage, b"not a wave file at all").unwrap();
    let end = placed.audio().play(&garbage).unwrap().finished().await;
    assert!(
        matches!(&end, PlayEnd::Failed(AudioError::Format { why, .. }) if why.contains("expected RIFF")),
        "{end:?}"
    );
    let full = placed.audio().record("/dev/full").err().unwrap().to_string();
    assert!(full.contains("/dev/full") && full.contains("No space left"), "{full}");
    assert!(matches!(placed.audio().tone(5_000.0, None), Err(AudioError::Tone(_))));
    assert!(!placed.is_over() && !taken.is_over());
    assert!(placed.stats().await.is_some());
}

#[tokio::test]
async fn an_echo_brings_back_what_was_said() {
    let (alice, bob) = pair().await;
    let (placed, taken) = call(&alice, &bob).await;
    taken.audio().echo(true).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("echo.wav");
    let recording = placed.audio().record(&file).unwrap();
    let (ear, _tone) = (Ear::on(&placed), placed.audio().tone(1_000.0, None).unwrap());
    until("a second of echo", async || ear.heard(1) >= Duration::from_secs(1)).await;
    recording.stop().await.unwrap();
    assert!(heard(&file, 1) >= Duration::from_millis(1_000), "{:?}", heard(&file, 1));
    taken.audio().echo(false).await.unwrap();
}

/// Two calls into one endpoint.
async fn three() -> (ua::Endpoint, [ua::Endpoint; 2], [(Call, Call); 2]) {
    let hub = builder().build().await.unwrap();
    let ends = [builder().build().await.unwrap(), builder().build().await.unwrap()];
    let calls = [call(&ends[0], &hub).await, call(&ends[1], &hub).await];
    (hub, ends, calls)
}

#[tokio::test]
async fn connected_calls_hear_each_other() {
    let (_hub, _ends, [(alice, to_alice), (bob, to_bob)]) = three().await;
    to_alice.connect(&to_bob).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let files = [folder.path().join("a.wav"), folder.path().join("b.wav")];
    let recordings = [alice.audio().record(&files[0]).unwrap(), bob.audio().record(&files[1]).unwrap()];
    let _tones = [alice.audio().tone(440.0, None).unwrap(), bob.audio().tone(1_000.0, None).unwrap()];
    let (ears, second) = ([Ear::on(&alice), Ear::on(&bob)], Duration::from_secs(1));
    until("a second of tone both ways", async || ears[0].heard(1) >= second && ears[1].heard(0) >= second).await;
    to_alice.disconnect(&to_bob).await.unwrap();
    for recording in recordings {
        recording.stop().await.unwrap();
    }
    assert!(heard(&files[0], 1) >= Duration::from_secs(1), "{:?}", heard(&files[0], 1));
    assert!(heard(&files[1], 0) >= Duration::from_secs(1), "{:?}", heard(&files[1], 0));
    assert_eq!((heard(&files[0], 0), heard(&files[1], 1)), (Duration::ZERO, Duration::ZERO));
    assert!(matches!(alice.connect(&to_bob).await, Err(CallError::Media(_))), "calls of two endpoints");
}
