//! One SIP message: parse, type everything, print, parse again; take its multipart body apart.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;
use sip::message::{HeaderId, Limits, Message, fuzz};

fuzz_target!(|input: &[u8]| {
    fuzz::message(input);
    if cfg!(feature = "planted")
        && let Ok(Message::Request(request)) = Message::parse(Bytes::copy_from_slice(input), &Limits::default())
    {
        let headers = request.headers();
        let both = headers.has(HeaderId::RecordRoute) && headers.has(HeaderId::Organization);
        plant(both && headers.check().is_ok());
    }
});
