//! States that are told in parts, put together: the first octet says of which package, and the rest are documents, one after the other. Whatever
//! comes, the table stays within its limits, what is old changes nothing, and a whole document is the state.
#![no_main]

use event::coherent::{Document, MOST_ROWS, Room, Step, Table};
use event::conference::Conference;
use event::dialog::DialogInfo;
use event::registration::RegInfo;
use event::watchers::WatcherInfo;
use event::xml::XmlError;
use libfuzzer_sys::fuzz_target;
use offhook_fuzz::{plant, steps};

/// Whether a gap was followed by a document that has everything.
fn put_together<T: Document + PartialEq>(
    script: &[u8],
    read: fn(&[u8]) -> Result<T, XmlError>,
    rows: fn(&T) -> usize,
) -> bool {
    let (mut table, mut gap, mut mended) = (Table::default(), false, false);
    for document in steps(script).filter_map(|body| read(body).ok()) {
        let before = table.state().cloned();
        let (version, full) = (document.version(), document.full());
        let whole = full.then(|| {
            let mut whole = document.clone();
            whole.keep_within(&mut Room::default());
            whole
        });
        let step = table.take(document);
        let Some(state) = table.state() else { panic!("nothing is known after a document") };
        assert!(rows(state) <= MOST_ROWS);
        match step {
            Step::Old => assert!(before.as_ref() == Some(state)),
            Step::Taken => {
                assert_eq!(state.version(), version);
                assert!(whole.as_ref().is_none_or(|whole| whole == state), "rows of before in a whole document");
                mended |= gap && full;
            }
            Step::Gap => {
                assert!(!full && !state.full());
                gap = true;
            }
        }
    }
    mended
}

fuzz_target!(|input: &[u8]| {
    let Some((package, script)) = input.split_first() else { return };
    let mended = match package {
        b'd' => put_together(script, DialogInfo::read, |one| one.dialogs.len()),
        b'r' => {
            put_together(script, RegInfo::read, |one| one.registrations.iter().map(|one| 1 + one.contacts.len()).sum())
        }
        b'w' => put_together(script, WatcherInfo::read, |one| one.lists.iter().map(|one| 1 + one.watchers.len()).sum()),
        b'c' => put_together(script, Conference::read, |one| one.users.iter().map(|one| 1 + one.endpoints.len()).sum()),
        _ => return,
    };
    plant(mended);
});
