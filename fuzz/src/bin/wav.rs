//! One WAV file: read it whole and in pieces, write what came out, read that again.
#![no_main]

use std::io::Cursor;

use audio::wav::{Encoding, Limits, Reader, Writer, read};
use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;

fuzz_target!(|input: &[u8]| {
    let limits = Limits { seconds: 60, chunks: 16 };
    let Ok(mut reader) = Reader::new(Cursor::new(input), &limits) else { return };
    assert!(reader.len() <= input.len() as u64, "each sample takes at least a byte");
    let mut pieces = Vec::new();
    let mut piece = [0; 37];
    while let Ok(count @ 1..) = reader.read(&mut piece) {
        pieces.extend_from_slice(piece.get(..count).expect("no more than asked for"));
    }
    if reader.seek(reader.len() / 2).is_ok() {
        let _ = reader.read(&mut piece);
    }
    if let Ok(whole) = read(Cursor::new(input), &limits) {
        assert_eq!(whole.samples, pieces, "whole and in pieces");
        let mut file = Cursor::new(Vec::new());
        let mut writer = Writer::new(&mut file, whole.rate).expect("memory does not fail");
        writer.write(&whole.samples).expect("memory does not fail");
        writer.finish().expect("memory does not fail");
        let again = read(file, &limits).expect("a file we wrote");
        assert_eq!(again, whole);
    }
    plant(reader.encoding() == Encoding::Alaw && reader.channels() == 2 && pieces.len() > 4);
});
