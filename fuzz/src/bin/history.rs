//! The entries of History-Info (RFC 7044), behind what an INVITE has besides: kept, told within the trust domain and outside, and heard in a response. What is told
//! can be read again, as often as it was told.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;
use sip::header::HistoryInfo;
use sip::history::{self, Found, History, Mechanism, Most};
use sip::message::{HeaderId, Headers, Limits, Message, StatusCode, Uri};

const HEAD: &str = "INVITE sip:b@home.example SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@home.example>\r\n\
                    Call-ID: 1\r\nCSeq: 1 INVITE\r\nHistory-Info: ";

fuzz_target!(|input: &[u8]| {
    let text = [HEAD.as_bytes(), input, b"\r\n\r\n"].concat();
    let Ok(message) = Message::parse(Bytes::from(text), &Limits::default()) else { return };
    let headers = message.headers();
    let Ok(target) = Uri::parse("sip:b@home.example") else { return };
    let ours = |uri: &Uri<'_>| uri.host_text() == "home.example";
    let Some(mut kept) = History::of(headers, &target, Most::default(), true, ours) else { return };
    let entry = kept.branch("sip:b@192.0.2.3", &Found::Here(Mechanism::SameUser));
    if let Some(entry) = &entry {
        kept.heard(entry, StatusCode::BUSY_HERE, Some(headers), ours);
    }
    for to_trusted in [true, false] {
        let told = kept.to_target(headers, None, to_trusted);
        let mut octets = 0;
        for (name, value) in told.lines.iter().filter(|(name, _)| *name == HeaderId::HistoryInfo.name()) {
            octets += value.len();
            let text = String::from_utf8_lossy(value);
            let Ok(read) = Headers::read::<HistoryInfo<'_>>(value) else { panic!("{name}: {text}") };
            assert!(to_trusted || read.uri.headers().get("Privacy").is_none(), "{text}");
        }
        // Escaped anew, some are up to three times as long.
        assert!(octets <= 4 * Most::default().octets, "{octets} octets");
    }
    let entries = history::entries(headers);
    let _ = history::has_gaps(&entries);
    plant(entries.len() == 3 && entries[2].reasons().count() == 2);
});
