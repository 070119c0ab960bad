//! States as documents.

use std::collections::{BTreeMap, HashSet};

use event::conference::{Conference, Endpoint, User};
use event::dialog::{Dialog, DialogInfo, Direction, Party, State};
use event::presence::{Basic, Presence, Tuple};
use event::registration::{self, Contact, RegInfo, Registration};
use event::summary::Summary;
use event::watchers::{Watcher, WatcherInfo, WatcherList};
use proxy::Gruu;
use sip::Time;
use sip::message::UriBuf;
use sip::message::uri::Escaped;

use super::table::REMEMBERED;
use super::{Package, Watch};
use crate::accounts::Accounts;
use crate::board::{Notes, Shown, Talk};
use crate::call::dialling::NOBODY;

/// Most calls, users of a conference or watchers that a document tells of: the first, so that one that comes when there are so many changes nothing.
const MOST_TOLD: usize = 64;
/// As many are told however many documents are written.
const LEAST_TOLD: usize = REMEMBERED;
/// What all documents together tell of at most, where that leaves each so many.
const MOST_OF_ALL: usize = 65_536;

/// What one document tells of at most while so many watch.
pub(super) fn most_told(watchers: usize) -> usize {
    (MOST_OF_ALL / watchers.max(1)).clamp(LEAST_TOLD, MOST_TOLD)
}

/// A state.
pub(super) enum Document {
    Presence(Presence),
    Dialog(DialogInfo),
    Summary(Summary),
    Devices(RegInfo),
    Conference(Conference),
    Watchers(WatcherInfo),
}

impl Document {
    /// What a watcher is told: of so many calls, users or watchers at most.
    pub(super) fn of(watch: &Watch, notes: &Notes, accounts: &Accounts, most: usize, now: Time) -> Self {
        match watch.package {
            Package::Presence => Self::Presence(presence(watch, notes)),
            Package::Dialog => Self::Dialog(dialogs(watch, notes, most)),
            Package::Summary => Self::Summary(summary(watch, notes, now)),
            Package::Devices => Self::Devices(devices(watch, notes, accounts)),
            Package::Conference => Self::Conference(conference(watch, notes, accounts, most)),
            Package::Watchers => Self::Watchers(watchers(watch, notes, most)),
        }
    }

    /// The calls it tells of, where it is one of calls.
    pub(super) fn calls(&self) -> &[Dialog] {
        if let Self::Dialog(one) = self { &one.dialogs } else { &[] }
    }

    /// Says that the calls with these marks are over; nothing else of them.
    pub(super) fn ends(&mut self, over: &[String]) {
        if let Self::Dialog(one) = self {
            one.dialogs.extend(over.iter().map(|mark| Dialog::new(mark.as_str(), State::Terminated)));
        }
    }

    /// As it is told the `version`th time.
    pub(super) fn write(&mut self, version: u32) -> String {
        match self {
            // Without versions.
            Self::Presence(_) | Self::Summary(_) => {}
            Self::Dialog(one) => one.version = version,
            Self::Devices(one) => one.version = version,
            Self::Conference(one) => one.version = version,
            Self::Watchers(one) => one.version = version,
        }
        match self {
            Self::Presence(one) => one.write(),
            Self::Summary(one) => one.write(),
            Self::Dialog(one) => one.write(),
            Self::Devices(one) => one.write(),
            Self::Conference(one) => one.write(),
            Self::Watchers(one) => one.write(),
        }
    }
}

fn address(number: &str, host: &str) -> String {
    format!("sip:{}@{host}", Escaped::user(number.as_bytes()))
}

