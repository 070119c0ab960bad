//! Documents of more than anybody wants to read.

use event::dialog::Identifiers;

use super::*;
use crate::board::Onlooker;

/// So many calls of 610, each of another user, in the dialogs of one INVITE.
fn calls(many: usize) -> Notes {
    let mut notes = Notes::default();
    for number in 0..many {
        let remote = format!("{}", 2_000 + number);
        let dialogs =
            vec![Identifiers { call_id: "one".into(), local_tag: "ours".into(), remote_tag: Some(remote.clone()) }];
        let talk = Talk { state: State::Confirmed, remote, display: None, shown: Shown::All, dialogs };
        notes.talk("610", (number as u64, false), Some(talk));
    }
    notes
}

fn written(watch: &Watch, notes: &Notes, most: usize) -> String {
    let accounts = Accounts::default();
    Document::of(watch, notes, &accounts, most, Time(0)).write(0)
}

/// Who they are, in the order of the document.
fn told(text: &str) -> Vec<String> {
    let info = DialogInfo::read(text.as_bytes()).unwrap();
    info.dialogs.into_iter().map(|one| one.remote.identity.unwrap()).collect()
}

#[test]
fn rfc4235_4_1_a_document_tells_of_64_calls_at_most_those_that_began_first() {
    let first: Vec<String> = (0..MOST_TOLD).map(|number| format!("sip:{}@x", 2_000 + number)).collect();
    let only = Identifiers { call_id: "one".into(), local_tag: "ours".into(), remote_tag: None };
    for only in [None, Some(Box::new(only))] {
        let watch = Watch { only, ..Watch::of(Package::Dialog, "610") };
        let whole = written(&watch, &calls(MOST_TOLD), most_told(1));
        assert_eq!(told(&whole), first);
        for more in [1, 10_000] {
            // Nothing is new, so nobody is told.
            let more = written(&watch, &calls(MOST_TOLD + more), most_told(1));
            assert!(more.len() == whole.len() && told(&more) == first, "{} octets", more.len());
        }
    }
    // One that is over makes room for the next.
    let mut notes = calls(MOST_TOLD + 1);
    notes.talk("610", (0, false), None);
    let text = written(&Watch::of(Package::Dialog, "610"), &notes, most_told(1));
    assert_eq!((told(&text).len(), told(&text).pop().unwrap().as_str()), (MOST_TOLD, "sip:2064@x"));
}

#[test]
fn rfc4575_5_5_a_document_tells_of_64_devices_at_most_and_counts_all_users() {
    let watch = Watch::of(Package::Conference, "610");
    for (many, listed) in [(MOST_TOLD, MOST_TOLD), (MOST_TOLD + 1, MOST_TOLD), (1_000, MOST_TOLD)] {
        let told = Conference::read(written(&watch, &calls(many), most_told(1)).as_bytes()).unwrap();
        assert_eq!((told.users.len(), told.count), (listed, Some(many as u32)));
    }
    // A second device of somebody counts once, and who does not want to be known each time.
    let mut notes = calls(3);
    for (key, shown) in [(7, Shown::All), (8, Shown::Nobody), (9, Shown::Nobody)] {
        let talk = Talk { shown, ..notes.talks["610"][&(0, false)].clone() };
        notes.talk("610", (key, false), Some(talk));
    }
    let told = Conference::read(written(&watch, &notes, most_told(1)).as_bytes()).unwrap();
    assert_eq!((told.users.len(), told.count), (5, Some(5)));
}

#[test]
fn rfc3858_4_a_document_tells_of_64_watchers_at_most() {
    let watch = Watch::of(Package::Watchers, "610");
    for (many, listed) in [(MOST_TOLD, MOST_TOLD), (MOST_TOLD + 1, MOST_TOLD), (10_000, MOST_TOLD)] {
        let mut notes = Notes::default();
        let all = notes.onlookers.entry("610".to_owned()).or_default();
        for id in 0..many as u64 {
            all.insert(id, Onlooker { user: "1001".to_owned(), package: event::presence::PACKAGE });
        }
        let told = WatcherInfo::read(written(&watch, &notes, most_told(1)).as_bytes()).unwrap();
        assert_eq!(told.lists[0].watchers.len(), listed);
    }
}

/// What is written when all change at once grows no more with how many watch, as long as each is told of sixteen.
#[test]
fn the_more_watch_the_less_each_is_told() {
    let limits = [0, 1, 1_024, 1_025, 4_096, 4_097, 20_000].map(most_told);
    assert_eq!(limits, [64, 64, 64, 63, 16, 16, 16]);
    // What falls out then is not taken for over.
    let mut watch = Watch::of(Package::Dialog, "610");
    let notes = calls(MOST_TOLD);
    watch.follows(&dialogs(&watch, &notes, MOST_TOLD).dialogs, false);
    watch.follows(&dialogs(&watch, &notes, LEAST_TOLD).dialogs, false);
    assert_eq!(watch.over, Vec::<String>::new());
}
