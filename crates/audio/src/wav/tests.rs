use std::cell::RefCell;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::frame::SampleRate;

const NARROW: SampleRate = SampleRate::NARROW;
const PCM: u16 = 1;
const FLOAT: u16 = 3;
const ALAW: u16 = 6;
const ULAW: u16 = 7;
const EXTENSIBLE: u16 = 0xFFFE;

fn chunk(name: &[u8; 4], body: &[u8], size: u32) -> Vec<u8> {
    let mut bytes = name.to_vec();
    bytes.extend(size.to_le_bytes());
    bytes.extend(body);
    bytes
}

fn format(tag: u16, channels: u16, hz: u32, bits: u16) -> Vec<u8> {
    let mut body = tag.to_le_bytes().to_vec();
    body.extend(channels.to_le_bytes());
    body.extend(hz.to_le_bytes());
    body.extend([0; 4]);
    body.extend((channels * bits.div_ceil(8)).to_le_bytes());
    body.extend(bits.to_le_bytes());
    body
}

/// A file with an odd chunk before the format, an unfinished RIFF size, and `size` as that of the data.
fn file(format: &[u8], data: &[u8], size: u32) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WAVE".to_vec();
    bytes.extend(chunk(b"LIST", b"odd", 3));
    bytes.push(0);
    bytes.extend(chunk(b"fmt ", format, format.len() as u32));
    bytes.extend(chunk(b"data", data, size));
    bytes
}

fn try_read(bytes: &[u8]) -> Result<Audio, WavError> {
    read(Cursor::new(bytes), &Limits::default())
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    try_read(bytes).unwrap().samples
}

fn error(bytes: &[u8]) -> String {
    try_read(bytes).unwrap_err().to_string()
}

fn written(rate: SampleRate, samples: &[i16]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = Writer::new(&mut bytes, rate).unwrap();
    writer.write(samples).unwrap();
    writer.finish().unwrap();
    bytes.into_inner()
}

mod reading {
    use super::*;

    #[test]
    fn every_encoding_becomes_16_bit_mono() {
        assert_eq!(samples(&file(&format(PCM, 1, 8000, 8), &[0, 128, 255], 3)), [-32_768, 0, 32_512]);
        assert_eq!(samples(&file(&format(PCM, 1, 8000, 16), &[1, 2, 3, 4], 4)), [0x0201, 0x0403]);
        assert_eq!(samples(&file(&format(PCM, 1, 8000, 24), &[9, 1, 2, 0x80, 1, 2], 6)), [0x0201, 0x0202]);
        assert_eq!(
            samples(&file(&format(PCM, 1, 8000, 32), &[9, 9, 1, 2, 0xFF, 0xFF, 0xFF, 0x7F], 8)),
            [0x0201, 32_767]
        );
        assert_eq!(samples(&file(&format(PCM, 1, 8000, 12), &[0xF0, 0x7F], 2)), [0x7FF0], "12 bits in the upper ones");
        assert_eq!(samples(&file(&format(ULAW, 1, 8000, 8), &[0xFF, 0x00], 2)), [0, -32_124]);
        assert_eq!(samples(&file(&format(ALAW, 1, 8000, 8), &[0xD5], 1)), [8]);
        let floats: Vec<u8> =
            [0.5_f32, -1.0, 7.0, f32::NAN, f32::NEG_INFINITY].iter().flat_map(|f| f.to_le_bytes()).collect();
        assert_eq!(samples(&file(&format(FLOAT, 1, 8000, 32), &floats, 20)), [16_384, -32_768, 32_767, 0, -32_768]);
        let double = 0.25_f64.to_le_bytes();
        assert_eq!(samples(&file(&format(FLOAT, 1, 8000, 64), &double, 8)), [8_192]);
    }

    #[test]
    fn channels_are_averaged() {
        assert_eq!(samples(&file(&format(PCM, 2, 8000, 16), &[10, 0, 20, 0], 4)), [15]);
        let loud = [0xFF, 0x7F, 0xFF, 0x7F, 0, 0x80, 0, 0x80];
        assert_eq!(samples(&file(&format(PCM, 2, 8000, 16), &loud, 8)), [32_767, -32_768]);
        assert_eq!(samples(&file(&format(ULAW, 2, 8000, 8), &[0x00, 0xFF], 2)), [-16_062]);
        assert_eq!(samples(&file(&format(ALAW, 2, 8000, 8), &[0xD5, 0x55], 2)), [0]);
        assert_eq!(samples(&file(&format(PCM, 8, 8000, 8), &[136; 8], 8)), [2_048]);
    }

