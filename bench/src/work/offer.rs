//! An offer answered: read, negotiated and printed, as by a callee that keeps nothing of it.

use std::hint::black_box;

use audio::codec::Codec;
use media::CallMedia;

use crate::count::mark;

/// Offers that are counted.
pub(super) const COUNT: usize = 200;

/// The shortest that is of any use: what SIPp offers.
pub(super) const SHORT: &str = "v=0\r\no=user1 53655765 2353687637 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
                                m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

/// That of a desk telephone with a camera.
pub(super) const RICH: &str = "v=0\r\no=- 1545997027 1 IN IP4 192.0.2.2\r\ns=telephone\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
                               m=audio 11782 RTP/AVP 0 8 9 18 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
                               a=rtpmap:9 G722/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n\
                               a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n\
                               m=video 11784 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\na=sendrecv\r\n";

pub(super) fn run(offer: &str) {
    let capabilities = CallMedia::new(([192, 0, 2, 1], 4_000).into(), &Codec::ALL, 0).shared();
    let answer = |session: u64| {
        let answer = CallMedia::answer_once(&capabilities, session << 20, black_box(offer.as_bytes()));
        answer.is_ok_and(|(_, agreed)| agreed.settings.is_some())
    };
    assert!(answer(0), "there is a stream");
    mark();
    let answered = (1..).take(COUNT).filter(|session| answer(*session)).count();
    mark();
    assert_eq!(answered, COUNT, "every offer is answered");
}
