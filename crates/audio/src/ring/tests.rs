use proptest::prelude::*;

use super::*;

fn read_all(reader: &mut RingReader) -> Vec<i16> {
    let mut out = vec![7; 10_000];
    let read = reader.read(&mut out);
    out.truncate(read.samples);
    out
}

#[test]
fn samples_come_out_in_order() {
    let (mut writer, mut reader) = ring(1_000);
    assert_eq!((writer.write(&[1, 2, 3]), writer.room(), reader.waiting()), (0, 997, 3));
    let mut out = [9; 2];
    assert_eq!(reader.read(&mut out), Read { samples: 2, ended: false });
    assert_eq!(out, [1, 2]);
    let mut out = [9; 4];
    assert_eq!(reader.read(&mut out), Read { samples: 1, ended: false });
    assert_eq!(out, [3, 9, 9, 9], "nothing is written behind what was read");
    assert_eq!((reader.missed(), reader.lost()), (0, 0));
}

#[test]
fn what_is_lost_is_counted_and_comes_out_as_silence() {
    let (mut writer, mut reader) = ring(100);
    assert_eq!(writer.write(&[1; 160]), 60);
    assert_eq!(writer.write(&[2; 160]), 160);
    assert_eq!((writer.lost(), reader.lost()), (220, 220));
    assert_eq!(read_all(&mut reader), [1; 100]);
    // 220 samples of silence are owed before the next voice.
    assert_eq!(writer.write(&[3; 10]), 10);
    assert_eq!(read_all(&mut reader), [0; 100]);
    assert_eq!(writer.write(&[]), 0);
    assert_eq!(read_all(&mut reader), [0; 100]);
    assert_eq!(writer.write(&[4; 10]), 0);
    assert_eq!(read_all(&mut reader), [vec![0; 30], vec![4; 10]].concat());
}

#[test]
fn late_samples_are_silence_until_the_writer_goes() {
    let (mut writer, mut reader) = ring(100);
    writer.write(&[5; 10]);
    let mut out = [1; 16];
    assert_eq!(reader.read_in_time(&mut out), Read { samples: 16, ended: false });
    assert_eq!(out[..], [[5; 10].as_slice(), &[0; 6]].concat());
    assert_eq!(reader.missed(), 6);
    writer.write(&[6; 10]);
    drop(writer);
    assert_eq!(reader.read_in_time(&mut out), Read { samples: 10, ended: true });
    assert_eq!(reader.read_in_time(&mut out), Read { samples: 0, ended: true });
    assert_eq!(reader.missed(), 6, "the end is not late");
}

#[test]
fn the_end_is_told_with_the_last_sample() {
    let (mut writer, mut reader) = ring(100);
    writer.write(&[5; 10]);
    drop(writer);
    let mut out = [0; 10];
    assert_eq!(reader.read(&mut out[..4]), Read { samples: 4, ended: false });
    assert_eq!(reader.read(&mut out[..6]), Read { samples: 6, ended: true });
    let (writer, reader) = ring(1);
    drop(reader);
    assert!(writer.is_abandoned());
}

#[test]
fn a_ring_without_room_loses_everything() {
    let (mut writer, mut reader) = ring(0);
    assert_eq!(writer.write(&[1; 5]), 5);
    assert!(read_all(&mut reader).is_empty());
}

proptest! {
    /// Whatever is read when: what comes out is what went in, with silence for what was lost.
    #[test]
    fn what_comes_out_stays_in_time(
        steps in prop::collection::vec((0_usize..300, 0_usize..300), 0..60), capacity in 1_usize..400,
    ) {
        let (mut writer, mut reader) = ring(capacity);
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        for (write, read) in steps {
            let frame: Vec<i16> = (0..write).map(|n| (sent.len() + n) as i16 | 1).collect();
            let lost = writer.write(&frame);
            sent.extend_from_slice(&frame[..write - lost]);
            sent.extend(std::iter::repeat_n(0, lost));
            let mut out = vec![0; read];
            let count = reader.read(&mut out).samples;
            got.extend_from_slice(&out[..count]);
        }
        while !got.is_empty() && got.len() < sent.len() {
            let before = got.len();
            writer.write(&[]);
            got.extend(read_all(&mut reader));
            prop_assert!(got.len() > before, "what is owed comes when there is room");
        }
        prop_assert_eq!(&got[..], &sent[..got.len()]);
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "two threads are what is tested")]
fn two_threads_lose_nothing_that_fits() {
    let (mut writer, mut reader) = ring(4_096);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for frame in 0..2_000_i16 {
                while writer.room() < 160 {
                    std::thread::yield_now();
                }
                assert_eq!(writer.write(&[frame; 160]), 0);
            }
        });
        let mut seen = Vec::new();
        let mut out = [0; 1_000];
        loop {
            let read = reader.read(&mut out);
            seen.extend_from_slice(&out[..read.samples]);
            if read.ended {
                break;
            }
            std::thread::yield_now();
        }
        assert_eq!(seen.len(), 320_000);
        assert!(seen.chunks(160).enumerate().all(|(frame, part)| part.iter().all(|sample| *sample == frame as i16)));
    });
}