    fn extensible(tag: u16, tail: u8) -> Vec<u8> {
        let mut body = format(EXTENSIBLE, 1, 16_000, 16);
        body.extend([22, 0, 16, 0, 4, 0, 0, 0]);
        body.extend(tag.to_le_bytes());
        body.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, tail]);
        body
    }

    #[test]
    fn extensible_format_names_its_real_tag() {
        let audio = try_read(&file(&extensible(PCM, 0x71), &[5, 0], 2)).unwrap();
        assert_eq!((audio.rate, audio.samples), (SampleRate::WIDE, vec![5]));
        assert_eq!(
            error(&file(&extensible(PCM, 0x72), &[], 0)),
            "WAV byte 58: expected sub-format made of a format tag"
        );
        assert!(error(&file(&extensible(EXTENSIBLE, 0x71), &[], 0)).starts_with("WAV with format 65534 of 16 bit"));
        let short = &extensible(PCM, 0x71)[..20];
        assert_eq!(error(&file(short, &[], 0)), "WAV byte 32: expected extensible fmt chunk of at least 40 bytes");
    }

    #[test]
    fn unfinished_or_cut_file_is_read_to_the_end() {
        for size in [0, u32::MAX, u32::MAX - 1, 1_000_000] {
            assert_eq!(samples(&file(&format(PCM, 1, 8000, 16), &[1, 0, 2, 0, 3], size)), [1, 2], "size {size}");
        }
        let mut zeroed = written(NARROW, &[7; 1_000]);
        zeroed[4..8].copy_from_slice(&36_u32.to_le_bytes());
        zeroed[40..44].fill(0);
        assert_eq!(samples(&zeroed), [7; 1_000], "sizes of a file without samples, as at its start");
        let whole = written(NARROW, &[7; 1_000]);
        assert_eq!(samples(&whole[..1_043]).len(), 499, "cut in the middle of a sample");
        assert!(samples(&whole[..44]).is_empty());
    }

    #[test]
    fn empty_data_is_empty_when_the_header_accounts_for_what_follows() {
        let mut bytes = written(NARROW, &[]);
        bytes.extend(chunk(b"LIST", b"text", 4));
        let size = bytes.len() as u32 - 8;
        bytes[4..8].copy_from_slice(&size.to_le_bytes());
        assert!(samples(&bytes).is_empty());
    }

    #[test]
    fn chunks_after_the_data_are_not_heard() {
        let mut bytes = written(NARROW, &[7; 10]);
        bytes.extend(chunk(b"LIST", b"text", 4));
        assert_eq!(samples(&bytes), [7; 10]);
    }

    #[test]
    fn faults_say_where_and_what_was_expected() {
        assert_eq!(error(b""), "WAV byte 0: expected RIFF header of 12 bytes");
        assert_eq!(error(b"hello, world, this is text"), "WAV byte 0: expected RIFF");
        assert_eq!(error(b"RIFF\0\0\0\0AVI "), "WAV byte 8: expected WAVE");
        assert_eq!(error(b"RIFF\0\0\0\0WAVE"), "WAV byte 12: expected fmt or data chunk");
        for name in [b"RF64", b"BW64"] {
            let bytes = [name.as_slice(), b"\xFF\xFF\xFF\xFFWAVE"].concat();
            assert_eq!(error(&bytes), "WAV with RF64 header: expected RIFF below 4 GB");
        }
        assert_eq!(error(b"RIFX\0\0\0\0WAVE"), "WAV with RIFX header: expected RIFF, little endian");
        let unsupported = error(&file(&format(2, 1, 8000, 4), &[], 0));
        assert_eq!(unsupported, "WAV with format 2 of 4 bit: expected PCM up to 32 bit, float, A-law or u-law");
        for (tag, bits) in [(PCM, 0), (PCM, 33), (FLOAT, 16), (ALAW, 16), (ULAW, 4)] {
            assert!(error(&file(&format(tag, 1, 8000, bits), &[], 0)).contains(&format!("format {tag} of {bits} bit")));
        }
        for channels in [0, 9, 255] {
            let text = error(&file(&format(PCM, channels, 8000, 16), &[], 0));
            assert_eq!(text, format!("WAV with {channels} channels: expected 1 to 8"));
        }
        for hz in [0, 999, 384_001, u32::MAX] {
            let text = error(&file(&format(PCM, 1, hz, 16), &[], 0));
            assert_eq!(text, format!("WAV with {hz} samples a second: expected 1000 to 384000"));
        }
        let no_format = [b"RIFF\0\0\0\0WAVE".as_slice(), b"data\0\0\0\0"].concat();
        assert_eq!(error(&no_format), "WAV byte 12: expected fmt chunk before data");
        assert_eq!(error(&file(&[0; 15], &[], 0)), "WAV byte 32: expected fmt chunk of at least 16 bytes");
        let mut gaps = format(PCM, 2, 8000, 16);
        gaps[12] = 5;
        assert_eq!(error(&file(&gaps, &[], 0)), "WAV byte 44: expected block of all channels without gaps");
    }

    #[test]
    fn chunks_before_the_data_are_limited() {
        let many = |count: usize| {
            let mut bytes = b"RIFF\0\0\0\0WAVE".to_vec();
            bytes.extend(chunk(b"fmt ", &format(PCM, 1, 8000, 16), 16));
            (0..count).for_each(|_| bytes.extend(chunk(b"junk", &[], 0)));
            bytes.extend(chunk(b"data", &[1, 0], 2));
            bytes
        };
        assert_eq!(samples(&many(62)), [1]);
        assert!(error(&many(63)).ends_with("expected data chunk among the first chunks"));
    }

    #[test]
    fn length_in_memory_is_limited_to_the_sample() {
        let limits = Limits { seconds: 1, chunks: 8 };
        let exact = file(&format(PCM, 1, 8000, 16), &[0; 16_000], 0);
        assert_eq!(read(Cursor::new(&exact), &limits).unwrap().samples.len(), 8_000);
        let longer = file(&format(PCM, 1, 8000, 16), &[0; 16_002], 0);
        assert!(matches!(read(Cursor::new(&longer), &limits), Err(WavError::TooLong { seconds: 1 })));
        assert_eq!(Reader::new(Cursor::new(&longer), &limits).unwrap().len(), 8_001, "a stream may be longer");
    }

    #[test]
    fn a_reader_streams_and_seeks() {
        let tone: Vec<i16> = (0..20_000).map(|n| (n % 30_000) as i16).collect();
        let mut reader = Reader::new(Cursor::new(written(NARROW, &tone)), &Limits::default()).unwrap();
        assert_eq!((reader.len(), reader.channels(), reader.encoding()), (20_000, 1, Encoding::Pcm { bits: 16 }));
        let mut frame = [0; 160];
        assert_eq!(reader.read(&mut frame).unwrap(), 160);
        assert_eq!(frame, tone[..160]);
        reader.seek(19_950).unwrap();
        assert_eq!(reader.read(&mut frame).unwrap(), 50);
        assert_eq!((&frame[..50], reader.position()), (&tone[19_950..], 20_000));
        assert_eq!(reader.read(&mut frame).unwrap(), 0);
        reader.seek(u64::MAX).unwrap();
        assert_eq!(reader.position(), 20_000);
        reader.seek(3).unwrap();
        let mut rest = vec![0; 30_000];
        assert_eq!(reader.read(&mut rest).unwrap(), 19_997);
        assert_eq!(rest[..19_997], tone[3..]);
    }

    /// Fails to read after so many bytes, or gives one byte at a time.
    struct Bad<'a>(Cursor<&'a [u8]>, u64);

    impl Read for Bad<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.0.position() >= self.1 {
                return Err(io::Error::other("bad sector"));
            }
            self.0.read(&mut out[..1])
        }
    }

    impl Seek for Bad<'_> {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn a_disk_that_fails_says_at_which_byte() {
        let whole = written(NARROW, &[3; 100]);
        for good in 0..whole.len() as u64 {
            let error = read(Bad(Cursor::new(&whole), good), &Limits::default()).unwrap_err();
            assert_eq!(error.to_string(), format!("WAV byte {good}: reading: bad sector"));
            assert!(std::error::Error::source(&error).is_some());
        }
        let slow = read(Bad(Cursor::new(&whole), u64::MAX), &Limits::default()).unwrap();
        assert_eq!(slow.samples, [3; 100], "one byte at a time");
    }

    #[test]
    fn no_prefix_and_no_changed_byte_panics() {
        for whole in [file(&format(PCM, 2, 8000, 24), &[7; 60], 60), file(&extensible(FLOAT, 0x71), &[7; 60], 0)] {
            for end in 0..whole.len() {
                let _ = try_read(&whole[..end]);
            }
            for at in 0..whole.len() {
                for value in 0..=255 {
                    let mut changed = whole.clone();
                    changed[at] = value;
                    let _ = read(Cursor::new(&changed), &Limits { seconds: 1, chunks: 4 });
                }
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..300), start in 0..3_usize) {
            let head: &[u8] = [b"".as_slice(), b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0"][start];
            bytes.splice(0..0, head.iter().copied());
            if let Ok(audio) = try_read(&bytes) {
                prop_assert!(audio.samples.len() <= bytes.len());
            }
        }

        #[test]
        fn what_hound_writes_is_read_as_hound_reads_it(
            channels in 1_u16..=8,
            bits in prop::sample::select(vec![8_u16, 16, 24, 32]),
            hz in 1_000_u32..=384_000,
            values in prop::collection::vec(any::<i32>(), 0..200),
        ) {
            let whole = values.len() / usize::from(channels) * usize::from(channels);
            let spec =
                hound::WavSpec { channels, sample_rate: hz, bits_per_sample: bits, sample_format: hound::SampleFormat::Int };
            let mut bytes = Cursor::new(Vec::new());
            let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
            for value in &values[..whole] {
                writer.write_sample(value >> (32 - bits)).unwrap();
            }
            writer.finalize().unwrap();
            let audio = try_read(bytes.get_ref()).unwrap();
            bytes.set_position(0);
            let peers: Vec<i32> = hound::WavReader::new(bytes).unwrap().samples().map(Result::unwrap).collect();
            let expected: Vec<i16> = peers
                .chunks(usize::from(channels))
                .map(|moment| {
                    let sum: i64 = moment.iter().map(|value| i64::from(*value) << (32 - bits)).sum();
                    ((sum / i64::from(channels) + 0x8000) >> 16).min(32_767) as i16
                })
                .collect();
            prop_assert_eq!((audio.rate.hz(), audio.samples), (hz, expected));
        }
    }
}

