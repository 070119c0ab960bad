//! States that are told in parts: RFC 4235 section 4.3, RFC 3858 section 4, RFC 3680 section 5 and RFC 4575 section 4.6 say how a watcher puts them
//! together.

use crate::conference::{Conference, Endpoint, Told, User};
use crate::dialog::{self, DialogInfo};
use crate::registration::{self, RegInfo};
use crate::watchers::WatcherInfo;

/// Most rows of a table, those of rows counted as well; what comes beyond them is left out.
pub const MOST_ROWS: usize = 1_000;
/// Most octets of text in all rows of a table; what comes beyond them is left out.
pub const MOST_OCTETS: usize = 256 * 1_024;

/// What a document has done to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is taken in.
    Taken,
    /// It is taken in, and what came between the last one and this is missing: the whole state has to be asked for.
    Gap,
    /// It is older than the table: nothing has changed.
    Old,
}

/// A document that may tell a part of a state.
pub trait Document: Clone {
    /// What follows a gap is not taken in, nor is one with the number of the last (RFC 4575 section 4.6); the others take both.
    const STRICT: bool = false;
    /// Counts documents.
    fn version(&self) -> u32;
    /// It has all rows.
    fn full(&self) -> bool;
    /// It is to be shown as having all rows, or not.
    fn set_full(&mut self, full: bool);
    /// Takes the rows of a newer one in: known ones change, others are added. What was over before is dropped first.
    fn update(&mut self, newer: Self);
    /// Leaves out the rows that find no room.
    fn keep_within(&mut self, room: &mut Room);
}

/// What a table has left for rows.
#[derive(Debug)]
pub struct Room {
    rows: usize,
    octets: usize,
}

impl Room {
    /// Takes a row in with these texts; false when there is no room for it.
    fn takes<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        let octets: usize = texts.into_iter().map(str::len).sum();
        let fits = self.rows > 0 && octets <= self.octets;
        if fits {
            (self.rows, self.octets) = (self.rows - 1, self.octets - octets);
        }
        fits
    }
}

impl Default for Room {
    fn default() -> Self {
        Self { rows: MOST_ROWS, octets: MOST_OCTETS }
    }
}

/// A state, put together from what came.
#[derive(Clone, Debug)]
pub struct Table<T> {
    state: Option<T>,
    /// Nothing is missing.
    whole: bool,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { state: None, whole: false }
    }
}

impl<T: Document> Table<T> {
    /// Takes a document in, as far as there is room.
    pub fn take(&mut self, document: T) -> Step {
        let step = self.put_in(document);
        if let Some(state) = self.state.as_mut().filter(|_| step != Step::Old) {
            state.keep_within(&mut Room::default());
        }
        step
    }

    fn put_in(&mut self, document: T) -> Step {
        let Some(state) = self.state.as_mut() else {
            self.whole = document.full();
            self.state = Some(document);
            return Step::Taken;
        };
        let (known, new) = (state.version(), document.version());
        if new < known || T::STRICT && new == known {
            return Step::Old;
        }
        if document.full() {
            self.whole = true;
            self.state = Some(document);
            return Step::Taken;
        }
        let gap = new > known.saturating_add(1);
        self.whole &= !gap;
        if !(gap && T::STRICT) {
            state.update(document);
        }
        state.set_full(self.whole);
        if gap { Step::Gap } else { Step::Taken }
    }

    /// The state as far as it is known.
    pub fn state(&self) -> Option<&T> {
        self.state.as_ref()
    }
}

/// Changes the rows with the same name and adds the others.
fn merge<R>(rows: &mut Vec<R>, newer: Vec<R>, same: impl Fn(&R, &R) -> bool) {
    for new in newer {
        match rows.iter_mut().find(|row| same(row, &new)) {
            Some(row) => *row = new,
            None => rows.push(new),
        }
    }
}

impl Document for DialogInfo {
    fn version(&self) -> u32 {
        self.version
    }

    fn full(&self) -> bool {
        self.full
    }

    fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    fn update(&mut self, newer: Self) {
        self.version = newer.version;
        self.dialogs.retain(|dialog| dialog.state != dialog::State::Terminated);
        merge(&mut self.dialogs, newer.dialogs, |a, b| a.id == b.id);
    }

    fn keep_within(&mut self, room: &mut Room) {
        self.dialogs.retain(|one| {
            let sides = [&one.local, &one.remote];
            let of_sides = sides.into_iter().flat_map(|side| [&side.identity, &side.display, &side.target]);
            let others = [&one.call_id, &one.local_tag, &one.remote_tag, &one.event];
            let texts = of_sides.chain(others).filter_map(Option::as_deref);
            let descriptions = sides.into_iter().filter_map(|side| side.description.as_ref());
            let descriptions = descriptions.flat_map(|one| [one.content_type.as_str(), &one.text]);
            room.takes(texts.chain(descriptions).chain([one.id.as_str()]))
        });
    }
}

