//! A byte stream cut into messages, in pieces of any size.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;
use sip::message::{Frame, Framer, Limits, fuzz};

fuzz_target!(|input: &[u8]| {
    fuzz::stream(input);
    let mut framer = Framer::new(Limits::default());
    let (mut messages, mut pings, mut octets) = (0, 0, 0);
    framer.push(input);
    while let Some(frame) = framer.next_frame() {
        match frame {
            Ok(Frame::Message(message)) => {
                messages += usize::from(message.ends_with(b"\n\r"));
                octets += message.len();
            }
            Ok(Frame::Ping) => pings += 1,
            Ok(Frame::Pong) => {}
            Err(error) => {
                assert_eq!(framer.next_frame(), Some(Err(error)), "an error stays");
                break;
            }
        }
        assert!(octets + framer.buffered() <= input.len(), "nothing is made up");
    }
    plant(messages == 2 && pings == 1);
});
