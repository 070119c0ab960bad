//! Two URIs, a line each: read, print, compare both ways (RFC 3261 section 19.1.4).
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;
use sip::message::fuzz;
use sip::message::uri::Uri;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (one, other) = text.split_once('\n').unwrap_or((text, "sip:a@b"));
    fuzz::uri(one);
    fuzz::uri(other);
    let (Ok(one), Ok(other)) = (Uri::parse(one), Uri::parse(other)) else { return };
    assert_eq!(one.equivalent(&other), other.equivalent(&one), "{one} and {other}");
    let _ = (one.user_unescaped(), one.params().iter().count(), one.headers().iter().count(), one.transport());
    // Different text, the same address: escapes, letter case, order of parameters.
    let differ = one.as_str() != other.as_str() && one.user() != other.user();
    plant(differ && one.equivalent(&other) && one.params().iter().count() == 2);
});
