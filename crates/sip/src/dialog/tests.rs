use super::table::NONE;
use super::*;
use crate::id::{Id, SessionId, Shard};
use crate::transaction::key::Keys;

fn record(n: u32) -> Record {
    Record {
        call_id: format!("{n:08x}-3848276298220188511@client.atlanta.example.com"),
        local: "\"Alice\" <sip:alice@atlanta.example.com>".into(),
        local_tag: format!("{n:09x}w"),
        remote: "<sip:bob@biloxi.example.com>".into(),
        remote_tag: format!("8321234356-{n:06x}"),
        remote_target: "sip:bob@client.biloxi.example.com:5062".into(),
        contact: ContactSpec::Auto { user: Some("alice".into()), params: ";ob".into() },
        routes: vec!["<sip:ss1.atlanta.example.com;lr>".into(), "<sip:ss2.biloxi.example.com;lr>".into()],
        local_cseq: n,
        remote_cseq: None,
        role: Role::Caller,
        phase: Phase::Early,
        secure: false,
        path: None,
    }
}

fn new_table(shard: Shard, max: usize, key: (u64, u64)) -> Dialogs {
    let mut table = Dialogs::default();
    table.prepare(shard, max, Keys(key));
    table
}

fn owner(n: u32) -> SessionId {
    SessionId(Id::new(Shard(3), 1, n))
}

#[test]
fn dialog_is_plain_data_and_comes_back_from_its_record() {
    for contact in [
        ContactSpec::None,
        ContactSpec::Auto { user: None, params: String::new() },
        ContactSpec::Auto { user: None, params: ";ob".into() },
        ContactSpec::Auto { user: Some(String::new()), params: String::new() },
        ContactSpec::Given("<sip:x@y;z>;q=1".into()),
    ] {
        let record = Record { contact, remote_cseq: Some(0), ..record(7) };
        let dialog = Dialog::from_record(&record).unwrap();
        assert_eq!(dialog.to_record(), record);
        assert_eq!(Dialog::from_record(&dialog.to_record()).unwrap(), dialog);
    }
}

#[test]
fn rfc3261_12_2_1_1_from_and_to_carry_the_tags() {
    let mut r = record(1);
    r.local_tag = "l1".into();
    r.remote_tag = String::new();
    let dialog = Dialog::from_record(&r).unwrap();
    assert_eq!(dialog.from_value(), "\"Alice\" <sip:alice@atlanta.example.com>;tag=l1");
    assert_eq!(dialog.to_value(), "<sip:bob@biloxi.example.com>", "a null tag is left out");
}

#[test]
fn rfc3261_12_2_1_1_local_cseq_is_contiguous_and_never_wraps() {
    let mut dialog = Dialog::from_record(&record(5)).unwrap();
    assert_eq!(dialog.next_cseq(), Ok(6));
    dialog.follow_cseq(9);
    dialog.follow_cseq(3);
    assert_eq!(dialog.next_cseq(), Ok(10));
    dialog.follow_cseq(u32::MAX - 1);
    assert_eq!(dialog.next_cseq(), Ok(u32::MAX));
    assert_eq!(dialog.next_cseq(), Err(DialogError::CSeqExhausted));
    assert_eq!(dialog.local_cseq(), u32::MAX);
}

#[test]
fn rfc3261_12_2_2_remote_cseq_takes_gaps_and_refuses_lower_ones() {
    let mut dialog = Dialog::from_record(&record(5)).unwrap();
    assert_eq!(dialog.heard_cseq(0), Ok(()), "the first may be anything");
    assert_eq!(dialog.heard_cseq(0), Err(DialogError::OutOfOrder { got: 0, seen: 0 }));
    assert_eq!(dialog.heard_cseq(105), Ok(()));
    assert_eq!(dialog.heard_cseq(104), Err(DialogError::OutOfOrder { got: 104, seen: 105 }));
    assert_eq!(dialog.heard_cseq(u32::MAX), Ok(()));
    assert_eq!(dialog.remote_cseq(), Some(u32::MAX));
}

