//! A conference document (RFC 4575): read, written, and read again as the same. What we write tells all of everything, so documents that tell
//! parts are only read.
#![no_main]

use event::conference::{Conference, Told};
use event::xml::XmlError;
use libfuzzer_sys::fuzz_target;
use offhook_fuzz::{again, plant};

fuzz_target!(|input: &[u8]| {
    let Ok(mut one) = Conference::read(input) else { return };
    // A document of ours always has the list.
    one.all_users = true;
    let whole = |told: &Told| *told == Told::Full;
    let users = one.users.iter().all(|user| whole(&user.told) && user.endpoints.iter().all(|one| whole(&one.told)));
    let written = one.write();
    let read = Conference::read(written.as_bytes());
    if one.full && !one.deleted && whole(&one.state) && users {
        again(read, &one, &written);
    } else {
        match read {
            Ok(read) => assert_eq!((read.version, &read.entity), (one.version, &one.entity), "written as {written:?}"),
            Err(XmlError::TooLarge | XmlError::TooManyElements) => {}
            Err(error) => panic!("{error}; written as {written:?}"),
        }
    }
    let is_held = |user: &event::conference::User| user.endpoints.len() == 2 && user.status() == Some("on-hold");
    plant(one.count == Some(2) && one.users.iter().any(is_held));
});
