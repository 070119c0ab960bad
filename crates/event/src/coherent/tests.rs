use super::*;
use crate::dialog::{Dialog, State};
use crate::registration::{Contact, Registration};
use crate::watchers::{Watcher, WatcherList};

fn dialogs(version: u32, full: bool, rows: &[(&str, State)]) -> DialogInfo {
    let dialogs = rows.iter().map(|(id, state)| Dialog::new(*id, *state)).collect();
    DialogInfo { version, full, entity: "sip:a@b".to_owned(), dialogs }
}

fn rows(table: &Table<DialogInfo>) -> Vec<(&str, State)> {
    table.state().unwrap().dialogs.iter().map(|dialog| (dialog.id.as_str(), dialog.state)).collect()
}

#[test]
fn rfc4235_4_3_parts_change_rows_add_rows_and_what_is_over_goes_with_the_next() {
    let mut table = Table::default();
    assert_eq!(table.take(dialogs(7, true, &[("1", State::Early)])), Step::Taken);
    assert_eq!(table.take(dialogs(8, false, &[("2", State::Trying)])), Step::Taken);
    assert_eq!(rows(&table), [("1", State::Early), ("2", State::Trying)]);
    assert_eq!(table.take(dialogs(9, false, &[("1", State::Terminated)])), Step::Taken);
    assert_eq!(rows(&table), [("1", State::Terminated), ("2", State::Trying)]);
    assert_eq!(table.take(dialogs(10, false, &[("2", State::Confirmed)])), Step::Taken);
    assert_eq!(rows(&table), [("2", State::Confirmed)]);
    let state = table.state().unwrap();
    assert!(state.full && state.version == 10, "{state:?}");
}

#[test]
fn rfc4235_4_3_an_older_version_is_discarded_and_a_gap_wants_the_whole() {
    let mut table = Table::default();
    table.take(dialogs(5, true, &[("1", State::Early)]));
    assert_eq!(table.take(dialogs(4, true, &[])), Step::Old);
    assert_eq!(table.take(dialogs(4, false, &[("1", State::Terminated)])), Step::Old);
    assert_eq!(rows(&table), [("1", State::Early)]);
    // It is processed nevertheless.
    assert_eq!(table.take(dialogs(7, false, &[("2", State::Early)])), Step::Gap);
    assert_eq!(rows(&table), [("1", State::Early), ("2", State::Early)]);
    assert!(!table.state().unwrap().full, "something is missing");
    assert_eq!(table.take(dialogs(8, false, &[("3", State::Early)])), Step::Taken);
    assert!(!table.state().unwrap().full, "still");
    // A whole document, whatever its distance.
    assert_eq!(table.take(dialogs(20, true, &[("9", State::Early)])), Step::Taken);
    assert_eq!(rows(&table), [("9", State::Early)]);
    assert!(table.state().unwrap().full);
    // The highest number has no next.
    table.take(dialogs(u32::MAX, true, &[]));
    assert_eq!(table.take(dialogs(u32::MAX, false, &[])), Step::Taken);
}

#[test]
fn a_table_has_an_end() {
    let many: Vec<String> = (0..MOST_ROWS).map(|id| id.to_string()).collect();
    let mut table = Table::default();
    table.take(dialogs(0, true, &[]));
    let all: Vec<(&str, State)> = many.iter().map(|id| (id.as_str(), State::Early)).collect();
    table.take(dialogs(1, false, &all));
    assert_eq!(rows(&table).len(), MOST_ROWS);
    table.take(dialogs(2, false, &[("more", State::Early), ("0", State::Confirmed)]));
    assert_eq!((rows(&table).len(), rows(&table)[0]), (MOST_ROWS, ("0", State::Confirmed)));
}