/// What the user has published; where he has published nothing, that he can be reached where a device of his is registered. Who is in a call is
/// on the phone, whatever was published.
fn presence(watch: &Watch, notes: &Notes) -> Presence {
    let published = notes.presence.get(&watch.resource).cloned().unwrap_or_default();
    let mut whole = Presence { entity: watch.entity.clone(), ..published };
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

/// The calls that are asked for, of many those that began first. Call-ID and tags are told to nobody but who has asked by them.
fn dialogs(watch: &Watch, notes: &Notes, most: usize) -> DialogInfo {
    let is_meant = |talk: &Talk| match &watch.only {
        Some(only) => talk.dialogs.iter().any(|one| only.cover(one)),
        None => true,
    };
    let talks = notes.talks.get(&watch.resource).into_iter().flatten().filter(|(_, talk)| is_meant(talk));
    let dialog = |(key, talk): (&(u64, bool), &Talk)| {
        let mut dialog = Dialog::new(notes.mark(&watch.resource, *key), talk.state);
        dialog.direction = Some(if key.1 { Direction::Initiator } else { Direction::Recipient });
        if let Some(only) = watch.only.as_deref().cloned() {
            (dialog.call_id, dialog.local_tag) = (Some(only.call_id), Some(only.local_tag));
            dialog.remote_tag = only.remote_tag;
        }
        dialog.local = Party { identity: Some(watch.entity.clone()), ..Party::default() };
        let is_named = match talk.shown {
            Shown::All => true,
            Shown::Himself => watch.user == watch.resource,
            Shown::Nobody => false,
        };
        let remote = address(if is_named { &talk.remote } else { NOBODY }, &watch.host);
        dialog.remote = Party {
            identity: Some(remote.clone()),
            display: talk.display.clone().filter(|_| is_named),
            target: Some(remote),
            ..Party::default()
        };
        dialog
    };
    let dialogs = talks.take(most).map(dialog).collect();
    DialogInfo { version: 0, full: true, entity: watch.entity.clone(), dialogs }
}

/// What was published last; nothing waits where nothing was.
fn summary(watch: &Watch, notes: &Notes, now: Time) -> Summary {
    let bodies = notes.published.bodies(now, event::summary::PACKAGE, &watch.resource);
    let read = bodies.filter_map(|body| Summary::read(body).ok()).last();
    let mut summary = read.unwrap_or_default();
    summary.account.get_or_insert_with(|| watch.entity.clone());
    summary
}

/// Each with the public address of its instance (RFC 5628 section 5), under the address that is watched: none where that is a temporary one.
fn devices(watch: &Watch, notes: &Notes, accounts: &Accounts) -> RegInfo {
    let devices = notes.devices.get(&watch.resource).map_or(&[][..], Vec::as_slice);
    let is_his = |number: &str| accounts.by_number(number).is_some_and(|known| known.name == watch.resource);
    let aor = watch.entity.parse::<UriBuf>().ok();
    let aor = aor.filter(|aor| aor.as_uri().user_unescaped().is_some_and(|number| is_his(&number)));
    let public = |urn: &str| Some(Gruu::public(aor.as_ref()?, urn)?.to_string());
    let contact = |device: &crate::board::Device| Contact {
        id: device.id.clone(),
        state: registration::State::Active,
        event: "registered".into(),
        uri: device.uri.clone(),
        expires: Some(device.expires),
        q: None,
        pub_gruu: device.instance.as_deref().and_then(public),
    };
    let state = if devices.is_empty() { registration::State::Init } else { registration::State::Active };
    let one = Registration {
        aor: watch.entity.clone(),
        id: watch.resource.clone(),
        state,
        contacts: devices.iter().map(contact).collect(),
    };
    RegInfo { version: 0, full: true, registrations: vec![one] }
}

/// Each user once, with an endpoint for each of his devices; who does not want to be known as somebody whom nobody else is (RFC 4575 section 5.6), but to
/// himself (section 8.2). Of many devices those that came first; counted are all users.
fn conference(watch: &Watch, notes: &Notes, accounts: &Accounts, most: usize) -> Conference {
    let talks = notes.talks.get(&watch.resource);
    let is_known = |talk: &Talk| talk.shown == Shown::All || talk.remote == watch.user;
    let (known, others): (Vec<&Talk>, Vec<&Talk>) =
        talks.into_iter().flat_map(|talks| talks.values()).partition(|talk| is_known(talk));
    let count = known.iter().map(|talk| &talk.remote).collect::<HashSet<_>>().len() + others.len();
    let mut users: BTreeMap<String, User> = BTreeMap::new();
    for (key, talk) in talks.into_iter().flatten().take(most) {
        let mark = notes.mark(&watch.resource, *key);
        let (entity, display) = match is_known(talk) {
            false => (format!("sip:anonymous{mark}@anonymous.invalid"), None),
            true => {
                let known = accounts.by_name(&talk.remote);
                (address(&talk.remote, &watch.host), known.and_then(|known| known.display.clone()))
            }
        };
        let (device, status) = (format!("{entity};device={mark}"), Some("connected".to_owned()));
        let user = users.entry(entity.clone()).or_insert_with(|| User { entity, display, ..User::default() });
        user.endpoints.push(Endpoint { entity: device, status, ..Endpoint::default() });
    }
    let users: Vec<User> = users.into_values().collect();
    Conference {
        version: 0,
        full: true,
        entity: watch.entity.clone(),
        count: u32::try_from(count).ok(),
        active: Some(!users.is_empty()),
        users,
        all_users: true,
        ..Conference::default()
    }
}

fn watchers(watch: &Watch, notes: &Notes, most: usize) -> WatcherInfo {
    let all = notes.onlookers.get(&watch.resource);
    let presence = all.into_iter().flatten().filter(|(_, one)| one.package == event::presence::PACKAGE).take(most);
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
    WatcherInfo { version: 0, full: true, lists: vec![list] }
}

#[cfg(test)]
mod tests;