#[test]
fn rfc3261_12_2_1_2_target_refresh_changes_the_target_alone() {
    let mut dialog = Dialog::from_record(&record(5)).unwrap();
    dialog.set_remote_target("sip:elsewhere@10.0.0.1").unwrap();
    assert_eq!(dialog.to_record(), Record { remote_target: "sip:elsewhere@10.0.0.1".into(), ..record(5) });
    assert_eq!(dialog.set_remote_target(&"x".repeat(MAX_TEXT)), Err(DialogError::TooLarge));
    assert_eq!(dialog.remote_target(), "sip:elsewhere@10.0.0.1");
}

#[test]
fn rfc3261_13_2_2_4_route_set_is_that_of_the_2xx() {
    let mut dialog = Dialog::from_record(&record(5)).unwrap();
    dialog.confirm(&["<sip:only;lr>".to_owned()]).unwrap();
    assert_eq!(dialog.phase(), Phase::Confirmed);
    assert_eq!(dialog.routes().collect::<Vec<_>>(), ["<sip:only;lr>"]);
    dialog.confirm(&[]).unwrap();
    assert_eq!(dialog.routes().count(), 0);
}

#[test]
fn rfc3261_7_3_1_what_is_not_utf8_spoils_its_own_field_only() {
    let mut sketch = Sketch {
        call_id: b"c",
        local: b"\"\xff\" <sip:a@b>",
        local_tag: "l",
        remote: b"<sip:c@d>",
        remote_tag: b"r",
        remote_target: b"sip:c@d",
        contact: ContactParts::of_user(Some("a")),
        routes: &[],
        local_cseq: 0,
        remote_cseq: Some(1),
        role: Role::Callee,
        phase: Phase::Early,
        secure: false,
        path: None,
    };
    let dialog = Dialog::from_sketch(&sketch).unwrap();
    assert_eq!((dialog.local(), dialog.remote(), dialog.call_id()), ("\"\u{fffd}\" <sip:a@b>", "<sip:c@d>", "c"));
    // Two halves of one character.
    (sketch.local, sketch.remote, sketch.remote_tag) = (b"", b"\xc3", b"\xa4");
    let dialog = Dialog::from_sketch(&sketch).unwrap();
    assert_eq!((dialog.local_tag(), dialog.remote(), dialog.remote_tag()), ("l", "\u{fffd}", "\u{fffd}"));
    assert_eq!(dialog.remote_target(), "sip:c@d");
}

#[test]
fn rfc3261_12_2_1_2_a_new_target_or_contact_leaves_all_else_as_it_was() {
    let mut expected = record(1);
    let mut dialog = Dialog::from_record(&expected).unwrap();
    for (target, contact) in [
        ("sip:b@a-much-longer-name-of-a-host.biloxi.example.com:5062;ob", ContactSpec::None),
        ("sip:b@c", ContactSpec::Given("<sip:somebody@somewhere.example.com>;q=1".into())),
        ("sip:b@d", ContactSpec::Auto { user: None, params: String::new() }),
        ("sip:bob@e", ContactSpec::Auto { user: Some("bob".into()), params: ";ob".into() }),
    ] {
        dialog.set_remote_target(target).unwrap();
        dialog.set_contact(&contact).unwrap();
        (expected.remote_target, expected.contact) = (target.to_owned(), contact);
        assert_eq!(dialog.to_record(), expected);
    }
    let too_long = "x".repeat(MAX_TEXT);
    assert_eq!(dialog.set_remote_target(&too_long), Err(DialogError::TooLarge));
    assert_eq!(dialog.to_record(), expected);
}

#[test]
fn dialog_text_has_a_limit() {
    let mut r = record(1);
    let used = Dialog::from_record(&r).unwrap().heap_size();
    r.call_id.push_str(&"x".repeat(MAX_TEXT - used));
    assert_eq!(Dialog::from_record(&r).unwrap().heap_size(), MAX_TEXT);
    r.call_id.push('x');
    assert_eq!(Dialog::from_record(&r).err(), Some(DialogError::TooLarge));
}

