//! What the descriptions of a call cost its callee: read an offer, answer it, print the answer.
//!
//! `answer_cost <calls>` answers that many offers as `offhook answer` does. Run it under an instruction counter with two counts and take
//! the difference. `answer_cost <calls> rich` takes an offer of a desk telephone with two streams instead of the shortest one.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measuring program tells its figures")]

use audio::codec::Codec;
use media::CallMedia;

const SHORT: &str = "v=0\r\no=user1 53655765 2353687637 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
                     m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

const RICH: &str = "v=0\r\no=- 1545997027 1 IN IP4 192.0.2.2\r\ns=telephone\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
                    m=audio 11782 RTP/AVP 0 8 9 18 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
                    a=rtpmap:9 G722/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n\
                    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n\
                    m=video 11784 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\na=sendrecv\r\n";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let calls: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let offer = if arguments.next().is_some() { RICH } else { SHORT };
    let local = ([192, 0, 2, 1], 4000).into();
    let (mut octets, mut streams) = (0, 0);
    for call in 0..calls {
        let mut media = CallMedia::new(local, &Codec::ALL, call << 20);
        for stream in &mut media.capabilities().media {
            stream.direction = sdp::Direction::RecvOnly;
        }
        if let Ok((body, agreed)) = media.answer(offer.as_bytes()) {
            octets += body.len();
            streams += usize::from(agreed.settings.is_some());
        }
    }
    println!("{streams} streams agreed in {octets} octets");
}
