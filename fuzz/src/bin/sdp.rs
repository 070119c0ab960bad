//! One session description: parse, look at everything, print, parse again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::{plant, readable};
use sdp::{Direction, Session};

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
    readable(&session);
    plant(session.media.len() == 3 && inactive == 1 && session.audio().is_some_and(|audio| audio.ptime().is_some()));
});
