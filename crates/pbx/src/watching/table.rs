//! The subscriptions of one loop, and whom a change concerns.

use std::collections::{BTreeSet, HashMap};

use event::dialog::{Dialog, Identifiers};
use sip::{IdMap, WatcherId};

use super::{Package, publishing};

/// Most calls of a document that the next one says of that they are over. What is not told any more is over without a word, too.
pub(super) const REMEMBERED: usize = 16;

/// What of somebody is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Facet {
    /// Anything but who watches.
    State,
    /// Who watches.
    Watchers,
}

/// A subscription of a user.
#[derive(Debug)]
pub(super) struct Watch {
    /// Who watches, by name.
    pub(super) user: String,
    pub(super) package: Package,
    /// The name of a user, or the number of an extension.
    pub(super) resource: String,
    /// The address that is watched, as it was asked for.
    pub(super) entity: String,
    /// The host of that, for the addresses of others.
    pub(super) host: String,
    /// One call of them, or those of one INVITE (RFC 4235 section 3.2); `None`: all.
    pub(super) only: Option<Box<Identifiers>>,
    /// That has been told of: when it is over, so is this.
    pub(super) seen: bool,
    /// Of the next document.
    pub(super) version: u32,
    /// Of the last, without its version.
    pub(super) told: Option<u64>,
    /// Marks of calls in the last document.
    pub(super) standing: Vec<String>,
    /// Marks of those that it says are over.
    pub(super) over: Vec<String>,
}

impl Watch {
    /// By what change it is told something.
    fn concerns(&self) -> (String, Facet) {
        let facet = if self.package == Package::Watchers { Facet::Watchers } else { Facet::State };
        (self.resource.clone(), facet)
    }

    /// The next document, which tells of these calls: its version. What the last one told of and this one does not is `over` (RFC 4235 section 3.7.1). A last one that
    /// `waits` is not sent any more: this one takes its place, its number (section 4.1: one more for each that is sent) and what it had to say.
    pub(super) fn follows(&mut self, calls: &[Dialog], waits: bool) -> u32 {
        match waits {
            true => self.version = self.version.wrapping_sub(1),
            false => self.over.clear(),
        }
        let stands = |mark: &String| calls.iter().any(|call| call.id == *mark);
        self.over.extend(self.standing.drain(..).filter(|mark| !stands(mark)));
        self.over.truncate(REMEMBERED);
        self.standing.extend(calls.iter().take(REMEMBERED).map(|call| call.id.clone()));
        let version = self.version;
        self.version = version.wrapping_add(1);
        version
    }
}

/// The subscriptions of one loop.
#[derive(Debug, Default)]
pub(crate) struct Watching {
    pub(super) all: IdMap<WatcherId, Watch>,
    pub(super) by_resource: HashMap<(String, Facet), BTreeSet<WatcherId>>,
    /// Whose each is, until nothing of it is left: also what has ended takes room until then.
    pub(super) places: IdMap<WatcherId, String>,
    pub(super) by_user: HashMap<String, usize>,
    /// Sides of calls that are over, and still on the board.
    pub(super) over: Vec<(u64, bool)>,
    /// What of whom has changed.
    pub(super) changed: BTreeSet<(String, Facet)>,
    pub(super) publications: publishing::Timer,
}

impl Watching {
    pub(super) fn add(&mut self, id: WatcherId, watch: Watch) {
        self.by_resource.entry(watch.concerns()).or_default().insert(id);
        *self.by_user.entry(watch.user.clone()).or_default() += 1;
        self.places.insert(id, watch.user.clone());
        self.all.insert(id, watch);
    }

    pub(super) fn remove(&mut self, id: WatcherId) -> Option<Watch> {
        let gone = self.all.remove(&id)?;
        let concerns = gone.concerns();
        if let Some(ids) = self.by_resource.get_mut(&concerns) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_resource.remove(&concerns);
            }
        }
        Some(gone)
    }

    /// Gives its place back; false when it had none.
    pub(super) fn forget(&mut self, id: WatcherId) -> bool {
        let Some(user) = self.places.remove(&id) else { return false };
        if let Some(count) = self.by_user.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                self.by_user.remove(&user);
            }
        }
        true
    }
}

#[cfg(test)]
impl Watch {
    /// Of 1001, who may see all that there is of this extension.
    pub(super) fn of(package: Package, resource: &str) -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            user: text("1001"),
            package,
            resource: text(resource),
            entity: format!("sip:{resource}@x"),
            host: text("x"),
            only: None,
            seen: false,
            version: 0,
            told: None,
            standing: Vec::new(),
            over: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4235_4_1_a_document_that_was_never_sent_leaves_its_number_and_its_ends_to_the_next() {
        let mut watch = Watch::of(Package::Dialog, "1002");
        let calls = |marks: &[&str]| -> Vec<Dialog> {
            marks.iter().map(|mark| Dialog::new(*mark, event::dialog::State::Confirmed)).collect()
        };
        assert_eq!((watch.follows(&calls(&["a", "b"]), false), watch.over.len()), (0, 0));
        assert_eq!((watch.follows(&calls(&["b"]), false), watch.over.clone()), (1, vec!["a".to_owned()]));
        // Nobody has been told that `a` is over.
        assert_eq!((watch.follows(&calls(&[]), true), watch.over.clone()), (1, vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!((watch.follows(&calls(&["c"]), false), watch.over.len()), (2, 0));
        // So many are remembered, and one that is not among the first is not taken for over.
        let names: Vec<String> = (0..40).map(|number| format!("d{number}")).collect();
        let mut many: Vec<Dialog> =
            names.iter().map(|name| Dialog::new(name.as_str(), event::dialog::State::Confirmed)).collect();
        watch.follows(&many, false);
        assert_eq!((watch.standing.len(), watch.over.clone()), (REMEMBERED, vec!["c".to_owned()]));
        many.rotate_left(20);
        watch.follows(&many, false);
        assert_eq!(watch.over.len(), 0);
        watch.follows(&calls(&[]), false);
        assert_eq!((watch.standing.len(), watch.over.len()), (0, REMEMBERED));
    }

    /// One more that watches is told to those who want to know that, and nothing is written anew for all others.
    #[test]
    fn rfc3857_4_7_1_who_watches_concerns_only_who_watches_that() {
        for package in Package::ALL {
            let (resource, facet) = Watch::of(package, "1002").concerns();
            let expected = if package == Package::Watchers { Facet::Watchers } else { Facet::State };
            assert_eq!((resource.as_str(), facet), ("1002", expected), "{package:?}");
        }
    }

    #[test]
    fn what_has_ended_keeps_its_place_until_nothing_is_left_of_it() {
        let mut all = Watching::default();
        let ids = [1, 2].map(|slot| WatcherId(sip::Id::new(sip::Shard(0), 1, slot)));
        all.add(ids[0], Watch::of(Package::Presence, "1002"));
        all.add(ids[1], Watch::of(Package::Watchers, "1002"));
        assert_eq!(all.by_resource.len(), 2);
        assert!(all.remove(ids[0]).is_some() && all.remove(ids[0]).is_none());
        assert_eq!((all.by_resource.len(), all.by_user["1001"]), (1, 2));
        assert!(all.forget(ids[0]) && !all.forget(ids[0]));
        assert!(all.remove(ids[1]).is_some() && all.forget(ids[1]));
        assert!(all.by_resource.is_empty() && all.by_user.is_empty() && all.places.is_empty() && all.all.is_empty());
    }
}
