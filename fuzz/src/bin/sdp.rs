//! One session description: parse, look at everything, print, parse again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;
use sdp::{Direction, Limits, Session};

fuzz_target!(|input: &[u8]| {
    let session = match Session::parse(input) {
        Ok(session) => session,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let mut inactive = 0;
    for stream in session.streams() {
        inactive += usize::from(stream.direction() == Direction::Inactive);
        let _ = (stream.connection(), stream.is_held_by_address(), stream.ptime(), stream.maxptime());
        let _ = (stream.rtp_endpoint(), stream.rtcp_endpoint(), stream.rtcp(), stream.rtcp_mux());
        for codec in stream.codecs() {
            let _ = (codec.rtpmap(), codec.fmtp_attribute(), codec.is_telephone_event());
        }
    }
    // Printing may lengthen a line; what is printed must be read back all the same.
    let mut wide = Limits::default();
    wide.session_bytes = usize::MAX;
    wide.line_bytes = usize::MAX;
    wide.lines = usize::MAX;
    let printed = session.to_string();
    match Session::parse_with(printed.as_bytes(), &wide) {
        Ok(again) => assert_eq!(again, session, "printed as {printed:?}"),
        Err(error) => panic!("{error}; printed as {printed:?}"),
    }
    plant(session.media.len() == 3 && inactive == 1 && session.audio().is_some_and(|audio| audio.ptime().is_some()));
});
