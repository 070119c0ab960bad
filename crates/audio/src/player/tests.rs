use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::level::Dbfs;
use crate::ring::ring;

const RATE: SampleRate = SampleRate::NARROW;

fn player(sources: Vec<Source>) -> Player {
    let mut player = Player::new(RATE, sources.len());
    for source in sources {
        player.push(source).unwrap();
    }
    player
}

/// Plays to the end in frames of `size`.
fn all(player: &mut Player, size: usize) -> Vec<i16> {
    let mut out = Vec::new();
    for _ in 0..10_000 {
        let mut frame = vec![0x5555; size];
        let made = player.fill(&mut frame, |_, _| {});
        out.extend_from_slice(&frame[..made]);
        if made < size {
            break;
        }
    }
    out
}

fn tone(hz: f64, samples: u64) -> ToneGenerator {
    ToneGenerator::single(RATE, hz, Dbfs(-10.0)).unwrap().lasting(RATE.duration(samples))
}

#[test]
fn sources_follow_each_other_without_a_gap() {
    let (mut writer, reader) = ring(100);
    writer.write(&[4; 33]);
    drop(writer);
    let mut expected = vec![1; 7];
    expected.extend([0; 5]);
    expected.extend([2, 3, 2, 3, 2, 3]);
    expected.extend([4; 33]);
    let mut sound = vec![0; 77];
    tone(440.0, 77).fill(&mut sound);
    expected.extend(sound);
    for size in [1, 3, 160, 1_000] {
        let (mut writer, again) = ring(100);
        writer.write(&[4; 33]);
        drop(writer);
        let twice = Source::Samples { samples: [2, 3].into(), repeat: Repeat::Times(3) };
        let sources =
            vec![Source::once([1; 7]), Source::Silence(5), twice, Source::Ring(again), Source::Tone(tone(440.0, 77))];
        let played = all(&mut player(sources), size);
        // A tone that starts in another place of a frame is rounded anew.
        assert!(
            played.len() == expected.len() && played.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 1),
            "{size}"
        );
    }
    drop(reader);
}

#[test]
fn ended_sources_are_handed_back_in_order() {
    let mut player = Player::new(RATE, 3);
    let ids: Vec<ItemId> = (1..=3).map(|count| player.push(Source::Silence(count)).unwrap()).collect();
    let mut ended = Vec::new();
    let mut frame = [1; 4];
    assert_eq!(player.fill(&mut frame, |id, source| ended.push((id, matches!(source, Source::Silence(0))))), 4);
    assert_eq!(ended, [(ids[0], true), (ids[1], true)]);
    assert_eq!((player.playing(), player.len()), (Some(ids[2]), 1));
    assert_eq!(player.fill(&mut frame, |id, _| ended.push((id, true))), 2);
    assert_eq!((ended.len(), player.is_empty(), player.played()), (3, true, 6));
    assert_eq!(player.fill(&mut frame, |_, _| panic!("nothing ends twice")), 0);
}

#[test]
fn an_end_at_the_border_of_a_frame_is_told_in_that_frame() {
    let mut player = player(vec![Source::once([5; 160]), Source::Tone(tone(440.0, 160))]);
    for _ in 0..2 {
        let mut ended = 0;
        assert_eq!(player.fill(&mut [0; 160], |_, _| ended += 1), 160);
        assert_eq!(ended, 1);
    }
    assert!(player.is_empty());
}

#[test]
fn a_late_ring_is_silent_and_does_not_end() {
    let (mut writer, reader) = ring(100);
    let mut player = player(vec![Source::Ring(reader), Source::once([9; 10])]);
    let mut frame = [1; 20];
    assert_eq!(player.fill(&mut frame, |_, _| panic!("not ended")), 20);
    assert_eq!(frame, [0; 20]);
    writer.write(&[8; 10]);
    drop(writer);
    assert_eq!(player.fill(&mut frame, |_, _| {}), 20);
    assert_eq!(frame[..], [[8; 10], [9; 10]].concat(), "what follows begins with the next sample");
}