mod writing {
    use super::*;

    /// A file that stays when its writer is gone, and that holds so many bytes at most.
    #[derive(Clone)]
    struct Disk {
        bytes: Rc<RefCell<Cursor<Vec<u8>>>>,
        room: u64,
        writes: Rc<RefCell<u32>>,
    }

    impl Disk {
        fn new(room: u64) -> Self {
            Self { bytes: Rc::default(), room, writes: Rc::default() }
        }

        fn content(&self) -> Vec<u8> {
            self.bytes.borrow().get_ref().clone()
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            *self.writes.borrow_mut() += 1;
            let mut cursor = self.bytes.borrow_mut();
            let room = usize::try_from(self.room.saturating_sub(cursor.position())).unwrap();
            if room == 0 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            cursor.write(&bytes[..bytes.len().min(room)])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Disk {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.bytes.borrow_mut().seek(to)
        }
    }

    fn size_in_header(bytes: &[u8]) -> u32 {
        let riff = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
        let data = u32::from_le_bytes(bytes[40..44].try_into().unwrap());
        assert_eq!(riff, data + 36);
        data
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_by_us_and_by_hound(
            pieces in prop::collection::vec(prop::collection::vec(any::<i16>(), 0..3_000), 0..12),
            hz in 1_000_u32..50_000,
        ) {
            let rate = SampleRate::new(hz).unwrap();
            let mut bytes = Cursor::new(Vec::new());
            let mut writer = Writer::new(&mut bytes, rate).unwrap();
            pieces.iter().for_each(|piece| writer.write(piece).unwrap());
            let all = pieces.concat();
            prop_assert_eq!(writer.written(), all.len() as u64);
            writer.finish().unwrap();
            bytes.set_position(0);
            let peers: Vec<i16> = hound::WavReader::new(&mut bytes).unwrap().samples().map(Result::unwrap).collect();
            prop_assert_eq!(&peers, &all);
            prop_assert_eq!(read(bytes, &Limits::default()).unwrap(), Audio { rate, samples: all });
        }
    }

