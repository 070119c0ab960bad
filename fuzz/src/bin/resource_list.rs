//! The body of a NOTIFY about a list of resources (RFC 4662): parts, and the one that says what the others are about.
#![no_main]

use event::list::ResourceList;
use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;
use sip::message::header::ContentType;
use sip::message::multipart::Parts;
use sip::message::{HeaderId, Headers, Limits};

fuzz_target!(|input: &[u8]| {
    let Ok(kind) = Headers::read::<ContentType<'_>>(b"multipart/related;type=\"application/rlmi+xml\";boundary=b")
    else {
        return;
    };
    // A document alone, or one among parts.
    let _ = ResourceList::read(input);
    let Ok(parts) = Parts::new(&kind, input, &Limits::default()) else { return };
    for part in parts.flatten() {
        let named = part.raw(HeaderId::ContentId).is_some();
        if let Ok(list) = ResourceList::read(part.body()) {
            let instances: usize = list.resources.iter().map(|one| one.instances.len()).sum();
            plant(named && list.full && instances == 3);
        }
    }
});