/// However many rows are in rows, and however long they are.
#[test]
fn a_table_has_an_end_in_rows_of_rows_and_in_octets() {
    let contact = |id: usize, size| Contact { id: id.to_string(), uri: "x".repeat(size), ..Contact::default() };
    let one = |id: usize, contacts: usize, size| Registration {
        id: id.to_string(),
        contacts: (0..contacts).map(|id| contact(id, size)).collect(),
        ..Registration::default()
    };
    let info = |version, registrations| RegInfo { version, full: version == 0, registrations };
    let count = |table: &Table<RegInfo>| {
        let all = &table.state().unwrap().registrations;
        all.len() + all.iter().map(|one| one.contacts.len()).sum::<usize>()
    };
    let mut table = Table::default();
    table.take(info(0, vec![one(0, MOST_ROWS - 2, 1)]));
    assert_eq!(count(&table), MOST_ROWS - 1);
    table.take(info(1, vec![one(1, 0, 1)]));
    assert_eq!(count(&table), MOST_ROWS);
    for version in 2..20 {
        table.take(info(version, (0..version as usize).map(|id| one(id, MOST_ROWS + 100, 1)).collect()));
        assert_eq!(count(&table), MOST_ROWS, "{version}");
    }
    // A whole document as well.
    table.take(RegInfo { version: 20, full: true, registrations: (0..1_100).map(|id| one(id, 1, 1)).collect() });
    assert_eq!(count(&table), MOST_ROWS);
    // Each text counts.
    let long = Contact { pub_gruu: Some("x".repeat(MOST_OCTETS)), ..contact(1, 1) };
    let mut table = Table::default();
    table.take(info(0, vec![Registration { contacts: vec![long, contact(2, 1)], ..Registration::default() }]));
    assert_eq!(count(&table), 2);

    let mut table = Table::default();
    let dialog = |id: &str, size: usize| Dialog { call_id: Some("x".repeat(size)), ..Dialog::new(id, State::Early) };
    let part = |version, dialogs| DialogInfo { version, full: version == 0, entity: String::new(), dialogs };
    table.take(part(0, vec![dialog("1", MOST_OCTETS - 4)]));
    // With its name it fills the table to the last octet but three.
    table.take(part(1, vec![dialog("2", 3)]));
    assert_eq!(rows(&table).len(), 1);
    table.take(part(2, vec![dialog("3", 1), dialog("4", 60_000), dialog("5", 0)]));
    assert_eq!(rows(&table).iter().map(|one| one.0).collect::<Vec<_>>(), ["1", "3", "5"]);
    for version in 3..50 {
        table.take(part(version, vec![dialog(&version.to_string(), 60_000)]));
    }
    let octets: usize = table
        .state()
        .unwrap()
        .dialogs
        .iter()
        .map(|one| one.id.len() + one.call_id.as_ref().map_or(0, String::len))
        .sum();
    assert!(octets <= MOST_OCTETS, "{octets}");
}

#[test]
fn rfc3680_5_registrations_and_their_contacts_are_rows_of_rows() {
    let contact = |id: &str, state| Contact { id: id.to_owned(), state, ..Contact::default() };
    let info = |version, full, state, contacts| RegInfo {
        version,
        full,
        registrations: vec![Registration { aor: "sip:a@b".to_owned(), id: "r".to_owned(), state, contacts }],
    };
    use registration::State::{Active, Terminated};
    let mut table = Table::default();
    table.take(info(0, true, Active, vec![contact("1", Active)]));
    assert_eq!(table.take(info(1, false, Active, vec![contact("2", Active)])), Step::Taken);
    assert_eq!(table.take(info(2, false, Active, vec![contact("1", Terminated)])), Step::Taken);
    let ids = |table: &Table<RegInfo>| -> Vec<(String, registration::State)> {
        let all = table.state().unwrap().registrations.iter().flat_map(|one| &one.contacts);
        all.map(|contact| (contact.id.clone(), contact.state)).collect()
    };
    assert_eq!(ids(&table), [("1".to_owned(), Terminated), ("2".to_owned(), Active)]);
    assert_eq!(table.take(info(4, false, Terminated, vec![])), Step::Gap);
    assert_eq!(ids(&table), [("2".to_owned(), Active)]);
    assert_eq!(table.take(info(5, false, Active, vec![contact("3", Active)])), Step::Taken);
    assert_eq!(ids(&table), [("3".to_owned(), Active)]);
}

#[test]
fn rfc5628_6_a_public_address_of_before_is_discarded() {
    let contact = |gruu: Option<&str>| Contact {
        id: "1".to_owned(),
        state: registration::State::Active,
        pub_gruu: gruu.map(str::to_owned),
        ..Contact::default()
    };
    let mut table = Table::default();
    for (version, gruu) in (0..).zip([Some("sip:a@b;gr=1"), Some("sip:a@b;gr=2"), None]) {
        let one = Registration {
            aor: "sip:a@b".to_owned(),
            id: "r".to_owned(),
            contacts: vec![contact(gruu)],
            ..Registration::default()
        };
        assert_eq!(table.take(RegInfo { version, full: version == 0, registrations: vec![one] }), Step::Taken);
        assert_eq!(table.state().unwrap().registrations[0].contacts, [contact(gruu)]);
    }
}