    #[test]
    fn header_is_at_most_a_second_behind_when_the_writer_dies() {
        for frames in 0..120 {
            let disk = Disk::new(u64::MAX);
            let mut writer = Writer::new(disk.clone(), NARROW).unwrap();
            (0..frames).for_each(|_| writer.write(&[3; 160]).unwrap());
            // A crash: nothing of the writer runs any more.
            std::mem::forget(writer);
            let bytes = disk.content();
            let counted = size_in_header(&bytes) / 2;
            assert_eq!(counted, frames * 160 / 8_000 * 8_000);
            assert_eq!(bytes.len() as u32, 44 + frames * 320, "samples are not held back");
            let peers = hound::WavReader::new(Cursor::new(bytes)).unwrap();
            assert_eq!(peers.duration(), counted, "another reader takes the file");
        }
    }

    #[test]
    fn a_long_piece_is_flushed_on_its_way() {
        let disk = Disk::new(44 + 2 * 20_000);
        let mut writer = Writer::new(disk.clone(), NARROW).unwrap();
        assert!(writer.write(&[3; 30_000]).is_err());
        assert_eq!(writer.written(), 16_000);
        std::mem::forget(writer);
        assert_eq!(size_in_header(&disk.content()), 32_000);
    }

    #[test]
    fn a_frame_is_one_write() {
        let disk = Disk::new(u64::MAX);
        let mut writer = Writer::new(disk.clone(), NARROW).unwrap();
        let before = *disk.writes.borrow();
        (0..50).for_each(|_| writer.write(&[3; 160]).unwrap());
        assert_eq!(*disk.writes.borrow() - before, 52, "50 frames and two sizes in the header");
    }

