//! States that are told in parts: RFC 4235 section 4.3, RFC 3858 section 4, RFC 3680 section 5 and RFC 4575 section 4.6 say how a watcher puts them
//! together.

use crate::conference::{Conference, Told, User};
use crate::dialog::{self, DialogInfo};
use crate::registration::{self, RegInfo};
use crate::watchers::WatcherInfo;

/// Most rows of a table; what comes beyond them is left out.
pub const MOST_ROWS: usize = 1_000;

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
    /// Takes a document in.
    pub fn take(&mut self, document: T) -> Step {
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

/// Changes the rows with the same name and adds the others, as long as there is room.
fn merge<R>(rows: &mut Vec<R>, newer: Vec<R>, same: impl Fn(&R, &R) -> bool) {
    for new in newer {
        let room = rows.len() < MOST_ROWS;
        match rows.iter_mut().find(|row| same(row, &new)) {
            Some(row) => *row = new,
            None if room => rows.push(new),
            None => {}
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
            let room = self.registrations.len() < MOST_ROWS;
            match self.registrations.iter_mut().find(|one| one.id == new.id) {
                Some(one) => {
                    (one.aor, one.state) = (new.aor, new.state);
                    merge(&mut one.contacts, new.contacts, |a, b| a.id == b.id);
                }
                None if room => self.registrations.push(new),
                None => {}
            }
        }
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
            let room = self.lists.len() < MOST_ROWS;
            match self.lists.iter_mut().find(|one| one.resource == new.resource && one.package == new.package) {
                Some(list) => merge(&mut list.watchers, new.watchers, |a, b| a.id == b.id),
                None if room => self.lists.push(new),
                None => {}
            }
        }
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
        self.count = newer.count.or(self.count);
        self.active = newer.active.or(self.active);
        if newer.all_users {
            self.users.clear();
        }
        for new in newer.users {
            let room = self.users.len() < MOST_ROWS;
            if new.told == Told::Deleted {
                self.users.retain(|user| user.entity != new.entity);
                continue;
            }
            match self.users.iter_mut().find(|user| user.entity == new.entity) {
                Some(user) if new.told == Told::Partial => {
                    user.display = new.display.or(user.display.take());
                    user.endpoint = new.endpoint.or(user.endpoint.take());
                    user.status = new.status.or(user.status.take());
                }
                Some(user) => *user = new,
                None if room => self.users.push(User { told: Told::Full, ..new }),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
