//! A watcher information document (RFC 3858): read, written, and read again as the same.
#![no_main]

use event::watchers::WatcherInfo;
use libfuzzer_sys::fuzz_target;
use offhook_fuzz::{again, plant};

fuzz_target!(|input: &[u8]| {
    let Ok(one) = WatcherInfo::read(input) else { return };
    let written = one.write();
    again(WatcherInfo::read(written.as_bytes()), &one, &written);
    plant(one.lists.iter().any(|list| list.watchers.len() == 2 && list.watchers[1].expires == Some(600)));
});