#[test]
fn rfc3858_4_watchers_are_told_by_resource_and_package() {
    let info = |version, full, package: &str, ids: &[(&str, &str)]| WatcherInfo {
        version,
        full,
        lists: vec![WatcherList {
            resource: "sip:a@b".to_owned(),
            package: package.to_owned(),
            watchers: ids
                .iter()
                .map(|(id, status)| Watcher {
                    id: (*id).to_owned(),
                    status: (*status).to_owned(),
                    ..Watcher::default()
                })
                .collect(),
        }],
    };
    let mut table = Table::default();
    table.take(info(0, true, "presence", &[("1", "active")]));
    assert_eq!(table.take(info(1, false, "presence", &[("2", "pending")])), Step::Taken);
    assert_eq!(table.take(info(2, false, "dialog", &[("2", "active")])), Step::Taken);
    assert_eq!(table.take(info(3, false, "presence", &[("1", "terminated"), ("2", "active")])), Step::Taken);
    assert_eq!(table.take(info(4, false, "presence", &[])), Step::Taken);
    let all: Vec<Vec<&str>> = table
        .state()
        .unwrap()
        .lists
        .iter()
        .map(|list| list.watchers.iter().map(|watcher| watcher.id.as_str()).collect())
        .collect();
    assert_eq!(all, [vec!["2"], vec!["2"]]);
}

/// A document of a conference: its attributes, and what stands in it.
fn conference(attributes: &str, inside: &str) -> Conference {
    let text = format!(
        "<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='sip:610@x' {attributes}>{inside}</conference-info>"
    );
    Conference::read(text.as_bytes()).unwrap()
}

fn users(table: &Table<Conference>) -> Vec<(&str, Option<&str>)> {
    table.state().unwrap().users.iter().map(|user| (user.entity.as_str(), user.display.as_deref())).collect()
}

#[test]
fn rfc4575_4_6_elements_are_replaced_changed_and_removed() {
    let mut table = Table::default();
    let two = "<users><user entity='a'><display-text>A</display-text></user><user entity='b'/></users>";
    assert_eq!(table.take(conference("state='full' version='3'", two)), Step::Taken);
    let part = "<conference-state><user-count>3</user-count></conference-state>\
        <users state='partial'><user entity='a' state='partial'><endpoint entity='x'><status>on-hold</status></endpoint></user>\
        <user entity='c'/></users>";
    assert_eq!(table.take(conference("state='partial' version='4'", part)), Step::Taken);
    assert_eq!(users(&table), [("a", Some("A")), ("b", None), ("c", None)]);
    let state = table.state().unwrap();
    assert_eq!(
        (state.users[0].endpoints[0].status.as_deref(), state.count, state.full),
        (Some("on-hold"), Some(3), true)
    );
    // Without users nothing is said of them.
    assert_eq!(table.take(conference("state='partial' version='5'", "")), Step::Taken);
    let gone = "<users state='partial'><user entity='b' state='deleted'/><user entity='nobody' state='deleted'/><user entity='a'/></users>";
    assert_eq!(table.take(conference("state='partial' version='6'", gone)), Step::Taken);
    assert_eq!(users(&table), [("a", None), ("c", None)]);
    // All users are told, though not all of the conference.
    assert_eq!(table.take(conference("state='partial' version='7'", "<users><user entity='d'/></users>")), Step::Taken);
    assert_eq!(users(&table), [("d", None)]);
    // It has ceased to exist.
    assert_eq!(table.take(conference("state='deleted' version='9'", two)), Step::Taken);
    assert!(users(&table).is_empty() && table.state().unwrap().deleted);
}

