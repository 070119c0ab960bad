//! States as documents.

use std::collections::HashSet;

use event::conference::{Conference, User};
use event::dialog::{Dialog, DialogInfo, Direction, Party, State};
use event::presence::{Basic, Presence, Tuple};
use event::registration::{self, Contact, RegInfo, Registration};
use event::summary::Summary;
use event::watchers::{Watcher, WatcherInfo, WatcherList};
use sip::Time;
use sip::message::uri::Escaped;

use super::{Package, Watch};
use crate::accounts::Accounts;
use crate::board::Notes;

/// The document that a watcher is told.
pub(super) fn of(watch: &Watch, version: u32, notes: &Notes, accounts: &Accounts, now: Time) -> String {
    match watch.package {
        Package::Presence => presence(watch, notes, now).write(),
        Package::Dialog => dialogs(watch, version, notes).write(),
        Package::Summary => summary(watch, notes, now).write(),
        Package::Devices => devices(watch, version, notes).write(),
        Package::Conference => conference(watch, version, notes, accounts).write(),
        Package::Watchers => watchers(watch, version, notes).write(),
    }
}

fn address(number: &str, host: &str) -> String {
    format!("sip:{}@{host}", Escaped::user(number.as_bytes()))
}

/// What the user has published; where he has published nothing, that he can be reached where a device of his is registered. Who is in a call is
/// on the phone, whatever was published.
fn presence(watch: &Watch, notes: &Notes, now: Time) -> Presence {
    let mut whole = Presence { entity: watch.entity.clone(), ..Presence::default() };
    for body in notes.published.bodies(now, event::presence::PACKAGE, &watch.resource) {
        let Ok(one) = Presence::read(body) else { continue };
        whole.note = whole.note.or(one.note);
        whole.tuples.extend(one.tuples);
        for activity in one.activities {
            if !whole.activities.contains(&activity) {
                whole.activities.push(activity);
            }
        }
    }
    keep_apart(&mut whole.tuples);
    if whole.tuples.is_empty() {
        let here = notes.devices.get(&watch.resource).is_some_and(|devices| !devices.is_empty());
        let basic = Some(if here { Basic::Open } else { Basic::Closed });
        let contact = here.then(|| watch.entity.clone());
        whole.tuples.push(Tuple { id: "registered".into(), basic, contact, ..Tuple::default() });
    }
    let talks = notes.talks.get(&watch.resource);
    let busy = talks.is_some_and(|talks| talks.values().any(|talk| talk.state == State::Confirmed));
    let on_the_phone = "on-the-phone".to_owned();
    if busy && !whole.activities.contains(&on_the_phone) {
        whole.activities.push(on_the_phone);
    }
    whole
}

/// Two devices may have chosen the same id (RFC 3863 section 4.1.2): of those all but the first get another.
fn keep_apart(tuples: &mut [Tuple]) {
    let mut seen = HashSet::new();
    for (number, tuple) in tuples.iter_mut().enumerate() {
        if tuple.id.is_empty() || !seen.insert(tuple.id.clone()) {
            tuple.id = format!("t{number}.{}", tuple.id);
            seen.insert(tuple.id.clone());
        }
    }
}

fn dialogs(watch: &Watch, version: u32, notes: &Notes) -> DialogInfo {
    let talks = notes.talks.get(&watch.resource);
    let dialog = |(&(id, began), talk): (&(u64, bool), &crate::board::Talk)| {
        let mut dialog = Dialog::new(format!("{id}{}", if began { "o" } else { "i" }), talk.state);
        dialog.direction = Some(if began { Direction::Initiator } else { Direction::Recipient });
        dialog.local = Party { identity: Some(watch.entity.clone()), ..Party::default() };
        dialog.remote = Party {
            identity: Some(address(&talk.remote, &watch.host)),
            display: talk.display.clone(),
            target: Some(address(&talk.remote, &watch.host)),
        };
        dialog
    };
    let dialogs = talks.into_iter().flatten().map(dialog).collect();
    DialogInfo { version, full: true, entity: watch.entity.clone(), dialogs }
}

/// What was published last; nothing waits where nothing was.
fn summary(watch: &Watch, notes: &Notes, now: Time) -> Summary {
    let bodies = notes.published.bodies(now, event::summary::PACKAGE, &watch.resource);
    let read = bodies.filter_map(|body| Summary::read(body).ok()).last();
    let mut summary = read.unwrap_or_default();
    summary.account.get_or_insert_with(|| watch.entity.clone());
    summary
}

fn devices(watch: &Watch, version: u32, notes: &Notes) -> RegInfo {
    let devices = notes.devices.get(&watch.resource).map_or(&[][..], Vec::as_slice);
    let contact = |device: &crate::board::Device| Contact {
        // The same for as long as the device is at this address.
        id: device.uri.clone(),
        state: registration::State::Active,
        event: "registered".into(),
        uri: device.uri.clone(),
        expires: Some(device.expires),
        q: None,
    };
    let state = if devices.is_empty() { registration::State::Init } else { registration::State::Active };
    let one = Registration {
        aor: watch.entity.clone(),
        id: watch.resource.clone(),
        state,
        contacts: devices.iter().map(contact).collect(),
    };
    RegInfo { version, full: true, registrations: vec![one] }
}

fn conference(watch: &Watch, version: u32, notes: &Notes, accounts: &Accounts) -> Conference {
    let talks = notes.talks.get(&watch.resource);
    let user = |talk: &crate::board::Talk| {
        let entity = address(&talk.remote, &watch.host);
        User {
            display: accounts.by_name(&talk.remote).and_then(|known| known.display.clone()),
            endpoint: Some(entity.clone()),
            entity,
            status: Some("connected".into()),
        }
    };
    let users: Vec<User> = talks.into_iter().flat_map(|talks| talks.values()).map(user).collect();
    let count = u32::try_from(users.len()).ok();
    Conference { version, full: true, entity: watch.entity.clone(), count, active: Some(!users.is_empty()), users }
}

fn watchers(watch: &Watch, version: u32, notes: &Notes) -> WatcherInfo {
    let all = notes.onlookers.get(&watch.resource);
    let presence = all.into_iter().flatten().filter(|(_, one)| one.package == event::presence::PACKAGE);
    let watcher = |(id, one): (&u64, &crate::board::Onlooker)| Watcher {
        id: format!("w{id:x}"),
        status: "active".into(),
        event: "subscribe".into(),
        uri: address(&one.user, &watch.host),
        expires: None,
    };
    let list = WatcherList {
        resource: watch.entity.clone(),
        package: event::presence::PACKAGE.into(),
        watchers: presence.map(watcher).collect(),
    };
    WatcherInfo { version, full: true, lists: vec![list] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3863_4_1_2_tuples_of_several_publications_stay_apart() {
        let tuple = |id: &str| Tuple { id: id.into(), ..Tuple::default() };
        let mut tuples = ["a", "b", "a", "", "", "t3.", "a"].map(tuple);
        keep_apart(&mut tuples);
        assert_eq!((tuples[0].id.as_str(), tuples[1].id.as_str()), ("a", "b"));
        let all: HashSet<&str> = tuples.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(all.len(), tuples.len(), "{all:?}");
    }
}