impl Document for RegInfo {
    fn version(&self) -> u32 {
        self.version
    }

    fn full(&self) -> bool {
        self.full
    }

    fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    fn update(&mut self, newer: Self) {
        self.version = newer.version;
        let over = registration::State::Terminated;
        self.registrations.retain(|one| one.state != over);
        self.registrations.iter_mut().for_each(|one| one.contacts.retain(|contact| contact.state != over));
        for new in newer.registrations {
            match self.registrations.iter_mut().find(|one| one.id == new.id) {
                Some(one) => {
                    (one.aor, one.state) = (new.aor, new.state);
                    merge(&mut one.contacts, new.contacts, |a, b| a.id == b.id);
                }
                None => self.registrations.push(new),
            }
        }
    }

    fn keep_within(&mut self, room: &mut Room) {
        self.registrations.retain_mut(|one| {
            room.takes([one.aor.as_str(), &one.id]) && {
                one.contacts.retain(|row| {
                    room.takes([row.id.as_str(), &row.event, &row.uri, row.pub_gruu.as_deref().unwrap_or_default()])
                });
                true
            }
        });
    }
}

impl Document for WatcherInfo {
    fn version(&self) -> u32 {
        self.version
    }

    fn full(&self) -> bool {
        self.full
    }

    fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    fn update(&mut self, newer: Self) {
        self.version = newer.version;
        self.lists.iter_mut().for_each(|list| list.watchers.retain(|one| one.status != "terminated"));
        for new in newer.lists {
            match self.lists.iter_mut().find(|one| one.resource == new.resource && one.package == new.package) {
                Some(list) => merge(&mut list.watchers, new.watchers, |a, b| a.id == b.id),
                None => self.lists.push(new),
            }
        }
    }

    fn keep_within(&mut self, room: &mut Room) {
        self.lists.retain_mut(|list| {
            room.takes([list.resource.as_str(), &list.package]) && {
                list.watchers.retain(|row| room.takes([row.id.as_str(), &row.status, &row.event, &row.uri]));
                true
            }
        });
    }
}

impl Document for Conference {
    const STRICT: bool = true;

    fn version(&self) -> u32 {
        self.version
    }

    fn full(&self) -> bool {
        self.full
    }

    fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    fn update(&mut self, newer: Self) {
        self.version = newer.version;
        match newer.state {
            Told::Partial => {
                self.count = newer.count.or(self.count);
                self.active = newer.active.or(self.active);
            }
            // Nothing stands in one that is deleted.
            Told::Full | Told::Deleted => (self.count, self.active) = (newer.count, newer.active),
        }
        if newer.all_users {
            self.users.clear();
        }
        for new in newer.users {
            if new.told == Told::Deleted {
                self.users.retain(|user| user.entity != new.entity);
                continue;
            }
            match self.users.iter_mut().find(|user| user.entity == new.entity) {
                Some(user) if new.told == Told::Partial => user.update(new),
                Some(user) => *user = User { told: Told::Full, ..new },
                None => self.users.push(User { told: Told::Full, ..new }),
            }
        }
        self.users.iter_mut().for_each(User::settle);
    }

    fn keep_within(&mut self, room: &mut Room) {
        self.users.retain_mut(|user| {
            room.takes([user.entity.as_str()].into_iter().chain(user.display.as_deref())) && {
                let texts = |row: &Endpoint| room.takes([row.entity.as_str()].into_iter().chain(row.status.as_deref()));
                user.endpoints.retain(texts);
                true
            }
        });
    }
}

impl User {
    /// Takes in what has changed of him (RFC 4575 section 4.6).
    fn update(&mut self, newer: Self) {
        self.display = newer.display.or(self.display.take());
        for new in newer.endpoints {
            match self.endpoints.iter_mut().find(|one| one.entity == new.entity) {
                Some(one) if new.told == Told::Partial => one.status = new.status.or(one.status.take()),
                Some(one) => *one = new,
                None => self.endpoints.push(new),
            }
        }
    }

    /// What is told to be no more is left out, and the rest is all there is.
    fn settle(&mut self) {
        self.endpoints.retain(|one| one.told != Told::Deleted);
        self.endpoints.iter_mut().for_each(|one| one.told = Told::Full);
    }
}

#[cfg(test)]
mod tests;
