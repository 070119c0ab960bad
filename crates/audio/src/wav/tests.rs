use std::io::Cursor;

use super::*;

const NARROW: SampleRate = SampleRate::NARROW;

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
    body.extend([0; 6]);
    body.extend(bits.to_le_bytes());
    body
}

fn file(format: &[u8], data: &[u8], size: u32) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WAVE".to_vec();
    bytes.extend(chunk(b"LIST", b"odd", 3));
    bytes.push(0);
    bytes.extend(chunk(b"fmt ", format, format.len() as u32));
    bytes.extend(chunk(b"data", data, size));
    bytes
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    read(bytes, &Limits::default()).unwrap().samples
}

fn written(samples: &[i16]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = Writer::new(&mut bytes, NARROW).unwrap();
    writer.write(samples).unwrap();
    writer.finish().unwrap();
    bytes.into_inner()
}

#[test]
fn what_is_written_is_read() {
    let tone: Vec<i16> = (0..20_000).map(|n| (n * 7 % 1000) as i16 - 500).collect();
    let audio = read(&written(&tone)[..], &Limits::default()).unwrap();
    assert_eq!(audio, Audio { rate: NARROW, samples: tone });
}

#[test]
fn every_sample_format_becomes_16_bit_mono() {
    assert_eq!(samples(&file(&format(PCM, 1, 8000, 8), &[0, 128, 255], 3)), [-32_768, 0, 32_512]);
    assert_eq!(samples(&file(&format(PCM, 1, 8000, 16), &[1, 2, 3, 4], 4)), [0x0201, 0x0403]);
    assert_eq!(samples(&file(&format(PCM, 1, 8000, 24), &[9, 1, 2], 3)), [0x0201]);
    assert_eq!(samples(&file(&format(PCM, 1, 8000, 32), &[9, 9, 1, 2], 4)), [0x0201]);
    assert_eq!(samples(&file(&format(PCM, 2, 8000, 16), &[10, 0, 20, 0], 4)), [15]);
    assert_eq!(samples(&file(&format(ULAW, 1, 8000, 8), &[0xff, 0x00], 2)), [0, -32_124]);
    assert_eq!(samples(&file(&format(ALAW, 1, 8000, 8), &[0xd5], 1)), [8]);
}

#[test]
fn extensible_format_names_its_real_tag() {
    let mut body = format(EXTENSIBLE, 1, 16_000, 16);
    body.extend([22, 0, 16, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    let audio = read(&file(&body, &[5, 0], 2)[..], &Limits::default()).unwrap();
    assert_eq!((audio.rate, audio.samples), (SampleRate::WIDE, vec![5]));
}

#[test]
fn unfinished_header_is_read_to_the_end() {
    for size in [0, u32::MAX, 1_000_000] {
        assert_eq!(samples(&file(&format(PCM, 1, 8000, 16), &[1, 0, 2, 0, 3], size)), [1, 2], "size {size}");
    }
}

#[test]
fn faults_say_where_and_what_was_expected() {
    let error = |bytes: &[u8]| read(bytes, &Limits::default()).unwrap_err().to_string();
    assert_eq!(error(b"hello, world, this is text"), "WAV byte 0: expected RIFF");
    assert_eq!(error(b"RIFF\0\0\0\0AVI "), "WAV byte 8: expected WAVE");
    assert_eq!(error(b"RF64\0\0\0\0WAVE"), "WAV with RF64 header: expected RIFF below 4 GB");
    assert!(error(&file(&format(3, 1, 8000, 32), &[], 0)).starts_with("WAV with format 3 of 32 bit: expected PCM"));
    assert!(error(&file(&format(PCM, 0, 8000, 16), &[], 0)).contains("0 channels"));
    assert!(error(&file(&format(PCM, 1, 0, 16), &[], 0)).contains("0 samples a second"));
    assert_eq!(
        error(&[b"RIFF\0\0\0\0WAVE".as_slice(), b"data\0\0\0\0"].concat()),
        "WAV byte 20: expected fmt chunk before data"
    );
}

#[test]
fn length_is_limited_to_the_sample() {
    let limits = Limits { seconds: 1, chunks: 8 };
    let exact = file(&format(PCM, 1, 8000, 16), &[0; 16_000], 0);
    assert_eq!(read(&exact[..], &limits).unwrap().samples.len(), 8_000);
    let longer = file(&format(PCM, 1, 8000, 16), &[0; 16_002], 0);
    assert!(matches!(read(&longer[..], &limits), Err(WavError::TooLong { seconds: 1 })));
}

#[test]
fn no_prefix_and_no_changed_byte_panics() {
    let whole = file(&format(PCM, 2, 8000, 24), &[7; 60], 60);
    for end in 0..whole.len() {
        let _ = read(&whole[..end], &Limits::default());
    }
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] = value;
            let _ = read(&changed[..], &Limits { seconds: 1, chunks: 4 });
        }
    }
}

#[test]
fn header_is_right_after_a_crash() {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = Writer::new(&mut bytes, NARROW).unwrap();
    writer.write(&[3; 8_000]).unwrap();
    writer.write(&[4; 100]).unwrap();
    // A crash: nothing of the writer runs any more.
    std::mem::forget(writer);
    let bytes = bytes.into_inner();
    let size = u32::from_le_bytes([bytes[40], bytes[41], bytes[42], bytes[43]]);
    assert_eq!(size, 16_000, "the header counts what was flushed");
    assert!(samples(&bytes).starts_with(&[3; 8_000]));
}

#[test]
fn full_disk_is_an_error() {
    struct Full(Cursor<Vec<u8>>);
    impl io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.position() + bytes.len() as u64 > 1_000 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl io::Seek for Full {
        fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }
    let mut writer = Writer::new(Full(Cursor::new(Vec::new())), NARROW).unwrap();
    assert!(
        matches!(writer.write(&[1; 1_000]), Err(WavError::Io(error)) if error.kind() == io::ErrorKind::StorageFull)
    );
}