#[test]
fn rfc3261_12_table_finds_by_call_id_and_both_tags() {
    let mut table = new_table(Shard(3), 1_000, (1, 2));
    let mut ids = Vec::new();
    for n in 0..1_000 {
        ids.push(table.insert(Dialog::from_record(&record(n)).unwrap(), owner(n)).unwrap());
    }
    assert_eq!(table.insert(Dialog::from_record(&record(1_000)).unwrap(), owner(0)), Err(DialogError::Full));
    for (n, &id) in (0..).zip(&ids) {
        let r = record(n);
        assert_eq!(table.find(&r.call_id, &r.local_tag, &r.remote_tag), Some(id));
        assert_eq!(table.find(&r.call_id, &r.remote_tag, &r.local_tag), None, "tags have their side");
        assert_eq!(table.find(r.call_id.to_uppercase(), &r.local_tag, &r.remote_tag), None, "byte for byte");
        assert_eq!(table.owner(id), Some(owner(n)));
    }
    for &id in ids.iter().step_by(2) {
        assert!(table.remove(id).is_some());
        assert!(table.remove(id).is_none());
        assert!(table.get(id).is_none() && table.owner(id).is_none());
    }
    assert_eq!(table.len(), 500);
    let again = table.insert(Dialog::from_record(&record(998)).unwrap(), owner(1)).unwrap();
    assert!(!ids.contains(&again), "a handle is not used twice");
    assert_eq!(table.insert(Dialog::from_record(&record(1)).unwrap(), owner(1)), Err(DialogError::Exists));
}

#[test]
fn dialogs_with_equal_hashes_are_told_apart() {
    let mut table = new_table(Shard(0), 10, (0, 0));
    let ids: Vec<_> =
        (0..4).map(|n| table.insert(Dialog::from_record(&record(n)).unwrap(), owner(n)).unwrap()).collect();
    // As if all four had the hash of the first: chained by hand in the order in which insert would do it.
    let hash = table.hash_of(table.get(ids[0]).unwrap());
    table.index.clear();
    for n in 0..4u32 {
        table.slots.get_mut(n as usize).expect("a slot").next = if n == 0 { NONE } else { n - 1 };
    }
    table.index.insert(hash, 3);
    let r = record(0);
    assert_eq!(table.find(&r.call_id, &r.local_tag, &r.remote_tag), Some(ids[0]));
    for (at, left) in [(1, vec![3, 2, 0]), (3, vec![2, 0]), (0, vec![2]), (2, vec![])] {
        table.unlink(hash, at);
        let mut chain = Vec::new();
        let mut next = table.index.get(&hash).copied().unwrap_or(NONE);
        while next != NONE {
            chain.push(next);
            next = table.slots.get(next as usize).expect("a slot").next;
        }
        assert_eq!(chain, left);
    }
}

#[test]
fn dialog_hash_depends_on_the_secret() {
    let (a, b) = (new_table(Shard(0), 1, (1, 2)), new_table(Shard(0), 1, (1, 3)));
    assert_ne!(a.hash("c", "l"), b.hash("c", "l"));
    assert_ne!(a.hash("cl", ""), a.hash("c", "l"), "where a part ends counts");
}

#[test]
fn table_of_dialogs_gives_room_back_and_never_finds_what_stood_there() {
    let mut table = new_table(Shard(1), 20_000, (5, 6));
    let fill = |table: &mut Dialogs| -> Vec<_> {
        (0..10_000).map(|n| table.insert(Dialog::from_record(&record(n)).unwrap(), owner(n)).unwrap()).collect()
    };
    let before = fill(&mut table);
    let size = table.heap_size();
    let stands = before[2_000];
    before.iter().filter(|id| **id != stands).for_each(|id| assert!(table.remove(*id).is_some()));
    let kept = table.take(stands).unwrap();
    let stands = table.insert(kept, owner(7)).unwrap();
    table.trim();
    assert!(table.heap_size() * 3 < size, "{} octets of {size}", table.heap_size());
    assert_eq!((table.owner(stands), table.len(), table.is_spare()), (Some(owner(7)), 1, true));
    assert!(table.take(stands).is_some());
    let after = fill(&mut table);
    assert!(before.iter().all(|id| table.get(*id).is_none()));
    for (n, id) in (0..).zip(&after) {
        let r = record(n);
        assert_eq!(table.find(&r.call_id, &r.local_tag, &r.remote_tag), Some(*id));
    }
    after.iter().for_each(|id| assert!(table.remove(*id).is_some()));
    table.trim();
    assert!(table.heap_size() * 10 < size, "{} octets of {size}", table.heap_size());
    assert!(!table.is_spare());
}