    #[test]
    fn full_disk_stops_the_writer_and_leaves_a_readable_file() {
        let disk = Disk::new(1_000);
        let mut writer = Writer::new(disk.clone(), NARROW).unwrap();
        writer.write(&[1; 400]).unwrap();
        let error = writer.write(&[2; 400]).unwrap_err();
        assert_eq!(error.to_string(), "WAV byte 844: writing samples: no storage space");
        assert!(matches!(writer.write(&[3; 1]), Err(WavError::Stopped { written: 400 })));
        assert!(matches!(writer.flush(), Err(WavError::Stopped { .. })));
        assert_eq!(size_in_header(&disk.content()), 800, "right before the writer is gone");
        assert_eq!(writer.finish().unwrap_err().to_string(), "WAV writer failed after 400 samples: expected a new one");
        assert_eq!(samples(&disk.content()), [1; 400]);
        assert!(matches!(Writer::new(Disk::new(10), NARROW), Err(WavError::Io { at: 0, .. })));
    }

    #[test]
    fn dropping_ends_the_file() {
        let disk = Disk::new(u64::MAX);
        let mut writer = Writer::new(disk.clone(), SampleRate::WIDE).unwrap();
        writer.write(&[9; 123]).unwrap();
        drop(writer);
        assert_eq!(samples(&disk.content()), [9; 123]);
    }

    #[test]
    fn the_longest_file_is_the_end_and_one_sample_more_is_refused() {
        let sizes = 2 * writer::MAX_SAMPLES + 36;
        assert!(sizes <= u64::from(u32::MAX) && sizes + 8 + 2 > u64::from(u32::MAX), "{sizes} is the RIFF size");
        let disk = Disk::new(u64::MAX);
        let mut writer = Writer::limited(disk.clone(), NARROW, 20_000).unwrap();
        writer.write(&[1; 19_999]).unwrap();
        assert!(matches!(writer.write(&[2, 2]), Err(WavError::TooLong { seconds: 2 })));
        writer.write(&[3]).unwrap();
        assert!(matches!(writer.write(&[4]), Err(WavError::TooLong { .. })));
        writer.finish().unwrap();
        assert_eq!(samples(&disk.content()).len(), 20_000);
    }
}
