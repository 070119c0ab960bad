use std::io::{self, Cursor, SeekFrom};

use super::*;
use crate::wav::{Limits, read};

const RATE: SampleRate = SampleRate::NARROW;

fn content(bytes: Cursor<Vec<u8>>) -> Vec<i16> {
    read(bytes, &Limits::default()).unwrap().samples
}

#[test]
fn what_goes_into_the_ring_comes_into_the_file() {
    let mut bytes = Cursor::new(Vec::new());
    let (mut recorder, mut input) = Recorder::new(&mut bytes, RATE, 16_000, u64::MAX).unwrap();
    let sound: Vec<i16> = (0..30_000).map(|n| (n % 4_001) as i16).collect();
    for frame in sound.chunks(160) {
        assert_eq!(input.write(frame), 0);
        if input.room() < 1_000 {
            assert_eq!(recorder.drain().unwrap(), Recording::Going);
        }
    }
    drop(input);
    assert_eq!(recorder.drain().unwrap(), Recording::Ended);
    assert_eq!((recorder.written(), recorder.lost()), (30_000, 0));
    assert_eq!(recorder.finish().unwrap(), 30_000);
    assert_eq!(content(bytes), sound);
}

#[test]
fn what_the_disk_is_too_slow_for_is_silence_of_the_same_length() {
    let mut bytes = Cursor::new(Vec::new());
    let (mut recorder, mut input) = Recorder::new(&mut bytes, RATE, 320, u64::MAX).unwrap();
    let lost: usize = (1..=4).map(|said| input.write(&[said; 160])).sum();
    recorder.drain().unwrap();
    input.write(&[]);
    recorder.drain().unwrap();
    input.write(&[5; 160]);
    assert_eq!((lost as u64, recorder.lost()), (320, 320));
    assert_eq!(recorder.finish().unwrap(), 5 * 160);
    let expected: Vec<i16> = [1, 2, 0, 0, 5].iter().flat_map(|said| [*said; 160]).collect();
    assert_eq!(content(bytes), expected);
}

#[test]
fn the_limit_holds_to_the_sample() {
    for limit in [0, 1, 159, 160, 5_000] {
        let mut bytes = Cursor::new(Vec::new());
        let (mut recorder, mut input) = Recorder::new(&mut bytes, RATE, 10_000, limit).unwrap();
        input.write(&[1; 5_001]);
        assert_eq!(recorder.drain().unwrap(), Recording::Full);
        input.write(&[2; 160]);
        assert_eq!(recorder.drain().unwrap(), Recording::Full);
        assert_eq!(recorder.finish().unwrap(), limit);
        assert_eq!(content(bytes), vec![1; limit as usize]);
    }
}

#[test]
fn a_limit_that_is_not_reached_is_no_end() {
    let mut bytes = Cursor::new(Vec::new());
    let (mut recorder, mut input) = Recorder::new(&mut bytes, RATE, 1_000, 500).unwrap();
    input.write(&[1; 499]);
    assert_eq!(recorder.drain().unwrap(), Recording::Going);
    input.write(&[1; 1]);
    assert_eq!(recorder.drain().unwrap(), Recording::Full);
}

/// A disk that takes so many bytes and then nothing.
struct Small(Cursor<Vec<u8>>, u64);

impl Write for Small {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.position() + bytes.len() as u64 > self.1 {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Small {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_full_disk_ends_the_recording_with_a_readable_file() {
    let mut disk = Small(Cursor::new(Vec::new()), 44 + 2 * 1_000);
    let (mut recorder, mut input) = Recorder::new(&mut disk, RATE, 4_000, u64::MAX).unwrap();
    for _ in 0..6 {
        input.write(&[7; 160]);
        recorder.drain().unwrap();
    }
    input.write(&[7; 160]);
    assert!(
        matches!(recorder.drain(), Err(WavError::Io { source, .. }) if source.kind() == io::ErrorKind::StorageFull)
    );
    input.write(&[7; 160]);
    assert!(matches!(recorder.drain(), Err(WavError::Stopped { written: 960 })));
    assert!(matches!(recorder.finish(), Err(WavError::Stopped { written: 960 })));
    assert_eq!(content(disk.0), [7; 960]);
}