#[test]
fn rfc4575_4_6_a_full_state_says_all_and_a_device_goes_without_its_user() {
    let mut table = Table::default();
    let begin = "<conference-state><user-count>2</user-count><active>true</active></conference-state><users>\
        <user entity='u'><endpoint entity='a'><status>connected</status></endpoint><endpoint entity='b'><status>connected</status></endpoint></user></users>";
    table.take(conference("state='full' version='1'", begin));
    let told = |table: &Table<Conference>| {
        let state = table.state().unwrap();
        let devices = state.users.iter().flat_map(|user| &user.endpoints);
        let devices = devices.map(|one| (one.entity.clone(), one.status.clone().unwrap_or_default()));
        (state.count, state.active, devices.collect::<Vec<_>>())
    };
    let one = |entity: &str, status: &str| (entity.to_owned(), status.to_owned());
    let both = vec![one("a", "connected"), one("b", "connected")];
    assert_eq!(told(&table), (Some(2), Some(true), both.clone()));
    let mut take = |version: u32, inside: &str| {
        assert_eq!(table.take(conference(&format!("state='partial' version='{version}'"), inside)), Step::Taken);
        told(&table)
    };
    // A part of the state leaves the rest, all of it does not, and none says nothing.
    let part = "<conference-state state='partial'><user-count>3</user-count></conference-state>";
    assert_eq!(take(2, part), (Some(3), Some(true), both.clone()));
    assert_eq!(take(3, ""), (Some(3), Some(true), both.clone()));
    assert_eq!(take(4, "<conference-state><active>true</active></conference-state>"), (None, Some(true), both.clone()));
    assert_eq!(take(5, "<conference-state state='deleted'><active>true</active></conference-state>").1, None);
    // One device of two is on hold, and goes; with the other he is there.
    let user =
        |inside: &str| format!("<users state='partial'><user entity='u' state='partial'>{inside}</user></users>");
    let held = user("<endpoint entity='b' state='partial'><status>on-hold</status></endpoint>");
    assert_eq!(take(6, &held).2, [one("a", "connected"), one("b", "on-hold")]);
    let first = user(
        "<endpoint entity='a' state='partial'><status>on-hold</status></endpoint><endpoint entity='b'><status>connected</status></endpoint>",
    );
    assert_eq!(take(7, &first).2, [one("a", "on-hold"), one("b", "connected")]);
    let gone = user("<endpoint entity='b' state='deleted'><status>disconnected</status></endpoint>");
    assert_eq!(take(8, &gone).2, [one("a", "on-hold")]);
    // What is no more is not part of what is told as a whole either.
    let anew = "<users state='partial'><user entity='u'><endpoint entity='c'/><endpoint entity='d' state='deleted'/></user></users>";
    assert_eq!(take(9, anew).2, [one("c", "")]);
    let of = |statuses: &[&str]| {
        let endpoint = |status: &&str| Endpoint { status: Some((*status).to_owned()), ..Endpoint::default() };
        User { endpoints: statuses.iter().map(endpoint).collect(), ..User::default() }.status().map(str::to_owned)
    };
    assert_eq!(
        (of(&["on-hold", "connected"]).as_deref(), of(&["on-hold", "x"]).as_deref(), of(&[])),
        (Some("connected"), Some("on-hold"), None)
    );
}

#[test]
fn rfc4575_4_6_what_follows_a_gap_is_not_taken_in_nor_the_same_number_again() {
    let mut table = Table::default();
    table.take(conference("state='full' version='3'", "<users><user entity='a'/></users>"));
    assert_eq!(table.take(conference("state='full' version='3'", "")), Step::Old);
    assert_eq!(table.take(conference("state='full' version='2'", "")), Step::Old);
    let more = "<users state='partial'><user entity='b'/></users>";
    assert_eq!(table.take(conference("state='partial' version='5'", more)), Step::Gap);
    assert_eq!(users(&table), [("a", None)]);
    assert!(!table.state().unwrap().full);
    assert_eq!(table.take(conference("state='full' version='6'", "<users><user entity='c'/></users>")), Step::Taken);
    assert_eq!(users(&table), [("c", None)]);
}

/// What others put into a document, and numbers of 32 bits (RFC 3858 section 3).
#[test]
fn rfc3680_5_1_names_that_are_not_known_are_ignored_and_versions_have_32_bits() {
    let text = "<reginfo xmlns='urn:ietf:params:xml:ns:reginfo' xmlns:o='urn:o' version='4294967295' state='partial' o:more='1'>\
        <o:else><o:contact id='0'/></o:else><registration aor='sip:a@b' id='r' state='active' o:x='y'>\
        <contact id='1' state='active' event='registered' o:z=''><uri>sip:c</uri><o:what/></contact></registration></reginfo>";
    let info = RegInfo::read(text.as_bytes()).unwrap();
    assert_eq!((info.version, info.full, info.registrations.len()), (u32::MAX, false, 1));
    assert_eq!(info.registrations[0].contacts.len(), 1);
    let text = "<watcherinfo xmlns='urn:ietf:params:xml:ns:watcherinfo' xmlns:o='urn:o' version='4294967295' state='full' o:more='1'>\
        <o:list/><watcher-list resource='sip:a@b' package='presence'><watcher id='1' status='active' event='subscribe' o:q='1'>sip:w</watcher>\
        <o:note>x</o:note></watcher-list></watcherinfo>";
    let info = WatcherInfo::read(text.as_bytes()).unwrap();
    assert_eq!((info.version, info.full, info.lists.len(), info.lists[0].watchers.len()), (u32::MAX, true, 1, 1));
}