#[test]
fn endless_samples_loop_and_can_be_sought() {
    let samples: Vec<i16> = (0..100).collect();
    let mut player = player(vec![Source::Samples { samples: samples.into(), repeat: Repeat::Forever }]);
    let mut frame = [0; 250];
    assert_eq!(player.fill(&mut frame, |_, _| {}), 250);
    assert_eq!((frame[99], frame[100], frame[249], player.position()), (99, 0, 49, Some(50)));
    assert!(player.seek(98));
    player.fill(&mut frame[..4], |_, _| {});
    assert_eq!(frame[..4], [98, 99, 0, 1]);
    assert!(player.seek(usize::MAX));
    player.fill(&mut frame[..2], |_, _| {});
    assert_eq!(frame[..2], [0, 1], "from the end on it starts again");
    let playing = player.playing().unwrap();
    assert!(player.remove(playing).is_some());
    assert!(player.remove(playing).is_none());
    assert!(!player.seek(0) && player.position().is_none());
}

#[test]
fn sources_without_samples_end_at_once() {
    let empty: [i16; 0] = [];
    let nothing = || {
        vec![
            Source::Samples { samples: empty.into(), repeat: Repeat::Forever },
            Source::Samples { samples: [1].into(), repeat: Repeat::Times(0) },
            Source::Silence(0),
            Source::Tone(tone(440.0, 0)),
        ]
    };
    let mut sources = nothing();
    sources.push(Source::once([7]));
    assert_eq!(all(&mut player(sources), 10), [7]);
    let mut left = 4;
    assert_eq!(player(nothing()).fill(&mut [], |_, _| left -= 1), 0);
    assert_eq!(left, 0, "even without room");
}

#[test]
fn what_does_not_fit_is_refused_and_handed_back() {
    let mut player = Player::new(RATE, 1);
    let other = ToneGenerator::single(SampleRate::WIDE, 440.0, Dbfs(-10.0)).unwrap();
    let error = player.push(Source::Tone(other)).unwrap_err();
    assert_eq!(error.to_string(), "tone of 16000 Hz: expected 8000 Hz as the player");
    player.push(Source::Silence(1)).unwrap();
    let Err(PlayerError::Full { limit: 1, source: Source::Silence(5) }) = player.push(Source::Silence(5)) else {
        panic!("refused with its source")
    };
    let mut cleared = 0;
    player.clear(|_, _| cleared += 1);
    assert_eq!((cleared, player.len()), (1, 0));
}

#[test]
fn playing_allocates_nothing() {
    let (mut writer, reader) = ring(1_000);
    let samples: Arc<[i16]> = [3; 500].into();
    let looped = Source::Samples { samples: Arc::clone(&samples), repeat: Repeat::Times(2) };
    let endless =
        Source::Tone(ToneGenerator::single(RATE, 440.0, Dbfs(-10.0)).unwrap().lasting(Duration::from_millis(50)));
    let mut player = Player::new(RATE, 8);
    let mut back = Vec::with_capacity(8);
    let mut frame = [0; 160];
    writer.write(&[5; 200]);
    drop(writer);
    let counted = allocation_counter::measure(|| {
        for source in [looped, endless, Source::Ring(reader), Source::Silence(700)] {
            assert!(player.push(source).is_ok());
        }
        while player.fill(&mut frame, |_, source| back.push(source)) == frame.len() {}
    });
    assert_eq!((counted.count_total, counted.count_current, back.len()), (0, 0, 4));
}

proptest! {
    #[test]
    fn lengths_are_exact_whatever_the_frames(
        lengths in prop::collection::vec((0_usize..4, 0_u64..700), 1..12), size in 1_usize..400,
    ) {
        let sources = lengths.iter().map(|(kind, length)| match kind {
            0 => Source::Silence(*length),
            1 => Source::once(vec![1; *length as usize]),
            2 => Source::Tone(tone(440.0, *length)),
            _ => {
                let (mut writer, reader) = ring(*length as usize);
                writer.write(&vec![1; *length as usize]);
                Source::Ring(reader)
            }
        });
        let played = all(&mut player(sources.collect()), size);
        prop_assert_eq!(played.len() as u64, lengths.iter().map(|(_, length)| length).sum::<u64>());
    }
}
